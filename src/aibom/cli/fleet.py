"""`aibom fleet`: many targets, resumable, over local processes or a Dask cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from msgspec.structs import replace

from aibom.cli.clock import now
from aibom.cli.configuration import FAIL_ON, LINEAGE, Choices, add_options, choose, configuration
from aibom.cli.output import write_file
from aibom.cli.partial import PartialOptions
from aibom.cli.trust import signature_options
from aibom.errors import OutputError, UsageError
from aibom.fleet.cluster import cluster_lanes
from aibom.fleet.driver import ENDINGS, Progress, drive, fails
from aibom.fleet.harness import Lane, local_lanes
from aibom.fleet.page import to_html, to_text
from aibom.fleet.records import Order, Status
from aibom.fleet.targets import parse_slice, read_targets

EXIT_FOUND, EXIT_FAILED = 1, 3
_MIB = 1024 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# A worker maps libraries and thread stacks that it never touches: less address space than this is none to work in.
_LEAST_MEMORY = 1024


@click.command("fleet", short_help="Scan many targets, resumable, over local processes or a Dask cluster.")
@click.argument("where", metavar="LIST")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where all results go.")
@click.option(
    "-o",
    "--output",
    "formats",
    multiple=True,
    type=click.Choice(list(ENDINGS)),
    metavar="FORMAT",
    help="Document to write for each target; repeatable; default cyclonedx.",
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Worker processes; default: the cores.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler instead of local workers: tls://host:8786.")
@click.option("--slice", "part", metavar="I/N", help="Take part I (from 0) of N, for jobs that share nothing.")
@click.option(
    "--memory",
    type=click.IntRange(min=_LEAST_MEMORY),
    default=4096,
    show_default=True,
    metavar="MIB",
    help="Address space of a local worker.",
)
@click.option(
    "--wall",
    type=click.FloatRange(min=1),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for one target; its worker is ended after that.",
)
@click.option("--retry-failed", is_flag=True, help="Scan again what could not be scanned by an earlier run.")
@click.option("--cache/--no-cache", default=True, show_default=True, help="Remember files between scans.")
@click.option("--fail-on", type=click.Choice(FAIL_ON), help="Exit with 1 for findings this bad or worse; default high.")
@click.option("--spec-version", type=click.Choice(["1.7", "1.6"]), help="Of CycloneDX; default 1.7.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Evaluate dated rules on this day.")
@click.option("--digest", "digests", multiple=True, metavar="ALG", help="One more digest a file: sha512, blake3 ...")
@click.option("--lineage", type=click.Choice(LINEAGE), help="Ask the hub about base models; default for hub targets.")
@click.option("--download", is_flag=True, help="Read remote files whole and check their digests; nothing is kept.")
@click.option("--offline", is_flag=True, help="Any attempt to reach the network is an error.")
@add_options
@signature_options
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the summary and errors.")
def command(where: str, out: Path, **options: Any) -> int:  # fmt: skip
    """Scan every target of LIST: a file with a target a line, - for stdin, a folder of repositories, hf://owner/*.

    What is finished is on the disk at once: run the same command again and it goes on where it was stopped.

    \b
    Examples:
      aibom fleet models.txt --out results
      aibom fleet /mirror --out results --jobs 16
      aibom fleet 'hf://acme/*' --out results -o json -o cyclonedx
    """
    created = now()
    fleet_options = PartialOptions({**options, "jobs": 1})
    choices = choose(configuration(fleet_options, (where,)), fleet_options, created)
    part = parse_slice(options["part"]) if options["part"] else None
    targets = [target for target in read_targets(where, offline=choices.settings.offline)
               if part is None or target in part]  # fmt: skip
    folder = out / part.name if part else out
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(f"{folder} can't be made: {fault.strerror}") from fault
    order = Order(
        # One thread a worker: the workers share the cores already.
        settings=replace(choices.settings, jobs=1),
        created=created,
        formats=tuple(dict.fromkeys(options["formats"])) or ("cyclonedx",),
        spec_version=choices.spec_version,
        lineage=choices.lineage,
        cache=options["cache"],
        wall_seconds=options["wall"],
    )
    with _lanes(options, len(targets)) as lanes, _progress(quiet=options["quiet"]) as on_progress:
        summary = drive(
            targets,
            order,
            lanes,
            folder,
            write=write_file,
            retry_failed=options["retry_failed"],
            on_progress=on_progress,
        )
    write_file(folder / "summary.html", to_html(summary, title=str(where), created=f"{created:%Y-%m-%d}").encode())
    click.echo(to_text(summary), nl=False)
    return _code(summary.statuses, folder, choices)


def _code(statuses: dict[str, int], folder: Path, choices: Choices) -> int:
    if statuses.get(Status.FAILED) or statuses.get(Status.KILLED):
        return EXIT_FAILED
    return EXIT_FOUND if fails(folder, choices.fail_on) else 0


@contextmanager
def _lanes(options: dict[str, Any], targets: int) -> Iterator[list[Lane]]:
    address = options["scheduler"]
    if address is None:
        workers = options["jobs"] or len(os.sched_getaffinity(0))
        yield local_lanes(max(1, min(workers, targets)), memory_bytes=options["memory"] * _MIB)
        return
    if options["jobs"]:
        raise UsageError("--jobs and --scheduler exclude each other", hint="the scheduler knows its workers")
    parts = urlsplit(address)
    if parts.scheme == "tcp" and parts.hostname not in _LOOPBACK:
        click.echo(
            "note: tcp:// is neither encrypted nor authenticated, and whoever reaches the scheduler can run code on "
            "the workers; use tls://",
            err=True,
        )
    with cluster_lanes(address) as lanes:
        yield lanes


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Yield the callback that draws the bar: how many, how fast, how long still; only on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 -- a run in a pipeline never draws
    from rich.markup import escape  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None, rate="")
        began: list[float] = []

        def draw(step: Progress) -> None:
            if not began:
                began.append(bar.get_time())
            elapsed = max(bar.get_time() - began[0], 1e-9)
            here = step.finished - step.earlier
            # Rate and remaining time speak of this run: what earlier runs have done took no time now.
            bar.update(
                task,
                completed=here,
                total=step.total - step.earlier,
                description=escape(step.entry.target[-40:]) if step.entry else "starting",
                rate=f"{here / elapsed:.1f}/s" if here else "",
            )

        yield draw
