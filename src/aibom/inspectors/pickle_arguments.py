"""Read the arguments of opcodes that are not of fixed size, from anywhere in the source.

Each function returns the argument and the offset behind it, and raises `WalkFault` where the unpickler would raise.
"""

from __future__ import annotations

from typing import Final

from aibom.inspectors import pickle_text
from aibom.inspectors.pickle_faults import WalkFault
from aibom.inspectors.pickle_nodes import MAX_TEXT, Blob, Node, PersistentId, Unknown
from aibom.inspectors.pickle_window import Window

_LONGEST_LINE: Final = 1 << 20
_LONGEST_INTEGER: Final = 1024
# Width of the length, whether it is signed, what follows.
COUNTED = {
    0x58: (4, False, "text"), 0x8D: (8, False, "text"), 0x8C: (1, False, "text"),
    0x42: (4, False, "bytes"), 0x8E: (8, False, "bytes"), 0x43: (1, False, "bytes"), 0x96: (8, False, "bytes"),
    0x54: (4, True, "string"), 0x55: (1, False, "string"),
    0x8A: (1, False, "integer"), 0x8B: (4, True, "integer"),
}  # fmt: skip
LINES = frozenset(b"ILFSVP")


def text(raw: bytes, offset: int) -> str:
    """Decode text as the unpickler does: UTF-8 with lone surrogates.

    Raises:
        WalkFault: it is not that.
    """
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise WalkFault("text is not UTF-8", offset) from None


def counted(window: Window, op: int, at: int) -> tuple[Node, int]:
    """Read an argument whose length stands before it; return it and the offset behind it."""
    width, signed, kind = COUNTED[op]
    head = window.peek(at + 1, width)
    length = int.from_bytes(head, "little", signed=signed)
    start = at + 1 + width
    if length < 0:
        raise WalkFault("a negative length", at)
    if len(head) < width or start + length > window.size:
        raise WalkFault("an argument runs past the end", at)
    end = start + length
    match kind:
        case "text" if length <= MAX_TEXT:
            return text(window.peek(start, length), at), end
        case "string" if length <= 255:
            return window.peek(start, length).decode("latin-1"), end
        case "integer" if length <= _LONGEST_INTEGER:
            return int.from_bytes(window.peek(start, length), "little", signed=True), end
        case "integer":
            return Unknown("an integer of many digits", at), end
    return Blob(start, length, text=kind == "text"), end


def line(window: Window, start: int) -> tuple[bytes | None, int]:
    """Return the line that starts here, without its end (None if very long), and the offset behind it."""
    offset, piece = start, 256
    while offset < window.size:
        part = window.peek(offset, piece)
        if (cut := part.find(b"\n")) >= 0:
            end = offset + cut
            return window.peek(start, end - start) if end - start <= _LONGEST_LINE else None, end + 1
        if not part:
            break
        offset += len(part)
        piece = min(piece * 4, 1 << 20)
    raise WalkFault("a text argument has no end", start - 1)


def name(window: Window, start: int) -> tuple[str, int]:
    """Return a line that names a module or an attribute, and the offset behind it."""
    found, end = line(window, start)
    if not found:
        raise WalkFault("a global's name is empty" if found == b"" else "a global's name is very long", start - 1)
    try:
        return found.decode(), end
    except UnicodeDecodeError:
        raise WalkFault("a global's name is not UTF-8", start - 1) from None


def text_argument(window: Window, op: int, at: int) -> tuple[Node, int]:
    """Read the argument of an opcode of protocol 0."""
    found, end = line(window, at + 1)
    if found is None:
        return Unknown("a long text argument", at), end
    try:
        match op:
            case 0x49:
                return pickle_text.integer(found), end
            case 0x4C:
                return pickle_text.long_integer(found), end
            case 0x46:
                return float(found), end
            case 0x53:
                return pickle_text.quoted(found).decode("latin-1"), end
            case 0x56:
                return found.decode("raw_unicode_escape"), end
    except ValueError:
        raise WalkFault(f"the argument of opcode {chr(op)} is not valid", at) from None
    return PersistentId(found.decode("ascii", "backslashreplace"), at), end
