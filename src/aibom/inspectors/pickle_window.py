"""A moving window over a byte source, for readers that go forward and jump over what they need not see."""

from __future__ import annotations

from aibom.inspectors.pickle_carried import Carried
from aibom.sources.bytesource import ByteSource

# More than the longest text that is taken at once, so that any such argument fits into a fresh window.
FIRST = 128 * 1024
MOST = 1024 * 1024
PADDING = 16


class Window:
    """`buffer` holds the bytes from `base`; `end` of them are real; `last` says whether the source ends there.

    Sixteen zero bytes follow the real ones, so that fixed-size arguments can be taken before the end is checked.
    What is passed in sequence is searched for texts that are pickles, where `carried` is to know of them.
    Windows double in size while reading goes on in sequence and start small after a jump.
    """

    __slots__ = ("_size", "_source", "base", "buffer", "carried", "end", "last")

    def __init__(self, source: ByteSource, carried: Carried | None = None) -> None:
        self.carried = carried
        self._source = source
        self._size = FIRST
        self.base = 0
        self.end = 0
        self.buffer = bytes(PADDING)
        self.last = source.size == 0

    @property
    def size(self) -> int:
        """How many bytes the source holds."""
        return self._source.size

    def move(self, offset: int, least: int = 0) -> None:
        """Load the window at `offset` with `least` bytes or more (fewer only at the end of the source)."""
        sequential = self.base <= offset <= self.base + self.end
        if sequential:
            self.passed(offset)
        self._size = min(MOST, self._size * 2) if sequential and self.end else FIRST
        data = self._source.read_at(offset, max(self._size, least)) if offset < self._source.size else b""
        self.base = offset
        self.end = len(data)
        # A short read before the declared end means that the source shrank: what is there is all there is.
        self.last = offset + len(data) >= self._source.size or len(data) < max(self._size, least)
        self.buffer = data + bytes(PADDING)

    def passed(self, offset: int) -> None:
        """Search what stands before `offset` in this window, which is about to be left."""
        if self.carried is not None and offset > self.base:
            self.carried.search(self.buffer, 0, min(offset - self.base, self.end), self.base)

    def peek(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from anywhere, without moving."""
        start = offset - self.base
        if start >= 0 and start + length <= self.end:
            return self.buffer[start : start + length]
        return self._source.read_at(offset, length) if offset < self._source.size else b""
