"""Rulebooks as records: regimes, sources, thresholds and rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aibom.assessors.compute import Policy
from aibom.assessors.conditions import Condition
from aibom.report import Strength


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document a rule rests on."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a rule says: the finding, its strength, the short reason, and notes that are always true of it.

    `reason` may name facts in braces; `record` lists facts whose evidence is shown whether it is there or not.
    """

    finding: str
    strength: Strength
    reason: str
    notes: tuple[str, ...] = ()
    record: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unless:
    """What turns or annotates an outcome: `then` replaces it, `note` is added; unknown opens a question."""

    when: Condition
    then: Outcome | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One branch: `then` where the condition is true; `unknown` where it can't be settled (else the next case)."""

    when: Condition
    then: Outcome
    unknown: Outcome | None = None
    unless: tuple[Unless, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRule:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A later date for what was on the market before: where `when` is true the rule applies from `until`."""

    until: dt.date
    when: Condition
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
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
