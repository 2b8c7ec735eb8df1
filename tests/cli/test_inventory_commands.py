from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.hub_double import HubRepo, running_hub

from aibom.cli import main

CHAT = Path(__file__).parents[2] / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
COMMAND = b"cposix\nsystem\n(S'echo hello'\ntR."


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    monkeypatch.delenv("AIBOM_INVENTORY", raising=False)


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    shutil.copytree(CHAT, tmp_path / "chat")
    return tmp_path / "chat"


def out_of(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert code == main(["inventory", *arguments])
    return capsys.readouterr().out


def test_the_weekly_job(chat: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One command scans every model again and says what changed: licence, weights, findings."""
    assert 0 == main(["inventory", "add", "chat"])
    assert "first scan" in capsys.readouterr().err
    assert "nothing changed\n" == out_of(capsys, "changes", "--scan", "--exit-code")
    card = (chat / "README.md").read_text()
    assert "apache-2.0" in card
    (chat / "README.md").write_text(card.replace("apache-2.0", "mit"))
    (chat / "extra.pkl").write_bytes(COMMAND)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790600000")
    monkeypatch.chdir(chat)  # the inventory remembers where the model is
    text = out_of(capsys, "changes", "--scan", "--exit-code", code=1)
    assert "Apache-2.0 → MIT" in text
    assert "pickle-dangerous-import in extra.pkl" in text
    only = json.loads(out_of(capsys, "changes", "--aspect", "licences", "--format", "json"))
    assert ["licences"] == sorted({change["aspect"] for item in only for change in item["changes"]})
    assert [] == json.loads(out_of(capsys, "changes", "--since", "2027-01-01", "--format", "json"))


def test_models_of_a_hub_are_watched_at_their_branch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is added by name is asked for again by name, and a licence that changed there is told."""
    files = {path.name: path.read_bytes() for path in CHAT.iterdir() if path.is_file()}
    with running_hub({"acme/chat": HubRepo(files)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert 0 == main(["inventory", "add", "hf://acme/chat"])
        (item,) = json.loads(out_of(capsys, "list", "--format", "json"))
        assert ("pkg:huggingface/acme/chat", "hf://acme/chat") == (item["model"], item["target"])
        hub.repos["acme/chat"].files["README.md"] = files["README.md"].replace(b"apache-2.0", b"mit")
        assert "Apache-2.0 → MIT" in out_of(capsys, "changes", "--scan")


def test_list_and_show(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which models, which licences, which determinations: as a table, JSON and a page."""
    assert 0 == main(["inventory", "add", "chat", "--model", "our <b>chat</b>"])
    table = out_of(capsys, "list")
    assert "our <b>chat</b>" in table
    assert "Apache-2.0" in table
    page = out_of(capsys, "list", "--format", "html")
    assert "our &lt;b&gt;chat" in page
    assert "<b>" not in page
    shown = out_of(capsys, "show", "our <b>chat</b>")
    assert "art-53-gpai" in shown
    (scan,) = json.loads(out_of(capsys, "show", "our <b>chat</b>", "--format", "json"))
    assert {"Apache-2.0": "declared"} == scan["licenses"]
    assert 3 == main(["inventory", "show", "none"])


def test_reports_that_were_saved_are_taken(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report of a pipeline, and all reports of a fleet."""
    assert 0 == main(["scan", "chat", "-o", "json=chat.json", "-q"])
    assert 0 == main(["inventory", "add", "--report", "chat.json"])
    Path("list").write_text("chat\n")
    assert 0 == main(["fleet", "list", "--out", "out", "-o", "json", "--jobs", "1"])
    assert 0 == main(["inventory", "add", "--fleet", "out"])
    (item,) = json.loads(out_of(capsys, "list", "--format", "json"))
    assert ("chat", 0) == (item["model"], item["changes"])


def test_an_empty_inventory_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """No model is no error."""
    assert "nothing is there\n" == out_of(capsys, "list")
    assert "nothing changed\n" == out_of(capsys, "changes")
    assert "nothing changed\n" == out_of(capsys, "changes", "--scan")
    assert [] == json.loads(out_of(capsys, "changes", "--format", "json"))
    assert "None" in out_of(capsys, "list", "--format", "html")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add"], 2, "nothing to add"),
        (["add", "a", "b", "--model", "x"], 2, "names one model"),
        (["add", "none"], 3, "does not exist"),
        (["add", "--report", "none.json"], 3, "can't be read"),
        (["list", "--db", "nosuch://x"], 2, "error:"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str) -> None:
    """The message names the fault, the code its kind."""
    assert code == main(["inventory", *arguments])
    assert message in capsys.readouterr().err


def test_one_that_fails_does_not_stop_the_others(chat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 3, and what could be scanned is kept."""
    assert 3 == main(["inventory", "add", "none", "chat"])
    assert ["chat"] == [item["model"] for item in json.loads(out_of(capsys, "list", "--format", "json"))]


def test_the_data_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Every table with its digest, the same as a report carries."""
    assert 0 == main(["data"])
    assert "licenses.csv" in capsys.readouterr().out
    assert 0 == main(["data", "show", "--format", "json"])
    found = json.loads(capsys.readouterr().out)["data"]
    assert "eu_ai_act.yaml" in found
