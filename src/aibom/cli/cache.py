"""`aibom cache`: what is remembered of earlier scans, and how to forget it."""

from __future__ import annotations

import json

import click

from aibom.cache.store import Store
from aibom.emitters.page import size
from aibom.errors import OutputError


@click.group("cache", short_help="Show or clear what is remembered of earlier scans.")
def command() -> None:
    """Show or clear what `aibom scan --cache` remembers of the files that it read.

    \b
    Examples:
      aibom scan ./my-model --cache
      aibom cache info
      aibom cache clear
    """


@command.command("info")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def info(format_: str) -> None:
    """Say where the cache is and how much it holds."""
    with Store() as store:
        found = store.info()
    if format_ == "json":
        values = {"path": str(found.path), "files": found.files, "results": found.results, "bytes": found.size,
                  "limit": found.limit}  # fmt: skip
        click.echo(json.dumps(values, indent=2))
        return
    click.echo(f"{found.path}")
    click.echo(f"{found.files} files · {found.results} results · {size(found.size)} of {size(found.limit)}")


@command.command("clear")
def clear() -> None:
    """Forget everything."""
    store = Store()
    try:
        store.clear()
    except OSError as fault:
        raise OutputError(f"{store.path} can't be removed: {fault.strerror}") from fault
    click.echo(f"cleared {store.path}")
