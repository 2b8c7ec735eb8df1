"""Conditions of rules, as data: what a rulebook may ask of facts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from aibom.assessors.facts import FACTS, FactType
from aibom.report import Strength


class Op(StrEnum):
    """How a fact is compared with a value."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    IN = "in"
    CONTAINS = "contains"
    INTERSECTS = "intersects"
    DISJOINT = "disjoint"
    WITHIN = "within"


Operand = float | bool | str | dt.date | frozenset[str]


class Compare(Struct, frozen=True):
    """A fact against a value."""

    fact: str
    op: Op
    value: Operand


class Near(Struct, frozen=True):
    """The estimates of a compute fact straddle the threshold, or disagree about it."""

    fact: str
    threshold: float


class Ratio(Struct, frozen=True):
    """One compute fact divided by another is more than a value."""

    over: str
    under: str
    value: float


class Phrase(Struct, frozen=True):
    """Words that stand together: every group must have one of its words in the same passage.

    A word ends at a word boundary unless it ends with `*`.
    """

    groups: tuple[tuple[str, ...], ...]


class Mentions(Struct, frozen=True):
    """At least `hits` of the phrases stand in the facts' text, in a passage that holds none of `without`."""

    facts: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    without: tuple[Phrase, ...] = ()
    hits: int = 1


class Known(Struct, frozen=True):
    """Something is known of the fact, whatever it is."""

    fact: str


class Present(Struct, frozen=True):
    """The fact is known and is not empty, zero or false."""

    fact: str


class Concluded(Struct, frozen=True):
    """An earlier rule of the book came to this finding (a pattern), with one of these strengths."""

    finding: str
    strengths: frozenset[Strength]


class All(Struct, frozen=True):
    """Every part is true."""

    parts: tuple[Condition, ...]


class Any(Struct, frozen=True):
    """One part at least is true."""

    parts: tuple[Condition, ...]


class Not(Struct, frozen=True):
    """The part is false."""

    part: Condition


Condition = Compare | Near | Ratio | Mentions | Known | Present | Concluded | All | Any | Not


def thresholds(condition: Condition) -> Iterator[float]:
    """Yield the amounts of compute that a condition compares with."""
    match condition:
        case All(parts) | Any(parts):
            for part in parts:
                yield from thresholds(part)
        case Not(part):
            yield from thresholds(part)
        case Compare(fact, _, value) if FACTS[fact].type is FactType.COMPUTE and isinstance(value, int | float):
            yield float(value)
        case _:
            return
