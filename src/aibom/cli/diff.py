"""`aibom diff`: what changed between two scans, or two CycloneDX documents of any tool."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import click

from aibom.cli.output import read_document
from aibom.compare import Change, Comparison, Kind, compare
from aibom.documents import load
from aibom.emitters.inert import one_line

EXIT_DIFFERENT = 1


@click.command("diff", short_help="Say what changed between two reports or BOMs.")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything changed.")
def command(old: Path, new: Path, format_: str, *, exit_code: bool) -> int:
    """Compare OLD and NEW: reports (`-o json`) or CycloneDX documents, ours or another tool's.

    \b
    Examples:
      aibom diff last-week.json today.json
      aibom diff vendor.cdx.json ours.cdx.json --exit-code
      aibom diff old.json new.json --format json
    """
    comparison = compare(load(read_document(old)), load(read_document(new)))
    click.echo(_json(comparison) if format_ == "json" else _table(comparison))
    return EXIT_DIFFERENT if exit_code and comparison.changes else 0


def _table(comparison: Comparison) -> str:
    lines: list[str] = []
    for aspect, changes in groupby(comparison.changes, key=lambda change: change.aspect):
        lines.append(aspect.value)
        lines += [f"  {_line(change)}" for change in changes]
    if not comparison.changes:
        lines.append("nothing changed")
    if comparison.not_comparable:
        names = ", ".join(aspect.value for aspect in comparison.not_comparable)
        lines.append(f"not comparable, because one side does not say: {names}")
    return "\n".join(lines)


def _line(change: Change) -> str:
    match change.kind:
        case Kind.ADDED:
            text = f"+ {change.name}  {change.new}"
        case Kind.REMOVED:
            text = f"- {change.name}  {change.old}"
        case Kind.RENAMED:
            text = f"~ {change.old} → {change.new}"
        case Kind.CHANGED:
            text = f"~ {change.name}  {change.old} → {change.new}"
    return one_line(text.rstrip())


def _json(comparison: Comparison) -> str:
    changes = [
        {
            "aspect": change.aspect.value,
            "kind": change.kind.value,
            "name": change.name,
            "old": change.old,
            "new": change.new,
        }
        for change in comparison.changes
    ]
    not_comparable = [aspect.value for aspect in comparison.not_comparable]
    return json.dumps({"changes": changes, "not_comparable": not_comparable}, indent=2)
