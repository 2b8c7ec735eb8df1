"""A fleet over generated repositories, with one worker and with two; and over models of a hub.

python -m bench.fleet 200   a tenth of them, to try the script
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.measure import AIBOM, ROOT, Group, process
from bench.remote import GIB, Virtual, safetensors, serving

MIRROR = ROOT / "build" / "bench" / "mirror"
OUT = ROOT / "build" / "bench" / "fleet"
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
CACHE = ROOT / "build" / "bench" / "cache"
LIST = ROOT / "build" / "bench" / "models.txt"
REPOSITORIES, REMOTE = 2_000, 200
MIB = 1024 * 1024
WEIGHT_BYTES = 64 * MIB
_FLEET = [AIBOM, "fleet", "--out", str(OUT), "-q", "--fail-on", "never"]


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


def run(*, count: int = REPOSITORIES) -> list[Group]:
    """Measure repositories a second; the second worker should bring nearly a second share."""
    groups = []
    for title, weights in ((f"{WEIGHT_BYTES // MIB} MiB of weights each", WEIGHT_BYTES), ("no weights", 0)):
        size = write_mirror(count, weights)
        group = Group(f"fleet of {count:,} repositories, {title}")
        base = 0.0
        for jobs in (1, 2):
            shutil.rmtree(OUT, ignore_errors=True)
            command = [*_FLEET, str(MIRROR), "--jobs", str(jobs), "--no-cache"]
            measured = process(command, rounds=1)
            base = base or measured.seconds
            values = _values(count, size)
            note = (
                f"{count / measured.seconds:.1f} repositories/s, {size / measured.seconds / 1e9:.2f} GB/s, "
                f"{base / measured.seconds:.2f} × one worker, {values['out']:,.0f} bytes written each"
            )
            subject = f"{jobs} worker{'s' * (jobs > 1)}"
            peak = measured.peak_mib
            group.add("scan, write BOMs and index", subject, measured.seconds, base=base, peak=peak, note=note,
                      values=values)  # fmt: skip
        again = process(command, rounds=1).seconds
        group.add("nothing left to do", "2 workers, run again", again, base=base)
        if weights:
            _unchanged(group, count, size, base)
        groups.append(group)
    shutil.rmtree(MIRROR)
    groups.append(_remote(min(count, REMOTE)))
    shutil.rmtree(OUT)
    return groups


def _unchanged(group: Group, count: int, size: int, base: float) -> None:
    """Scan an unchanged mirror a second time, with what the first scan has left in the cache."""
    os.environ["XDG_CACHE_HOME"] = str(CACHE)
    shutil.rmtree(CACHE, ignore_errors=True)
    for last in (False, True):
        shutil.rmtree(OUT, ignore_errors=True)
        measured = process([*_FLEET, str(MIRROR), "--jobs", "1"], rounds=1)
        if last:
            group.add("scan an unchanged mirror again, --cache", "1 worker", measured.seconds, base=base,
                      peak=measured.peak_mib, values=_values(count, size))  # fmt: skip
    shutil.rmtree(CACHE)


def _remote(count: int) -> Group:
    """Scan models of a hub by their metadata alone. The hub answers at once: what waiting costs is arithmetic."""
    group = Group(f"fleet of {count:,} models of 1 GiB on a hub, by metadata alone")
    small = {path.name: Virtual(path.stat().st_size, path.read_bytes()) for path in CHAT.iterdir()
             if path.is_file() and path.suffix != ".safetensors"}  # fmt: skip
    LIST.write_text("".join(f"hf://acme/model-{number}\n" for number in range(count)))
    shutil.rmtree(OUT, ignore_errors=True)
    with serving({**small, "model.safetensors": safetensors(GIB)}, delay=0) as server:
        os.environ["HF_ENDPOINT"] = server.url
        measured = process([*_FLEET, str(LIST), "--jobs", "1", "--no-cache", "--lineage", "offline"], rounds=1)
    values = {**_values(count, 0), "moved": server.sent / count, "requests": server.requests / count}
    note = (
        f"{count / measured.seconds:.1f} models/s, {values['moved']:,.0f} bytes moved and {values['requests']:.1f} "
        "requests each"
    )
    group.add("scan, write BOMs and index", "1 worker", measured.seconds, peak=measured.peak_mib, note=note,
              values=values)  # fmt: skip
    LIST.unlink()
    return group


def _values(count: int, size: int) -> dict[str, float]:
    """Return what one repository cost: seconds that a worker computed, bytes read and written."""
    with sqlite3.connect(OUT / "index.sqlite") as connection:
        scanned, seconds = connection.execute(
            "SELECT count(*), sum(cpu_seconds) FROM targets WHERE status = 'scanned'"
        ).fetchone()
    connection.close()
    if scanned != count:
        raise SystemExit(f"{scanned} of {count} repositories were scanned")
    written = sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file())
    return {"seconds": seconds / count, "bytes": size / count, "out": written / count}


if __name__ == "__main__":
    for item in run(count=int(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORIES):
        for row in item.rows:
            print(item.name, "|", row.subject, "|", f"{row.seconds:.2f}", row.note)
