from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from fixtures.tensor_bytes import FLOATS, PAYLOAD, PAYLOAD_PROTOCOL_4, npy
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.components import Inspection
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.inspectors import numpy_arrays
from aibom.inspectors.numpy_header import dtype_of_descr, parse_literal, read_header
from aibom.inspectors.numpy_values import item_type, read_array, shape_of, summarize_arrays
from aibom.inspectors.pickle_examine import examine
from aibom.inspectors.pickle_nodes import Blob, Call, Global, How, Node
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real" / "numpy"
NAMES = {
    "f2": "F16", "f4": "F32", "f8": "F64", "c8": "C64", "c16": "C128", "i1": "I8", "i2": "I16", "i4": "I32",
    "i8": "I64", "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64", "b1": "BOOL",
}  # fmt: skip


def look(raw: bytes, *, name: str = "w.npy", members: tuple[str, ...] = (), limits: Limits | None = None) -> Inspection:
    file = RepoFile(path=name, size=len(raw), format=Format.NUMPY_NPY, role=Role.WEIGHTS, members=members)
    return numpy_arrays.inspect(file, MemorySource(raw), limits or Limits())


def rules(inspection: Inspection) -> set[str]:
    return {finding.rule.id for finding in inspection.findings}


@pytest.mark.parametrize("path", sorted(REAL.glob("*.npy")), ids=lambda path: path.name)
def test_headers_say_what_numpy_reads(path: Path) -> None:
    """Shape, order and size of items are numpy's own."""
    raw = path.read_bytes()
    array = np.load(io.BytesIO(raw), allow_pickle=path.name == "object.npy")
    header = read_header(MemorySource(raw), Limits())
    assert array.shape == header.shape
    assert array.dtype.hasobject == header.objects
    assert array.dtype.itemsize == header.item_bytes
    if not header.objects:
        assert len(raw) == header.data_offset + header.data_bytes


@pytest.mark.parametrize("path", sorted(REAL.glob("*.npy")), ids=lambda path: path.name)
def test_files_of_numpy_are_not_accused(path: Path) -> None:
    """Ordinary arrays get no finding of ours."""
    assert set() == rules(look(path.read_bytes())) & {"malformed-file", "truncated", "trailing-bytes"}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("order", ["<", ">"])
def test_arrays_are_counted_and_placed(kind: str, order: str) -> None:
    """Little-endian arrays in C order lie in the file as they are, others do not."""
    array = np.arange(6).reshape(2, 3).astype(np.dtype(order + kind))
    out = io.BytesIO()
    np.save(out, array)
    found = look(out.getvalue()).tensors
    assert found is not None
    assert 6 == found.stored_elements
    assert (
        NAMES.get(kind, kind.upper().replace("1", "8").replace("2", "16").replace("4", "32"))[0]
        == found.tensors[0].dtype[0]
    )
    placed = order == "<" or array.dtype.itemsize == 1
    assert placed == (found.tensors[0].offset is not None)
    if placed:
        offset, length = found.tensors[0].offset, found.tensors[0].length
        assert offset is not None
        assert length is not None
        assert array.tobytes() == out.getvalue()[offset : offset + length]


def test_members_name_their_arrays() -> None:
    """In an .npz, an array has the name of its member."""
    found = look(FLOATS + FLOATS, name="a.npz", members=("layer.weight.npy",)).tensors
    assert found is not None
    assert ["layer.weight", "layer.weight.1"] == [tensor.name for tensor in found.tensors]


def test_structured_arrays_count_each_field() -> None:
    """Numbers in fields are elements of their own type."""
    found = look(npy("[('a', '<f4'), (('title', 'b'), '<i8', (2, 2)), ('c', '|V4')]", "(3,)", bytes(40 * 3))).tensors
    assert found is not None
    assert {"F32": 3, "I64": 12} == dict(found.elements_by_dtype)


def test_a_second_header_that_is_broken_keeps_the_first_array() -> None:
    """What was read before a fault is kept."""
    found = look(FLOATS + b"\x93NUMPY\x09\0" + bytes(10))
    assert "malformed-file" in rules(found)
    assert found.coverage is Coverage.PARTIAL
    assert found.tensors is not None
    assert not found.tensors.complete
    assert 2 == found.tensors.stored_elements


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"\x93NUMPY", MalformedFile),
        (b"\x93NUMPY\x01\0\xff\xff" + bytes(20), MalformedFile),
        (b"\x93NUMPY\x02\0\xff\xff\xff\x7f" + bytes(20), LimitExceeded),
        (b"\x93NUMPY\x03\0\x02\0\0\0\xff\xfe", MalformedFile),
        (npy("'<f4'", "(2,)", b"").replace(b"fortran_order", b"fortran_ordeR"), MalformedFile),
        (npy("'<f4'", "2", b""), MalformedFile),
        (npy("'<f4'", "(-2,)", b""), MalformedFile),
        (npy("'<f4'", "(True,)", b""), MalformedFile),
        (npy("'<f3'", "(2,)", b""), MalformedFile),
        (npy("5", "(2,)", b""), MalformedFile),
        (npy("[('a',)]", "(2,)", b""), MalformedFile),
        (npy("[('a', '<f4', (99999999999, 99999999999))]", "(2,)", b""), MalformedFile),
        (npy("'<f4'", "(" + "1," * 65 + ")", b""), MalformedFile),
        (npy("[('a', " * 30 + "'<f4'" + ")]" * 30, "(2,)", b""), MalformedFile),
    ],
)
def test_headers_that_numpy_does_not_write(raw: bytes, kind: type[FileFault]) -> None:
    """A header has one form; everything else is refused."""
    with pytest.raises(kind):
        read_header(MemorySource(raw), Limits())


def test_literals_are_parsed_and_nothing_is_evaluated() -> None:
    """The literals that numpy writes have their values; names, calls and operators are refused."""
    assert {"a": (1, 2), "b": [True, None, "x\u00e9\\\n"], "c": 5, "d": ()} == parse_literal(
        r"{'a': (1, 2L), 'b': [True, None, 'x\xe9\\\n'], 'c': (5), 'd': (), }"
    )
    deep = "(" * 22 + "1," + ")," * 22
    for text in ("__import__('os')", "{'a': 1, 'a': 2}", "{1: 2}", "1 + 1", "{'a' 1}", "(1", "[1 2]", "1.5", "}",
                 "{}{}", "'a", deep):  # fmt: skip
        with pytest.raises(MalformedFile):
            parse_literal(text)
    assert parse_literal("'\\U00110000'") == "\ufffd"


def test_type_strings_are_those_of_numpy() -> None:
    """Kinds that do not exist are not guessed."""
    assert ("F64", 8, False) == dtype_of_descr("<f8")
    assert ("F64", 8, True) == dtype_of_descr(">f8")
    assert ("TEXT", 12, False) == dtype_of_descr("<U3")
    assert ("DATETIME64", 8, False) == dtype_of_descr("<M8[25ns]")
    assert dtype_of_descr("<f5") is None
    assert dtype_of_descr("float64") is None


literals = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(value=literals)
def test_literals_have_pythons_values(value: object) -> None:
    """What Python writes of plain values is read back as the same value."""
    assert value == parse_literal(repr(value)) or "\\N" in repr(value)


@settings(max_examples=200, deadline=None)
@given(
    descr=literals, shape=literals, body=st.binary(max_size=30), version=st.sampled_from([1, 2, 3]),
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
)  # fmt: skip
def test_any_array_raises_nothing(
    descr: object, shape: object, body: bytes, version: int, changes: list[tuple[int, int]]
) -> None:
    """Faults of arrays are findings, whatever the header says."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}}}".encode("latin-1", "replace")
    width = 2 if version == 1 else 4
    raw = bytearray(b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(width, "little") + text + body)
    for place, value in changes:
        raw[place % len(raw)] = value
    assert look(bytes(raw)).coverage in {Coverage.COMPLETE, Coverage.PARTIAL}


def roots(path: Path) -> tuple[Node, ...]:
    raw = path.read_bytes()
    file = RepoFile(path=path.name, size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)
    return examine(file, MemorySource(raw), Limits(), values=True).roots


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_pickled_arrays_are_arrays(protocol: int) -> None:
    """Every protocol's way to write an array gives type and shape, from protocol 3 on also the place."""
    path = REAL / f"array_protocol{protocol}.pkl"
    found = summarize_arrays(roots(path), Limits())
    assert found is not None
    tensor = found.tensors[0]
    assert ("tensor", "F32", (2, 3)) == (tensor.name, tensor.dtype, tensor.shape)
    assert (protocol > 2) == (tensor.offset is not None)


def test_pickled_arrays_in_fortran_order_have_no_place() -> None:
    """Bytes in another order are not the array's in C order."""
    found = summarize_arrays(roots(REAL / "fortran.pkl"), Limits())
    assert found is not None
    assert found.tensors[0].offset is None


def test_objects_without_numbers_have_no_summary() -> None:
    """An array of objects alone has no elements to count."""
    assert summarize_arrays(roots(REAL / "object.pkl"), Limits()) is None


def dtype(text: str, *state: Node) -> Call:
    return Call(
        Global("numpy", "dtype", 0), (text, False, True), None, How.CALL, 0, state=[tuple(state)] if state else ()
    )


def test_pickled_types_are_read_exactly_or_not_at_all() -> None:
    """Byte order, subarrays, fields and objects come from the state; what is odd is not guessed."""
    assert item_type(dtype("f8", 3, ">", None)) is not None
    swapped = item_type(dtype("f8", 3, ">", None))
    assert swapped is not None
    assert swapped.swapped
    objects = item_type(dtype("O8", 3, "|", None, None, None, -1, -1, 63))
    assert objects is not None
    assert objects.objects
    block = item_type(dtype("V16", 3, "|", (dtype("f4"), (4,)), None, None, 16, 4, 16))
    assert block is not None
    assert ("F32", 16) == (block.name, block.size)
    assert item_type(dtype("V16", 3, "|", (5, (4,)), None, None, 16, 4, 16)) is None
    assert item_type(dtype("x9")) is None
    assert item_type(Global("numpy.dtypes", "StringDType", 0)) is None
    assert item_type(5) is None
    assert (5,) == shape_of(5)
    assert shape_of((1, "2")) is None
    assert shape_of("x") is None


def test_pickled_arrays_of_another_length_are_not_read() -> None:
    """Bytes that do not fit the shape are no array."""
    maker = Global("numpy._core.multiarray", "_reconstruct", 0)
    short = Call(maker, (), None, How.CALL, 0, state=[(1, (2,), dtype("f4"), False, Blob(10, 7))])
    assert read_array(short) is None
    odd = Call(maker, (), None, How.CALL, 0, state=[(1, "x", dtype("f4"), False, Blob(10, 8))])
    assert read_array(odd) is None
    assert read_array(Call(maker, (), None, How.CALL, 0)) is None


def test_objects_in_arrays_are_walked() -> None:
    """The pickle of an array of objects is examined, and arrays behind it are read."""
    from_pickle = npy("'|O'", "(1,)", PAYLOAD) + FLOATS
    found = look(from_pickle)
    assert {"pickle-dangerous-import", "pickle-present"} <= rules(found)
    assert found.tensors is not None
    assert 2 == found.tensors.stored_elements
    assert not found.tensors.complete
    broken = look(npy("'|O'", "(1,)", PAYLOAD[:-1]))
    assert broken.coverage is Coverage.PARTIAL


def test_what_stands_behind_an_array_is_searched() -> None:
    """Bytes behind an array are low, a pickle that acts among them is what it is."""
    assert {"trailing-bytes"} == rules(look(FLOATS + b"rest"))
    assert {"trailing-bytes", "pickle-dangerous-import"} <= rules(look(FLOATS + PAYLOAD_PROTOCOL_4))
    short = look(FLOATS + b"rest" * 5, limits=Limits(pickle_bytes=8))
    assert "inspection-incomplete" in rules(short)
    assert short.coverage is Coverage.PARTIAL


def test_arrays_that_are_cut_are_truncated() -> None:
    """An array with fewer bytes than its header says is not complete."""
    found = look(FLOATS[:-1])
    assert {"truncated"} == rules(found)
    assert found.tensors is not None
    assert not found.tensors.complete
