"""ScanCode as a second reader: in a child with bounds, as a layer of its own, and its absence is said."""

from __future__ import annotations

import io
import json
import resource
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.resolvers.license_samples import agreement, apache, mit
from tests.resolvers.targets import DAY, memory, raw

from aibom.components import Inspection, Resolution
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.limits import MIB
from aibom.report import SourceFacts
from aibom.resolvers import scancode, scancode_child
from aibom.resolvers.resolving import resolve
from aibom.resolvers.scancode import Answer, Opinion, ask_scancode
from aibom.resolvers.second_opinions import ask_second_reader
from aibom.settings import Settings

CHILD = Path(scancode_child.__file__)


def child(tmp_path: Path, body: str) -> tuple[str, ...]:
    """A stand-in for the child: reads the texts as `texts`, and does what `body` says."""
    script = tmp_path / "child.py"
    script.write_text(f"import json, sys, time\ntexts = json.load(sys.stdin)\n{body}\n")
    return (sys.executable, "-I", str(script))


def lines(*values: object) -> str:
    return "".join(f"print(json.dumps({value!r}), flush=True)\n" for value in values)


def test_the_child_answers_for_every_text(tmp_path: Path) -> None:
    """What ScanCode says comes back in the order of the texts, under its name and version."""
    command = child(
        tmp_path, lines({"version": "9.9"}) + "for text in texts: print(json.dumps([[text.upper(), 99.5]]))"
    )
    answer = ask_scancode(["a", "b"], command=command)
    assert ("ScanCode 9.9", None) == (answer.who, answer.fault)
    assert [(("A", 99.5),), (("B", 99.5),)] == [opinion.licenses for opinion in answer.opinions]


def test_the_child_sees_nothing_of_the_users_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, proxy or home folder of the user reaches the child."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    command = child(tmp_path, "import os\nprint(json.dumps([[k, 0] for k in os.environ]))")
    (opinion,) = ask_scancode(["a"], command=command).opinions
    assert {"HOME", "SCANCODE_CACHE", "SCANCODE_TEMP", "PATH", "LANG"} >= {name for name, _ in opinion.licenses} - {
        "LC_CTYPE"
    }


@pytest.mark.parametrize(
    ("body", "opinions", "fault"),
    [
        ("time.sleep(30)", 0, "it took longer than 1 s"),
        (lines({"version": "1"}, [["MIT", 100]]) + "time.sleep(30)", 1, "it took longer than 1 s"),
        ("sys.exit(7)", 0, "it ended with 7"),
        ("import os; os.kill(os.getpid(), 9)", 0, "it was ended by signal 9"),
        ("raise MemoryError", 0, "it needed more memory than it is allowed"),
        (lines([]), 1, "it read 1 of 2 texts"),
        ("print('[[' * 5)", 0, "it read 0 of 2 texts"),
        (lines([["MIT", 1], ["x"], [1, 2], 3, ["Apache-2.0", "y"]], "no list"), 1, "it read 1 of 2 texts"),
    ],
)
def test_a_child_that_fails_says_how_far_it_came(tmp_path: Path, body: str, opinions: int, fault: str) -> None:
    """Whatever becomes of the child: the opinions before stand, and why there are no more is said."""
    answer = ask_scancode(["a", "b"], command=child(tmp_path, body), seconds=1)
    assert (opinions, fault) == (len(answer.opinions), answer.fault)


def test_a_child_that_is_not_there_is_no_crash() -> None:
    """Without its interpreter there is no opinion, and the reason."""
    assert "it can't be started: No such file or directory" == ask_scancode(["a"], command=["/nonexistent"]).fault


def fake_scancode(folder: Path, index: str = "return 1") -> None:
    """A package that is called as ScanCode is."""
    package = folder / "licensedcode"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "cache.py").write_text(f"def get_index():\n    print('noise')\n    {index}\n")
    (package / "detection.py").write_text(
        "class Match:\n    def __init__(self, value): self.value = value\n    def score(self): return self.value\n"
        "class Item:\n    license_expression_spdx = 'MIT'\n    matches = [Match(100), Match(80.5)]\n"
        "def detect_licenses(index, query_string): return [Item()] if 'permission' in query_string else []\n"
    )


def real_child(folder: Path) -> tuple[str, ...]:
    """The child as shipped, beside a package that stands in for ScanCode."""
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(folder)!r}); "
        f"sys.argv = ['child', *sys.argv[1:]]; runpy.run_path({str(CHILD)!r}, run_name='__main__')"
    )
    return (sys.executable, "-I", "-c", code)


def test_the_shipped_child_speaks_the_protocol(tmp_path: Path) -> None:
    """What a library prints does not stand between the answers; the lowest score of what matched counts."""
    fake_scancode(tmp_path)
    answer = ask_scancode(["permission is", "nothing"], command=real_child(tmp_path))
    assert [(("MIT", 80.5),), ()] == [opinion.licenses for opinion in answer.opinions]
    assert ("ScanCode of unknown version", None) == (answer.who, answer.fault)


def test_the_childs_memory_is_bounded(tmp_path: Path) -> None:
    """A reader that wants more memory than it is allowed ends, and the scan does not."""
    fake_scancode(tmp_path, "return bytearray(600 * 1024 * 1024)")
    answer = ask_scancode(["a"], command=real_child(tmp_path), memory=400 * MIB)
    assert (0, "it needed more memory than it is allowed") == (len(answer.opinions), answer.fault)


def test_the_child_sets_its_limits_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory, time and core dumps are bounded before anything of ScanCode is imported."""
    fake_scancode(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(["permission"])))
    monkeypatch.setattr(sys, "stdout", said)
    monkeypatch.setattr(sys, "argv", ["child", "1000", "7"])
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda what, how: limits.append((what, how)))
    for name in ("licensedcode", "licensedcode.cache", "licensedcode.detection"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))  # so that what the child imports is gone after it
        del sys.modules[name]
    runpy.run_path(str(CHILD), run_name="__main__")
    assert [(resource.RLIMIT_AS, (1000, 1000)), (resource.RLIMIT_CPU, (7, 7)), (resource.RLIMIT_CORE, (0, 0))] == limits
    assert [{"version": "of unknown version"}, [["MIT", 80.5]]] == [
        json.loads(line) for line in said.getvalue().split("\n") if line
    ]


def test_the_version_is_that_of_the_package_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The full package answers as the small one does."""
    monkeypatch.setattr(scancode_child, "version", {"scancode-toolkit-mini": "32.5.0"}.__getitem__)
    assert "32.5.0" == scancode_child._version()


# --- what is made of it -----------------------------------------------------------------------------------------------


def target(files: dict[str, str], said: Callable[[Sequence[str]], Answer] | None) -> Resolution:
    """Resolve a target with a second reader that says this; without one, none is asked."""
    inspections = tuple(
        Inspection(
            file=RepoFile(path=path, size=len(raw(data)), format=Format.TEXT, role=Role.OTHER),
            coverage=Coverage.COMPLETE,
        )
        for path, data in files.items()
    )
    settings = Settings(as_of=DAY, second_opinion="scancode" if said else None)
    with pytest.MonkeyPatch.context() as patch:
        if said is not None:
            patch.setattr("aibom.resolvers.resolving.ask_second_reader", lambda found: ask_second_reader(found, said))
        return resolve(memory(files), inspections, lambda _: None, settings, SourceFacts())


def saying(*licenses: tuple[str, float], fault: str | None = None) -> Callable[[Sequence[str]], Answer]:
    def ask(texts: Sequence[str]) -> Answer:
        opinions = () if fault else tuple(Opinion(licenses=licenses) for _ in texts)
        return Answer(who="ScanCode 1.0", opinions=opinions, fault=fault)

    return ask


def second(result: Resolution) -> list[tuple[str, str]]:
    return [
        (item.rule.id, item.message)
        for item in result.findings
        if item.rule.id in {"license-second-opinion", "second-opinion-missing"}
    ]


CARD = "---\nlicense: apache-2.0\n---\n"


def test_agreement_is_a_layer_of_its_own() -> None:
    """The second reader's claim stands apart from ours, with who says it, and no finding follows."""
    result = target({"README.md": CARD, "LICENSE": apache()}, saying(("Apache-2.0", 100.0)))
    (claim,) = result.component(result.root).second_opinions
    assert ("detected", "Apache-2.0", "ScanCode 1.0") == (claim.basis, claim.expression, claim.evidence.source)
    assert [] == second(result)
    alone = target({"README.md": CARD, "LICENSE": apache()}, None)
    assert result.component(result.root).licenses == alone.component(alone.root).licenses
    assert () == alone.component(alone.root).second_opinions


def test_disagreement_is_said() -> None:
    """Two readers with no license in common: a finding that names both, and ours still stands."""
    result = target({"README.md": CARD, "LICENSE": apache()}, saying(("MIT", 95.6)))
    assert [("license-second-opinion", "this tool reads Apache-2.0; ScanCode 1.0: MIT (score 95.6)")] == second(result)
    assert "LicenseRef" not in str(result.component(result.root).properties["aibom:license:effective"])


def test_where_this_tool_abstains_the_declaration_is_compared() -> None:
    """A text that is unknown here and known there is held against what the card declares."""
    files = {"README.md": CARD, "LICENSE": agreement("Terms")}
    assert [] == second(target(files, saying(("Apache-2.0", 90.0))))
    (finding,) = second(target(files, saying(("LicenseRef-scancode-llama-2-license-2023", 90.0))))
    assert finding[1].startswith("the declaration says Apache-2.0; ScanCode 1.0: LicenseRef-scancode-llama-2")


@pytest.mark.parametrize(
    "vague", ["LicenseRef-scancode-unknown-license-reference", "LicenseRef-scancode-proprietary-license"]
)
def test_a_vague_opinion_contradicts_nothing(vague: str) -> None:
    """ "Some proprietary license" is no other license than the one that is read here."""
    assert [] == second(target({"README.md": CARD, "LICENSE": apache()}, saying((vague, 100.0))))


def test_an_expression_that_is_none_is_kept_as_said() -> None:
    """What is no valid expression stays as raw words."""
    result = target({"README.md": CARD, "LICENSE": apache()}, saying(("not (valid", 1.0)))
    (claim,) = result.component(result.root).second_opinions
    assert ("not (valid", None) == (claim.raw, claim.expression)


def test_a_missing_opinion_is_said() -> None:
    """Asked for and not had: a finding with the files and the reason, and the rest of the scan as ever."""
    result = target({"README.md": CARD, "LICENSE": mit()}, saying(fault="it took longer than 300 s"))
    assert ("second-opinion-missing", "ScanCode gave no opinion on LICENSE: it took longer than 300 s") in second(
        result
    )


def test_without_license_files_nobody_is_asked() -> None:
    """ScanCode is not started for nothing."""

    def never(_: Sequence[str]) -> Answer:
        raise AssertionError

    assert [] == second(target({"README.md": CARD}, never))


def test_installed_means_that_its_package_can_be_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The extra is there when its package is."""
    fake_scancode(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert scancode.is_installed()


@pytest.mark.real
def test_the_real_scancode_reads_what_we_read() -> None:
    """ScanCode itself, through the child as shipped, on texts that both readers know."""
    pytest.importorskip("licensedcode")
    answer = ask_scancode([apache(), mit(), "nothing of the kind " * 30])
    assert answer.fault is None
    assert answer.who.startswith("ScanCode 3")
    found: list[Any] = [[name for name, _ in opinion.licenses] for opinion in answer.opinions]
    assert [["Apache-2.0"], ["MIT"], []] == found
