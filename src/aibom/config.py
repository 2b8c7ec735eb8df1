"""`aibom.toml`, or `[tool.aibom]` in `pyproject.toml`: what the user decides once for many scans.

The file is looked for from the current directory upwards, never in the target.
"""

from __future__ import annotations

import datetime as dt
import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from aibom.errors import UsageError
from aibom.report import Strength

FILE_NAME = "aibom.toml"
_PYPROJECT = "pyproject.toml"


class _Table(msgspec.Struct, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A table of the file: keys in kebab-case, no others."""


class IgnoreTable(_Table):
    """An `[[ignore]]` entry."""

    rule: str
    reason: str
    path: str | None = None
    sha256: str | None = None
    until: dt.date | None = None


class ScanTable(_Table):
    """`[scan]`: defaults of `aibom scan`; an option on the command line goes first."""

    fail_on: str | None = None
    output: tuple[str, ...] = ()
    spec_version: str | None = None
    jobs: int | None = None
    digest: tuple[str, ...] = ()
    color: str | None = None
    lineage: str | None = None
    second_opinion: str | None = None
    offline: bool = False


class PolicyTable(_Table):
    """`[policy]`: gates."""

    allow_licenses: tuple[str, ...] = ()
    deny_licenses: tuple[str, ...] = ()
    deny_formats: tuple[str, ...] = ()
    deny_determinations: dict[str, Strength] = {}
    require_signature: bool = False
    trusted_keys: tuple[str, ...] = ()
    trusted_identities: tuple[str, ...] = ()


class BomTable(_Table):
    """`[bom]`: identity of the model where the target does not know it."""

    name: str | None = None
    version: str | None = None
    supplier: str | None = None
    author: str | None = None
    purl: str | None = None


class ProfileTable(_Table):
    """`[profile]`: what the user does with the model."""

    commercial: bool | None = None
    users: int | None = None
    revenue: float | None = None
    region: str | None = None
    hosts: bool | None = None
    trains_others: bool | None = None


class OperatorTable(_Table):
    """`[operator]`: facts only the user can know."""

    role: str | None = None
    intended_purpose: str | None = None
    placed_on_union_market: bool | None = None
    placement_date: dt.date | None = None
    commercial_activity: bool | None = None
    deployer_type: str | None = None
    workplace_or_education: bool | None = None
    monetization: bool | None = None
    established_in_union: bool | None = None


class ConfigTables(_Table):
    """The whole file."""

    scan: ScanTable = msgspec.field(default_factory=ScanTable)
    ignore: tuple[IgnoreTable, ...] = ()
    policy: PolicyTable = msgspec.field(default_factory=PolicyTable)
    bom: BomTable = msgspec.field(default_factory=BomTable)
    profile: ProfileTable = msgspec.field(default_factory=ProfileTable)
    operator: OperatorTable = msgspec.field(default_factory=OperatorTable)


class Config(Struct, frozen=True):
    """The tables and the file they come from; `path` None means that there is no file.

    `policy_path` is the file that [policy] comes from, where that is another one.
    """

    path: Path | None
    tables: ConfigTables
    policy_path: Path | None = None

    @property
    def policy_file(self) -> Path | None:
        """The file to whose folder paths in [policy] are relative."""
        return self.policy_path or self.path


def find_config(start: Path) -> Path | None:
    """Return the nearest configuration file at `start` or above it."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
        if (folder / _PYPROJECT).is_file() and _tool_table(folder / _PYPROJECT) is not None:
            return folder / _PYPROJECT
    return None


def load_config(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        UsageError: it can't be read, is not TOML, or holds a key or value that means nothing.
    """
    data = _tool_table(path) if path.name == _PYPROJECT else _toml(path)
    if data is None:
        raise UsageError(f"{path.name} has no [tool.aibom] table")
    for where, key, known in _unknown(data, ConfigTables, ""):
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
        raise UsageError(f"{path.name}: unknown key {key!r}{where}", hint=hint)
    try:
        tables = msgspec.convert(data, ConfigTables)
    except msgspec.ValidationError as fault:
        raise UsageError(f"{path.name}: {_plain(str(fault))}", hint="see docs/configuration.md") from fault
    return Config(path, tables)


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of the file, for editors."""
    schema = msgspec.json.schema(ConfigTables)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "aibom.toml", **schema}


def _tool_table(path: Path) -> dict[str, Any] | None:
    match _toml(path):
        case {"tool": {"aibom": dict(table)}}:
            return table
    return None


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise UsageError(f"{path} can't be read: {fault.strerror}") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise UsageError(f"{path.name} is not TOML: {fault}") from fault


def _unknown(data: object, table: type, where: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield place, name and known names of every key that no table has."""
    match data:
        case list():
            for item in data:
                yield from _unknown(item, table, where)
        case Mapping():
            fields = {field.encode_name: field.type for field in msgspec.structs.fields(table)}
            for key, value in data.items():
                if key not in fields:
                    yield where, key, list(fields)
                elif (inner := _inner_table(fields[key])) is not None:
                    yield from _unknown(value, inner, f" in [{key}]")


def _inner_table(kind: Any) -> type | None:
    candidates = (kind, *get_args(kind))
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, _Table)), None)


def _plain(message: str) -> str:
    # msgspec ends with "- at `$.policy.allow-licenses`"; a reader of TOML knows the part behind the dollar sign.
    return message.replace(" - at `$.", " at `").replace("`str`", "text").replace("`bool`", "true or false")
