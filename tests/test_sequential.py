from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import accumulate, count

import pytest

from aibom.sequential import AHEAD_BYTES, PART_BYTES, parts
from aibom.sources.bytesource import MemorySource


class Watched(MemorySource):
    """Remembers which thread read how much, and fails where it is told to."""

    def __init__(self, data: bytes, *, bad_from: int | None = None) -> None:
        super().__init__(data)
        self.reads: list[tuple[int, str]] = []
        self.bad_from = bad_from
        self.closed = False

    def read_into(self, offset: int, buffer: memoryview) -> int:
        assert not self.closed
        if self.bad_from is not None and offset + len(buffer) > self.bad_from:
            raise OSError(5, "Input/output error")
        self.reads.append((len(buffer), threading.current_thread().name))
        return super().read_into(offset, buffer)

    def close(self) -> None:
        self.closed = True


def ticking(step: float) -> Callable[[], float]:
    """A clock on which every read takes `step` seconds."""
    ticks = count()
    return lambda: next(ticks) * step


SLOW, FAST = ticking(1.0), ticking(1e-9)
DATA = bytes(range(251)) * ((3 * AHEAD_BYTES + 9 * PART_BYTES) // 251)


def joined(items: Iterator[memoryview]) -> bytes:
    return b"".join(bytes(item) for item in items)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 9 * PART_BYTES, len(DATA)])
@pytest.mark.parametrize("step", [1.0, 1e-9], ids=["slow", "fast"])
def test_all_bytes_come_in_order(size: int, step: float) -> None:
    """Whatever the medium, the bytes are those of the file."""
    assert DATA[:size] == joined(parts(MemorySource(DATA[:size]), clock=ticking(step)))


def test_a_slow_medium_is_read_ahead() -> None:
    """After eight slow reads a thread of its own reads on, in larger parts."""
    data = Watched(DATA)
    joined(parts(data, clock=SLOW))
    own = threading.current_thread().name
    assert [(PART_BYTES, own)] * 8 == data.reads[:8]
    assert all(size == AHEAD_BYTES and name.startswith("aibom-read-ahead") for size, name in data.reads[8:])


def test_memory_is_read_where_it_is_used() -> None:
    """A file in memory is not worth a thread, nor is the short rest of a slow one."""
    own = threading.current_thread().name
    for data, clock in ((Watched(DATA), FAST), (Watched(DATA[: 8 * PART_BYTES + AHEAD_BYTES]), SLOW)):
        joined(parts(data, clock=clock))
        assert {(PART_BYTES, own)} == set(data.reads)


def test_a_read_that_was_interrupted_once_is_no_slow_medium() -> None:
    """Half of the reads may wait before a thread is started."""
    # The clock is read before and after each read; every second read waits.
    times = accumulate(0.0 if number % 2 == 0 else (number // 2 % 2) * 1.0 for number in count())
    data = Watched(DATA)
    joined(parts(data, clock=lambda: next(times)))
    assert {PART_BYTES} == {size for size, _ in data.reads}


@pytest.mark.parametrize("bad_from", [PART_BYTES, 8 * PART_BYTES + AHEAD_BYTES])
def test_a_fault_comes_out_where_the_bytes_are_used(bad_from: int) -> None:
    """A disk that fails ends the reading with its own error, in the reader's thread as well."""
    with pytest.raises(OSError, match="Input/output error"):
        joined(parts(Watched(DATA, bad_from=bad_from), clock=ticking(1.0)))


def test_nothing_reads_after_the_end() -> None:
    """Whoever stops early may close the file at once: no thread reads from it any more."""
    with Watched(DATA) as data:
        with closing(parts(data, clock=ticking(1.0))) as reading:
            for _ in range(10):
                next(reading)
        assert 11 == len(data.reads)
    assert not any(thread.name.startswith("aibom-read-ahead") for thread in threading.enumerate())
