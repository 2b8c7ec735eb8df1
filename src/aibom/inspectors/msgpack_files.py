"""Inspect MessagePack files of flax: shapes and types of the arrays, and what is neither data nor array.

The format is that of https://github.com/msgpack/msgpack/blob/master/spec.md; flax's extension types are those of
flax/serialization.py: 1 an array, 2 a complex number, 3 a scalar.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from msgspec import Struct

from aibom.components import Inspection, Tensor, TensorSummary
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.findings import Severity
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE, MALFORMED_FILE
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_WINDOW = 64 * 1024
_DEPTH = 100
_KEY_BYTES = 1024
_PATH = 4096
_TEXT_BYTES = 64 << 20  # of all names: each repeats the keys above it
_ARRAYS = {1, 3}
_TYPES = {
    "float32": ("F32", 4), "float64": ("F64", 8), "float16": ("F16", 2), "bfloat16": ("BF16", 2), "int8": ("I8", 1),
    "int16": ("I16", 2), "int32": ("I32", 4), "int64": ("I64", 8), "uint8": ("U8", 1), "uint16": ("U16", 2),
    "uint32": ("U32", 4), "uint64": ("U64", 8), "bool": ("BOOL", 1), "complex64": ("C64", 8),
    "complex128": ("C128", 16), "float8_e4m3fn": ("F8_E4M3", 1), "float8_e5m2": ("F8_E5M2", 1),
}  # fmt: skip
_CHUNKED = "__msgpack_chunked_array__"


class _Token(NamedTuple):
    """The head of one value; what it holds goes on at `start`.

    `kind` is map, array (`size` entries), text, bytes, ext (`size` bytes), number (`value`, -1 if negative) or other.
    """

    kind: str
    size: int
    start: int
    code: int = 0
    value: int = -1


class _Open(Struct):
    """A collection that is not yet read to its end; `key` is the last key of a map."""

    left: int
    is_map: bool
    path: str
    key: str = ""

    @property
    def name(self) -> str:
        """The keys that lead to the value at hand."""
        return f"{self.path}/{self.key}" if self.path and self.key else self.path or self.key


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Count the arrays of a flax checkpoint; raises `MalformedFile` where the file is no map."""
    seen = Observations(file, limits)
    walk = _Walk(seen, data)
    if data.size == 0 or walk.token(0).kind != "map":
        raise MalformedFile("the file does not begin with a map")
    try:
        end = walk.run()
        if end < data.size:
            seen.report(
                MALFORMED_FILE, f"{data.size - end} bytes follow the data", offset=end, severity=Severity.MEDIUM
            )
    except FileFault as fault:
        seen.fault(fault)
    seen.tensors = TensorSummary(
        stored_elements=sum(walk.counted.values()),
        elements_by_dtype=dict(walk.counted),
        tensors=tuple(walk.tensors),
        complete=walk.complete and seen.coverage is Coverage.COMPLETE,
    )
    return seen.inspection()


class _Walk:
    """The state of one walk; maps and arrays lie on a stack of what is left of them."""

    def __init__(self, seen: Observations, data: ByteSource) -> None:
        self._seen = seen
        self._data = data
        self._window = b""
        self._start = 0
        self._left = seen.limits.graph_fields
        self.counted: Counter[str] = Counter()
        self.tensors: list[Tensor] = []
        self.complete = True
        self._text = _TEXT_BYTES

    def run(self) -> int:
        """Walk all values; return where they end."""
        at = 0
        stack: list[_Open] = []
        while True:
            token = self.token(at)
            at = token.start + (token.size if token.kind in {"text", "bytes", "ext"} else 0)
            if at > self._data.size:
                raise MalformedFile(f"a value declares {token.size} bytes that are not there", offset=token.start)
            top = stack[-1] if stack else _Open(left=0, is_map=False, path="")
            is_key = top.is_map and top.left % 2 == 0
            if is_key:
                top.key = self._key(token)
            elif token.kind == "ext":
                self._extension(token, top.name)
            top.left -= 1
            if token.kind in {"map", "array"} and token.size:
                if is_key:
                    raise MalformedFile("a collection as the key of a map", offset=token.start)
                if len(stack) >= _DEPTH or len(top.name) > _PATH:
                    raise LimitExceeded(f"collections nested deeper than {_DEPTH}", offset=token.start)
                is_map = token.kind == "map"
                stack.append(_Open(left=token.size * (2 if is_map else 1), is_map=is_map, path=top.name))
            while stack and not stack[-1].left:
                stack.pop()
            if not stack:
                return at

    def token(self, at: int) -> _Token:
        """Read the head of the value at an offset."""
        self._left -= 1
        if self._left < 0:
            raise LimitExceeded("the file has more values than the limit allows", offset=at)
        code = self._bytes(at, 1)[0]
        if code <= 0x7F or code >= 0xE0:
            return _Token("number", 0, at + 1, value=code if code <= 0x7F else -1)
        if code <= 0x8F:
            return _Token("map", code & 15, at + 1)
        if code <= 0x9F:
            return _Token("array", code & 15, at + 1)
        if code <= 0xBF:
            return _Token("text", code & 31, at + 1)
        if code == 0xC1:
            raise MalformedFile("the byte 0xc1 begins no value", offset=at)
        kind, width, size = _CODES[code]
        number = int.from_bytes(self._bytes(at + 1, width), "big")
        start = at + 1 + width
        if kind == "ext":
            number = size or number
            return _Token(kind, number, start + 1, self._bytes(start, 1)[0])
        if kind == "number":
            return _Token(kind, 0, start + size, value=int.from_bytes(self._bytes(start, size), "big"))
        return _Token(kind, number, start + size)

    def _key(self, token: _Token) -> str:
        if token.kind not in {"text", "bytes"}:
            return "?"
        if token.size > _KEY_BYTES:
            raise LimitExceeded(f"a key of {token.size} bytes, limit {_KEY_BYTES}", offset=token.start)
        return self._bytes(token.start, token.size).decode("utf-8", "backslashreplace")

    def _extension(self, token: _Token, path: str) -> None:
        if token.code == 2:
            return
        if token.code not in _ARRAYS:
            self._seen.report(
                INSPECTION_INCOMPLETE, f"values of the unknown extension type {token.code}", offset=token.start,
                severity=Severity.MEDIUM,
            )  # fmt: skip
            self.complete = False
            return
        shape, dtype, start, length = self._array(token)
        kind = _TYPES.get(dtype)
        if kind is None or prod(shape) * kind[1] != length:
            self._seen.report(
                MALFORMED_FILE, f"array {shown(path)} of {shown(dtype)} does not fill its shape {shape}", offset=start
            )
            self.complete = False
            return
        self._text -= len(path)
        if len(self.tensors) >= self._seen.limits.tensors or self._text < 0:
            raise LimitExceeded("more arrays, or longer names, than the limit allows", offset=start)
        # A large array is stored in chunks; each is counted, under the name of the whole.
        self.counted[kind[0]] += prod(shape)
        self.tensors.append(
            Tensor(
                name=path.split(f"/{_CHUNKED}", maxsplit=1)[0], dtype=kind[0], shape=shape, offset=start, length=length
            )
        )

    def _array(self, token: _Token) -> tuple[tuple[int, ...], str, int, int]:
        """Read flax's (shape, type, bytes), which is MessagePack itself."""
        parts = self._parts(token)
        try:
            outer, dims = next(parts), next(parts)
            if (outer.kind, outer.size, dims.kind) != ("array", 3, "array") or dims.size > 64:
                raise MalformedFile("an array that flax does not write", offset=token.start)
            shape = tuple([next(parts).value for _ in range(dims.size)])
            name, body = next(parts), next(parts)
        except StopIteration:
            raise MalformedFile("an array that ends early", offset=token.start) from None
        if min(shape, default=0) < 0:
            raise MalformedFile("a shape of something else than whole numbers", offset=token.start)
        if name.kind not in {"text", "bytes"} or body.kind != "bytes" or name.size > 64:
            raise MalformedFile("an array that flax does not write", offset=token.start)
        if body.start + body.size > token.start + token.size:
            raise MalformedFile("the bytes of an array leave it", offset=token.start)
        dtype = self._bytes(name.start, name.size).decode("utf-8", "backslashreplace")
        return shape, re.sub(r"[^\w]", "?", dtype), body.start, body.size

    def _parts(self, token: _Token) -> Iterator[_Token]:
        at, end = token.start, token.start + token.size
        while at < end:
            part = self.token(at)
            yield part
            at = part.start + (part.size if part.kind in {"text", "bytes", "ext"} else 0)

    def _bytes(self, at: int, length: int) -> bytes:
        begin = at - self._start
        if begin < 0 or begin + length > len(self._window):
            self._window, self._start, begin = self._data.read_at(at, _WINDOW), at, 0
        part = self._window[begin : begin + length]
        if len(part) < length:
            raise MalformedFile("the file ends within a value", offset=at)
        return part


# Code: kind, bytes of the count, bytes of a fixed body.
_CODES = {
    0xC0: ("other", 0, 0), 0xC2: ("other", 0, 0), 0xC3: ("other", 0, 0),
    0xC4: ("bytes", 1, 0), 0xC5: ("bytes", 2, 0), 0xC6: ("bytes", 4, 0),
    0xC7: ("ext", 1, 0), 0xC8: ("ext", 2, 0), 0xC9: ("ext", 4, 0),
    0xCA: ("other", 0, 4), 0xCB: ("other", 0, 8),
    0xCC: ("number", 0, 1), 0xCD: ("number", 0, 2), 0xCE: ("number", 0, 4), 0xCF: ("number", 0, 8),
    0xD0: ("other", 0, 1), 0xD1: ("other", 0, 2), 0xD2: ("other", 0, 4), 0xD3: ("other", 0, 8),
    0xD4: ("ext", 0, 1), 0xD5: ("ext", 0, 2), 0xD6: ("ext", 0, 4), 0xD7: ("ext", 0, 8), 0xD8: ("ext", 0, 16),
    0xD9: ("text", 1, 0), 0xDA: ("text", 2, 0), 0xDB: ("text", 4, 0),
    0xDC: ("array", 2, 0), 0xDD: ("array", 4, 0), 0xDE: ("map", 2, 0), 0xDF: ("map", 4, 0),
}  # fmt: skip
