"""Put reasons into words: numbers and words of our own tables only, so that no text of a target speaks in our name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from aibom.assessors.compute import compare
from aibom.assessors.facts import FACTS, Estimate, Facts
from aibom.assessors.reference_data import KNOWN_MODELS_DATE, license_terms
from aibom.report import Strength

_PLACEHOLDER = re.compile(r"\{([a-z-]+)\}")
_METHODS = {
    "declared": "as stated",
    "6nd": "from tokens and parameters",
    "hardware": "from accelerator hours",
    "trainer-state": "from the trainer's state",
    "reference-table": f"known models {KNOWN_MODELS_DATE}",
    "lineage": "by way of the base model",
}
_MAX_MISSING = 4


def statement(label: str, strength: Strength, reason: str, *, prefix: str = "", suffix: str = "") -> str:
    """Return the sentence of a determination: what it is about, how strong, why."""
    return f"{prefix}{label}: {strength.value.replace('-', ' ')} ({reason}){suffix}"


def fill(
    reason: str,
    facts: Facts,
    missing: Sequence[str],
    lists: Sequence[Mapping[str, str]],
    *,
    threshold: float | None = None,
    wants: Sequence[str] = (),
) -> str:
    """Fill the placeholders of a reason; a fact that is unknown reads "not stated".

    `threshold` is what the rule compares compute with, None where it compares none; `wants` is the evidence it wants.
    """
    values = _values(facts, missing, lists, threshold)
    found = sum(1 for name in wants if (fact := facts[name]) is not None and fact.value)
    values["evidenced"] = lambda: f"{found} of {len(wants)}"
    return _PLACEHOLDER.sub(lambda match: values[match[1]](), reason)


def labels(names: Sequence[str], facts: Facts) -> tuple[str, ...]:
    """Return what is missing, each with where it was looked for, or that what was found does not settle it."""
    told = []
    for name in names:
        known = (fact := facts[name]) is not None and bool(fact.value)
        why = "what was found does not settle it" if known else f"looked for in: {FACTS[name].sought}"
        told.append(f"{FACTS[name].label} ({why})")
    return tuple(told)


def short_labels(names: Sequence[str]) -> str:
    """Return what is missing in a few words."""
    words = list(dict.fromkeys(FACTS[name].label for name in names))
    rest = f" and {len(words) - _MAX_MISSING} more" if len(words) > _MAX_MISSING else ""
    return ", ".join(words[:_MAX_MISSING]) + rest


def flop(value: float) -> str:
    """Return an amount of computation with two significant digits: `1.4e24`."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def amount(value: float) -> str:
    """Return a count in short scale: `36 T`, `8.03 B`."""
    for unit, prefix in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if value >= unit:
            return f"{value / unit:.3g} {prefix}"
    return f"{value:.3g}"


def _values(
    facts: Facts, missing: Sequence[str], lists: Sequence[Mapping[str, str]], threshold: float | None
) -> dict[str, Callable[[], str]]:
    def compute(name: str) -> Callable[[], str]:
        return lambda: (
            f"{flop(best.flop)} FLOP" if (best := _speaking(facts.estimates(name), threshold)) else "FLOP not stated"
        )

    def source(name: str) -> Callable[[], str]:
        return lambda: (
            _METHODS[best.method] if (best := _speaking(facts.estimates(name), threshold)) else "nothing stated"
        )

    def words(name: str) -> Callable[[], str]:
        return lambda: ", ".join(sorted(facts.words(name))) or "not stated"

    def break_even() -> str:
        parameters = facts.number("params.active") or facts.number("params.total")
        if not parameters or threshold is None:
            return ""
        return f"; {amount(parameters)} parameters would need {amount(threshold / (6 * parameters))} tokens"

    flags = facts.words("license.flags")
    # The first list with a term that is met: what decides, not everything that could be said.
    speaking = next((words for words in lists if flags & set(words)), {})

    def licenses() -> str:
        keys, table = facts.words("license.keys"), license_terms()
        those = {key for key in keys if not speaking or table[key].flags & set(speaking)}
        return ", ".join(sorted(those or keys)) or "not stated"

    def amount_known(name: str) -> Callable[[], str]:
        return lambda: f"{compute(name)()} {source(name)()}" if facts.estimates(name) else "compute not stated"

    return {
        "compute": compute("training.compute"),
        "compute-source": source("training.compute"),
        "cumulative": compute("training.compute.cumulative"),
        "compute-known": amount_known("training.compute"),
        "cumulative-known": amount_known("training.compute.cumulative"),
        "cumulative-source": source("training.compute.cumulative"),
        "base-compute": compute("lineage.base-compute"),
        "base-source": source("lineage.base-compute"),
        "own-compute": compute("lineage.own-compute"),
        "own-source": source("lineage.own-compute"),
        "outputs": words("output.modalities"),
        "inputs": words("input.modalities"),
        "license": licenses,
        "terms": lambda: ", ".join(text for flag, text in speaking.items() if flag in flags) or "no such term",
        "missing": lambda: short_labels(missing) or "nothing",
        "break-even": break_even,
        "relation": lambda: str(fact.value) if (fact := facts["lineage.relation"]) else "not stated",
        "task": lambda: str(fact.value) if (fact := facts["task"]) else "not stated",
    }


def _speaking(estimates: Sequence[Estimate], threshold: float | None) -> Estimate | None:
    """Return the estimate a sentence names: of those that decide the target's own, then disclosed, then the largest."""
    if estimates and threshold is not None:
        estimates = compare(estimates, threshold).deciding
    return max(estimates, key=lambda item: (item.method != "reference-table", item.disclosed, item.flop), default=None)
