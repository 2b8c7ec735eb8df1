"""Parse JSON of a stranger: size, depth and numbers are bounded before the recursive parser sees them."""

from __future__ import annotations

import json
import re
from typing import Any

from aibom.errors import LimitExceeded, MalformedFile
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

# A string left open runs to the end of the text, so that no start is tried twice and the scan stays linear.
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Repeated(dict[str, Any]):
    """An object in which a key stands twice: the last value, as Python reads it, and `hidden`, all the others."""

    hidden: list[Any]


def read_json(data: ByteSource, limits: Limits) -> Any:
    """Parse the whole source as JSON.

    Raises:
        MalformedFile: it is not JSON.
        LimitExceeded: it is larger or deeper than the limits allow.
    """
    if data.size > limits.json_bytes:
        raise LimitExceeded(f"JSON of {data.size} bytes, limit {limits.json_bytes}")
    return parse_json(decode_json(data.read_at(0, data.size)), limits)


def decode_json(raw: bytes) -> str:
    """Return bytes as text in the encoding in which `json.loads` takes them: UTF-8, 16 or 32, mark or no mark."""
    return raw.decode(json.detect_encoding(raw), "replace")


def parse_json(text: str, limits: Limits) -> Any:
    """Parse JSON text; raises as `read_json` does. An object with a repeated key becomes a `Repeated`."""
    if len(text) > limits.json_bytes:
        raise LimitExceeded(f"JSON of {len(text)} characters, limit {limits.json_bytes}")
    depth = 0
    for match in _STRUCTURE.finditer(text):
        bracket = match[0]
        if bracket in "[{":
            depth += 1
            if depth > limits.json_depth:
                raise LimitExceeded(f"JSON deeper than {limits.json_depth}", offset=match.start())
        elif bracket in "]}":
            depth -= 1
    try:
        return json.loads(_SURROGATE.sub("\ufffd", text), object_pairs_hook=_collect)
    except ValueError as error:  # its own errors, and numbers of more digits than Python converts
        raise MalformedFile(f"not JSON: {error}") from None


def _collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    repeated.hidden = [value for key, value in pairs if value is not found[key]]
    return repeated
