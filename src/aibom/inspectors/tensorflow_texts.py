"""Read TensorFlow graphs in protobuf's text form (`saved_model.pbtxt`), which TensorFlow loads like the binary one.

Of the text only what names operations is taken: the field `op` of a node, wherever the node stands.
Text format: https://protobuf.dev/reference/protobuf/textformat-spec/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aibom.errors import LimitExceeded
from aibom.inspectors.tensorflow_graphs import GraphWalk
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

# Comments, strings, names, and everything else that is no space. A string left open ends with its line, so that no
# start is tried twice and the scan stays linear.
_TOKEN = re.compile(
    rb"#[^\n]*+|\"(?:[^\"\\\n]++|\\.)*+(?:\"|\\?\Z|(?=\n))|'(?:[^'\\\n]++|\\.)*+(?:'|\\?\Z|(?=\n))"
    rb"|[A-Za-z_]\w*+|[^\s\w\"'#]|\w++",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_NAMED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_TEXT_START = re.compile(rb"[\s#A-Za-z]")


def is_text(data: ByteSource) -> bool:
    """Say whether a graph is in text form: a binary message begins with the tag of a field, which is no letter."""
    head = data.read_at(0, 64)
    return bool(_TEXT_START.match(head)) and b"\0" not in head and b":" in data.read_at(0, 4096)


def read_operations(walk: GraphWalk, data: ByteSource, limits: Limits) -> None:
    """Count the operations that the text names, with the place of each one's first mention.

    Raises:
        LimitExceeded: the text is larger than the limit for graphs in text.
    """
    if data.size > limits.json_bytes:
        raise LimitExceeded(f"a graph in text of {data.size} bytes, limit {limits.json_bytes}")
    for name, offset in _operations(data.read_at(0, data.size)):
        walk.operations[name] += 1
        walk.places.setdefault(name, offset)


def _operations(raw: bytes) -> Iterator[tuple[str, int]]:
    """Yield the value of every field `op`; neighbouring strings are one."""
    # 0 elsewhere, 1 behind `op`, 2 behind its colon, 3 inside its value
    state, value, start = 0, "", 0
    for token in _TOKEN.finditer(raw):
        word = token[0]
        if word.startswith(b"#"):
            continue
        if state >= 2 and word[:1] in b"\"'":
            state, value = 3, value + _unescaped(word[1:-1])
            continue
        if state == 3:
            yield value, start
        if state == 1 and word == b":":
            state = 2
        elif word == b"op":
            state, value, start = 1, "", token.start()
        else:
            state = 0
    if state == 3:
        yield value, start


def _unescaped(raw: bytes) -> str:
    def meant(match: re.Match[str]) -> str:
        octal, hexadecimal, short, long, other = match.groups()
        if octal:
            return chr(int(octal, 8) & 0xFF)
        if number := hexadecimal or short or long:
            code = int(number, 16)
            return chr(code) if code < 0x110000 else "\N{REPLACEMENT CHARACTER}"
        return _NAMED.get(other, other)

    return _ESCAPE.sub(meant, raw.decode("utf-8", "replace"))
