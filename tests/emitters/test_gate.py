"""What a document must pass before it is written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tests.emitters.reports import fine_tune_report, minimal_report

from aibom.emitters import cyclonedx
from aibom.emitters.gate import check, resolves, schema_faults, semantic_faults
from aibom.errors import OutputError

Doc = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Doc:
    return cyclonedx.to_document(fine_tune_report())


def root(doc: Doc) -> Doc:
    component: Doc = doc["metadata"]["component"]
    return component


def duplicate_ref(doc: Doc) -> None:
    doc["components"][0]["bom-ref"] = root(doc)["bom-ref"]


def file_ref_twice(doc: Doc) -> None:
    root(doc)["components"][1]["bom-ref"] = root(doc)["components"][0]["bom-ref"]


def unknown_dependency(doc: Doc) -> None:
    doc["dependencies"][0]["dependsOn"].append("nowhere")


def unknown_affected(doc: Doc) -> None:
    doc["vulnerabilities"][0]["affects"][0]["ref"] = "nowhere"


def unknown_subject(doc: Doc) -> None:
    doc["annotations"][0]["subjects"] = ["nowhere"]


def unknown_assembly(doc: Doc) -> None:
    doc["compositions"][0]["assemblies"] = ["nowhere"]


def unknown_dataset(doc: Doc) -> None:
    root(doc)["modelCard"]["modelParameters"]["datasets"][0]["ref"] = "nowhere"


def unknown_evidence(doc: Doc) -> None:
    doc["declarations"]["claims"][0]["evidence"] = ["nowhere"]


def unknown_requirement(doc: Doc) -> None:
    doc["declarations"]["attestations"][0]["map"][0]["requirement"] = "nowhere"


def unknown_source(doc: Doc) -> None:
    doc["citations"][0]["attributedTo"] = "nowhere"


def unknown_resource(doc: Doc) -> None:
    doc["formulation"][0]["workflows"][0]["resourceReferences"][0]["ref"] = "nowhere"


def dead_pointer(doc: Doc) -> None:
    doc["citations"][0]["pointers"] = ["/metadata/component/licenses/99"]


def short_commit(doc: Doc) -> None:
    root(doc)["purl"] = "pkg:huggingface/acme/acme-chat@0123abc"


def no_owner(doc: Doc) -> None:
    root(doc)["purl"] = "pkg:huggingface/gpt2"


def odd_purl(doc: Doc) -> None:
    root(doc)["purl"] = "pkg:PyPI/Foo_Bar@1"


def broken_purl(doc: Doc) -> None:
    root(doc)["purl"] = "model"


def own_ancestor(doc: Doc) -> None:
    root(doc)["pedigree"]["ancestors"][0]["purl"] = root(doc)["purl"]


def no_weights(doc: Doc) -> None:
    del root(doc)["components"]
    doc.pop("vulnerabilities")
    doc.pop("citations")
    doc["compositions"] = []


def no_digest(doc: Doc) -> None:
    del root(doc)["components"][0]["hashes"]


def no_license(doc: Doc) -> None:
    del root(doc)["licenses"], root(doc)["evidence"]
    doc.pop("citations")


def absolute_file(doc: Doc) -> None:
    root(doc)["components"][0]["name"] = "/home/builder/model.safetensors"


def absolute_place(doc: Doc) -> None:
    root(doc)["evidence"]["occurrences"][0]["location"] = "/home/builder/README.md"


def local_link(doc: Doc) -> None:
    root(doc)["externalReferences"][0]["url"] = "FILE:///home/builder"


def local_target(doc: Doc) -> None:
    doc["metadata"]["properties"] = [{"name": "aibom:target", "value": "/home/builder"}]


SEMANTIC: list[tuple[Callable[[Doc], None], str]] = [
    (duplicate_ref, "given twice"),
    (file_ref_twice, "given twice"),
    (unknown_dependency, "dependencies names 'nowhere'"),
    (unknown_affected, "vulnerabilities names 'nowhere'"),
    (unknown_subject, "annotations names 'nowhere'"),
    (unknown_assembly, "compositions names 'nowhere'"),
    (unknown_dataset, "modelCard names 'nowhere'"),
    (unknown_evidence, "claims names 'nowhere'"),
    (unknown_requirement, "attestations names 'nowhere'"),
    (unknown_source, "citations names 'nowhere'"),
    (unknown_resource, "formulation names 'nowhere'"),
    (dead_pointer, "points to nothing"),
    (short_commit, "does not have a full commit"),
    (no_owner, "has no owner"),
    (odd_purl, "is not canonical"),
    (broken_purl, "purl 'model'"),
    (own_ancestor, "is its own ancestor"),
    (no_weights, "has no weight files"),
    (no_digest, "has no digest"),
    (no_license, "has no licence"),
    (absolute_file, "is an absolute path"),
    (absolute_place, "is an absolute path"),
    (local_link, "is a local file"),
    (local_target, "is a local path"),
]


@pytest.mark.parametrize(("spoil", "message"), SEMANTIC, ids=[spoil.__name__ for spoil, _ in SEMANTIC])
def test_the_gate_refuses_what_the_schema_lets_pass(document: Doc, spoil: Callable[[Doc], None], message: str) -> None:
    """Each of these documents is valid for the schema and wrong."""
    doc = copy.deepcopy(document)
    spoil(doc)
    assert [] == schema_faults(doc)
    with pytest.raises(OutputError, match=message):
        check(doc)


def test_a_good_document_passes(document: Doc) -> None:
    """Nothing is found in what we write."""
    assert ([], []) == (schema_faults(document), semantic_faults(document))


def test_a_reference_into_another_bom_is_not_ours_to_resolve(document: Doc) -> None:
    """A BOM-Link points outside the document."""
    doc = copy.deepcopy(document)
    doc["vulnerabilities"][0]["affects"][0]["ref"] = "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#a"
    assert [] == semantic_faults(doc)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("version",), "one", "/version"),
        (("metadata", "timestamp"), "yesterday", "/metadata/timestamp"),
        (("metadata", "component", "externalReferences"), [{"type": "website", "url": "http://a b"}], "url"),
        (("unknown",), 1, "unknown"),
        (("metadata", "component", "licenses"), [{"license": {"id": "unknown"}}], "licenses"),
        (("specVersion",), "1.5", "not one that is checked"),
    ],
)
def test_the_gate_refuses_what_the_official_schema_refuses(
    document: Doc, path: tuple[str, ...], value: object, message: str
) -> None:
    """Types, formats, unknown keys and licence ids are checked at run time."""
    doc = copy.deepcopy(document)
    body = doc
    for key in path[:-1]:
        body = body[key]
    body[path[-1]] = value
    assert any(message in fault for fault in schema_faults(doc))
    with pytest.raises(OutputError, match="would not be valid"):
        check(doc)


def test_many_faults_are_counted(document: Doc) -> None:
    """The error names a few and says how many more there are."""
    doc = copy.deepcopy(document)
    for component in root(doc)["components"]:
        component["bom-ref"] = "same"
    with pytest.raises(OutputError, match=r"and \d+ more"):
        check(doc)


def test_the_schemas_are_read_from_the_package_and_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation works without any network: an unknown reference is an error of its own."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    doc = cyclonedx.to_document(minimal_report(), "1.6")
    assert [] == schema_faults(doc)


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", True), ("/a", True), ("/a/0", True), ("/a/1", False), ("/a/x", False), ("/b~1c", True), ("/d~0e", True),
        ("/nothing", False), ("a", False), ("/a/0/b", False),
    ],
)  # fmt: skip
def test_pointers_follow_rfc_6901(pointer: str, expected: bool) -> None:
    """Escapes and indexes are read as the RFC says."""
    assert expected is resolves({"a": [1], "b/c": 2, "d~e": 3}, pointer)
