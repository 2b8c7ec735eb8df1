"""Anything that fsspec opens: object stores (s3, gs, az), sftp and the like, listed and read by ranges."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from aibom.errors import AibomError, TargetError, UsageError
from aibom.files import escape_name
from aibom.report import Skipped, SourceFacts
from aibom.sources.answers import NetworkError
from aibom.sources.bytesource import ByteSource
from aibom.sources.known_hosts import known_hosts_only
from aibom.sources.network import Network, quiet_dependencies
from aibom.sources.protocol import Entry, Fault
from aibom.sources.ranges import LARGEST_WINDOW, RangeSource, ReadBudget, RemoteLimits

# Scheme to the extra that brings its file system, for the hint.
_EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure", "abfs": "azure", "sftp": "sftp"}
# These reach into this machine or chain file systems, which a target's spelling has no business to do.
_REFUSED = frozenset(
    {"file", "local", "memory", "simplecache", "filecache", "blockcache", "cached", "reference", "dir"}
)


class _StoredFile(Struct):
    """One object of a store, as a `Remote`."""

    store: Any
    path: str
    size: int

    def fetch(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes."""
        try:
            return bytes(self.store.cat_file(self.path, start=offset, end=offset + length))
        except Exception as fault:
            raise NetworkError(f"the store did not give {length} bytes: {type(fault).__name__}") from fault

    def stream(self, offset: int) -> Iterator[bytes]:
        """Yield the bytes from `offset` to the end."""
        while offset < self.size:
            piece = self.fetch(offset, min(LARGEST_WINDOW, self.size - offset))
            if not piece:
                return
            yield piece
            offset += len(piece)


class StoreSource:
    """A prefix (or one object) of a store. `target` is the URL without credentials."""

    remote = True
    revision: str | None = None

    def __init__(self, target: str, network: Network, *, limits: RemoteLimits | None = None) -> None:
        parts = urlsplit(target)
        host = parts.netloc.rpartition("@")[2]
        self.target = f"{parts.scheme}://{host}{parts.path}"
        if network.offline:
            raise TargetError(f"{host} was about to be asked, and this scan is offline", hint="scan without --offline")
        if parts.scheme in _REFUSED or "::" in target:
            raise UsageError(f"{parts.scheme}:// is not a kind of target", hint="give a path without scheme")
        self._limits = limits or RemoteLimits()
        self._budget = ReadBudget(self._limits.scan_bytes)
        self._store, self._root = _connect(target, parts.scheme)
        self._sizes: dict[str, int] = {}
        self._paths: dict[str, str] = {}
        self._open: dict[str, RangeSource] = {}

    def facts(self) -> SourceFacts:
        """Return the kind of store and where it is."""
        return SourceFacts(kind=urlsplit(self.target).scheme, url=self.target)

    def entries(self) -> Iterator[Entry | Skipped]:
        """List the objects below the prefix."""
        try:
            found = self._store.find(self._root, detail=True)
        except Exception as fault:
            raise TargetError(f"{self.target} can't be listed: {type(fault).__name__}: {fault}") from fault
        root = self._root.rstrip("/")
        count = 0
        for path, info in found.items():
            if info.get("type") != "file" or not isinstance(info.get("size"), int):
                continue
            if (count := count + 1) > self._limits.files:
                yield Skipped(path="", reason=f"everything after the first {self._limits.files} objects")
                return
            inner = path.removeprefix(root).lstrip("/") or path.rsplit("/", 1)[-1]
            name = escape_name(inner.encode("utf-8", "surrogatepass"))
            if ".." in inner.split("/"):
                yield Entry(path=name, size=0, fault=Fault.UNSAFE_NAME, detail="it climbs out of the prefix")
                continue
            self._sizes[name], self._paths[name] = info["size"], path
            yield Entry(path=name, size=info["size"])

    def open(self, path: str) -> ByteSource:
        """Open an object of the listing; what was read of it stays with this source."""
        if path not in self._sizes:
            raise FileNotFoundError(2, "no such object in the listing", path)
        if path not in self._open:
            remote = _StoredFile(self._store, self._paths[path], self._sizes[path])
            self._open[path] = self._limits.open(remote, remote.size, self._budget)
        return self._open[path]

    def close(self) -> None:
        """Release what was read."""
        self._open.clear()


def _connect(target: str, scheme: str) -> tuple[Any, str]:
    quiet_dependencies()
    core = importlib.import_module("fsspec.core")
    host = urlsplit(target).netloc.rpartition("@")[2]
    try:
        options = {"host_key_policy": known_hosts_only()} if scheme == "sftp" else {}
        store, root = core.url_to_fs(target, skip_instance_cache=True, **options)
    except ImportError as fault:
        extra = _EXTRAS.get(scheme)
        hint = f'pip install "aibom[{extra}]"' if extra else str(fault)
        raise UsageError(f"{scheme}:// needs a package that is not installed", hint=hint) from fault
    except ValueError as fault:
        raise UsageError(f"{scheme}:// targets are not supported: {fault}") from fault
    except AibomError:
        raise
    except Exception as fault:
        # Some stores connect when they are made, and each has errors of its own.
        raise TargetError(f"{host} can't be reached: {type(fault).__name__}: {fault}") from fault
    return store, root
