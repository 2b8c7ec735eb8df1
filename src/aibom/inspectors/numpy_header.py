"""Read the header of a NumPy array without evaluating it.

Format: `numpy/lib/format.py` (NEP 1): a magic, a version, a length, then the text of a Python dict with `descr`,
`fortran_order` and `shape`.
"""

from __future__ import annotations

import re
from math import prod
from typing import TypeAlias

from msgspec import Struct

from aibom.errors import LimitExceeded, MalformedFile
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

MAGIC = b"\x93NUMPY"
_HEADER_BYTES = 1024 * 1024
"""numpy itself refuses more than 10,000 characters unless told to trust the file."""
_MOST_DIMENSIONS = 64
_LARGEST = 1 << 62
_NESTING = 20
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(?P<number>-?\d{1,19})L?(?![\w.])|(?P<word>[A-Za-z]+)"""
    r"""|(?P<sign>[][(){}:,]))"""
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)

Literal: TypeAlias = str | int | bool | tuple["Literal", ...] | list["Literal"] | dict[str, "Literal"] | None


class ArrayHeader(Struct, frozen=True, kw_only=True):
    """What a header says. `data_offset` and `item_bytes` are bytes; `objects` where items are pickled objects.

    `fields` are the leaves of a structured type as (dtype, elements per item); one leaf for a plain type. `swapped`
    where numbers stand in big-endian order. `plain` says that an item is one number (or text) and nothing else.
    """

    shape: tuple[int, ...]
    fortran: bool
    item_bytes: int
    fields: tuple[tuple[str, int], ...]
    objects: bool
    swapped: bool
    plain: bool
    data_offset: int

    @property
    def items(self) -> int:
        """The number of items in the array."""
        return prod(self.shape)

    @property
    def data_bytes(self) -> int:
        """The number of bytes that the items take; not known for objects."""
        return self.items * self.item_bytes

    @property
    def dtype(self) -> str:
        """The one element type, or `STRUCT`."""
        return self.fields[0][0] if len(self.fields) == 1 else "STRUCT"


def read_header(data: ByteSource, limits: Limits, start: int = 0) -> ArrayHeader:
    """Read the header at `start`.

    Raises:
        MalformedFile: it is not one, or not of a form that numpy writes.
        LimitExceeded: it is longer than 1 MiB.
    """
    begin, end, version = header_span(data, limits, start)
    raw = data.read_at(begin, end - begin)
    if len(raw) < end - begin:
        raise MalformedFile(f"the header promises {end - begin} bytes, {len(raw)} are there", offset=begin)
    try:
        text = raw.decode("utf-8" if version == 3 else "latin-1")
    except UnicodeDecodeError:
        raise MalformedFile("the header is not text", offset=begin) from None
    return _header(parse_literal(text), end)


def header_span(data: ByteSource, limits: Limits, start: int) -> tuple[int, int, int]:
    """Return where the text of the header at `start` begins and ends, and the format's version.

    Raises:
        MalformedFile, LimitExceeded: as `read_header`.
    """
    head = data.read_at(start, 12)
    if head[:6] != MAGIC or len(head) < 12:
        raise MalformedFile("no NumPy array header", offset=start)
    version = head[6]
    if version not in {1, 2, 3}:
        raise MalformedFile(f"version {version} of the NumPy format does not exist", offset=start + 6)
    begin = start + (10 if version == 1 else 12)
    length = int.from_bytes(head[8 : begin - start], "little")
    if length > min(_HEADER_BYTES, limits.header_bytes):
        raise LimitExceeded(f"a NumPy header of {length} bytes", offset=start + 8)
    return begin, begin + length, version


def _header(value: Literal, data_offset: int) -> ArrayHeader:
    match value:
        case {"descr": descr, "fortran_order": bool(fortran), "shape": tuple(shape), **rest} if not rest:
            pass
        case _:
            raise MalformedFile("the header is not a dict of descr, fortran_order and shape")
    sizes = tuple(size for size in shape if type(size) is int and 0 <= size < _LARGEST)
    if len(sizes) != len(shape) or len(shape) > _MOST_DIMENSIONS or prod(size for size in sizes if size) >= _LARGEST:
        raise MalformedFile("the header's shape is not one of an array")
    leaves = list(_leaves(descr, 1, _NESTING))
    return ArrayHeader(
        shape=sizes,
        fortran=fortran,
        item_bytes=sum(size * count for _, size, count, _ in leaves),
        fields=tuple((name, count) for name, _, count, _ in leaves if name != "VOID"),
        objects=any(name == "OBJECT" for name, _, _, _ in leaves),
        swapped=any(swapped for _, _, _, swapped in leaves),
        plain=len(leaves) == 1 and leaves[0][0] not in {"OBJECT", "VOID"} and leaves[0][2] == 1,
        data_offset=data_offset,
    )


_KINDS = {
    "f2": "F16", "f4": "F32", "f8": "F64", "f16": "F128", "f12": "F96", "c8": "C64", "c16": "C128", "c32": "C256",
    "b1": "BOOL", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64", "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64",
    "M8": "DATETIME64", "m8": "TIMEDELTA64",
}  # fmt: skip
_DESCR = re.compile(r"([<>|=]?)([biufcmMOSUVa])(\d{0,9})(\[\d*[a-zA-Z]+(?:/\d+)?\])?\Z")


def dtype_of_descr(descr: str) -> tuple[str, int, bool] | None:
    """Return name, bytes per item and byte order (True for big-endian) of a type string such as `<f4`."""
    match = _DESCR.match(descr)
    if match is None:
        return None
    order, kind, digits, _ = match.groups()
    size = int(digits or 0)
    swapped = order == ">"
    match kind:
        case "O":
            return "OBJECT", size or 8, False
        case "S" | "a":
            return "BYTES", size, False
        case "U":
            return "TEXT", 4 * size, swapped
        case "V":
            return "VOID", size, False
    name = _KINDS.get(kind + str(size))
    return (name, size, swapped and size > 1) if name else None


def _leaves(descr: Literal, count: int, depth: int) -> list[tuple[str, int, int, bool]]:
    """Return (name, bytes, count, swapped) of each leaf of a type; field names and padding are kept out of it."""
    if depth == 0:
        raise MalformedFile("the header's type is nested too deep")
    match descr:
        case str():
            found = dtype_of_descr(descr)
            if found is None:
                raise MalformedFile(f"the header has the type {descr[:40]!r}, which numpy does not write")
            name, size, swapped = found
            return [(name, size, count, swapped)]
        case (inner, tuple(shape)) if all(type(size) is int and 0 <= size < _LARGEST for size in shape):
            return _leaves(inner, _bounded(count, shape), depth - 1)
        case list():
            out: list[tuple[str, int, int, bool]] = []
            for part in descr:
                match part:
                    case (str() | (str(), str()), inner):
                        out += _leaves(inner, count, depth - 1)
                    case (str() | (str(), str()), inner, tuple(shape)) if all(
                        type(size) is int and 0 <= size < _LARGEST for size in shape
                    ):
                        out += _leaves(inner, _bounded(count, shape), depth - 1)
                    case _:
                        raise MalformedFile("the header has a field that numpy does not write")
            return out
    raise MalformedFile("the header's type is not one that numpy writes")


def _bounded(count: int, shape: tuple[Literal, ...]) -> int:
    for size in shape:
        assert isinstance(size, int)
        count *= size
        if count >= _LARGEST:
            raise MalformedFile("the header's type is absurdly large")
    return count


def parse_literal(text: str) -> Literal:
    """Parse the literals that numpy writes: dicts with text keys, tuples, lists, text, integers, True, False, None.

    Raises:
        MalformedFile: anything else.
    """
    tokens = _Tokens(text)
    value = tokens.value(_NESTING)
    tokens.finish()
    return value


class _Tokens:
    """A recursive-descent reader over the tokens of one literal."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._sign = ""

    def value(self, depth: int) -> Literal:
        if depth == 0:
            raise MalformedFile("the header is nested too deep")
        match = self._next()
        if match["text"] is not None:
            return _unquoted(match["text"])
        if match["number"] is not None:
            return int(match["number"])
        if match["word"] is not None:
            if match["word"] not in {"True", "False", "None"}:
                raise MalformedFile(f"the header holds the word {match['word'][:40]!r}")
            return {"True": True, "False": False, "None": None}[match["word"]]
        if match["sign"] == "{":
            return self._dict(depth)
        if match["sign"] in {"(", "["}:
            return self._sequence(match["sign"], depth)
        raise MalformedFile(f"the header has {match['sign']!r} where a value should be")

    def finish(self) -> None:
        if self._text[self._at :].strip(" \t\r\n\0"):
            raise MalformedFile("more than one value is in the header")

    def _next(self) -> re.Match[str]:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise MalformedFile("the header is not a plain literal")
        self._at = match.end()
        return match

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return (match["sign"] or "") if match else ""

    def _expect(self, sign: str) -> None:
        if self._next()["sign"] != sign:
            raise MalformedFile(f"the header lacks a {sign!r}")

    def _dict(self, depth: int) -> dict[str, Literal]:
        out: dict[str, Literal] = {}
        while self._peek() != "}":
            key = self.value(depth - 1)
            if not isinstance(key, str) or key in out:
                raise MalformedFile("a key of the header is repeated or no text")
            self._expect(":")
            out[key] = self.value(depth - 1)
            if self._peek() != "}":
                self._expect(",")
        self._expect("}")
        return out

    def _sequence(self, opening: str, depth: int) -> Literal:
        closing = ")" if opening == "(" else "]"
        out: list[Literal] = []
        comma = False
        while self._peek() != closing:
            out.append(self.value(depth - 1))
            comma = self._peek() == ","
            if self._peek() != closing:
                self._expect(",")
        self._expect(closing)
        if opening == "[":
            return out
        # Brackets around one value without a comma are no tuple.
        return out[0] if len(out) == 1 and not comma else tuple(out)


def _unquoted(text: str) -> str:
    def restore(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code:
            number = int(code, 16)
            return chr(number) if number < 0x110000 else "\ufffd"
        return {"n": "\n", "t": "\t", "r": "\r"}.get(match[4], match[4])

    return _ESCAPE.sub(restore, text[1:-1])
