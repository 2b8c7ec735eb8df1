"""Read YAML of a stranger as a flat list of scalars: nothing is constructed, aliases are not followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aibom.errors import LimitExceeded, MalformedFile
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_PLAIN_TAGS = "tag:yaml.org,2002:"
_PLAIN = frozenset({
    "str", "int", "float", "bool", "null", "map", "seq", "binary", "timestamp", "merge", "omap", "pairs",
    "set", "value",
})  # fmt: skip
_EVENTS = 1_000_000


class YamlScalar(NamedTuple):
    """A scalar with the keys that lead to it, or (with `tag`) a node whose tag makes some loader build an object."""

    path: tuple[str, ...]
    value: str
    line: int
    tag: str = ""


def read_scalars(data: ByteSource, limits: Limits) -> Iterator[YamlScalar]:
    """Yield every scalar, with its path, and every node with a tag that is no plain one.

    Raises:
        MalformedFile: it is not YAML.
        LimitExceeded: it is larger or deeper than the limits allow.
    """
    import yaml  # noqa: PLC0415 -- start-up time

    if data.size > limits.yaml_bytes:
        raise LimitExceeded(f"YAML of {data.size} bytes, limit {limits.yaml_bytes}")
    raw = data.read_at(0, data.size)
    # PyYAML reads UTF-16 behind a byte order mark, too (YAML 1.1, 5.2).
    text = raw.decode("utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig", "replace")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # Of each open collection: is it a mapping, its key so far, is a key expected next.
    stack: list[list[object]] = []
    try:
        for count, event in enumerate(yaml.parse(text, Loader=loader)):
            if count > _EVENTS or len(stack) > limits.json_depth:
                raise LimitExceeded(f"YAML deeper than {limits.json_depth} or of more than {_EVENTS} parts")
            line = event.start_mark.line + 1 if event.start_mark else 1
            tag = _sharp_tag(getattr(event, "tag", None))
            match event:
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    if tag:
                        yield YamlScalar(_path(stack), "", line, tag)
                    stack.append([isinstance(event, yaml.MappingStartEvent), "", True])
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    stack.pop()
                    _passed(stack)
                case yaml.ScalarEvent():
                    if stack and stack[-1][0] and stack[-1][2]:
                        stack[-1][1:] = [str(event.value)[:200], False]
                        if tag:
                            yield YamlScalar(_path(stack), "", line, tag)
                    else:
                        yield YamlScalar(_path(stack), event.value, line, tag)
                        _passed(stack)
                case yaml.AliasEvent():
                    _passed(stack)
    except yaml.YAMLError as error:
        raise MalformedFile(f"not YAML: {str(error).splitlines()[0]}") from None


def _passed(stack: list[list[object]]) -> None:
    """After a value a mapping expects its next key; a collection may also have been the key."""
    if stack and stack[-1][0]:
        stack[-1][2] = not stack[-1][2]


def _path(stack: list[list[object]]) -> tuple[str, ...]:
    return tuple(str(level[1]) for level in stack if level[0])


def _sharp_tag(tag: str | None) -> str:
    if not tag or tag == "!" or (tag.startswith(_PLAIN_TAGS) and tag.removeprefix(_PLAIN_TAGS) in _PLAIN):
        return ""
    return tag
