"""Recognize tar archives by the checksum of a header, and tell their kinds apart by the first members."""

from __future__ import annotations

from collections.abc import Iterator

from aibom.files import Format
from aibom.sources.bytesource import ByteSource

_BLOCK = 512
_MEMBERS = 64


def is_tar(head: bytes) -> bool:
    """Say whether the first 512 bytes are a tar header: the checksum holds, with or without the `ustar` mark."""
    if len(head) < _BLOCK or not head[0]:
        return False
    declared = _octal(head[148:156])
    block = head[:_BLOCK]
    return declared is not None and declared == sum(block[:148]) + sum(block[156:]) + 8 * 0x20


def kind_of_tar(name: str, head: bytes, data: ByteSource | None) -> Format:
    """Return the format of a tar, by its first members and, for NeMo's, by its name."""
    names = {member.removeprefix("./") for member in _members(head, data)}
    if {"pickle", "storages"} <= names or {"sys_info", "pickle"} <= names:
        return Format.PYTORCH_TAR  # torch.save before 0.1.10
    if "model_config.yaml" in names or name.lower().endswith(".nemo"):
        return Format.NEMO
    return Format.TAR


def _members(head: bytes, data: ByteSource | None) -> Iterator[str]:
    at = 0
    for _ in range(_MEMBERS):
        block = head[at : at + _BLOCK] if at + _BLOCK <= len(head) or data is None else data.read_at(at, _BLOCK)
        if not is_tar(block):
            return
        yield block[:100].split(b"\x00", 1)[0].decode("utf-8", "replace")
        size = _octal(block[124:136])
        if size is None:
            return
        at += _BLOCK + size + -size % _BLOCK


def _octal(field: bytes) -> int | None:
    """Read a numeric field: octal digits, or base 256 where the first bit is set (GNU tar)."""
    if field[:1] >= b"\x80":
        return int.from_bytes(field[1:]) if field[0] == 0x80 else None
    digits = field.strip(b" \x00")
    if not digits or not set(digits) <= set(b"01234567"):
        return None
    return int(digits, 8)
