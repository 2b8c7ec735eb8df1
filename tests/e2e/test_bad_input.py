"""Targets that are broken or built to break: each ends with a clear word, the right exit code, in bounded memory."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

MOST_MEMORY = 512 * 1024 * 1024
GIB = 1024**3
# GLOBAL posix system, MARK, a string, TUPLE, REDUCE, STOP: harmless, and never loaded here.
COMMAND = b"cposix\nsystem\n(S'echo hello'\ntR."
# The child measures its own child, so that no other test's process counts.
MEASURE = (
    "import json,resource,subprocess,sys;"
    "run=subprocess.run(sys.argv[1:],capture_output=True,check=False);"
    "peak=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss*1024;"
    "print(json.dumps([run.returncode,run.stdout.decode(),run.stderr.decode(),peak]))"
)
# Root reads every file unless it gives that power away first.
BOUND_BY_MODES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str
    peak: int
    report: dict[str, Any] | None
    bom: dict[str, Any] | None

    def findings(self) -> set[tuple[str, str]]:
        assert self.report is not None
        return {(finding["rule"]["id"], finding["severity"]) for finding in self.report["findings"]}


def scan(target: Path, folder: Path) -> Run:
    report, bom = folder / "report.json", folder / "bom.json"
    command = [sys.executable, "-m", "aibom", "scan", "-q", str(target), "-o", "table", "-o", f"json={report}",
               "-o", f"cyclonedx={bom}"]  # fmt: skip
    measured = [*BOUND_BY_MODES, sys.executable, "-c", MEASURE, *command]
    done = subprocess.run(measured, capture_output=True, check=True, timeout=300)
    code, out, err, peak = json.loads(done.stdout)
    assert "Traceback" not in err
    assert peak <= MOST_MEMORY
    return Run(
        code=code,
        out=out,
        err=err,
        peak=peak,
        report=json.loads(report.read_text()) if report.exists() else None,
        bom=json.loads(bom.read_text()) if bom.exists() else None,
    )


def compositions(bom: dict[str, Any] | None) -> set[str]:
    assert bom is not None
    return {entry["aggregate"] for entry in bom["compositions"]}


def header(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(content) if length is None else length) + content


def one_tensor(size: int) -> bytes:
    return json.dumps({"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()


def sparse(folder: Path) -> None:
    content = header(one_tensor(5 * GIB))
    (folder / "model.safetensors").write_bytes(content)
    os.truncate(folder / "model.safetensors", len(content) + 5 * GIB)


def yaml_bomb(folder: Path) -> None:
    names = "abcdefghij"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in pairwise(names)]
    (folder / "README.md").write_text("---\n" + "\n".join(lines) + "\nlicense: mit\n---\nA model.\n")


def many_files(folder: Path) -> None:
    for number in range(3000):
        (folder / f"part-{number:04}.json").write_text(f'{{"number": {number}}}')
    (folder / "part-1234.json").write_bytes(COMMAND)


def deep_folders(folder: Path) -> None:
    """300 folders, one in the other: longer than any path that may be written in one piece."""
    (folder / "README.md").write_text("A model.\n")
    inner = os.open(folder, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 20, dir_fd=inner)
        outer, inner = inner, os.open("d" * 20, os.O_RDONLY, dir_fd=inner)
        os.close(outer)
    file = os.open("model.bin", os.O_CREAT | os.O_WRONLY, dir_fd=inner)
    os.write(file, COMMAND)
    os.close(file)
    os.close(inner)


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


GGUF_LIES = b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60)
# What is made, the exit code, and the finding that says so.
CASES: dict[str, tuple[Callable[[Path], object], int, tuple[str, str]]] = {
    "truncated": (write("model.safetensors", header(one_tensor(4000)) + bytes(100)), 1, ("truncated", "high")),
    "header-cut": (write("model.safetensors", header(b'{"w": {"dt', 4000)), 1, ("truncated", "high")),
    "header-lies": (write("model.safetensors", header(b"{}", 1 << 60)), 1, ("extension-mismatch", "high")),
    "counts-lie": (write("model.gguf", GGUF_LIES), 1, ("inspection-incomplete", "high")),
    "yaml-bomb": (yaml_bomb, 0, ("card-malformed", "medium")),
    "card-of-50-mb": (
        write("README.md", b"---\nlicense: mit\n---\n" + b"word word word\n" * 3_500_000),
        0,
        ("inspection-incomplete", "low"),
    ),
    "3000-files": (many_files, 1, ("pickle-dangerous-import", "critical")),
    "deep-json": (write("config.json", b'{"a":' * 50_000 + b"1" + b"}" * 50_000), 0,
                  ("inspection-incomplete", "medium")),
    "deep-folders": (deep_folders, 1, ("not-listed", "high")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_named_and_bounded(name: str, tmp_path: Path) -> None:
    """A finding or a fact, the exit code of UX, at most 512 MiB, and a BOM that passed its own gates."""
    make, code, finding = CASES[name]
    target = tmp_path / name
    target.mkdir()
    make(target)
    run = scan(target, tmp_path)
    assert code == run.code, run.out + run.err
    assert finding in run.findings()
    assert run.bom is not None
    assert finding[0] in {entry["id"] for entry in run.bom["vulnerabilities"]}


def test_what_was_not_read_is_in_the_bom(tmp_path: Path) -> None:
    """The verdict and the compositions speak of the part that the scan could not see."""
    target = tmp_path / "deep"
    target.mkdir()
    deep_folders(target)
    run = scan(target, tmp_path)
    assert "incomplete" in compositions(run.bom)
    assert run.out.splitlines()[-1].startswith("not decided whether it is safe to load")


def test_a_sparse_file_is_read_whole_without_holding_it(tmp_path: Path) -> None:
    """5 GiB of holes are weights like others: counted from the header, digested, and never in memory."""
    target = tmp_path / "sparse"
    target.mkdir()
    sparse(target)
    run = scan(target, tmp_path)
    assert run.bom is not None
    facts = {item["name"]: item["value"] for item in run.bom["metadata"]["component"]["properties"]}
    assert str(5 * GIB // 4) == facts["aibom:model:parameters"]
    (weights,) = run.bom["metadata"]["component"]["components"]
    assert ["SHA-256"] == [digest["alg"] for digest in weights["hashes"]]
    assert 150 * 1024 * 1024 > run.peak


@pytest.mark.parametrize(("name", "said"), [("empty", "has no files"), ("missing", "does not exist")])
def test_nothing_to_scan_is_an_error_with_a_hint(name: str, said: str, tmp_path: Path) -> None:
    """An empty directory and a path that is not there are exit code 3, and no file is written."""
    (tmp_path / "empty").mkdir()
    run = scan(tmp_path / name, tmp_path)
    assert (3, "") == (run.code, run.out)
    first, second = run.err.splitlines()
    assert first.startswith("error: ")
    assert said in first
    assert second.startswith("  hint: ")
    assert run.report is run.bom is None


def test_an_unreadable_file_is_a_finding(tmp_path: Path) -> None:
    """Weights that the operating system refuses to give are high, and the rest is scanned."""
    target = tmp_path / "model"
    target.mkdir()
    (target / "README.md").write_text("A model.\n")
    (target / "model.safetensors").write_bytes(header(one_tensor(4)) + bytes(4))
    (target / "model.safetensors").chmod(0)
    run = scan(target, tmp_path)
    assert 1 == run.code
    assert ("unreadable", "high") in run.findings()
