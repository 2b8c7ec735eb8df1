"""How answers of scanners are asked for, read and counted."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tools.peers import remembered
from tools.peers.__main__ import PAGE
from tools.peers.page import Column, alarms, by_class, count, found_by_others_only, found_by_us_only, summary
from tools.peers.public import denied, label, sample_trials
from tools.peers.running import Answer, Answers, alone, batched, gathered, run, whose
from tools.peers.scanners import AIBOM, PEERS, Readings, judged, read_modelaudit, read_modelscan
from tools.peers.trials import BENIGN, Trial, make

from aibom.files import Format

RUNS = b"cposix\nsystem\n(S'echo aibom'\ntR."
FLAGGED, PASSED, REFUSED = Answer.FLAGGED, Answer.PASSED, Answer.REFUSED


def trial(name: str, kind: str = "pickle", folder: str = "0000") -> Trial:
    return Trial(
        name=name, kind=kind, technique="a trick", folder=Path("/t") / folder, formats=frozenset({Format.PICKLE}),
        suffixes=frozenset({".pkl"}),
    )  # fmt: skip


A, B, C, D = trial("a"), trial("b"), trial("c", "zip"), trial("d", BENIGN)
ALL = (A, B, C, D)


def column(name: str, answers: Answers) -> Column:
    return Column(name=name, peer=AIBOM, version="1", answers=answers)


OURS = column("aibom", {"a": FLAGGED, "b": PASSED, "c": FLAGGED, "d": PASSED})
THEIRS = column("other", {"a": REFUSED, "b": FLAGGED, "d": FLAGGED})


def test_every_answer_is_counted_once() -> None:
    """Found, missed, refused and not looked at make up the hostile cases; alarms are counted of harmless ones asked."""
    it = count(ALL, THEIRS.answers)
    assert (1, 0, 1, 1) == (it.found, it.missed, it.refused, it.outside)
    assert (2, 1, 1, 0) == (it.looked_at, it.alarms, it.harmless, it.harmless_refused)


def test_the_tables_say_what_was_counted() -> None:
    """A scanner has its row, a class its cell; what a scanner does not claim to read is a dash, and no miss."""
    assert "| other | 1 | 0 | 1 | 1 | 1 of 1 | 0 |" == summary(ALL, [OURS, THEIRS])[3]
    assert ["| pickle | 2 | 1 of 2 | 1 of 2, 1 refused |", "| zip | 1 | 1 of 1 | – |"] == by_class(ALL, [OURS, THEIRS])[
        2:
    ]


def test_differences_are_listed_both_ways() -> None:
    """What another scanner flags and ours does not is named with what ours says; so is the other way, by class."""
    assert ["| `b` | a trick | other | pickle-trailing-data (medium) |"] == list(
        found_by_others_only(ALL, [OURS, THEIRS], {"b": "pickle-trailing-data (medium)"})
    )
    assert ["- pickle (1): `a`"] == list(found_by_us_only(ALL, [OURS, THEIRS]))
    assert ["- other (1): `d`"] == list(alarms(ALL, [OURS, THEIRS]))


def test_a_crash_costs_one_case_its_answer() -> None:
    """A batch that gives no answer is halved until the case that breaks it stands alone."""

    def ask(batch: Sequence[Trial], _: Path) -> Answers | None:
        return None if C in batch else dict.fromkeys((one.name for one in batch), PASSED)

    assert {"a": PASSED, "b": PASSED, "c": REFUSED, "d": PASSED} == batched(ALL, ask, 4, REFUSED)
    assert {"a": FLAGGED, "d": FLAGGED} == alone([A, D], lambda _trial, _folder: FLAGGED)


def test_a_process_without_end_is_ended(tmp_path: Path) -> None:
    """At the time limit a process is killed, and that it was is told apart from how others end."""
    slow = run([sys.executable, "-c", "import time; time.sleep(60)"], 0.5, tmp_path)
    assert (None, True) == (slow.code, slow.crashed)
    raised = run([sys.executable, "-c", "1/0"], 30, tmp_path)
    assert (1, True) == (raised.code, raised.crashed)
    assert (
        "PROMPTFOO_DISABLE_TELEMETRY" in run([sys.executable, "-c", "import os; print(*os.environ)"], 30, tmp_path).out
    )


def test_a_reported_path_belongs_to_one_case() -> None:
    """The folder of a case is looked for as a whole part of a path."""
    batch = [trial("a", folder="0001"), trial("b", folder="0012")]
    assert batch[1] is whose(batch, "/x/0012/model.pt:archive/data.pkl")
    assert None is whose(batch, "/x/00123/model.pt")


def test_cases_stand_side_by_side(tmp_path: Path) -> None:
    """A folder for a batch has each case under the name of its own folder, links as links."""
    one = make(tmp_path / "t" / "0001", "a", kind="x", files={"a/b.pkl": RUNS}, links=[("c", "/etc")])
    with gathered([one]) as folder:
        assert RUNS == (folder / "0001" / "a" / "b.pkl").read_bytes()
        assert (folder / "0001" / "c").is_symlink()
    assert one.folder == one.path


BATCH = [trial("a", folder="0001"), trial("b", folder="0002"), trial("c", folder="0003")]


def written(path: Path, report: Mapping[str, object]) -> Path:
    path.write_text(json.dumps(report))
    return path


def test_a_report_of_modelscan(tmp_path: Path) -> None:
    """An issue flags a case even where there is an error too; a report that is none answers nothing."""
    report = written(
        tmp_path / "r",
        {"errors": [{"source": "0001/x.pkl"}, {"source": "0002/x"}], "issues": [{"source": "0001/x.pkl"}]},
    )
    assert {"a": FLAGGED, "b": REFUSED, "c": PASSED} == read_modelscan(BATCH, report)
    assert None is read_modelscan(BATCH, tmp_path / "absent")
    assert None is read_modelscan(BATCH, written(tmp_path / "s", {"errors": []}))


def test_a_report_of_modelaudit(tmp_path: Path) -> None:
    """Warnings count in one reading and not in the other; what is inconclusive and not flagged is refused."""
    report = written(
        tmp_path / "r",
        {
            "file_metadata": {"/t/0001/x": {"scan_outcome": "inconclusive"}, "/t/0002/x": {}, "/t/0003/x": {}},
            "issues": [
                {"location": "/t/0001/x (pos 3)", "severity": "warning"},
                {"location": "/t/0002/x", "severity": "critical"},
                {"location": "/t/0003/x", "severity": "info"},
                {"location": None, "severity": "critical"},
            ],
            "has_errors": False,
        },
    )
    assert {"a": (FLAGGED, REFUSED), "b": (FLAGGED, FLAGGED), "c": (PASSED, PASSED)} == read_modelaudit(BATCH, report)
    assert None is read_modelaudit(BATCH, written(tmp_path / "s", {"issues": 1}))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"model.pkl": RUNS}, FLAGGED),
        ({"model.pkl": b"\x80\x04}."}, PASSED),
        ({"modeling.py": "x = 'a\0b'\n".encode("utf-16")}, REFUSED),
    ],
    ids=["attack", "plain", "unread"],
)
def test_our_own_answer(tmp_path: Path, files: Mapping[str, bytes], expected: Answer) -> None:
    """Ours flags from high on, and refuses where nothing is high but that a file was not read to its end."""
    assert expected is judged(make(tmp_path / "0", "x", kind="x", files=files))


def test_answers_are_remembered_by_content(tmp_path: Path) -> None:
    """A scanner is asked again about a case whose bytes have changed, or in another release, and not otherwise."""
    asked: list[str] = []

    def ask(_: Path, trials: Sequence[Trial]) -> Readings:
        asked.extend(one.name for one in trials)
        return {"aibom": dict.fromkeys((one.name for one in trials), FLAGGED)}

    peer, memory = replace(AIBOM, ask=ask), tmp_path / "answers.json"
    one = make(tmp_path / "1", "one", kind="x", files={"a": RUNS}, links=[("b", "a")])
    assert {"aibom": {"one": FLAGGED}} == remembered.ask(peer, "1", tmp_path, [one], memory)
    assert {"aibom": {"one": FLAGGED}} == remembered.ask(peer, "1", tmp_path, [one], memory)
    two = make(tmp_path / "2", "two", kind="x", files={"a": RUNS + b"."}, links=[("b", "a")])
    remembered.ask(peer, "1", tmp_path, [one, two], memory)
    remembered.ask(peer, "2", tmp_path, [two], memory)
    assert ["one", "two", "two"] == asked


def test_claims_are_by_content_or_name(tmp_path: Path) -> None:
    """A renamed pickle is a pickle to who claims pickles; a template is nothing that picklescan claims."""
    peers = {peer.name: peer for peer in PEERS}
    renamed = make(tmp_path / "1", "x", kind="x", files={"model.safetensors": RUNS})
    template = make(tmp_path / "2", "y", kind="x", files={"chat_template.jinja": b"{{ ''.__class__ }}"})
    assert [True] * 4 == [peer.claims(renamed) for peer in PEERS]
    assert [False, True] == [peers[name].claims(template) for name in ("picklescan", "modelaudit")]


def test_tables_of_denied_names_are_read_as_source() -> None:
    """Names by module, by severity, as explanations and as whole modules are read; nothing is executed."""
    by_module = denied("_t: dict = {'os': '*', 'a.b': {'x', 'y'}}\nraise SystemExit", "_t")
    assert {("os", "run"), ("a.b", "x"), ("a.b", "y")} == set(by_module)
    assert {("os", "run"), ("io", "z")} == set(denied("S = {'t': {'HIGH': {'os': ['*']}, 'LOW': {'io': ['z']}}}", "t"))
    assert {("m", "f")} == set(denied("class A:\n    T = {'m': {'f': 'why'}}", "T"))
    assert {("os", "run"), ("pty", "run")} == set(denied("T = frozenset(['os', 'pty'])", "T"))


def test_samples_are_labeled_by_their_folders(tmp_path: Path) -> None:
    """What a path does not label is left out; samples are read from the archive and written under their plain names."""
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz") as archive:
        for name in ("exploits/e.pkl", "samples/safe_x.pkl", "samples/other.pkl", "../exploits/../../up.pkl", "x.py"):
            entry = tarfile.TarInfo(f"p-1/tests/assets/{name}")
            entry.size = len(RUNS)
            archive.addfile(entry, io.BytesIO(RUNS))
    trials = sample_trials(tmp_path / "s.tar.gz", tmp_path / "out")
    assert [("exploits/e.pkl", True), ("samples/safe_x.pkl", False), ("../exploits/../../up.pkl", True)] == [
        (one.name, one.hostile) for one in trials
    ]
    assert all(one.path.parent.parent == tmp_path / "out" for one in trials)
    assert None is label("p-1/tests/assets/samples/other.pkl")


def test_the_page_names_every_scanner() -> None:
    """docs/peers.md has a row for each scanner in each reading."""
    text = PAGE.read_text()
    for peer in PEERS:
        for reading in peer.criteria:
            assert f"| [{reading}](" in text
