"""The user's own gates: a licence, a format or a determination that they do not accept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aibom.components import ComponentKind, Inspection, LicenseClaim, Resolution
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.report import Determination, Strength
from aibom.settings import Policy

POLICY_LICENSE = Rule(
    id="policy-license",
    subject=Subject.DECISIONS,
    severity=Severity.HIGH,
    summary="A licence that the policy does not accept",
    explanation="The policy in the configuration names the licences that are accepted or refused, and this is not one.",
    help="Choose another model, or change the policy after a review.",
)
POLICY_FORMAT = Rule(
    id="policy-format",
    subject=Subject.DECISIONS,
    severity=Severity.HIGH,
    summary="A file format that the policy refuses",
    explanation="The policy in the configuration refuses this format, whatever the file holds.",
    help="Remove the file, or ask the publisher for another format.",
)
POLICY_DETERMINATION = Rule(
    id="policy-determination",
    subject=Subject.DECISIONS,
    severity=Severity.HIGH,
    summary="A determination that the policy refuses",
    explanation=(
        "The policy in the configuration refuses models for which the evidence about this provision is as strong as "
        "this. The gate is the user's own; the determination states evidence and is no verdict."
    ),
    help="Read the determination and its evidence, then decide; change the policy if the use is accepted.",
)

RULES = (POLICY_LICENSE, POLICY_FORMAT, POLICY_DETERMINATION)
POLICY_RULE_IDS = frozenset(rule.id for rule in RULES)

_ORDER = list(Strength)


def check_policy(
    policy: Policy,
    inspections: tuple[Inspection, ...],
    resolution: Resolution,
    determinations: tuple[Determination, ...],
) -> tuple[Finding, ...]:
    """Return a finding for every gate that the target does not pass."""
    return (
        *_licenses(policy, resolution),
        *_formats(policy, inspections),
        *_determinations(policy, determinations),
    )


def _licenses(policy: Policy, resolution: Resolution) -> Iterator[Finding]:
    if not policy.allow_licenses and not policy.deny_licenses:
        return
    allowed = frozenset(name.lower() for name in policy.allow_licenses)
    denied = frozenset(name.lower() for name in policy.deny_licenses)
    for component in resolution.components:
        if not component.seen or component.kind is not ComponentKind.MODEL:
            continue
        refused = {
            _label(claim): claim
            for claim in component.licenses
            if _names(claim, denied, every=False) or (allowed and not _names(claim, allowed, every=True))
        }
        for label, claim in refused.items():
            yield Finding.of(POLICY_LICENSE, f"{label} ({claim.basis})", claim.evidence.location)
        if allowed and not component.licenses and component.ref == resolution.root:
            message = f"no licence is known for {component.name}, and the policy lists those that are accepted"
            yield Finding.of(POLICY_LICENSE, message)


def _names(claim: LicenseClaim, names: frozenset[str], *, every: bool) -> bool:
    """Say whether a claim's licences are among `names`.

    With `every`, each licence that binds must be there, and of a choice one; without, any that occurs is enough.
    """
    if {name.lower() for name in (claim.key, claim.raw) if name} & names:
        return True
    if claim.expression is None:
        return False
    from license_expression import AND, OR, get_spdx_licensing  # noqa: PLC0415 -- slow to import, and seldom asked for

    def holds(node: Any) -> bool:
        if isinstance(node, AND | OR):
            quantifier = all if every and isinstance(node, AND) else any
            return quantifier(holds(part) for part in node.args)
        return str(node).lower() in names

    return holds(get_spdx_licensing().parse(claim.expression, validate=False))


def _label(claim: LicenseClaim) -> str:
    return claim.expression or claim.key or claim.raw


def _formats(policy: Policy, inspections: tuple[Inspection, ...]) -> Iterator[Finding]:
    denied = set(policy.deny_formats)
    for inspection in inspections:
        if inspection.file.format.value in denied:
            yield Finding.of(POLICY_FORMAT, f"a file of format {inspection.file.format}", inspection.file.at())


def _determinations(policy: Policy, determinations: tuple[Determination, ...]) -> Iterator[Finding]:
    for item in determinations:
        bound = policy.deny_determinations.get(item.rule.key)
        if bound is not None and _ORDER.index(item.strength) >= _ORDER.index(Strength(bound)):
            place = next((evidence.location for evidence in item.because if evidence.location is not None), None)
            yield Finding.of(POLICY_DETERMINATION, f"{item.rule.key}: {item.strength.value}. {item.statement}", place)
