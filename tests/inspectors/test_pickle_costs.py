"""What hostile pickles cost is in proportion to their bytes: steps are counted, not seconds."""

from __future__ import annotations

import gc
import struct
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType

import pytest
from fixtures.pickle_assembler import old
from fixtures.weights import state_dict_pickle

from aibom.components import Inspection
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.inspectors.pickle_examine import examine
from aibom.inspectors.pickles import inspect
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

PROTO = b"\x80\x04"
ACME = old("acme", "f").code
SYSTEM = old("posix", "system").code
PARTIAL = old("functools", "partial").code
MAP = old("builtins", "map").code
JOIN = old("builtins", "str.join").code
LOADS = old("torch.storage", "_load_from_bytes").code
ORDERED = old("collections", "OrderedDict").code
ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\n"
    b"X\x02\0\0\0f4K\x00K\x01\x87R(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89C\x0812345678tb"
)

# Each makes a stream with so many of its hostile opcodes.
CASES: dict[str, Callable[[int], bytes]] = {
    "DUP": lambda n: PROTO + ACME + b"2" * n + b".",
    "MEMOIZE": lambda n: PROTO + ACME + b"\x94" * n + b".",
    "PUT with gaps": lambda n: PROTO + ACME + b"".join(b"r" + struct.pack("<I", 9 * i) for i in range(n)) + b".",
    "tuples of themselves": lambda n: PROTO + ACME + b"2\x86" * n + b".",
    "a deep tuple as argument": lambda n: PROTO + SYSTEM + b"N" + b"\x85" * n + b"R.",
    "a shared tuple as argument": lambda n: PROTO + SYSTEM + b"N" + b"2\x86" * n + b"\x85R.",
    "a shared tuple as state": lambda n: PROTO + ACME + b")R}N" + b"2\x86" * n + b"sb.",
    "texts appended": lambda n: PROTO + ACME + b"0]" + b"X\x04\0\0\0textq\x00a" * n + b".",
    "a list in itself": lambda n: PROTO + ACME + b"0]" + b"2a" * n + b".",
    "marks": lambda n: PROTO + ACME + b"(" * n + b".",
    "marks and no tensor": lambda n: PROTO + ACME + b"q\x00" + b"((h\x00h\x00X\x01\0\0\x00" * n + b".",
    "marks and half a tensor": lambda n: PROTO + ACME + b"q\x00" + b"((h\x00h\x00X\x09\0\0\x00123456789r" * n + b".",
    "extension codes": lambda n: PROTO + b"\x82\x010" * n + b"N.",
    "different extension codes": lambda n: (
        PROTO + b"".join(b"\x84" + struct.pack("<I", i + 1) for i in range(n)) + b"."
    ),
    "STOP": lambda n: ACME + b"." + b"N." * n,
    "STOP and protocol": lambda n: ACME + b"." + b"\x80\x04N." * n,
    "frames in frames": lambda n: PROTO + b"\x95\xff\xff\xff\xff\0\0\0\0" * n + ACME + b".",
    "long integers": lambda n: PROTO + ACME + (b"\x8b\0\x04\0\0" + b"\x7f" * 1024 + b"0") * n + b".",
    "one long integer": lambda n: PROTO + ACME + b"\x8b" + struct.pack("<I", n) + b"\x7f" * n + b".",
    "imports of one name": lambda n: PROTO + (ACME + b"0") * n + b"N.",
    "imports of many names": lambda n: PROTO + b"".join(b"cacme%d\nf\n" % i for i in range(n)) + b".",
    "calls": lambda n: PROTO + ACME + b"q\x000" + b"h\x00)R0" * n + b"N.",
    "calls of results": lambda n: PROTO + ACME + b")R" * n + b".",
    "calls with many arguments": lambda n: (
        PROTO + b"(" + b"N" * n + b"tq\x000" + MAP + b"q\x010" + b"h\x01h\x00R0" * n + b"N."
    ),
    "partials of many arguments": lambda n: (
        PROTO + PARTIAL + b"(" + ACME + b"N" * n + b"tRq\x000" + b"h\x00)R0" * n + b"N."
    ),
    "partials of partials": lambda n: (
        PROTO + PARTIAL + b"q\x00" + ACME + b"q\x010h\x00h\x01\x85Rq\x02)R0h\x02" * n + b"."
    ),
    "joins": lambda n: (
        PROTO
        + b"]("
        + b"X\x04\0\0\0aaaa" * 50
        + b"eq\x000"
        + JOIN
        + b"q\x010"
        + b"h\x01X\0\0\0\0h\x00\x86R0" * n
        + b"N."
    ),
    "one state for many": lambda n: PROTO + ACME + b")Rq\x000}q\x010" + b"h\x00h\x01K\x01Ns0h\x01b0" * n + b"N.",
    "one pickle loaded often": lambda n: (
        PROTO
        + LOADS
        + b"q\x00B"
        + struct.pack("<I", 2 * n + 2)
        + b"N0" * n
        + b"N."
        + b"q\x010"
        + b"h\x00h\x01\x85R0" * n
        + b"N."
    ),
    "dicts in dicts": lambda n: PROTO + ORDERED + b"q\x00h\x00)R" + b"q\x010h\x00)Rh\x01h\x01s" * n + ACME + b"0.",
    "arrays in shared lists": lambda n: PROTO + b"]" + ARRAY + b"a" + b"q\x000]h\x00ah\x00a" * n + b".",
    "pickles in bytes": lambda n: PROTO + ACME + b"0" + b"C\x04\x80\x04N.0" * n + b"N.",
    "acting pickles in bytes": lambda n: (
        PROTO + ACME + b"".join(b"0C\x18\x80\x04cos\nsystem\n(X\x04\0\0\0%04dtR" % i for i in range(n)) + b"."
    ),
    "bytes that begin pickles": lambda n: PROTO + ACME + b"B" + struct.pack("<I", 4 * n) + b"\x80\x04B\xff" * n + b".",
    "texts that are pickles": lambda n: (
        PROTO + ACME + b"X" + struct.pack("<I", 25 * n) + b"gASVgASVgASVgASVgASVgASV\t" * n + b"."
    ),
    "texts that begin such texts": lambda n: PROTO + ACME + b"X" + struct.pack("<I", 8 * n) + b"gAIgAIgA" * n + b".",
    "streams that might follow": lambda n: ACME + b"." + b"\x80\x02(" * n,
}


def look(raw: bytes) -> Inspection:
    file = RepoFile(path="x.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)
    return inspect(file, MemorySource(raw), Limits())


def steps(raw: bytes) -> int:
    """Count the calls, of Python's functions and of C's, that the inspection takes."""
    count = 0

    def counting(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    # What else traces (coverage does not use this hook) goes on afterwards.
    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        look(raw)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("name", CASES)
def test_steps_grow_with_the_bytes(name: str) -> None:
    """Four times the opcodes take no more than about four times the steps."""
    look(CASES[name](10))  # tables are loaded at the first use
    few, many = steps(CASES[name](500)), steps(CASES[name](2000))
    # After a thousand streams the rest is searched instead, which takes more for each.
    assert many <= (6 if name.startswith("STOP") else 4.6) * few + 2000


@pytest.mark.parametrize("name", CASES)
def test_words_and_memory_are_bounded(name: str) -> None:
    """Findings say in some kilobytes what a hostile file does, and it is gone through in bounded memory."""
    raw = CASES[name](5000)
    look(CASES[name](10))
    tracemalloc.start()
    try:
        inspection = look(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    said = sum(len(item.message) + sum(map(len, item.evidence)) for item in inspection.findings)
    assert said < 64 * 1024
    assert len(inspection.findings) <= 201
    # The second opinion, on a few thousand opcodes at most, takes most of it.
    assert peak < 80 * 1024 * 1024 + 200 * len(raw)


def test_names_of_shared_tensors_are_bounded() -> None:
    """Thirty lists that hold one another twice give one array no billion names, and that is said."""
    summary = look(CASES["arrays in shared lists"](30)).tensors
    assert summary is not None
    assert 2 == summary.stored_elements
    assert not summary.complete
    assert len(summary.tensors) < 2000


def test_ten_million_marks_end_at_the_limit() -> None:
    """Marks count as objects: the walk ends at the limit, and says so."""
    raw = PROTO + ACME + b"(" * 10_000_000 + b"."
    inspection = look(raw)
    assert Coverage.PARTIAL == inspection.coverage
    assert "inspection-incomplete" in {item.rule.id for item in inspection.findings}


def test_the_graph_is_gone_when_it_is_no_longer_used() -> None:
    """Nothing holds the graph in a cycle: it would live until the collector has gone through all of it."""
    raw = state_dict_pickle({f"layer.{number}": ("F32", (2, 2)) for number in range(500)})
    file = RepoFile(path="m.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)
    gc.collect()
    gc.disable()
    try:
        assert 1 == len(examine(file, MemorySource(raw), Limits(), values=True).roots)
        assert 500 > gc.collect()
    finally:
        gc.enable()
