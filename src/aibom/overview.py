"""One report in a row: what tables over many models and over time show of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct, field

from aibom.assessors.policy import POLICY_RULE_IDS
from aibom.emitters.coverage import is_covered
from aibom.emitters.verdict import live, verdict
from aibom.files import Role
from aibom.findings import Severity
from aibom.report import Report


class RuleCount(Struct, frozen=True, kw_only=True):
    """How often a rule was broken, and how badly at worst; ignored findings are not counted."""

    severity: Severity
    count: int


class Overview(Struct, frozen=True, kw_only=True):
    """What one scan came to. `size` is bytes, `licenses` maps an expression (or what was said) to how it is known.

    `determinations` maps a provision's key to the strength of what was found about the target's root. `gate` says
    that a policy was not met.
    """

    name: str
    version: str | None
    purl: str | None
    root_digest: str
    verdict: str
    tone: str
    covered: bool
    files: int
    size: int
    parameters: int | None = None
    architecture: str | None = None
    gate: bool = False
    rules: Mapping[str, RuleCount] = field(default_factory=dict)
    licenses: Mapping[str, str] = field(default_factory=dict)
    determinations: Mapping[str, str] = field(default_factory=dict)
    headlines: Mapping[str, str] = field(default_factory=dict)
    """Statements of the determinations that a summary shows, by key."""
    signatures: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    """SHA-256 of every weight file, computed or declared, sorted; empty in overviews of earlier versions."""

    def severities(self) -> Counter[Severity]:
        """Return how many findings there are of each severity's rules, at their worst."""
        counts: Counter[Severity] = Counter()
        for rule in self.rules.values():
            counts[rule.severity] += rule.count
        return counts

    def fails(self, fail_on: str) -> bool:
        """Say whether this ends a pipeline with that `--fail-on`."""
        if self.gate:
            return True
        return fail_on != "never" and any(rule.severity.at_least(Severity(fail_on)) for rule in self.rules.values())


def overview(report: Report) -> Overview:
    """Take from a report what a row shows."""
    resolution = report.resolution
    root = resolution.component(resolution.root)
    found = live(report)
    rules: dict[str, RuleCount] = {}
    for finding in found:  # worst first
        known = rules.get(finding.rule.id)
        severity = known.severity if known else finding.severity
        rules[finding.rule.id] = RuleCount(severity=severity, count=(known.count if known else 0) + 1)
    judged = verdict(report)
    about_root = [item for item in report.determinations if item.subject == resolution.root]
    files = [item.file for item in report.inspections if not item.file.members]
    licenses: dict[str, str] = {}
    for claim in root.licenses:
        licenses.setdefault(claim.expression or claim.key or claim.raw, claim.basis)
    model = root.model
    return Overview(
        name=f"{root.group}/{root.name}" if root.group else root.name,
        version=root.version,
        purl=root.purl,
        root_digest=report.root_digest,
        verdict=judged.text,
        tone=judged.tone,
        covered=is_covered(report),
        files=len(files),
        size=sum(file.size for file in files),
        parameters=model.parameters.value if model and model.parameters else None,
        architecture=model.architecture.value if model and model.architecture else None,
        gate=any(finding.rule.id in POLICY_RULE_IDS for finding in found),
        rules=rules,
        licenses=licenses,
        determinations={item.rule.key: item.strength.value for item in about_root},
        headlines={item.rule.key: item.statement for item in about_root if item.headline},
        signatures=tuple(sorted({f"{item.kind}: {item.status.value}" for item in report.verifications})),
        weights=tuple(sorted(_weights(report))),
    )


def _weights(report: Report) -> set[str]:
    paths = {
        item.file.path
        for item in report.inspections
        if item.file.role is Role.WEIGHTS and not item.file.members and item.file.size
    }
    return {digest.value for path in paths for digest in report.digests.get(path, ()) if digest.algorithm == "sha256"}
