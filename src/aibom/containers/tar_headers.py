"""Walk the headers of a tar file: ustar, GNU long names, pax records, base-256 numbers.

Formats: POSIX.1-2008 `pax`, the GNU tar manual's "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from msgspec import Struct

from aibom.containers.rules import ARCHIVE_AMBIGUOUS, ARCHIVE_DAMAGED, ARCHIVE_SPECIAL_MEMBER, Notes
from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import escape_name
from aibom.limits import MIB, Limits
from aibom.sources.bytesource import ByteSource

BLOCK = 512
_EXTENSION_BYTES = MIB
"""The longest pax or long-name block that is read; real ones are below 64 KiB."""
_LARGEST_OCTAL = 8**11


class Kind(Enum):
    """What an entry is, by its type flag."""

    FILE = b"0\x007"
    HARD_LINK = b"1"
    SYMLINK = b"2"
    DEVICE = b"346"
    DIRECTORY = b"5D"
    SPARSE = b"S"
    VOLUME = b"V"
    CONTINUED = b"M"
    OTHER = b""


_KINDS = {flag: kind for kind in Kind for flag in kind.value}


class TarEntry(Struct, frozen=True, kw_only=True):
    """One entry. Names are bytes as they stand there; offsets are absolute, `size` is of the data in the file."""

    raw_name: bytes
    kind: Kind
    size: int
    header_offset: int
    data_offset: int
    link: bytes = b""

    @property
    def name(self) -> str:
        """The escaped name."""
        return escape_name(self.raw_name)


class TarWalk(Struct):
    """Goes through a tar. `end` is the offset after what was understood."""

    data: ByteSource
    limits: Limits
    notes: Notes
    end: int = 0

    def entries(self) -> Iterator[TarEntry]:
        """Yield the entries up to the end mark.

        Raises:
            MalformedFile: a header is broken; the entries before it were yielded.
            LimitExceeded: there are too many.
        """
        everywhere: dict[bytes, bytes] = {}
        here: dict[bytes, bytes] = {}
        count = 0
        while True:
            at = self.end
            block = self.data.read_at(at, BLOCK)
            if not block.strip(b"\0"):
                # One block of zeros ends the archive for most readers; two are usual.
                self.end = at + len(block)
                return
            if not has_checksum(block):
                raise MalformedFile("a tar header is broken", offset=at)
            count += 1
            if count > self.limits.container_members:
                raise LimitExceeded(f"the archive has more than {self.limits.container_members} headers", offset=at)
            size = _number(block[124:136], at)
            flag = block[156:157]
            self.end = at + BLOCK + _padded(size)
            match flag:
                case b"x" | b"X":
                    here |= self._records(at, size)
                case b"g":
                    everywhere |= self._records(at, size)
                case b"L":
                    here[b"path"] = self._text(at, size).rstrip(b"\0")
                case b"K":
                    here[b"linkpath"] = self._text(at, size).rstrip(b"\0")
                case _:
                    entry = self._entry(block, at, size, everywhere | here)
                    here = {}
                    size = entry.size
                    self.end = entry.data_offset + _padded(size)
                    yield entry
            # Readers do not miss the padding of the last member.
            if self.end - _padded(size) + size > self.data.size:
                raise MalformedFile("the archive ends inside a member", offset=at)

    def _text(self, at: int, size: int) -> bytes:
        if size > _EXTENSION_BYTES:
            raise LimitExceeded(f"a tar header extension of {size} bytes", offset=at)
        raw = self.data.read_at(at + BLOCK, size)
        if len(raw) < size:
            raise MalformedFile("the archive ends inside a header extension", offset=at)
        return raw

    def _records(self, at: int, size: int) -> dict[bytes, bytes]:
        """Read pax records: a decimal length of the whole record, a space, `key=value`, a newline."""
        raw = self._text(at, size)
        records: dict[bytes, bytes] = {}
        start = 0
        while start < len(raw):
            space = raw.find(b" ", start, start + 12)
            digits = raw[start:space] if space > 0 else b""
            length = int(digits) if digits.isdigit() else 0
            record = raw[space + 1 : start + length]
            if start + length > len(raw) or not record.endswith(b"\n") or b"=" not in record:
                # Real archives pad extension blocks with zeros.
                if raw[start:].strip(b"\0"):
                    self.notes.add(ARCHIVE_DAMAGED, "a pax record is broken", offset=at)
                break
            key, _, value = record[:-1].partition(b"=")
            records[key] = value
            start += length
        return records

    def _entry(self, block: bytes, at: int, size: int, pax: Mapping[bytes, bytes]) -> TarEntry:
        name = _ustar_name(block)
        flag = block[156:157]
        # Before POSIX, a directory was a file whose name ends with a slash.
        old_directory = flag == b"\0" and name.endswith(b"/")
        kind = Kind.DIRECTORY if old_directory else _KINDS.get(flag[0], Kind.OTHER)
        if pax.get(b"size", b"").isdigit() and len(pax[b"size"]) < 20:
            stated = int(pax[b"size"])
            if stated != size:
                if size or stated < _LARGEST_OCTAL:
                    # A reader that goes by the other size sees other members (CVE-2025-62518).
                    text = f"{name!r} has {stated} bytes by its pax record and {size} by its header"
                    self.notes.add(ARCHIVE_AMBIGUOUS, text, offset=at)
                size = stated
        sparse = any(key.startswith(b"GNU.sparse.") for key in pax)
        name = pax.get(b"GNU.sparse.name", pax.get(b"path", name))
        data_offset = at + BLOCK
        if kind is Kind.SPARSE:
            data_offset = self._after_sparse_maps(block, data_offset)
        if kind in {Kind.SYMLINK, Kind.DEVICE, Kind.DIRECTORY, Kind.HARD_LINK}:
            size = self._of_dataless(size, at)
        entry = TarEntry(
            raw_name=name,
            kind=Kind.SPARSE if sparse else kind,
            size=size,
            header_offset=at,
            data_offset=data_offset,
            link=pax.get(b"linkpath", block[157:257].split(b"\0", 1)[0]),
        )
        self._note_kind(entry)
        return entry

    def _of_dataless(self, size: int, at: int) -> int:
        """Return how many bytes to step over behind a link, a device or a directory: none, whatever it states.

        Python and GNU tar take the next header right behind; where none stands there, some other reader's data does.
        """
        if (
            size
            and self.data.read_at(at + BLOCK, BLOCK).strip(b"\0")
            and not has_checksum(self.data.read_at(at + BLOCK, BLOCK))
        ):
            return size
        if size:
            text = "a link, directory or device states a size; readers differ in where they go on"
            self.notes.add(ARCHIVE_AMBIGUOUS, text, offset=at)
        return 0

    def _after_sparse_maps(self, block: bytes, at: int) -> int:
        """Step over the blocks in which old GNU sparse files continue their list of holes."""
        more = block[482:483] != b"\0"
        for _ in range(self.limits.container_members):
            if not more:
                break
            more = self.data.read_at(at + 504, 1) not in {b"\0", b""}
            at += BLOCK
        return at

    def _note_kind(self, entry: TarEntry) -> None:
        what = {
            Kind.SPARSE: "a file with holes; only the bytes that are stored were looked at",
            Kind.DEVICE: "a device or a pipe",
            Kind.CONTINUED: "the rest of a file from another volume",
            Kind.OTHER: "of a type that is not known",
        }.get(entry.kind)
        if what is not None:
            self.notes.add(ARCHIVE_SPECIAL_MEMBER, f"{entry.name} is {what}", offset=entry.header_offset)


def has_checksum(block: bytes) -> bool:
    """Say whether a block of 512 bytes is a tar header: its checksum, of signed or unsigned bytes, fits."""
    if len(block) < BLOCK:
        return False
    field = block[148:156].split(b"\0", 1)[0].strip()
    try:
        stated = int(field, 8)
    except ValueError:
        return False
    body = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(body)
    return stated in {unsigned, unsigned - 256 * sum(byte > 127 for byte in body)}


def _number(field: bytes, at: int) -> int:
    """Read octal digits, or base 256 when the first bit is set; negative numbers are refused."""
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise MalformedFile("a tar header has a negative size", offset=at)
        return int.from_bytes(bytes([field[0] & 0x3F]) + field[1:], "big")
    text = field.split(b"\0", 1)[0].strip()
    try:
        value = int(text or b"0", 8)
    except ValueError:
        raise MalformedFile("a tar header has a size that is not a number", offset=at) from None
    if value < 0 or b"_" in text:
        raise MalformedFile("a tar header has a size that is not a number", offset=at)
    return value


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _ustar_name(block: bytes) -> bytes:
    name = block[:100].split(b"\0", 1)[0]
    # GNU headers ("ustar  ") use the place of the prefix for times and sparse maps.
    if block[257:263] == b"ustar\0":
        prefix = block[345:500].split(b"\0", 1)[0]
        return prefix + b"/" + name if prefix else name
    return name
