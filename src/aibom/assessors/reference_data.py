"""Tables the assessors look things up in: known models, license terms, accelerators."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from aibom.data.tables import Row, load_rows

KNOWN_MODELS_DATE = "2026-11"
"""Month of the table of known models, as evidence names it."""
_CONFIDENCES = ("", "Disclosed", "Confident", "Likely", "Speculative")


class KnownModel(Struct, frozen=True, kw_only=True):
    """A row of the table of known models. Parameters and tokens are counts, `flop` is training compute."""

    id: str
    released: dt.date
    parameters: float
    active: float | None
    flop: float | None
    confidence: str
    output: str
    task: str
    license: str | None
    source: str


class LicenseTerms(Struct, frozen=True, kw_only=True):
    """What a license allows and asks, as flags, with the deciding clause in our words."""

    key: str
    flags: frozenset[str]
    clause: str
    source: str
    confidence: str


class Accelerator(Struct, frozen=True, kw_only=True):
    """An accelerator with its dense 16-bit peak rate in FLOP/s, from its maker's data sheet."""

    name: str
    peak: float
    source: str


@cache
def known_models() -> Mapping[str, KnownModel]:
    """Return the known models by their id in lower case."""
    columns = [
        "model",
        "released",
        "parameters",
        "active",
        "tokens",
        "flop",
        "confidence",
        "output",
        "task",
        "license",
        "source",
    ]
    rows = load_rows("known_models.csv", columns, required=["model", "released", "parameters", "output", "source"])
    return {row["model"].lower(): _known(row) for row in rows}


@cache
def license_terms() -> Mapping[str, LicenseTerms]:
    """Return the terms by license key."""
    columns = ["license", "flags", "clause", "source", "confidence"]
    rows = load_rows("license_terms.csv", columns, required=["license", "clause", "confidence"])
    return {
        row["license"]: LicenseTerms(
            key=row["license"], flags=frozenset(row.words("flags")), clause=row["clause"], source=row["source"],
            confidence=row.one_of("confidence", ("high", "medium", "low")),
        )
        for row in rows
    }  # fmt: skip


@cache
def accelerators() -> tuple[Accelerator, ...]:
    """Return the accelerators, longest name first, so that `A100` is not read as `A10`."""
    rows = load_rows("accelerators.csv", ["name", "peak_flops", "source"])
    found = [Accelerator(name=row["name"], peak=_number(row, "peak_flops"), source=row["source"]) for row in rows]
    return tuple(sorted(found, key=lambda item: -len(item.name)))


def accelerator(text: str) -> Accelerator | None:
    """Return the accelerator that a text names, None where it is not in the table."""
    squeezed = "".join(text.upper().split()).replace("-", "")
    return next((item for item in accelerators() if item.name in squeezed), None)


def _known(row: Row) -> KnownModel:
    try:
        released = dt.date.fromisoformat(row["released"])
    except ValueError:
        row.fail(f"released is {row['released']!r}, not a day")
    flop = _number(row, "flop") if row["flop"] else None
    confidence = row.one_of("confidence", _CONFIDENCES)
    if (flop is None) != (not confidence):
        row.fail("flop and confidence stand together or not at all")
    return KnownModel(
        id=row["model"], released=released, parameters=_number(row, "parameters"),
        active=_number(row, "active") if row["active"] else None, flop=flop, confidence=confidence,
        output=row["output"], task=row["task"], license=row["license"] or None, source=row["source"],
    )  # fmt: skip


def _number(row: Row, column: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        row.fail(f"{column} is {row[column]!r}, not a number")
    if not 0 < value < float("inf"):
        row.fail(f"{column} is {row[column]!r}, not a positive number")
    return value
