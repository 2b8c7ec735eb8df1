from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aibom.cli import main

CHAT = Path(__file__).parents[2] / "fixtures" / "real" / "transformers" / "tiny-llama-chat"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")


def info(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    assert 0 == main(["cache", "info", "--format", "json"])
    found: dict[str, int] = json.loads(capsys.readouterr().out)
    return found


def test_a_scan_remembers_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `--cache` no file is made; with it, the same report comes out twice; `clear` removes everything."""
    monkeypatch.setattr("aibom.cache.memory.SETTLED_SECONDS", -60.0)
    shutil.copytree(CHAT, tmp_path / "chat")
    texts = []
    for option in ("--no-cache", "--cache", "--cache"):
        assert main(["scan", "chat", "-o", "json", option]) in {0, 1}
        texts.append(capsys.readouterr().out)
        assert (option == "--cache") == (tmp_path / "cache" / "aibom" / "scans.sqlite").exists()
    assert texts[0] == texts[1] == texts[2]
    assert 0 < info(capsys)["files"]
    assert 0 == main(["cache", "clear"])
    assert "cleared" in capsys.readouterr().out
    assert [] == list((tmp_path / "cache" / "aibom").iterdir())
    assert 0 == info(capsys)["files"]


def test_info_reads_well(capsys: pytest.CaptureFixture[str]) -> None:
    """A person sees the place, the counts and the limit."""
    assert 0 == main(["cache", "info"])
    out = capsys.readouterr().out
    assert "scans.sqlite" in out
    assert "0 files" in out
    assert "of 1.0 GiB" in out


def test_what_cant_be_removed_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 3 with a line that names the file."""
    (tmp_path / "cache" / "aibom" / "scans.sqlite").mkdir(parents=True)
    assert 3 == main(["cache", "clear"])
    assert "scans.sqlite can't be removed" in capsys.readouterr().err
