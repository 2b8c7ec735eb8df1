"""What runs in a worker: one scan, within bounds that the operating system holds."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing import connection, parent_process
from typing import Literal

from aibom.cache.store import Store
from aibom.emitters import EMITTERS
from aibom.emitters.options import EmitOptions
from aibom.errors import AibomError
from aibom.fleet.records import Order, Outcome, Status, Task
from aibom.overview import overview
from aibom.pipeline import scan
from aibom.report import Report
from aibom.resolvers.osv import opened_snapshot
from aibom.sources.targets import open_related, open_source


def prepare(memory_bytes: int | None) -> None:
    """Ready a process of its own for work: bound its memory, leave Ctrl-C to the driver, end when the driver ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if memory_bytes is not None:
        import resource  # noqa: PLC0415 -- not on every platform

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, hard))


def _end_with_parent() -> None:
    # A driver that is killed can't tell its workers; they see that its end of a pipe has closed.
    if (parent := parent_process()) is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def scan_target(task: Task) -> Outcome:
    """Scan one target. What the target itself gets wrong is in the outcome; an exception is a fault of ours."""
    started, computed = time.monotonic(), time.process_time()
    with _wall(task.order.wall_seconds):
        try:
            report = _scan(task.target, task.order)
            options = EmitOptions(spec_version=_spec_version(task.order))
            seen = overview(report)
            documents = {name: EMITTERS[name](report, options) for name in task.order.formats}
            return Outcome(
                target=task.target,
                status=Status.SCANNED,
                seconds=time.monotonic() - started,
                cpu_seconds=time.process_time() - computed,
                overview=seen,
                documents=documents,
            )
        except AibomError as fault:
            error = str(fault)
        except MemoryError:
            error = "needs more memory than a worker may have"
        return Outcome(
            target=task.target,
            status=Status.FAILED,
            seconds=time.monotonic() - started,
            cpu_seconds=time.process_time() - computed,
            error=error,
        )


def _scan(target: str, order: Order) -> Report:
    source = open_source(target, offline=order.settings.offline)
    try:
        online = order.lineage == "online" or (order.lineage == "auto" and source.target.startswith("hf://"))
        with Store() if order.cache else contextlib.nullcontext() as cache, opened_snapshot() as advisories:
            return scan(
                source,
                order.settings,
                created=order.created,
                cache=cache,
                advisories=advisories,
                open_related=open_related if online and not order.settings.offline else lambda _: None,
            )
    finally:
        source.close()


def _spec_version(order: Order) -> Literal["1.6", "1.7"]:
    return "1.6" if order.spec_version == "1.6" else "1.7"


@contextlib.contextmanager
def _wall(seconds: float) -> Iterator[None]:
    # The kernel ends the process when the time is over, whatever code it is in: SIGALRM has no handler here.
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
