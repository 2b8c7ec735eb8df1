"""`aibom data`: the tables and rulebooks that a scan judges by."""

from __future__ import annotations

import json

import click

from aibom._version import __version__
from aibom.data import rule_data


@click.group("data", short_help="Show the rule data in use.", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Show the tables and rulebooks that a scan judges by: they ship with the tool and change with its version.

    \b
    Examples:
      aibom data
      aibom data show --format json
    """
    if context.invoked_subcommand is None:
        context.invoke(show)


@command.command("show")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show(format_: str = "table") -> None:
    """Print every table with the first digits of its SHA-256, as reports carry them."""
    found = rule_data()
    if format_ == "json":
        click.echo(json.dumps({"tool": __version__, "data": dict(found)}, indent=2))
        return
    click.echo(f"aibom {__version__}")
    for name, digest in found.items():
        click.echo(f"  {digest}  {name}")
