from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aibom.cli import main
from aibom.cli.output import file_name
from aibom.cli.several import Row, to_markdown, to_text
from aibom.emitters.options import EmitOptions

CHAT = Path(__file__).parent.parent.parent / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
COMMAND = b"cposix\nsystem\n(S'echo hello'\ntR."


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an ordinary model, one that runs a command, and another of that name, as current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    shutil.copytree(CHAT, tmp_path / "chat")
    shutil.copytree(CHAT, tmp_path / "evil")
    (tmp_path / "evil" / "pytorch_model.bin").write_bytes(COMMAND)
    shutil.copytree(tmp_path / "evil", tmp_path / "other" / "evil")
    return tmp_path


def run(*arguments: str) -> int:
    return main(["scan", *arguments])


def test_the_summary_comes_last(capsys: pytest.CaptureFixture[str]) -> None:
    """Every target has its table under its name, then a row; the last line counts, and the worst code is returned."""
    assert 3 == run("chat", "gone", "evil")
    out, err = capsys.readouterr()
    assert "hint: give a directory" in err
    assert ["== chat", "== evil"] == [line for line in out.splitlines() if line.startswith("==")]
    rows = [line.split() for line in out[out.index("\nTARGET") :].splitlines()]
    assert ["TARGET", "FINDINGS", "LICENCE", "INSPECTED", "VERDICT"] == rows[1]
    assert ["chat", "gone", "evil"] == [row[0] for row in rows[2:5]]
    assert "1 critical of 4" in " ".join(rows[4])
    assert "Apache-2.0" in rows[4]
    assert "pickle-dangerous-import" in rows[4]
    assert out.splitlines()[-1].startswith("3 targets: 1 could not be scanned, 1 to stop at, 1 with nothing found")


def test_the_worst_code_is_returned() -> None:
    """Without a target that failed, the code is that of the findings."""
    assert 1 == run("chat", "evil")
    assert 0 == run("chat", "evil", "--fail-on", "never")


def test_each_target_has_its_files(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`{name}` is the target's name; without a table on stdout the summary is said on stderr, unless quiet."""
    (models / "out").mkdir()
    assert 1 == run("chat", "./evil/", "-o", "json=out/{name}.json", "-o", "sarif=out/{number}.sarif")
    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith("TARGET")
    assert {"chat.json", "evil.json", "1.sarif", "2.sarif"} == {path.name for path in (models / "out").iterdir()}
    assert "evil" == json.loads((models / "out" / "evil.json").read_text())["target"]
    assert 1 == run("chat", "evil", "-q", "-o", "json=out/{name}.json")
    assert ("", "") == capsys.readouterr()


def test_one_target_may_use_the_placeholder(models: Path) -> None:
    """A script need not tell one target from several."""
    assert 0 == run("chat", "-o", "cyclonedx={name}.cdx.json")
    assert (models / "chat.cdx.json").is_file()


def test_markdown_holds_all_with_the_summary_first(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job summary is one document: the rows, then every target."""
    assert 1 == run("chat", "evil", "-o", "markdown=summary.md", "-o", "table=all.txt")
    assert ("", "") == capsys.readouterr()
    heads = [line for line in (models / "summary.md").read_text().splitlines() if line.startswith("## ")]
    assert ["## 2 targets: 1 to stop at, 1 with nothing found that runs code on load", "## chat", "## evil"] == heads
    text = (models / "all.txt").read_text()
    assert text.index("== chat") < text.index("== evil") < text.index("TARGET") < text.index("2 targets:")
    assert 1 == run("chat", "evil", "-o", "markdown")
    assert (models / "summary.md").read_text() == capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("chat", "evil", "-o", "json"), "stdout takes one", "-o 'json={name}."),
        (("chat", "evil", "-o", "sarif=x"), "would write the same file x", "-o 'sarif={name}.sarif'"),
        (("evil", "other/evil", "-o", "json={name}.json"), "evil.json", "{number}-{name}"),
        (("evil", "evil", "-o", "json={name}.json"), "evil.json", "{number}-{name}"),
        (("chat", "evil", "-o", "json=none/{name}"), "does not exist", "mkdir -p"),
        (("chat", "evil", "-o", "markdown=x", "-o", "table=x"), "same file x", "path of its own"),
        (("chat", "evil", "-o", "markdown=1", "-o", "json={number}"), "same file 1", "path of its own"),
    ],
)
def test_targets_do_not_write_over_each_other(
    models: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str, hint: str
) -> None:
    """What would be lost is refused before anything is scanned or written, and the way out is named."""
    before = set(models.iterdir())
    assert 2 == run(*arguments)
    out, err = capsys.readouterr()
    assert "" == out
    assert message in err
    assert hint in err
    assert before == set(models.iterdir())


def test_a_baseline_holds_the_findings_of_all(models: Path) -> None:
    """`--write-ignores` writes one file for all targets."""
    assert 1 == run("chat", "evil", "-q", "-o", "table=t", "--write-ignores", "aibom.toml")
    assert 1 == (models / "aibom.toml").read_text().count("[[ignore]]")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("./models/chat/", "chat"),
        ("/models/chat.tar.gz", "chat.tar.gz"),
        ("hf://acme/chat", "acme--chat"),
        ("hf://acme/chat@v1/x", "acme--chat@v1--x"),
        ("pkg:huggingface/acme/chat@0f", "acme--chat@0f"),
        ("https://user:pw@host/a/model.onnx?token=x", "model.onnx"),
        ("s3://bucket/pre fix/chat", "bucket--pre-fix--chat"),
        ("ollama://llama3.2:1b", "llama3.2-1b"),
        ("oci-layout:/kits/chat#v1", "chat-v1"),
        ("hf://../..", "target"),
        ("/", "target"),
        ("x" * 300, "x" * 120),
    ],
)
def test_a_target_has_a_name_for_files(target: str, name: str) -> None:
    """The name is one that any file system takes, without folders, credentials and the machine's paths."""
    assert name == file_name(target)


def test_a_name_of_the_target_paints_nothing() -> None:
    """Neither a terminal nor a page takes text of a target for more than text."""
    row = Row(target="a\x1b[31m[red]b", tone="clear", verdict="<img src=x>|", license="`x`")
    text = to_text([row], EmitOptions())
    assert r"a\u{1b}[31m[red]b" in text
    assert "\x1b" not in text
    page = to_markdown([row])
    assert "<img" not in page
    assert 7 == page.splitlines()[-1].count("|") + 1


def test_a_terminal_has_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows fold where the terminal ends, and the verdict has its colour."""
    rows = [Row(target="hf://" + "x" * 60, tone="bad", verdict="not safe to load: pickle-dangerous-import")]
    text = to_text(rows, EmitOptions(width=80, color=True))
    assert "\x1b[31m" in text
    assert all(len(line) <= 80 for line in to_text(rows, EmitOptions(width=80)).splitlines())
