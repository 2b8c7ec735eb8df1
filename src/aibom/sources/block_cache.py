"""Pieces of a remote file that were read."""

from __future__ import annotations

from bisect import bisect_right


class BlockCache:
    """Pieces of one file that were read, in their order, no two of which touch. Offsets are in bytes."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[bytes] = []

    def get(self, offset: int, length: int) -> bytes | None:
        """Return these bytes if one piece holds all of them."""
        number = bisect_right(self._starts, offset) - 1
        if number < 0:
            return None
        begin = offset - self._starts[number]
        piece = self._pieces[number]
        return piece[begin : begin + length] if begin + length <= len(piece) else None

    def put(self, offset: int, data: bytes) -> None:
        """Keep a piece; it becomes one with all pieces that it touches."""
        if not data:
            return
        start, end = offset, offset + len(data)
        first = bisect_right(self._starts, start)
        if first and self._starts[first - 1] + len(self._pieces[first - 1]) >= start:
            first -= 1
        last = bisect_right(self._starts, end)
        touching = [*zip(self._starts[first:last], self._pieces[first:last], strict=True), (start, data)]
        start = min(at for at, _ in touching)
        merged = data
        if len(touching) > 1:
            joined = bytearray(max(at + len(piece) for at, piece in touching) - start)
            for at, piece in touching:
                joined[at - start : at - start + len(piece)] = piece
            merged = bytes(joined)
        self._starts[first:last] = [start]
        self._pieces[first:last] = [merged]

    def missing(self, offset: int, length: int) -> int:
        """Return the offset of the first byte of this range that no piece holds, or the range's end."""
        number = bisect_right(self._starts, offset) - 1
        if number >= 0:
            end = self._starts[number] + len(self._pieces[number])
            if offset < end:
                return min(end, offset + length)
        return offset
