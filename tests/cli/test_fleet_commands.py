from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fleet.fleet_work import LONG, lines_of, until
from tests.hub_double import HubRepo, running_hub

from aibom.cli import main

ROOT = Path(__file__).parents[2]
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
COMMAND = b"cposix\nsystem\n(S'echo hello'\ntR."
AIBOM = str(Path(sys.executable).parent / "aibom")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    # The workers of a test are children of the test's own process, which has read other things than a command has.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    for name in ("one", "two", "three"):
        shutil.copytree(CHAT, tmp_path / "mirror" / name)
    return tmp_path / "mirror"


def test_a_clean_mirror_passes(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, a document for each target, an index, a page, and a summary on stdout."""
    assert 0 == main(["fleet", "mirror", "--out", "out", "--jobs", "2", "-o", "json", "-o", "cyclonedx"])
    out, err = capsys.readouterr()
    assert "" == err
    assert "3 scanned · 36 files" in out
    with sqlite3.connect("out/index.sqlite") as connection:
        paths = [path for (path,) in connection.execute("SELECT path FROM documents")]
        rows = connection.execute("SELECT status, name, verdict FROM targets ORDER BY name").fetchall()
    connection.close()
    assert 6 == len(paths)
    assert all(json.loads(Path("out", path).read_bytes()) for path in paths)
    assert ["one", "three", "two"] == [name for _, name, _ in rows]
    page = Path("out/summary.html").read_text()
    assert "Apache-2.0" in page
    assert "Content-Security-Policy" in page


def test_a_fleet_says_what_a_scan_says(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A target's document in a fleet is the one that a scan of it writes."""
    (mirror / "two" / "extra.pkl").write_bytes(COMMAND)
    assert 1 == main(["fleet", "mirror", "--out", "out", "--jobs", "1"])
    capsys.readouterr()
    assert 1 == main(["scan", "mirror/two", "-o", "cyclonedx", "--jobs", "1"])
    (path,) = [path for path in Path("out/results").rglob("*.cdx.json") if "two" in path.name]
    assert json.loads(capsys.readouterr().out) == json.loads(path.read_bytes())


def test_the_models_of_an_organisation(tmp_path: Path) -> None:
    """`hf://owner/*` is every model that the hub lists there, each scanned where it lies."""
    files = {path.name: path.read_bytes() for path in CHAT.iterdir() if path.is_file()}
    repos = {f"acme/{name}": HubRepo(dict(files)) for name in ("one", "two")} | {"other/three": HubRepo(dict(files))}
    with running_hub(repos) as hub:
        done = subprocess.run(
            [AIBOM, "fleet", "hf://acme/*", "--out", "out", "--jobs", "2"], capture_output=True, text=True, check=False,
            env={**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN_PATH": str(tmp_path / "none")},
        )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)
    assert "2 scanned · 24 files" in done.stdout
    with sqlite3.connect("out/index.sqlite") as connection:
        purls = [purl.split("@")[0] for (purl,) in connection.execute("SELECT purl FROM targets ORDER BY purl")]
    connection.close()
    assert ["pkg:huggingface/acme/one", "pkg:huggingface/acme/two"] == purls


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("critical", 1)])
def test_findings_decide_the_exit_code(mirror: Path, fail_on: str, code: int) -> None:
    """Exit 1 for a finding at or above `--fail-on` in any target."""
    (mirror / "one" / "extra.pkl").write_bytes(COMMAND)
    assert code == main(["fleet", "mirror", "--out", "out", "--jobs", "1", "--fail-on", fail_on])


def test_a_target_that_cant_be_scanned_outranks_findings(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 3, the others are done, the summary names it; `--retry-failed` takes it up again."""
    (mirror / "one" / "extra.pkl").write_bytes(COMMAND)
    Path("list").write_text("mirror/one\nmirror/none\nmirror/two\n")
    assert 3 == main(["fleet", "list", "--out", "out", "--jobs", "1"])
    assert "mirror/none  mirror/none does not exist" in capsys.readouterr().out
    shutil.copytree(CHAT, mirror / "none")
    assert 3 == main(["fleet", "list", "--out", "out", "--jobs", "1"])
    assert 1 == main(["fleet", "list", "--out", "out", "--jobs", "1", "--retry-failed"])


def test_slices_share_the_work(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs with a slice each do every target once; a run without slices gathers them."""
    for number in range(3):
        assert 0 == main(["fleet", "mirror", "--out", "out", "--jobs", "1", "--slice", f"{number}/3"])
    capsys.readouterr()
    assert 0 == main(["fleet", "mirror", "--out", "out", "--jobs", "1"])
    assert "3 scanned" in capsys.readouterr().out
    assert "" == Path("out/journal.jsonl").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fleet", "none", "--out", "out"], 2, "can't be read"),
        (["fleet", "mirror"], 2, "--out"),
        (["fleet", "mirror", "--out", "out", "--slice", "3/3"], 2, "is no part"),
        (["fleet", "mirror", "--out", "out", "--jobs", "2", "--scheduler", "tcp://x:1"], 2, "exclude each other"),
        (["fleet", "mirror", "--out", "mirror/one/README.md/out"], 3, "can't be made"),
        (["fleet", "mirror", "--out", "out", "--memory", "10"], 2, "--memory"),
    ],
)
def test_wrong_usage(
    mirror: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    """Nothing is scanned, the message names the fault."""
    assert code == main(arguments)
    assert message in capsys.readouterr().err


def test_an_open_scheduler_is_warned_of(
    mirror: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """tcp:// to another machine is neither encrypted nor authenticated, and that is said."""
    pytest.importorskip("distributed", reason="the extra aibom[distributed] is not installed")
    monkeypatch.setattr("aibom.fleet.cluster._CONNECT_SECONDS", 0.5)
    assert 3 == main(["fleet", "mirror", "--out", "out", "--scheduler", "tcp://192.0.2.1:1"])
    assert "use tls://" in capsys.readouterr().err


def test_ctrl_c_stops_at_once_and_goes_on_later(mirror: Path) -> None:
    """Exit 130, no worker is left, whole files only, and the next run does the rest."""
    for number in range(20):
        shutil.copytree(CHAT, mirror / f"more-{number:02}")
    # The last ones take minutes, so that nothing is finished however late it is stopped.
    for name in ("zz-big", "zz-bigger"):
        (mirror / name).mkdir()
        with (mirror / name / "weights.data").open("wb") as file:
            file.truncate(1 << 40)
    process = subprocess.Popen([AIBOM, "fleet", "mirror", "--out", "out", "--jobs", "2", "--no-cache"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
    journal = Path("out/journal.jsonl")
    until(lambda: lines_of(journal) >= 3)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the group
    _, err = process.communicate(timeout=LONG)
    assert (130, b"interrupted") == (process.returncode, err.strip())
    finished = journal.read_bytes().count(b"\n")
    assert 3 <= finished <= 23
    assert [] == [path.name for path in Path("out").rglob(".*")]
    until(lambda: not _alive(process.pid))
    for name in ("zz-big", "zz-bigger"):
        shutil.rmtree(mirror / name)
    assert 0 == main(["fleet", "mirror", "--out", "out", "--jobs", "2"])
    assert 23 == lines_of(journal)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
