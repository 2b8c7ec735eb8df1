"""Say what a pickle that another one carries as data would do, where that is dangerous."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from aibom.components import Import, Use, Verdict
from aibom.files import RepoFile
from aibom.findings import Finding, Severity
from aibom.inspectors import pickle_rules as rules
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE

_EVIDENCE = 3


def carried_findings(
    file: RepoFile,
    findings: tuple[Finding, ...],
    imports: tuple[Import, ...],
    at: int,
    known: AbstractSet[tuple[str, str]],
) -> list[Finding]:
    """Return what is told of a pickle at offset `at` that nothing loads, from its own findings and imports.

    Only what is critical there counts, and not what is `known` of the file anyway; a pickle that may as well be broken
    bytes, or of a package that nobody has looked at, accuses no file that does not load it.
    """
    deeper = [
        replace(item, location=file.at(offset=at))
        for item in findings
        if item.rule is rules.CARRIED or (item.rule is INSPECTION_INCOMPLETE and item.severity is Severity.LOW)
    ]
    worst = [finding for finding in findings if finding.severity is Severity.CRITICAL]
    acting = [item for item in imports if item.verdict is Verdict.DANGEROUS]
    if not worst or (acting and all((item.module, item.name) in known for item in acting)):
        return deeper
    message = "carries a pickle that hides what it would import if something loads it"
    if acting:
        called = next((item for item in acting if item.use is Use.CALLED), None)
        first = called or acting[0]
        message = f"carries a pickle that would {'run' if called else 'import'} {first.module}.{first.name}"
        message += " if something loads it"
    evidence = tuple(finding.message for finding in worst[:_EVIDENCE])
    return [Finding.of(rules.CARRIED, message, file.at(offset=at), evidence=evidence), *deeper]
