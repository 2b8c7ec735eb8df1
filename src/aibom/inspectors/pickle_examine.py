"""Examine pickle streams: what they import, what they do with it, what they hold. For every format with a pickle in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aibom.components import Import
from aibom.files import Coverage, RepoFile
from aibom.findings import Finding
from aibom.inspectors.pickle_nodes import Call, Node
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What stands in mid-stream in place of opcodes: `length` raw bytes, or one `nested` pickle (then 0).

    `skip` bytes of padding come before either.
    """

    skip: int = 0
    length: int = 0
    nested: bool = False


RawHook = Callable[[Call, int], Raw | None]
"""Called after each BUILD with the object that was built (its `state[-1]` is the new state) and the offset of the next
opcode. None means that opcodes go on; a `Raw` is stepped over and a `RawArray` takes the object's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why the walk ended before a STOP: the unpickler would raise here, after it ran everything before."""

    message: str
    offset: int
    limit: bool = False
    """True where one of our limits ended it, not the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What consecutive pickle streams say.

    `ends` are the offsets after each STOP, so `ends[-1]` is where the bytes after the last complete stream begin.
    `roots` (only with `values`) are the values of the complete streams, one each.
    `findings` hold everything about imports, calls and faults; they do not say that a pickle is present at all.
    `coverage` is PARTIAL if a fault or a limit ended the walk.
    """

    imports: tuple[Import, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage
    ends: tuple[int, ...]
    fault: Fault | None
    roots: tuple[Node, ...]
    opcodes: int


def examine(
    file: RepoFile,
    data: ByteSource,
    limits: Limits,
    *,
    start: int = 0,
    values: bool = False,
    streams: int | None = None,
    raw: RawHook | None = None,
) -> Examination:
    """Walk the pickle streams that begin at byte `start`, at most `streams` of them.

    Without `streams`, goes on until the end of the data or until bytes that begin no pickle. Nothing is imported or
    run. Raises nothing but OSError from `data`: faults and exhausted limits are in the result.
    """
    raise NotImplementedError
