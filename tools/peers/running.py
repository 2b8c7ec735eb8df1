"""Run another scanner's command line, without network, in bounded time and memory, alone or in batches."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TypeVar

from tools.peers.trials import Trial

MEMORY = 12 << 30  # bytes of address space; TensorFlow alone asks for several GiB
JOBS = 2
_T = TypeVar("_T")


class Answer(StrEnum):
    """What a scanner says of one case."""

    FLAGGED = "flagged"
    PASSED = "passed"
    REFUSED = "refused"  # an error, a crash, no end within the time limit, or "could not tell"


Answers = Mapping[str, Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a process ended. `code` is None where it was ended at the time limit."""

    code: int | None
    out: str
    err: str

    @property
    def crashed(self) -> bool:
        """Say whether Python died of an exception, which ends with code 1 like a finding does."""
        return self.code is None or self.code < 0 or "Traceback (most recent call last)" in self.err


def run(command: Sequence[str | Path], seconds: float, folder: Path) -> Done:
    """Run a command in `folder`, in a network namespace without a network where this system allows one."""
    environment = {
        "PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LC_ALL": "C.UTF-8",
        # modelaudit sends usage data unless told not to.
        "CI": "true", "PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip
    with subprocess.Popen(
        [*wall(), *map(str, command)], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            return Done(code=None, out=out, err=err)
        return Done(code=process.returncode, out=out, err=err)


@cache
def wall() -> tuple[str, ...]:
    """Return what stands before each command: limits of memory, no network."""
    limits = ("prlimit", f"--as={MEMORY}", "--core=0") if shutil.which("prlimit") else ()
    apart = ("unshare", "--net")
    if shutil.which("unshare") and subprocess.run([*apart, "true"], check=False, capture_output=True).returncode == 0:
        return (*apart, *limits)
    return limits


def alone(trials: Sequence[Trial], ask: Callable[[Trial, Path], _T]) -> dict[str, _T]:
    """Ask about each case in a process of its own; `ask` gets the case and an empty folder to work in."""

    def one(trial: Trial) -> _T:
        with tempfile.TemporaryDirectory() as scratch:
            return ask(trial, Path(scratch))

    with ThreadPoolExecutor(JOBS) as pool:
        return dict(zip((trial.name for trial in trials), pool.map(one, trials), strict=True))


def batched(
    trials: Sequence[Trial], ask: Callable[[Sequence[Trial], Path], Mapping[str, _T] | None], size: int, failed: _T
) -> dict[str, _T]:
    """Ask about many cases in one process. A batch without an answer is halved until one case is left to blame."""

    def many(batch: Sequence[Trial]) -> dict[str, _T]:
        with tempfile.TemporaryDirectory() as scratch:
            found = ask(batch, Path(scratch))
        if found is not None:
            return dict(found)
        if len(batch) == 1:
            return {batch[0].name: failed}
        half = len(batch) // 2
        return many(batch[:half]) | many(batch[half:])

    answers: dict[str, _T] = {}
    with ThreadPoolExecutor(JOBS) as pool:
        for found in pool.map(many, [trials[at : at + size] for at in range(0, len(trials), size)]):
            answers |= found
    return answers


@contextmanager
def gathered(trials: Sequence[Trial]) -> Iterator[Path]:
    """Give a folder in which these cases stand side by side, under the names of their own folders."""
    with tempfile.TemporaryDirectory(dir=trials[0].folder.parent.parent) as folder:
        for trial in trials:
            shutil.copytree(trial.folder, Path(folder) / trial.folder.name, symlinks=True, copy_function=os.link)
        yield Path(folder)


def whose(trials: Sequence[Trial], location: str) -> Trial | None:
    """Return the case that a reported path belongs to."""
    parts = Path(location).parts
    return next((trial for trial in trials if trial.folder.name in parts), None)
