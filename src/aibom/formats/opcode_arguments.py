"""Find where each opcode of a pickle ends: counted arguments are skipped, lines are followed to their end."""

from __future__ import annotations

import re

from aibom.sources.bytesource import ByteSource

MAX_BYTES = 256 * 1024 * 1024
"""Bytes read at most while following opcodes and looking for the ends of lines; counted arguments are skipped."""
_WINDOW = 64 * 1024
_LINE = 1024 * 1024  # a longer line is followed to its end, and not kept

_FIXED = {ord("K"): 1, ord("M"): 2, ord("J"): 4, ord("G"): 8, 0x95: 8, 0x82: 1, 0x83: 2, 0x84: 4, 0x80: 1}
_COUNTED = {ord("U"): 1, 0x8C: 1, ord("X"): 4, ord("T"): 4, 0x8D: 8, ord("C"): 1, ord("B"): 4, 0x8E: 8, 0x96: 8,
            0x8A: 1, 0x8B: 4}  # fmt: skip
_INTEGER = rb"\s*[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[0-9]+)"
_NUMBER = {
    ord("I"): re.compile(_INTEGER + rb"\s*"),
    ord("L"): re.compile(_INTEGER + rb"L?\s*"),
    ord("F"): re.compile(rb"\s*[-+]?([0-9]+\.?[0-9]*([eE][-+]?[0-9]+)?|\.[0-9]+([eE][-+]?[0-9]+)?|inf|nan)\s*"),
}
_QUOTED = re.compile(rb"\s*(['\"]).*\1\s*")
_NAME = re.compile(rb"[^\s\x00-\x1f]+")
_KEY = re.compile(rb"[0-9]{1,18}")


class ArgumentReader:
    """The stream's bytes through one window that follows the walk."""

    def __init__(self, head: bytes, data: ByteSource | None) -> None:
        self._data = data
        self._start = 0
        self._bytes = head
        self.size = len(head) if data is None else data.size
        self.spent = 0

    def take(self, at: int, length: int) -> bytes:
        """Return `length` bytes at `at`, fewer at the end of what there is."""
        if at < self._start or at + length > self._start + len(self._bytes):
            if self._data is None:
                return self._bytes[at - self._start : at - self._start + length]
            self._start = at
            self._bytes = self._data.read_at(at, max(length, _WINDOW))
            self.spent += len(self._bytes)
        return self._bytes[at - self._start : at - self._start + length]

    @property
    def exhausted(self) -> bool:
        """Whether the budget of bytes is used up."""
        return self.spent >= MAX_BYTES

    def line(self, at: int) -> bytes | None:
        """Return the line at `at` without its end, None where no end comes within 1 MiB or within the budget."""
        length = 256
        while length <= _LINE and not self.exhausted:
            part = self.take(at, length)
            end = part.find(b"\n")
            if end >= 0:
                return part[:end]
            if len(part) < length:
                return None
            length *= 4
        return None

    def end_of_line(self, at: int) -> int | None:
        """Return where the line at `at` ends, however long it is; None where it does not end within the budget."""
        while not self.exhausted:
            part = self.take(at, _LINE)
            end = part.find(b"\n")
            if end >= 0:
                return at + end
            if len(part) < _LINE:
                return None
            at += len(part)
        return None


def argument_of(reader: ArgumentReader, op: int, at: int) -> tuple[int, bytes] | None:
    """Return where the opcode at `at - 1` ends, with the argument; None where it is wrong."""
    if op in _FIXED:
        raw = reader.take(at, _FIXED[op])
        return (at + _FIXED[op], raw) if len(raw) == _FIXED[op] else None
    if op in _COUNTED:
        width = _COUNTED[op]
        raw = reader.take(at, width)
        if len(raw) < width:
            return None
        length = int.from_bytes(raw, "little")
        return at + width + length, b""
    if op in b"qhrj":
        width = 1 if op in b"qh" else 4
        raw = reader.take(at, width)
        return (at + width, raw) if len(raw) == width else None
    if op in b"ILFSVPgp":
        line = reader.line(at)
        if line is None:
            # Only a text may be so long. What it says does not matter, what comes behind it does.
            end = reader.end_of_line(at) if op in b"SVP" else None
            return None if end is None else (end + 1, b"")
        return (at + len(line) + 1, line) if _line_is_sound(op, line) else None
    if op in b"ci":
        module = reader.line(at)
        if module is None or not _NAME.fullmatch(module):
            return None
        name = reader.line(at + len(module) + 1)
        if name is None or not _NAME.fullmatch(name.rstrip(b"\r")):
            return None
        return at + len(module) + len(name) + 2, module
    return at, b""


def _line_is_sound(op: int, line: bytes) -> bool:
    if op in _NUMBER:
        return bool(_NUMBER[op].fullmatch(line))
    if op == ord("S"):
        return bool(_QUOTED.fullmatch(line))
    return op not in b"gp" or bool(_KEY.fullmatch(line.strip()))
