"""Inspect JSON files. JSON runs nothing by itself; what Keras would build from it is judged, wherever it stands."""

from __future__ import annotations

from aibom.components import Inspection
from aibom.errors import LimitExceeded
from aibom.files import RepoFile
from aibom.inspectors.keras_config import judge_text
from aibom.inspectors.observations import Observations
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_MARKS = (b'"class_name"', b'"\\u00')


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge the objects that Keras would build from this document, if it names any.

    Raises:
        LimitExceeded: it is larger than the limits allow.
    """
    if data.size > limits.json_bytes:
        raise LimitExceeded(f"JSON of {data.size} bytes, limit {limits.json_bytes}")
    seen = Observations(file, limits)
    raw = data.read_at(0, data.size)
    # A key may be spelled with escapes, so their presence is reason enough to parse.
    if any(mark in raw for mark in _MARKS):
        judge_text(seen, raw.decode("utf-8-sig", "replace"), safe_mode=True)
    return seen.inspection()
