"""Parse a Jinja template within bounds, and fold what is constant in it. Nothing is ever rendered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aibom.errors import LimitExceeded, MalformedFile

if TYPE_CHECKING:
    from jinja2 import Environment, nodes
    from jinja2.parser import Parser

_NESTING = 40
_ROUNDS = 4  # constants made of constants, that deep
_FOLDED = 10_000  # characters of a folded text: nothing that matters is longer, and `'a' * 10**9` is not computed
_LONGEST = 256 * 1024  # bytes; the longest of the known models have 17 KiB
_OPENERS = frozenset({"if", "for", "macro", "call", "filter", "block", "generation", "autoescape", "with", "raw"})


def parse_template(text: str) -> nodes.Template:
    """Return the syntax tree.

    Raises:
        MalformedFile: it is not a template, or uses tags that no chat-template renderer has.
        LimitExceeded: it is nested too deeply.
    """
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415 -- most targets hold no template, and jinja2 takes a while

    if len(text) > _LONGEST:
        raise LimitExceeded(f"it has {len(text)} characters, the limit is {_LONGEST}")
    environment = _environment()
    try:
        _check_nesting(environment, text)
        return environment.parse(text)
    except TemplateSyntaxError as fault:
        raise MalformedFile(f"line {fault.lineno}: {fault.message}") from fault
    except RecursionError as fault:
        raise LimitExceeded("the template is nested too deeply") from fault
    except (ValueError, OverflowError) as fault:  # numbers of thousands of digits
        raise MalformedFile(f"a literal has no value: {fault}") from fault


def _environment() -> Environment:
    """Return an environment with the tags that transformers gives chat templates."""
    from jinja2 import Environment, nodes  # noqa: PLC0415
    from jinja2.ext import Extension  # noqa: PLC0415

    class Generation(Extension):
        """`{% generation %}` marks what the assistant says (transformers, chat_template_utils.py)."""

        tags = {"generation"}  # noqa: RUF012 -- jinja2 reads a plain set

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    # Autoescape changes nothing here: the tree is read, never rendered.
    return Environment(extensions=[Generation, "jinja2.ext.loopcontrols", "jinja2.ext.do"], autoescape=True)


def _check_nesting(environment: Environment, text: str) -> None:
    """Refuse what would take the recursive parser too deep: brackets, block tags, chains of prefixes."""
    brackets = blocks = prefixes = 0
    before = ""
    for line, kind, value in environment.lex(text):
        if kind in {"whitespace", "data", "comment"}:
            continue
        if before == "block_begin":
            blocks += value in _OPENERS
            blocks -= value.startswith("end")
        brackets += kind == "operator" and value in {"(", "[", "{"}
        brackets -= kind == "operator" and value in {")", "]", "}"}
        if kind in {"block_end", "variable_end"}:
            prefixes = 0
        prefixes += value in {"not", "else"} or (
            value in {"-", "+"} and before not in {"name", "string", ")", "]", "}"}
        )
        before = value if kind == "operator" else kind
        if brackets > _NESTING or blocks > _NESTING or prefixes > 4 * _NESTING:
            raise LimitExceeded(f"line {line}: the template is nested more than {_NESTING} deep")


def walk(root: nodes.Node) -> Iterator[nodes.Node]:
    """Yield a node and everything below it, without recursion."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(list(node.iter_child_nodes())))


def assignments(root: nodes.Template) -> dict[str, list[tuple[nodes.Node, bool]]]:
    """Return what each variable is set to, and whether a loop does it. `ns.field` counts by its field."""
    from jinja2 import nodes  # noqa: PLC0415

    found: dict[str, list[tuple[nodes.Node, bool]]] = {}
    for node in walk(root):
        match node:
            case nodes.Assign() | nodes.For():
                looped = isinstance(node, nodes.For)
                value = node.iter if isinstance(node, nodes.For) else node.node
                for target in walk(node.target):
                    match target:
                        case nodes.Name(name=name) | nodes.NSRef(attr=name):
                            found.setdefault(name, []).append((value, looped))
            case nodes.AssignBlock(target=nodes.Name(name=name), body=[nodes.Output() as value]):
                found.setdefault(name, []).append((value, False))
    return found


def constants(root: nodes.Template) -> Folder:
    """Return a folder that knows the variables which are set once, to a constant (made of constants)."""
    once = {name: found[0] for name, found in assignments(root).items() if len(found) == 1}
    values: dict[str, Any] = {}
    for _ in range(_ROUNDS):
        folder = Folder(values)
        values = {name: folder.fold(value) for name, (value, looped) in once.items() if not looped}
    return Folder(values)


class Folder:
    """Evaluates constant expressions over text: what an attacker puts together piece by piece."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def fold(self, node: nodes.Node, depth: int = 0) -> Any:
        """Return the constant value (text, number, list), None where there is none."""
        from jinja2 import nodes  # noqa: PLC0415

        if depth > _NESTING:
            return None
        value: Any = None
        match node:
            case nodes.Const():
                value = node.value
            case nodes.TemplateData():
                value = node.data
            case nodes.Name():
                value = self._values.get(node.name)
            case nodes.List() | nodes.Tuple():
                items = [self.fold(item, depth + 1) for item in node.items[:1000]]
                value = items if None not in items else None
            case nodes.Neg() | nodes.Pos():
                value = self.fold(node.node, depth + 1)
                value = -value if isinstance(node, nodes.Neg) and type(value) is int else value
            case nodes.Output():
                value = _joined([self.fold(item, depth + 1) for item in node.nodes], "")
            case nodes.Concat():
                value = _joined([self.fold(item, depth + 1) for item in node.nodes], "")
            case nodes.Add():
                value = self._sum(node, depth)
            case nodes.Mul():
                value = _product(self.fold(node.left, depth + 1), self.fold(node.right, depth + 1))
            case nodes.Pow():
                value = _power(self.fold(node.left, depth + 1), self.fold(node.right, depth + 1))
            case nodes.Mod():
                value = _formatted(self.fold(node.left, depth + 1), self.fold(node.right, depth + 1))
            case nodes.Getitem():
                value = self._item(node, depth)
            case nodes.Filter() if node.node is not None:
                value = self._filtered(node.name, self.fold(node.node, depth + 1), node.args, depth)
            case nodes.Call(node=nodes.Getattr(attr=str(method)) as target):
                value = self._filtered(method, self.fold(target.node, depth + 1), node.args, depth, method=True)
        return value if not isinstance(value, str) or len(value) <= _FOLDED else value[:_FOLDED]

    def _sum(self, node: nodes.Add, depth: int) -> Any:
        """Add from left to right; a chain of a thousand additions leans left and needs no recursion."""
        from jinja2 import nodes  # noqa: PLC0415

        parts: list[nodes.Expr] = []
        left: nodes.Expr = node
        while isinstance(left, nodes.Add):
            parts.append(left.right)
            left = left.left
        parts.append(left)
        values = [self.fold(part, depth + 1) for part in reversed(parts)]
        if values and all(isinstance(value, list) for value in values):
            return [item for value in values for item in value][:1000]
        return _joined(values, "") if all(isinstance(value, str) for value in values) else None

    def _item(self, node: nodes.Getitem, depth: int) -> Any:
        from jinja2 import nodes  # noqa: PLC0415

        outer = self.fold(node.node, depth + 1)
        if not isinstance(outer, str | list):
            return None
        if isinstance(node.arg, nodes.Slice):
            parts = (node.arg.start, node.arg.stop, node.arg.step)
            bounds = [self.fold(part, depth + 1) if part else None for part in parts]
            known = all(type(bound) is int for bound, part in zip(bounds, parts, strict=True) if part)
            return outer[slice(*bounds)] if known and bounds[2] != 0 else None
        index = self.fold(node.arg, depth + 1)
        return outer[index] if type(index) is int and -len(outer) <= index < len(outer) else None

    def _filtered(self, name: str, value: Any, args: list[nodes.Expr], depth: int, *, method: bool = False) -> Any:
        folded = [self.fold(arg, depth + 1) for arg in args[:8]]
        if method and name == "join" and isinstance(value, str):
            return _joined(folded[0], value) if folded else None
        match name, value, folded:
            case "join", [*items], [] | [str()]:
                return _joined(items, folded[0] if folded else "")
            case (("lower" | "upper" | "title" | "capitalize" | "strip"), str(), []):
                return getattr(value, name)()
            case (("trim" | "string" | "safe" | "escape" | "e"), str(), _):
                return value.strip() if name == "trim" else value
            case "reverse", str() | list(), []:
                return value[::-1]
            case "replace", str(), [str(old), str(new), *_] if len(new) <= 100:
                return value[:_FOLDED].replace(old, new)
            case "format", str(), _ if not method and None not in folded:
                return _formatted(value, folded)
            case ("list", str(), []):
                return list(value[:1000])
            case (("first" | "last"), str() | list(), []) if value:
                return value[0 if name == "first" else -1]
        return None


def _joined(items: Any, glue: str) -> str | None:
    if not isinstance(items, list) or not all(isinstance(item, str | int) for item in items):
        return None
    return glue[:100].join(str(item)[:_FOLDED] for item in items)[:_FOLDED]


def _product(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return left * right if max(abs(left), abs(right)) < 1 << 64 else None
    text, count = (left, right) if isinstance(left, str) else (right, left)
    if isinstance(text, str) and type(count) is int and 0 <= count * len(text) <= _FOLDED:
        return text * count
    return None


def _power(left: Any, right: Any) -> int | None:
    small = type(left) is int and type(right) is int and abs(left) <= 1000 and 0 <= right <= 20
    return int(left**right) if small else None


def _formatted(pattern: Any, values: Any) -> str | None:
    """Do `'%c%c' % (95, 95)` for the conversions that make letters."""
    if not isinstance(pattern, str) or pattern.count("%") > 200:
        return None
    items = list(values) if isinstance(values, list) else [values]
    out: list[str] = []
    rest = pattern
    while "%" in rest:
        before, _, rest = rest.partition("%")
        kind, rest = rest[:1], rest[1:]
        if kind not in {"s", "c", "d"} or not items:
            return None
        value = items.pop(0)
        if kind == "c" and type(value) is int:
            value = chr(value) if 0 <= value < 0x110000 else ""
        out += [before, str(value)[:_FOLDED]]
    return "".join([*out, rest])
