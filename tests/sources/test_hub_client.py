"""The hub's own client and our scan meet at the same hub: what one writes, the other reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hub_double import COMMIT, Hub, HubRepo, git_id, running_hub

from aibom.cli import main
from aibom.errors import TargetError
from aibom.sources.targets import open_source

CHAT = Path(__file__).parent.parent.parent / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
SWITCHES = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def chat_files() -> dict[str, bytes]:
    return {**{path.name: path.read_bytes() for path in CHAT.iterdir()}, "sub/notes.txt": b"of no weight\n"}


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub({"acme/chat": HubRepo(chat_files())}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def client(hub: Hub, code: str, *arguments: object) -> str:
    """Run code with the client in a process of its own: it reads its endpoint when it is imported."""
    script = "import sys, json, huggingface_hub as h\nfrom huggingface_hub.errors import *\n" + code
    environment = {**os.environ, **SWITCHES, "HF_ENDPOINT": hub.url}
    result = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert 0 == result.returncode, result.stderr
    return result.stdout.strip()


def scanned(target: object, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    main(["scan", str(target), "-o", "json", "-q", "--lineage", "offline"])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def rules(report: dict[str, Any], least: str = "medium") -> set[tuple[str, str]]:
    """Return rule and severity of what is at least so bad."""
    order = ["critical", "high", "medium", "low", "info"]
    grave = order[: order.index(least) + 1]
    return {(item["rule"]["id"], item["severity"]) for item in report["findings"] if item["severity"] in grave}


@pytest.fixture
def snapshot(hub: Hub, tmp_path: Path) -> Path:
    """The model in a cache that the real client has written."""
    return Path(client(hub, "print(h.snapshot_download('acme/chat', cache_dir=sys.argv[1]))", tmp_path / "hub"))


@pytest.fixture
def local_dir(hub: Hub, tmp_path: Path) -> Path:
    """The model in a folder that the real client has written."""
    code = "print(h.snapshot_download('acme/chat', local_dir=sys.argv[1], cache_dir=sys.argv[2]))"
    return Path(client(hub, code, tmp_path / "chat", tmp_path / "hub"))


def test_a_cache_that_the_client_wrote_is_whole(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Identity, commit and every digest in the cache's names are read and hold; nothing of it is alarming."""
    report = scanned(snapshot, capsys)
    assert ("hub-cache", "acme/chat", COMMIT) == tuple(
        report["source"][name] for name in ("kind", "identity", "revision")
    )
    assert set(chat_files()) == {
        item["file"]["path"] for item in report["inspections"] if not item["file"].get("members")
    }
    for digests in report["digests"].values():
        bases = {item["basis"] for item in digests}
        assert {"computed", "declared"} == bases
    assert set() == rules(report)
    assert report["root_digest"] == scanned(snapshot.parent.parent, capsys)["root_digest"], "the repository folder too"


def test_a_blob_that_was_changed_is_critical(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A weight file and a small file are both held to the digest in their blob's name."""
    for name in ("pytorch_model.bin", "config.json"):
        blob = (snapshot / name).resolve()
        data = bytearray(blob.read_bytes())
        data[-2] ^= 1
        blob.write_bytes(data)
    report = scanned(snapshot, capsys)
    wrong = {item["location"]["path"] for item in report["findings"] if item["rule"]["id"] == "hash-mismatch"}
    assert {"pytorch_model.bin", "config.json"} == wrong
    assert ("hash-mismatch", "critical") in rules(report)


def test_a_blob_that_is_gone_is_said(snapshot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An incomplete download does not read as a complete one."""
    (snapshot / "model-00001-of-00003.safetensors").resolve().unlink()
    assert {"dangling-symlink", "shard-missing"} & {rule for rule, _ in rules(scanned(snapshot, capsys))}


def test_a_folder_that_the_client_wrote_is_ordinary(local_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The client's locks and notes beside the files are no weights; its listing is held against the files."""
    report = scanned(local_dir, capsys)
    assert set() == rules(report)
    assert (local_dir / ".cache/huggingface/download/pytorch_model.bin.lock").is_file()
    (checked,) = [item for item in report["verifications"] if item["kind"] == "hub-listing"]
    assert set(chat_files()) == set(checked["covered"])
    (local_dir / "pytorch_model.bin").write_bytes((local_dir / "pytorch_model.bin").read_bytes() + b"\0")
    assert ("hash-mismatch", "medium") in rules(scanned(local_dir, capsys))


def test_both_see_the_same_listing(hub: Hub) -> None:
    """Commit, names, sizes and digests are those that the client reads from the same answers."""
    hub.behaviour.page = 3
    code = (
        "api = h.HfApi()\n"
        "info = api.model_info('acme/chat', files_metadata=True, securityStatus=True)\n"
        "tree = api.list_repo_tree('acme/chat', recursive=True)\n"
        "print(json.dumps([info.id, info.sha, [[f.path, f.size, f.lfs.sha256 if f.lfs else f.blob_id] for f in tree]]))"
    )
    identity, commit, listed = json.loads(client(hub, code))
    source = open_source("hf://acme/chat")
    found = [[e.path, e.size, e.declared_digests[0].value] for e in source.entries()]  # type: ignore[union-attr]
    facts = source.facts()
    source.close()
    assert (identity, commit) == (facts.identity, facts.revision)
    assert sorted(listed) == sorted(found)
    assert git_id(b"of no weight\n") in {digest for _, _, digest in listed}


def test_both_follow_a_model_to_its_new_name(hub: Hub, tmp_path: Path) -> None:
    """An old name is redirected by the hub; client and scan come to the same model."""
    hub.moved["old/talk"] = "acme/chat"
    place = client(hub, "print(h.hf_hub_download('old/talk', 'config.json', cache_dir=sys.argv[1]))", tmp_path / "hub")
    assert chat_files()["config.json"] == Path(place).read_bytes()
    source = open_source("hf://old/talk")
    assert f"hf://acme/chat@{COMMIT}" == source.target
    assert set(chat_files()) == {item.path for item in source.entries()}  # type: ignore[union-attr]
    with source.open("config.json") as data:
        assert chat_files()["config.json"] == data.read_at(0, data.size)
    source.close()


@pytest.mark.parametrize(
    ("denied", "error", "message"),
    [
        ((403, "GatedRepo"), "GatedRepoError", "is gated"),
        ((401, "GatedRepo"), "GatedRepoError", "is gated"),
        ((401, "RepoNotFound"), "RepositoryNotFoundError", "does not exist, or is private"),
        ((404, "RepoNotFound"), "RepositoryNotFoundError", "does not exist on the hub"),
    ],
)
def test_both_are_refused_for_the_same_reason(hub: Hub, denied: tuple[int, str], error: str, message: str) -> None:
    """The double speaks as the hub does: its own client takes these answers for what they are."""
    hub.repos["acme/chat"].denied = denied
    code = (
        "try: h.HfApi().model_info('acme/chat')\nexcept h.errors.HfHubHTTPError as fault: print(type(fault).__name__)"
    )
    assert error == client(hub, code)
    with pytest.raises(TargetError, match=message):
        open_source("hf://acme/chat")


def test_the_client_verifies_what_we_verify(hub: Hub, local_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify_repo_checksums` and our scan agree on which file is not the one of the listing."""
    (local_dir / "config.json").write_bytes(b"{}")
    code = (
        "found = h.HfApi().verify_repo_checksums('acme/chat', revision='main', local_dir=sys.argv[1])\n"
        "print(json.dumps([m.path if hasattr(m, 'path') else m['path'] for m in found.mismatches]))"
    )
    theirs = json.loads(client(hub, code, local_dir))
    report = scanned(local_dir, capsys)
    ours = [item["location"]["path"] for item in report["findings"] if item["rule"]["id"] == "hash-mismatch"]
    assert ["config.json"] == theirs == ours
