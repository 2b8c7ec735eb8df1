"""The reference implementation signs and we verify, and the other way round."""

from __future__ import annotations

import datetime as dt
import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integrity.forge import (
    KEY,
    NOW,
    OTHER_KEY,
    Checked,
    chain_proof,
    check,
    issue,
    material,
    pem,
    private_pem,
    signed_model,
)

from aibom.components import SignatureStatus
from aibom.settings import Trust
from aibom.sources.local import DirectorySource

pytest.importorskip("model_signing", reason="model-signing is not installed")
# Through importlib, as the library has no types.
hashing: Any = importlib.import_module("model_signing.hashing")
signing: Any = importlib.import_module("model_signing.signing")
verifying: Any = importlib.import_module("model_signing.verifying")

FILES = {
    "model.safetensors": bytes(range(256)) * 9,
    "config.json": b"{}",
    "README.md": b"# hi\n",
    "sub/weights-2.bin": b"b" * 5000,
    "sub-dir/a.txt": "grüße\n".encode(),
    "empty.txt": b"",
}
TRUST = Trust(keys=(material(pem(KEY)),))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / ".gitattributes").write_text("*.bin lfs\n")
    (tmp_path / "key.pem").write_bytes(private_pem(KEY))
    (tmp_path / "key.pub").write_bytes(pem(KEY))
    return folder


def ours(folder: Path, trust: Trust = TRUST) -> Checked:
    return check(DirectorySource(str(folder)), trust=trust)


CONFIGS: dict[str, Callable[[], Any]] = {
    "files": lambda: hashing.Config().use_file_serialization(),
    "files of blake2": lambda: hashing.Config().use_file_serialization(hashing_algorithm="blake2"),
    "files of blake3": lambda: hashing.Config().use_file_serialization(hashing_algorithm="blake3"),
    "shards": lambda: hashing.Config().use_shard_serialization(shard_size=1000),
    "shards of blake2": lambda: hashing.Config().use_shard_serialization(shard_size=1000, hashing_algorithm="blake2"),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_what_the_reference_signs_is_verified(model: Path, config: Callable[[], Any]) -> None:
    """Every serialization of the reference implementation verifies, also those that it can't verify itself."""
    signature = model / "model.sig"
    hashing_config = config().set_ignored_paths(paths=[signature], ignore_git_paths=True)
    signing.Config().use_elliptic_key_signer(private_key=model.parent / "key.pem").set_hashing_config(
        hashing_config
    ).sign(model, signature)
    assert SignatureStatus.VERIFIED is ours(model).status
    (model / "config.json").write_bytes(b"[]")
    assert SignatureStatus.MISMATCH is ours(model).status


def test_symbolic_links_are_honoured_as_recorded(model: Path, tmp_path: Path) -> None:
    """A snapshot in the hub's cache is links into a blob folder; signed as such, it verifies."""
    cache = tmp_path / "models--acme--chat"
    snapshot = cache / "snapshots" / ("a" * 40)
    (cache / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, name in enumerate(("model.safetensors", "config.json")):
        shutil.copy(model / name, cache / "blobs" / f"blob{number}")
        (snapshot / name).symlink_to(os.path.relpath(cache / "blobs" / f"blob{number}", snapshot))
    signature = snapshot / "model.sig"
    hashing_config = (
        hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=True).set_allow_symlinks(True)
    )
    signing.Config().use_elliptic_key_signer(private_key=tmp_path / "key.pem").set_hashing_config(hashing_config).sign(
        snapshot, signature
    )
    assert SignatureStatus.VERIFIED is ours(snapshot).status


def test_what_the_reference_signs_with_a_certificate_is_verified(model: Path, tmp_path: Path) -> None:
    """A chain of three levels that the reference wrote leads to our anchor."""
    root = issue("root", ca=True)
    middle = issue("middle", root, ca=True)
    leaf = issue("leaf", middle)
    for name, content in (("leaf.pem", leaf.pem), ("middle.pem", middle.pem), ("leaf.key", private_pem(leaf.key))):
        (tmp_path / name).write_bytes(content)
    signing.Config().use_certificate_signer(
        private_key=tmp_path / "leaf.key",
        signing_certificate=tmp_path / "leaf.pem",
        certificate_chain=[tmp_path / "middle.pem"],
    ).set_hashing_config(hashing.Config().set_ignored_paths(paths=[model / "model.sig"])).sign(
        model, model / "model.sig"
    )
    assert SignatureStatus.VERIFIED is ours(model, Trust(authorities=(material(root.pem),))).status
    other = Trust(authorities=(material(issue("root", ca=True).pem),))
    assert SignatureStatus.INVALID is ours(model, other).status


def accepted(folder: Path, key: bytes) -> bool:
    """Say whether the reference verifies `model.sig` in the folder with this public key."""
    path = folder.parent / "check.pub"
    path.write_bytes(key)
    try:
        verifying.Config().use_elliptic_key_verifier(public_key=path).set_hashing_config(
            hashing.Config().set_ignored_paths(paths=[folder / "model.sig"])
        ).verify(folder, folder / "model.sig")
    except Exception:  # noqa: BLE001 -- it documents no kinds
        return False
    return True


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def agreements() -> Iterator[tuple[str, dict[str, bytes], bytes]]:
    good = signed_model(FILES)
    yield "good", good, pem(KEY)
    yield "wrong key", good, pem(OTHER_KEY)
    yield "tampered", {**good, "config.json": b"[]"}, pem(KEY)
    yield "extra", {**good, "evil.py": b"x = 1\n"}, pem(KEY)
    yield "missing", {name: data for name, data in good.items() if name != "config.json"}, pem(KEY)
    yield "truncated", {**good, "model.sig": good["model.sig"][:-30]}, pem(KEY)


@pytest.mark.parametrize(("files", "key"), [case[1:] for case in agreements()], ids=[case[0] for case in agreements()])
def test_we_agree_with_the_reference(tmp_path: Path, files: dict[str, bytes], key: bytes) -> None:
    """What it accepts we verify, and what it refuses we do not."""
    folder = tmp_path / "model"
    write(folder, files)
    checked = ours(folder, Trust(keys=(material(key),)))
    assert accepted(folder, key) is (checked.status is SignatureStatus.VERIFIED)


def test_the_reference_refuses_a_certificate_we_verify_only_by_time(tmp_path: Path) -> None:
    """Release 1.1.1 pins the time to the leaf's first day, so an expired leaf passes there; here it fails."""
    root = issue("root", ca=True, begins=NOW - dt.timedelta(days=3000))
    leaf = issue("leaf", root, begins=NOW - dt.timedelta(days=1900), ends=NOW - dt.timedelta(days=1800))
    folder = tmp_path / "model"
    write(folder, signed_model(FILES, key=leaf.key, proof=chain_proof(leaf)))
    checked = ours(folder, Trust(authorities=(material(root.pem),)))
    assert {("signature-invalid", "model.sig")} == checked.grave
