"""Workers on other machines: a Dask scheduler behind the same interface as local processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from aibom.errors import TargetError, UsageError
from aibom.fleet.harness import Lane

# Tasks handed over beyond those that run, so that no worker waits for the next one.
_AHEAD = 2
_CONNECT_SECONDS = 30


@contextmanager
def cluster_lanes(address: str) -> Iterator[list[Lane]]:
    """Yield one lane over all workers of the scheduler at this address.

    Raises:
        UsageError: the extra is not installed, or workers would run several tasks in one process.
        TargetError: the scheduler can't be reached or has no workers.
    """
    try:
        from distributed import Client  # noqa: PLC0415 -- the extra is optional
    except ImportError as fault:
        raise UsageError(
            "--scheduler needs the package distributed", hint="pip install 'aibom[distributed]'"
        ) from fault
    try:
        make_client: Any = Client  # untyped
        client = make_client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as fault:
        raise TargetError(f"no scheduler answers at {address}", hint="start one with `dask scheduler`") from fault
    try:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        if not workers:
            raise TargetError(f"the scheduler at {address} has no workers", hint=f"dask worker {address} --nthreads 1")
        if any(worker["nthreads"] != 1 for worker in workers.values()):
            # Time and memory are bounded by process; two tasks in one would pay for each other.
            raise UsageError("every worker has to have one thread", hint=f"dask worker {address} --nthreads 1")
        yield [Lane(lambda: _executor(client), capacity=_AHEAD * len(workers), kill=lambda _: None)]
    finally:
        client.close(timeout=5)


def _executor(client: Any) -> Executor:
    executor: Executor = client.get_executor(pure=False)
    return executor
