"""`aibom scan`: targets to reports."""

from __future__ import annotations

import datetime as dt
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from msgspec.structs import fields

from aibom.assessors.policy import POLICY_RULE_IDS
from aibom.cli.clock import now
from aibom.cli.configuration import FAIL_ON, LINEAGE, SECOND_READERS, Choices, add_options, choose, configuration
from aibom.cli.output import Output, outputs_for, write_file
from aibom.cli.progress import progress
from aibom.cli.publishing import publish_option
from aibom.cli.remembering import cache_option, opened_cache
from aibom.cli.several import Batch
from aibom.cli.trust import signature_options, trust_shown
from aibom.emitters import EMITTERS
from aibom.emitters.options import EmitOptions
from aibom.errors import AibomError
from aibom.findings import Finding, Severity
from aibom.integrity.rules import SIGNATURE_REQUIRED
from aibom.pipeline import scan
from aibom.report import Report
from aibom.resolvers.osv import opened_snapshot
from aibom.sources.targets import open_related, open_source

EXIT_FOUND, EXIT_FAILED = 1, 3
_NEVER = "never"
_GATES = POLICY_RULE_IDS | {SIGNATURE_REQUIRED.id}


_OUTPUT_HELP = "Repeatable; default table. {name} in PATH is the target's name, {number} its place in the list."


@click.command(
    "scan",
    short_help="Scan a model repository and report what it holds and what it does.",
    epilog="Formats: " + ", ".join(EMITTERS) + ". See `aibom explain` for the rules.",
)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FORMAT[=PATH]", help=_OUTPUT_HELP)
@click.option("--fail-on", type=click.Choice(FAIL_ON), help="Exit with 1 for findings this bad or worse; default high.")
@click.option("--spec-version", type=click.Choice(["1.7", "1.6"]), help="Of CycloneDX; default 1.7.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Evaluate dated rules on this day.")
@click.option("--name", help="Name of the model, where the directory's name is not it.")
@click.option("--version", help="Version of the model, where it has no commit.")
@click.option("--supplier", help="Who supplies the model.")
@click.option("--purl", help="Package URL of the model, e.g. pkg:huggingface/owner/name@COMMIT.")
@click.option("--digest", "digests", multiple=True, metavar="ALG", help="One more digest a file: sha512, blake3 ...")
@click.option("--jobs", type=click.IntRange(1, 64), help="Threads that digest big files; default: the cores, up to 8.")
@click.option("--lineage", type=click.Choice(LINEAGE), help="Ask the hub about base models; default for hub targets.")
@click.option(
    "--second-opinion",
    type=click.Choice(SECOND_READERS),
    help="Let ScanCode read the license files too; needs aibom[scancode].",
)
@click.option("--download", is_flag=True, help="Read remote files whole and check their digests; nothing is kept.")
@click.option("--offline", is_flag=True, help="Any attempt to reach the network is an error.")
@add_options
@signature_options
@cache_option
@publish_option
@click.option("--write-ignores", type=click.Path(path_type=Path), metavar="FILE", help="Write today's findings there.")
@click.option("--show-settings", is_flag=True, help="Print the settings in force and where each came from; no scan.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), help="Default auto; NO_COLOR is respected.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the results and errors.")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for debugging.")
def command(targets: tuple[str, ...], **options: Any) -> int:
    """Scan TARGET: a directory, a file, an archive, hf://owner/name[@revision], pkg:huggingface/..., https://, s3://.

    \b
    Examples:
      aibom scan ./my-model
      aibom scan ./my-model -o cyclonedx=my-model.cdx.json --fail-on critical
      aibom scan hf://owner/name@main -o json
      aibom scan hf://owner/one hf://owner/two ./dir -o table -o 'sarif={name}.sarif'
    """
    _log(options["verbose"])
    created = now()
    choices = choose(configuration(options, targets), options, created)
    if options["show_settings"]:
        click.echo(_show(choices))
        return 0
    outputs = outputs_for(choices.outputs or ("table",), targets)
    scanned = _scan_all(targets, outputs, choices, created, options)
    if options["write_ignores"] is not None:
        reports = [report for report in scanned if isinstance(report, Report)]
        write_file(options["write_ignores"], _baseline(reports, choices.fail_on).encode())
    return max(
        (EXIT_FOUND if fails(item, choices.fail_on) else 0) if isinstance(item, Report) else item for item in scanned
    )


def _scan_all(
    targets: Sequence[str],
    outputs: Sequence[tuple[Output, ...]],
    choices: Choices,
    created: dt.datetime,
    options: dict[str, Any],
) -> list[Report | int]:
    """Scan every target and write what is its own; return for each its report, or the exit code of what failed.

    A report is kept only where a baseline is made of it: of a thousand targets, the codes are enough.
    """
    kept: list[Report | int] = []
    batch = Batch(outputs)
    for target, places in zip(targets, outputs, strict=True):
        started = time.monotonic()
        try:
            report = scan_with(target, choices, created, quiet=options["quiet"], cached=options["cache"])
            batch.add(target, report, _emitted(report, places, choices, time.monotonic() - started))
        except AibomError as fault:
            # The next target is scanned all the same; 3 outranks 1 in the end.
            if len(targets) == 1:
                raise
            click.echo(f"error: {fault}" + (f"\n  hint: {fault.hint}" if fault.hint else ""), err=True)
            batch.fail(target, fault)
            kept.append(EXIT_FAILED)
            continue
        needed = options["write_ignores"] is not None
        kept.append(report if needed else EXIT_FOUND if fails(report, choices.fail_on) else 0)
    if len(targets) > 1:
        batch.finish(_presentation(choices, 0, to_file=False), quiet=options["quiet"])
    return kept


def scan_with(target: str, choices: Choices, created: dt.datetime, *, quiet: bool, cached: bool) -> Report:
    """Open a target, scan it as the choices say, and close it."""
    source = open_source(target, offline=choices.settings.offline)
    try:
        with progress(quiet=quiet) as on_progress, opened_cache(asked=cached) as cache, opened_snapshot() as advisories:
            online = choices.lineage == "online" or (choices.lineage == "auto" and source.target.startswith("hf://"))
            return scan(
                source,
                choices.settings,
                created=created,
                on_progress=on_progress,
                open_related=open_related if online and not choices.settings.offline else _closed,
                cache=cache,
                advisories=advisories,
            )
    finally:
        source.close()


def _closed(_: str) -> None:
    """Open no other model: what is known of a base comes from the shipped table, with its date."""


def _emitted(report: Report, outputs: tuple[Output, ...], choices: Choices, seconds: float) -> list[tuple[Output, str]]:
    # All are made before the first is written: a result that can't be made leaves no others behind.
    return [
        (output, EMITTERS[output.format](report, _presentation(choices, seconds, to_file=output.path is not None)))
        for output in outputs
    ]


def _presentation(choices: Choices, seconds: float, *, to_file: bool) -> EmitOptions:
    return EmitOptions(
        spec_version="1.6" if choices.spec_version == "1.6" else "1.7",
        color=_color(choices.color, to_file=to_file),
        width=_width(to_file=to_file),
        seconds=seconds,
    )


def fails(report: Report, fail_on: str) -> bool:
    """Say whether the report ends a pipeline: a finding that is bad enough, or a policy gate that was not passed."""
    live = [finding for finding in report.findings if finding.suppression is None]
    if any(finding.rule.id in _GATES for finding in live):
        return True
    return fail_on != _NEVER and any(finding.severity.at_least(Severity(fail_on)) for finding in live)


def _show(choices: Choices) -> str:
    values: dict[str, object] = {
        "fail-on": choices.fail_on,
        "output": ", ".join(choices.outputs) or "table",
        "spec-version": choices.spec_version,
        "color": choices.color,
        "as-of": choices.settings.as_of,
        "jobs": choices.settings.jobs,
        "digest": ", ".join(choices.settings.digest_algorithms),
        "offline": choices.settings.offline,
        "second-opinion": choices.settings.second_opinion,
        **{field.name: getattr(choices.settings.identity, field.name) for field in fields(choices.settings.identity)},
    }
    lines = [f"{name:<14} {value if value is not None else '-'!s:<24} {choices.origins.get(name, 'default')}"
             for name, value in values.items()]  # fmt: skip
    lines += [f"{label:<14} {value:<24} {choices.origins.get(name, 'default')}"
              for label, value, name in trust_shown(choices.settings.trust)]  # fmt: skip
    policy = choices.settings.policy
    lines += [f"policy         {field.name.replace('_', '-')} = {value}"
              for field in fields(policy) if (value := _listed(getattr(policy, field.name)))]  # fmt: skip
    lines += [f"ignore         {ignore.rule:<24} {ignore.source}" for ignore in choices.settings.ignores]
    lines += [f"operator       {name} = {value}" for name, value in choices.settings.operator.items()]
    return "\n".join(lines)


def _listed(value: tuple[str, ...] | Mapping[str, str]) -> str:
    items = (f"{key}: {strength}" for key, strength in value.items()) if isinstance(value, Mapping) else value
    return ", ".join(items)


def _baseline(reports: list[Report], fail_on: str) -> str:
    """Return `[[ignore]]` entries for the findings that would fail today; the reasons are for the user to write."""
    threshold = Severity.LOW if fail_on == _NEVER else Severity(fail_on)
    entries = [
        _ignore_entry(report, finding)
        for report in reports
        for finding in report.findings
        if finding.suppression is None and finding.severity.at_least(threshold)
    ]
    return "\n".join(dict.fromkeys(entries)) or "# nothing to ignore\n"


def _ignore_entry(report: Report, finding: Finding) -> str:
    lines = ["[[ignore]]", f"rule = {_quoted(finding.rule.id)}"]
    if finding.location is not None:
        # Brackets and stars in a name must match themselves, not a pattern.
        pattern = "".join(f"[{char}]" if char in "*?[" else char for char in finding.location.path)
        lines.append(f"path = {_quoted(pattern)}")
        digests = report.digests.get(finding.location.path, ())
        lines += [f'sha256 = "{item.value}"' for item in digests if item.algorithm == "sha256"][:1]
    lines.append(f'reason = "baseline of {report.created:%Y-%m-%d}, not reviewed"')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _color(choice: str, *, to_file: bool) -> bool:
    if choice != "auto":
        return choice == "always"
    if to_file or os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


def _width(*, to_file: bool) -> int | None:
    stream = sys.stdout
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
