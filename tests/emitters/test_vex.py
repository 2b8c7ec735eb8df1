"""The findings as VEX."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from msgspec.structs import replace
from tests.emitters.reports import fine_tune_report, hostile_report, malicious_finding, minimal_report

from aibom.emitters import EmitOptions, emit
from aibom.emitters.options import SpecVersion
from aibom.report import Report

VERSIONS: tuple[SpecVersion, ...] = ("1.6", "1.7")


def pair(report: Report, version: SpecVersion = "1.7") -> tuple[dict[str, Any], dict[str, Any]]:
    options = EmitOptions(spec_version=version)
    return json.loads(emit(report, "cyclonedx", options)), json.loads(emit(report, "vex", options))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("make", [minimal_report, fine_tune_report, hostile_report])
def test_documents_are_valid(make: Any, version: SpecVersion) -> None:
    """The library's strict validator accepts them."""
    text = emit(make(), "vex", EmitOptions(spec_version=version))
    validator = JsonStrictValidator(SchemaVersion.from_version(version))
    assert [] == list(validator.validate_str(text, all_errors=True) or ())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_link_leads_to_a_component_of_the_bom(version: SpecVersion) -> None:
    """Serial number and bom-ref are those of the BOM of the same report."""
    bom, vex = pair(fine_tune_report(), version)
    refs = set(re.findall(r'"bom-ref": ?"([^"]+)"', json.dumps(bom)))
    links = [affected["ref"] for entry in vex["vulnerabilities"] for affected in entry["affects"]]
    assert links
    for link in links:
        base, _, ref = link.partition("#")
        assert f"urn:cdx:{bom['serialNumber'].removeprefix('urn:uuid:')}/1" == base
        assert unquote(ref) in refs


def test_the_decision_of_the_user_is_in_the_analysis() -> None:
    """Ignored findings are statements, open ones are in triage."""
    findings = (malicious_finding("model.safetensors", suppressed=True), malicious_finding("model.safetensors"))
    _, vex = pair(replace(minimal_report(), findings=findings))
    assert {"not_affected", "in_triage"} == {entry["analysis"]["state"] for entry in vex["vulnerabilities"]}


def test_the_document_has_a_serial_number_of_its_own() -> None:
    """It is another document than the BOM, and the same for the same report."""
    bom, vex = pair(fine_tune_report())
    assert bom["serialNumber"] != vex["serialNumber"]
    assert vex == pair(fine_tune_report())[1]


def test_nothing_found_is_an_empty_list() -> None:
    """A document without statements is still a document."""
    assert [] == pair(minimal_report())[1]["vulnerabilities"]
