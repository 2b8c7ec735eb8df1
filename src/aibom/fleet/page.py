"""The summary of a run as text for a terminal and as a page that asks nothing of any server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aibom.emitters.inert import one_line
from aibom.emitters.page import size
from aibom.emitters.table_page import Link, Table, render_tables
from aibom.fleet.summary import Summary, Trouble

# A terminal shows the head of each list; the page and the index have the rest.
_LINES = 12


def to_text(summary: Summary) -> str:
    """Return the summary for a terminal: what is wrong first, totals last."""
    lines: list[str] = []
    for title, items in _blocks(summary):
        shown = list(items)
        if shown:
            lines += [title, *(f"  {one_line(item)}" for item in shown[:_LINES])]
            if len(shown) > _LINES:
                lines.append(f"  and {len(shown) - _LINES} more")
            lines.append("")
    statuses = " · ".join(f"{count} {status}" for status, count in summary.statuses.items()) or "no targets"
    lines.append(f"{statuses} · {summary.files} files · {size(summary.size)} · {summary.seconds:.1f} s of workers")
    return "\n".join(lines) + "\n"


def _blocks(summary: Summary) -> Iterator[tuple[str, Iterator[str]]]:
    yield "NOT SCANNED", (f"{item.target}  {item.text}" for item in summary.not_scanned)
    yield "LOOK AT THESE", (f"{item.status:<9} {item.target}  {item.text}" for item in summary.grave)
    yield (
        "FINDINGS",
        (f"{rule.severity:<9} {rule.rule:<36} {rule.findings} in {rule.targets} targets" for rule in summary.rules),
    )
    yield "LICENCES", (f"{count:>6}  {name}" for name, count in summary.licenses.items())
    yield (
        "DETERMINATIONS",
        (f"{count:>6}  {key}: {strength}" for (key, strength), count in summary.determinations.items()),
    )
    yield "SIGNATURES", (f"{count:>6}  {name}" for name, count in summary.signed.items())


def to_html(summary: Summary, *, title: str, created: str) -> str:
    """Return the summary as one page."""
    statuses = [f"{count} {status}" for status, count in summary.statuses.items()]
    partly = [f"{summary.partly} not looked at in full"] if summary.partly else []
    parts = [f"{summary.targets} targets", f"{summary.files} files", size(summary.size), created, *statuses, *partly]
    tables = (
        _table("Not scanned", "Target|Status|Why", _troubles(summary.not_scanned)),
        _table("Look at these", "Target|Worst|Verdict", _troubles(summary.grave)),
        _table("Verdicts", "Verdict|Targets", [*summary.verdicts.items()]),
        _table("Findings by rule", "Rule|Worst|Targets|Findings",
               [(rule.rule, rule.severity.value, rule.targets, rule.findings) for rule in summary.rules]),
        _table("Licences", "Licence|Targets", [*summary.licenses.items()]),
        _table("Determinations", "Provision|Strength|Targets",
               [(key, strength, count) for (key, strength), count in summary.determinations.items()]),
        _table("Signatures and digests", "Outcome|Targets", [*summary.signed.items()]),
    )  # fmt: skip
    return render_tables(
        title=title,
        lead=" · ".join(parts),
        tables=tables,
        note=(
            "Determinations say what the evidence indicates, with its strength. They are not legal advice. "
            "Every value is in index.sqlite."
        ),
    )


def _troubles(items: Sequence[Trouble]) -> list[tuple[object, str, str]]:
    return [(_linked(item), item.status, item.text) for item in items]


def _linked(item: Trouble) -> object:
    return Link(text=item.target, path=item.document) if item.document else item.target


def _table(heading: str, heads: str, rows: Sequence[Sequence[object]]) -> Table:
    return Table(heading=heading, heads=tuple(heads.split("|")), rows=rows)
