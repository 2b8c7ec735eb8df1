"""SPDX documents of any tool, read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.emitters.reports import fine_tune_report, hostile_report, minimal_report

from aibom.compare import Aspect, compare
from aibom.documents import components, files, full_name, load, open_document, subject, values
from aibom.documents.spdx_words import algorithm, component_type, tool
from aibom.emitters import emit
from aibom.errors import DataError
from aibom.score import Outcome, profiles, score


def answers(document: dict[str, Any], profile: str) -> dict[str, str]:
    return {answer.element.id: answer.outcome.value for answer in score(document, profile).answers}


def test_our_own_document_keeps_model_files_licenses_and_lineage() -> None:
    """What SPDX 3 can say of a model is read back from it."""
    document = open_document(emit(fine_tune_report(), "spdx"))
    bom = document.bom
    _, root = subject(bom)
    assert ("SPDX 3.0 JSON-LD", "SPDX", "3.0.1") == (document.form, bom["bomFormat"], bom["specVersion"])
    assert ("machine-learning-model", "acme/acme-chat") == (root["type"], root["name"])
    weights = {body["name"] for _, body in files(bom) if values(body, "aibom:file:role") == ["weights"]}
    assert {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "pytorch_model.bin"} == weights
    assert {"SHA-256"} == {entry["alg"] for _, body in files(bom) for entry in body["hashes"]}
    assert {("declared", "Apache-2.0"), ("concluded", "Apache-2.0 AND LicenseRef-llama3.1")} == {
        (entry["acknowledgement"], entry["expression"]) for entry in root["licenses"]
    }
    (ancestor,) = root["pedigree"]["ancestors"]
    assert "meta-llama/Llama-3.1-8B" == ancestor["name"]
    # A base model is no part of the model: nobody asks this document for its files.
    assert "meta-llama/Llama-3.1-8B" not in {full_name(body) for _, body in components(bom)}
    assert {"acme/tickets": ["train"], "gsm8k": ["train", "eval"]} == {
        body["name"]: values(body, "aibom:dataset:role") for _, body in components(bom) if body["type"] == "data"
    }
    (finding,) = [entry for entry in bom["vulnerabilities"] if entry["id"] == "pickle-dangerous-import"]
    assert ([{"severity": "critical"}], "in_triage") == (finding["ratings"], finding["analysis"]["state"])


def test_elements_of_the_profiles_are_found_where_spdx_has_a_home() -> None:
    """Author, tool, context, time, dependencies, digests, data and terms."""
    found = answers(load(emit(fine_tune_report(), "spdx")), "g7-ai")
    present = ("MD-01", "MD-03", "MD-04", "MD-06", "MD-07", "MD-08", "MD-09", "MD-10", "MDL-01", "MDL-02", "MDL-03",
               "MDL-07", "MDL-08", "MDL-09", "MDL-10", "MDL-12", "DP-01", "DP-09", "INF-01", "SP-04",
               "KPI-02")  # fmt: skip
    for name in present:
        assert "present" == found[name], name
    # SPDX 3.0.1 has no version of a document, and what nobody signed is not signed.
    assert ("absent", "absent") == (found["MD-02"], found["MD-05"])


def test_a_license_that_nobody_asserts_is_a_declared_unknown() -> None:
    """NoAssertion is an answer."""
    assert "declared-unknown" == answers(load(emit(minimal_report(), "spdx")), "g7-ai")["MDL-12"]


def test_two_formats_of_one_scan_show_no_false_change() -> None:
    """What only one format has a place for is not comparable, and not called removed."""
    for make in (minimal_report, fine_tune_report):
        result = compare(load(emit(make(), "cyclonedx")), load(emit(make(), "spdx")))
        told = {change.aspect for change in result.changes}
        assert set() == told & {Aspect.WEIGHTS, Aspect.FILES, Aspect.LINEAGE, Aspect.MODEL, Aspect.FINDINGS}
        assert {Aspect.SIGNATURE, Aspect.DETERMINATIONS} >= {*result.not_comparable} - {Aspect.LICENSES}


def test_the_same_text_has_the_same_score_at_any_time() -> None:
    """Nothing but the document goes into the number."""
    text = emit(fine_tune_report(), "spdx")
    for profile in profiles():
        assert score(load(text), profile) == score(load(text.encode()), profile)


SPDX_2: dict[str, Any] = {
    "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "d", "documentNamespace": "https://d.example/1",
    "creationInfo": {
        "created": "2026-01-02T03:04:05Z",
        "creators": ["Tool: scanner-1.7.0", "Organization: ACME (sbom@acme.example)", "nonsense"],
    },
    "packages": [
        {
            "SPDXID": "SPDXRef-Model", "name": "chat", "versionInfo": "1", "supplier": "Organization: Hub ()",
            "originator": "Person: Ada (ada@acme.example)", "downloadLocation": "https://hub.example/chat",
            "homepage": "NOASSERTION", "licenseDeclared": "Apache-2.0", "licenseConcluded": "NOASSERTION",
            "releaseDate": "2026-01-01T00:00:00Z", "checksums": [{"algorithm": "SHA512", "checksumValue": "cd"}],
            "externalRefs": [
                {"referenceType": "purl", "referenceLocator": "pkg:huggingface/acme/chat@1"},
                {"referenceType": "http://spdx.org/rdf/references/cpe23Type", "referenceLocator": "cpe:2.3:a:b:c"},
                {"referenceType": "advisory", "referenceLocator": "https://hub.example/advisory"},
            ],
        },
        {"SPDXID": "SPDXRef-Lib", "name": "torch", "primaryPackagePurpose": "FRAMEWORK",
         "licenseDeclared": "NOASSERTION"},
        7,
    ],
    "files": [
        {"SPDXID": "SPDXRef-W", "fileName": "./model.safetensors",
         "checksums": [{"algorithm": "SHA256", "checksumValue": "AB"}]},
        {"SPDXID": "SPDXRef-R", "fileName": "./README.md", "licenseConcluded": "MIT"},
    ],
    "relationships": [
        {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-Model"},
        {"spdxElementId": "SPDXRef-Lib", "relationshipType": "DEPENDENCY_OF", "relatedSpdxElement": "SPDXRef-Model"},
        {"spdxElementId": "SPDXRef-Model", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-W"},
        {"spdxElementId": "SPDXRef-Model", "relationshipType": "CONTAINS", "relatedSpdxElement": "NONE"},
    ],
}  # fmt: skip


def test_spdx_2_is_read() -> None:
    """Packages, files, people, tools, purls, digests, terms and relations in both directions."""
    document = open_document(json.dumps(SPDX_2))
    bom, (_, root) = document.bom, subject(document.bom)
    assert ("SPDX-2.3 JSON", "2.3", "https://d.example/1") == (
        document.form, bom["specVersion"], bom["serialNumber"],
    )  # fmt: skip
    assert [{"type": "application", "name": "scanner", "version": "1.7.0"}] == bom["metadata"]["tools"]["components"]
    assert [{"name": "ACME", "email": "sbom@acme.example"}] == bom["metadata"]["authors"]
    assert ("machine-learning-model", "pkg:huggingface/acme/chat@1") == (root["type"], root["purl"])
    assert {"name": "Ada", "contact": [{"email": "ada@acme.example"}]} == root["manufacturer"]
    assert [{"expression": "Apache-2.0", "acknowledgement": "declared"}] == root["licenses"]
    assert [{"alg": "SHA-512", "content": "cd"}] == root["hashes"]
    assert ["distribution", "advisories"] == [entry["type"] for entry in root["externalReferences"]]
    assert [["weights"], ["other"]] == [values(body, "aibom:file:role") for _, body in files(bom)]
    assert [{"ref": "SPDXRef-Model", "dependsOn": ["SPDXRef-Lib", "SPDXRef-W"]}] == bom["dependencies"]
    found = answers(bom, "cisa-2026")
    assert ("present", "absent", "absent") == (
        found["SBOM Author"], found["Component Producer"], found["SBOM Generation Context"],
    )  # fmt: skip
    assert (
        "declared-unknown" == answers({**bom, "components": [bom["components"][0]]}, "cisa-2026")["Component License"]
    )


def test_datasets_of_spdx_3_answer_the_dataset_elements() -> None:
    """Type, size, collection, noise, sensitivity: each has its place."""
    info = {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2026-01-01T00:00:00Z",
            "createdBy": ["a"], "createdUsing": ["t"]}  # fmt: skip
    graph = [
        info,
        {"type": "SpdxDocument", "spdxId": "doc", "creationInfo": "_:c", "rootElement": ["d"]},
        {"type": "Person", "spdxId": "a", "name": "Ada",
         "externalIdentifier": [{"externalIdentifierType": "email", "identifier": "ada@acme.example"}]},
        {"type": "Tool", "spdxId": "t", "name": "maker 2.0"},
        {"type": "dataset_DatasetPackage", "spdxId": "d", "name": "tickets", "originatedBy": ["a"],
         "builtTime": "2025-01-01T00:00:00Z", "dataset_datasetType": ["text"], "dataset_datasetSize": 7,
         "dataset_dataCollectionProcess": "asked", "dataset_knownBias": ["old"], "description": "tickets of users",
         "dataset_hasSensitivePersonalInformation": "yes", "software_downloadLocation": "https://d.example/t"},
        {"type": "Relationship", "spdxId": "r", "relationshipType": "hasDeclaredLicense", "from": "d",
         "to": ["expandedlicensing_NoneLicense"]},
    ]  # fmt: skip
    found = answers(load(json.dumps({"@context": "x", "@graph": graph})), "g7-ai")
    for name in ("DP-01", "DP-02", "DP-03", "DP-04", "DP-06", "DP-07", "DP-08", "DP-10", "MD-01", "MD-07", "SLP-03"):
        assert "present" == found[name], name
    assert "absent" == found["DP-05"]


def test_lineage_that_returns_to_itself_ends() -> None:
    """A cycle of `descendantOf` is cut, a long chain is followed for some generations."""
    models = [{"type": "ai_AIPackage", "spdxId": f"m{n}", "name": f"m{n}"} for n in range(300)]
    edges = [{"type": "Relationship", "relationshipType": "descendantOf", "from": f"m{n}", "to": [f"m{(n + 1) % 300}"]}
             for n in range(300)]  # fmt: skip
    graph = [{"type": "SpdxDocument", "spdxId": "doc", "rootElement": ["m0"]}, *models, *edges]
    bom = load(json.dumps({"@context": "x", "@graph": graph}))
    assert "m0" == subject(bom)[1]["name"]
    assert ((), ()) == (compare(bom, bom).changes, compare(bom, bom).not_comparable)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n", "tag-value"),
        ("# comment\nSPDXVersion: SPDX-2.2\n", "tag-value"),
        ('{"spdxVersion": "SPDX-9.0"}', "not a version"),
        ('{"@context": "x", "@graph": [{"type": "Person"}]}', "no SpdxDocument"),
        ('{"@context": "x", "@graph": 3}', "neither"),
    ],
)
def test_what_is_not_read_says_so(text: str, message: str) -> None:
    """With a hint of what to do."""
    with pytest.raises(DataError, match=message) as caught:
        load(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sha256", "SHA-256"), ("SHA512", "SHA-512"), ("sha3_384", "SHA3-384"), ("blake2b256", "BLAKE2b-256"),
     ("BLAKE2b-512", "BLAKE2b-512"), ("MD5", "MD5")],
)  # fmt: skip
def test_hashes_have_the_names_of_cyclonedx(name: str, expected: str) -> None:
    """Both generations of SPDX spell them in their own ways."""
    assert expected == algorithm(name)


def test_words_are_translated() -> None:
    """Purposes become types; a tool's version stands in its name."""
    assert ["operating-system", "library", "machine-learning-model", "machine-learning-model"] == [
        component_type("OPERATING-SYSTEM"), component_type(""), component_type("model"),
        component_type("", "pkg:mlflow/a@1"),
    ]  # fmt: skip
    assert [{"name": "aibom", "version": "0.1.0"}, {"name": "syft"}] == [tool("aibom-0.1.0"), tool("syft")]


KEYS = ["type", "spdxId", "name", "from", "to", "relationshipType", "creationInfo", "rootElement", "verifiedUsing",
        "externalRef", "ai_metric", "ai_domain", "packages", "files", "creators", "checksums", "SPDXID",
        "relationships", "externalRefs", "licenseDeclared", "originatedBy", "dataset_datasetType",
        "externalIdentifier"]  # fmt: skip
WORDS = ["ai_AIPackage", "dataset_DatasetPackage", "software_File", "Relationship", "descendantOf", "contains",
         "x", "trainedOn", "hasDeclaredLicense", "SpdxDocument", "security_Vulnerability", "Organization: A",
         ""]  # fmt: skip
foreign = st.recursive(
    st.none() | st.integers() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)
element = st.dictionaries(st.sampled_from(KEYS), foreign, max_size=6).flatmap(
    lambda body: st.sampled_from(WORDS).map(lambda kind: {**body, "type": kind, "spdxId": "x"})
)


@given(st.lists(element, max_size=6))
@settings(max_examples=150)
def test_any_graph_is_read_or_refused(graph: list[Any]) -> None:
    """Nothing but DataError comes out of elements of any shape."""
    text = json.dumps(
        {"@context": "x", "@graph": [*graph, {"type": "SpdxDocument", "spdxId": "d", "rootElement": "x"}]}
    )
    try:
        bom = load(text)
    except DataError:
        return
    compare(bom, bom)
    assert {*answers(bom, "g7-ai").values()} <= {outcome.value for outcome in Outcome}


@given(st.dictionaries(st.sampled_from(KEYS), foreign, max_size=8))
@settings(max_examples=150)
def test_any_spdx_2_document_is_read_or_refused(body: dict[str, Any]) -> None:
    """The same for the older format."""
    try:
        bom = load(json.dumps({**body, "spdxVersion": "SPDX-2.3"}))
    except DataError:
        return
    compare(bom, bom)
    assert answers(bom, "g7-ai")


def test_hostile_reports_are_scored_as_spdx() -> None:
    """Hostile text changes nothing but its own part."""
    assert answers(load(emit(hostile_report(), "spdx")), "g7-ai")
