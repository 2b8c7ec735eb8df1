from __future__ import annotations

import importlib
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from fixtures.hostile import HOSTILE, REAL, Benign, benign
from fixtures.hostile_case import Case, RepositoryCase
from tools.scorecard import PAGE, Scorecard, false_alarms, missing_rules, render

# What must never happen while a target is read. Importing a module of our own raises `exec` and `marshal.loads`, so
# those two can't be told from an attack here; none of the payloads stops at them.
FORBIDDEN = {
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "subprocess.Popen",
    "pickle.find_class", "socket.connect", "ctypes.dlopen", "urllib.Request", "webbrowser.open", "shutil.rmtree",
}  # fmt: skip
_armed = False
_caught: list[str] = []


def _watch(event: str, _: object) -> None:
    if _armed and event in FORBIDDEN:
        _caught.append(event)


@pytest.fixture(scope="module", autouse=True)
def canary() -> Iterator[None]:
    """Nothing of any case may run, be unpickled, or reach the network while it is scanned."""
    global _armed  # noqa: PLW0603 -- an audit hook can't be removed, only told to look away
    sys.addaudithook(_watch)
    _armed = True
    yield
    _armed = False
    assert [] == _caught


def test_the_canary_is_awake() -> None:
    """The hook hears what it watches for."""
    import pickle  # noqa: PLC0415

    pickle.loads(b"cbuiltins\nlist\n.")
    assert ["pickle.find_class"] == _caught
    _caught.clear()


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_hostile_case_is_found(kind: str) -> None:
    """A scan finds everything that must be found in each case of this class."""
    missed = {case.name: absent for case in HOSTILE[kind] if (absent := missing_rules(case))}
    assert {} == missed


CASES = benign()


@pytest.mark.parametrize("part", range(8))
def test_ordinary_files_raise_no_alarm(part: int) -> None:
    """Nothing that a library writes in normal use, and nothing that only looks alarming, is high or critical."""
    cases: list[Benign] = list(CASES[part::8])
    assert [] == [alarm for case in cases for alarm in false_alarms(case)]


def test_no_case_is_left_out() -> None:
    """Every case that a module of fixtures defines is counted, under a name of its own."""
    modules = [importlib.import_module(f"fixtures.{path.stem}") for path in REAL.parent.glob("hostile_*.py")]
    defined = {
        case.name
        for module in modules
        for value in vars(module).values()
        if isinstance(value, (tuple, list))
        for case in value
        if isinstance(case, (Case, RepositoryCase))
    }
    counted = Counter(case.name for cases in HOSTILE.values() for case in cases)
    assert defined == set(counted)
    assert [] == [name for name, times in counted.items() if times > 1]


def test_there_are_enough_cases() -> None:
    """The proof is as broad as it claims."""
    assert sum(map(len, HOSTILE.values())) >= 200
    assert sum(case.count for case in CASES) >= 80


def test_the_published_scorecard_is_that_of_these_cases() -> None:
    """docs/scorecard.md counts the cases that the tests above have found, every one."""
    card = Scorecard(benign=sum(case.count for case in CASES))
    card.cases.update({kind: len(cases) for kind, cases in HOSTILE.items()})
    assert render(card) == PAGE.read_text()
