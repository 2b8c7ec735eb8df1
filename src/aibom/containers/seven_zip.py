"""Open 7z archives: files packed without compression in place, others unpacked folder by folder."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Callable, Iterator

from msgspec import Struct, field

from aibom.containers.expansion import ExpansionBomb, expand, refuse_bomb
from aibom.containers.names import fault_of, link_fault
from aibom.containers.protocol import Budget, Container, Member, OpenedContainer
from aibom.containers.rules import ARCHIVE_AMBIGUOUS, ARCHIVE_BOMB, ARCHIVE_DAMAGED, PATH_TRAVERSAL, Notes
from aibom.containers.seven_zip_header import Coder, File, Folder, Header, HeaderReader
from aibom.containers.streams import CODECS, DICTIONARY_BYTES, Codec, Decompression
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import RepoFile, escape_name
from aibom.limits import MIB, Limits
from aibom.sources.bytesource import ByteSource, SliceSource

_START = struct.Struct("<6s2BL2QL")
_SIGNATURE = b"7z\xbc\xaf\x27\x1c"
_HEADER_BYTES = 32 * MIB
_LINK_BYTES = 4096
_COPY, _LZMA, _LZMA2, _DEFLATE = b"\0", b"\3\1\1", b"\x21", b"\4\1\x08"
_BZIP2, _ZSTD, _AES = b"\4\2\2", b"\4\xf7\x11\1", b"\6\xf1\7\1"
_FILTERS = {
    b"\3": lzma.FILTER_DELTA, b"\3\3\1\3": lzma.FILTER_X86, b"\4": lzma.FILTER_X86, b"\3\3\2\5": lzma.FILTER_POWERPC,
    b"\3\3\5\1": lzma.FILTER_ARM, b"\3\3\7\1": lzma.FILTER_ARMTHUMB, b"\3\3\x08\5": lzma.FILTER_SPARC,
}  # fmt: skip


def open_seven_zip(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
    """List the files of a 7z archive, unpacking each folder once and in order."""
    container = OpenedContainer(iter(()))
    container.iterator = _members(container, file, data, limits, budget)
    return container


def read_header(data: ByteSource, limits: Limits) -> Header:
    """Read the header, unpacking it where it is packed.

    Raises:
        MalformedFile, LimitExceeded: as `HeaderReader.header`.
    """
    start = data.read_at(0, _START.size)
    if len(start) < _START.size or start[:6] != _SIGNATURE:
        raise MalformedFile("no 7z archive")
    *_, offset, size, _ = _START.unpack(start)
    if not size:
        return Header()
    if size > _HEADER_BYTES:
        raise LimitExceeded(f"a 7z header of {size} bytes")
    raw = data.read_at(_START.size + offset, size)
    if len(raw) < size:
        raise MalformedFile("the 7z header is not in the file", offset=_START.size + offset)
    for _ in range(4):
        header = HeaderReader(raw, limits.container_members).header()
        if header.files or len(header.folders) != 1:
            return header
        # A header without files is the description of a packed header.
        folder = header.folders[0]
        if folder.size > _HEADER_BYTES:
            raise LimitExceeded(f"a 7z header of {folder.size} bytes")
        budget = Budget(members=0, expanded_bytes=_HEADER_BYTES + MIB)
        chunks = _first(_unpacked(data, folder), folder.size)
        expansion = expand(chunks, compressed=data.size, limits=limits, budget=budget)
        if expansion.fault is not None:
            raise expansion.fault
        with expansion.source as source:
            raw = source.read_at(0, source.size)
    raise LimitExceeded("a 7z header that is packed again and again")


def _members(
    container: OpenedContainer, file: RepoFile, data: ByteSource, *bounds: Limits | Budget
) -> Iterator[Member]:
    limits, budget = bounds
    assert isinstance(limits, Limits)
    assert isinstance(budget, Budget)
    notes = Notes(limit=limits.findings_per_file)
    try:
        header = read_header(data, limits)
        with_data = iter([item for item in header.files if item.has_data])
        unpacking = _Unpacking(data=data, limits=limits, budget=budget, notes=notes)
        for item in header.files:
            if fault := fault_of(item.raw_name.encode("utf-8", "surrogatepass")):
                notes.add(PATH_TRAVERSAL, f"the name {_shown(item)} {fault}")
        for folder in header.folders:
            yield from unpacking.files(folder, with_data)
        if next(with_data, None) is not None:
            notes.add(ARCHIVE_DAMAGED, "the archive names more files than it holds")
        container.complete = not unpacking.faults
        if unpacking.faults:
            raise unpacking.faults[0]
    finally:
        container.findings.extend(notes.findings(file))


def _shown(item: File) -> str:
    return escape_name(item.raw_name.encode("utf-8", "surrogatepass"))


class _Unpacking(Struct, kw_only=True):
    """The folders of one archive as they are unpacked."""

    data: ByteSource
    limits: Limits
    budget: Budget
    notes: Notes
    faults: list[FileFault] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def files(self, folder: Folder, names: Iterator[File]) -> Iterator[Member]:
        """Yield the files of a folder; a fault ends this folder and not the others."""
        packed = sum(length for _, length in folder.packed)
        stream = _Pieces(_unpacked(self.data, folder))
        at = 0
        for number, size in enumerate(folder.sizes):
            item = next(names, None)
            self.budget.take(members=1)
            name = self._unique(_shown(item) if item else f"[file {number}]")
            if _is_copied(folder):
                source: ByteSource = SliceSource(self.data, _START.size + folder.packed[0][0] + at, size)
                at += size
            else:
                try:
                    refuse_bomb(size, packed, self.limits)
                    expansion = expand(stream.take(size), compressed=packed, limits=self.limits, budget=self.budget)
                except FileFault as fault:
                    self._fault(name, fault)
                    for _ in folder.sizes[number + 1 :]:
                        next(names, None)
                    return
                source = expansion.source
                if expansion.fault is not None:
                    self._fault(name, expansion.fault)
            if source.size < size and not self.faults:
                self.notes.add(ARCHIVE_DAMAGED, f"{name} should have {size} bytes and has {source.size}")
            if item is not None and item.unix_mode & 0xF000 == 0xA000:
                self._note_link(item, source)
            yield Member(name=name, size=source.size, open=_giver(source))

    def _unique(self, name: str) -> str:
        if name in self.seen:
            self.notes.add(ARCHIVE_AMBIGUOUS, f"{name} is in the archive more than once")
            name = f"{name} [{len(self.seen)}]"
        self.seen.add(name)
        return name

    def _fault(self, name: str, fault: FileFault) -> None:
        if isinstance(fault, ExpansionBomb):
            self.notes.add(ARCHIVE_BOMB, f"{name}: {fault}")
        elif isinstance(fault, MalformedFile):
            self.notes.add(ARCHIVE_DAMAGED, f"{name}: {fault}")
        if isinstance(fault, LimitExceeded):
            self.faults.append(LimitExceeded(f"{name}: {fault}"))

    def _note_link(self, item: File, source: ByteSource) -> None:
        target = source.read_at(0, _LINK_BYTES)
        fault = link_fault(item.raw_name.encode("utf-8", "surrogatepass"), target, from_root=False)
        if fault is not None:
            self.notes.add(PATH_TRAVERSAL, f"the link {_shown(item)} to {escape_name(target)} {fault}")


def _giver(source: ByteSource) -> Callable[[], ByteSource]:
    return lambda: SliceSource(source, 0, source.size)


class _Pieces:
    """Cuts a stream of chunks into files of given sizes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def take(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes, fewer at the end of the stream."""
        while size > 0:
            chunk = self._rest or next(self._chunks, b"")
            if not chunk:
                return
            part, self._rest = chunk[:size], chunk[size:]
            size -= len(part)
            yield part


def _first(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    return _Pieces(chunks).take(size)


def _is_copied(folder: Folder) -> bool:
    return len(folder.coders) == 1 and folder.coders[0].method == _COPY


def _unpacked(data: ByteSource, folder: Folder) -> Iterator[bytes]:
    """Yield what a folder holds.

    Raises:
        LimitExceeded: encryption, or a method that is not supported.
        MalformedFile: the data is broken.
    """
    if any(coder.method == _AES for coder in folder.coders):
        raise LimitExceeded("the archive is encrypted")
    if not folder.chained:
        raise LimitExceeded("a 7z method with several streams is not supported")
    offset, length = folder.packed[0]
    packed = SliceSource(data, _START.size + offset, length)
    if packed.size < length:
        raise MalformedFile("packed data lies beyond the end of the file", offset=_START.size + offset)
    yield from Decompression(_codec(folder.coders), packed).chunks()


def _codec(coders: tuple[Coder, ...]) -> Codec:
    methods = [coder.method for coder in coders]
    single = {_DEFLATE: "deflate", _BZIP2: "bzip2", _ZSTD: "zstd"}
    if len(coders) == 1 and methods[0] in single:
        return CODECS[single[methods[0]]]
    if len(coders) == 1 and methods[0] == _COPY:
        return Codec(decoder=_Stored, marks_end=False)
    # liblzma wants the compression last, and the filters before it in the order of packing.
    chain = [_filter(coder) for coder in reversed(coders)]
    return Codec(decoder=lambda: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain), marks_end=False)


class _Stored:
    """A decoder that changes nothing."""

    eof = False
    unused_data = b""
    needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:  # noqa: ARG002 -- never longer than its input
        """Return the input."""
        return data


def _filter(coder: Coder) -> dict[str, int]:
    """Return a coder in the words of the standard library.

    Raises:
        LimitExceeded: it is not known, or wants too large a window.
        MalformedFile: its properties do not exist.
    """
    properties = coder.properties
    match coder.method:
        case bytes(method) if method == _LZMA and len(properties) == 5 and properties[0] < 9 * 5 * 5:
            rest, literal = divmod(properties[0], 9)
            position, low = divmod(rest, 5)
            window = int.from_bytes(properties[1:], "little")
            found = {"id": lzma.FILTER_LZMA1, "lc": literal, "lp": low, "pb": position, "dict_size": max(4096, window)}
        case bytes(method) if method == _LZMA2 and len(properties) == 1 and properties[0] <= 40:
            power = properties[0]
            window = (2 | power & 1) << (power // 2 + 11)
            found = {"id": lzma.FILTER_LZMA2, "dict_size": min(window, 0xFFFFFFFF)}
        case bytes(method) if method in _FILTERS:
            found = {"id": _FILTERS[method]}
            if found["id"] == lzma.FILTER_DELTA:
                found["dist"] = properties[0] + 1 if properties else 1
            return found
        case _:
            raise LimitExceeded(f"the 7z method {coder.method.hex()} is not supported")
    if window > DICTIONARY_BYTES:
        raise LimitExceeded(f"the compressed data needs a window of {window} bytes")
    return found
