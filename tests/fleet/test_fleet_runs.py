from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fixtures.tensor_bytes import PAYLOAD
from tests.fleet.fleet_work import LONG, act, lines_of, until

from aibom.cli.output import write_file
from aibom.errors import AibomError, DataError, OutputError, UsageError
from aibom.findings import Severity
from aibom.fleet import driver
from aibom.fleet.driver import drive, entries, fails
from aibom.fleet.harness import Lane, local_lanes, run
from aibom.fleet.index import Index
from aibom.fleet.journal import Journal
from aibom.fleet.page import to_html, to_text
from aibom.fleet.records import Entry, Order, Status, Task
from aibom.fleet.worker import scan_target
from aibom.overview import Overview, RuleCount
from aibom.settings import Settings

ROOT = Path(__file__).parents[2]
CREATED = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
ORDER = Order(settings=Settings(as_of=CREATED.date(), jobs=1), created=CREATED, cache=False, formats=("table",))


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def driven(folder: Path, targets: Iterable[str], *, workers: int = 2, retry_failed: bool = False) -> dict[str, Entry]:
    folder.mkdir(exist_ok=True)
    lanes = local_lanes(workers)
    drive(list(targets), ORDER, lanes, folder, write=write_file, work=act, retry_failed=retry_failed)
    return {entry.target: entry for entry in entries(folder)}


def test_a_worker_that_dies_takes_only_its_own_target(tmp_path: Path) -> None:
    """One poison target among many is isolated and reported; all others are done, once."""
    notes = tmp_path / "notes"
    targets = [f"note:{notes}#{number}" for number in range(20)]
    found = driven(tmp_path / "out", [*targets[:7], "die", *targets[7:]], workers=3)
    assert dict.fromkeys(targets, Status.SCANNED) | {"die": Status.KILLED} == {
        target: entry.status for target, entry in found.items()
    }
    assert sorted(str(number) for number in range(20)) == sorted(notes.read_text().split())
    assert "its worker died each time" in (found["die"].error or "")


def test_a_death_by_accident_is_tried_again(tmp_path: Path) -> None:
    """A worker killed from outside costs a second try, not the target."""
    found = driven(tmp_path / "out", [f"die-once:{tmp_path / 'mark'}", "fine"])
    assert {Status.SCANNED} == {entry.status for entry in found.values()}


def test_a_fault_of_ours_is_a_failed_target(tmp_path: Path) -> None:
    """An exception in a worker is told with its kind, and the run goes on."""
    found = driven(tmp_path / "out", ["raise", "fine"], workers=1)
    assert (Status.FAILED, "ValueError: on purpose") == (found["raise"].status, found["raise"].error)
    assert Status.SCANNED == found["fine"].status


def test_a_lane_that_died_idle_is_replaced() -> None:
    """A worker killed between two targets is replaced, and neither is lost."""
    lane = local_lanes(1)[0]
    try:
        first = lane.submit(abs, -1)
        assert 1 == first.result().result
        executor: Any = lane.executor
        os.kill(executor.submit(os.getpid).result(), signal.SIGKILL)
        until(lambda: bool(executor._broken))
        assert 2 == lane.submit(abs, -2).result().result
        assert executor is not lane.executor
    finally:
        lane.end()


def test_finished_targets_are_not_done_again(tmp_path: Path) -> None:
    """A second run does only what is new; failed targets are done again only when asked for."""
    notes = tmp_path / "notes"
    first = [f"note:{notes}#1", "raise"]
    driven(tmp_path / "out", first)
    driven(tmp_path / "out", [*first, f"note:{notes}#2"])
    assert ["1", "2"] == notes.read_text().split()
    before = (tmp_path / "out" / "journal.jsonl").read_text().count("\n")
    found = driven(tmp_path / "out", first, retry_failed=True)
    assert before + 1 == (tmp_path / "out" / "journal.jsonl").read_text().count("\n")
    assert 3 == len(found)
    assert ["1", "2"] == notes.read_text().split()


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.fleet.test_fleet_runs import driven
driven(Path({out!r}), {targets!r})
"""


def test_kill_nine_of_the_driver_loses_nothing(tmp_path: Path) -> None:
    """After `kill -9` of the driver its workers end too, and the next run does the rest, each target once."""
    notes, out, gate = tmp_path / "notes", tmp_path / "out", tmp_path / "gate"
    # The last ones wait for a file, so that the driver dies in the middle however late it is killed.
    targets = [f"note:{notes}#{n}" for n in range(40)] + [f"wait:{gate}#{n}" for n in range(4)]
    script = tmp_path / "drive.py"
    script.write_text(
        "if __name__ == '__main__':\n"
        + "\n".join("    " + line for line in DRIVER.format(root=str(ROOT), out=str(out), targets=targets).splitlines())
    )
    process = subprocess.Popen([sys.executable, script], start_new_session=True)
    journal = out / "journal.jsonl"
    until(lambda: lines_of(journal) >= 6)
    process.kill()
    process.wait()
    finished = {entry.target for entry in entries(out)}
    assert 6 <= len(finished) <= 40
    until(lambda: not _alive(process.pid))
    gate.touch()
    found = driven(out, targets)
    assert set(targets) == set(found)
    lines = [json.loads(line)["target"] for line in journal.read_text().splitlines()]
    assert len(lines) == len(set(lines))
    done = notes.read_text().split()
    assert {str(n) for n in range(40)} == set(done)
    assert [] == [target for target in finished if done.count(target.partition("#")[2]) > 1]
    # What was not in the journal yet: of each worker the result that was on its way, and the target after that.
    assert len(done) <= 40 + 2 * 2
    for entry in found.values():
        assert f"{entry.target} is done\n" == (out / entry.documents["table"]).read_text()


def _alive(session: int) -> bool:
    for item in Path("/proc").iterdir():
        try:
            fields = (item / "stat").read_text().rpartition(")")[2].split() if item.name.isdigit() else []
        except OSError:
            continue
        if fields and fields[3] == str(session) and fields[0] != "Z":
            return True
    return False


def test_the_time_of_a_target_is_bounded() -> None:
    """The kernel ends a worker whose target takes too long, whatever it is doing."""
    code = (
        "import time\nfrom aibom.fleet import worker\nfrom tests.fleet.test_fleet_runs import ORDER\n"
        "from msgspec.structs import replace\nfrom aibom.fleet.records import Task\n"
        "worker._scan = lambda *_: [i for i in range(10**12) if i < 0]\n"
        "worker.scan_target(Task(target='x', order=replace(ORDER, wall_seconds=0.3)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=LONG)
    assert -signal.SIGALRM == ended.returncode


def test_memory_of_a_worker_is_bounded(tmp_path: Path) -> None:
    """A worker that wants more address space than it may have gets an error it can report."""
    lanes = local_lanes(1, memory_bytes=1024 * 1024 * 1024)
    (item,) = run(lanes, bytearray, [4 * 1024 * 1024 * 1024])
    assert isinstance(item.fault, MemoryError)


def test_real_targets_are_scanned(tmp_path: Path) -> None:
    """The worker's own scan: a model, a path that is missing; the outcome says which."""
    chat = str(ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat")
    good = scan_target(Task(target=chat, order=ORDER))
    assert Status.SCANNED == good.status
    assert good.overview is not None
    assert {"Apache-2.0": "declared"} == good.overview.licenses
    assert "llama" in good.documents["table"]
    assert 0 < good.cpu_seconds
    bad = scan_target(Task(target=str(tmp_path / "none"), order=ORDER))
    assert (Status.FAILED, True) == (bad.status, "does not exist" in (bad.error or ""))


def test_a_line_cut_off_is_dropped(tmp_path: Path) -> None:
    """What was being written when the machine stopped is done again; what stands before it is not."""
    driven(tmp_path, ["one", "two"])
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    for cut in (b'{"target":"th', b'{"target":"three"}', b"\0" * 20, b"\0" * 20 + b"\n"):
        path.write_bytes(whole + cut)
        found = driven(tmp_path, ["one", "two", "three"])
        assert {"one", "two", "three"} == set(found)
        assert path.read_bytes().startswith(whole)
        assert 3 == path.read_bytes().count(b"\n")


def test_damage_before_the_end_is_told(tmp_path: Path) -> None:
    """A journal that somebody damaged is not silently cut."""
    driven(tmp_path, ["one", "two"])
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(DataError, match=r"journal\.jsonl:1 is damaged"):
        driven(tmp_path, ["three"])


def test_two_drivers_cant_share_a_folder(tmp_path: Path) -> None:
    """The second run is told so; nothing is mixed."""
    with Journal(tmp_path), pytest.raises(UsageError, match="another run"):
        driven(tmp_path, ["one"])


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    """A journal that can't grow ends the run with an error, and goes on when there is room."""
    code = (
        "import resource, signal\nfrom pathlib import Path\nfrom tests.fleet.test_fleet_runs import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "journal = Journal(Path('.')); journal.__enter__(); list(journal.finished())\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))\n"
        "try:\n"
        "    for n in range(100): journal.add(Entry(target=f't{n}', status=Status.SCANNED, seconds=1.0))\n"
        "except OutputError as fault: print(fault)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
                           capture_output=True, text=True, check=True)  # fmt: skip
    assert "journal.jsonl can't be written: File too large" in ended.stdout
    raw = (tmp_path / "journal.jsonl").read_bytes()
    assert 2 < raw.count(b"\n") < 100
    assert raw.endswith(b"\n")
    assert raw.count(b"\n") == len(list(entries(tmp_path)))


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    """The journal is the truth; the index is a view of it."""
    driven(tmp_path, ["one", "two"])
    (tmp_path / "index.sqlite").write_bytes(b"not a database" * 500)
    driven(tmp_path, ["one", "two", "three"])
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        assert [("one",), ("three",), ("two",)] == connection.execute(
            "SELECT target FROM targets ORDER BY 1"
        ).fetchall()
    connection.close()


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    """A path of any bytes has a line, a row and a file of its own."""
    raw = os.fsdecode(b"/mirror/caf\xe9")
    found = driven(tmp_path, [raw, "fine"])
    assert {"/mirror/caf\\xe9", "fine"} == set(found)
    assert 2 == len({entry.documents["table"] for entry in found.values()})
    driven(tmp_path, [raw])
    assert 2 == (tmp_path / "journal.jsonl").read_text().count("\n")


def test_slices_are_gathered(tmp_path: Path) -> None:
    """A run without a slice takes what jobs with slices have finished, and their documents."""
    for number, target in enumerate(("one", "two")):
        driven(tmp_path / f"slice-{number}-of-2", [target])
    found = driven(tmp_path, ["one", "two", "three"])
    assert 1 == (tmp_path / "journal.jsonl").read_text().count("\n")
    assert all((tmp_path / entry.documents["table"]).is_file() for entry in found.values())
    assert 3 == len(found)


def overview(**changes: object) -> Overview:
    values: dict[str, object] = {
        "name": "m", "version": "1", "purl": None, "root_digest": "0" * 64, "verdict": "Not safe to load",
        "tone": "bad", "covered": False, "files": 2, "size": 3, **changes,
    }  # fmt: skip
    return Overview(**values)  # type: ignore[arg-type]


def test_the_summary_counts(tmp_path: Path) -> None:
    """Findings by rule with the worst severity, licences, determinations, and who to look at."""
    rules = {
        "bad-rule": RuleCount(severity=Severity.CRITICAL, count=2),
        "small": RuleCount(severity=Severity.LOW, count=1),
    }
    mild = {"bad-rule": RuleCount(severity=Severity.MEDIUM, count=1)}
    items = [
        Entry(target="<b>a</b>", status=Status.SCANNED, seconds=1, overview=overview(
            rules=rules, licenses={"MIT": "declared"}, determinations={"art-53": "indicates", "x": "suggests"},
            headlines={"art-53": "text"}, signatures=("oms: verified",))),
        Entry(target="b", status=Status.SCANNED, seconds=2,
              overview=overview(rules=mild, licenses={"MIT": "declared"})),
        Entry(target="c\x1b[31m", status=Status.FAILED, seconds=0, error="gone"),
    ]  # fmt: skip
    with Index(tmp_path) as index:
        index.rebuild(items[:1])
        for item in items[1:]:
            index.add(item)
            index.add(item)
        summary = index.summary()
    assert {"failed": 1, "scanned": 2} == summary.statuses
    assert [("bad-rule", Severity.CRITICAL, 2, 3), ("small", Severity.LOW, 1, 1)] == [
        (rule.rule, rule.severity, rule.targets, rule.findings) for rule in summary.rules
    ]
    assert {"MIT": 2} == summary.licenses
    assert {("art-53", "indicates"): 1} == summary.determinations
    assert ["<b>a</b>"] == [item.target for item in summary.grave]
    assert 2 == summary.partly
    text = to_text(summary)
    assert "\x1b" not in text
    assert "2 scanned" in text
    page = to_html(summary, title="<i>", created="2026-11-21")
    assert "<b>a</b>" not in page
    assert "\x1b" not in page
    assert "&lt;b&gt;a&lt;/b&gt;" in page
    assert "<script" not in page
    assert to_text(summary).splitlines()[-1].startswith("1 failed · 2 scanned")


class _Links(HTMLParser):
    """The addresses of a page, with their texts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = dict(attrs)["href"] if tag == "a" else None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.found.append((self._open, data))
            self._open = None


@pytest.mark.parametrize(
    ("documents", "address"),
    [
        ({"html": "results/a.html", "cyclonedx": "results/a.cdx.json"}, "./results/a.cdx.json"),
        (
            {"sarif": "results/a.sarif", "spdx": "slice-1-of-2/results/a.spdx.json"},
            "./slice-1-of-2/results/a.spdx.json",
        ),
        ({"html": "results/a #1?%41 é.html"}, "./results/a%20%231%3F%2541%20%C3%A9.html"),
        ({"html": "javascript:alert(1)"}, "./javascript%3Aalert%281%29"),
        ({"html": '"><script>x</script>'}, "./%22%3E%3Cscript%3Ex%3C/script%3E"),
        ({"html": "//other.example/a"}, ".///other.example/a"),
        ({}, None),
    ],
)
def test_what_to_look_at_leads_to_its_bill_of_materials(
    documents: dict[str, str], address: str | None, tmp_path: Path
) -> None:
    """A row links to the file beside the page, never to another place; without a file it is text."""
    with Index(tmp_path) as index:
        grave = overview(gate=True)
        entry = Entry(target="<b>a</b>", status=Status.SCANNED, seconds=1, overview=grave, documents=documents)
        index.rebuild([entry])
        page = to_html(index.summary(), title="run", created="2026-11-21")
    links = _Links()
    links.feed(page)
    assert ([(address, "<b>a</b>")] if address else []) == links.found
    assert "&lt;b&gt;a&lt;/b&gt;" in page
    assert "<script" not in page


def test_every_link_of_a_run_leads_to_a_file(tmp_path: Path) -> None:
    """What the page names lies where it says."""
    from aibom.cli import main  # noqa: PLC0415 -- the command as a user runs it

    model = tmp_path / "mirror" / "model #1"
    model.mkdir(parents=True)
    (model / "config.json").write_bytes(b"{}")
    (model / "pytorch_model.bin").write_bytes(PAYLOAD)
    out = tmp_path / "out"
    assert 1 == main(["fleet", str(tmp_path / "mirror"), "--out", str(out), "--jobs", "1"])
    links = _Links()
    links.feed((out / "summary.html").read_text(encoding="utf-8"))
    (found,) = links.found
    assert (out / unquote(found[0])).read_bytes()


def test_what_fails_a_pipeline(tmp_path: Path) -> None:
    """A finding as bad as asked for, or a gate whatever was asked for."""
    low = overview(rules={"r": RuleCount(severity=Severity.LOW, count=1)})
    with Journal(tmp_path) as journal:
        journal.add(Entry(target="a", status=Status.SCANNED, seconds=1, overview=low))
    assert [True, False, False] == [fails(tmp_path, word) for word in ("low", "medium", "never")]
    with Journal(tmp_path) as journal:
        journal.add(Entry(target="b", status=Status.SCANNED, seconds=1, overview=overview(gate=True)))
    assert fails(tmp_path, "never")


def test_every_format_has_an_ending() -> None:
    """No format that a scan writes is missing from a run."""
    from aibom.emitters import EMITTERS  # noqa: PLC0415

    assert set(EMITTERS) == set(driver.ENDINGS)


def test_a_lane_gives_up(tmp_path: Path) -> None:
    """An executor that is always broken is an error."""
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

    class Broken(Executor):
        def submit(self, *args: Any, **options: Any) -> Future[Any]:
            raise BrokenProcessPool

    with pytest.raises(AibomError, match="die as soon as they start"):
        list(run([Lane(Broken)], act, [Task(target="x", order=ORDER)]))


def test_nothing_is_left_when_a_result_cant_be_written(tmp_path: Path) -> None:
    """A document that can't be written ends the run, and the target counts as not finished."""

    def full(path: Path, content: bytes) -> None:
        raise OutputError(f"{path.name} can't be written: No space left on device")

    with pytest.raises(OutputError, match="No space"):
        drive(["one"], ORDER, local_lanes(1), tmp_path, write=full, work=act)
    assert [] == list(entries(tmp_path))


class Losing(Executor):
    """Does its work, and loses the first result with the worker that kept it, as a scheduler may."""

    def __init__(self) -> None:
        self.lost = 0

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.lost:
            future.set_result(function(*args, **kwargs))
        else:
            self.lost += 1
            future.set_exception(OSError("timed out while a dead worker was asked"))
        return future


def test_a_result_that_is_lost_is_worked_out_again() -> None:
    """What a future says beside what the task said is a fault of the place: the task is tried once more."""
    results = {done.task: done.result for done in run([Lane(Losing)], abs, [-1, -2])}
    assert {-1: 1, -2: 2} == results
