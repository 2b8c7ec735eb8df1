from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
from pathlib import Path

import blake3
import pytest
from tests.fakes import MemoryRepo, repo_file

from aibom.digests import ALGORITHMS, BIG_FILE_BYTES, digest_files, plan_digests, root_digest
from aibom.files import Digest, Format, RepoFile, Role
from aibom.settings import Settings
from aibom.sources.local import DirectorySource

SETTINGS = Settings(as_of=dt.date(2026, 11, 21))


def digest_one(content: bytes, *algorithms: str) -> dict[str, str]:
    repo = MemoryRepo({"f": content})
    settings = Settings(as_of=SETTINGS.as_of, digest_algorithms=("sha256", *algorithms))
    files = [repo_file("f", content)]
    results = digest_files(repo, files, plan_digests(files, settings), settings, lambda *_: None)
    return {digest.algorithm: digest.value for digest in results["f"].digests}


@pytest.mark.parametrize("content", [b"", b"x", b"0123456789" * 300_000])
def test_all_algorithms_come_from_one_read(content: bytes) -> None:
    """Every algorithm gives what its own library gives."""
    expected = {name: hashlib.new(name, content).hexdigest() for name in ("sha256", "sha384", "sha512", "blake2b")}
    expected["blake3"] = blake3.blake3(content).hexdigest()
    expected["git-sha1"] = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    assert expected == digest_one(content, *ALGORITHMS)


def test_a_declared_algorithm_is_computed_too() -> None:
    """A file whose git id was declared gets its git id computed, others do not."""
    declared = (Digest(algorithm="git-sha1", value="0" * 40, basis="declared"), Digest(algorithm="odd", value="1"))
    file = RepoFile(path="f", size=1, format=Format.TEXT, role=Role.OTHER, declared_digests=declared)
    results = digest_files(MemoryRepo({"f": b"1"}), [file], plan_digests([file], SETTINGS), SETTINGS, lambda *_: None)
    assert ["sha256", "git-sha1"] == [digest.algorithm for digest in results["f"].digests]


def test_big_files_and_small_ones_agree_with_sha256sum(tmp_path: Path) -> None:
    """Files on both sides of the threading threshold have the digests of coreutils."""
    for name, size in (("small", 1000), ("big", BIG_FILE_BYTES + 1), ("bigger", 2 * BIG_FILE_BYTES)):
        (tmp_path / name).write_bytes(bytes(i % 251 for i in range(1000)) * (size // 1000) + b"x" * (size % 1000))
    files = [
        RepoFile(path=p.name, size=p.stat().st_size, format=Format.UNKNOWN, role=Role.OTHER) for p in tmp_path.iterdir()
    ]
    seen = 0

    def count(_: RepoFile, got: int) -> None:
        nonlocal seen
        seen += got

    results = digest_files(DirectorySource(str(tmp_path)), files, {}, SETTINGS, count)
    lines = "".join(f"{results[name].digests[0].value}  {name}\n" for name in ("small", "big", "bigger"))
    subprocess.run(["sha256sum", "-c", "--quiet"], input=lines.encode(), cwd=tmp_path, check=True)
    assert sum(file.size for file in files) == seen


def test_a_file_that_can_not_be_read_has_a_fault_and_no_digest() -> None:
    """A file that vanished between listing and digesting says so."""
    results = digest_files(MemoryRepo({}), [repo_file("gone", b"1")], {}, SETTINGS, lambda *_: None)
    assert () == results["gone"].digests
    assert results["gone"].fault


def test_the_root_digest_is_that_of_a_sorted_checksum_file() -> None:
    """Anybody can compute it: `sha256sum * | sort | sha256sum`, other digests do not count."""
    one, two = Digest(algorithm="sha256", value="b" * 64), Digest(algorithm="sha256", value="a" * 64)
    text = f"{'a' * 64}  z\n{'b' * 64}  a\n"
    digests = {"a": (Digest(algorithm="sha512", value="c"), one), "z": (two,), "none": ()}
    assert hashlib.sha256(text.encode()).hexdigest() == root_digest(digests)
