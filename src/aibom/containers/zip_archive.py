"""Open zip files: every entry that any reader would find, stored ones in place."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from aibom.containers.expansion import ExpansionBomb, expand, refuse_bomb
from aibom.containers.names import fault_of, link_fault
from aibom.containers.protocol import Budget, Container, Member, OpenedContainer
from aibom.containers.rules import (
    ARCHIVE_AMBIGUOUS,
    ARCHIVE_BOMB,
    ARCHIVE_CHECKSUM,
    ARCHIVE_DAMAGED,
    ARCHIVE_HIDDEN_CONTENT,
    PATH_TRAVERSAL,
    Notes,
)
from aibom.containers.streams import CODECS, Decompression
from aibom.containers.zip_directory import Origin, ZipDirectory, ZipEntry, read_listing
from aibom.containers.zip_ends import archives_in_a_row
from aibom.containers.zip_locals import locate, note_overlaps, search
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Format, RepoFile, escape_name
from aibom.findings import Finding, Severity
from aibom.limits import MIB, Limits
from aibom.sources.bytesource import ByteSource, SliceSource

_CHECKED_BYTES = MIB
"""Stored members up to this size are compared with their checksum; beyond, it would cost a second read of weights."""
_LINK_BYTES = 4096
_METHODS = {8: "deflate", 12: "bzip2", 14: "zip-lzma", 93: "zstd", 95: "xz"}
# What starts with a program and ends with a zip is that program's archive: the bytes before it are no secret.
# A distant file of this size or less is read whole by a few requests anyway.
_READ_WHOLE_BYTES = 8 * MIB
_PROGRAMS = frozenset({Format.LLAMAFILE, Format.EXECUTABLE})


def read_directory(data: ByteSource, limits: Limits) -> ZipDirectory:
    """Read all directories, compare them with the local headers and search what lies between.

    Raises:
        MalformedFile: there is neither a directory nor a local header.
    """
    notes = Notes(limit=limits.findings_per_file)
    listing = read_listing(data, limits, notes)
    if _is_far(data) and listing.ranges:
        # A local header an entry is a request an entry: they are read where an entry is opened, the rest is unchecked.
        named = _with_unique_names(listing.entries, notes)
        return ZipDirectory(entries=tuple(named), notes=notes, gaps=(), faults=tuple(listing.faults), checked=False)
    entries, others = locate(data, listing.entries, notes)
    note_overlaps(entries, notes)
    between = search(data, [*entries, *others], listing.ranges, limits, notes)
    if not (entries or between.hidden or listing.ranges):
        raise MalformedFile("no zip directory and no zip entry is in the file")
    faults = [*listing.faults, *([between.fault] if between.fault else [])]
    if not listing.ranges:
        faults.append(MalformedFile("the archive has no directory; its entries were found by their own headers"))
    named = _with_unique_names([*entries, *others, *between.hidden], notes)
    return ZipDirectory(entries=tuple(named), notes=notes, gaps=tuple(between.gaps), faults=tuple(faults))


def _is_far(data: ByteSource) -> bool:
    return data.distant and data.size > _READ_WHOLE_BYTES


def _with_unique_names(entries: list[ZipEntry], notes: Notes) -> list[ZipEntry]:
    seen: set[str] = set()
    named: list[ZipEntry] = []
    for entry in entries:
        if entry.name not in seen:
            seen.add(entry.name)
            named.append(entry)
            continue
        if entry.origin is Origin.CENTRAL:
            notes.add(
                ARCHIVE_AMBIGUOUS,
                f"{entry.name} is listed more than once; which one a reader takes depends on the reader",
                offset=max(0, entry.header_offset),
            )
        name = f"{entry.name} [@{entry.header_offset:#x}]"
        while name in seen:
            name += "'"
        seen.add(name)
        named.append(replace(entry, name=name))
    return named


def open_entry(
    data: ByteSource, entry: ZipEntry, limits: Limits, budget: Budget, notes: Notes | None = None
) -> ByteSource:
    """Return the bytes of an entry: in place if stored, else expanded. Flags and checksum never stop the reading.

    Raises:
        MalformedFile: the data is not there or can't be expanded at all.
        LimitExceeded: a method that is not supported, real encryption, or more bytes than allowed.
    """
    notes = notes if notes is not None else Notes(limit=0)
    if entry.data_offset is None and _is_far(data):
        ((entry, *_), _) = locate(data, [entry], notes)
    if entry.data_offset is None or entry.data_offset > data.size:
        raise MalformedFile(f"the data of {entry.name} is not in the file")
    if entry.stored:
        # Readers differ in which of the two sizes they believe.
        member = SliceSource(data, entry.data_offset, max(entry.size, entry.compressed_size))
        if member.size <= _CHECKED_BYTES:
            _check(entry, zlib.crc32(member.read_at(0, member.size)), notes)
        return member
    if entry.method not in _METHODS:
        raise LimitExceeded(f"{entry.name} is compressed with method {entry.method}, which is not supported")
    packed = SliceSource(data, entry.data_offset, entry.compressed_size)
    crc = 0

    def chunks() -> Iterator[bytes]:
        nonlocal crc
        for chunk in Decompression(CODECS[_METHODS[entry.method]], packed).chunks():
            crc = zlib.crc32(chunk, crc)
            yield chunk

    try:
        refuse_bomb(entry.size, entry.compressed_size, limits)
        expansion = expand(chunks(), compressed=packed.size, limits=limits, budget=budget)
    except ExpansionBomb as bomb:
        notes.add(ARCHIVE_BOMB, f"{entry.name}: {bomb}", offset=entry.header_offset)
        raise
    except MalformedFile:
        if entry.flagged_encrypted:
            raise LimitExceeded(f"{entry.name} is encrypted") from None
        raise
    _note_outcome(entry, expansion.source.size, crc, expansion.fault, notes)
    return expansion.source


def _note_outcome(entry: ZipEntry, size: int, crc: int, fault: FileFault | None, notes: Notes) -> None:
    match fault:
        case ExpansionBomb():
            notes.add(ARCHIVE_BOMB, f"{entry.name}: {fault}", offset=entry.header_offset)
        case LimitExceeded():
            notes.faults.append(LimitExceeded(f"{entry.name}: {fault}", offset=entry.header_offset))
        case None if size != entry.size:
            text = f"{entry.name} expands to {size} bytes, the directory says {entry.size}"
            notes.add(ARCHIVE_AMBIGUOUS, text, offset=entry.header_offset)
        case None:
            _check(entry, crc, notes)
        case _:
            notes.add(ARCHIVE_DAMAGED, f"{entry.name}: {fault}", offset=entry.header_offset)


def _check(entry: ZipEntry, crc: int, notes: Notes) -> None:
    if entry.flagged_encrypted:
        notes.add(
            ARCHIVE_AMBIGUOUS,
            f"{entry.name} is marked as encrypted and is not; strict readers refuse it and torch loads it",
            offset=entry.header_offset,
        )
    # torch writes zero where it was told not to compute checksums.
    if entry.crc not in {0, crc}:
        text = f"{entry.name} has checksum {crc:#010x}, the directory says {entry.crc:#010x}"
        notes.add(ARCHIVE_CHECKSUM, text, offset=entry.header_offset)


def open_zip(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
    """List the members of a zip: its entries, then what only some readers find, then bytes between them."""
    findings: list[Finding] = []
    container = OpenedContainer(iter(()), findings)

    def members() -> Iterator[Member]:
        notes = Notes(limit=limits.findings_per_file)
        try:
            if row := archives_in_a_row(data, limits.container_members):
                yield from _archive_members(data, row, budget, notes)
                return
            directory = read_directory(data, limits)
            notes = directory.notes
            container.complete = directory.checked and not directory.faults
            for entry in directory.entries:
                _note_name(data, entry, limits, notes)
                if entry.is_directory:
                    continue
                budget.take(members=1)
                yield Member(
                    name=entry.name,
                    size=_size_of(entry),
                    open=_opener(data, entry, limits, budget, notes),
                )
            yield from _gap_members(file, data, directory, budget)
            for fault in (*directory.faults, *notes.faults):
                container.complete = False
                raise fault
        finally:
            findings.extend(notes.findings(file))

    container.iterator = members()
    return container


def _size_of(entry: ZipEntry) -> int:
    # An entry that says it is empty is looked at all the same if it has bytes. What is packed may be larger than what
    # it stands for; of what is stored, readers differ in which of the two sizes they believe.
    return max(entry.size, entry.compressed_size) if entry.stored else entry.size or entry.compressed_size


def _archive_members(data: ByteSource, row: list[tuple[int, int]], budget: Budget, notes: Notes) -> Iterator[Member]:
    """Yield each of the archives that fill the file as a member of its own."""
    notes.add(
        ARCHIVE_HIDDEN_CONTENT,
        f"{len(row)} complete archives stand one after another; readers of a single archive see the last one",
        severity=Severity.LOW,
    )
    for start, end in row:
        budget.take(members=1)
        yield Member(name=f"[archive @{start:#x}]", size=end - start, open=_slicer(data, start, end - start))


def _opener(
    data: ByteSource, entry: ZipEntry, limits: Limits, budget: Budget, notes: Notes
) -> Callable[[], ByteSource]:
    return lambda: open_entry(data, entry, limits, budget, notes)


def _note_name(data: ByteSource, entry: ZipEntry, limits: Limits, notes: Notes) -> None:
    fault = fault_of(entry.raw_name)
    if fault is not None:
        notes.add(PATH_TRAVERSAL, f"the name {entry.name} {fault}", offset=max(0, entry.header_offset))
    if not entry.is_symlink or entry.size > _LINK_BYTES:
        return
    try:
        link = open_entry(data, entry, limits, Budget(members=0, expanded_bytes=_LINK_BYTES))
    except FileFault:
        return
    target = link.read_at(0, _LINK_BYTES)
    fault = link_fault(entry.raw_name, target, from_root=False)
    if fault is not None:
        text = f"the link {entry.name} to {escape_name(target)} {fault}"
        notes.add(PATH_TRAVERSAL, text, offset=max(0, entry.header_offset))


def _gap_members(file: RepoFile, data: ByteSource, directory: ZipDirectory, budget: Budget) -> Iterator[Member]:
    """Yield bytes that belong to no entry, so that a pickle put before an archive is inspected as one."""
    gaps = [gap for gap in directory.gaps if not (gap[0] == 0 and file.format in _PROGRAMS)]
    if gaps:
        total = sum(length for _, length in gaps)
        directory.notes.add(
            ARCHIVE_HIDDEN_CONTENT,
            f"{total} bytes belong to no entry" + (", at the start of the file" if gaps[0][0] == 0 else ""),
            offset=gaps[0][0],
            severity=Severity.LOW,
        )
    for start, length in gaps:
        budget.take(members=1)
        yield Member(name=f"[bytes @{start:#x}]", size=length, open=_slicer(data, start, length))


def _slicer(data: ByteSource, start: int, length: int) -> Callable[[], ByteSource]:
    return lambda: SliceSource(data, start, length)
