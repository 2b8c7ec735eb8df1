"""Apply a rulebook to the facts of one subject: the cases in order, what replaces them, what stays open."""

from __future__ import annotations

import datetime as dt
import re

from msgspec import Struct, field
from msgspec.structs import replace

from aibom.assessors import wording
from aibom.assessors.conditions import thresholds
from aibom.assessors.facts import Fact, Facts, merge_evidence
from aibom.assessors.judgement import Context, Judgement, judge
from aibom.assessors.rulebook import BookRule, Case, Outcome, Rulebook
from aibom.findings import Evidence
from aibom.report import Determination, RuleRef, Strength, Timing

_ORDER = tuple(Strength)
_SAYS_SO = re.compile("not found|not stated|\\{missing\\}")
_ALWAYS = Fact(value=True, method="definition", confidence=1.0)


class Subject(Struct, frozen=True, kw_only=True):
    """Whom the rules are applied to: a component's ref, what it is to the report, and its facts."""

    ref: str
    kind: str
    facts: Facts
    prefix: str = ""


class _Decision(Struct):
    """An outcome on its way through exceptions and open questions."""

    outcome: Outcome
    judgement: Judgement
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    because: list[tuple[Evidence, ...]] = field(default_factory=list)


def apply(book: Rulebook, subject: Subject, as_of: dt.date) -> tuple[Determination, ...]:
    """Return what the rules of the book say of the subject on this day, in the book's order."""
    facts = Facts({**subject.facts.known, "always": _ALWAYS})
    concluded: dict[str, Strength] = {}
    determinations = []
    for rule in book.rules:
        if rule.watch or subject.kind not in rule.subjects:
            continue
        context = Context(facts, concluded)
        if rule.requires is not None and judge(rule.requires, context).value is not True:
            continue
        decision = _decide(rule, context)
        if decision is None:
            continue
        strength = decision.outcome.strength
        concluded[decision.outcome.finding] = max(
            strength, concluded.get(decision.outcome.finding, strength), key=_ORDER.index
        )
        determinations.append(_determination(book, rule, decision, subject, context=context, as_of=as_of))
    return tuple(determinations)


def _decide(rule: BookRule, context: Context) -> _Decision | None:
    """Take the first case that is true; a case that can't be settled leaves its question open and the next is tried."""
    skipped: list[Judgement] = []
    for case in rule.cases:
        judgement = judge(case.when, context)
        if judgement.value is True:
            decision = _except(case, _Decision(case.then, judgement), context)
            for earlier in skipped:
                decision.missing += earlier.missing
            return decision
        if judgement.value is None:
            if case.unknown is not None:
                return _Decision(case.unknown, judgement, missing=list(judgement.missing))
            skipped.append(judgement)
    if skipped:
        if rule.unknown is None:
            return None
        merged = Judgement(
            value=None,
            because=merge_evidence(item.because for item in skipped),
            against=merge_evidence(item.against for item in skipped),
            used=tuple(dict.fromkeys(name for item in skipped for name in item.used)),
        )
        return _Decision(rule.unknown, merged, missing=[name for item in skipped for name in item.missing])
    if rule.otherwise is None:
        return None
    first = judge(rule.cases[0].when, context)
    absent = first.missing if rule.otherwise.strength is Strength.INSUFFICIENT_EVIDENCE else ()
    return _Decision(rule.otherwise, first, missing=list(absent))


def _except(case: Case, decision: _Decision, context: Context) -> _Decision:
    for unless in case.unless:
        judgement = judge(unless.when, context)
        if judgement.value is None:
            decision.missing += judgement.missing
        elif judgement.value:
            decision.because.append(judgement.because)
            if unless.then is not None:
                return replace_outcome(decision, unless.then, judgement)
            if unless.note is not None:
                decision.notes.append(unless.note)
    return decision


def replace_outcome(decision: _Decision, outcome: Outcome, judgement: Judgement) -> _Decision:
    """Return the decision with what replaces its outcome; what spoke for the first still stands as evidence."""
    used = tuple(dict.fromkeys((*decision.judgement.used, *judgement.used)))
    because = merge_evidence((judgement.because, decision.judgement.because))
    return _Decision(outcome, replace(decision.judgement, because=because, used=used), decision.notes, decision.missing)


def _determination(
    book: Rulebook, rule: BookRule, decision: _Decision, subject: Subject, *, context: Context, as_of: dt.date
) -> Determination:
    outcome, judgement, facts = decision.outcome, decision.judgement, context.facts
    missing = list(dict.fromkeys([*decision.missing, *(name for name in rule.questions if facts[name] is None)]))
    notes = [*outcome.notes, *decision.notes]
    applies_from = rule.applies_from
    if rule.transition is not None and judge(rule.transition.when, context).value is True:
        applies_from = max(applies_from, rule.transition.until)
        notes.append(rule.transition.note)
    upcoming = applies_from > as_of
    recorded = merge_evidence(
        fact.evidence for name in outcome.record if (fact := facts[name]) is not None and fact.value
    )
    reason = _reason(book, rule, outcome, facts, missing)
    return Determination(
        rule=reference(book, rule),
        subject=subject.ref,
        finding=outcome.finding,
        strength=outcome.strength,
        statement=wording.statement(
            rule.label, outcome.strength, reason, prefix=subject.prefix if rule.relative else "",
            suffix=f", from {applies_from}" if upcoming else "",
        ),
        applies_from=applies_from,
        timing=Timing.UPCOMING if upcoming else Timing.IN_FORCE,
        because=merge_evidence([judgement.because, *decision.because, recorded]),
        against=judgement.against,
        missing=wording.labels(missing, facts),
        references=tuple(source.url for source in rule.sources),
        addressee=rule.addressee,
        notes=tuple(notes),
        confidence=_confidence(judgement.used, facts),
        headline=rule.headline,
    )  # fmt: skip


def reference(book: Rulebook, rule: BookRule) -> RuleRef:
    """Return a rule as a determination names it."""
    return RuleRef(
        id=rule.id, regime=book.regime, key=rule.key, provision=rule.provision, title=rule.title,
        authority=rule.authority, rulebook=book.rulebook, references=tuple(source.url for source in rule.sources),
    )  # fmt: skip


def _reason(book: Rulebook, rule: BookRule, outcome: Outcome, facts: Facts, missing: list[str]) -> str:
    threshold = next((found for case in rule.cases for found in thresholds(case.when)), None)
    reason = wording.fill(
        outcome.reason, facts, missing, tuple(book.lists.values()), threshold=threshold, wants=rule.wants
    )
    absent = [name for name in missing if (fact := facts[name]) is None or not fact.value]
    if outcome.strength is Strength.INSUFFICIENT_EVIDENCE and absent and not _SAYS_SO.search(outcome.reason):
        reason += f"; not found: {wording.short_labels(absent)}"
    return reason


def _confidence(used: tuple[str, ...], facts: Facts) -> float | None:
    known = [fact.confidence for name in used if (fact := facts[name]) is not None]
    return round(min(known), 2) if known else None
