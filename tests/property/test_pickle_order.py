"""The walk names what the unpickler looks up, in its order, for objects of every way to pickle one."""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import enum
import io
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.files import Format, RepoFile, Role
from aibom.inspectors.pickle_examine import examine, settle
from aibom.inspectors.pickle_nodes import Call, Global, Node, PersistentId, Unknown
from aibom.inspectors.pickle_walk import Machine
from aibom.inspectors.pickle_window import Window
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource


class Color(enum.Enum):
    RED = "red"


class Flags(enum.Flag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: object
    y: object


@dataclasses.dataclass
class Plain:
    value: object


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    value: object


class Ordered(collections.OrderedDict[Any, Any]):
    """A subclass with attributes of its own."""


class Listed(list[Any]):
    """A list with attributes."""


class Named:
    """Made with keyword arguments, which take NEWOBJ_EX or a partial."""

    def __new__(cls, *, value: object = None) -> Self:
        return super().__new__(cls)

    def __init__(self, *, value: object = None) -> None:
        self.value = value

    def __getnewargs_ex__(self) -> tuple[tuple[object, ...], dict[str, object]]:
        return (), {"value": self.value}


class Registered:
    """Pickled by a function in the copyreg table."""

    def __init__(self, value: object) -> None:
        self.value = value


def _reduce_registered(item: Registered) -> tuple[type[Registered], tuple[object]]:
    return Registered, (item.value,)


class Reduced:
    """Reduces to a call with state, elements and pairs."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.listed: list[object] = []

    def append(self, item: object) -> None:
        self.listed.append(item)

    def __setitem__(self, key: object, value: object) -> None:
        self.listed.append((key, value))

    def __reduce__(self) -> tuple[Any, ...]:
        return Reduced, (self.value,), {"more": 1}, iter([1, 2]), iter([("a", 1)])


copyreg.pickle(Registered, _reduce_registered)


def _ordered(inner: object) -> Ordered:
    made = Ordered(a=inner)
    made.more = inner  # type: ignore[attr-defined]
    return made


def _listed(inner: object) -> Listed:
    made = Listed([inner, inner])
    made.more = inner  # type: ignore[attr-defined]
    return made


def _itself(inner: object) -> list[object]:
    made: list[object] = [inner]
    made += [made, {"self": made}, (made,), Plain(made)]
    return made


def _in_itself(inner: object) -> Plain:
    made = Plain(None)
    made.value = [made, inner, collections.deque([made])]
    return made


def _caused(inner: object) -> Exception:
    error = ValueError("text", inner)
    error.extra = inner  # type: ignore[attr-defined]
    return error


WAYS: list[Callable[[object], object]] = [
    Plain, Slotted, Registered, Reduced, _ordered, _listed, _itself, _in_itself, _caused,
    lambda inner: Point(inner, 1), lambda inner: Named(value=inner), lambda inner: [inner, inner],
    lambda inner: (inner,), lambda inner: {"key": inner}, lambda inner: collections.deque([inner], 3),
    lambda inner: collections.defaultdict(list, {1: inner}), KeyError,
]  # fmt: skip
OBJECTS = st.recursive(
    st.one_of(
        st.integers(), st.text(max_size=5), st.binary(max_size=5), st.none(), st.booleans(), st.floats(),
        st.sampled_from([
            Color.RED, Flags.A, Flags.A | Flags.B, Plain, len, str.upper, "x".join, collections.Counter("abc"),
            bytearray(b"ab"), OSError(2, "no"), StopIteration(1), {1, 2}, frozenset({3}), slice(1, 2), range(3),
            object, NotImplemented, ...,
        ]),
    ),
    lambda inner: st.tuples(st.sampled_from(WAYS), inner).map(lambda pair: pair[0](pair[1])),
    max_leaves=8,
)  # fmt: skip
Dump = Callable[[object, int], bytes]
DUMPERS: list[Dump] = [pickle.dumps, pickle._dumps]  # type: ignore[attr-defined]


class _Oracle(pickle._Unpickler):
    """The pure-Python unpickler, telling what it looks up."""

    def __init__(self, raw: bytes, **options: Any) -> None:
        super().__init__(io.BytesIO(raw), **options)
        self.seen: list[tuple[str, str]] = []

    def find_class(self, module: str, name: str) -> Any:
        self.seen.append((module, name))
        return super().find_class(module, name)


class _Recorder:
    """Hears imports, and believes everything."""

    def __init__(self) -> None:
        self.imports: list[tuple[str, str]] = []

    def imported(self, node: Global, protocol: int) -> Global:
        self.imports.append((node.module, node.name))
        return node

    def computed(self, module: Node, name: Node, offset: int) -> Node:
        raise AssertionError("no honest pickler computes a name")

    def called(self, call: Call) -> Node:
        return call

    def built(self, target: Node, state: Node, offset: int) -> None:
        pass

    def extended(self, target: Node, method: str, items: list[Node], offset: int) -> None:
        pass

    def persistent(self, node: PersistentId) -> None:
        raise AssertionError("there are no persistent ids")

    def extension(self, code: int, offset: int) -> Node:
        return Unknown("extension", offset)

    def odd(self, message: str, offset: int) -> None:
        raise AssertionError(message)


def imports_of(raw: bytes) -> list[tuple[str, str]]:
    recorder = _Recorder()
    _, end = Machine(Window(MemorySource(raw)), Limits(), recorder).stream(0)
    assert len(raw) == end
    return recorder.imports


def looked_up(raw: bytes, **options: Any) -> list[tuple[str, str]]:
    oracle = _Oracle(raw, **options)
    oracle.load()
    return oracle.seen


@settings(max_examples=200, deadline=None)
@given(value=OBJECTS, protocol=st.sampled_from(range(6)), dump=st.sampled_from(DUMPERS))
def test_every_way_to_pickle_is_followed_in_order(value: object, protocol: int, dump: Dump) -> None:
    """The same globals in the same order, whatever protocol, pickler and kind of object."""
    try:
        raw = dump(value, protocol)
    except (pickle.PicklingError, TypeError, RecursionError):
        return  # slots and keyword arguments are beyond the oldest protocols
    assert looked_up(raw) == imports_of(raw)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dump", DUMPERS)
@pytest.mark.parametrize("way", range(len(WAYS)))
def test_each_way_is_followed_in_each_protocol(way: int, protocol: int, dump: Dump) -> None:
    """Every kind of object, once in every protocol and by both picklers."""
    try:
        raw = dump([WAYS[way](Color.RED), WAYS[way](b"x")], protocol)
    except (pickle.PicklingError, TypeError):
        assert protocol < 2
        return
    assert looked_up(raw) == imports_of(raw)


@settings(max_examples=100, deadline=None)
@given(value=OBJECTS, protocol=st.sampled_from(range(6)), dump=st.sampled_from(DUMPERS))
def test_the_first_places_of_imports_are_in_the_unpicklers_order(value: object, protocol: int, dump: Dump) -> None:
    """Walk and triage list each global once, in the order in which the unpickler first looks them up."""
    try:
        raw = dump(value, protocol)
    except (pickle.PicklingError, TypeError, RecursionError):
        return
    file = RepoFile(path="x.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)
    for examined in (examine(file, MemorySource(raw), Limits()), settle(file, MemorySource(raw), Limits())):
        if examined is None:
            continue
        direct = {(item.module, item.name) for item in examined.imports}
        expected = [_modern(pair, protocol) for pair in dict.fromkeys(looked_up(raw))]
        assert [pair for pair in dict.fromkeys(expected) if pair in direct] == [
            pair for pair in dict.fromkeys((item.module, item.name) for item in examined.imports) if pair in expected
        ]


def _modern(pair: tuple[str, str], protocol: int) -> tuple[str, str]:
    from aibom.inspectors.pickle_globals import modern_name  # noqa: PLC0415 -- the one place that maps names

    return modern_name(*pair) if protocol < 3 else pair


@pytest.mark.parametrize("dump", DUMPERS)
def test_buffers_out_of_band_are_passed_over(dump: Any) -> None:
    """Protocol 5 may leave bytes out of the stream: imports behind them are still named in order."""
    buffers: list[pickle.PickleBuffer] = []
    value = [pickle.PickleBuffer(b"read only"), Plain(1), pickle.PickleBuffer(bytearray(b"writable")), Color.RED]
    raw = dump(value, 5, buffer_callback=buffers.append)
    assert 2 == len(buffers)
    assert looked_up(raw, buffers=buffers) == imports_of(raw)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_numpy_are_followed_in_order(protocol: int) -> None:
    """NumPy's arrays, scalars and types look up the same globals in the same order."""
    numpy = pytest.importorskip("numpy")
    value = [
        numpy.arange(6, dtype="<f4").reshape(2, 3), numpy.float64(1), numpy.dtype([("a", "<i4"), ("b", "O")]),
        numpy.array([Color.RED, None], dtype=object), numpy.array(["text"]), numpy.int64, numpy.add,
    ]  # fmt: skip
    raw = pickle.dumps(value, protocol)
    assert looked_up(raw) == imports_of(raw)
