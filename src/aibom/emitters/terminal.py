"""The report for a person at a terminal: findings worst first, a summary, a verdict as the last line."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import click

from aibom.components import (
    Component,
    ComponentKind,
    Derivation,
    LicenseClaim,
    ModelFacts,
    Relation,
    RelationKind,
    SignatureStatus,
)
from aibom.emitters import coverage
from aibom.emitters.inert import one_line
from aibom.emitters.options import EmitOptions
from aibom.emitters.subjects import holds_several, name_of, subjects
from aibom.emitters.verdict import live, verdict
from aibom.files import Coverage, Location, Role
from aibom.findings import Evidence, Finding, Severity
from aibom.report import Determination, Report

_MOST_COPIES = 5
_MOST_LINES = 8  # about the models of one folder
_COLORS = {
    Severity.CRITICAL: "red",
    Severity.HIGH: "yellow",
    Severity.MEDIUM: "magenta",
    Severity.LOW: "cyan",
    Severity.INFO: "blue",
}
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_INDENT = 10
_LABEL = 14
# More findings of one rule than this are counted, not listed: the other formats hold all of them.
_SHOWN_PER_RULE = 20
_TONES = {"bad": "red", "undecided": "yellow", "clear": "green"}
_PREFIXES = (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3))


def to_table(report: Report, options: EmitOptions) -> str:
    """Return the report as text, coloured and wrapped as `options` say; a pipe gets full lines."""
    page = _Page(options)
    found = live(report)
    page.findings(found)
    page.summary(_summary(report))
    page.verdict(report, found)
    return page.text()


class _Page:
    def __init__(self, options: EmitOptions) -> None:
        self._options = options
        self._lines: list[str] = []

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def findings(self, findings: list[Finding]) -> None:
        shown: Counter[str] = Counter()
        grave = [finding for finding in findings if finding.severity.at_least(Severity.MEDIUM)]
        for finding in grave:
            shown[finding.rule.id] += 1
            if shown[finding.rule.id] <= _SHOWN_PER_RULE:
                self._finding(finding)
        for rule, count in sorted(shown.items()):
            if count > _SHOWN_PER_RULE:
                self._lines += [f"{'':<{_INDENT}}and {count - _SHOWN_PER_RULE} more of {rule}", ""]
        self._minor([finding for finding in findings if not finding.severity.at_least(Severity.MEDIUM)])

    def _finding(self, finding: Finding) -> None:
        self._lines.append(f"{self._word(finding.severity)}{finding.rule.id}{_place(finding)}")
        self._indented(finding.message)
        self._indented(f"help: {finding.rule.help}")
        self._lines.append("")

    def _minor(self, findings: list[Finding]) -> None:
        groups: dict[tuple[Severity, str], list[Finding]] = {}
        for finding in findings:
            groups.setdefault((finding.severity, finding.rule.id), []).append(finding)
        for (severity, rule), group in groups.items():
            first = group[0]
            more = f" and {len(group) - 1} more" if len(group) > 1 else ""
            self._lines.append(f"{self._word(severity)}{rule}{_place(first)}{more}")
            self._indented(first.message)
        if groups:
            self._lines.append("")

    def summary(self, rows: Iterable[tuple[str, list[str]]]) -> None:
        for label, values in rows:
            for number, value in enumerate(values):
                head = f"  {label if number == 0 else '':<{_LABEL - 2}}"
                self._lines += self._wrapped(value, head, " " * _LABEL)
        self._lines.append("")

    def verdict(self, report: Report, found: list[Finding]) -> None:
        counts = Counter(finding.severity for finding in found)
        parts = [f"{counts[severity]} {severity.value}" for severity in Severity if counts[severity]]
        ignored = sum(finding.suppression is not None for finding in report.findings)
        size = sum(item.file.size for item in report.inspections if not item.file.members)
        tail = [", ".join(parts) or "no findings"]
        if ignored:
            tail.append(f"{ignored} ignored")
        seconds = f" in {self._options.seconds:.1f} s" if self._options.seconds is not None else ""
        tail.append(format_bytes(size) + seconds)
        self._lines += [" · ".join(tail), self._styled(*_verdict(report))]

    def _word(self, severity: Severity) -> str:
        return self._styled(f"{severity.value:<{_INDENT}}", _COLORS[severity])

    def _styled(self, text: str, color: str) -> str:
        return click.style(text, fg=color, bold=color == "red") if self._options.color else text

    def _indented(self, text: str) -> None:
        self._lines += self._wrapped(text, " " * _INDENT, " " * _INDENT)

    def _wrapped(self, text: str, first: str, rest: str) -> list[str]:
        text = one_line(text)
        if self._options.width is None:
            return [first + text]
        width = max(40, self._options.width)
        return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest) or [first]


def _place(finding: Finding) -> str:
    return one_line(f"  {finding.location}") if finding.location else ""


def _verdict(report: Report) -> tuple[str, str]:
    """Return the last line and its colour."""
    found = verdict(report)
    text = found.text[0].lower() + found.text[1:]
    return (f"{text}: aibom explain {found.rule}" if found.rule else text), _TONES[found.tone]


def _summary(report: Report) -> Iterator[tuple[str, list[str]]]:
    resolution = report.resolution
    root = resolution.component(resolution.root)
    models = [root] if root.kind is ComponentKind.MODEL else []
    models += [
        item for item in resolution.components if item.seen and item.kind is ComponentKind.MODEL and item != root
    ]
    data = [item for item in resolution.components if item.seen and item.kind is ComponentKind.DATASET]
    names = subjects(report) if holds_several(report) else {}
    if models or not data:
        yield "MODEL", _few([_model_line(model, names) for model in models], "models") or [root.name]
    if data:
        yield "DATA", [_data_line(item) for item in data[:5]]
    bases = [
        edge for edge in resolution.relations if edge.kind is RelationKind.DERIVED_FROM and edge.source == root.ref
    ]
    if bases:
        yield "BASE", [_base_line(report, edge) for edge in bases]
    if holds_several(report) and models:
        lines = [f"{names.get(model.ref) or name_of(model)}  {_license_line(model.licenses)}" for model in models]
        yield "LICENCE", _few(lines, "models")
    else:
        yield "LICENCE", [_license_line(root.licenses) + _inherited(report, bases)]
    for label, regime in (("EU AI ACT", "eu-ai-act"), ("OPENNESS", "openness")):
        of_regime = [item for item in report.determinations if item.rule.regime == regime]
        if lines := _determination_lines(of_regime, names):
            yield label, lines
    yield "SIGNATURE", [_signature_line(report)]
    if report.tensor_roots:
        copies = report.tensor_roots[:_MOST_COPIES]
        rest = len(report.tensor_roots) - len(copies)
        lines = [f"{', '.join(root.paths[:1])}{' ...' * (len(root.paths) > 1)}: {coverage.digested_tensors(root)}"
                 for root in copies]  # fmt: skip
        yield "TENSORS", [*lines, *([f"and {rest} more copies of weights"] if rest else [])]
    yield "FILES", [_files_line(report)]


def _data_line(data: Component) -> str:
    claims = dict.fromkeys(claim.expression or claim.raw for claim in data.licenses)
    size = data.properties.get("aibom:dataset:size-category") or data.properties.get("aibom:dataset:examples")
    parts = [data.name, *(f"{size} examples" for size in (size,) if size), ", ".join(claims) or "no license stated"]
    if "aibom:dataset:sensitive" in data.properties:
        parts.append("its card speaks of people or sensitive matters")
    return one_line(" · ".join(parts))


def _is_seen_model(component: Component) -> bool:
    return component.seen and component.kind is ComponentKind.MODEL


def _model_line(model: Component, names: Mapping[str, str]) -> str:
    name = names.get(model.ref) or name_of(model)
    facts = model.model or ModelFacts()
    parts = []
    if (kind := facts.family or facts.architecture) is not None:
        parts.append(kind.value)
    if facts.parameters is not None:
        parts.append(f"{format_count(facts.parameters.value)} parameters")
    if facts.weight_sets:
        kinds = sorted(facts.weight_sets[0].elements_by_dtype.items(), key=lambda item: -item[1])
        parts.append(" ".join(dtype.lower() for dtype, _ in kinds[:3]))
    return f"{name}  {' · '.join(part for part in parts if part)}".rstrip()


def _base_line(report: Report, edge: Relation) -> str:
    base = report.resolution.component(edge.target)
    name = name_of(base)
    how = "hinted" if edge.inferred else "declared"
    known = edge.derivation is not None and edge.derivation is not Derivation.UNKNOWN
    relation = f"{edge.derivation}, " if known else ""
    pinned = "" if edge.revision and _COMMIT.fullmatch(edge.revision) else ", unpinned"
    return f"{name}  ({relation}{how}{_in(edge.evidence)}{pinned})"


def _in(evidence: tuple[Evidence, ...]) -> str:
    place: Location | None = next((item.location for item in evidence if item.location is not None), None)
    return f" in {place}" if place else ""


def _license_line(claims: tuple[LicenseClaim, ...]) -> str:
    if not claims:
        return "unknown: none declared, no licence text recognised"
    words: dict[str, list[str]] = {}
    for claim in claims:
        name = claim.expression or claim.key or claim.raw
        words.setdefault(name, [])
        if claim.basis not in words[name]:
            words[name].append(claim.basis)
    return " · ".join(f"{name} {' and '.join(bases)}" for name, bases in words.items())


def _determination_lines(items: list[Determination], names: Mapping[str, str]) -> list[str]:
    """Return the sentences a reader needs first; the others are counted, and stand in every other format.

    With `names`, of several models, a sentence says of which it speaks, and one that holds for more is said once.
    """
    shown: dict[str, list[Determination]] = {}
    for item in items:
        if item.headline:
            shown.setdefault(item.statement, []).append(item)
    told = [*shown.items()][:_MOST_LINES] if names else [*shown.items()]
    lines = [f"{_of(same, names)}{statement}" for statement, same in told]
    if (rest := len(items) - sum(len(same) for _, same in told)) > 0:
        lines.append(f"{rest} more provisions looked at: aibom scan -o html, json or cyclonedx")
    return lines


def _of(items: list[Determination], names: Mapping[str, str]) -> str:
    of = [*dict.fromkeys(names[item.subject] for item in items if item.subject in names)]
    more = f" and {len(of) - 2} more" if len(of) > 2 else ""
    return f"{', '.join(of[:2])}{more}: " if of else ""


def _few(lines: list[str], noun: str) -> list[str]:
    rest = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and {rest} more {noun}"] if rest > 1 else lines


def _inherited(report: Report, bases: list[Relation]) -> str:
    """Return the licences of the base models, with who says so where it is not the base itself."""
    words: dict[str, None] = {}
    unknown = [edge for edge in bases if not report.resolution.component(edge.target).licenses]
    for edge in bases:
        for claim in report.resolution.component(edge.target).licenses:
            name = claim.expression or claim.key or claim.raw
            words[f" · {name} inherited" + (f" ({claim.evidence.source})" if claim.evidence.source else "")] = None
    if unknown:
        of = "the base" if len(bases) == 1 else f"{len(unknown)} of {len(bases)} bases"
        words[f" · that of {of} unknown"] = None
    return "".join(words)


def _signature_line(report: Report) -> str:
    signed = [item for item in report.verifications if item.is_signature]
    checked = sum(
        len(item.covered)
        for item in report.verifications
        if not item.is_signature and item.status is SignatureStatus.CHECKSUM_OK
    )
    parts = [f"{item.kind}: {item.status.value}" + (f" by {item.signer}" if item.signer else "") for item in signed]
    text = " · ".join(parts) or "none"
    return f"{text} · {checked} declared digests match" if checked else text


def _files_line(report: Report) -> str:
    files = [item for item in report.inspections if not item.file.members]
    partly = {item.file.path for item in report.inspections if item.coverage is not Coverage.COMPLETE}
    inspected = sum(item.file.path not in partly for item in files)
    not_models = sum(
        item.coverage is Coverage.NONE and item.file.role not in {Role.WEIGHTS, Role.CODE} for item in files
    )
    unread = sum(item.coverage is Coverage.NONE and item.file.role in {Role.WEIGHTS, Role.CODE} for item in files)
    in_part = len(files) - inspected - not_models - unread
    counts = ((inspected, "inspected"), (in_part, "in part"), (unread, "not inspected"), (not_models, "not models"))
    text = " · ".join(f"{count} {word}" for count, word in counts if count) or "none"
    return text + "".join(f" · left out: {item.path or 'the rest'}" for item in report.skipped[:3])


def format_count(number: int) -> str:
    """Return a count with three significant digits: `8.03 B`, `22.7 M`, `512`."""
    for prefix, unit in _PREFIXES:
        if number >= unit:
            return f"{number / unit:.3g} {prefix}"
    return str(number)


def format_bytes(number: int) -> str:
    """Return a size in binary units: `4.1 GiB`, `17 B`."""
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
