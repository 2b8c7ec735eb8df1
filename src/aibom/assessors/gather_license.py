"""Facts about the license: which one, what its terms are as flags, whether statements disagree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from aibom.assessors.card_text import CardPassage, Part, quote
from aibom.assessors.facts import Fact
from aibom.assessors.gather_compute import Lineage
from aibom.assessors.reference_data import KNOWN_MODELS_DATE, license_terms
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
    component: Component,
    resolution: Resolution,
    passages: Sequence[CardPassage],
    lineage: Lineage,
    *,
    multimodal: bool,
) -> Iterator[tuple[str, Fact]]:
    """Yield the license facts. A base's terms stay with what is made from it, whatever its maker declares.

    Flags are complete only where every license that is claimed is in the table of terms.
    """
    claims = [claim for claim in component.licenses if claim.scope is Scope.WEIGHTS]
    found = {key: _told(claim) for claim in claims if (key := _key(claim)) is not None}
    # A placeholder ("other") beside a text that was recognised is settled by that text.
    unread = [claim for claim in claims if _key(claim) is None and not (found and claim.key in {None, *_UNSTATED})]
    own = bool(found)
    inherited, base_unread = _inherited(lineage)
    for key, evidence in inherited.items():
        found.setdefault(key, evidence)
    if found:
        yield "license.keys", Fact(value=frozenset(found), evidence=tuple(found.values()), method="license statements")
    conflict = _conflict(resolution, claims)
    if conflict is not None:
        yield "license.conflict", Fact(value=True, evidence=(conflict,), method="comparison")
    elif own and not base_unread:
        yield "license.conflict", Fact(value=False, method="comparison")
    stated = [] if own else list(_stated_terms(passages))
    if found or stated:
        yield (
            "license.flags",
            _flags(found, stated, complete=own and not unread and not base_unread, multimodal=multimodal),
        )


def _flags(
    found: Mapping[str, Evidence], stated: Sequence[tuple[str, Evidence]], *, complete: bool, multimodal: bool
) -> Fact:
    table = license_terms()
    flags = {flag for key in found for flag in table[key].flags} | {flag for flag, _ in stated}
    if "territorial-exclusion-eu-multimodal" in flags:
        flags.remove("territorial-exclusion-eu-multimodal")
        flags |= {"territorial-exclusion-eu"} if multimodal else set()
    statements = list(found.values())
    for key in found:
        clause = f"{key}: {table[key].clause} ({table[key].source or _TABLE})"
        statements.append(Evidence(statement=clause, source=_TABLE))
    statements += [evidence for _, evidence in stated]
    return Fact(
        value=frozenset(flags), evidence=tuple(dict.fromkeys(statements)), method=_TABLE, complete=complete,
        confidence=min((_CONFIDENCE[table[key].confidence] for key in found), default=0.5),
    )  # fmt: skip


def _key(claim: LicenseClaim) -> str | None:
    """Return the key of a claim whose terms are in the table."""
    return claim.key if claim.key and claim.key not in _UNSTATED and claim.key in license_terms() else None


def _inherited(lineage: Lineage) -> tuple[dict[str, Evidence], bool]:
    """Return the licenses of the bases, and whether one of a base is not known. Distilled models carry no weights."""
    if lineage.relation in {"none", "distilled"}:
        return {}, False
    found: dict[str, Evidence] = {}
    unread = False
    for base, known in lineage.bases:
        keys = {key: claim.evidence.source for claim in base.licenses if (key := _key(claim)) is not None}
        if not keys and known is not None and known.license in license_terms():
            keys = {str(known.license): f"known models {KNOWN_MODELS_DATE}"}
        unread = unread or not keys
        for key, source in keys.items():
            found[key] = Evidence(statement=f"license of the base {quote(base.name)}: {key}", source=source)
    return found, unread


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
