"""Read a remote file by ranges: small first, larger while the reader goes on in sequence, and never past a budget.

Measured (docs/remote.md): a first read of 64 KiB covers nearly every safetensors header in one request; doubling the
window while the reader is sequential reads a 7 MB GGUF header in five; a format that links its parts (ONNX with inline
weights) costs a request a part, each of which waits for the one before. Where the distances repeat, the next parts are
asked for side by side (`strides`); where they do not and are short, or after 64 such requests, the file is streamed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct, field

from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.sources.block_cache import BlockCache
from aibom.sources.strides import Strides

KIB = 1024
FIRST_WINDOW = 64 * KIB
LARGEST_WINDOW = 8 * KIB * KIB
DEPENDENT_REQUESTS = 64
# A request that waits for the one before costs as much as streaming this many bytes: 50 ms at 1 Gbit/s. A reader that
# hops forwards by less than that, again and again, is better served by a stream. Assumed rather than measured, so that
# the same target is read in the same way everywhere.
_BYTES_PER_REQUEST = 6 * KIB * KIB
# It is given time to show two turns of a cycle first.
_HOPS = 16
# A stream that is read forwards keeps this much behind the reader, for the small steps back that readers make, and is
# left when the reader skips more than this at once: asking anew is cheaper.
_STREAM_TAIL = 1024 * KIB
_LONGEST_SKIP = 16 * _BYTES_PER_REQUEST
# What is foreseen is asked for with this many bytes around it, and with this many requests at a time.
_SLACK = 2 * KIB
_SIDE_BY_SIDE = 32


class Remote(Protocol):
    """Where the bytes of one file come from. OSError for what the network does."""

    def fetch(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes; MalformedFile if the place gives others."""
        ...

    def stream(self, offset: int) -> Iterator[bytes]:
        """Yield the bytes from `offset` to the end, in pieces."""
        ...


class ReadBudget(Struct):
    """What one scan may still move, in bytes, over all its files; safe for several threads."""

    left: int
    moved: int = 0
    requests: int = 0
    _lock: Lock = field(default_factory=Lock)

    def take(self, length: int) -> None:
        """Spend before reading.

        Raises:
            LimitExceeded: there is not enough left.
        """
        with self._lock:
            if length > self.left:
                raise LimitExceeded("the scan would move more bytes over the network than the limit allows")
            self.left -= length
            self.moved += length
            self.requests += 1

    def stream(self, length: int) -> None:
        """Count a file that is streamed; its own bound was checked by whoever decided to stream it."""
        with self._lock:
            self.moved += length
            self.requests += 1


class RangeSource:
    """A remote file as a `ByteSource`. One instance a path: inventory, inspector and resolver share what was read.

    Raises `LimitExceeded` from reads that would pass the file's or the scan's budget, `MalformedFile` where the place
    gives other bytes than it promised, OSError from the network.
    """

    distant = True

    def __init__(
        self, remote: Remote, size: int, *, file_budget: int, stream_budget: int, scan_budget: ReadBudget
    ) -> None:
        self.size = size
        self._remote = remote
        self._cache = BlockCache()
        self._left = file_budget
        self._stream_budget = stream_budget
        self._scan_budget = scan_budget
        self._window = FIRST_WINDOW
        self._next = 0
        self._requests = 0
        self._hops = 0
        self._hopped_from = 0
        self._strides = Strides()
        self._hopped_to = 0
        self._reach = 0
        self._stream: _Stream | None = None
        self._whole: _Stream | None = None
        self._lock = Lock()

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        length = min(length, max(0, self.size - offset))
        if length <= 0:
            return b""
        with self._lock:
            while (data := self._cache.get(offset, length)) is None:
                if self._stream is not None and self._stream.covers(offset):
                    return self._stream.read(offset, length)
                self._read_more(offset, length)
            if 0 <= offset - self._hopped_to < FIRST_WINDOW and self._hopped_to:
                self._reach = max(self._reach, offset - self._hopped_to + length)
            return data

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`, out of one stream that is not kept: this is how a whole file is digested.

        It is not bounded by the budgets for ranges: whoever reads a file so has been asked to move all of it.
        """
        length = min(len(buffer), max(0, self.size - offset))
        if length <= 0:
            return 0
        with self._lock:
            if self._whole is None or not self._whole.covers(offset):
                self._scan_budget.stream(self.size - offset)
                self._whole = _Stream(self._remote.stream(offset), offset)
            buffer[:length] = self._whole.read(offset, length)
        return length

    def preload(self) -> None:
        """Read the first window, so that the first look at the file waits for nothing."""
        self.read_at(0, FIRST_WINDOW)

    def _read_more(self, offset: int, length: int) -> None:
        start = self._cache.missing(offset, length)
        # A reader that goes on where the last read ended will want more of the same; one that jumps may not.
        self._window = min(self._window * 2, LARGEST_WINDOW) if start == self._next and self._requests else FIRST_WINDOW
        want = min(max(offset + length - start, self._window), self.size - start)
        self._count_hop(start)
        goes_on = start == self._next or start > offset  # behind the last window, or behind one that was foreseen
        if self._requests and not goes_on:
            self._strides.note(start)
            self._hopped_to = start
        foreseen = [] if goes_on else self._foreseen(want)
        stubborn = self._requests >= DEPENDENT_REQUESTS or self._hops_short()
        if stubborn and not foreseen and self.size - start <= self._stream_budget:
            self._start_stream(start)
            return
        self._take(want)
        data = self._fetch_with(start, want, foreseen) if foreseen else self._remote.fetch(start, want)
        if len(data) != want:
            raise MalformedFile(f"{len(data)} bytes came where {want} were promised", offset=start)
        self._requests += 1
        self._next = start + want
        self._cache.put(start, data)

    def _take(self, length: int) -> None:
        if length > self._left:
            raise LimitExceeded("reading on would move more bytes of this file over the network than the limit allows")
        self._scan_budget.take(length)
        self._left -= length

    def _start_stream(self, start: int) -> None:
        if self._stream is not None:
            self._stream.close()
        self._scan_budget.stream(self.size - start)
        self._stream_budget -= self.size - start
        self._stream = _Stream(self._remote.stream(start), start)

    def _foreseen(self, want: int) -> list[tuple[int, int]]:
        """Return the windows, as (offset, length), that the reader will want after a hop that costs `want` bytes."""
        length = self._reach + 2 * _SLACK
        windows = [(max(0, at - _SLACK), length) for at in self._strides.foresee()]
        inside = [(at, length) for at, length in windows if at + length <= self.size]
        return inside if want + len(inside) * length <= self._left else []

    def _fetch_with(self, start: int, want: int, windows: list[tuple[int, int]]) -> bytes:
        """Return what is wanted, and keep windows that are asked for at its side.

        Nobody has asked for those yet: what fails of them fails again when somebody does.
        """
        for _, length in windows:
            self._take(length)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            wanted = pool.submit(self._remote.fetch, start, want)
            asked = [(at, length, pool.submit(self._remote.fetch, at, length)) for at, length in windows]
        for at, length, answer in asked:
            with suppress(OSError, FileFault):
                if len(data := answer.result()) == length:
                    self._cache.put(at, data)
        return wanted.result()

    def _count_hop(self, start: int) -> None:
        if start < self._next:
            self._hops = 0
        elif start > self._next:
            self._hops += 1
        if self._hops <= 1:
            self._hopped_from = start

    def _hops_short(self) -> bool:
        return self._hops > _HOPS and self._next - self._hopped_from < (self._hops - 1) * _BYTES_PER_REQUEST

    def close(self) -> None:
        """Keep what was read: the next reader of this path is served from it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RemoteLimits(Struct, frozen=True, kw_only=True):
    """What a remote target may cost, in bytes: by ranges a file, of a file that is streamed, by ranges in all.

    `files` is the number of names in its listing.
    """

    file_bytes: int = 32 * KIB * KIB
    stream_bytes: int = 2 * KIB * KIB * KIB
    scan_bytes: int = 512 * KIB * KIB
    files: int = 200_000

    def open(self, remote: Remote, size: int, budget: ReadBudget) -> RangeSource:
        """Return the file as a `ByteSource` within these limits and what is left of the scan's budget."""
        return RangeSource(
            remote, size, file_budget=self.file_bytes, stream_budget=self.stream_bytes, scan_budget=budget
        )


class _Stream:
    """A file that arrives in sequence; a reader may go forwards, and a little back."""

    def __init__(self, pieces: Iterator[bytes], start: int) -> None:
        self._pieces = pieces
        self._start = start
        self._held = bytearray()

    def covers(self, offset: int) -> bool:
        return self._start <= offset <= self._start + len(self._held) + _LONGEST_SKIP

    def read(self, offset: int, length: int) -> bytes:
        while (end := self._start + len(self._held)) < offset + length:
            piece = next(self._pieces, None)
            if piece is None:
                raise MalformedFile("the file ended before its promised size", offset=end)
            if end + len(piece) <= offset - _STREAM_TAIL:
                # Nobody will look at it: copying what is skipped would cost more than receiving it.
                self._held.clear()
                self._start = end + len(piece)
                continue
            self._held += piece
            self._forget(min(offset, end + len(piece)) - _STREAM_TAIL)
        begin = offset - self._start
        return bytes(self._held[begin : begin + length])

    def close(self) -> None:
        """End the transfer."""
        self._held.clear()
        if isinstance(self._pieces, Generator):
            self._pieces.close()

    def _forget(self, before: int) -> None:
        if before > self._start:
            del self._held[: before - self._start]
            self._start = before
