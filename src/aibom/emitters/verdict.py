"""What a report comes to in one line: what was found, never that a model is safe."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from aibom.emitters.coverage import is_covered
from aibom.findings import Finding, Severity, Subject
from aibom.report import Report

Tone = Literal["bad", "undecided", "clear"]
# In the order in which it is asked.
_BAD = (
    ((Subject.CODE_ON_LOAD,), "Not safe to load"),
    ((Subject.INTEGRITY,), "Not the files that were published"),
    ((Subject.CONTAINERS, Subject.FILES), "Not decided whether it is safe to load"),
)


class Verdict(Struct, frozen=True, kw_only=True):
    """The line, its tone, and the rule that it rests on."""

    text: str
    tone: Tone
    rule: str | None = None


def live(report: Report) -> list[Finding]:
    """Return the findings that nobody has decided to ignore, worst first."""
    return sorted((f for f in report.findings if f.suppression is None), key=lambda finding: finding.sort_key)


def verdict(report: Report) -> Verdict:
    """Judge by the gravest finding: code on load before integrity before what could not be decided."""
    grave = [finding.rule for finding in live(report) if finding.severity.at_least(Severity.HIGH)]
    for subjects, text in _BAD:
        if (rule := next((rule for rule in grave if rule.subject in subjects), None)) is not None:
            return Verdict(text=text, tone="bad", rule=rule.id)
    text = "Nothing found that runs code on load"
    if not is_covered(report):
        text += " in what was inspected"
    if grave:
        return Verdict(text=f"{text}, but something else to settle first", tone="undecided", rule=grave[0].id)
    doubtful = (finding.rule for finding in live(report) if finding.severity is Severity.MEDIUM)
    if (rule := next((rule for rule in doubtful if rule.subject is Subject.CODE_ON_LOAD), None)) is not None:
        return Verdict(text=f"{text}, but something needs a reader", tone="undecided", rule=rule.id)
    return Verdict(text=text, tone="clear")
