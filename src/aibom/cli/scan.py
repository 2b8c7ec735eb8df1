"""`aibom scan`: targets to reports."""

from __future__ import annotations

import datetime as dt
import logging
import os
import time
from collections.abc import Sequence
from typing import Any

import click

from aibom.cli.output import Output, parse_outputs, write
from aibom.cli.progress import progress
from aibom.emitters import EMITTERS
from aibom.emitters.options import EmitOptions
from aibom.errors import AibomError, UsageError
from aibom.findings import Severity
from aibom.pipeline import scan
from aibom.report import Report
from aibom.settings import Identity, Settings
from aibom.sources import open_source

EXIT_FOUND = 1
_NEVER = "never"


@click.command(
    "scan",
    short_help="Scan a model repository and report what it holds and what it does.",
    epilog="Formats: " + ", ".join(EMITTERS) + ". See `aibom explain` for the rules.",
)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FORMAT[=PATH]", help="Repeatable; default table.")
@click.option(
    "--fail-on",
    type=click.Choice([*(s.value for s in Severity if s is not Severity.INFO), _NEVER]),
    default=Severity.HIGH.value,
    show_default=True,
    help="Exit with 1 for findings of this severity or worse.",
)
@click.option("--spec-version", type=click.Choice(["1.7", "1.6"]), default="1.7", show_default=True, help="CycloneDX.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Evaluate dated rules on this day.")
@click.option("--name", help="Name of the model, where the directory's name is not it.")
@click.option("--version", "version", help="Version of the model, where it has no commit.")
@click.option("--supplier", help="Who supplies the model.")
@click.option("--purl", help="Package URL of the model, e.g. pkg:huggingface/owner/name@COMMIT.")
@click.option("--digest", "digests", multiple=True, metavar="ALG", help="One more digest a file: sha512, blake3 ...")
@click.option("--jobs", type=click.IntRange(1, 64), help="Threads that digest big files; default: the cores, up to 8.")
@click.option("--offline", is_flag=True, help="Any attempt to reach the network is an error.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the results and errors.")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for debugging.")
def command(targets: tuple[str, ...], outputs: tuple[str, ...], fail_on: str, **options: Any) -> int:
    """Scan TARGET: a directory or a file.

    \b
    Examples:
      aibom scan ./my-model
      aibom scan ./my-model -o cyclonedx=my-model.cdx.json --fail-on critical
      aibom scan model.pt -o json
    """
    _log(options["verbose"])
    wanted = parse_outputs(outputs)
    if len(targets) > 1 and any(output.format != "table" for output in wanted):
        raise UsageError(
            "several targets give one report each; only the table can show them together",
            hint="scan them one by one to write files",
        )
    created = now()
    settings = _settings(created, options)
    code = 0
    for target in targets:
        started = time.monotonic()
        try:
            report = _scan(target, settings, created, options)
            _emit(report, wanted, options, time.monotonic() - started)
        except AibomError as fault:
            # The next target is scanned all the same; 3 outranks 1 in the end.
            if len(targets) == 1:
                raise
            click.echo(f"error: {fault}", err=True)
            code = max(code, fault.exit_code)
            continue
        code = max(code, EXIT_FOUND if _found(report, fail_on) else 0)
    return code


def _scan(target: str, settings: Settings, created: dt.datetime, options: dict[str, Any]) -> Report:
    source = open_source(target, offline=settings.offline)
    try:
        with progress(quiet=options["quiet"]) as on_progress:
            return scan(source, settings, created=created, on_progress=on_progress)
    finally:
        source.close()


def _emit(report: Report, outputs: Sequence[Output], options: dict[str, Any], seconds: float) -> None:
    texts = []
    for output in outputs:
        emit_options = EmitOptions(
            spec_version=options["spec_version"],
            color=_color(options["color"], to_file=output.path is not None),
            width=_width(to_file=output.path is not None),
            seconds=seconds,
        )
        texts.append((output, EMITTERS[output.format](report, emit_options)))
    # All are made before the first is written: a result that can't be made leaves no others behind.
    for output, text in texts:
        write(output, text)


def _found(report: Report, fail_on: str) -> bool:
    if fail_on == _NEVER:
        return False
    threshold = Severity(fail_on)
    return any(finding.suppression is None and finding.severity.at_least(threshold) for finding in report.findings)


def now() -> dt.datetime:
    """Return the time of this run in UTC, or SOURCE_DATE_EPOCH (seconds) where it is set.

    Raises:
        UsageError: SOURCE_DATE_EPOCH is not a number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return dt.datetime.now(dt.UTC).replace(microsecond=0)
    try:
        return dt.datetime.fromtimestamp(int(epoch), dt.UTC)
    except (ValueError, OverflowError, OSError) as fault:
        raise UsageError(f"SOURCE_DATE_EPOCH is {epoch!r}, not a number of seconds") from fault


def _settings(created: dt.datetime, options: dict[str, Any]) -> Settings:
    from aibom.digests import ALGORITHMS  # noqa: PLC0415

    for name in options["digests"]:
        if name not in ALGORITHMS:
            raise UsageError(f"unknown digest {name!r}", hint=f"digests: {', '.join(ALGORITHMS)}")
    return Settings(
        as_of=options["as_of"].date() if options["as_of"] else created.date(),
        jobs=options["jobs"] or min(8, len(os.sched_getaffinity(0))),
        digest_algorithms=("sha256", *(name for name in dict.fromkeys(options["digests"]) if name != "sha256")),
        identity=Identity(
            name=options["name"], version=options["version"], supplier=options["supplier"], purl=_purl(options["purl"])
        ),
        offline=options["offline"],
    )


def _purl(text: str | None) -> str | None:
    if text is None:
        return None
    from packageurl import PackageURL  # noqa: PLC0415

    try:
        return str(PackageURL.from_string(text).to_string())
    except ValueError as fault:
        raise UsageError(
            f"--purl {text!r} is not a package URL: {fault}", hint="pkg:huggingface/owner/name@COMMIT"
        ) from fault


def _color(choice: str, *, to_file: bool) -> bool:
    if choice != "auto":
        return choice == "always"
    if to_file or os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or click.get_text_stream("stdout").isatty()


def _width(*, to_file: bool) -> int | None:
    stream = click.get_text_stream("stdout")
    if to_file or not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 80


def _log(verbose: int) -> None:
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("aibom").setLevel(level)
