"""Give the tensors of a pickled object the names under which a person finds them: keys and positions joined by dots.

Modules name their tensors as `state_dict()` does. Whoever shares an object under two names has two names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Generic, TypeVar, cast

from msgspec import Struct, field

from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, Node, PersistentId, RawArray, SetOf, Unknown

T = TypeVar("T")

_DEPTH = 200
"""How deep names go; checkpoints have fewer than ten levels."""
_NAME_LENGTH = 4096
_NAMES_EACH, _NAMES_SPARE = 64, 1000
"""How many names an object may have on average, and how many more there may be.

A few lists that hold one another twice each give every tensor in them a million names.
"""
_BARE = "tensor"
"""The name of a tensor that is the whole file."""


class Named(Struct, Generic[T], frozen=True, kw_only=True):
    """A tensor with its name. `tensor` is None where it can't be read exactly.

    `through` is the class of the outermost object on the way that is neither a plain container nor a module of torch:
    what such an object does with a tensor depends on its class.
    """

    name: str
    tensor: T | None
    node: Node
    through: str = ""


class Naming(Struct, Generic[T]):
    """Goes through a value graph for what `is_tensor` recognizes and `read` understands.

    After `tensors`, `complete` says whether every tensor was named and read, `persistent` are the persistent ids in
    the graph, but for those that are the storage of a tensor that was read.
    """

    is_tensor: Callable[[Node], bool]
    read: Callable[[Node], T | None]
    most: int
    complete: bool = True
    persistent: list[PersistentId] = field(default_factory=list)
    _named: int = 0
    _ways: int = 0
    _holders: set[int] = field(default_factory=set)
    _read: dict[int, T | None] = field(default_factory=dict)

    def tensors(self, root: Node) -> Iterator[Named[T]]:
        """Yield at most `most` tensors of all roots together, in the order of the file."""
        self._survey(root)
        read, holders = self._read, self._holders
        most = _NAMES_SPARE + _NAMES_EACH * (len(read) + len(holders))
        levels: list[tuple[str, str, Iterator[tuple[str, Node]], int]] = []
        # An object that contains itself has no end of names; one is enough.
        on_path: set[int] = set()
        name, through = "", ""
        prefix, items = "", iter((("", root),))
        marker = 0
        while True:
            for key, item in items:
                at = id(item)
                if at in read:
                    self._ways += 1
                    self._named += 1
                    if self._ways > most or self._named > self.most:
                        self.complete = False
                        return
                    tensor = read[at]
                    if tensor is None:
                        self.complete = False
                    yield Named(name=prefix + key or _BARE, tensor=tensor, node=item, through=through)
                elif at in holders:
                    # Ways that end without a name are ways gone, too.
                    self._ways += 1
                    if self._ways > most:
                        self.complete = False
                        return
                    if at in on_path:
                        continue
                    name = prefix + key
                    if len(levels) >= _DEPTH or len(name) > _NAME_LENGTH:
                        self.complete = False
                        continue
                    levels.append((prefix, through, items, marker))
                    on_path.add(at)
                    prefix, through, items = name and f"{name}.", through or foreign_class(item), iter(_items(item))
                    marker = at
                    break
            else:
                if not levels:
                    return
                on_path.discard(marker)
                prefix, through, items, marker = levels.pop()

    def _survey(self, root: Node) -> None:
        """Read the tensors, and note all nodes from which one can be reached. Linear in the graph.

        Without it, a few lists that hold one another twice each would be gone through a million times.
        """
        parents: dict[int, list[int]] = {}
        seen: set[int] = set()
        found: list[int] = []
        stack: list[Node] = [root]
        is_tensor, known = self.is_tensor, self._read
        while stack:
            node = stack.pop()
            key = id(node)
            if key in seen:
                continue
            seen.add(key)
            if type(node) is PersistentId:
                self.persistent.append(node)
            if is_tensor(node):
                # What is inside a tensor (a parameter's data) has no name of its own: only its storages count.
                if key not in known:
                    known[key] = tensor = self.read(node)
                    stack += _inside(node, tensor)
                continue
            holds = False
            for child in _children(node):
                if is_tensor(child):
                    holds = True
                    at = id(child)
                    if at not in known:
                        known[at] = tensor = self.read(child)
                        # What was read with the opcodes has nothing more inside it; that is nearly every one.
                        if tensor is None or type(child) is not Call or child.read is not tensor:
                            stack += _inside(child, tensor)
                else:
                    parents.setdefault(id(child), []).append(key)
                    stack.append(child)
            if holds:
                found.append(key)
        self._holders.update(found)
        while found:
            for parent in parents.get(found.pop(), ()):
                if parent not in self._holders:
                    self._holders.add(parent)
                    found.append(parent)


def _inside(node: Node, tensor: object | None) -> Iterable[Node]:
    """Return what may lead from a tensor, as it was read, to further storages: sizes and strides do not."""
    if type(node) is not Call:
        return _children(node)
    if tensor is not None and node.read is tensor:
        return ()
    args = node.args if type(node.args) is tuple else ()
    if tensor is not None and args and type(args[0]) is PersistentId:
        # Only the hooks are left, an empty dict in nearly every tensor.
        return [item for item in args[5:] if type(item) is not Call or _is_full(item)]
    parts = [item for item in args if type(item) is PersistentId or (type(item) is Call and _is_full(item))]
    for item in args:
        if type(item) is tuple:
            parts += [inner for inner in item if type(inner) is PersistentId or type(inner) is Call]
    return [*parts, *node.state]


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


def _is_full(call: Call) -> bool:
    """Say whether a call was given anything; the hooks of nearly every tensor are an empty dict."""
    return bool(call.args or call.pairs or call.state or call.items or call.kwargs)


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


def _items(node: Node) -> Iterable[tuple[str, Node]]:
    """Return the named parts of a node in the order in which `state_dict()`, a dict or a list gives them."""
    match node:
        case list() | tuple():
            return _positions(node)
        case SetOf(items=items):
            return _positions(items)
        case Dict(items=items):
            return _pairs(items)
        case RawArray(value=value):
            return (("value", value),)
        case Call():
            module = _module_state(node)
            return _object_items(node) if module is None else _module_items(module)
        case _:
            return ()


def _positions(items: list[Node] | tuple[Node, ...]) -> Iterator[tuple[str, Node]]:
    position = 0
    for item in items:
        yield str(position), item
        position += item.count if isinstance(item, Unknown) else 1


def _pairs(items: list[Node]) -> Iterable[tuple[str, Node]]:
    # Of a key that comes twice, the loaded dict has the last value at the first one's place.
    keys = items[::2]
    if {str}.issuperset(map(type, keys)):
        return dict(zip(cast(list[str], keys), items[1::2], strict=False)).items()
    last: dict[tuple[type, Node], tuple[str, Node]] = {}
    for key, value in zip(keys, items[1::2], strict=False):
        match key:
            case bool() | int() | float() | str() | bytes():
                last[type(key), key] = str(key), value
            case tuple():
                last[tuple, id(key)] = "tuple", value
            case _:
                pass
    return last.values()


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


def _mapping_items(node: Node) -> Iterable[tuple[str, Node]]:
    match node:
        case Dict(items=items):
            return _pairs(items)
        case Call():
            return _object_items(node)
        case _:
            return ()


def _object_items(node: Call) -> Iterable[tuple[str, Node]]:
    """Return what an object of any class holds: as a mapping or list, in its state, in the arguments that made it."""
    if node.calls("collections.OrderedDict"):
        # Protocols before 2 give the pairs as the argument. The state holds attributes such as `_metadata`.
        parts = [_pairs(node.pairs)] if node.pairs else []
        if node.items:
            parts.append(_positions(node.items))
        match node.args:
            case (list() | tuple() as pairs,):
                parts.append(_pairs([part for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2
                                     for part in pair]))  # fmt: skip
            case _:
                pass
        return parts[0] if len(parts) == 1 else chain.from_iterable(parts)
    return _foreign_items(node)


def _foreign_items(node: Call) -> Iterator[tuple[str, Node]]:
    if node.pairs:
        yield from _pairs(node.pairs)
    if node.items:
        yield from _positions(node.items)
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
