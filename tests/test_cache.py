from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from aibom.cache.store import Store, cache_path
from aibom.files import Digest
from aibom.limits import Limits
from aibom.pipeline import Progress, scan
from aibom.report import Report
from aibom.settings import Settings, Trust
from aibom.sources.bytesource import ByteSource, Stamp
from aibom.sources.local import DirectorySource
from aibom.sources.targets import open_source

ROOT = Path(__file__).parent.parent
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
CREATED = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
SETTINGS = Settings(as_of=CREATED.date())
COMMAND = b"cposix\nsystem\n(S'echo hello'\ntR."
A_MINUTE_LATER = 60


class Counting(DirectorySource):
    """A directory that counts the bytes read of each file."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.read: dict[str, int] = {}

    def open(self, path: str) -> ByteSource:
        data = super().open(path)
        inner = data.read_into

        def read_into(offset: int, buffer: memoryview) -> int:
            got = inner(offset, buffer)
            self.read[path] = self.read.get(path, 0) + got
            return got

        data.read_into = read_into  # type: ignore[method-assign]
        return data


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "chat"
    shutil.copytree(CHAT, folder)
    (folder / "extra").mkdir()
    (folder / "extra" / "pytorch_model.bin").write_bytes(COMMAND)
    with zipfile.ZipFile(folder / "bundle.zip", "w") as archive:
        archive.writestr("inner/evil.pkl", COMMAND)
        archive.writestr("notes.txt", "hello " * 100)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A cache whose clock runs a minute ahead: every file has settled."""
    import time  # noqa: PLC0415

    with Store(tmp_path / "cache" / "scans.sqlite", now=lambda: time.time() + A_MINUTE_LATER) as opened:
        yield opened


def scanned(folder: Path, cache: Store | None = None, settings: Settings = SETTINGS) -> Report:
    return scan(open_source(str(folder)), settings, created=CREATED, cache=cache)


def bytes_read(folder: Path, cache: Store) -> int:
    source = Counting(str(folder))
    scan(source, SETTINGS, created=CREATED, cache=cache)
    return sum(source.read.values())


def test_a_remembered_scan_gives_the_same_report(model: Path, store: Store) -> None:
    """Whether files are read or remembered makes no difference to the report."""
    fresh = scanned(model)
    assert fresh == scanned(model, store)
    assert fresh == scanned(model, store)


def test_unchanged_files_are_not_read(model: Path, store: Store) -> None:
    """The second scan digests no byte."""
    first = bytes_read(model, store)
    assert sum(path.stat().st_size for path in model.rglob("*") if path.is_file()) <= first
    assert 0 == bytes_read(model, store)


def test_only_the_file_that_changed_is_read_again(model: Path, store: Store) -> None:
    """A file that was written to is read; what is said of it is new."""
    scanned(model, store)
    changed = model / "extra" / "pytorch_model.bin"
    changed.write_bytes(b"\x80\x02}q\x00.")
    report = scanned(model, store)
    assert hashlib.sha256(changed.read_bytes()).hexdigest() == report.digests["extra/pytorch_model.bin"][0].value
    named = [f.location.path for f in report.findings if f.location and f.rule.id == "pickle-dangerous-import"]
    assert ["bundle.zip"] == named
    assert report == scanned(model)


def test_same_size_and_times_set_back_are_no_hit(model: Path, store: Store) -> None:
    """Who sets the modification time back does not set the change time back."""
    changed = model / "extra" / "pytorch_model.bin"
    scanned(model, store)
    before = changed.stat()
    changed.write_bytes(COMMAND.replace(b"hello", b"howdy"))
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert scanned(model) == scanned(model, store)


def test_a_file_that_has_not_settled_is_not_remembered(model: Path, tmp_path: Path) -> None:
    """Two writes within a tick of the clock leave the same times, so a file of this moment is read again."""
    with Store(tmp_path / "now.sqlite") as now:
        first = bytes_read(model, now)
        assert first == bytes_read(model, now) > 0


def test_content_is_recognised_under_another_path(model: Path, store: Store) -> None:
    """What was remembered in one place is told with the names of the other."""
    scanned(model, store)
    os.link(model / "bundle.zip", model / "extra" / "bundle.zip")
    fresh = scanned(model)
    again = scanned(model, store)
    assert fresh == again
    assert 2 == sum(f.location is not None and f.location.path.endswith("bundle.zip") for f in again.findings
                    if f.rule.id == "pickle-dangerous-import")  # fmt: skip


def test_other_limits_are_another_question(model: Path, store: Store) -> None:
    """An inspection under one limit says nothing about another."""
    scanned(model, store)
    tight = replace(SETTINGS, limits=Limits(container_members=1))
    assert scanned(model, settings=tight) == scanned(model, store, tight)


def test_what_containers_took_is_taken_again(model: Path, store: Store) -> None:
    """A remembered container spends the budget that all containers share, so the next one fails as it would have."""
    shutil.copy(model / "bundle.zip", model / "zoo.zip")
    tight = replace(SETTINGS, limits=Limits(container_members=3))
    fresh = scanned(model, settings=tight)
    assert any(finding.rule.id == "inspection-incomplete" for finding in fresh.findings)
    scanned(model, store, tight)
    assert fresh == scanned(model, store, tight)


def test_more_digests_are_computed_when_they_are_asked_for(model: Path, store: Store) -> None:
    """A digest that is not remembered is computed; after that it is."""
    scanned(model, store)
    more = replace(SETTINGS, digest_algorithms=("sha256", "sha512"))
    assert scanned(model, settings=more) == scanned(model, store, more) == scanned(model, store, more)
    assert scanned(model) == scanned(model, store)


def test_tensor_digests_are_remembered(model: Path, store: Store) -> None:
    """Digests of tensors come back with the file."""
    wanted = replace(SETTINGS, tensor_digests=True)
    fresh = scanned(model, settings=wanted)
    assert any(tensor.digest for item in fresh.inspections if item.tensors for tensor in item.tensors.tensors)
    assert fresh == scanned(model, store, wanted)
    source = Counting(str(model))
    assert fresh == scan(source, wanted, created=CREATED, cache=store)
    assert {} == source.read


@pytest.mark.parametrize("required", [False, True])
def test_a_signature_is_checked_against_the_bytes(model: Path, store: Store, required: bool) -> None:
    """Beside a signature or a list of checksums, or where one is asked for, every file is read."""
    if not required:
        card = (model / "README.md").read_bytes()
        (model / "SHA256SUMS").write_text(f"{hashlib.sha256(card).hexdigest()}  README.md\n")
    settings = replace(SETTINGS, trust=Trust(require_signature=required))
    scanned(model, store, settings)
    source = Counting(str(model))
    scan(source, settings, created=CREATED, cache=store)
    assert {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()} == set(source.read)


def test_a_lie_about_content_is_found_beside_a_signature(model: Path, store: Store) -> None:
    """An inspection of other bytes than those that were digested is thrown away, with what led to it."""
    weights = model / "extra" / "pytorch_model.bin"
    (model / "SHA256SUMS").write_text(f"{hashlib.sha256(COMMAND).hexdigest()}  extra/pytorch_model.bin\n")
    scanned(model, store)
    inert = b"\x80\x02}q\x00."
    weights.write_bytes(inert.ljust(len(COMMAND), b"\0"))
    # Somebody who can set the clock back gives the new bytes the old file's status.
    stamp = Stamp.of(weights.stat())
    store.save({stamp: {"sha256": hashlib.sha256(COMMAND).hexdigest()}}, {})
    assert scanned(model) == scanned(model, store)
    assert {} == store.digests(stamp)


def test_declared_digests_never_hit(tmp_path: Path, store: Store) -> None:
    """What the hub's cache calls a blob is no reason to leave its bytes unread."""
    repository = tmp_path / "models--acme--chat"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    honest = tmp_path / "honest"
    honest.mkdir()
    (honest / "model.bin").write_bytes(b"\x80\x02}q\x00.")
    scanned(honest, store)
    name = hashlib.sha256(b"\x80\x02}q\x00.").hexdigest()
    (repository / "blobs" / name).write_bytes(COMMAND)
    (snapshot / "model.bin").symlink_to(f"../../blobs/{name}")
    report = scanned(snapshot, store)
    assert {"hash-mismatch", "pickle-dangerous-import"} <= {finding.rule.id for finding in report.findings}
    assert Digest(algorithm="sha256", value=hashlib.sha256(COMMAND).hexdigest()) in report.digests["model.bin"]


def test_a_file_written_to_during_the_scan_is_not_remembered(model: Path, store: Store) -> None:
    """What was inspected and what was digested may be two things: that is a finding, and nothing is kept."""
    weights = model / "extra" / "pytorch_model.bin"

    def write(step: Progress) -> None:
        if step.stage == "digest" and step.file.path == "README.md":
            weights.write_bytes(COMMAND.replace(b"hello", b"howdy"))

    report = scan(open_source(str(model)), SETTINGS, created=CREATED, cache=store, on_progress=write)
    changed = [f.location.path for f in report.findings if f.rule.id == "file-changed" and f.location]
    assert ["extra/pytorch_model.bin"] == changed
    assert {} == store.digests(Stamp.of(weights.stat()))


def test_progress_counts_what_is_remembered(model: Path, store: Store) -> None:
    """A bar ends at its end, whether bytes were read or not."""
    scanned(model, store)
    seen: list[Progress] = []
    scan(open_source(str(model)), SETTINGS, created=CREATED, cache=store, on_progress=seen.append)
    last = [step for step in seen if step.stage == "digest"][-1]
    assert last.total == last.done > 0


@pytest.mark.parametrize(
    "damage",
    [b"", b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4096],
    ids=["empty", "another file", "broken"],
)
def test_a_damaged_cache_is_started_anew(model: Path, tmp_path: Path, store: Store, damage: bytes) -> None:
    """Corruption costs time, nothing else."""
    fresh = scanned(model, store)
    store.close()
    store.path.write_bytes(damage)
    assert fresh == scanned(model, store)
    assert fresh == scanned(model, store)
    assert store.info().files > 3


def test_damage_in_the_middle_is_survived(model: Path, store: Store) -> None:
    """Pages that hold something else than SQLite wrote give the same report."""
    fresh = scanned(model, store)
    store.close()
    size = store.path.stat().st_size
    for at in range(0, size, 512):
        with store.path.open("r+b") as file:
            file.seek(at)
            file.write(b"\xa5" * 64)
        assert fresh == scanned(model, store)
        store.close()


def test_a_body_that_is_damaged_counts_as_missing(model: Path, store: Store) -> None:
    """A result that can't be unpacked is looked at again."""
    fresh = scanned(model, store)
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE results SET body = x'00ff'")
        connection.execute("UPDATE files SET digests = replace(digests, 'a', 'b')")
    connection.close()
    assert fresh == scanned(model, store)


def test_a_cache_that_cant_be_written_is_done_without(model: Path, tmp_path: Path) -> None:
    """A scan never fails for its cache."""
    (tmp_path / "file").write_text("not a folder")
    with Store(tmp_path / "file" / "scans.sqlite") as store:
        assert scanned(model) == scanned(model, store)
        assert 0 == store.info().files


def test_a_busy_cache_is_done_without(model: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that holds the lock for long costs what would have been saved, no error."""
    monkeypatch.setattr("aibom.cache.store._WAIT_SECONDS", 0.01)
    scanned(model, store)
    store.close()
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        (model / "new.pkl").write_bytes(COMMAND)
        assert scanned(model) == scanned(model, store)
    finally:
        holder.rollback()
        holder.close()


def test_the_size_is_capped(tmp_path: Path) -> None:
    """A full cache throws away what was used longest ago, and keeps working."""
    day = [0.0]
    with Store(tmp_path / "small.sqlite", limit=200_000, now=lambda: day[0] * 86400) as store:
        for number in range(100):
            day[0] = number
            store.save({}, {bytes([number]) * 32: os.urandom(10_000)})
        info = store.info()
        assert info.results < 20
        assert store.result(bytes([99]) * 32) is not None
        assert store.result(bytes([0]) * 32) is None
    assert (tmp_path / "small.sqlite").stat().st_size <= 300_000


def test_what_is_used_stays(tmp_path: Path) -> None:
    """A hit counts as use."""
    day = [0.0]
    with Store(tmp_path / "small.sqlite", limit=200_000, now=lambda: day[0] * 86400) as store:
        for number in range(60):
            day[0] = number
            store.save({}, {bytes([number]) * 32: os.urandom(10_000)})
            assert store.result(bytes([0]) * 32) is not None
            store.save({}, {})


def test_a_newer_layout_replaces_the_older(tmp_path: Path) -> None:
    """Another version's tables are dropped, not guessed at."""
    path = tmp_path / "scans.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE files (other)")
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with Store(path) as store:
        store.save({Stamp(1, 2, 3, 4, 5): {"sha256": "0" * 64}}, {})
        assert {"sha256": "0" * 64} == store.digests(Stamp(1, 2, 3, 4, 5))


def test_numbers_beyond_signed_64_bits_are_kept(tmp_path: Path) -> None:
    """Inodes of some file systems use all 64 bits."""
    with Store(tmp_path / "scans.sqlite") as store:
        stamp = Stamp(2**64 - 1, 2**63, 1, 2, 3)
        store.save({stamp: {"sha256": "1" * 64}}, {})
        assert {"sha256": "1" * 64} == store.digests(stamp)


def test_processes_share_it(tmp_path: Path) -> None:
    """Eight processes that write at the same time from an empty start lose nothing."""
    code = (
        "import sys; from pathlib import Path; from aibom.cache.store import Store; n = int(sys.argv[2])\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "    for k in range(20): store.save({}, {bytes([n, k]) * 16: b'x' * 100})\n"
    )
    path = tmp_path / "scans.sqlite"
    running = [subprocess.Popen([sys.executable, "-c", code, path, str(number)]) for number in range(8)]
    assert [0] * 8 == [process.wait(60) for process in running]
    with Store(path) as store:
        assert 160 == store.info().results


def test_it_is_private(tmp_path: Path) -> None:
    """Nobody else can write results into it, or read what was scanned."""
    path = tmp_path / "new" / "scans.sqlite"
    with Store(path) as store:
        store.save({}, {b"k": b"v"})
    assert 0o700 == path.parent.stat().st_mode & 0o777
    assert 0o600 == path.stat().st_mode & 0o777


def test_it_lives_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME decides, where it is absolute."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tmp_path / "aibom" / "scans.sqlite" == cache_path()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert tmp_path / "home" / ".cache" / "aibom" / "scans.sqlite" == cache_path()
