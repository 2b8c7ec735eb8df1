"""Read the entries of a zip file's directories, all that some reader would use. Format: PKWARE's APPNOTE.TXT 6.3.10."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace

from aibom.containers.rules import ARCHIVE_AMBIGUOUS, Notes
from aibom.containers.zip_ends import CENTRAL_SIGNATURE, Pointer, pointers
from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import escape_name
from aibom.limits import MIB, Limits
from aibom.sources.bytesource import ByteSource

LOCAL_SIGNATURE = b"PK\3\4"
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_DIRECTORY_BYTES = 64 * MIB
_ENCRYPTED = 0x1 | 0x40 | 0x2000
UNICODE_PATH_EXTRA = 0x7075
ZIP64_EXTRA = 0x0001


class Origin(StrEnum):
    """How an entry is reached."""

    CENTRAL = "central"
    ALTERNATE = "alternate"
    """Through a directory that only some readers use."""
    LOCAL = "local"
    """By its own header only: no directory lists it."""


class ZipEntry(Struct, frozen=True, kw_only=True):
    """One entry. Offsets are absolute in the file, sizes in bytes.

    `name` is escaped and unique in the archive (a repeated one carries its header's offset), `raw_name` is what
    stands there. `data_offset` is None where the local header can't be read.
    """

    name: str
    raw_name: bytes
    method: int
    flags: int
    crc: int
    compressed_size: int
    size: int
    header_offset: int
    data_offset: int | None = None
    origin: Origin = Origin.CENTRAL
    unix_mode: int = 0
    second_name: bytes | None = None
    """A Unicode path field that gives a plain ASCII name another one: some readers use it."""

    @property
    def stored(self) -> bool:
        """Whether the data lies in the file as it is."""
        return self.method == 0

    @property
    def flagged_encrypted(self) -> bool:
        """Whether the flags say that the data is encrypted, which torch's reader does not care about."""
        return bool(self.flags & _ENCRYPTED)

    @property
    def is_directory(self) -> bool:
        """Whether this is the name of a directory and nothing else."""
        return self.raw_name.endswith(b"/") and not self.size and not self.compressed_size

    @property
    def is_symlink(self) -> bool:
        """Whether Unix unpackers make a symbolic link of it; its data is the target."""
        return self.unix_mode & 0xF000 == 0xA000

    @property
    def end(self) -> int:
        """The first byte after the data."""
        return (self.header_offset if self.data_offset is None else self.data_offset) + self.compressed_size


class ZipDirectory(Struct, frozen=True, kw_only=True):
    """What an archive lists, and what some readers would find beside that.

    `gaps` are (offset, length) of bytes that belong to no entry and are not zeros. Entries stand in the order of the
    directory; the hidden ones follow.
    """

    entries: tuple[ZipEntry, ...]
    notes: Notes
    gaps: tuple[tuple[int, int], ...] = ()
    faults: tuple[LimitExceeded | MalformedFile, ...] = ()
    checked: bool = True
    """False for a distant archive, whose local headers were not compared with the directory."""

    def find(self, name: str) -> ZipEntry | None:
        """Return the entry of this name that a reader takes who goes through the directory."""
        return next((entry for entry in self.entries if entry.name == name), None)


class Listing(Struct):
    """What one directory says, and where the directories and end records lie."""

    entries: list[ZipEntry] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """(start, end) of directories, end records and their comments."""
    faults: list[LimitExceeded | MalformedFile] = field(default_factory=list)


def read_listing(data: ByteSource, limits: Limits, notes: Notes) -> Listing:
    """Return the entries of all directories that some reader would use; none where there is no directory.

    The first directory is the one that both Python and torch use where they agree.
    """
    listing = Listing()
    seen: set[tuple[int, int, bytes, int, int, int]] = set()
    read: dict[tuple[int, int], tuple[int, int]] = {}
    for pointer in pointers(data, listing.ranges, listing.faults, notes):
        place = (pointer.start, pointer.shift)
        if place not in read:
            entries, length, fault = _read_entries(data, pointer, limits)
            if fault is not None:
                listing.faults.append(fault)
            fresh = [entry for entry in entries if _identity(entry) not in seen]
            seen.update(map(_identity, fresh))
            if read and fresh:
                notes.add(
                    ARCHIVE_AMBIGUOUS,
                    f"a second directory lists {len(fresh)} entries that the first does not; which of the two a reader "
                    "uses depends on how it looks for it",
                    offset=pointer.start,
                )
                fresh = [replace(entry, origin=Origin.ALTERNATE) for entry in fresh]
            listing.entries += fresh
            read[place] = (len(entries), length)
        count, length = read[place]
        # Some readers go by the number of entries and others by the size of the directory. Old writers without zip64
        # write the number modulo 65536.
        if not listing.faults and (pointer.count not in {count, count & 0xFFFF} or pointer.size != length):
            notes.add(
                ARCHIVE_AMBIGUOUS,
                f"the archive says that its directory has {pointer.count} entries in {pointer.size} bytes, and it has "
                f"{count} in {length}",
                offset=pointer.start,
            )
    return listing


def _identity(entry: ZipEntry) -> tuple[int, int, bytes, int, int, int]:
    return (entry.header_offset, entry.method, entry.raw_name, entry.compressed_size, entry.size, entry.flags)


def _read_entries(
    data: ByteSource, pointer: Pointer, limits: Limits
) -> tuple[list[ZipEntry], int, LimitExceeded | MalformedFile | None]:
    """Return the entries that follow one another, their length in bytes, and why there may be more."""
    room = pointer.end - pointer.start
    raw = data.read_at(pointer.start, min(room, _DIRECTORY_BYTES))
    entries: list[ZipEntry] = []
    at = 0
    while raw[at : at + 4] == CENTRAL_SIGNATURE:
        if len(entries) >= limits.container_members:
            return entries, at, LimitExceeded(f"the archive lists more than {limits.container_members} entries")
        entry, length = _central(raw, at, pointer.shift)
        if entry is None and room > len(raw):
            return entries, at, LimitExceeded(f"the directory is larger than {len(raw)} bytes")
        if entry is None:
            return entries, at, MalformedFile(f"the directory ends inside entry {len(entries)}", offset=pointer.start)
        entries.append(entry)
        at += length
    return entries, at, None


def _central(raw: bytes, at: int, shift: int) -> tuple[ZipEntry | None, int]:
    if at + _CENTRAL.size > len(raw):
        return None, 0
    fields = _CENTRAL.unpack_from(raw, at)
    made_by, flags, method = fields[1], fields[3], fields[4]
    crc, compressed, size, name_length, extra_length, comment_length = fields[7:13]
    attributes, offset = fields[15], fields[16]
    length = _CENTRAL.size + name_length + extra_length + comment_length
    if at + length > len(raw):
        return None, 0
    name = raw[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
    extra = raw[at + _CENTRAL.size + name_length : at + _CENTRAL.size + name_length + extra_length]
    size, compressed, offset = zip64_values(extra, size, compressed, offset)
    entry = ZipEntry(
        name=escape_name(name),
        raw_name=name,
        method=method,
        flags=flags,
        crc=crc,
        compressed_size=compressed,
        size=size,
        header_offset=offset + shift,
        second_name=_second_name(name, extra),
        unix_mode=attributes >> 16 if made_by >> 8 in {3, 19} else 0,
    )
    return entry, length


def zip64_values(extra: bytes, *values: int) -> tuple[int, ...]:
    """Replace each value that is all ones by the next number of the zip64 extra field, where there is one."""
    if 0xFFFFFFFF not in values:
        return values
    body = next((body for tag, body in extra_fields(extra) if tag == ZIP64_EXTRA), b"")
    out = list(values)
    at = 0
    for index, value in enumerate(values):
        if value == 0xFFFFFFFF and at + 8 <= len(body):
            out[index] = int.from_bytes(body[at : at + 8], "little")
            at += 8
    return tuple(out)


def _second_name(name: bytes, extra: bytes) -> bytes | None:
    if not extra or not name.isascii():
        return None
    return next((body[5:] for tag, body in extra_fields(extra) if tag == UNICODE_PATH_EXTRA and body[5:] != name), None)


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, body) of each extra field that is whole."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        if at + 4 + length > len(extra):
            return
        yield tag, extra[at + 4 : at + 4 + length]
        at += 4 + length
