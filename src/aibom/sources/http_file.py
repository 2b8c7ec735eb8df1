"""A file behind a URL, read by ranges that must be what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from aibom.errors import MalformedFile
from aibom.sources.answers import NetworkError
from aibom.sources.network import (
    CONTENT_RANGE,
    MOST_TRIES,
    Network,
    Response,
    host_of,
    pause_before,
    transport_errors,
)


class HttpFile(Struct):
    """A file behind a URL, read by ranges. The first answer's ETag must stay the same."""

    network: Network
    url: str
    size: int
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None

    def fetch(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes; a read that breaks off is resumed."""
        parts: list[bytes] = []
        done = 0
        for attempt in range(1, MOST_TRIES + 1):
            for piece in self._pieces(offset + done, offset + length - 1):
                parts.append(piece)
                done += len(piece)
            if done >= length:
                return b"".join(parts)[:length]
            self.network.wait(pause_before(attempt, {}))
        raise NetworkError(f"{host_of(self.url)} broke off after {done} of {length} bytes")

    def stream(self, offset: int) -> Iterator[bytes]:
        """Yield the bytes from `offset` to the end; a stream that breaks off is resumed."""
        position = offset
        for attempt in range(1, MOST_TRIES + 1):
            for piece in self._pieces(position, self.size - 1):
                position += len(piece)
                yield piece
            if position >= self.size:
                return
            self.network.wait(pause_before(attempt, {}))
        raise NetworkError(f"{host_of(self.url)} broke off after {position} of {self.size} bytes")

    def _pieces(self, first: int, last: int) -> Iterator[bytes]:
        wanted = last - first + 1
        with self.network.open(self.url, {**self.headers, "Range": f"bytes={first}-{last}"}) as response:
            self._check(response, first, last)
            try:
                for piece in self.network.pieces(response):
                    yield piece[:wanted]
                    wanted -= len(piece)
                    if wanted <= 0:
                        return
            except transport_errors():
                return  # the caller sees that bytes are missing and asks for the rest

    def _check(self, response: Response, first: int, last: int) -> None:
        host = host_of(self.url)
        if response.status_code != 206:
            raise MalformedFile(f"{host} sent the whole file where a range was asked for")
        match = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or (int(match[1]), int(match[2])) != (first, last):
            raise MalformedFile(f"{host} sent another range than was asked for", offset=first)
        if int(match[3]) != self.size:
            raise MalformedFile(f"{host} says that the file has {match[3]} bytes, it was listed with {self.size}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise MalformedFile(f"{host} sent a range in an encoding of its own")
        etag = response.headers.get("etag")
        if self.etag is not None and etag is not None and etag != self.etag:
            raise MalformedFile("the file changed while it was being read", offset=first)
        self.etag = self.etag or etag
