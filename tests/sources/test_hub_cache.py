from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from aibom.errors import TargetError
from aibom.sources.local import DirectorySource, open_local
from aibom.sources.protocol import Entry, Fault

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


def make_cache(root: Path, name: str = "models--acme--chat", commits: tuple[str, ...] = (COMMIT,)) -> Path:
    """Write a cache as huggingface_hub lays it out."""
    repository = root / name
    (repository / "blobs").mkdir(parents=True)
    weights, card = b"weights", b"# card"
    sha256 = hashlib.sha256(weights).hexdigest()
    git = hashlib.sha1(b"blob %d\0" % len(card) + card, usedforsecurity=False).hexdigest()
    (repository / "blobs" / sha256).write_bytes(weights)
    (repository / "blobs" / git).write_bytes(card)
    for commit in commits:
        snapshot = repository / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (snapshot / "model.safetensors").symlink_to(f"../../blobs/{sha256}")
        (snapshot / "README.md").symlink_to(f"../../blobs/{git}")
    (repository / "refs").mkdir()
    return repository


def entries(path: Path) -> dict[str, Entry]:
    return {item.path: item for item in open_local(str(path)).entries() if isinstance(item, Entry)}


def test_a_snapshot_knows_what_it_is(tmp_path: Path) -> None:
    """Owner, name and commit come from the cache's folders; blob names are declared digests."""
    repository = make_cache(tmp_path)
    source = open_local(str(repository / "snapshots" / COMMIT))
    assert ("acme/chat", COMMIT, "hub-cache") == (source.facts().identity, source.revision, source.facts().kind)
    found = entries(repository / "snapshots" / COMMIT)
    assert {"model.safetensors": "sha256", "README.md": "git-sha1"} == {
        path: entry.declared_digests[0].algorithm for path, entry in found.items()
    }


def test_a_repository_folder_means_its_main_revision(tmp_path: Path) -> None:
    """With several revisions, the one that refs/main names is scanned."""
    repository = make_cache(tmp_path, commits=(COMMIT, OTHER))
    with pytest.raises(TargetError, match="2 revisions"):
        open_local(str(repository))
    (repository / "refs" / "main").write_text(OTHER)
    assert OTHER == open_local(str(repository)).revision


def test_a_repository_folder_with_one_revision_needs_no_ref(tmp_path: Path) -> None:
    """The only revision is the one that is meant."""
    assert COMMIT == open_local(str(make_cache(tmp_path))).revision


def test_an_old_name_without_owner_identifies_nothing(tmp_path: Path) -> None:
    """A name without owner may belong to anybody, so there is no identity to put into a purl."""
    source = open_local(str(make_cache(tmp_path, "models--gpt2")))
    assert source.facts().identity is None
    assert COMMIT == source.revision


def test_a_link_out_of_the_cache_is_an_escape(tmp_path: Path) -> None:
    """Links may lead into the repository's blobs and the shared blobs, nowhere else."""
    repository = make_cache(tmp_path)
    (tmp_path / "blobs" / "ab").mkdir(parents=True)
    (tmp_path / "blobs" / "ab" / ("c" * 64)).write_bytes(b"shared")
    (tmp_path / "secret").write_bytes(b"x")
    snapshot = repository / "snapshots" / COMMIT
    (snapshot / "shared").symlink_to(f"../../../blobs/ab/{'c' * 64}")
    (snapshot / "evil").symlink_to("../../../secret")
    found = entries(snapshot)
    assert Fault.SYMLINK_ESCAPE is found["evil"].fault
    assert found["shared"].fault is None
    assert () == found["shared"].declared_digests, "the name in the shared store is a xet hash, not a SHA-256"


def test_a_blob_with_another_name_declares_nothing(tmp_path: Path) -> None:
    """Only 64 or 40 hexadecimal digits are a digest."""
    repository = make_cache(tmp_path)
    (repository / "blobs" / "partial.incomplete").write_bytes(b"1")
    (repository / "snapshots" / COMMIT / "p").symlink_to("../../blobs/partial.incomplete")
    assert () == entries(repository / "snapshots" / COMMIT)["p"].declared_digests


def test_a_folder_that_only_looks_like_a_snapshot_is_a_directory(tmp_path: Path) -> None:
    """A commit-named folder below something else than a cached repository has no identity."""
    folder = tmp_path / "mine" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    assert "directory" == DirectorySource(str(folder)).facts().kind
