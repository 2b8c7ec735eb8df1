"""Minimum elements on an emitted document."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace
from tests.emitters.reports import fine_tune_report, hostile_report, minimal_report

from aibom.documents import load
from aibom.emitters import emit
from aibom.emitters.gate import resolves
from aibom.errors import UsageError
from aibom.report import Report
from aibom.score import _STEP, Outcome, elements, profiles, score


def document(report: Report) -> dict[str, Any]:
    return load(emit(report, "cyclonedx"))


def outcomes(report: Report, profile: str) -> dict[str, str]:
    return {answer.element.id: answer.outcome.value for answer in score(document(report), profile).answers}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("g7-ai", 50),
        ("cisa-2026", 23),
        ("ntia-2021", 7),
        ("bsi-tr-03183-2-2.1", 12),
        ("spdx-ai", 11),
        ("owasp-compat", 37),
    ],
)
def test_profiles_have_as_many_elements_as_their_lists(profile: str, expected: int) -> None:
    """Seven clusters of 10, 9, 13, 10, 2, 4 and 2 for the G7; 17 fields and 6 practices for CISA."""
    assert expected == sum(element.profile == profile for element in elements())


def test_the_clusters_of_the_g7_are_complete() -> None:
    """As many elements a cluster as the list has."""
    clusters = Counter(element.cluster for element in elements() if element.profile == "g7-ai")
    assert [10, 9, 13, 10, 2, 4, 2] == list(clusters.values())


def test_every_path_of_the_table_can_be_followed() -> None:
    """The little language of the table is obeyed in every row, and ids are unique in their profile."""
    for element in elements():
        steps = [s for part in element.paths.replace("&", "|").split("|") for s in part.lstrip("?").split("/") if s]
        assert all(_STEP.fullmatch(step) for step in steps), element
    ids = [(element.profile, element.id) for element in elements()]
    assert len(set(ids)) == len(ids)


def test_a_rich_document_answers_most_of_the_g7_elements() -> None:
    """What the scan knows is found; what only the user knows is absent and says so."""
    found = outcomes(fine_tune_report(), "g7-ai")
    for name in (
        "MD-01",
        "MD-10",
        "MDL-01",
        "MDL-02",
        "MDL-07",
        "MDL-09",
        "MDL-12",
        "DP-09",
        "INF-01",
        "SP-04",
        "KPI-02",
    ):
        assert "present" == found[name], name
    for name in ("MD-05", "SLP-06", "SLP-07", "KPI-01"):
        assert "absent" == found[name], name


def test_an_explicit_unknown_is_not_an_absence() -> None:
    """A model without a licence says so."""
    assert "declared-unknown" == outcomes(minimal_report(), "g7-ai")["MDL-12"]
    bom = document(minimal_report())
    root = bom["metadata"]["component"]
    root["properties"] = [entry for entry in root["properties"] if entry["name"] != "aibom:license:status"]
    (answer,) = [a for a in score(bom, "g7-ai").answers if a.element.id == "MDL-12"]
    assert (Outcome.ABSENT, ("model",)) == (answer.outcome, answer.missing)


@pytest.mark.parametrize("text", ["unknown", "NOASSERTION", "Unknown "])
def test_a_placeholder_is_an_unknown(text: str) -> None:
    """`version: unknown` is not a version."""
    bom = {"bomFormat": "CycloneDX", "components": [{"type": "machine-learning-model", "name": "m", "version": text}]}
    (answer,) = [a for a in score(load(json.dumps(bom)), "g7-ai").answers if a.element.id == "MDL-03"]
    assert Outcome.DECLARED_UNKNOWN is answer.outcome


def test_practices_can_not_be_seen_in_a_document() -> None:
    """Frequency and delivery are not the document's to show."""
    found = outcomes(fine_tune_report(), "cisa-2026")
    assert {"not-applicable"} == {
        found[name] for name in ("Frequency", "Distribution and Delivery", "Accommodation of Updates to SBOM Data")
    }


def test_a_tool_is_not_an_author_and_a_supplier_not_a_producer() -> None:
    """The two traps of the CISA list."""
    assert "absent" == outcomes(minimal_report(), "cisa-2026")["SBOM Author"]
    assert "absent" == outcomes(fine_tune_report(), "cisa-2026")["Component Producer"]


def test_every_part_must_answer() -> None:
    """One component without a version is named."""
    (answer,) = [a for a in score(document(fine_tune_report()), "ntia").answers if a.element.id == "Supplier Name"]
    assert Outcome.ABSENT is answer.outcome
    assert {"acme/tickets", "gsm8k", "transformers", "accelerate"} == set(answer.missing)


def test_pointers_lead_to_what_satisfies_an_element() -> None:
    """Each present element says where."""
    bom = document(fine_tune_report())
    for profile in profiles():
        for answer in score(bom, profile).answers:
            assert all(resolves(bom, pointer) for pointer in answer.pointers)
            assert bool(answer.pointers) or answer.outcome in (Outcome.ABSENT, Outcome.NOT_APPLICABLE)


def test_computed_digests_are_verified_and_the_rest_is_claimed() -> None:
    """A hash that the tool computed is more than a statement."""
    verified = {a.element.id for a in score(document(fine_tune_report()), "g7-ai").answers if a.verified}
    assert {"MDL-07", "MDL-08"} == verified
    report = minimal_report()
    declared = {p: tuple(replace(d, basis="declared") for d in digests) for p, digests in report.digests.items()}
    report = replace(report, digests=declared)
    assert not any(a.verified for a in score(document(report), "g7-ai").answers)


def test_the_number_is_the_peer_s_formula() -> None:
    """Category weights times share, less the penalties for critical and important gaps."""
    result = score(document(minimal_report()), "owasp-compat")
    # required 4/4, metadata 0/5, basic 3/7, card 0/17, references 0/4; 2 critical and 12 important gaps
    assert round((20 + 20 * 3 / 7) * 0.9 * 0.95, 1) == result.formula
    assert None is score(document(minimal_report()), "g7-ai").formula


def test_a_document_without_weaknesses_reaches_the_top() -> None:
    """The formula has no hidden loss."""
    everything: dict[str, Any] = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:x", "version": 1,
        "definitions": {"standards": [{"name": "x"}]},
    }  # fmt: skip
    names = ["domain", "autonomyType"]
    card_names = [
        "safetyRiskAssessment", "modelExplainability", "informationAboutTraining", "informationAboutApplication",
        "metricDecisionThreshold", "modelDataPreprocessing", "useSensitivePersonalInformation", "hyperparameter",
    ]  # fmt: skip
    energy = {"energyConsumptions": [{"activityEnergyCost": {"value": 1, "unit": "kWh"}}]}
    root = {
        "type": "machine-learning-model", "name": "m", "version": "1", "purl": "pkg:a/b", "description": "d",
        "supplier": {"name": "s"}, "licenses": [{"license": {"id": "MIT"}}],
        "externalReferences": [
            {"type": kind, "url": "https://x"} for kind in ("distribution", "vcs", "website", "documentation")
        ],
        "properties": [{"name": name, "value": "v"} for name in names],
        "modelCard": {
            "modelParameters": {"task": "t", "modelArchitecture": "a", "datasets": [{"ref": "d"}]},
            "quantitativeAnalysis": {"performanceMetrics": [{"type": "a", "value": "1"}]},
            "considerations": {
                "ethicalConsiderations": [{"name": "e"}], "technicalLimitations": ["l"], "useCases": ["u"],
                "environmentalConsiderations": energy,
            },
            "properties": [{"name": name, "value": "v"} for name in card_names],
        },
    }  # fmt: skip
    assert 100.0 == score(load(json.dumps({**everything, "metadata": {"component": root}})), "owasp").formula


def test_three_or_four_critical_gaps_weigh_differently() -> None:
    """0.9 for two or three, 0.8 beyond."""
    assert 0.0 < (score(load('{"bomFormat": "CycloneDX"}'), "owasp").formula or 0) < 20 / 4


def test_the_same_document_has_the_same_score_whoever_reads_it() -> None:
    """Report and BOM of one scan score alike."""
    report = fine_tune_report()
    for profile in profiles():
        assert score(load(emit(report, "json")), profile) == score(load(emit(report, "cyclonedx")), profile)


def test_hostile_documents_are_scored_too() -> None:
    """No text of a target changes more than its own part."""
    bom = document(hostile_report())
    assert all(score(bom, profile).answers for profile in profiles())


def test_an_unknown_profile_is_wrong_usage() -> None:
    """The hint names those that there are."""
    with pytest.raises(UsageError, match="no profile 'iso'") as caught:
        score({}, "iso")
    assert "g7-ai" in (caught.value.hint or "")


def test_nothing_at_all_is_absent_and_no_crash() -> None:
    """An empty document answers nothing."""
    for profile in profiles():
        result = score(load('{"bomFormat": "CycloneDX"}'), profile)
        assert result.count(Outcome.PRESENT) <= 2
