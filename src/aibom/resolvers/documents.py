"""Read small text files of a stranger within bounds: text in any usual encoding, JSON, TOML."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from aibom.errors import LimitExceeded, MalformedFile
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

Json = str | int | float | bool | None | list[Any] | dict[str, Any]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SURROGATE = re.compile("[\ud800-\udfff]")
# A string left open runs to the end of the text, so that no start is tried twice and the scan stays linear.
_JSON_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_TOML_BRACKET = re.compile(r"\"(?:[^\"\\\n]++|\\.)*+(?:\"|\\?$|\Z)|'[^'\n]*+'?|#[^\n]*+|[\[{]|[\]}]", re.MULTILINE)
# tomllib walks a dotted key part by part for every table: a key of many parts costs the square of its length.
_TOML_LONG_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){40}")


class Text(Struct, frozen=True, kw_only=True):
    """A file as text, with one line feed between lines.

    `encoding` is what was decoded; `lossy` says that bytes were replaced because they fit no encoding.
    """

    path: str
    text: str
    encoding: str
    bom: bool = False
    crlf: bool = False
    lossy: bool = False
    truncated: bool = False


class JsonDocument(Struct, frozen=True, kw_only=True):
    """A JSON value; `duplicates` are keys that stand twice in one object (the last value is kept, as most do)."""

    value: Json
    duplicates: tuple[str, ...] = ()


def read_text(path: str, data: ByteSource, limit: int) -> Text:
    """Decode at most `limit` bytes: by byte order mark, else UTF-8, else UTF-8 with replacement characters.

    OSError passes through.
    """
    raw = data.read_at(0, min(limit, data.size))
    truncated = data.size > limit
    encoding, bom = "utf-8", False
    for mark, name in _BOMS:
        if raw.startswith(mark):
            raw, encoding, bom = raw[len(mark) :], name, True
            break
    lossy = False
    try:
        # An incremental decoder leaves a character that the limit has cut in half, without complaint.
        text = codecs.getincrementaldecoder(encoding)("strict").decode(raw, final=not truncated)
    except UnicodeDecodeError:
        text, lossy = raw.decode(encoding, "replace"), True
    crlf = "\r" in text
    if crlf:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Text(path=path, text=text, encoding=encoding, bom=bom, crlf=crlf, lossy=lossy, truncated=truncated)


def parse_json(text: str, limits: Limits) -> JsonDocument:
    """Parse JSON whose depth is checked before the recursive parser sees it.

    Raises:
        MalformedFile: it is not JSON.
        LimitExceeded: it is longer or deeper than `limits` allow.
    """
    if len(text) > limits.json_bytes:
        raise LimitExceeded(f"JSON of {len(text)} characters, limit {limits.json_bytes}")
    _check_depth(text, _JSON_BRACKET, limits)
    duplicates: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            duplicates.extend(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return found

    try:
        value = json.loads(text, object_pairs_hook=collect)
    except ValueError as error:  # its own errors, and numbers of more digits than Python converts
        raise MalformedFile(f"not JSON: {error}") from None
    if "\\u" in text:
        value = _without_surrogates(value)
    return JsonDocument(value=value, duplicates=tuple(dict.fromkeys(map(printable, duplicates))))


def parse_toml(text: str, limits: Limits) -> dict[str, Any]:
    """Parse TOML whose nesting is checked before the recursive parser sees it.

    Raises:
        MalformedFile: it is not TOML.
        LimitExceeded: it is longer or nested deeper than `limits` allow.
    """
    import tomllib  # noqa: PLC0415 -- start-up time

    if len(text) > limits.text_bytes:
        raise LimitExceeded(f"TOML of {len(text)} characters, limit {limits.text_bytes}")
    _check_depth(text, _TOML_BRACKET, limits)
    if _TOML_LONG_KEY.search(text):
        raise LimitExceeded("TOML with a key of more than 40 parts")
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise MalformedFile(f"not TOML: {error}") from None


def printable(text: str) -> str:
    """Replace lone surrogates, which JSON can spell and no encoding can write."""
    return _SURROGATE.sub("\ufffd", text)


def mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def texts(value: object) -> tuple[str, ...]:
    """Return the text in `value`: one string, or the strings of a list; everything else is dropped."""
    match value:
        case str():
            return (value.strip(),) if value.strip() else ()
        case list():
            return tuple(item.strip() for item in value if isinstance(item, str) and item.strip())
        case _:
            return ()


def _check_depth(text: str, brackets: re.Pattern[str], limits: Limits) -> None:
    depth = 0
    for match in brackets.finditer(text):
        match match[0]:
            case "[" | "{":
                depth += 1
                if depth > limits.json_depth:
                    raise LimitExceeded(f"nested deeper than {limits.json_depth}")
            case "]" | "}":
                depth = max(0, depth - 1)
            case _:
                pass


def _without_surrogates(value: Any) -> Any:
    """Recursion is bounded: the depth was checked."""
    match value:
        case str():
            return printable(value)
        case list():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {printable(key): _without_surrogates(item) for key, item in value.items()}
        case _:
            return value
