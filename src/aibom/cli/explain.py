"""`aibom explain`: why a rule exists, what to do, where to read on."""

from __future__ import annotations

import difflib
import textwrap

import click

from aibom.errors import UsageError
from aibom.findings import Rule
from aibom.rules import RULES


@click.command("explain", short_help="Explain a rule, or list them all.")
@click.argument("rule", required=False)
def command(rule: str | None) -> None:
    """Explain RULE: why it exists, what to do, references. Without RULE, list them all.

    \b
    Examples:
      aibom explain
      aibom explain pickle-dangerous-import
      aibom explain license-conflict
    """
    rules = {item.id: item for item in RULES}
    if rule is None:
        width = max(map(len, rules))
        for item in sorted(rules.values(), key=lambda item: (item.severity.rank, item.id)):
            click.echo(f"{item.severity.value:<9} {item.id:<{width}}  {item.summary}")
        return
    if rule not in rules:
        near = difflib.get_close_matches(rule, rules, n=1)
        raise UsageError(
            f"there is no rule {rule!r}", hint=f"did you mean {near[0]}?" if near else "aibom explain lists them all"
        )
    click.echo(describe(rules[rule]))


def describe(rule: Rule) -> str:
    """Return a rule as text for a terminal of 80 columns."""
    parts = [f"{rule.id} ({rule.severity.value})", rule.summary, "", _wrap(rule.explanation), "", _wrap(rule.help)]
    if rule.cwes:
        parts += ["", "CWE: " + ", ".join(f"CWE-{number}" for number in rule.cwes)]
    if rule.references:
        parts += ["", "References:", *(f"  {reference}" for reference in rule.references)]
    return "\n".join(parts)


def _wrap(text: str) -> str:
    return textwrap.fill(text, 80)
