"""Progress on stderr, only on a terminal: a bar with bytes and the file's name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aibom.pipeline import OnProgress, Progress, ignore

# A scan that is over sooner than this shows no bar at all.
_WAIT_BYTES = 256 * 1024 * 1024


@contextmanager
def progress(*, quiet: bool) -> Iterator[OnProgress]:
    """Yield the callback that draws the bar; nothing is drawn where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield ignore
        return
    from rich.console import Console  # noqa: PLC0415 -- a scan in a pipeline never draws
    from rich.markup import escape  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("listing", total=None, visible=False)

        def draw(step: Progress) -> None:
            if step.stage == "digest":
                name = escape(step.file.path[-40:])
                shown = step.total >= _WAIT_BYTES
                bar.update(task, description=name, completed=step.done, total=step.total, visible=shown)

        yield draw
