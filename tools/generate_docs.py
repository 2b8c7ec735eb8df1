"""Write the pages of docs/ that come from the code: the rules and the command line."""

from __future__ import annotations

from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_WIDTH = 100


def rules_page() -> str:
    """Return a section a rule, worst first."""
    from aibom.rules import RULES

    lines = [
        "# Rules",
        "",
        "What aibom can find, worst first. `aibom explain RULE` prints the same text.",
        "The severity is the usual one; a finding may be graver or milder where the evidence says so.",
    ]
    for rule in sorted(RULES, key=lambda rule: (rule.severity.rank, rule.id)):
        lines += ["", f"## {rule.id}", "", f"**{rule.severity.value}**: {rule.summary}", "", rule.explanation, "",
                  f"*What to do:* {rule.help}"]  # fmt: skip
        if rule.cwes:
            lines += ["", "Weakness: " + ", ".join(f"CWE-{number}" for number in rule.cwes)]
        if rule.references:
            lines += ["", "References:", "", *(f"- {reference}" for reference in rule.references)]
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """Return the help of every command."""
    from aibom.cli import group

    context = click.Context(
        # As the group itself would make it: click keeps the help option that the first context asks for.
        group,
        info_name="aibom",
        max_content_width=_WIDTH,
        terminal_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    lines = ["# Command line", "", "```", group.get_help(context), "```"]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, max_content_width=_WIDTH, terminal_width=_WIDTH)
        lines += ["", f"## aibom {name}", "", "```", command.get_help(inner), "```"]
    return "\n".join(line.rstrip() for line in "\n".join(lines).split("\n")) + "\n"


PAGES = {"rules.md": rules_page, "cli.md": cli_page}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
