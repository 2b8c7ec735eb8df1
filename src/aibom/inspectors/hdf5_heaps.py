"""Read HDF5 fractal heaps: where groups of many links, and objects of many attributes, keep them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from aibom.errors import LimitExceeded, MalformedFile
from aibom.inspectors.hdf5_blocks import Cursor, Hdf5File

_MANAGED, _HUGE, _TINY = 0, 1, 2
_DIRECT_BLOCKS = 200_000


class FractalHeap:
    """A heap of objects found by heap ids (specification III.G)."""

    def __init__(self, file: Hdf5File, address: int) -> None:
        self._file = file
        head = file.read(address, 26 + 12 * file.lengths + 3 * file.offsets)
        head.expect(b"FRHP")
        head.take(1)
        self.id_length = head.number(2)
        filtered = head.number(2)
        self._checksummed = bool(head.number(1) & 2)
        largest = head.number(4)
        file.length(head)
        self._huge = file.address(head)
        file.length(head)
        file.address(head)
        head.take(8 * file.lengths)
        self._width = head.number(2)
        self._first = file.length(head)
        self._largest_direct = file.length(head)
        bits = head.number(2)
        head.take(2)
        root, rows = file.address(head), head.number(2)
        if filtered:
            raise LimitExceeded("a compressed fractal heap cannot be read", offset=head.place)
        if not 0 < bits <= 64 or not self._first or not self._width:
            raise MalformedFile("a fractal heap without a size", offset=head.place)
        self._offset_bytes = -(-bits // 8)
        self._length_bytes = -(-min(largest, self._largest_direct).bit_length() // 8)
        self._huge_places: dict[int, tuple[int, int]] | None = None
        blocks = sorted(self._blocks(root, rows)) if file.defined(root) else []
        self._starts = [start for start, _, _ in blocks]
        self._places = [(place, size) for _, place, size in blocks]

    def get(self, heap_id: bytes) -> Cursor:
        """Return the object with this id."""
        cursor = Cursor(heap_id, 0)
        kind = cursor.number(1) >> 4 & 3
        if kind == _TINY:
            # The length stands in the first byte; extended tiny ids belong to heap ids longer than 17 bytes.
            return Cursor(cursor.take(min((heap_id[0] & 0xF) + 1, cursor.left)), 0)
        if kind == _HUGE:
            return self._get_huge(cursor)
        offset, length = cursor.number(self._offset_bytes), cursor.number(self._length_bytes)
        index = bisect_right(self._starts, offset) - 1
        if index < 0 or offset + length > self._starts[index] + self._places[index][1]:
            raise MalformedFile(f"a heap id leads to offset {offset}, where the heap has no block")
        return self._file.read(self._places[index][0] + offset - self._starts[index], length)

    def _get_huge(self, cursor: Cursor) -> Cursor:
        if self._huge_places is None:
            self._huge_places = {}
            for record in self._file.records(self._huge) if self._file.defined(self._huge) else ():
                place, length = self._file.address(record), self._file.length(record)
                self._huge_places[self._file.length(record)] = (place, length)
        number = cursor.number(min(cursor.left, self._file.lengths))
        if number not in self._huge_places:
            raise MalformedFile(f"the heap has no huge object {number}")
        return self._file.read(*self._huge_places[number])

    def _blocks(self, root: int, rows: int) -> Iterator[tuple[int, int, int]]:
        """Yield (heap offset, address, size) of the direct blocks."""
        if not rows:
            yield 0, root, self._first
            return
        direct_rows = max(0, self._largest_direct.bit_length() - self._first.bit_length()) + 2
        waiting, seen = [(root, rows, 0)], {root}
        found = 0
        while waiting:
            at, rows, heap_offset = waiting.pop()
            if rows > 64 or rows * self._width > _DIRECT_BLOCKS:
                raise MalformedFile(f"a heap block of {rows} rows", offset=self._file.base + at)
            head = 5 + self._file.offsets + self._offset_bytes
            block = self._file.read(at, head + rows * self._width * self._file.offsets)
            block.expect(b"FHIB")
            block.at = head
            for row in range(rows):
                size = self._first << max(0, row - 1)
                for _ in range(self._width):
                    child = self._file.address(block)
                    if self._file.defined(child):
                        found += 1
                        if child in seen or found > _DIRECT_BLOCKS:
                            raise MalformedFile("a fractal heap leads back to itself", offset=block.place)
                        seen.add(child)
                        if row < direct_rows:
                            yield heap_offset, child, size
                        else:
                            waiting.append((child, self._rows_of(size), heap_offset))
                    heap_offset += size

    def _rows_of(self, size: int) -> int:
        """Return how many rows an indirect block has that spans `size` bytes of the heap."""
        return max(1, (size // (self._first * self._width)).bit_length())
