from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from fixtures.weights import safetensors_bytes
from tests.hub_double import COMMIT, Behaviour, Hub, HubRepo, running_hub

from aibom.errors import TargetError, UsageError
from aibom.inventory import take_inventory
from aibom.limits import Limits
from aibom.report import Skipped
from aibom.sources.answers import NetworkError
from aibom.sources.network import Network
from aibom.sources.object_store import StoreSource
from aibom.sources.protocol import Entry, Fault
from aibom.sources.ranges import RemoteLimits
from aibom.sources.targets import open_related, open_source
from aibom.sources.web import WebSource

WEIGHTS = safetensors_bytes({"a": ("F32", (50_000,))})
FILES = {"model.safetensors": WEIGHTS, "README.md": b"# card\n", "sub/config.json": b"{}"}


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def hub(behaviour: Behaviour) -> Iterator[Hub]:
    with running_hub({"acme/chat": HubRepo(dict(FILES))}, behaviour) as running:
        yield running


def test_a_file_on_the_web_is_read_by_ranges(hub: Hub) -> None:
    """A URL is one file; credentials and query are not part of the target's name."""
    url = f"{hub.url}/acme/chat/resolve/{COMMIT}/model.safetensors"
    source = open_source(url.replace("://", "://user:secret@") + "?token=hidden")
    assert "secret" not in source.target
    assert "hidden" not in source.target
    found = take_inventory(source, Limits())
    assert ["model.safetensors"] == [file.path for file in found.files]
    with source.open("model.safetensors") as data:
        assert WEIGHTS[:64] == data.read_at(0, 64)
    assert "web" == source.facts().kind
    with pytest.raises(FileNotFoundError):
        source.open("other")
    source.close()


def test_a_server_without_ranges_is_refused_with_advice(hub: Hub, behaviour: Behaviour) -> None:
    """A server that would send the whole file each time is not asked again."""
    behaviour.ignore_ranges = True
    with pytest.raises(TargetError, match="does not answer ranges"):
        WebSource(f"{hub.url}/acme/chat/resolve/{COMMIT}/README.md", Network(wait=lambda _: None))


def test_redirects_without_end_are_refused(hub: Hub, behaviour: Behaviour) -> None:
    """A ring of redirects is left."""
    behaviour.redirect_to = f"{hub.url}/acme/chat/resolve/{COMMIT}/README.md"
    with pytest.raises(TargetError, match="redirects without end"):
        WebSource(behaviour.redirect_to, Network(wait=lambda _: None))


def test_related_models_are_hub_models(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a hub id is opened for lineage, without a first look at each file; offline it is refused."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert open_related("https://example.com/x") is None
    related = open_related("hf://acme/chat")
    assert related is not None
    assert 3 == len(list(related.entries()))
    assert 0 == hub.file_requests()
    related.close()
    with pytest.raises(TargetError):
        open_related("hf://acme/chat", offline=True)


def test_an_answer_that_is_too_large_is_refused(hub: Hub) -> None:
    """A JSON answer is read up to a bound."""
    network = Network(wait=lambda _: None)
    network.trust(hub.url)
    with pytest.raises(NetworkError, match="more than 10 bytes"):
        network.get_json(f"{hub.url}/api/models/acme/chat", {}, limit=10)
    network.close()


def test_a_network_error_speaks_like_an_os_error() -> None:
    """Readers that show `strerror` show the message."""
    assert "gone" == NetworkError("gone").strerror


# --- object stores ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A real S3 server on loopback with the files of the model, and one name that climbs."""
    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    import boto3  # noqa: PLC0415

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client: Any = boto3.client(
        "s3", endpoint_url=f"http://{host}:{port}", aws_access_key_id="x", aws_secret_access_key="x",
        region_name="us-east-1",
    )  # fmt: skip
    client.create_bucket(Bucket="models")
    for path, data in FILES.items():
        client.upload_fileobj(io.BytesIO(data), "models", f"acme/chat/{path}")
    client.upload_fileobj(io.BytesIO(b"x"), "models", "acme/evil/../../etc/passwd")
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", s3)


@pytest.mark.usefixtures("store")
def test_a_prefix_of_a_store_is_a_target() -> None:
    """The objects below a prefix are files, read by ranges."""
    source = open_source("s3://models/acme/chat")
    found = take_inventory(source, Limits())
    assert ["README.md", "model.safetensors", "sub/config.json"] == [file.path for file in found.files]
    with source.open("model.safetensors") as data:
        assert WEIGHTS == data.read_at(0, len(WEIGHTS))
        buffer = memoryview(bytearray(len(WEIGHTS)))
        assert len(WEIGHTS) == data.read_into(0, buffer)
        assert WEIGHTS == bytes(buffer)
    assert ("s3", "s3://models/acme/chat") == (source.facts().kind, source.target)
    with pytest.raises(FileNotFoundError):
        source.open("other")
    source.close()


@pytest.mark.usefixtures("store")
def test_one_object_is_a_target() -> None:
    """A key names one file."""
    source = open_source("s3://models/acme/chat/README.md")
    assert ["README.md"] == [item.path for item in source.entries() if isinstance(item, Entry)]


@pytest.mark.usefixtures("store")
def test_limits_hold_for_stores() -> None:
    """More objects than the limit are left out and said; names that climb are faults."""
    network = Network()
    items = list(StoreSource("s3://models/acme/chat", network, limits=RemoteLimits(files=1)).entries())
    assert [Entry, Skipped] == [type(item) for item in items]
    climbing = list(StoreSource("s3://models/acme/evil", network).entries())
    assert [Fault.UNSAFE_NAME] == [item.fault for item in climbing if isinstance(item, Entry)]


@pytest.mark.usefixtures("store")
def test_a_store_that_refuses_is_an_error() -> None:
    """A missing bucket or object is named."""
    with pytest.raises(TargetError, match=r"can't be listed|has no files"):
        take_inventory(StoreSource("s3://nothing/here", Network()), Limits())
    source = StoreSource("s3://models/acme/chat", Network())
    list(source.entries())
    source._paths["README.md"] = "models/acme/gone"
    with pytest.raises(NetworkError, match="did not give"):
        source.open("README.md").read_at(0, 3)


@pytest.mark.parametrize("target", ["memory://x", "file:///etc", "simplecache::s3://x/y", "gs://x"])
def test_stores_that_reach_inside_are_refused(target: str) -> None:
    """Spellings that chain file systems or name this machine are no targets; a missing package is named."""
    with pytest.raises(UsageError) as caught:
        StoreSource(target, Network())
    if target.startswith("gs://"):
        assert "aibom[gcs]" in str(caught.value.hint)


def test_stores_are_not_asked_offline() -> None:
    """With --offline the error names the host."""
    with pytest.raises(TargetError, match="models"):
        open_source("s3://models/x", offline=True)
