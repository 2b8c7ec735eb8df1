"""Random access to the bytes of one file, wherever it lives. Files are never memory-mapped."""

from __future__ import annotations

import os
from types import TracebackType
from typing import NamedTuple, Protocol, Self


class Stamp(NamedTuple):
    """The status of a file on this machine: while it stays, and no clock is set back, so does the content."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Take it from what `stat` returned."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class ByteSource(Protocol):
    """The bytes of one file.

    `size` is in bytes. Reads are short only at the end of the file. OSError may come from any read.
    Use as a context manager, or call `close`.
    """

    size: int
    distant: bool
    """True where each read that jumps is a request over a network, so that readers should look at less."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        ...

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`; return how many bytes were there."""
        ...

    def close(self) -> None:
        """Release what the source holds; a second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Closing:
    """What byte sources on this machine share."""

    distant = False

    def close(self) -> None:
        """Release nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class MemorySource(_Closing):
    """Bytes in memory: small members of containers, and tests."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size = len(data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        return bytes(self._data[offset : offset + length])

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`."""
        part = self._data[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)


class FileSource(_Closing):
    """A regular file, read with `pread` on one descriptor that this object owns."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        length = min(length, max(0, self.size - offset))
        data = os.pread(self._descriptor, length, offset)
        if len(data) == length or not data:
            return data
        # A read of more than 2 GiB, or on a network file system, may come in parts.
        parts = [data]
        done = len(data)
        while done < length and (data := os.pread(self._descriptor, length - done, offset + done)):
            parts.append(data)
            done += len(data)
        return b"".join(parts)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`."""
        done = 0
        while done < len(buffer) and (got := os.preadv(self._descriptor, [buffer[done:]], offset + done)):
            done += got
        return done

    def where(self) -> bytes | None:
        """Return the path of what is open, as the kernel tells it; None where it does not."""
        try:
            return os.readlink(b"/proc/self/fd/%d" % self._descriptor)
        except OSError:
            return None

    def stamp(self) -> Stamp:
        """Return the status as it is now."""
        return Stamp.of(os.fstat(self._descriptor))

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class SliceSource(_Closing):
    """A window of another source: a stored member of an archive, read in place. Does not own the outer source."""

    def __init__(self, outer: ByteSource, offset: int, size: int) -> None:
        self._outer = outer
        self.distant = outer.distant
        self._offset = offset
        self.size = max(0, min(size, outer.size - offset))

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        length = min(length, max(0, self.size - offset))
        return self._outer.read_at(self._offset + offset, length) if length else b""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`."""
        length = min(len(buffer), max(0, self.size - offset))
        return self._outer.read_into(self._offset + offset, buffer[:length]) if length else 0
