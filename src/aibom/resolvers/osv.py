"""A local snapshot of the OSV database: built from its zip of JSON files, kept small, asked without a network."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from msgspec import Struct

from aibom.errors import DataError, FileFault
from aibom.findings import Severity
from aibom.limits import MIB, Limits
from aibom.resolvers.documents import mapping, parse_json, texts

FORMAT = "1"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MAX_ENTRIES = 2_000_000
_MAX_ARCHIVE = 2 * 1024 * MIB
_MAX_BYTES = 4 * MIB  # of one advisory
_MAX_EXPANDED = 4 * 1024 * MIB
# Advisories are prose and numbers, which shrink to a tenth; what shrinks to a two-hundredth is none.
_MAX_RATIO, _RATIO_FROM = 200, 64 * 1024
_END_OF_DIRECTORY, _END_BYTES = b"PK\x05\x06", 22
_ECOSYSTEMS: Mapping[str, str] = {"PyPI": "pypi"}  # OSV's name, purl type
_SEVERITIES: Mapping[str, Severity] = {
    "CRITICAL": Severity.CRITICAL, "HIGH": Severity.HIGH, "MODERATE": Severity.MEDIUM, "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
}  # fmt: skip
_TABLES = """
create table about (key text primary key, value text not null);
create table advisory (
    ecosystem text not null, name text not null, id text not null, aliases text not null, summary text not null,
    severity text not null, ranges text not null, versions text not null
);
"""


class Advisory(Struct, frozen=True, kw_only=True):
    """A known fault of a package. `fixed` are versions in which it is mended, as far as they are known."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: Severity
    fixed: tuple[str, ...]


def default_snapshot() -> Path:
    """Return where the user's snapshot is: in XDG_DATA_HOME, else in `~/.local/share`."""
    # The specification of the XDG base directories: a relative path there is to be ignored.
    base = os.environ.get("XDG_DATA_HOME", "")
    folder = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share"  # noqa: PTH117 -- as XDG has it
    return folder / "aibom" / "osv.sqlite"


@contextmanager
def opened_snapshot() -> Iterator[Snapshot | None]:
    """Yield the user's snapshot, None where there is none.

    Raises:
        DataError: it is there and can't be read: to go on without it would look like a target without advisories.
    """
    path = default_snapshot()
    if not path.exists():
        yield None
        return
    with Snapshot(path) as snapshot:
        yield snapshot


def build_snapshot(archive: Path, target: Path) -> int:
    """Write a snapshot from OSV's zip for an ecosystem; return how many entries it holds.

    Withdrawn advisories are left out. The snapshot's date is that of its newest advisory. The target is replaced as a
    whole, or left as it was.

    Raises:
        DataError: the archive can't be read, is larger than any such archive, or holds no advisory.
    """
    newest, count = "", 0
    beside: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(descriptor)
        beside = Path(name)
        _check_size(archive)
        with zipfile.ZipFile(archive) as source, closing(sqlite3.connect(beside)) as database, database:
            database.executescript(_TABLES)
            for document in _documents(source):
                if day := _DAY.match(str(document.get("modified", ""))):
                    newest = max(newest, day[0])
                for row in _rows(document):
                    database.execute("insert into advisory values (?, ?, ?, ?, ?, ?, ?, ?)", row)
                    count += 1
            database.execute("create index by_name on advisory (ecosystem, name)")
            about = {"format": FORMAT, "date": newest, "advisories": str(count)}
            database.executemany("insert into about values (?, ?)", about.items())
        if not count:
            raise DataError(f"{archive.name} holds no advisory", hint="give the all.zip of an ecosystem from OSV")
        beside.chmod(0o644)
        beside.replace(target)
    # The last four are what `zipfile` raises for a member whose data or kind of compression it can't read.
    except (
        OSError,
        zipfile.BadZipFile,
        sqlite3.Error,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        raise DataError(f"{archive.name}: {str(error) or 'it ends early'}") from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)
    return count


class Snapshot:
    """An opened snapshot; `date` is that of its newest advisory, `advisories` the number of its entries."""

    def __init__(self, path: Path) -> None:
        """Open a snapshot read-only.

        Raises:
            DataError: there is none, or it is not one of this format.
        """
        try:
            self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            about = dict(self._database.execute("select key, value from about").fetchall())
        except sqlite3.Error as error:
            raise DataError(f"{path.name}: {error}", hint="aibom data update --osv FILE makes a snapshot") from error
        if about.get("format") != FORMAT:
            self._database.close()
            raise DataError(f"{path.name} is a snapshot of another format", hint="build it again: aibom data update")
        self.date = about.get("date", "")
        self.advisories = int(about.get("advisories", "0"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def lookup(self, ecosystem: str, name: str, version: str) -> tuple[Advisory, ...]:
        """Return the advisories that this version is affected by."""
        rows = self._database.execute(
            "select id, aliases, summary, severity, ranges, versions from advisory where ecosystem = ? and name = ?"
            " order by id",
            (ecosystem, name),
        )
        return tuple(
            Advisory(
                id=id_,
                aliases=tuple(json.loads(aliases)),
                summary=summary,
                severity=Severity(severity),
                fixed=tuple(end["fixed"] for events in json.loads(ranges) for end in events if "fixed" in end),
            )
            for id_, aliases, summary, severity, ranges, versions in rows
            if is_affected(version, json.loads(ranges), json.loads(versions))
        )


def is_affected(version: str, ranges: Iterable[Iterable[Mapping[str, str]]], versions: Iterable[str]) -> bool:
    """Say whether a version is listed, or lies between an introducing and a mending event.

    OSV's algorithm (https://ossf.github.io/osv-schema/#evaluation): events of a range are sorted, the last one at or
    below the version decides.
    """
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 -- start-up time

    if version in versions:
        return True
    try:
        mine = Version(version)
        for events in ranges:
            hit = False
            for at, kind in sorted(_events(events, Version)):
                if kind == 0 and mine >= at:
                    hit = True
                elif (kind == 1 and mine >= at) or (kind == 2 and mine > at):
                    hit = False
            if hit:
                return True
    except InvalidVersion:
        return False
    return False


def _events(events: Iterable[Mapping[str, str]], parse: Any) -> Iterator[tuple[Any, int]]:
    for event in events:
        for number, key in enumerate(("introduced", "fixed", "last_affected")):
            if key in event:
                yield parse("0.dev0" if event[key] == "0" else event[key]), number


def _check_size(archive: Path) -> None:
    """Refuse what is too large before `zipfile` builds an object for each of its members."""
    size = archive.stat().st_size
    if size > _MAX_ARCHIVE:
        raise DataError(f"{archive.name} has {size:,} bytes, more than {_MAX_ARCHIVE:,}")
    with archive.open("rb") as file:
        file.seek(max(0, size - _END_BYTES - 0xFFFF))
        tail = file.read()
    at = tail.rfind(_END_OF_DIRECTORY)
    # A member takes at least 46 bytes in the directory, whose size a zip64 archive writes elsewhere: then its own
    # size bounds the number of members.
    declared = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    directory = size if declared == 0xFFFFFFFF else min(declared, size)
    if directory > _MAX_ENTRIES * 46 * 4:
        raise DataError(f"{archive.name} has more than {_MAX_ENTRIES:,} members")


def _documents(source: zipfile.ZipFile) -> Iterator[Mapping[str, Any]]:
    members = source.infolist()
    expanded = sum(info.file_size for info in members)
    if len(members) > _MAX_ENTRIES or expanded > _MAX_EXPANDED:
        raise DataError(
            f"{len(members):,} members of {expanded:,} bytes together are more than any archive of advisories has"
        )
    for info in members:
        if info.file_size > max(_RATIO_FROM, _MAX_RATIO * info.compress_size):
            raise DataError(f"{info.filename[:80]!r} expands more than {_MAX_RATIO}-fold: this is no advisory")
        if info.file_size > _MAX_BYTES or not info.filename.endswith(".json"):
            continue
        try:
            document = mapping(parse_json(source.read(info).decode("utf-8", "replace"), Limits()).value)
        except FileFault:
            continue  # one broken advisory must not cost the others
        if document.get("id") and not document.get("withdrawn"):
            yield document


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each package that the advisory affects."""
    affected = document.get("affected")
    for entry in affected if isinstance(affected, list) else ():
        package = mapping(mapping(entry).get("package"))
        ecosystem, name = _ECOSYSTEMS.get(str(package.get("ecosystem"))), package.get("name")
        if ecosystem is None or not isinstance(name, str):
            continue
        ranges = [
            [
                {
                    key: str(value)
                    for key, value in mapping(event).items()
                    if key in {"introduced", "fixed", "last_affected"}
                }
                for event in _list(mapping(range_).get("events"))
            ]
            for range_ in _list(mapping(entry).get("ranges"))
            if mapping(range_).get("type") in {"ECOSYSTEM", "SEMVER"}
        ]
        # Where a range says it all, the list of versions would only repeat it.
        versions = [] if ranges else list(texts(mapping(entry).get("versions")))
        yield (
            ecosystem,
            name.lower().replace("_", "-").replace(".", "-"),
            str(document["id"]),
            json.dumps(texts(document.get("aliases"))),
            str(document.get("summary") or document.get("details") or "")[:300].split("\n")[0],
            _severity(document, entry).value,
            json.dumps(ranges),
            json.dumps(versions),
        )


def _severity(document: Mapping[str, Any], entry: Mapping[str, Any]) -> Severity:
    if str(document.get("id", "")).startswith("MAL-"):
        return Severity.CRITICAL
    for block in (entry, document):
        for key in ("database_specific", "ecosystem_specific"):
            word = mapping(block.get(key)).get("severity")
            if isinstance(word, str) and word.upper() in _SEVERITIES:
                return _SEVERITIES[word.upper()]
    return Severity.MEDIUM


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
