"""Make text of a target harmless to whatever shows it, without hiding that something was there."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

T = TypeVar("T")

# Control characters other than tab and newline, the invisible and direction-changing ones of `files.escape_name`
# (Cf, Zl, Zp, private use), lone surrogates, and the noncharacters that XML and some JSON readers refuse.
_HAZARD_RANGES = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f\U000f0000-\U0010ffff"
)
_HAZARD = re.compile(f"[{_HAZARD_RANGES}]")
_HAZARD_OR_BREAK = re.compile(f"[{_HAZARD_RANGES}\t\n]")
_FORMULA = re.compile(r"^\s*[=+\-@|%]")
# A JSON text that needs a closer look: a raw hazard, or a control character that the encoder has escaped.
_JSON_HAZARD = re.compile(f"[{_HAZARD_RANGES}]|\\\\u|\\\\[bfr]")


def visible(text: str) -> str:
    r"""Return the text with every control or invisible character spelled `\u{1b}`; newline and tab stay."""
    return _HAZARD.sub(_spell, text)


def one_line(text: str) -> str:
    r"""Return the text as `visible` does, on one line: newline and tab are spelled `\u{a}` and `\u{9}`."""
    return _HAZARD_OR_BREAK.sub(_spell, text)


def cell(text: str) -> str:
    """Return one line that no spreadsheet takes for a formula: what starts like one gets an apostrophe before it."""
    line = one_line(text)
    return f"'{line}" if _FORMULA.match(line) else line


def json_is_inert(text: str) -> bool:
    """Say whether a JSON text surely holds nothing that `visible` would change; False means "look closer"."""
    return _JSON_HAZARD.search(text) is None


def escape_json(text: str) -> str:
    r"""Return the same JSON document with hazards written as `\uXXXX`: it reads back the same and prints inert."""
    return _HAZARD.sub(_json_escape, text)


def visible_values(value: T) -> T:
    """Return a JSON-like value of which every text is `visible`."""
    match value:
        case str():
            return visible(value)  # type: ignore[return-value]  # a str is a T here
        case dict():
            return {visible(k): visible_values(v) for k, v in value.items()}  # type: ignore[return-value]
        case list():
            return [visible_values(item) for item in value]  # type: ignore[return-value]
    return value


def encodable(value: T) -> T:
    """Return a record of which every text is valid Unicode and every number finite, as JSON demands.

    A lone surrogate is spelled as `visible` does. In a mapping, a number that is not finite becomes its name (`nan`)
    and an integer of more than 64 bits its hexadecimal text; elsewhere, the former becomes None.
    """
    changed: Any = _encodable(value, in_mapping=False)
    return changed  # type: ignore[no-any-return]


def _encodable(value: Any, *, in_mapping: bool) -> Any:
    if type(value) is str:
        return value if value.isascii() else _SURROGATE.sub(_spell, value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value) if in_mapping else None
    if in_mapping and isinstance(value, int) and value.bit_length() > 64:
        return hex(value)
    if isinstance(value, Mapping):
        pairs = {_encodable(k, in_mapping=False): _encodable(v, in_mapping=True) for k, v in value.items()}
        return value if pairs == value else pairs
    if isinstance(value, tuple):
        items = [_encodable(item, in_mapping=in_mapping) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else tuple(items)
    if isinstance(value, Struct):
        changes = {}
        for name in value.__struct_fields__:
            old = getattr(value, name)
            new = _encodable(old, in_mapping=False)
            if new is not old:
                changes[name] = new
        return replace(value, **changes) if changes else value
    return value


_SURROGATE = re.compile("[\ud800-\udfff]")


def _spell(match: re.Match[str]) -> str:
    return f"\\u{{{ord(match[0]):x}}}"


def _json_escape(match: re.Match[str]) -> str:
    raw = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[i]:02x}{raw[i + 1]:02x}" for i in range(0, len(raw), 2))
