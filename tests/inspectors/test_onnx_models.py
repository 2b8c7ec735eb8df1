from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
from fixtures import graph_bytes as g
from tests.inspectors.graph_helpers import look, messages, rules, tensors

from aibom.components import ReferenceKind
from aibom.errors import MalformedFile
from aibom.files import Coverage
from aibom.findings import Severity
from aibom.inspectors import onnx_models
from aibom.limits import Limits

REAL = Path(__file__).parents[2] / "fixtures" / "real" / "onnx"


def test_metadata_of_a_real_model() -> None:
    """Producer, versions, properties and domains are facts of the file."""
    found = look(onnx_models.inspect, (REAL / "metadata.onnx").read_bytes()).metadata
    expected = {
        "ir_version": 9, "producer_name": "aibom-fixtures", "domain": "org.example", "model_version": 3,
        "metadata.license": "apache-2.0", "opset.ai.onnx": 17, "nodes": 2, "operator_domains": "ai.onnx",
    }  # fmt: skip
    assert expected.items() <= found.items()


def test_weights_of_every_type_are_counted() -> None:
    """Elements are counted by type, in raw and in typed fields."""
    found = tensors(look(onnx_models.inspect, (REAL / "types.onnx").read_bytes()))
    expected = {"F32": 7, "F64": 4, "F16": 4, "I8": 4, "U8": 4, "I32": 4, "I64": 4, "BOOL": 4}
    assert (35, expected, True) == (found.stored_elements, found.elements_by_dtype, found.complete)


def test_inline_bytes_are_located() -> None:
    """The place of a tensor's bytes is that of its data."""
    raw = (REAL / "inline.onnx").read_bytes()
    weight = next(tensor for tensor in tensors(look(onnx_models.inspect, raw)).tensors if tensor.name == "weight")
    assert weight.offset is not None
    assert (48, (4, 3)) == (weight.length, weight.shape)


def test_external_data_is_referred_to() -> None:
    """External tensors are counted from their shapes, and lead to the bytes in their file."""
    inspection = look(onnx_models.inspect, (REAL / "external.onnx").read_bytes())
    found = [(item.path, item.kind, item.offset, item.length) for item in inspection.references]
    kind = ReferenceKind.EXTERNAL_DATA
    assert [("external.onnx.data", kind, 0, 48), ("external.onnx.data", kind, 48, 12)] == found
    assert tensors(inspection).stored_elements == 15


def test_a_foreign_domain_is_named() -> None:
    """Operators of an unknown library are one finding a domain; the runtime's own are none."""
    inspection = look(onnx_models.inspect, (REAL / "sharp" / "custom_domain.onnx").read_bytes())
    assert ["onnx-custom-op"] == rules(inspection)
    assert "com.example.ops" in messages(inspection)
    assert ("'FancyNorm' × 1",) == inspection.findings[0].evidence


@pytest.mark.parametrize("path", sorted(REAL.glob("**/*.onnx")), ids=lambda path: path.name)
def test_onnx_itself_agrees(path: Path) -> None:
    """Names, shapes and element counts are those that the onnx package reads."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(path), load_external_data=False)
    found = tensors(look(onnx_models.inspect, path.read_bytes()))
    expected = [(item.name, tuple(item.dims)) for item in model.graph.initializer]
    assert expected == [(tensor.name, tensor.shape) for tensor in found.tensors]
    assert sum(prod(shape) for _, shape in expected) == found.stored_elements


def _typed(kind: int, count: int, number: int, value: g.Value, *, shape: int | None = None) -> bytes:
    tensor = g.message((1, count if shape is None else shape), (2, kind), (8, "w"), (number, value))
    return g.onnx_model(g.onnx_graph(tensors=[tensor]))


@pytest.mark.parametrize(
    ("raw", "dtype", "elements"),
    [
        (_typed(1, 2, 4, bytes(8)), "F32", 2),
        (_typed(10, 3, 5, [1, 300, -2]), "F16", 3),
        (_typed(22, 4, 5, [17, 34]), "I4", 4),
        (_typed(26, 8, 5, [17, 34]), "I2", 8),
        (_typed(14, 2, 4, bytes(16)), "C64", 2),
        (_typed(15, 1, 10, bytes(16)), "C128", 1),
        (_typed(13, 2, 11, [1, 2]), "U64", 2),
        (_typed(8, 1, 6, b"text"), "STRING", 1),
        (_typed(22, 3, 9, bytes(2)), "I4", 3),
    ],
)
def test_typed_fields(raw: bytes, dtype: str, elements: int) -> None:
    """Typed fields hold as many values as the shape needs, packed types several to a number."""
    inspection = look(onnx_models.inspect, raw)
    assert ([], {dtype: elements}) == (rules(inspection), tensors(inspection).elements_by_dtype)


def test_packed_floats_are_located_and_single_ones_are_not() -> None:
    """Only one packed run of floats is laid out as in memory."""
    packed = look(onnx_models.inspect, _typed(1, 2, 4, bytes(8)))
    single = look(onnx_models.inspect, _typed(1, 1, 4, 1.5))
    assert (8, None) == (tensors(packed).tensors[0].length, tensors(single).tensors[0].length)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (_typed(1, 3, 4, bytes(8)), "needs 12 bytes for its shape and holds 8"),
        (_typed(6, 3, 5, [1, 2]), "needs 3 values for its shape and holds 2"),
        (_typed(99, 1, 9, bytes(4)), "unknown type 99"),
        (_typed(1, -1, 9, bytes(4)), "negative dimension"),
        (_typed(1, 1, 4, bytes(3)), "no whole number of 4-byte values"),
    ],
)
def test_lying_tensors(raw: bytes, message: str) -> None:
    """A tensor that contradicts its shape is malformed, and the count is not complete."""
    inspection = look(onnx_models.inspect, raw)
    assert message in messages(inspection)
    assert not tensors(inspection).complete


def _external(**pairs: str) -> bytes:
    return g.onnx_model(g.onnx_graph(tensors=[g.onnx_tensor("w", external=pairs)]))


def test_external_faults() -> None:
    """External data without a file, of a wrong length, or at a place that is no number is malformed."""
    assert "names no file" in messages(look(onnx_models.inspect, _external(offset="0")))
    assert "its external data has 9" in messages(look(onnx_models.inspect, _external(location="w", length="9")))
    assert "is no number" in messages(look(onnx_models.inspect, _external(location="w", offset="-1")))
    many = {f"k{index}": "v" for index in range(20)}
    assert "external-data keys" in messages(look(onnx_models.inspect, _external(location="w", **many)))


def test_tied_external_weights_are_counted_once() -> None:
    """Two names for one place in the external file are one weight."""
    pair = [g.onnx_tensor(name, external={"location": "w", "offset": "0"}) for name in ("a", "b")]
    found = tensors(look(onnx_models.inspect, g.onnx_model(g.onnx_graph(tensors=pair))))
    assert (2, 2) == (found.stored_elements, len(found.tensors))


def test_known_extensions_are_low() -> None:
    """Operators of the published extension library are a low finding."""
    raw = g.onnx_model(g.onnx_graph(nodes=[g.onnx_node("BertTokenizer", domain="ai.onnx.contrib")]))
    assert [Severity.LOW] == [item.severity for item in look(onnx_models.inspect, raw).findings]


def test_subgraphs_are_bounded() -> None:
    """Subgraphs nested without end stop at the limit."""
    branch = g.onnx_graph()
    for _ in range(40):
        branch = g.onnx_graph(nodes=[g.onnx_node("If", g.message((1, "b"), (20, 5), (6, branch)))])
    inspection = look(onnx_models.inspect, g.onnx_model(branch))
    assert (["inspection-incomplete"], Coverage.PARTIAL) == (rules(inspection), inspection.coverage)


def test_limits_hold() -> None:
    """Tensors and operators are counted against the limits."""
    two = g.onnx_model(g.onnx_graph(tensors=[g.onnx_tensor("a"), g.onnx_tensor("b")]))
    assert "more than 1 tensors" in messages(look(onnx_models.inspect, two, limits=Limits(tensors=1)))
    nodes = g.onnx_model(g.onnx_graph(nodes=[g.onnx_node(f"Op{index}") for index in range(10_001)]))
    assert "different operators" in messages(look(onnx_models.inspect, nodes))


def test_what_is_no_model() -> None:
    """Bytes that are no message raise; a message without a graph is malformed."""
    with pytest.raises(MalformedFile):
        look(onnx_models.inspect, b"\xff\xff")
    assert "no graph" in messages(look(onnx_models.inspect, g.message((1, 8))))


def test_sparse_weights_count_their_values() -> None:
    """A sparse initializer counts what it stores; a dimension bound holds too."""
    sparse = g.message((1, g.onnx_tensor("s", shape=(2,))), (2, g.onnx_tensor("i", kind=7, raw=bytes(16))), (3, 100))
    attribute = g.message((1, "v"), (22, sparse))
    raw = g.onnx_model(g.onnx_graph(sparse=[sparse], nodes=[g.onnx_node("Constant", attribute)]))
    found = look(onnx_models.inspect, raw)
    assert (2, 6) == (tensors(found).stored_elements, found.metadata["constant_elements"])
    deep = g.onnx_model(g.onnx_graph(tensors=[g.onnx_tensor("w", shape=(1,) * 65)]))
    assert "dimensions" in messages(look(onnx_models.inspect, deep))
