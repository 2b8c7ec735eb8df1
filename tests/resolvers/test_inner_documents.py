"""Documents inside a model's containers speak of the model, with the members that lead to the place."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from fixtures.weights import safetensors_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.resolvers.license_samples import apache, mit
from tests.resolvers.targets import DAY

from aibom.components import Component, RelationKind, Resolution
from aibom.errors import TargetError
from aibom.findings import Finding
from aibom.pipeline import scan
from aibom.settings import Settings
from aibom.sources.local import open_local
from aibom.sources.protocol import Source

WEIGHTS = safetensors_bytes({"a": ("F32", (2, 2))})
CREATED = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
Files = Mapping[str, bytes | str]


def tar(members: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            content = data.encode() if isinstance(data, str) else data
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def zipped(members: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def scanned(folder: Path, files: Files) -> Resolution:
    """The whole way from files to what they say together."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    source: Source = open_local(str(folder))
    return scan(source, Settings(as_of=DAY), created=CREATED).resolution


def scanned_findings(folder: Path) -> tuple[Finding, ...]:
    """All findings of a folder that was written."""
    return scan(open_local(str(folder)), Settings(as_of=DAY), created=CREATED).findings


def root(result: Resolution) -> Component:
    return result.component(result.root)


def lineage(result: Resolution) -> list[tuple[str, str | None, str]]:
    return [
        (edge.target, edge.derivation, str(edge.evidence[0].location))
        for edge in result.relations
        if edge.kind is RelationKind.DERIVED_FROM and edge.source == result.root
    ]


def licenses(result: Resolution) -> list[tuple[str, str | None, str]]:
    return [(claim.basis, claim.expression, str(claim.evidence.location)) for claim in root(result).licenses]


NEMO = "target: nemo.collections.nlp.models.X\nnemo_version: 1.23.0\ninit_from_pretrained_model: nvidia/stt_en_x\n"
CARD = "---\nlicense: apache-2.0\nbase_model: a/base\n---\n# Model\n"


def test_a_nemo_archive_names_what_training_started_from(tmp_path: Path) -> None:
    """model_config.yaml in the tar is a tool's statement; a license file in it is the model's."""
    inside: Files = {
        "model_config.yaml": NEMO,
        "model_weights.safetensors": WEIGHTS,
        "LICENSE": apache(),
    }
    result = scanned(tmp_path, {"stt.nemo": tar(inside)})
    assert [("model:nvidia/stt_en_x", "finetune", "stt.nemo › model_config.yaml:3")] == lineage(result)
    assert ("detected", "Apache-2.0", "stt.nemo › LICENSE:1") in licenses(result)
    assert "license-missing-text" not in {item.rule.id for item in result.findings}


def test_nemo_names_the_language_model_that_was_built_in(tmp_path: Path) -> None:
    """A configuration beside the weights is read in the same way, with or without the archive."""
    config = (
        "target: x\nlanguage_model:\n  pretrained_model_name: bert-base-uncased\nrestore_from_path: /home/me/x.nemo\n"
    )
    result = scanned(tmp_path, {"model_config.yaml": config, "model.safetensors": WEIGHTS})
    assert [("model:google-bert/bert-base-uncased", "finetune")] == [edge[:2] for edge in lineage(result)]


def test_a_dduf_speaks_as_the_folder_would(tmp_path: Path) -> None:
    """The card of a packed pipeline, and what its parts came from, with the members."""
    inside: Files = {
        "model_index.json": json.dumps({"_class_name": "FluxPipeline", "transformer": ["diffusers", "X"]}),
        "README.md": CARD,
        "transformer/config.json": json.dumps({"_class_name": "X", "_name_or_path": "b/flux"}),
        "transformer/model.safetensors": WEIGHTS,
    }
    result = scanned(tmp_path, {"pipe.dduf": zipped(inside)})
    assert ("model:a/base", "finetune", "pipe.dduf › README.md:3") in lineage(result)
    assert ("declared", "Apache-2.0", "pipe.dduf › README.md:2") in licenses(result)


def test_an_archive_of_a_repository_is_read_in_its_folder(tmp_path: Path) -> None:
    """A zip whose members lie in one folder: paths are those of the members."""
    config = json.dumps({"peft_type": "LORA", "base_model_name_or_path": "google/gemma-2b"}, indent=1)
    inside: Files = {
        "lora/adapter_config.json": config,
        "lora/adapter_model.safetensors": WEIGHTS,
        "lora/README.md": CARD,
    }
    result = scanned(tmp_path, {"lora.zip": zipped(inside)})
    assert ("model:google/gemma-2b", "adapter", "lora.zip › lora/adapter_config.json:3") in lineage(result)
    assert ("declared", "Apache-2.0", "lora.zip › lora/README.md:2") in licenses(result)
    assert "license-dropped" in {item.rule.id for item in result.findings}


def test_a_compressed_tar_leads_through_its_tar(tmp_path: Path) -> None:
    """The place names the tar between the compressed file and the document."""
    packed = gzip.compress(tar({"README.md": CARD, "model.safetensors": WEIGHTS}), mtime=0)
    result = scanned(tmp_path, {"m.tar.gz": packed, "config.json": "{}"})
    assert [("model:a/base", "finetune", "m.tar.gz › m.tar › README.md:3")] == lineage(result)


def test_a_torchserve_archive_speaks_of_its_model(tmp_path: Path) -> None:
    """Configuration, license and manifest inside a .mar."""
    manifest = {"license": "Apache 2.0", "model": {"modelName": "x", "serializedFile": "model.safetensors"}}
    inside: Files = {
        "MAR-INF/MANIFEST.json": json.dumps(manifest),
        "model.safetensors": WEIGHTS,
        "config.json": json.dumps({"model_type": "bert", "_name_or_path": "a/bert"}, indent=1),
        "LICENSE": mit(),
    }
    result = scanned(tmp_path, {"x.mar": zipped(inside)})
    assert [("model:a/bert", "finetune", "x.mar › config.json:3")] == lineage(result)
    assert ("declared", "Apache-2.0", "x.mar › MAR-INF/MANIFEST.json") in licenses(result)
    (finding,) = [item for item in result.findings if item.rule.id == "license-disagreement"]
    assert "x.mar › MAR-INF/MANIFEST.json says Apache-2.0, x.mar › LICENSE:1 says MIT" == finding.message


MLMODEL = """flavors:
  transformers:
    source_model_name: a/bert
    source_model_revision: 0123456789abcdef0123456789abcdef01234567
"""


@pytest.mark.parametrize("packed", [False, True])
def test_mlflow_artifacts_name_their_source(tmp_path: Path, *, packed: bool) -> None:
    """MLmodel names the model at its commit, the card's data the license; in a folder and in an archive."""
    files: Files = {
        "MLmodel": MLMODEL,
        "model_card_data.yaml": "license: other\nlicense_name: gemma\nbase_model: a/bert\n",
        "model/model.safetensors": WEIGHTS,
    }
    result = scanned(tmp_path, {"artifacts.zip": zipped(files)} if packed else files)
    start = "artifacts.zip › " if packed else ""
    assert [("model:a/bert", "finetune", f"{start}MLmodel:3")] == lineage(result)
    (edge,) = [edge for edge in result.relations if edge.kind is RelationKind.DERIVED_FROM]
    assert "0123456789abcdef0123456789abcdef01234567" == edge.revision
    claim = next(claim for claim in root(result).licenses if claim.basis == "declared")
    assert ("gemma", f"{start}model_card_data.yaml") == (claim.key, str(claim.evidence.location))


def test_what_is_wrong_inside_is_said_there(tmp_path: Path) -> None:
    """A broken document inside a container is a finding at the member."""
    inside: Files = {"config.json": "{", "README.md": CARD, "model.safetensors": WEIGHTS}
    result = scanned(tmp_path, {"m.zip": zipped(inside), "b.txt": ""})
    assert "m.zip › config.json" in {
        str(item.location) for item in result.findings if item.rule.id == "document-malformed"
    }


def test_an_archive_of_several_models_says_nothing_of_one(tmp_path: Path) -> None:
    """Where it can't be told which model a document speaks of, nothing is taken from it."""
    config = json.dumps({"model_type": "x", "_name_or_path": "a/b"})
    inside: Files = {
        "one/config.json": config,
        "one/model.safetensors": WEIGHTS,
        "two/config.json": config,
    }
    assert [] == lineage(scanned(tmp_path, {"m.zip": zipped(inside), "b.txt": ""}))


def test_a_document_that_is_too_large_is_not_expanded(tmp_path: Path) -> None:
    """A card of gigabytes in a small archive costs nothing: no document is so large."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.md", CARD + " " * 3 * 1024 * 1024)
        archive.writestr("LICENSE", mit())
        archive.writestr("model.safetensors", WEIGHTS)
    result = scanned(tmp_path, {"m.zip": out.getvalue(), "b.txt": ""})
    assert [] == lineage(result)
    assert ("detected", "MIT", "m.zip › LICENSE:1") in licenses(result)


def test_what_inspection_did_not_get_through_is_not_expanded_again(tmp_path: Path) -> None:
    """A compressed tar that breaks off has said so; its documents are not read from what is left of it."""
    packed = gzip.compress(tar({"README.md": CARD, "model.safetensors": WEIGHTS, "z": bytes(50_000)}), mtime=0)
    result = scanned(tmp_path, {"m.tar.gz": packed[:-20], "config.json": "{}"})
    assert [] == lineage(result)
    assert "archive-damaged" in {item.rule.id for item in scanned_findings(tmp_path)}


def test_a_compressed_file_that_is_no_tar_has_no_documents(tmp_path: Path) -> None:
    """One file that was compressed is no repository, whatever its name."""
    result = scanned(tmp_path, {"config.json.gz": gzip.compress(WEIGHTS, mtime=0), "README.md": CARD})
    assert ["README.md:3"] == [place for _, _, place in lineage(result)]


def test_a_container_that_can_not_be_opened_again_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails on the second look is no fault of the scan: the first one has said what is wrong."""

    def gone(_: object) -> None:
        raise TargetError("it is gone")

    monkeypatch.setattr("aibom.resolvers.inner_documents._Documents.entries", gone)
    assert [] == lineage(scanned(tmp_path, {"m.zip": zipped({"README.md": CARD, "m.safetensors": WEIGHTS}), "b": ""}))


def test_only_so_many_members_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing without end is cut."""
    monkeypatch.setattr("aibom.resolvers.inner_documents._MOST_MEMBERS", 1)
    inside: Files = {"model.safetensors": WEIGHTS, "README.md": CARD}
    assert [] == lineage(scanned(tmp_path, {"m.zip": zipped(inside), "b": ""}))


def test_a_pdf_inside_is_named_with_its_place(tmp_path: Path) -> None:
    """Terms that nobody here can read are named where they lie."""
    result = scanned(
        tmp_path, {"m.nemo": tar({"model_config.yaml": "a: 1\n", "LICENSE.pdf": b"%PDF-1.4", "w.safetensors": WEIGHTS})}
    )
    assert any("only in m.nemo › LICENSE.pdf, which is not read" in item.message for item in result.findings)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    members=st.dictionaries(
        st.sampled_from(
            ["README.md", "LICENSE", "config.json", "MLmodel", "model_config.yaml", "../README.md", "a/b.safetensors"]
        ),
        st.one_of(st.binary(max_size=200), st.just(WEIGHTS), st.just(CARD.encode())),
        max_size=5,
    ),
    cut=st.integers(0, 400),
    kind=st.sampled_from(["x.zip", "x.nemo", "x.mar", "x.tar.gz"]),
)
def test_no_content_of_a_container_ends_the_scan(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes], cut: int, kind: str
) -> None:
    """Whatever lies in a container, whole or cut off: the scan comes to its end."""
    packed = zipped(members) if kind in {"x.zip", "x.mar"} else tar(members)
    data = gzip.compress(packed) if kind.endswith("gz") else packed
    folder = tmp_path_factory.mktemp("any")
    try:
        result = scanned(folder, {kind: data[: max(1, len(data) - cut)], "config.json": "{}"})
    except TargetError:
        return
    assert result.root
