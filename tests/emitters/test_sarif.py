"""Findings as SARIF."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest
from msgspec.structs import replace
from tests.emitters.reports import (
    fine_tune_report,
    hostile_report,
    inspected,
    make_report,
    malicious_finding,
    minimal_report,
    place,
)

from aibom.emitters import emit
from aibom.emitters.sarif import fingerprint, uri
from aibom.files import escape_name
from aibom.findings import Severity
from aibom.report import Report

SCHEMA = Path(__file__).parents[1] / "schemas" / "sarif-schema-2.1.0.json"
REPORTS: dict[str, Callable[[], Report]] = {
    "empty": make_report,
    "minimal": minimal_report,
    "fine-tune": fine_tune_report,
    "hostile": hostile_report,
}


def run_of(report: Report) -> dict[str, Any]:
    log = json.loads(emit(report, "sarif"))
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def results(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run_of(report)["results"]
    return found


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_logs_are_valid_for_the_official_schema(make: Callable[[], Report]) -> None:
    """The OASIS schema accepts every log, formats included."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    cls = jsonschema.validators.validator_for(schema)
    cls(schema, format_checker=cls.FORMAT_CHECKER).validate(json.loads(emit(make(), "sarif")))


def test_a_finding_says_rule_level_place_and_message() -> None:
    """The place inside the container is in the message and in the properties."""
    bad = results(fine_tune_report())[0]
    assert ("pickle-dangerous-import", "error") == (bad["ruleId"], bad["level"])
    assert bad["message"]["text"].endswith("(at pytorch_model.bin › archive/data.pkl @0x1c4)")
    physical = bad["locations"][0]["physicalLocation"]
    assert ("pytorch_model.bin", "%SRCROOT%", {"startLine": 1}) == (
        physical["artifactLocation"]["uri"], physical["artifactLocation"]["uriBaseId"], physical["region"],
    )  # fmt: skip
    assert {
        "severity": "critical",
        "members": ["archive/data.pkl"],
        "offset": 0x1C4,
        "evidence": ["import posix.system", "called with 'curl …'"],
    } == bad["properties"]


def test_indexes_lead_to_the_rule_and_the_file() -> None:
    """ruleIndex and artifact index are right for every result."""
    run = run_of(fine_tune_report())
    for result in run["results"]:
        assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
        location = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert location["uri"] == run["artifacts"][location["index"]]["location"]["uri"]


def test_rules_carry_help_weakness_and_score() -> None:
    """A code scanning view can sort and explain without us."""
    rule = next(
        r for r in run_of(fine_tune_report())["tool"]["driver"]["rules"] if r["id"] == "pickle-dangerous-import"
    )
    assert {"tags": ["security", "external/cwe/cwe-502"], "security-severity": "9.5"} == rule["properties"]
    assert "PickleDangerousImport" == rule["name"]
    assert "https://docs.python.org/3/library/pickle.html" == rule["helpUri"]
    assert "CVE-2025-1716" in rule["help"]["text"]


@pytest.mark.parametrize(
    ("severity", "level"),
    [("critical", "error"), ("high", "error"), ("medium", "warning"), ("low", "note"), ("info", "note")],
)
def test_severity_becomes_level(severity: str, level: str) -> None:
    """A finding's own severity counts, not its rule's."""
    finding = replace(malicious_finding("model.safetensors"), severity=Severity(severity))
    assert level == results(replace(minimal_report(), findings=(finding,)))[0]["level"]


def test_fingerprints_do_not_depend_on_offsets_or_other_findings() -> None:
    """An alert stays the same alert when the file shifts or another finding comes before it."""
    finding = malicious_finding()
    moved = replace(finding, location=place("pytorch_model.bin", None, 99, "archive/data.pkl"))
    other = replace(finding, message="something else")
    assert fingerprint(finding) == fingerprint(moved)
    assert fingerprint(finding) != fingerprint(other)
    alone = results(replace(minimal_report(), findings=(finding,)))[0]
    second = results(replace(minimal_report(), findings=(finding, replace(other, severity=Severity.INFO))))[0]
    assert alone["partialFingerprints"] == second["partialFingerprints"]


def test_the_same_words_twice_in_a_file_are_two_alerts() -> None:
    """Equal findings at two offsets are numbered."""
    finding = malicious_finding()
    moved = replace(finding, location=place("pytorch_model.bin", None, 999, "archive/data.pkl"))
    marks = [
        r["partialFingerprints"]["aibomFinding/v1"]
        for r in results(replace(minimal_report(), findings=(finding, moved)))
    ]
    assert ["1", "2"] == [mark.split(":")[1] for mark in marks]


def test_a_suppressed_finding_is_suppressed_with_its_reason() -> None:
    """It stays in the log."""
    result = results(replace(minimal_report(), findings=(malicious_finding(suppressed=True),)))[0]
    assert [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "reviewed in SEC-142 (aibom.toml: ignore 1, until 2027-03-01)",
        }
    ] == result["suppressions"]


def test_a_clean_target_has_an_empty_list_of_results() -> None:
    """Missing results would mean that nothing ran."""
    assert [] == run_of(minimal_report())["results"]


def test_a_finding_about_the_whole_target_has_a_place() -> None:
    """Code scanning views refuse results without one."""
    finding = replace(malicious_finding(), location=None)
    (location,) = results(replace(minimal_report(), findings=(finding,)))[0]["locations"]
    assert "." == location["physicalLocation"]["artifactLocation"]["uri"]


def test_what_was_not_looked_at_is_a_notification() -> None:
    """A gap is not silent."""
    (note,) = run_of(fine_tune_report())["invocations"][0]["toolExecutionNotifications"]
    assert "blob.bin: coverage none" == note["message"]["text"]


def test_the_revision_of_a_hub_model_is_told() -> None:
    """Repository and commit, where there are such."""
    assert (
        "https://huggingface.co/acme/acme-chat"
        == (run_of(fine_tune_report())["versionControlProvenance"][0]["repositoryUri"])
    )
    assert "versionControlProvenance" not in run_of(minimal_report())


@pytest.mark.parametrize("raw", [b"a b.bin", b"\xff\x00.bin", b"a\\b", "ä/\u202e".encode(), b"a:b?c#d%e"])
def test_a_uri_names_the_real_file(raw: bytes) -> None:
    """Escapes of the report are undone before the URI's own are made."""
    encoded = uri(escape_name(raw))
    assert raw == unquote_to_bytes(encoded)
    assert encoded.isascii()
    assert not set(encoded) & set(" :?#")


def test_logs_print_inert() -> None:
    """No control or invisible character is in the text, and none comes out of a JSON reader."""
    report = make_report(inspections=[inspected("a.bin")], findings=hostile_report().findings)
    text = emit(report, "sarif")
    assert [] == [char for char in text if not char.isprintable() and char != "\n"]
    assert "\x1b" not in str(json.loads(text))
