"""Give the tensors of a pickled object the names under which a person finds them: keys and positions joined by dots.

Modules name their tensors as `state_dict()` does. Whoever shares an object under two names has two names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, Node, PersistentId, RawArray, SetOf, Unknown

T = TypeVar("T")

_DEPTH = 200
"""How deep names go; checkpoints have fewer than ten levels."""
_NAME_LENGTH = 4096
_BARE = "tensor"
"""The name of a tensor that is the whole file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Generic[T]):
    """A tensor with its name. `tensor` is None where it can't be read exactly.

    `through` is the class of the outermost object on the way that is neither a plain container nor a module of torch:
    what such an object does with a tensor depends on its class.
    """

    name: str
    tensor: T | None
    node: Node
    through: str = ""


@dataclass(slots=True)
class Naming(Generic[T]):
    """Goes through a value graph for what `is_tensor` recognizes and `read` understands.

    After `tensors`, `complete` says whether every tensor was named and read, `persistent` are the persistent ids in
    the graph.
    """

    is_tensor: Callable[[Node], bool]
    read: Callable[[Node], T | None]
    most: int
    complete: bool = True
    persistent: list[PersistentId] = field(default_factory=list)
    _holders: frozenset[int] = frozenset()
    _read: dict[int, T | None] = field(default_factory=dict)

    def tensors(self, root: Node) -> Iterator[Named[T]]:
        """Yield at most `most` tensors in the order of the file."""
        self._holders = self._holding_tensors(root)
        stack: list[tuple[str, int, Node, str]] = [("", 0, root, "")]
        yielded = 0
        on_path: list[int] = []
        while stack:
            name, depth, node, through = stack.pop()
            del on_path[depth:]
            if id(node) not in self._holders:
                continue
            if self.is_tensor(node):
                yielded += 1
                if yielded > self.most:
                    self.complete = False
                    return
                yield Named(name=name or _BARE, tensor=self._tensor(node), node=node, through=through)
                continue
            # An object that contains itself has no end of names; one is enough.
            if id(node) in on_path:
                continue
            if depth >= _DEPTH or len(name) > _NAME_LENGTH:
                self.complete = False
                continue
            on_path.append(id(node))
            through = through or foreign_class(node)
            inner = [
                (f"{name}.{key}" if name else key, depth + 1, item, through)
                for key, item in _items(node)
                if id(item) in self._holders
            ]
            stack.extend(reversed(inner))

    def _tensor(self, node: Node) -> T | None:
        key = id(node)
        if key not in self._read:
            self._read[key] = self.read(node)
        tensor = self._read[key]
        if tensor is None:
            self.complete = False
        return tensor

    def _holding_tensors(self, root: Node) -> frozenset[int]:
        """Return the ids of the tensors and of all nodes from which one can be reached. Linear in the graph.

        Without it, a few lists that hold one another twice each would be gone through a million times.
        """
        parents: dict[int, list[int]] = {}
        seen: set[int] = set()
        holders: set[int] = set()
        stack: list[Node] = [root]
        while stack:
            node = stack.pop()
            key = id(node)
            if key in seen:
                continue
            seen.add(key)
            if type(node) is PersistentId:
                self.persistent.append(node)
            if self.is_tensor(node):
                # What is inside a tensor (a parameter's data) has no name of its own: only its storages count.
                holders.add(key)
                stack += _parts_of_tensor(node)
                continue
            for child in _children(node):
                parents.setdefault(id(child), []).append(key)
                stack.append(child)
        found = [*holders]
        while found:
            for parent in parents.get(found.pop(), ()):
                if parent not in holders:
                    holders.add(parent)
                    found.append(parent)
        return frozenset(holders)


def foreign_class(node: Node) -> str:
    """Return the class of an object that is neither a plain container nor a module of torch, else nothing."""
    match node:
        case RawArray():
            return "an array of objects"
        case Call(callee=Global() as made) | Call(callee=PersistentId(args=("module", Global() as made, *_))):
            if made.path in _CONTAINERS or (made.module.startswith("torch.nn.") and _module_state(node) is not None):
                return ""
            return made.path
        case Call():
            return "an object of unknown class"
        case _:
            return ""


_CONTAINERS = frozenset({"collections.OrderedDict", "collections.defaultdict", "builtins.dict", "builtins.list"})
_LEAVES = frozenset({str, int, float, bool, bytes, type(None), Global, Blob})


def _parts_of_tensor(node: Node) -> list[Node]:
    """Return what may lead from a tensor to storages; sizes and strides do not."""
    if type(node) is not Call:
        return _children(node)
    args = node.args if isinstance(node.args, tuple) else ()
    parts = [item for item in args if type(item) is PersistentId or _is_full(item)]
    for item in args:
        if type(item) is tuple:
            parts += [inner for inner in item if type(inner) is PersistentId or type(inner) is Call]
    return [*parts, *node.state]


def _is_full(node: Node) -> bool:
    """Say whether a node is a call that was given anything; the hooks of nearly every tensor are an empty dict."""
    return type(node) is Call and bool(node.args or node.kwargs or node.state or node.items or node.pairs)


def _children(node: Node) -> list[Node]:
    """Return the nodes inside a node that are no constants."""
    match node:
        case tuple() | list():
            return [item for item in node if type(item) not in _LEAVES]
        case Dict(items=items) | SetOf(items=items):
            return [item for item in items if type(item) not in _LEAVES]
        case Call():
            inside = (node.callee, node.args, node.kwargs, *node.state, *node.items, *node.pairs)
            return [item for item in inside if type(item) not in _LEAVES]
        case RawArray():
            return [node.wrapper, node.value]
        case PersistentId(args=tuple() as args):
            return [item for item in args if type(item) not in _LEAVES]
        case PersistentId():
            return [node.args]
        case _:
            return []


def _items(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the named parts of a node in the order in which `state_dict()`, a dict or a list gives them."""
    match node:
        case list() | tuple():
            yield from _positions(node)
        case SetOf(items=items):
            yield from _positions(items)
        case Dict(items=items):
            yield from _pairs(items)
        case RawArray(value=value):
            yield "value", value
        case Call():
            module = _module_state(node)
            if module is not None:
                yield from _module_items(module)
            else:
                yield from _object_items(node)
        case _:
            pass


def _positions(items: list[Node] | tuple[Node, ...]) -> Iterator[tuple[str, Node]]:
    position = 0
    for item in items:
        yield str(position), item
        position += item.count if isinstance(item, Unknown) else 1


def _pairs(items: list[Node]) -> Iterator[tuple[str, Node]]:
    # Of a key that comes twice, the loaded dict has the last value at the first one's place.
    last: dict[tuple[type, Node], Node] = {}
    for key, value in zip(items[::2], items[1::2], strict=False):
        if isinstance(key, str | int | float | bytes):
            last[(bool if isinstance(key, bool) else type(key), key)] = value
        elif isinstance(key, tuple):
            last[(tuple, id(key))] = value
    for (kind, key), value in last.items():
        yield "tuple" if kind is tuple else str(key), value


def _module_state(node: Call) -> Dict | None:
    """Return the state of a `torch.nn.Module`, known by the three dicts that every module has."""
    for state in reversed(node.state):
        if isinstance(state, Dict):
            keys = {key for key in state.items[::2] if isinstance(key, str)}
            return state if {"_parameters", "_buffers", "_modules"} <= keys else None
    return None


def _module_items(state: Dict) -> Iterator[tuple[str, Node]]:
    """Yield parameters, then persistent buffers, then submodules, then other attributes that hold tensors."""
    hidden: set[str] = set()
    match state.get("_non_persistent_buffers_set"):
        case SetOf(items=items):
            hidden = {item for item in items if isinstance(item, str)}
        case _:
            pass
    for part in ("_parameters", "_buffers", "_modules"):
        for key, value in _mapping_items(state.get(part)):
            if part != "_buffers" or key not in hidden:
                yield key, value


def _mapping_items(node: Node) -> Iterator[tuple[str, Node]]:
    match node:
        case Dict(items=items):
            yield from _pairs(items)
        case Call():
            yield from _object_items(node)
        case _:
            pass


def _object_items(node: Call) -> Iterator[tuple[str, Node]]:
    """Yield what an object of any class holds: as a mapping, as a list, in its state, in the arguments that made it."""
    if node.pairs:
        yield from _pairs(list(node.pairs))
    if node.items:
        yield from _positions(list(node.items))
    if node.calls("collections.OrderedDict"):
        # Protocols before 2 give the pairs as the argument. The state holds attributes such as `_metadata`.
        match node.args:
            case (list() | tuple() as pairs,):
                yield from _pairs([part for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2
                                   for part in pair])  # fmt: skip
            case _:
                pass
        return
    for state in node.state:
        match state:
            case Dict(items=items):
                yield from _pairs(items)
            case tuple():
                # A class with slots: a dict or None, then the slots.
                for part in state:
                    yield from _mapping_items(part)
            case _:
                yield "state", state
    if isinstance(node.args, tuple):
        yield from _positions(node.args)
