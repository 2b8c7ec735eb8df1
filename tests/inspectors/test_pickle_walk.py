"""The walk does what CPython's unpickler does: the same imports in the same order, the same values."""

from __future__ import annotations

import collections
import datetime as dt
import fractions
import io
import pickle
from pathlib import PurePosixPath
from typing import Any

import pytest
from fixtures.pickle_assembler import Ops, built, called, made, new, old, push, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.inspectors import pickle_text
from aibom.inspectors.pickle_faults import WalkFault
from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, How, Node, PersistentId, RawArray, SetOf, Unknown
from aibom.inspectors.pickle_sink import Raw, RawHook
from aibom.inspectors.pickle_store import KEPT_ELEMENTS
from aibom.inspectors.pickle_walk import Machine
from aibom.inspectors.pickle_window import FIRST, Window
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource


class Recorder:
    """A sink that judges nothing and remembers the order of events."""

    def __init__(self) -> None:
        self.imports: list[tuple[str, str]] = []
        self.events: list[tuple[str, Any]] = []

    def imported(self, node: Global, protocol: int) -> Global:
        self.imports.append((node.module, node.name))
        return node

    def computed(self, module: Node, name: Node, offset: int) -> Node:
        self.events.append(("computed", (module, name)))
        return Unknown("computed", offset)

    def called(self, call: Call) -> Node:
        self.events.append((call.how, call))
        return call

    def built(self, target: Node, state: Node, offset: int) -> None:
        self.events.append(("built", state))

    def extended(self, target: Node, method: str, items: list[Node], offset: int) -> None:
        self.events.append((method, items))

    def persistent(self, node: PersistentId) -> None:
        self.events.append(("persistent", node.args))

    def extension(self, code: int, offset: int) -> Node:
        self.events.append(("extension", code))
        return Unknown("extension", offset)

    def odd(self, message: str, offset: int) -> None:
        self.events.append(("odd", message))


def walk(raw: bytes, hook: RawHook | None = None, limits: Limits | None = None) -> tuple[Any, Recorder]:
    recorder = Recorder()
    root, end = Machine(Window(MemorySource(raw)), limits or Limits(), recorder, hook).stream(0)
    assert end <= len(raw)
    return root, recorder


def fault(raw: bytes) -> str:
    with pytest.raises(WalkFault) as caught:
        walk(raw)
    return str(caught.value)


def plain(node: Node, raw: bytes) -> object:
    """Turn a graph of constants back into Python's values."""
    match node:
        case Blob():
            value = raw[node.offset : node.offset + node.length]
            return value.decode("utf-8", "surrogatepass") if node.text else value
        case Dict():
            return {plain(key, raw): plain(value, raw) for key, value in node.pairs()}
        case SetOf():
            values = [plain(item, raw) for item in node.items]
            return frozenset(values) if node.frozen else set(values)
        case list():
            return [plain(item, raw) for item in node]
        case tuple():
            return tuple(plain(item, raw) for item in node)
        case Call(callee=Global(module="builtins", name="complex"), args=(float(real), float(imaginary))):
            return complex(real, imaginary)
    return node


class _Oracle(pickle._Unpickler):
    """The pure-Python unpickler, telling what it looks up."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(io.BytesIO(raw))
        self.seen: list[tuple[str, str]] = []

    def find_class(self, module: str, name: str) -> Any:
        self.seen.append((module, name))
        return super().find_class(module, name)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=40), st.binary(max_size=40),
    st.integers(-(2**70), 2**70),
)  # fmt: skip
HASHABLE = st.one_of(st.integers(), st.text(max_size=20), st.tuples(st.integers(), st.text(max_size=5)))
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=6),
        st.sets(HASHABLE, max_size=5),
        st.frozensets(HASHABLE, max_size=5),
    ),
    max_leaves=30,
)
OBJECTS = st.recursive(
    st.one_of(
        SCALARS,
        st.builds(fractions.Fraction, st.integers(), st.integers(1, 100)),
        st.decimals(allow_nan=False),
        st.dates(),
        st.timedeltas(),
        st.complex_numbers(allow_nan=False),
        st.just(PurePosixPath("a/b")),
        st.sampled_from([len, int, collections.OrderedDict, ValueError("x"), dt.UTC, range(3), slice(1, 2)]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(lambda items: [*items, *items]),
        st.dictionaries(st.text(max_size=8), inner, max_size=5).map(collections.OrderedDict),
        st.lists(inner, max_size=5).map(collections.deque),
        st.dictionaries(HASHABLE, inner, max_size=5),
    ),
    max_leaves=20,
)
PROTOCOLS = st.sampled_from(range(6))
DUMPERS = st.sampled_from([pickle.dumps, pickle._dumps])  # type: ignore[attr-defined]


@settings(max_examples=200, deadline=None)
@given(value=OBJECTS, protocol=PROTOCOLS, dump=DUMPERS)
def test_imports_come_in_the_unpicklers_order(value: object, protocol: int, dump: Any) -> None:
    """The walk names exactly the globals that the unpickler looks up, in its order."""
    raw = dump(value, protocol)
    oracle = _Oracle(raw)
    oracle.load()
    assert oracle.seen == walk(raw)[1].imports


@settings(max_examples=150, deadline=None)
@given(value=PLAIN, protocol=st.sampled_from([3, 4, 5]), dump=DUMPERS)
def test_values_are_those_of_the_unpickler(value: object, protocol: int, dump: Any) -> None:
    """The graph of plain data is the data."""
    raw = dump(value, protocol)
    root, _ = walk(raw)
    if protocol < 4 and isinstance(root, Call):
        return  # sets are calls in protocol 3
    if b"builtins" not in raw:
        assert value == plain(root, raw)


def test_objects_carry_what_was_done_to_them() -> None:
    """State, elements and pairs stand with the object that they were given to."""
    code = built(called(new("a", "B"), 1), {"x": 2}).code
    root, recorder = walk(b"\x80\x04" + code + b"(K\x05K\x06e(K\x07K\x08u" + b"K\x09a.")
    assert isinstance(root, Call)
    assert root.calls("a.B")
    assert ((1,), How.CALL) == (root.args, root.how)
    assert [5, 6, 9] == root.items
    assert [7, 8] == root.pairs
    (state,) = list(root.state)
    assert isinstance(state, Dict)
    assert (2, 1) == (state.get("x"), state.get("y", 1))
    assert root.calls("x.Y", "a.B")
    assert ["call", "built", "extend", "__setitem__", "append"] == [str(kind) for kind, _ in recorder.events]


def test_each_way_to_make_an_object() -> None:
    """REDUCE and INST with arguments call the class, the others only make an instance."""
    ways = {
        stream(called(new("a", "B"))): How.CALL,
        stream(made(new("a", "B"))): How.NEW,
        b"(K\x01ia\nB\n.": How.CALL,
        b"(ia\nB\n.": How.NEW,
        b"(ca\nB\no.": How.NEW,
        b"(ca\nB\nK\x01o.": How.CALL,
        stream(Ops(new("a", "B").code + b")}\x92")): How.NEW,
    }
    assert list(ways.values()) == [walk(raw)[0].how for raw in ways]


def test_sets_and_persistent_ids() -> None:
    """Sets keep their elements; persistent ids are told with their arguments."""
    root, recorder = walk(b"\x80\x04\x8f(K\x01K\x02\x90(K\x03\x91\x86Pname 1\n\x86Vid\nQ\x86.")
    ((first, second), text), made_of = root
    assert isinstance(first, SetOf)
    assert isinstance(second, SetOf)
    assert ([1, 2], False, [3], True) == (first.items, first.frozen, second.items, second.frozen)
    assert "name 1" == text.args
    assert "id" == made_of.args
    assert [("persistent", "name 1"), ("persistent", "id")] == recorder.events


def test_adding_to_what_is_no_set_is_a_method_call() -> None:
    """ADDITEMS on a frozen set or an object calls its `add`."""
    assert [("add", [1])] == walk(b"\x80\x04(\x91(K\x01\x90.")[1].events
    root, _ = walk(stream(Ops(new("a", "B").code + b")\x81(K\x01\x90")))
    assert [1] == root.items


def test_setting_items_of_a_list_is_a_method_call() -> None:
    """SETITEM on a list calls `__setitem__`."""
    assert [("__setitem__", [0, 1])] == walk(b"\x80\x04]K\x00K\x01s.")[1].events


def test_extension_codes_are_signed() -> None:
    """EXT4 holds a signed number, as the unpickler reads it."""
    assert [("extension", -1)] == walk(b"\x80\x02\x84\xff\xff\xff\xff.")[1].events


def test_names_that_are_no_text_are_told() -> None:
    """STACK_GLOBAL on anything but text is reported with its operands."""
    assert [("computed", (1, "x"))] == walk(b"\x80\x04K\x01Vx\n\x93.")[1].events


def test_python2_strings() -> None:
    """Short strings of Python 2 are Latin-1 text, long ones stay in the file."""
    root, _ = walk(b"(U\x02\xe9aT\x03\x00\x00\x00abcT\x00\x01\x00\x00" + b"x" * 256 + b"t.")
    short, counted, blob = root
    assert ("éa", "abc", Blob, 256) == (short, counted, type(blob), blob.length)


def test_numbers() -> None:
    """Numbers are read as the C unpickler reads them, which is not always as `pickletools` does."""
    lines = b"(I01\nI00\nI0x1F\nI-7\nI010\nL12L\nL-0x10L\nF1.5\n"
    counted = b"\x8a\x00\x8a\x01\xff\x8b\x02\x00\x00\x00\x00\x80"
    fixed = b"M\xff\xffK\xffJ\xff\xff\xff\xffG?\xf0\x00\x00\x00\x00\x00\x00t."
    raw = lines + counted + fixed
    root, _ = walk(raw)
    assert (True, False, 31, -7, 8, 12, -16, 1.5, 0, -1, -(2**15), 65535, 255, -1, 1.0) == root


def test_long_arguments_stay_in_the_file() -> None:
    """Long texts, bytes and integers are placed, not read."""
    raw = stream(["x" * 70_000, b"y" * 300, Ops(b"\x96" + (3).to_bytes(8, "little") + b"abc")])
    raw = raw[:-2] + b"\x8b" + (2000).to_bytes(4, "little") + bytes(2000) + b"e."
    text, data, array, number = walk(raw)[0]
    assert "x" * 70_000 == plain(text, raw)
    assert b"y" * 300 == plain(data, raw)
    assert b"abc" == plain(array, raw)
    assert isinstance(number, Unknown)
    line = b"V" + b"x" * (1 << 21) + b"\n."
    assert isinstance(walk(line)[0], Unknown)


def test_arguments_across_windows() -> None:
    """An argument that a window cuts is read whole, wherever the cut is."""
    for pad in range(FIRST - 30, FIRST, 3):
        raw = (
            b"\x80\x04C"
            b"\x00"
            b"0"
            + (push("y" * 1000) + b"0") * (pad // 1006)
            + b"N0" * (pad % 1006 // 2)
            + push("some text of the middle")
            + b"."
        )
        assert "some text of the middle" == walk(raw)[0]
    raw = stream([f"word {i}" for i in range(60_000)])
    assert [f"word {i}" for i in range(60_000)] == walk(raw)[0]


def test_surrogates_are_kept() -> None:
    """Lone surrogates pass, as in the unpickler."""
    assert ["\ud800", "\ud800"] == walk(b"]" + push("\ud800") + b"a" + b"X\x03\x00\x00\x00\xed\xa0\x80a.")[0]


def test_memo_with_gaps() -> None:
    """Keys far apart are kept, MEMOIZE counts entries, PUT may replace."""
    assert ("a", "b", "c") == walk(
        b"\x80\x04Va\nr\xff\xff\xff\x000Vb\n\x940Vc\nq\x070j\xff\xff\xff\x00h\x01h\x07\x87."
    )[0]
    assert "b" == walk(b"Va\np0\n0Vb\np0\n0g0\n.")[0]
    assert "b" == walk(b"Va\np0\n0Vb\nq\x000h\x00.")[0]
    assert "z" == walk(b"\x80\x04Va\nq\x050Vz\n\x940h\x01.")[0]


def test_plain_constants_of_huge_containers_are_counted() -> None:
    """Beyond a number of elements, plain constants are counted and everything else is kept."""
    more = 5
    batch = b"(" + b"K\x01" * KEPT_ELEMENTS + b"e"
    raw = b"\x80\x04]" + batch + b"(" + b"K\x02" * more + b"e" + b"K\x03a" + b"(ca\nB\ne."
    root, _ = walk(raw)
    assert isinstance(root, list)
    assert KEPT_ELEMENTS + 2 == len(root)
    left = root[-2]
    assert isinstance(left, Unknown)
    assert more + 1 == left.count
    assert isinstance(root[-1], Global)


def test_plain_pairs_of_huge_dicts_are_counted() -> None:
    """As for lists; a key and a value stand for the rest."""
    pairs = b"(" + b"".join(b"J" + i.to_bytes(4, "little") + b"N" for i in range(KEPT_ELEMENTS)) + b"u"
    root, _ = walk(b"\x80\x04}" + pairs + b"K\x01Ns(K\x02NK\x03Nu.")
    assert isinstance(root, Dict)
    key, value = root.pairs()[-1]
    assert isinstance(key, Unknown)
    assert isinstance(value, Unknown)
    assert (3, 3) == (key.count, value.count)


def test_raw_bytes_in_mid_stream() -> None:
    """A hook steps over raw bytes and nested pickles; the array takes the object's place."""
    wrapper = built(made(new("j", "W")), {"n": 1}).code

    def hook(call: Call, at: int) -> Raw | None:
        return Raw(skip=1, length=4) if call.calls("j.W") else None

    root, _ = walk(b"\x80\x04" + wrapper + b"\x00\xff\xff\xff\xff.", hook)
    assert isinstance(root, RawArray)
    assert (len(wrapper) + 3, 4) == (root.offset, root.length)
    assert root.wrapper.calls("j.W")
    nested, _ = walk(b"\x80\x04" + wrapper + stream([1, 2]) + b".", lambda call, at: Raw(nested=True))
    assert isinstance(nested, RawArray)
    assert ([1, 2], len(stream([1, 2]))) == (nested.value, nested.length)
    with pytest.raises(WalkFault, match="raw array data runs past the end"):
        walk(b"\x80\x04" + wrapper + b".", lambda call, at: Raw(length=1 << 40))
    deep = (b"\x80\x04" + wrapper) * 20
    with pytest.raises(WalkFault, match="within each other"):
        walk(deep, lambda call, at: Raw(nested=True))


def test_a_hook_may_go_beyond_the_window() -> None:
    """Raw bytes longer than a window are stepped over."""
    wrapper = built(made(new("j", "W")), {"n": 1}).code
    raw = b"\x80\x04" + wrapper + bytes(3 * FIRST) + push("x") + b"\x86."
    (array, text), _ = walk(raw, lambda call, at: Raw(length=3 * FIRST))
    assert "x" == text
    assert isinstance(array, RawArray)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "ends without STOP"),
        (b"\x80\x04", "ends without STOP"),
        (b"K", "an argument runs past the end"),
        (b"\x8c\x05ab", "an argument runs past the end"),
        (b"\x8a\x05ab", "an argument runs past the end"),
        (b"X\xff\xff\xff\xffab", "an argument runs past the end"),
        (b"B\x01", "an argument runs past the end"),
        (b"T\xff\xff\xff\xff", "a negative length"),
        (b"\x8b\xff\xff\xff\xff", "a negative length"),
        (b"\x80\x06.", "unsupported pickle protocol 6"),
        (b".", "the stack is empty"),
        (b"0.", "opcode 0x30"),
        (b"a.", "the stack is empty"),
        (b"t.", "no MARK"),
        (b"1.", "no MARK"),
        (b"(o.", "opcode 0x6f"),
        (b"h\x05.", "memo key 5 was never set"),
        (b"j\x05\x00\x00\x00.", "memo key 5 was never set"),
        (b"g5\n.", "memo key 5 was never set"),
        (b"g-1\n.", "memo key -1 was never set"),
        (b"gx\n.", "a memo key is no number"),
        (b"Np-1\n.", "a memo key is negative"),
        (b"c\nx\n.", "name is empty"),
        (b"ca\n.", "no end"),
        (b"c\xff\nx\n.", "not UTF-8"),
        (b"c" + b"a" * (1 << 21) + b"\nx\n.", "very long"),
        (b"V\\ud\n.", "not valid"),
        (b"Ix\n.", "not valid"),
        (b"L\n.", "not valid"),
        (b"Fx\n.", "not valid"),
        (b"Sx\n.", "not valid"),
        (b"S'\\x1'\n.", "not valid"),
        (b"X\x02\x00\x00\x00\xff\xff.", "not UTF-8"),
        (b"\x8c\x02\xff\xff.", "not UTF-8"),
        (b"(Nd.", "odd number of items for DICT"),
        (b"}(Nu.", "odd number of items for SETITEMS"),
        (b"]\x98\x99.", "unknown opcode 0x99"),
        (b"\x98.", "the stack is empty"),
        (b"\x00", "unknown opcode 0x00"),
        (b"w", "unknown opcode 0x77"),
    ],
)
def test_breaks_are_told(raw: bytes, message: str) -> None:
    """Where the unpickler would raise, the walk ends with the reason."""
    assert message in fault(raw)


@pytest.mark.parametrize(
    ("line", "value"),
    [(b"1", 1), (b" 12", 12), (b"+5", 5), (b"0", 0), (b"0o17", 15), (b"1_000", 1000), (b"9" * 30, int("9" * 30)),
     (b"0X1f", 31), (b"-0x10", -16), (b"0b11", 3)],
)  # fmt: skip
def test_integers_of_protocol_0(line: bytes, value: int) -> None:
    """INT takes what strtol takes in base 0, then what Python takes in base 0."""
    assert value == pickle_text.integer(line)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"'a\\'b'", b"a'b"),
        (b'"\\x41\\101\\n"', b"AA\n"),
        (b"'\\\\'", b"\\"),
        (b"''", b""),
    ],
)
def test_quoted_strings_of_protocol_0(line: bytes, value: bytes) -> None:
    """STRING takes the escapes of a bytes literal."""
    assert value == pickle_text.quoted(line)
    assert value.decode() == pickle.loads(b"S" + line + b"\n.")


def test_old_names() -> None:
    """GLOBAL and STACK_GLOBAL name the same."""
    assert walk(stream(old("a", "b.c")))[1].imports == walk(stream(new("a", "b.c")))[1].imports
