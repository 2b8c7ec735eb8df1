"""Facts about the license: which one, what its terms are as flags, whether statements disagree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aibom.assessors.card_text import CardPassage, Part
from aibom.assessors.facts import Fact, merge_evidence
from aibom.assessors.reference_data import LicenseTerms, license_terms
from aibom.components import Component, LicenseClaim, Resolution, Scope
from aibom.findings import Evidence

_CONFLICTS = frozenset({"license-conflict", "license-dropped", "license-laundered"})
_CONFIDENCE = {"high": 0.95, "medium": 0.75, "low": 0.4}
_TABLE = "table of license terms"
_UNSTATED = frozenset({"unknown", "other"})
# Terms that a card states in prose, read only where the license itself is in no table.
_STATED_TERMS = (
    (
        "non-commercial",
        re.compile(r"non-?\s?commercial|not (?:be used )?for commercial|no commercial use", re.IGNORECASE),
    ),
    ("research-only", re.compile(r"research (?:purposes? |use )?only|only for (?:academic )?research", re.IGNORECASE)),
    (
        "user-scale-license",
        re.compile(r"\d\s?(?:million|M)\b[^.]{0,40}(?:monthly )?(?:active )?users|\bMAUs?\b", re.IGNORECASE),
    ),
    (
        "revenue-scale-license",
        re.compile(r"(?:annual|monthly) revenue (?:of|above|over|exceed)|revenue threshold", re.IGNORECASE),
    ),
    (
        "separate-commercial-license",
        re.compile(
            r"separate (?:commercial )?licen[sc]e|commercial licen[sc]e (?:is )?required|apply for (?:a )?commercial",
            re.IGNORECASE,
        ),
    ),
    (
        "no-training-others",
        re.compile(r"not (?:be )?use[d]? (?:to|for) (?:train|improv)\w* (?:any )?other", re.IGNORECASE),
    ),
    (
        "territorial-exclusion-eu",
        re.compile(
            (
                r"not (?:available|licensed|granted|permitted)[^.]{0,60}(?:European Union|\bEU\b|\bEEA\b)|"
                r"excluding the (?:European Union|EU)"
            ),
            re.IGNORECASE,
        ),
    ),
)


def license_facts(
    component: Component, resolution: Resolution, passages: Sequence[CardPassage], *, multimodal: bool
) -> Iterator[tuple[str, Fact]]:
    """Yield the license facts. Flags are complete only where every license that is claimed is in the table of terms."""
    claims = [claim for claim in component.licenses if claim.scope is Scope.WEIGHTS]
    table = license_terms()
    found: dict[str, tuple[LicenseTerms, LicenseClaim]] = {}
    open_claims = []
    for claim in claims:
        if claim.key and claim.key not in _UNSTATED and (terms := table.get(claim.key)):
            found.setdefault(claim.key, (terms, claim))
        else:
            open_claims.append(claim)
    # A placeholder ("other") beside a text that was recognised is settled by that text.
    open_claims = [claim for claim in open_claims if not found or claim.key not in {None, *_UNSTATED}]
    keys = frozenset(found)
    if keys:
        evidence = merge_evidence((_told(claim),) for _, claim in found.values())
        yield "license.keys", Fact(value=keys, evidence=evidence, method="license statements")
    conflict = _conflict(resolution, claims)
    if keys or conflict is not None:
        yield (
            "license.conflict",
            Fact(value=conflict is not None, evidence=(conflict,) if conflict else (), method="comparison"),
        )
    stated = [] if found else list(_stated_terms(passages))
    if not found and not stated:
        return
    flags = {flag for terms, _ in found.values() for flag in terms.flags} | {flag for flag, _ in stated}
    if "territorial-exclusion-eu-multimodal" in flags:
        flags.remove("territorial-exclusion-eu-multimodal")
        flags |= {"territorial-exclusion-eu"} if multimodal else set()
    statements = [_told(claim) for _, claim in found.values()]
    for terms, _ in found.values():
        clause = f"{terms.key}: {terms.clause} ({terms.source or _TABLE})"
        statements.append(Evidence(statement=clause, source=_TABLE))
    statements += [evidence for _, evidence in stated]
    confidence = min((_CONFIDENCE[terms.confidence] for terms, _ in found.values()), default=0.5)
    yield "license.flags", Fact(
        value=frozenset(flags), evidence=tuple(dict.fromkeys(statements)), method=_TABLE, confidence=confidence,
        complete=bool(found) and not open_claims,
    )  # fmt: skip


def _told(claim: LicenseClaim) -> Evidence:
    return Evidence(statement=f"license {claim.basis}: {claim.key}", location=claim.evidence.location)


def _conflict(resolution: Resolution, claims: Sequence[LicenseClaim]) -> Evidence | None:
    """Return what shows that statements disagree: a finding of the checks, or a text that is another license."""
    for finding in resolution.findings:
        if finding.rule.id in _CONFLICTS:
            return Evidence(statement=f"finding {finding.rule.id}", location=finding.location)
    declared = {claim.key for claim in claims if claim.basis == "declared" and claim.key and claim.key not in _UNSTATED}
    detected = {claim.key: claim for claim in claims if claim.basis == "detected" and claim.key}
    for key, claim in detected.items():
        if declared and key not in declared:
            return Evidence(statement=f"license text is {key}", location=claim.evidence.location)
    return None


def _stated_terms(passages: Sequence[CardPassage]) -> Iterator[tuple[str, Evidence]]:
    for passage in passages:
        if passage.code or not (passage.part is Part.LICENSE or re.search(r"licen[cs]", passage.text, re.IGNORECASE)):
            continue
        for flag, pattern in _STATED_TERMS:
            if pattern.search(passage.text):
                yield flag, passage.evidence
