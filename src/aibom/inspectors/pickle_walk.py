"""Walk a pickle stream on an abstract machine: the C unpickler's stack, marks and memo, with nodes for objects."""

from __future__ import annotations

from itertools import repeat
from operator import length_hint
from struct import Struct

from aibom.inspectors.growing import uncollected
from aibom.inspectors.pickle_arguments import text as text_of
from aibom.inspectors.pickle_faults import WalkFault
from aibom.inspectors.pickle_nodes import MAX_TEXT, Call, Dict, Global, How, Node, PersistentId, RawArray
from aibom.inspectors.pickle_seldom import SELDOM, State, extended, set_items
from aibom.inspectors.pickle_shortcut import MADE, MOST, OPCODES, Shortcut
from aibom.inspectors.pickle_sink import Raw, RawHook, Sink
from aibom.inspectors.pickle_store import KEPT_ELEMENTS, Sparse, extend, extend_pairs, put
from aibom.inspectors.pickle_window import Window
from aibom.limits import Limits

_SLICE = 1 << 16
_FLOAT = Struct(">d").unpack_from
_UNSIGNED = Struct("<I").unpack_from
_SIGNED = Struct("<i").unpack_from


class Machine:
    """The state that outlives one stream: where we are, how much may still be done, earlier memos, findings' sink."""

    def __init__(self, window: Window, limits: Limits, sink: Sink, raw: RawHook | None = None) -> None:
        self.window = window
        self.sink = sink
        self._raw = raw
        self._limits = limits
        self._nesting = 0
        self._steps_left = limits.pickle_opcodes
        self._objects_left = limits.pickle_objects
        self._earlier: list[list[Node] | Sparse] = []

    @property
    def steps_left(self) -> int:
        """How many opcodes may still be walked."""
        return self._steps_left

    def spend(self, steps: int) -> None:
        """Count opcodes that were walked elsewhere on behalf of this stream."""
        self._steps_left = max(0, self._steps_left - steps)

    @property
    def opcodes(self) -> int:
        """How many opcodes were walked, rounded up where a window ended within one."""
        return self._limits.pickle_opcodes - self._steps_left

    def forget(self) -> None:
        """Let go of the memos: whoever listens may hold on to the machine, and the graph would live as long."""
        self._earlier.clear()

    def stream(self, start: int) -> tuple[Node, int]:
        """Walk one pickle from byte `start`; return its value and the offset after its STOP.

        Raises:
            WalkFault: the stream breaks, or a limit is reached. The sink has heard everything before that.
        """
        with uncollected():
            return self._stream(start)

    # The loop is one function on purpose: a call per opcode would cost more than the opcode. The opcodes that large
    # pickles consist of are here, everything else is in a table.
    def _stream(self, start: int) -> tuple[Node, int]:
        window, sink = self.window, self.sink
        window.move(start)
        buffer, base, end, last, i = window.buffer, window.base, window.end, window.last, 0
        safe = end if last else end - 10
        stack: list[Node] = []
        push = stack.append
        marks: list[list[Node]] = []
        memo: list[Node] | Sparse = []
        remember = memo.append
        state = State(window, sink, self._earlier, stack, marks, memo)
        shortcut = Shortcut(sink.persistent)
        tensor = shortcut.take
        called, unsigned, signed = How.CALL, _UNSIGNED, _SIGNED
        made = op = at = 0
        steps = repeat(None, 0)
        try:
            while True:
                self.spend(shortcut.taken * OPCODES)
                made += shortcut.taken * MADE
                shortcut.taken = 0
                if self._steps_left <= 0:
                    raise WalkFault(f"more than {self._limits.pickle_opcodes} opcodes", base + i, limit=True)
                if made + state.made + len(memo) + len(stack) + len(marks) > self._objects_left:
                    raise WalkFault(f"more than {self._limits.pickle_objects} objects", base + i, limit=True)
                steps = repeat(None, min(_SLICE, self._steps_left))
                self._steps_left -= length_hint(steps)
                for _ in steps:
                    if i >= safe:
                        # The window ends here, or an opcode that does not fit unset `safe`.
                        if last:
                            fault = "the stream ends without STOP" if i == safe else "an argument runs past the end"
                            raise WalkFault(fault, base + end)
                        window.move(base + i)
                        buffer, base, end, last, i = window.buffer, window.base, window.end, window.last, 0
                        safe = end if last else end - 10
                        continue
                    op = buffer[i]
                    if op > 0x7F:
                        if op == 0x94:  # MEMOIZE
                            remember(stack[-1])
                            i += 1
                            continue
                        if op == 0x8C:  # SHORT_BINUNICODE
                            e = i + 2 + buffer[i + 1]
                            if e > end:
                                safe = -1
                                continue
                            try:
                                push(buffer[i + 2 : e].decode())
                            except UnicodeDecodeError:
                                push(text_of(buffer[i + 2 : e], base + i))
                            i = e
                            continue
                        if op == 0x86:  # TUPLE2
                            second = stack.pop()
                            stack[-1] = (stack[-1], second)
                            made += 1
                            i += 1
                            continue
                        if op == 0x85:  # TUPLE1
                            stack[-1] = (stack[-1],)
                            made += 1
                            i += 1
                            continue
                        if op == 0x87:  # TUPLE3
                            third = stack.pop()
                            second = stack.pop()
                            stack[-1] = (stack[-1], second, third)
                            made += 1
                            i += 1
                            continue
                        if op == 0x89:
                            push(False)  # noqa: FBT003 -- it is the value
                            i += 1
                            continue
                        if op == 0x88:
                            push(True)  # noqa: FBT003 -- it is the value
                            i += 1
                            continue
                        if op == 0x93:  # STACK_GLOBAL
                            name = stack.pop()
                            module = stack[-1]
                            if isinstance(module, str) and isinstance(name, str):
                                stack[-1] = sink.imported(Global(module, name, base + i), state.protocol)
                            else:
                                stack[-1] = sink.computed(module, name, base + i)
                            made += 1
                            i += 1
                            continue
                        if op == 0x81:  # NEWOBJ
                            args = stack.pop()
                            callee = stack[-1]
                            call = Call(callee, args, None, How.NEW, base + i)
                            stack[-1] = call if type(callee) is Global and callee.settled else sink.called(call)
                            made += 1
                            i += 1
                            continue
                        if op == 0x8A:  # LONG1
                            e = i + 2 + buffer[i + 1]
                            if e > end:
                                safe = -1
                                continue
                            push(int.from_bytes(buffer[i + 2 : e], "little", signed=True))
                            i = e
                            continue
                    elif op > 0x60:
                        if op == 0x71 or op == 0x72:  # noqa: PLR1714 -- faster than a set; BINPUT, LONG_BINPUT
                            if op == 0x71:
                                key = buffer[i + 1]
                                i += 2
                            else:
                                (key,) = unsigned(buffer, i + 1)
                                i += 5
                            if key == len(memo):
                                remember(stack[-1])
                            else:
                                memo = put(memo, key, stack[-1])
                                remember = memo.append
                            continue
                        if op == 0x68:  # BINGET
                            try:
                                push(memo[buffer[i + 1]])
                            except (IndexError, KeyError):
                                state.memo = memo
                                push(state.recall(buffer[i + 1], base + i))
                            i += 2
                            continue
                        if op == 0x6A:  # LONG_BINGET
                            (key,) = unsigned(buffer, i + 1)
                            try:
                                push(memo[key])
                            except (IndexError, KeyError):
                                state.memo = memo
                                push(state.recall(key, base + i))
                            i += 5
                            continue
                        if op == 0x74:  # TUPLE
                            items = stack
                            stack = marks.pop()
                            push = stack.append
                            push(tuple(items))
                            made += 1
                            i += 1
                            continue
                        if op == 0x75:  # SETITEMS
                            items = stack
                            stack = marks.pop()
                            push = stack.append
                            target = stack[-1]
                            if type(target) is Dict and not len(items) & 1:
                                extend_pairs(target.items, items, base + i)
                            else:
                                set_items(state, target, items, base + i)
                            i += 1
                            continue
                        if op == 0x73:  # SETITEM
                            value = stack.pop()
                            key_node = stack.pop()
                            target = stack[-1]
                            if type(target) is Dict and len(target.items) < KEPT_ELEMENTS:
                                target.items += (key_node, value)
                            else:
                                set_items(state, target, [key_node, value], base + i)
                            i += 1
                            continue
                        if op == 0x7D:
                            push(Dict([]))
                            made += 1
                            i += 1
                            continue
                        if op == 0x62:  # BUILD
                            value = stack.pop()
                            at = base + i
                            i += 1
                            target = stack[-1]
                            sink.built(target, value, at)
                            if type(target) is Call:
                                if target.state:
                                    target.state.append(value)
                                else:
                                    target.state = [value]
                                if self._raw and (raw := self._raw(target, at + 1)):
                                    stack[-1], offset = self._step_over(raw, target, at + 1)
                                    i = offset - base
                            continue
                        if op == 0x61 or op == 0x65:  # noqa: PLR1714 -- faster than a set; APPEND, APPENDS
                            if op == 0x61:
                                items = [stack.pop()]
                            else:
                                items = stack
                                stack = marks.pop()
                                push = stack.append
                            target = stack[-1]
                            if type(target) is list:
                                extend(target, items, base + i)
                            else:
                                extended(state, target, "append" if op == 0x61 else "extend", items, base + i)
                            i += 1
                            continue
                    elif op == 0x4B:  # BININT1
                        push(buffer[i + 1])
                        i += 2
                        continue
                    elif op == 0x28:  # MARK
                        if (
                            buffer[i + 1] == 0x28
                            and stack
                            and type(memo) is list
                            and (e := tensor(buffer, i, base, stack, memo))
                        ):
                            i = e
                            if shortcut.taken < MOST:
                                continue
                            self._steps_left += length_hint(steps)
                            steps = repeat(None, 0)
                            break
                        marks.append(stack)
                        stack = []
                        push = stack.append
                        made += 1
                        i += 1
                        continue
                    elif op == 0x58:  # BINUNICODE
                        (length,) = unsigned(buffer, i + 1)
                        e = i + 5 + length
                        if e <= end and length <= MAX_TEXT:
                            try:
                                push(buffer[i + 5 : e].decode())
                            except UnicodeDecodeError:
                                push(text_of(buffer[i + 5 : e], base + i))
                            i = e
                            continue
                    elif op == 0x4D:  # BININT2
                        push(buffer[i + 1] | buffer[i + 2] << 8)
                        i += 3
                        continue
                    elif op == 0x4A:  # BININT
                        push(signed(buffer, i + 1)[0])
                        i += 5
                        continue
                    elif op == 0x52:  # REDUCE
                        args = stack.pop()
                        callee = stack[-1]
                        call = Call(callee, args, None, called, base + i)
                        stack[-1] = call if type(callee) is Global and callee.settled else sink.called(call)
                        made += 1
                        i += 1
                        continue
                    elif op == 0x51:  # BINPERSID
                        stack[-1] = persistent = PersistentId(stack[-1], base + i)
                        sink.persistent(persistent)
                        made += 1
                        i += 1
                        continue
                    elif op == 0x29:
                        push(())
                        i += 1
                        continue
                    elif op == 0x4E:
                        push(None)
                        i += 1
                        continue
                    elif op == 0x5D:
                        push([])
                        made += 1
                        i += 1
                        continue
                    elif op == 0x47:  # BINFLOAT
                        push(_FLOAT(buffer, i + 1)[0])
                        i += 9
                        continue
                    elif op == 0x2E:  # STOP
                        root = stack.pop()
                        at = base + i
                        if at + 1 < state.frame_end:
                            sink.odd("the stream stops inside a frame", at)
                        return root, at + 1
                    seldom = SELDOM.get(op)
                    if seldom is None:
                        raise WalkFault(f"unknown opcode 0x{op:02x}", base + i)
                    state.stack, state.memo = stack, memo
                    i = seldom(state, op, base + i) - base
                    stack, memo = state.stack, state.memo
                    push, remember = stack.append, memo.append
        except IndexError:
            what = "no MARK" if op in _NEEDS_MARK and not marks else "the stack is empty"
            raise WalkFault(f"opcode 0x{op:02x}: {what}", base + i) from None
        finally:
            self._steps_left = max(0, self._steps_left + length_hint(steps) - shortcut.taken * OPCODES)
            self._objects_left -= made + state.made + shortcut.taken * MADE + len(memo)
            self._earlier.append(memo)

    def _step_over(self, raw: Raw, wrapper: Call, offset: int) -> tuple[Node, int]:
        offset += raw.skip
        if not raw.nested:
            if offset + raw.length > self.window.size:
                raise WalkFault("raw array data runs past the end", offset)
            self.window.passed(min(offset, self.window.base + self.window.end))
            return RawArray(wrapper, offset, raw.length), offset + raw.length
        if self._nesting >= self._limits.pickle_nesting:
            raise WalkFault(f"more than {self._limits.pickle_nesting} pickles within each other", offset, limit=True)
        self._nesting += 1
        value, end = self.stream(offset)
        self._nesting -= 1
        return RawArray(wrapper, offset, end - offset, nested=True, value=value), end


_NEEDS_MARK = frozenset(b"tuldeio1\x90\x91")
