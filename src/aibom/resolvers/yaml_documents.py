"""Read one YAML document from a stranger into text, lists and mappings.

Values are built from the parser's events on an explicit stack: nothing is constructed by tag, nothing recurses, and
what aliases and merge keys would expand to is counted before it is kept. Plain scalars stay text except `null`,
`true` and `false`, so the language code `no` is no boolean, `1.10` no 1.1 and `2024-01-01` no date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from aibom.errors import LimitExceeded, MalformedFile
from aibom.limits import Limits

Yaml = str | bool | None | list[Any] | dict[str, Any]

MAX_NODES = 200_000
_WORDS: Mapping[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_MERGE = "<<"
_CORE_TAG = "tag:yaml.org,2002:"
_PATH_CHARACTERS = 300  # a long key above many values would make as many long paths


class YamlDocument(Struct, frozen=True, kw_only=True):
    """A document's value; `lines` gives the line (from 1) of each value by its dotted path (`datasets.0`).

    `duplicates` are keys that stand twice in one mapping (the first value is kept), with the line of the second.
    `tags` are explicit tags, which are never acted upon.
    """

    value: Yaml
    lines: Mapping[str, int]
    duplicates: tuple[tuple[str, int], ...] = ()
    tags: tuple[tuple[str, int], ...] = ()


class _Open(Struct):
    """A list or mapping that is not closed yet."""

    value: list[Any] | dict[str, Any]
    path: str | None
    anchor: str | None
    started: int
    key: str | None = None
    merges: list[Any] = field(default_factory=list)


def parse_yaml(text: str, limits: Limits) -> YamlDocument:
    """Parse the first document of `text`.

    Raises:
        MalformedFile: it is not YAML, or holds a key that is no scalar or an alias to what is not finished.
        LimitExceeded: it is larger, deeper or has more aliases than `limits` allow, or would expand too far.
    """
    if len(text) > limits.yaml_bytes:
        raise LimitExceeded(f"YAML of {len(text)} characters, limit {limits.yaml_bytes}")
    builder = _Builder(limits)
    for event in _events(text):
        if builder.take(event):
            break
    return builder.document()


def _events(text: str) -> Iterator[Any]:
    import yaml  # noqa: PLC0415 -- start-up time

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # wheels carry the C parser, a source build may not
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        place = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise MalformedFile(f"not YAML{place}: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        raise MalformedFile(f"not YAML: {str(error).splitlines()[0]}") from None


class _Builder:
    """Turns events into values."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._stack: list[_Open] = []
        self._root: Yaml = None
        self._lines: dict[str, int] = {}
        self._duplicates: list[tuple[str, int]] = []
        self._tags: list[tuple[str, int]] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._aliases = 0

    def document(self) -> YamlDocument:
        return YamlDocument(
            value=self._root, lines=self._lines, duplicates=tuple(self._duplicates), tags=tuple(self._tags)
        )

    def take(self, event: Any) -> bool:
        """Use one event; True at the end of the document."""
        line = event.start_mark.line + 1
        match type(event).__name__:
            case "DocumentEndEvent":
                return True
            case "ScalarEvent":
                self._count(1)
                self._note_tag(event, line)
                self._scalar(event, line)
            case "SequenceStartEvent" | "MappingStartEvent" as kind:
                self._count(1)
                self._note_tag(event, line)
                self._start([] if kind.startswith("Seq") else {}, event, line)
            case "SequenceEndEvent" | "MappingEndEvent":
                self._end()
            case "AliasEvent":
                self._alias(event.anchor, line)
            case _:
                pass
        return False

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise LimitExceeded(f"YAML expands to more than {MAX_NODES} values")

    def _note_tag(self, event: Any, line: int) -> None:
        tag = event.tag
        if tag and (not tag.startswith(_CORE_TAG) or "python" in tag):
            self._tags.append((tag, line))

    def _scalar(self, event: Any, line: int) -> None:
        plain = event.implicit[0] and not event.style
        value = _WORDS.get(event.value, event.value) if plain else event.value
        if self._awaits_key():
            self._set_key(event.value, line)
            self._anchor(event.anchor, event.value, 1)
            return
        self._place(value, line)
        self._anchor(event.anchor, value, 1)

    def _start(self, value: list[Any] | dict[str, Any], event: Any, line: int) -> None:
        if len(self._stack) >= self._limits.json_depth:
            raise LimitExceeded(f"YAML nested deeper than {self._limits.json_depth}")
        if self._awaits_key():
            raise MalformedFile(f"a key at line {line} is a list or a mapping")
        path = self._note_line(line)
        self._stack.append(_Open(value=value, path=path, anchor=event.anchor, started=self._nodes - 1))

    def _end(self) -> None:
        done = self._stack.pop()
        if isinstance(done.value, dict):
            self._merge(done)
        self._anchor(done.anchor, done.value, self._nodes - done.started)
        self._store(done.value)

    def _alias(self, name: str, line: int) -> None:
        self._aliases += 1
        if self._aliases > self._limits.yaml_aliases:
            raise LimitExceeded(f"YAML with more than {self._limits.yaml_aliases} aliases")
        if name not in self._anchors:
            raise MalformedFile(f"the alias at line {line} names nothing that is finished before it")
        value, size = self._anchors[name]
        self._count(size)
        if self._awaits_key():
            if not isinstance(value, str):
                raise MalformedFile(f"a key at line {line} is a list or a mapping")
            self._set_key(value, line)
            return
        self._place(value, line)

    def _anchor(self, name: str | None, value: Any, size: int) -> None:
        if name:
            self._anchors[name] = (value, size)

    def _awaits_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None

    def _set_key(self, key: str, line: int) -> None:
        top = self._stack[-1]
        top.key = key
        if key in top.value and key != _MERGE:
            self._duplicates.append((key, line))
        self._note_line(line)

    def _note_line(self, line: int) -> str | None:
        """Remember where the value under construction stands; return its path, None where that is too long."""
        if not self._stack:
            return ""
        top = self._stack[-1]
        part = str(len(top.value)) if isinstance(top.value, list) else top.key or ""
        if top.path is None or len(top.path) + len(part) > _PATH_CHARACTERS:
            return None
        path = f"{top.path}.{part}" if top.path else part
        self._lines.setdefault(path, line)
        return path

    def _place(self, value: Yaml, line: int) -> None:
        self._note_line(line)
        self._store(value)

    def _store(self, value: Any) -> None:
        if not self._stack:
            self._root = value
            return
        top = self._stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
            return
        key, top.key = top.key or "", None
        if key == _MERGE:
            top.merges.extend(value if isinstance(value, list) else [value])
        else:
            top.value.setdefault(key, value)

    def _merge(self, done: _Open) -> None:
        assert isinstance(done.value, dict)
        for source in done.merges:
            if not isinstance(source, dict):
                raise MalformedFile("a merge key (<<) takes something that is no mapping")
            self._count(len(source))
            for key, value in source.items():
                done.value.setdefault(key, value)
