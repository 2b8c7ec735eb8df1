"""Layouts that oras has written, pulled from a registry on loopback to which it pushed."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aibom.cli import main
from aibom.inventory import take_inventory
from aibom.limits import Limits
from aibom.sources.targets import open_source

client: Any = pytest.importorskip("oras.client", reason="oras is not installed")
layout: Any = pytest.importorskip("oras.layout.layout", reason="this oras writes no layouts")

CHAT = Path(__file__).parent.parent.parent / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
WEIGHT = "application/vnd.cncf.model.weight.v1.raw"


class _Registry(http.server.BaseHTTPRequestHandler):
    """The calls of the OCI distribution API that a push and a pull make."""

    protocol_version = "HTTP/1.1"
    kept: dict[str, bytes]

    def log_message(self, *_: object) -> None: ...

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content_Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.body()
        self.answer(202, Location=f"http://{self.headers['Host']}{self.path}1")

    def do_PUT(self) -> None:
        data = self.body()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.kept[digest] = data
        if "/manifests/" in self.path:
            self.kept[self.path.rsplit("/", 1)[-1]] = data
        self.answer(201, Docker_Content_Digest=digest)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        data = self.kept.get(self.path.rsplit("/", 1)[-1])
        if data is None:
            self.answer(404)
            return
        kind = json.loads(data)["mediaType"] if "/manifests/" in self.path else "application/octet-stream"
        self.answer(200, data, Content_Type=kind, Docker_Content_Digest=f"sha256:{hashlib.sha256(data).hexdigest()}")


@pytest.fixture
def registry() -> Iterator[str]:
    handler = type("Registry", (_Registry,), {"kept": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def pulled(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model as a layout that oras has pulled, after it had pushed it."""
    monkeypatch.chdir(CHAT)
    provider = client.OrasClient(insecure=True, tls_verify=False)
    files = [f"{path.name}:{WEIGHT}" for path in sorted(CHAT.iterdir())]
    pushed = provider.push(target=f"{registry}/acme/chat:v1", files=files, quiet=True)
    assert 201 == pushed.status_code
    place = tmp_path / "kit"
    place.mkdir()
    layout.Layout(str(place), validate=False).pull_from_registry(provider, f"{registry}/acme/chat:v1", tag="v1")
    return place


def test_a_layout_that_oras_wrote_is_read(pulled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file has its name and its declared digest, and a scan of it alarms nobody."""
    source = open_source(f"oci-layout:{pulled}#v1")
    found = {file.path: file for file in take_inventory(source, Limits()).files}
    source.close()
    for path in CHAT.iterdir():
        declared = found[path.name].declared_digests[0]
        assert ("sha256", hashlib.sha256(path.read_bytes()).hexdigest()) == (declared.algorithm, declared.value)
    assert 0 == main(["scan", str(pulled)])
    assert f"{len(found)} declared digests match" in capsys.readouterr().out


def test_a_blob_of_it_that_was_changed_is_critical(pulled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A layout declares its own integrity."""
    data = (CHAT / "config.json").read_bytes()
    blob = pulled / "blobs" / "sha256" / hashlib.sha256(data).hexdigest()
    blob.write_bytes(data.replace(b"llama", b"lIama"))
    assert 1 == main(["scan", str(pulled), "-o", "json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert ("config.json", "critical") in {
        (item["location"]["path"], item["severity"]) for item in findings if item["rule"]["id"] == "hash-mismatch"
    }
