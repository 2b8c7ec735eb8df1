"""What huggingface_hub writes beside a download, read back: its own functions are the oracle."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integrity.forge import NOW, SETTINGS, check
from tests.sources.test_hub_cache import COMMIT, make_cache

from aibom.components import SignatureStatus
from aibom.findings import Finding, Severity
from aibom.pipeline import scan
from aibom.report import Report
from aibom.sources.hub_cache import find_snapshot
from aibom.sources.hub_downloads import LISTING, read_listing
from aibom.sources.local import open_local
from aibom.sources.protocol import Entry

# Through importlib, as these parts of the library have no public types.
tree_cache: Any = importlib.import_module("huggingface_hub._tree_cache")
local_folder: Any = importlib.import_module("huggingface_hub._local_folder")

WEIGHTS, CARD = b"weights", b"# card"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
GIT = hashlib.sha1(b"blob %d\0" % len(CARD) + CARD, usedforsecurity=False).hexdigest()


def list_tree(repository: Path, **more: tuple[str, str | None]) -> None:
    """Let the hub's client write its listing: names to (blob id, SHA-256 of LFS)."""
    entry = tree_cache.TreeCacheEntry
    files = {
        "model.safetensors": entry(size=7, blob_id="0" * 40, lfs_sha256=SHA256, lfs_size=7, xet_hash="f" * 64),
        "README.md": entry(size=6, blob_id=GIT),
    }
    files |= {name: entry(size=1, blob_id=blob, lfs_sha256=lfs) for name, (blob, lfs) in more.items()}
    tree_cache.write_tree_cache(str(repository), COMMIT, files)


def copied(repository: Path) -> Path:
    """Make a snapshot of copies, as the client does where it can't make links."""
    snapshot = repository / "snapshots" / COMMIT
    for path in list(snapshot.iterdir()):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    shutil.rmtree(repository / "blobs")
    return snapshot


def declared(path: Path) -> dict[str, list[tuple[str, str, str | None]]]:
    return {
        item.path: [(digest.algorithm, digest.value, digest.source) for digest in item.declared_digests]
        for item in open_local(str(path)).entries()
        if isinstance(item, Entry)
    }


def told(path: Path) -> list[tuple[str, str, str]]:
    """Return severity, path and message of what is said about downloads."""
    return [
        (item.severity.value, item.location.path if item.location else "", item.message)
        for item in open_local(str(path)).entries()
        if isinstance(item, Finding)
    ]


def scanned(path: Path) -> Report:
    return scan(open_local(str(path)), SETTINGS, created=NOW)


def test_copies_in_a_snapshot_are_held_to_the_listing(tmp_path: Path) -> None:
    """Without links there are no blob names; the listing of the commit says what every file should be."""
    repository = make_cache(tmp_path)
    list_tree(repository)
    snapshot = copied(repository)
    assert {
        "model.safetensors": [("sha256", SHA256, LISTING)],
        "README.md": [("git-sha1", GIT, LISTING)],
    } == declared(snapshot)
    (found,) = (item for item in scanned(snapshot).verifications if item.kind == "declared-digest")
    assert (SignatureStatus.CHECKSUM_OK, {"model.safetensors", "README.md"}) == (found.status, set(found.covered))
    (snapshot / "model.safetensors").write_bytes(b"Weights")
    (wrong,) = (item for item in scanned(snapshot).findings if item.rule.id == "hash-mismatch")
    assert Severity.CRITICAL is wrong.severity
    assert "model.safetensors" == (wrong.location and wrong.location.path)


def test_a_blob_name_and_a_listing_that_agree_are_one_declaration(tmp_path: Path) -> None:
    """What both say is counted once; where they differ, both stand, and one of them does not match."""
    repository = make_cache(tmp_path)
    list_tree(repository)
    snapshot = repository / "snapshots" / COMMIT
    assert [("sha256", SHA256, "hub cache blob name")] == declared(snapshot)["model.safetensors"]
    list_tree(repository, **{"model.safetensors": ("0" * 40, "e" * 64)})
    assert 2 == len(declared(snapshot)["model.safetensors"])
    assert "hash-mismatch" in {item.rule.id for item in scanned(snapshot).findings}


def test_a_link_into_the_shared_store_is_held_to_the_listing(tmp_path: Path) -> None:
    """The shared store names its blobs by xet hash, which is no digest of the content."""
    repository = make_cache(tmp_path)
    list_tree(repository)
    store = tmp_path / "blobs" / "ff"
    store.mkdir(parents=True)
    (store / ("f" * 64)).write_bytes(WEIGHTS)
    blob = repository / "blobs" / SHA256
    blob.unlink()
    blob.symlink_to(store / ("f" * 64))
    assert [("sha256", SHA256, LISTING)] == declared(repository / "snapshots" / COMMIT)["model.safetensors"]


@pytest.mark.parametrize("name", [f"{'d' * 64}.incomplete", f"{'d' * 64}.0a1b2c3d.incomplete"])
def test_a_file_whose_download_was_not_finished_is_named(tmp_path: Path, name: str) -> None:
    """The listing says which file the partial blob belongs to; weights are high, as nothing can be said of them."""
    repository = make_cache(tmp_path)
    (repository / "blobs" / name).write_bytes(b"part")
    snapshot = repository / "snapshots" / COMMIT
    assert [("low", "", "1 downloads into this cache were not finished; of which revision is not known")] == told(
        snapshot
    )
    list_tree(repository, **{"model-2.safetensors": ("0" * 40, "d" * 64), "config.json": ("e" * 40, None)})
    begun = "the hub client began to download it and did not finish"
    rest = "1 files of this revision were not downloaded: config.json"
    assert [("high", "model-2.safetensors", begun), ("info", "", rest)] == told(snapshot)
    # A part that an earlier attempt left behind says nothing once the whole blob is there.
    (repository / "blobs" / ("d" * 64)).write_bytes(b"whole")
    assert ["info"] == [severity for severity, _, _ in told(snapshot)]


def test_a_whole_download_has_nothing_missing(tmp_path: Path) -> None:
    """No finding where everything that is listed is there, or where nothing is known."""
    repository = make_cache(tmp_path)
    snapshot = repository / "snapshots" / COMMIT
    assert [] == told(snapshot)
    list_tree(repository)
    assert [] == told(snapshot)
    assert [] == told(copied(repository))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"\xff", b'{"format_version": 2, "files": {}}', b'{"format_version": 1, "files": {"a": 1}}',
        b'{"format_version": 1, "files": {"a": {"blob_id": 1}}}', b'{"format_version": 1}',
        b'{"files": {"x": ' * 50_000, b'{"x": ' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_listing_of_another_shape_declares_nothing(tmp_path: Path, raw: bytes) -> None:
    """What the client itself would ignore is ignored, whatever its depth."""
    repository = make_cache(tmp_path)
    (repository / "trees").mkdir()
    (repository / "trees" / f"{COMMIT}.json").write_bytes(raw)
    snapshot = find_snapshot(bytes(repository / "snapshots" / COMMIT))
    assert snapshot is not None
    assert {} == read_listing(snapshot)


def test_a_listing_elsewhere_is_not_followed(tmp_path: Path) -> None:
    """A link out of the repository's own folder is not read."""
    repository = make_cache(tmp_path)
    list_tree(repository)
    (repository / "trees").rename(tmp_path / "elsewhere")
    (repository / "trees").symlink_to(tmp_path / "elsewhere")
    snapshot = find_snapshot(bytes(repository / "snapshots" / COMMIT))
    assert snapshot is not None
    assert {} == read_listing(snapshot)


_KEYS = st.sampled_from(["blob_id", "lfs_sha256", "size", "x"])
_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=70) | st.just("a" * 40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
)


@settings(max_examples=100, deadline=None)
@given(files=st.dictionaries(st.text(max_size=9), _JSON, max_size=4))
def test_no_listing_stops_a_scan(tmp_path_factory: pytest.TempPathFactory, files: dict[str, object]) -> None:
    """Any names and values give digests or nothing."""
    repository = make_cache(tmp_path_factory.mktemp("cache"))
    (repository / "trees").mkdir()
    (repository / "trees" / f"{COMMIT}.json").write_text(json.dumps({"format_version": 1, "files": files}))
    for item in open_local(str(repository)).entries():
        assert item is not None


# --- a folder that was downloaded into --------------------------------------------------------------------------------


def downloaded(folder: Path) -> dict[str, bytes]:
    """Let the client write its notes beside two files, and read the folder."""
    (folder / "sub").mkdir(parents=True)
    for name, content, etag in (("sub/model.bin", WEIGHTS, SHA256), ("README.md", CARD, GIT)):
        (folder / name).write_bytes(content)
        local_folder.write_download_metadata(folder, name, COMMIT, etag)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert ".cache/huggingface/download/sub/model.bin.metadata" in files
    return files


def test_the_clients_notes_are_compared(tmp_path: Path) -> None:
    """Older clients leave a note beside each file instead of a listing; a file that was edited since is medium."""
    files = downloaded(tmp_path / "model")
    found = check(files).one("hub-listing")
    assert (SignatureStatus.CHECKSUM_OK, ("README.md", "sub/model.bin")) == (found.status, found.covered)
    assert "the hub client's notes on 2 downloads" == found.evidence[0].statement
    changed = check({**files, "sub/model.bin": b"edited"})
    assert [("hash-mismatch", "medium")] == [(item.rule.id, item.severity.value) for item in changed.findings]


@pytest.mark.parametrize("note", [b"", b"x", b"a" * 40 + b"\n" + b"b" * 41 + b"\n1.0\n", b"\xff" * 90, b"a" * 2000])
def test_notes_of_another_shape_say_nothing(tmp_path: Path, note: bytes) -> None:
    """Nothing is guessed from what the client would ignore."""
    files = {"model.bin": WEIGHTS, ".cache/huggingface/download/model.bin.metadata": note}
    assert () == check(files).verifications


@pytest.mark.parametrize("suffix", ["", ".0a1b2c3d"])
def test_a_part_of_a_download_in_the_folder_is_reported(tmp_path: Path, suffix: str) -> None:
    """Unless the whole file is there too, which a second attempt may have brought."""
    name = f".cache/huggingface/download/Xyz=.{SHA256}{suffix}.incomplete"
    checked = check({"README.md": CARD, name: b"wei"})
    assert [("incomplete-download", name)] == [
        (item.rule.id, item.location and item.location.path) for item in checked.findings
    ]
    assert () == check({"model.bin": WEIGHTS, name: b"wei"}).findings
    small = name.replace(SHA256, GIT)
    assert () == check({"README.md": CARD, small: b"# c"}).findings, "no git blob id was computed"
    files = downloaded(tmp_path / "model")
    assert () == check({**files, small: b"# c"}).findings
    other = small.replace(GIT, "d" * 40)
    assert ["incomplete-download"] == [item.rule.id for item in check({**files, other: b"# c"}).findings]
