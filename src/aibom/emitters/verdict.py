"""What a report comes to in one line: what was found, never that a model is safe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aibom.emitters.coverage import is_covered
from aibom.findings import Finding, Severity
from aibom.report import Report
from aibom.rules import CODE_ON_LOAD, INTEGRITY, UNDECIDED

Tone = Literal["bad", "undecided", "clear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The line, its tone, and the rule that it rests on."""

    text: str
    tone: Tone
    rule: str | None = None


def live(report: Report) -> list[Finding]:
    """Return the findings that nobody has decided to ignore, worst first."""
    return sorted((f for f in report.findings if f.suppression is None), key=lambda finding: finding.sort_key)


def verdict(report: Report) -> Verdict:
    """Judge by the gravest finding: code on load before integrity before what could not be decided."""
    grave = [finding.rule.id for finding in live(report) if finding.severity.at_least(Severity.HIGH)]
    for rules, text in (
        (CODE_ON_LOAD, "Not safe to load"),
        (INTEGRITY, "Not the files that were published"),
        (UNDECIDED, "Not decided whether it is safe to load"),
    ):
        if (rule := next((rule for rule in grave if rule in rules), None)) is not None:
            return Verdict(text=text, tone="bad", rule=rule)
    text = "Nothing found that runs code on load"
    if not is_covered(report):
        text += " in what was inspected"
    if grave:
        return Verdict(text=f"{text}, but something else to settle first", tone="undecided", rule=grave[0])
    doubtful = (f.rule.id for f in live(report) if f.severity is Severity.MEDIUM and f.rule.id in CODE_ON_LOAD)
    if (rule := next(doubtful, None)) is not None:
        return Verdict(text=f"{text}, but something needs a reader", tone="undecided", rule=rule)
    return Verdict(text=text, tone="clear")
