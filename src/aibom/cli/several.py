"""Several targets in one command: a row for each, and the summary that ends it."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import click
from msgspec import Struct

from aibom.cli.output import Output, write
from aibom.emitters import markdown
from aibom.emitters.coverage import by_path, is_covered
from aibom.emitters.inert import one_line
from aibom.emitters.options import EmitOptions
from aibom.emitters.verdict import Tone, live, verdict
from aibom.files import Coverage
from aibom.overview import overview
from aibom.report import Report

_HEADS = ("Target", "Findings", "Licence", "Inspected", "Verdict")
_COLORS = {"bad": "red", "undecided": "yellow", "clear": "green", "failed": "red"}
_MARKS = {"bad": "❌", "undecided": "⚠️", "clear": "✅", "failed": "❌"}
_UNWRAPPED = 10_000
"""Columns where there is no limit: a pipe gets every row on one line."""
_STDOUT_TABLE = Output("table", None)


class Batch:
    """What the targets of one command write: files of their own at once, shared ones when all are done."""

    def __init__(self, outputs: Sequence[tuple[Output, ...]]) -> None:
        uses = Counter(output for places in outputs for output in places)
        self._shared = frozenset(output for output, count in uses.items() if count > 1)
        self._texts: dict[Output, list[str]] = {output: [] for output in uses if output in self._shared}
        self._rows: list[Row] = []

    def add(self, target: str, report: Report, texts: Sequence[tuple[Output, str]]) -> None:
        """Take what was made of a target."""
        self._rows.append(row_of(target, report))
        for output, text in texts:
            if output not in self._shared:
                write(output, text)
            elif output == _STDOUT_TABLE:
                write(output, f"{_heading(target)}{text}\n")
            else:
                head = _heading(target) if output.format == "table" else ""
                self._texts[output].append(head + text)

    def fail(self, target: str, fault: Exception) -> None:
        """Note a target that could not be scanned."""
        self._rows.append(Row(target=target, tone="failed", verdict=f"could not be scanned: {fault}"))

    def finish(self, options: EmitOptions, *, quiet: bool) -> None:
        """Write what is shared, with the summary; without any of it, the summary is said on stderr unless `quiet`."""
        for output, texts in self._texts.items():
            if output == _STDOUT_TABLE:
                write(output, to_text(self._rows, options))
            elif output.format == "markdown":
                write(output, "\n".join([to_markdown(self._rows), *texts]))
            else:
                write(output, "\n".join([*texts, to_text(self._rows, EmitOptions())]))
        if not self._texts and not quiet:
            click.echo(to_text(self._rows, EmitOptions()), err=True, nl=False)


class Row(Struct, frozen=True, kw_only=True):
    """What the summary says of one target."""

    target: str
    tone: Tone | Literal["failed"]
    verdict: str
    findings: str = "-"
    license: str = "-"
    inspected: str = "-"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row's values, in the order of the heads."""
        return tuple(map(one_line, (self.target, self.findings, self.license, self.inspected, self.verdict)))


def row_of(target: str, report: Report) -> Row:
    """Return the row of a target that was scanned; `target` is what the user wrote."""
    found = verdict(report)
    counts = Counter(finding.severity for finding in live(report))
    findings = "none"
    if counts:
        worst = min(counts, key=lambda severity: severity.rank)
        findings = f"{counts[worst]} {worst.value}" + (f" of {counts.total()}" if len(counts) > 1 else "")
    covered = by_path(report)
    whole = sum(coverage is Coverage.COMPLETE for coverage in covered.values())
    return Row(
        target=target,
        tone=found.tone,
        verdict=found.text[0].lower() + found.text[1:] + (f": {found.rule}" if found.rule else ""),
        findings=findings,
        license=", ".join(overview(report).licenses) or "unknown",
        inspected=f"{whole} of {len(covered)} files" + ("" if is_covered(report) else ", in part"),
    )


def to_text(rows: Sequence[Row], options: EmitOptions) -> str:
    """Return the summary for a terminal: a row a target in the order given, the worst as the last line."""
    from rich.console import Console  # noqa: PLC0415 -- a scan of one target never needs it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="")
    for head in _HEADS:
        table.add_column(head.upper(), overflow="fold")
    for row in rows:
        *cells, last = row.cells
        table.add_row(*map(Text, cells), Text(last, style=_COLORS[row.tone] if options.color else ""))
    out = io.StringIO()
    console = Console(
        file=out, width=options.width or _UNWRAPPED, force_terminal=options.color, color_system="standard",
        no_color=not options.color, legacy_windows=False, highlight=False,
    )  # fmt: skip
    console.print(table)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join([*lines, "", _total(rows)]) + "\n"


def to_markdown(rows: Sequence[Row]) -> str:
    """Return the summary as Markdown, in which nothing of a target is markup."""
    lines = [f"## {_total(rows)}", "", f"| {' | '.join(_HEADS)} |", f"|{' --- |' * len(_HEADS)}"]
    for row in rows:
        cells = [markdown.text(cell) for cell in row.cells]
        lines.append(f"| {' | '.join(cells[:-1])} | {_MARKS[row.tone]} {cells[-1]} |")
    return "\n".join(lines) + "\n"


def _heading(target: str) -> str:
    return f"== {one_line(target)}\n\n"


def _total(rows: Sequence[Row]) -> str:
    tones = Counter(row.tone for row in rows)
    words: dict[Tone | Literal["failed"], str] = {
        "failed": "could not be scanned",
        "bad": "to stop at",
        "undecided": "to look at",
        "clear": "with nothing found that runs code on load",
    }
    parts = [f"{tones[tone]} {text}" for tone, text in words.items() if tones[tone]]
    return f"{len(rows)} targets: {', '.join(parts)}"
