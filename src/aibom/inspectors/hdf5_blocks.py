"""Read the blocks that an HDF5 file is built of: superblock, heaps, B-trees. Data of datasets is never read.

Written after the HDF5 File Format Specification, version 3.0
(https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html). The C library's own reader isn't used: on hostile
bytes it opens other files and has crashed.
"""

from __future__ import annotations

from collections.abc import Iterator

from aibom.errors import LimitExceeded, MalformedFile
from aibom.sources.bytesource import ByteSource

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_BLOCK_BYTES = 64 << 20  # no block of metadata is larger in files seen; also what one attribute may have
_BLOCKS = 2_000_000
_TOTAL_BYTES = 512 << 20  # of metadata in all: blocks may be shared, so the file's size is no bound
_DEPTH = 32


class Cursor:
    """Takes little-endian fields off a block; a block that ends too early is malformed."""

    def __init__(self, block: bytes, place: int, at: int = 0) -> None:
        self.block = block
        self.place = place
        self.at = at

    @property
    def left(self) -> int:
        """How many bytes are still there."""
        return len(self.block) - self.at

    def take(self, length: int) -> bytes:
        """Return the next `length` bytes."""
        if not 0 <= length <= self.left:
            raise MalformedFile(f"a block ends {length - self.left} bytes too early", offset=self.place + self.at)
        part = self.block[self.at : self.at + length]
        self.at += length
        return part

    def number(self, length: int) -> int:
        """Return the next unsigned number of `length` bytes."""
        return int.from_bytes(self.take(length), "little")

    def text(self) -> str:
        """Return the text up to the next NUL (or the end)."""
        end = self.block.find(b"\0", self.at)
        raw = self.take((len(self.block) if end < 0 else end) - self.at)
        self.at = min(self.at + 1, len(self.block))
        return raw.decode("utf-8", "backslashreplace")

    def expect(self, magic: bytes) -> None:
        """Pass over a signature."""
        place = self.place + self.at
        if self.take(len(magic)) != magic:
            raise MalformedFile(f"no {magic.decode('ascii', 'replace')} block where one should be", offset=place)


class Hdf5File:
    """The bytes of an HDF5 file with what its superblock says. Addresses count from the superblock's base."""

    def __init__(self, data: ByteSource) -> None:
        self._data = data
        self._blocks = _BLOCKS
        self._bytes = _TOTAL_BYTES
        self.start = _find_signature(data)
        self.offsets = self.lengths = 8
        self.base = self.start
        self.root = 0
        self.driver = False
        self._superblock()

    def read(self, address: int, length: int) -> Cursor:
        """Return a block.

        Raises:
            MalformedFile: it lies outside the file.
            LimitExceeded: it is too large, or too many were read.
        """
        place = self.base + address
        if length > _BLOCK_BYTES:
            raise LimitExceeded(f"a metadata block of {length} bytes, limit {_BLOCK_BYTES}", offset=place)
        self._blocks -= 1
        self._bytes -= length
        if self._blocks < 0 or self._bytes < 0:
            raise LimitExceeded("the file has more metadata than the limit allows", offset=place)
        if place + length > self._data.size:
            raise MalformedFile(f"a block of {length} bytes lies beyond the end of the file", offset=place)
        return Cursor(self._data.read_at(place, length), place)

    def defined(self, address: int) -> bool:
        """Say whether an address is one; all ones mean "none"."""
        return address != (1 << 8 * self.offsets) - 1

    def address(self, cursor: Cursor) -> int:
        """Take an address off a block."""
        return cursor.number(self.offsets)

    def length(self, cursor: Cursor) -> int:
        """Take a length off a block."""
        return cursor.number(self.lengths)

    def _superblock(self) -> None:
        head = Cursor(self._data.read_at(self.start, 512), self.start, len(SIGNATURE))
        version = head.number(1)
        if version in {0, 1}:
            head.take(4)
            self.offsets, self.lengths = head.number(1), head.number(1)
            head.take(9 if version == 0 else 13)
        elif version in {2, 3}:
            self.offsets, self.lengths = head.number(1), head.number(1)
            head.take(1)
        else:
            raise MalformedFile(f"superblock version {version} is not known", offset=self.start)
        if self.offsets not in {2, 4, 8, 16} or self.lengths not in {2, 4, 8, 16}:
            raise MalformedFile(f"addresses of {self.offsets} and lengths of {self.lengths} bytes", offset=self.start)
        # The library counts from where it found the superblock, whatever base the superblock names.
        self.address(head)
        self.address(head)
        self.address(head)
        if version in {0, 1}:
            self.driver = self.defined(self.address(head))
            self.address(head)
        self.root = self.address(head)

    # --- heaps -------------------------------------------------------------------------------------------------------

    def local_heap(self, address: int) -> Cursor:
        """Return the data segment of a local heap, which holds the names of an old-style group."""
        head = self.read(address, 8 + 2 * self.lengths + self.offsets)
        head.expect(b"HEAP")
        head.take(4)
        size = self.length(head)
        self.length(head)
        return self.read(self.address(head), size)

    def global_object(self, address: int, index: int, *, most: int = _BLOCK_BYTES) -> bytes:
        """Return an object of a global heap collection: the characters of a variable-length string."""
        head = self.read(address, 8 + self.lengths)
        head.expect(b"GCOL")
        head.take(4)
        heap = self.read(address, self.length(head))
        heap.take(8 + self.lengths)
        while heap.left >= 8 + self.lengths:
            found = heap.number(2)
            heap.take(6)
            size = self.length(heap)
            if not found:
                break
            if found == index:
                return heap.take(min(size, most))
            heap.take(min(size + -size % 8, heap.left))
        raise MalformedFile(f"the global heap has no object {index}", offset=heap.place)

    # --- B-trees -----------------------------------------------------------------------------------------------------

    def old_leaves(self, address: int) -> Iterator[int]:
        """Yield the addresses of the symbol-table nodes under a version 1 B-tree."""
        waiting, seen = [(address, _DEPTH)], {address}
        while waiting:
            at, depth = waiting.pop()
            if not depth:
                raise LimitExceeded(f"a B-tree deeper than {_DEPTH}", offset=self.base + at)
            head = self.read(at, 8)
            head.expect(b"TREE")
            kind, level, used = head.number(1), head.number(1), head.number(2)
            if kind != 0:
                raise MalformedFile("a group's B-tree is of another kind", offset=head.place)
            body = self.read(at + 8 + 2 * self.offsets, used * (self.lengths + self.offsets))
            for _ in range(used):
                self.length(body)
                child = self.address(body)
                if child in seen:
                    raise MalformedFile("a B-tree leads back to itself", offset=body.place)
                seen.add(child)
                if level:
                    waiting.append((child, depth - 1))
                else:
                    yield child

    def records(self, address: int) -> Iterator[Cursor]:
        """Yield the records of a version 2 B-tree."""
        head = self.read(address, 4 + 12 + self.offsets + 2 + self.lengths)
        head.expect(b"BTHD")
        head.take(2)
        node, record, depth = head.number(4), head.number(2), head.number(2)
        head.take(2)
        root, count = self.address(head), head.number(2)
        if not self.defined(root):
            return
        if depth > _DEPTH or record == 0 or node < 32:
            raise MalformedFile(f"a B-tree of depth {depth}, records of {record} bytes", offset=head.place)
        counts, totals = self._pointer_sizes(node, record, depth)
        waiting, seen = [(root, count, depth)], {root}
        while waiting:
            at, count, level = waiting.pop()
            block = self.read(at, node)
            block.expect(b"BTIN" if level else b"BTLF")
            block.take(2)
            for _ in range(count):
                place = block.place + block.at
                yield Cursor(block.take(record), place)
            for _ in range(count + 1 if level else 0):
                child, below = self.address(block), block.number(counts[level - 1])
                block.number(totals[level - 1] if level > 1 else 0)
                if child in seen:
                    raise MalformedFile("a B-tree leads back to itself", offset=block.place)
                seen.add(child)
                waiting.append((child, below, level - 1))

    def _pointer_sizes(self, node: int, record: int, depth: int) -> tuple[list[int], list[int]]:
        """Return the widths of a child's record count and of its subtree's, by the child's level (spec III.A.2)."""
        most = (node - 10) // record
        below = most
        counts, totals = [_width(most)], [0]
        for _ in range(depth):
            pointer = self.offsets + counts[0] + totals[-1]
            most = (node - 10 - pointer) // (record + pointer)
            if most < 1:
                raise MalformedFile("the nodes of a B-tree are too small for its records")
            below = (most + 1) * below + most
            counts.append(counts[0])
            totals.append(_width(below))
        return counts, totals


def _width(number: int) -> int:
    return max(1, (number.bit_length() - 1) // 8 + 1)


def _find_signature(data: ByteSource) -> int:
    """A superblock stands at 0, 512, 1024, 2048 ...: a user block of any power of two may precede it."""
    place = 0
    while place + len(SIGNATURE) <= data.size:
        if data.read_at(place, len(SIGNATURE)) == SIGNATURE:
            return place
        place = place * 2 or 512
    raise MalformedFile("there is no HDF5 superblock")
