"""The other scanners themselves, where `make peers` has installed them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.hostile import HOSTILE
from tools.peers import environments
from tools.peers.__main__ import columns_of
from tools.peers.page import by_class, count, summary
from tools.peers.running import Answer
from tools.peers.scanners import PEERS, Peer, judged
from tools.peers.trials import BENIGN, Trial, make

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def asked_for(request: pytest.FixtureRequest) -> None:
    """Run where `-m real` asks for it only: these take minutes, whoever has installed the peers."""
    if "real" not in request.config.getoption("markexpr"):
        pytest.skip("run by `make peers`")


INSTALLED = [peer for peer in PEERS if environments.installed(peer)]


def trials(root: Path) -> Iterator[Trial]:
    """Yield the first case of every class, and two plain files."""
    for number, (kind, cases) in enumerate(HOSTILE.items()):
        case = cases[0]
        yield make(root / f"{number:04d}", case.name, kind=kind, files=case.files(), links=case.links)
    yield make(root / "8000", "plain", kind=BENIGN, files={"model.pkl": b"\x80\x04}\x94\x8c\x01a\x94K\x01s."})
    yield make(root / "8001", "text", kind=BENIGN, files={"README.md": b"# A model\n"})


@pytest.mark.parametrize("peer", INSTALLED, ids=lambda peer: peer.name)
def test_a_peer_answers(peer: Peer, tmp_path: Path) -> None:
    """Each peer is understood: it flags a pickle that runs a command, passes a plain one, and has a version."""
    attack = make(tmp_path / "0", "attack", kind="x", files={"model.pkl": b"cos\nsystem\n(S'echo aibom'\ntR."})
    plain = make(tmp_path / "1", "plain", kind=BENIGN, files={"model.pkl": b"\x80\x04}\x94\x8c\x01a\x94K\x01s."})
    readings = peer.ask(environments.programs(peer), [attack, plain])
    assert set(peer.criteria) == set(readings)
    for answers in readings.values():
        assert {"attack": Answer.FLAGGED, "plain": Answer.PASSED} == answers
    assert re.fullmatch(r"\d+\.\d+\.\d+", environments.version(peer))


@pytest.mark.skipif(not INSTALLED, reason="`make peers` has installed none")
def test_side_by_side(tmp_path: Path) -> None:
    """Ours finds the first case of every class, raises no alarm, and no peer finds more of what it claims to read."""
    cases = list(trials(tmp_path))
    ours, *others = columns_of(INSTALLED, cases)
    print(*summary(cases, [ours, *others]), "", *by_class(cases, [ours, *others]), sep="\n")  # noqa: T201 -- the table
    result = count(cases, ours.answers)
    assert (len(HOSTILE), 0) == (result.found, result.alarms)
    for other in others:
        assert count(cases, other.answers).found <= result.found


def test_the_criterion_of_ours_is_the_exit_code(tmp_path: Path) -> None:
    """What is counted as flagged by this tool is what its command line exits with."""
    for case in trials(tmp_path):
        command = [sys.executable, "-m", "aibom", "scan", str(case.folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert (case.name, judged(case) is not Answer.PASSED) == (case.name, done.returncode == 1)
