"""Work that misbehaves on purpose, importable in the workers. The target says what it does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from aibom.fleet.records import Outcome, Status, Task

# What takes a second on a quiet machine may take a hundred times that where everybody works at once.
LONG = 120.0


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is bound to happen; how long that takes is no part of any fact."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def lines_of(journal: Path) -> int:
    """Count the targets that are finished, as the disk has them."""
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def act(task: Task) -> Outcome:
    """Do what the target says: `name`, `raise`, `die`, `die-once:FILE`, `note:FILE#TEXT`, `wait:FILE#NUMBER`."""
    word, _, rest = task.target.partition(":")
    match word:
        case "raise":
            raise ValueError("on purpose")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die-once" if not Path(rest).exists():
            Path(rest).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        case "note":
            with Path(rest.partition("#")[0]).open("a") as file:
                file.write(rest.partition("#")[2] + "\n")
        case "wait":
            until(Path(rest.partition("#")[0]).exists)
    return Outcome(target=task.target, status=Status.SCANNED, documents={"table": f"{task.target} is done\n"})
