from __future__ import annotations

import pytest
from fixtures import graph_bytes as g
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.inspectors.protobuf import ProtobufReader, Wire
from aibom.sources.bytesource import MemorySource


def read(raw: bytes, fields: int = 1000) -> ProtobufReader:
    return ProtobufReader(MemorySource(raw), fields=fields)


def test_fields_come_in_order_with_their_places() -> None:
    """A field says its number, wire type, value, and where its payload lies."""
    raw = g.message((1, 300), (2, "text"), (3, 1.5))
    found = [(item.number, item.wire, item.value, item.offset, item.length) for item in read(raw).fields()]
    assert [(1, Wire.VARINT, 300, 1, 2), (2, Wire.BYTES, 0, 5, 4), (3, Wire.FIXED32, 0, 10, 4)] == found


def test_blobs_are_never_read() -> None:
    """Passing over a blob reads only what lies around it."""

    class Counting(MemorySource):
        read = 0

        def read_at(self, offset: int, length: int) -> bytes:
            Counting.read += length
            return super().read_at(offset, length)

    raw = g.message((1, bytes(50_000_000)), (2, 7))
    assert [1, 2] == [item.number for item in ProtobufReader(Counting(raw), fields=10).fields()]
    assert Counting.read < 200_000


def test_negative_numbers() -> None:
    """An int64 of ten bytes is negative."""
    assert [-5] == [item.signed for item in read(g.message((1, -5))).fields()]


def test_packed_and_unpacked_numbers() -> None:
    """Repeated integers are read in both forms, and never more than asked for."""
    packed, single = list(read(g.message((1, [1, 300, -1]), (1, 7))).fields())
    reader = read(g.message((1, [1, 300, -1]), (1, 7)))
    assert [1, 300, -1] == list(reader.packed(packed, 3))
    assert [7] == list(reader.packed(single, 1))
    with pytest.raises(LimitExceeded, match="more than 2"):
        list(reader.packed(packed, 2))


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"\x0b", "no protobuf field"),  # a group
        (b"\x02\x00", "no protobuf field"),  # field 0
        (b"\x0a\x05abc", "declares 5 bytes, 3 are left"),
        (b"\x0d\x00\x00", "declares 4 bytes, 2 are left"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "does not end"),
        (b"\x08", "does not end"),
    ],
)
def test_broken_fields(raw: bytes, match: str) -> None:
    """What is no field is malformed, with its place."""
    with pytest.raises(MalformedFile, match=match) as fault:
        list(read(raw).fields())
    assert fault.value.offset is not None


def test_the_number_of_fields_is_bounded() -> None:
    """A file of endless small fields stops at the limit."""
    with pytest.raises(LimitExceeded, match="more protobuf fields"):
        list(read(g.message((1, 1)) * 20, fields=10).fields())


def test_shape_of_fields_is_checked() -> None:
    """A number where a message or text should be is malformed, and so is fixed data where integers should be."""
    number, fixed, text = list(read(g.message((1, 1), (2, 1.0), (3, "abc"))).fields())
    reader = read(g.message((1, 1), (2, 1.0), (3, "abc")))
    with pytest.raises(MalformedFile, match="should be a message"):
        reader.inside(number)
    with pytest.raises(MalformedFile, match="should be a string"):
        reader.raw(number, 10)
    with pytest.raises(MalformedFile, match="should hold integers"):
        list(reader.packed(fixed, 1))
    with pytest.raises(LimitExceeded, match="3 bytes, limit 2"):
        reader.text(text, 2)


def test_long_strings_are_read_beyond_the_window() -> None:
    """A string longer than the window is read whole."""
    raw = g.message((1, "x" * 100_000))
    reader = read(raw)
    assert 100_000 == len(reader.text(next(reader.fields()), 1 << 20))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 1 << 28), st.one_of(st.integers(-(1 << 63), (1 << 64) - 1), st.binary()))))
def test_what_was_written_is_read(fields: list[tuple[int, int | bytes]]) -> None:
    """Fields come back as they were written."""
    reader = read(g.message(*fields))
    found = [(item.number, item.value if item.wire is Wire.VARINT else reader.raw(item, 1 << 20))
             for item in reader.fields()]  # fmt: skip
    assert [(number, value % (1 << 64) if isinstance(value, int) else value) for number, value in fields] == found


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_raise_only_faults(raw: bytes) -> None:
    """Any bytes raise nothing but the two faults."""
    reader = read(raw)
    try:
        for item in reader.fields():
            if item.wire is Wire.BYTES:
                list(reader.inside(item))
    except FileFault:
        return
