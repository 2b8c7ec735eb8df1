"""Read FlatBuffers without a schema compiler: tables, vectors and strings by field number, every offset checked.

The layout is that of https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from aibom.errors import LimitExceeded, MalformedFile
from aibom.sources.bytesource import ByteSource

_BLOCK = 64 * 1024
_CACHED = 64


class FlatBuffer:
    """The bytes of one FlatBuffer. `objects` is how many tables and strings may be looked at in all."""

    def __init__(self, data: ByteSource, *, objects: int, start: int = 0, size: int | None = None) -> None:
        self._data = data
        self._start = start
        self.size = data.size - start if size is None else size
        self._left = objects
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def root(self) -> Table:
        """Return the root table."""
        return Table(self, self.number(0, 4))

    def inner(self, place: int, size: int) -> FlatBuffer:
        """Return a FlatBuffer that a vector of bytes in this file holds."""
        return FlatBuffer(self._data, objects=self._left, start=place, size=size)

    def identifier(self) -> bytes:
        """Return the four bytes that name the schema."""
        return self.raw(4, 4)

    def spend(self) -> None:
        """Count one object.

        Raises:
            LimitExceeded: there were too many.
        """
        self._left -= 1
        if self._left < 0:
            raise LimitExceeded("the file has more FlatBuffer objects than the limit allows")

    def raw(self, offset: int, length: int) -> bytes:
        """Return bytes; raises `MalformedFile` where they are not all there."""
        if offset < 0 or offset + length > self.size:
            raise MalformedFile("an offset leads out of the FlatBuffer", offset=self._start + max(0, offset))
        if length > _BLOCK:
            return self._data.read_at(self._start + offset, length)
        first, at = divmod(offset, _BLOCK)
        if at + length <= _BLOCK:
            return self._block(first)[at : at + length]
        return self._block(first)[at:] + self._block(first + 1)[: at + length - _BLOCK]

    def number(self, offset: int, width: int, *, signed: bool = False) -> int:
        """Return the little-endian number at an offset."""
        return int.from_bytes(self.raw(offset, width), "little", signed=signed)

    def place(self, offset: int) -> int:
        """Return where an offset lies in the file."""
        return self._start + offset

    def _block(self, index: int) -> bytes:
        if index in self._blocks:
            self._blocks.move_to_end(index)
            return self._blocks[index]
        block = self._data.read_at(self._start + index * _BLOCK, _BLOCK)
        self._blocks[index] = block
        if len(self._blocks) > _CACHED:
            self._blocks.popitem(last=False)
        return block


class Table:
    """One table; its fields are asked for by number, in the order of the schema."""

    def __init__(self, buffer: FlatBuffer, offset: int) -> None:
        buffer.spend()
        self._buffer = buffer
        self.offset = offset
        self._vtable = offset - buffer.number(offset, 4, signed=True)
        self._fields = (buffer.number(self._vtable, 2) - 4) // 2

    @property
    def place(self) -> int:
        """Where the table lies in the file."""
        return self._buffer.place(self.offset)

    def field(self, number: int) -> int | None:
        """Return the offset of a field's value, None where it is left out."""
        if number >= self._fields:
            return None
        inside = self._buffer.number(self._vtable + 4 + 2 * number, 2)
        return self.offset + inside if inside else None

    def scalar(self, number: int, width: int, default: int = 0, *, signed: bool = False) -> int:
        """Return an integer field."""
        at = self.field(number)
        return default if at is None else self._buffer.number(at, width, signed=signed)

    def text(self, number: int, limit: int) -> str:
        """Return a string field, "" where it is left out; raises `LimitExceeded` over `limit` bytes."""
        start, length = self.vector(number)
        self._buffer.spend()
        if length > limit:
            raise LimitExceeded(f"a string of {length} bytes, limit {limit}", offset=self._buffer.place(start))
        return self._buffer.raw(start, length).decode("utf-8", "backslashreplace")

    def vector(self, number: int, width: int = 1) -> tuple[int, int]:
        """Return where the elements of a vector start, and how many there are."""
        at = self.field(number)
        if at is None:
            return 0, 0
        start = at + self._buffer.number(at, 4)
        count = self._buffer.number(start, 4)
        if start + 4 + count * width > self._buffer.size:
            raise MalformedFile(f"a vector of {count} elements leads out of the FlatBuffer", offset=self.place)
        return start + 4, count

    def numbers(self, number: int, width: int, *, most: int, signed: bool = True) -> list[int]:
        """Return a vector of integers; raises `LimitExceeded` where it has more than `most`."""
        start, count = self.vector(number, width)
        if count > most:
            raise LimitExceeded(f"a vector of {count} numbers, limit {most}", offset=self.place)
        raw = self._buffer.raw(start, count * width)
        return [int.from_bytes(raw[at : at + width], "little", signed=signed) for at in range(0, len(raw), width)]

    def table(self, number: int) -> Table | None:
        """Return a field that is a table."""
        at = self.field(number)
        return None if at is None else Table(self._buffer, at + self._buffer.number(at, 4))

    def tables(self, number: int) -> Iterator[Table]:
        """Yield the tables of a vector."""
        start, count = self.vector(number, 4)
        for at in range(start, start + 4 * count, 4):
            yield Table(self._buffer, at + self._buffer.number(at, 4))
