"""Decisions of the user that a finding does not count. They mark findings; they never remove one."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping

from msgspec.structs import replace

from aibom.files import Digest
from aibom.findings import Finding, Rule, Severity, Subject, Suppression
from aibom.settings import Ignore, Settings

IGNORE_UNUSED = Rule(
    id="ignore-unused",
    subject=Subject.DECISIONS,
    severity=Severity.INFO,
    summary="An ignore matches nothing",
    explanation="The ignore has expired, the file has changed since, or what it was written for is gone.",
    help="Remove the ignore, or review the finding again.",
)

RULES = (IGNORE_UNUSED,)


def apply_ignores(
    findings: tuple[Finding, ...], digests: Mapping[str, tuple[Digest, ...]], settings: Settings
) -> tuple[Finding, ...]:
    """Mark the findings that the settings ignore on the day `settings.as_of`, and report ignores without effect."""
    used: set[int] = set()
    marked = []
    for finding in findings:
        for number, ignore in enumerate(settings.ignores):
            if _matches(ignore, finding, digests, settings):
                used.add(number)
                decision = Suppression(reason=ignore.reason, source=ignore.source, until=ignore.until)
                marked.append(replace(finding, suppression=decision))
                break
        else:
            marked.append(finding)
    for number, ignore in enumerate(settings.ignores):
        if number not in used:
            why = "it has expired" if ignore.until and ignore.until < settings.as_of else "nothing matches it"
            marked.append(Finding.of(IGNORE_UNUSED, f"{ignore.source}: the ignore of {ignore.rule} is unused, {why}"))
    return tuple(marked)


def _matches(ignore: Ignore, finding: Finding, digests: Mapping[str, tuple[Digest, ...]], settings: Settings) -> bool:
    if ignore.rule != finding.rule.id or (ignore.until is not None and ignore.until < settings.as_of):
        return False
    path = finding.location.path if finding.location else ""
    if ignore.path is not None and not fnmatch.fnmatchcase(path, ignore.path):
        return False
    if ignore.sha256 is None:
        return True
    return any(
        digest.algorithm == "sha256" and digest.basis == "computed" and digest.value == ignore.sha256.lower()
        for digest in digests.get(path, ())
    )
