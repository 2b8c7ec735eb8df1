"""Tensors that are taken in one step are what they are opcode by opcode."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.inspectors.pickle_faults import WalkFault
from aibom.inspectors.pickle_nodes import Call, Dict, Global, Node, PersistentId, Unknown
from aibom.inspectors.pickle_walk import Machine
from aibom.inspectors.pickle_window import Window
from aibom.inspectors.torch_tensors import read_tensor
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

MEMO = 300
NAMES = ("torch._utils _rebuild_tensor_v2", "torch FloatStorage", "collections OrderedDict", "acme Odd")
NUMBERS = st.one_of(
    st.integers(0, 255).map(lambda n: b"K" + bytes([n])),
    st.integers(0, 65535).map(lambda n: b"M" + struct.pack("<H", n)),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: b"J" + struct.pack("<i", n)),
)


class Settling:
    """A sink that settles what it hears called, or nothing: only then are tensors taken in one step."""

    def __init__(self, *, settles: bool) -> None:
        self.settles = settles
        self.asked: list[Node] = []

    def imported(self, node: Global, protocol: int) -> Global:
        node.settled = self.settles
        return node

    def computed(self, module: Node, name: Node, offset: int) -> Node:
        return Unknown("computed", offset)

    def called(self, call: Call) -> Node:
        return call

    def built(self, target: Node, state: Node, offset: int) -> None:
        pass

    def extended(self, target: Node, method: str, items: list[Node], offset: int) -> None:
        pass

    def persistent(self, node: PersistentId) -> None:
        self.asked.append(node.args)

    def extension(self, code: int, offset: int) -> Node:
        return Unknown("extension", offset)

    def odd(self, message: str, offset: int) -> None:
        pass


def header() -> bytes:
    """Put the globals, `storage` and `cpu` into the memo, and fill it up to where keys have four bytes."""
    globals_ = b"".join(
        b"c" + name.replace(" ", "\n").encode() + b"\nq" + bytes([key]) + b"0" for key, name in enumerate(NAMES)
    )
    texts = b"X\x07\0\0\0storageq\x040X\x03\0\0\0cpuq\x050"
    filling = b"".join(b"Nr" + struct.pack("<I", key) + b"0" for key in range(6, MEMO))
    return b"\x80\x02" + globals_ + texts + filling


class Writer:
    """Writes tensors as torch does, with a chance to do anything differently."""

    def __init__(self) -> None:
        self.key = MEMO

    def put(self) -> bytes:
        self.key += 1
        return b"r" + struct.pack("<I", self.key - 1)

    def tensor(self, key: str, size: bytes, stride: bytes, *, count: bytes, at: bytes, hooks: bytes) -> bytes:
        stored = b"h\x04h\x01X" + struct.pack("<I", len(key)) + key.encode() + self.put() + b"h\x05" + count + b"t"
        begin = b"h\x00((" + stored + self.put() + b"Q" + at
        begin += size + self.put()
        begin += stride + self.put()
        begin += b"\x89" + hooks + b")R" + self.put()
        begin += b"t" + self.put()
        return begin + b"R" + self.put()

    def name(self, name: str) -> bytes:
        return b"X" + struct.pack("<I", len(name)) + name.encode() + self.put()


def sizes(numbers: list[bytes]) -> bytes:
    """Write a tuple as the C pickler does."""
    body = b"".join(numbers)
    return body + bytes([0x84 + len(numbers)]) if 0 < len(numbers) <= 3 else b"(" + body + b"t" if numbers else b")"


@st.composite
def dicts(draw: st.DrawFn) -> bytes:
    """Draw a dict of tensors, with a step out of line here and there."""
    writer = Writer()
    out = [header(), b"}("]
    for number in range(draw(st.integers(1, 6))):
        shape = draw(st.lists(NUMBERS, max_size=5))
        tensor = writer.name(draw(st.sampled_from(["weight", "layer.router", "r", "é"])) + str(number))
        tensor += writer.tensor(
            str(number),
            sizes(shape),
            sizes(draw(st.one_of(st.just(shape), st.lists(NUMBERS, max_size=4)))),
            count=draw(st.one_of(NUMBERS, st.just(b"\x8a\x05\0\0\0\0\x01"))),
            at=draw(NUMBERS),
            hooks=draw(st.sampled_from([b"h\x02"] * 4 + [b"h\x03", b"h\x07", b"h\xff", b"j\xff\xff\0\0"])),
        )
        if draw(st.integers(0, 5)) == 0:
            at = draw(st.integers(0, len(tensor) - 1))
            tensor = tensor[:at] + draw(st.binary(min_size=1, max_size=1)) + tensor[at + 1 :]
        out.append(tensor)
    return b"".join([*out, b"u."])


def described(node: Node, seen: dict[int, int]) -> object:
    """Return a graph as comparable values; an object that came before is its number."""
    if isinstance(node, Global):
        return node.path, node.offset
    if not isinstance(node, Call | Dict | PersistentId | Unknown | list | tuple):
        return type(node), node
    # Equal tuples of numbers may be one object.
    constant = isinstance(node, tuple) and all(isinstance(item, int) for item in node)
    if not constant:
        if id(node) in seen:
            return seen[id(node)]
        seen[id(node)] = len(seen)
    match node:
        case Call():
            parts = (node.callee, node.args, node.kwargs, *node.state, *node.items, *node.pairs)
            return "call", node.how, node.offset, [described(part, seen) for part in parts]
        case Dict():
            return "dict", [described(part, seen) for part in node.items]
        case PersistentId():
            return "id", node.offset, described(node.args, seen)
        case Unknown():
            return "unknown", node.offset, node.reason
    return [described(part, seen) for part in node]


def outcome(raw: bytes, *, settles: bool) -> tuple[object, list[object], object]:
    """Walk; return the value or the fault, what the loader was asked for, and the tensors."""
    sink = Settling(settles=settles)
    machine = Machine(Window(MemorySource(raw)), Limits(), sink)
    asked: Callable[[], list[object]] = lambda: [described(item, {}) for item in sink.asked]  # noqa: E731 -- asked late
    try:
        root, end = machine.stream(0)
    except WalkFault as broken:
        return (str(broken), broken.offset), asked(), None
    tensors = [read_tensor(item) for item in root.items] if isinstance(root, Dict) else []
    return (described(root, {}), end), asked(), tensors


@settings(max_examples=200, deadline=None)
@given(raw=dicts())
def test_one_step_gives_what_the_opcodes_give(raw: bytes) -> None:
    """Value graph, offsets, order, faults and tensors are the same, whatever byte differs."""
    assert outcome(raw, settles=False) == outcome(raw, settles=True)


def _state_dict(tensors: int) -> bytes:
    writer = Writer()
    size, stride = sizes([b"M\0\x01", b"K\x03"]), sizes([b"K\x03", b"K\x01"])
    one = b"".join(
        writer.name(f"layer{i}") + writer.tensor(str(i), size, stride, count=b"M\0\x03", at=b"K\0", hooks=b"h\x02")
        for i in range(tensors)
    )  # fmt: skip
    return header() + b"}(" + one + b"u."


def test_ordinary_tensors_are_taken_in_one_step() -> None:
    """Nearly all tensors of a checkpoint take the short way, and count as all their opcodes."""
    raw = _state_dict(1000)
    sink = Settling(settles=True)
    machine = Machine(Window(MemorySource(raw)), Limits(), sink)
    root, _ = machine.stream(0)
    assert isinstance(root, Dict)
    taken = [item for item in root.items if isinstance(item, Call) and item.read is not None]
    assert len(taken) > 950
    assert machine.opcodes > 27 * 1000
    assert 1000 == len(sink.asked)


def test_what_is_taken_in_one_step_is_limited() -> None:
    """The limits on opcodes and objects hold for tensors taken in one step."""
    raw = _state_dict(40_000)
    for limits in (Limits(pickle_opcodes=500_000), Limits(pickle_objects=100_000)):
        machine = Machine(Window(MemorySource(raw)), limits, Settling(settles=True))
        with pytest.raises(WalkFault, match="more than"):
            machine.stream(0)


def test_one_step_across_windows() -> None:
    """A tensor that a window cuts is read whole."""
    raw = _state_dict(5000)
    assert outcome(raw, settles=False) == outcome(raw, settles=True)
