"""JSON that somebody signed: read to the letter, refused where two readers could differ, never repaired."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from aibom.errors import LimitExceeded, MalformedFile
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

MAX_VALUES = 2_000_000
"""Values of a document: each takes about a hundred bytes in memory and two in a file, so its size alone bounds nothing.
A model signature over the most files that a scan lists has 1.2 million.
"""
MAX_BOM_VALUES = 8_000_000
"""The same for a bill of materials that the user names."""
# A string left open runs to the end of the text, so that no start is tried twice and the scan stays linear.
_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def read_json(data: ByteSource, limits: Limits) -> Mapping[str, Any]:
    """Read a file that has to be one JSON object; see `strict_object`.

    Raises:
        MalformedFile: it is not.
        LimitExceeded: it is longer or deeper than the limits allow; of one that is too long not a byte was read.
    """
    if data.size > limits.json_bytes:
        raise LimitExceeded(f"{data.size} bytes of JSON, limit {limits.json_bytes}")
    return strict_object(data.read_at(0, data.size), limits)


def strict_object(raw: bytes, limits: Limits, *, most: int = MAX_VALUES) -> Mapping[str, Any]:
    """Parse bytes that have to be one JSON object without a key that stands twice, of at most `most` values.

    Raises:
        MalformedFile: they are not UTF-8 or not JSON, or a key stands twice: readers disagree on which one counts.
        LimitExceeded: longer, deeper or of more values than the limits allow; the parser itself is recursive.
    """
    if len(raw) > limits.json_bytes:
        raise LimitExceeded(f"{len(raw)} bytes of JSON, limit {limits.json_bytes}")
    if (values := raw.count(b",") + raw.count(b"[") + raw.count(b"{")) > most:
        raise LimitExceeded(f"{values} values in JSON, or commas in its texts, limit {most}")
    depth = 0
    for match in _BRACKET.finditer(raw):
        token = match[0]
        if token in {b"[", b"{"}:
            depth += 1
            if depth > limits.json_depth:
                raise LimitExceeded(f"nested deeper than {limits.json_depth}")
        elif token in {b"]", b"}"}:
            depth = max(0, depth - 1)
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except UnicodeDecodeError as fault:
        raise MalformedFile("not UTF-8") from fault
    except ValueError as fault:  # its own errors, and numbers of more digits than Python converts
        raise MalformedFile(f"not JSON: {fault}") from fault
    if not isinstance(value, dict):
        raise MalformedFile("not a JSON object")
    if b"\\u" in raw:
        _refuse_half_characters(value)
    return value


def _refuse_half_characters(value: Mapping[str, Any]) -> None:
    # JSON can spell half of a surrogate pair; readers keep it, replace it or fail.
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as fault:
        raise MalformedFile("a text in it holds half a character") from fault


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise MalformedFile(f"the key {ascii(twice)[:80]} stands twice in one object")
    return found


def _refuse(name: str) -> NoReturn:
    raise MalformedFile(f"{name} is no JSON number")
