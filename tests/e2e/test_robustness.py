"""Faults of the machine: kills, full disks, other locales and clocks; and how much memory hostile files may cost."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
AIBOM = str(Path(sys.executable).parent / "aibom")
COMMAND = b"cposix\nsystem\n(S'echo hello'\ntR."
MIB = 1024 * 1024


@pytest.fixture
def model(tmp_path: Path) -> Path:
    shutil.copytree(CHAT, tmp_path / "chat")
    (tmp_path / "chat" / "extra.pkl").write_bytes(COMMAND)
    return tmp_path / "chat"


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A target whose digests take minutes and no space."""
    folder = tmp_path / "slow"
    folder.mkdir()
    with (folder / "weights.data").open("wb") as file:
        file.truncate(1 << 40)
    return folder


def environment(tmp_path: Path, **values: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "TZ", "PYTHON"))}
    # A process whose disk is full would leave half of a compiled module behind, for everybody.
    fixed = {"SOURCE_DATE_EPOCH": "1790000000", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **fixed, "XDG_CACHE_HOME": str(tmp_path / "cache"), **values}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_a_scan_that_is_stopped_leaves_what_was_there(slow: Path, tmp_path: Path, how: signal.Signals) -> None:
    """An output file is the old one or the new one, never a part; Ctrl-C says so with 130 and one line."""
    (tmp_path / "out.json").write_text("old")
    process = subprocess.Popen([AIBOM, "scan", slow, "-o", f"json={tmp_path / 'out.json'}", "--cache", "--jobs", "1"],
                               stderr=subprocess.PIPE, env=environment(tmp_path))  # fmt: skip
    _wait_until_reading(process.pid)
    process.send_signal(how)
    # To read the file to its end would take far longer.
    _, err = process.communicate(timeout=60)
    assert (130 if how is signal.SIGINT else -9) == process.returncode
    assert (b"interrupted" if how is signal.SIGINT else b"") == err.strip()
    assert "old" == (tmp_path / "out.json").read_text()
    assert {"out.json", "slow"} == {item.name for item in tmp_path.iterdir()} - {"cache"}


def _wait_until_reading(pid: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        if int(fields["rchar"]) > 256 * MIB:
            return
        time.sleep(0.01)
    raise AssertionError("the file is not read")


STRUCK = """
import os, signal, sys
from aibom.__main__ import main
os.fsync = lambda _: {strike}
sys.argv[0] = "aibom"
main()
"""


@pytest.mark.parametrize(
    ("strike", "code", "left"),
    [("os.kill(os.getpid(), signal.SIGKILL)", -9, 1), ("os.kill(os.getpid(), signal.SIGINT)", 130, 0)],
    ids=["kill-9", "ctrl-c"],
)
def test_a_scan_that_is_struck_while_it_writes(model: Path, tmp_path: Path, strike: str, code: int, left: int) -> None:
    """Between the last byte and the disk: the old file stays, and what was half done has a name that nobody reads."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "bom.json").write_text("old")
    ended = subprocess.run(
        [sys.executable, "-c", STRUCK.format(strike=strike), "scan", model, "-o", f"cyclonedx={out / 'bom.json'}"],
        env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (code, "interrupted" if left == 0 else "") == (ended.returncode, ended.stderr.strip())
    assert "old" == (out / "bom.json").read_text()
    others = [item.name for item in out.iterdir() if item.name != "bom.json"]
    assert left == len(others)
    assert all(name.startswith(".bom.json.") for name in others)
    again = subprocess.run([AIBOM, "scan", model, "-o", f"cyclonedx={out / 'bom.json'}"], env=environment(tmp_path),
                           capture_output=True, check=False)  # fmt: skip
    assert 1 == again.returncode
    assert "CycloneDX" in (out / "bom.json").read_text()


STARTING = """
import sys
class Struck:
    def find_spec(self, name, path, target=None):
        if name == "aibom.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Struck())
from aibom.__main__ import main
main()
"""


def test_a_start_that_is_stopped(tmp_path: Path) -> None:
    """Ctrl-C while the program is still being loaded is told like any other."""
    ended = subprocess.run([sys.executable, "-c", STARTING], env=environment(tmp_path), capture_output=True, text=True,
                           check=False)  # fmt: skip
    assert (130, "interrupted\n") == (ended.returncode, ended.stderr)


def test_a_file_that_is_written_to_while_it_is_read(slow: Path, tmp_path: Path) -> None:
    """The report says so, and the exit code with it: digest and findings may belong to different contents."""
    weights = slow / "weights.data"
    with weights.open("r+b") as file:
        file.truncate(2 << 30)
    process = subprocess.Popen([AIBOM, "scan", slow, "-o", f"json={tmp_path / 'out.json'}", "--jobs", "1"],
                               stderr=subprocess.PIPE, env=environment(tmp_path))  # fmt: skip
    _wait_until_reading(process.pid)
    with weights.open("r+b") as file:
        file.write(b"changed")
    process.communicate(timeout=120)
    assert 1 == process.returncode
    findings = json.loads((tmp_path / "out.json").read_text())["findings"]
    assert ["file-changed"] == [item["rule"]["id"] for item in findings if item["rule"]["id"] == "file-changed"]


@pytest.mark.parametrize("limit", [0, 1, 4096, 10_000])
def test_a_full_disk_leaves_what_was_there(model: Path, tmp_path: Path, limit: int) -> None:
    """Where a file can't grow, the result is an error with exit code 3, and the old file stays."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "bom.json").write_text("old")
    ended = subprocess.run(
        [AIBOM, "scan", model, "-o", f"cyclonedx={out / 'bom.json'}", "--cache"],
        env=environment(tmp_path), capture_output=True, text=True, check=False, preexec_fn=_limited(limit),
    )  # fmt: skip
    assert 3 == ended.returncode
    assert "bom.json can't be written: File too large" in ended.stderr
    assert ["bom.json"] == [item.name for item in out.iterdir()]
    assert "old" == (out / "bom.json").read_text()


def _limited(size: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting a small disk takes root")
def test_a_disk_that_is_full(model: Path, tmp_path: Path) -> None:
    """The same on a file system without room, for results and for a fleet's journal."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        scan = subprocess.run([AIBOM, "scan", model, "-o", f"json={disk / 'out.json'}"], env=environment(tmp_path),
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert (3, True) == (scan.returncode, "No space left" in scan.stderr)
        assert [] == list(disk.iterdir())
        (tmp_path / "list").write_text(f"{model}\n")
        fleet = subprocess.run([AIBOM, "fleet", tmp_path / "list", "--out", disk / "out", "--jobs", "1"],
                               env=environment(tmp_path), capture_output=True, text=True, check=False)  # fmt: skip
        assert 3 == fleet.returncode
        assert "can't be written" in fleet.stderr
        assert "Traceback" not in fleet.stderr
        assert [] == [path for path in (disk / "out").rglob(".*") if path.is_file()]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_same_bytes_in_every_process(model: Path, tmp_path: Path) -> None:
    """Hash seed, locale, time zone, width of the terminal change no byte of any format."""
    formats = ("json", "cyclonedx", "cyclonedx-xml", "spdx", "sarif", "html", "markdown", "vex", "table")
    machines = [
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "COLUMNS": "40"},
        {"PYTHONHASHSEED": "4", "LC_ALL": "C.UTF-8", "TZ": "America/St_Johns", "PYTHONUTF8": "0"},
        {"PYTHONHASHSEED": "5", "LC_ALL": "C", "TZ": "Europe/Istanbul", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ]
    seen: dict[str, set[str]] = {name: set() for name in formats}
    for number, values in enumerate(machines):
        out = tmp_path / str(number)
        out.mkdir()
        arguments = [word for name in formats if name != "table" for word in ("-o", f"{name}={out / name}")]
        arguments += ["-o", f"table={out / 'table'}", "--jobs", "2"]
        done = subprocess.run(
            [AIBOM, "scan", model, *arguments],
            env=environment(tmp_path, **values), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (1, "") == (done.returncode, done.stderr)
        for name in formats:
            data = (out / name).read_bytes()
            if name == "table":  # it says how long the scan took
                data = b"\n".join(line for line in data.splitlines() if b" s" not in line)
            seen[name].add(hashlib.sha256(data).hexdigest())
    assert dict.fromkeys(formats, 1) == {name: len(values) for name, values in seen.items()}


@pytest.mark.parametrize("seconds", [0, 2**31, 2**32, 253_402_300_799], ids=["1970", "2038", "2106", "9999"])
def test_any_clock_will_do(model: Path, tmp_path: Path, seconds: int) -> None:
    """On the first day and on the last, and with files dated before and after both: every format, and no fault."""
    for path, when in zip(sorted(model.iterdir()), (-(2**31), 0, 2**31, 2**33), strict=False):
        os.utime(path, (when, when))
    formats = ("json", "cyclonedx", "cyclonedx-xml", "spdx", "sarif", "html", "markdown", "vex", "table")
    arguments = [word for name in formats for word in ("-o", f"{name}={tmp_path / name}")]
    done = subprocess.run(
        [AIBOM, "scan", model, *arguments, "--cache"],
        env=environment(tmp_path, SOURCE_DATE_EPOCH=str(seconds)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (1, "") == (done.returncode, done.stderr)
    year = {0: "1970-01-01T", 2**31: "2038-01-19T", 2**32: "2106-02-07T"}.get(seconds, "9999-12-31T")
    assert year in (tmp_path / "cyclonedx").read_text()


def test_a_clock_beyond_all_calendars_is_wrong_usage(model: Path, tmp_path: Path) -> None:
    """A second after the year 9999 is an error that names the variable."""
    done = subprocess.run([AIBOM, "scan", model], env=environment(tmp_path, SOURCE_DATE_EPOCH="253402300800"),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (2, True) == (done.returncode, "SOURCE_DATE_EPOCH" in done.stderr)


MEMORY = """
import datetime as dt
import sys
sys.path.insert(0, {root!r})
from tests.e2e.hostile_files import every_hostile_case
from tests.fakes import MemoryRepo
from aibom.pipeline import scan
from aibom.settings import Settings
created, count = dt.datetime(2026, 11, 21, tzinfo=dt.UTC), 0
for files in every_hostile_case():
    scan(MemoryRepo(files), Settings(as_of=created.date(), jobs=1), created=created)
    count += 1
# Not getrusage: its peak outlives exec, so that a child of a large test runner would report the runner's.
hwm = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(count, int(hwm.split()[1]) * 1024)
"""


def test_hostile_files_cost_little_memory(tmp_path: Path) -> None:
    """One process scans every hostile case of the fixtures within 512 MiB, the files themselves included."""
    done = subprocess.run([sys.executable, "-c", MEMORY.format(root=str(ROOT))], capture_output=True, text=True,
                          check=False, cwd=tmp_path)  # fmt: skip
    assert 0 == done.returncode, done.stderr[-2000:]
    count, peak = map(int, done.stdout.split())
    assert 700 < count
    assert 512 * MIB >= peak
