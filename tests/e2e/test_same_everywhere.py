from __future__ import annotations

import datetime as dt
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.hub_double import HubRepo, running_hub

from aibom.components import Component, Resolution
from aibom.pipeline import scan
from aibom.report import Report
from aibom.settings import Identity, Settings
from aibom.sources.targets import open_source

ROOT = Path(__file__).parent.parent.parent
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
COMMIT = "a" * 40
CREATED = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
# What a place knows of a model (its name, its commit) differs; so the user names it, the same everywhere.
SETTINGS = Settings(
    as_of=CREATED.date(),
    identity=Identity(name="chat", version="1", purl=f"pkg:huggingface/acme/chat@{COMMIT}"),
)
COMMAND = b"cposix\nsystem\n(S'echo hello'\ntR."

Place = Callable[[dict[str, bytes], Path, pytest.MonkeyPatch], Any]


@contextmanager
def directory(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, data in files.items():
        (tmp_path / "chat").mkdir(exist_ok=True)
        (tmp_path / "chat" / name).write_bytes(data)
    yield str(tmp_path / "chat")


@contextmanager
def archive(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with tarfile.open(tmp_path / "chat.tar.gz", "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"chat/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    yield str(tmp_path / "chat.tar.gz")


@contextmanager
def cache(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    repository = tmp_path / "models--acme--chat"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for name, data in files.items():
        sha256 = hashlib.sha256(data).hexdigest()
        (repository / "blobs" / sha256).write_bytes(data)
        (snapshot / name).symlink_to(f"../../blobs/{sha256}")
    yield str(snapshot)


@contextmanager
def hub(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    with running_hub({"acme/chat": HubRepo(files)}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield "hf://acme/chat"


@contextmanager
def store(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    import boto3  # noqa: PLC0415

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("DEFAULT_REGION", "us-east-1"),
                            ("ENDPOINT_URL", url)):  # fmt: skip
            monkeypatch.setenv(f"AWS_{name}", value)
        client: Any = boto3.client("s3")
        client.create_bucket(Bucket="parity")
        for name, data in files.items():
            client.upload_fileobj(io.BytesIO(data), "parity", f"chat/{name}")
        yield "s3://parity/chat"
    finally:
        server.stop()


def report(place: Place, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    with place(files, tmp_path, monkeypatch) as target:
        source = open_source(target)
        try:
            return scan(source, SETTINGS, created=CREATED)
        finally:
            source.close()


def essence(report: Report) -> dict[str, Any]:
    """Everything that does not depend on where the files lie: digest basis, coverage and target are left out."""
    return {
        "files": [(item.file.path, item.file.members, item.file.size, item.file.format) for item in report.inspections],
        "tensors": [item.tensors for item in report.inspections],
        "imports": [item.imports for item in report.inspections],
        "findings": [(item.rule.id, item.severity, item.location, item.message) for item in report.findings],
        "resolution": plain(report.resolution),
        "determinations": [(item.rule.id, item.strength) for item in report.determinations],
    }


def plain(resolution: Resolution) -> tuple[object, ...]:
    def bare(component: Component) -> Component:
        return replace(component, evidence=(), digests=(), urls={}, properties={}, supplier=None)

    return tuple(map(bare, resolution.components)), resolution.relations, resolution.root


@pytest.mark.parametrize("hostile", [False, True], ids=["benign", "hostile"])
@pytest.mark.parametrize("place", [archive, cache, hub, store])
def test_a_model_is_the_same_wherever_it_lies(
    place: Place, hostile: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files, tensors, findings, lineage, licences and determinations are those of the directory."""
    files = {path.name: path.read_bytes() for path in CHAT.iterdir()}
    if hostile:
        files["pytorch_model.bin"] = COMMAND
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    expected = essence(report(directory, files, tmp_path / "one", monkeypatch))
    found = essence(report(place, files, tmp_path / "two", monkeypatch))
    for key, value in expected.items():
        assert value == found[key], key
