"""Twenty thousand small files: listing, recognizing and digesting; then the same and a big file with the cache."""

from __future__ import annotations

import datetime as dt
import gc
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.measure import AIBOM, ROOT, Group, process
from bench.peers import label, scanning

REPO = ROOT / "build" / "bench" / "many"
BIG = ROOT / "build" / "bench" / "sparse"
CACHE = ROOT / "build" / "bench" / "cache"
FILES = 20_000
GIB = 1024**3
LOOP = """
import hashlib, os, sys
buffer = memoryview(bytearray(1 << 20))
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        fd = os.open(os.path.join(folder, name), os.O_RDONLY); sha = hashlib.sha256(); at = 0
        while got := os.preadv(fd, [buffer], at): sha.update(buffer[:got]); at += got
        os.close(fd)
"""


def write_files(folder: Path, count: int) -> None:
    """Write a repository of `count` files as tokenizers, cards and shards of small checkpoints come."""
    for number in range(count):
        place = folder / f"part-{number // 500:03}"
        place.mkdir(parents=True, exist_ok=True)
        ending, text = (
            ("txt", f"line {number}\n" * 40), ("json", f'{{"id": {number}, "tokens": [1, 2, 3]}}'),
            ("md", f"# Card {number}\n\nText.\n" * 10), ("csv", "a,b,c\n" + f"{number},2,3\n" * 50),
        )[number % 4]  # fmt: skip
        (place / f"file-{number:05}.{ending}").write_text(text)


def in_process(folder: Path) -> tuple[float, float]:
    """Return the seconds that listing with recognizing, and digesting, take in a running process."""
    from aibom.__main__ import _COLLECT_AFTER as COLLECT_AFTER
    from aibom.digests import digest_files
    from aibom.inventory import take_inventory
    from aibom.settings import Settings
    from aibom.sources.targets import open_source

    gc.set_threshold(*COLLECT_AFTER)  # as the command line does
    settings = Settings(as_of=dt.date(2026, 1, 1), jobs=2)
    source = open_source(str(folder))
    started = time.perf_counter()
    inventory = take_inventory(source, settings.limits)
    listed = time.perf_counter()
    digest_files(source, inventory.files, {}, settings, lambda *_: None)
    return listed - started, time.perf_counter() - listed


def median(action: Callable[[], float], rounds: int = 3) -> float:
    return statistics.median(action() for _ in range(rounds))


def run() -> list[Group]:
    """Measure files a second, and what the cache saves."""
    shutil.rmtree(REPO, ignore_errors=True)
    write_files(REPO, FILES)
    many = Group(f"{FILES:,} small files")
    loop = process([sys.executable, "-c", LOOP, str(REPO)], rounds=3).seconds
    many.add(
        "list and digest", "bare loop of os.walk and SHA-256 (the limit)", loop, note=f"{FILES / loop:,.0f} files/s"
    )
    pairs = sorted((in_process(REPO) for _ in range(3)), key=sum)
    listed, digested = pairs[1]
    total = listed + digested
    many.add("list and digest", "aibom, inventory and digests", total, base=loop,
             note=f"{FILES / total:,.0f} files/s; inventory {listed:.2f} s, digests {digested:.2f} s")  # fmt: skip
    sums = process(["sh", "-c", f"find '{REPO}' -type f -print0 | xargs -0 -P2 -n500 sha256sum"], rounds=3).seconds
    many.add("digest", "find, sha256sum in two processes", sums, base=loop, note=f"{FILES / sums:,.0f} files/s")
    if command := scanning("picklescan", str(REPO)):
        peer = process(command, rounds=3, codes=(0, 1))
        many.add("list and look at what has the name of a pickle", label("picklescan"), peer.seconds, base=loop,
                 peak=peer.peak_mib)  # fmt: skip
    scan = process([AIBOM, "scan", str(REPO), "-q", "-o", "json"], rounds=3)
    many.add("everything", "aibom scan -o json", scan.seconds, base=loop, peak=scan.peak_mib)

    second = Group("second scan of an unchanged repository, --cache")
    shutil.rmtree(CACHE, ignore_errors=True)
    os.environ["XDG_CACHE_HOME"] = str(CACHE)
    time.sleep(3)  # what was written a moment ago is not remembered
    _first_and_second(second, f"{FILES:,} small files", REPO)
    shutil.rmtree(BIG, ignore_errors=True)
    BIG.mkdir(parents=True)
    for number in range(4):
        with (BIG / f"weights-{number}.data").open("wb") as file:
            file.truncate(25 * GIB)
    time.sleep(3)
    _first_and_second(second, "100 GiB in four files (sparse: no disk is read)", BIG)
    for folder in (REPO, BIG, CACHE):
        shutil.rmtree(folder)
    return [many, second]


def _first_and_second(group: Group, case: str, folder: Path) -> None:
    command = [AIBOM, "scan", str(folder), "-q", "--cache", "-o", "json", "--fail-on", "never"]
    first = process(command, rounds=1)
    again = process(command, rounds=3)
    group.add(case, "first scan", first.seconds, peak=first.peak_mib)
    group.add(case, "second scan", again.seconds, base=first.seconds, peak=again.peak_mib,
              note=f"{first.seconds / again.seconds:.0f} × faster")  # fmt: skip


if __name__ == "__main__":
    for item in run():
        for row in item.rows:
            print(row.case, "|", row.subject, "|", f"{row.seconds:.3f}", row.note)
