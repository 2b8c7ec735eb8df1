from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from fixtures.weights import gguf_bytes, safetensors_bytes
from tests.sources.test_archive import tar_bytes

from aibom.errors import TargetError, UsageError
from aibom.files import Format
from aibom.findings import Finding
from aibom.inventory import Inventory, take_inventory
from aibom.limits import Limits
from aibom.report import Skipped
from aibom.sources.blobs import read_document, read_layers
from aibom.sources.ollama import OllamaSource, store_folder
from aibom.sources.protocol import Entry, Fault
from aibom.sources.targets import open_source

OLLAMA = "application/vnd.ollama.image."
CNCF = "application/vnd.cncf.model."


class Store:
    """Blobs and documents of a store, written by the documented layouts of Ollama and of OCI image layouts."""

    def __init__(self, folder: Path, separator: str) -> None:
        self.folder = folder
        self.separator = separator
        self.blobs = folder / "blobs" if separator == "-" else folder / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)

    def add(self, media_type: str, data: bytes, **annotations: str) -> dict[str, Any]:
        sha256 = hashlib.sha256(data).hexdigest()
        prefix = "sha256-" if self.separator == "-" else ""
        (self.blobs / f"{prefix}{sha256}").write_bytes(data)
        layer: dict[str, Any] = {"mediaType": media_type, "digest": f"sha256:{sha256}", "size": len(data)}
        return {**layer, "annotations": annotations} if annotations else layer


def ollama_store(tmp_path: Path) -> Store:
    store = Store(tmp_path, "-")
    manifest = {
        "schemaVersion": 2,
        "config": store.add("application/vnd.docker.container.image.v1+json", b'{"model_family": "llama"}'),
        "layers": [
            store.add(OLLAMA + "model", gguf_bytes({"a": ("F32", (4,))})),
            store.add(OLLAMA + "template", b"{{ .Prompt }}"),
            store.add(OLLAMA + "license", b"MIT License\n"),
            store.add(OLLAMA + "license", b"Another licence\n"),
            store.add(OLLAMA + "params", b'{"stop": ["x"]}'),
            store.add("application/x-unknown", b"\x01\x02"),
        ],
    }
    path = tmp_path / "manifests" / "registry.ollama.ai" / "library" / "tiny" / "latest"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(manifest))
    return store


def test_an_ollama_model_is_its_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers have names that say what they are, and declare the digest in their blob's name."""
    ollama_store(tmp_path)
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    source = open_source("ollama://tiny")
    found = take_inventory(source, Limits())
    names = {file.path: file for file in found.files}
    assert {"config.json", "model.gguf", "template.txt", "LICENSE", "params.json"} <= set(names)
    assert 7 == len(names), "the second licence and the unknown layer have names of their own"
    assert Format.GGUF is names["model.gguf"].format
    with source.open("model.gguf") as data:
        content = data.read_at(0, data.size)
    assert hashlib.sha256(content).hexdigest() == names["model.gguf"].declared_digests[0].value
    facts = source.facts()
    assert ("ollama", "llama", "registry.ollama.ai/library/tiny") == (
        facts.kind, facts.claims["model_family"], facts.claims["name"],
    )  # fmt: skip
    with pytest.raises(FileNotFoundError):
        source.open("nothing")
    source.close()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("ollama://a", "registry.ollama.ai/library/a/latest"),
        ("ollama://a:7b", "registry.ollama.ai/library/a/7b"),
        ("ollama://me/a", "registry.ollama.ai/me/a/latest"),
        ("ollama://host:5000/me/a:x", "host:5000/me/a/x"),
    ],
)
def test_ollama_names_have_defaults(tmp_path: Path, target: str, path: str) -> None:
    """Host, namespace and tag are those that Ollama itself assumes."""
    (tmp_path / "blobs").mkdir()
    place = tmp_path / "manifests" / path
    place.parent.mkdir(parents=True)
    place.write_text('{"layers": []}')
    assert [] == list(OllamaSource(target, tmp_path).entries())


@pytest.mark.parametrize("target", ["ollama://", "ollama://a/b/c/d", "ollama://../x", "ollama://a:.."])
def test_bad_ollama_names_are_wrong_usage(tmp_path: Path, target: str) -> None:
    """A name can't climb out of the store."""
    with pytest.raises(UsageError):
        OllamaSource(target, tmp_path)


def test_an_absent_ollama_model_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in the store is named, with a hint."""
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    assert store_folder().parts[-2:] == (".ollama", "models")
    with pytest.raises(TargetError, match="not in the Ollama store"):
        OllamaSource("ollama://none", tmp_path)


def test_a_blob_that_is_gone_is_a_fault(tmp_path: Path) -> None:
    """A manifest that names a missing blob is not complete; one that links out of the store is not read."""
    store = ollama_store(tmp_path)
    blobs = sorted(store.blobs.iterdir(), key=lambda path: -path.stat().st_size)
    blobs[0].unlink()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_bytes(b"x")
    blobs[1].unlink()
    blobs[1].symlink_to(outside)
    source = OllamaSource("ollama://tiny", tmp_path)
    faults = [item.fault for item in source.entries() if isinstance(item, Entry)]
    assert 1 == faults.count(Fault.DANGLING_SYMLINK)
    found = take_inventory(OllamaSource("ollama://tiny", tmp_path), Limits())
    assert {"dangling-symlink", "unreadable"} <= {finding.rule.id for finding in found.findings}


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, '{"a": 1'])
def test_a_broken_document_is_an_error(tmp_path: Path, content: str) -> None:
    """A manifest that is no JSON object ends the scan with a clear error."""
    (tmp_path / "m").write_text(content)
    with pytest.raises(TargetError, match="the manifest"):
        read_document(tmp_path / "m", "the manifest")
    with pytest.raises(TargetError, match="can't be read"):
        read_document(tmp_path / "none", "it")


def test_a_huge_document_is_refused(tmp_path: Path) -> None:
    """A manifest of many megabytes is not read."""
    with (tmp_path / "m").open("wb") as file:
        file.truncate(5 * 1024 * 1024)
    with pytest.raises(TargetError, match="more than"):
        read_document(tmp_path / "m", "it")


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"layers": {}},
        {"layers": [1]},
        {"layers": [{"mediaType": "x", "digest": "sha256:../../etc/passwd", "size": 1}]},
        {"layers": [{"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": -1}]},
    ],
)
def test_layers_must_be_described(manifest: dict[str, Any]) -> None:
    """Type, size and a SHA-256 digest, or it is no manifest."""
    with pytest.raises(TargetError):
        read_layers(manifest, "it")


# --- OCI --------------------------------------------------------------------------------------------------------------

WEIGHTS = safetensors_bytes({"a": ("F32", (2,))})


def layout(tmp_path: Path, *manifests: tuple[str, dict[str, Any]]) -> Path:
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    entries = []
    for tag, manifest in manifests:
        data = json.dumps(manifest).encode()
        sha256 = hashlib.sha256(data).hexdigest()
        (tmp_path / "blobs" / "sha256" / sha256).write_bytes(data)
        entries.append({"digest": f"sha256:{sha256}", "size": len(data),
                        "annotations": {"org.opencontainers.image.ref.name": tag}})  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    return tmp_path


def model_pack(store: Store) -> dict[str, Any]:
    config = {"descriptor": {"name": "tiny", "licenses": ["MIT"]}, "config": {"architecture": "transformer"}}
    return {
        "artifactType": "application/vnd.cncf.model.manifest.v1+json",
        "config": store.add(CNCF + "config.v1+json", json.dumps(config).encode()),
        "layers": [
            store.add(CNCF + "weight.v1.raw", WEIGHTS, **{"org.cncf.model.filepath": "weights/model.safetensors"}),
            store.add(CNCF + "weight.config.v1.tar", tar_bytes({"config.json": b'{"model_type": "llama"}'})),
            store.add(CNCF + "doc.v1.tar+gzip", tar_bytes({"README.md": b"# card\n", "config.json": b"{}"}, "w:gz")),
        ],
    }


def inventory(target: str) -> Inventory:
    source = open_source(target)
    found = take_inventory(source, Limits())
    source.close()
    return found


def test_a_model_pack_is_its_files(tmp_path: Path) -> None:
    """Raw layers have path and digest, tar layers give their members; what is there twice is kept twice."""
    folder = layout(tmp_path, ("v1", model_pack(Store(tmp_path, ""))))
    found = inventory(f"oci-layout:{folder}")
    files = {file.path: file for file in found.files}
    assert {"oci-config.json", "weights/model.safetensors", "config.json", "README.md"} <= set(files)
    assert 5 == len(files)
    assert hashlib.sha256(WEIGHTS).hexdigest() == files["weights/model.safetensors"].declared_digests[0].value
    assert () == found.findings
    source = open_source(str(folder))
    assert "oci-layout" == source.facts().kind, "a folder that is a layout is recognised"
    assert "MIT" == source.facts().claims["descriptor.licenses"]
    list(source.entries())
    with source.open("README.md") as data:
        assert b"# card\n" == data.read_at(0, 100)
    with source.open("weights/model.safetensors") as data:
        assert WEIGHTS == data.read_at(0, 10_000)


def test_a_tag_or_digest_chooses_the_manifest(tmp_path: Path) -> None:
    """With several manifests one must be named; the error lists them."""
    store = Store(tmp_path, "")
    one = {"layers": [store.add("text/plain", b"one\n", **{"org.opencontainers.image.title": "one.txt"})]}
    two = {"layers": [store.add("text/plain", b"two\n", **{"org.opencontainers.image.title": "two.txt"})]}
    folder = layout(tmp_path, ("v1", one), ("v2", two))
    with pytest.raises(TargetError, match="2 manifests") as caught:
        open_source(f"oci-layout:{folder}")
    assert "v1, v2" in str(caught.value.hint)
    assert ["two.txt"] == [file.path for file in inventory(f"oci-layout:{folder}#v2").files]
    sha256 = hashlib.sha256(json.dumps(one).encode()).hexdigest()
    assert ["one.txt"] == [file.path for file in inventory(f"oci-layout:{folder}@sha256:{sha256}").files]
    with pytest.raises(TargetError, match="0 manifests"):
        open_source(f"oci-layout:{folder}#v9")


def test_a_changed_layer_is_found(tmp_path: Path) -> None:
    """A tar layer whose bytes are not those of its name is critical; one that is gone is said."""
    store = Store(tmp_path, "")
    manifest = model_pack(store)
    folder = layout(tmp_path, ("v1", manifest))
    tar = folder / "blobs" / "sha256" / manifest["layers"][1]["digest"].removeprefix("sha256:")
    tar.write_bytes(tar_bytes({"config.json": b'{"model_type": "evil"}'}))
    (folder / "blobs" / "sha256" / manifest["layers"][2]["digest"].removeprefix("sha256:")).unlink()
    items = list(open_source(str(folder)).entries())
    assert ["hash-mismatch"] == [item.rule.id for item in items if isinstance(item, Finding)]
    assert ["a layer that is not there: No such file or directory"] == [
        item.reason for item in items if isinstance(item, Skipped)
    ]


def test_layer_names_that_climb_are_faults(tmp_path: Path) -> None:
    """A layer's path can't lead out of the model."""
    store = Store(tmp_path, "")
    layers = [
        store.add("text/plain", b"x\n", **{"org.cncf.model.filepath": "../../evil.txt"}),
        store.add("application/vnd.oci.image.layer.v1.tar", b"this is no tar at all\n"),
    ]
    folder = layout(tmp_path, ("v1", {"config": store.add("x/y", b"not json"), "layers": layers}))
    entries = [item for item in open_source(str(folder)).entries() if isinstance(item, Entry)]
    assert [None, Fault.UNSAFE_NAME, None] == [item.fault for item in entries]
    assert {} == dict(open_source(str(folder)).facts().claims)


def test_a_folder_without_layout_is_an_error(tmp_path: Path) -> None:
    """`oci-layout:` needs one."""
    with pytest.raises(TargetError, match="not an OCI layout"):
        open_source(f"oci-layout:{tmp_path}")
    (tmp_path / "oci-layout").write_text("{}")
    (tmp_path / "index.json").write_text('{"manifests": [{"digest": "sha256:x"}, 3]}')
    with pytest.raises(TargetError, match="no manifest"):
        open_source(f"oci-layout:{tmp_path}")
