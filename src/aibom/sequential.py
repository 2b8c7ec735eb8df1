"""Read a file from its first byte to its last, ahead of its use where the medium is slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

from aibom.sources.bytesource import ByteSource

# Measured: parts of 256 KiB to 4 MiB make no difference to a digest; 1 MiB keeps the overhead of a call below 1 %.
PART_BYTES = 1024 * 1024
# Two of these are all that a file takes, however large it is.
AHEAD_BYTES = 4 * 1024 * 1024
# How many parts are read before their speed is judged.
_WINDOW = 8
# Bytes a second, twice as many as SHA-256 takes. What is in memory comes six times as fast. What comes slower than this
# is worth waiting for in a thread of its own: 1.5 times as fast from a disk without read-ahead of its own. From memory
# the second thread would cost 5 %.
_FAST = 4e9


def parts(data: ByteSource, *, clock: Callable[[], float] = time.perf_counter) -> Generator[memoryview, None, None]:
    """Yield all bytes in order; a part is valid until the next one is asked for.

    Close the generator before `data`: a thread may be reading from it. `clock` gives seconds.

    Raises:
        OSError: `data` can't be read, and whatever else it raises.
    """
    buffer = memoryview(bytearray(min(PART_BYTES, max(data.size, 1))))
    position = slow = count = 0
    started = clock()
    while got := data.read_into(position, buffer):
        slow += clock() - started > got / _FAST
        yield buffer[:got]
        position += got
        count += 1
        if count == _WINDOW:
            # One that waits may have been interrupted; when most of them wait, it is the medium.
            if slow > _WINDOW // 2 and data.size - position > AHEAD_BYTES:
                yield from _ahead(data, position)
                return
            slow = count = 0
        started = clock()


def _ahead(data: ByteSource, position: int) -> Generator[memoryview, None, None]:
    """Yield the bytes from `position` on; while one part is used, a thread reads the next."""
    used, coming = (memoryview(bytearray(AHEAD_BYTES)) for _ in range(2))
    with ThreadPoolExecutor(1, thread_name_prefix="aibom-read-ahead") as reader:
        reading = reader.submit(data.read_into, position, coming)
        while got := reading.result():
            used, coming = coming, used
            position += got
            reading = reader.submit(data.read_into, position, coming)
            yield used[:got]
