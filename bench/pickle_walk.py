"""How fast pickles are read, against `pickletools.genops`: both gears, with and without tensors, three shapes.

python -m bench.pickle_walk            ratios
python -m bench.pickle_walk GEAR FILE  one reading, in a process of its own (for the peak of memory)
"""

from __future__ import annotations

import os
import pickle
import pickletools
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from aibom.files import Format, RepoFile, Role
from aibom.inspectors.growing import uncollected
from aibom.inspectors.pickle_examine import examine, settle
from aibom.inspectors.pytorch_names import Naming
from aibom.inspectors.pytorch_summary import summarize
from aibom.inspectors.torch_tensors import is_tensor_call, read_tensor
from aibom.limits import Limits
from aibom.sources.bytesource import FileSource
from bench.measure import ROOT, Group, function, process

ENTRIES = 1_000_000
TENSORS = 50_000
BLOBS, BLOB = 16, 32 * 1024 * 1024


def big_dict(path: Path) -> None:
    """One dict of a million names and numbers."""
    path.write_bytes(pickle.dumps({f"key {i:09d} of the dict": i * 977 for i in range(ENTRIES)}, 4))


def state_dict(path: Path) -> None:
    """The `data.pkl` of a checkpoint of many tensors, opcode by opcode as torch writes it in protocol 2."""
    path.write_bytes(b"".join(_state_dict(TENSORS)))


def _state_dict(tensors: int) -> Iterator[bytes]:
    stored: dict[str, int] = {}
    count = 0

    def put() -> bytes:
        nonlocal count
        count += 1
        return b"q" + bytes([count - 1]) if count <= 256 else b"r" + struct.pack("<I", count - 1)

    def shared(name: str, code: bytes) -> bytes:
        if name in stored:
            key = stored[name]
            return b"h" + bytes([key]) if key < 256 else b"j" + struct.pack("<I", key)
        stored[name] = count
        return code + put()

    def text(value: str) -> bytes:
        raw = value.encode()
        return b"X" + struct.pack("<I", len(raw)) + raw

    def name(module: str, attribute: str) -> bytes:
        return shared(f"{module}.{attribute}", f"c{module}\n{attribute}\n".encode())

    yield b"\x80\x02" + name("collections", "OrderedDict") + b")R" + put() + b"("
    for i in range(tensors):
        yield text(f"model.layers.{i}.weight") + put() + name("torch._utils", "_rebuild_tensor_v2") + b"(("
        yield shared("storage", text("storage")) + name("torch", "FloatStorage") + text(str(i)) + put()
        yield shared("cpu", text("cpu")) + b"J" + struct.pack("<i", 65536) + b"t" + put() + b"QK\x00"
        yield b"M\x00\x01M\x00\x01\x86" + put() + b"M\x00\x01K\x01\x86" + put() + b"\x89"
        yield name("collections", "OrderedDict") + b")R" + put() + b"t" + put() + b"R" + put()
        if i % 1000 == 999:
            yield b"u("
    yield b"u."


def blobs(path: Path) -> None:
    """Half a gigabyte of bytes objects, as a sparse file."""
    with path.open("wb") as out:
        out.write(b"\x80\x04](")
        for _ in range(BLOBS):
            out.write(b"B" + struct.pack("<I", BLOB))
            out.seek(BLOB, os.SEEK_CUR)
        out.write(b"e.")


SHAPES: dict[str, Callable[[Path], None]] = {
    "dict of a million": big_dict,
    "50,000 tensors": state_dict,
    "half a gigabyte of blobs": blobs,
}


@contextmanager
def _opened(path: Path) -> Iterator[FileSource]:
    descriptor = os.open(path, os.O_RDONLY)
    with FileSource(descriptor, path.stat().st_size) as source:
        yield source


def genops(path: Path) -> None:
    """Run `pickletools` over the file's bytes, which is the quickest way to run it."""
    for _ in pickletools.genops(path.read_bytes()):
        pass


def triage(path: Path) -> None:
    """Settle the file."""
    with _opened(path) as source:
        assert settle(_file(path), source, Limits()) is not None


def walk(path: Path) -> None:
    """Walk the file, with events and the whole value graph."""
    with _opened(path) as source:
        examined = examine(_file(path), source, Limits(), values=True)
        assert examined.fault is None
        assert examined.roots


@uncollected()
def tensors(path: Path) -> None:
    """Walk the file, read and name the tensors, and count what they store."""
    with _opened(path) as source:
        limits = Limits()
        examined = examine(_file(path), source, limits, values=True)
        assert examined.fault is None
        naming = Naming(is_tensor_call, read_tensor, limits.tensors)
        summary, faults, _ = summarize(
            tuple(naming.tensors(examined.roots[0])), lambda _storage: 0, complete=lambda: naming.complete
        )
        assert summary.complete
        assert not faults


def nothing(_path: Path) -> None:
    """Import what the others import, and do nothing."""


# What a peer's library does with a file, as its own command does; the interpreter's start and imports don't count.
PEERS = {
    "picklescan": (
        "from picklescan.scanner import scan_pickle_bytes as scan\nimport io",
        "scan(io.BytesIO(open(path, 'rb').read()), path)",
    ),
    "modelscan": ("from modelscan.modelscan import ModelScan", "ModelScan().scan(path)"),
    "fickling": (
        "from fickling.fickle import Pickled\nfrom fickling.analysis import check_safety",
        "check_safety(Pickled.load(open(path, 'rb').read()))",
    ),
}
PATIENCE = 120
"""Seconds after which a peer is stopped."""


def peer(name: str, path: Path) -> float | str:
    """Return the seconds that a peer's library takes for a file, or why there are none."""
    python = ROOT / "build" / "peers" / f"{name}-venv" / "bin" / "python"
    if not python.exists():
        return "not installed (make peers)"
    prepared, call = PEERS[name]
    program = (
        f"import sys, time\n{prepared}\npath = sys.argv[1]\nstarted = time.perf_counter()\n{call}\n"
        "print('seconds', time.perf_counter() - started)"
    )
    command = [str(python), "-c", program, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return f"stopped after {PATIENCE} s"
    said = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("seconds ")]
    return float(said[0]) if said else f"failed: {(done.stderr.strip().splitlines() or ['no word'])[-1][:80]}"


GEARS = {"genops": genops, "triage": triage, "walk": walk, "walk with tensors": tensors, "nothing": nothing}


def _file(path: Path) -> RepoFile:
    return RepoFile(path=path.name, size=path.stat().st_size, format=Format.PICKLE, role=Role.WEIGHTS)


def run() -> list[Group]:
    """Measure each shape with each gear; the ratio says how many times as long as `genops` it takes."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {shape: Path(folder) / f"{number}.pkl" for number, shape in enumerate(SHAPES)}
        # A child's peak counts what its parent held when it was started: so children build, and peaks come first.
        for number, path in enumerate(paths.values()):
            process([sys.executable, "-m", "bench.pickle_walk", str(number), str(path)], rounds=1)
        peaks = {shape: {gear: _peak(gear, path) for gear in GEARS} for shape, path in paths.items()}
        return [_compare(shape, path, peaks[shape]) for shape, path in paths.items()]


def _compare(shape: str, path: Path, peaks: dict[str, float]) -> Group:
    group = Group(f"pickle: {shape}")
    idle = peaks["nothing"]
    base = function(lambda: genops(path), rounds=3)
    group.add("pickletools.genops", "Python", base, base=base, peak=peaks["genops"] - idle)
    for gear in ("triage", "walk", "walk with tensors"):
        seconds = function(partial(GEARS[gear], path))
        note = f"{base / seconds:.1f} x genops; the peak is beyond the idle interpreter"
        group.add(gear, "aibom", seconds, base=base, peak=peaks[gear] - idle, note=note)
    for name in PEERS:
        taken = peer(name, path)
        if isinstance(taken, float):
            group.add(name, name, taken, base=base, note=f"{base / taken:.2f} x genops; its library, one call")
        else:
            print(f"{shape}: {name} {taken}", file=sys.stderr)
    return group


def _peak(gear: str, path: Path) -> float:
    return process([sys.executable, "-m", "bench.pickle_walk", gear, str(path)], rounds=1).peak_mib


if __name__ == "__main__":
    if len(sys.argv) > 1:
        actions = GEARS | {str(number): build for number, build in enumerate(SHAPES.values())}
        actions[sys.argv[1]](Path(sys.argv[2]))
    else:
        for one in run():
            print(one.name)
            for row in one.rows:
                peak = "" if row.peak_mib is None else f"{row.peak_mib:6.1f} MiB"
            print(f"  {row.case:20} {row.seconds:.4f} s  {peak:10}  {row.note}")
