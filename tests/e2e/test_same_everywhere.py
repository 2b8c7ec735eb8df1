from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fixtures.hostile import HOSTILE
from msgspec.structs import replace
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
        place = tmp_path / "chat" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    yield str(tmp_path / "chat")


def tar_of(files: dict[str, bytes], mode: str, folder: str = "chat/") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]  # a mode by name
        for name, data in files.items():
            info = tarfile.TarInfo(folder + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archive(ending: str) -> Place:
    """Return the place that is an archive of this kind."""

    @contextmanager
    def place(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        match ending:
            case "zip":
                out = io.BytesIO()
                with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
                    for name, data in files.items():
                        packed.writestr(f"chat/{name}", data)
                content = out.getvalue()
            case "tar.zst":
                zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
                content = zstandard.ZstdCompressor().compress(tar_of(files, "w"))
            case _:
                content = tar_of(files, {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}[ending])
        (tmp_path / f"chat.{ending}").write_bytes(content)
        yield str(tmp_path / f"chat.{ending}")

    return place


def oci(layers: str) -> Place:
    """Return the place that is an OCI layout, with a raw layer a file or one tar for all."""

    @contextmanager
    def place(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        blobs = tmp_path / "kit" / "blobs" / "sha256"
        blobs.mkdir(parents=True)

        def blob(kind: str, data: bytes, name: str = "") -> dict[str, Any]:
            sha256 = hashlib.sha256(data).hexdigest()
            (blobs / sha256).write_bytes(data)
            found: dict[str, Any] = {"mediaType": kind, "digest": f"sha256:{sha256}", "size": len(data)}
            return {**found, "annotations": {"org.cncf.model.filepath": name}} if name else found

        kind = f"application/vnd.cncf.model.weight.v1.{layers}"
        packed = {"raw": files, "tar": {"": tar_of(files, "w", "")}, "tar+gzip": {"": tar_of(files, "w:gz", "")}}
        listed = [blob(kind, data, name) for name, data in packed[layers].items()]
        manifest = json.dumps({"schemaVersion": 2, "layers": listed}).encode()
        index = {"schemaVersion": 2, "manifests": [blob("application/vnd.oci.image.manifest.v1+json", manifest)]}
        (tmp_path / "kit" / "index.json").write_text(json.dumps(index))
        (tmp_path / "kit" / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        yield str(tmp_path / "kit")

    return place


@contextmanager
def cache(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    repository = tmp_path / "models--acme--chat"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for name, data in files.items():
        sha256 = hashlib.sha256(data).hexdigest()
        (repository / "blobs" / sha256).write_bytes(data)
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to(repository / "blobs" / sha256)
    yield str(snapshot)


@contextmanager
def hub(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    with running_hub({"acme/chat": HubRepo(files)}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield "hf://acme/chat"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A real S3 server on loopback for all tests of this module."""
    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def store(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3  # noqa: PLC0415

    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    client: Any = boto3.client("s3")
    bucket = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]
    client.create_bucket(Bucket=bucket)
    for name, data in files.items():
        client.upload_fileobj(io.BytesIO(data), bucket, f"chat/{name}")
    yield f"s3://{bucket}/chat"


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


def folder(place: Path) -> dict[str, bytes]:
    found = (path for path in sorted(place.rglob("*")) if path.is_file())
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in found}


def hostile_corpus() -> dict[str, bytes]:
    """Return every eighth hostile case of each class, each in a folder of its own."""
    return {
        f"{kind.replace(' ', '-')}/{case.name}/{name}": data
        for kind, cases in HOSTILE.items()
        for case in cases[::8]
        for name, data in case.files().items()
        if name.isascii() and name.isprintable() and ".." not in name and data
    }


REPOSITORIES: dict[str, Callable[[], dict[str, bytes]]] = {
    "chat": lambda: folder(CHAT),
    "command": lambda: {**folder(CHAT), "pytorch_model.bin": COMMAND},
    "sentences": lambda: folder(ROOT / "fixtures" / "real" / "sentence_transformers" / "tiny"),
    "mlflow": lambda: folder(ROOT / "fixtures" / "real" / "mlflow" / "sklearn_cloudpickle"),
    "custom-code": lambda: folder(ROOT / "fixtures" / "repos" / "custom-code"),
    "laundered": lambda: folder(ROOT / "fixtures" / "repos" / "laundered-finetune"),
    "corpus": hostile_corpus,
}
PLACES = {
    **{ending: archive(ending) for ending in ("zip", "tar", "tar.gz", "tar.xz", "tar.zst")},
    **{f"oci-{layers}": oci(layers) for layers in ("raw", "tar", "tar+gzip")},
    "cache": cache,
    "hub": hub,
    "s3": store,
}


@pytest.fixture(scope="module", params=list(REPOSITORIES))
def repository(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a repository, and what a scan of them as a directory says."""
    files = REPOSITORIES[request.param]()
    with pytest.MonkeyPatch.context() as monkeypatch:
        return files, essence(report(directory, files, tmp_path_factory.mktemp("directory"), monkeypatch))


@pytest.mark.parametrize("name", list(PLACES))
def test_a_model_is_the_same_wherever_it_lies(
    name: str,
    repository: tuple[dict[str, bytes], dict[str, Any]],
    s3: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Files, tensors, findings, lineage, licences and determinations are those of the directory."""
    files, expected = repository
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    found = essence(report(PLACES[name], files, tmp_path, monkeypatch))
    for key, value in expected.items():
        assert value == found[key], key


def test_the_hostile_corpus_is_hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared everywhere is more than a handful of findings."""
    found = report(directory, hostile_corpus(), tmp_path, monkeypatch)
    assert len({finding.rule.id for finding in found.findings}) > 30
