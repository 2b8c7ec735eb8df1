"""Nothing goes out that nobody asked for: every door to the network is watched while the command runs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.hub_double import COMMIT, HubRepo, running_hub

from aibom.cli import main

CHAT = Path(__file__).parent.parent.parent / "fixtures" / "real" / "transformers" / "tiny-llama-chat"


@pytest.fixture(autouse=True)
def attempts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """Look-ups of names and connections that were tried; none succeeds."""
    tried: list[object] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        tried.append(arguments)
        raise OSError(101, "the guard of this test")

    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    return tried


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("hf://acme/chat", "hub.example"),
        ("hf://acme/chat@v1", "hub.example"),
        (f"pkg:huggingface/acme/chat@{COMMIT}", "hub.example"),
        ("https://files.example/m.onnx", "files.example"),
        ("http://user:secret@files.example:8080/m.onnx?key=hidden", "files.example:8080"),
        ("s3://bucket/chat", "bucket"),
        ("gs://bucket/chat", "bucket"),
        ("az://container/chat", "container"),
        ("abfs://container@account.example/chat", "account.example"),
        ("sftp://user:secret@files.example/chat", "files.example"),
    ],
)
def test_offline_every_attempt_is_an_error_that_names_the_host(
    target: str, host: str, attempts: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    """No name is looked up, no connection is made, no secret of the target is shown."""
    assert 3 == main(["scan", target, "--offline"])
    out, err = capsys.readouterr()
    assert "" == out
    assert host in err
    assert "scan without --offline" in err
    assert "secret" not in err
    assert "hidden" not in err
    assert [] == attempts


def test_offline_outranks_what_would_ask(attempts: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    """`--lineage online` asks nobody where `--offline` stands beside it; nor does a fleet or the list of an owner."""
    shutil.copytree(CHAT, "chat")
    assert 0 == main(["scan", "chat", "--offline", "--lineage", "online"])
    Path("list.txt").write_text("hf://acme/chat\nchat\n")
    assert 3 == main(["fleet", "hf://acme/*", "--out", "other", "--offline"])
    assert "hub.example" in capsys.readouterr().err
    assert [] == attempts


@pytest.mark.parametrize("more", [[], ["-o", "html=r.html", "-o", "cyclonedx=b.json", "-o", "spdx=s.json"]])
def test_a_local_scan_makes_no_connection(more: list[str], attempts: list[object]) -> None:
    """Without any option, what lies here is judged by what ships with the package; so are all outputs."""
    shutil.copytree(CHAT, "chat")
    assert 0 == main(["scan", "chat", "-q", *more])
    assert [] == attempts


def test_libraries_send_nothing_of_their_own(tmp_path: Path) -> None:
    """A hub scan asks for this model and its owner alone, and tells no more than names and versions of software."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "DO_NOT"))}
    with running_hub({"acme/chat": HubRepo({path.name: path.read_bytes() for path in CHAT.iterdir()})}) as hub:
        result = subprocess.run(
            [sys.executable, "-m", "aibom", "scan", "hf://acme/chat", "-q", "--lineage", "offline"],
            env={**environment, "HF_ENDPOINT": hub.url, "HF_TOKEN_PATH": str(tmp_path / "none")},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert 0 == result.returncode, result.stderr
        assert {"GET"} == {method for method, _, _ in hub.requests}
        for _, path, headers in hub.requests:
            assert (
                path.startswith(("/api/models/acme/chat", f"/acme/chat/resolve/{COMMIT}/")) or "/acme/overview" in path
            )
            agent = {name.lower(): value for name, value in headers.items()}["user-agent"]
            assert agent.startswith("aibom/")
            assert "session" not in agent
            assert "origin" not in agent
