"""What a report says, arranged for a page: the rows that the HTML and the Markdown report show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from aibom.components import Component, ComponentKind, Fact, RelationKind, SignatureStatus
from aibom.emitters import coverage
from aibom.emitters.cdx_text import link, origin, scalar
from aibom.emitters.inert import one_line
from aibom.emitters.subjects import holds_several, name_of, subjects
from aibom.emitters.verdict import Verdict, live, verdict
from aibom.files import Coverage, Role
from aibom.findings import Evidence, Finding, Severity
from aibom.report import ChecklistItem, Determination, Report, Strength

_REGIMES = {"eu-ai-act": "EU AI Act", "openness": "Openness", "us-ca-sb53": "California SB 53"}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SHOWN = 4  # terms in one answer; the table below it has all of them
_COUNTS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


class Row(Struct, frozen=True, kw_only=True):
    """A named value with how it is known and where it stands."""

    name: str
    value: str
    how: str = ""
    where: str = ""
    url: str | None = None


class FileRow(Struct, frozen=True, kw_only=True):
    """A file of the target; `size` is in bytes."""

    path: str
    format: str
    role: str
    size: int
    coverage: Coverage
    digest: str
    basis: str
    findings: int
    worst: str


class LicenseRow(Struct, frozen=True, kw_only=True):
    """A claim about the terms of one component."""

    component: str
    basis: str
    name: str
    raw: str
    scope: str
    where: str
    url: str | None


class Regime(Struct, frozen=True, kw_only=True):
    """The determinations of one rulebook, strongest first."""

    title: str
    rulebook: str
    determinations: tuple[Determination, ...]


class Page(Struct, frozen=True, kw_only=True):
    """Everything a page shows. Texts are as in the report; what writes them escapes them."""

    report: Report
    title: str
    verdict: Verdict
    terms: str
    regulation: tuple[str, ...]
    looked_at: str
    identity: tuple[Row, ...]
    counts: tuple[tuple[Severity, int], ...]
    findings: tuple[Finding, ...]
    ignored: tuple[Finding, ...]
    facts: tuple[Row, ...]
    licenses: tuple[LicenseRow, ...]
    license_findings: tuple[Finding, ...]
    lineage: tuple[Row, ...]
    subjects: Mapping[str, str]  # names of what the next two speak of, where that is more than one thing
    regimes: tuple[Regime, ...]
    checklists: tuple[tuple[str, tuple[ChecklistItem, ...]], ...]
    signatures: tuple[Row, ...]
    dependencies: tuple[Row, ...]
    files: tuple[FileRow, ...]


def arrange(report: Report) -> Page:
    """Return the page of a report."""
    root = report.resolution.component(report.resolution.root)
    open_findings = live(report)
    by_severity = Counter(finding.severity for finding in open_findings)
    return Page(
        report=report,
        title=name_of(root),
        verdict=verdict(report),
        terms=_terms_of_several(report) if holds_several(report) else _terms(root),
        regulation=_regulation(report),
        looked_at=_looked_at(report),
        identity=tuple(_identity(report, root)),
        counts=tuple((severity, by_severity[severity]) for severity in Severity if by_severity[severity]),
        findings=tuple(open_findings),
        ignored=tuple(sorted((f for f in report.findings if f.suppression), key=lambda finding: finding.sort_key)),
        facts=tuple(_facts(root)),
        licenses=tuple(_licenses(report, root)),
        license_findings=tuple(f for f in open_findings if f.rule.id.startswith("license-")),
        lineage=tuple(_lineage(report)),
        subjects=subjects(report),
        regimes=tuple(_regimes(report)),
        checklists=tuple(_checklists(report)),
        signatures=tuple(_signatures(report)),
        dependencies=tuple(_dependencies(report)),
        files=tuple(_files(report)),
    )


def size(number: int) -> str:
    """Return a number of bytes in binary units."""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{number} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def count(number: int) -> str:
    """Return a count with three significant digits: `8.03 B`."""
    for bound, unit in _COUNTS:
        if number >= bound:
            return f"{number / bound:.3g} {unit}"
    return str(number)


def strength_words(strength: Strength) -> str:
    """Return a strength as words of a sentence."""
    return strength.value.replace("-", " ")


def where(evidence: Iterable[Evidence]) -> str:
    """Return the places of several pieces of evidence, each once."""
    return ", ".join(dict.fromkeys(origin(item) for item in evidence))


def _files_of(number: int) -> str:
    return f"{number} {'file' if number == 1 else 'files'}"


def _terms(root: Component) -> str:
    if not root.licenses:
        return "Unknown: no licence is declared and no licence text was recognised"
    bases: dict[str, dict[str, None]] = {}
    for claim in root.licenses:
        bases.setdefault(one_line(claim.expression or claim.key or claim.raw), {})[claim.basis] = None
    parts = [f"{name} ({', '.join(words)})" for name, words in list(bases.items())[:_SHOWN]]
    if len(bases) > _SHOWN:
        parts.append(f"{len(bases) - _SHOWN} more")
    return " · ".join(parts)


def _terms_of_several(report: Report) -> str:
    """Return each distinct answer with the number of models that it holds for."""
    models = [c for c in report.resolution.components if c.seen and c.kind is ComponentKind.MODEL]
    if not models:
        return _terms(report.resolution.component(report.resolution.root))
    counts = Counter(_terms(model) if model.licenses else "Unknown" for model in models)
    parts = [f"{terms}: {number} of {len(models)} models" for terms, number in counts.most_common(_SHOWN)]
    return " · ".join([*parts, *([f"{len(counts) - _SHOWN} more"] if len(counts) > _SHOWN else [])])


def _regulation(report: Report) -> tuple[str, ...]:
    act = [d for d in report.determinations if d.rule.regime == "eu-ai-act"]
    shown = [d for d in act if d.headline] or sorted(act, key=lambda d: -list(Strength).index(d.strength))[:3]
    if not shown:
        return ("Not evaluated",)
    counts = Counter(f"{one_line(d.rule.title)}: {strength_words(d.strength)}" for d in shown)
    return tuple(line if number == 1 else f"{line} ({number} models)" for line, number in counts.items())


def _looked_at(report: Report) -> str:
    seen = Counter(coverage.by_path(report).values())
    words = {Coverage.COMPLETE: "inspected", Coverage.PARTIAL: "in part", Coverage.NONE: "not inspected"}
    parts = [f"{seen[kind]} {word}" for kind, word in words.items() if seen[kind]]
    if missing := coverage.left_out(report):
        parts.append(f"{len(missing)} left out")
    total = sum(i.file.size for i in report.inspections if not i.file.members)
    return f"{' · '.join(parts) or 'No files'} · {size(total)}"


def _identity(report: Report, root: Component) -> Iterator[Row]:
    yield Row(name="Target", value=report.target)
    if root.version:
        yield Row(name="Version", value=root.version)
    if report.source.revision and report.source.revision != root.version:
        yield Row(name="Revision", value=report.source.revision)
    if root.purl:
        yield Row(name="Package URL", value=root.purl)
    yield Row(name="Root digest", value=f"sha256:{report.root_digest}")
    if report.source.gated:
        yield Row(name="Access", value=f"gated: {report.source.gated}", how="hub")
    for kind, url in root.urls.items():
        yield Row(name=kind.replace("-", " ").capitalize(), value=url, url=link(url))
    yield Row(name="Scanned", value=report.created.isoformat(timespec="seconds"))
    yield Row(name="Rules as of", value=report.settings.as_of.isoformat())
    yield Row(name="Tool", value=f"{report.tool.name} {report.tool.version}")
    for name, value in report.settings.operator.items():
        yield Row(name=name.replace("-", " ").capitalize(), value=scalar(value), how="declared by the operator")


def _facts(root: Component) -> Iterator[Row]:
    if root.supplier:
        yield _fact("Supplier", root.supplier)
    facts = root.model
    if facts is None:
        return
    named: tuple[tuple[str, Fact[str] | Fact[int] | None], ...] = (
        ("Architecture", facts.architecture),
        ("Family", facts.family),
        ("Task", facts.task),
        ("Parameters", facts.parameters),
        ("Active parameters", facts.active_parameters),
        ("Context length", facts.context_length),
        ("Vocabulary", facts.vocabulary),
        ("Quantization", facts.quantization),
        ("Library", facts.library),
        ("Library version", facts.library_version),
    )
    for name, fact in named:
        if fact is not None:
            yield _fact(name, fact)
    for weights in facts.weight_sets:
        types = ", ".join(f"{dtype} {count(number)}" for dtype, number in sorted(weights.elements_by_dtype.items()))
        kind = " ".join(word for word in (weights.format.value, weights.variant) if word)
        value = f"{kind}: {', '.join(part for part in (_files_of(len(weights.paths)), types) if part)}"
        yield Row(name="Weights", value=value, how=weights.derivation)


def _fact(name: str, fact: Fact[str] | Fact[int]) -> Row:
    value = f"{fact.value:,}" if isinstance(fact.value, int) else fact.value
    return Row(name=name, value=value, how=fact.basis.value, where=origin(fact.evidence))


def _licenses(report: Report, root: Component) -> Iterator[LicenseRow]:
    others = [c for c in report.resolution.components if c is not root and c.kind is not ComponentKind.LIBRARY]
    for component in (root, *others):
        for claim in component.licenses:
            yield LicenseRow(
                component=name_of(component),
                basis=claim.basis,
                name=claim.expression or claim.key or "not a known licence",
                raw=claim.raw,
                scope=claim.scope.value,
                where=origin(claim.evidence),
                url=link(claim.url) if claim.url else None,
            )


def _lineage(report: Report) -> Iterator[Row]:
    by_ref = {component.ref: component for component in report.resolution.components}
    words = {
        RelationKind.DERIVED_FROM: "derived from",
        RelationKind.TRAINED_ON: "trained on",
        RelationKind.EVALUATED_ON: "evaluated on",
        RelationKind.CONTAINS: "contains",
    }
    for edge in report.resolution.relations:
        if edge.kind in words and edge.source in by_ref and edge.target in by_ref:
            how = [edge.derivation.value] if edge.derivation else []
            how += ["hint, not stated"] if edge.inferred else []
            if edge.kind is RelationKind.DERIVED_FROM:
                how.append(f"at {edge.revision}" if edge.revision else "not pinned to a commit")
            yield Row(
                name=name_of(by_ref[edge.source]),
                value=f"{words[edge.kind]} {name_of(by_ref[edge.target])}",
                how=", ".join(how),
                where=where(edge.evidence),
            )


def _regimes(report: Report) -> Iterator[Regime]:
    groups: dict[str, list[Determination]] = {}
    for determination in report.determinations:
        groups.setdefault(determination.rule.regime, []).append(determination)
    for regime, items in groups.items():
        yield Regime(
            title=_REGIMES.get(regime, regime.replace("-", " ")),
            rulebook=", ".join(sorted({item.rule.rulebook for item in items})),
            determinations=tuple(sorted(items, key=lambda d: (not d.headline, -list(Strength).index(d.strength)))),
        )


def _checklists(report: Report) -> Iterator[tuple[str, tuple[ChecklistItem, ...]]]:
    groups: dict[str, list[ChecklistItem]] = {}
    for item in report.checklist:
        groups.setdefault(item.list, []).append(item)
    for name, items in groups.items():
        yield name.replace("-", " ").capitalize(), tuple(items)


def _signatures(report: Report) -> Iterator[Row]:
    for verification in report.verifications:
        if verification.is_signature:
            covered = f"{_files_of(len(verification.covered))} covered, {len(verification.uncovered)} not"
            signer = f", signed by {verification.signer}" if verification.signer else ""
            place = str(verification.location) if verification.location else ""
            how = f"{covered}{signer}"
            yield Row(name=verification.kind, value=verification.status.value, how=how, where=place)
    compared: Counter[SignatureStatus] = Counter()
    for verification in report.verifications:
        if not verification.is_signature:
            compared[verification.status] += len(verification.covered) or 1
    if compared[SignatureStatus.CHECKSUM_OK]:
        yield Row(name="Declared digests", value="equal", how=_files_of(compared[SignatureStatus.CHECKSUM_OK]))
    if compared[SignatureStatus.MISMATCH]:
        yield Row(name="Declared digests", value="different", how=_files_of(compared[SignatureStatus.MISMATCH]))
    for root in report.tensor_roots:
        how = coverage.digested_tensors(root)
        yield Row(name="Tensor root", value=root.named or "none", how=how, where=", ".join(root.paths))


def _dependencies(report: Report) -> Iterator[Row]:
    for component in report.resolution.components:
        if component.kind is ComponentKind.LIBRARY:
            version = component.version or component.version_range or "any version"
            how = "pinned" if component.version else "not pinned"
            yield Row(name=name_of(component), value=version, how=how, where=where(component.evidence))


def _files(report: Report) -> Iterator[FileRow]:
    seen = coverage.by_path(report)
    by_file: dict[str, list[Severity]] = {}
    for finding in report.findings:
        if finding.suppression is None and finding.location is not None:
            by_file.setdefault(finding.location.path, []).append(finding.severity)
    # Weights first: they are what the page is about.
    order = (Role.WEIGHTS, Role.CODE)
    outer = [i for i in report.inspections if not i.file.members]
    outer.sort(key=lambda i: (i.file.role not in order, i.file.path))
    for inspection in outer:
        file = inspection.file
        digests = (*report.digests.get(file.path, ()), *file.declared_digests)
        sha256 = sorted((d for d in digests if d.algorithm == "sha256"), key=lambda d: d.basis)
        severities = by_file.get(file.path, [])
        yield FileRow(
            path=file.path,
            format=file.format.value,
            role=file.role.value,
            size=file.size,
            coverage=seen[file.path],
            digest=sha256[0].value if sha256 else "",
            basis=sha256[0].basis if sha256 else "none",
            findings=len(severities),
            worst=min(severities, key=lambda severity: severity.rank).value if severities else "",
        )
