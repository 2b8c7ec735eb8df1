"""The same runs on a Dask cluster of three local workers, each a process with one thread."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fleet.fleet_work import LONG, act, lines_of, until
from tests.fleet.test_fleet_runs import ORDER, ROOT, driven

from aibom.cli.output import write_file
from aibom.errors import TargetError, UsageError
from aibom.fleet.cluster import cluster_lanes
from aibom.fleet.driver import drive, entries
from aibom.fleet.harness import WorkersLostError
from aibom.fleet.records import Entry, Status

pytest.importorskip("distributed", reason="the extra aibom[distributed] is not installed")

AIBOM = str(Path(sys.executable).parent / "aibom")
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
# The scheduler gives a task up after this many workers died of it; no dashboards; nothing but loopback.
_ENVIRONMENT = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s",
    "PYTHONPATH": str(ROOT),
}


@contextmanager
def running_cluster(folder: Path, *, workers: int = 3, threads: int = 1) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    environment = {**os.environ, **_ENVIRONMENT, "DASK_TEMPORARY_DIRECTORY": str(folder)}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    scheduler = subprocess.Popen(
        [*dask, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
        stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    others: list[subprocess.Popen[bytes]] = []
    try:
        address = _address(scheduler)
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nworkers", "1", "--nthreads",
                  str(threads), "--no-dashboard", "--local-directory", str(folder)]  # fmt: skip
        others = [
            subprocess.Popen(worker, stderr=subprocess.DEVNULL, env=environment, start_new_session=True)
            for _ in range(workers)
        ]
        _wait_for(address, workers)
        yield address, scheduler
    finally:
        for process in others:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        scheduler.kill()
        scheduler.wait()


def _address(scheduler: subprocess.Popen[str]) -> str:
    assert scheduler.stderr is not None
    for line in scheduler.stderr:
        if match := re.search(r"Scheduler at:\s+(tcp://\S+)", line):
            threading.Thread(target=scheduler.stderr.read, daemon=True).start()
            return match[1]
    raise AssertionError("the scheduler did not start")


def _wait_for(address: str, workers: int) -> None:
    from distributed import Client  # noqa: PLC0415

    with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(workers, timeout=int(LONG))


def driven_there(address: str, folder: Path, targets: list[str]) -> dict[str, Entry]:
    folder.mkdir(exist_ok=True)
    with cluster_lanes(address) as lanes:
        drive(targets, ORDER, lanes, folder, write=write_file, work=act)
    return {entry.target: entry for entry in entries(folder)}


def test_a_cluster_does_what_processes_do(tmp_path: Path) -> None:
    """The same targets give the same outcomes: done, failed with the same words, killed; a death is tried again."""
    targets = [f"t{number}" for number in range(12)] + ["raise", "die", f"die-once:{tmp_path / 'one'}"]
    here = driven(tmp_path / "here", targets)
    (tmp_path / "one").unlink()
    with running_cluster(tmp_path) as (address, _):
        there = driven_there(address, tmp_path / "there", targets)
    assert {name: (entry.status, entry.documents) for name, entry in here.items()} == {
        name: (entry.status, entry.documents) for name, entry in there.items()
    }
    assert here["raise"].error == there["raise"].error
    assert Status.KILLED == there["die"].status


def test_a_cluster_writes_what_processes_write(tmp_path: Path) -> None:
    """The command line over three workers of a cluster gives the same BOMs, byte by byte, as over two processes."""
    for name in ("one", "two", "three", "four"):
        shutil.copytree(CHAT, tmp_path / "mirror" / name)
    command = [AIBOM, "fleet", str(tmp_path / "mirror"), "-o", "json", "-o", "cyclonedx", "--no-cache", "-q"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1790000000"}
    with running_cluster(tmp_path) as (address, _):
        for name, where in (("there", ["--scheduler", address]), ("here", ["--jobs", "2"])):
            subprocess.run([*command, "--out", str(tmp_path / name), *where], check=True, env=environment)
    written = {
        place: {path.relative_to(tmp_path / place): path.read_bytes() for path in (tmp_path / place).rglob("*.json")}
        for place in ("here", "there")
    }
    assert 8 == len(written["here"])
    assert written["here"] == written["there"]


def test_a_scheduler_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    """The run ends with an error and a hint; what was finished is not done again on the next cluster."""
    gate, out = tmp_path / "gate", tmp_path / "out"
    targets = [f"t{number}" for number in range(20)] + [f"wait:{gate}#{number}" for number in range(9)]
    with running_cluster(tmp_path) as (address, scheduler):
        threading.Thread(target=_kill_when_begun, args=(out, scheduler), daemon=True).start()
        with pytest.raises((WorkersLostError, TargetError)):
            driven_there(address, out, targets)
    finished = {entry.target for entry in entries(out)}
    assert 3 <= len(finished) <= 20
    gate.touch()
    lines = (out / "journal.jsonl").read_bytes()
    with running_cluster(tmp_path) as (address, _):
        found = driven_there(address, out, targets)
    assert set(targets) == set(found)
    assert (out / "journal.jsonl").read_bytes().startswith(lines)
    assert len(targets) == (out / "journal.jsonl").read_bytes().count(b"\n")


def _kill_when_begun(out: Path, scheduler: subprocess.Popen[str]) -> None:
    journal = out / "journal.jsonl"
    until(lambda: lines_of(journal) >= 3)
    scheduler.kill()


def test_workers_with_several_threads_are_refused(tmp_path: Path) -> None:
    """Time and memory are bounded by process, so a process does one target at a time."""
    with (
        running_cluster(tmp_path, workers=1, threads=2) as (address, _),
        pytest.raises(UsageError, match="one thread"),
    ):
        driven_there(address, tmp_path / "out", ["one"])


def test_a_scheduler_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the address."""
    monkeypatch.setattr("aibom.fleet.cluster._CONNECT_SECONDS", 1)
    with (
        pytest.raises(TargetError, match=r"no scheduler answers at tcp://127\.0\.0\.1:1"),
        cluster_lanes("tcp://127.0.0.1:1"),
    ):
        pass


def test_an_address_that_is_none_is_an_error() -> None:
    """A scheme that nobody speaks is told, not a traceback."""
    with pytest.raises(TargetError, match="no scheduler answers"), cluster_lanes("gopher://x"):
        pass
