"""The journal of a run: a line for each target that is finished, on the disk before anybody is told.

It is the truth about a run: what stands in it is not done again, and the index is made from it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from aibom.emitters.inert import encodable
from aibom.errors import DataError, OutputError, UsageError
from aibom.fleet.records import Entry

FILE_NAME = "journal.jsonl"


class Journal:
    """The journal in a folder, locked against a second driver. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            self.close()
            hint = "wait for it to end, or give another --out"
            raise UsageError(f"another run writes to {self._path.parent}", hint=hint) from fault
        except OSError as fault:
            raise OutputError(f"{self._path} can't be written: {fault.strerror}") from fault
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, which also unlocks it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def finished(self) -> Iterator[Entry]:
        """Yield what earlier runs have finished; a line that was being written when one was killed is cut off."""
        whole = 0
        for entry, end in read_entries(self._path):
            whole = end
            yield entry
        os.ftruncate(self._descriptor, whole)

    def add(self, entry: Entry) -> None:
        """Write a line and wait until it is on the disk.

        Raises:
            OutputError: it can't be written; what was written before is whole.
        """
        before = os.fstat(self._descriptor).st_size
        line = _encoded(entry)
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError as fault:
            os.ftruncate(self._descriptor, before)
            raise OutputError(f"{self._path} can't be written: {fault.strerror}") from fault


def _encoded(entry: Entry) -> bytes:
    try:
        return msgspec.json.encode(entry) + b"\n"
    except (ValueError, TypeError, OverflowError):
        return msgspec.json.encode(encodable(entry)) + b"\n"


def read_entries(path: Path) -> Iterator[tuple[Entry, int]]:
    """Yield the whole lines of a journal, each with the offset of its end in bytes.

    Raises:
        DataError: a line that is not the last one is damaged.
    """
    decoder = msgspec.json.Decoder(Entry)
    end = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = decoder.decode(line)
                if not line.endswith(b"\n"):
                    return
            except (msgspec.MsgspecError, UnicodeError) as fault:
                if not line.endswith(b"\n") or not file.read(1):
                    return
                raise DataError(
                    f"{path}:{number} is damaged: {fault}", hint="restore the file, or start with another --out"
                ) from fault
            end += len(line)
            yield entry, end
