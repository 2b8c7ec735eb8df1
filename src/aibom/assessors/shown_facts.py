"""Put the value of a fact into words for a checklist; words of the target stand in quotation marks."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

from aibom.assessors.facts import FACTS, Estimate, Fact, FactType, Passage
from aibom.assessors.wording import amount, flop

_FEW = 5
_MOST_CHARACTERS = 120
# Words in these come from the target; those in all other sets of words are of our own tables.
_QUOTED = frozenset({"arch.classes", "lineage.bases", "task", "training.accelerator"})
# Texts that are lists of names; the others are passages, which the evidence quotes.
_NAMES = frozenset({"datasets", "bases", "tags", "labels", "lineage.same-weights"})
_SCORES = {"6nd": "from tokens and parameters", "trainer-state": "from the trainer's state",
           "reference-table": "from a table of known models"}  # fmt: skip


def shown(name: str, fact: Fact) -> str:
    """Return `label: value` of a fact."""
    label = FACTS[name].label
    match fact.value:
        case bool() as known if label.startswith("whether"):
            return f"{label}: {'yes' if known else 'no'}"
        case bool() as known:
            return f"{label}: {'found' if known else 'none found'}"
        case int() | float() as number if FACTS[name].type is FactType.NUMBER:
            return f"{label}: {_number(number)}"
        case frozenset() as words:
            return f"{label}: {_few([_word(name, word) for word in sorted(words)])}"
        case dt.date() as day:
            return f"{label}: {day.isoformat()}"
        case tuple() as items if FACTS[name].type is FactType.COMPUTE:
            return f"{label}: {'; '.join(_estimate(item) for item in items if isinstance(item, Estimate))}"
        case tuple() as items:
            return f"{label}: {_passages(name, [item for item in items if isinstance(item, Passage)])}"
        case other:
            return f"{label}: {_word(name, str(other))}"


def _number(value: float) -> str:
    whole = f"{value:,.0f}" if value == int(value) else f"{value:,}"
    return f"{whole} ({amount(value)})" if value >= 1e6 else whole


def _word(name: str, word: str) -> str:
    return _quoted(word) if name in _QUOTED else word


def _quoted(text: str) -> str:
    text = " ".join(text.split())
    cut = text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
    return "“" + cut.replace("“", "'").replace("”", "'") + "”"


def _few(words: Sequence[str]) -> str:
    more = f" and {len(words) - _FEW} more" if len(words) > _FEW else ""
    return ", ".join(words[:_FEW]) + more if words else "none found"


def _estimate(item: Estimate) -> str:
    how = _SCORES.get(item.method, item.method.replace("-", " "))
    if not math.isfinite(item.high):
        return f"{flop(item.low)} FLOP or more, {how}"
    bounds = f" ({flop(item.low)} to {flop(item.high)})" if item.low != item.high else ""
    return f"{flop(item.flop)} FLOP{bounds}, {how}"


def _passages(name: str, passages: Sequence[Passage]) -> str:
    if name in _NAMES:
        return _few(list(dict.fromkeys(_quoted(item.text) for item in passages)))
    return f"{len(passages)} passage{'s' * (len(passages) != 1)}, as quoted" if passages else "none found"
