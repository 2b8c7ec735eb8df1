from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from msgspec import field
from tests.hub_double import COMMIT, Behaviour, Hub, HubRepo, git_id, running_hub

from aibom.errors import LimitExceeded, MalformedFile, TargetError, UsageError
from aibom.inventory import take_inventory
from aibom.limits import Limits
from aibom.report import Skipped
from aibom.sources.answers import NetworkError
from aibom.sources.hub import HubName, HubSource, parse_hub_target
from aibom.sources.network import Network
from aibom.sources.protocol import Entry, Fault
from aibom.sources.ranges import RangeSource, ReadBudget, Remote, RemoteLimits
from aibom.sources.targets import open_source

WEIGHTS = bytes(range(256)) * 1024
FILES = {"README.md": b"# card\n", "model.safetensors": WEIGHTS, "config.json": b"{}"}


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sends the token of whoever runs it."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def hub(behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub({"acme/chat": HubRepo(dict(FILES))}, behaviour) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def network(**options: Any) -> Network:
    return Network(wait=lambda _: None, timeout=5, **options)


def source(revision: str | None = None, *, name: str = "acme/chat", limits: RemoteLimits | None = None) -> HubSource:
    return HubSource(HubName(name, revision), network(), limits=limits)


def entries(opened: HubSource) -> dict[str, Entry]:
    return {item.path: item for item in opened.entries() if isinstance(item, Entry)}


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("hf://acme/chat", HubName("acme/chat")),
        ("hf://gpt2", HubName("gpt2")),
        ("hf://acme/chat@v1.0", HubName("acme/chat", "v1.0")),
        (f"pkg:huggingface/acme/chat@{COMMIT}", HubName("acme/chat", COMMIT)),
    ],
)
def test_targets_are_read(target: str, name: HubName) -> None:
    """A hub target names owner, model and maybe a revision."""
    assert name == parse_hub_target(target)


@pytest.mark.parametrize(
    "target", ["hf://", "hf://a/b/c", "hf://../etc", "hf://a b", "hf://a/b@../x", "pkg:pypi/torch", "pkg:"]
)
def test_what_names_no_model_is_wrong_usage(target: str) -> None:
    """Anything else is an error with a hint, before any request."""
    with pytest.raises(UsageError) as caught:
        parse_hub_target(target)
    assert caught.value.hint


def test_the_listing_is_pinned_and_declares_digests(hub: Hub) -> None:
    """Files come from the full commit; LFS files declare SHA-256, others their git id."""
    opened = source("main")
    assert f"hf://acme/chat@{COMMIT}" == opened.target
    found = entries(opened)
    assert {
        "README.md": ("git-sha1", git_id(FILES["README.md"])),
        "model.safetensors": ("sha256", hashlib.sha256(WEIGHTS).hexdigest()),
        "config.json": ("git-sha1", git_id(b"{}")),
    } == {path: (item.declared_digests[0].algorithm, item.declared_digests[0].value) for path, item in found.items()}
    opened.close()
    assert all(f"/{COMMIT}" in path for _, path, _ in hub.requests if "/resolve/" in path or "/tree/" in path)


def test_what_the_hub_says_is_its_claim(hub: Hub) -> None:
    """Gating, dates and security status are kept as claims of the source."""
    issues = {"scansDone": True, "filesWithIssues": [{"path": "x", "level": "unsafe"}]}
    hub.repos["acme/chat"].info = {"gated": "manual", "securityRepoStatus": issues}
    facts = source().facts()
    assert ("hub", "acme/chat", COMMIT, "manual") == (facts.kind, facts.identity, facts.revision, facts.gated)
    assert 1 == facts.claims["security-files-with-issues"]
    hub.repos["acme/chat"].info = {"gated": True, "createdAt": 3}
    assert ("auto", None) == (source().facts().gated, source().facts().created)
    hub.repos["acme/chat"].info = {"gated": None}
    assert source().facts().gated is None


def test_a_read_gives_the_bytes_of_the_file(hub: Hub) -> None:
    """Ranges put together are the file; what was read once is not asked for again."""
    opened = source()
    entries(opened)
    with opened.open("model.safetensors") as data:
        assert WEIGHTS[5:105] == data.read_at(5, 100)
        asked = hub.file_requests()
        assert WEIGHTS[200:300] == data.read_at(200, 100)
        assert asked == hub.file_requests()
        assert WEIGHTS == data.read_at(0, len(WEIGHTS) + 5)
        buffer = memoryview(bytearray(10))
        assert 10 == data.read_into(250_000, buffer)
        assert WEIGHTS[250_000:250_010] == bytes(buffer)
        assert b"" == data.read_at(len(WEIGHTS), 1)
    assert opened.moved >= len(WEIGHTS)
    with pytest.raises(FileNotFoundError):
        opened.open("nothing")
    opened.close()


def test_pages_are_followed(hub: Hub, behaviour: Behaviour) -> None:
    """A listing in pages is put together."""
    behaviour.page = 1
    assert set(FILES) == set(entries(source()))


def test_a_listing_without_end_is_refused(hub: Hub, behaviour: Behaviour) -> None:
    """Pages that bring no new name end the scan; more names than the limit are left out, and that is said."""
    behaviour.endless_pages = True
    with pytest.raises(TargetError, match="without a new name"):
        list(source().entries())
    behaviour.page = 1
    items = list(source(limits=RemoteLimits(files=2)).entries())
    assert 2 == sum(isinstance(item, Entry) for item in items)
    assert ["everything after the first 2 files of the listing"] == [
        item.reason for item in items if isinstance(item, Skipped)
    ]


def test_a_listing_that_leads_elsewhere_is_refused(hub: Hub, behaviour: Behaviour) -> None:
    """The next page must be at the same host."""
    behaviour.page = 1
    behaviour.next_page_host = "http://198.51.100.7"
    with pytest.raises(TargetError, match="another host"):
        entries(source())


def test_names_that_climb_are_findings(hub: Hub) -> None:
    """A traversal name of the listing is not followed, and is found."""
    hub.repos["acme/chat"].files = {"../../etc/passwd": b"x", "/abs": b"y", "ok.txt": b"z\n"}
    opened = source()
    assert Fault.UNSAFE_NAME is entries(opened)["../../etc/passwd"].fault
    inventory = take_inventory(source(), Limits())
    assert {"path-traversal", "name-not-portable"} == {finding.rule.id for finding in inventory.findings}
    assert ["ok.txt"] == [file.path for file in inventory.files]


@pytest.mark.parametrize(
    ("denied", "revision", "message"),
    [
        ((404, "RepoNotFound"), None, "does not exist on the hub"),
        ((401, ""), None, "does not exist, or is private"),
        ((403, "GatedRepo"), None, "is gated"),
        ((400, ""), None, "answered 400"),
        (None, "v9", "has no revision v9"),
    ],
)
def test_refusals_are_named(hub: Hub, denied: tuple[int, str] | None, revision: str | None, message: str) -> None:
    """Missing, private, gated and unknown revision are told apart, with a hint."""
    hub.repos["acme/chat"].denied = denied
    with pytest.raises(TargetError, match=message) as caught:
        source(revision)
    assert caught.value.hint


def test_a_renamed_model_has_its_new_name(hub: Hub) -> None:
    """The identity is what the hub answers, also for an old name without owner."""
    hub.repos["gpt2"] = HubRepo({}, renamed_to="openai-community/gpt2")
    assert "openai-community/gpt2" == source(name="gpt2").identity


@pytest.mark.parametrize(
    "info", [{"sha": "main"}, {"id": "../x"}, {"id": 3}], ids=["no commit", "a strange name", "no name"]
)
def test_an_answer_that_identifies_nothing_is_refused(hub: Hub, info: dict[str, Any]) -> None:
    """Without a full commit and a name there is nothing to pin to."""
    hub.repos["acme/chat"].info = info
    with pytest.raises(TargetError, match="names no model"):
        source()


def test_passing_faults_are_tried_again(hub: Hub, behaviour: Behaviour) -> None:
    """503 and 429 are waited out as the server asks; for ever is not."""
    waits: list[float] = []
    behaviour.failures, behaviour.failure_status = 3, 429
    behaviour.failure_headers = {"RateLimit": '"api";r=0;t=7'}
    HubSource(HubName("acme/chat"), Network(wait=waits.append))
    assert [7.0, 7.0, 7.0] == waits
    behaviour.failures, behaviour.failure_headers = 1, {"Retry-After": "3600"}
    HubSource(HubName("acme/chat"), Network(wait=waits.append))
    assert 30.0 == waits[-1]
    behaviour.failures, behaviour.failure_headers, behaviour.failure_status = 99, {}, 503
    with pytest.raises(TargetError, match="answered 503"):
        source()


def test_offline_names_the_host(hub: Hub) -> None:
    """With --offline no request is made, and the error says who would have been asked."""
    with pytest.raises(TargetError, match=r"127\.0\.0\.1") as caught:
        open_source("hf://acme/chat", offline=True)
    assert "--offline" in str(caught.value.hint)
    assert [] == hub.requests


def test_a_hub_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is named without a traceback."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(TargetError, match="can't be reached"):
        source()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("ignore_ranges", True, "whole file"),
        ("wrong_content_range", True, "another range"),
        ("redirect_to", "http://localhost.localdomain.invalid:1/x", "can't be reached"),
        ("redirect_to", "file:///etc/passwd", "not http"),
        ("redirect_to", "http://10.0.0.1/secret", "inside this network"),
    ],
)
def test_a_server_that_lies_is_refused(hub: Hub, behaviour: Behaviour, field: str, value: object, message: str) -> None:
    """Ranges must be those that were asked for, and redirects may not lead inside."""
    opened = source()
    entries(opened)
    opened.close()
    setattr(behaviour, field, value)
    fresh = HubSource(HubName("acme/chat"), network())
    setattr(behaviour, field, value)
    list(fresh._tree())
    fresh._sizes = {"config.json": 2}
    with pytest.raises((MalformedFile, NetworkError), match=message):
        fresh.open("config.json").read_at(0, 2)


def test_a_file_that_changes_between_reads_is_refused(hub: Hub, behaviour: Behaviour) -> None:
    """The ETag must stay the same over all ranges of a file."""
    behaviour.changing_etag = True
    opened = source()
    entries(opened)
    with pytest.raises(MalformedFile, match="changed while"):
        opened.open("model.safetensors").read_at(0, len(WEIGHTS))


def test_a_cut_connection_is_resumed(hub: Hub, behaviour: Behaviour) -> None:
    """A body that breaks off is asked for again from where it broke."""
    opened = source()
    opened._sizes = {"model.safetensors": len(WEIGHTS)}
    behaviour.cut_after = 1000
    assert WEIGHTS[:5000] == opened.open("model.safetensors").read_at(0, 5000)
    ranges = [headers["Range"] for _, path, headers in hub.requests if "/resolve/" in path]
    assert ["bytes=0-65535", "bytes=1000-65535"] == ranges


def test_a_wrong_size_in_the_listing_is_refused(hub: Hub) -> None:
    """A file whose listed size is not the one that the server serves is not read on."""
    hub.repos["acme/chat"].sizes = {"config.json": 99}
    opened = source()
    entries(opened)
    with pytest.raises(MalformedFile, match=r"listed with 99|another range"):
        opened.open("config.json").read_at(0, 99)


def test_the_budgets_hold(hub: Hub) -> None:
    """A file and a scan move no more bytes than they may."""
    opened = source(limits=RemoteLimits(file_bytes=100_000))
    entries(opened)
    with pytest.raises(LimitExceeded, match="this file"):
        opened.open("model.safetensors").read_at(0, len(WEIGHTS))
    opened = source(limits=RemoteLimits(scan_bytes=1000))
    entries(opened)
    with pytest.raises(LimitExceeded, match="the scan"):
        opened.open("model.safetensors").read_at(0, 1)


def test_garbage_is_no_listing(hub: Hub, behaviour: Behaviour) -> None:
    """An answer that is not JSON is an error that names the host."""
    behaviour.garbage = True
    with pytest.raises(TargetError, match="not JSON"):
        source()


def test_the_token_goes_to_the_hub_only(hub: Hub, behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect to another host does not carry the authorization."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with running_hub({"acme/chat": HubRepo(dict(FILES))}) as other:
        client = network()
        client.trust(other.url)
        opened = HubSource(HubName("acme/chat"), client)
        opened._sizes = {"config.json": 2}
        behaviour.redirect_to = other.url.replace("127.0.0.1", "localhost") + f"/acme/chat/resolve/{COMMIT}/config.json"
        client.trust("http://localhost")
        assert b"{}" == opened.open("config.json").read_at(0, 2)
        assert (
            "Bearer hf_secret" == {name.lower(): value for name, value in hub.requests[0][2].items()}["authorization"]
        )
        assert "authorization" not in {name.lower() for _, _, headers in other.requests for name in headers}


class _SlowToOpen(RemoteLimits, frozen=True):
    """Limits that give a file only when two ask for it at once, or after a while."""

    both: Barrier = field(default_factory=lambda: Barrier(2))

    def open(self, remote: Remote, size: int, budget: ReadBudget) -> RangeSource:
        with suppress(BrokenBarrierError):
            self.both.wait(0.3)
        return super().open(remote, size, budget)


def test_a_file_that_two_open_at_once_is_one_source(hub: Hub) -> None:
    """The reader ahead and the reader share what was read and one budget, whoever comes first."""
    opened = HubSource(HubName("acme/chat"), network(), limits=_SlowToOpen(), preload=False)
    name = next(entry.path for entry in opened.entries() if isinstance(entry, Entry))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(opened.open, [name, name])
    assert first is second
    opened.close()
