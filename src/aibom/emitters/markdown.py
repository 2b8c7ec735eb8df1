"""The report as Markdown, for job summaries and comments: nothing of the target is markup in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from aibom.emitters.cdx_findings import group
from aibom.emitters.cdx_text import origin
from aibom.emitters.inert import one_line
from aibom.emitters.options import EmitOptions
from aibom.emitters.page import Page, arrange, strength_words
from aibom.findings import Severity
from aibom.report import Report

MAX_FINDINGS = 50  # a job summary holds 1 MiB; the other formats hold all findings
MAX_TEXT = 600  # characters of one cell

# Every ASCII punctuation character may be escaped (CommonMark 2.4), so all that can start markup, a mention, an
# autolink or an HTML tag is.
_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#+!|~&@:$=\-.^\"'/]")
_MARKS = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
    Severity.INFO: "⚪",
}
_TONES = {"bad": "❌", "undecided": "⚠️", "clear": "✅"}


def emit(report: Report, _options: EmitOptions) -> str:
    """Return a summary in GitHub-flavoured Markdown."""
    return "\n".join(_lines(arrange(report))) + "\n"


def text(value: str, limit: int = MAX_TEXT) -> str:
    """Return a text of the target as Markdown that shows it and does nothing: one line, escaped, at most so long."""
    line = one_line(value.replace("\n", " ").strip())
    line = line if len(line) <= limit else f"{line[: limit - 1]}…"
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", line)


def code(value: str) -> str:
    """Return a text of the target in a code element, in which it stays text as well."""
    return f"<code>{text(value)}</code>" if value else ""


def _lines(page: Page) -> Iterator[str]:
    yield f"## {text(page.title, 120)}"
    yield ""
    because = f" because of {code(page.verdict.rule)}" if page.verdict.rule else ""
    yield f"{_TONES[page.verdict.tone]} **{page.verdict.text}**{because}"
    yield ""
    counts = ", ".join(f"{number} {severity.value}" for severity, number in page.counts) or "none"
    ignored = f", {len(page.ignored)} ignored" if page.ignored else ""
    yield from _table(
        ("", ""),
        [
            ("Findings", counts + ignored),
            ("Terms", text(page.terms)),
            ("EU AI Act", text(" · ".join(page.regulation))),
            ("Looked at", text(page.looked_at)),
            *((row.name, text(row.value)) for row in page.identity if row.name in ("Version", "Root digest")),
        ],
    )
    yield from _findings(page)
    yield from _lineage(page)
    yield from _licenses(page)
    yield from _regulation(page)
    tool = page.report.tool
    yield f"<sub>{text(tool.name)} {text(tool.version)} · rules as of {page.report.settings.as_of.isoformat()}</sub>"


def _findings(page: Page) -> Iterator[str]:
    if not page.findings:
        return
    groups = group(page.findings)
    yield "### Findings"
    yield ""
    rows = []
    for entry in groups[:MAX_FINDINGS]:
        finding = entry.findings[0]
        place = code(str(finding.location)) if finding.location else ""
        if len(entry.findings) > 1:
            place = f"{place} and {len(entry.findings) - 1} more" if place else f"{len(entry.findings)} times"
        what = f"{text(finding.message)}<br>{text(finding.rule.help)}"
        severity = f"{_MARKS[finding.severity]} {finding.severity.value}"
        rows.append((severity, code(finding.rule.id), place, what))
    yield from _table(("Severity", "Rule", "Where", "What, and what to do"), rows)
    if len(groups) > MAX_FINDINGS:
        yield f"And {len(groups) - MAX_FINDINGS} more kinds of findings."
        yield ""


def _lineage(page: Page) -> Iterator[str]:
    if page.lineage:
        yield "### Lineage"
        yield ""
        rows = [(text(row.name), text(row.value), text(row.how), code(row.where)) for row in page.lineage]
        yield from _table(("Component", "Comes from", "How", "Where"), rows)


def _licenses(page: Page) -> Iterator[str]:
    if page.licenses:
        yield "### Licences"
        yield ""
        rows = [(text(r.component), r.basis, text(r.name), r.scope, code(r.where)) for r in page.licenses]
        yield from _table(("Component", "How it is known", "Licence", "For", "Where"), rows)


def _regulation(page: Page) -> Iterator[str]:
    for regime in page.regimes:
        yield f"### {text(regime.title)}"
        yield ""
        rows = [
            (
                "<br>".join([text(d.rule.provision), text(d.rule.title), *_about(d.subject, page)]),
                strength_words(d.strength),
                "<br>".join([text(d.statement), *(f"{text(e.statement)} ({code(origin(e))})" for e in d.because)]),
                text(", ".join(d.missing)),
            )
            for d in regime.determinations
        ]
        yield from _table(("Provision", "Evidence", "What was found", "Missing"), rows)


def _about(subject: str, page: Page) -> Iterator[str]:
    if subject in page.subjects:
        yield code(page.subjects[subject])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
