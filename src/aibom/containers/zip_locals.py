"""Compare a zip's directory with the headers beside the data, and search what lies between the entries."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from aibom.containers.rules import ARCHIVE_AMBIGUOUS, ARCHIVE_BOMB, ARCHIVE_DAMAGED, ARCHIVE_HIDDEN_CONTENT, Notes
from aibom.containers.zip_directory import LOCAL_SIGNATURE, Origin, ZipEntry, zip64_values
from aibom.errors import LimitExceeded
from aibom.files import escape_name
from aibom.limits import KIB, MIB, Limits
from aibom.sources.bytesource import ByteSource

_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR_SIGNATURE = b"PK\7\x08"
_LONGEST_DESCRIPTOR = 24
_SIZES_FOLLOW = 0x8
_READ_AHEAD = 256
"""Bytes read with a local header: most names and extra fields are shorter."""
_SEARCHED_BYTES = 256 * MIB
_KNOWN_METHODS = frozenset({0, 8, 9, 12, 14, 93, 95, 99})


class _Header(Struct, frozen=True, kw_only=True):
    """A local header. `data_offset` is absolute."""

    raw_name: bytes
    method: int
    flags: int
    crc: int
    compressed_size: int
    size: int
    data_offset: int


class Search(Struct):
    """What lies between the entries: headers that no directory lists, and other bytes as (offset, length)."""

    hidden: list[ZipEntry] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    headers_tried: int = 0
    fault: LimitExceeded | None = None


def locate(data: ByteSource, entries: list[ZipEntry], notes: Notes) -> tuple[list[ZipEntry], list[ZipEntry]]:
    """Read each entry's local header.

    Returns:
        The entries with their data's place, and further readings of those whose local header tells another story.
    """
    placed: list[ZipEntry] = []
    others: list[ZipEntry] = []
    for entry in entries:
        header = _read_header(data, entry.header_offset)
        if header is None:
            notes.add(
                ARCHIVE_DAMAGED,
                f"the directory says that {entry.name} is where no entry is",
                offset=max(0, entry.header_offset),
            )
            placed.append(entry)
            continue
        located = replace(entry, data_offset=header.data_offset)
        placed.append(located)
        if located.end > data.size:
            notes.add(
                ARCHIVE_DAMAGED,
                f"{entry.name} should have {entry.compressed_size} bytes, and the file ends before them",
                offset=header.data_offset,
            )
        other = _compare(located, header, notes)
        if other is not None:
            others.append(other)
    return placed, others


def _read_header(data: ByteSource, offset: int) -> _Header | None:
    if not 0 <= offset <= data.size - _LOCAL.size:
        return None
    raw = data.read_at(offset, _LOCAL.size + _READ_AHEAD)
    if raw[:4] != LOCAL_SIGNATURE or len(raw) < _LOCAL.size:
        return None
    _, _, flags, method, _, _, crc, compressed, size, name_length, extra_length = _LOCAL.unpack_from(raw)
    length = _LOCAL.size + name_length + extra_length
    if length > len(raw):
        raw = data.read_at(offset, length)
    name = raw[_LOCAL.size : _LOCAL.size + name_length]
    size, compressed = zip64_values(raw[_LOCAL.size + name_length : length], size, compressed)
    return _Header(
        raw_name=name,
        method=method,
        flags=flags,
        crc=crc,
        compressed_size=compressed,
        size=size,
        data_offset=offset + length,
    )


def _compare(entry: ZipEntry, header: _Header, notes: Notes) -> ZipEntry | None:
    """Note where the two headers disagree; return the other reading if it leads to other bytes."""
    different: list[str] = []
    if header.raw_name != entry.raw_name:
        different.append(f"the name {escape_name(header.raw_name)!r}")
    if entry.second_name is not None:
        different.append(f"a second name {escape_name(entry.second_name)!r}")
    if header.method != entry.method:
        different.append(f"compression method {header.method}, not {entry.method}")
    # With this flag the writer did not know sizes and checksum yet: they are zero here and follow the data.
    later = header.flags & _SIZES_FOLLOW
    sizes = (header.compressed_size, header.size)
    listed = (entry.compressed_size, entry.size)
    unknown = later and sizes in {(0, 0), (0xFFFFFFFF, 0xFFFFFFFF)}
    if sizes != listed and not unknown:
        different.append(f"{sizes[0]} bytes packed and {sizes[1]} unpacked, not {listed[0]} and {listed[1]}")
    if header.crc != entry.crc and not (later and header.crc == 0):
        different.append(f"checksum {header.crc:#010x}, not {entry.crc:#010x}")
    if (header.flags ^ entry.flags) & 0x1:
        different.append("that it is " + ("encrypted" if header.flags & 0x1 else "not encrypted"))
    if different:
        notes.add(
            ARCHIVE_AMBIGUOUS,
            f"beside the data of {entry.name} stands {', '.join(different)}",
            offset=entry.header_offset,
        )
    if header.method == entry.method and (sizes == listed or unknown):
        return None
    return replace(
        entry,
        method=header.method,
        flags=header.flags,
        crc=header.crc,
        compressed_size=entry.compressed_size if unknown else header.compressed_size,
        size=entry.size if unknown else header.size,
        origin=Origin.LOCAL,
    )


def note_overlaps(entries: list[ZipEntry], notes: Notes) -> None:
    """Note entries of the first directory that lie over the same bytes: no writer makes them, and bombs are made so."""
    reach = -1
    owner = ""
    listed = (entry for entry in entries if entry.origin is Origin.CENTRAL and entry.data_offset is not None)
    for entry in sorted(listed, key=lambda entry: (entry.header_offset, entry.end)):
        if entry.header_offset < reach:
            notes.add(ARCHIVE_BOMB, f"{entry.name} lies over the same bytes as {owner}", offset=entry.header_offset)
        if entry.end > reach:
            reach, owner = entry.end, entry.name


def search(
    data: ByteSource, entries: list[ZipEntry], ranges: list[tuple[int, int]], limits: Limits, notes: Notes
) -> Search:
    """Look at all bytes outside the entries and the directories for headers and for anything but zeros.

    At most 256 MiB are looked at.
    """
    result = Search()
    budget = _SEARCHED_BYTES
    for start, end in _uncovered(entries, ranges, data.size):
        if end - start > budget:
            result.fault = LimitExceeded(f"{end - start} bytes outside the entries were not searched", offset=start)
            result.gaps.append((start, end - start))
            break
        budget -= end - start
        _search_gap(data, start, end, limits, result)
    if result.hidden:
        names = ", ".join(entry.name for entry in result.hidden[:3])
        notes.add(
            ARCHIVE_HIDDEN_CONTENT,
            f"{len(result.hidden)} entries stand in the file and not in its directory: {names}"
            + (" ..." if len(result.hidden) > 3 else ""),
            offset=result.hidden[0].header_offset,
        )
    return result


def _uncovered(entries: list[ZipEntry], ranges: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    spans = [(start, end, False) for start, end in ranges]
    spans += [
        (entry.header_offset, entry.end, bool(entry.flags & _SIZES_FOLLOW))
        for entry in entries
        if entry.data_offset is not None
    ]
    at = 0
    descriptor = False
    for start, end, follows in sorted(spans):
        start, end = min(start, size), min(end, size)  # noqa: PLW2901 -- entries may reach beyond the file
        if start > at and not (descriptor and start - at <= _LONGEST_DESCRIPTOR):
            yield at, start
        if end > at:
            at, descriptor = end, follows
    if at < size:
        yield at, size


def _search_gap(data: ByteSource, start: int, end: int, limits: Limits, result: Search) -> None:
    """Add the hidden entries of one gap, and the pieces of it that are neither theirs nor padding."""
    piece = at = window = start
    chunk = b""
    while at < end:
        hit = chunk.find(LOCAL_SIGNATURE, at - window)
        if hit < 0:
            # The signature may begin in the last three bytes.
            window = at = max(at, window + len(chunk) - 3) if chunk else at
            chunk = data.read_at(window, min(MIB, end - window))
            if LOCAL_SIGNATURE not in chunk and window + len(chunk) >= end:
                break
            if not chunk:
                break
            continue
        found = window + hit
        result.headers_tried += 1
        if result.headers_tried > limits.container_members:
            result.fault = LimitExceeded(f"more than {limits.container_members} headers outside the directory")
            break
        entry = _hidden_entry(data, found, end)
        if entry is None:
            at = found + 4
            continue
        _add_piece(data, piece, entry.header_offset, result)
        result.hidden.append(entry)
        at = piece = max(entry.end, found + _LOCAL.size)
        if at > window + len(chunk):
            window, chunk = at, b""
    _add_piece(data, piece, end, result)


def _hidden_entry(data: ByteSource, offset: int, end: int) -> ZipEntry | None:
    """Return the entry whose header is here, if it is one and not just the four bytes."""
    header = _read_header(data, offset)
    if header is None or header.method not in _KNOWN_METHODS or header.data_offset > end:
        return None
    if not header.raw_name:
        return None
    compressed = header.compressed_size
    if header.flags & _SIZES_FOLLOW and compressed in {0, 0xFFFFFFFF}:
        compressed = _length_until_descriptor(data, header.data_offset, end)
    if header.data_offset + compressed > end:
        compressed = end - header.data_offset
    return ZipEntry(
        name=escape_name(header.raw_name),
        raw_name=header.raw_name,
        method=header.method,
        flags=header.flags,
        crc=header.crc,
        compressed_size=compressed,
        size=header.size or compressed,
        header_offset=offset,
        data_offset=header.data_offset,
        origin=Origin.LOCAL,
    )


def _length_until_descriptor(data: ByteSource, start: int, end: int) -> int:
    """Return the length of data whose size stands behind it, as a reader without the directory finds it."""
    at = start
    step = 4 * KIB  # grows, so that many small entries do not cost a large read each
    while at < end:
        chunk = data.read_at(at, min(step, end - at))
        hit = chunk.find(_DESCRIPTOR_SIGNATURE)
        if hit >= 0:
            return at + hit - start
        if at + len(chunk) >= end or not chunk:
            break
        at += len(chunk) - 3
        step = min(MIB, step * 2)
    return end - start


def _add_piece(data: ByteSource, start: int, end: int, result: Search) -> None:
    """Keep these bytes as a gap unless they are padding."""
    lead = data.read_at(start, min(_LONGEST_DESCRIPTOR, end - start))
    if lead.startswith(_DESCRIPTOR_SIGNATURE):
        start += min(16, end - start)
    at = start
    while at < end:
        chunk = data.read_at(at, min(MIB, end - at))
        if not chunk:
            return
        if chunk.strip(b"\0"):
            result.gaps.append((start, end - start))
            return
        at += len(chunk)
