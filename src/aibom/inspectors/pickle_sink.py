"""Who listens to a walk of a pickle: the events of the stream, and the places where it is no pickle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from aibom.inspectors.pickle_nodes import Call, Global, Node, PersistentId


class Sink(Protocol):
    """Who hears what the stream does, in the order in which the unpickler would do it."""

    def imported(self, node: Global, protocol: int) -> Global:
        """A global is looked up. Returns what the unpickler would look up (Python 2 names mapped)."""
        ...

    def computed(self, module: Node, name: Node, offset: int) -> Node:
        """A global is looked up by something that is no constant text."""
        ...

    def called(self, call: Call) -> Node:
        """A callable is used. Returns the result: the call itself, or a constant where it is pure and known.

        Once it has marked the callee as settled, it hears of no further call of it.
        """
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


class Raw(Struct, frozen=True, kw_only=True):
    """What stands in mid-stream in place of opcodes: `length` raw bytes, or one `nested` pickle (then 0).

    `skip` bytes of padding come before either.
    """

    skip: int = 0
    length: int = 0
    nested: bool = False


RawHook = Callable[[Call, int], Raw | None]
"""Called after each BUILD with the object that was built (its `state[-1]` is the new state) and the offset of the next
opcode. None means that opcodes go on; a `Raw` is stepped over and a `RawArray` takes the object's place."""
