"""Determinations and signatures as standards, claims, evidence and annotations.

The wording never goes beyond the evidence: no conformance score, no affirmation, no signatory.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from aibom.components import Verification
from aibom.emitters.cdx_layout import ASSESSOR_REF, Layout
from aibom.emitters.cdx_text import Json, link, origin, passage, properties, timestamp, without_empty
from aibom.emitters.inert import one_line
from aibom.findings import Evidence
from aibom.report import Determination, Report, RuleRef, Strength, Timing

# Title and owner of what a rulebook reads; the owner of any other is whoever wrote the rulebook.
REGIMES = {
    "eu-ai-act": ("Regulation (EU) 2024/1689 (Artificial Intelligence Act)", "European Union"),
    "openness": ("Openness of AI models", "Open Source Initiative; LF AI & Data"),
}
NOTICE = "Evidence collected by a tool; not a verdict."
_FOR = frozenset({Strength.INDICATES, Strength.SUGGESTS, Strength.POSSIBLE_RELEVANCE})


def definitions(report: Report) -> Json | None:
    """Return `definitions`: a standard for each regime, a requirement for each rule that was evaluated."""
    regimes: dict[str, dict[str, RuleRef]] = {}
    for determination in report.determinations:
        regimes.setdefault(determination.rule.regime, {}).setdefault(determination.rule.id, determination.rule)
    standards = [_standard(regime, rules) for regime, rules in sorted(regimes.items())]
    return {"standards": standards} if standards else None


def declarations(report: Report, layout: Layout) -> Json | None:
    """Return `declarations`: claims with their evidence, and how they meet the requirements."""
    book = _Evidence(report)
    claims: list[Json] = []
    mapped: list[Json] = []
    taken: dict[str, int] = {}
    for determination in report.determinations:
        claim = _claim(determination, layout, book, taken)
        claims.append(claim)
        mapped.append(_mapping(determination, claim["bom-ref"]))
    claims += [_signature_claim(v, layout, book, taken) for v in report.verifications if v.is_signature]
    if not claims:
        return None
    attestation = {"summary": NOTICE, "assessor": ASSESSOR_REF, "map": mapped}
    return without_empty(
        {
            "assessors": [{"bom-ref": ASSESSOR_REF, "thirdParty": False, "organization": {"name": _assessor(report)}}],
            "attestations": [attestation] if mapped else None,
            "claims": claims,
            "evidence": book.entries(),
        }
    )


def remarks(report: Report, layout: Layout) -> list[Json]:
    """Return one sentence for a person about each determination."""
    annotator = {
        "component": {"type": "application", "name": report.tool.name, "version": report.tool.version},
    }
    return [
        {
            "subjects": [layout.subject(determination.subject)],
            "annotator": annotator,
            "timestamp": timestamp(report.created),
            "text": sentence(determination),
        }
        for determination in report.determinations
    ]


def sentence(determination: Determination) -> str:
    """Say what the evidence says about a provision, how strongly, and what is missing."""
    rule = determination.rule
    parts = [f"{one_line(rule.provision)} – {one_line(rule.title)}: {_words(determination.strength)}."]
    if determination.addressee:
        parts[0] = f"{parts[0][:-1]}, for the {one_line(determination.addressee)}."
    parts.append(passage(determination.statement))
    parts += [passage(note) for note in determination.notes]
    if determination.missing:
        parts.append(f"Missing: {', '.join(one_line(item) for item in determination.missing)}.")
    if determination.applies_from:
        timing = "in force" if determination.timing is Timing.IN_FORCE else determination.timing.value
        parts.append(f"Applies from {determination.applies_from.isoformat()} ({timing}).")
    parts.append(f"Basis: {one_line(rule.authority)}, {one_line(rule.rulebook)}. {NOTICE}")
    return " ".join(part for part in parts if part)


def _standard(regime: str, rules: dict[str, RuleRef]) -> Json:
    name, owner = REGIMES.get(regime, (one_line(regime), "the authors of the rulebook"))
    return {
        "bom-ref": f"standard:{one_line(regime)}",
        "name": name,
        "version": ", ".join(sorted({one_line(rule.rulebook) for rule in rules.values()})),
        "description": "The rules of this regime that were evaluated, as read in the named rulebook.",
        "owner": owner,
        "requirements": [_requirement(rule) for _, rule in sorted(rules.items())],
    }


def _requirement(rule: RuleRef) -> Json:
    return without_empty(
        {
            "bom-ref": _requirement_ref(rule),
            "identifier": one_line(rule.provision),
            "title": one_line(rule.title),
            "properties": properties([("aibom:rule:authority", rule.authority), ("aibom:rule:key", rule.key)]),
            "externalReferences": [{"type": "documentation", "url": url} for r in rule.references if (url := link(r))],
        }
    )


def _requirement_ref(rule: RuleRef) -> str:
    return f"requirement:{one_line(rule.regime)}/{one_line(rule.id)}"


def _claim(determination: Determination, layout: Layout, book: _Evidence, taken: dict[str, int]) -> Json:
    rule = determination.rule
    target = layout.subject(determination.subject)
    return without_empty(
        {
            "bom-ref": _once(f"claim:{one_line(rule.regime)}/{one_line(rule.id)}/{target}", taken),
            "target": target,
            "predicate": f"{one_line(rule.key)}: {determination.strength.value} ({one_line(determination.finding)})",
            "reasoning": sentence(determination),
            "evidence": book.add(determination.because, "because"),
            "counterEvidence": book.add(determination.against, "against"),
            "externalReferences": [
                {"type": "documentation", "url": url} for r in determination.references if (url := link(r))
            ],
        }
    )


def _signature_claim(verification: Verification, layout: Layout, book: _Evidence, taken: dict[str, int]) -> Json:
    place = origin(Evidence(statement="", location=verification.location))
    said = [f"{one_line(verification.kind)} at {place}: {verification.status.value}."]
    if verification.signer:
        said.append(f"Signer: {one_line(verification.signer)}.")
    if verification.covered:
        said.append(f"Covers: {_names(verification.covered)}.")
    if verification.uncovered:
        said.append(f"Does not cover: {_names(verification.uncovered)}.")
    return without_empty(
        {
            "bom-ref": _once(f"claim:signature/{place}", taken),
            "target": layout.refs[layout.root.ref],
            "predicate": f"signature: {verification.status.value}",
            "reasoning": passage(" ".join(said)),
            "evidence": book.add(verification.evidence, "signature"),
        }
    )


def _mapping(determination: Determination, claim_ref: str) -> Json:
    rationale = f"Strength of the evidence: {_words(determination.strength)}."
    if determination.missing:
        rationale += f" Missing: {', '.join(one_line(item) for item in determination.missing)}."
    confidence: Json = {"rationale": rationale}
    if determination.confidence is not None:
        # The standard's confidence is in the claim; ours is how surely its facts were read, and the rationale says so.
        confidence["score"] = min(1.0, max(0.0, determination.confidence))
        confidence["rationale"] += " The score tells how surely the facts were read."
    against = determination.strength is Strength.DOES_NOT_INDICATE
    return without_empty(
        {
            "requirement": _requirement_ref(determination.rule),
            "claims": [claim_ref] if determination.strength in _FOR else None,
            "counterClaims": [claim_ref] if against else None,
            "confidence": confidence,
        }
    )


class _Evidence:
    """The evidence of all claims, each statement at each place once."""

    def __init__(self, report: Report) -> None:
        self._created = timestamp(report.created)
        self._entries: dict[str, Json] = {}

    def add(self, items: Iterable[Evidence], role: str) -> list[str]:
        refs: dict[str, None] = {}
        for item in items:
            where = origin(item)
            mark = sha256(f"{role}\n{where}\n{item.statement}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
            ref = f"evidence:{mark}"
            self._entries.setdefault(
                ref,
                {
                    "bom-ref": ref,
                    "propertyName": role,
                    "description": passage(item.statement) or where,
                    "data": [{"name": "origin", "contents": {"attachment": {"content": where}}}],
                    "created": self._created,
                },
            )
            refs[ref] = None
        return list(refs)

    def entries(self) -> list[Json]:
        return [self._entries[ref] for ref in sorted(self._entries)]


def _assessor(report: Report) -> str:
    return f"{report.tool.name} {report.tool.version} (automated)"


def _words(strength: Strength) -> str:
    return strength.value.replace("-", " ")


def _names(paths: tuple[str, ...]) -> str:
    shown = ", ".join(one_line(path) for path in paths[:20])
    return shown if len(paths) <= 20 else f"{shown} and {len(paths) - 20} more"


def _once(ref: str, taken: dict[str, int]) -> str:
    taken[ref] = taken.get(ref, 0) + 1
    return ref if taken[ref] == 1 else f"{ref}#{taken[ref]}"
