"""Read the shapes of a rulebook's YAML: typed access that names the place of a fault, and conditions."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any as Raw
from typing import NoReturn

from msgspec import Struct

from aibom.assessors.conditions import (
    All,
    Any,
    Compare,
    Concluded,
    Condition,
    Known,
    Mentions,
    Near,
    Not,
    Op,
    Operand,
    Phrase,
    Present,
    Ratio,
)
from aibom.assessors.facts import FACTS, FactType
from aibom.errors import DataError
from aibom.report import Strength

_MAX_DEPTH = 12
_OPS: Mapping[FactType, frozenset[Op]] = {
    FactType.NUMBER: frozenset({Op.EQ, Op.NE, Op.GT, Op.GE, Op.LT, Op.LE}),
    FactType.COMPUTE: frozenset({Op.GT, Op.LE}),
    FactType.BOOL: frozenset({Op.EQ}),
    FactType.WORD: frozenset({Op.EQ, Op.NE, Op.IN}),
    FactType.WORDS: frozenset({Op.EQ, Op.CONTAINS, Op.INTERSECTS, Op.DISJOINT, Op.WITHIN}),
    FactType.DATE: frozenset({Op.LT, Op.LE, Op.GT, Op.GE, Op.EQ}),
    FactType.TEXT: frozenset(),
}
_SET_OPS = frozenset({Op.IN, Op.CONTAINS, Op.INTERSECTS, Op.DISJOINT, Op.WITHIN})


class Scope(Struct, frozen=True):
    """What `$thresholds.x`, `$sets.x` and a lexicon's name stand for."""

    thresholds: Mapping[str, float]
    sets: Mapping[str, frozenset[str]]
    lexicons: Mapping[str, Shape]


class Shape(Struct, frozen=True):
    """A value of the YAML with its place; every reader says what it expected and what it found."""

    raw: Raw
    place: str

    def fail(self, fault: str) -> NoReturn:
        """Refuse the value.

        Raises:
            DataError: always; it names file, place and fault.
        """
        raise DataError(f"{self.place}: {fault}")

    def named(self, key: str) -> Shape:
        """Return the same value, called by its own name in faults."""
        name = self.raw.get(key) if isinstance(self.raw, dict) else None
        book = self.place.split(":")[0]
        return Shape(self.raw, f"{book}: rule {name}") if isinstance(name, str) else self

    def mapping(self, required: str, optional: str) -> Body:
        """Return the fields of a mapping that has all required ones and no others than these."""
        if not isinstance(self.raw, dict):
            self.fail(f"expected a mapping, found {_kind(self.raw)}")
        needed, allowed = required.split(), {*required.split(), *optional.split()}
        for key in self.raw:
            if key not in allowed:
                self.fail(f"unknown field {key!r}")
        for key in needed:
            if key not in self.raw:
                self.fail(f"{key} is missing")
        return Body({key: Shape(value, f"{self.place}: {key}") for key, value in self.raw.items()}, self.place)

    def entries(self) -> Iterator[tuple[str, Shape]]:
        """Yield the entries of a mapping with free keys; None is an empty one."""
        if self.raw is None:
            return
        if not isinstance(self.raw, dict):
            self.fail(f"expected a mapping, found {_kind(self.raw)}")
        for key, value in self.raw.items():
            yield str(key), Shape(value, f"{self.place}.{key}")

    def items(self) -> Iterator[Shape]:
        """Yield the items of a list; None is an empty one."""
        if self.raw is None:
            return
        if not isinstance(self.raw, list):
            self.fail(f"expected a list, found {_kind(self.raw)}")
        for index, value in enumerate(self.raw):
            yield Shape(value, f"{self.place}[{index}]")

    def text(self) -> str:
        """Return a text that is not empty."""
        if not isinstance(self.raw, str) or not self.raw.strip():
            self.fail(f"expected text, found {_kind(self.raw)}")
        return " ".join(self.raw.split())

    def id(self) -> str:
        """Return a name of lower-case letters, digits, dots and hyphens."""
        text = self.text()
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", text):
            self.fail(f"{text!r} is no id (lower-case letters, digits, dots and hyphens)")
        return text

    def one_of(self, allowed: frozenset[str]) -> str:
        """Return a text that is one of these."""
        text = self.text()
        if text not in allowed:
            self.fail(f"{text!r} is not one of {', '.join(sorted(allowed))}")
        return text

    def number(self) -> float:
        """Return a number."""
        if isinstance(self.raw, bool) or not isinstance(self.raw, int | float):
            self.fail(f"expected a number, found {_kind(self.raw)} (YAML wants 1.0e+23, not 1e23)")
        return float(self.raw)

    def boolean(self) -> bool:
        """Return true or false."""
        if not isinstance(self.raw, bool):
            self.fail(f"expected true or false, found {_kind(self.raw)}")
        return self.raw

    def date(self) -> dt.date:
        """Return a day."""
        if not isinstance(self.raw, dt.date) or isinstance(self.raw, dt.datetime):
            self.fail(f"expected a date (2025-08-02), found {_kind(self.raw)}")
        return self.raw

    def words(self) -> frozenset[str]:
        """Return a list of texts as a set."""
        return frozenset(item.text() for item in self.items())


class Body(Struct, frozen=True):
    """The fields of a mapping."""

    fields: Mapping[str, Shape]
    place: str

    def __getitem__(self, key: str) -> Shape:
        return self.fields[key]

    def __contains__(self, key: str) -> bool:
        return key in self.fields

    def get(self, key: str) -> Shape:
        """Return a field, or one that holds None."""
        return self.fields.get(key, Shape(None, f"{self.place}: {key}"))


def parse_condition(entry: Shape, scope: Scope, findings: set[str], depth: int = 0) -> Condition:
    """Read a condition. `findings` are those of earlier rules, the only ones that may be asked for."""
    if depth > _MAX_DEPTH:
        entry.fail(f"conditions nest deeper than {_MAX_DEPTH}")

    def parts(key: str) -> tuple[Condition, ...]:
        found = tuple(
            parse_condition(item, scope, findings, depth + 1)
            for item in Shape(entry.raw[key], f"{entry.place}: {key}").items()
        )
        if not found:
            entry.fail(f"{key} is empty")
        return found

    match entry.raw:
        case "always":
            return Compare("always", Op.EQ, value=True)
        case {"all": _, **rest} if not rest:
            return All(parts("all"))
        case {"any": _, **rest} if not rest:
            return Any(parts("any"))
        case {"not": inner, **rest} if not rest:
            return Not(parse_condition(Shape(inner, f"{entry.place}: not"), scope, findings, depth + 1))
        case {"known": _, **rest} if not rest:
            return Known(_fact(Shape(entry.raw["known"], entry.place)))
        case {"unknown": _, **rest} if not rest:
            return Not(Known(_fact(Shape(entry.raw["unknown"], entry.place))))
        case {"present": _, **rest} if not rest:
            return Present(_fact(Shape(entry.raw["present"], entry.place)))
        case {"absent": _, **rest} if not rest:
            return Not(Present(_fact(Shape(entry.raw["absent"], entry.place))))
        case {"near": str(name), "threshold": value, **rest} if not rest:
            fact = _fact(Shape(name, entry.place), FactType.COMPUTE)
            return Near(fact, _threshold(Shape(value, entry.place), scope))
        case {"ratio": [str(over), str(under)], "gt": value, **rest} if not rest:
            upper, lower = (_fact(Shape(name, entry.place), FactType.COMPUTE) for name in (over, under))
            return Ratio(upper, lower, _threshold(Shape(value, entry.place), scope))
        case {"finding": str(pattern), **rest} if set(rest) <= {"strength"}:
            return _concluded(entry, pattern, rest.get("strength"), findings)
        case {"mentions": _, "in": _, **rest} if set(rest) <= {"without", "hits"}:
            return _mentions(entry, scope)
        case {"fact": str(name), "op": str(op), "value": value, **rest} if not rest:
            return _compare(entry, name, op, Shape(value, f"{entry.place}: value"), scope)
    return entry.fail(f"is no condition: {str(entry.raw)[:120]}")


def phrases(entry: Shape, scope: Scope) -> tuple[Phrase, ...]:
    """Read phrases: `$name` of a lexicon, one word, or a list of groups that must all be met in one passage."""
    found: list[Phrase] = []
    for item in entry.items():
        match item.raw:
            case str(word) if word.startswith("$"):
                name = word.removeprefix("$")
                if name not in scope.lexicons:
                    item.fail(f"there is no lexicon {name!r}")
                found.extend(phrases(scope.lexicons[name], scope))
            case str(word) if word.strip("* "):
                found.append(Phrase(((word,),)))
            case {"near": [*groups]} if groups and all(isinstance(group, list) and group for group in groups):
                found.append(Phrase(tuple(tuple(Shape(word, item.place).text() for word in group) for group in groups)))
            case _:
                item.fail("is neither a word nor {near: [[...], [...]]}")
    return tuple(dict.fromkeys(found))


def _mentions(entry: Shape, scope: Scope) -> Condition:
    body = entry.mapping("mentions in", "without hits")
    facts = tuple(_fact(item, FactType.TEXT) for item in body["in"].items())
    wanted = phrases(body["mentions"], scope)
    hits = int(body["hits"].number()) if "hits" in body else 1
    return Mentions(facts, wanted, phrases(body.get("without"), scope), hits)


def _concluded(entry: Shape, pattern: str, strength: Raw, findings: set[str]) -> Condition:
    stem = pattern.rstrip("*")
    if not any(name == pattern or (pattern.endswith("*") and name.startswith(stem)) for name in findings):
        entry.fail(f"no earlier rule concludes {pattern!r}")
    words = Shape(strength, f"{entry.place}: strength").items() if strength is not None else ()
    strengths = frozenset(Strength(item.one_of(frozenset(Strength))) for item in words)
    return Concluded(pattern, strengths or frozenset(Strength))


def _compare(entry: Shape, name: str, op: str, value: Shape, scope: Scope) -> Condition:
    fact = _fact(Shape(name, entry.place))
    kind = FACTS[fact].type
    operator = Op(Shape(op, entry.place).one_of(frozenset(Op)))
    if operator not in _OPS[kind]:
        entry.fail(f"{op} can't compare {fact}, which is of type {kind}")
    return Compare(fact, operator, _operand(kind, operator, value, scope))


def _operand(kind: FactType, op: Op, value: Shape, scope: Scope) -> Operand:
    if op in _SET_OPS or kind is FactType.WORDS:
        match value.raw:
            case str(name) if name.startswith("$sets."):
                if (key := name.removeprefix("$sets.")) not in scope.sets:
                    value.fail(f"there is no set {key!r}")
                return scope.sets[key]
            case str(word):
                return frozenset({word})
            case _:
                return value.words()
    match kind:
        case FactType.BOOL:
            return value.boolean()
        case FactType.DATE:
            return value.date()
        case FactType.WORD:
            return value.text()
        case _:
            return _threshold(value, scope)


def _threshold(value: Shape, scope: Scope) -> float:
    match value.raw:
        case str(name) if name.startswith("$thresholds."):
            if (key := name.removeprefix("$thresholds.")) not in scope.thresholds:
                value.fail(f"there is no threshold {key!r}")
            return scope.thresholds[key]
        case _:
            return value.number()


def _fact(entry: Shape, kind: FactType | None = None) -> str:
    name = entry.text()
    if name not in FACTS:
        entry.fail(f"there is no fact {name!r}")
    if kind is not None and FACTS[name].type is not kind:
        entry.fail(f"{name} is of type {FACTS[name].type}, {kind} is needed here")
    return name


def _kind(raw: Raw) -> str:
    return "nothing" if raw is None else type(raw).__name__
