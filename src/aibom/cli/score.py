"""`aibom score`: how far a BOM answers the minimum elements that somebody asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from aibom.cli.output import read_document
from aibom.documents import open_document
from aibom.emitters.inert import one_line
from aibom.score import ALIASES, Answer, Outcome, Score, profiles, score

_DEFAULT = ("g7-ai", "cisa-2026", "bsi", "ntia", "spdx-ai", "owasp-compat")
_WORDS = {
    Outcome.PRESENT: "present",
    Outcome.DECLARED_UNKNOWN: "declared unknown",
    Outcome.ABSENT: "absent",
    Outcome.NOT_APPLICABLE: "not applicable",
}


@click.command("score", short_help="Say which minimum elements a BOM holds.")
@click.argument("bom", type=click.Path(path_type=Path))
@click.option("--profile", "names", multiple=True, metavar="NAME", help="Repeatable; default all of them.")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--explain", is_flag=True, help="Show every element, and what satisfies it.")
def command(bom: Path, names: tuple[str, ...], format_: str, *, explain: bool) -> None:
    """Score BOM: a CycloneDX (JSON, XML) or SPDX (3.0 or 2.3, JSON) document of any tool, or a report of ours.

    \b
    Examples:
      aibom score bom.cdx.json
      aibom score bom.spdx.json --profile g7-ai --explain
      aibom score vendor.cdx.json --profile cisa-2026 --format json
    """
    document = open_document(read_document(bom))
    scores = [score(document.bom, name) for name in names or _DEFAULT]
    if format_ == "json":
        click.echo(json.dumps([_plain(item) for item in scores], indent=2))
        return
    explain = explain or len(names) == 1
    for item in scores:
        click.echo("\n".join(_lines(item, explain=explain)))
    if explain and not (document.form.startswith("CycloneDX") and document.form.endswith("JSON")):
        click.echo(one_line(f"The document is read as: {document.form}; pointers are into its CycloneDX JSON form."))


def _lines(item: Score, *, explain: bool) -> list[str]:
    asked = len(item.answers) - item.count(Outcome.NOT_APPLICABLE)
    parts = [f"{item.count(Outcome.PRESENT)} of {asked} present"]
    parts += [f"{count} {_WORDS[outcome]}" for outcome in Outcome if outcome is not Outcome.PRESENT
              if (count := item.count(outcome))]  # fmt: skip
    verified = sum(answer.verified for answer in item.answers)
    parts.append(f"{verified} computed from the bytes")
    if item.formula is not None:
        parts.append(f"{item.formula:.1f} of 100 by that tool's formula")
    lines = [f"{item.profile}: {' · '.join(parts)}"]
    if explain:
        lines += [_line(answer) for answer in item.answers]
    return lines


def _line(answer: Answer) -> str:
    why = ", ".join(answer.pointers[:3])
    if answer.missing:
        why = f"missing in {', '.join(answer.missing[:3])}" + (" ..." if len(answer.missing) > 3 else "")
    filled = "" if answer.outcome is Outcome.PRESENT else f"  (from: {answer.element.auto})"
    return one_line(f"  {_WORDS[answer.outcome]:<17}{answer.element.name}{filled}  {why}".rstrip())


def _plain(item: Score) -> dict[str, Any]:
    return {
        "profile": item.profile,
        "counts": {outcome.value: item.count(outcome) for outcome in Outcome},
        "formula": item.formula,
        "elements": [
            {
                "id": answer.element.id,
                "name": answer.element.name,
                "outcome": answer.outcome.value,
                "verified": answer.verified,
                "pointers": list(answer.pointers),
                "missing": list(answer.missing),
            }
            for answer in item.answers
        ],
    }


command.epilog = f"Profiles: {', '.join(profiles())}; short names: {', '.join(ALIASES)}."
