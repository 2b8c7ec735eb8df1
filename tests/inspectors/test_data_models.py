"""MessagePack, Paddle, boosted trees, R."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from fixtures import graph_bytes as g
from fixtures.hostile_graphs import r_promise
from tests.inspectors.graph_helpers import look, messages, rules, tensors

from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage
from aibom.findings import Severity
from aibom.inspectors import boosted_trees, msgpack_files, paddle_files, r_files
from aibom.limits import Limits

REAL = Path(__file__).parents[2] / "fixtures" / "real"


# --- MessagePack ------------------------------------------------------------------------------------------------------


def test_flax_arrays_of_a_real_file() -> None:
    """Arrays are counted by type and located."""
    raw = (REAL / "flax" / "flax_model.msgpack").read_bytes()
    found = tensors(look(msgpack_files.inspect, raw))
    assert ({"F32": 11, "BF16": 6}, True) == (found.elements_by_dtype, found.complete)
    assert [("embed/embedding", 32), ("dense/kernel", 12), ("dense/bias", 12)] == [
        (item.name, item.length) for item in found.tensors
    ]


def test_chunked_arrays_have_one_name() -> None:
    """The parts of an array that flax splits are counted together."""
    chunks = {"0": g.flax_array([2], "float32", bytes(8)), "1": g.flax_array([3], "float32", bytes(12))}
    raw = g.msgpack({"w": {"__msgpack_chunked_array__": 1, "chunks": chunks}})
    assert tensors(look(msgpack_files.inspect, raw)).stored_elements == 5


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ((1, g.msgpack([[1], "float32"])), "flax does not write"),
        ((1, g.msgpack([[-1], "float32", b""])), "whole numbers"),
        ((1, g.msgpack(["x", "float32", b""])), "flax does not write"),
        ((1, g.msgpack([[1], 5, b""])), "flax does not write"),
        ((1, b"\x93"), "ends early"),
        ((1, g.msgpack([[1], "object", bytes(8)])), "does not fill"),
        ((1, g.msgpack([[1], "float32", bytes(4)])[:-2]), "leave it"),
    ],
)
def test_arrays_that_lie(array: tuple[int, bytes], message: str) -> None:
    """An array that contradicts itself is malformed, and the count is not complete."""
    inspection = look(msgpack_files.inspect, g.msgpack({"w": array, "z": 1}))
    assert message in messages(inspection)
    assert not tensors(inspection).complete


def test_msgpack_values_of_every_kind() -> None:
    """Values that are no arrays are passed over."""
    odd = b"\x8a" + b"".join(
        g.msgpack(str(key)) + value
        for key, value in enumerate((
            b"\xc0", b"\xe0", b"\x05", b"\xca" + bytes(4), b"\xd6\x02" + bytes(4), b"\x92\x01\x02", b"\xd9\x01x",
            b"\xdc\x00\x01\x01", b"\xc4\x02ab", b"\x80",
        ))
    )  # fmt: skip
    assert ([], Coverage.COMPLETE) == (
        rules(look(msgpack_files.inspect, odd)),
        look(msgpack_files.inspect, odd).coverage,
    )


def test_msgpack_bounds() -> None:
    """Depth, keys, values and trailing bytes are bounded or said."""
    deep: object = 1
    for _ in range(150):
        deep = {"k": deep}
    assert ["inspection-incomplete"] == rules(look(msgpack_files.inspect, g.msgpack(deep)))
    assert "a key of 2000 bytes" in messages(look(msgpack_files.inspect, g.msgpack({"k" * 2000: 1})))
    assert "bytes follow" in messages(look(msgpack_files.inspect, g.msgpack({"k": 1}) + b"more"))
    many = look(msgpack_files.inspect, g.msgpack({"k": list(range(50))}), limits=Limits(graph_fields=20))
    assert "more values" in messages(many)
    assert "as the key" in messages(look(msgpack_files.inspect, b"\x81\x81\x01\x01\x01"))
    assert "begins no value" in messages(look(msgpack_files.inspect, b"\x81\x01\xc1"))
    assert "are not there" in messages(look(msgpack_files.inspect, b"\x81\x01\xc6\xff\xff\xff\xff"))
    two = g.msgpack({"a": g.flax_array([1], "int8", b"x"), "b": g.flax_array([1], "int8", b"x"), "\xe9": 1})
    assert "more arrays" in messages(look(msgpack_files.inspect, two, limits=Limits(tensors=1)))
    for raw in (b"", b"\x90"):
        with pytest.raises(MalformedFile, match="map"):
            look(msgpack_files.inspect, raw)


# --- Paddle -----------------------------------------------------------------------------------------------------------


def _paddle(shape: list[int], *, kind: int = 5, raw: bytes | None = None, levels: int = 0) -> bytes:
    about = g.message((1, kind), *((2, size) for size in shape))
    head = struct.pack("<IQ", 0, levels) + struct.pack("<Qq", 8, 0) * levels
    data = bytes(24) if raw is None else raw
    return head + struct.pack("<Ii", 0, len(about)) + about + data


def test_paddle_parameters() -> None:
    """Tensors one behind the other are counted and located."""
    raw = _paddle([2, 3]) + _paddle([24], kind=21, levels=1)
    found = tensors(look(paddle_files.inspect, raw))
    assert ({"F32": 6, "I8": 24}, True) == (found.elements_by_dtype, found.complete)
    assert len(raw) == (found.tensors[1].offset or 0) + 24


@pytest.mark.parametrize(
    "raw",
    [b"", b"\1" + bytes(40), bytes(10), _paddle([2, 3], raw=b"short"), _paddle([-1]), _paddle([1], kind=99),
     struct.pack("<IQ", 0, 99), struct.pack("<IQII", 0, 0, 7, 0), struct.pack("<IQII", 0, 0, 0, 1 << 30)],
)  # fmt: skip
def test_paddle_faults(raw: bytes) -> None:
    """What is no tensor raises at the start, and is a finding later."""
    if raw:
        with pytest.raises(MalformedFile):
            look(paddle_files.inspect, raw)
        assert ["malformed-file"] == rules(look(paddle_files.inspect, _paddle([2, 3]) + raw))
    else:
        assert tensors(look(paddle_files.inspect, raw)).stored_elements == 0
    two = _paddle([2, 3]) * 2
    assert ["inspection-incomplete"] == rules(look(paddle_files.inspect, two, limits=Limits(tensors=1)))


# --- boosted trees ----------------------------------------------------------------------------------------------------


def test_xgboost_facts() -> None:
    """Objective, booster and sizes are read from both spellings of the same model."""
    text = look(boosted_trees.inspect_xgboost_json, (REAL / "xgboost" / "model.json").read_bytes()).metadata
    binary = look(boosted_trees.inspect_ubjson, (REAL / "xgboost" / "model.ubj").read_bytes()).metadata
    assert ("binary:logistic", "3", "2") == (text["objective"], text["num_feature"], text["num_trees"])
    assert binary["learner.objective.name"] == "binary:logistic"
    assert binary["learner.learner_model_param.num_feature"] == "3"
    with pytest.raises(MalformedFile, match="learner"):
        look(boosted_trees.inspect_xgboost_json, b"{}")
    odd = look(boosted_trees.inspect_xgboost_json, b'{"learner": {"objective": 5}}')
    assert {} == dict(odd.metadata)


def test_lightgbm_facts() -> None:
    """Version and objective stand in the head of the text."""
    found = look(boosted_trees.inspect_lightgbm, (REAL / "lightgbm" / "model.txt").read_bytes()).metadata
    assert ("v4", "binary sigmoid:1") == (found["version"], found["objective"])
    with pytest.raises(MalformedFile):
        look(boosted_trees.inspect_lightgbm, b"text")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{i\x01a[$i#i\x03\x01\x02\x03}x", "bytes follow"),
        (b"{i\x01a[$i#l\x7f\xff\xff\xff", "beyond the end"),
        (b"{i\x01a[$i\x01", "without a count"),
        (b"{i\x01aQ}", "no value begins"),
        (b"{i\xffa}", "a length of -1"),
        (b"{Sa}", "a length of type"),
        (b"{i\x01aSi\x7fx}", "beyond the end"),
        (b"{i\x01a", "ends within"),
        (b"{i\x01a" + b"[" * 200, "nested deeper"),
    ],
)
def test_broken_ubjson(raw: bytes, message: str) -> None:
    """A document that contradicts itself is a finding."""
    assert message in messages(look(boosted_trees.inspect_ubjson, raw))


def test_ubjson_forms() -> None:
    """Typed and untyped containers of all kinds are walked to their end."""
    raw = b"{#i\x03i\x01a[#i\x02TFi\x01b{$S#i\x01i\x01ci\x01xi\x01d[ZNHi\x011dABCD]"
    inspection = look(boosted_trees.inspect_ubjson, raw)
    assert ([], Coverage.COMPLETE) == (rules(inspection), inspection.coverage)
    with pytest.raises(MalformedFile):
        look(boosted_trees.inspect_ubjson, b"[]")
    many = b"{i\x01a[" + b"T" * 50 + b"]}"
    assert "more values" in messages(look(boosted_trees.inspect_ubjson, many, limits=Limits(graph_fields=20)))


# --- R ----------------------------------------------------------------------------------------------------------------


def _r(*items: bytes, version: int = 2) -> list[tuple[str, Severity]]:
    found = look(r_files.inspect, g.r_stream(*items, version=version))
    return [(item.rule.id, item.severity) for item in found.findings]


def _count(number: int) -> bytes:
    return struct.pack(">i", number)


def test_promises_are_judged_by_their_environment() -> None:
    """A promise without an environment is critical; one that waits in an environment is low."""
    assert [("rds-promise", Severity.CRITICAL)] == _r(r_promise())
    assert [("rds-promise", Severity.LOW)] == _r(r_promise(environment=True))


def test_r_values_of_every_kind() -> None:
    """Items of every type are walked to the promise behind them."""
    code = g.r_item(13) + _count(1) + bytes(4)
    language = _count(6) + g.r_symbol("f") + _count(240) + g.r_item(254) + g.r_item(254) + _count(243) + _count(1)
    language += _count(1) + g.r_symbol("x")
    # The call's CDR is a shared part that is defined here.
    language += _count(244) + _count(1) + _count(2) + g.r_item(254) + _count(254) + g.r_item(254)
    language += _count(254) + g.r_item(254)
    bytecode = g.r_item(21) + _count(1) + code + _count(3)
    bytecode += _count(6) + g.r_item(254) + _count(9) + g.r_item(254) + _count(9) + g.r_item(254)
    bytecode += _count(21) + code + _count(0)
    bytecode += _count(14) + g.r_item(14) + _count(1) + bytes(8)
    items = [
        g.r_item(10) + _count(1) + bytes(4),
        g.r_item(15) + _count(1) + bytes(16),
        g.r_item(24) + _count(3) + b"abc",
        g.r_item(9) + _count(-1),
        g.r_item(14, flags=0x200) + _count(1) + bytes(8) + g.r_item(254),
        g.r_item(4) + _count(0) + g.r_item(253) + g.r_item(254) * 3,
        g.r_item(8) + _count(3) + b"sum",
        g.r_item(22) + g.r_item(254) * 2,
        g.r_item(23),
        g.r_item(25, flags=0x200) + g.r_item(254),
        g.r_item(238) + g.r_item(254) * 3,
        g.r_item(249) + _count(0) + _count(1) + g.r_text("base"),
        g.r_item(255, flags=1 << 8),
        g.r_item(255) + _count(1),
        g.r_item(20) + _count(1) + g.r_item(254),
        bytecode,
        r_promise(),
    ]
    raw = g.r_item(19) + _count(len(items)) + b"".join(items)
    assert [("rds-promise", Severity.CRITICAL)] == _r(raw)
    assert [("rds-promise", Severity.CRITICAL)] == _r(raw, version=3)


def test_saved_workspaces() -> None:
    """A workspace is a serialized list behind a mark of its own."""
    found = look(r_files.inspect, b"RDX2\n" + g.r_stream(r_promise()))
    assert ["rds-promise"] == rules(found)
    assert {"r_version": "4.3.0", "promises": 1, "calls": 1, "symbols": 1} == dict(found.metadata)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", MalformedFile), (b"A\n2\n", LimitExceeded), (b"RDA2\n", MalformedFile),
        (b"X\n" + _count(9), MalformedFile),
    ],
)  # fmt: skip
def test_what_is_no_r_object(raw: bytes, fault: type[FileFault]) -> None:
    """Other forms of R's serialization are refused."""
    with pytest.raises(fault):
        look(r_files.inspect, raw)


def test_r_faults() -> None:
    """Lying lengths, unknown types and endless nesting are findings."""
    assert [("malformed-file", Severity.HIGH)] == _r(g.r_item(13) + _count(1 << 30))
    assert [("malformed-file", Severity.HIGH)] == _r(g.r_item(13) + _count(-2))
    assert [("malformed-file", Severity.HIGH)] == _r(g.r_item(13) + _count(-1) + bytes(3))
    assert [("malformed-file", Severity.HIGH)] == _r(g.r_item(99))
    assert [("malformed-file", Severity.HIGH)] == _r(g.r_item(2) * 50)
    endless = look(r_files.inspect, g.r_stream(g.r_item(2) * 50), limits=Limits(graph_fields=20))
    assert ["inspection-incomplete"] == rules(endless)
