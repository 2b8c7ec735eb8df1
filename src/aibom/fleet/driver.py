"""A run over many targets: what is finished is on the disk, in the journal and in the index, in this order."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from aibom.errors import OutputError
from aibom.files import escape_name
from aibom.fleet.harness import Done, Lane, run
from aibom.fleet.index import Index
from aibom.fleet.journal import FILE_NAME as JOURNAL
from aibom.fleet.journal import Journal, read_entries
from aibom.fleet.records import Entry, Order, Outcome, Status, Task
from aibom.fleet.summary import Summary
from aibom.fleet.worker import scan_target

ENDINGS = {
    "cyclonedx": ".cdx.json",
    "cyclonedx-xml": ".cdx.xml",
    "json": ".report.json",
    "spdx": ".spdx.json",
    "vex": ".vex.json",
    "sarif": ".sarif",
    "html": ".html",
    "markdown": ".md",
    "table": ".txt",
}
_NAME_CHARS = 80


class Progress(Struct, frozen=True, kw_only=True):
    """How far a run is: `finished` of `total` targets, `earlier` of them by runs before; `entry` is the last one."""

    finished: int
    earlier: int
    total: int
    entry: Entry | None = None


def drive(
    targets: list[str],
    order: Order,
    lanes: list[Lane],
    folder: Path,
    *,
    write: Callable[[Path, bytes], None],
    retry_failed: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    work: Callable[[Task], Outcome] = scan_target,
) -> Summary:
    """Scan the targets that are not finished yet, and return the summary over all of the folder.

    `write` puts a file in its place as a whole. `retry_failed` scans again what could not be scanned before.

    Raises:
        OutputError: a result can't be written; what is finished before stays.
        UsageError: another run writes to the folder.
        WorkersLostError: the workers have gone.
    """
    wanted = {label(target): target for target in targets}
    with Journal(folder) as journal, Index(folder) as index:
        known = {entry.target: entry for entry in (*_slices(folder), *journal.finished())}
        index.rebuild(known.values())
        finished = {
            target for target, entry in known.items() if entry.status is Status.SCANNED or not retry_failed
        } & wanted.keys()
        done, earlier = len(finished), len(finished)
        on_progress(Progress(finished=done, earlier=earlier, total=len(wanted)))
        tasks = (Task(target=target, order=order) for name, target in wanted.items() if name not in finished)
        for item in run(lanes, work, tasks):
            entry = _keep(_outcome(item), folder, write)
            journal.add(entry)
            index.add(entry)
            done += 1
            on_progress(Progress(finished=done, earlier=earlier, total=len(wanted), entry=entry))
        return index.summary()


def label(target: str) -> str:
    """Return a target's name for journal and tables: a path is bytes, and need not be text."""
    return escape_name(os.fsencode(target))


def fails(folder: Path, fail_on: str) -> bool:
    """Say whether a finished target ends a pipeline."""
    return any(entry.overview is not None and entry.overview.fails(fail_on) for entry in entries(folder))


def entries(folder: Path) -> Iterable[Entry]:
    """Return what is finished in a folder, each target once, as it was last."""
    found = [entry for entry, _ in read_entries(folder / JOURNAL)] if (folder / JOURNAL).exists() else []
    return {entry.target: entry for entry in (*_slices(folder), *found)}.values()


def _slices(folder: Path) -> Iterator[Entry]:
    """Yield what jobs that each took a slice have finished below this folder."""
    for path in sorted(folder.glob(f"slice-*-of-*/{JOURNAL}")):
        for entry, _ in read_entries(path):
            places = {name: f"{path.parent.name}/{place}" for name, place in entry.documents.items()}
            yield replace(entry, documents=places)


def _outcome(item: Done[Task, Outcome]) -> Outcome:
    if item.result is not None:
        return item.result
    target, wall = item.task.target, item.task.order.wall_seconds
    if item.died:
        error = f"its worker died each time: more than {wall:g} s, too much memory, or a crash"
        return Outcome(target=target, status=Status.KILLED, error=error)
    return Outcome(target=target, status=Status.FAILED, error=f"{type(item.fault).__name__}: {item.fault}")


def _keep(outcome: Outcome, folder: Path, write: Callable[[Path, bytes], None]) -> Entry:
    places = {name: _place(outcome.target, name) for name in outcome.documents}
    for name, text in outcome.documents.items():
        path = folder / places[name]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise OutputError(f"{path.parent} can't be made: {fault.strerror}") from fault
        write(path, text.encode("utf-8", "backslashreplace"))
    return Entry(
        target=label(outcome.target),
        status=outcome.status,
        seconds=round(outcome.seconds, 3),
        cpu_seconds=round(outcome.cpu_seconds, 3),
        error=outcome.error,
        overview=outcome.overview,
        documents=places,
    )


def _place(target: str, format_: str) -> str:
    """Return where a document goes below the output folder: readable, unique, and never many files in one folder."""
    digest = hashlib.sha256(target.encode("utf-8", "surrogateescape")).hexdigest()
    name = re.sub(r"[^A-Za-z0-9.@_-]+", "-", target.rstrip("/"))[-_NAME_CHARS:].strip("-.") or "target"
    return f"results/{digest[:2]}/{name}-{digest[:8]}{ENDINGS[format_]}"
