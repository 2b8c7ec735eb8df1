"""The report as CycloneDX."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.emitters.reports import (
    BASE_COMMIT,
    COMMIT,
    fine_tune_report,
    hostile_report,
    inspected,
    make_report,
    malicious_finding,
    many_files_report,
    minimal_report,
    place,
    said,
)

from aibom.components import (
    Basis,
    Component,
    ComponentKind,
    Derivation,
    Fact,
    LicenseClaim,
    ModelCard,
    ModelFacts,
    Relation,
    RelationKind,
    Scope,
    SignatureStatus,
    Verification,
    WeightSet,
)
from aibom.emitters import emit
from aibom.emitters.cyclonedx import to_document
from aibom.emitters.options import EmitOptions, SpecVersion
from aibom.errors import OutputError
from aibom.files import Coverage, Digest, Format, Role
from aibom.findings import Evidence
from aibom.report import Report, Skipped, SourceFacts

VERSIONS: tuple[SpecVersion, ...] = ("1.6", "1.7")
REPORTS: dict[str, Callable[[], Report]] = {
    "minimal": minimal_report,
    "fine-tune": fine_tune_report,
    "hostile": hostile_report,
}


def root_of(doc: dict[str, Any]) -> dict[str, Any]:
    component: dict[str, Any] = doc["metadata"]["component"]
    return component


def values(body: dict[str, Any], name: str) -> list[str]:
    return [entry["value"] for entry in body.get("properties", ()) if entry["name"] == name]


def file_of(doc: dict[str, Any], path: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [c for c in walk(doc) if c["type"] == "file" and c["name"] == path]
    assert len(found) == 1
    return found[0]


def walk(doc: dict[str, Any]) -> Iterator[dict[str, Any]]:
    stack = [root_of(doc), *doc.get("components", ())]
    while stack:
        component = stack.pop()
        yield component
        stack += component.get("components", ())


def model(**fields: Any) -> Component:
    return Component(**{"ref": "model:.", "kind": ComponentKind.MODEL, "name": "m", "version": "1", **fields})


# --- judges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_documents_are_valid_for_the_strict_validator(make: Callable[[], Report], version: SpecVersion) -> None:
    """The library's own strict validator, which we do not use at run time, finds nothing."""
    text = emit(make(), "cyclonedx", EmitOptions(spec_version=version))
    validator = JsonStrictValidator(SchemaVersion.from_version(version))
    assert [] == list(validator.validate_str(text, all_errors=True) or ())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_report_gives_the_same_bytes_in_every_process(version: SpecVersion) -> None:
    """Nothing in the document depends on hash seeds, the clock or chance."""
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.emitters.reports import fine_tune_report\n"
        "from aibom.emitters import emit, EmitOptions\n"
        f"sys.stdout.write(emit(fine_tune_report(), 'cyclonedx', EmitOptions(spec_version='{version}')))\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert {emit(fine_tune_report(), "cyclonedx", EmitOptions(spec_version=version)).encode()} == texts


def test_the_serial_number_is_made_from_the_content() -> None:
    """Another report, another serial number; both are UUIDs of version 5."""
    one, two = to_document(minimal_report())["serialNumber"], to_document(fine_tune_report())["serialNumber"]
    assert one != two
    assert ["5", "5"] == [serial.removeprefix("urn:uuid:")[14] for serial in (one, two)]


def test_inspections_in_another_order_give_the_same_document() -> None:
    """The order in which a file system lists its files leaves no trace."""
    report = fine_tune_report()
    mixed = replace(report, inspections=tuple(reversed(report.inspections)), findings=tuple(reversed(report.findings)))
    assert to_document(report) == to_document(mixed)


def test_nothing_imports_the_library_before_a_bom_is_asked_for() -> None:
    """A table needs no CycloneDX: importing the emitters stays cheap."""
    code = "import sys, aibom.emitters; sys.exit(any(name.startswith('cyclonedx') for name in sys.modules))"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


# --- the model --------------------------------------------------------------------------------------------------------


def test_the_model_is_the_subject_of_the_document() -> None:
    """Type, name, group, full commit and purl stand in metadata.component."""
    root = root_of(to_document(fine_tune_report()))
    expected = {
        "type": "machine-learning-model",
        "group": "acme",
        "name": "acme-chat",
        "version": COMMIT,
        "purl": f"pkg:huggingface/acme/acme-chat@{COMMIT}",
        "supplier": {"name": "acme"},
    }
    assert expected == {key: root[key] for key in expected}


def test_a_model_without_a_hub_identity_has_no_purl() -> None:
    """A purl is not invented."""
    assert "purl" not in root_of(to_document(minimal_report()))


def test_the_model_card_says_architecture_task_data_and_metrics() -> None:
    """modelCard is filled from the configuration and the card."""
    card = root_of(to_document(fine_tune_report()))["modelCard"]
    assert {
        "task": "text-generation",
        "architectureFamily": "llama",
        "modelArchitecture": "LlamaForCausalLM",
        "datasets": [{"ref": "dataset:acme/tickets"}, {"ref": "dataset:gsm8k"}],
        "inputs": [{"format": "text"}],
        "outputs": [{"format": "text"}],
    } == card["modelParameters"]
    assert [
        {"type": "exact_match", "value": "0.412", "slice": "gsm8k (test)"},
        {"type": "loss", "value": "1.9"},
    ] == card["quantitativeAnalysis"]["performanceMetrics"]


def test_sections_of_the_card_become_considerations() -> None:
    """Uses, limits and ethics are quoted under their headings."""
    considerations = root_of(to_document(fine_tune_report()))["modelCard"]["considerations"]
    assert ["Intended use: Answers to support tickets."] == considerations["useCases"]
    assert [
        "Out-of-scope use: Medical or legal advice.",
        "Bias, Risks, and Limitations: May be wrong.\nEnglish only.",
    ] == considerations["technicalLimitations"]
    assert [{"name": "Ethical considerations: Tickets may hold personal data."}] == considerations[
        "ethicalConsiderations"
    ]


def test_emissions_are_stated_in_grams_and_tonnes_and_nothing_is_invented() -> None:
    """A figure of CO2 gives no energy in kWh."""
    environment = root_of(to_document(fine_tune_report()))["modelCard"]["considerations"]["environmentalConsiderations"]
    assert {
        "properties": [
            {"name": "aibom:environment:co2eq-grams", "value": "1250"},
            {"name": "aibom:environment:co2eq-tonnes", "value": "0.00125"},
        ]
    } == environment


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aibom:model:parameters", ["8030261248"]),
        ("aibom:model:dtype:BF16", ["8030261248"]),
        ("aibom:model:stored-elements", []),
        ("aibom:model:library", ["transformers"]),
        ("cdx:ai-ml:model:language", ["en", "no"]),
        ("cdx:ai-ml:model:modality", ["text"]),
        ("cdx:ai-ml:model:hyperparameter:context_length", ["131072"]),
        ("cdx:ai-ml:model:hyperparameter:hidden_size", ["4096"]),
        ("aibom:license:conflict", ["apache-2.0 vs llama3.1: user threshold"]),
        ("aibom:signature", ["verified-partial"]),
        ("aibom:signature:signer", ["release@acme.example"]),
        ("aibom:integrity:checksum-ok", ["model-00001-of-00002.safetensors (lfs)"]),
        ("aibom:eu-ai-act:art-53-gpai", ["indicates"]),
        ("aibom:eu-ai-act:art-53-2-open-source", ["does-not-indicate"]),
        ("aibom:eu-ai-act:gpai-modifier", ["insufficient-evidence"]),
        ("aibom:openness:osaid:parameters", ["indicates"]),
        ("aibom:operator:role", ["provider"]),
        ("aibom:skipped", [".git: version control", "cache/x: excluded by the user"]),
    ],
)
def test_facts_without_a_field_are_properties(name: str, expected: list[str]) -> None:
    """The names are published; pipelines read them."""
    assert expected == values(root_of(to_document(fine_tune_report())), name)


def test_every_fact_of_the_tool_data_is_named() -> None:
    """The tool component says which rule data spoke."""
    tool = to_document(fine_tune_report())["metadata"]["tools"]["components"][0]
    assert ("aibom", "0.1.0") == (tool["name"], tool["version"])
    assert ["2026-11-01"] == values(tool, "aibom:data:pickle-globals")


def test_the_author_is_a_person_or_organisation_and_not_the_tool() -> None:
    """What the user states about themselves goes to metadata."""
    metadata = to_document(fine_tune_report())["metadata"]
    assert ([{"email": "security@acme.example"}], {"name": "ACME"}) == (metadata["authors"], metadata["supplier"])


def test_the_time_is_the_report_s() -> None:
    """A naive time counts as UTC; an offset is converted."""
    east = dt.timezone(dt.timedelta(hours=5))
    report = replace(minimal_report(), created=dt.datetime(2026, 1, 1, 3, tzinfo=east))
    assert "2025-12-31T22:00:00+00:00" == to_document(report)["metadata"]["timestamp"]
    naive = replace(minimal_report(), created=dt.datetime(2026, 1, 1, 3))  # noqa: DTZ001 -- the case in question
    assert "2026-01-01T03:00:00+00:00" == to_document(naive)["metadata"]["timestamp"]


# --- files ------------------------------------------------------------------------------------------------------------


def test_every_file_stands_in_its_model_with_its_digest() -> None:
    """Path, SHA-256, format, role, coverage and the basis of the digest."""
    body = file_of(to_document(fine_tune_report()), "model-00002-of-00002.safetensors")
    digest = sha256(b"model-00002-of-00002.safetensors").hexdigest()
    assert [{"alg": "SHA-256", "content": digest}] == body["hashes"]
    found = {entry["name"]: entry["value"] for entry in body["properties"]}
    assert {
        "aibom:file:coverage": "complete",
        "aibom:file:digest-basis": "computed",
        "aibom:file:format": "safetensors",
        "aibom:file:role": "weights",
        "aibom:file:size": "5000000000",
        "bsi:component:archive": "no archive",
        "bsi:component:executable": "non-executable",
        "bsi:component:filename": "model-00002-of-00002.safetensors",
        "bsi:component:structured": "unstructured",
    } == found


def test_a_container_is_not_complete_when_a_member_is_not() -> None:
    """The coverage of a file is the least of what it holds."""
    doc = to_document(fine_tune_report())
    assert ["partial"] == values(file_of(doc, "pytorch_model.bin"), "aibom:file:coverage")
    assert 1 == len([c for c in walk(doc) if c["name"].startswith("pytorch_model.bin")])


def test_a_member_that_was_not_opened_leaves_its_container_partly_read() -> None:
    """Not looked at is never clean."""
    zipped = inspected("a.zip", Format.ZIP, Role.OTHER)
    member = inspected("a.zip", Format.UNKNOWN, Role.OTHER, members=("x",), coverage=Coverage.NONE)
    doc = to_document(make_report(inspections=[zipped, member]))
    assert ["partial"] == values(file_of(doc, "a.zip"), "aibom:file:coverage")


def test_a_declared_digest_is_marked_and_a_git_blob_id_never_listed() -> None:
    """A hash that nobody computed says so; a blob id is no digest of the file."""
    report = make_report(inspections=[inspected("a.bin"), inspected("b.bin"), inspected("c.bin")])
    declared = Digest(algorithm="sha256", value="ab" * 32, basis="declared", source="hub")
    blob = Digest(algorithm="git-blob", value="cd" * 20, basis="declared")
    broken = Digest(algorithm="sha256", value="../../etc", basis="declared")
    computed = Digest(algorithm="sha256", value="cd" * 32)
    doc = to_document(
        replace(report, digests={"a.bin": (declared, blob), "b.bin": (broken,), "c.bin": (declared, computed)})
    )
    a, b, c = (file_of(doc, name) for name in ("a.bin", "b.bin", "c.bin"))
    assert [{"alg": "SHA-256", "content": "ab" * 32}] == a["hashes"]
    assert ["declared"] == values(a, "aibom:file:digest-basis")
    assert ("hashes" in b, ["none"]) == (False, values(b, "aibom:file:digest-basis"))
    assert ([{"alg": "SHA-256", "content": "cd" * 32}], ["computed"]) == (
        c["hashes"], values(c, "aibom:file:digest-basis"),
    )  # fmt: skip


def test_a_compared_digest_is_evidence_of_identity() -> None:
    """Hash comparison with full confidence, only for files that a good verification covers."""
    doc = to_document(fine_tune_report())
    checked = file_of(doc, "model-00001-of-00002.safetensors")
    assert "hash-comparison" == checked["evidence"]["identity"][0]["methods"][0]["technique"]
    assert "evidence" not in file_of(doc, "model-00002-of-00002.safetensors")


def test_files_of_a_part_stand_in_the_part() -> None:
    """A nested model owns its files, its parent the rest."""
    parts = (
        model(paths=("a.bin", "unet/b.bin")),
        model(ref="model:unet", name="unet", paths=("unet/b.bin",)),
    )
    doc = to_document(
        make_report(
            inspections=[inspected("a.bin"), inspected("unet/b.bin"), inspected("stray.txt", Format.TEXT, Role.OTHER)],
            components=parts,
            relations=[Relation(source="model:.", target="model:unet", kind=RelationKind.CONTAINS)],
        )
    )
    names = {
        c["name"]: [f["name"] for f in c["components"] if f["type"] == "file"] for c in walk(doc) if "components" in c
    }
    assert {"m": ["a.bin", "stray.txt"], "unet": ["unet/b.bin"]} == names


def test_models_of_an_application_are_siblings() -> None:
    """Unrelated models stand at the top level, and the application depends on them."""
    application = Component(ref="app", kind=ComponentKind.APPLICATION, name="models")
    doc = to_document(
        make_report(
            inspections=[inspected("a/x.bin"), inspected("b/y.bin")],
            components=[
                application,
                model(ref="a", name="a", paths=("a/x.bin",)),
                model(ref="b", name="b", paths=("b/y.bin",)),
            ],
            relations=[Relation(source="app", target=name, kind=RelationKind.CONTAINS) for name in ("a", "b")],
            root="app",
        )
    )
    assert ["a", "b"] == [c["bom-ref"] for c in doc["components"]]
    assert {"ref": "app", "dependsOn": ["a", "b"]} in doc["dependencies"]


def test_thousands_of_files_make_a_valid_document() -> None:
    """Size changes nothing: every file is listed, one finding stands for all of a kind."""
    doc = to_document(many_files_report(5_000))
    assert 5_000 == len(root_of(doc)["components"])
    assert (1, 5_000) == (len(doc["vulnerabilities"]), len(doc["vulnerabilities"][0]["affects"]))


# --- lineage, data, dependencies --------------------------------------------------------------------------------------


def test_the_base_model_is_an_ancestor_with_its_commit() -> None:
    """Relation, pinning and the line that says so."""
    (base,) = root_of(to_document(fine_tune_report()))["pedigree"]["ancestors"]
    assert f"pkg:huggingface/meta-llama/Llama-3.1-8B@{BASE_COMMIT}" == base["purl"]
    found = {name: values(base, f"aibom:lineage:{name}") for name in ("relation", "pinned", "source")}
    assert {"relation": ["finetune"], "pinned": ["true"], "source": ["README.md:5"]} == found


def test_a_model_that_names_itself_as_its_base_has_no_ancestor() -> None:
    """A loop in the target's lineage is recorded, not drawn."""
    loop = [
        Relation(source="model:.", target="other", kind=RelationKind.DERIVED_FROM, evidence=(said("base", line=5),)),
        Relation(source="other", target="model:.", kind=RelationKind.DERIVED_FROM, evidence=(said("base", line=6),)),
        Relation(source="model:.", target="model:.", kind=RelationKind.DERIVED_FROM, evidence=(said("base", line=7),)),
    ]
    root = root_of(
        to_document(make_report(components=[model(), model(ref="other", name="o", seen=False)], relations=loop))
    )
    assert ["README.md:7"] == values(root, "aibom:lineage:self-reference")
    (other,) = root["pedigree"]["ancestors"]
    assert ("o", ["README.md:6"], False) == (
        other["name"], values(other, "aibom:lineage:self-reference"), "pedigree" in other,
    )  # fmt: skip


def test_grandparents_stand_in_the_pedigree_of_parents() -> None:
    """The whole chain is in the document; a shared origin is written out once."""
    chain = [model(), *(model(ref=name, name=name, seen=False) for name in ("left", "right", "origin"))]
    edges = [("model:.", "left"), ("model:.", "right"), ("left", "origin"), ("right", "origin")]
    relations = [
        Relation(source=a, target=b, kind=RelationKind.DERIVED_FROM, derivation=Derivation.MERGE) for a, b in edges
    ]
    root = root_of(to_document(make_report(components=chain, relations=relations)))
    parents = {
        parent["name"]: parent["pedigree"]["ancestors"][0]["bom-ref"] for parent in root["pedigree"]["ancestors"]
    }
    assert {"left": "origin", "right": "ancestor:origin"} == parents


def test_an_endless_chain_of_bases_is_cut() -> None:
    """Two hundred generations do not make a document that no reader can open."""
    chain = [model(ref=f"m{i}", name=f"m{i}", seen=i == 0) for i in range(200)]
    relations = [Relation(source=f"m{i}", target=f"m{i + 1}", kind=RelationKind.DERIVED_FROM) for i in range(199)]
    doc = to_document(make_report(components=chain, relations=relations, root="m0"))
    depth, body = 0, root_of(doc)
    while "pedigree" in body:
        depth, body = depth + 1, body["pedigree"]["ancestors"][0]
    assert 24 == depth


def test_deep_containment_is_flattened() -> None:
    """Parts of parts of parts stand beside instead of inside, beyond a depth."""
    parts = [model(ref=f"m{i}", name=f"m{i}") for i in range(40)]
    relations = [Relation(source=f"m{i}", target=f"m{i + 1}", kind=RelationKind.CONTAINS) for i in range(39)]
    relations.append(Relation(source="m39", target="m0", kind=RelationKind.CONTAINS))
    doc = to_document(make_report(components=parts, relations=relations, root="m0"))
    assert 40 == len(list(walk(doc)))


def test_an_adapter_depends_on_its_base() -> None:
    """A fine-tune can be loaded alone, an adapter can't."""
    for derivation, expected in ((Derivation.ADAPTER, ["base"]), (Derivation.FINETUNE, [])):
        edge = Relation(source="model:.", target="base", kind=RelationKind.DERIVED_FROM, derivation=derivation)
        doc = to_document(make_report(components=[model(), model(ref="base", name="b", seen=False)], relations=[edge]))
        assert [{"ref": "model:.", "dependsOn": expected}] == doc["dependencies"]


def test_data_sets_are_components_with_their_role() -> None:
    """Training and evaluation are told apart; nothing is claimed to be a purl of a data set."""
    by_name = {c["name"]: c for c in to_document(fine_tune_report())["components"] if c["type"] == "data"}
    assert {"tickets": ["train"], "gsm8k": ["eval", "train"]} == {
        name: values(body, "aibom:dataset:role") for name, body in by_name.items()
    }
    assert "https://huggingface.co/datasets/acme/tickets" == by_name["tickets"]["data"][0]["contents"]["url"]


def test_an_unpinned_dependency_has_a_range_and_no_version() -> None:
    """A range is not a version."""
    by_name = {c["name"]: c for c in to_document(fine_tune_report())["components"] if c["type"] == "library"}
    assert ("4.57.1", False, [">=1.0,<2"]) == (
        by_name["transformers"]["version"],
        "version" in by_name["accelerate"],
        values(by_name["accelerate"], "aibom:dependency:range"),
    )


def test_the_graph_reaches_every_component() -> None:
    """The model depends on data and libraries; every node has a list."""
    graph = {entry["ref"]: entry["dependsOn"] for entry in to_document(fine_tune_report())["dependencies"]}
    assert ["dataset:acme/tickets", "dataset:gsm8k", "library:accelerate", "library:transformers"] == graph["model:."]
    assert [] == graph["library:transformers"]


# --- licences ---------------------------------------------------------------------------------------------------------


def claim(expression: str | None, basis: str = "declared", **fields: Any) -> LicenseClaim:
    default = {"raw": expression or "", "evidence": said("license", line=3)}
    return LicenseClaim(**{**default, **fields, "expression": expression, "basis": basis})


def licenses(*claims: LicenseClaim, version: SpecVersion = "1.7") -> list[Any]:
    found = root_of(to_document(make_report(components=[model(licenses=claims)]), version)).get("licenses", [])
    assert isinstance(found, list)
    return found


def test_an_spdx_licence_is_an_id() -> None:
    """The id has the list's own spelling, the place is a property."""
    source = {"name": "aibom:license:source", "value": "README.md:3"}
    raw = {"name": "aibom:license:raw", "value": "apache-2.0"}
    assert [{"license": {"id": "Apache-2.0", "acknowledgement": "declared", "properties": [raw, source]}}] == licenses(
        claim("apache-2.0")
    )


def test_a_licence_outside_the_list_is_a_name_with_its_url() -> None:
    """A LicenseRef is never an id."""
    (entry,) = licenses(claim("LicenseRef-llama3.1", url="https://www.llama.com/llama3_1/license/"))
    assert ("LicenseRef-llama3.1", "https://www.llama.com/llama3_1/license/") == (
        entry["license"]["name"], entry["license"]["url"],
    )  # fmt: skip


@pytest.mark.parametrize("text", ["MIT OR", "MIT AND (Apache-2.0", "a b c", "MIT AND foo bar", "x" * 5000, "(" * 3000])
def test_what_is_no_expression_is_a_name(text: str) -> None:
    """A broken expression is quoted and not passed off as one."""
    (entry,) = licenses(claim(text))
    assert text == entry["license"]["name"]


def test_an_expression_alone_is_an_expression_in_both_versions() -> None:
    """1.6 has no place for its properties."""
    for version in VERSIONS:
        (entry,) = licenses(claim("MIT OR LicenseRef-x", "concluded"), version=version)
        assert ("MIT OR LicenseRef-x", "concluded") == (entry["expression"], entry["acknowledgement"])


def test_an_expression_beside_others_is_a_name_in_1_6_only() -> None:
    """1.6 allows an expression only alone."""
    pair = (claim("MIT"), claim("MIT OR LicenseRef-x", "concluded"))
    assert "MIT OR LicenseRef-x" == licenses(*pair, version="1.7")[1]["expression"]
    assert "MIT OR LicenseRef-x" == licenses(*pair, version="1.6")[1]["license"]["name"]


def test_detected_licences_are_evidence() -> None:
    """What we found in a text is not what somebody declared."""
    root = root_of(to_document(fine_tune_report()))
    assert ["LicenseRef-llama3.1"] == [entry["license"]["name"] for entry in root["evidence"]["licenses"]]
    assert ["declared", "concluded"] == [
        (entry.get("license") or entry)["acknowledgement"] for entry in root["licenses"]
    ]  # fmt: skip


def test_no_licence_is_said_to_be_unknown() -> None:
    """An omission would read as "nobody looked"."""
    assert ["unknown"] == values(root_of(to_document(minimal_report())), "aibom:license:status")


def test_a_link_that_is_no_web_page_is_a_text() -> None:
    """A `javascript:` URL never becomes a link; credentials in a URL are dropped."""
    urls = {"website": "javascript:alert(1)", "paper": "https://user:secret@ex.org/a b?c=ü#d#e"}
    root = root_of(to_document(make_report(components=[model(urls=urls)])))
    assert ["javascript:alert(1)"] == values(root, "aibom:url:website")
    (reference,) = root["externalReferences"]
    assert ("other", "https://ex.org/a%20b?c=%C3%BC#d%23e", "paper") == (
        reference["type"], reference["url"], reference["comment"],
    )  # fmt: skip


def test_a_url_of_a_licence_that_is_no_link_is_a_text() -> None:
    """It is kept where it can't be clicked."""
    (entry,) = licenses(claim("LicenseRef-x", url="file:///etc/passwd"))
    assert ["file:///etc/passwd"] == values(entry["license"], "aibom:license:url")
    assert "url" not in entry["license"]


def test_a_scope_that_is_not_the_usual_one_is_said() -> None:
    """A model's licence speaks of weights unless it says otherwise."""
    (entry,) = licenses(claim("MIT", scope=Scope.CODE))
    assert ["code"] == values(entry["license"], "aibom:license:scope")


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [("Application/JSON; charset=utf-8", "application/json"), ("text", None), ("a/ü", None), (None, None)],
)
def test_a_media_type_is_listed_where_it_is_one(media_type: str | None, expected: str | None) -> None:
    """Parameters are dropped; what no schema takes is left out."""
    inspection = inspected("a.bin")
    report = make_report(inspections=[replace(inspection, file=replace(inspection.file, media_type=media_type))])
    assert expected == file_of(to_document(report), "a.bin").get("mime-type")


def test_a_model_tells_what_is_packed_labelled_and_gated() -> None:
    """Stored elements beside parameters, labels, odd modalities, the hub's access condition, a chat template."""
    facts = ModelFacts(
        parameters=Fact(value=100, basis=Basis.CONCLUDED, evidence=said("blocks")),
        labels=(Fact(value="spam", basis=Basis.DECLARED, evidence=said("id2label")),),
        inputs=(Fact(value="smell", basis=Basis.DECLARED, evidence=said("card")),),
        weight_sets=(
            WeightSet(
                format=Format.GGUF, variant="Q4_K", paths=("a.gguf",), stored_elements=50,
                elements_by_dtype={"Q4_K": 50}, parameters=100, derivation="blocks",
            ),
        ),
    )  # fmt: skip
    card = ModelCard(path="README.md", truncated=True, fields={"tags": ("self-supervised", "x")})
    report = make_report(
        inspections=[inspected("t.jinja", Format.CHAT_TEMPLATE, Role.TOKENIZER)],
        components=[model(model=facts, card=card, paths=("t.jinja",))],
    )
    root = root_of(to_document(replace(report, source=SourceFacts(gated="manual", created="2026-01-01"))))
    expected = {
        "aibom:model:stored-elements": ["50"],
        "aibom:model:weight-set": ["gguf, Q4_K, 1 file, 50 stored elements"],
        "aibom:model:label": ["spam"],
        "cdx:ai-ml:model:modality": ["_undefined:smell"],
        "cdx:ai-ml:model:template:chat": ["true"],
        "aibom:source:gated": ["manual"],
        "aibom:source:created": ["2026-01-01"],
        "aibom:model:weights": ["not-found"],
    }
    assert expected == {name: values(root, name) for name in expected}
    assert {"type": "self-supervised"} == root["modelCard"]["modelParameters"]["approach"]
    assert ["true"] == values(root["modelCard"], "aibom:card:truncated")


@pytest.mark.parametrize(
    ("covered", "location", "expected"),
    [
        ((), place("sums.txt"), "sums.txt (sha256sums)"),
        (("a", "b"), None, "2 files (sha256sums)"),
        ((), None, "sha256sums (sha256sums)"),
    ],
)
def test_integrity_says_what_was_compared(covered: tuple[str, ...], location: Any, expected: str) -> None:
    """One file by name, several by number, else the place of the declaration."""
    one = Verification(kind="sha256sums", status=SignatureStatus.MISMATCH, covered=covered, location=location)
    root = root_of(to_document(replace(minimal_report(), verifications=(one,))))
    assert [expected] == values(root, "aibom:integrity:mismatch")


# --- findings and determinations --------------------------------------------------------------------------------------


def test_a_finding_is_a_vulnerability_of_the_exact_file() -> None:
    """Rule id, severity, CWE, place inside the container, evidence, what to do."""
    bad = next(v for v in to_document(fine_tune_report())["vulnerabilities"] if v["id"] == "pickle-dangerous-import")
    assert ([{"ref": "file:pytorch_model.bin"}], [502], "critical") == (
        bad["affects"], bad["cwes"], bad["ratings"][0]["severity"],
    )  # fmt: skip
    assert (
        'calls posix.system("curl …"); loading this file runs a command\n'
        "at pytorch_model.bin › archive/data.pkl @0x1c4\n"
        "import posix.system\n"
        "called with 'curl …'"
    ) == bad["detail"]
    assert {"state": "in_triage"} == bad["analysis"]
    assert [{"url": "https://docs.python.org/3/library/pickle.html"}] == bad["advisories"]
    assert [{"id": "CVE-2025-1716", "source": {"name": "CVE"}}] == bad["references"]


def test_the_worst_finding_comes_first() -> None:
    """The order is that of every output."""
    severities = [v["ratings"][0]["severity"] for v in to_document(fine_tune_report())["vulnerabilities"]]
    assert ["critical", "high", "info", "info"] == severities


def test_a_suppressed_finding_stays_with_its_reason() -> None:
    """Who said so and until when is in the analysis."""
    finding = malicious_finding("model.safetensors", suppressed=True)
    doc = to_document(replace(minimal_report(), findings=(finding, malicious_finding("model.safetensors"))))
    suppressed, live = sorted((v["analysis"] for v in doc["vulnerabilities"]), key=lambda a: a["state"], reverse=True)
    assert {
        "state": "not_affected",
        "detail": "Ignored by aibom.toml: ignore 1 (until 2027-03-01): reviewed in SEC-142",
    } == suppressed
    assert {"state": "in_triage"} == live


def test_findings_in_the_same_words_are_one_vulnerability() -> None:
    """Two files, one entry; other words, another entry; no file, the model itself."""
    report = make_report(inspections=[inspected("a.bin"), inspected("b.bin")])
    findings = [malicious_finding("a.bin"), malicious_finding("b.bin"), replace(malicious_finding(), location=None)]
    findings.append(replace(malicious_finding("a.bin"), message="other words"))
    found = to_document(replace(report, findings=tuple(findings)))["vulnerabilities"]
    assert [["file:a.bin"], ["model:.", "file:a.bin", "file:b.bin"]] == sorted(
        [affected["ref"] for affected in v["affects"]] for v in found
    )


def test_a_finding_in_a_file_that_is_not_listed_affects_the_model() -> None:
    """A missing file can't be pointed at."""
    doc = to_document(replace(minimal_report(), findings=(malicious_finding("gone.bin"),)))
    assert [{"ref": "model:."}] == doc["vulnerabilities"][0]["affects"]


def test_very_many_places_are_counted_and_not_spelled_out() -> None:
    """The detail of one entry stays readable."""
    doc = to_document(many_files_report(150))
    assert "and at 50 more places" in doc["vulnerabilities"][0]["detail"]


def test_determinations_are_claims_about_requirements() -> None:
    """For, against and undecided are told apart, with evidence, without a score."""
    doc = to_document(fine_tune_report())
    mapped = {entry["requirement"]: entry for entry in doc["declarations"]["attestations"][0]["map"]}
    assert ["claim:eu-ai-act/53-gpai/model:."] == mapped["requirement:eu-ai-act/53-gpai"]["claims"]
    assert ["claim:eu-ai-act/53-2/model:."] == mapped["requirement:eu-ai-act/53-2"]["counterClaims"]
    undecided = mapped["requirement:eu-ai-act/modifier"]
    assert {"requirement", "confidence"} == undecided.keys()
    assert "own training compute" in undecided["confidence"]["rationale"]
    assert {"affirmation", "targets"}.isdisjoint(doc["declarations"])
    assert {"eu-ai-act", "openness"} == {s["bom-ref"].split(":")[1] for s in doc["definitions"]["standards"]}


def test_each_determination_has_one_sentence_for_a_person() -> None:
    """An annotation says provision, strength, date and what is missing."""
    texts = [entry["text"] for entry in to_document(fine_tune_report())["annotations"]]
    assert 4 == len(texts)
    assert "Missing: own training compute, training tokens." in texts[2]
    assert "Applies from 2025-08-02 (in force)." in texts[0]


def test_a_signature_is_a_claim_with_what_it_does_not_cover() -> None:
    """A partial signature says which files are outside."""
    claims = {entry["bom-ref"]: entry for entry in to_document(fine_tune_report())["declarations"]["claims"]}
    signature = claims["claim:signature/model.sig"]
    assert "signature: verified-partial" == signature["predicate"]
    assert "Does not cover: pytorch_model.bin." in signature["reasoning"]


def test_two_signatures_at_one_place_are_two_claims() -> None:
    """References stay unique, and long lists of files are cut."""
    one = Verification(
        kind="model-signature", status=SignatureStatus.VERIFIED, covered=tuple(f"f{i}" for i in range(30))
    )
    doc = to_document(replace(minimal_report(), verifications=(one, replace(one, status=SignatureStatus.INVALID))))
    claims = doc["declarations"]["claims"]
    assert ["claim:signature/aibom", "claim:signature/aibom#2"] == [entry["bom-ref"] for entry in claims]
    assert "f19 and 10 more" in claims[0]["reasoning"]


# --- completeness and provenance --------------------------------------------------------------------------------------


def aggregates(doc: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(c["aggregate"], c.get("assemblies", [])) for c in doc["compositions"]]


def test_what_was_not_looked_at_is_said() -> None:
    """Left out, partly read and unread files are told apart."""
    assert [
        ("incomplete", ["model:."]),
        ("incomplete", []),
        ("incomplete", ["file:pytorch_model.bin"]),
        ("unknown", ["file:blob.bin"]),
        ("unknown", ["dataset:acme/tickets", "dataset:gsm8k", "library:transformers", "library:accelerate"]),
    ] == aggregates(to_document(fine_tune_report()))


def test_version_control_is_not_missing() -> None:
    """A clone without its .git is all of the model."""
    skipped = [Skipped(path=".git", reason="version control")]
    report = make_report(inspections=[inspected("a.bin")], skipped=skipped)
    assert ("complete", ["model:."]) == aggregates(to_document(report))[0]


def test_citations_tell_who_supplied_a_value() -> None:
    """What a file declares is the file's word; what was counted is the tool's."""
    doc = to_document(fine_tune_report())
    cited = {pointer: entry for entry in doc["citations"] for pointer in entry["pointers"]}
    architecture = cited["/metadata/component/modelCard/modelParameters/modelArchitecture"]
    assert ("file:config.json", "declared: config.json:3") == (architecture["attributedTo"], architecture["note"])
    names = {entry["name"]: number for number, entry in enumerate(root_of(doc)["properties"])}
    parameters = cited[f"/metadata/component/properties/{names['aibom:model:parameters']}"]
    assert ("tool:aibom", "computed") == (parameters["attributedTo"], parameters["note"].split(":")[0])
    assert "file:README.md" == cited["/metadata/component/licenses/0"]["attributedTo"]
    assert "file:README.md" == cited["/metadata/component/pedigree/ancestors/0"]["attributedTo"]


def test_settings_and_passages_are_cited_from_their_files() -> None:
    """A setting comes from the configuration, what the card considers from the line of its heading."""
    doc = to_document(fine_tune_report())
    cited = {pointer: entry["note"] for entry in doc["citations"] for pointer in entry["pointers"]}
    names = {entry["name"]: number for number, entry in enumerate(root_of(doc)["properties"])}
    at = f"/metadata/component/properties/{names['cdx:ai-ml:model:hyperparameter:hidden_size']}"
    assert "declared: config.json" == cited[at]
    considerations = root_of(doc)["modelCard"]["considerations"]
    passages = [key for key in ("useCases", "technicalLimitations", "users") if key in considerations]
    assert passages
    for key in passages:
        for number in range(len(considerations[key])):
            note = cited[f"/metadata/component/modelCard/considerations/{key}/{number}"]
            assert re.fullmatch(r"declared: README\.md:\d+", note), key


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [(8_030_261_248, "8.03B"), (7_000_000_000, "7B"), (22_713_216, "22.7M"), (6_736, "6.74K"), (512, "512")],
)
def test_the_registered_count_has_a_unit(parameters: int, expected: str) -> None:
    """`7B`, as the property taxonomy writes it, beside the exact number."""
    fact = Fact(value=parameters, basis=Basis.COMPUTED, evidence=said("counted"))
    root = root_of(to_document(make_report(components=[model(model=ModelFacts(parameters=fact))])))
    assert [expected] == values(root, "cdx:ai-ml:model:parameter:count")
    assert [str(parameters)] == values(root, "aibom:model:parameters")


@pytest.mark.parametrize(
    ("kind", "expected"), [("LORA", ["lora"]), ("P_TUNING", ["prompt"]), ("IA3", ["adapter"]), (None, [])]
)
def test_how_an_adapter_was_tuned_is_told_in_registered_words(kind: str | None, expected: list[str]) -> None:
    """Only of what a configuration calls an adapter: how else a model was tuned, nobody has stated."""
    facts = ModelFacts(config={"peft_type": kind} if kind else {})
    root = root_of(to_document(make_report(components=[model(model=facts)])))
    assert expected == values(root, "cdx:ai-ml:model:parameter:tune_method")


def test_how_the_model_was_made_is_a_workflow() -> None:
    """From base and training data to the model; what it was only evaluated on did not make it."""
    ((formula,), root) = (to_document(fine_tune_report())["formulation"], "model:.")
    (workflow,) = formula["workflows"]
    assert ["model:meta-llama/Llama-3.1-8B", "dataset:acme/tickets", "dataset:gsm8k"] == [
        resource["ref"] for resource in workflow["resourceReferences"]
    ]
    assert ("finetune", root, "As declared in README.md:5, README.md:7, README.md:8.") == (
        workflow["name"], workflow["outputs"][0]["resource"]["ref"], workflow["description"],
    )  # fmt: skip


def test_a_hint_of_lineage_makes_no_workflow() -> None:
    """A name that resembles another is not how a model was made."""
    edge = Relation(source="model:.", target="base", kind=RelationKind.DERIVED_FROM, inferred=True)
    doc = to_document(make_report(components=[model(), model(ref="base", name="b", seen=False)], relations=[edge]))
    assert "formulation" not in doc


def test_1_6_has_no_citations() -> None:
    """What a version lacks is left out of it."""
    assert "citations" not in to_document(fine_tune_report(), "1.6")


# --- hostile content --------------------------------------------------------------------------------------------------


def test_the_document_prints_inert() -> None:
    """No control or invisible character is in the text, raw or escaped."""
    text = emit(hostile_report(), "cyclonedx")
    assert [] == [char for char in text if not char.isprintable() and char != "\n"]
    assert [] == [c for value in strings(json.loads(text)) for c in value if not c.isprintable() and c not in "\n\t"]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


texts = st.text(min_size=1, max_size=30) | st.sampled_from(
    ["tool:aibom", "file:a", "model:.", "urn:cdx:x", "a\ud800", "formula:a", "workflow:a", "a"]
)
licence_claims = st.builds(
    LicenseClaim,
    raw=texts,
    basis=st.sampled_from(["declared", "detected", "concluded"]),
    expression=st.none() | texts | st.sampled_from(["MIT", "MIT OR Apache-2.0", "LicenseRef-a AND MIT"]),
    url=st.none() | texts | st.sampled_from(["https://x/%", "http://[::1]:80/#", "https://é/"]),
    evidence=st.builds(Evidence, statement=texts, location=st.none() | st.builds(place, texts)),
)
kinds = st.sampled_from(list(ComponentKind))


@st.composite
def reports(draw: st.DrawFn) -> Report:
    refs = draw(st.lists(texts, min_size=1, max_size=6, unique=True))
    paths = draw(st.lists(texts.filter(lambda path: not path.startswith("/")), max_size=5, unique=True))
    components = [
        Component(
            ref=ref,
            kind=draw(kinds),
            name=draw(texts),
            group=draw(st.none() | texts),
            version=draw(st.none() | texts),
            seen=draw(st.booleans()),
            licenses=tuple(draw(st.lists(licence_claims, max_size=3))),
            paths=tuple(draw(st.lists(st.sampled_from([*paths, "nowhere"]), max_size=3))),
            urls=draw(st.dictionaries(texts, texts, max_size=2)),
            properties=draw(st.dictionaries(texts, texts | st.floats() | st.booleans(), max_size=2)),
        )
        for ref in refs
    ]
    edges = st.builds(
        Relation,
        source=st.sampled_from(refs),
        target=st.sampled_from(refs),
        kind=st.sampled_from(list(RelationKind)),
        derivation=st.none() | st.sampled_from(list(Derivation)),
        revision=st.none() | texts,
    )
    return replace(
        make_report(
            inspections=[inspected(path) for path in paths],
            components=components,
            relations=draw(st.lists(edges, max_size=12)),
            root=refs[0],
        ),
        findings=tuple(malicious_finding(path) for path in paths),
    )


@given(reports(), st.sampled_from(VERSIONS))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_report_makes_a_document_that_the_gate_refuses(report: Report, version: SpecVersion) -> None:
    """Whatever names, edges and licences a target has, the document is valid and every reference resolves."""
    assert version == to_document(report, version)["specVersion"]


def test_a_purl_that_is_none_is_an_output_error() -> None:
    """A caller's wrong purl ends in an error, not in a document."""
    with pytest.raises(OutputError, match="refuses the inventory"):
        to_document(make_report(components=[model(purl="not a purl")]))


def test_a_root_that_is_no_component_is_an_output_error() -> None:
    """A report that contradicts itself is not written."""
    with pytest.raises(OutputError, match="none of its components"):
        to_document(make_report(components=[model()], root="else"))
