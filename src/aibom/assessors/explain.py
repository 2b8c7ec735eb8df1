"""Explain a rule of a rulebook: what it reads, on whose authority, what evidence it wants, what it can't know."""

from __future__ import annotations

import textwrap

from aibom.assessors.book_loader import load_books
from aibom.assessors.conditions import thresholds
from aibom.assessors.facts import FACTS
from aibom.assessors.rulebook import BookRule, Rulebook, outcomes
from aibom.assessors.wording import flop
from aibom.errors import UsageError

_WIDTH = 80


def explainable() -> tuple[tuple[str, str], ...]:
    """Return every rule as `regime/id` with its title, in the books' order."""
    return tuple((f"{book.regime}/{rule.id}", rule.title) for book in load_books() for rule in book.rules)


def explain(name: str) -> str:
    """Return a rule as text for a terminal of 80 columns. `name` is `regime/id` or `regime/key`.

    Raises:
        UsageError: there is no such rule; the hint names near ones.
    """
    regime, _, rest = name.partition("/")
    for book in load_books():
        for rule in book.rules:
            if book.regime == regime and rest in {rule.id, rule.key}:
                return _text(book, rule)
    known = [item for item, _ in explainable()]
    near = [item for item in known if rest and item.startswith(f"{regime}/") and rest in item][:5]
    raise UsageError(
        f"there is no rule {name!r}",
        hint=f"did you mean {', '.join(near)}?" if near else "rules are named as in eu-ai-act/53-2",
    )


def _text(book: Rulebook, rule: BookRule) -> str:
    strongest = list(dict.fromkeys(outcome.strength.value.replace("-", " ") for outcome in outcomes(rule)))
    limits = sorted({value for case in rule.cases for value in thresholds(case.when)})
    parts = [
        f"{book.regime}/{rule.id}  ({rule.authority})",
        _wrap(rule.title),
        _wrap(f"{rule.provision}; applies from {rule.applies_from}"),
        "",
        _wrap(rule.rationale),
        "",
    ]
    if rule.addressee:
        parts += [f"Speaks to: {rule.addressee}", ""]
    if rule.transition:
        parts += [_wrap(rule.transition.note), ""]
    if limits:
        parts += [f"Threshold: more than {', '.join(map(flop, limits))} FLOP", ""]
    if rule.wants:
        parts += ["Evidence wanted:", *(_item(f"{FACTS[name].label}: {FACTS[name].sought}") for name in rule.wants), ""]
    parts += ["What it may say:", _item(", ".join(strongest)), "", "What it can't know:", _item(rule.limits), ""]
    if rule.watch:
        parts += ["On the watch list: it reads a draft and is not evaluated.", ""]
    parts += ["Sources:", *(f"  {source.title}\n  {source.url}" for source in rule.sources), ""]
    parts += [f"Rulebook {book.rulebook}.", _wrap(book.disclaimer)]
    return "\n".join(parts)


def _item(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _wrap(text: str) -> str:
    return textwrap.fill(text, _WIDTH)
