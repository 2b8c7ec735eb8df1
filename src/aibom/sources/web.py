"""One file at an http(s) URL, read by ranges."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from aibom.errors import TargetError
from aibom.files import escape_name
from aibom.report import Skipped, SourceFacts
from aibom.sources.answers import NetworkError
from aibom.sources.bytesource import ByteSource
from aibom.sources.http_file import HttpFile
from aibom.sources.network import Network
from aibom.sources.protocol import Entry
from aibom.sources.ranges import ReadBudget, RemoteLimits


class WebSource:
    """A file on a web server that answers ranges. `target` is the URL without credentials, query and fragment."""

    remote = True
    revision: str | None = None

    def __init__(self, target: str, network: Network, *, limits: RemoteLimits | None = None) -> None:
        parts = urlsplit(target)
        host = parts.netloc.rpartition("@")[2]
        self.target = f"{parts.scheme}://{host}{parts.path}"
        self._name = escape_name(unquote(parts.path).rsplit("/", 1)[-1].encode()) or "index"
        network.trust(target)
        self._network = network
        limits = limits or RemoteLimits()
        try:
            size = network.size_of(target)
        except NetworkError as fault:
            raise TargetError(f"{self.target}: {fault}") from fault
        self._file = limits.open(HttpFile(network, target, size), size, ReadBudget(limits.scan_bytes))

    def facts(self) -> SourceFacts:
        """Return where the file is."""
        return SourceFacts(kind="web", url=self.target)

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield the one file."""
        yield Entry(path=self._name, size=self._file.size)

    def open(self, path: str) -> ByteSource:
        """Open the one file."""
        if path != self._name:
            raise FileNotFoundError(2, "no such file in the target", path)
        return self._file

    def close(self) -> None:
        """Close the connection."""
        self._network.close()
