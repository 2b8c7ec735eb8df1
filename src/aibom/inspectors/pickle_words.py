"""Put calls of a pickle into words: what is called, with which arguments, and what that does."""

from __future__ import annotations

from aibom.inspectors.pickle_globals import Effect
from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, Node, PersistentId, RawArray, SetOf, Unknown

SHORT = 60
LONG = 2000
_ARGUMENTS = 4
_DEPTH = 3

LOADING = {
    Effect.CODE: "loading this file runs code",
    Effect.PROCESS: "loading this file runs a command",
    Effect.IMPORT: "loading this file imports a module of its choice",
    Effect.READ: "loading this file reads other files",
    Effect.WRITE: "loading this file changes other files",
    Effect.NETWORK: "loading this file opens a network connection",
    Effect.ATTRIBUTE: "loading this file reaches anything by its name",
    Effect.LOAD: "loading this file loads another one that can run code",
    Effect.NATIVE: "loading this file runs native code",
    Effect.STATE: "loading this file changes the running program",
    Effect.EMBEDDED: "it rebuilds code that the file carries",
}
CAN = {
    Effect.CODE: "which can run code",
    Effect.PROCESS: "which can run commands",
    Effect.IMPORT: "which can import any module",
    Effect.READ: "which can read files",
    Effect.WRITE: "which can change files",
    Effect.NETWORK: "which can open network connections",
    Effect.ATTRIBUTE: "which can reach anything by its name",
    Effect.LOAD: "which can load files that run code",
    Effect.NATIVE: "which can run native code",
    Effect.STATE: "which can change the running program",
    Effect.EMBEDDED: "which rebuilds code that the file carries",
}


def call_text(path: str, args: Node, *, longest: int = SHORT) -> str:
    """`posix.system("curl …")`, one line of printable text, each text shortened to `longest` characters."""
    match args:
        case tuple() | list():
            parts = [value_text(arg, longest=longest) for arg in args[:_ARGUMENTS]]
            if len(args) > _ARGUMENTS:
                parts.append("…")
        case _:
            parts = ["…"]
    return f"{path}({', '.join(parts)})"


def value_text(node: Node, *, longest: int = SHORT, depth: int = _DEPTH) -> str:
    """One value as Python would write it, in short."""
    match node:
        case str():
            return '"' + _escape(node[: longest + 1], longest).replace('"', '\\"') + '"'
        case bytes():
            return "b" + value_text(node[: longest + 1].decode("latin-1"), longest=longest)
        case None | bool() | float():
            return repr(node)
        case int():
            return repr(node) if node.bit_length() < 256 else "a huge integer"
        case Global():
            return _escape(node.path, longest)
        case Call(callee=Global() as callee):
            return f"{_escape(callee.path, longest)}(…)"
        case Blob():
            return f"<{node.length} bytes of {'text' if node.text else 'data'}>"
        case tuple() | list() if depth:
            inner = ", ".join(value_text(item, longest=longest, depth=depth - 1) for item in node[:_ARGUMENTS])
            more = ", …" if len(node) > _ARGUMENTS else ""
            return f"[{inner}{more}]" if isinstance(node, list) else f"({inner}{more})"
        case Dict() if depth:
            pairs = [
                f"{value_text(key, longest=longest, depth=0)}: {value_text(value, longest=longest, depth=depth - 1)}"
                for key, value in zip(node.items[0:8:2], node.items[1:8:2], strict=False)
            ]
            return "{" + ", ".join(pairs) + (", …" if len(node.items) > 8 else "") + "}"
        case SetOf() | PersistentId() | RawArray() | Unknown() | Call() | tuple() | list() | Dict():
            return "…"


def _escape(text: str, longest: int) -> str:
    cut = text[:longest]
    if cut.isprintable():
        return cut + ("…" if len(text) > longest else "")
    safe = "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in cut
    )
    return safe + ("…" if len(text) > longest else "")


def name_text(path: str) -> str:
    """Return the path of a global as printable text."""
    return _escape(path, 200)
