"""What a file is: by its bytes first, by its name where bytes can't tell."""

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import zlib
from pathlib import Path

import pytest
from fixtures.hostile_headers import POINTER, RUNS
from fixtures.weights import (
    gguf_bytes,
    npy_bytes,
    npz_bytes,
    safetensors_bytes,
    torch_zip_bytes,
    write_torch_zip,
    zip_bytes,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.files import Format, RepoFile, Role
from aibom.findings import Severity
from aibom.formats import is_weight_name, mismatch, mismatch_finding, recognize, role_of
from aibom.formats.json_keys import looks_like_json, top_level
from aibom.sources.bytesource import FileSource, MemorySource

REAL = Path("fixtures/real")


def known(name: str, content: bytes) -> Format:
    return recognize(name, content[:4096], len(content), MemorySource(content))


def tar_bytes(members: dict[str, bytes], kind: int = tarfile.USTAR_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def field(number: int, content: bytes | int) -> bytes:
    """Encode one protobuf field."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    key = number << 3 | 2
    head = bytes([key]) if key < 128 else bytes([key & 0x7F | 0x80, key >> 7])
    size = len(content)
    return head + (bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])) + content


ONNX = field(1, 8) + field(2, b"pytorch") + field(7, field(2, b"graph")) + field(8, field(2, b"\x11"))
SAVED_MODEL = field(1, 1) + field(2, field(1, field(2, b"x")))
GRAPH = field(1, field(1, b"x") + field(2, b"Placeholder")) + field(4, field(1, 5))
PIECES = (field(1, field(1, b"<unk>") + b"\x15\0\0\0\0" + field(3, 2)) + field(1, field(1, b"a") + b"\x15\0\0\0\0")) * 3
COREML = field(1, 4) + field(2, field(1, b"")) + field(500, b"")
MSGPACK = b"\x81\xa6params\x81\xa5dense\x81\xa6kernel\xc7\x10\x01" + bytes(16)
UBJSON = b"{L" + struct.pack(">q", 7) + b"learner{" + bytes(8)
BITMAP = b"BM" + struct.pack("<IHHI", 70, 0, 0, 54) + struct.pack("<I", 40) + bytes(60)
FONT = b"\x00\x01\x00\x00\x00\x0c\x00\x80\x00\x03\x00\x40OS/2" + bytes(40)
BUNDLE = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": {"payload": "e30="}}
SIGNED = {
    **BUNDLE,
    "dsseEnvelope": {"payload": "eyJwcmVkaWNhdGVUeXBlIjoiaHR0cHM6Ly9tb2RlbF9zaWduaW5nL3NpZ25hdHVyZS92MS4wIn0="},
}

BINARY = {
    "model.safetensors": (safetensors_bytes({"a": ("F32", (2,))}), Format.SAFETENSORS),
    "model.gguf": (gguf_bytes({"a": ("F32", (4,))}), Format.GGUF),
    "old-ggml.bin": (b"lmgg" + bytes(40), Format.GGML_LEGACY),
    "a.npy": (npy_bytes((2, 2)), Format.NUMPY_NPY),
    "a.npz": (npz_bytes({"a": (2,)}), Format.NUMPY_NPZ),
    "a.pt": (torch_zip_bytes({"w": ("F32", (2,))}), Format.PYTORCH_ZIP),
    "script.pt": (zip_bytes({"m/data.pkl": b"", "m/constants.pkl": b"", "m/code/m.py": b""}), Format.TORCHSCRIPT),
    "only-constants.pt": (zip_bytes({"m/constants.pkl": b""}), Format.TORCHSCRIPT),
    "a.pt2": (zip_bytes({"m/archive_format": b"pt2", "m/models/model.json": b"{}"}), Format.PT2),
    "a.mar": (zip_bytes({"MAR-INF/MANIFEST.json": b"{}"}), Format.TORCHSERVE_MAR),
    "a.keras": (zip_bytes({"config.json": b"", "metadata.json": b"", "model.weights.h5": b""}), Format.KERAS_V3),
    "a.skops": (zip_bytes({"schema.json": b"{}"}), Format.SKOPS),
    "a.whl": (zip_bytes({"x/__init__.py": b""}), Format.ZIP),
    "empty.zip": (b"PK\x05\x06" + bytes(18), Format.ZIP),
    "prefixed.bin": (b"\xfe\xfe\xfe\xfe" * 9 + zip_bytes({"m/data.pkl": b""}), Format.PYTORCH_ZIP),
    "a.tar": (tar_bytes({"x": b"y"}), Format.TAR),
    "gnu.tar": (tar_bytes({"x" * 120: b"y"}, tarfile.GNU_FORMAT), Format.TAR),
    "model.nemo": (tar_bytes({"./model_config.yaml": b"a: 1", "./model_weights.ckpt": b""}), Format.NEMO),
    "old.pt": (tar_bytes({"sys_info": b"", "pickle": b"", "storages": b"", "tensors": b""}), Format.PYTORCH_TAR),
    "a.gz": (gzip.compress(b"x"), Format.GZIP),
    "a.bz2": (bz2.compress(b"x"), Format.BZIP2),
    "a.xz": (lzma.compress(b"x"), Format.XZ),
    "a.lzma": (lzma.compress(b"x" * 99, format=lzma.FORMAT_ALONE), Format.LZMA),
    "a.z": (zlib.compress(b"some text " * 9), Format.ZLIB),
    "a.zst": (b"\x28\xb5\x2f\xfd" + bytes(9), Format.ZSTD),
    "a.lz4": (b"\x04\x22\x4d\x18" + bytes(9), Format.LZ4),
    "a.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(9), Format.SEVEN_ZIP),
    "a.rar": (b"Rar!\x1a\x07\x01\x00", Format.RAR),
    "a.onnx": (ONNX, Format.ONNX),
    "functions.onnx": (field(8, field(2, b"\x11")) + field(25, field(1, b"f")), Format.ONNX),
    "saved_model.pb": (SAVED_MODEL, Format.TF_SAVEDMODEL),
    "frozen.pb": (GRAPH, Format.TF_GRAPHDEF),
    "spiece.model": (PIECES, Format.SENTENCEPIECE),
    "a.mlmodel": (COREML, Format.COREML),
    "a.tflite": (b"\x1c\0\0\0TFL3" + bytes(20), Format.TFLITE),
    "a.pte": (b"\x1c\0\0\0ET12" + bytes(20), Format.EXECUTORCH),
    "flax_model.msgpack": (MSGPACK, Format.FLAX_MSGPACK),
    "a.ubj": (UBJSON, Format.XGBOOST_UBJ),
    "a.cbm": (b"CBM1" + bytes(20), Format.CATBOOST),
    "a.rds": (b"X\n\0\0\0\3" + bytes(20), Format.RDS),
    "plain.rds": (b"A\n3\n262144\n", Format.RDS),
    "a.h5": (b"\x89HDF\r\n\x1a\n" + bytes(90), Format.HDF5),
    "keras.h5": (b"\x89HDF\r\n\x1a\n" + bytes(90) + b"keras_version", Format.KERAS_H5),
    "user-block.h5": (bytes([250]) * 1024 + b"\x89HDF\r\n\x1a\n" + bytes(9), Format.HDF5),
    "variables.index": (bytes(100) + bytes.fromhex("57fb808b247547db"), Format.TF_CHECKPOINT),
    "variables.data-00000-of-00001": (bytes(range(200, 256)) * 9, Format.TF_CHECKPOINT),
    "keras_metadata.pb": (field(1, field(2, b"\x01root") + field(3, b"\x01")), Format.TF_KERAS_METADATA),
    "elf": (b"\x7fELF\2\1\1" + bytes(60), Format.EXECUTABLE),
    "a.exe": (b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0", Format.EXECUTABLE),
    "dos.com": (b"MZ\x90\x00" + bytes(70), Format.EXECUTABLE),
    "a.class": (b"\xca\xfe\xba\xbe\0\0\0\x3d" + bytes(9), Format.EXECUTABLE),
    "mach": (b"\xcf\xfa\xed\xfe" + bytes(9), Format.EXECUTABLE),
    "a.com": (b"MZqFpD='\n" + bytes(60), Format.EXECUTABLE),
    "x.llamafile": (b"MZqFpD='\n" + bytes(60) + zip_bytes({"m.gguf": b"GGUF", ".args": b""}), Format.LLAMAFILE),
    "a.wasm": (b"\0asm\1\0\0\0", Format.WASM),
    "a.pyc": (b"\xa7\r\r\n" + bytes(12) + b"\xe3" + bytes(20), Format.PYTHON_BYTECODE),
    "a.parquet": (b"PAR1" + bytes(20), Format.PARQUET),
    "a.arrow": (b"ARROW1\0\0" + bytes(20), Format.ARROW),
    "a.db": (b"SQLite format 3\0" + bytes(20), Format.SQLITE),
    "a.pdf": (b"%PDF-1.7\n%\xe2\xe3", Format.PDF),
    "a.png": (b"\x89PNG\r\n\x1a\n" + bytes(20), Format.IMAGE),
    "a.jpg": (b"\xff\xd8\xff\xe0" + bytes(20), Format.IMAGE),
    "a.webp": (b"RIFF\0\0\0\0WEBP", Format.IMAGE),
    "a.bmp": (BITMAP, Format.IMAGE),
    "a.wav": (b"RIFF\0\0\0\0WAVE", Format.AUDIO),
    "a.avi": (b"RIFF\0\0\0\0AVI ", Format.VIDEO),
    "riff.bin": (b"RIFF\0\0\0\0XXXX\xff\xff", Format.UNKNOWN),
    "a.mp4": (b"\0\0\0\x18ftypmp42", Format.VIDEO),
    "a.ttf": (FONT, Format.FONT),
    "a.woff2": (b"wOF2\0\1\0\0" + bytes(20), Format.FONT),
    "a.engine": (b"\xfe" * 50, Format.TENSORRT),
    "a.onnx_data": (b"\xfe" * 50, Format.ONNX_EXTERNAL_DATA),
    "a.bin": (b"\xfe" * 50, Format.UNKNOWN),
    "nothing.bin": (b"", Format.EMPTY),
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_binary_formats_are_known_by_their_bytes(name: str) -> None:
    """A binary file is what its bytes say."""
    content, expected = BINARY[name]
    assert expected == known(name, content)


BY_NAME_ALONE = {"a.engine", "a.onnx_data", "variables.data-00000-of-00001", "keras_metadata.pb", "model.nemo"}


@pytest.mark.parametrize("name", sorted(BINARY.keys() - BY_NAME_ALONE))
def test_a_binary_file_stays_what_it_is_under_another_name(name: str) -> None:
    """The name of a binary file does not decide, except for the few that have no mark of their own."""
    content, expected = BINARY[name]
    assert expected == known("notes.txt", content)


TEXTS = {
    "a.py": (b"import os\n", Format.PYTHON),
    "run": (b"#!/usr/bin/env python3\nprint(1)\n", Format.PYTHON),
    "run.sh": (b"echo\n", Format.SHELL),
    "start": (b"#!/bin/sh\necho\n", Format.SHELL),
    "Dockerfile": (b"FROM x\n", Format.DOCKERFILE),
    "a.ipynb": (b'{"cells": [], "nbformat": 4}', Format.NOTEBOOK),
    "anything.txt": (b'{"metadata": {}, "nbformat": 4, "cells": []}', Format.NOTEBOOK),
    "model.safetensors.index.json": (b'{"metadata":{"total_size":1},"weight_map":{"a":"m.safetensors"}}',
                                     Format.SAFETENSORS_INDEX),
    "pytorch_model.bin.index.json": (b'{"weight_map":{"a":"m.bin"}}', Format.PYTORCH_INDEX),
    "adapter_config.json": (b'{"peft_type": "LORA"}', Format.PEFT_CONFIG),
    "config.json": (b'{"model_type": "llama"}', Format.TRANSFORMERS_CONFIG),
    "other.json": (b'{"model_type": "llama"}', Format.JSON),
    "sub/config.json": (b'{"in_features": 3}', Format.JSON),
    "tokenizer_config.json": (b'{"model_max_length": 5}', Format.TOKENIZER_CONFIG),
    "chat_template.json": (b'{"chat_template": "x"}', Format.CHAT_TEMPLATE),
    "chat_template.jinja": (b"{{ messages }}", Format.CHAT_TEMPLATE),
    "template": (b"{% for m in messages %}x{% endfor %}", Format.CHAT_TEMPLATE),
    "xgb.json": (b'{"learner":{},"version":[2,0,0]}', Format.XGBOOST_JSON),
    "lgb.txt": (b"tree\nversion=v4\n", Format.LIGHTGBM_TEXT),
    "model.sig": (json.dumps(SIGNED).encode(), Format.OMS_SIGNATURE),
    "a.sigstore.json": (json.dumps(BUNDLE).encode(), Format.SIGSTORE_BUNDLE),
    "a.dsse": (b'{"payloadType": "x", "payload": "e30=", "signatures": []}', Format.SIGSTORE_BUNDLE),
    "manifest.json": (b'{"schemaVersion": 2, "config": {}, "layers": []}', Format.OCI_MANIFEST),
    "latest": (b'{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.ollama.image.model"}]}',
               Format.OLLAMA_MANIFEST),
    "kit.json": (b'{"manifestVersion": "1", "package": {}}', Format.KITFILE),
    "Kitfile": (b"manifestVersion: 1.0.0\npackage:\n  name: x\n", Format.KITFILE),
    "MLmodel": (b"flavors:\n  sklearn: {}\nmodel_uuid: x\n", Format.MLFLOW),
    "mergekit_config.yml": (b"merge_method: slerp\nmodels: []\n", Format.MERGEKIT_CONFIG),
    "a.yaml": (b"a: 1\n", Format.YAML),
    "noname": (b"---\na: 1\n", Format.YAML),
    "README": (b"---\nlicense: mit\n---\n# x\n", Format.MARKDOWN),
    "Manifest.json": (b'{"fileFormatVersion": "1.0.0", "itemInfoEntries": {}}', Format.COREML_MANIFEST),
    "architecture.json": (b'{"class_name": "Sequential", "config": {}}', Format.KERAS_CONFIG),
    "config.pbtxt": (b'name: "x"\n', Format.TRITON_CONFIG),
    "a.jsonl": (b'{"a": 1}\n{"a": 2}\n', Format.JSONL),
    "lines": (b'{"a": 1}\n{"a": 2}\n', Format.JSONL),
    "a.toml": (b"a = 1\n", Format.TOML),
    "a.csv": (b"a,b\n1,2\n", Format.CSV),
    "a.pmml": (b'<?xml version="1.0"?><PMML version="4.4">', Format.PMML),
    "a.xml": (b'<?xml version="1.0"?><net name="m" version="11">', Format.OPENVINO),
    "b.xml": (b"<?xml version='1.0'?><a/>", Format.XML),
    "a.html": (b"<!DOCTYPE html><html>", Format.HTML),
    "SHA256SUMS": (b"# sums\n" + b"a" * 64 + b"  model.bin\n" + b"b" * 64 + b" *x\n", Format.SHA256SUMS),
    "bsd.txt": (b"SHA256 (model.bin) = " + b"a" * 64 + b"\n", Format.SHA256SUMS),
    "only-comments": (b"# a\n# b\n", Format.TEXT),
    "weights.bin": (POINTER, Format.LFS_POINTER),
    "long-pointer.txt": (POINTER + b"x" * 1024, Format.TEXT),
    "latin.txt": ("Größe und Maß\n".encode("latin-1"), Format.TEXT),
    "cyrillic.txt": ("Просто русский текст. ".encode("cp1251") * 20, Format.TEXT),
    "wide.txt": ("text".encode("utf-16"), Format.TEXT),
    "cut.txt": (b"x" * 4095 + "é".encode() + b"x" * 10, Format.TEXT),
    "list.md": (b"[1]: x\n", Format.MARKDOWN),
    "badge.txt": (b"[![build](x)](y)\n", Format.TEXT),
    "jinja-like.txt": (b"{{ x }} is not JSON", Format.TEXT),
    "vocab.txt": (b"cat\ncos\nsystem\n(\ntR.\n", Format.TEXT),
    "git.txt": (b"Git v1.5.2.1 Release Notes\n", Format.TEXT),
    "gguf.txt": (b"GGUF is a file format for models, and this is a text about it.", Format.TEXT),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_told_apart(name: str) -> None:
    """A text is known by what stands in it, and by its name where texts read alike."""
    content, expected = TEXTS[name]
    assert expected == known(name, content)


def test_first_bytes_are_enough_for_an_answer() -> None:
    """Without the rest of the file there is still an answer from the first bytes."""
    for name, (content, _) in {**BINARY, **TEXTS}.items():
        assert isinstance(recognize(name, content[:64], len(content)), Format)
    zipped = torch_zip_bytes({"w": ("F32", (2,))})
    assert recognize("a.pt", zipped[:4096], len(zipped)) is Format.PYTORCH_ZIP
    assert recognize("a.onnx", ONNX, len(ONNX)) is Format.ONNX


def test_a_torch_zip_beyond_four_gib_is_known_by_its_directory(tmp_path: Path) -> None:
    """The directory at the end of a zip64 is found without reading what lies before it."""
    path = write_torch_zip(tmp_path / "big.pt", {"w": ("F32", (40_000, 40_000))})
    size = path.stat().st_size
    with path.open("rb") as file, FileSource(file.fileno(), size) as data:
        assert recognize("big.pt", data.read_at(0, 4096), size, data) is Format.PYTORCH_ZIP
        data.close = lambda: None  # type: ignore[method-assign]  # the test owns the descriptor


@pytest.mark.skipif(not REAL.is_dir(), reason="the files of the real libraries are not here")
def test_files_written_by_the_real_libraries_are_known() -> None:
    """What the real libraries wrote is recognized, and its name is not doubted."""
    opaque = {"key2row", "lookups.bin", "model", "tokenizer"}  # spaCy's own binary tables
    for row in json.loads((REAL / "MANIFEST.json").read_text())["files"]:
        path = REAL / row["path"]
        found = known(row["path"], path.read_bytes())
        assert found is not Format.UNKNOWN or path.name in opaque, row["path"]
        assert mismatch(row["path"], found) is None, row["path"]
        ending = path.name.rsplit(".", 1)[-1]
        expected = {"safetensors": {Format.SAFETENSORS}, "gguf": {Format.GGUF}, "onnx": {Format.ONNX},
                    "npz": {Format.NUMPY_NPZ}, "npy": {Format.NUMPY_NPY}, "keras": {Format.KERAS_V3},
                    "skops": {Format.SKOPS}, "pt2": {Format.PT2}, "ubj": {Format.XGBOOST_UBJ},
                    "msgpack": {Format.FLAX_MSGPACK}, "cbm": {Format.CATBOOST}}.get(ending)  # fmt: skip
        assert expected is None or found in expected, row["path"]


ROLES = {
    ("model.safetensors", Format.SAFETENSORS): Role.WEIGHTS,
    ("optimizer.pt", Format.PYTORCH_ZIP): Role.OTHER,
    ("training_args.bin", Format.PYTORCH_ZIP): Role.OTHER,
    ("pytorch_model.bin", Format.LFS_POINTER): Role.WEIGHTS,
    ("model.pkl.gz", Format.GZIP): Role.WEIGHTS,
    ("data.zip", Format.ZIP): Role.OTHER,
    ("model.bin", Format.UNKNOWN): Role.WEIGHTS,
    ("model-00001-of-00002.xyz", Format.UNKNOWN): Role.WEIGHTS,
    ("config.json", Format.TRANSFORMERS_CONFIG): Role.CONFIG,
    ("tokenizer.json", Format.JSON): Role.TOKENIZER,
    ("vocab.txt", Format.TEXT): Role.TOKENIZER,
    ("merges.txt", Format.TEXT): Role.TOKENIZER,
    ("tokenizer.model", Format.SENTENCEPIECE): Role.TOKENIZER,
    ("tokenizer.model", Format.PICKLE): Role.WEIGHTS,
    ("chat_template.jinja", Format.CHAT_TEMPLATE): Role.TOKENIZER,
    ("modeling_x.py", Format.PYTHON): Role.CODE,
    ("tokenizer.py", Format.PYTHON): Role.CODE,
    ("lib.so", Format.EXECUTABLE): Role.CODE,
    ("README.md", Format.MARKDOWN): Role.CARD,
    ("sub/README.md", Format.MARKDOWN): Role.CARD,
    ("NOTES.md", Format.MARKDOWN): Role.OTHER,
    ("LICENSE", Format.TEXT): Role.LICENSE,
    ("LICENSE.pdf", Format.PDF): Role.LICENSE,
    ("USE_POLICY.md", Format.MARKDOWN): Role.LICENSE,
    ("license.py", Format.PYTHON): Role.CODE,
    ("model.sig", Format.OMS_SIGNATURE): Role.SIGNATURE,
    ("model.bin.asc", Format.TEXT): Role.SIGNATURE,
    ("SHA256SUMS", Format.SHA256SUMS): Role.SIGNATURE,
    ("evil.sig", Format.PICKLE): Role.WEIGHTS,
    ("train.parquet", Format.PARQUET): Role.DATA,
    ("requirements.txt", Format.TEXT): Role.CONFIG,
    ("figure.png", Format.IMAGE): Role.OTHER,
}


@pytest.mark.parametrize(("path", "found"), ROLES)
def test_a_file_has_a_role(path: str, found: Format) -> None:
    """What a file is for follows from its format, and from its name where formats serve many ends."""
    assert ROLES[path, found] == role_of(path, found)


def test_weight_names_survive_compression_and_sharding() -> None:
    """A name of weights is one when compressed and when split."""
    assert is_weight_name("a/model.pkl.gz")
    assert is_weight_name("model-00001-of-00009.bin")
    assert not is_weight_name("notes.md")
    assert not is_weight_name("pipeline/vocab/lookups.bin")


MISMATCHES = {
    ("model.safetensors", Format.PICKLE): Severity.HIGH,
    ("model.safetensors", Format.PYTORCH_ZIP): Severity.HIGH,
    ("model.safetensors", Format.UNKNOWN): Severity.HIGH,
    ("model.onnx", Format.UNKNOWN): Severity.MEDIUM,
    ("model.gguf", Format.ZIP): Severity.HIGH,
    ("config.json", Format.PICKLE): Severity.HIGH,
    ("config.json", Format.EXECUTABLE): Severity.HIGH,
    ("config.json", Format.ZIP): Severity.MEDIUM,
    ("notes.txt", Format.GZIP): Severity.MEDIUM,
    ("photo.jpg", Format.SAFETENSORS): Severity.LOW,
    ("photo.jpg", Format.UNKNOWN): Severity.LOW,
    ("weights.bin", Format.EXECUTABLE): Severity.HIGH,
    ("a.npy", Format.NUMPY_NPZ): Severity.HIGH,
}


@pytest.mark.parametrize(("name", "found"), MISMATCHES)
def test_a_name_that_claims_another_format_is_a_finding(name: str, found: Format) -> None:
    """The more a name calms and the more the bytes can do, the worse the disagreement."""
    finding = mismatch_finding(RepoFile(path=name, size=9, format=found, role=Role.OTHER))
    assert finding is not None
    assert MISMATCHES[name, found] == finding.severity
    assert mismatch(name, found) == finding.message


USUAL = [
    ("pytorch_model.bin", Format.PICKLE), ("model.bin", Format.GGUF), ("model.bin", Format.UNKNOWN),
    ("model.ckpt", Format.PYTORCH_ZIP), ("model.pt", Format.PYTORCH_LEGACY), ("model.pkl", Format.JOBLIB),
    ("model.pkl", Format.GZIP), ("model.joblib", Format.ZLIB), ("tokenizer.model", Format.SENTENCEPIECE),
    ("config.json", Format.TRANSFORMERS_CONFIG), ("README.md", Format.TEXT), ("a.keras", Format.KERAS_H5),
    ("model.safetensors", Format.LFS_POINTER), ("model.safetensors", Format.EMPTY), ("a.zip", Format.PYTORCH_ZIP),
    ("noending", Format.EXECUTABLE), ("lib.so", Format.EXECUTABLE), ("a.nemo", Format.GZIP), ("a.gz", Format.ZLIB),
]  # fmt: skip


@pytest.mark.parametrize(("name", "found"), USUAL)
def test_usual_names_are_not_doubted(name: str, found: Format) -> None:
    """Endings that mean many formats, and pointers and empty files, are no mismatch."""
    assert mismatch(name, found) is None


@given(
    st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.text(max_size=8) | st.integers(), st.lists)),
    st.sampled_from([None, 1, 2]),
)
def test_top_level_keys_are_those_of_the_object(value: dict[str, object], indent: int | None) -> None:
    """The quick reader of keys agrees with the JSON parser on every object, however it is laid out."""
    text = json.dumps(value, ensure_ascii=False, indent=indent).encode("utf-8", "replace")
    plain = {key for key in value if json.dumps(key, ensure_ascii=False)[1:-1] == key and key.isprintable()}
    assert plain <= set(top_level(text))
    assert len(top_level(text)) == len(json.loads(text))
    assert looks_like_json(text)


@given(st.binary(max_size=600), st.sampled_from(["a.bin", "a.safetensors", "a.txt", "model.pt", "x"]))
@settings(max_examples=200)
def test_any_bytes_get_an_answer(content: bytes, name: str) -> None:
    """No bytes make the recognition fail, and none but pickles that act are taken for one."""
    found = known(name, content)
    assert isinstance(found, Format)
    assert isinstance(role_of(name, found), Role)


@given(st.sampled_from([content for content, _ in {**BINARY, **TEXTS}.values()]), st.data())
@settings(max_examples=200)
def test_damaged_files_get_an_answer(content: bytes, draw: st.DataObject) -> None:
    """Cut and altered files of every format are answered without an error."""
    end = draw.draw(st.integers(0, len(content)))
    cut = bytearray(content[:end])
    for _ in range(draw.draw(st.integers(0, 4))):
        if cut:
            cut[draw.draw(st.integers(0, len(cut) - 1))] = draw.draw(st.integers(0, 255))
    assert isinstance(known("x.bin", bytes(cut)), Format)


def test_a_pickle_that_acts_is_one_before_anything_else() -> None:
    """Bytes that open like an image and act like a pickle are a pickle."""
    assert known("figure.gif", b"GIF89a\0\0\0" + b"0" + RUNS) is Format.PICKLE


@pytest.mark.parametrize(
    ("name", "members", "kind"),
    [
        ("m.keras", {"config.json": b"{}", "data.pkl": b"x"}, Format.KERAS_V3),
        ("m.skops", {"schema.json": b"{}", "data.pkl": b"x"}, Format.SKOPS),
        ("m.bin", {"config.json": b"{}", "m/data.pkl": b"x"}, Format.PYTORCH_ZIP),
    ],
)
def test_a_polyglot_zip_is_what_its_loader_takes_it_for(name: str, members: dict[str, bytes], kind: Format) -> None:
    """A member that another loader would look for does not hide an archive from the inspector of its own format."""
    data = zip_bytes(members)
    assert kind is recognize(name, data[:4096], len(data), MemorySource(data))
