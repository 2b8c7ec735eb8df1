"""Hold what a compressed member expands to: bounded, in memory while small, then in one unlinked file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

from msgspec import Struct

from aibom.containers.protocol import Budget
from aibom.errors import FileFault, LimitExceeded
from aibom.limits import MIB, Limits
from aibom.sources.bytesource import ByteSource, FileSource, MemorySource

CHUNK = 256 * 1024
"""How much is read and expanded at a time, in bytes."""
_IN_MEMORY = 8 * MIB


class ExpansionBomb(LimitExceeded):
    """The data expands to more times its size than `Limits.expansion_ratio`."""


class Expansion(Struct, frozen=True, kw_only=True):
    """What came out. `fault` is why it is not all: the bytes before a fault are kept, a loader would have seen them."""

    source: ByteSource
    fault: FileFault | None = None


class SpoolSource(FileSource):
    """A temporary file that has no name any more: closing it gives its space back."""

    def __init__(self, spool: IO[bytes], size: int) -> None:
        super().__init__(spool.fileno(), size)
        self._spool = spool

    def close(self) -> None:
        """Give the space back."""
        self._descriptor = -1
        self._spool.close()

    def __del__(self) -> None:
        self.close()


def expand(chunks: Iterator[bytes], *, compressed: int, limits: Limits, budget: Budget) -> Expansion:
    """Run through `chunks` of at most a few hundred KiB, made from `compressed` bytes.

    Returns:
        All of it, or what came before a fault together with the fault.

    Raises:
        MalformedFile, LimitExceeded: nothing came before the fault.
    """
    memory = bytearray()
    spool: IO[bytes] | None = None
    total = 0
    fault: FileFault | None = None
    try:
        for chunk in chunks:
            budget.take(expanded=len(chunk))
            refuse_bomb(total + len(chunk), compressed, limits)
            total += len(chunk)
            if spool is None and total > _IN_MEMORY:
                spool = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the source that is returned
                spool.write(memory)
                memory = bytearray()
            if spool is None:
                memory += chunk
            else:
                spool.write(chunk)
    except FileFault as found:
        if not total:
            raise
        fault = found
    except BaseException:
        if spool is not None:
            spool.close()
        raise
    if spool is None:
        return Expansion(source=MemorySource(bytes(memory)), fault=fault)
    spool.flush()
    return Expansion(source=SpoolSource(spool, spool.tell()), fault=fault)


def refuse_bomb(expanded: int, compressed: int, limits: Limits) -> None:
    """Stop at a ratio that ordinary data does not reach.

    Zeros alone reach 1,030 with deflate and more with other methods, and freshly made weights may be all zeros, so
    small output is never a bomb.

    Raises:
        ExpansionBomb: it is one.
    """
    if expanded > limits.expansion_floor_bytes and expanded > limits.expansion_ratio * max(1, compressed):
        raise ExpansionBomb(f"{compressed} bytes expand to more than {limits.expansion_ratio} times as much")
