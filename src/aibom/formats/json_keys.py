"""Read the top-level keys of a JSON object from its first bytes, whether or not the rest is there."""

from __future__ import annotations

import re
from collections.abc import Mapping

_STARTS = re.compile(rb"\s*(\{\s*(\"|\}|\Z)|\[\s*([\[{\"\]0-9tfn-]|\Z))")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_VALUE = 256


def looks_like_json(head: bytes) -> bool:
    """Say whether these first bytes begin a JSON object or array (and not a template or a list in Markdown)."""
    return bool(_STARTS.match(head)) and not head.lstrip().startswith((b"[![", b"[!"))


def top_level(raw: bytes) -> Mapping[str, bytes]:
    """Return the keys of the outermost object with the first bytes of each value, as far as `raw` goes."""
    keys: dict[str, bytes] = {}
    depth = 0
    last_end = 0
    candidate: bytes | None = None
    for token in _TOKEN.finditer(raw):
        text = token[0]
        between = raw[last_end : token.start()]
        if candidate is not None and b":" in between:
            keys[candidate.decode("utf-8", "replace")] = raw[last_end : last_end + _VALUE].lstrip(b" \t\r\n:")
        candidate = None
        if text[0] in b"{[":
            depth += 1
        elif text[0] in b"}]":
            depth -= 1
        elif (depth == 1 and (not between.strip() or between.strip() == b",")) or (depth == 1 and b"," in between):
            candidate = text[1:-1]
        last_end = token.end()
    if candidate is not None and raw[last_end:].lstrip().startswith(b":"):
        keys[candidate.decode("utf-8", "replace")] = raw[last_end : last_end + _VALUE].lstrip(b" \t\r\n:")
    return keys
