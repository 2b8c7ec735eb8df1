"""Tables and rulebooks that ship with the tool, and their strict loaders."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_DATA_ENDINGS = (".csv", ".yaml", ".bin")
_SHOWN_DIGITS = 12


@cache
def rule_data() -> Mapping[str, str]:
    """Return which data a scan was judged by: file name to the first digits of its SHA-256."""
    return {
        item.name: hashlib.sha256(item.read_bytes()).hexdigest()[:_SHOWN_DIGITS]
        for item in sorted(files("aibom.data").iterdir(), key=lambda item: item.name)
        if item.name.endswith(_DATA_ENDINGS)
    }
