"""`aibom data`: the tables and rulebooks that a scan judges by, and the advisories that the user adds."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from aibom._version import __version__
from aibom.data import rule_data
from aibom.errors import DataError, MalformedFile, TargetError, UsageError
from aibom.resolvers.osv import build_snapshot, default_snapshot, opened_snapshot

ONLINE = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"  # as google.github.io/osv.dev/data names it
_MOST_BYTES = 2 * 1024**3


@click.group("data", short_help="Show the rule data in use; update the advisories.", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Show the tables and rulebooks that a scan judges by: they ship with the tool and change with its version.

    Advisories on libraries come from OSV, in a snapshot that `update` makes and every scan on this machine uses.

    \b
    Examples:
      aibom data
      aibom data show --format json
      aibom data update --osv all.zip
    """
    if context.invoked_subcommand is None:
        context.invoke(show)


@command.command("show")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show(format_: str = "table") -> None:
    """Print every table with the first digits of its SHA-256, as reports carry them, and the snapshot's date."""
    found = rule_data()
    with opened_snapshot() as snapshot:
        advisories = {"date": snapshot.date, "entries": snapshot.advisories} if snapshot else None
    if format_ == "json":
        click.echo(json.dumps({"tool": __version__, "data": dict(found), "osv": advisories}, indent=2))
        return
    click.echo(f"aibom {__version__}")
    for name, digest in found.items():
        click.echo(f"  {digest}  {name}")
    if advisories is None:
        click.echo("no snapshot of OSV: pinned libraries are not compared with advisories (aibom data update --osv)")
    else:
        click.echo(f"OSV snapshot of {advisories['date'] or 'unknown date'}: {advisories['entries']:,} entries")


@command.command("update")
@click.option(
    "--osv",
    "origin",
    required=True,
    metavar="FILE|URL|online",
    help="OSV's all.zip of PyPI: a file, an address of your own mirror, or `online` to ask OSV over the network.",
)
@click.option("--offline", is_flag=True, help="Any attempt to reach the network is an error.")
def update(origin: str, *, offline: bool) -> None:
    """Build the snapshot of advisories anew; the old one stays until the new one is whole.

    \b
    Examples:
      aibom data update --osv all.zip
      aibom data update --osv online
    """
    target = default_snapshot()
    with _archive(origin, offline=offline) as archive:
        build_snapshot(archive, target)
    with opened_snapshot() as snapshot:
        assert snapshot is not None
        click.echo(f"OSV snapshot of {snapshot.date or 'unknown date'}: {snapshot.advisories:,} entries", err=True)


@contextmanager
def _archive(origin: str, *, offline: bool) -> Iterator[Path]:
    url = ONLINE if origin == "online" else origin
    if not url.startswith(("http://", "https://")):
        if not Path(origin).is_file():
            raise TargetError(f"{origin} is no file", hint="download all.zip of PyPI from OSV, or give `online`")
        yield Path(origin)
        return
    if offline:
        raise UsageError(f"--osv {origin} needs the network, and this is offline", hint="give a file")
    with tempfile.TemporaryDirectory(prefix="aibom-") as folder:
        place = Path(folder) / "all.zip"
        _download(url, place)
        yield place


def _download(url: str, place: Path) -> None:
    from aibom.sources.answers import NetworkError  # noqa: PLC0415 -- start-up time
    from aibom.sources.http_file import HttpFile  # noqa: PLC0415
    from aibom.sources.network import Network  # noqa: PLC0415

    network = Network()
    network.trust(url)  # the user named it, whatever its address
    try:
        size = network.size_of(url)
        if size > _MOST_BYTES:
            raise DataError(f"{url} has {size} bytes, more than {_MOST_BYTES}")
        with place.open("wb") as file:
            file.writelines(HttpFile(network=network, url=url, size=size).stream(0))
    except (NetworkError, MalformedFile) as fault:
        raise TargetError(str(fault), hint="download the file elsewhere, then: aibom data update --osv FILE") from fault
