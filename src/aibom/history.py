"""Scans over time in a database: which models there are, what each scan said, and what changed since the one before."""

from __future__ import annotations

import datetime as dt
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from aibom.compare import Change, Comparison, compare_documents
from aibom.documents import open_document
from aibom.emitters.inert import encodable, one_line
from aibom.emitters.report_json import to_json
from aibom.errors import DataError, OutputError, UsageError
from aibom.overview import Overview, overview
from aibom.report import Report

_LAYOUT = 1
_METADATA = sa.MetaData()
_LAYOUTS = sa.Table("aibom_layout", _METADATA, sa.Column("version", sa.Integer, primary_key=True))
_MODELS = sa.Table(
    "aibom_models",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("target", sa.Text, nullable=False),
)
_SCANS = sa.Table(
    "aibom_scans",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model_id", sa.ForeignKey("aibom_models.id"), nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("root_digest", sa.Text, nullable=False),
    sa.Column("overview", sa.Text, nullable=False),
    # JSON of what changed since the scan before; NULL in a model's first scan.
    sa.Column("changes", sa.Text),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Index("aibom_scans_by_model", "model_id", "id"),
)


class Scan(Struct, frozen=True, kw_only=True):
    """One scan of a model. `changes` is None where there is none before it to compare with."""

    model: str
    target: str
    created: dt.datetime
    overview: Overview
    changes: Comparison | None


def default_url() -> str:
    """Return where the inventory is: AIBOM_INVENTORY, else a file in the user's data folder."""
    if url := os.environ.get("AIBOM_INVENTORY"):
        return url
    base = os.environ.get("XDG_DATA_HOME", "")
    folder = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share"  # noqa: PTH117 -- as XDG has it
    return str(folder / "aibom" / "inventory.sqlite")


class History:
    """The inventory at a URL (`postgresql://...`) or in an SQLite file. Use as a context manager.

    Raises:
        UsageError: the URL means nothing, or its driver is not installed.
        OutputError: the database can't be used.
        DataError: it was made by another version of this tool.
    """

    def __init__(self, where: str) -> None:
        self._url = _url(where)
        try:
            self._engine = sa.create_engine(self._url)
        except sa.exc.ArgumentError as fault:
            raise UsageError(f"{_shown(self._url)} is no database", hint="a file, or postgresql://host/name") from fault
        except ImportError as fault:
            name = self._url.get_backend_name()
            hint = "pip install 'aibom[postgres]'" if name == "postgresql" else None
            raise UsageError(f"the driver for {name} is not installed: {fault}", hint=hint) from fault
        if self._url.get_backend_name() == "sqlite":
            _ready_sqlite(self._engine, self._url.database)
        with self._speaking() as connection:
            _prepare(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def add(self, report: Report, *, name: str | None = None, target: str | None = None) -> Scan:
        """Keep a scan, compared with the one before of the same model.

        `name` is the model's in the inventory; without it, its package URL without version, else its own name.
        `target` is what to scan next time, where that is not what the report names.
        """
        raw = to_json(report)
        document = open_document(raw)
        seen = overview(report)
        # No database holds every character that a name may have.
        model = one_line(name or _name(report, seen))
        scanned = one_line(target or _target(report))
        with self._speaking() as connection:
            model_id = _model_id(connection, model, scanned)
            before = connection.execute(
                sa.select(_SCANS.c.document).where(_SCANS.c.model_id == model_id).order_by(_SCANS.c.id.desc()).limit(1)
            ).scalar()
            changes = None if before is None else compare_documents(open_document(_unpacked(before)), document)
            connection.execute(
                _SCANS.insert().values(
                    model_id=model_id,
                    created=report.created.astimezone(dt.UTC).isoformat(),
                    root_digest=report.root_digest,
                    overview=_text(seen),
                    changes=None if changes is None else _text(changes),
                    document=zlib.compress(raw.encode(), 6),
                )
            )
        return Scan(model=model, target=scanned, created=report.created, overview=seen, changes=changes)

    def models(self) -> list[Scan]:
        """Return the latest scan of every model, by name."""
        latest = sa.select(sa.func.max(_SCANS.c.id)).group_by(_SCANS.c.model_id)
        return self._scans(_SCANS.c.id.in_(latest), _MODELS.c.name)

    def scans(self, model: str) -> list[Scan]:
        """Return the scans of a model, the latest first.

        Raises:
            DataError: there is no such model.
        """
        found = self._scans(_MODELS.c.name == model, _SCANS.c.id.desc())
        if not found:
            raise DataError(f"the inventory has no model {model}", hint="aibom inventory list")
        return found

    def same_weights(self, model: str) -> list[tuple[Scan, int]]:
        """Return the other models whose latest scans have weight files of this one's, with how many, the most first.

        Raises:
            DataError: there is no such model.
        """
        mine = frozenset(self.scans(model)[0].overview.weights)
        shared = [
            (scan, len(mine.intersection(scan.overview.weights))) for scan in self.models() if scan.model != model
        ]
        return sorted((item for item in shared if item[1]), key=lambda item: (-item[1], item[0].model))

    def changes(self, since: dt.datetime | None = None) -> list[Scan]:
        """Return the scans in which something changed: the latest of each model, or all since a moment."""
        scans = self.models() if since is None else self._since(since)
        return [scan for scan in scans if scan.changes is not None and scan.changes.changes]

    def _since(self, since: dt.datetime) -> list[Scan]:
        moment = since.astimezone(dt.UTC)
        # Times are text in UTC with the same number of digits up to the second, so their order is that of the text.
        scans = self._scans(_SCANS.c.created >= moment.isoformat()[:19], _MODELS.c.name, _SCANS.c.id)
        return [scan for scan in scans if scan.created >= moment]

    def _scans(self, condition: sa.ColumnElement[bool], *order: Any) -> list[Scan]:
        columns = (_MODELS.c.name, _MODELS.c.target, _SCANS.c.created, _SCANS.c.overview, _SCANS.c.changes)
        query = sa.select(*columns).join_from(_SCANS, _MODELS).where(condition).order_by(*order)
        with self._speaking() as connection:
            rows = connection.execute(query).all()
        try:
            return [
                Scan(
                    model=model,
                    target=target,
                    created=dt.datetime.fromisoformat(created),
                    overview=msgspec.json.decode(seen, type=Overview),
                    changes=None if changes is None else msgspec.json.decode(changes, type=Comparison),
                )
                for model, target, created, seen, changes in rows
            ]
        except (msgspec.MsgspecError, ValueError) as fault:
            raise DataError(f"the inventory {_shown(self._url)} holds a scan that can't be read: {fault}") from fault

    @contextmanager
    def _speaking(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as fault:
            reason = str(getattr(fault, "orig", None) or fault).strip().splitlines()[0]
            raise OutputError(f"the inventory {_shown(self._url)} can't be used: {reason}") from fault


def _url(where: str) -> sa.URL:
    if "://" not in where:
        return sa.URL.create("sqlite", database=where)
    try:
        url = sa.make_url(where)
    except sa.exc.ArgumentError as fault:
        raise UsageError("the inventory's URL can't be read", hint="postgresql://user@host/name") from fault
    # The driver that the extra installs; whoever names another one gets that.
    return url.set(drivername="postgresql+psycopg") if url.drivername in {"postgresql", "postgres"} else url


def _shown(url: sa.URL) -> str:
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def _ready_sqlite(engine: sa.Engine, database: str | None) -> None:
    if database and database != ":memory:":
        try:
            Path(database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as fault:
            raise OutputError(f"{database} can't be made: {fault.strerror}") from fault

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA busy_timeout=10000")


def _prepare(connection: sa.Connection) -> None:
    _METADATA.create_all(connection)
    version = connection.execute(sa.select(sa.func.max(_LAYOUTS.c.version))).scalar()
    if version is None:
        connection.execute(_LAYOUTS.insert().values(version=_LAYOUT))
    elif version != _LAYOUT:
        raise DataError(
            f"the inventory has layout {version}, this tool knows {_LAYOUT}", hint="use the version that made it"
        )


def _model_id(connection: sa.Connection, name: str, target: str) -> int:
    query = sa.select(_MODELS.c.id).where(_MODELS.c.name == name)
    # Locked where the database can, so that two scans of one model are compared one after the other.
    found = connection.execute(query.with_for_update()).scalar()
    if found is None:
        try:
            with connection.begin_nested():
                statement = _MODELS.insert().values(name=name, target=target).returning(_MODELS.c.id)
                return int(connection.execute(statement).scalar_one())
        except sa.exc.IntegrityError:  # somebody else has just added it
            found = connection.execute(query.with_for_update()).scalar_one()
    connection.execute(_MODELS.update().where(_MODELS.c.id == found).values(target=target))
    return int(found)


def _name(report: Report, seen: Overview) -> str:
    if seen.purl is not None:
        from packageurl import PackageURL  # noqa: PLC0415

        return PackageURL.from_string(seen.purl)._replace(version=None, qualifiers=None, subpath=None).to_string()
    return report.source.identity or seen.name


def _target(report: Report) -> str:
    # A commit would never change: what is watched is where the model is published.
    if report.source.kind == "hub" and report.source.identity:
        return f"hf://{report.source.identity}"
    return report.target


def _text(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (ValueError, TypeError, OverflowError):
        return msgspec.json.encode(encodable(value)).decode()


def _unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except (zlib.error, TypeError) as fault:  # SQLite keeps whatever was put there, text as well
        raise DataError(f"the inventory holds a document that can't be read: {fault}") from fault


__all__ = ["Change", "History", "Scan", "default_url"]
