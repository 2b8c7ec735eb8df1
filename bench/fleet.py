"""A fleet over a few hundred generated repositories, with one worker and with two."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.measure import AIBOM, ROOT, Group, process

MIRROR = ROOT / "build" / "bench" / "mirror"
OUT = ROOT / "build" / "bench" / "fleet"
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
REPOSITORIES = 400
WEIGHT_BYTES = 64 * 1024 * 1024


def write_mirror(count: int, weights: int) -> int:
    """Write copies of a real small model, all with links to one file of weights; return the bytes of all."""
    shutil.rmtree(MIRROR, ignore_errors=True)
    MIRROR.mkdir(parents=True)
    shared = MIRROR / ".weights"
    _write_weights(shared, weights)
    for number in range(count):
        folder = MIRROR / f"owner-{number % 20:02}" / f"model-{number:04}"
        shutil.copytree(CHAT, folder)
        # The disk is no part of this: the bytes stand in the page cache, and no worker remembers their digest.
        (folder / "extra.safetensors").hardlink_to(shared)
    return sum(path.stat().st_size for path in MIRROR.rglob("*") if path.is_file()) - shared.stat().st_size


def _write_weights(path: Path, size: int) -> None:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    block = bytes(range(256)) * 4096
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        while size > 0:
            size -= file.write(block[:size])


def run() -> list[Group]:
    """Measure repositories a second; the second worker should bring nearly a second share."""
    groups = []
    for title, weights in (("64 MiB of weights each", WEIGHT_BYTES), ("metadata only, no weights", 0)):
        size = write_mirror(REPOSITORIES, weights)
        group = Group(f"fleet of {REPOSITORIES} repositories, {title}")
        base = 0.0
        for jobs in (1, 2):
            shutil.rmtree(OUT, ignore_errors=True)
            command = [AIBOM, "fleet", str(MIRROR), "--out", str(OUT), "--jobs", str(jobs), "--no-cache", "-q",
                       "--fail-on", "never"]  # fmt: skip
            measured = process(command, rounds=1)
            base = base or measured.seconds
            rate, speed = REPOSITORIES / measured.seconds, size / measured.seconds / 1e9
            each, gain = _written() / REPOSITORIES, base / measured.seconds
            note = f"{rate:.1f} repositories/s, {speed:.2f} GB/s, {gain:.2f} × one worker, {each:,.0f} bytes each"
            subject = f"{jobs} worker{'s' * (jobs > 1)}"
            peak = measured.peak_mib
            group.add("scan, write BOMs and index", subject, measured.seconds, base=base, peak=peak, note=note)
        started = time.perf_counter()
        process(command, rounds=1)
        group.add("nothing left to do", "2 workers, run again", time.perf_counter() - started, base=base)
        groups.append(group)
    shutil.rmtree(MIRROR)
    shutil.rmtree(OUT)
    return groups


def _written() -> int:
    with sqlite3.connect(OUT / "index.sqlite") as connection:
        (count,) = connection.execute("SELECT count(*) FROM targets WHERE status = 'scanned'").fetchone()
    connection.close()
    if count != REPOSITORIES:
        raise SystemExit(f"{count} of {REPOSITORIES} repositories were scanned")
    return sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file())


if __name__ == "__main__":
    for item in run():
        for row in item.rows:
            print(item.name, "|", row.subject, "|", f"{row.seconds:.2f}", row.note)
