"""Judge conditions by Kleene's three-valued logic: true, false, or unknown with what is missing."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from msgspec import Struct, field

from aibom.assessors.compute import compare, near
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
from aibom.assessors.facts import Fact, Facts, Passage, merge_evidence
from aibom.findings import Evidence
from aibom.report import Strength

Tri = bool | None


class Judgement(Struct, frozen=True, kw_only=True):
    """What came out: true, false or unknown (None), what it rests on, and which facts are missing."""

    value: Tri
    because: tuple[Evidence, ...] = ()
    against: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


class Context(Struct, frozen=True):
    """What conditions are judged against: the facts, and what earlier rules concluded (finding to strength)."""

    facts: Facts
    concluded: Mapping[str, Strength] = field(default_factory=dict)


def judge(condition: Condition, context: Context) -> Judgement:
    """Judge a condition. A missing fact makes it unknown unless the rest decides alone."""
    match condition:
        case All(parts):
            return _combine([judge(part, context) for part in parts], decisive=False)
        case Any(parts):
            return _combine([judge(part, context) for part in parts], decisive=True)
        case Not(part):
            inner = judge(part, context)
            value = None if inner.value is None else not inner.value
            return Judgement(
                value=value, because=inner.against if value is False else inner.because, missing=inner.missing,
                against=inner.because if value is False else inner.against, used=inner.used,
            )  # fmt: skip
        case Concluded(pattern, strengths):
            found = [strength for name, strength in context.concluded.items() if fnmatchcase(name, pattern)]
            return Judgement(value=any(strength in strengths for strength in found))
        case Ratio():
            return _ratio(condition, context.facts)
        case Near(name, threshold):
            estimates = context.facts.estimates(name)
            if not estimates:
                return Judgement(value=None, missing=(name,), used=(name,))
            evidence = merge_evidence(item.evidence for item in estimates)
            return Judgement(value=near(estimates, threshold), because=evidence, used=(name,))
        case Mentions():
            return _mentions(condition, context.facts)
        case Known(name):
            fact = context.facts[name]
            return Judgement(value=fact is not None, because=fact.evidence if fact else (), used=(name,),
                             missing=() if fact else (name,))  # fmt: skip
        case Present(name):
            return _present(name, context.facts)
        case Compare():
            return _compare(condition, context.facts)


def _combine(parts: list[Judgement], *, decisive: bool) -> Judgement:
    """Join judgements: one part with the decisive value decides, else one unknown part makes all unknown."""
    used = tuple(dict.fromkeys(name for part in parts for name in part.used))
    deciding = [part for part in parts if part.value is decisive]
    if deciding:
        return Judgement(
            value=decisive, because=merge_evidence(part.because for part in deciding), used=used,
            against=merge_evidence(part.against for part in deciding),
            missing=() if decisive else tuple(dict.fromkeys(name for part in parts for name in part.missing)),
        )  # fmt: skip
    open_parts = [part for part in parts if part.value is None]
    return Judgement(
        value=None if open_parts else not decisive,
        because=merge_evidence(part.because for part in parts),
        against=merge_evidence(part.against for part in parts),
        missing=tuple(dict.fromkeys(name for part in open_parts for name in part.missing)),
        used=used,
    )


def _compare(condition: Compare, facts: Facts) -> Judgement:
    fact = facts[condition.fact]
    used = (condition.fact,)
    if fact is None:
        return Judgement(value=None, missing=used, used=used)
    if estimates := facts.estimates(condition.fact):
        assert isinstance(condition.value, int | float)
        reading = compare(estimates, float(condition.value))
        value = reading.above if condition.op in {Op.GT, Op.GE} or reading.above is None else not reading.above
        because = merge_evidence(item.evidence for item in reading.deciding)
        return Judgement(
            value=value, because=because, used=used, missing=used if value is None else (),
            against=merge_evidence(item.evidence for item in reading.against),
        )  # fmt: skip
    value = _holds(fact, condition.op, condition.value)
    return Judgement(value=value, because=fact.evidence, missing=used if value is None else (), used=used)


def _holds(fact: Fact, op: Op, operand: Operand) -> Tri:
    value = fact.value
    if isinstance(value, frozenset):
        return _set_holds(value, op, operand, complete=fact.complete)
    match op:
        case Op.EQ:
            return value == operand
        case Op.NE:
            return value != operand
        case Op.IN:
            assert isinstance(operand, frozenset)
            return value in operand
        case _:
            return _ordered(value, op, operand)


def _ordered(value: object, op: Op, operand: Operand) -> Tri:
    match value, operand:
        case dt.date() as day, dt.date() as other:
            before, equal = day < other, day == other
        case (int() | float()) as number, (int() | float()) as limit:
            before, equal = number < limit, number == limit
        case _:
            return None
    return {Op.LT: before, Op.LE: before or equal, Op.GE: not before}.get(op, not before and not equal)


def _set_holds(value: frozenset[str], op: Op, operand: Operand, *, complete: bool) -> Tri:
    """Compare a set; where it may hold more than was seen, only what was seen decides."""
    wanted = operand if isinstance(operand, frozenset) else frozenset({str(operand)})
    match op:
        case Op.CONTAINS:
            return True if wanted <= value else (False if complete else None)
        case Op.INTERSECTS:
            return True if wanted & value else (False if complete else None)
        case Op.DISJOINT:
            return False if wanted & value else (True if complete else None)
        case Op.WITHIN:
            return False if value - wanted else (True if complete else None)
        case _:
            return (value == wanted) if complete else None


def _ratio(condition: Ratio, facts: Facts) -> Judgement:
    over, under = facts.estimates(condition.over), facts.estimates(condition.under)
    used = (condition.over, condition.under)
    missing = tuple(name for name, found in zip(used, (over, under), strict=True) if not found)
    if missing:
        return Judgement(value=None, missing=missing, used=used)
    evidence = merge_evidence([*(item.evidence for item in over), *(item.evidence for item in under)])
    value: Tri = None
    if max(item.high for item in over) <= condition.value * min(item.low for item in under):
        value = False
    elif min(item.low for item in over) > condition.value * max(item.high for item in under):
        value = True
    elif all(item.disclosed for item in (*over, *under)):
        value = max(item.flop for item in over) > condition.value * max(item.flop for item in under)
    return Judgement(value=value, because=evidence, missing=() if value is not None else used, used=used)


def _present(name: str, facts: Facts) -> Judgement:
    fact = facts[name]
    if fact is None:
        return Judgement(value=None, missing=(name,), used=(name,))
    found = bool(fact.value)
    if not found and not fact.complete:
        return Judgement(value=None, missing=(name,), used=(name,))
    return Judgement(value=found, because=fact.evidence, used=(name,), missing=() if found else (name,))


def _mentions(condition: Mentions, facts: Facts) -> Judgement:
    if not condition.phrases:
        return Judgement(value=False, used=condition.facts)
    found: dict[Phrase, Passage] = {}
    open_names = []
    for name in condition.facts:
        fact = facts[name]
        if fact is None or not fact.complete:
            open_names.append(name)
        possible = [phrase for phrase in condition.phrases if _may_hold(facts.folded(name), phrase)]
        for passage in facts.passages(name) if possible else ():
            if any(mentions(passage.text, phrase) for phrase in condition.without):
                continue
            for phrase in possible:
                if phrase not in found and mentions(passage.text, phrase):
                    found[phrase] = passage
    if len(found) >= condition.hits:
        evidence = merge_evidence([(passage.evidence,) for passage in found.values()])
        return Judgement(value=True, because=evidence, used=condition.facts)
    return Judgement(
        value=None if open_names else False, missing=tuple(open_names), used=condition.facts,
        because=merge_evidence([(passage.evidence,) for passage in found.values()]),
    )  # fmt: skip


def _may_hold(folded: str, phrase: Phrase) -> bool:
    """Say whether a word of every group begins anywhere in the text: cheap, and never wrongly no."""
    return all(any(stem in folded for stem in _stems(group)) for group in phrase.groups)


@lru_cache(maxsize=4096)
def _stems(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(re.split(r"[\s_-]", word.rstrip("*").lower())[0] for word in words)


def mentions(text: str, phrase: Phrase) -> bool:
    """Say whether every group of the phrase has a word in the text; case and repeated spaces do not count."""
    return all(_pattern(group).search(text) for group in phrase.groups)


@lru_cache(maxsize=4096)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Compile one group. Only literal words with spaces and hyphens made equal: no pattern comes from data."""
    parts = []
    for word in words:
        stem = word.removesuffix("*")
        literal = r"[\s_-]+".join(re.escape(part) for part in re.split(r"[\s_-]+", stem) if part)
        parts.append(literal + ("" if word.endswith("*") else r"(?![^\W_])"))
    return re.compile(r"(?<![^\W_])(?:" + "|".join(parts) + ")", re.IGNORECASE)
