from __future__ import annotations

import struct

import pytest
from fixtures import graph_bytes as g
from tests.inspectors.graph_helpers import look, messages, rules, tensors

from aibom.errors import MalformedFile
from aibom.files import Coverage
from aibom.findings import Severity
from aibom.inspectors import tensorflow_checkpoints, tensorflow_models
from aibom.limits import Limits

_SHAPE = [(2, [(1, 2)]), (2, [(1, 3)])]


def _object_graph() -> bytes:
    """A variable, its optimizer slot, and one of unknown shape."""
    variable = [(7, [(1, 1), (2, _SHAPE), (6, "dense/kernel")]), (3, [(1, 0), (2, "m"), (3, 1)])]
    slot = [(7, [(1, 1), (2, _SHAPE), (6, "Adam/m")])]
    unknown = [(7, [(1, 1), (2, [(2, [(1, -1)])]), (6, "odd")])]
    return g.message((1, variable), (1, slot), (1, unknown), (2, "x"))


def test_a_saved_model() -> None:
    """Versions, tags and the variables of the object graph are read; slots are left out."""
    inspection = look(tensorflow_models.inspect, g.saved_model(g.tf_graph(), (7, _object_graph())))
    expected = {
        "schema_version": 1,
        "tensorflow_version": "2.16.1",
        "tag.serve": True,
    }
    assert expected.items() <= inspection.metadata.items()
    found = tensors(inspection)
    assert ({"F32": 6}, ["dense/kernel"], False) == (
        found.elements_by_dtype, [item.name for item in found.tensors], found.complete,
    )  # fmt: skip


def test_signatures_assets_and_unknown_ranks() -> None:
    """Signatures are named, an asset beside the model is no finding, a variable of unknown rank is not counted."""
    unranked = g.message((1, [(7, [(1, 1), (2, [(3, 1)]), (6, "v")]), (4, [(1, "_tf_keras_layer"), (3, "")])]))
    raw = g.saved_model(g.tf_graph(), (5, [(1, "serve"), (2, [])]), (6, [(2, "vocab.txt"), (1, [])]), (7, unranked))
    inspection = look(tensorflow_models.inspect, raw)
    assert inspection.metadata["signature.serve"] is True
    assert ([], 0, False) == (rules(inspection), tensors(inspection).stored_elements, tensors(inspection).complete)


def test_variables_of_older_graphs() -> None:
    """Without an object graph the variables are the graph's own."""
    attributes = {"dtype": g.message((6, 2)), "shape": g.message((7, _SHAPE))}
    raw = g.saved_model(g.tf_graph(g.tf_node("v", "VariableV2", attributes=attributes)))
    assert tensors(look(tensorflow_models.inspect, raw)).elements_by_dtype == {"F64": 6}


def test_severities_and_evidence() -> None:
    """An acting operation is one finding with its count and the paths in the graph."""
    graph = g.tf_graph(g.tf_text("p", "/etc/passwd"), g.tf_node("a", "ReadFile", "p"), g.tf_node("b", "ReadFile", "p"))
    finding = look(tensorflow_models.inspect, g.saved_model(graph)).findings[0]
    assert (Severity.HIGH, ("2 ×", "'/etc/passwd'")) == (finding.severity, finding.evidence)
    custom = look(tensorflow_models.inspect, g.saved_model(g.tf_graph(g.tf_node("c", "Addons>X")))).findings
    assert [Severity.LOW] == [item.severity for item in custom]


def test_frozen_graphs_count_their_constants() -> None:
    """The weights of a frozen graph are its floating-point constants."""
    value = g.message((8, [(1, 1), (2, _SHAPE), (4, bytes(24))]))
    index = g.message((8, [(1, 3), (2, _SHAPE)]))
    graph = g.tf_graph(
        g.tf_node("w", "Const", attributes={"value": value}), g.tf_node("i", "Const", attributes={"value": index})
    )
    assert tensors(look(tensorflow_models.inspect_graph, graph)).elements_by_dtype == {"F32": 6}


def test_what_is_no_graph() -> None:
    """Bytes that are no message raise; what came before a fault is kept."""
    for inspector in (
        tensorflow_models.inspect,
        tensorflow_models.inspect_graph,
        tensorflow_models.inspect_keras_metadata,
    ):
        with pytest.raises(MalformedFile):
            look(inspector, b"\xff")
    with pytest.raises(MalformedFile, match="empty"):
        look(tensorflow_models.inspect, b"")
    broken = look(tensorflow_models.inspect, g.saved_model(g.tf_graph(g.tf_node("w", "WriteFile"))) + b"\xff")
    assert ["malformed-file", "savedmodel-unsafe-op"] == sorted(rules(broken))
    broken = look(tensorflow_models.inspect_graph, g.tf_graph(g.tf_node("w", "WriteFile")) + b"\xff")
    assert ["malformed-file", "savedmodel-unsafe-op"] == sorted(rules(broken))
    layer = g.message((1, [(5, "{}")]))
    assert ["malformed-file"] == rules(look(tensorflow_models.inspect_keras_metadata, layer + b"\xff"))
    with pytest.raises(MalformedFile, match="no field 9"):
        look(tensorflow_models.inspect_keras_metadata, g.message((9, 1)))


def test_bounds_on_graphs() -> None:
    """Endless operations and attributes stop at the limits."""
    many = g.tf_graph(*(g.tf_node("n", f"Op{index}") for index in range(20_001)))
    assert "different operations" in messages(look(tensorflow_models.inspect_graph, many))
    wide = g.message((1, g.message((2, "X"), *((5, []) for _ in range(10_001)))))
    with pytest.raises(Exception, match="attributes"):
        look(tensorflow_models.inspect_graph, wide)


# --- checkpoints ------------------------------------------------------------------------------------------------------


def _entries(*pairs: tuple[str, bytes]) -> bytes:
    out = b""
    for key, value in pairs:
        out += g.varint(0) + g.varint(len(key)) + g.varint(len(value)) + key.encode() + value
    return out + struct.pack("<II", 0, 1)


def _table(*pairs: tuple[str, bytes], kind: int = 0) -> bytes:
    block = _entries(*pairs)
    out = block + bytes([kind]) + bytes(4)
    handle = g.varint(0) + g.varint(len(block))
    index = _entries(("zz", b""))
    index = g.varint(0) + g.varint(1) + g.varint(len(handle)) + b"z" + handle + struct.pack("<II", 0, 1)
    place = len(out)
    out += index + bytes(5)
    footer = g.varint(place) + g.varint(0) + g.varint(place) + g.varint(len(index))
    return out + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


_KERNEL = g.message((1, 1), (2, _SHAPE), (5, 24))


def test_a_checkpoint_index() -> None:
    """Tensors are counted, optimizer slots are not, and the data files are referred to."""
    raw = _table(
        ("", g.message((1, 2))),
        ("_CHECKPOINTABLE_OBJECT_GRAPH", g.message((1, 7))),
        ("layer/kernel/.ATTRIBUTES/VARIABLE_VALUE", _KERNEL),
        ("layer/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE", _KERNEL),
    )
    inspection = look(tensorflow_checkpoints.inspect, raw, name="variables.index")
    assert (6, 2) == (tensors(inspection).stored_elements, len(tensors(inspection).tensors))
    assert ["variables.data-00000-of-00002", "variables.data-00001-of-00002"] == [
        item.path for item in inspection.references
    ]


def test_broken_checkpoint_indexes() -> None:
    """A file without a footer raises; a block that lies is a finding."""
    with pytest.raises(MalformedFile, match="footer"):
        look(tensorflow_checkpoints.inspect, bytes(100))
    packed = look(tensorflow_checkpoints.inspect, _table(("a", _KERNEL), kind=1))
    assert (["inspection-incomplete"], Coverage.PARTIAL) == (rules(packed), packed.coverage)
    many = look(tensorflow_checkpoints.inspect, _table(("", g.message((1, 1 << 40)))))
    assert "data files" in messages(many)
    raw = _table(("a", _KERNEL), ("b", _KERNEL))
    assert "more entries" in messages(look(tensorflow_checkpoints.inspect, raw, limits=Limits(tensors=1)))
    for at in range(len(raw) - 8):
        damaged = raw[:at] + b"\xff" + raw[at + 1 :]
        look(tensorflow_checkpoints.inspect, damaged)
