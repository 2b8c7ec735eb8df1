from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from aibom.cli import main
from aibom.resolvers.scancode import Answer, Opinion
from aibom.resolvers.second_opinions import ask_second_reader

ROOT = Path(__file__).parent.parent.parent
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
COMMAND = b"cposix\nsystem\n(S'echo hello'\ntR."


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds a configuration by accident, and the clock stands still."""
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    shutil.copytree(CHAT, tmp_path / "chat")
    return tmp_path / "chat"


@pytest.fixture
def malicious(model: Path) -> Path:
    (model / "pytorch_model.bin").write_bytes(COMMAND)
    return model


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_benign_model_passes(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, a table on stdout, nothing on stderr."""
    assert 0 == run("scan", model)
    out, err = capsys.readouterr()
    assert "LlamaForCausalLM" in out or "llama" in out
    assert "" == err
    assert "\x1b" not in out


def test_a_dangerous_model_fails(malicious: Path) -> None:
    """Exit 1; `--fail-on never` reports and passes; a critical threshold still fails for a critical finding."""
    assert 1 == run("scan", malicious)
    assert 0 == run("scan", malicious, "--fail-on", "never")
    assert 1 == run("scan", malicious, "--fail-on", "critical")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument"),
        (["no-such-thing"], 3, "does not exist"),
        (["{empty}"], 3, "has no files"),
        (["gopher://x"], 2, "gopher"),
        (["{model}", "-o", "jsn"], 2, "unknown format"),
        (["{model}", "--fail-on", "awful"], 2, "Invalid value"),
        (["{model}", "--as-of", "tomorrow"], 2, "Invalid value"),
        (["{model}", "--digest", "crc"], 2, "unknown digest"),
        (["{model}", "--purl", "nonsense"], 2, "not a package URL"),
        (["{model}", "--jobs", "0"], 2, "Invalid value"),
        (["{model}", "--config", "c.toml", "--no-config"], 2, "exclude"),
        (["{model}", "{model}", "-o", "json"], 2, "several targets"),
        (["{model}", "-o", "json=/no/such/folder/x"], 2, "does not exist"),
        (["{model}", "-o", "json=/dev/full"], 3, "No space left"),
    ],
)
def test_bad_commands_have_a_clear_error(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    """Wrong usage is 2, what could not be done is 3; one line says why, and nothing is on stdout."""
    (tmp_path / "empty").mkdir()
    filled = [argument.format(model=model, empty=tmp_path / "empty") for argument in arguments]
    assert code == run("scan", *filled)
    out, err = capsys.readouterr()
    assert message in err
    assert "Traceback" not in err
    assert "" == out


def test_an_unknown_command_suggests_scan_for_a_path(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`aibom ./model` says what was probably meant."""
    assert 2 == run(model)
    assert f"aibom scan {model}" in capsys.readouterr().err
    assert 2 == run("scann", model)


def test_several_outputs_come_from_one_scan(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table on stdout and files beside it; the JSON report loads."""
    assert 0 == run("scan", model, "-o", "table", "-o", f"json={tmp_path}/r.json", "-o", f"cyclonedx={tmp_path}/b.json")
    assert "FILES" in capsys.readouterr().out
    assert "chat" == json.loads((tmp_path / "r.json").read_text())["target"]
    assert "CycloneDX" == json.loads((tmp_path / "b.json").read_text())["bomFormat"]


def test_no_path_of_this_machine_is_in_any_output(model: Path, tmp_path: Path) -> None:
    """Reports name the target, not where it stood."""
    for name in ("json", "cyclonedx", "table"):
        assert 0 == run("scan", model, "-o", f"{name}={tmp_path}/out")
        assert str(tmp_path) not in (tmp_path / "out").read_text()


def test_both_versions_of_the_bom_are_written(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--spec-version` chooses between CycloneDX 1.7 and 1.6."""
    for version in ("1.7", "1.6"):
        assert 0 == run("scan", model, "-o", "cyclonedx", "--spec-version", version)
        assert version == json.loads(capsys.readouterr().out)["specVersion"]


def test_the_users_identity_stands_in_the_bom(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Name, version, supplier and purl given on the command line are the model's."""
    commit = "ab" * 20
    arguments = ("--name", "acme-chat", "--version", "2.0", "--supplier", "ACME")
    assert 0 == run("scan", model, "-o", "cyclonedx", *arguments, "--purl", f"pkg:huggingface/acme/chat@{commit}")
    component = json.loads(capsys.readouterr().out)["metadata"]["component"]
    assert ("acme-chat", "2.0", "ACME") == (component["name"], component["version"], component["supplier"]["name"])
    assert f"pkg:huggingface/acme/chat@{commit}" == component["purl"]


def test_more_digests_on_request(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--digest` adds algorithms to SHA-256."""
    assert 0 == run("scan", model, "-o", "json", "--digest", "sha512", "--digest", "sha256", "--digest", "blake3")
    report = json.loads(capsys.readouterr().out)
    assert {"sha256", "sha512", "blake3"} == {item["algorithm"] for item in report["digests"]["config.json"]}


def test_several_targets_are_all_scanned(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that fails does not keep the others from being scanned; 3 outranks 1."""
    shutil.copytree(model, tmp_path / "evil")
    (tmp_path / "evil" / "pytorch_model.bin").write_bytes(COMMAND)
    assert 3 == run("scan", model, tmp_path / "gone", tmp_path / "evil")
    out, err = capsys.readouterr()
    assert "pickle-dangerous-import" in out
    assert "does not exist" in err


def test_color_is_for_terminals(
    malicious: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe gets none unless it is forced; NO_COLOR goes before FORCE_COLOR."""
    run("scan", malicious, "--color", "always")
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    run("scan", malicious)
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    run("scan", malicious)
    assert "\x1b[" not in capsys.readouterr().out


def test_an_ignore_keeps_the_finding_and_lets_the_scan_pass(
    malicious: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reviewed finding does not fail the scan, stays in the report, and `--no-ignores` brings it back."""
    Path("aibom.toml").write_text('[[ignore]]\nrule = "pickle-dangerous-import"\nreason = "reviewed"\n')
    assert 0 == run("scan", malicious, "-o", "json")
    findings = json.loads(capsys.readouterr().out)["findings"]
    (entry,) = [item for item in findings if item["rule"]["id"] == "pickle-dangerous-import"]
    assert "reviewed" == entry["suppression"]["reason"]
    assert 1 == run("scan", malicious, "--no-ignores")
    assert 1 == run("scan", malicious, "--no-config")


def test_a_configuration_inside_the_target_switches_nothing_off(
    malicious: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scanning `.` does not take ignores and gates from the scanned directory, and says so."""
    (malicious / "aibom.toml").write_text(
        '[scan]\nfail-on = "never"\noutput = ["json"]\n'
        '[[ignore]]\nrule = "pickle-dangerous-import"\nreason = "trust me"\n'
    )
    monkeypatch.chdir(malicious)
    assert 1 == run("scan", ".")
    out, err = capsys.readouterr()
    assert json.loads(out)["target"] == "chat"
    assert "aibom.toml stands inside the target" in err


def test_a_baseline_makes_the_next_scan_pass(malicious: Path, tmp_path: Path) -> None:
    """`--write-ignores` writes what `--config` takes; a changed file lets the ignore lapse."""
    baseline = tmp_path / "aibom.toml"
    assert 1 == run("scan", malicious, "--write-ignores", baseline)
    assert 0 == run("scan", malicious, "--config", baseline)
    (malicious / "pytorch_model.bin").write_bytes(COMMAND.replace(b"hello", b"other"))
    assert 1 == run("scan", malicious, "--config", baseline)


def test_a_policy_gate_fails_whatever_the_threshold(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refused licence or format is exit 1 even with `--fail-on never`."""
    policy = tmp_path / "policy.toml"
    policy.write_text('[policy]\nallow-licenses = ["MIT"]\ndeny-formats = ["pytorch-zip"]\n')
    assert 1 == run("scan", model, "--policy", policy, "--fail-on", "never")
    out = capsys.readouterr().out
    assert "policy-license" in out
    assert "policy-format" in out
    policy.write_text('[policy]\nallow-licenses = ["apache-2.0"]\n')
    assert 0 == run("scan", model, "--policy", policy)


def test_settings_can_be_shown(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--show-settings` names every value and where it came from, and scans nothing."""
    Path("aibom.toml").write_text('[scan]\njobs = 3\n[bom]\nsupplier = "ACME"\n[operator]\nrole = "deployer"\n')
    assert 0 == run("scan", model, "--show-settings", "--fail-on", "low")
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert ["low", "command", "line"] == rows["fail-on"]
    assert ["3", "aibom.toml"] == rows["jobs"]
    assert ["ACME", "aibom.toml"] == rows["supplier"]
    assert "default" == rows["color"][-1]
    assert "role" == rows["operator"][0]


def test_a_broken_configuration_is_wrong_usage(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that means nothing stops the scan before it starts."""
    Path("aibom.toml").write_text("[polcy]\n")
    assert 2 == run("scan", model)
    assert "did you mean policy?" in capsys.readouterr().err
    Path("aibom.toml").write_text('[scan]\nfail-on = "awful"\n')
    assert 2 == run("scan", model)


def test_a_strange_clock_is_wrong_usage(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SOURCE_DATE_EPOCH must be seconds."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert 2 == run("scan", model)


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version, `-h` shows examples."""
    assert 0 == run("--version")
    assert "aibom" in capsys.readouterr().out
    for arguments in (["-h"], ["scan", "-h"], ["explain", "--help"]):
        assert 0 == run(*arguments)
        assert "Examples:" in capsys.readouterr().out


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    """A rule is explained, all are listed, a near miss is suggested."""
    assert 0 == run("explain", "pickle-dangerous-import")
    assert "CWE-502" in capsys.readouterr().out
    assert 0 == run("explain")
    assert "symlink-escape" in capsys.readouterr().out
    assert 2 == run("explain", "pickle-dangerous-imports")
    assert "did you mean pickle-dangerous-import?" in capsys.readouterr().err
    assert 2 == run("explain", "qqqq")


def test_a_bug_is_one_line(model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody expected is exit 3 with a hint; the traceback comes with -vv."""
    import aibom.cli.scan  # noqa: PLC0415

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(aibom.cli.scan, "scan", broken)
    assert 3 == run("scan", model)
    err = capsys.readouterr().err
    assert "boom" in err
    assert "Traceback" not in err
    assert 3 == run("scan", model, "-vv")
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with 130."""
    import aibom.cli.scan  # noqa: PLC0415

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(aibom.cli.scan, "scan", interrupted)
    assert 130 == run("scan", model)


def test_a_reader_that_goes_away_is_no_crash(model: Path) -> None:
    """`aibom scan ... | head -1` ends without a traceback."""
    command = f"{sys.executable} -m aibom scan {model} -o json | head -c 1"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, env={**os.environ})
    assert "" == result.stderr
    assert "{" == result.stdout


def test_the_scanner_is_not_loaded_for_the_version() -> None:
    """`aibom --version` imports neither the pipeline nor a heavy library."""
    code = "import sys; from aibom.cli import main; main(['--version']); print([m for m in sys.modules if m in HEAVY])"
    heavy = "HEAVY = {'aibom.pipeline', 'cyclonedx', 'huggingface_hub', 'yaml', 'msgspec', 'rich'}; "
    result = subprocess.run([sys.executable, "-c", heavy + code], capture_output=True, text=True, check=True)
    assert "[]" == result.stdout.splitlines()[-1]


def test_a_second_opinion_that_is_not_installed_is_an_error(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for ScanCode without having it is told how to get it, before anything is scanned."""
    if find_spec("licensedcode") is not None:
        pytest.skip("ScanCode is installed here")
    assert 2 == run("scan", model, "--second-opinion", "scancode")
    out, err = capsys.readouterr()
    assert ("", "error: the second opinion of ScanCode is not installed\n  hint: pip install 'aibom[scancode]'\n") == (
        out,
        err,
    )


def test_the_configuration_asks_for_a_second_opinion(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`second-opinion` under `[scan]` is the option; a reader that there is not is an error."""
    monkeypatch.setattr("aibom.resolvers.scancode.is_installed", lambda: True)
    Path("aibom.toml").write_text('[scan]\nsecond-opinion = "scancode"\n')
    assert 0 == run("scan", model, "--show-settings")
    assert "second-opinion scancode                 aibom.toml" in capsys.readouterr().out
    Path("aibom.toml").write_text('[scan]\nsecond-opinion = "licensee"\n')
    assert 2 == run("scan", model)
    assert "second-opinion is 'licensee'" in capsys.readouterr().err


def test_a_second_opinion_stands_apart_in_the_bom(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the second reader says is detected evidence with its name, and declares and concludes nothing."""
    monkeypatch.setattr("aibom.resolvers.scancode.is_installed", lambda: True)
    answer = Answer(who="ScanCode 1.0", opinions=(Opinion(licenses=(("Apache-2.0", 99.0),)),))
    ask = partial(ask_second_reader, ask=lambda _: answer)
    monkeypatch.setattr("aibom.resolvers.resolving.ask_second_reader", ask)
    (model / "LICENSE").write_text((ROOT / "LICENSE").read_text())
    assert 0 == run("scan", model, "--second-opinion", "scancode", "-o", "cyclonedx", "--fail-on", "never")
    root = json.loads(capsys.readouterr().out)["metadata"]["component"]
    named = [
        (item["license"]["id"], note["value"])
        for item in root["evidence"]["licenses"]
        for note in item["license"]["properties"]
        if note["name"] == "aibom:license:second-opinion"
    ]
    assert [("Apache-2.0", "ScanCode 1.0")] == named
    assert not any("ScanCode" in json.dumps(item) for item in root["licenses"])
