"""Run tasks over executors so that a worker which dies takes nothing but its own task with it.

Each local worker is an executor of its own: when it dies, there is no question which task it was. A cluster is one
executor whose scheduler answers for its workers.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Generic, TypeVar

from msgspec import Struct

from aibom.errors import AibomError
from aibom.fleet.worker import prepare

T = TypeVar("T")
R = TypeVar("R")


class WorkersLostError(AibomError):
    """The place that runs the tasks has gone; what is finished is kept."""


@dataclass(slots=True)
class Lane:
    """An executor that takes `capacity` tasks at a time, and can be started again.

    `kill` ends its workers at once, whatever they are doing.
    """

    start: Callable[[], Executor]
    capacity: int = 1
    kill: Callable[[Executor], None] = lambda executor: executor.shutdown(wait=False, cancel_futures=True)
    executor: Executor | None = field(default=None, init=False)
    busy: int = field(default=0, init=False)

    def submit(self, function: Callable[[T], R], task: T) -> Future[Ended[R]]:
        """Hand over a task; a worker that died while it had nothing to do is replaced."""
        for _ in range(2):
            if self.executor is None:
                self.executor = self.start()
            try:
                future = self.executor.submit(_attempt, function, task)
            except BrokenProcessPool:
                self.end()
                continue
            self.busy += 1
            return future
        raise WorkersLostError("workers die as soon as they start", hint="give them more memory with --memory")

    def end(self) -> None:
        """Stop the executor; the next task starts a new one."""
        if self.executor is not None:
            self.kill(self.executor)
        self.executor = None
        self.busy = 0


class Done(Struct, Generic[T, R], frozen=True):
    """A task with its result, or with what ended it; `died` says that its worker died each time it was tried."""

    task: T
    result: R | None = None
    fault: BaseException | None = None
    died: bool = False


def run(
    lanes: list[Lane], function: Callable[[T], R], tasks: Iterable[T], *, most_deaths: int = 2
) -> Iterator[Done[T, R]]:
    """Yield every task with what came of it, in the order in which they end.

    A task whose worker died is tried again until `most_deaths` workers have died of it. No more tasks are taken from
    the iterable than there is room for.

    Raises:
        WorkersLostError: the lanes can't be used any more.
    """
    waiting = iter(tasks)
    again: deque[_Try[T]] = deque()
    live: dict[Future[Ended[R]], tuple[_Try[T], Lane]] = {}
    ready: list[Done[T, R]] = []
    try:
        while True:
            for lane in lanes:
                while lane.busy < lane.capacity and (attempt := _next(lane, again, waiting)) is not None:
                    live[lane.submit(function, attempt.task)] = attempt, lane
            # The lanes have work again before what is done is told: keeping it takes time (it waits for the disk).
            yield from ready
            ready.clear()
            if not live:
                return
            ended, _ = wait(live, return_when=FIRST_COMPLETED)
            for future in ended:
                attempt, lane = live.pop(future)
                task = attempt.task
                lane.busy -= 1
                fault = _fault(future)
                if fault is None:
                    ended_so = future.result()
                    ready.append(Done(task, result=ended_so.result, fault=ended_so.fault))
                elif attempt.deaths + 1 >= most_deaths:
                    ready.append(Done(task, fault=fault, died=True))
                else:
                    again.append(_Try(task, attempt.deaths + 1))
                if isinstance(fault, BrokenProcessPool):
                    lane.end()
    finally:
        for lane in lanes:
            lane.end()


class _Try(Struct, Generic[T], frozen=True):
    task: T
    deaths: int = 0


def _next(lane: Lane, again: deque[_Try[T]], waiting: Iterator[T]) -> _Try[T] | None:
    for task in waiting:
        return _Try(task)
    # A scheduler blames every task that was on a worker when it died. So a suspect is tried last, and alone on its
    # lane: then there is no question.
    return again.popleft() if again and not lane.busy else None


class Ended(Struct, Generic[R], frozen=True):
    """What a task came to where it ran: so whatever else a future says is a fault of the place, not of the task."""

    result: R | None = None
    fault: Exception | None = None


def _attempt(function: Callable[[T], R], task: T) -> Ended[R]:
    try:
        return Ended(result=function(task))
    except Exception as fault:  # noqa: BLE001 -- told to the caller, who knows what the task was
        return Ended(fault=fault)


def _fault(future: Future[Ended[R]]) -> BaseException | None:
    """Return why a task did not come to its end: its worker died, or the worker that kept its result."""
    try:
        return future.exception()
    except CancelledError as fault:
        raise WorkersLostError(
            "the scheduler has gone, with the tasks that it had", hint="run the same command again: it goes on"
        ) from fault


class _Context(ForkServerContext):
    """Makes the process of one executor, and remembers it."""

    started: ForkServerProcess | None = None

    def Process(self, *arguments: Any, **options: Any) -> ForkServerProcess:  # type: ignore[override]  # noqa: N802
        """Make a process, as an executor asks for it."""
        self.started = ForkServerProcess(*arguments, **options)
        return self.started


def local_lanes(workers: int, *, memory_bytes: int | None = None) -> list[Lane]:
    """Return a lane for each worker process on this machine; each may use `memory_bytes` of address space."""
    contexts: dict[int, _Context] = {}

    def start() -> Executor:
        _start_forkserver()
        context = _Context()
        executor = ProcessPoolExecutor(1, mp_context=context, initializer=prepare, initargs=(memory_bytes,))
        contexts[id(executor)] = context
        return executor

    def kill(executor: Executor) -> None:
        # The executor tells nobody which process it has, and a process that is still starting could not answer.
        process = contexts.pop(id(executor)).started
        if process is not None and process.pid is not None:
            process.kill()
        executor.shutdown(wait=False, cancel_futures=True)

    return [Lane(start, kill=kill) for _ in range(workers)]


def _start_forkserver() -> None:
    """Start the process that all workers are copies of, where it does not run yet.

    It starts with Ctrl-C blocked, and its copies inherit that: a worker would otherwise be struck between its first
    instruction and the one that ignores Ctrl-C, and write a traceback over the driver's one line.
    """
    forkserver.set_forkserver_preload(["aibom.fleet.worker"])
    resource_tracker.ensure_running()  # it would be started on the way, and take the block away again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
