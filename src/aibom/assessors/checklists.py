"""Answer checklists from facts and findings: due diligence, documentation form, components of openness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from msgspec import Struct

from aibom.assessors.book_loader import load_books
from aibom.assessors.conditions import Condition
from aibom.assessors.facts import FACTS, Facts, merge_evidence
from aibom.assessors.judgement import Context, judge
from aibom.assessors.rule_syntax import Scope, Shape, parse_condition
from aibom.assessors.rulebook import outcomes
from aibom.assessors.shown_facts import shown
from aibom.data.rulebooks import load_raw
from aibom.report import Answer, ChecklistItem, Strength

_NAME = "checklists.yaml"


class Question(Struct, frozen=True, kw_only=True):
    """An item of a checklist. Conditions are tried in the order unmet, met, partly.

    `todo` says what to do where the answer is not found.
    """

    list: str
    topic: str
    id: str
    text: str
    shows: tuple[str, ...]
    unmet: Condition | None
    met: Condition | None
    partly: Condition | None
    operator: bool
    todo: str | None = None


@cache
def load_checklists() -> tuple[Question, ...]:
    """Load the questions.

    Raises:
        DataError: the file is not what it should be; the message names the item.
    """
    return read_checklists(load_raw(_NAME), _NAME)


def read_checklists(raw: Any, name: str) -> tuple[Question, ...]:
    """Read questions from what their YAML says; `name` is what faults call it.

    Raises:
        DataError: as `load_checklists`.
    """
    body = Shape(raw, name).mapping("version lists", "")
    findings = {outcome.finding for book in load_books() for rule in book.rules for outcome in outcomes(rule)}
    return tuple(
        _question(key, entry, findings) for key, entries in body["lists"].entries() for entry in entries.items()
    )


def _question(name: str, entry: Shape, findings: set[str]) -> Question:
    body = entry.named("id").mapping("id topic question shows", "met unmet partly operator todo")
    scope = Scope(thresholds={}, sets={}, lexicons={})
    conditions = {key: parse_condition(body[key], scope, findings) for key in ("unmet", "met", "partly") if key in body}
    for named in body["shows"].items():
        if named.text() not in FACTS:
            named.fail(f"there is no fact {named.text()!r}")
    return Question(
        list=name, topic=body["topic"].text(), id=body["id"].id(), text=body["question"].text(),
        shows=tuple(item.text() for item in body["shows"].items()), unmet=conditions.get("unmet"),
        met=conditions.get("met"),
        partly=conditions.get("partly"), operator=body["operator"].boolean() if "operator" in body else False,
        todo=body["todo"].text() if "todo" in body else None,
    )  # fmt: skip


def answer(subject: str, facts: Facts, concluded: Mapping[str, Strength]) -> Iterator[ChecklistItem]:
    """Yield every question with its answer for one model."""
    context = Context(facts, concluded)
    for question in load_checklists():
        verdict = _answer(question, context)
        shown = [fact for name in question.shows if (fact := facts[name]) is not None]
        because = merge_evidence((fact.evidence for fact in shown), limit=5) if verdict is not Answer.NOT_FOUND else ()
        yield ChecklistItem(
            list=question.list, topic=question.topic, id=question.id, question=question.text, answer=verdict,
            statement=_statement(question, verdict, facts), subject=subject, because=because,
        )  # fmt: skip


def _answer(question: Question, context: Context) -> Answer:
    for condition, verdict in (
        (question.unmet, Answer.NO),
        (question.met, Answer.YES),
        (question.partly, Answer.PARTLY),
    ):
        if condition is not None and judge(condition, context).value is True:
            return verdict
    return Answer.NOT_DECIDABLE if question.operator else Answer.NOT_FOUND


def _statement(question: Question, verdict: Answer, facts: Facts) -> str:
    what = ", ".join(FACTS[name].label for name in question.shows)
    match verdict:
        case Answer.NOT_FOUND if question.shows:
            places = ", ".join(dict.fromkeys(", ".join(FACTS[name].sought for name in question.shows).split(", ")))
            todo = f"; to do: {question.todo}" if question.todo else ""
            return f"{what}: not found here; looked for in: {places}{todo}"
        case Answer.NOT_FOUND:
            return "not looked for: repositories do not state it in a form that can be read"
        case Answer.NOT_DECIDABLE:
            return "only the operator knows"
        case _:
            return "; ".join(
                shown(name, fact) if (fact := facts[name]) is not None else f"{FACTS[name].label}: not found here"
                for name in question.shows
            )
