"""Rulebooks as records: regimes, sources, thresholds and rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from aibom.assessors.compute import Policy
from aibom.assessors.conditions import Condition
from aibom.report import Strength


class Source(Struct, frozen=True, kw_only=True):
    """A document a rule rests on."""

    title: str
    url: str


class Outcome(Struct, frozen=True, kw_only=True):
    """What a rule says: the finding, its strength, the short reason, and notes that are always true of it.

    `reason` may name facts in braces; `record` lists facts whose evidence is shown whether it is there or not.
    """

    finding: str
    strength: Strength
    reason: str
    notes: tuple[str, ...] = ()
    record: tuple[str, ...] = ()


class Unless(Struct, frozen=True, kw_only=True):
    """What turns or annotates an outcome: `then` replaces it, `note` is added; unknown opens a question."""

    when: Condition
    then: Outcome | None = None
    note: str | None = None


class Case(Struct, frozen=True, kw_only=True):
    """One branch: `then` where the condition is true; `unknown` where it can't be settled (else the next case)."""

    when: Condition
    then: Outcome
    unknown: Outcome | None = None
    unless: tuple[Unless, ...] = ()


class BookRule(Struct, frozen=True, kw_only=True):
    """A rule: cases in order, what holds where none does (`otherwise`) and where that is not settled (`unknown`)."""

    id: str
    key: str
    provision: str
    title: str
    label: str
    authority: str
    rationale: str
    limits: str
    wants: tuple[str, ...]
    sources: tuple[Source, ...]
    applies_from: dt.date
    cases: tuple[Case, ...]
    addressee: str | None = None
    requires: Condition | None = None
    otherwise: Outcome | None = None
    unknown: Outcome | None = None
    questions: tuple[str, ...] = ()
    subjects: frozenset[str] = frozenset({"model"})
    transition: Transition | None = None
    headline: bool = False
    watch: bool = False
    """True for a rule on a draft: explained, not evaluated."""
    relative: bool = False
    """True where a statement must tell the model from its base."""


class Transition(Struct, frozen=True, kw_only=True):
    """A later date for what was on the market before: where `when` is true the rule applies from `until`."""

    until: dt.date
    when: Condition
    note: str


class Rulebook(Struct, frozen=True, kw_only=True):
    """One regime as data."""

    regime: str
    title: str
    version: str
    as_of: dt.date
    disclaimer: str
    rules: tuple[BookRule, ...]
    sources: Mapping[str, Source]
    thresholds: Mapping[str, float]
    policy: Policy | None = None
    modalities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def rulebook(self) -> str:
        """Name and version, as a report carries it."""
        return f"{self.regime} {self.version}"


def outcomes(rule: BookRule) -> Iterator[Outcome]:
    """Yield every outcome a rule may come to."""
    for case in rule.cases:
        yield case.then
        if case.unknown:
            yield case.unknown
        yield from (item.then for item in case.unless if item.then)
    yield from (outcome for outcome in (rule.otherwise, rule.unknown) if outcome)
