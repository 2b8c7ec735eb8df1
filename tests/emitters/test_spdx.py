"""The report as SPDX 3.0.1."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from msgspec.structs import replace
from tests.emitters.reports import (
    fine_tune_report,
    hostile_report,
    make_report,
    malicious_finding,
    many_files_report,
    minimal_report,
)

from aibom.components import Component, ComponentKind
from aibom.emitters import emit
from aibom.report import Report
from aibom.settings import Identity

SCHEMAS = Path(__file__).parents[1] / "schemas"  # SPDX 3.0.1: shapes and context
SPDX_SCHEMA = Path(__file__).parents[2] / "build/js/node_modules/@cyclonedx/cdxgen/data/spdx-export.schema.json"
NO_LICENSE = "expandedlicensing_NoAssertionLicense"  # the individual of the specification, in compact form
REPORTS: dict[str, Callable[[], Report]] = {
    "empty": make_report,
    "minimal": minimal_report,
    "fine-tune": fine_tune_report,
    "hostile": hostile_report,
}


def graph(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(emit(report, "spdx"))["@graph"]
    return found


def of_type(elements: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [element for element in elements if element["type"] == kind]


def related(elements: list[dict[str, Any]], kind: str) -> set[tuple[str, str]]:
    names = {element.get("spdxId"): element.get("name") or element.get("simplelicensing_licenseExpression")
             for element in elements}  # fmt: skip
    return {
        (str(names[edge["from"]]), str(names.get(target, target)))
        for edge in elements
        if edge.get("relationshipType") == kind
        for target in edge["to"]
    }


@pytest.mark.skipif(not SPDX_SCHEMA.exists(), reason="cdxgen, which brings the SPDX schema, is not in build/js")
@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_documents_are_valid_for_the_official_schema(make: Callable[[], Report]) -> None:
    """The JSON schema of SPDX 3.0.1 accepts every document."""
    schema = json.loads(SPDX_SCHEMA.read_text("utf-8"))
    validator = jsonschema_rs.validator_for(schema)
    assert [] == [error.message[:300] for error in validator.iter_errors(json.loads(emit(make(), "spdx")))]


def shacl(document: dict[str, Any]) -> tuple[bool, str]:
    pyshacl = pytest.importorskip("pyshacl", reason="pyshacl is not installed")
    rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed")
    document["@context"] = json.loads((SCHEMAS / "spdx-context.jsonld").read_text("utf-8"))["@context"]
    data = rdflib.Graph().parse(data=json.dumps(document), format="json-ld")
    shapes = rdflib.Graph().parse(SCHEMAS / "spdx-model.ttl", format="turtle")
    conforms, _, text = pyshacl.validate(data, shacl_graph=shapes, ont_graph=shapes)
    return conforms, text


@pytest.mark.parametrize("make", [minimal_report, fine_tune_report])
def test_documents_conform_to_the_official_shapes(make: Callable[[], Report]) -> None:
    """SHACL of SPDX 3.0.1, with the context from a file."""
    conforms, text = shacl(json.loads(emit(make(), "spdx")))
    assert conforms, text[:2000]


def test_the_official_shapes_are_awake() -> None:
    """A hash without a value is refused: the judge looks."""
    document = json.loads(emit(minimal_report(), "spdx"))
    del of_type(document["@graph"], "software_File")[0]["verifiedUsing"][0]["hashValue"]
    conforms, _ = shacl(document)
    assert not conforms


def test_the_document_leads_to_an_sbom_of_the_model() -> None:
    """SpdxDocument → Sbom (analyzed) → AI package."""
    elements = {element["spdxId"]: element for element in graph(fine_tune_report()) if "spdxId" in element}
    (document,) = of_type(list(elements.values()), "SpdxDocument")
    sbom = elements[document["rootElement"][0]]
    model = elements[sbom["rootElement"][0]]
    assert ("software_Sbom", ["analyzed"]) == (sbom["type"], sbom["software_sbomType"])
    assert ("ai_AIPackage", "acme/acme-chat", "model") == (
        model["type"], model["name"], model["software_primaryPurpose"],
    )  # fmt: skip
    assert "pkg:huggingface/acme/acme-chat@0123456789abcdef0123456789abcdef01234567" == model["software_packageUrl"]
    assert ["LlamaForCausalLM", "llama"] == model["ai_typeOfModel"]
    assert "May be wrong." in model["ai_limitation"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("descendantOf", ("acme/acme-chat", "meta-llama/Llama-3.1-8B")),
        ("trainedOn", ("acme/acme-chat", "acme/tickets")),
        ("testedOn", ("acme/acme-chat", "gsm8k")),
        ("dependsOn", ("acme/acme-chat", "transformers")),
        ("contains", ("acme/acme-chat", "pytorch_model.bin")),
        ("hasDeclaredLicense", ("acme/acme-chat", "Apache-2.0")),
        ("hasConcludedLicense", ("acme/acme-chat", "Apache-2.0 AND LicenseRef-llama3.1")),
        ("hasDeclaredLicense", ("gsm8k", NO_LICENSE)),
        ("underInvestigationFor", ("pickle-dangerous-import", "pytorch_model.bin")),
        ("doesNotAffect", ("pickle-present", "pytorch_model.bin")),
    ],
)
def test_relations_are_those_of_the_profiles(kind: str, expected: tuple[str, str]) -> None:
    """Lineage, data, dependencies, files, terms and findings are edges."""
    assert expected in related(graph(fine_tune_report()), kind)


def test_every_element_that_is_named_is_there() -> None:
    """No reference dangles, in any report."""
    for make in REPORTS.values():
        elements = graph(make())
        known = {element.get("spdxId", element.get("@id")) for element in elements} | {NO_LICENSE}
        for element in elements:
            for key in ("from", "subject", "suppliedBy", "creationInfo"):
                assert key not in element or element[key] in known
            for key in ("to", "element", "rootElement", "originatedBy", "createdBy", "createdUsing"):
                assert set() == set(element.get(key, ())) - known


def test_no_vocabulary_of_risk_is_guessed() -> None:
    """`safetyRiskAssessment` and `autonomyType` are for people to state."""
    assert set() == {key for element in graph(fine_tune_report()) for key in element} & {
        "ai_safetyRiskAssessment", "ai_autonomyType", "ai_useSensitivePersonalInformation", "ai_standardCompliance",
    }  # fmt: skip


def test_what_the_profiles_require_and_nobody_said_is_named() -> None:
    """A missing field is not invented: the package says what is not known."""
    (model,) = of_type(graph(minimal_report()), "ai_AIPackage")
    assert "Not known: release time, supplier, download location." == model["comment"]


def test_the_author_is_who_the_user_says() -> None:
    """A person with an address, an organisation, or the tool as an agent of its own."""
    report = minimal_report()
    settings = report.settings
    person = replace(report, settings=replace(settings, identity=Identity(author="a@b.example")))
    organisation = replace(report, settings=replace(settings, identity=Identity(supplier="ACME")))
    assert ["a@b.example"] == [p["externalIdentifier"][0]["identifier"] for p in of_type(graph(person), "Person")]
    assert ["ACME"] == [element["name"] for element in of_type(graph(organisation), "Organization")]
    assert ["aibom 0.1.0"] == [element["name"] for element in of_type(graph(report), "SoftwareAgent")]


def test_the_same_report_gives_the_same_document() -> None:
    """Ids and order come from the content."""
    assert emit(fine_tune_report(), "spdx") == emit(fine_tune_report(), "spdx")
    assert emit(fine_tune_report(), "spdx") != emit(minimal_report(), "spdx")


def test_a_digest_is_told_with_its_algorithm() -> None:
    """SHA-256 of every file."""
    for file in of_type(graph(fine_tune_report()), "software_File"):
        assert ["sha256"] == [entry["algorithm"] for entry in file["verifiedUsing"]]


def test_determinations_are_annotations_of_their_subject() -> None:
    """One sentence each, with what is missing."""
    statements = [element["statement"] for element in of_type(graph(fine_tune_report()), "Annotation")]
    assert 1 == sum("Missing: own training compute, training tokens." in text for text in statements)


def test_a_finding_about_nothing_in_particular_is_about_the_model() -> None:
    """The root stands for what has no file."""
    report = replace(minimal_report(), findings=(replace(malicious_finding(), location=None),))
    assert {("pickle-dangerous-import", "model")} == related(graph(report), "underInvestigationFor")


def test_a_wrong_date_of_the_hub_is_not_a_date() -> None:
    """What is no RFC 3339 date is left out and named as unknown."""
    report = minimal_report()
    (model,) = of_type(graph(replace(report, source=replace(report.source, modified="soon"))), "ai_AIPackage")
    assert "releaseTime" not in model


def test_very_many_places_are_counted() -> None:
    """The description of one entry stays readable."""
    (entry,) = of_type(graph(many_files_report(150)), "security_Vulnerability")
    assert "And at 50 more places" in entry["description"]


def test_an_application_is_a_package_that_contains_models() -> None:
    """Not every root is a model."""
    report = make_report(components=[Component(ref="a", kind=ComponentKind.APPLICATION, name="app")], root="a")
    assert ["app"] == [element["name"] for element in of_type(graph(report), "software_Package")]


def test_hostile_text_prints_inert() -> None:
    """No control or invisible character."""
    text = emit(hostile_report(), "spdx")
    assert [] == [char for char in text if not char.isprintable() and char != "\n"]
