"""A second implementation of the hub's protocol between our scan and the hub: the mirror olah, where it is installed.

Install it apart (`uv tool install olah`), since it brings some fifty packages, and name its program in AIBOM_OLAH.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.test_same_everywhere import CHAT, COMMAND, CREATED, SETTINGS, essence
from tests.hub_double import HubRepo, running_hub

from aibom.pipeline import scan
from aibom.report import Report
from aibom.sources.targets import open_source

OLAH = os.environ.get("AIBOM_OLAH") or shutil.which("olah-cli")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(OLAH is None, reason="olah is not installed; AIBOM_OLAH names its program"),
]


@contextmanager
def mirror(upstream: str, folder: Path) -> Iterator[str]:
    """Run olah in front of a hub until the block ends."""
    assert OLAH is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    there, here = upstream.removeprefix("http://"), f"127.0.0.1:{port}"
    options = {
        "host": "127.0.0.1", "port": port, "hf-scheme": "http", "hf-netloc": there, "hf-lfs-netloc": there,
        "mirror-scheme": "http", "mirror-netloc": here, "mirror-lfs-netloc": here,
        "repos-path": folder / "repos", "log-path": folder / "log",
    }  # fmt: skip
    command = [OLAH, *(str(part) for name, value in options.items() for part in (f"--{name}", value))]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://{here}"
    finally:
        process.terminate()
        process.wait(20)


def report(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    source = open_source("hf://acme/chat")
    try:
        return scan(source, SETTINGS, created=CREATED)
    finally:
        source.close()


def test_a_mirror_gives_what_the_hub_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing, ranges and declared digests pass through olah unchanged; so do findings and facts, also bad ones."""
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    files = {path.name: path.read_bytes() for path in CHAT.iterdir()}
    files["pytorch_model.bin"] = COMMAND
    files["large.safetensors"] = (300_000).to_bytes(8, "little") + b"{" + b" " * 299_998 + b"}" + bytes(1_000_000)
    with running_hub({"acme/chat": HubRepo(files)}) as hub, mirror(hub.url, tmp_path) as endpoint:
        expected = report(hub.url, monkeypatch)
        found = report(endpoint, monkeypatch)
    assert "pickle-dangerous-import" in {finding.rule.id for finding in found.findings}
    assert expected.source.revision == found.source.revision
    assert expected.digests == found.digests
    assert essence(expected) == essence(found)
