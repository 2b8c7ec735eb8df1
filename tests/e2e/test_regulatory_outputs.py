"""What the AI Act determinations look like in every output: evidence with places, and no verdict in our name."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.assessors.model_cases import judged, model
from tests.assessors.reference_cards import CARDS

from aibom.assessors.assessing import explainable
from aibom.cli import main
from aibom.emitters import EMITTERS
from aibom.emitters.cdx_declarations import NOTICE, sentence
from aibom.emitters.options import EmitOptions
from aibom.report import Report, Strength, ToolInfo

TUNED = "acme/tuned"
CARD = """---
license: apache-2.0
base_model: meta-llama/Llama-3.1-8B
pipeline_tag: text-generation
library_name: transformers
datasets: [allenai/c4]
---
# Tuned

A chat model that answers questions about cooking.

## Intended use

Answers questions about recipes.

## Out of scope

It must not be used for credit scoring.

## Training

Fine-tuned on 2B tokens for 300 GPU hours on H100.
"""
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 131072}
DAYS = ("2025-07-01", "2026-08-03", "2026-12-02", "2027-12-02", "2028-08-02")

VERDICTS = re.compile(
    r"\b(?:non-?)?complian\w*|\b(?:il)?legal\w*|\bcertif\w*|\blawful\w*|\bconform\w*|\bviolat\w*|\bprohibited\b",
    re.IGNORECASE,
)
# Not statements about the target: addresses, the title of a policy, and the sentence that says what a report is not.
APART = re.compile(r"https?://\S+|Prohibited Use Policy|(?:is|are|and) not legal advice", re.IGNORECASE)


@cache
def report(name: str) -> Report:
    """The report on a reference model, or on the fine-tune above, as a scan makes it."""
    card, arguments = CARDS.get(name, (CARD, {"config": CONFIG, "parameters": 8.03e9}))
    case = model(card, **{"identity": name, **arguments})
    found = judged(case)
    return Report(
        target=name,
        created=dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
        tool=ToolInfo(name="aibom", version="1.0"),
        settings=case.settings,
        source=case.facts,
        root_digest="0" * 64,
        inspections=case.inspections,
        digests={},
        resolution=case.resolution,
        determinations=found.determinations,
        checklist=found.checklist,
        findings=(*case.resolution.findings, *found.findings),
        rule_data=found.rule_data,
    )


def plain(text: str) -> str:
    """The words of an output: escapes of HTML, JSON and Markdown undone, markup and white space evened out."""
    text = html.unescape(re.sub(r"\\n|<br>", " ", text))
    return " ".join(re.sub(r"[*_`\\“”\"]", "", text).split())


def quotable(card: str) -> list[str]:
    """The clauses of a card in which a word of a verdict stands: an output may quote these and no others."""
    clauses = re.split(r"(?<=[.:;!?])\s|\n\s*\n|\n\s*[-|#]", card)
    return sorted({plain(clause) for clause in clauses if VERDICTS.search(clause)}, key=len, reverse=True)


def verdicts(output: str, card: str) -> list[str]:
    """Words of a verdict that stand in an output and in no quotation of the card."""
    text = plain(APART.sub(" ", html.unescape(output)))
    for clause in quotable(card):
        text = text.replace(clause, " ")
    return [text[max(0, match.start() - 60) : match.end() + 60] for match in VERDICTS.finditer(text)]


@pytest.mark.parametrize("name", [*CARDS, TUNED])
def test_no_output_holds_a_verdict_of_ours(name: str) -> None:
    """In no output of any reference model is anything called compliant, legal, certified or the like by us."""
    card, _ = CARDS.get(name, (CARD, {}))
    found = {output: verdicts(emitter(report(name), EmitOptions()), card) for output, emitter in EMITTERS.items()}
    assert {} == {output: hits for output, hits in found.items() if hits}


def test_the_search_for_verdicts_is_awake() -> None:
    """A sentence of ours would be found; what the card itself says is no statement of ours."""
    card = "It is certified for use.\n\nOther text."
    assert 1 == len(verdicts("The model is compliant with Art. 53.", card))
    assert [] == verdicts('{"text": "“It is certified\\nfor use.”"} This is not legal advice.', card)
    assert 1 == len(verdicts("This model is certified.", card))


@pytest.mark.parametrize("output", EMITTERS)
def test_explanations_and_notices_do_not_judge(output: str) -> None:
    """Where determinations stand in full, each says that it is no verdict."""
    text = EMITTERS[output](report(TUNED), EmitOptions())
    if output in {"cyclonedx", "cyclonedx-xml", "spdx"}:
        assert len(report(TUNED).determinations) <= text.count(NOTICE)
    if output == "html":
        assert "not legal advice" in plain(text)


def bom() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(EMITTERS["cyclonedx"](report(TUNED), EmitOptions()))
    return document


def test_a_standard_a_regime_and_a_requirement_a_provision() -> None:
    """`definitions.standards` holds each regime once, with the provisions that were evaluated and their authority."""
    standards = {item["bom-ref"]: item for item in bom()["definitions"]["standards"]}
    assert {"standard:eu-ai-act", "standard:openness", "standard:us-ca-sb53"} == set(standards)
    act = standards["standard:eu-ai-act"]
    assert "European Union" == act["owner"]
    provisions = [item["identifier"] for item in act["requirements"]]
    assert {
        rule.provision for rule in (d.rule for d in report(TUNED).determinations) if rule.regime == "eu-ai-act"
    } == {*provisions}
    for item in act["requirements"]:
        authority = {entry["name"]: entry["value"] for entry in item["properties"]}["aibom:rule:authority"]
        assert authority in {"statute", "guideline", "draft-guideline", "standard", "heuristic"}


def test_each_determination_is_a_claim_with_its_evidence() -> None:
    """Claims name target, strength and reasoning; evidence for and against resolves and names its origin."""
    declared = bom()["declarations"]
    evidence = {item["bom-ref"]: item for item in declared["evidence"]}
    claims = {item["bom-ref"]: item for item in declared["claims"]}
    determinations = report(TUNED).determinations
    assert len(determinations) == len(claims)
    for determination, claim in zip(determinations, claims.values(), strict=True):
        assert determination.strength.value in claim["predicate"]
        assert sentence(determination) == claim["reasoning"]
        for found, refs in (
            (determination.because, claim.get("evidence", ())),
            (determination.against, claim.get("counterEvidence", ())),
        ):
            assert {item.statement for item in found} == {evidence[ref]["description"] for ref in refs}
    origins = {item["data"][0]["contents"]["attachment"]["content"] for item in evidence.values()}
    assert any(re.fullmatch(r"README\.md:\d+", place) for place in origins)
    assert any("known models" in place for place in origins)


def test_claims_count_for_or_against_and_never_as_met() -> None:
    """What indicates is a claim, what does not is a counter-claim; nobody affirms, signs or scores conformance."""
    declared = bom()["declarations"]
    (attestation,) = declared["attestations"]
    by_requirement: dict[str, list[dict[str, Any]]] = {}
    for entry in attestation["map"]:
        by_requirement.setdefault(entry["requirement"], []).append(entry)
    for determination in report(TUNED).determinations:
        entries = by_requirement[f"requirement:{determination.rule.regime}/{determination.rule.id}"]
        against = determination.strength is Strength.DOES_NOT_INDICATE
        settled = determination.strength in {Strength.INDICATES, Strength.SUGGESTS, Strength.POSSIBLE_RELEVANCE}
        assert any(("counterClaims" in entry) == against and ("claims" in entry) == settled for entry in entries)
        assert all("rationale" in entry["confidence"] for entry in entries)
    assert not {"affirmation", "signature"} & (set(declared) | set(attestation))
    assert "conformance" not in json.dumps(declared)
    assert "signator" not in json.dumps(declared)


def test_a_sentence_and_a_property_for_each_determination() -> None:
    """Annotations tell a person, properties tell a tool that reads nothing else, both the same."""
    document = bom()
    determinations = report(TUNED).determinations
    assert [sentence(item) for item in determinations] == [item["text"] for item in document["annotations"]]
    root = document["metadata"]["component"]
    named = [(item["name"], item["value"]) for item in root["properties"]]
    about_root = [item for item in determinations if item.subject == report(TUNED).resolution.root]
    assert {(f"aibom:{item.rule.regime}:{item.rule.key}", item.strength.value) for item in about_root} <= set(named)
    for provision in ("art-53-gpai", "art-51-systemic", "art-53-2-open-source", "art-53-1-c", "art-53-1-d"):
        assert f"aibom:eu-ai-act:{provision}" in dict(named)


def test_spdx_says_the_same() -> None:
    """SPDX holds the same sentences as annotations, and the same properties."""
    graph = json.loads(EMITTERS["spdx"](report(TUNED), EmitOptions()))["@graph"]
    statements = [item["statement"] for item in graph if item["type"] == "Annotation"]
    assert {sentence(item) for item in report(TUNED).determinations} <= set(statements)
    assert any("aibom:eu-ai-act:art-53-gpai = " in text for text in statements)


def test_fields_of_the_documentation_form_are_filled_from_evidence() -> None:
    """What evidence reaches has the form's content with its place; what it does not reach is not there."""
    root = bom()["metadata"]["component"]
    fields = {item["name"].rpartition(":")[2]: item["value"] for item in root["properties"]
              if item["name"].startswith("aibom:model-documentation:")}  # fmt: skip
    assert fields["size"].startswith("number of parameters: 8,030,000,000 (8.03 B) [model.safetensors: ")
    assert fields["architecture"].startswith("architecture: “LlamaForCausalLM” [config.json: ")
    assert fields["license"].startswith("license: apache-2.0, llama3.1 [")
    assert fields["inputs"].startswith("what it takes in: text; context length: 131,072 [")
    assert fields["dependencies"].startswith("base models: “meta-llama/Llama-3.1-8B”")
    assert "README.md:6" in fields["data-provenance"]
    assert "allenai/c4" in fields["data-provenance"]
    assert "README.md:18" in fields["intended-uses"]
    assert not {"energy", "provider", "union-release-date", "inference-computation"} & set(fields)
    answers = {item["name"]: item["value"] for item in root["properties"]}
    assert "not-found" == answers["aibom:checklist:model-documentation-form:energy"]
    assert "not-decidable" == answers["aibom:checklist:model-documentation-form:provider"]


def test_answers_of_a_checklist_never_contradict_their_question() -> None:
    """A yes to "do the statements agree" does not read as a yes to their disagreement."""
    items = {item.id: item for item in report(TUNED).checklist if item.list == "due-diligence"}
    assert "findings that code runs on load: none found" == items["security-load"].statement
    assert "whether everything was inspected completely: yes" == items["security-inspected"].statement
    assert items["license-consistent"].statement.startswith("whether license statements disagree: ")


def test_the_terminal_shows_the_lines_that_matter() -> None:
    """Base and fine-tune are told apart, with strength, figures and what is missing."""
    lines = plain(EMITTERS["table"](report(TUNED), EmitOptions()))
    assert "EU AI ACT base model, Art. 53 general-purpose: indicates (7.2e23 FLOP > 1e23," in lines
    assert "this fine-tune, one-third test: " in lines
    assert "open-source exception Art. 53(2): does not indicate (llama3.1: user threshold" in lines
    assert "OPENNESS" in lines


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fine-tune as a folder."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795219200")
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "tuned"
    place.mkdir()
    place.joinpath("README.md").write_text(CARD)
    place.joinpath("config.json").write_text(json.dumps(CONFIG))
    return place


def test_the_day_decides_what_is_in_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One repository on five days: the same provisions, told as upcoming before their day and in force from it."""
    timings: dict[str, dict[str, str]] = {}
    for day in DAYS:
        assert 0 == main(["scan", str(folder), "-o", "json", "--as-of", day, "--fail-on", "never"])
        found = json.loads(capsys.readouterr().out)
        assert day == found["settings"]["as_of"]
        act = [item for item in found["determinations"] if item["rule"]["regime"] == "eu-ai-act"]
        for item in act:
            begins = item["applies_from"]
            timing = "undated" if begins is None else "in-force" if begins <= day else "upcoming"
            assert timing == item["timing"], item["rule"]["key"]
            timings.setdefault(item["rule"]["key"], {})[day] = timing
    assert {"upcoming", "in-force"} == {timings["art-53-gpai"][DAYS[0]], timings["art-53-gpai"][DAYS[1]]}
    assert {frozenset(DAYS)} == {frozenset(days) for days in timings.values()}


def test_every_rule_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Each rule of each regime tells source, evidence wanted and limits, and claims no verdict."""
    rules = [name for name, _ in explainable()]
    assert {"eu-ai-act", "openness", "us-ca-sb53"} == {name.partition("/")[0] for name in rules}
    for name in rules:
        assert 0 == main(["explain", name])
        text = capsys.readouterr().out
        for part in ("What it may say:", "What it can't know:", "Sources:"):
            assert part in text, name
        # What no evidence can decide wants none.
        assert ("Evidence wanted:" in text) or ("What it may say:\n  not decidable\n" in text), name
        words = " ".join(text.split())
        assert "not legal advice" in words or "validation is claimed" in words, name
