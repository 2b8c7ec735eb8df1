"""Feed every reader with bytes that a fuzzer makes: only the two errors of a file may come out.

Run by `make fuzz`; SECONDS bounds each target. A crash is written to build/fuzz, and is a test case to be.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "build" / "fuzz"
sys.path.insert(0, str(ROOT))

# One target for all readers of files, one for whole repositories, one for the command line over a directory.
TARGETS = ("file", "repository", "command")
# A repository takes hundreds of times as long as a file: all seeds would leave no time to change them.
_SEEDS = {"repository": 60, "command": 60}
WATCHED = frozenset({"containers", "formats", "inspection", "inspectors", "integrity", "resolvers"})
_MOST_BYTES = 65_536
NAMES = ("config.json", "README.md", "model.safetensors", "pytorch_model.bin", "LICENSE", "modeling_x.py",
         "tokenizer_config.json", "requirements.txt", "model.onnx", "SHA256SUMS")  # fmt: skip
# What stands between the files of a repository, and between a file's name and its content.
_CUT, _NAMED = b"\xff\x00", b"\xff\x01"


def read_file(data: bytes) -> None:
    """Inspect bytes as the file that they are, the first byte choosing among the formats that need a name."""
    from aibom.containers import CONTAINERS
    from aibom.containers.protocol import Budget
    from aibom.errors import FileFault
    from aibom.files import Format, RepoFile
    from aibom.formats import recognize, role_of
    from aibom.inspectors import INSPECTORS
    from aibom.limits import Limits
    from aibom.sources.bytesource import MemorySource

    if len(data) < 2:
        return
    readers = [*INSPECTORS, *CONTAINERS]
    body, limits = data[1:], Limits(expanded_bytes=16 << 20, pickle_opcodes=100_000)
    source = MemorySource(body)
    seen = recognize("model.bin", body[: limits.sniff_bytes], len(body), source)
    for kind in {seen, readers[data[0] % len(readers)]} - {Format.UNKNOWN}:
        file = RepoFile(path="model.bin", size=len(body), format=kind, role=role_of("model.bin", kind))
        try:
            if kind in INSPECTORS:
                INSPECTORS[kind](file, source, limits)
            if kind in CONTAINERS:
                for member in CONTAINERS[kind](file, source, limits, Budget.of(limits)).members():
                    with member.open() as inner:
                        inner.read_at(0, 4096)
        except (FileFault, OSError):
            pass


def scan_repository(data: bytes) -> None:
    """Scan a repository whose files are cut out of the bytes, and write every format of the result."""
    import datetime as dt

    from tests.fakes import MemoryRepo

    from aibom.emitters import EMITTERS, emit
    from aibom.pipeline import scan
    from aibom.settings import Settings

    parts = data.split(_CUT, len(NAMES) - 1)
    if not any(parts):
        return
    created = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    settings = Settings(as_of=created.date(), tensor_digests=True)
    report = scan(MemoryRepo(dict(zip(NAMES, parts, strict=False))), settings, created=created)
    for name in EMITTERS:
        emit(report, name)
    bugs = [item for item in report.findings if "please report this" in item.message]
    assert not bugs, bugs


def run_command(data: bytes) -> None:
    """Run the command line over a directory whose files, and some of their names, are cut out of the bytes."""
    from aibom.cli import main
    from aibom.emitters import EMITTERS

    kind = sorted(EMITTERS)[data[0] % len(EMITTERS)] if data else "json"
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        folder, out = Path(place, "model"), Path(place, "out")
        folder.mkdir()
        for name, part in zip(NAMES, data[1:].split(_CUT, len(NAMES) - 1), strict=False):
            given, separator, body = part.partition(_NAMED)
            path = folder / (_file_name(given) if separator else name)
            with contextlib.suppress(OSError):
                path.write_bytes(body if separator else part)
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code = main(["scan", str(folder), "-q", "--fail-on", "never", "-o", f"{kind}={out}"])
        # 3: there was nothing to scan. Anything that we did not foresee says that it is a bug.
        assert code in {0, 3}, (code, said.getvalue())
        assert "this is a bug" not in said.getvalue(), said.getvalue()
        assert out.exists() is (code == 0)
        assert code or b"please report this" not in out.read_bytes()


def _file_name(raw: bytes) -> str:
    name = raw.replace(b"/", b"_").replace(b"\0", b"_")[:200]
    return "_" if name in {b"", b".", b".."} else os.fsdecode(name)


FUNCTIONS: dict[str, Callable[[bytes], None]] = {
    "file": read_file, "repository": scan_repository, "command": run_command,
}  # fmt: skip


def seeds(target: str) -> list[bytes]:
    """Return the hostile files and small real ones: a fuzzer that starts inside the formats finds more."""
    from tests.e2e.hostile_files import every_hostile_file

    found = [b"\0" + body for _, body in every_hostile_file() if len(body) < _MOST_BYTES]
    real = (ROOT / "fixtures" / "real").rglob("*")
    found += [b"\0" + path.read_bytes() for path in real if path.is_file() and path.stat().st_size < 20_000]
    return found[:: -(-len(found) // _SEEDS.get(target, len(found)))]


def main() -> int:
    """Without arguments, run each target in a process of its own; with `TARGET ...`, be that process."""
    try:
        import atheris
    except ImportError:
        print("atheris is not installed here (pip install atheris; it has wheels for Linux): nothing was fuzzed")
        return 0
    name, *arguments = sys.argv[1:] or [""]
    if name in FUNCTIONS:
        # What is imported here is watched; readers import each other late, so all of them are asked for at once.
        with atheris.instrument_imports(include=["aibom"]):
            import aibom

            for module in pkgutil.walk_packages(aibom.__path__, "aibom."):
                if module.name.split(".")[1] in WATCHED:
                    importlib.import_module(module.name)
        function = FUNCTIONS[name]
        atheris.Setup([sys.argv[0], *arguments], lambda data: function(bytes(data)))
        atheris.Fuzz()
        return 0
    seconds = int(name or 60)
    worst = 0
    for target in TARGETS:
        corpus = CORPUS / target
        shutil.rmtree(corpus, ignore_errors=True)
        corpus.mkdir(parents=True)
        for number, body in enumerate(seeds(target)):
            (corpus / f"seed-{number:04}").write_bytes(body)
        command = [sys.executable, __file__, target, str(corpus), f"-max_total_time={seconds}", "-rss_limit_mb=2048",
                   f"-max_len={_MOST_BYTES}", "-timeout=20", f"-artifact_prefix={CORPUS}/{target}-"]  # fmt: skip
        worst = max(worst, subprocess.run(command, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
