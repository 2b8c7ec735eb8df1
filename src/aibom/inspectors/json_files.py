"""Inspect JSON files. JSON runs nothing by itself; what Keras would build from it is judged, wherever it stands."""

from __future__ import annotations

from aibom.components import Inspection
from aibom.errors import LimitExceeded
from aibom.files import RepoFile
from aibom.inspectors.foreign_json import parse_json
from aibom.inspectors.keras_config import judge_text
from aibom.inspectors.observations import Observations
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_MARKS = (b'"class_name"', b'"\\u00')


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge the objects that Keras would build from this document, if it names any.

    Raises:
        MalformedFile: it names a class and is not JSON.
        LimitExceeded: it is larger or deeper than the limits allow.
    """
    if data.size > limits.json_bytes:
        raise LimitExceeded(f"JSON of {data.size} bytes, limit {limits.json_bytes}")
    seen = Observations(file, limits)
    raw = data.read_at(0, data.size)
    # A key may be spelled with escapes, so their presence is reason enough to parse.
    if any(mark in raw for mark in _MARKS):
        text = raw.decode("utf-8-sig", "replace")
        match parse_json(text, limits):
            case {"class_name": _, "config": _}:
                judge_text(seen, text, safe_mode=True)
    return seen.inspection()
