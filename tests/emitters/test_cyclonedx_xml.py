"""The report as CycloneDX XML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.xml import XmlValidator
from lxml import etree  # type: ignore[import-untyped]  # comes with the validator, without types
from tests.emitters.reports import fine_tune_report, hostile_report, many_files_report, minimal_report

from aibom.emitters import EmitOptions, emit
from aibom.emitters.cyclonedx import to_document
from aibom.emitters.cyclonedx_xml import to_xml
from aibom.emitters.options import SpecVersion
from aibom.errors import OutputError
from aibom.report import Report

VERSIONS: tuple[SpecVersion, ...] = ("1.6", "1.7")
REPORTS: dict[str, Callable[[], Report]] = {
    "minimal": minimal_report,
    "fine-tune": fine_tune_report,
    "hostile": hostile_report,
    "many-files": lambda: many_files_report(300),
}


def parsed(version: SpecVersion = "1.7") -> Any:
    return etree.fromstring(emit(fine_tune_report(), "cyclonedx-xml", EmitOptions(spec_version=version)).encode())


def found(tree: Any, path: str, version: str = "1.7") -> list[Any]:
    return list(tree.xpath(path, namespaces={"b": f"http://cyclonedx.org/schema/bom/{version}"}))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_documents_are_valid_for_the_official_xsd(make: Callable[[], Report], version: SpecVersion) -> None:
    """The library's validator, with the official XSD, finds nothing."""
    text = emit(make(), "cyclonedx-xml", EmitOptions(spec_version=version))
    errors = XmlValidator(SchemaVersion.from_version(version)).validate_str(text, all_errors=True)
    assert [] == list(errors or ())


def test_the_xml_says_what_the_json_says() -> None:
    """Model card, ancestors, files, findings, claims are all there."""
    tree = parsed()
    root = "/b:bom/b:metadata/b:component"
    assert ["LlamaForCausalLM"] == found(tree, f"{root}/b:modelCard/b:modelParameters/b:modelArchitecture/text()")
    assert ["dataset:acme/tickets", "dataset:gsm8k"] == found(tree, f"{root}/b:modelCard//b:datasets/b:ref/text()")
    assert ["Llama-3.1-8B"] == found(tree, f"{root}/b:pedigree/b:ancestors/b:component/b:name/text()")
    assert 8 == len(found(tree, f"{root}/b:components/b:component[@type='file']/b:hashes/b:hash[@alg='SHA-256']"))
    assert ["file:pytorch_model.bin"] == found(
        tree, "//b:vulnerability[b:id='pickle-dangerous-import']/b:affects/b:target/b:ref/text()"
    )
    assert 4 == len(found(tree, "//b:annotation"))
    assert ["Apache-2.0 AND LicenseRef-llama3.1"] == found(tree, f"{root}/b:licenses/b:expression-detailed/@expression")


def test_counts_agree_with_the_json() -> None:
    """No component, finding, claim or property is lost on the way."""
    doc, tree = to_document(fine_tune_report()), parsed()
    for key, element in (("vulnerabilities", "vulnerability"), ("dependencies", "dependency"),
                         ("compositions", "composition"), ("components", "component")):  # fmt: skip
        assert len(doc[key]) == len(found(tree, f"/b:bom/b:{key}/b:{element}"))
    names = [entry["name"] for entry in doc["metadata"]["component"]["properties"]]
    assert names == found(tree, "/b:bom/b:metadata/b:component/b:properties/b:property/@name")


def test_the_version_is_the_namespace() -> None:
    """1.6 is written as 1.6."""
    assert "{http://cyclonedx.org/schema/bom/1.6}bom" == parsed("1.6").tag


def test_a_key_that_the_table_does_not_know_is_an_error() -> None:
    """Nothing is dropped in silence."""
    doc = to_document(minimal_report())
    doc["definitions"] = {"patents": []}
    with pytest.raises(OutputError, match="patents"):
        to_xml(doc)


def test_a_value_of_another_type_is_an_error() -> None:
    """A mapping where a text belongs is not written as its repr."""
    doc = to_document(minimal_report())
    doc["metadata"]["timestamp"] = {"a": 1}
    with pytest.raises(OutputError, match="timestamp"):
        to_xml(doc)


def test_hostile_text_is_text() -> None:
    """Markup from the target is escaped and control characters are spelled out."""
    text = emit(hostile_report(), "cyclonedx-xml")
    assert "<script" not in text
    assert [] == [char for char in text if not char.isprintable() and char not in "\n\t"]
