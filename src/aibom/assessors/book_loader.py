"""Read rulebooks strictly from their YAML files; a fault names file and rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from aibom.assessors.compute import Policy
from aibom.assessors.facts import FACTS
from aibom.assessors.rule_syntax import Scope, Shape, parse_condition
from aibom.assessors.rulebook import BookRule, Case, Outcome, Rulebook, Source, Transition, Unless, outcomes
from aibom.data.rulebooks import load_raw
from aibom.report import Strength

BOOKS = ("eu_ai_act.yaml", "openness.yaml", "ca_sb53.yaml")
AUTHORITIES = frozenset(
    {"statute", "recital", "guideline", "draft-guideline", "code-of-practice", "standard", "heuristic"}
)
SUBJECTS = frozenset({"model", "base", "report"})
_PLACEHOLDER = re.compile(r"\{([a-z.-]+)\}")
# What a reason may name in braces: numbers and words of our own tables, never text of the target (see `wording`).
PLACEHOLDERS = frozenset({
    "compute", "compute-known", "compute-source", "cumulative", "cumulative-known", "cumulative-source",
    "base-compute", "base-source",
    "own-compute",
    "own-source", "outputs", "inputs", "terms", "license", "missing", "break-even", "evidenced", "relation", "task",
})  # fmt: skip


@cache
def load_books() -> tuple[Rulebook, ...]:
    """Load the rulebooks that ship with the tool."""
    return tuple(load_book(name) for name in BOOKS)


def load_book(name: str) -> Rulebook:
    """Load a rulebook of `aibom/data`.

    Raises:
        DataError: it is absent or not what the schema says; the message names file and rule.
    """
    return read_book(load_raw(name), name)


def read_book(raw: Any, name: str) -> Rulebook:
    """Read a rulebook from what its YAML says; `name` is what faults call it.

    Raises:
        DataError: as `load_book`.
    """
    shape = Shape(raw, name)
    book = shape.mapping("regime title version as_of disclaimer sources rules",
                         "thresholds estimates modalities sets lexicons items lists")  # fmt: skip
    sources = {key: _source(value) for key, value in book["sources"].entries()}
    thresholds = {key: value.number() for key, value in book.get("thresholds").entries()}
    lists = {
        key: {word: meaning.text() for word, meaning in value.entries()} for key, value in book.get("lists").entries()
    }
    scope = Scope(
        thresholds=thresholds,
        sets={key: value.words() for key, value in book.get("sets").entries()}
        | {key: frozenset(value) for key, value in lists.items()},
        lexicons=dict(book.get("lexicons").entries()),
    )
    items = dict(book.get("items").entries())
    rules: list[BookRule] = []
    findings: set[str] = set()
    for entry in book["rules"].items():
        for expanded in _expand(entry, items):
            rule = _rule(expanded, scope, sources, findings)
            if any(rule.id == other.id or rule.key == other.key for other in rules):
                expanded.fail(f"id {rule.id!r} or key {rule.key!r} stands twice")
            rules.append(rule)
            findings |= {outcome.finding for outcome in outcomes(rule)}
    return Rulebook(
        regime=book["regime"].id(), title=book["title"].text(), version=book["version"].text(),
        as_of=book["as_of"].date(), disclaimer=book["disclaimer"].text(), rules=tuple(rules), sources=sources,
        thresholds=thresholds, policy=_policy(book.get("estimates")), lists=lists,
        modalities={key: _modality(value) for key, value in book.get("modalities").entries()},
    )  # fmt: skip


def _expand(entry: Shape, items: Mapping[str, Shape]) -> Iterator[Shape]:
    """Yield the rule, or with `foreach` one rule for each item of a list with its values in place of `$item.x`."""
    raw = entry.raw
    if not isinstance(raw, dict) or "foreach" not in raw:
        yield entry
        return
    name = str(raw["foreach"])
    if name not in items:
        entry.fail(f"foreach names {name!r}, which is not under items")
    for item in items[name].items():
        values = {key: value.raw for key, value in item.entries()}
        body = {key: _fill(value, values, entry) for key, value in raw.items() if key != "foreach"}
        yield Shape(body, entry.place)


def _fill(value: Any, values: Mapping[str, Any], entry: Shape) -> Any:
    match value:
        case str() if value.startswith("$item.") and " " not in value:
            name = value.removeprefix("$item.")
            return values[name] if name in values else entry.fail(f"{value} is no field of the item")
        case str():

            def insert(match: re.Match[str]) -> str:
                if match[1] not in values:
                    entry.fail(f"$item.{match[1]} is no field of the item")
                return str(values[match[1]])

            return re.sub(r"\$item\.(\w+)", insert, value)
        case dict():
            return {_fill(key, values, entry): _fill(inner, values, entry) for key, inner in value.items()}
        case list():
            return [_fill(inner, values, entry) for inner in value]
        case _:
            return value


def _rule(entry: Shape, scope: Scope, sources: Mapping[str, Source], findings: set[str]) -> BookRule:
    entry = entry.named("id")
    body = entry.mapping(
        "id key provision title label authority rationale limits sources applies_from cases",
        "addressee requires otherwise unknown questions subjects transition headline wants watch relative",
    )
    rule_id, key = body["id"].id(), body["key"].text()
    cited = []
    for word in body["sources"].items():
        if word.text() not in sources:
            word.fail(f"source {word.text()!r} is not under sources")
        cited.append(sources[word.text()])
    rule = BookRule(
        id=rule_id,
        key=key,
        provision=body["provision"].text(),
        title=body["title"].text(),
        label=body["label"].text(),
        authority=body["authority"].one_of(AUTHORITIES),
        rationale=body["rationale"].text(),
        limits=body["limits"].text(),
        wants=tuple(_fact_name(item) for item in body.get("wants").items()),
        sources=tuple(cited),
        applies_from=body["applies_from"].date(),
        cases=tuple(_case(item, scope, findings) for item in body["cases"].items()),
        addressee=body.get("addressee").text() if "addressee" in body else None,
        requires=parse_condition(body["requires"], scope, findings) if "requires" in body else None,
        otherwise=_outcome(body["otherwise"]) if "otherwise" in body else None,
        unknown=_outcome(body["unknown"]) if "unknown" in body else None,
        questions=tuple(_fact_name(item) for item in body.get("questions").items()),
        subjects=frozenset(item.one_of(SUBJECTS) for item in body["subjects"].items())
        if "subjects" in body
        else frozenset({"model"}),
        transition=_transition(body["transition"], scope, findings) if "transition" in body else None,
        headline=body["headline"].boolean() if "headline" in body else False,
        watch=body["watch"].boolean() if "watch" in body else False,
        relative=body["relative"].boolean() if "relative" in body else False,
    )
    if not rule.cases:
        entry.fail("has no case")
    return rule


def _case(entry: Shape, scope: Scope, findings: set[str]) -> Case:
    body = entry.mapping("when then", "unknown unless")
    return Case(
        when=parse_condition(body["when"], scope, findings),
        then=_outcome(body["then"]),
        unknown=_outcome(body["unknown"]) if "unknown" in body else None,
        unless=tuple(_unless(item, scope, findings) for item in body.get("unless").items()),
    )


def _unless(entry: Shape, scope: Scope, findings: set[str]) -> Unless:
    body = entry.mapping("when", "then note")
    if ("then" in body) == ("note" in body):
        entry.fail("needs one of then and note")
    return Unless(
        when=parse_condition(body["when"], scope, findings),
        then=_outcome(body["then"]) if "then" in body else None,
        note=body["note"].text() if "note" in body else None,
    )


def _outcome(entry: Shape) -> Outcome:
    body = entry.mapping("finding strength reason", "notes record")
    reason = body["reason"].text()
    for name in _PLACEHOLDER.findall(reason):
        if name not in PLACEHOLDERS:
            body["reason"].fail(f"{{{name}}} can't be shown in a statement")
    return Outcome(
        finding=body["finding"].text(),
        strength=Strength(body["strength"].one_of(frozenset(Strength))),
        reason=reason,
        notes=tuple(item.text() for item in body.get("notes").items()),
        record=tuple(_fact_name(item) for item in body.get("record").items()),
    )


def _transition(entry: Shape, scope: Scope, findings: set[str]) -> Transition:
    body = entry.mapping("until when note", "")
    return Transition(until=body["until"].date(), when=parse_condition(body["when"], scope, findings),
                      note=body["note"].text())  # fmt: skip


def _fact_name(entry: Shape) -> str:
    name = entry.text()
    if name not in FACTS:
        entry.fail(f"there is no fact {name!r}")
    return name


def _source(entry: Shape) -> Source:
    body = entry.mapping("title url", "")
    if not body["url"].text().startswith("https://"):
        entry.fail("url is no https address")
    return Source(title=body["title"].text(), url=body["url"].text())


def _policy(entry: Shape) -> Policy | None:
    if entry.raw is None:
        return None
    body = entry.mapping("margin factors utilization", "")
    low, usual, high = (item.number() for item in body["utilization"].items())
    return Policy(margin=body["margin"].number(), utilization=(low, usual, high),
                  factors={key: value.number() for key, value in body["factors"].entries()})  # fmt: skip


def _modality(entry: Shape) -> Mapping[str, Any]:
    body = entry.mapping("in out", "narrow generative")
    return {
        "in": body["in"].words(),
        "out": body["out"].words(),
        "narrow": body["narrow"].boolean() if "narrow" in body else False,
        "generative": body["generative"].boolean() if "generative" in body else None,
    }
