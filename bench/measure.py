"""Measure whole processes and functions, and say what was measured."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
AIBOM = str(Path(sys.executable).parent / "aibom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the results. `seconds` is a median; `values` are figures that something is computed from."""

    group: str
    case: str
    subject: str
    seconds: float | None = None
    ratio: float | None = None
    peak_mib: float | None = None
    note: str = ""
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """What one process cost: wall time in seconds and peak resident memory in MiB."""

    seconds: float
    peak_mib: float
    code: int


@dataclass(slots=True)
class Group:
    """Rows that belong side by side, with the physical limit first."""

    name: str
    rows: list[Row] = field(default_factory=list)

    def add(self, case: str, subject: str, seconds: float, *, base: float | None = None, peak: float | None = None,
            note: str = "", values: Mapping[str, float] | None = None) -> None:  # fmt: skip
        """Add a row; `base` is the time of what it is compared with."""
        ratio = seconds / base if base else None
        self.rows.append(Row(group=self.name, case=case, subject=subject, seconds=seconds, ratio=ratio, peak_mib=peak,
                             note=note, values=values or {}))  # fmt: skip


def process(command: Sequence[str], *, rounds: int = 5, codes: Sequence[int] = (0,)) -> Run:
    """Run a command several times in turn; return the median time and the highest peak."""
    times, peaks = [], []
    code = 0
    for _ in range(rounds):
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment())
        _, status, usage = os.wait4(child.pid, 0)
        times.append(time.perf_counter() - started)
        peaks.append(usage.ru_maxrss / 1024)
        code = os.waitstatus_to_exitcode(status)
        child.returncode = code
        if code not in codes:
            raise SystemExit(f"{' '.join(command)} ended with {code}")
    return Run(statistics.median(times), max(peaks), code)


def _environment() -> dict[str, str]:
    # An installed wheel brings its bytecode; a checkout must be allowed to keep its own, or each run compiles anew.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def function(action: Callable[[], object], *, rounds: int = 5) -> float:
    """Return the median time of a call, in seconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def peak_mib() -> float:
    """Return this process's own peak, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def evict(paths: Iterable[Path]) -> None:
    """Drop the files' bytes from the page cache, and nothing else: a colder program is another question."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)  # what is not on the disk yet can't be dropped
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def machine() -> str:
    """Describe the machine in one line."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        platform.machine(),
    )  # fmt: skip
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, CPython {platform.python_version()}"
