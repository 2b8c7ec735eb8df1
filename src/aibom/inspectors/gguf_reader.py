"""Read GGUF's header through a window that grows as it is used up: metadata and tensor descriptions, never the data.

Format: ggml `docs/gguf.md`, and what `ggml/src/gguf.cpp` refuses.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

from aibom.components import Scalar
from aibom.errors import LimitExceeded, MalformedFile
from aibom.inspectors.gguf_types import ARRAY, BOOL, STRING, VALUE_TYPES
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_FIRST_WINDOW = 64 * 1024
_LAST_WINDOW = 8 * 1024 * 1024
_NESTING = 4
_KEPT_ELEMENTS = 64
_KEPT_BYTES = 4096
_DIMENSIONS = 64


class Value(NamedTuple):
    """A metadata value: its type's number, and what is kept of it. An array keeps a JSON text where it is small."""

    kind: int
    value: Scalar
    whole: bool
    """False where `value` only describes a value that is too large to keep."""


class TensorInfo(NamedTuple):
    """A tensor as described in the header. `dims` innermost first; `offset` in bytes from the start of the data."""

    name: bytes
    dims: tuple[int, ...]
    type_number: int
    offset: int


class HeaderReader:
    """A cursor over the header of one file, which reads each byte once, in windows of 64 KiB to 8 MiB."""

    def __init__(self, data: ByteSource, limits: Limits) -> None:
        self._data = data
        self._limits = limits
        self._window = b""
        self._start = 0
        self._next_window = _FIRST_WINDOW
        self.at = 4
        (version,) = struct.unpack("<I", self._take(4))
        # A file of the other byte order shows its version in the upper half (gguf.cpp).
        self.big_endian = not version & 0xFFFF
        self._order = ">" if self.big_endian else "<"
        self.version = int.from_bytes(version.to_bytes(4, "little"), "big") if self.big_endian else version
        self._length_code, self._length_size = ("I", 4) if self.version == 1 else ("Q", 8)

    def counts(self) -> tuple[int, int]:
        """Return the declared numbers of tensors and of metadata entries."""
        return self._length(), self._length()

    def key(self) -> bytes:
        """Read a metadata key."""
        return self._string()

    def value(self) -> Value:
        """Read a metadata value; arrays are walked, and kept only where they are small."""
        kind = self._number("I", 4)
        if kind == STRING:
            return self._text()
        if kind == ARRAY:
            return self._array(0)
        return Value(kind, self._plain(kind), whole=True)

    def tensor(self) -> TensorInfo:
        """Read one tensor description."""
        name = self._string()
        count = self._number("I", 4)
        if count > _DIMENSIONS:
            raise MalformedFile(f"a tensor has {count} dimensions", offset=self.at - 4)
        dims = struct.unpack(f"{self._order}{count}{self._length_code}", self._take(count * self._length_size))
        type_number, offset = struct.unpack(self._order + "IQ", self._take(12))
        return TensorInfo(name, dims, type_number, offset)

    # --- primitives -----------------------------------------------------------------------------------------------

    def _take(self, length: int) -> bytes:
        """Return the next `length` bytes.

        Raises:
            MalformedFile: the file ends before them.
            LimitExceeded: the header is larger than the limits allow.
        """
        if self.at + length > self._limits.header_bytes:
            raise LimitExceeded(f"the header is larger than {self._limits.header_bytes} bytes", offset=self.at)
        begin = self.at - self._start
        if begin < 0 or begin + length > len(self._window):
            self._refill(length)
            begin = 0
        self.at += length
        return self._window[begin : begin + length]

    def _refill(self, length: int) -> None:
        if self.at + length > self._data.size:
            raise MalformedFile(f"the header needs {length} bytes here and the file ends before", offset=self.at)
        self._start = self.at
        self._window = self._data.read_at(self.at, max(length, self._next_window))
        self._next_window = min(2 * self._next_window, _LAST_WINDOW)
        if len(self._window) < length:  # pragma: no cover -- a file that shrinks while it is read
            raise MalformedFile("the file became shorter while it was read", offset=self.at)

    def _number(self, code: str, size: int) -> int:
        (number,) = struct.unpack(self._order + code, self._take(size))
        return int(number)

    def _length(self) -> int:
        return self._number(self._length_code, self._length_size)

    def _string(self) -> bytes:
        length = self._length()
        if self.at + length > self._data.size:
            raise MalformedFile(f"a text is said to have {length} bytes, the file ends before", offset=self.at)
        return self._take(length)

    def _text(self) -> Value:
        raw = self._string()
        limit = self._limits.text_bytes
        return Value(STRING, raw[:limit].decode("utf-8", "backslashreplace"), whole=len(raw) <= limit)

    def _plain(self, kind: int) -> Scalar:
        if kind not in VALUE_TYPES:
            raise MalformedFile(f"a value has the unknown type {kind}", offset=self.at)
        _, code, size = VALUE_TYPES[kind]
        (value,) = struct.unpack(self._order + code, self._take(size))
        return _scalar(kind, value)

    # --- arrays ---------------------------------------------------------------------------------------------------

    def _array(self, depth: int) -> Value:
        begin = self.at
        kind = self._number("I", 4)
        count = self._length()
        smallest = VALUE_TYPES[kind][2] if kind in VALUE_TYPES else 4 + self._length_size if kind == ARRAY else 0
        smallest = smallest or self._length_size
        if kind not in VALUE_TYPES and kind not in {STRING, ARRAY}:
            raise MalformedFile(f"an array has elements of the unknown type {kind}", offset=begin)
        if count * smallest > self._data.size - self.at:
            raise MalformedFile(f"an array is said to have {count} elements, the file ends before", offset=begin)
        name = VALUE_TYPES[kind][0] if kind in VALUE_TYPES else "STRING" if kind == STRING else "ARRAY"
        described = f"array of {count} {name}"
        if kind == ARRAY:
            if depth >= _NESTING:
                raise LimitExceeded(f"arrays are nested more than {_NESTING} deep", offset=begin)
            for _ in range(count):
                self._array(depth + 1)
            return Value(ARRAY, described, whole=False)
        if kind == STRING:
            kept = self._strings(count)
        elif count <= _KEPT_ELEMENTS:
            kept = [self._plain(kind) for _ in range(count)]
        else:
            self._skip(count * smallest)
            kept = None
        return Value(ARRAY, described, whole=False) if kept is None else Value(ARRAY, _as_json(kept), whole=True)

    def _skip(self, length: int) -> None:
        if self.at + length > self._limits.header_bytes:
            raise LimitExceeded(f"the header is larger than {self._limits.header_bytes} bytes", offset=self.at)
        self.at += length

    def _strings(self, count: int) -> list[Scalar] | None:
        """Walk strings; keep them where they are few and small. A vocabulary has 150,000 of them, so this is tight."""
        if count <= _KEPT_ELEMENTS:
            raw = [self._string() for _ in range(count)]
            if sum(map(len, raw)) <= _KEPT_BYTES:
                return [text.decode("utf-8", "backslashreplace") for text in raw]
            return None
        unpack, width = struct.Struct(self._order + self._length_code).unpack_from, self._length_size
        left = count
        while left:
            self._take(width)  # puts the window where the next string begins
            self.at -= width
            window, at = self._window, self.at - self._start
            last = len(window) - width
            while left and at <= last:
                after = at + width + unpack(window, at)[0]
                if after > len(window):
                    break
                at = after
                left -= 1
            moved = self._start + at > self.at
            self._skip(self._start + at - self.at)
            if left and not moved:
                self._string()
                left -= 1
        return None


def _scalar(kind: int, value: int | float) -> Scalar:  # noqa: PYI041 -- both are meant: struct gives either
    if kind == BOOL:
        return bool(value)
    # JSON has no word for these.
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def _as_json(values: list[Scalar]) -> str:
    return json.dumps(values, ensure_ascii=False)


def read_metadata(reader: HeaderReader, count: int) -> Iterator[tuple[bytes, int, Value]]:
    """Yield key, offset and value of each of `count` entries."""
    for _ in range(count):
        at = reader.at
        yield reader.key(), at, reader.value()
