"""What changed between two scans or documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.emitters.reports import fine_tune_report, inspected, make_report, malicious_finding, minimal_report

from aibom.compare import Aspect, Change, Kind, compare
from aibom.documents import components, load, subject
from aibom.emitters import emit
from aibom.errors import DataError
from aibom.files import Digest
from aibom.report import Report


def document(report: Report) -> dict[str, Any]:
    return load(emit(report, "json"))


def changes(old: Report, new: Report) -> list[Change]:
    return list(compare(document(old), document(new)).changes)


def of(aspect: Aspect, found: list[Change]) -> list[tuple[str, str, str, str]]:
    return [(c.kind.value, c.name, c.old, c.new) for c in found if c.aspect is aspect]


def test_a_report_and_its_bom_are_the_same() -> None:
    """Both forms of one scan show no difference."""
    report = fine_tune_report()
    both = compare(load(emit(report, "json")), load(emit(report, "cyclonedx")))
    assert ((), ()) == (both.changes, both.not_comparable)


def test_a_changed_weight_file_is_told_with_both_digests() -> None:
    """The name stays, the bytes do not."""
    report = minimal_report()
    other = replace(report, digests={"model.safetensors": (Digest(algorithm="sha256", value="ab" * 32),)})
    old = report.digests["model.safetensors"][0].value
    assert [("changed", "model.safetensors", f"SHA-256:{old}", f"SHA-256:{'ab' * 32}")] == of(
        Aspect.WEIGHTS, changes(report, other)
    )


def test_the_same_bytes_under_another_name_are_renamed() -> None:
    """A rename is not a removal and an addition."""
    same = (Digest(algorithm="sha256", value="ab" * 32),)
    old = replace(make_report(inspections=[inspected("a.bin")]), digests={"a.bin": same})
    new = replace(make_report(inspections=[inspected("b.bin")]), digests={"b.bin": same})
    assert [("renamed", "b.bin", "a.bin", "b.bin")] == of(Aspect.WEIGHTS, changes(old, new))


def test_two_files_without_digests_are_not_a_rename() -> None:
    """What nobody hashed is not the same."""
    old = replace(make_report(inspections=[inspected("a.bin")]), digests={})
    new = replace(make_report(inspections=[inspected("b.bin")]), digests={})
    assert ["removed", "added"] == [kind for kind, *_ in of(Aspect.WEIGHTS, changes(old, new))]


def test_a_new_finding_is_added_and_an_ignored_one_changes() -> None:
    """Who reads the diff sees what is new, and what somebody decided."""
    clean = minimal_report()
    bad = replace(clean, findings=(malicious_finding("model.safetensors"),))
    ignored = replace(clean, findings=(malicious_finding("model.safetensors", suppressed=True),))
    ((kind, name, _, severity),) = of(Aspect.FINDINGS, changes(clean, bad))
    assert ("added", "critical") == (kind, severity)
    assert name.startswith("pickle-dangerous-import in model.safetensors: calls posix.system")
    assert [("changed", name, "critical", "critical (ignored)")] == of(Aspect.FINDINGS, changes(bad, ignored))


def test_a_whole_model_against_another() -> None:
    """Licences, lineage, data, model, signature and determinations are told apart."""
    found = changes(minimal_report(), fine_tune_report())
    assert ("added", "meta-llama/Llama-3.1-8B", "", "finetune fedcba9876543210fedcba9876543210fedcba98") in of(
        Aspect.LINEAGE, found
    )
    assert ("added", "declared", "", "Apache-2.0") in of(Aspect.LICENSES, found)
    assert ("added", "acme/tickets", "", "any version") in of(Aspect.DATA, found)
    assert ("added", "modelArchitecture", "", "LlamaForCausalLM") in of(Aspect.MODEL, found)
    assert ("added", "accelerate", "", ">=1.0,<2") in of(Aspect.DEPENDENCIES, found)
    assert ("changed", "signature", "absent", "verified-partial") in of(Aspect.SIGNATURE, found)
    assert ("added", "eu-ai-act:art-53-gpai", "", "indicates") in of(Aspect.DETERMINATIONS, found)
    assert ("changed", "name", "model", "acme-chat") in of(Aspect.IDENTITY, found)


def test_what_another_tool_does_not_record_is_not_called_removed() -> None:
    """A document without files says nothing about files."""
    foreign: dict[str, Any] = {"bomFormat": "CycloneDX", "specVersion": "1.6",
               "components": [{"type": "machine-learning-model", "name": "acme-chat", "group": "acme"}]}  # fmt: skip
    result = compare(document(fine_tune_report()), load(json.dumps(foreign)))
    assert {*Aspect} - {Aspect.IDENTITY, Aspect.TENSORS} == {*result.not_comparable}
    assert [] == [c for c in result.changes if c.aspect in result.not_comparable]


def test_of_one_tool_a_fact_that_is_missing_is_gone() -> None:
    """Two documents of the same vendor tell of a license that was taken away."""
    body = {"type": "machine-learning-model", "name": "m", "licenses": [{"license": {"id": "MIT"}}]}
    old = {"bomFormat": "CycloneDX", "metadata": {"tools": [{"name": "vendor"}]}, "components": [body]}
    new = {**old, "components": [{**body, "licenses": []}]}
    result = compare(load(json.dumps(old)), load(json.dumps(new)))
    assert ([("removed", "stated", "MIT", "")], ()) == (
        of(Aspect.LICENSES, list(result.changes)),
        result.not_comparable,
    )


@pytest.mark.parametrize("looked", [True, False])
def test_no_findings_are_a_statement_only_where_somebody_looked(looked: bool) -> None:
    """An empty list is one; a document that has no such list says nothing."""
    foreign: dict[str, Any] = {"bomFormat": "CycloneDX"} | ({"vulnerabilities": []} if looked else {})
    result = compare(document(fine_tune_report()), load(json.dumps(foreign)))
    assert looked is bool(of(Aspect.FINDINGS, list(result.changes)))
    assert looked is (Aspect.FINDINGS not in result.not_comparable)


def test_the_digest_of_a_model_stands_for_its_weights() -> None:
    """Tools without file components put it there."""
    model = {"type": "machine-learning-model", "name": "m", "hashes": [{"alg": "SHA-256", "content": "AB" * 32}]}
    other = {**model, "hashes": [{"alg": "SHA-256", "content": "cd" * 32}]}
    old, new = (load(json.dumps({"bomFormat": "CycloneDX", "components": [body]})) for body in (model, other))
    assert [Kind.CHANGED] == [change.kind for change in compare(old, new).changes]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "neither"),
        ('{"@graph": []}', "SPDX"),
        ('{"bomFormat": "CycloneDX", "components": 3}', "not what it should be"),
        ('{"bomFormat": "CycloneDX", "components": [{"name": "a", "hashes": [1]}]}', "not what it should be"),
        ('{"schema_version": 7}', "schema version 7"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_document_is_refused(text: str, message: str) -> None:
    """Foreign data ends in DataError."""
    with pytest.raises(DataError, match=message):
        load(text)


def test_the_subject_is_found_where_other_tools_put_it() -> None:
    """Root, only model under a root of another type, first model without a root."""
    one = {"type": "machine-learning-model", "name": "m"}
    assert "m" == subject({"metadata": {"component": one}})[1]["name"]
    assert (
        "m"
        == subject({"metadata": {"component": {"type": "application", "name": "scan"}}, "components": [one]})[1]["name"]
    )
    assert "m" == subject({"components": [{"type": "library", "name": "l"}, one]})[1]["name"]
    assert {} == subject({})[1]


def test_nesting_without_end_is_cut() -> None:
    """A hostile document does not end in a RecursionError."""
    body: dict[str, Any] = {"name": "end"}
    for _ in range(500):
        body = {"name": "x", "components": [body]}
    assert 65 == sum(1 for _ in components({"components": [body]}))


WORDS = """
name type components hashes alg content licenses license properties value pedigree ancestors evidence modelCard affects
modelParameters ratings severity analysis state metadata component tools vulnerabilities version group
"""
KEYS = WORDS.split()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, json_values)
@settings(max_examples=200)
def test_any_foreign_document_is_compared_or_refused(one: Any, other: Any) -> None:
    """Nothing but DataError comes out of documents of any shape."""
    try:
        sides = [load(json.dumps({**(v if isinstance(v, dict) else {"components": v}), "bomFormat": "CycloneDX"}))
                 for v in (one, other)]  # fmt: skip
    except DataError:
        return
    compare(*sides)
