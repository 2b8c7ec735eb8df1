"""Start-up, one small file, and a big repository against a bare SHA-256 loop over the same bytes."""

from __future__ import annotations

import json
import shutil
import statistics
import struct
import sys
import zipfile
from pathlib import Path

from bench.measure import AIBOM, ROOT, Group, evict, function, process
from bench.peers import REQUIREMENTS, label, scanning

GIB = 1024**3
REPO = ROOT / "build" / "bench" / "big"
SMALL = ROOT / "fixtures" / "real" / "torch" / "state_dict.pt"
# The same bytes, the same buffers and the same number of threads, and nothing else.
LOOP = """
import hashlib, os, sys
from concurrent.futures import ThreadPoolExecutor
def one(path):
    buffer = memoryview(bytearray(1 << 20)); sha = hashlib.sha256(); fd = os.open(path, os.O_RDONLY); at = 0
    while got := os.preadv(fd, [buffer], at): sha.update(buffer[:got]); at += got
    return sha.hexdigest()
with ThreadPoolExecutor(2) as pool: list(pool.map(one, sys.argv[1:]))
"""


def write_safetensors(path: Path, size: int, tensors: int = 300) -> None:
    """Write a checkpoint of about `size` bytes; the tensors hold one repeated block of noise."""
    each = size // tensors // 4096 * 4096
    header = {
        f"model.layers.{number}.weight": {
            "dtype": "BF16", "shape": [each // 2048, 1024], "data_offsets": [number * each, (number + 1) * each],
        }
        for number in range(tensors)
    }  # fmt: skip
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        _fill(file, tensors * each)


def write_torch_zip(path: Path, size: int, tensors: int = 500) -> None:
    """Write a torch zip as `torch.save` lays it out: `data.pkl` and stored storages."""
    each = size // tensors // 4096 * 4096
    parts = [b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01("]
    for number in range(tensors):
        key = str(number).encode()
        name = b"layer.%d.weight" % number
        parts.append(b"X" + struct.pack("<I", len(name)) + name)
        parts.append(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n")
        parts.append(b"X" + struct.pack("<I", len(key)) + key + b"X\x03\x00\x00\x00cpuJ" + struct.pack("<i", each // 4))
        parts.append(b"tQK\x00M\x00\x04J" + struct.pack("<i", each // 4096) + b"\x86J")
        parts.append(struct.pack("<i", each // 4096) + b"K\x01\x86")
        parts.append(b"\x89ccollections\nOrderedDict\n)RtR")
    parts.append(b"u.")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr("archive/data.pkl", b"".join(parts))
        archive.writestr("archive/byteorder", "little")
        for number in range(tensors):
            with archive.open(f"archive/data/{number}", "w", force_zip64=True) as member:
                _fill(member, each)
        archive.writestr("archive/version", "3\n")


def _fill(file: object, size: int) -> None:
    block = bytes(range(256)) * 4096
    while size > 0:
        size -= file.write(block[:size])  # type: ignore[attr-defined]


def run(*, small: bool = False) -> list[Group]:
    """Measure; `small` takes a hundredth of the bytes, to try the script."""
    start = Group("start-up and one small file")
    python = process([sys.executable, "-c", "pass"], rounds=9).seconds
    start.add("start", "python -c pass (the limit)", python)
    version = process([AIBOM, "--version"], rounds=9)
    start.add("start", "aibom --version", version.seconds, base=python, peak=version.peak_mib)
    one = process([AIBOM, "scan", str(SMALL)], rounds=5)
    start.add("one torch file of a few KB", "aibom scan", one.seconds, base=python, peak=one.peak_mib)
    bom = process([AIBOM, "scan", str(SMALL), "-o", "cyclonedx"], rounds=5)
    start.add("one torch file of a few KB", "aibom scan -o cyclonedx", bom.seconds, base=python, peak=bom.peak_mib)
    for name in REQUIREMENTS:
        if command := scanning(name, str(SMALL)):
            peer = process(command, rounds=5, codes=(0, 1))
            start.add("one torch file of a few KB", label(name), peer.seconds, base=python, peak=peer.peak_mib)

    big = Group("4 GiB safetensors and 2 GiB torch zip")
    shutil.rmtree(REPO, ignore_errors=True)
    REPO.mkdir(parents=True)
    scale = 100 if small else 1
    write_safetensors(REPO / "model.safetensors", 4 * GIB // scale)
    write_torch_zip(REPO / "pytorch_model.bin", 2 * GIB // scale)
    paths = [str(REPO / "model.safetensors"), str(REPO / "pytorch_model.bin")]
    evict(map(Path, paths))
    # The first round fills the page cache or the disk's own and does not count; then both in turn, so that a noisy
    # minute hits both.
    for case, cold in (("cold, 2 threads", True), ("warm, 2 threads", False)):
        loops, scans, peak = [], [], 0.0
        for _ in range(4):
            for command, times in (
                ([sys.executable, "-c", LOOP, *paths], loops), ([AIBOM, "scan", str(REPO), "--jobs", "2", "-q"], scans),
            ):  # fmt: skip
                if cold:
                    evict(map(Path, paths))
                ran = process(command, rounds=1)
                times.append(ran.seconds)
                peak = max(peak, ran.peak_mib)
        loop = statistics.median(loops[1:])
        big.add(case, "bare SHA-256 loop (the limit)", loop)
        big.add(case, "aibom scan", statistics.median(scans[1:]), base=loop, peak=peak)
    # What others do with the same bytes: a tool that digests and looks at nothing, scanners that digest nothing.
    listed = "\\0".join(paths)
    peers = {"sha256sum in two processes": ["sh", "-c", f"printf '{listed}' | xargs -0 -P2 -n1 sha256sum"]}
    peers |= {label(name): command for name in ("picklescan", "modelscan") if (command := scanning(name, str(REPO)))}
    for name, command in peers.items():
        peer = process(command, rounds=3, codes=(0, 1))
        big.add("warm", name, peer.seconds, base=loop, peak=peer.peak_mib)
    shutil.rmtree(REPO)
    return [start, big]


if __name__ == "__main__":
    print(function(lambda: run(small=True), rounds=1))
