"""Judge calls of what is as harmless as its arguments: helpers that call, fetch, set or load what they get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aibom.components import Use
from aibom.inspectors import pickle_rules as rules
from aibom.inspectors.pickle_models import loads_model
from aibom.inspectors.pickle_nodes import Call, Global, Node
from aibom.inspectors.pickle_words import LONG, call_text, name_text, value_text

if TYPE_CHECKING:  # the judge calls this module for the calls that this module calls it about
    from aibom.inspectors.pickle_judge import Judge

_NESTED_LOADS = frozenset({
    "pickle.loads", "_pickle.loads", "dill.loads", "dill._dill.loads", "cloudpickle.loads",
    "cloudpickle.cloudpickle.loads", "torch.storage._load_from_bytes",
})  # fmt: skip
# What they do with arguments that can't be told harms nobody.
_ANY_ARGUMENTS = frozenset({
    "functools.partial", "_functools.partial", "builtins.type", "dill._dill._load_type",
    "cloudpickle.cloudpickle._builtin_type",
})  # fmt: skip
MOST_ARGUMENTS = 64
"""How many arguments of one call are judged: going through all of a million of them at each call would never end."""
# The names of these are Python 3's already.
_PROTOCOL = 3


def first_of(args: Node) -> Node:
    """Return the first arguments of a call; the tuple itself where it has no more than are judged."""
    return args[:MOST_ARGUMENTS] if isinstance(args, tuple) and len(args) > MOST_ARGUMENTS else args


def judged(judge: Judge, call: Call, callee: Global, args: Node, depth: int) -> Node:
    """Judge callables that are as harmless as their arguments."""
    given = first_of(args)
    match callee.path, given if isinstance(given, tuple) else ():
        case "builtins.getattr", (owner, name, *_):
            return judge.attribute(owner, name, call)
        case (("numpy.core._ufunc_reconstruct" | "numpy._core._ufunc_reconstruct"), (module, name)):
            if isinstance(module, str) and isinstance(name, str):
                return judge.imported(Global(module, name, call.offset), _PROTOCOL)
            return judge.computed(module, name, call.offset)
        case (
            ("builtins.map" | "builtins.filter" | "builtins.apply" | "functools.reduce" | "_functools.reduce"),
            (function, *rest),
        ):
            spread = callee.name == "apply" and rest
            judge.call(call, function, rest[0] if spread else tuple(rest), depth - 1)
        case (
            ("torch._tensor._rebuild_from_type" | "torch._tensor._rebuild_from_type_v2"),
            (function, cls, inner, *_),
        ):
            if isinstance(cls, Global):
                judge.record(cls).use_as(Use.STATE_SET)
            judge.call(call, function, inner, depth - 1)
        case "jax._src.array._reconstruct_array", (function, inner, *_):
            judge.call(call, function, inner, depth - 1)
        case (("operator.call" | "_operator.call"), (function, *rest)):
            judge.call(call, function, tuple(rest), depth - 1)
        case (
            ("operator.setitem" | "_operator.setitem" | "operator.delitem" | "_operator.delitem"),
            (target, *rest),
        ):
            judge.extended(target, "__setitem__", rest, call.offset)
        case "builtins.setattr", (target, name, value, *_):
            _set_attribute(judge, target, name, value, call)
        case (("dill._dill._load_type" | "cloudpickle.cloudpickle._builtin_type"), (str(name), *_)):
            if name in {"CodeType", "FunctionType", "LambdaType", "ModuleType", "MethodType"}:
                return judge.imported(Global("types", name, call.offset), _PROTOCOL)
        case "builtins.type", (_, _, *_):
            shown = (call_text("type", args, longest=LONG),)
            judge.note(rules.UNKNOWN_CALL, "makes a class of its own", call.offset, evidence=shown)
        case "copyreg.add_extension", (str(module), str(name), int(code)):
            judge.registered[code] = (module, name)
            path = name_text(f"{module}.{name}")
            judge.note(rules.EXTENSION_CODE, f"registers extension code {code} for {path}", call.offset)
        case _, (content, *_) if callee.path in _NESTED_LOADS:
            if not judge.nested(content, call):
                message = f"calls {callee.path} on something that could not be looked at"
                judge.note(rules.DANGEROUS_IMPORT, message, call.offset)
            elif callee.module != "torch.storage":
                judge.note(rules.NESTED, "loads a pickle that it holds as bytes", call.offset)
        case path, (content, *_) if loads_model(callee):
            if not judge.model(callee, content, call.offset):
                shown = (call_text(name_text(path), args, longest=LONG),)
                message = f"calls {name_text(path)} on a model that could not be looked at"
                judge.note(rules.UNKNOWN_CALL, message, call.offset, evidence=shown)
        case path, (Global() as cls, *rest) if path.startswith(("copyreg.", "sklearn.", "pandas.")):
            use = Use.STATE_SET if len(rest) > 1 else Use.CONSTRUCTED
            judge.record(cls).use_as(use)
            if path == "copyreg._reconstructor" and rest and isinstance(rest[0], Global):
                judge.record(rest[0]).use_as(Use.CONSTRUCTED)
        case path, (function, *rest) if path.startswith("itertools."):
            # The arguments are in what it iterates over.
            judge.call(call, function, None, depth - 1)
        case path, _ if path not in _ANY_ARGUMENTS:
            shown = (call_text(name_text(path), args, longest=LONG),)
            message = f"calls {name_text(path)} with arguments that can't be told"
            judge.note(rules.UNKNOWN_CALL, message, call.offset, evidence=shown)
    return call


def _set_attribute(judge: Judge, target: Node, name: Node, value: Node, call: Call) -> None:
    if isinstance(target, Call) and name in {"__qualname__", "__module__", "__doc__", "__name__"}:
        return
    shown = f"setattr({value_text(target)}, {value_text(name)}, {value_text(value)})"
    judge.note(rules.DANGEROUS_IMPORT, f"calls {shown}; loading this file changes the running program", call.offset)
