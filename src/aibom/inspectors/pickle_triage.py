"""Read a pickle stream's imports at high speed, for streams that turn out to import nothing but inert things.

No stack is kept. A possessive regular expression eats runs of opcodes, checking the length of every argument itself;
Python code runs only at the opcodes that matter. Whatever this can't be certain of is left to the full walk: names
taken from the stack, extension codes, unknown opcodes, anything broken or odd.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from msgspec import Struct

from aibom.inspectors.pickle_carried import HEAD, Carried
from aibom.inspectors.pickle_nodes import Blob
from aibom.inspectors.pickle_window import Window

WORTH = 256 * 1024
"""Below this many bytes the full walk is quicker than compiling the expression."""

Inert = Callable[[str, str, int], bool]
"""Says whether a global (module, name, protocol of the stream) does no harm in any use."""


class Settled(Struct, frozen=True, kw_only=True):
    """A stream whose imports are all inert: `end` is the offset after STOP, `imports` are offset, module and name."""

    end: int
    imports: tuple[tuple[int, str, str], ...]


def triage(window: Window, start: int, inert: Inert) -> Settled | None:
    """Return what one stream imports if all of that is inert, None where the full walk has to decide."""
    run = _expression().match
    carried = Carried()
    imports: list[tuple[int, str, str]] = []
    protocol, frame_end = 0, -1
    window.move(start)
    offset = start
    while True:
        buffer, base = window.buffer, window.base
        found = run(buffer, offset - base, window.end)
        assert found is not None  # it matches nothing at least
        offset = base + found.end()
        position = offset - base
        if position >= window.end - 512 and not window.last:
            window.move(offset)
            continue
        if position >= window.end:
            return None
        match buffer[position]:
            case 0x2E:  # STOP
                return Settled(end=offset + 1, imports=tuple(imports)) if offset + 1 >= frame_end else None
            case 0x80:  # PROTO
                protocol = buffer[position + 1]
                offset += 2
                if protocol > 5:
                    return None
            case 0x95:  # FRAME
                length = int.from_bytes(buffer[position + 1 : position + 9], "little")
                if offset < frame_end or offset + 9 + length > window.size:
                    return None
                frame_end = offset + 9 + length
                offset += 9
            case 0x63:  # GLOBAL
                parts = buffer[position + 1 : position + 513].split(b"\n", 2)
                if len(parts) < 3:
                    return None
                try:
                    module, name = parts[0].decode(), parts[1].decode()
                except UnicodeDecodeError:
                    return None
                if not inert(module, name, protocol):
                    return None
                imports.append((offset, module, name))
                offset += 3 + len(parts[0]) + len(parts[1])
            case op if op in _LONG:
                width = _LONG[op]
                start = position + 1 + width
                length = int.from_bytes(buffer[position + 1 : start], "little")
                blob = Blob(base + start, length, op in _TEXTS)
                carried.consider(blob, buffer[start : start + min(length, HEAD)])
                if carried:
                    return None
                offset += 1 + width + length
                if offset > window.size:
                    return None
                if offset - base > window.end:
                    window.move(offset)
            case _:
                return None


# Opcodes with a length of so many bytes before their argument, where the expression has left that out: it is too long,
# or a text that may be a pickle.
_LONG = {0x8C: 1, 0x58: 4, 0x8D: 8, 0x42: 4, 0x8E: 8, 0x96: 8}
_TEXTS = frozenset({0x8C, 0x58, 0x8D})
_NO_ARGUMENT = b"N\x88\x89]})(ldaesutb0123RQ\x85\x86\x87\x81\x92\x94\x90\x8f\x91o"
# Names and keys are mostly this long: these lengths are tried first.
_USUAL = range(6, 40)
# Bytes and texts that may be a pickle are left to the full walk. No text shorter than this one is.
_MAY_ACT = 24
_CARRIED = rb"(?:\x80[\x02-\x05]|gA[I-X]|800[2-5]|\xc2\x80[\x02-\x05])"


@cache
def _expression() -> re.Pattern[bytes]:
    """Compile the expression that eats opcodes whose arguments are all there."""
    parts = [
        _counted(b"\x8c", 1, 255, then=b"\x94?"),
        b"K.",
        b"h.",
        b"[Jjr].{4}",
        b"[" + re.escape(_NO_ARGUMENT) + b"]",
        _counted(b"X", 4, 255, then=b"(?:q.|r.{4})?"),
        b"q.",
        b"M..",
        b"G.{8}",
        b"(?![CU]." + _CARRIED + b")(?:" + _counted(b"C", 1, 255) + b"|" + _counted(b"U", 1, 255) + b")",
        _counted(b"\x8a", 1, 16),
        b"(?!V" + _CARRIED + b"|S." + _CARRIED + b")[ILFSVgpP][^\n]*+\n",
    ]
    return re.compile(b"(?:" + b"|".join(parts) + b")*+", re.DOTALL)


def _counted(op: bytes, width: int, most: int, *, then: bytes = b"") -> bytes:
    """Match an opcode, its length and exactly that many bytes, for lengths up to `most`."""
    lengths = [*(n for n in _USUAL if n <= most), *(n for n in range(most + 1) if n not in _USUAL)]
    rest = bytes(width - 1)
    # Looking ahead takes time, so texts with the first letter of those that may be a pickle are left to the loop.
    first = rb"[^g8\xc2]" if op[0] in _TEXTS else b"."
    ways = [
        re.escape(bytes([n]) + rest) + (first + b".{%d}" % (n - 1) if n >= _MAY_ACT else b".{%d}" % n if n else b"")
        for n in lengths
    ]
    return re.escape(op) + b"(?:" + b"|".join(ways) + b")" + then
