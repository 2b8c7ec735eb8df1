"""Evaluate pure calls on constants, so that a name that a pickle computes can still be read."""

from __future__ import annotations

import base64
import binascii
import codecs
import zlib
from collections.abc import Callable, Mapping

from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, Node

MOST = 4096
"""Characters, bytes or elements that go into one evaluation at most: no name needs more."""

_ARGUMENTS = 8

WORK = 2_000_000
"""Elements that all evaluations of one file may look at together, so that folding stays linear in the file."""

Reader = Callable[[Blob], bytes]


class Budget:
    """What one file's evaluations may still cost."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = WORK

    def take(self, count: int) -> None:
        """Spend, or give up evaluating."""
        self.left -= count
        if self.left < 0:
            raise CannotFoldError


class Computed(str):
    """Text that the stream computes where an honest one would just say it."""

    __slots__ = ()


class CannotFoldError(Exception):
    """The call is not pure, or not on constants, or too big."""


def fold(call: Call, read: Reader, budget: Budget) -> Node:
    """Return the value of a call of something pure on constants.

    Raises:
        CannotFoldError: it is no such call.
    """
    args = call.args[:_ARGUMENTS] if isinstance(call.args, tuple) else ()
    if isinstance(call.callee, Call) and isinstance(call.callee.args, tuple) and len(call.callee.args) > _ARGUMENTS:
        raise CannotFoldError
    match call.callee:
        case Global(module=module, name=name) if call.kwargs is None or (
            isinstance(call.kwargs, Dict) and not call.kwargs.items
        ):
            function = f"{module}.{name}"
        case Call(callee=Global(module="builtins", name="getattr"), args=(receiver, str(method))) if isinstance(
            receiver, str | bytes | Blob
        ):
            kind = "str" if isinstance(receiver, str) else "bytes"
            function, args = f"builtins.{kind}.{method}", (receiver, *args)
        case Call(callee=Global(name="methodcaller"), args=(str(method), *rest)) if len(args) == 1:
            receiver = args[0]
            kind = "str" if isinstance(receiver, str) else "bytes"
            function, args = f"builtins.{kind}.{method}", (receiver, *rest)
        case Call(callee=Global(name="itemgetter"), args=(key,)) if len(args) == 1:
            function, args = "_operator.getitem", (args[0], key)
        case Call(callee=Global(name="partial"), args=(Global(module=module, name=name), *first)):
            function, args = f"{module}.{name}", (*first, *args)
        case _:
            raise CannotFoldError
    return evaluate(function, [_constant(arg, read, budget, 4) for arg in args[:_ARGUMENTS]])


def evaluate(function: str, args: list[object]) -> Node:
    """Evaluate a function by its name on plain Python values.

    Raises:
        CannotFoldError: it is not known as pure, or does not take these arguments.
    """
    if sum(map(_weight, args)) > MOST:
        raise CannotFoldError
    work = _FUNCTIONS.get(function)
    if work is None and function.startswith(("builtins.str.", "builtins.bytes.")):
        work = _method(function)
    if work is None:
        raise CannotFoldError
    try:
        result = work(*args)
    # Whatever a wrong argument raises here, the unpickler would raise too.
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, zlib.error) as error:
        raise CannotFoldError from error
    return _node(result)


def _constant(node: Node, read: Reader, budget: Budget, depth: int) -> object:
    """Turn a node into a Python value, if it is one all through."""
    match node:
        case Blob():
            if node.length > MOST:
                raise CannotFoldError
            budget.take(1 + node.length // 64)
            return read(node)
        case None | bool() | int() | float() | str() | bytes():
            return str(node) if isinstance(node, Computed) else node
        case tuple() | list() if depth and len(node) <= MOST:
            budget.take(1 + len(node))
            values = [_constant(item, read, budget, depth - 1) for item in node]
            return tuple(values) if isinstance(node, tuple) else values
        case Dict() if depth and len(node.items) <= MOST:
            budget.take(1 + len(node.items))
            flat = [_constant(item, read, budget, depth - 1) for item in node.items]
            try:
                return dict(zip(flat[::2], flat[1::2], strict=True))
            except TypeError as error:
                raise CannotFoldError from error
    raise CannotFoldError


def _node(value: object) -> Node:
    match value:
        case str():
            return Computed(value)
        case bytearray():
            return bytes(value)
        case None | bool() | int() | float() | bytes():
            return value
        case tuple():
            return tuple(_node(item) for item in value)
        case list():
            return [_node(item) for item in value]
    raise CannotFoldError


def _weight(value: object) -> int:
    match value:
        case str() | bytes():
            return len(value)
        case tuple() | list():
            return len(value) + sum(map(_weight, value))
        case dict():
            return len(value) + sum(map(_weight, value)) + sum(map(_weight, value.values()))
        case int() if not isinstance(value, bool):
            # An integer may be a width, a count or an index: small ones only.
            if abs(value) > MOST:
                raise CannotFoldError
    return 1


def _method(function: str) -> Callable[..., object] | None:
    _, kind, name = function.split(".", 2)
    if name not in _METHODS:
        return None
    owner: type = str if kind == "str" else bytes
    found: Callable[..., object] | None = getattr(owner, name, None)
    return found


def _decode(value: bytes | str, encoding: str = "utf-8", errors: str = "strict") -> object:
    if encoding.lower().replace("-", "_") not in _CODECS:
        raise CannotFoldError
    return codecs.decode(value, encoding, errors)  # type: ignore[arg-type]


def _encode(value: bytes | str, encoding: str = "utf-8", errors: str = "strict") -> object:
    if encoding.lower().replace("-", "_") not in _CODECS:
        raise CannotFoldError
    return codecs.encode(value, encoding, errors)  # type: ignore[arg-type]


def _text(value: object = "", encoding: str | None = None, errors: str = "strict") -> object:
    if isinstance(value, bytes):
        return _decode(value, encoding or "utf-8", errors) if encoding else str(value)
    return str(value)


def _bytes(value: object = b"", encoding: str | None = None) -> object:
    match value:
        case str():
            return _encode(value, encoding or "utf-8")
        case tuple() | list():
            return bytes(value)
        case bytes():
            return value
    raise CannotFoldError


def _inflate(value: bytes) -> bytes:
    return zlib.decompressobj().decompress(value, MOST)


def _join(separator: str | bytes, parts: list[str]) -> object:
    if len(separator) > 64:
        raise CannotFoldError
    return separator.join(parts)  # type: ignore[arg-type]


def _replace(value: str, old: str, new: str, count: int = -1) -> object:
    if len(new) > 64:
        raise CannotFoldError
    return value.replace(old, new, count)


def _percent(template: object, values: object) -> object:
    # Widths in a template could ask for any length.
    if not isinstance(template, str) or template.count("%") != template.count("%s"):
        raise CannotFoldError
    return template % values


def _add(first: object, second: object) -> object:
    match first, second:
        case (str(), str()) | (bytes(), bytes()) | (list(), list()) | (tuple(), tuple()) | (int(), int()):
            return first + second  # type: ignore[operator]
    raise CannotFoldError


def _item(container: object, key: object) -> object:
    match container:
        case str() | bytes() | tuple() | list() | dict():
            found: object = container[key]  # type: ignore[index, call-overload]
            return found
    raise CannotFoldError


_CODECS = frozenset({
    "utf_8", "utf8", "ascii", "latin1", "latin_1", "iso_8859_1", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_7",
    "rot13", "rot_13", "hex", "hex_codec", "base64", "base64_codec", "unicode_escape", "raw_unicode_escape", "punycode",
    "cp037", "cp500", "cp1252", "idna",
})  # fmt: skip
_METHODS = frozenset({
    "lower", "upper", "strip", "lstrip", "rstrip", "swapcase", "title", "capitalize", "casefold", "split", "rsplit",
    "partition", "rpartition", "removeprefix", "removesuffix", "splitlines", "find", "index", "count", "hex",
    "__getitem__", "__add__", "__str__", "fromhex", "isalpha", "startswith", "endswith",
})  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "_codecs.decode": _decode,
    "_codecs.encode": _encode,
    "codecs.decode": _decode,
    "codecs.encode": _encode,
    "builtins.str": _text,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.bytes.decode": _decode,
    "builtins.str.encode": _encode,
    "builtins.str.join": _join,
    "builtins.bytes.join": _join,
    "builtins.str.replace": _replace,
    "builtins.bytes.replace": _replace,
    "builtins.str.translate": lambda text, table: text.translate(table),
    "builtins.str.__mod__": _percent,
    "builtins.chr": chr,
    "builtins.ord": ord,
    "builtins.reversed": lambda value: list(reversed(value)),
    "builtins.list": list,
    "builtins.tuple": tuple,
    "builtins.sorted": sorted,
    "_operator.getitem": _item,
    "_operator.concat": _add,
    "_operator.add": _add,
    "_operator.iadd": _add,
    "_operator.iconcat": _add,
    "_operator.mod": _percent,
    "operator.getitem": _item,
    "operator.concat": _add,
    "operator.add": _add,
    "operator.iadd": _add,
    "operator.iconcat": _add,
    "operator.mod": _percent,
    "base64.b64decode": base64.b64decode,
    "base64.b32decode": base64.b32decode,
    "base64.b16decode": base64.b16decode,
    "base64.b85decode": base64.b85decode,
    "base64.urlsafe_b64decode": base64.urlsafe_b64decode,
    "binascii.unhexlify": binascii.unhexlify,
    "binascii.a2b_hex": binascii.unhexlify,
    "binascii.a2b_base64": binascii.a2b_base64,
    "builtins.bytes.fromhex": bytes.fromhex,
    "zlib.decompress": _inflate,
}

FOLDABLE = frozenset(_FUNCTIONS)
"""Functions whose calls `fold` may be able to evaluate."""
