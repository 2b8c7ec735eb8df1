from __future__ import annotations

import gzip
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.weights import safetensors_bytes
from tests.hub_double import COMMIT, Behaviour, Hub, HubRepo, running_hub

from aibom.cli import main
from aibom.errors import MalformedFile, TargetError
from aibom.sources.answers import NetworkError, Pace
from aibom.sources.http_file import HttpFile
from aibom.sources.hub import ANSWER_BYTES, HubName, HubSource
from aibom.sources.network import Network

WEIGHTS = bytes(range(256)) * 1024
FILES = {"README.md": b"# card\n", "model.safetensors": WEIGHTS}


class Clock:
    """Seconds that pass only when somebody looks."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def hub(behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub({"acme/chat": HubRepo(dict(FILES))}, behaviour) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def network(hub: Hub, **options: object) -> Network:
    made = Network(wait=lambda _: None, **options)  # type: ignore[arg-type]  # whatever a test chooses
    made.trust(hub.url)
    return made


def weights(hub: Hub, **options: object) -> HttpFile:
    return HttpFile(network(hub, **options), f"{hub.url}/acme/chat/resolve/{COMMIT}/model.safetensors", len(WEIGHTS))


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b"<html>", {}, "not JSON"),
        (b"", {}, "not JSON"),
        (b"[" * 1_000_000, {}, "not JSON"),
        (b'{"id": "acme/chat", "sha": "main"}', {}, "names no model"),
        (json.dumps({"id": "../../etc", "sha": COMMIT}).encode(), {}, "names no model"),
        (b"[]", {}, "names no model"),
        (b" " * (ANSWER_BYTES + 1), {}, "more than"),
        (gzip.compress(b" " * (ANSWER_BYTES + 1)), {"Content-Encoding": "gzip"}, "more than"),
        (b"no gzip at all", {"Content-Encoding": "gzip"}, "not the gzip"),
        (b"x", {"Content-Encoding": "br"}, "the encoding br"),
    ],
    ids=["page", "empty", "deep", "branch", "name", "list", "huge", "bomb", "no-gzip", "brotli"],
)
def test_an_answer_of_the_hub_is_bounded_and_checked(
    hub: Hub,
    behaviour: Behaviour,
    capsys: pytest.CaptureFixture[str],
    body: bytes,
    headers: dict[str, str],
    message: str,
) -> None:
    """Whatever the hub answers, the command ends with one line that says so, and never as a bug of ours."""
    behaviour.body, behaviour.body_headers = body, headers
    assert 3 == main(["scan", "hf://acme/chat"])
    err = capsys.readouterr().err
    assert message in err
    assert "bug" not in err


def test_an_answer_that_a_proxy_packed_is_read(hub: Hub, behaviour: Behaviour) -> None:
    """Some proxies pack answers whatever was asked for."""
    packed = gzip.compress(json.dumps({"a": ["b" * 100_000]}).encode())
    behaviour.body, behaviour.body_headers = packed, {"Content-Encoding": "gzip"}
    found, _ = network(hub).get_json(f"{hub.url}/api/models/acme/chat", {}, limit=200_000)
    assert {"a": ["b" * 100_000]} == found


@pytest.mark.parametrize(
    "item", [{"type": "file"}, {"type": "file", "path": "x", "size": -1, "oid": "x"}, 3, "x", None]
)
def test_a_listing_of_something_else_is_an_error(hub: Hub, item: object) -> None:
    """An entry that is no file ends the scan: a listing that is not understood is not a shorter one."""
    opened = HubSource(HubName("acme/chat"), network(hub))
    hub.behaviour.body = json.dumps([item]).encode()
    with pytest.raises(TargetError, match="no file"):
        list(opened.entries())
    opened.close()


def test_a_head_that_drips_is_left(hub: Hub, behaviour: Behaviour) -> None:
    """Each line comes soon enough for a timeout between reads; the whole answer does not."""
    behaviour.header_pause = 0.1
    started = time.monotonic()
    with pytest.raises(NetworkError, match=r"did not answer within 0\.3 seconds"):
        weights(hub, patience=0.3).fetch(0, 100)
    assert time.monotonic() - started < 1.5


def test_a_body_that_drips_is_left(hub: Hub) -> None:
    """After a grace of a minute, less than 7 KiB a second is refused, by stream as by range."""
    with pytest.raises(NetworkError, match="too slowly"):
        weights(hub, clock=Clock(50.0)).fetch(0, 100_000)
    with pytest.raises(NetworkError, match="too slowly"):
        list(weights(hub, clock=Clock(50.0)).stream(0))
    with pytest.raises(TargetError, match="too slowly"):
        HubSource(HubName("acme/chat"), network(hub, clock=Clock(100.0)))


def test_a_slow_line_is_no_attack(hub: Hub, behaviour: Behaviour) -> None:
    """Pieces that come in small parts are put together; an hour for 100 MB is borne."""
    behaviour.body_pause = 0.001
    assert WEIGHTS == weights(hub).fetch(0, len(WEIGHTS))
    clock = Clock(3.6)
    pace = Pace(clock)
    assert all(pace.keeps(100_000) for _ in range(1000))


def test_a_server_that_hangs_up_again_and_again_is_left(hub: Hub, behaviour: Behaviour) -> None:
    """A body that breaks off each time is asked for five times, from where it broke."""

    class Forever(Behaviour):
        """Cuts every body after a hundred bytes."""

        @property
        def cut_after(self) -> int | None:  # of this double it never runs out
            return 100

        @cut_after.setter
        def cut_after(self, value: int | None) -> None: ...

    hub.behaviour = Forever()
    with pytest.raises(NetworkError, match="broke off after 500 of"):
        weights(hub).fetch(0, 10_000)
    ranges = [headers["Range"] for _, path, headers in hub.requests if "/resolve/" in path]
    assert [f"bytes={start}-9999" for start in range(0, 500, 100)] == ranges


def test_a_stream_that_breaks_off_goes_on(hub: Hub, behaviour: Behaviour) -> None:
    """A whole file is read over a cut connection, and given up where the server hangs up each time."""
    behaviour.cut_after = 1000
    assert WEIGHTS == b"".join(weights(hub).stream(0))
    ranges = [headers["Range"] for _, path, headers in hub.requests if "/resolve/" in path]
    assert [f"bytes=0-{len(WEIGHTS) - 1}", f"bytes=1000-{len(WEIGHTS) - 1}"] == ranges
    behaviour.failures, behaviour.failure_status = 99, 503
    with pytest.raises(NetworkError, match="answered 503"):
        list(weights(hub).stream(0))


def test_a_download_is_held_to_the_listing(
    hub: Hub, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--download` digests what is served: other bytes than were listed are critical, and nothing is kept."""
    monkeypatch.chdir(tmp_path)
    repo = hub.repos["acme/chat"]
    repo.files = {"model.safetensors": safetensors_bytes({"a": ("F32", (500,))}), "config.json": b"{ }"}
    assert 0 == main(["scan", "hf://acme/chat", "--download", "-q", "-o", "json"])
    digests = json.loads(capsys.readouterr().out)["digests"]["model.safetensors"]
    assert {"computed", "declared"} == {item["basis"] for item in digests}
    assert 1 == len({item["value"] for item in digests})
    repo.declared = {name: data[:-1] + b"!" for name, data in repo.files.items()}
    assert 0 == main(["scan", "hf://acme/chat", "-q", "-o", "json"]), "without it nobody has seen the bytes"
    capsys.readouterr()
    assert 1 == main(["scan", "hf://acme/chat", "--download", "-q", "-o", "json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {("model.safetensors", "critical"), ("config.json", "critical")} == {
        (item["location"]["path"], item["severity"]) for item in findings if item["rule"]["id"] == "hash-mismatch"
    }
    assert [] == [path for path in tmp_path.iterdir() if path.name != "none"]


@pytest.mark.parametrize(
    "place",
    [
        "http://127.1/x",
        "http://2130706433/x",
        "http://[::1]/x",
        "http://[::ffff:10.0.0.1]/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0/x",
        "http://100.64.0.1/x",
        "http://[fe80::1]/x",
        "http://[fc00::1]/x",
        "http://localhost/x",
    ],
)
def test_no_redirect_leads_inside(hub: Hub, behaviour: Behaviour, place: str) -> None:
    """However an address of this network is written, a redirect to it is not followed."""
    behaviour.redirect_to = place
    with pytest.raises(NetworkError, match="inside this network"):
        weights(hub).fetch(0, 100)


def test_no_redirect_leads_to_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that went out encrypted is not sent again in the clear, nor is anything read that way."""

    class Answer:
        def __init__(self) -> None:
            self.status_code = 302
            self.headers = {"location": "http://hub.example/x"}

        def close(self) -> None: ...

    class Client:
        def build_request(self, method: str, url: str, headers: dict[str, str]) -> str:
            return url

        def send(self, request: str, *, stream: bool) -> Answer:
            assert stream
            return Answer()

        def close(self) -> None: ...

    asked = Network(_client=Client())
    asked.trust("https://hub.example")
    with pytest.raises(NetworkError, match="https to http"), asked.open("https://hub.example/x", {}):
        pass


def test_a_file_that_shrinks_is_refused(hub: Hub) -> None:
    """The size that the server tells must be the one that was listed, for every range."""
    data = weights(hub)
    assert WEIGHTS[:10] == data.fetch(0, 10)
    hub.repos["acme/chat"].files["model.safetensors"] = WEIGHTS[:-1]
    with pytest.raises(MalformedFile, match=r"was listed with|changed"):
        data.fetch(10, 10)


def test_names_of_a_hostile_listing_stay_names(
    hub: Hub, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that climb, paint or break lines are findings and text; nothing is written for them."""
    monkeypatch.chdir(tmp_path)
    hub.repos["acme/chat"].files = {
        "../../../tmp/evil.py": b"x", "a/../../b": b"x", "/etc/passwd": b"x", "C:\\x": b"x", "a\x1b[31mred": b"x",
        "line\nbreak": b"x", "x?y#z%2e%2e/..%2f": b"ok", "\u202egpj.exe": b"x", "model.safetensors": WEIGHTS,
    }  # fmt: skip
    main(["scan", "hf://acme/chat", "-o", "json=r.json", "-o", "table"])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "path-traversal" in out
    assert ["r.json"] == [path.name for path in tmp_path.iterdir() if path.name != "none"]
    asked = [path for _, path, _ in hub.requests if "/resolve/" in path]
    assert not any("/../" in path for path in asked)
    assert any("x%3Fy%23z%252e" in path for path in asked), "a name is quoted as a whole"


def test_a_large_zip_is_compared_where_it_is_opened(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    """The pickle's own header is held against the directory; that the other headers were not read is said."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/data/0", b"\n\x3c" * 5_000_000)
    hub.repos["acme/chat"].files = {"pytorch_model.bin": out.getvalue().replace(b"data.pkl", b"datb.pkl", 1)}
    assert 1 == main(["scan", "hf://acme/chat", "-o", "json", "-q", "--lineage", "offline"])
    report = json.loads(capsys.readouterr().out)
    (found,) = [item["message"] for item in report["findings"] if item["rule"]["id"] == "archive-ambiguous"]
    assert "datb.pkl" in found
    assert "partial" == report["inspections"][0]["coverage"]
    assert hub.bytes_sent < 500_000
