"""Pickles that a pickle holds as data: told where they would act, in both gears, and never where they would not."""

from __future__ import annotations

import base64
import struct

import pytest
from fixtures.hostile_case import CARRIED, DANGEROUS, RUN
from fixtures.pickle_assembler import Ops, called, new, old, old_string, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Finding, Severity
from aibom.inspectors import pickle_carried
from aibom.inspectors.joblib_files import inspect as inspect_joblib
from aibom.inspectors.pickle_carried import begins_pickle, decoded
from aibom.inspectors.pickle_examine import examine, settle
from aibom.inspectors.pickles import inspect
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

ACTS = stream(RUN)
HARMLESS = stream({"a": new("collections", "OrderedDict")})
MUCH = Ops(b"X" + struct.pack("<I", 300_000) + b"x" * 300_000)


def file_of(raw: bytes) -> RepoFile:
    return RepoFile(path="model.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)


def look(value: object, protocol: int = 4, limits: Limits = Limits()) -> list[Finding]:  # noqa: B008
    raw = stream(value, protocol)
    found = inspect(file_of(raw), MemorySource(raw), limits).findings
    return [finding for finding in found if finding.severity is not Severity.INFO]


def ids(findings: list[Finding]) -> list[str]:
    return [finding.rule.id for finding in findings]


def eight(value: bytes, op: bytes) -> Ops:
    return Ops(op + struct.pack("<Q", len(value)) + value)


HOLDERS = {
    "bytes": [ACTS],
    "binary": [Ops(b"B" + struct.pack("<I", len(ACTS)) + ACTS)],
    "binary8": [eight(ACTS, b"\x8e")],
    "bytearray": [eight(ACTS, b"\x96")],
    "string": [old_string(ACTS)],
    "long-string": [Ops(b"T" + struct.pack("<i", 300 + len(ACTS)) + ACTS + bytes(300))],
    "latin": [called(old("_codecs", "encode"), ACTS.decode("latin-1"), "latin1")],
    "base64": [base64.b64encode(ACTS).decode()],
    "base64-bytes": [base64.b64encode(ACTS)],
    "url-safe": [base64.urlsafe_b64encode(ACTS).decode()],
    "lines": [base64.encodebytes(ACTS * 3).decode()],
    "hex": [ACTS.hex()],
    "upper-hex": [ACTS.hex().upper()],
    "text-line": [Ops(b"V" + base64.b64encode(ACTS) + b"\n")],
    "quoted-line": [Ops(b"S'" + base64.b64encode(ACTS) + b"'\n")],
    "long-base64": [base64.b64encode(stream([RUN, "x" * 300_000])).decode()],
    "text8": [eight(base64.b64encode(ACTS), b"\x8d")],
    "broken": [ACTS[:-1] + b"\xff"],
}


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_what_would_act_is_told_once(holder: list[object], size: str) -> None:
    """Whatever holds it, and whether the file is large enough for the quick reading or not."""
    (finding,) = look([*([MUCH] if size == "large" else []), *holder])
    assert (CARRIED, Severity.MEDIUM) == (finding.rule.id, finding.severity)
    assert "carries a pickle that would run posix.system if something loads it" == finding.message
    assert finding.location is not None
    assert finding.location.offset is not None


def test_the_place_is_that_of_the_bytes() -> None:
    """The offset leads to the first byte of what is carried."""
    raw = stream([HARMLESS, ACTS])
    (finding,) = [
        item for item in inspect(file_of(raw), MemorySource(raw), Limits()).findings if item.rule.id == CARRIED
    ]
    assert finding.location is not None
    assert raw.index(ACTS) == finding.location.offset


def test_an_import_without_a_call_is_told_as_that() -> None:
    """The words say no more than the inner pickle does."""
    (finding,) = look([stream(new("posix", "system"))])
    assert "carries a pickle that would import posix.system if something loads it" == finding.message


def test_hidden_names_in_it_are_told() -> None:
    """An inner pickle that puts names together is told even where the name stays unknown."""
    hidden = called(new("builtins", "getattr"), new("builtins", "str"), called(new("time", "ctime")))
    (finding,) = look([stream(hidden)])
    assert "carries a pickle that hides what it would import if something loads it" == finding.message


@pytest.mark.parametrize(
    "value",
    [
        [HARMLESS, base64.b64encode(HARMLESS).decode(), HARMLESS.hex()],
        ["cposix\nsystem\n(S'x'\ntR.", "\x80\x04c"],
        ["gASV" * 20, "8004" * 20, "gAR" + "A" * 40, "gAI" + "=" * 40],
        [b"\x80\x04", b"\x80\x04\xff" + bytes(40), b"\x80\x09" + ACTS[2:], b""],
        [stream(new("mine", "Thing")), stream(called(new("mine", "thing")))],
        [f"gpt_neox.layers.{number}.attention.dense.weight" for number in range(40)],
    ],
    ids=["harmless", "opcode-text", "forms-of-nothing", "bytes-of-nothing", "not-known", "names"],
)
def test_what_would_not_act_is_data(value: list[object]) -> None:
    """Harmless pickles, broken ones, and those of packages that are not known are not mentioned."""
    assert [] == look(value)
    assert [] == look([MUCH, *value])


def test_ordinary_names_stay_in_the_quick_gear() -> None:
    """Names of layers that begin as base64 of a pickle might are settled without the full walk."""
    raw = stream([MUCH, *(f"gpt_neox.layers.{number}.attention.dense" for number in range(40)), bytes(200), b"gA"])
    assert settle(file_of(raw), MemorySource(raw), Limits()) is not None
    for carried in (ACTS, base64.b64encode(ACTS).decode(), ACTS.hex(), eight(ACTS, b"\x8e")):
        raw = stream([MUCH, carried])
        assert settle(file_of(raw), MemorySource(raw), Limits()) is None


def test_what_is_loaded_is_told_as_that_alone() -> None:
    """One cause is one finding: a pickle that the file loads is not carried."""
    for content in (ACTS, called(new("base64", "b64decode"), base64.b64encode(ACTS))):
        assert CARRIED not in ids(look(called(new("pickle", "loads"), content)))
    assert [DANGEROUS] == ids(look([RUN, ACTS]))


def test_the_same_in_many_places_is_one_finding() -> None:
    """The message counts, not the copies; two names are two."""
    assert [CARRIED] == ids(look([ACTS] * 50))
    assert [CARRIED] * 2 == ids(look([ACTS, stream(called(new("builtins", "eval"), "1"))]))


def test_depth_is_bounded() -> None:
    """As deep as pickles may be nested, one is still told; of deeper ones that is said."""
    value: object = ACTS
    for _ in range(3):
        value = stream([value])
    assert [CARRIED] == ids(look([value]))
    assert ["inspection-incomplete"] == ids(look([value], limits=Limits(pickle_nesting=2)))


def test_more_than_the_limit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not looked at is told, at a severity that accuses nobody."""
    monkeypatch.setattr(pickle_carried, "MOST", 3)
    (finding,) = look([HARMLESS] * 5)
    assert ("inspection-incomplete", Severity.LOW) == (finding.rule.id, finding.severity)
    assert "2 pickles that it carries as data were not looked at to their end" == finding.message


def test_opcodes_are_one_budget() -> None:
    """What is carried is walked with the opcodes that are left."""
    raw = stream([stream([1] * 500)] * 50)
    examined = examine(file_of(raw), MemorySource(raw), Limits(pickle_opcodes=2_000))
    assert 2_000 >= examined.opcodes
    (finding,) = examined.findings
    assert ("inspection-incomplete", Severity.LOW) == (finding.rule.id, finding.severity)
    assert Coverage.PARTIAL is examined.coverage


def test_it_is_found_around_arrays_of_joblib() -> None:
    """What stands before and behind raw bytes in mid-stream is searched; the raw bytes are read once."""
    from fixtures.tensor_bytes import joblib_array  # noqa: PLC0415 -- the only test of such a file here

    raw = joblib_array(struct.pack("<2d", 1.0, 2.0))
    file = RepoFile(path="m.joblib", size=len(raw), format=Format.JOBLIB, role=Role.WEIGHTS)
    assert CARRIED not in {item.rule.id for item in inspect_joblib(file, MemorySource(raw), Limits()).findings}


def test_what_begins_a_pickle() -> None:
    """PROTO of 2 to 5 and something behind it."""
    assert [True, True, False, False, False] == [
        begins_pickle(raw) for raw in (b"\x80\x02.", b"\x80\x05N.", b"\x80\x01.", b"\x80\x02", b"c\x02.")
    ]


def test_forms_that_are_none() -> None:
    """What can't be decoded, or is no pickle then, is None."""
    assert None is decoded(b"gAJ" + b"=" * 30)
    assert None is decoded(b"plain words of some length here")
    assert ACTS == decoded(base64.b64encode(ACTS))
    assert ACTS == decoded(ACTS.hex().encode())


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([b"\x80\x04", b"gASV", b"8004", b"\xc2\x80\x04", b"gA\nJ"]))
def test_any_bytes_behind_a_beginning_are_harmless(rest: bytes, start: bytes) -> None:
    """No bytes raise, and the walk keeps its end."""
    raw = stream([start + rest, MUCH])
    assert None is examine(file_of(raw), MemorySource(raw), Limits()).fault
