"""`index.sqlite`: the results of a run as tables. Only the driver writes it; the journal can make it anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from aibom.errors import OutputError
from aibom.fleet.records import Entry
from aibom.fleet.summary import Summary, summarize

FILE_NAME = "index.sqlite"
_SCHEMA = """
CREATE TABLE targets (
    target TEXT PRIMARY KEY, status TEXT NOT NULL, error TEXT, seconds REAL NOT NULL, cpu_seconds REAL NOT NULL,
    name TEXT, version TEXT, purl TEXT, root_digest TEXT, verdict TEXT, tone TEXT, covered INTEGER, files INTEGER,
    bytes INTEGER, parameters INTEGER, architecture TEXT, worst TEXT, gate INTEGER
);
CREATE TABLE findings (target TEXT, rule TEXT, severity TEXT, count INTEGER, PRIMARY KEY (target, rule));
CREATE TABLE licenses (target TEXT, license TEXT, basis TEXT, PRIMARY KEY (target, license));
CREATE TABLE determinations (
    target TEXT, provision TEXT, strength TEXT, headline TEXT, PRIMARY KEY (target, provision)
);
CREATE TABLE signatures (target TEXT, outcome TEXT, PRIMARY KEY (target, outcome));
CREATE TABLE documents (target TEXT, format TEXT, path TEXT, PRIMARY KEY (target, format));
CREATE INDEX findings_by_rule ON findings (rule);
"""
_DETAILS = ("findings", "licenses", "determinations", "signatures", "documents")


class Index:
    """The tables of a run. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        try:
            self._connection = _open(self._path)
        except (sqlite3.Error, OSError) as fault:
            raise OutputError(f"{self._path} can't be written: {fault}") from fault

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def rebuild(self, entries: Iterable[Entry]) -> None:
        """Make the tables anew from what is finished.

        Raises:
            OutputError: they can't be written.
        """
        try:
            with self._connection:
                for table in ("targets", *_DETAILS):
                    self._connection.execute(f"DROP TABLE IF EXISTS {table}")
                for statement in _SCHEMA.split(";"):
                    self._connection.execute(statement)
                for entry in entries:
                    self._insert(entry)
        except sqlite3.Error as fault:
            raise OutputError(f"{self._path} can't be written: {fault}") from fault

    def add(self, entry: Entry) -> None:
        """Add a target that is finished.

        Raises:
            OutputError: it can't be written; the journal has it.
        """
        try:
            with self._connection:
                self._insert(entry)
        except sqlite3.Error as fault:
            raise OutputError(f"{self._path} can't be written: {fault}") from fault

    def summary(self) -> Summary:
        """Count over all targets."""
        return summarize(self._connection)

    def _insert(self, entry: Entry) -> None:
        execute, many = self._connection.execute, self._connection.executemany
        for table in _DETAILS:
            execute(f"DELETE FROM {table} WHERE target=?", (entry.target,))  # noqa: S608 -- ours
        seen = entry.overview
        row: tuple[object, ...] = (
            entry.target, entry.status, entry.error, entry.seconds, entry.cpu_seconds, *[None] * 13,
        )  # fmt: skip
        if seen is not None:
            worst = min((rule.severity for rule in seen.rules.values()), key=lambda item: item.rank, default=None)
            row = (
                *row[:5], seen.name, seen.version, seen.purl, seen.root_digest, seen.verdict, seen.tone, seen.covered,
                seen.files, seen.size, seen.parameters, seen.architecture, worst, seen.gate,
            )  # fmt: skip
        execute(f"INSERT OR REPLACE INTO targets VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 -- ours
        if seen is not None:
            target = entry.target
            many("INSERT INTO findings VALUES (?,?,?,?)",
                 [(target, rule, item.severity, item.count) for rule, item in seen.rules.items()])  # fmt: skip
            many("INSERT INTO licenses VALUES (?,?,?)", [(target, *item) for item in seen.licenses.items()])
            headlines = seen.headlines
            many("INSERT INTO determinations VALUES (?,?,?,?)",
                 [(target, key, value, headlines.get(key)) for key, value in seen.determinations.items()])  # fmt: skip
            many("INSERT INTO signatures VALUES (?,?)", [(target, item) for item in seen.signatures])
            many("INSERT INTO documents VALUES (?,?,?)", [(target, *item) for item in entry.documents.items()])


def _open(path: Path) -> sqlite3.Connection:
    for last in (False, True):
        connection = sqlite3.connect(path)
        try:
            connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; SELECT * FROM sqlite_schema;")
        except sqlite3.DatabaseError:
            connection.close()
            if last:
                raise
            path.unlink()  # damaged, and nothing in it that the journal does not have
        else:
            return connection
    raise AssertionError
