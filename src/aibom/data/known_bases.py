"""What is known without a network of the models and datasets that others are made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from aibom.data.license_table import License, license_table
from aibom.data.tables import Row, load_rows

TABLE = "known_bases.csv"
STATE = "2026-11"
_COLUMNS = ("name", "kind", "aliases", "license", "base", "relation", "family", "evidence")
_RELATIONS = ("", "finetune", "adapter", "merge", "quantized", "distilled", "converted")


class Known(Struct, frozen=True, kw_only=True):
    """A repository (or, with a `*` at the end of `name`, several): its license and what it was made from."""

    name: str
    kind: str
    license: License | None
    base: str | None
    relation: str | None
    families: tuple[str, ...] = ()
    """`model_type` of what is made from it by fine-tuning; empty where that is not known."""


def known_names() -> tuple[str, ...]:
    """Return the names of the models in the table, sorted; one that ends in `*` stands for several."""
    table = _table()
    rows = [*table.exact.values(), *(row for _, row in table.starts)]
    return tuple(sorted({row.name for row in rows if row.kind == "model"}))


class _Table(Struct, frozen=True, kw_only=True):
    exact: Mapping[tuple[str, str], Known]
    starts: tuple[tuple[str, Known], ...]
    """Starts of names in lower case, the longest first."""
    aliases: Mapping[tuple[str, str], str]


def known(name: str, kind: str = "model") -> Known | None:
    """Return what is known of `owner/name`, however it is capitalised; None where nothing is."""
    table = _table()
    lowered = canonical(name, kind).lower()
    found = table.exact.get((kind, lowered))
    family = next((row for start, row in table.starts if row.kind == kind and lowered.startswith(start)), None)
    return found or family


def canonical(name: str, kind: str = "model") -> str:
    """Return the full id for a name that the hub has since moved (`gpt2`), else the name as it is."""
    return _table().aliases.get((kind, name.lower()), name)


@cache
def _table() -> _Table:
    """Load the table once.

    Raises:
        DataError: it is not what this module expects.
    """
    exact: dict[tuple[str, str], Known] = {}
    starts: list[tuple[str, Known]] = []
    aliases: dict[tuple[str, str], str] = {}
    for row in load_rows(TABLE, _COLUMNS, required=("name", "kind", "evidence")):
        entry = _entry(row)
        name = entry.name.lower()
        if name.endswith("*"):
            starts.append((name[:-1], entry))
        elif exact.setdefault((entry.kind, name), entry) is not entry:
            row.fail(f"{entry.name} stands twice")
        for alias in row.words("aliases"):
            if "/" in alias:
                exact.setdefault((entry.kind, alias.lower()), entry)
            else:
                aliases[entry.kind, alias.lower()] = _moved(entry, alias)
    starts.sort(key=lambda item: -len(item[0]))
    return _Table(exact=exact, starts=tuple(starts), aliases=aliases)


def _moved(entry: Known, alias: str) -> str:
    """A repository without an owner was moved under one with its own name kept."""
    return f"{entry.name.partition('/')[0]}/{alias}" if entry.name.endswith("*") else entry.name


def _entry(row: Row) -> Known:
    key = row["license"]
    if key and key not in license_table().by_key:
        row.fail(f"{key} is no license of the table")
    if not re.fullmatch(r"[\w.\-]+/[\w.\-]*\*?", row["name"]):
        row.fail("name is no owner/name")
    return Known(
        name=row["name"],
        kind=row.one_of("kind", ("model", "dataset")),
        license=license_table().by_key[key] if key else None,
        base=row["base"] or None,
        relation=row.one_of("relation", _RELATIONS) or None,
        families=row.words("family"),
    )
