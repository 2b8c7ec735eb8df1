"""Published models, each as a repository with a card in its publisher's manner, come out as an analyst read them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.assessors.model_cases import Case, by_key, judged, model
from tests.assessors.reference_cards import CARDS

from aibom.report import Assessment

ROWS = {row["model_id"]: row for row in csv.DictReader(Path(__file__).with_name("reference_models.csv").open())}
# What the analyst's words mean as strengths; None is "nothing is said".
STRENGTHS: dict[str, set[str | None]] = {
    "indicated": {"indicates"},
    "presumed": {"indicates"},
    "not_indicated": {"does-not-indicate"},
    "not_presumed": {"does-not-indicate"},
    "licence_disqualifies": {"does-not-indicate"},
    "unavailable_systemic": {"does-not-indicate"},
    "insufficient_evidence": {"insufficient-evidence"},
    "contested": {"insufficient-evidence", "possible-relevance"},
    "conditions_appear_met": {"suggests"},
    "not_applicable": {None, "insufficient-evidence", "not-decidable", "does-not-indicate", "possible-relevance"},
    "indicated_but_narrow": {"possible-relevance", "insufficient-evidence"},
}
# Where only an outside estimate exists and its interval holds the threshold, the interval decides, not its middle.
STRADDLES = {("xai-org/grok-1", "art-51-systemic"), ("tencent/HunyuanVideo", "art-53-gpai")}


def _case(name: str) -> Case:
    card, arguments = CARDS[name]
    return model(card, **{"identity": name, **arguments})


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("art-53-gpai", "expected_gpai"),
        ("art-51-systemic", "expected_systemic"),
        ("art-53-2-open-source", "expected_os_exemption"),
    ],
)
def test_reference_model_gets_the_expected_strength(name: str, key: str, column: str) -> None:
    """Each reference model gets what its row expects, from its card, configuration and declared shapes."""
    expected = {strength for word in ROWS[name][column].split("|") for strength in STRENGTHS[word]}
    if (name, key) in STRADDLES:
        expected = {"insufficient-evidence"}
    case = _case(name)
    found = by_key(case, judged(case)).get(key)
    assert (found.strength.value if found else None) in expected, found


def test_every_reference_model_has_a_card() -> None:
    """No row is left out."""
    assert set(ROWS) == set(CARDS)


def test_moe_active_params_external_inputs_decide_not_all_parameters() -> None:
    """Trap moe-active-params: 671 billion parameters times tokens would be above 1e25, 37 billion are not."""
    case = _case("deepseek-ai/DeepSeek-V3")
    systemic = by_key(case, judged(case))["art-51-systemic"]
    assert systemic.strength.value == "does-not-indicate"
    assert any("3.7e+10 active parameters" in item.statement for item in systemic.because)


def test_mixture_without_active_parameters_never_falls_back_to_all() -> None:
    """A mixture whose active parameters can't be derived gives no estimate from tokens."""
    card = "---\npipeline_tag: text-generation\n---\n# M\n\nPretrained on 15T tokens.\n"
    config = {"architectures": ["XForCausalLM"], "n_routed_experts": 64}
    assert (
        by_key(*_judge(model(card, config=config, parameters=6e11)))["art-53-gpai"].strength == "insufficient-evidence"
    )


def _judge(case: Case) -> tuple[Case, Assessment]:
    return case, judged(case)


def test_moe_licence_contested_display_duty_is_quoted() -> None:
    """Trap moe+licence-contested: the display duty is quoted and left to a reader."""
    found = by_key(*_judge(_case("moonshotai/Kimi-K2-Instruct")))["art-53-2-open-source"]
    assert found.strength == "insufficient-evidence"
    assert any("display duty" in item.statement for item in found.because)


def test_external_estimate_only_is_cited_as_external() -> None:
    """Trap external-estimate-only: an outside estimate above 1e25 is cited as such and presumes nothing."""
    found = by_key(*_judge(_case("mistralai/Mistral-Large-Instruct-2407")))["art-51-systemic"]
    assert found.strength == "insufficient-evidence"
    assert any("outside estimate (likely" in item.statement for item in found.because)


def test_sub_1b_params_can_be_above_the_line_and_near_it() -> None:
    """Trap sub-1B-params: 0.6 billion parameters are above 1e23, within the 30 % that is said."""
    found = by_key(*_judge(_case("Qwen/Qwen3-0.6B")))
    assert found["art-53-gpai"].strength == "indicates"
    assert found["gpai-near-threshold"].strength == "indicates"


def test_params_not_decisive_3_8_billion_are_below() -> None:
    """Trap params-not-decisive: 3.8 billion parameters are below 1e23, and not near it."""
    found = by_key(*_judge(_case("microsoft/Phi-3-mini-4k-instruct")))
    assert found["art-53-gpai"].strength == "does-not-indicate"
    assert "gpai-near-threshold" not in found


@pytest.mark.parametrize("name", ["meta-llama/Llama-4-Scout-17B-16E", "tencent/HunyuanVideo"])
def test_eu_exclusion_is_said_apart(name: str) -> None:
    """Trap eu-exclusion: a license that leaves out the Union is its own determination."""
    assert by_key(*_judge(_case(name)))["gpai-union-exclusion"].strength == "suggests"


def test_unknown_tokens_speculative_estimate_settles_nothing() -> None:
    """Trap unknown-tokens: a speculative outside estimate settles neither threshold, and the break-even is said."""
    found = by_key(*_judge(_case("mistralai/Mixtral-8x7B-v0.1")))
    assert found["art-53-gpai"].strength == "insufficient-evidence"
    assert "12.9 B parameters would need 1.29 T tokens" in found["art-53-gpai"].statement


def test_licence_field_unknown_is_settled_by_the_text() -> None:
    """Trap licence-field-unknown: `license: unknown` beside a recognised text is that text's license."""
    found = by_key(*_judge(_case("tiiuae/falcon-180B")))["art-53-2-open-source"]
    assert "falcon-180b: separate commercial license" in found.statement


def test_positive_control_public_summary_is_found() -> None:
    """Trap positive-control: the public summary that the card names is evidence for Art. 53(1)(d)."""
    found = by_key(*_judge(_case("HuggingFaceTB/SmolLM3-3B")))["art-53-1-d"]
    assert found.strength == "suggests"
    assert any("Public Summary" in item.statement for item in found.because)


def test_weights_without_usage_info_are_not_enough() -> None:
    """Trap weights-without-usage-info: an open license and weights alone leave the exception open."""
    found = by_key(*_judge(_case("xai-org/grok-1")))["art-53-2-publication"]
    assert found.strength == "insufficient-evidence"
    assert "technical means of integration" in found.statement


def test_licence_per_repo_research_terms_in_the_card() -> None:
    """Trap licence-per-repo: an unnamed license whose card says research only is read by that sentence."""
    found = by_key(*_judge(_case("openGPT-X/Teuken-7B-instruct-research-v0.4")))["art-53-2-license"]
    assert found.strength == "does-not-indicate"
    assert "research use only" in found.statement


def test_narrow_task_is_never_more_than_possible() -> None:
    """Trap narrow-task: transcription with compute above 1e23 is possible relevance, not an indication."""
    card = CARDS["openai/whisper-large-v2"][0] + "\nTraining took 3e23 FLOPs of compute.\n"
    found = by_key(
        *_judge(model(card, parameters=1.54e9, config={"architectures": ["WhisperForConditionalGeneration"]}))
    )
    assert found["art-53-gpai"].strength == "possible-relevance"


def test_assumptions_of_the_hardware_method_are_shown() -> None:
    """Hours become an estimate whose peak rate and assumed utilization stand in the evidence."""
    found = by_key(*_judge(_case("CompVis/stable-diffusion-v1-4")))["art-53-gpai"]
    assert any("3.12e+14 FLOP/s, 50% assumed (25% to 55%)" in item.statement for item in found.because)
