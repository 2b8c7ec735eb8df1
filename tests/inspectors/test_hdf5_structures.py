"""HDF5's heaps, trees and messages, written by hand where no library writes them so small."""

from __future__ import annotations

import struct

import pytest
from fixtures import graph_bytes as g

from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.inspectors import hdf5_blocks
from aibom.inspectors.hdf5_blocks import Cursor, Hdf5File
from aibom.inspectors.hdf5_heaps import FractalHeap
from aibom.inspectors.hdf5_objects import ObjectReader
from aibom.inspectors.hdf5_types import read_datatype, read_filters
from aibom.sources.bytesource import MemorySource

UNDEFINED = (1 << 64) - 1


def opened(writer: g.Hdf5Writer) -> Hdf5File:
    return Hdf5File(MemorySource(writer.finish(0)))


def _heap(*, root: int, rows: int, filtered: int = 0, bits: int = 16, width: int = 1) -> bytes:
    head = b"FRHP\0" + struct.pack("<HHBI", 7, filtered, 0, 64) + struct.pack("<QQQQ", 0, UNDEFINED, 0, UNDEFINED)
    head += struct.pack("<8Q", *range(8)) + struct.pack("<HQQH", width, 64, 64, bits) + struct.pack("<H", 1)
    return head + struct.pack("<QH", root, rows) + bytes(4)


def _direct(content: bytes) -> bytes:
    return (b"FHDB\0" + struct.pack("<QH", 0, 0) + content).ljust(64, b"\0")


def _indirect(*children: int) -> bytes:
    return b"FHIB\0" + struct.pack("<QH", 0, 0) + b"".join(struct.pack("<Q", child) for child in children)


def test_objects_are_found_in_nested_heap_blocks() -> None:
    """An object in a block two levels down, and a tiny one in its own id, are found."""
    writer = g.Hdf5Writer()
    blocks = [writer.append(_direct(name)) for name in (b"first", b"second", b"third")]
    inner = writer.append(_indirect(blocks[2], UNDEFINED))
    root = writer.append(_indirect(blocks[0], blocks[1], inner))
    address = writer.append(_heap(root=root, rows=3))
    heap = FractalHeap(opened(writer), address)
    # 15 bytes of every block are its head; blocks span 64 bytes each.
    assert [b"first", b"second", b"third"] == [
        heap.get(struct.pack("<BHB", 0, 64 * number + 15, length)).block for number, length in enumerate((5, 6, 5))
    ]
    assert b"abc" == heap.get(b"\x22abc").block
    with pytest.raises(MalformedFile, match="no block"):
        heap.get(struct.pack("<BHB", 0, 600, 5))
    with pytest.raises(MalformedFile, match="no huge object"):
        heap.get(b"\x10\x01\0\0\0\0\0")


def test_one_block_may_be_the_whole_heap() -> None:
    """A heap without indirect blocks has its one block as root."""
    writer = g.Hdf5Writer()
    address = writer.append(_heap(root=writer.append(_direct(b"only")), rows=0))
    assert b"only" == FractalHeap(opened(writer), address).get(struct.pack("<BHB", 0, 15, 4)).block


@pytest.mark.parametrize(
    ("heap", "match"),
    [
        (_heap(root=0, rows=0, filtered=8), "compressed fractal heap"),
        (_heap(root=0, rows=0, bits=0), "without a size"),
        (_heap(root=0, rows=65), "65 rows"),
    ],
)
def test_heaps_that_cannot_be_read(heap: bytes, match: str) -> None:
    """Compressed heaps and impossible sizes are faults."""
    writer = g.Hdf5Writer()
    address = writer.append(heap)
    with pytest.raises(FileFault, match=match):
        FractalHeap(opened(writer), address)


def test_a_heap_that_leads_back_to_itself() -> None:
    """A block that is its own child ends the walk."""
    writer = g.Hdf5Writer()
    place = len(writer.out)
    writer.append(_indirect(UNDEFINED, UNDEFINED, place))
    address = writer.append(_heap(root=place, rows=3))
    with pytest.raises(MalformedFile, match="back to itself"):
        FractalHeap(opened(writer), address)


def _old_tree(level: int, *children: int, kind: int = 0) -> bytes:
    head = b"TREE" + struct.pack("<BBHQQ", kind, level, len(children), UNDEFINED, UNDEFINED)
    return head + b"".join(struct.pack("<QQ", 0, child) for child in children) + bytes(8)


def test_old_trees_of_several_levels() -> None:
    """Leaves under leaves are found; trees of another kind, too deep, or in a circle are faults."""
    writer = g.Hdf5Writer()
    leaf = writer.append(_old_tree(0, 1000, 2000))
    top = writer.append(_old_tree(1, leaf))
    other = writer.append(_old_tree(0, kind=1))
    loop = len(writer.out)
    writer.append(_old_tree(1, loop))
    deep = leaf
    for _ in range(40):
        deep = writer.append(_old_tree(1, deep))
    file = opened(writer)
    assert [1000, 2000] == list(file.old_leaves(top))
    for address, match in ((other, "another kind"), (loop, "back to itself"), (deep, "deeper")):
        with pytest.raises(FileFault, match=match):
            list(file.old_leaves(address))


def _new_tree(*, node: int = 64, record: int = 11, depth: int = 0, root: int = UNDEFINED, count: int = 0) -> bytes:
    return b"BTHD\0\5" + struct.pack("<IHHBBQHQ", node, record, depth, 0, 0, root, count, 0) + bytes(4)


def test_new_trees() -> None:
    """An empty tree has no records; impossible nodes and circles are faults."""
    writer = g.Hdf5Writer()
    empty = writer.append(_new_tree())
    flat = writer.append(_new_tree(record=0, root=8))
    small = writer.append(_new_tree(node=32, record=22, depth=3, root=8))
    loop = len(writer.out) + -len(writer.out) % 8
    child = struct.pack("<QB", loop, 1)
    writer.append((b"BTIN\0\5" + bytes(11) + child + child).ljust(64, b"\0"))
    circle = writer.append(_new_tree(depth=1, root=loop, count=1))
    file = opened(writer)
    assert [] == list(file.records(empty))
    for address, match in ((flat, "records of 0 bytes"), (small, "too small"), (circle, "back to itself")):
        with pytest.raises(MalformedFile, match=match):
            list(file.records(address))


def test_metadata_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks may be shared, so that their number and their bytes are bounded by themselves."""
    monkeypatch.setattr(hdf5_blocks, "_BLOCKS", 2)
    file = opened(g.Hdf5Writer())
    file.read(0, 8)
    file.read(0, 8)
    with pytest.raises(LimitExceeded, match="more metadata"):
        file.read(0, 8)
    with pytest.raises(LimitExceeded, match="a metadata block"):
        file.read(0, 1 << 30)


def test_global_heaps() -> None:
    """An object is found by its number; one that is not there is a fault."""
    writer = g.Hdf5Writer()
    address = writer.append(writer._collection(b"text"))
    file = opened(writer)
    assert b"text" == file.global_object(address, 1)
    with pytest.raises(MalformedFile, match="no object 2"):
        file.global_object(address, 2)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"\x10\x08\0\0\x04\0\0\0", "I32"), (b"\x10\0\0\0\x02\0\0\0", "U16"), (b"\x14\0\0\0\x01\0\0\0", "U8"),
        (b"\x11\0\0\0\x02\0\0\0" + b"\0\0\x10\0\x07\x08", "BF16"),
        (b"\x11\0\0\0\x01\0\0\0" + b"\0\0\x08\0\x03\x04", "F8_E4M3"),
        (b"\x18\0\0\0\x01\0\0\0", "BOOL"), (b"\x18\0\0\0\x04\0\0\0", "I32"), (b"\x15\0\0\0\x02\0\0\0", "V2"),
        (b"\x16\x02\0\0\x08\0\0\0r\0\0\0", "C64"), (b"\x16\x02\0\0\x08\0\0\0a\0\0\0", ""),
        (b"\x13\0\0\0\x08\0\0\0", ""),
        (b"\x17\0\0\0\x08\0\0\0", ""),
    ],
)  # fmt: skip
def test_types(raw: bytes, name: str) -> None:
    """Numbers have a name; text, references and compounds have none."""
    assert name == read_datatype(Cursor(raw, 0)).name


def test_filters() -> None:
    """Filters are read in both versions of the message."""
    old = b"\x01\x01" + bytes(6) + struct.pack("<HHHH", 32000, 8, 0, 1) + b"lzf\0\0\0\0\0" + bytes(8)
    new = b"\x02\x02" + struct.pack("<HHH", 1, 0, 1) + bytes(4) + struct.pack("<HHHH", 32001, 0, 0, 0)
    assert ((32000,), (1, 32001)) == (read_filters(Cursor(old, 0)), read_filters(Cursor(new, 0)))


def _object(*messages: tuple[int, bytes], flags: int = 0) -> tuple[ObjectReader, int]:
    writer = g.Hdf5Writer()
    address = writer.header(*messages)
    if flags:
        writer.out[address + 16 + 4] = flags
    return ObjectReader(opened(writer)), address


def test_messages_of_old_and_odd_forms() -> None:
    """Older layouts, null dataspaces, too many dimensions and shared parts are understood or refused."""
    reader, address = _object((8, b"\x01\x01\x01" + bytes(5) + struct.pack("<Q", 512) + bytes(8)))
    assert 512 == reader.read(address).offset
    reader, address = _object((1, b"\x02\0\0\x02"))
    assert (None, 0) == (reader.read(address).shape, reader.read(address).elements)
    reader, address = _object((1, b"\x02\x40\0\x01"))
    with pytest.raises(MalformedFile, match="64 dimensions"):
        reader.read(address)
    reader, address = _object((5, b"\x03\0"), flags=2)
    assert reader.read(address).type is None
    reader, address = _object((3, b"\x03\x01" + bytes(8)), flags=2)
    with pytest.raises(LimitExceeded, match="shared message table"):
        reader.read(address)
    reader, address = _object((3, b"\x01\0" + bytes(6) + struct.pack("<Q", 96)), flags=2)
    with pytest.raises(MalformedFile, match="leads to no datatype"):
        reader.read(address)


def test_headers_that_continue_in_themselves() -> None:
    """A continuation that leads back is a fault, and so is a header that is none."""
    reader, address = _object((0x10, struct.pack("<QQ", 112, 24)))
    with pytest.raises(MalformedFile, match="continues in itself"):
        reader.read(address)
    with pytest.raises(MalformedFile, match="no object header"):
        reader.read(0)


def test_links_with_every_field() -> None:
    """A link with creation order and character set is read like one without."""
    link = b"\x01\x1c\x01" + bytes(8) + b"\x01\x01s" + struct.pack("<H", 2) + b"/w"
    reader, address = _object((6, link))
    assert [("s", "/w", None)] == [(item.name, item.path, item.file) for item in reader.read(address).links]
    odd = b"\x01\x08\x41\x01u" + struct.pack("<H", 5) + b"plug\0"
    reader, address = _object((6, odd))
    assert ["plug"] == [item.file for item in reader.read(address).links]
