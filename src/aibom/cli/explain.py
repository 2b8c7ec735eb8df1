"""`aibom explain`: why a rule exists, what to do, where to read on."""

from __future__ import annotations

import difflib
import textwrap

import click

from aibom.errors import UsageError
from aibom.findings import Rule

_LICENSE = "license:"


@click.command("explain", short_help="Explain a rule, a provision or a licence, or list them.")
@click.argument("name", required=False, metavar="[RULE]")
def command(name: str | None) -> None:
    """Explain a rule, a provision of a rulebook, or a licence. Without RULE, list rules and provisions.

    \b
    Examples:
      aibom explain pickle-dangerous-import
      aibom explain eu-ai-act/53-2
      aibom explain license:llama3.1
    """
    if name is None:
        click.echo(_list())
    elif name.startswith(_LICENSE):
        from aibom.resolvers.license_explain import describe_license  # noqa: PLC0415 -- only this form needs the table

        click.echo(describe_license(name.removeprefix(_LICENSE)))
    elif "/" in name:
        from aibom.assessors.assessing import explain  # noqa: PLC0415 -- only this form needs the rulebooks

        click.echo(explain(name))
    else:
        click.echo(describe(_find(name)))


def _list() -> str:
    from aibom.assessors.assessing import explainable  # noqa: PLC0415
    from aibom.rules import RULES  # noqa: PLC0415

    width = max(len(rule.id) for rule in RULES)
    lines = [
        f"{rule.severity.value:<9} {rule.id:<{width}}  {rule.summary}"
        for rule in sorted(RULES, key=lambda rule: (rule.severity.rank, rule.id))
    ]
    provisions = explainable()
    width = max(len(name) for name, _ in provisions)
    lines += ["", "Provisions of the rulebooks:", *(f"  {name:<{width}}  {title}" for name, title in provisions)]
    return "\n".join([*lines, "", "Licences: aibom explain license:NAME, e.g. license:llama3.1"])


def _find(name: str) -> Rule:
    from aibom.rules import RULES  # noqa: PLC0415

    rules = {rule.id: rule for rule in RULES}
    if name in rules:
        return rules[name]
    near = difflib.get_close_matches(name, rules, n=1)
    hint = f"did you mean {near[0]}?" if near else "aibom explain lists them all"
    raise UsageError(f"there is no rule {name!r}", hint=hint)


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
