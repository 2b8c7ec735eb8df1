from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from aibom.cli import main

ROOT = Path(__file__).parent.parent.parent
REAL = ROOT / "fixtures" / "real"
CHAT = REAL / "transformers" / "tiny-llama-chat"
COMMAND = b"cposix\nsystem\n(S'echo hello'\ntR."


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a model, and of the same with one weight file replaced."""
    folder = tmp_path_factory.mktemp("reports")
    shutil.copytree(CHAT, folder / "chat")
    assert 0 == run("scan", folder / "chat", "-o", f"json={folder}/old.json", "--no-config", "-q")
    (folder / "chat" / "pytorch_model.bin").write_bytes(COMMAND)
    assert 1 == run("scan", folder / "chat", "-o", f"json={folder}/new.json", "--no-config", "-q")
    return folder


def test_a_report_is_converted_without_a_scan(reports: Path, tmp_path: Path) -> None:
    """What `convert` writes is what `scan` would have written."""
    assert 0 == run(
        "convert", reports / "new.json", "-o", f"cyclonedx={tmp_path}/b.json", "-o", f"json={tmp_path}/r.json"
    )
    assert "CycloneDX" == json.loads((tmp_path / "b.json").read_text())["bomFormat"]
    assert (reports / "new.json").read_text() == (tmp_path / "r.json").read_text()


def test_a_report_is_read_from_stdin(
    reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-` is stdin."""
    content = io.TextIOWrapper(io.BytesIO((reports / "old.json").read_bytes()))
    monkeypatch.setattr(sys, "stdin", content)
    assert 0 == run("convert", "-", "-o", "table")
    assert "FILES" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "code"), [(None, 3), ("{}", 3), ("not json", 3), ('{"bomFormat": "CycloneDX"}', 3)]
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: str | None, code: int) -> None:
    """A missing, foreign or broken document is an error with one line."""
    if content is not None:
        (tmp_path / "x").write_text(content)
    assert code == run("convert", tmp_path / "x")


def test_a_difference_is_told(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The weight file and the new finding are named; `--exit-code` makes it 1."""
    assert 0 == run("diff", reports / "old.json", reports / "new.json")
    out = capsys.readouterr().out
    assert "pytorch_model.bin" in out
    assert "+ pickle-dangerous-import" in out
    assert 1 == run("diff", reports / "old.json", reports / "new.json", "--exit-code", "--format", "json")
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert {"weights", "findings"} <= {change["aspect"] for change in changes}


def test_nothing_changed_is_said(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report against itself has no difference."""
    assert 0 == run("diff", reports / "old.json", reports / "old.json", "--exit-code")
    assert "nothing changed\n" == capsys.readouterr().out


def test_a_foreign_document_is_compared_as_far_as_it_goes(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What another tool does not say is not comparable, never removed."""
    foreign = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "machine-learning-model", "name": "chat"}},
    }
    (tmp_path / "foreign.json").write_text(json.dumps(foreign))
    assert 0 == run("diff", tmp_path / "foreign.json", reports / "old.json")
    assert "not comparable" in capsys.readouterr().out


def test_a_bom_is_scored(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every profile has a line; one profile shows each element; the report and its BOM score alike."""
    assert 0 == run("score", reports / "old.json")
    assert 6 == len(capsys.readouterr().out.splitlines())
    assert 0 == run("score", reports / "old.json", "--profile", "g7-ai", "--profile", "ntia", "--format", "json")
    from_report = json.loads(capsys.readouterr().out)
    assert 0 == run("convert", reports / "old.json", "-o", f"cyclonedx={reports}/old.cdx.json")
    assert 0 == run("score", reports / "old.cdx.json", "--profile", "g7-ai", "--profile", "ntia", "--format", "json")
    assert from_report == json.loads(capsys.readouterr().out)
    assert 0 == run("score", reports / "old.json", "--profile", "g7-ai")
    assert "absent" in capsys.readouterr().out
    assert 2 == run("score", reports / "old.json", "--profile", "none")


def test_weights_are_lifted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tensors of a checkpoint are those that torch gave, read back by the safetensors library."""
    checkpoint = REAL / "torch" / "dtypes_protocol3.pt"
    assert 0 == run("to-safetensors", checkpoint, "-o", tmp_path / "out.safetensors")
    with safe_open(tmp_path / "out.safetensors", "np") as ours:
        names = set(ours.keys())
    expected = json.loads((REAL / "torch" / "dtypes_protocol3.expected.json").read_text())
    assert {item["name"] for item in expected["tensors"] if item["in_safetensors"]} <= names
    assert f"{len(names)} tensors" in capsys.readouterr().out


def test_a_dangerous_checkpoint_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What runs a command gives no weights, and no file is left."""
    (tmp_path / "evil.bin").write_bytes(COMMAND)
    assert 0 != run("to-safetensors", tmp_path / "evil.bin", "-o", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
    assert 3 == run("to-safetensors", tmp_path, "-o", tmp_path / "out.safetensors")
    assert "error:" in capsys.readouterr().err
