from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.hub_double import Behaviour, HubRepo, running_hub

from aibom.errors import TargetError, UsageError
from aibom.fleet.targets import Slice, parse_slice, read_targets
from aibom.sources.hub_listing import models_of
from aibom.sources.network import Network


def make(root: Path, *files: str) -> None:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_a_file_holds_a_target_a_line(tmp_path: Path) -> None:
    """Comments and empty lines are passed over, doubles are named once, the order stays."""
    (tmp_path / "list").write_bytes(b"# models\nhf://acme/b\r\n\n  ./a \nhf://acme/b\n/caf\xe9\n")
    assert ["hf://acme/b", "./a", "/caf\udce9"] == read_targets(str(tmp_path / "list"))


def test_stdin_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash reads what another program writes."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"one\ntwo")))
    assert ["one", "two"] == read_targets("-")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "names no target"), (b"PK\x03\x04\0\0", "no list of targets"), (b"a" * 5000, ":1 is too long")],
)
def test_what_is_no_list_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """An empty file, a model in the place of a list, a line that no path has."""
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_targets(str(tmp_path / "list"))


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    """The message names it."""
    with pytest.raises(UsageError, match="none can't be read"):
        read_targets(str(tmp_path / "none"))


def test_a_folder_holds_repositories(tmp_path: Path) -> None:
    """owner/name and name alone are found; hidden folders and files beside them are not repositories."""
    make(tmp_path, "plain/config.json", "acme/chat/model.bin", "acme/tiny/sub/deep.bin", "README", ".git/config",
         "models--acme--x/snapshots/" + "a" * 40 + "/config.json", "models--acme--x/refs/main")  # fmt: skip
    (tmp_path / "link").symlink_to(tmp_path / "plain")
    expected = ["acme/chat", "acme/tiny/sub", "models--acme--x/snapshots/" + "a" * 40, "plain"]
    assert [str(tmp_path / name) for name in expected] == read_targets(str(tmp_path))


def test_the_depth_of_a_mirror_is_bounded(tmp_path: Path) -> None:
    """A chain of folders ends in a target, not in a walk without end."""
    make(tmp_path, "a/b/c/d/e/f/model.bin")
    assert [str(tmp_path / "a/b/c")] == read_targets(str(tmp_path))


def test_slices_part_the_targets() -> None:
    """Every target is in one slice, whatever else is in the list, and slices are alike in size."""
    targets = [f"hf://acme/model-{number}" for number in range(4000)]
    counts = Counter(index for index in range(4) for target in targets if target in Slice(index, 4))
    assert 4000 == sum(counts.values())
    assert all(900 < counts[index] < 1100 for index in range(4))


@pytest.mark.parametrize("text", ["", "1", "4/4", "1/0", "-1/3", "a/b", "1/2/3"])
def test_a_slice_that_means_nothing_is_refused(text: str) -> None:
    """Counting starts at 0 and ends below the number of parts."""
    with pytest.raises(UsageError, match="is no part"):
        parse_slice(text)
    assert Slice(0, 8) == parse_slice("0/8")


@pytest.fixture
def _no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))


@pytest.mark.usefixtures("_no_token")
def test_an_organisation_is_listed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """All its models on all pages, and nobody else's."""
    repos = {f"acme/m{number}": HubRepo({}) for number in range(7)} | {"other/x": HubRepo({})}
    with running_hub(repos, Behaviour(page=3)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert [f"hf://acme/m{number}" for number in range(7)] == read_targets("hf://acme/*")
        assert 3 == len(hub.requests)
        with pytest.raises(UsageError, match="names no target"):
            read_targets("hf://nobody/*")
        with pytest.raises(TargetError, match="more than 5 models"):
            list(models_of("acme", Network(), limit=5))


@pytest.mark.usefixtures("_no_token")
@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (Behaviour(page=3, endless_pages=True), "without a new name"),
        (Behaviour(page=3, next_page_host="http://elsewhere.example"), "at another host"),
        (Behaviour(failures=1, failure_status=403), "can't be listed"),
    ],
)
def test_a_listing_that_misbehaves_ends(monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, message: str) -> None:
    """A listing without end, one that leads away, and a refusal are errors."""
    repos = {f"acme/m{number}": HubRepo({}) for number in range(7)}
    with running_hub(repos, behaviour) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(TargetError, match=message):
            read_targets("hf://acme/*")


@pytest.mark.usefixtures("_no_token")
def test_offline_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """An organisation can't be listed offline, and no request is made."""
    with running_hub({}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(TargetError, match="offline"):
            read_targets("hf://acme/*", offline=True)
        assert [] == hub.requests
