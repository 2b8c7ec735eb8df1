"""Ask fickling for a second opinion on a pickle that has findings: its reading as evidence, never its verdict."""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from types import ModuleType

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Import, Verdict
from aibom.files import RepoFile
from aibom.findings import Finding, Severity
from aibom.inspectors import pickle_rules as rules

# fickling takes about thirty times as long as a tokenizer, so it reads small streams only.
MOST_BYTES = 1024 * 1024
MOST_OPCODES = 10_000
_MOST_NODES = 50_000
_CODE_CHARACTERS = 8_000
_IMPORT = re.compile(r"from ([\w.]+) import ([\w.]+)")


class Opinion(Struct, frozen=True, kw_only=True):
    """What fickling makes of a stream: Python source, and the imports and calls that it names as dangerous."""

    code: str
    dangers: tuple[str, ...]


def read_as_python(stream: bytes) -> Opinion | None:
    """Decompile a pickle stream; None where fickling can't. Nothing of the stream is run."""
    try:
        from fickling import fickle  # noqa: PLC0415 -- only flagged pickles pay for these imports
        from fickling.analysis import Analyzer, BadCalls, UnsafeImports  # noqa: PLC0415

        with _silenced(fickle):
            pickled = fickle.Pickled.load(stream, fail_on_decode_error=False)
            if not _fits(pickled.ast):
                return None
            # By name, not by its overall severity, which calls an ordinary state_dict unsafe.
            results = Analyzer([UnsafeImports(), BadCalls()]).analyze(pickled).results
            dangers = tuple(dict.fromkeys(str(result.trigger) for result in results if result.trigger))
            return Opinion(code=ast.unparse(pickled.ast)[:_CODE_CHARACTERS], dangers=dangers)
    # It raises whatever it happens to hit on broken streams and on opcodes that it has no class for. An opinion that
    # can't be had changes nothing: our own findings stand.
    except Exception:  # noqa: BLE001
        return None


def _fits(tree: ast.AST) -> bool:
    """Say whether the tree, written out, stays small.

    Shared objects are shared subtrees there: a few dozen lists within lists, each used twice, would be written out as
    more text than there is memory. A tree that contains itself never ends.
    """
    sizes: dict[int, int] = {}
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    open_nodes: set[int] = set()
    while todo:
        node, done = todo.pop()
        children = list(ast.iter_child_nodes(node))
        if done:
            open_nodes.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in children)
            if sizes[id(node)] > _MOST_NODES:
                return False
        elif id(node) in open_nodes:
            return False
        elif id(node) not in sizes:
            open_nodes.add(id(node))
            todo.append((node, True))
            todo += [(child, False) for child in children if id(child) not in sizes]
    return True


class _QuietSystem:
    """The `sys` module without its output streams."""

    def __getattr__(self, name: str) -> object:
        return io.StringIO() if name in {"stdout", "stderr"} else getattr(sys, name)


@contextmanager
def _silenced(module: ModuleType) -> Iterator[None]:
    """Keep a module from writing to the streams of the process, and no other thread from it."""
    with _LOCK:
        original = module.sys
        module.sys = _QuietSystem()  # type: ignore[attr-defined]
        try:
            yield
        finally:
            module.sys = original  # type: ignore[attr-defined]


_LOCK = Lock()


def with_second_opinion(
    file: RepoFile,
    stream: bytes,
    findings: Sequence[Finding],
    imports: Sequence[Import],
    *,
    opcodes: int,
    start: int,
) -> list[Finding]:
    """Return the findings, the worst of them with the decompiled source as its last evidence.

    What fickling calls dangerous and our table does not know is a finding of its own. `start` is where the stream
    begins in the file.
    """
    worst = min(findings, key=lambda finding: finding.sort_key, default=None)
    if (
        worst is None
        or not worst.severity.at_least(Severity.MEDIUM)
        or opcodes > MOST_OPCODES
        or len(stream) > MOST_BYTES
    ):
        return list(findings)
    return compare(file, read_as_python(stream), findings, imports, start=start)


def compare(
    file: RepoFile, opinion: Opinion | None, findings: Sequence[Finding], imports: Sequence[Import], *, start: int
) -> list[Finding]:
    """Return the findings with what the opinion adds to them."""
    found = list(findings)
    if opinion is None:
        return found
    worst = min(range(len(found)), key=lambda index: found[index].sort_key)
    if opinion.code:
        found[worst] = replace(found[worst], evidence=(*found[worst].evidence, f"decompiled:\n{opinion.code}"))
    unknown = {(item.module, item.name) for item in imports if item.verdict is Verdict.UNKNOWN}
    for danger in opinion.dangers:
        match = _IMPORT.fullmatch(danger)
        if match and (match[1], match[2]) in unknown:
            message = f"fickling calls `{danger}` dangerous; this tool's table does not know it"
            found.append(Finding.of(rules.SECOND_OPINION, message, file.at(offset=start)))
    return found
