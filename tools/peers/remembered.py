"""Remember what each release of a scanner answered of each case, by content: only what is new is asked."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from tools.peers.running import Answer
from tools.peers.scanners import Peer, Readings
from tools.peers.trials import Trial


def digest(trial: Trial) -> str:
    """Return a digest of the names, the bytes and the links of a case."""
    whole = hashlib.blake2b(digest_size=16)
    for item in sorted(trial.folder.rglob("*")):
        if item.is_symlink() or item.is_file():
            name = os.fsencode(item.relative_to(trial.folder))
            content = os.fsencode(os.readlink(item)) if item.is_symlink() else item.read_bytes()  # noqa: PTH115 -- raw
            whole.update(b"%d %d " % (len(name), len(content)) + name + content)
    return whole.hexdigest()


def ask(peer: Peer, version: str, programs: Path, trials: Sequence[Trial], memory: Path) -> Readings:
    """Return the answers of a scanner, from `memory` (a JSON file, kept up to date) where it has been asked before.

    An answer holds for one release, one set of installed packages, and one way of being asked: for another criterion
    the memory has to be removed.
    """
    stored = json.loads(memory.read_text()) if memory.exists() else {}
    known = stored.setdefault(f"{peer.name} {version} {peer.requirement}", {})
    digests = {trial.name: digest(trial) for trial in trials}
    new = [trial for trial in trials if digests[trial.name] not in known]
    if new:
        readings = peer.ask(programs, new)
        for trial in new:
            known[digests[trial.name]] = {reading: answers[trial.name] for reading, answers in readings.items()}
        memory.write_text(json.dumps(stored, indent=1, sort_keys=True))
    return {
        reading: {name: Answer(known[content][reading]) for name, content in digests.items()}
        for reading in peer.criteria
    }
