"""Carry out the opcodes that are seldom in large pickles: one function each, in a table.

Each function works on the state of a stream and returns the offset of the next opcode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct

from aibom.inspectors.pickle_arguments import COUNTED, LINES, counted, text_argument
from aibom.inspectors.pickle_arguments import line as line_of
from aibom.inspectors.pickle_arguments import name as name_line
from aibom.inspectors.pickle_carried import HEAD
from aibom.inspectors.pickle_faults import WalkFault
from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, How, Node, PersistentId, SetOf, Unknown
from aibom.inspectors.pickle_sink import Sink
from aibom.inspectors.pickle_store import Sparse, extend, extend_pairs, put
from aibom.inspectors.pickle_window import Window


class State(Struct, eq=False):
    """One stream in the middle of the walk. `made` counts objects besides those in the memo."""

    window: Window
    sink: Sink
    earlier: list[list[Node] | Sparse]
    stack: list[Node]
    marks: list[list[Node]]
    memo: list[Node] | Sparse
    protocol: int = 0
    frame_end: int = -1
    made: int = 0

    def items(self) -> list[Node]:
        """Take what stands above the last mark."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def recall(self, key: int, offset: int) -> Node:
        """Find what this stream never stored: an Unpickler that is used again keeps its memo."""
        for memo in (self.memo, *reversed(self.earlier)):
            if isinstance(memo, Sparse) and key in memo:
                return memo[key]
            if not isinstance(memo, Sparse) and 0 <= key < len(memo):
                return memo[key]
        raise WalkFault(f"memo key {key} was never set", offset)


def extended(state: State, target: Node, method: str, items: list[Node], offset: int) -> None:
    """Add elements to what is no plain container."""
    if isinstance(target, Call):
        if target.items:
            extend(target.items, items, offset)
        else:
            target.items = items
    state.sink.extended(target, method, items, offset)


def set_items(state: State, target: Node, items: list[Node], offset: int) -> None:
    """Set items of anything but a small plain dict."""
    if len(items) & 1:
        raise WalkFault("odd number of items for SETITEMS", offset)
    if isinstance(target, Call):
        if target.pairs:
            extend_pairs(target.pairs, items, offset)
        else:
            target.pairs = items
    if isinstance(target, Dict):
        extend_pairs(target.items, items, offset)
    else:
        state.sink.extended(target, "__setitem__", items, offset)


def _protocol(state: State, _op: int, at: int) -> int:
    state.protocol = int.from_bytes(state.window.peek(at + 1, 1), "little")
    if state.protocol > 5:
        raise WalkFault(f"unsupported pickle protocol {state.protocol}", at)
    return at + 2


def _frame(state: State, _op: int, at: int) -> int:
    length = int.from_bytes(state.window.peek(at + 1, 8), "little")
    if at < state.frame_end:
        state.sink.odd("a frame begins inside another", at)
    state.frame_end = at + 9 + length
    if state.frame_end > state.window.size:
        state.sink.odd("a frame claims more bytes than there are", at)
    return at + 9


def _extension(state: State, op: int, at: int) -> int:
    width = 1 << (op - 0x82)
    code = int.from_bytes(state.window.peek(at + 1, width), "little")
    state.stack.append(state.sink.extension(code - (1 << 32) if code >= 1 << 31 else code, at))
    return at + 1 + width


_OLD_STRINGS = frozenset({0x54, 0x55})


def _argument(state: State, op: int, at: int) -> int:
    window = state.window
    node, offset = counted(window, op, at)
    state.stack.append(node)
    if isinstance(node, str) and op in _OLD_STRINGS:  # bytes, in Python 2
        node = Blob(offset - len(node), len(node))
    if window.carried is not None and isinstance(node, Blob):
        window.carried.consider(node, window.peek(node.offset, min(node.length, HEAD)))
        if offset > window.base + window.end:
            window.passed(at)  # the rest of the window is not read as opcodes
    return offset


def _text_argument(state: State, op: int, at: int) -> int:
    node, offset = text_argument(state.window, op, at)
    if isinstance(node, PersistentId):
        state.sink.persistent(node)
    state.stack.append(node)
    return offset


def _imported(state: State, at: int) -> tuple[Global, int]:
    module, offset = name_line(state.window, at + 1)
    name, offset = name_line(state.window, offset)
    state.made += 1
    return state.sink.imported(Global(module, name, at), state.protocol), offset


def _global(state: State, _op: int, at: int) -> int:
    found, offset = _imported(state, at)
    state.stack.append(found)
    return offset


def _inst(state: State, _op: int, at: int) -> int:
    found, offset = _imported(state, at)
    items = state.items()
    state.stack.append(_instantiate(state, found, items, at))
    return offset


def _obj(state: State, _op: int, at: int) -> int:
    items = state.items()
    state.stack.append(_instantiate(state, items.pop(0), items, at))
    state.made += 1
    return at + 1


def _instantiate(state: State, callee: Node, args: list[Node], offset: int) -> Node:
    # Without arguments the unpickler makes the instance without calling the class, if it is a class: that can't
    # be told from here, so what is not named like one counts as called.
    named_class = not isinstance(callee, Global) or callee.name.rpartition(".")[2][:1].isupper()
    how = How.NEW if named_class and not args else How.CALL
    return state.sink.called(Call(callee, tuple(args), None, how, offset))


def _new_with_names(state: State, _op: int, at: int) -> int:
    stack = state.stack
    kwargs = stack.pop()
    args = stack.pop()
    stack[-1] = state.sink.called(Call(stack[-1], args, kwargs, How.NEW, at))
    state.made += 1
    return at + 1


def _key(state: State, at: int) -> tuple[int, int]:
    line, offset = line_of(state.window, at + 1)
    try:
        return int(line or b"", 10), offset
    except ValueError:
        raise WalkFault("a memo key is no number", at) from None


def _get(state: State, _op: int, at: int) -> int:
    key, offset = _key(state, at)
    state.stack.append(state.recall(key, at))
    return offset


def _put(state: State, _op: int, at: int) -> int:
    key, offset = _key(state, at)
    if key < 0:
        raise WalkFault("a memo key is negative", at)
    state.memo = put(state.memo, key, state.stack[-1])
    return offset


def _list(state: State, _op: int, at: int) -> int:
    items = state.items()
    state.stack.append(items)
    state.made += 1
    return at + 1


def _dict(state: State, _op: int, at: int) -> int:
    items = state.items()
    if len(items) & 1:
        raise WalkFault("odd number of items for DICT", at)
    state.stack.append(Dict(items))
    state.made += 1
    return at + 1


def _empty_set(state: State, _op: int, at: int) -> int:
    state.stack.append(SetOf([]))
    state.made += 1
    return at + 1


def _frozen_set(state: State, _op: int, at: int) -> int:
    items = state.items()
    state.stack.append(SetOf(items, frozen=True))
    state.made += 1
    return at + 1


def _add_items(state: State, _op: int, at: int) -> int:
    items = state.items()
    target = state.stack[-1]
    if isinstance(target, SetOf) and not target.frozen:
        extend(target.items, items, at)
    else:
        extended(state, target, "add", items, at)
    return at + 1


def _buffer(state: State, _op: int, at: int) -> int:
    state.stack.append(Unknown("an out-of-band buffer", at))
    return at + 1


def _read_only(state: State, _op: int, at: int) -> int:
    state.stack[-1]  # underflows as the unpickler does
    return at + 1


def _duplicate(state: State, _op: int, at: int) -> int:
    state.stack.append(state.stack[-1])
    return at + 1


def _pop(state: State, _op: int, at: int) -> int:
    if state.stack:
        state.stack.pop()
    else:
        state.stack = state.marks.pop()
    return at + 1


def _pop_mark(state: State, _op: int, at: int) -> int:
    state.stack = state.marks.pop()
    return at + 1


Seldom: TypeAlias = Callable[[State, int, int], int]
SELDOM: Mapping[int, Seldom] = {
    **dict.fromkeys(COUNTED, _argument),
    **dict.fromkeys(LINES, _text_argument),
    0x80: _protocol, 0x95: _frame, 0x82: _extension, 0x83: _extension, 0x84: _extension,
    0x63: _global, 0x69: _inst, 0x6F: _obj, 0x92: _new_with_names,
    0x67: _get, 0x70: _put,
    0x6C: _list, 0x64: _dict, 0x8F: _empty_set, 0x91: _frozen_set, 0x90: _add_items,
    0x97: _buffer, 0x98: _read_only,
    0x30: _pop, 0x31: _pop_mark, 0x32: _duplicate,
}  # fmt: skip
"""What each seldom opcode does; called with the state, the opcode and its offset."""
