"""Work that misbehaves on purpose, importable in the workers. The target says what it does."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from aibom.fleet.records import Outcome, Status, Task


def act(task: Task) -> Outcome:
    """Do what the target says: `name`, `raise`, `die`, `die-once:FILE`, `note:FILE`, `sleep:SECONDS`."""
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
        case "sleep":
            time.sleep(float(rest))
    return Outcome(target=task.target, status=Status.SCANNED, documents={"table": f"{task.target} is done\n"})
