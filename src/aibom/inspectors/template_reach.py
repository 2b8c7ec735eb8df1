"""Find what reaches out of a template: into Python's internals, to other templates, to the network, without end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from jinja2 import nodes

from aibom.findings import Severity
from aibom.inspectors.observations import shown
from aibom.inspectors.template_nodes import Folder, walk

_DUNDER = re.compile(r"__\w+__")
_PYTHON_NAMES = frozenset({
    "__class__", "__globals__", "__builtins__", "__import__", "__subclasses__", "__mro__", "__base__", "__bases__",
    "__init__", "__getattribute__", "__code__", "__self__", "__dict__", "__getitem__", "__reduce__", "__loader__",
    "__func__", "__module__", "__call__", "__closure__", "__wrapped__", "__spec__", "__init_subclass__",
})  # fmt: skip
# Attributes that lead from a value to the interpreter though they are not written with two underscores.
_INTERNALS = frozenset({
    "mro", "gi_frame", "gi_code", "cr_frame", "cr_code", "ag_frame", "ag_code", "tb_frame", "f_globals", "f_locals",
    "f_builtins", "func_globals", "func_code", "im_func", "im_self", "co_code", "_TemplateReference__context",
    "_module", "_get_default_module",
})  # fmt: skip
_MODULES = frozenset({"os", "sys", "subprocess", "importlib", "builtins", "__builtins__", "__import__", "socket",
                      "shutil", "ctypes", "pty", "eval", "exec", "compile", "open", "popen", "lipsum"})  # fmt: skip
# Functions every renderer has. As values (`cycler|string`) they are a quarry for underscores and a door inward.
_FUNCTIONS = frozenset({"cycler", "joiner", "namespace", "range", "dict", "raise_exception", "strftime_now", "self"})
_ACTING_METHODS = frozenset({"popen", "system", "check_output", "import_module", "getoutput", "execv", "spawn",
                             "from_string", "load_template", "get_template"})  # fmt: skip
_FORMAT_TRAVERSAL = re.compile(r"\{[^{}]*[.\[]_*\w*__")
_RANGE = 100_000  # jinja2.sandbox.MAX_RANGE
_EXPONENT = 1000
_LINK = re.compile(r"https?://[^\s\"'<>)]+[?&][\w.-]*=$")


class Reach(NamedTuple):
    """A node that reaches out, and how bad that is."""

    node: nodes.Node
    message: str
    severity: Severity


def reaches_out(root: nodes.Template, folder: Folder) -> Iterator[Reach]:
    """Yield what reaches out of the template."""
    # A macro's parameter may have any name, `open` or `namespace` too.
    own = {node.name for node in walk(root) if isinstance(node, nodes.Name) and node.ctx != "load"}
    harmless = _harmless_names(root)
    for node in walk(root):
        match node:
            case nodes.Getattr():
                yield from _attribute(node, node.attr)
            case nodes.Getitem():
                yield from _item(node, folder)
            case nodes.Filter():
                yield from _filter(node, folder)
            case nodes.Call():
                yield from _call(node, folder)
            case nodes.Name(ctx="load", name=name) if name not in own:
                if name in _MODULES:
                    yield Reach(node, f"uses {shown(name)}, which is Python's and not a template's", Severity.HIGH)
                elif name in _FUNCTIONS and id(node) not in harmless:
                    yield Reach(node, f"uses the function {shown(name)} as a value", Severity.HIGH)
            case nodes.Const(value=str(text)) | nodes.TemplateData(data=text) if text.strip() in _PYTHON_NAMES:
                yield Reach(node, f"holds the name {shown(text)}, which only Python's internals have", Severity.HIGH)
            case nodes.Keyword(key=key) if key.startswith("__") or key.endswith("__"):
                yield Reach(node, f"builds an internal name from the keyword {shown(key)}", Severity.HIGH)
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
                yield Reach(node, "loads another template", Severity.HIGH)
            case nodes.Mul() | nodes.Pow():
                yield from _multiplication(node, folder)
    yield from _links(root, folder)


def _harmless_names(root: nodes.Template) -> frozenset[int]:
    """Return the nodes of names that are called, asked whether they are defined, or (`self`) lead to a block."""
    found: set[int] = set()
    for node in walk(root):
        match node:
            case nodes.Call(node=nodes.Name() as name):
                found.add(id(name))
            case nodes.Test(node=nodes.Name() as name):
                found.add(id(name))
            case nodes.Call(node=nodes.Getattr(node=nodes.Name(name="self") as name, attr=block)):
                if not block.startswith("_"):
                    found.add(id(name))
    return frozenset(found)


def _attribute(node: nodes.Node, name: object) -> Iterator[Reach]:
    if not isinstance(name, str):
        return
    for part in name.split("."):
        if part in _PYTHON_NAMES or part in _INTERNALS:
            yield Reach(node, f"reaches for {shown(part)}, a way into the interpreter", Severity.CRITICAL)
            return
        if _DUNDER.fullmatch(part):
            yield Reach(node, f"reaches for {shown(part)}, an internal attribute", Severity.HIGH)
            return


def _item(node: nodes.Getitem, folder: Folder) -> Iterator[Reach]:
    name = folder.fold(node.arg)
    yield from _attribute(node, name)
    literal = isinstance(node.node, nodes.Const) and not isinstance(node.arg, nodes.Slice)
    if name is None and (literal or _has_underscores(node.arg)):
        yield Reach(node, "puts together the name of an internal attribute", Severity.HIGH)


def _has_underscores(node: nodes.Node) -> bool:
    texts = [part.value for part in walk(node) if isinstance(part, nodes.Const) and isinstance(part.value, str)]
    return any(text.startswith("__") or text.endswith("__") for text in texts)


def _filter(node: nodes.Filter, folder: Folder) -> Iterator[Reach]:
    """Judge filters that take an attribute by name (jinja2.filters: attr, map, selectattr, groupby, sort ...)."""
    arguments = [*node.args[:2], *(pair.value for pair in node.kwargs if pair.key == "attribute")]
    folded = [folder.fold(argument) for argument in arguments]
    named = folded if node.name in {"map", "join"} else [*folded[:1], *folded[len(node.args[:2]) :]]
    for name in named:
        yield from _attribute(node, name)
    computed = node.name == "attr" and folded[:1] == [None]
    if computed or (node.name == "map" and folded[:1] == ["attr"] and folded[1:2] == [None]):
        yield Reach(node, "takes an attribute whose name is computed", Severity.HIGH)


def _call(node: nodes.Call, folder: Folder) -> Iterator[Reach]:
    match node.node:
        case nodes.Getattr(attr=name) if name in _ACTING_METHODS:
            yield Reach(node, f"calls {shown(name)}, which acts on the machine", Severity.CRITICAL)
        case nodes.Getattr(attr="format" | "format_map", node=pattern):
            text = folder.fold(pattern)
            if isinstance(text, str) and _FORMAT_TRAVERSAL.search(text):
                yield Reach(node, "reaches for an internal attribute through format()", Severity.CRITICAL)
        case nodes.Name(name="range"):
            ends = [folder.fold(argument) for argument in node.args]
            if any(type(end) is int and abs(end) > _RANGE for end in ends):
                yield Reach(node, "counts to more than a sandbox allows", Severity.MEDIUM)


def _multiplication(node: nodes.Mul | nodes.Pow, folder: Folder) -> Iterator[Reach]:
    sides = [folder.fold(node.left), folder.fold(node.right)]
    large = any(type(side) is int and abs(side) > _RANGE for side in sides)
    repeated = isinstance(node, nodes.Mul) and large and any(isinstance(side, str | list) for side in sides)
    power = isinstance(node, nodes.Pow) and type(sides[1]) is int and abs(sides[1]) > _EXPONENT
    if repeated or power:
        yield Reach(node, "multiplies to a size that no prompt has", Severity.MEDIUM)


def _links(root: nodes.Template, folder: Folder) -> Iterator[Reach]:
    """Notice a link whose end is filled in from the chat: it carries the chat out when the answer is shown."""
    before = ""
    for node in walk(root):
        if not isinstance(node, nodes.Output):
            continue
        for part in node.nodes:
            text = folder.fold(part)
            if isinstance(text, str):
                before = text
            elif _LINK.search(before):
                yield Reach(node, "builds a link that carries parts of the chat", Severity.HIGH)
                before = ""
