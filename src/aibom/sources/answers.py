"""Read what a server sends within bounds: of bytes, of time, and of what its compression may stand for."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

# A line of 56 kbit/s brings this much; what is slower than that for longer than the grace is holding us.
_LEAST_RATE = 7 * 1024
_GRACE = 60.0
_UNPACKED = 64 * 1024


class NetworkError(OSError):
    """The network did not give what was asked for; `status` is the HTTP status, 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def strerror(self) -> str:  # type: ignore[override]  # OSError's is set from an errno that there is none of
        """The message: what readers of OSError show."""
        return str(self.args[0])


class Pace:
    """How fast an answer comes: after a grace of 60 seconds, not under 7 KiB a second from its first byte on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = clock()
        self._bytes = 0

    def keeps(self, more: int) -> bool:
        """Count bytes that came, and say whether they came soon enough."""
        self._bytes += more
        return self._clock() - self._started <= _GRACE + self._bytes / _LEAST_RATE

    def __str__(self) -> str:
        return f"{self._bytes} bytes in {self._clock() - self._started:.0f} seconds"


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what the call returns; the time between two bytes is the HTTP library's to bound, all of it is ours.

    Raises:
        TimeoutError: it takes longer. It goes on in a thread that nobody waits for.
    """
    outcome: list[T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as fault:  # noqa: BLE001 -- it is raised where somebody waits for the outcome
            faults.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if faults:
        raise faults[0]
    if not outcome:
        raise TimeoutError
    return outcome[0]


def unpacked(response: Any, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a body without its gzip, a little at a time: proxies pack what they were asked to send as it is.

    Raises:
        NetworkError: it is packed in another way, or not as it says.
    """
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        yield from pieces
        return
    if encoding != "gzip":
        raise NetworkError(f"the answer has the encoding {encoding[:40]}, which was not asked for")
    expansion = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            part = expansion.decompress(piece, _UNPACKED)
            while part:
                yield part
                part = expansion.decompress(expansion.unconsumed_tail, _UNPACKED)
    except zlib.error as fault:
        raise NetworkError("the answer is not the gzip that it says it is") from fault


def bounded(pieces: Iterator[bytes], limit: int, host: str) -> Iterator[bytes]:
    """Yield the pieces, up to `limit` bytes in all.

    Raises:
        NetworkError: there are more.
    """
    left = limit
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise NetworkError(f"{host} answered with more than {limit} bytes")
        yield piece
