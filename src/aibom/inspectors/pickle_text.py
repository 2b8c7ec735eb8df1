"""Read the text arguments of protocol 0 as CPython's C unpickler does, which differs from `pickletools`."""

from __future__ import annotations

import re

# What C's strtol takes in base 0, whole line: the C unpickler tries this first, then Python's own base 0.
_STRTOL = re.compile(rb"[ \t\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|(.)|$)", re.DOTALL)
_SIMPLE = {
    b"\n": b"", b"\\": b"\\", b"'": b"'", b'"': b'"', b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r",
    b"t": b"\t", b"v": b"\v",
}  # fmt: skip


def integer(line: bytes) -> int:
    """Read the argument of INT (`00` and `01` are booleans there).

    Raises:
        ValueError: it is no number in base 0.
    """
    if line in {b"00", b"01"}:
        return line == b"01"
    if match := _STRTOL.fullmatch(line):
        sign, hexadecimal, octal, decimal = match.groups()
        digits = hexadecimal or octal or decimal
        value = int(digits, 16 if hexadecimal else 8 if octal else 10)
        if value < 1 << 63:
            return -value if sign == b"-" else value
    return int(line, 0)


def long_integer(line: bytes) -> int:
    """Read the argument of LONG, with or without its `L`.

    Raises:
        ValueError: it is no number in base 0.
    """
    return int(line.removesuffix(b"L"), 0)


def quoted(line: bytes) -> bytes:
    """Read the argument of STRING: quoted, with a bytes literal's escapes.

    Raises:
        ValueError: the quotes do not match, or an escape is broken.
    """
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in {b"'", b'"'}:
        raise ValueError("the STRING opcode argument must be quoted")
    return _ESCAPE.sub(_unescape, line[1:-1])


def _unescape(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, simple = match.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if simple is None or simple == b"x":
        raise ValueError("broken escape in a STRING argument")
    # An unknown escape stands for itself, backslash included.
    return _SIMPLE.get(simple, b"\\" + simple)
