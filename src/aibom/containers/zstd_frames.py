"""Expand zstd frames. Their ends are found here, because the library reads ahead and does not say how far.

Format: RFC 8878.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, cast

from aibom.errors import LimitExceeded, MalformedFile
from aibom.limits import KIB, MIB
from aibom.sources.bytesource import ByteSource, SliceSource

ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + low, 0x2A, 0x4D, 0x18]) for low in range(16)))
_WINDOW_BYTES = 128 * MIB
_CHUNK = 64 * KIB


class _Stream(io.RawIOBase):
    """The reading side of a file object over a byte source."""

    def __init__(self, data: ByteSource) -> None:
        super().__init__()
        self._data = data
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        raw = self._data.read_at(self._at, size)
        self._at += len(raw)
        return raw


def zstd_chunks(data: ByteSource, start: int) -> Iterator[tuple[bytes, int]]:
    """Yield (expanded bytes, offset after the frame) for the one frame at `start`; skippable frames give no bytes.

    Raises:
        MalformedFile: the frame is broken or cut off; what came before was yielded.
        LimitExceeded: it needs a window of more than 128 MiB, or the package is not installed.
    """
    end = frame_end(data, start)
    if data.read_at(start, 4) != ZSTD_MAGICS[0]:
        yield b"", end
        return
    try:
        import zstandard  # noqa: PLC0415 -- optional, and needed only where such a stream is met
    except ImportError:
        raise LimitExceeded("zstd data can't be read without the package zstandard") from None
    packed = SliceSource(data, start, min(end, data.size) - start)
    reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(cast("IO[bytes]", _Stream(packed)))
    while True:
        try:
            chunk = reader.read(_CHUNK)
        except zstandard.ZstdError as error:
            if "memory" in str(error):
                raise LimitExceeded(f"the compressed data needs a window of more than {_WINDOW_BYTES} bytes") from None
            raise MalformedFile(f"broken compressed data: {error}", offset=start) from None
        if not chunk:
            break
        yield chunk, min(end, data.size)
    if end > data.size:
        raise MalformedFile("the compressed data ends before its stream does", offset=data.size)


def frame_end(data: ByteSource, start: int) -> int:
    """Return the offset after the frame at `start`; beyond the end of the data if it is cut off.

    Raises:
        MalformedFile: no frame is here, or a block has the reserved type.
    """
    head = data.read_at(start, 18)
    if head[:4] in ZSTD_MAGICS[1:]:
        return start + 8 + int.from_bytes(head[4:8], "little")
    if head[:4] != ZSTD_MAGICS[0] or len(head) < 5:
        raise MalformedFile("no zstd frame", offset=start)
    descriptor = head[4]
    single = descriptor >> 5 & 1
    size_bytes = (single, 2, 4, 8)[descriptor >> 6]
    at = start + 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + size_bytes
    while True:
        raw = data.read_at(at, 3)
        if len(raw) < 3:
            return data.size + 1
        block = int.from_bytes(raw, "little")
        kind, size = block >> 1 & 3, block >> 3
        if kind == 3:
            raise MalformedFile("a zstd block of the reserved type", offset=at)
        at += 3 + (1 if kind == 1 else size)
        if block & 1:
            return at + 4 * (descriptor >> 2 & 1)
