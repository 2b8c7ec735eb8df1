"""Say which parts of a Python module run when it is imported: the top level, and what the top level calls."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator

from msgspec import Struct, field

_AT_BIRTH = frozenset({"__init__", "__new__", "__post_init__", "__call__", "__enter__", "__init_subclass__",
                       "__set_name__", "__class_getitem__", "__prepare__"})  # fmt: skip

# What calls a function that is handed to it, now or later.
_RUNNERS = frozenset({"Thread", "Process", "Timer", "submit", "map", "filter", "reduce", "apply", "apply_async", "run",
                      "start_new_thread", "call_soon", "call_later", "register", "partial", "starmap", "signal",
                      "create_task", "settrace", "setprofile"})  # fmt: skip


class Scope(Struct):
    """A body of code: the module, or a function in it. `script` is what runs only as a program of its own."""

    name: str
    owner: str | None = None
    script: bool = False
    nodes: list[ast.AST] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)
    at_import: bool = False


def scopes_of(tree: ast.Module) -> list[Scope]:
    """Return the module's scopes with their nodes in the order of the source, and which of them run at import."""
    module = Scope(name="<module>", at_import=True)
    scopes = [module]
    pending: deque[tuple[ast.AST, Scope, str | None]] = deque((node, module, None) for node in tree.body)
    while pending:
        node, scope, owner = pending.popleft()
        scope.nodes.append(node)
        inner: list[tuple[ast.AST, Scope, str | None]] = []
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                function = Scope(name=node.name, owner=owner, script=scope.script)
                scopes.append(function)
                scope.calls.update(_called_names(node.decorator_list))
                # Defaults, decorators and annotations are evaluated where the function is defined.
                outside = [*node.decorator_list, *_signature(node)]
                inner = [(part, scope, owner) for part in outside] + [(part, function, None) for part in node.body]
            case ast.ClassDef():
                # A metaclass is called with the body; other keywords go to `__init_subclass__` of a base.
                scope.calls.update(
                    _called_names([*node.decorator_list, *node.bases, *(k.value for k in node.keywords)])
                )
                inner = [
                    (part, scope, node.name if part in node.body else owner) for part in ast.iter_child_nodes(node)
                ]
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as value):
                # A function under another spelling; every other lambda counts where it stands, for it is handed over.
                function = Scope(name=name, script=scope.script)
                scopes.append(function)
                inner = [(value.args, scope, owner), (value.body, function, None)]
            case ast.If() if _is_main_guard(node.test):
                script = Scope(name="<script>", script=True)
                scopes.append(script)
                inner = [(part, script, None) for part in node.body] + [(part, scope, owner) for part in node.orelse]
            case ast.If() if _is_type_checking(node.test):
                inner = [(part, scope, owner) for part in node.orelse]
            case ast.Call():
                handed = [*node.args, *(pair.value for pair in node.keywords)] if _runs_its_arguments(node.func) else []
                scope.calls.update(_called_names([node.func, *handed]))
                inner = [(part, scope, owner) for part in ast.iter_child_nodes(node)]
            case _:
                inner = [(part, scope, owner) for part in ast.iter_child_nodes(node)]
        pending.extendleft(reversed(inner))
    _spread(scopes)
    return scopes


def _spread(scopes: list[Scope]) -> None:
    """Mark what import reaches: functions called by name, and what making an object calls."""
    by_name: dict[str, list[Scope]] = {}
    for scope in scopes[1:]:
        by_name.setdefault(scope.name, []).append(scope)
        if scope.owner is not None and scope.name in _AT_BIRTH:
            by_name.setdefault(scope.owner, []).append(scope)
    pending = [scopes[0]]
    while pending:
        for name in pending.pop().calls:
            for scope in by_name.pop(name, ()):
                if not scope.at_import and not scope.script:
                    scope.at_import = True
                    pending.append(scope)


def _called_names(parts: list[ast.expr]) -> Iterator[str]:
    """Yield the names that a call may lead to: the function itself, and functions handed over to it."""
    for part in parts:
        match part:
            case ast.Name(id=name):
                yield name
            case ast.Attribute(attr=name, value=ast.Name(id="self" | "cls")):
                yield name
            case ast.Attribute(attr=name, value=ast.Call(func=ast.Name(id=owner))):
                yield owner
                yield name
            case ast.Call(func=ast.Name(id=name)):
                yield name


def _runs_its_arguments(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _RUNNERS


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    yield node.args
    if node.returns is not None:
        yield node.returns


def _is_main_guard(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return True
        case ast.Compare(left=ast.Constant(value="__main__"), ops=[ast.Eq()], comparators=[ast.Name(id="__name__")]):
            return True
        case ast.BoolOp(op=ast.And(), values=values):
            return any(_is_main_guard(value) for value in values if isinstance(value, ast.Compare))
    return False


def _is_type_checking(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
    return False
