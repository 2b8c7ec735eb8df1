"""What goes to a worker and what comes back. All of it can be sent to another machine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from aibom.overview import Overview
from aibom.settings import Settings


class Order(Struct, frozen=True, kw_only=True):
    """What is the same for all targets of a run. `wall_seconds` is what one target may take."""

    settings: Settings
    created: dt.datetime
    formats: tuple[str, ...] = ("cyclonedx",)
    spec_version: str = "1.7"
    lineage: str = "auto"
    cache: bool = True
    wall_seconds: float = 3600.0


class Task(Struct, frozen=True, kw_only=True):
    """One target to scan."""

    target: str
    order: Order


class Status(StrEnum):
    """What became of a target."""

    SCANNED = "scanned"
    FAILED = "failed"
    """It could not be scanned: missing, no access, a fault of ours."""
    KILLED = "killed"
    """Its worker died with it, each time."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of one target; `documents` are texts by format.

    `seconds` is the time in the worker, `cpu_seconds` what it computed in that time: the rest was waiting.
    """

    target: str
    status: Status
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    error: str | None = None
    overview: Overview | None = None
    documents: Mapping[str, str] = field(default_factory=dict)


class Entry(Struct, frozen=True, kw_only=True):
    """A line of the journal: a target that is finished. `documents` are paths below the output folder, by format."""

    target: str
    status: Status
    seconds: float
    cpu_seconds: float = 0.0
    error: str | None = None
    overview: Overview | None = None
    documents: Mapping[str, str] = field(default_factory=dict)
