"""Tell a pickle from anything else by walking its opcodes with a shadow of the stack.

Protocols 2 to 5 begin with a byte no text has, but protocols 0 and 1 are letters, and any opcode may stand in a stream
without a header. So the walk asks what the unpickler would do: it believes bytes that a loader would act upon, even
when garbage follows, and doubts those that stop making sense before anything happened.
"""

from __future__ import annotations

from enum import Enum

from aibom.formats.opcode_arguments import ArgumentReader, argument_of
from aibom.sources.bytesource import ByteSource

_ENOUGH_OPS = 20_000
"""Opcodes after which a stream that builds something is believed without being walked to its end."""
_MAX_OPS = 500_000
"""Opcodes walked at most. Padding of a few opcodes, repeated, may stand in front of what acts."""


class _Kind(Enum):
    TEXT = 1
    CALLABLE = 2
    OTHER = 3


class Walk:
    """How far a shadow walk came, and what it saw on the way."""

    __slots__ = ("acts", "distinct", "imports", "ops", "outcome", "structure")

    def __init__(self) -> None:
        self.ops = 0
        self.imports = 0
        self.acts = False
        self.structure = False
        self.distinct: set[int] = set()
        # Or "stopped" at STOP, "endless" where the bytes at hand ran out, "exhausted" where the budget did.
        self.outcome = "broken"

    @property
    def built(self) -> bool:
        """Whether the opcodes seen build a value, as those of a pickle do and those of a text do not."""
        return self.structure and len(self.distinct) >= 4


_TEXTS = frozenset(b"SVUXT") | {0x8C, 0x8D}
_PUSH_MARK, _STOP, _POP, _DUP = ord("("), ord("."), ord("0"), ord("2")
_MEMO_PUT = frozenset(b"pqr") | {0x94}
_MEMO_GET = frozenset(b"ghj")
_IMPORTS = frozenset(b"c") | {0x82, 0x83, 0x84}
_PERSISTENT = {ord("P"): 0, ord("Q"): 1}  # values taken
_CALLS = {ord("R"): 2, 0x81: 2, 0x92: 3}  # values taken, the callable first
_TO_MARK = frozenset(b"tld1eiou") | {0x90, 0x91}
# opcode: (values taken, value left); those that work back to a mark, or on imports, are handled one by one
_SIMPLE: dict[int, tuple[int, int]] = {
    **dict.fromkeys(b"NIJKMLGFSVUXTCB]})", (0, 1)),
    **dict.fromkeys((0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x96), (0, 1)),
    ord("a"): (2, 1), ord("s"): (3, 1), ord("b"): (2, 1), 0x97: (1, 1), 0x98: (1, 1),
    0x85: (1, 1), 0x86: (2, 1), 0x87: (3, 1), 0x95: (0, 0), 0x80: (0, 0),
}  # fmt: skip
_STRUCTURE = frozenset(b"pqaseultd]}") | {0x85, 0x86, 0x87, 0x94}


def walk(head: bytes, data: ByteSource | None = None) -> Walk:
    """Walk the opcodes from the first byte; counted arguments are skipped, not read."""
    seen = Walk()
    reader = ArgumentReader(head, data)
    shadow = _Shadow()
    at = 0
    while seen.ops < _MAX_OPS and not (seen.ops >= _ENOUGH_OPS and seen.built):
        raw = reader.take(at, 1)
        if not raw:
            break
        op = raw[0]
        step = argument_of(reader, op, at + 1)
        if reader.exhausted:
            seen.outcome = "exhausted"
            return seen
        if step is None:
            return seen
        end, argument = step
        if end > reader.size and data is not None:
            return seen
        if op == _STOP:
            if shadow.has(1):
                seen.outcome = "stopped"
                seen.ops += 1
            return seen
        if not _apply(op, argument, shadow, seen):
            return seen
        seen.ops += 1
        seen.distinct.add(op)
        seen.structure |= op in _STRUCTURE
        at = end
    else:
        seen.outcome = "exhausted"
        return seen
    if data is None and seen.ops:
        seen.outcome = "endless"
    return seen


class _Shadow:
    """What the unpickler's stack and memo would hold, by kind alone. Marks are kept apart, so no search is needed."""

    __slots__ = ("items", "marks", "memo")

    def __init__(self) -> None:
        self.items: list[_Kind] = []
        self.marks: list[int] = []
        self.memo: dict[int, _Kind] = {}

    def has(self, count: int) -> bool:
        """Say whether `count` values lie above the last mark."""
        return len(self.items) - (self.marks[-1] if self.marks else 0) >= count

    def replace(self, count: int, kind: _Kind) -> None:
        """Put one value in the place of the last `count`."""
        del self.items[len(self.items) - count :]
        self.items.append(kind)


def _apply(op: int, argument: bytes, shadow: _Shadow, seen: Walk) -> bool:
    """Do to the shadow what the opcode does to the real stack; False where the unpickler would raise."""
    if op == 0x80:
        return argument[0] <= 5
    if op in _SIMPLE:
        taken, left = _SIMPLE[op]
        if not shadow.has(taken):
            return False
        del shadow.items[len(shadow.items) - taken :]
        if left:
            shadow.items.append(_Kind.TEXT if op in _TEXTS else _Kind.OTHER)
        return True
    if op == _PUSH_MARK:
        shadow.marks.append(len(shadow.items))
        return True
    if op == _POP:  # takes a mark away, where one is on top
        if shadow.has(1):
            shadow.items.pop()
        elif shadow.marks:
            shadow.marks.pop()
        else:
            return False
        return True
    if op in _MEMO_PUT:
        if not shadow.has(1):
            return False
        shadow.memo[len(shadow.memo) if op == 0x94 else _key(op, argument)] = shadow.items[-1]
        return True
    if op in _MEMO_GET:
        kind = shadow.memo.get(_key(op, argument))
        if kind is not None:
            shadow.items.append(kind)
        return kind is not None
    if op in _PERSISTENT:
        if not shadow.has(_PERSISTENT[op]):
            return False
        # What the loader supplies for an id may be anything: a name, or something to call.
        shadow.replace(_PERSISTENT[op], _Kind.CALLABLE)
        return True
    if op in _IMPORTS:
        shadow.items.append(_Kind.CALLABLE)
        # An extension code is one byte of anything: no sign of a pickle by itself.
        seen.imports += op == ord("c")
        return True
    if op == 0x93:
        if not shadow.has(2) or _Kind.OTHER in shadow.items[-2:]:
            return False
        shadow.replace(2, _Kind.CALLABLE)
        seen.imports += 1
        return True
    if op in _CALLS:
        return _call(_CALLS[op], shadow, seen)
    return _close(op, shadow, seen) if op in _TO_MARK else op == _DUP and _duplicate(shadow)


def _key(op: int, argument: bytes) -> int:
    return int(argument) if op in b"pg" else int.from_bytes(argument, "little")


def _duplicate(shadow: _Shadow) -> bool:
    if shadow.has(1):
        shadow.items.append(shadow.items[-1])
        return True
    return False


def _call(taken: int, shadow: _Shadow, seen: Walk) -> bool:
    if not shadow.has(taken) or shadow.items[-taken] is not _Kind.CALLABLE:
        return False
    shadow.replace(taken, _Kind.CALLABLE)  # what a call gives may be called again
    seen.acts = True
    return True


def _close(op: int, shadow: _Shadow, seen: Walk) -> bool:
    """Do an opcode that takes everything back to the last mark."""
    if not shadow.marks:
        return False
    mark = shadow.marks.pop()
    first = shadow.items[mark] if len(shadow.items) > mark else None
    del shadow.items[mark:]
    if op == ord("1"):
        return True
    if op in {ord("e"), ord("u"), 0x90}:  # these add to the container below the mark
        return shadow.has(1)
    if op == ord("o") and first is not _Kind.CALLABLE:
        return False
    if op in b"io":
        seen.acts = True
        seen.imports += op == ord("i")
    shadow.items.append(_Kind.CALLABLE if op in b"io" else _Kind.OTHER)
    return True


def is_pickle(seen: Walk, head: bytes, *, named_so: bool, text: bool) -> bool:
    """Say whether an unpickler would take these bytes for its own.

    Args:
        seen: what the walk over them saw.
        head: the file's first bytes.
        named_so: the name is one that pickles usually have.
        text: the first bytes are printable throughout.
    """
    if not head or head[:1].isspace():
        return False
    if seen.acts:
        return True
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return named_so or seen.outcome != "broken" or seen.ops >= 3
    match seen.outcome:
        case "stopped":
            # `Git 1.5.2.` is a float, a copy of it and STOP: a text needs to look built to count as data.
            return bool(seen.imports) or named_so or (seen.structure and seen.ops >= 3)
        case "endless":
            return seen.built
        case "exhausted":
            # Half a million opcodes without a fault, or one line of 256 MiB: whatever follows, this is a pickle's way.
            return True
        case _:
            return bool(seen.imports) and (named_so or not text)
