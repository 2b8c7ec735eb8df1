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
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

from aibom.errors import TargetError
from aibom.sources.answers import NetworkError, Pace, bounded, unpacked, within

_MOST_REDIRECTS = 5
MOST_TRIES = 5
_LONGEST_WAIT = 30.0
# As many as there are requests side by side: one that is closed after each use would cost a handshake each.
_CONNECTIONS = 40
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
# `RateLimit: "api";r=0;t=55` (IETF draft httpapi-ratelimit-headers): t is the seconds until the quota is new.
_RESET = re.compile(r"\bt=(\d+)")


Response = Any
"""An answer of the hub client's own HTTP library: httpx with huggingface_hub 1, httpx2 with 2: alike here."""


@dataclass(slots=True)
class Network:
    """A client for one scan. `offline` makes any attempt an error that names the host."""

    offline: bool = False
    timeout: float = 20.0
    patience: float = 60.0
    """Seconds until an answer must have begun, however slowly its headers come."""
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    requests: int = 0
    _client: Any = field(default=None, repr=False)
    _trusted: set[str] = field(default_factory=set)

    def trust(self, url: str) -> None:
        """Let requests go to this host even if its address is loopback or private: the user named it."""
        self._trusted.add(urlsplit(url).hostname or "")

    def get_json(self, url: str, headers: Mapping[str, str], *, limit: int) -> tuple[Any, Mapping[str, str]]:
        """Return a JSON document and its headers.

        Raises:
            NetworkError: it can't be had, is larger than `limit` bytes, or is not JSON.
        """
        import msgspec  # noqa: PLC0415

        with self.open(url, {"Accept-Encoding": "identity", **headers}) as response:
            try:
                body = b"".join(bounded(unpacked(response, self.pieces(response)), limit, host_of(url)))
            except transport_errors() as fault:
                raise NetworkError(f"{host_of(url)} broke off its answer: {type(fault).__name__}") from fault
            try:
                return msgspec.json.decode(body), dict(response.headers)
            except (msgspec.DecodeError, RecursionError) as fault:
                raise NetworkError(f"{host_of(url)} answered with something that is not JSON: {fault}") from fault

    def pieces(self, response: Response) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            NetworkError: it comes so slowly that the server seems to hold us.
        """
        pace = Pace(self.clock)
        for piece in response.iter_raw():
            if not pace.keeps(len(piece)):
                raise NetworkError(f"{host_of(str(response.request.url))} sends too slowly: {pace}")
            yield piece

    def size_of(self, url: str) -> int:
        """Return the size in bytes of the file at a URL, asked with a range of one byte.

        Raises:
            NetworkError: it can't be had, or the server does not answer ranges.
        """
        with self.open(url, {"Range": "bytes=0-0", "Accept-Encoding": "identity"}) as response:
            match = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            if response.status_code != 206 or match is None:
                raise NetworkError(f"{host_of(url)} does not answer ranges; download the file and scan it here")
            return int(match[3])

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str]) -> Iterator[Response]:
        """Yield a successful answer whose body has not been read; passing faults are tried again."""
        for attempt in range(1, MOST_TRIES + 1):
            response = self._follow(url, headers, last=attempt == MOST_TRIES)
            if response is None:
                self.wait(pause_before(attempt, {}))
                continue
            try:
                if response.status_code in _PASSING and attempt < MOST_TRIES:
                    self.wait(pause_before(attempt, response.headers))
                    continue
                if response.status_code >= 400:
                    code = response.headers.get("X-Error-Code", "")
                    raise NetworkError(f"{host_of(url)} answered {response.status_code}", response.status_code, code)
                yield response
            finally:
                response.close()
            return

    def _follow(self, url: str, headers: Mapping[str, str], *, last: bool) -> Response | None:
        """Return the answer after redirects; None for a connection that failed and may be tried again."""
        client = self._connect(url)
        errors = transport_errors()
        sent = dict(headers)
        for _ in range(_MOST_REDIRECTS + 1):
            self._check_address(url)
            try:
                self.requests += 1
                response: Response = within(
                    self.patience, partial(client.send, client.build_request("GET", url, headers=sent), stream=True)
                )
            except TimeoutError as fault:
                raise NetworkError(f"{host_of(url)} did not answer within {self.patience:g} seconds") from fault
            except errors as fault:
                if last:
                    raise NetworkError(f"{host_of(url)} can't be reached: {type(fault).__name__}") from fault
                return None
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return response
            response.close()
            target = urljoin(url, response.headers["location"])
            if urlsplit(target).scheme not in {"http", "https"}:
                raise NetworkError(f"{host_of(url)} redirects to something that is not http")
            if url.startswith("https:") and not target.startswith("https:"):
                raise NetworkError(f"{host_of(url)} redirects from https to http")
            if host_of(target) != host_of(url):
                # A token is for the host it was given to; signed addresses of a store carry their own.
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            url = target
        raise NetworkError(f"{host_of(url)} redirects without end")

    def _connect(self, url: str) -> Any:
        if self.offline:
            raise TargetError(
                f"{host_of(url)} was about to be asked, and this scan is offline", hint="scan without --offline"
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
    # The hub client's own errors are those of the HTTP library that it uses: httpx up to 1, httpx2 from 2 on.
    error: type[Exception] = importlib.import_module("huggingface_hub.errors").HfHubHTTPError
    return importlib.import_module(next(kind.__module__ for kind in error.__mro__ if kind.__name__ == "HTTPError"))


def transport_errors() -> tuple[type[Exception], ...]:
    """Return what the HTTP library raises where a connection fails."""
    return (_library().TransportError,)


def pause_before(attempt: int, headers: Mapping[str, str]) -> float:
    """Return the seconds to wait after this attempt: what the server asks for, or longer each time."""
    asked = headers.get("retry-after", "")
    if asked.isdigit():
        return min(float(asked), _LONGEST_WAIT)
    if match := _RESET.search(headers.get("ratelimit", "")):
        return min(float(match[1]), _LONGEST_WAIT)
    return min(0.25 * float(2**attempt), _LONGEST_WAIT)


def host_of(url: str) -> str:
    """Return the host and the port that a URL names, as they are shown."""
    parts = urlsplit(url)
    return (parts.hostname or "?") + (f":{parts.port}" if parts.port else "")
