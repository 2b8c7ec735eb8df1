"""Find the directories of a zip file from its end, in every way in which readers do.

Python's zipfile allows for bytes before the archive, miniz, which torch uses, does not; some readers look at the zip64
record only when the old fields are exhausted, others always. Format: PKWARE's APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from msgspec import Struct

from aibom.containers.rules import ARCHIVE_AMBIGUOUS, Notes
from aibom.errors import LimitExceeded, MalformedFile
from aibom.sources.bytesource import ByteSource

END_SIGNATURE = b"PK\5\6"
CENTRAL_SIGNATURE = b"PK\1\2"
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 0xFFFF
_CANDIDATES = 16


class Pointer(Struct, frozen=True, kw_only=True):
    """One reading of an end record: where a directory starts, how much is added to the offsets in it."""

    start: int
    size: int
    count: int
    shift: int
    end: int
    """Where the end record of this reading begins: the directory can't reach beyond."""


def pointers(
    data: ByteSource, ranges: list[tuple[int, int]], faults: list[LimitExceeded | MalformedFile], notes: Notes
) -> Iterator[Pointer]:
    """Yield every reading of every end record that leads to a directory, the usual reading first.

    Adds to `ranges` where end records, comments and directories lie, to `faults` what was not tried.
    """
    tail_start = max(0, data.size - _END.size - _LONGEST_COMMENT)
    tail = data.read_at(tail_start, data.size - tail_start)
    found = dead = tried = 0
    directory_end = 0
    stop = len(tail)
    while (at := tail.rfind(END_SIGNATURE, 0, stop)) >= 0:
        stop = at + 3
        position = tail_start + at
        # End records before the end of the directory that was found belong to archives stored as members.
        if at + _END.size > len(tail) or position < directory_end:
            continue
        tried += 1
        if tried > _CANDIDATES:
            notes.add(ARCHIVE_AMBIGUOUS, f"more than {_CANDIDATES} end records; the others were not tried")
            faults.append(LimitExceeded("the archive has too many end records to try them all"))
            return
        readings = list(_readings(data, position, ranges))
        if not readings:
            dead += 1
            continue
        found += 1
        comment = int.from_bytes(tail[at + 20 : at + 22], "little")
        ranges.append((position, min(data.size, position + _END.size + comment)))
        ranges += [(pointer.start, pointer.end) for pointer in readings]
        if found == 1:
            directory_end = readings[0].start + readings[0].size
            if dead:
                notes.add(
                    ARCHIVE_AMBIGUOUS,
                    "an end record that leads nowhere follows the real one; readers that take the last one refuse the "
                    "archive",
                    offset=position,
                )
        yield from readings


def archives_in_a_row(data: ByteSource, most: int) -> list[tuple[int, int]]:
    """Return (start, end) of complete archives that fill the file one after another; none if there is only one.

    torch's distributed checkpoints (`*.distcp`) are written so, and read piece by piece. Archives with a comment and
    more than `most` archives are not taken for a row.
    """
    found: list[tuple[int, int]] = []
    end = data.size
    while end > 0 and len(found) < most:
        position = end - _END.size
        raw = data.read_at(position, _END.size) if position >= 0 else b""
        if raw[:4] != END_SIGNATURE or len(raw) < _END.size or raw[20:] != b"\0\0":
            return []
        _, _, _, _, count, size, offset, _ = _END.unpack(raw)
        start = position - size
        record = data.read_at(position - _LOCATOR.size - _END64.size, _END64.size) if start > 0 else b""
        if record[:4] == b"PK\6\6":
            _, _, _, _, _, _, _, count, size, offset = _END64.unpack(record)
            start = position - _LOCATOR.size - _END64.size - size
        begin = start - offset
        if not count or begin < 0 or start >= position or data.read_at(start, 4) != CENTRAL_SIGNATURE:
            return []
        if data.read_at(begin, 4) != b"PK\3\4":
            return []
        found.append((begin, end))
        end = begin
    return found[::-1] if end == 0 and len(found) > 1 else []


def _readings(data: ByteSource, position: int, ranges: list[tuple[int, int]]) -> Iterator[Pointer]:
    fields = _END.unpack(data.read_at(position, _END.size))
    count, size, offset = fields[4], fields[5], fields[6]
    exhausted = 0xFFFF in fields[3:5] or 0xFFFFFFFF in (size, offset)
    seen64 = False
    end = position
    locator = data.read_at(position - _LOCATOR.size, _LOCATOR.size) if position >= _LOCATOR.size else b""
    if locator[:4] == b"PK\6\7":
        stated = _LOCATOR.unpack(locator)[2]
        ranges.append((position - _LOCATOR.size, position))
        # Python looks right before the locator, others where it points.
        for place in dict.fromkeys((position - _LOCATOR.size - _END64.size, stated)):
            record = data.read_at(place, _END64.size) if 0 <= place < data.size else b""
            if len(record) == _END64.size and record[:4] == b"PK\6\6":
                values = _END64.unpack(record)
                end = place
                ranges.append((place, place + _END64.size))
                found = list(_starts(data, count=values[7], size=values[8], offset=values[9], end=place))
                seen64 = seen64 or bool(found)
                yield from found
    if not (seen64 and exhausted):
        yield from _starts(data, count=count, size=size, offset=offset, end=end)


def _starts(data: ByteSource, *, count: int, size: int, offset: int, end: int) -> Iterator[Pointer]:
    """Yield where the directory may start: where it says, and where it lies when bytes were put before the archive."""
    if count == 0 and size == 0:
        if offset <= end:
            yield Pointer(start=end, size=0, count=0, shift=0, end=end)
        return
    for start in dict.fromkeys((offset, end - size)):
        if 0 <= start < end and data.read_at(start, 4) == CENTRAL_SIGNATURE:
            yield Pointer(start=start, size=min(size, end - start), count=count, shift=start - offset, end=end)
