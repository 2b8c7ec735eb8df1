"""Findings as CycloneDX vulnerabilities that affect the exact file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import quote

from msgspec import Struct

from aibom.emitters.cdx_layout import Layout
from aibom.emitters.cdx_text import Json, Named, link, passage, properties, without_empty
from aibom.emitters.inert import one_line
from aibom.findings import Finding, Severity, Suppression

ADVISORY = re.compile(r"[A-Z]{2,10}-[A-Za-z0-9.:-]{1,60}")
"""The id of an advisory in any database: CVE, GHSA, PYSEC, MAL and others."""
MAX_PLACES = 100  # places spelled out in one vulnerability; `affects` names every file


_Words = tuple[str, str, Severity, Suppression | None, tuple[str, ...], str | None]


class Group(Struct, frozen=True, kw_only=True):
    """Findings that differ in nothing but their place: one vulnerability."""

    bom_ref: str
    findings: tuple[Finding, ...]


def group(findings: Iterable[Finding]) -> tuple[Group, ...]:
    """Put together what one rule says in the same words, worst first."""
    groups: dict[_Words, list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: finding.sort_key):
        key = (
            finding.rule.id,
            finding.message,
            finding.severity,
            finding.suppression,
            finding.evidence,
            finding.component,
        )
        groups.setdefault(key, []).append(finding)
    taken: dict[str, int] = {}
    out: list[Group] = []
    for key, members in groups.items():
        first = members[0]
        # From what the finding says and not from its number, so that a reference to it outlives other findings.
        words = key if first.component else key[:-1]
        mark = sha256(repr(words).encode("utf-8", "surrogatepass")).hexdigest()[:12]
        ref = f"finding:{one_line(first.rule.id)}:{mark}"
        taken[ref] = taken.get(ref, 0) + 1
        out.append(Group(bom_ref=ref if taken[ref] == 1 else f"{ref}#{taken[ref]}", findings=tuple(members)))
    return tuple(out)


def vulnerabilities(findings: Iterable[Finding], layout: Layout) -> list[Json]:
    """Return the `vulnerabilities` of a BOM, worst first."""
    return [_vulnerability(entry, layout) for entry in group(findings)]


def _vulnerability(entry: Group, layout: Layout) -> Json:
    finding = entry.findings[0]
    rule = finding.rule
    affected = {_affected(member, layout): None for member in entry.findings}
    return without_empty(
        {
            "bom-ref": entry.bom_ref,
            "id": one_line(finding.advisory) if finding.advisory else rule.id,
            "source": _source(finding.advisory) if finding.advisory else {"name": "aibom"},
            "references": _references(finding),
            "ratings": [{"source": {"name": "aibom"}, "severity": finding.severity.value, "method": "other"}],
            "cwes": sorted(set(rule.cwes)),
            "description": passage(rule.summary),
            "detail": _detail(entry.findings),
            "recommendation": passage(rule.help),
            "advisories": [{"url": url} for r in rule.references if (url := link(r))],
            "analysis": _analysis(finding),
            "affects": [{"ref": ref} for ref in affected],
            "properties": properties(_properties(finding)),
        }
    )


def _properties(finding: Finding) -> list[Named]:
    named = [("aibom:finding:message", one_line(finding.message))]
    if finding.advisory:
        named.append(("aibom:finding:rule", finding.rule.id))
    return named


def _source(advisory: str) -> Json:
    """Return where an advisory was read: tools tell by the id whether they know it."""
    return {"name": "OSV", "url": f"https://osv.dev/vulnerability/{quote(advisory, safe='')}"}


def _references(finding: Finding) -> list[Json]:
    named = [*(r for r in finding.rule.references if link(r) is None)]
    if finding.advisory:
        # The other names of the same fault stand first among what the finding rests on.
        named += [word for word in finding.evidence if ADVISORY.fullmatch(word) and word != finding.advisory]
    return [{"id": one_line(r), "source": {"name": r.split("-", 1)[0]}} for r in named]


def _affected(finding: Finding, layout: Layout) -> str:
    root = layout.refs[layout.root.ref]
    if finding.component is not None and finding.component in layout.refs:
        return layout.refs[finding.component]
    return root if finding.location is None else layout.file_refs.get(finding.location.path, root)


def _detail(findings: tuple[Finding, ...]) -> str:
    lines = [passage(findings[0].message)]
    places = [one_line(str(finding.location)) for finding in findings if finding.location is not None]
    lines += [f"at {place}" for place in places[:MAX_PLACES]]
    if len(places) > MAX_PLACES:
        lines.append(f"and at {len(places) - MAX_PLACES} more places")
    lines += [passage(evidence) for evidence in findings[0].evidence]
    return "\n".join(lines)


def _analysis(finding: Finding) -> Json:
    if finding.suppression is None:
        return {"state": "in_triage"}
    suppression = finding.suppression
    until = f" (until {suppression.until.isoformat()})" if suppression.until else ""
    # The user's decision, in the user's words; whether it is right is not ours to say.
    return {
        "state": "not_affected",
        "detail": passage(f"Ignored by {suppression.source}{until}: {suppression.reason}"),
    }
