"""`aibom diff`: what changed between two scans, or two CycloneDX documents of any tool."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import click

from aibom.changes import Aspect, Change, Comparison, Kind
from aibom.cli.output import read_document
from aibom.compare import compare_documents
from aibom.documents import open_document
from aibom.emitters.inert import one_line
from aibom.tensor_changes import is_telling

EXIT_DIFFERENT = 1
_FEW_TENSORS = 20
_MOST_TENSORS = 400
_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")
_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~", Kind.RENAMED: "~"}


@click.command("diff", short_help="Say what changed between two reports or BOMs.")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything changed.")
def command(old: Path, new: Path, format_: str, *, exit_code: bool) -> int:
    """Compare OLD and NEW: reports (`-o json`), or CycloneDX and SPDX documents, ours or another tool's.

    Two reports made with --tensor-digests are compared tensor by tensor.

    \b
    Examples:
      aibom diff last-week.json today.json
      aibom diff vendor.cdx.json ours.cdx.json --exit-code
      aibom diff old.json new.json --format json
    """
    comparison = compare_documents(open_document(read_document(old)), open_document(read_document(new)))
    click.echo(_json(comparison) if format_ == "json" else _table(comparison))
    return EXIT_DIFFERENT if exit_code and comparison.changes else 0


def _table(comparison: Comparison) -> str:
    lines: list[str] = []
    for aspect, changes in groupby(comparison.changes, key=lambda change: change.aspect):
        lines.append(aspect.value)
        lines += [f"  {text}" for text in (_tensors if aspect is Aspect.TENSORS else _all)([*changes])]
    if not comparison.changes:
        lines.append("nothing changed")
    if comparison.not_comparable:
        names = ", ".join(aspect.value for aspect in comparison.not_comparable)
        lines.append(f"not comparable, because one side does not say: {names}")
    lines += [one_line(note) for note in comparison.notes]
    return "\n".join(lines)


def _all(changes: list[Change]) -> Iterator[str]:
    return map(_line, changes)


def _tensors(changes: list[Change]) -> Iterator[str]:
    """Yield few tensors as they are; of many, adapters, embeddings and heads by name and the others by pattern."""
    many = len(changes) > _FEW_TENSORS
    telling = [change for change in changes if not many or is_telling(change.name)]
    yield from _all(telling[:_MOST_TENSORS])
    if len(telling) > _MOST_TENSORS:
        yield f"and {len(telling) - _MOST_TENSORS} more of them; --format json lists all"
    grouped: dict[tuple[str, str], int] = {}
    for change in changes:
        if many and not is_telling(change.name):
            key = _SIGNS[change.kind], _NUMBER.sub("*", change.name)
            grouped[key] = grouped.get(key, 0) + 1
    for (sign, pattern), count in grouped.items():
        yield one_line(f"{sign} {pattern}  {count} tensor{'s' * (count != 1)}")


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
    document = {"changes": changes, "not_comparable": not_comparable, "notes": list(comparison.notes)}
    return json.dumps(document, indent=2)
