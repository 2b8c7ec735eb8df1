"""Which minimum elements a document holds: computed on what was emitted, whoever emitted it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Any

from msgspec import Struct

from aibom.data.tables import load_rows
from aibom.documents import Json, Placed, components, files, full_name, subject, values
from aibom.errors import UsageError


class Outcome(StrEnum):
    """What became of one element. A declared unknown is an answer, an absence is none."""

    PRESENT = "present"
    DECLARED_UNKNOWN = "declared-unknown"
    ABSENT = "absent"
    NOT_APPLICABLE = "not-applicable"


class Scope(StrEnum):
    """What an element is asked of; of several parts, each must answer."""

    DOCUMENT = "document"
    SUBJECT = "subject"
    MODEL = "model"
    DATASET = "dataset"
    COMPONENT = "component"
    WEIGHTS = "weights"
    NONE = "none"


class Element(Struct, frozen=True, kw_only=True):
    """One element of a profile. `auto` says who can fill it: `bytes`, `card` or `user`."""

    profile: str
    id: str
    cluster: str
    name: str
    auto: str
    importance: str
    scope: Scope
    paths: str


class Answer(Struct, frozen=True, kw_only=True):
    """What a document says to one element.

    `pointers` are the JSON pointers that satisfy it, `missing` the names of parts that do not answer. `verified` is
    True where the document says that the value was computed from the bytes; all else is a claim.
    """

    element: Element
    outcome: Outcome
    pointers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    verified: bool = False


class Score(Struct, frozen=True, kw_only=True):
    """The answers to a profile. `formula` is the peer's number where the profile is one (`owasp-compat`)."""

    profile: str
    answers: tuple[Answer, ...]
    formula: float | None = None

    def count(self, outcome: Outcome) -> int:
        """Return how many elements have this outcome."""
        return sum(answer.outcome is outcome for answer in self.answers)


ALIASES = {
    "bsi": "bsi-tr-03183-2-2.1",
    "ntia": "ntia-2021",
    "cisa": "cisa-2026",
    "g7": "g7-ai",
    "owasp": "owasp-compat",
}
_COLUMNS = ("profile", "id", "cluster", "element", "auto", "importance", "scope", "paths")
_REQUIRED = ("profile", "id", "cluster", "element", "auto", "scope")
_STEP = re.compile(r"(?P<key>[\w-]+)(?:\[(?P<tests>[^\]]+)\])?(?P<exists>!)?")
_UNKNOWN = frozenset({"unknown", "noassertion", "not known", "n/a"})
# Weights of the OWASP AIBOM Generator 1.0.2 by category, and its penalties.
_OWASP = {
    "required_fields": 20,
    "metadata": 20,
    "component_basic": 20,
    "component_model_card": 30,
    "external_references": 10,
}


@cache
def elements() -> tuple[Element, ...]:
    """Return all elements of all profiles, in the order of their table.

    Raises:
        DataError: the table that ships with the tool is broken.
    """
    return tuple(
        Element(
            profile=row["profile"],
            id=row["id"],
            cluster=row["cluster"],
            name=row["element"],
            auto=row.one_of("auto", ("bytes", "card", "user")),
            importance=row.one_of("importance", ("", "critical", "important")),
            scope=Scope(row.one_of("scope", tuple(Scope))),
            paths=row["paths"],
        )
        for row in load_rows("minimum_elements.csv", _COLUMNS, required=_REQUIRED)
    )


def profiles() -> tuple[str, ...]:
    """Return the names of the profiles."""
    return tuple(dict.fromkeys(element.profile for element in elements()))


def score(document: Json, profile: str) -> Score:
    """Answer each element of a profile from a document that `documents.load` returned.

    Raises:
        UsageError: there is no such profile.
    """
    name = ALIASES.get(profile, profile)
    asked = [element for element in elements() if element.profile == name]
    if not asked:
        raise UsageError(f"there is no profile {profile!r}", hint=f"Profiles: {', '.join(profiles())}.")
    parts = _Parts(document)
    answers = tuple(_answer(element, parts) for element in asked)
    return Score(profile=name, answers=answers, formula=_owasp(answers) if name == "owasp-compat" else None)


class _Parts:
    """The parts of a document by scope, found once."""

    def __init__(self, document: Json) -> None:
        self._document = document
        standing = [placed for placed in components(document) if placed[1].get("type") != "file"]
        models = [placed for placed in standing if placed[1].get("type") == "machine-learning-model"]
        self._by_scope: dict[Scope, list[Placed]] = {
            Scope.DOCUMENT: [("", document)],
            Scope.SUBJECT: [subject(document)],
            Scope.MODEL: models,
            Scope.DATASET: [placed for placed in standing if placed[1].get("type") == "data"],
            Scope.COMPONENT: standing,
            Scope.WEIGHTS: _weights(document) or models,
            Scope.NONE: [],
        }

    def of(self, scope: Scope) -> list[Placed]:
        return self._by_scope[scope]


def _weights(document: Json) -> list[Placed]:
    found = list(files(document))
    weights = [placed for placed in found if "weights" in values(placed[1], "aibom:file:role")]
    return weights or [placed for placed in found if not values(placed[1], "aibom:file:role")]


def _answer(element: Element, parts: _Parts) -> Answer:
    if element.scope is Scope.NONE:
        return Answer(element=element, outcome=Outcome.NOT_APPLICABLE)
    asked = parts.of(element.scope)
    pointers: list[str] = []
    missing: list[str] = []
    unknown = False
    verified = bool(asked)
    for pointer, body in asked:
        outcome, where = _find(element.paths, body)
        unknown = unknown or outcome is Outcome.DECLARED_UNKNOWN
        verified = verified and outcome is Outcome.PRESENT and _is_verified(element, body)
        if outcome is Outcome.ABSENT:
            missing.append(full_name(body) or "document")
        else:
            pointers += [pointer + tail for tail in where]
    if missing or not asked:
        return Answer(
            element=element, outcome=Outcome.ABSENT, pointers=tuple(pointers), missing=tuple(missing), verified=False
        )
    outcome = Outcome.DECLARED_UNKNOWN if unknown else Outcome.PRESENT
    return Answer(element=element, outcome=outcome, pointers=tuple(pointers), verified=verified)


def _is_verified(element: Element, body: Json) -> bool:
    """Say whether the document itself states that the value comes from the bytes: so far, digests only."""
    return element.paths.startswith("hashes") and "computed" in values(body, "aibom:file:digest-basis")


def _find(paths: str, body: Json) -> tuple[Outcome, list[str]]:
    """Return the first alternative that holds; an explicit unknown counts after all others."""
    unknown: list[str] = []
    for alternative in paths.split("|"):
        doubtful = alternative.startswith("?")
        found = [_first(body, part.split("/")) for part in alternative.lstrip("?").split("&")]
        if any(place is None for place in found):
            continue
        places = [place for place in found if place is not None]
        if doubtful or any(_says_unknown(value) for _, value in places):
            unknown = unknown or [pointer for pointer, _ in places]
        else:
            return Outcome.PRESENT, [pointer for pointer, _ in places]
    return (Outcome.DECLARED_UNKNOWN, unknown) if unknown else (Outcome.ABSENT, [])


def _says_unknown(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in _UNKNOWN


def _first(value: Any, steps: list[str]) -> tuple[str, Any] | None:
    """Follow steps through mappings and (any item of) lists to the first value that is not empty."""
    if not steps:
        return None if value in (None, "", [], {}) else ("", value)
    match = _STEP.fullmatch(steps[0])
    assert match is not None  # the table is ours, and a test reads all of it
    if isinstance(value, list):
        return next((hit for hit in _in_items(value, steps, None)), None)
    if not isinstance(value, dict) or match["key"] not in value:
        return None
    inner, key = value[match["key"]], match["key"]
    if match["exists"]:
        return f"/{key}", inner
    if match["tests"] and isinstance(inner, list):
        hits = _in_items(inner, steps[1:], match["tests"])
        return next(((f"/{key}{pointer}", found) for pointer, found in hits), None)
    if match["tests"] and not _passes(inner, match["tests"]):
        return None
    deeper = _first(inner, steps[1:])
    return None if deeper is None else (f"/{key}{deeper[0]}", deeper[1])


def _in_items(items: list[Any], steps: list[str], tests: str | None) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(items):
        if tests is None or _passes(item, tests):
            hit = _first(item, steps)
            if hit is not None:
                yield f"/{number}{hit[0]}", hit[1]


def _passes(item: Any, tests: str) -> bool:
    if not isinstance(item, dict):
        return False
    for test in tests.split(";"):
        key, _, wanted = test.partition("=")
        value = item.get(key)
        if not isinstance(value, str):
            return False
        if not (value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted):
            return False
    return True


def _owasp(answers: tuple[Answer, ...]) -> float:
    """Return the number of the OWASP AIBOM Generator 1.0.2 over the emitted document, from 0 to 100.

    It measures presence only; the generator itself scores what it extracted and not what it wrote.
    """
    total = Counter(answer.element.cluster for answer in answers)
    held = Counter(answer.element.cluster for answer in answers if answer.outcome is not Outcome.ABSENT)
    result = sum(weight * held[cluster] / total[cluster] for cluster, weight in _OWASP.items())
    lost = Counter(answer.element.importance for answer in answers if answer.outcome is Outcome.ABSENT)
    if lost["critical"] > 3:
        result *= 0.8
    elif lost["critical"] >= 2:
        result *= 0.9
    if lost["important"] >= 5:
        result *= 0.95
    return round(result, 1)
