"""`aibom verify`: is a target still what a BOM says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import click

from aibom.attest import BomVerification, verify_bom
from aibom.cli.clock import now
from aibom.cli.sign import SIGNATURE_ENDING, read_file
from aibom.cli.trust import read_options, trust_options
from aibom.components import SignatureStatus
from aibom.emitters.inert import one_line
from aibom.files import RepoFile, escape_name
from aibom.integrity.authenticity import read_trust
from aibom.limits import Limits
from aibom.settings import Settings
from aibom.sources.protocol import Entry, Source
from aibom.sources.targets import open_source

EXIT_DIFFERENT = 1
_SHOWN = 50
_NAMED = 5


@click.command("verify", short_help="Is this still what the BOM says? Digests, missing and extra files, signature.")
@click.argument("bom", type=click.Path(path_type=Path))
@click.argument("target")
@click.option("--signature", type=click.Path(path_type=Path), metavar="FILE", help="Default: BOM.sigstore.json.")
@trust_options
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Threads that digest big files.")
@click.option("--offline", is_flag=True, help="Any attempt to reach the network is an error.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the result.")
def command(bom: Path, target: str, signature: Path | None, **options: Any) -> int:
    """Hold TARGET to BOM, ours or a vendor's: CycloneDX in JSON or XML, or SPDX in JSON.

    The BOM's signature comes first, then the statement in it, then the digest of every file.

    \b
    Examples:
      aibom verify my-model.cdx.json ./my-model --key release.pub
      aibom verify vendor.cdx.json ./my-model
      aibom verify my-model.cdx.json ./my-model --ca authority.pem --identity release@acme.example
    """
    moment = now()
    trust = read_options(options)
    limits = Limits()
    settings = Settings(
        as_of=moment.date(), jobs=options["jobs"], offline=options["offline"], limits=limits, trust=trust
    )
    raw = read_file(bom, "the BOM", limits.json_bytes)
    beside = signature or bom.with_name(bom.name + SIGNATURE_ENDING)
    # A signature that was named has to be there; the one beside the BOM may be missing, which is then said.
    wanted = signature is not None or beside.is_file()
    attestation = read_file(beside, "the signature", 2 * limits.json_bytes) if wanted else None
    source = open_source(target, offline=settings.offline)
    try:
        with _counting(source, quiet=options["quiet"]) as on_bytes:
            outcome = verify_bom(
                raw,
                attestation,
                source,
                settings,
                read_trust(trust, moment),
                ignored=_inside(target, bom, beside),
                on_bytes=on_bytes,
            )
    finally:
        source.close()
    for line in _lines(bom.name, outcome):
        click.echo(line)
    return 0 if outcome.holds else EXIT_DIFFERENT


@contextmanager
def _counting(source: Source, *, quiet: bool) -> Iterator[Callable[[RepoFile, int], None]]:
    """Yield what draws the bar; where there is none, the scanner that the bar belongs to is not even loaded."""
    if quiet or not sys.stderr.isatty():
        yield lambda _file, _count: None
        return
    from aibom.cli.progress import progress  # noqa: PLC0415 -- start-up time
    from aibom.pipeline import Progress  # noqa: PLC0415

    total = sum(entry.size for entry in source.entries() if isinstance(entry, Entry))
    done = 0
    one_at_a_time = Lock()
    with progress(quiet=quiet) as on_progress:

        def count(file: RepoFile, got: int) -> None:
            nonlocal done
            with one_at_a_time:
                done += got
                on_progress(Progress(stage="digest", file=file, done=done, total=total))

        yield count


def _inside(target: str, *files: Path) -> frozenset[str]:
    """Return the paths in the target that are the BOM itself and its signature."""
    folder = Path(target).resolve()
    return frozenset(
        escape_name(bytes(path.resolve().relative_to(folder)))
        for path in files
        if path.resolve().is_relative_to(folder)
    )


def _lines(name: str, outcome: BomVerification) -> list[str]:
    lines = [
        f"bom        {one_line(outcome.form)}",
        f"signature  {_signature(outcome)}",
        f"files      {len(outcome.matching)} have the digest that {name} lists",
    ]
    lines += [
        f"{item.kind.value:<10} {one_line(item.path) + ': ' if item.path else ''}{one_line(item.message)}"
        for item in outcome.differences[:_SHOWN]
    ]
    if len(outcome.differences) > _SHOWN:
        lines.append(f"           and {len(outcome.differences) - _SHOWN} more differences")
    if outcome.acting:
        what = "weights, code or configuration of which the BOM says nothing"
        lines.append(f"uncovered  {_count(outcome.acting)}, {what}: {_some(outcome.acting)}")
    acting = frozenset(outcome.acting)
    if rest := [path for path in outcome.uncovered if path not in acting]:
        lines.append(f"uncovered  {_count(rest)}, of which the BOM says nothing: {_some(rest)}")
    count = len(outcome.differences)
    if outcome.holds:
        lines.append(f"{name} holds" + (f" for what it covers, which is not all: {_count(outcome.acting)} unproven"
                                        if outcome.acting else ""))  # fmt: skip
    else:
        lines.append(f"{name} does not hold: {count} difference" + "s" * (count != 1))
    return lines


def _count(paths: Sequence[str]) -> str:
    return f"{len(paths)} file" + "s" * (len(paths) != 1)


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(map(one_line, paths[:_NAMED])) + more


def _signature(outcome: BomVerification) -> str:
    match outcome.signature:
        case None:
            return "none"
        case SignatureStatus.VERIFIED:
            return f"verified, {one_line(outcome.signer or '')}"
        case SignatureStatus.PRESENT_UNVERIFIED | SignatureStatus.UNPINNED as status:
            by = f" by {one_line(outcome.signer)}" if outcome.signer else ""
            return f"{status.value}{by}: give --key, --ca or --identity with --issuer to check it"
        case status:
            return status.value
