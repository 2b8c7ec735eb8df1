"""What a scan reports about a target: rules, findings, evidence."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from msgspec import Struct

from aibom.files import Location


class Severity(StrEnum):
    """How bad it is, worst first; UX of the reports says what each means."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst; sorting by rank puts the worst first."""
        return _ORDER[self]

    def at_least(self, other: Severity) -> bool:
        """Say whether this is as bad as `other` or worse."""
        return self.rank <= other.rank


_ORDER = {severity: rank for rank, severity in enumerate(Severity)}


class Subject(StrEnum):
    """What a rule is about; the last line of a report rests on the subjects of its findings."""

    CODE_ON_LOAD = "code on load"
    CONTAINERS = "containers"
    FILES = "files"
    INTEGRITY = "integrity"
    DOCUMENTS = "documents"
    LIBRARIES = "libraries"
    TERMS = "lineage and licences"
    PUBLISHING = "before publishing"
    DECISIONS = "decisions of the user"


class Rule(Struct, frozen=True, kw_only=True):
    """A kind of finding. The texts are for a person who has never read the source.

    `id` is a word that never changes, `cwes` are numbers of the Common Weakness Enumeration.
    """

    id: str
    subject: Subject
    severity: Severity
    summary: str
    explanation: str
    help: str
    references: tuple[str, ...] = ()
    cwes: tuple[int, ...] = ()


class Suppression(Struct, frozen=True, kw_only=True):
    """Why somebody decided that a finding does not count, in their words, and where they said so."""

    reason: str
    source: str
    until: dt.date | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """One fault at one place. `severity` may be lower or higher than the rule's usual one."""

    rule: Rule
    message: str
    location: Location | None = None
    severity: Severity
    evidence: tuple[str, ...] = ()
    suppression: Suppression | None = None
    component: str | None = None
    """The ref of the component that has the fault, where it is not the file at `location` or the target."""
    advisory: str | None = None
    """The id of a published advisory (CVE, GHSA, PYSEC, MAL) where the finding repeats one."""

    @classmethod
    def of(
        cls,
        rule: Rule,
        message: str,
        location: Location | None = None,
        *,
        severity: Severity | None = None,
        evidence: tuple[str, ...] = (),
        component: str | None = None,
        advisory: str | None = None,
    ) -> Finding:
        """Make a finding with the rule's own severity unless another is given."""
        return cls(
            rule=rule,
            message=message,
            location=location,
            severity=severity or rule.severity,
            evidence=evidence,
            component=component,
            advisory=advisory,
        )

    @property
    def sort_key(self) -> tuple[object, ...]:
        """Worst first, then by place: the order of every output."""
        place = self.location or Location(path="")
        return (self.severity.rank, place.path, place.members, place.offset or 0, place.line or 0, self.rule.id,
                self.message)  # fmt: skip


class Evidence(Struct, frozen=True, kw_only=True):
    """A statement and the place that supports it; `location` is None for what a person or a table said."""

    statement: str
    location: Location | None = None
    source: str | None = None
    """Who says so where it is not the target: `hub`, `operator`, `known models 2026-11`."""
