"""Walk a pickle stream on an abstract machine: the C unpickler's stack, marks and memo, with nodes for objects."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from operator import length_hint
from struct import Struct
from typing import Protocol

from aibom.inspectors.pickle_arguments import COUNTED, LINES, counted, text_argument
from aibom.inspectors.pickle_arguments import line as line_of
from aibom.inspectors.pickle_arguments import name as name_line
from aibom.inspectors.pickle_arguments import text as text_of
from aibom.inspectors.pickle_faults import WalkFault
from aibom.inspectors.pickle_nodes import (
    MAX_TEXT,
    Call,
    Dict,
    Global,
    How,
    Node,
    PersistentId,
    RawArray,
    SetOf,
    Unknown,
)
from aibom.inspectors.pickle_store import KEPT_ELEMENTS, Sparse, extend, extend_pairs, put
from aibom.inspectors.pickle_window import Window
from aibom.limits import Limits

_SLICE = 1 << 16
_FLOAT = Struct(">d")
_UNSIGNED = Struct("<I").unpack_from
_SIGNED = Struct("<i").unpack_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What stands in mid-stream in place of opcodes: `length` raw bytes, or one `nested` pickle (then 0).

    `skip` bytes of padding come before either.
    """

    skip: int = 0
    length: int = 0
    nested: bool = False


RawHook = Callable[[Call, int], Raw | None]
"""Called after each BUILD with the object that was built (its `state[-1]` is the new state) and the offset of the next
opcode. None means that opcodes go on; a `Raw` is stepped over and a `RawArray` takes the object's place."""


class Sink(Protocol):
    """Who hears what the stream does, in the order in which the unpickler would do it."""

    def imported(self, node: Global, protocol: int) -> Global:
        """A global is looked up. Returns what the unpickler would look up (Python 2 names mapped)."""
        ...

    def computed(self, module: Node, name: Node, offset: int) -> Node:
        """A global is looked up by something that is no constant text."""
        ...

    def called(self, call: Call) -> Node:
        """A callable is used. Returns the result: the call itself, or a constant where it is pure and known."""
        ...

    def built(self, target: Node, state: Node, offset: int) -> None:
        """State is set on an object."""
        ...

    def extended(self, target: Node, method: str, items: list[Node], offset: int) -> None:
        """Elements are added to something that is no plain container: a method of it runs."""
        ...

    def persistent(self, node: PersistentId) -> None:
        """The loader is asked for an object."""
        ...

    def extension(self, code: int, offset: int) -> Node:
        """An extension code is looked up in the copyreg registry."""
        ...

    def odd(self, message: str, offset: int) -> None:
        """The stream contradicts itself in a way that some readers overlook."""
        ...


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

    def stream(self, start: int) -> tuple[Node, int]:
        """Walk one pickle from byte `start`; return its value and the offset after its STOP.

        Raises:
            WalkFault: the stream breaks, or a limit is reached. The sink has heard everything before that.
        """
        # The graph only grows while the walk goes on; collecting garbage meanwhile would go through it again and again.
        collecting = gc.isenabled()
        gc.disable()
        try:
            return self._stream(start)
        finally:
            if collecting:
                gc.enable()

    # The loop is one function on purpose: a call per opcode would cost more than the opcode.
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
        protocol = 0
        called, unsigned, signed = How.CALL, _UNSIGNED, _SIGNED
        frame_end = -1
        made = op = at = 0
        steps = repeat(None, 0)
        try:
            while True:
                if self._steps_left <= 0:
                    raise WalkFault(f"more than {self._limits.pickle_opcodes} opcodes", base + i, limit=True)
                if made + len(memo) + len(stack) + len(marks) > self._objects_left:
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
                        elif op == 0x8C:  # SHORT_BINUNICODE
                            e = i + 2 + buffer[i + 1]
                            if e > end:
                                safe = -1
                                continue
                            try:
                                push(buffer[i + 2 : e].decode())
                            except UnicodeDecodeError:
                                push(text_of(buffer[i + 2 : e], base + i))
                            i = e
                        elif op == 0x86:  # TUPLE2
                            second = stack.pop()
                            stack[-1] = (stack[-1], second)
                            made += 1
                            i += 1
                        elif op == 0x85:  # TUPLE1
                            stack[-1] = (stack[-1],)
                            made += 1
                            i += 1
                        elif op == 0x87:  # TUPLE3
                            third = stack.pop()
                            second = stack.pop()
                            stack[-1] = (stack[-1], second, third)
                            made += 1
                            i += 1
                        elif op == 0x89:
                            push(False)  # noqa: FBT003 -- it is the value
                            i += 1
                        elif op == 0x88:
                            push(True)  # noqa: FBT003 -- it is the value
                            i += 1
                        elif op == 0x93:  # STACK_GLOBAL
                            name = stack.pop()
                            stack[-1] = self._stack_global(stack[-1], name, base + i, protocol)
                            made += 1
                            i += 1
                        elif op == 0x81:  # NEWOBJ
                            args = stack.pop()
                            callee = stack[-1]
                            call = Call(callee, args, None, How.NEW, base + i)
                            stack[-1] = call if type(callee) is Global and callee.settled else sink.called(call)
                            made += 1
                            i += 1
                        elif op == 0x8A:  # LONG1
                            e = i + 2 + buffer[i + 1]
                            if e > end:
                                safe = -1
                                continue
                            push(int.from_bytes(buffer[i + 2 : e], "little", signed=True))
                            i = e
                        elif op == 0x95:  # FRAME
                            at = base + i
                            length = int.from_bytes(buffer[i + 1 : i + 9], "little")
                            if at < frame_end:
                                sink.odd("a frame begins inside another", at)
                            frame_end = at + 9 + length
                            if frame_end > window.size:
                                sink.odd("a frame claims more bytes than there are", at)
                            i += 9
                        elif op == 0x80:  # PROTO
                            protocol = buffer[i + 1]
                            if protocol > 5:
                                raise WalkFault(f"unsupported pickle protocol {protocol}", base + i)
                            i += 2
                        elif op == 0x8F:  # EMPTY_SET
                            push(SetOf([]))
                            made += 1
                            i += 1
                        elif op == 0x90 or op == 0x91:  # noqa: PLR1714 -- faster than a set; ADDITEMS, FROZENSET
                            items = stack
                            stack = marks.pop()
                            push = stack.append
                            if op == 0x91:
                                push(SetOf(items, frozen=True))
                                made += 1
                            elif isinstance(target := stack[-1], SetOf) and not target.frozen:
                                extend(target.items, items, base + i)
                            else:
                                self._extended(target, "add", items, base + i)
                            i += 1
                        elif op == 0x92:  # NEWOBJ_EX
                            kwargs = stack.pop()
                            args = stack.pop()
                            stack[-1] = sink.called(Call(stack[-1], args, kwargs, How.NEW, base + i))
                            made += 1
                            i += 1
                        elif width := _EXTENSIONS.get(op):
                            code = int.from_bytes(buffer[i + 1 : i + 1 + width], "little")
                            if code >= 1 << 31:
                                code -= 1 << 32
                            push(sink.extension(code, base + i))
                            i += 1 + width
                        elif op == 0x97:  # NEXT_BUFFER
                            push(Unknown("an out-of-band buffer", base + i))
                            i += 1
                        elif op == 0x98:  # READONLY_BUFFER
                            stack[-1]  # underflows as the unpickler does
                            i += 1
                        elif op in COUNTED:
                            at = base + i
                            node, offset = counted(window, op, at)
                            push(node)
                            i = offset - base
                        else:
                            raise WalkFault(f"unknown opcode 0x{op:02x}", base + i)
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
                        elif op == 0x68:  # BINGET
                            try:
                                push(memo[buffer[i + 1]])
                            except (IndexError, KeyError):
                                push(self._recall(buffer[i + 1], base + i))
                            i += 2
                        elif op == 0x6A:  # LONG_BINGET
                            (key,) = unsigned(buffer, i + 1)
                            try:
                                push(memo[key])
                            except (IndexError, KeyError):
                                push(self._recall(key, base + i))
                            i += 5
                        elif op == 0x74:  # TUPLE
                            items = stack
                            stack = marks.pop()
                            push = stack.append
                            push(tuple(items))
                            made += 1
                            i += 1
                        elif op == 0x75:  # SETITEMS
                            items = stack
                            stack = marks.pop()
                            push = stack.append
                            target = stack[-1]
                            if type(target) is Dict and not len(items) & 1:
                                extend_pairs(target.items, items, base + i)
                            else:
                                self._set_items(target, items, base + i)
                            i += 1
                        elif op == 0x73:  # SETITEM
                            value = stack.pop()
                            key_node = stack.pop()
                            target = stack[-1]
                            if type(target) is Dict and len(target.items) < KEPT_ELEMENTS:
                                target.items += (key_node, value)
                            elif type(target) is Dict:
                                extend_pairs(target.items, [key_node, value], base + i)
                            else:
                                self._set_items(target, [key_node, value], base + i)
                            i += 1
                        elif op == 0x7D:
                            push(Dict([]))
                            made += 1
                            i += 1
                        elif op == 0x62:  # BUILD
                            state = stack.pop()
                            at = base + i
                            i += 1
                            target = stack[-1]
                            sink.built(target, state, at)
                            if type(target) is Call:
                                if target.state:
                                    target.state.append(state)
                                else:
                                    target.state = [state]
                                if self._raw and (raw := self._raw(target, at + 1)):
                                    stack[-1], offset = self._step_over(raw, target, at + 1)
                                    i = offset - base
                        elif op == 0x61 or op == 0x65:  # noqa: PLR1714 -- faster than a set; APPEND, APPENDS
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
                                self._extended(target, "append" if op == 0x61 else "extend", items, base + i)
                            i += 1
                        elif op == 0x63 or op == 0x69:  # noqa: PLR1714 -- faster than a set; GLOBAL, INST
                            at = base + i
                            module, offset = name_line(window, at + 1)
                            attribute, offset = name_line(window, offset)
                            found = sink.imported(Global(module, attribute, at), protocol)
                            made += 1
                            if op == 0x63:
                                push(found)
                            else:
                                items = stack
                                stack = marks.pop()
                                push = stack.append
                                push(self._instantiate(found, items, at))
                            i = offset - base
                        elif op == 0x67 or op == 0x70:  # noqa: PLR1714 -- faster than a set; GET, PUT
                            at = base + i
                            line, offset = line_of(window, at + 1)
                            try:
                                key = int(line or b"", 10)
                            except ValueError:
                                raise WalkFault("a memo key is no number", at) from None
                            if op == 0x67:
                                try:
                                    if key < 0:
                                        raise KeyError
                                    push(memo[key])
                                except (IndexError, KeyError):
                                    push(self._recall(key, at))
                            elif key < 0:
                                raise WalkFault("a memo key is negative", at)
                            else:
                                memo = put(memo, key, stack[-1])
                                remember = memo.append
                            i = offset - base
                        elif op == 0x6C or op == 0x64:  # noqa: PLR1714 -- faster than a set; LIST, DICT
                            items = stack
                            stack = marks.pop()
                            push = stack.append
                            if op == 0x6C:
                                push(items)
                            elif len(items) & 1:
                                raise WalkFault("odd number of items for DICT", base + i)
                            else:
                                push(Dict(items))
                            made += 1
                            i += 1
                        elif op == 0x6F:  # OBJ
                            items = stack
                            stack = marks.pop()
                            push = stack.append
                            push(self._instantiate(items.pop(0), items, base + i))
                            made += 1
                            i += 1
                        else:
                            raise WalkFault(f"unknown opcode 0x{op:02x}", base + i)
                    elif op == 0x4B:  # BININT1
                        push(buffer[i + 1])
                        i += 2
                    elif op == 0x28:  # MARK
                        marks.append(stack)
                        stack = []
                        push = stack.append
                        made += 1
                        i += 1
                    elif op == 0x58:  # BINUNICODE
                        (length,) = unsigned(buffer, i + 1)
                        e = i + 5 + length
                        if e <= end and length <= MAX_TEXT:
                            try:
                                push(buffer[i + 5 : e].decode())
                            except UnicodeDecodeError:
                                push(text_of(buffer[i + 5 : e], base + i))
                            i = e
                        else:
                            at = base + i
                            node, offset = counted(window, op, at)
                            push(node)
                            i = offset - base
                    elif op == 0x4D:  # BININT2
                        push(buffer[i + 1] | buffer[i + 2] << 8)
                        i += 3
                    elif op == 0x4A:  # BININT
                        push(signed(buffer, i + 1)[0])
                        i += 5
                    elif op == 0x52:  # REDUCE
                        args = stack.pop()
                        callee = stack[-1]
                        call = Call(callee, args, None, called, base + i)
                        stack[-1] = call if type(callee) is Global and callee.settled else sink.called(call)
                        made += 1
                        i += 1
                    elif op == 0x51:  # BINPERSID
                        stack[-1] = persistent = PersistentId(stack[-1], base + i)
                        sink.persistent(persistent)
                        made += 1
                        i += 1
                    elif op == 0x29:
                        push(())
                        i += 1
                    elif op == 0x4E:
                        push(None)
                        i += 1
                    elif op == 0x5D:
                        push([])
                        made += 1
                        i += 1
                    elif op == 0x47:  # BINFLOAT
                        push(_FLOAT.unpack_from(buffer, i + 1)[0])
                        i += 9
                    elif op == 0x2E:  # STOP
                        root = stack.pop()
                        at = base + i
                        if at + 1 < frame_end:
                            sink.odd("the stream stops inside a frame", at)
                        return root, at + 1
                    elif op == 0x30:  # POP
                        if stack:
                            stack.pop()
                        else:
                            stack = marks.pop()
                            push = stack.append
                        i += 1
                    elif op == 0x31:  # POP_MARK
                        stack = marks.pop()
                        push = stack.append
                        i += 1
                    elif op == 0x32:  # DUP
                        push(stack[-1])
                        i += 1
                    elif op in COUNTED or op in LINES:
                        at = base + i
                        if op in COUNTED:
                            node, offset = counted(window, op, at)
                        else:
                            node, offset = text_argument(window, op, at)
                            if isinstance(node, PersistentId):
                                sink.persistent(node)
                        push(node)
                        i = offset - base
                    else:
                        raise WalkFault(f"unknown opcode 0x{op:02x}", base + i)
        except IndexError:
            what = "no MARK" if op in _NEEDS_MARK and not marks else "the stack is empty"
            raise WalkFault(f"opcode 0x{op:02x}: {what}", base + i) from None
        finally:
            self._steps_left += length_hint(steps)
            self._objects_left -= made + len(memo)
            self._earlier.append(memo)

    def _recall(self, key: int, offset: int) -> Node:
        """Find what this stream never stored: an Unpickler that is used again keeps its memo."""
        for memo in reversed(self._earlier):
            if isinstance(memo, Sparse) and key in memo:
                return memo[key]
            if not isinstance(memo, Sparse) and 0 <= key < len(memo):
                return memo[key]
        raise WalkFault(f"memo key {key} was never set", offset)

    def _stack_global(self, module: Node, name: Node, offset: int, protocol: int) -> Node:
        if isinstance(module, str) and isinstance(name, str):
            return self.sink.imported(Global(module, name, offset), protocol)
        return self.sink.computed(module, name, offset)

    def _instantiate(self, callee: Node, args: list[Node], offset: int) -> Node:
        # Without arguments the unpickler makes the instance without calling the class, if it is a class: that can't
        # be told from here, so what is not named like one counts as called.
        named_class = not isinstance(callee, Global) or callee.name.rpartition(".")[2][:1].isupper()
        how = How.NEW if named_class and not args else How.CALL
        return self.sink.called(Call(callee, tuple(args), None, how, offset))

    def _extended(self, target: Node, method: str, items: list[Node], offset: int) -> None:
        if isinstance(target, Call):
            if target.items:
                extend(target.items, items, offset)
            else:
                target.items = items
        self.sink.extended(target, method, items, offset)

    def _set_items(self, target: Node, items: list[Node], offset: int) -> None:
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
            self.sink.extended(target, "__setitem__", items, offset)

    def _step_over(self, raw: Raw, wrapper: Call, offset: int) -> tuple[Node, int]:
        offset += raw.skip
        if not raw.nested:
            if offset + raw.length > self.window.size:
                raise WalkFault("raw array data runs past the end", offset)
            return RawArray(wrapper, offset, raw.length), offset + raw.length
        if self._nesting >= self._limits.pickle_nesting:
            raise WalkFault(f"more than {self._limits.pickle_nesting} pickles within each other", offset, limit=True)
        self._nesting += 1
        value, end = self.stream(offset)
        self._nesting -= 1
        return RawArray(wrapper, offset, end - offset, nested=True, value=value), end


_EXTENSIONS = {0x82: 1, 0x83: 2, 0x84: 4}
_NEEDS_MARK = frozenset(b"tuldeio1\x90\x91")
