"""Inspect gradient-boosted trees: XGBoost's JSON and UBJSON, LightGBM's text. They are data; nothing in them runs."""

from __future__ import annotations

import re
from typing import Any

from aibom.components import Inspection, Scalar
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import RepoFile
from aibom.findings import Severity
from aibom.inspectors.foreign_json import read_json
from aibom.inspectors.observations import Observations
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_DEPTH = 100
_WINDOW = 64 * 1024
_TEXT = 4096
_HEAD_BYTES = 256 * 1024
_WIDTHS = {"i": 1, "U": 1, "I": 2, "l": 4, "L": 8, "d": 4, "D": 8, "C": 1, "Z": 0, "T": 0, "F": 0, "N": 0}
_SIGNED = frozenset("iIlL")
_FACTS = re.compile(
    r"^(version|num_class|num_tree_per_iteration|max_feature_idx|objective|average_output|label_index)=?([^\n]*)$",
    re.MULTILINE,
)


def inspect_xgboost_json(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Read version, objective and sizes; raises `MalformedFile` where it is no XGBoost model."""
    seen = Observations(file, limits)
    match read_json(data, limits):
        case {"learner": dict(learner), **rest}:
            version = rest.get("version")
            if isinstance(version, list):
                seen.note("version", ".".join(str(part) for part in version[:3]))
            for path in _XGBOOST_FACTS:
                value: Any = learner
                for key in path:
                    value = value.get(key) if isinstance(value, dict) else None
                seen.note(path[-1] if path[-1] != "name" else path[0], value if isinstance(value, str | int) else None)
        case _:
            raise MalformedFile("the document has no learner")
    return seen.inspection()


_XGBOOST_FACTS = (
    ("objective", "name"), ("gradient_booster", "name"), ("learner_model_param", "num_feature"),
    ("learner_model_param", "num_class"), ("gradient_booster", "model", "gbtree_model_param", "num_trees"),
)  # fmt: skip


def inspect_ubjson(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Walk a UBJSON document to its end; raises `MalformedFile` where it is none."""
    seen = Observations(file, limits)
    walk = _Ubjson(data, limits)
    if walk.marker(0) != "{":
        raise MalformedFile("the document does not begin with an object")
    try:
        end = walk.run(seen)
        if end < data.size:
            seen.report(
                MALFORMED_FILE, f"{data.size - end} bytes follow the model", offset=end, severity=Severity.MEDIUM
            )
    except FileFault as fault:
        seen.fault(fault)
    return seen.inspection()


def inspect_lightgbm(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Read the head of a LightGBM model; raises `MalformedFile` where it is none."""
    seen = Observations(file, limits)
    head = data.read_at(0, _HEAD_BYTES).decode("utf-8", "replace")
    if not head.startswith(("tree\n", "tree\r\n")):
        raise MalformedFile("the text does not begin with the line `tree`")
    for key, value in _FACTS.findall(head):
        seen.note(key, value.strip() or True)
    return seen.inspection()


class _Ubjson:
    """A reader of UBJSON (https://ubjson.org/type-reference/) with the typed containers that XGBoost writes."""

    def __init__(self, data: ByteSource, limits: Limits) -> None:
        self._data = data
        self._left = limits.graph_fields
        self._window = b""
        self._start = 0

    def run(self, seen: Observations) -> int:
        """Walk all values, note the names of what stands near the top, and return where they end."""
        at = 0
        # Of each open container: is it an object, values left (None: up to its end mark), the type of all values.
        stack: list[tuple[bool, int | None, str]] = []
        path: list[str] = []
        while True:
            kind = ""
            if stack:
                is_object, left, kind = stack[-1]
                closed = left == 0
                if left is None and self.marker(at) == ("}" if is_object else "]"):
                    closed, at = True, at + 1
                if closed:
                    stack.pop()
                    path = path[: len(stack)]
                    if not stack:
                        return at
                    continue
                if left is not None:
                    stack[-1] = (is_object, left - 1, kind)
                if is_object:
                    length, at = self._length(at)
                    path = [*path[: len(stack) - 1], self._text(at, length)]
                    at += length
            if not kind:
                kind = self.marker(at)
                at += 1
            if kind in "{[":
                if len(stack) >= _DEPTH:
                    raise LimitExceeded(f"containers nested deeper than {_DEPTH}", offset=at)
                count, inner, at = self._head(at)
                if count is not None and inner in _WIDTHS and kind == "[":
                    at += count * _WIDTHS[inner]
                    self._inside(at)
                else:
                    stack.append((kind == "{", count, inner))
            elif kind in "SH":
                length, at = self._length(at)
                self._inside(at + length)
                if len(path) == len(stack) and ".".join(path) in _UBJSON_FACTS:
                    value: Scalar = self._text(at, length)
                    seen.note(".".join(path), value)
                at += length
            else:
                if kind not in _WIDTHS:
                    raise MalformedFile(f"no value begins with {kind!r}", offset=at - 1)
                at += _WIDTHS[kind]
                self._inside(at)

    def marker(self, at: int) -> str:
        """Return the type mark at an offset, passing over no-ops."""
        self._left -= 1
        if self._left < 0:
            raise LimitExceeded("the document has more values than the limit allows", offset=at)
        return self._bytes(at, 1).decode("latin-1")

    def _head(self, at: int) -> tuple[int | None, str, int]:
        """Read the optional type and count of a container."""
        count, kind = None, ""
        if self.marker(at) == "$":
            kind = self.marker(at + 1)
            at += 2
            if self.marker(at) != "#":
                raise MalformedFile("a typed container without a count", offset=at)
        if self.marker(at) == "#":
            count, at = self._length(at + 1)
        return count, kind, at

    def _length(self, at: int) -> tuple[int, int]:
        kind = self.marker(at)
        if kind not in "iUIlL":
            raise MalformedFile(f"a length of type {kind!r}", offset=at)
        width = _WIDTHS[kind]
        value = int.from_bytes(self._bytes(at + 1, width), "big", signed=kind in _SIGNED)
        if value < 0:
            raise MalformedFile(f"a length of {value}", offset=at)
        return value, at + 1 + width

    def _text(self, at: int, length: int) -> str:
        self._inside(at + length)
        return self._bytes(at, min(length, _TEXT)).decode("utf-8", "replace")

    def _inside(self, at: int) -> None:
        if at > self._data.size:
            raise MalformedFile("a value leads beyond the end of the file", offset=at)

    def _bytes(self, at: int, length: int) -> bytes:
        begin = at - self._start
        if begin < 0 or begin + length > len(self._window):
            self._window, self._start, begin = self._data.read_at(at, _WINDOW), at, 0
        part = self._window[begin : begin + length]
        if len(part) < length:
            raise MalformedFile("the file ends within a value", offset=at)
        return part


_UBJSON_FACTS = frozenset({
    "learner.objective.name", "learner.gradient_booster.name", "learner.learner_model_param.num_feature",
    "learner.learner_model_param.num_class", "learner.gradient_booster.model.gbtree_model_param.num_trees",
})  # fmt: skip
