"""Findings as SARIF 2.1.0, for code scanning views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import msgspec

from aibom.emitters.cdx_text import link, timestamp, without_empty
from aibom.emitters.inert import one_line, visible, visible_values
from aibom.emitters.options import EmitOptions
from aibom.files import Coverage, Location, unescape_name
from aibom.findings import Finding, Rule, Severity
from aibom.report import Report

Json = dict[str, Any]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
INFORMATION = "https://github.com/aibom/aibom"
ROOT = "%SRCROOT%"  # the name by which code hosts know the root of a checkout

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# Middles of the bands in which GitHub sorts `security-severity` (over 9.0, 7.0, 4.0, 0.1).
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFO: "0.0",
}


def emit(report: Report, _options: EmitOptions) -> str:
    """Return the findings as a SARIF log of one run."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report)]}
    return msgspec.json.format(msgspec.json.encode(visible_values(log)), indent=2).decode() + "\n"


def _run(report: Report) -> Json:
    findings = sorted(report.findings, key=lambda finding: finding.sort_key)
    rules = {finding.rule.id: finding.rule for finding in reversed(findings)}
    order = {rule_id: number for number, rule_id in enumerate(sorted(rules))}
    artifacts = {path: number for number, path in enumerate(sorted({f.location.path for f in findings if f.location}))}
    return without_empty(
        {
            "tool": {
                "driver": {
                    "name": report.tool.name,
                    "version": report.tool.version,
                    "informationUri": INFORMATION,
                    "rules": [_rule(rules[rule_id]) for rule_id in order],
                    "properties": {"ruleData": dict(sorted(report.rule_data.items()))},
                }
            },
            "automationDetails": {"id": f"aibom/{quote(one_line(report.target), safe='/@:.-_')}/"},
            "versionControlProvenance": _provenance(report),
            "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the scanned target."}}},
            "columnKind": "unicodeCodePoints",
            "invocations": [_invocation(report)],
            "artifacts": [_artifact(path, report) for path in artifacts],
            "results": list(_results(findings, order, artifacts)) or None,
            "properties": {"rootDigest": report.root_digest, "asOf": report.settings.as_of.isoformat()},
        }
    ) | ({} if findings else {"results": []})  # no results is an answer; a missing list means "not run"


def _rule(rule: Rule) -> Json:
    links = [url for reference in rule.references if (url := link(reference))]
    shown = [f"<{url}>" if (url := link(reference)) else _markdown(reference) for reference in rule.references]
    return without_empty(
        {
            "id": rule.id,
            "name": "".join(word.capitalize() for word in rule.id.split("-")),
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": rule.explanation},
            "help": {
                "text": _with_references(rule.help, rule.references),
                "markdown": _with_references(_markdown(rule.help), shown),
            },
            "helpUri": links[0] if links else None,
            "defaultConfiguration": {"level": _LEVELS[rule.severity]},
            "properties": {
                "tags": ["security", *(f"external/cwe/cwe-{number:03}" for number in sorted(set(rule.cwes)))],
                "security-severity": _SCORES[rule.severity],
            },
        }
    )


def _with_references(text: str, references: Sequence[str]) -> str:
    return f"{text}\n\nReferences: {', '.join(references)}" if references else text


def _markdown(text: str) -> str:
    # Rules are ours, but a library user may bring others.
    return "".join(f"\\{char}" if char in r"\`*_[]<>|!#" else char for char in text)


def _results(findings: Iterable[Finding], order: dict[str, int], artifacts: dict[str, int]) -> Iterable[Json]:
    seen: Counter[str] = Counter()
    for finding in findings:
        mark = fingerprint(finding)
        seen[mark] += 1
        where = finding.location
        yield without_empty(
            {
                "ruleId": finding.rule.id,
                "ruleIndex": order[finding.rule.id],
                "level": _LEVELS[finding.severity],
                "kind": "fail",
                "message": {"text": _message(finding)},
                "locations": [_location(where, artifacts)],
                # The second place at which a rule says the same of a file is told apart by its number, not its offset.
                "partialFingerprints": {
                    "aibomFinding/v1": f"{mark}:{seen[mark]}",
                    "primaryLocationLineHash": f"{mark[:16]}:{seen[mark]}",
                },
                "suppressions": _suppressions(finding),
                "properties": without_empty(
                    {
                        "severity": finding.severity.value,
                        "members": list(where.members) if where else None,
                        "offset": where.offset if where else None,
                        "evidence": list(finding.evidence),
                    }
                ),
            }
        )


def fingerprint(finding: Finding) -> str:
    """Return what identifies a finding from run to run: rule, file, place inside containers, and what it says."""
    where = finding.location or Location(path="")
    parts = (finding.rule.id, where.path, *where.members, "", finding.message)
    return sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _message(finding: Finding) -> str:
    text = visible(finding.message)
    where = finding.location
    if where and (where.members or where.offset is not None):
        text += f" (at {one_line(str(where))})"
    return text


def _location(where: Location | None, artifacts: dict[str, int]) -> Json:
    if where is None:
        return {"physicalLocation": {"artifactLocation": {"uri": ".", "uriBaseId": ROOT}}}
    physical = {
        "artifactLocation": {"uri": uri(where.path), "uriBaseId": ROOT, "index": artifacts[where.path]},
        # Code scanning views want a line even of a binary; an offset may be inside a member, so it is a property.
        "region": {"startLine": where.line or 1},
    }
    if not where.members:
        return {"physicalLocation": physical}
    name = " › ".join((where.path, *where.members))
    return {"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": name, "kind": "member"}]}


def uri(path: str) -> str:
    """Return a path of the report as a relative URI of the file's real name."""
    return quote(unescape_name(path), safe="/")


def _suppressions(finding: Finding) -> list[Json]:
    if finding.suppression is None:
        return []
    said = finding.suppression
    until = f", until {said.until.isoformat()}" if said.until else ""
    return [{"kind": "external", "status": "accepted", "justification": f"{said.reason} ({said.source}{until})"}]


def _artifact(path: str, report: Report) -> Json:
    digests = {d.algorithm: d.value for d in report.digests.get(path, ()) if d.basis == "computed"}
    hashes = {"sha-256": digests["sha256"]} if "sha256" in digests else None
    return without_empty({"location": {"uri": uri(path), "uriBaseId": ROOT}, "hashes": hashes})


def _invocation(report: Report) -> Json:
    gaps = [i for i in report.inspections if i.coverage is not Coverage.COMPLETE and not i.file.members]
    return without_empty(
        {
            "executionSuccessful": True,
            "endTimeUtc": timestamp(report.created).replace("+00:00", "Z"),
            "toolExecutionNotifications": [
                {
                    "level": "warning",
                    "message": {"text": f"{i.file.path}: coverage {i.coverage.value}"},
                    "locations": [
                        {"physicalLocation": {"artifactLocation": {"uri": uri(i.file.path), "uriBaseId": ROOT}}}
                    ],
                }
                for i in sorted(gaps, key=lambda i: i.file.path)
            ],
        }
    )


def _provenance(report: Report) -> list[Json]:
    url = link(report.source.url) if report.source.url else None
    if url is None:
        return []
    return [without_empty({"repositoryUri": url, "revisionId": report.source.revision})]
