"""Take the opcodes with which torch writes one tensor in a single step, where they are exactly that.

A checkpoint is the same thirty opcodes again and again: `_rebuild_tensor_v2((storage, offset, size, stride,
requires_grad, OrderedDict()))` with all of its parts stored in the memo (`torch/_tensor.py`, `_reduce_ex_internal`,
through the C pickler). One match of an expression and the same objects at the end take half the time of going through
them one by one. Whatever differs in the least is left to the loop that knows all opcodes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import Struct
from typing import TypeAlias

from aibom.inspectors.pickle_nodes import Call, Global, How, Node, PersistentId
from aibom.inspectors.pickle_window import PADDING
from aibom.inspectors.pytorch_dtypes import Dtype, storage_dtype
from aibom.inspectors.torch_views import LARGEST, Extent, Storage, TorchTensor, View, sound_extent

OPCODES = 27
"""How many opcodes one step stands for; with many dimensions it is a few more."""
MADE = 9
"""How many marks, tuples and other objects they make, besides those in the memo."""
MOST = 1024
"""How many tensors are taken before the limits are asked again."""

_KEPT = 4096
_GET = rb"(h.|j.{4})"
_NUMBER = rb"(?:K.|M..|J.{4})"
_SIZE = rb"((?:%b){1,3}+[\x85-\x87]|\((?:%b){4,8}+t)" % (_NUMBER, _NUMBER)
# Consecutive memo keys differ in their lowest byte alone, nearly always.
_PUT = rb"r(.)(?P=high)"
_TENSOR = re.compile(
    # After the first tensor of a run, each has its name before it: a key of the same dict.
    rb"(?:X(..)\0\0(.{1,300}?)r(.{4})" + _GET + rb")?"
    + rb"\(\(" + _GET + _GET + rb"X(.)\0\0\0([0-9]{1,20}+)r(.)(?P<high>.{3})" + _GET
    + rb"(K.|M..|J.{4}|\x8a\x05.{5})tr(.)(?P=high)Q(%b)" % _NUMBER
    + _SIZE + _PUT + _SIZE + _PUT + rb"([\x88\x89])" + _GET + rb"\)R" + _PUT + rb"t" + _PUT + rb"R" + _PUT,
    re.DOTALL,
)  # fmt: skip
_LOWEST = [tuple(bytes([first + i]) for i in range(7)) for first in range(250)]
_tensor = _TENSOR.match
_NUMBERS = re.compile(_NUMBER, re.DOTALL).findall
_CALL = How.CALL
_PLAIN = "torch._utils._rebuild_tensor_v2"
_unsigned = Struct("<I").unpack_from
_short = Struct("<H").unpack


class _Numbers(dict[bytes, int]):
    """What opcodes with a number mean: constants and memo keys, each worked out once."""

    def __missing__(self, raw: bytes) -> int:
        match raw[0]:
            case 0x4A:  # BININT
                number = int.from_bytes(raw[1:], "little", signed=True)
            case 0x8A:  # LONG1
                number = int.from_bytes(raw[2:], "little", signed=True)
            case _:
                number = int.from_bytes(raw[1:], "little")
        if len(self) >= _KEPT:
            self.clear()
        self[raw] = number
        return number


Geometry: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], Extent | None]


class Shortcut:
    """Takes tensors out of one stream. Sizes that come again are one object."""

    __slots__ = ("_dtypes", "_geometries", "_numbers", "_persistent", "taken")

    def __init__(self, persistent: Callable[[PersistentId], None]) -> None:
        self._persistent = persistent
        self._numbers = _Numbers()
        self.taken = 0
        self._geometries: dict[tuple[bytes, bytes], Geometry] = {}
        self._dtypes: dict[int, Dtype] = {}

    def take(self, buffer: bytes, i: int, base: int, stack: list[Node], memo: list[Node]) -> int:
        """Put the tensors that stand one after another on the stack, and their parts into the memo.

        The first begins with the two marks at `i`, its callee is on the stack. `base` is the offset of the window's
        buffer. Returns where the last one ends in the buffer, or 0 where there is none, and nothing has changed.
        `taken` counts them.
        """
        numbers, geometries, dtypes = self._numbers, self._geometries, self._dtypes
        callee, end = stack[-1], len(buffer) - PADDING
        stop = 0
        while self.taken < MOST and (found := _tensor(buffer, stop or i, end)):
            (
                size_of_name, name, name_key, maker, storage, kind, length, key, first, _, place, count, k1, at,
                size, k2, stride, k3, grad, hooks, k4, k5, k6,
            ) = found.groups()  # fmt: skip
            if length[0] != len(key) or first > b"\xf9" or (first, k1, k2, k3, k4, k5, k6) != _LOWEST[first[0]]:
                break
            known = len(memo)
            if stop:
                # A text that is not as long as it says, a key out of turn, another function: not for us.
                if name is None or _short(size_of_name)[0] != len(name) or _unsigned(name_key)[0] != known:
                    break
                known += 1
            try:
                stored = (
                    memo[numbers[storage]], memo[numbers[kind]], key.decode(), memo[numbers[place]], numbers[count]
                )  # fmt: skip
                ordered = memo[numbers[hooks]]
                if stop:
                    callee = memo[numbers[maker]]
                    text = name.decode()
            except (IndexError, UnicodeDecodeError):
                break
            geometry = geometries.get((size, stride)) or self._geometry(size, stride)
            if (
                _unsigned(buffer, found.start(9))[0] != known
                or type(callee) is not Global
                or not callee.settled
                or type(ordered) is not Global
                or not ordered.settled
                or geometry is None
            ):
                break
            if stop:
                memo.append(text)
                stack += (text, callee)
            shape, strides, extent = geometry
            stop = found.end()
            asked = PersistentId(stored, base + found.start(14) - 1)
            self._persistent(asked)
            hook = Call(ordered, (), None, _CALL, base + stop - 18)
            args = (asked, numbers[at], shape, strides, grad == b"\x88", hook)
            tensor = Call(callee, args, None, _CALL, base + stop - 6)
            if extent is not None and stored[0] == "storage" and callee.path == _PLAIN:
                dtype = dtypes.get(id(stored[1])) or self._dtype(stored[1])
                if dtype is not None:
                    tensor.read = _read(dtype, stored, args[1], extent)
            memo += (stored[2], stored, shape, strides, hook, args, tensor)
            stack[-1] = tensor
            self.taken += 1
        return stop

    def _dtype(self, kind: Node) -> Dtype | None:
        """Return the element type of a storage class. Nodes live as long as the stream, so one is known by its id."""
        dtype = storage_dtype(kind)
        if dtype is not None and len(self._dtypes) < _KEPT:
            self._dtypes[id(kind)] = dtype
        return dtype

    def _geometry(self, size: bytes, stride: bytes) -> Geometry | None:
        """Return shape and strides, None where their opcode takes another count than stands before it."""
        shape, strides = self._tuple(size), self._tuple(stride)
        if shape is None or strides is None:
            return None
        if len(self._geometries) >= _KEPT:
            self._geometries.clear()
        found = self._geometries[size, stride] = shape, strides, sound_extent(shape, strides)
        return found

    def _tuple(self, raw: bytes) -> tuple[int, ...] | None:
        parts = _NUMBERS(raw)
        taken = len(parts) if raw[0] == 0x28 else raw[-1] - 0x84
        return tuple(self._numbers[part] for part in parts) if len(parts) == taken else None


def _read(dtype: Dtype, stored: tuple[Node, Node, str, Node, int], offset: int, extent: Extent) -> TorchTensor | None:
    """Read the tensor, as `torch_tensors` would from the same arguments."""
    _, _, key, place, count = stored
    if type(place) is not str or not (0 <= count < LARGEST and 0 <= offset < LARGEST):
        return None
    whole = dtype.bytes_of(count)
    storage = Storage(key=key, whole=whole, dtype=dtype, start=0, length=whole, device=place)
    view = View(storage=storage, dtype=dtype, offset=offset, extent=extent)
    return TorchTensor(dtype=dtype.name, shape=extent.shape, views=(view,))
