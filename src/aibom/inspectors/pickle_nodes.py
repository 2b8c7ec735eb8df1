"""The value graph of a pickle: what stands where, as far as it can be told without running anything.

Constants are Python's own values: `None`, `bool`, `int`, `float`, `str` and (computed ones only) `bytes`. A tuple is
a `tuple` of nodes, a list is a `list` of nodes. Everything else is one of the classes below.

Nodes are shared where the pickle shares objects and may form cycles through lists, dicts and states, nested as deep
as the file likes: whoever goes through a graph needs a bound on depth and a set of `id()`s of what was visited.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct, field

# Nodes have identity, like the objects they stand for, and grow while the walk goes on (state, items): so they are
# neither frozen nor comparable by value. Fields are positional, and the
# records are msgspec's, because the walk makes millions of them.


class Global(Struct, eq=False):
    """An import: `module` and dotted `name`, Python 2 names already mapped where the unpickler would.

    `settled` says that calls of it need no further judging: they change nothing that the judge would say.
    """

    module: str
    name: str
    offset: int
    settled: bool = False

    @property
    def path(self) -> str:
        """`module.name`."""
        return f"{self.module}.{self.name}"


class Blob(Struct, eq=False):
    """Bytes (`text` False) or UTF-8 text (`text` True) that stand in the file at `offset`, `length` bytes of them.

    All bytes objects are blobs; text is one only if it is longer than `MAX_TEXT`. A `bytearray` is a blob too. A
    Python 2 string is Latin-1 text up to 255 bytes and a blob beyond.
    """

    offset: int
    length: int
    text: bool = False


class Dict(Struct, eq=False):
    """A dict. `items` alternates keys and values in the order of the stream; a key may come twice (the last wins)."""

    items: list[Node] = field(default_factory=list)

    def get(self, key: str | int, default: Node = None) -> Node:
        """Return the value that the loaded dict has under this constant key. Linear: for small dicts."""
        for position in range(len(self.items) - 2, -1, -2):
            found = self.items[position]
            if type(found) is type(key) and found == key:
                return self.items[position + 1]
        return default

    def pairs(self) -> list[tuple[Node, Node]]:
        """Return the keys and values in order."""
        return list(zip(self.items[::2], self.items[1::2], strict=False))


class SetOf(Struct, eq=False):
    """A set or frozenset."""

    items: list[Node]
    frozen: bool = False


class How(StrEnum):
    """By which kind of opcode a callable is used."""

    CALL = "call"  # REDUCE, INST and OBJ with arguments: the callable itself runs
    NEW = "new"  # NEWOBJ, NEWOBJ_EX, INST and OBJ without arguments: only the class's __new__ runs
    METHOD = "method"  # APPEND(S), SETITEM(S), ADDITEMS on something that is no plain container


class Call(Struct, eq=False):
    """An object made by calling `callee` with `args` (a tuple node unless the stream is odd) and `kwargs`.

    `state` holds what BUILD set, one node a BUILD. `items` are what APPEND(S) and ADDITEMS added, `pairs` alternates
    the keys and values of SETITEM(S) (an OrderedDict's content, for example). `offset` is that of the opcode.
    """

    callee: Node
    args: Node
    kwargs: Node
    how: How
    offset: int
    # Most objects get none of these: the empty tuple they share is never added to.
    state: list[Node] | tuple[()] = ()
    items: list[Node] | tuple[()] = ()
    pairs: list[Node] | tuple[()] = ()
    # What the walk has already made of a tensor's arguments; only `torch_tensors` looks at it.
    read: object = None

    def calls(self, *paths: str) -> bool:
        """Say whether the callee is one of these globals, written `module.name`."""
        return isinstance(self.callee, Global) and self.callee.path in paths


class PersistentId(Struct, eq=False):
    """An object that the loader's own `persistent_load` supplies; torch storages are `("storage", type, key, ...)`."""

    args: Node
    offset: int


class RawArray(Struct, eq=False):
    """An object that stood as raw bytes in mid-stream, in place of its `wrapper`; `offset` and `length` are bytes.

    For a nested pickle, `nested` is True, `value` its root and `length` the stream's.
    """

    wrapper: Call
    offset: int
    length: int
    nested: bool = False
    value: Node = None


class Unknown(Struct, eq=False):
    """A value that can't be told: an out-of-band buffer, an unregistered extension, plain constants left out.

    `count` is how many consecutive elements of a list it stands for; in a dict, such a key and such a value stand for
    that many pairs each.
    """

    reason: str
    offset: int
    count: int = 1


Constant: TypeAlias = bool | int | float | str | bytes | None
Node: TypeAlias = (
    Constant
    | tuple["Node", ...]
    | list["Node"]
    | Global
    | Blob
    | Dict
    | SetOf
    | Call
    | PersistentId
    | RawArray
    | Unknown
)

MAX_TEXT = 64 * 1024
"""Text of more bytes than this stays in the file as a `Blob`: no name or key is that long."""
