"""TFLite, ExecuTorch, Core ML, TensorRT."""

from __future__ import annotations

import pytest
from fixtures import graph_bytes as g
from fixtures.hostile_graphs import coreml, mil, mil_blob, tflite
from tests.inspectors.graph_helpers import look, messages, rules, tensors

from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Severity
from aibom.inspectors import coreml_models, executorch_models, opaque_models, tflite_models
from aibom.inspectors.flatbuffers import FlatBuffer
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource


def _tensor(name: str, buffer: int, *shape: int, kind: int = 0) -> g.Flat:
    return {0: list(shape), 1: (kind, 1), 2: buffer, 3: name}


def _model(*entries: g.Flat, buffers: list[g.Flat]) -> bytes:
    return tflite(fields={2: [{0: list(entries)}], 3: "a model", 4: [{}, *buffers]})


def test_tflite_weights() -> None:
    """Tensors with a buffer are weights, located and counted by type; a shared buffer counts once."""
    raw = _model(
        _tensor("w", 1, 2, 3), _tensor("tied", 1, 2, 3), _tensor("b", 2, 4, kind=9), _tensor("input", 0, 1, 4),
        _tensor("packed", 3, 3, kind=17), _tensor("text", 4, 1, kind=5),
        buffers=[{0: bytes(24)}, {0: bytes(4)}, {0: bytes(2)}, {0: b"text"}],
    )  # fmt: skip
    inspection = look(tflite_models.inspect, raw)
    found = tensors(inspection)
    assert ({"F32": 6, "I8": 4, "I4": 3}, True, []) == (found.elements_by_dtype, found.complete, rules(inspection))
    first = found.tensors[0]
    assert ("w", (2, 3), 24) == (first.name, first.shape, first.length)
    assert first.offset is not None
    assert {"schema_version": 3, "description": "a model"} == dict(inspection.metadata)


def test_tflite_faults() -> None:
    """Lying shapes and buffers beyond the file are malformed."""
    assert "does not fill its shape" in messages(
        look(tflite_models.inspect, _model(_tensor("w", 1, 9), buffers=[{0: b"1"}]))
    )
    assert "negative dimension" in messages(
        look(tflite_models.inspect, _model(_tensor("w", 1, -1), buffers=[{0: b"1"}]))
    )
    beyond = _model(_tensor("w", 1, 1), buffers=[{1: (1 << 40, 8), 2: (4, 8)}])
    assert "beyond the end" in messages(look(tflite_models.inspect, beyond))
    inside = look(tflite_models.inspect, _model(_tensor("w", 1, 1), buffers=[{1: (16, 8), 2: (4, 8)}]))
    assert tensors(inside).stored_elements == 1
    with pytest.raises(MalformedFile, match="TFL3"):
        look(tflite_models.inspect, bytes(64))
    many = _model(_tensor("w", 1, 1), _tensor("v", 2, 1), buffers=[{0: bytes(4)}, {0: bytes(4)}])
    assert "buffers" in messages(look(tflite_models.inspect, many, limits=Limits(tensors=1)))


def test_tflite_metadata() -> None:
    """Author and license of the metadata buffer are facts; a broken one is a finding."""
    about = g.flatbuffer({0: "name", 1: "what it does", 4: "Example Lab", 5: "Apache-2.0"}, b"M001")
    raw = tflite(fields={4: [{}, {0: about}], 6: [{0: "TFLITE_METADATA", 1: 1}, {0: "other", 1: 1}]})
    found = look(tflite_models.inspect, raw)
    assert {"author": "Example Lab", "license": "Apache-2.0"}.items() <= found.metadata.items()
    broken = tflite(fields={4: [{}, {0: b"\xff\xff\xff\x7f"}], 6: [{0: "TFLITE_METADATA", 1: 1}]})
    assert ["malformed-file"] == rules(look(tflite_models.inspect, broken))


def test_flex_operators() -> None:
    """Flex operators are low, unless the operation behind them acts."""
    found = look(tflite_models.inspect, tflite("FlexErf", "FlexReadFile")).findings
    assert [Severity.HIGH, Severity.LOW] == sorted((item.severity for item in found), key=lambda item: item.rank)


def test_appended_bytes_that_are_no_archive() -> None:
    """An end-of-archive mark by chance is no archive."""
    assert [] == rules(look(tflite_models.inspect, tflite() + b"PK\x05\x06" + bytes(4)))


def test_flatbuffers_are_bounded() -> None:
    """Objects, strings and vectors are counted before they are read."""
    raw = g.flatbuffer({0: "x" * 100, 1: [1, 2, 3], 2: {0: 5}, 3: b"\0" * 200_000}, b"TEST")
    root = FlatBuffer(MemorySource(raw), objects=100).root()
    inner = root.table(2)
    assert inner is not None
    assert (5, None, [1, 2, 3]) == (inner.scalar(0, 4), root.table(9), root.numbers(1, 4, most=3))
    with pytest.raises(LimitExceeded):
        root.text(0, 10)
    with pytest.raises(LimitExceeded):
        root.numbers(1, 4, most=2)
    assert 200_000 == len(root.text(3, 1 << 20))
    with pytest.raises(LimitExceeded, match="objects"):
        FlatBuffer(MemorySource(raw), objects=0).root()
    with pytest.raises(MalformedFile):
        FlatBuffer(MemorySource(b"\xff\xff\xff\x7f"), objects=9).root()


def test_blocks_of_a_large_buffer_are_forgotten() -> None:
    """However far the offsets lead, only some blocks are kept."""
    buffer = FlatBuffer(MemorySource(bytes(70 * 65536)), objects=1)
    for block in range(69):
        assert buffer.raw(block * 65536 + 65530, 12) == bytes(12)
    assert len(buffer._blocks) == 64


def test_executorch_programs_are_partly_read() -> None:
    """Operators and backends are listed; the rest is said not to be looked at."""
    plan: g.Flat = {6: [{0: "aten::add"}], 7: [{0: "XnnpackBackend"}]}
    found = look(executorch_models.inspect, g.flatbuffer({0: 1, 1: [plan]}, b"ET12"))
    assert {"operators": "aten::add", "backends": "XnnpackBackend"}.items() <= found.metadata.items()
    assert (Coverage.PARTIAL, [Severity.LOW]) == (found.coverage, [item.severity for item in found.findings])
    assert "malformed-file" in rules(look(executorch_models.inspect, b"\xff\xff\xff\x7fET12"))
    with pytest.raises(MalformedFile):
        look(executorch_models.inspect, bytes(16))


def test_core_ml_description() -> None:
    """Version, kind, license and the publisher's own fields are facts."""
    raw = g.message((1, 7), (2, [(100, [(1, "a model"), (4, "MIT"), (100, [(1, "k"), (2, "v")])])]), (402, []))
    found = look(coreml_models.inspect, raw).metadata
    expected = {"specification_version": 7, "kind": "treeEnsembleClassifier", "license": "MIT", "userDefined.k": "v"}
    assert expected.items() <= found.items()


def test_core_ml_program_weights() -> None:
    """The weights of an ML program are counted from the types of its blobs, each once."""
    inspection = look(coreml_models.inspect, mil(mil_blob("@model_path/weights/weight.bin")))
    assert ({"F32": 4}, True) == (tensors(inspection).elements_by_dtype, tensors(inspection).complete)
    assert [("weights/weight.bin", 64)] == [(item.path, item.offset) for item in inspection.references]


def test_core_ml_structure() -> None:
    """Models in pipelines are walked to a bound; unknown kinds are said not to be looked at."""
    inner = coreml(500, b"")
    for _ in range(20):
        inner = coreml(202, g.message((1, inner)))
    assert ["inspection-incomplete"] == rules(look(coreml_models.inspect, inner))
    assert ["inspection-incomplete"] == rules(look(coreml_models.inspect, coreml(3999, b"")))
    assert [] == rules(look(coreml_models.inspect, coreml(600, b"")))
    with pytest.raises(MalformedFile, match="no Core ML model"):
        look(coreml_models.inspect, g.message((1, 5)))
    assert ["malformed-file"] == rules(look(coreml_models.inspect, coreml(500, b"") + b"\xff"))
    block: g.Value = []
    for _ in range(20):
        block = [(3, [(1, "cond"), (4, block)])]
    deep = coreml(502, g.message((2, [(1, "main"), (2, [(3, [(1, "s"), (2, block)])])])))
    assert ["inspection-incomplete"] == rules(look(coreml_models.inspect, deep))


def test_core_ml_manifests() -> None:
    """A manifest leads to the package's files; one without items is malformed."""
    raw = b'{"itemInfoEntries": {"a": {"path": "m/weights"}, "b": {}}}'
    with pytest.raises(MalformedFile, match="no path"):
        look(coreml_models.inspect_manifest, raw)
    with pytest.raises(MalformedFile, match="itemInfoEntries"):
        look(coreml_models.inspect_manifest, b"{}")
    found = look(coreml_models.inspect_manifest, b'{"itemInfoEntries": {"a": {"path": "m/weights"}}}')
    assert ["Data/m/weights"] == [item.path for item in found.references]


def test_engines_are_not_looked_into() -> None:
    """A TensorRT engine is native code: nothing of it is covered."""
    file = RepoFile(path="m.plan", size=4, format=Format.TENSORRT, role=Role.WEIGHTS)
    found = opaque_models.inspect(file, MemorySource(b"ftrt"), Limits())
    assert (Coverage.NONE, "a TensorRT engine: nothing in it was looked at") == (found.coverage, messages(found))
