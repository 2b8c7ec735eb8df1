"""Say what names in Python source stand for: imports, aliases, and texts put together from constants.

Nothing is imported or executed; folding goes over a few pure operations on constants, with bounds.
"""

from __future__ import annotations

import ast
import base64
import binascii
import builtins
import codecs
from collections.abc import Iterator

_DEPTH = 24
_FOLDED = 64 * 1024
_BUILTINS = frozenset(dir(builtins))
# What gives its argument's meaning back: folded where the argument is constant, a sign of hiding where it is not.
DECODERS = frozenset({
    "base64.b64decode", "base64.b32decode", "base64.b16decode", "base64.b85decode", "base64.a85decode",
    "base64.urlsafe_b64decode", "base64.standard_b64decode", "base64.decodebytes", "base64.decodestring",
    "binascii.unhexlify", "binascii.a2b_hex", "binascii.a2b_base64", "codecs.decode", "zlib.decompress",
    "gzip.decompress", "bz2.decompress", "lzma.decompress", "marshal.loads", "builtins.bytes.fromhex",
    "builtins.bytearray.fromhex",
})  # fmt: skip


def walk(root: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and everything below it in the order of the source, without recursion."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(list(ast.iter_child_nodes(node))))


class Names:
    """The aliases of one module. Those made inside functions count for the whole file: an over-approximation."""

    def __init__(self, tree: ast.Module) -> None:
        self._aliases: dict[str, str] = {}
        self._stars: list[str] = []
        self._texts: dict[str, ast.expr | None] = {}
        self._defined: set[str] = set()
        self._folded: dict[int, str | bytes | None] = {}
        for node in walk(tree):
            self._learn(node)
        # An alias may stand for another one: `o = os`, then `s = o.system`.
        for _ in range(2):
            for node in walk(tree):
                for name, value in _assigned(node):
                    named = self.dotted(value)
                    if named is not None and name not in self._defined:
                        self._aliases.setdefault(name, named)

    def _learn(self, node: ast.AST) -> None:
        match node:
            case ast.Import(names=names):
                for name in names:
                    self._aliases[name.asname or name.name.partition(".")[0]] = (
                        name.name if name.asname else name.name.partition(".")[0]
                    )
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for name in names:
                    if name.name == "*":
                        self._stars.append(module)
                    else:
                        self._aliases[name.asname or name.name] = f"{module}.{name.name}"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self._defined.add(name)
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ):
                # Assigned twice, a name is no constant.
                self._texts[name] = None if name in self._texts else value
            case ast.AugAssign(target=ast.Name(id=name)):
                self._texts[name] = None

    def value_of(self, name: str) -> ast.expr | None:
        """Return what a name is assigned, where it is assigned once."""
        return self._texts.get(name)

    def dotted(self, node: ast.expr | None, depth: int = 0) -> str | None:
        """Return the full dotted name of what an expression means (`os.system`), None where it is not known."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if depth > _DEPTH or node is None or len(parts) > _DEPTH:
            return None
        root = self._root(node, depth)
        if root is None:
            return None
        name = ".".join([root, *reversed(parts)])
        for prefix in ("builtins.__builtins__.", "__builtins__.", "builtins.__dict__."):
            name = f"builtins.{name.removeprefix(prefix)}" if name.startswith(prefix) else name
        return name.replace(".__dict__.", ".")

    def _root(self, node: ast.expr, depth: int) -> str | None:
        match node:
            case ast.Name(id=name):
                if name in self._aliases:
                    return self._aliases[name]
                if name in self._defined or name in self._texts:
                    return None
                if name in _BUILTINS or name == "__builtins__":
                    return f"builtins.{name}" if name != "__builtins__" else "builtins"
                # `from os import *` may be where the name comes from.
                return f"{self._stars[0]}.{name}" if len(self._stars) == 1 and self._stars[0] in _STARRED else None
            case ast.Call():
                return self._called(node, depth)
            case ast.NamedExpr(value=value):
                return self.dotted(value, depth + 1)
            case ast.Subscript(value=ast.Call(func=ast.Name(id="globals" | "locals" | "vars"), args=[]), slice=key):
                # A name taken from the module's own table.
                text = self.text(key, depth + 1)
                return self._root(ast.Name(id=text, ctx=ast.Load()), depth + 1) if isinstance(text, str) else None
            case ast.Subscript(value=inner, slice=key):
                # A module from the table of modules, or an attribute from a module's table.
                outer, text = self.dotted(inner, depth + 1), self.text(key, depth + 1)
                if outer == "sys.modules" and isinstance(text, str):
                    return text
                if (
                    isinstance(text, str)
                    and outer is not None
                    and (outer.endswith(".__dict__") or outer == "builtins" or isinstance(inner, ast.Call))
                ):
                    return f"{outer.removesuffix('.__dict__')}.{text}"
        return None

    def _called(self, node: ast.Call, depth: int) -> str | None:
        """Resolve calls that give modules and attributes by name."""
        function = self.dotted(node.func, depth + 1)
        first = self.text(node.args[0], depth + 1) if node.args else None
        if function in {"builtins.__import__", "importlib.import_module", "importlib.__import__"}:
            return first if isinstance(first, str) else None
        if function == "builtins.getattr" and len(node.args) > 1:
            owner, name = self.dotted(node.args[0], depth + 1), self.text(node.args[1], depth + 1)
            return f"{owner}.{name}" if owner is not None and isinstance(name, str) else None
        if function == "builtins.vars" and node.args:
            return self.dotted(node.args[0], depth + 1)
        return None

    def text(self, node: ast.expr | None, depth: int = 0) -> str | bytes | None:
        """Return the text that an expression is, where it is made of constants alone."""
        if node is None or depth > _DEPTH:
            return None
        # Kept, so that `b = a + a; c = b + b; ...` costs a line each and not a power of two.
        if id(node) not in self._folded:
            self._folded[id(node)] = self._fold(node, depth)
        return self._folded[id(node)]

    def _fold(self, node: ast.expr, depth: int) -> str | bytes | None:
        found: str | bytes | None = None
        match node:
            case ast.Constant(value=str() | bytes() as value):
                found = value
            case ast.Name(id=name):
                found = self.text(self.value_of(name), depth + 1)
            case ast.BinOp(op=ast.Add()):
                found = self._added(node, depth)
            case ast.JoinedStr(values=values):
                found = _joined([self.text(value, depth + 1) for value in values], "")
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                found = self.text(value, depth + 1)
            case ast.Subscript(
                value=inner, slice=ast.Slice(lower=None, upper=None, step=ast.UnaryOp(ast.USub(), step))
            ):
                forward = self.text(inner, depth + 1)
                if forward is not None and isinstance(step, ast.Constant) and step.value == 1:
                    found = forward[::-1]
            case ast.Call():
                found = self._computed(node, depth)
        return found[:_FOLDED] if found is not None else None

    def _added(self, node: ast.BinOp, depth: int) -> str | bytes | None:
        parts: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add):
            parts.append(left.right)
            left = left.left
        parts.append(left)
        values = [self.text(part, depth + 1) for part in reversed(parts)]
        if all(isinstance(value, bytes) for value in values):
            return b"".join(value for value in values if isinstance(value, bytes))
        return _joined(values, "")

    def _computed(self, node: ast.Call, depth: int) -> str | bytes | None:
        function = self.dotted(node.func, depth + 1)
        if function in DECODERS and node.args:
            return _decoded(function, self.text(node.args[0], depth + 1))
        if function == "builtins.chr" and node.args:
            match node.args[0]:
                case ast.Constant(value=int(code)) if 0 <= code < 0x110000:
                    return chr(code)
        if function in {"builtins.bytes", "builtins.bytearray"} and node.args:
            return _bytes_of(node.args[0])
        match node.func:
            case ast.Attribute(attr="join", value=glue):
                between = self.text(glue, depth + 1)
                match node.args:
                    case [ast.List(elts=items) | ast.Tuple(elts=items)] if isinstance(between, str):
                        return _joined([self.text(item, depth + 1) for item in items[:10_000]], between)
            case ast.Attribute(attr="decode", value=inner):
                value = self.text(inner, depth + 1)
                codec = self.text(node.args[0], depth + 1) if node.args else "utf-8"
                return _decoded_as(value, codec)
            case ast.Attribute(attr="encode" | "strip" | "lower", value=inner):
                return self.text(inner, depth + 1)
            case ast.Attribute(attr="replace", value=inner) if len(node.args) == 2:
                value, old, new = (self.text(part, depth + 1) for part in (inner, *node.args))
                if isinstance(value, str) and isinstance(old, str) and isinstance(new, str) and len(new) < 100:
                    return value[:_FOLDED].replace(old, new)
        return None


_STARRED = frozenset({"os", "subprocess", "socket", "pty", "shutil", "ctypes", "base64", "urllib.request", "requests"})


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield names with what they are assigned, in every form that has one value."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            yield name, value


def _joined(values: list[str | bytes | None], glue: str) -> str | None:
    if not all(isinstance(value, str) for value in values):
        return None
    return glue[:100].join(value for value in values if isinstance(value, str))[:_FOLDED]


def _bytes_of(node: ast.expr) -> bytes | None:
    match node:
        case ast.List(elts=items) | ast.Tuple(elts=items):
            codes = [item.value for item in items if isinstance(item, ast.Constant)]
            if len(codes) == len(items) and all(type(code) is int and 0 <= code < 256 for code in codes):
                return bytes(code for code in codes if isinstance(code, int))
        case ast.Constant(value=bytes(value)):
            return value
    return None


def _decoded(function: str, value: str | bytes | None) -> bytes | None:
    """Undo the encodings that keep their size; nothing is decompressed here."""
    if value is None:
        return None
    raw = value.encode("utf-8", "replace") if isinstance(value, str) else value
    try:
        match function.rpartition(".")[2]:
            case "b64decode" | "standard_b64decode" | "decodebytes" | "a2b_base64":
                return base64.b64decode(raw + b"=" * (-len(raw) % 4))
            case "urlsafe_b64decode":
                return base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
            case "b32decode":
                return base64.b32decode(raw)
            case "b85decode":
                return base64.b85decode(raw)
            case "a85decode":
                return base64.a85decode(raw)
            case "b16decode" | "unhexlify" | "a2b_hex" | "fromhex":
                return binascii.unhexlify(bytes(raw.replace(b" ", b"")))
    except ValueError:
        return None
    return None


def _decoded_as(value: str | bytes | None, codec: str | bytes | None) -> str | None:
    if isinstance(value, str):
        return codecs.decode(value, "rot13") if codec in {"rot13", "rot_13"} else value
    if isinstance(value, bytes) and codec in {"utf-8", "utf8", "ascii", "latin-1", "latin1"}:
        return value.decode(str(codec), "replace")
    return None
