"""Walk protobuf messages field by field without a schema; the bytes of strings and blobs are read only on request.

The wire format is that of https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from aibom.errors import LimitExceeded, MalformedFile
from aibom.sources.bytesource import ByteSource

_WINDOW = 64 * 1024
# Of a distant file the source keeps what it fetched, so that small reads cost no request: a large one would make it
# fetch what lies behind the fields, which is weights.
_DISTANT_WINDOW = 2 * 1024
_HEAD = 20  # the longest key with the longest varint behind it
_VARINT_BYTES = 10
_LAST_FIELD = (1 << 29) - 1
_MASK = (1 << 64) - 1
_SIGN = 1 << 63


class Wire(IntEnum):
    """How a field is laid out. The two group types (3, 4) are refused: none of the formats here uses them."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


class Field(NamedTuple):
    """One field of a message. A tuple, because graphs hold a million of them.

    `value` is the number in a VARINT (unsigned, 64 bits), else 0. `offset` and `length` are the payload's, in bytes.
    """

    number: int
    wire: Wire
    value: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """Where the payload ends."""
        return self.offset + self.length

    @property
    def signed(self) -> int:
        """The varint as an int64."""
        return self.value - (1 << 64) if self.value & _SIGN else self.value


_WIRES = {int(wire): wire for wire in Wire}


class ProtobufReader:
    """Reads fields of one file. `fields` is how many of them may be read in all."""

    def __init__(self, data: ByteSource, *, fields: int) -> None:
        self._data = data
        self._reads = _DISTANT_WINDOW if data.distant else _WINDOW
        self._left = fields
        self._window = b""
        self._start = 0
        self.size = data.size

    def fields(self, start: int = 0, end: int | None = None) -> Iterator[Field]:
        """Yield the fields of the message at `start`, in their order.

        Raises:
            MalformedFile: a field is not well-formed, or goes beyond `end`.
            LimitExceeded: the file has more fields than are allowed.
        """
        end = self.size if end is None else end
        position = start
        while position < end:
            self._left -= 1
            if self._left < 0:
                raise LimitExceeded("the file has more protobuf fields than the limit allows", offset=position)
            field = self._field(position, end)
            yield field
            position = field.offset + field.length

    def inside(self, message: Field) -> Iterator[Field]:
        """Yield the fields of the message that a BYTES field holds."""
        if message.wire is not Wire.BYTES:
            raise MalformedFile(f"field {message.number} should be a message", offset=message.offset)
        return self.fields(message.offset, message.end)

    def raw(self, field: Field, limit: int) -> bytes:
        """Return the payload of a BYTES field.

        Raises:
            LimitExceeded: it has more than `limit` bytes.
        """
        if field.wire is not Wire.BYTES:
            raise MalformedFile(f"field {field.number} should be a string", offset=field.offset)
        if field.length > limit:
            raise LimitExceeded(f"a string of {field.length} bytes, limit {limit}", offset=field.offset)
        begin = field.offset - self._start
        if begin >= 0 and begin + field.length <= len(self._window):
            return self._window[begin : begin + field.length]
        return self._data.read_at(field.offset, field.length)

    def text(self, field: Field, limit: int) -> str:
        """Return a string field; bytes that are not UTF-8 are shown as escapes."""
        return self.raw(field, limit).decode("utf-8", "backslashreplace")

    def packed(self, field: Field, count: int) -> Iterator[int]:
        """Yield the varints of a repeated field, packed or not; never more than `count`."""
        if field.wire is Wire.VARINT:
            yield field.signed
            return
        if field.wire is not Wire.BYTES:
            raise MalformedFile(f"field {field.number} should hold integers", offset=field.offset)
        position = field.offset
        for _ in range(count):
            if position >= field.end:
                return
            value, position = self._varint(position, field.end)
            yield value - (1 << 64) if value & _SIGN else value
        if position < field.end:
            raise LimitExceeded(f"more than {count} numbers in field {field.number}", offset=position)

    def _field(self, position: int, end: int) -> Field:
        key, after = self._varint(position, end)
        number, wire = key >> 3, _WIRES.get(key & 7)
        if not 1 <= number <= _LAST_FIELD or wire is None:
            raise MalformedFile(f"no protobuf field starts with key {key:#x}", offset=position)
        if wire is Wire.VARINT:
            value, stop = self._varint(after, end)
            return Field(number, wire, value, after, stop - after)
        if wire is Wire.BYTES:
            length, after = self._varint(after, end)
        else:
            length = 8 if wire is Wire.FIXED64 else 4
        if length > end - after:
            raise MalformedFile(
                f"field {number} declares {length} bytes, {end - after} are left in its message", offset=position
            )
        return Field(number, wire, 0, after, length)

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        """Return the number at `position` and where it ends."""
        at = position - self._start
        # One read serves the fields around it too. At the end of the file the window is short, and stays so.
        if at < 0 or (at + _HEAD > len(self._window) and self._start + len(self._window) < self.size):
            self._start = position
            self._window = self._data.read_at(position, self._reads)
            at = 0
        window = self._window
        value = shift = 0
        for index in range(at, min(at + _VARINT_BYTES, len(window), at + end - position)):
            byte = window[index]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & _MASK, position + index - at + 1
            shift += 7
        raise MalformedFile("a number does not end", offset=position)
