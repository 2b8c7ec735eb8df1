"""Laws of the pickle reader: no bytes make it fail, plain data is never accused, a payload is found wherever it is."""

from __future__ import annotations

import pickle
import struct

from fixtures.pickle_assembler import called, new, old, push
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.components import Verdict
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Severity
from aibom.inspectors.pickle_examine import examine, settle
from aibom.inspectors.pickle_trailing import look_after
from aibom.inspectors.pickles import inspect
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

LIMITS = Limits(pickle_opcodes=20_000, pickle_objects=20_000)
TEXTS = st.sampled_from(
    ["posix", "system", "builtins", "getattr", "os", "collections", "OrderedDict", "x", "__class__"]
)
GLOBALS = st.sampled_from(
    [("collections", "OrderedDict"), ("builtins", "getattr"), ("functools", "partial"), ("operator", "attrgetter"),
     ("operator", "methodcaller"), ("_codecs", "encode"), ("copyreg", "_reconstructor"), ("builtins", "map"),
     ("acme", "f"), ("posix", "system"), ("torch.storage", "_load_from_bytes"), ("builtins", "str.join"),
     ("numpy._core", "_ufunc_reconstruct"), ("copyreg", "add_extension"), ("builtins", "setattr")]
)  # fmt: skip
PIECE = st.one_of(
    TEXTS.map(push),
    st.text(max_size=10).map(push),
    st.binary(max_size=10).map(push),
    st.integers(-(2**31), 2**31 - 1).map(push),
    GLOBALS.map(lambda pair: old(*pair).code),
    GLOBALS.map(lambda pair: new(*pair).code),
    st.sampled_from(
        [bytes([op]) for op in b"N\x88\x89]})(ldaesutb012RQ\x85\x86\x87\x81\x92\x93\x94\x8f\x90\x91\x97\x98o."]
    ),
    st.integers(0, 9).map(lambda key: b"q" + bytes([key])),
    st.integers(0, 9).map(lambda key: b"h" + bytes([key])),
    st.integers(0, 2**32 - 1).map(lambda key: b"r" + struct.pack("<I", key)),
    st.integers(0, 9).map(lambda key: b"\x82" + bytes([key])),
    st.integers(0, 5).map(lambda protocol: b"\x80" + bytes([protocol])),
    st.integers(0, 200).map(lambda length: b"\x95" + struct.pack("<Q", length)),
    st.sampled_from([b"I0x10\n", b"L5L\n", b"S'a'\n", b"Vx\n", b"F1\n", b"Pid\n", b"(ia\nB\n", b"p3\n", b"g3\n"]),
)
# These leave the stack, the marks and the memo entries of the payload as they are.
NEUTRAL = st.one_of(
    st.text(max_size=20).map(lambda text: push(text) + b"0"),
    st.integers(-1000, 1000).map(lambda number: push(number) + b"0"),
    st.lists(st.integers(0, 99), max_size=5).map(lambda items: push(items) + b"0"),
    st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=3).map(lambda items: push(items) + b"0"),
    st.integers(0, 2**31).map(lambda key: b"Nr" + struct.pack("<I", key) + b"0"),
    st.sampled_from([b"N0", b"(1", b"((11", b"(0", b")20" + b"0", b"N\x940", b"\x80\x04", b"\x80\x02", b"(NNt0",
                     b"ccollections\nOrderedDict\n)R0", b"I0x1F\n0", b"\x8f(K\x01\x900"]),
)  # fmt: skip
PAYLOADS = st.sampled_from(
    [
        called(old("posix", "system"), "echo").code,
        called(new("os", "popen"), "echo").code,
        b"(S'echo'\niposix\nsystem\n",
        b"(cposix\nsystem\nS'echo'\no",
        called(new("builtins", "eval"), "1").code,
        called(new("builtins", "getattr"), old("os", "path"), "os").code,
    ]
)


def file_of(raw: bytes) -> RepoFile:
    return RepoFile(path="x.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=400))
def test_any_bytes_are_answered(raw: bytes) -> None:
    """No bytes make the inspector raise, and what breaks is never complete."""
    inspection = inspect(file_of(raw), MemorySource(raw), LIMITS)
    if inspection.coverage is not Coverage.COMPLETE:
        assert any(finding.severity.at_least(Severity.HIGH) for finding in inspection.findings)


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(PIECE, max_size=60))
def test_any_opcodes_are_answered(pieces: list[bytes]) -> None:
    """No sequence of opcodes makes the inspector raise; a dangerous import that was reached is a finding."""
    raw = b"".join(pieces) + b"."
    inspection = inspect(file_of(raw), MemorySource(raw), LIMITS)
    if any(item.verdict is Verdict.DANGEROUS for item in inspection.imports):
        assert any(finding.severity.at_least(Severity.HIGH) for finding in inspection.findings)


@settings(max_examples=150, deadline=None)
@given(before=st.lists(NEUTRAL, max_size=20), payload=PAYLOADS, after=st.lists(NEUTRAL, max_size=20), end=st.booleans())
def test_a_payload_is_found_in_any_company(before: list[bytes], payload: bytes, after: list[bytes], end: bool) -> None:
    """A dangerous import among harmless opcodes is critical, whether or not the stream ends well."""
    raw = b"".join(before) + payload + b"".join(after) + (b"." if end else b"\xff")
    inspection = inspect(file_of(raw), MemorySource(raw), LIMITS)
    found = [finding for finding in inspection.findings if finding.rule.id == "pickle-dangerous-import"]
    assert {Severity.CRITICAL} == {finding.severity for finding in found}


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=30), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(max_size=8), inner, max_size=5),
        st.lists(inner, max_size=3).map(tuple),
        st.sets(st.integers(), max_size=4),
    ),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(value=PLAIN, protocol=st.sampled_from(range(6)))
def test_plain_data_is_never_accused(value: object, protocol: int) -> None:
    """What `pickle.dumps` makes of plain data gets no finding but that it is a pickle."""
    raw = pickle.dumps(value, protocol)
    inspection = inspect(file_of(raw), MemorySource(raw), LIMITS)
    assert ["pickle-present"] == [finding.rule.id for finding in inspection.findings]
    assert Coverage.COMPLETE == inspection.coverage


@settings(max_examples=150, deadline=None)
@given(value=PLAIN, protocol=st.sampled_from(range(6)), payload=st.one_of(st.none(), PAYLOADS))
def test_both_gears_agree(value: object, protocol: int, payload: bytes | None) -> None:
    """What the triage settles, the full walk finds harmless, with the same imports and the same end."""
    raw = pickle.dumps(value, protocol)
    if payload:
        raw = raw[:-1] + b"0" + payload + b"."
    settled = settle(file_of(raw), MemorySource(raw), LIMITS)
    if settled is None:
        return
    assert payload is None
    full = examine(file_of(raw), MemorySource(raw), LIMITS)
    assert () == full.findings
    assert full.ends == settled.ends
    assert [(item.module, item.name) for item in full.imports] == [(item.module, item.name) for item in settled.imports]


@settings(max_examples=100, deadline=None)
@given(gap=st.binary(max_size=200).filter(lambda raw: b"\x80" not in raw), payload=PAYLOADS)
def test_a_pickle_behind_any_bytes_is_found(gap: bytes, payload: bytes) -> None:
    """A second pickle with a protocol opcode is found behind any bytes."""
    raw = b"N." + gap + b"\x80\x04" + payload + b"."
    trailing = look_after(file_of(raw), MemorySource(raw), LIMITS, 2)
    assert "pickle-dangerous-import" in {finding.rule.id for finding in trailing.findings}
