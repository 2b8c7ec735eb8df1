"""`aibom inventory`: scans over time, in SQLite or PostgreSQL."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from aibom.cli.clock import now
from aibom.cli.configuration import LINEAGE, add_options, choose, configuration
from aibom.cli.output import read_document
from aibom.cli.partial import PartialOptions
from aibom.cli.scan import scan_with
from aibom.cli.trust import signature_options
from aibom.compare import Aspect, Change, Kind
from aibom.emitters.inert import one_line
from aibom.emitters.report_json import from_json
from aibom.emitters.table_page import Table, render_tables
from aibom.errors import AibomError, UsageError
from aibom.findings import Severity
from aibom.history import History, Scan, default_url

EXIT_CHANGED, EXIT_FAILED = 1, 3
_Block = tuple[str, tuple[str, ...], Sequence[Sequence[object]]]
_NOTE = "Determinations say what the evidence indicates, with its strength. They are not legal advice."
_db = click.option(
    "--db", metavar="URL", help="File, or postgresql://...; default: AIBOM_INVENTORY, else your data folder."
)
_format = click.option("--format", "format_", type=click.Choice(["table", "json", "html"]), default="table",
                       show_default=True)  # fmt: skip


def _scan_options(function: Any) -> Any:
    for option in (
        click.option("--lineage", type=click.Choice(LINEAGE),
                     help="Ask the hub about base models; default for hub targets."),
        click.option("--download", is_flag=True, help="Read remote files whole and check their digests."),
        click.option("--offline", is_flag=True, help="Any attempt to reach the network is an error."),
        click.option("--cache/--no-cache", default=True, show_default=True, help="Remember files between scans."),
        click.option("-q", "--quiet", is_flag=True, help="No progress; only the results and errors."),
    ):  # fmt: skip
        function = option(function)
    return add_options(signature_options(function))


@click.group("inventory", short_help="Keep scans over time, and say what changed.")
def command() -> None:
    """Keep scans over time in SQLite or PostgreSQL, and say what changed between them.

    \b
    Examples:
      aibom inventory add ./my-model hf://acme/chat
      aibom inventory list --format html > models.html
      aibom inventory changes --scan --exit-code
    """


@command.command("add")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take this saved report (`-o json`) instead of scanning. Repeatable.",
)
@click.option(
    "--fleet",
    "fleets",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Take every report of a fleet run that wrote `-o json`. Repeatable.",
)
@click.option("--model", metavar="NAME", help="Name in the inventory; default: the package URL, else the model's name.")
@_db
@_scan_options
def add(targets: tuple[str, ...], **options: Any) -> int:  # fmt: skip
    """Scan each TARGET, or take saved reports, and keep the results."""
    files = [*options["reports"], *(path for folder in options["fleets"] for path in _reports_of(folder))]
    if not targets and not files:
        raise UsageError("there is nothing to add", hint="give a target, --report FILE or --fleet DIR")
    if options["model"] and len(targets) + len(files) > 1:
        raise UsageError("--model names one model", hint="add the others by themselves")
    with History(options["db"] or default_url()) as history:
        code = 0
        for path in files:

            def saved(path: Path = path) -> Scan:
                return history.add(from_json(read_document(path)), name=options["model"])

            code = max(code, _kept(saved))
        return max(code, _scan_all(history, [(target, options["model"]) for target in targets], options))


@command.command("list")
@_db
@_format
def list_models(db: str | None, format_: str) -> None:
    """List the models with what their latest scans say."""
    with History(db or default_url()) as history:
        scans = history.models()
    heads = ("model", "version", "scanned", "verdict", "licences", "worst findings")
    rows = [
        (scan.model, _short(scan.overview.version), f"{scan.created:%Y-%m-%d}", scan.overview.verdict,
         ", ".join(scan.overview.licenses) or "none stated", _worst(scan))
        for scan in scans
    ]  # fmt: skip
    _print(format_, "Inventory", [("Models", heads, rows)], lambda: [_object(scan) for scan in scans])


@command.command("show")
@click.argument("model")
@_db
@_format
def show(model: str, db: str | None, format_: str) -> None:
    """Show all scans of MODEL, the latest first, and what the latest says."""
    with History(db or default_url()) as history:
        scans = history.scans(model)
        copies = history.same_weights(model)
    latest = scans[0].overview
    tables: list[_Block] = [
        ("Scans", ("scanned", "version", "verdict", "changes"),
         [(f"{scan.created:%Y-%m-%d %H:%M}", _short(scan.overview.version), scan.overview.verdict, _counted(scan))
          for scan in scans]),
        ("Findings", ("rule", "severity", "count"),
         [(rule, item.severity.value, item.count) for rule, item in latest.rules.items()]),
        ("Licences", ("licence", "how it is known"), [*latest.licenses.items()]),
        ("Determinations", ("provision", "strength"), [*latest.determinations.items()]),
        ("Signatures and digests", ("outcome",), [(item,) for item in latest.signatures]),
        ("The same weights", ("model", "scanned", "weight files in common"),
         [(scan.model, f"{scan.created:%Y-%m-%d}", f"{count} of {len(latest.weights)}") for scan, count in copies]),
    ]  # fmt: skip
    same = {"same_weights": [{"model": scan.model, "files": count} for scan, count in copies]}
    _print(format_, model, tables, lambda: [_object(scans[0]) | same, *map(_object, scans[1:])])


@command.command("changes")
@click.option("--scan", "scan_first", is_flag=True, help="Scan every model of the inventory again first.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="All changes since that day (UTC), not only those of the latest scans.",
)
@click.option(
    "--aspect",
    "aspects",
    multiple=True,
    type=click.Choice([aspect.value for aspect in Aspect]),
    help="Only changes of this kind. Repeatable.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything changed.")
@_db
@_format
@_scan_options
def changes(**options: Any) -> int:  # fmt: skip
    """Say what changed in each model since the scan before its latest one.

    \b
    The weekly job in one command:
      aibom inventory changes --scan --exit-code
    """
    code = 0
    with History(options["db"] or default_url()) as history:
        if options["scan_first"]:
            code = _scan_all(history, [(scan.target, scan.model) for scan in history.models()], options)
        since = options["since"].astimezone() if options["since"] else None
        wanted = frozenset(options["aspects"])
        found = [
            (scan, [change for change in scan.changes.changes if not wanted or change.aspect.value in wanted])
            for scan in history.changes(since)
            if scan.changes is not None
        ]
    found = [(scan, items) for scan, items in found if items]
    heads = ("what", "", "change")
    tables = [
        (f"{scan.model}  {scan.created:%Y-%m-%d}", heads, [_row(change) for change in items]) for scan, items in found
    ]
    if tables or options["format_"] != "table":
        _print(options["format_"], "Changes", tables, lambda: [
            {"model": scan.model, "scanned": scan.created.isoformat(),
             "changes": [{"aspect": item.aspect.value, "kind": item.kind.value, "name": item.name, "old": item.old,
                          "new": item.new} for item in items]}
            for scan, items in found
        ])  # fmt: skip
    else:
        click.echo("nothing changed")
    return max(code, EXIT_CHANGED if options["exit_code"] and found else 0)


def _scan_all(history: History, targets: Sequence[tuple[str, str | None]], options: dict[str, Any]) -> int:
    if not targets:
        return 0
    created = now()
    given = PartialOptions(options)
    choices = choose(configuration(given, [target for target, _ in targets]), given, created)
    code = 0
    for target, name in targets:

        def scanned(target: str = target, name: str | None = name) -> Scan:
            report = scan_with(target, choices, created, quiet=options["quiet"], cached=options["cache"])
            # The report has no folders of this machine in it; the next scan needs them.
            absolute = (
                target
                if "://" in target or target.startswith(("pkg:", "oci-layout:"))
                else str(Path(target).absolute())
            )
            pinned = target.startswith("pkg:") or "@" in target
            return history.add(report, name=name, target=None if pinned and report.source.identity else absolute)

        code = max(code, _kept(scanned))
    return code


def _kept(action: Callable[[], Scan]) -> int:
    """Keep one scan; the next ones are kept even if this one fails."""
    try:
        scan = action()
    except AibomError as fault:
        if isinstance(fault, UsageError):
            raise
        click.echo(f"error: {fault}", err=True)
        return EXIT_FAILED
    click.echo(
        one_line(f"{scan.model}: {scan.overview.verdict[0].lower()}{scan.overview.verdict[1:]}, {_counted(scan)}"),
        err=True,
    )
    return 0


def _reports_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.report.json"))


def _counted(scan: Scan) -> str:
    if scan.changes is None:
        return "first scan"
    counts = Counter(change.aspect for change in scan.changes.changes)
    return ", ".join(f"{counts[aspect]} {aspect.value}" for aspect in Aspect if counts[aspect]) or "nothing changed"


def _worst(scan: Scan) -> str:
    counts = scan.overview.severities()
    grave = [severity for severity in Severity if severity.at_least(Severity.MEDIUM) and counts[severity]]
    return ", ".join(f"{counts[severity]} {severity.value}" for severity in grave) or "-"


def _row(change: Change) -> tuple[str, str, str]:
    match change.kind:
        case Kind.ADDED:
            return change.aspect.value, "+", f"{change.name}  {change.new}".rstrip()
        case Kind.REMOVED:
            return change.aspect.value, "-", f"{change.name}  {change.old}".rstrip()
        case Kind.RENAMED:
            return change.aspect.value, "~", f"{change.old} → {change.new}"
        case Kind.CHANGED:
            return change.aspect.value, "~", f"{change.name}  {change.old} → {change.new}"


def _short(version: str | None) -> str:
    return (version or "-")[:19]


def _object(scan: Scan) -> dict[str, Any]:
    seen = scan.overview
    return {
        "model": scan.model, "target": scan.target, "scanned": scan.created.isoformat(), "version": seen.version,
        "purl": seen.purl, "root_digest": seen.root_digest, "verdict": seen.verdict, "covered": seen.covered,
        "licenses": dict(seen.licenses), "determinations": dict(seen.determinations),
        "findings": {rule: {"severity": item.severity.value, "count": item.count} for rule, item in seen.rules.items()},
        "signatures": list(seen.signatures), "changes": None if scan.changes is None else len(scan.changes.changes),
    }  # fmt: skip


def _print(
    format_: str,
    title: str,
    tables: Iterable[_Block],
    objects: Callable[[], list[dict[str, Any]]],
) -> None:
    match format_:
        case "json":
            click.echo(json.dumps(objects(), indent=2))
        case "html":
            items = [Table(heading=heading, heads=heads, rows=rows) for heading, heads, rows in tables]
            click.echo(render_tables(title=title, lead=f"{now():%Y-%m-%d}", tables=items, note=_NOTE), nl=False)
        case _:
            blocks = [_text(heading, heads, rows) for heading, heads, rows in tables if rows]
            click.echo("\n\n".join(blocks) or "nothing is there")


def _text(heading: str, heads: tuple[str, ...], rows: Sequence[Sequence[object]]) -> str:
    cells = [tuple(one_line(str(cell)) for cell in row) for row in (heads, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(
        [one_line(heading).upper() if heading[0].isupper() else one_line(heading), *(f"  {line}" for line in lines)]
    )
