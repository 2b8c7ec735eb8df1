"""What stands around the command: the action, the hooks, the container file, shell completion, the site's contents."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from fixtures.demo import COMMAND

from aibom.cli import group
from aibom.formats import is_weight_name

ROOT = Path(__file__).parents[2]
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
BASH = shutil.which("bash")


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for a runner's temporary folder, in which aibom is installed already."""
    folder = tmp_path_factory.mktemp("runner")
    (folder / "aibom-venv" / "bin").mkdir(parents=True)
    program = folder / "aibom-venv" / "bin" / "aibom"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aibom "$@"\n')
    program.chmod(0o755)
    return folder


def run_step(name: str, runner: Path, variables: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """Run a step of the action as a runner does; return exit code, outputs and job summary."""
    assert BASH is not None
    (step,) = [step for step in loaded("action.yml")["runs"]["steps"] if step.get("name") == name]
    # Expressions stand in the environment only: as text of a script, an input would be a command.
    assert "${{" not in step["run"]
    output, summary = runner / "output", runner / "summary"
    for file in (output, summary):
        file.write_text("")
    environment = {
        "PATH": os.environ["PATH"],
        "RUNNER_TEMP": str(runner),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
        **variables,
    }
    command = [BASH, "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=runner)
    pairs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return done.returncode, pairs, summary.read_text()


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_the_action_leaves_its_results_and_then_fails(runner: Path, tmp_path: Path) -> None:
    """A malicious model: summary, BOM, SARIF and report are there, and the last step ends with the exit code."""
    target = tmp_path / "a model; echo owned"
    shutil.copytree(CHAT, target)
    (target / "pytorch_model.bin").write_bytes(COMMAND)
    variables = {"TARGET": str(target), "FAIL_ON": "high", "ARGS": "--publish-check --as-of 2026-10-01"}
    code, outputs, summary = run_step("Scan", runner, variables)
    assert (0, "1") == (code, outputs["exit-code"])
    assert "pickle-dangerous-import" in summary.replace("&#45;", "-")
    assert "CycloneDX" == json.loads(Path(outputs["bom"]).read_text())["bomFormat"]
    assert "2.1.0" == json.loads(Path(outputs["sarif"]).read_text())["version"]
    assert json.loads(Path(outputs["report"]).read_text())["settings"]["publish_check"] is True
    assert 1 == run_step("Verdict", runner, {"CODE": outputs["exit-code"]})[0]


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_the_action_says_what_could_not_be_done(runner: Path, tmp_path: Path) -> None:
    """A target that is missing, or looks like an option, gives code 3 and no outputs that are not there."""
    for path in (runner / "aibom").glob("*"):
        path.unlink()
    variables = {"TARGET": str(tmp_path / "missing"), "FAIL_ON": "high", "ARGS": ""}
    code, outputs, summary = run_step("Scan", runner, variables)
    assert (0, {"exit-code": "3"}, "") == (code, outputs, summary)
    code, outputs, _ = run_step("Scan", runner, {**variables, "TARGET": "--help"})
    assert (0, {"exit-code": "3"}) == (code, outputs)


def test_the_action_names_what_it_hands_on() -> None:
    """Every output and input that a step uses is declared."""
    action = loaded("action.yml")
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == set(action["inputs"])
    assert all(f"steps.scan.outputs.{name}" in item["value"] for name, item in action["outputs"].items())


def test_hooks_take_the_files_that_hold_weights() -> None:
    """The pattern of the hook and the names that weights usually have agree; options of the entries exist."""
    hooks = {hook["id"]: hook for hook in loaded(".pre-commit-hooks.yaml")}
    pattern = re.compile(hooks["aibom"]["files"])
    for name in ("model.safetensors", "sub/pytorch_model.bin", "a.GGUF", "x.pkl", "m.onnx", "w.h5", "c.ckpt"):
        assert pattern.search(name), name
        assert is_weight_name(name)
    assert not any(pattern.search(name) for name in ("README.md", "config.json", "train.py", "bin/tool"))
    for hook in hooks.values():
        program, command, *options = hook["entry"].split()
        assert ("aibom", "scan") == (program, command)
        with pytest.raises(SystemExit):
            group.main([command, *options, "--help"], prog_name=program)


def test_the_container_runs_without_rights() -> None:
    """The image ends as a numbered user who is not root, installs from what is copied, and starts the command."""
    lines = (ROOT / "Containerfile").read_text().splitlines()
    assert re.fullmatch(r"USER [1-9]\d*", [line for line in lines if line.startswith("USER")][-1])
    assert 'ENTRYPOINT ["aibom"]' in lines
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    kept = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    names = {name.removeprefix("./") for names in copied for name in names}
    assert names == kept
    assert all((ROOT / name).exists() for name in names)


def complete(words: str, *, shell: str = "bash") -> list[str]:
    environment = {**os.environ, "_AIBOM_COMPLETE": f"{shell}_complete", "COMP_WORDS": words,
                   "COMP_CWORD": str(len(words.split(" ")) - 1)}  # fmt: skip
    command = [sys.executable, "-c", "import sys; from aibom.cli import main; sys.exit(main())"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_words_complete() -> None:
    """Commands, options and values of options are offered."""
    assert ["scan", "score"] == [word for word in complete("aibom sc") if word]
    assert "--fail-on" in complete("aibom scan --fa")
    assert ["high"] == complete("aibom scan --fail-on hi")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    """The line in the documentation prints a script for this shell, which names the command."""
    assert f"_AIBOM_COMPLETE={shell}_source aibom" in (ROOT / "docs" / "quickstart.md").read_text()
    environment = {**os.environ, "_AIBOM_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-c", "import sys; from aibom.cli import main; sys.exit(main())"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    assert "aibom" in done.stdout
    assert f"{shell}_complete" in done.stdout


def test_every_page_is_in_the_site() -> None:
    """A page that nobody can reach is not read."""

    def pages(entry: Any) -> list[str]:
        match entry:
            case str():
                return [entry]
            case dict():
                return [page for value in entry.values() for page in pages(value)]
            case list():
                return [page for value in entry for page in pages(value)]
        return []

    shown = pages(loaded("mkdocs.yml")["nav"])
    assert sorted(path.name for path in (ROOT / "docs").glob("*.md")) == sorted(shown)


def test_pictures_are_small() -> None:
    """A clone is not paid for with pictures, and each of them is shown somewhere."""
    text = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    pictures = list((ROOT / "docs" / "images").glob("*"))
    assert pictures
    for picture in pictures:
        assert 300_000 > picture.stat().st_size
        assert f"images/{picture.name}" in text


def helps() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    context: Any = None
    for name in group.list_commands(context):
        found.append((name,))
        command = group.get_command(context, name)
        found += [(name, inner) for inner in getattr(command, "commands", {})]
    return found


@pytest.mark.parametrize("words", helps(), ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_begins_with_what_to_type(words: tuple[str, ...], option: str) -> None:
    """Every command says in its first lines what it does, then shows calls that exist."""
    result = CliRunner().invoke(group, [*words, option], prog_name="aibom")
    assert 0 == result.exit_code
    assert "\n  " in result.output
    if len(words) <= 1:
        assert result.output.index("Examples:") < result.output.index("Options:")
    calls = [shlex.split(line) for line in result.output.splitlines() if line.startswith("    aibom ")]
    if len(words) == 1:
        assert words[0] in {call[1] for call in calls}
    for call in calls:
        assert options_of(call[1:]) >= {
            word.partition("=")[0] for word in call[2:] if word.startswith("-") and word[1:]
        }


def options_of(words: list[str]) -> set[str]:
    context: Any = None
    command: Any = group.get_command(context, words[0])
    assert command is not None, words[0]
    if len(words) > 1 and words[1] in getattr(command, "commands", {}):
        command = command.commands[words[1]]
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


MISTAKES = {
    "scan": (2, "Missing argument"),
    "scan x --fail-on hihg": (2, "high"),
    "scan x -o cyclondx": (2, "did you mean cyclonedx?"),
    "scan x -o pdf": (2, "formats: table"),
    "scan x -o table -o json": (2, "give all but one a path"),
    "scan x --digest sha3": (2, "digests:"),
    "scan x --purl model": (2, "pkg:huggingface/owner/name"),
    "scan x --no-such": (2, "No such option"),
    "scan x --as-of tomorrow": (2, "does not match the format"),
    "scan missing-folder": (3, "does not exist"),
    "sacn x": (2, "Did you mean 'scan'?"),
    "pdf x": (2, "No such command"),
    "convert missing.json -o html": (3, "missing.json"),
    "diff a.json b.json": (3, "a.json"),
    "score missing.json": (3, "missing.json"),
    "verify missing.json .": (3, "missing.json"),
    "explain no-such-rule": (2, "no-such-rule"),
    "to-safetensors missing.bin -o x.safetensors": (3, "missing.bin"),
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_named_with_what_to_do(line: str, tmp_path: Path) -> None:
    """A wrong call says in a line or two what is wrong, what would be right, and is no traceback."""
    code, said = MISTAKES[line]
    command = [sys.executable, "-m", "aibom", *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (code, "") == (done.returncode, done.stdout), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert 6 >= len(done.stderr.splitlines())
    assert [] == list(tmp_path.iterdir())
