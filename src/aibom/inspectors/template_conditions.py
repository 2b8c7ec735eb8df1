"""Find what a template does only at a date or when the chat contains a word: behaviour that a try-out does not show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from jinja2 import nodes

from aibom.inspectors.observations import shown
from aibom.inspectors.template_nodes import Folder, assignments, walk

_CLOCKS = frozenset({"strftime_now", "now", "utcnow", "today", "datetime", "time"})
_SEARCHES = frozenset({"startswith", "endswith", "find", "index", "count", "rfind", "__contains__"})
_CHANGES = frozenset({"lower", "upper", "strip", "lstrip", "rstrip", "split", "title", "replace"})
_TESTS = frozenset({"eq", "equalto", "in", "ge", "gt", "le", "lt", "ne", "sameas"})
_CHAT = frozenset({"content", "text"})
_CHAT_NAMES = frozenset({"content", "user_input", "user_message", "system_message"})
# Words a person writes. Markers of formats (`</think>`, `/no_think`, `[INST]`) are what templates rightly look for.
_TRIGGER = re.compile(r"[^\W\d_]{3,}(?: [^\W_]+)*")
_MARKUP = re.compile(r"<[^<>]{0,80}>|\[[^\[\]]{0,40}\]|#+ ")
_WORD = re.compile(r"[^\W\d_]{2,}")
_INJECTED_WORDS = 4
# What is compared with content in ordinary templates, and is a kind of part and not something the user said.
_KINDS = frozenset({"text", "image", "video", "audio", "image_url", "input_text", "system", "user", "assistant", "tool",
                    "thinking", "reasoning", "string", "file", "document", "input_audio"})  # fmt: skip
_ROUNDS = 8
_KEPT = 16


class Hidden(NamedTuple):
    """A branch that is taken only at a date or for a word in the chat."""

    node: nodes.Node
    message: str
    evidence: tuple[str, ...]


def hidden_behaviour(root: nodes.Template, folder: Folder) -> Iterator[Hidden]:
    """Yield the conditions of a template that hide behaviour."""
    variables = _Variables(root, folder)
    for node in walk(root):
        match node:
            case nodes.If():
                # An `elif` is an If of its own in the tree, and is met there.
                found = variables.judge(node, node.test, [*node.body, *node.else_])
            case nodes.CondExpr():
                found = variables.judge(node, node.test, [part for part in (node.expr1, node.expr2) if part])
            case nodes.For(test=nodes.Node() as test):
                found = variables.judge(node, test, node.body)
            case _:
                continue
        if found:
            yield found


class _Variables:
    """What the variables of one template come from: the clock, or what somebody wrote in the chat."""

    def __init__(self, root: nodes.Template, folder: Folder) -> None:
        self._folder = folder
        self._assigned = assignments(root)
        # What each variable keeps of comparisons; a few of each, so that many conditions on one variable stay cheap.
        self._kept = {
            name: [part for value, _ in values[:_ROUNDS] for part in walk(value) if _compares(part)][:_KEPT]
            for name, values in self._assigned.items()
        }
        self._dated = self._origins(self._reads_clock)
        self._written = self._origins(self._is_written)

    def judge(self, node: nodes.Node, test: nodes.Node, branches: list[nodes.Node]) -> Hidden | None:
        """Say what is hidden behind `test`."""
        compared = list(self._comparisons(test))
        if any(self._is_dated(part) for part in compared):
            return Hidden(node, "does one thing before a date and another after it", ())
        words = next(filter(None, map(self._trigger, compared)), None)
        injected = _words(branches) if words is not None else None
        if words is None or injected is None:
            return None
        return Hidden(node, f"says more to the model when the chat contains {shown(words)}", (injected,))

    def _comparisons(self, test: nodes.Node) -> Iterator[nodes.Node]:
        """Yield what compares or searches in a condition, also through variables that keep the outcome."""
        for node in walk(test):
            if _compares(node):
                yield node
            elif isinstance(node, nodes.Name):
                yield from self._kept.get(node.name, ())

    # --- dates ------------------------------------------------------------------------------------------------------

    def _is_dated(self, node: nodes.Node) -> bool:
        return any(
            self._reads_clock(part) or (isinstance(part, nodes.Name) and part.name in self._dated)
            for part in walk(node)
        )

    def _reads_clock(self, node: nodes.Node, _known: frozenset[str] = frozenset()) -> bool:
        for part in walk(node):
            match part:
                case nodes.Call(node=nodes.Name(name=name)) if name in _CLOCKS and name not in self._assigned:
                    return True
                case nodes.Call(node=nodes.Getattr(attr="now" | "utcnow" | "today")):
                    return True
                case nodes.Name(name=name) if name in _known:
                    return True
        return False

    # --- words ------------------------------------------------------------------------------------------------------

    def _trigger(self, part: nodes.Node) -> str | None:
        """Return the word that the chat is searched for."""
        match part:
            case nodes.Compare():
                sides = [part.expr, *(operand.expr for operand in part.ops)]
            case nodes.Filter() if part.args and self._folder.fold(part.args[0]) in _CHAT:
                return next(filter(None, map(self._word, part.args[1:])), None)
            case nodes.Call():
                sides = [part.node, *part.args]
            case nodes.Test():
                sides = [part.node, *part.args]
            case _:
                return None
        if not any(self._is_written(side, self._written) for side in sides):
            return None
        return next(filter(None, map(self._word, sides)), None)

    def _word(self, node: nodes.Node) -> str | None:
        value = self._folder.fold(node)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and _TRIGGER.fullmatch(text.strip()) and text not in _KINDS | _TESTS:
                return text
        return None

    def _is_written(self, node: nodes.Node, known: frozenset[str] = frozenset()) -> bool:
        """Say whether a value is what somebody wrote in the chat, and not a key or a kind beside it."""
        pending = [node]
        while pending:
            match pending.pop():
                case nodes.Getattr(attr="content" | "text") | nodes.Getitem(arg=nodes.Const(value="content" | "text")):
                    return True
                case nodes.Name(name=name) if name in known or name in _CHAT_NAMES:
                    return True
                case nodes.Filter(node=nodes.Expr() as inner) | nodes.Call(node=nodes.Getattr(node=inner)):
                    pending.append(inner)
                case nodes.Getattr(node=inner, attr=name) if name in _SEARCHES | _CHANGES:
                    pending.append(inner)
                case nodes.Getitem(node=inner, arg=nodes.Slice() | nodes.Const(value=int())):
                    pending.append(inner)
                case nodes.Concat() | nodes.Add() | nodes.CondExpr() as joined:
                    pending.extend(joined.iter_child_nodes())
        return False

    def _origins(self, reads: Callable[[nodes.Node, frozenset[str]], bool]) -> frozenset[str]:
        """Return the variables whose value comes from what `reads` recognizes, directly or through others."""
        names: frozenset[str] = frozenset()
        for _ in range(_ROUNDS):
            found = frozenset(
                name
                for name, values in self._assigned.items()
                if any(reads(value, names) for value, looped in values if not looped or _is_split(value))
            )
            if found == names:
                break
            names = found
        return names


def _compares(node: nodes.Node) -> bool:
    match node:
        case nodes.Compare() | nodes.Filter(name="selectattr" | "rejectattr"):
            return True
        case nodes.Call(node=nodes.Getattr(attr=name)):
            return name in _SEARCHES
        case nodes.Test(name=name):
            return name in _TESTS
    return False


def _is_split(node: nodes.Node) -> bool:
    """Say whether a loop runs over words: the parts of a content are not its text, those of a split text are."""
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "split"


def _words(branches: list[nodes.Node]) -> str | None:
    """Return the words that branches write or keep, None where they are only markup or an error's message."""
    for branch in branches:
        errors = {id(part) for node in walk(branch) if _is_error(node) for part in walk(node)}
        for inner in walk(branch):
            text = inner.data if isinstance(inner, nodes.TemplateData) else None
            if isinstance(inner, nodes.Const) and isinstance(inner.value, str) and id(inner) not in errors:
                text = inner.value
            if text is not None and _is_prose(text):
                return shown(text.strip())
    return None


def _is_prose(text: str) -> bool:
    words = _WORD.findall(_MARKUP.sub(" ", text))
    # Scripts without spaces come as one long word.
    return sum(1 if word.isascii() else max(1, len(word) // 3) for word in words) >= _INJECTED_WORDS


def _is_error(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "raise_exception"
