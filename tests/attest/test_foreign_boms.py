"""BOMs of other tools, written here by their own libraries or in the shapes that they are known to write."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from tests.fakes import MemoryRepo
from tests.integrity.forge import KEY, NOW, SETTINGS, encoded, private_pem

from aibom.attest import BomVerification, sign_bom, verify_bom
from aibom.cli import main
from aibom.errors import DataError
from aibom.integrity.authenticity import Trusted

# A tool that lists files has no dependencies to tell.
pytestmark = pytest.mark.filterwarnings("ignore:The Component this BOM is describing")
FILES = {
    "model.safetensors": b"\x02\0\0\0\0\0\0\0{}",
    "config.json": b"{}",
    "tokenizer/vocab.json": b'{"a": 1}',
    "README.md": b"# hi\n",
}
NOBODY = Trusted(now=NOW)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hashed(name: str, data: bytes, kind: ComponentType = ComponentType.FILE) -> Component:
    return Component(
        name=name,
        type=kind,
        hashes=[
            HashType(alg=HashAlgorithm.SHA_1, content=hashlib.sha1(data, usedforsecurity=False).hexdigest()),
            HashType(alg=HashAlgorithm.SHA_256, content=sha256(data)),
        ],
    )


def written(components: list[Component], version: SchemaVersion, form: OutputFormat, root: Component | None) -> bytes:
    bom = Bom(components=components)
    bom.metadata.component = root
    return make_outputter(bom, form, version).output_as_string().encode()


def verified(document: bytes, files: dict[str, bytes] | None = None) -> BomVerification:
    return verify_bom(document, None, MemoryRepo(FILES if files is None else files), SETTINGS, NOBODY)


def kinds(outcome: BomVerification) -> list[tuple[str, str | None]]:
    return [(item.kind.value, item.path) for item in outcome.differences]


def vendor_file(digest: dict[str, str]) -> bytes:
    return encoded({"bomFormat": "CycloneDX", "components": [{"type": "file", "name": "a", "hashes": [digest]}]})


VERSIONS = [SchemaVersion.V1_4, SchemaVersion.V1_5, SchemaVersion.V1_6, SchemaVersion.V1_7]


@pytest.mark.parametrize("form", [OutputFormat.JSON, OutputFormat.XML], ids=["json", "xml"])
@pytest.mark.parametrize("version", VERSIONS, ids=[version.to_version() for version in VERSIONS])
def test_every_version_and_form_of_cyclonedx_is_read(version: SchemaVersion, form: OutputFormat) -> None:
    """The official library writes it, and what is said does not depend on the version."""
    listed = [hashed("model.safetensors", FILES["model.safetensors"]), hashed("vocab.json", b'{"a": 1}')]
    root = Component(name="chat", type=ComponentType.APPLICATION)
    outcome = verified(written(listed, version, form, root))
    assert outcome.holds
    assert f"CycloneDX {version.to_version()} {form.name}" == outcome.form
    assert ("model.safetensors", "tokenizer/vocab.json") == outcome.matching
    assert (("README.md", "config.json"), ("config.json",)) == (outcome.uncovered, outcome.acting)
    changed = verified(written(listed, version, form, root), {**FILES, "model.safetensors": b"other"})
    assert [("changed", "model.safetensors")] == kinds(changed)
    gone = {name: data for name, data in FILES.items() if name != "model.safetensors"}
    assert [("missing", "model.safetensors")] == kinds(verified(written(listed, version, form, root), gone))


@pytest.mark.parametrize("version", VERSIONS[1:], ids=[version.to_version() for version in VERSIONS[1:]])
def test_a_model_may_name_what_it_is_distributed_as(version: SchemaVersion) -> None:
    """The digest of a download stands at its reference; the file is found by content."""
    model = Component(name="chat", type=ComponentType.MACHINE_LEARNING_MODEL, external_references=[
        ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri("https://models.example/chat"), hashes=[
            HashType(alg=HashAlgorithm.SHA_256, content=sha256(FILES["model.safetensors"])),
        ])
    ])  # fmt: skip
    for form in (OutputFormat.JSON, OutputFormat.XML):
        outcome = verified(written([], version, form, model))
        assert ("model.safetensors",) == outcome.matching
        assert ("config.json", "tokenizer/vocab.json") == outcome.acting
    other = verified(written([], version, OutputFormat.XML, model), {"model.safetensors": b"other"})
    assert [("changed", None)] == kinds(other)


def test_the_folder_that_a_tool_scanned_is_no_file_of_the_target() -> None:
    """syft names the folder as a file at the root of its document, and files by their absolute paths there."""
    document = encoded({
        "bomFormat": "CycloneDX", "specVersion": "1.6",
        "metadata": {"component": {"bom-ref": "ad1", "type": "file", "name": "/tmp/chat"}},
        "components": [
            {"bom-ref": "1", "type": "file", "name": "/config.json", "hashes": [
                {"alg": "SHA-1", "content": hashlib.sha1(b"{}", usedforsecurity=False).hexdigest()},
                {"alg": "SHA-256", "content": sha256(b"{}")},
            ]},
            {"bom-ref": "2", "type": "library", "name": "torch", "hashes": [{"alg": "SHA-256", "content": "0" * 64}]},
        ],
    })  # fmt: skip
    outcome = verified(document)
    assert outcome.holds
    assert ("config.json",) == outcome.matching


def test_spdx_documents_are_read_too() -> None:
    """SPDX 2.3 lists files with checksums, as syft and the sbom-tool write them."""
    document = encoded({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "chat", "dataLicense": "CC0-1.0",
        "documentNamespace": "https://example.com/chat", "creationInfo": {"created": "2026-01-01T00:00:00Z",
                                                                        "creators": ["Tool: t"]},
        "files": [{"SPDXID": "SPDXRef-1", "fileName": "./model.safetensors", "checksums": [
            {"algorithm": "SHA256", "checksumValue": sha256(FILES["model.safetensors"])}]}],
        "packages": [], "relationships": [],
    })  # fmt: skip
    outcome = verified(document)
    assert ("SPDX-2.3 JSON", ("model.safetensors",), True) == (outcome.form, outcome.matching, outcome.holds)
    assert [("changed", "model.safetensors")] == kinds(verified(document, {**FILES, "model.safetensors": b"x"}))


@pytest.mark.parametrize("output", ["cyclonedx", "cyclonedx-xml", "spdx", "json"])
def test_every_form_that_we_write_is_verified(tmp_path: Path, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A BOM of ours holds in each of its forms, and a changed file is found with each."""
    model, bom = tmp_path / "model", tmp_path / "bom"
    for name, data in FILES.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(data)
    assert 0 == main(["scan", str(model), "--no-config", "--fail-on", "never", "-q", "-o", f"{output}={bom}"])
    assert 0 == main(["verify", str(bom), str(model)])
    assert "files      4 have the digest that bom lists" in capsys.readouterr().out
    (model / "config.json").write_bytes(b"[]")
    assert 1 == main(["verify", str(bom), str(model)])
    assert "changed    config.json: sha256 " in capsys.readouterr().out


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"garbage", b"<bom/>", b"<bom xmlns='http://cyclonedx.org/schema/bom/1.6'>", b"SPDXVersion: SPDX-2.3\n",
        b'<!DOCTYPE x [<!ENTITY a "b">]><bom xmlns="http://cyclonedx.org/schema/bom/1.6">&a;</bom>',
        b'{"bomFormat": "CycloneDX", "components": [], "components": []}', b"[" * 100_000, b'{"a":' * 100_000,
        b"<a>" * 100_000,
        vendor_file({"alg": "SHA-256", "content": "zz"}),
    ],
)  # fmt: skip
def test_what_is_no_bom_is_an_error_of_its_own(raw: bytes) -> None:
    """Hostile documents included: nothing is expanded, nothing recursed into, nothing guessed."""
    with pytest.raises(DataError):
        verified(raw)


def test_only_cyclonedx_in_json_is_signed() -> None:
    """The statement holds the BOM itself, so it has to be the value that everybody reads."""
    document = written([hashed("config.json", b"{}")], SchemaVersion.V1_6, OutputFormat.XML, None)
    with pytest.raises(DataError, match="can't be signed"):
        sign_bom(document, private_pem(KEY))
    signed: dict[str, Any] = json.loads(
        sign_bom(written([hashed("config.json", b"{}")], SchemaVersion.V1_4, OutputFormat.JSON, None), private_pem(KEY))
    )
    assert "dsseEnvelope" in signed
