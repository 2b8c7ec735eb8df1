"""Requests with manners: timeouts, retries, checked redirects, size limits, and nothing at all when offline.

Errors that the network makes are OSError with the host's name in the text, never with a token.
"""

from __future__ import annotations

import importlib
import ipaddress
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from aibom.errors import LimitExceeded, MalformedFile, TargetError

_MOST_REDIRECTS = 5
_MOST_TRIES = 5
_LONGEST_WAIT = 30.0
# As many as there are requests side by side: one that is closed after each use would cost a handshake each.
_CONNECTIONS = 40
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
# `RateLimit: "api";r=0;t=55` (IETF draft httpapi-ratelimit-headers): t is the seconds until the quota is new.
_RESET = re.compile(r"\bt=(\d+)")


Response = Any
"""An answer of the hub client's own HTTP library: httpx with huggingface_hub 1, httpx2 with 2: alike here."""


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


@dataclass(slots=True)
class Network:
    """A client for one scan. `offline` makes any attempt an error that names the host."""

    offline: bool = False
    timeout: float = 20.0
    wait: Callable[[float], None] = time.sleep
    requests: int = 0
    _client: Any = field(default=None, repr=False)
    _trusted: set[str] = field(default_factory=set)

    def trust(self, url: str) -> None:
        """Let requests go to this host even if its address is loopback or private: the user named it."""
        self._trusted.add(urlsplit(url).hostname or "")

    def get_json(self, url: str, headers: Mapping[str, str], *, limit: int) -> tuple[Any, Mapping[str, str]]:
        """Return a JSON document and its headers.

        Raises:
            NetworkError: it can't be had.
            MalformedFile: it is not JSON.
            LimitExceeded: it is larger than `limit` bytes.
        """
        import msgspec  # noqa: PLC0415

        with self.open(url, headers) as response:
            body = _bounded(response, limit)
            try:
                return msgspec.json.decode(body), dict(response.headers)
            except msgspec.DecodeError as fault:
                raise MalformedFile(f"{_host(url)} answered with something that is not JSON: {fault}") from fault

    def size_of(self, url: str) -> int:
        """Return the size in bytes of the file at a URL, asked with a range of one byte.

        Raises:
            NetworkError: it can't be had, or the server does not answer ranges.
        """
        with self.open(url, {"Range": "bytes=0-0", "Accept-Encoding": "identity"}) as response:
            match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            if response.status_code != 206 or match is None:
                raise NetworkError(f"{_host(url)} does not answer ranges; download the file and scan it here")
            return int(match[3])

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str]) -> Iterator[Response]:
        """Yield a successful answer whose body has not been read; passing faults are tried again."""
        for attempt in range(1, _MOST_TRIES + 1):
            response = self._follow(url, headers, last=attempt == _MOST_TRIES)
            if response is None:
                self.wait(_pause(attempt, {}))
                continue
            try:
                if response.status_code in _PASSING and attempt < _MOST_TRIES:
                    self.wait(_pause(attempt, response.headers))
                    continue
                if response.status_code >= 400:
                    code = response.headers.get("X-Error-Code", "")
                    raise NetworkError(f"{_host(url)} answered {response.status_code}", response.status_code, code)
                yield response
            finally:
                response.close()
            return

    def _follow(self, url: str, headers: Mapping[str, str], *, last: bool) -> Response | None:
        """Return the answer after redirects; None for a connection that failed and may be tried again."""
        client = self._connect(url)
        errors = _transport_errors()
        sent = dict(headers)
        for _ in range(_MOST_REDIRECTS + 1):
            self._check_address(url)
            try:
                self.requests += 1
                response: Response = client.send(client.build_request("GET", url, headers=sent), stream=True)
            except errors as fault:
                if last:
                    raise NetworkError(f"{_host(url)} can't be reached: {type(fault).__name__}") from fault
                return None
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return response
            response.close()
            target = urljoin(url, response.headers["location"])
            if urlsplit(target).scheme not in {"http", "https"}:
                raise NetworkError(f"{_host(url)} redirects to something that is not http")
            if _host(target) != _host(url):
                # A token is for the host it was given to; signed addresses of a store carry their own.
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            url = target
        raise NetworkError(f"{_host(url)} redirects without end")

    def _connect(self, url: str) -> Any:
        if self.offline:
            raise TargetError(
                f"{_host(url)} was about to be asked, and this scan is offline", hint="scan without --offline"
            )
        if self._client is None:
            quiet_dependencies()
            library = _library()
            self._client = library.Client(
                timeout=self.timeout,
                follow_redirects=False,
                trust_env=True,
                limits=library.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            )
        return self._client

    def _check_address(self, url: str) -> None:
        """Refuse a redirect (or a target) that leads to an address inside, unless the user named that host.

        Raises:
            NetworkError: the host is loopback, private or link-local.
        """
        host = urlsplit(url).hostname or ""
        if host in self._trusted:
            return
        try:
            found = {item[4][0] for item in socket.getaddrinfo(host, None)}
        except OSError:
            return  # a proxy may know the name; if not, the request fails with its own words
        if any(not ipaddress.ip_address(str(address).partition("%")[0]).is_global for address in found):
            raise NetworkError(f"{host} is an address inside this network, and the target did not name it")

    def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            self._client.close()
            self._client = None


@dataclass(slots=True)
class HttpFile:
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
        for attempt in range(1, _MOST_TRIES + 1):
            for piece in self._pieces(offset + done, offset + length - 1):
                parts.append(piece)
                done += len(piece)
            if done >= length:
                return b"".join(parts)[:length]
            self.network.wait(_pause(attempt, {}))
        raise NetworkError(f"{_host(self.url)} broke off after {done} of {length} bytes")

    def stream(self, offset: int) -> Iterator[bytes]:
        """Yield the bytes from `offset` to the end; a stream that breaks off is resumed."""
        position = offset
        for attempt in range(1, _MOST_TRIES + 1):
            for piece in self._pieces(position, self.size - 1):
                position += len(piece)
                yield piece
            if position >= self.size:
                return
            self.network.wait(_pause(attempt, {}))
        raise NetworkError(f"{_host(self.url)} broke off after {position} of {self.size} bytes")

    def _pieces(self, first: int, last: int) -> Iterator[bytes]:
        wanted = last - first + 1
        with self.network.open(self.url, {**self.headers, "Range": f"bytes={first}-{last}"}) as response:
            self._check(response, first, last)
            try:
                for piece in response.iter_raw():
                    yield piece[:wanted]
                    wanted -= len(piece)
                    if wanted <= 0:
                        return
            except _transport_errors():
                return  # the caller sees that bytes are missing and asks for the rest

    def _check(self, response: Response, first: int, last: int) -> None:
        host = _host(self.url)
        if response.status_code != 206:
            raise MalformedFile(f"{host} sent the whole file where a range was asked for")
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
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


def quiet_dependencies() -> None:
    """Switch off what libraries would send on their own; must run before they are imported."""
    for name in (
        "HF_HUB_DISABLE_TELEMETRY",
        "HF_HUB_DISABLE_UPDATE_CHECK",
        "HF_HUB_DISABLE_PROGRESS_BARS",
        "DO_NOT_TRACK",
    ):
        os.environ.setdefault(name, "1")


def _library() -> Any:
    # huggingface_hub re-exports the HTTP library that it uses itself; importing it from there works with 1 and 2.
    return importlib.import_module("huggingface_hub.utils").httpx


def _transport_errors() -> tuple[type[Exception], ...]:
    return (_library().TransportError,)


def _bounded(response: Response, limit: int) -> bytes:
    body = bytearray()
    try:
        for piece in response.iter_bytes(64 * 1024):
            body += piece
            if len(body) > limit:
                raise LimitExceeded(f"an answer of more than {limit} bytes")
    except _transport_errors() as fault:
        raise NetworkError(f"the answer broke off: {type(fault).__name__}") from fault
    return bytes(body)


def _pause(attempt: int, headers: Mapping[str, str]) -> float:
    asked = headers.get("retry-after", "")
    if asked.isdigit():
        return min(float(asked), _LONGEST_WAIT)
    if match := _RESET.search(headers.get("ratelimit", "")):
        return min(float(match[1]), _LONGEST_WAIT)
    return min(0.25 * float(2**attempt), _LONGEST_WAIT)


def _host(url: str) -> str:
    parts = urlsplit(url)
    return (parts.hostname or "?") + (f":{parts.port}" if parts.port else "")
