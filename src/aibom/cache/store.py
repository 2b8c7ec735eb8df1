"""The cache's file: SQLite in the user's cache folder, shared by all processes of that user.

Nothing depends on it. A file that is damaged is replaced by an empty one, a file that can't be used is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from aibom.sources.bytesource import Stamp

log = logging.getLogger("aibom.cache")

SIZE_LIMIT = 1024 * 1024 * 1024
FILE_NAME = "scans.sqlite"
_LAYOUT = 1
_WAIT_SECONDS = 5.0
_DAY = 24 * 3600
_SEAL_BYTES = 8
# What is thrown away when the file is full, so that the next scans have room.
_FULL_SHARE = 0.8
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH})
_TABLES = """
CREATE TABLE files (
    device INTEGER, inode INTEGER, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, digests BLOB NOT NULL,
    used INTEGER NOT NULL, PRIMARY KEY (device, inode)
) WITHOUT ROWID;
CREATE TABLE results (key BLOB PRIMARY KEY, body BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX files_by_use ON files (used);
CREATE INDEX results_by_use ON results (used);
"""


class Info(Struct, frozen=True, kw_only=True):
    """What the cache holds; sizes are bytes."""

    path: Path
    files: int
    results: int
    size: int
    limit: int


def cache_path() -> Path:
    """Return where the cache of this user is: in XDG_CACHE_HOME, else in `~/.cache`."""
    # The specification of the XDG base directories: a relative path there is to be ignored.
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "aibom" / FILE_NAME  # noqa: PTH117


class Store:
    """Digests by the status of a file, results by a key over content. Opened lazily; use as a context manager."""

    def __init__(
        self, path: Path | None = None, *, limit: int = SIZE_LIMIT, now: Callable[[], float] = time.time
    ) -> None:
        self.path = path or cache_path()
        self.limit = limit
        self.now = now
        self._connection: sqlite3.Connection | None = None
        self._broken = False
        self._touched: set[tuple[str, tuple[object, ...]]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Note what was used and close the file."""
        if self._connection is not None:
            self.save({}, {})
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def digests(self, stamp: Stamp) -> Mapping[str, str]:
        """Return the digests, by algorithm, that a file with this status had."""
        row = self._one(
            "SELECT digests, used FROM files WHERE device=? AND inode=? AND size=? AND mtime_ns=? AND ctime_ns=?",
            _signed(stamp),
        )
        found = None if row is None else _digests(stamp, row[0])
        if row is None or not found:
            return {}
        if row[1] != self._today():
            self._touched.add(("UPDATE files SET used=? WHERE device=? AND inode=?", _signed(stamp)[:2]))
        return found

    def result(self, key: bytes) -> bytes | None:
        """Return what was saved under a key."""
        row = self._one("SELECT body, used FROM results WHERE key=?", (key,))
        if row is None or not isinstance(row[0], bytes):
            return None
        if row[1] != self._today():
            self._touched.add(("UPDATE results SET used=? WHERE key=?", (key,)))
        return row[0]

    def save(self, files: Mapping[Stamp, Mapping[str, str]], results: Mapping[bytes, bytes]) -> None:
        """Remember digests of files and results, in one transaction."""
        if not (files or results or self._touched):
            return
        today = self._today()
        known = {stamp: {**self.digests(stamp), **digests} for stamp, digests in files.items()}
        rows = [
            (*_signed(stamp), _sealed(stamp, msgspec.json.encode(digests)), today) for stamp, digests in known.items()
        ]

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?)", rows)
                bodies = ((key, body, today) for key, body in results.items())
                connection.executemany("INSERT OR REPLACE INTO results VALUES (?,?,?)", bodies)
                for statement, row in self._touched:
                    connection.execute(statement, (today, *row))
            self._touched.clear()
            self._shrink(connection)

        self._try(write)

    def forget(self, stamps: Iterable[Stamp]) -> None:
        """Drop what is known of files: it has proved wrong."""
        rows = [_signed(stamp)[:2] for stamp in stamps]

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("DELETE FROM files WHERE device=? AND inode=?", rows)

        self._try(write)

    def info(self) -> Info:
        """Count what is there."""
        row = self._one("SELECT (SELECT count(*) FROM files), (SELECT count(*) FROM results)", ()) or (0, 0)
        files, results = (value if isinstance(value, int) else 0 for value in row)
        size = sum(part.stat().st_size for part in _parts(self.path) if part.exists())
        return Info(path=self.path, files=files, results=results, size=size, limit=self.limit)

    def clear(self) -> None:
        """Forget everything: the file goes.

        Raises:
            OSError: it can't be removed.
        """
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        _remove(self.path)

    def _today(self) -> int:
        return int(self.now() // _DAY)

    def _one(self, statement: str, values: tuple[object, ...]) -> tuple[object, ...] | None:
        row = self._try(lambda connection: connection.execute(statement, values).fetchone())
        return row if isinstance(row, tuple) else None

    def _try(self, action: Callable[[sqlite3.Connection], object]) -> object:
        """Run an action; without a usable file do nothing, with a damaged one start anew."""
        for _ in range(2):
            if self._broken:
                return None
            try:
                if self._connection is None:
                    self._connection = _open(self.path)
                return action(self._connection)
            except sqlite3.Error as fault:
                code = getattr(fault, "sqlite_errorcode", None)
                if code is None or code & 0xFF not in _DAMAGED:
                    # Busy, full, read-only: the cache is done without.
                    log.info("the cache is not used: %s", fault)
                    return None
                log.warning("the cache %s is damaged (%s) and is started anew", self.path, fault)
                self._restart()
            except OSError as fault:
                log.warning("the cache is not used: %s", fault)
                self._broken = True
        self._broken = True
        return None

    def _restart(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        self._touched.clear()
        with contextlib.suppress(OSError):
            _remove(self.path)

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Throw away what was used longest ago while the file is larger than its limit."""
        while (size := _used_bytes(connection)) > self.limit:
            goal = int(self.limit * _FULL_SHARE)
            share = min(1.0, 1 - goal / size)
            with connection:
                for table in ("files", "results"):
                    count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 -- ours
                    keys = "device, inode" if table == "files" else "key"
                    connection.execute(
                        f"DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM {table} ORDER BY used LIMIT ?)",  # noqa: S608
                        (int(count * share) + 1,),
                    )
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            if _used_bytes(connection) >= size:
                return


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and hasattr(os, "geteuid") and path.stat().st_uid != os.geteuid():
        # Somebody else could write results of their own into it.
        raise PermissionError(f"{path} belongs to another user")
    previous = os.umask(0o077)
    try:
        connection = sqlite3.connect(path, timeout=_WAIT_SECONDS)
    finally:
        os.umask(previous)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout == _LAYOUT:
        connection.execute("PRAGMA synchronous=NORMAL")
        return
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # Two processes may get here at once: the second one finds the tables when it has the lock.
    connection.isolation_level = None
    connection.execute("BEGIN IMMEDIATE")
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout != _LAYOUT:
        for table in ("files", "results"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={_LAYOUT}")
    connection.execute("COMMIT")
    connection.isolation_level = "DEFERRED"


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, page = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page)


def _signed(stamp: Stamp) -> tuple[int, ...]:
    # SQLite's integers are signed; device and inode numbers are not.
    return tuple(value - (1 << 64) if value >= 1 << 63 else value for value in stamp)


def _sealed(stamp: Stamp, raw: bytes) -> bytes:
    # A disk that flips a bit in a digest must not make a file another one: SQLite itself keeps no checksums.
    return hashlib.blake2b(repr(tuple(stamp)).encode() + raw, digest_size=_SEAL_BYTES).digest() + raw


def _digests(stamp: Stamp, body: object) -> dict[str, str] | None:
    if not isinstance(body, bytes) or body != _sealed(stamp, body[_SEAL_BYTES:]):
        return None
    return msgspec.json.decode(body[_SEAL_BYTES:], type=dict[str, str])


def _parts(path: Path) -> Iterator[Path]:
    return (path.with_name(path.name + ending) for ending in ("", "-wal", "-shm"))


def _remove(path: Path) -> None:
    for part in _parts(path):
        part.unlink(missing_ok=True)
