"""Open compressed streams (gzip, bzip2, xz, lzma, zlib, zstd, lz4) as containers of one member."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aibom.containers.expansion import Expansion, ExpansionBomb, expand
from aibom.containers.names import fault_of
from aibom.containers.protocol import Budget, Container, Member, OpenedContainer, Opener
from aibom.containers.rules import ARCHIVE_BOMB, ARCHIVE_DAMAGED, ARCHIVE_HIDDEN_CONTENT, PATH_TRAVERSAL, Notes
from aibom.containers.streams import CODECS, Decompression
from aibom.errors import FileFault, LimitExceeded
from aibom.files import RepoFile, escape_name
from aibom.findings import Severity
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource, SliceSource

_SUFFIXES = (".gz", ".tgz", ".bz2", ".xz", ".lzma", ".z", ".zst", ".zstd", ".lz4", ".zlib")
_GZIP_NAME = 0x08
_GZIP_EXTRA = 0x04
_LONGEST_NAME = 4096
_PADDING_BYTES = 4096


def opener(method: str) -> Opener:
    """Return the opener for one method of `CODECS`."""
    codec = CODECS[method]

    def open_stream(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
        container = OpenedContainer(iter(()))
        streams = Decompression(codec, data)
        container.iterator = _members(container, file, data, streams, (limits, budget))
        return container

    return open_stream


_Z_HEADER = len("ZF") + len(hex(1 << 64))


def open_joblib(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
    """Open what joblib up to 0.9 wrote: `ZF`, the size in hexadecimal, zlib data. Other joblib files have no members.

    From `joblib/numpy_pickle_compat.py`, `read_zfile`.
    """
    if data.read_at(0, 2) != b"ZF":
        return OpenedContainer(iter(()))
    # Python 2 wrote one more space.
    start = _Z_HEADER + (data.read_at(_Z_HEADER, 1) == b" ")
    return opener("zlib")(file, SliceSource(data, start, data.size - start), limits, budget)


def _members(
    container: OpenedContainer,
    file: RepoFile,
    data: ByteSource,
    streams: Decompression,
    bounds: tuple[Limits, Budget],
) -> Iterator[Member]:
    limits, budget = bounds
    notes = Notes(limit=limits.findings_per_file)
    try:
        _note_gzip_name(data, notes)
        budget.take(members=1)
        try:
            outcome = expand(streams.chunks(), compressed=data.size, limits=limits, budget=budget)
        except ExpansionBomb as bomb:
            notes.add(ARCHIVE_BOMB, str(bomb))
            raise
        _note_outcome(outcome, notes)
        container.complete = outcome.fault is None
        yield Member(name=member_name(file), size=outcome.source.size, open=_giver(outcome.source))
        if outcome.fault is None:
            yield from _rest(data, streams.end, budget, notes)
        if isinstance(outcome.fault, LimitExceeded):
            raise outcome.fault
    finally:
        container.findings.extend(notes.findings(file))


def member_name(file: RepoFile) -> str:
    """Return the name that unpacking gives: the file's own without the suffix of the compression."""
    lowered = file.name.lower()
    for suffix in _SUFFIXES:
        if lowered.endswith(suffix) and len(lowered) > len(suffix):
            stem = file.name[: -len(suffix)]
            return stem + ".tar" if suffix == ".tgz" else stem
    return file.name + " [expanded]"


def _giver(source: ByteSource) -> Callable[[], ByteSource]:
    # A slice, so that closing the member leaves it open for a second look.
    return lambda: SliceSource(source, 0, source.size)


def _note_outcome(outcome: Expansion, notes: Notes) -> None:
    match outcome.fault:
        case ExpansionBomb() as bomb:
            notes.add(ARCHIVE_BOMB, str(bomb))
        case FileFault() as fault if not isinstance(fault, LimitExceeded):
            notes.add(ARCHIVE_DAMAGED, f"{fault}, after {outcome.source.size} bytes were expanded", offset=fault.offset)


def _note_gzip_name(data: ByteSource, notes: Notes) -> None:
    """Look at the name that `gunzip -N` writes to."""
    head = data.read_at(0, 12 + _LONGEST_NAME)
    if head[:3] != b"\x1f\x8b\x08" or len(head) < 12 or not head[3] & _GZIP_NAME:
        return
    start = 12 + int.from_bytes(head[10:12], "little") if head[3] & _GZIP_EXTRA else 10
    name = head[start:].split(b"\0", 1)[0]
    fault = fault_of(name)
    if fault is not None:
        notes.add(PATH_TRAVERSAL, f"the name {escape_name(name)} in the gzip header {fault}", offset=start)


def _rest(data: ByteSource, end: int, budget: Budget, notes: Notes) -> Iterator[Member]:
    """Yield what follows the last stream, unless it is a little padding."""
    length = data.size - end
    if length <= 0 or (length <= _PADDING_BYTES and not data.read_at(end, length).strip(b"\0")):
        return
    notes.add(ARCHIVE_HIDDEN_CONTENT, f"{length} bytes follow the compressed data", offset=end, severity=Severity.LOW)
    budget.take(members=1)
    yield Member(name=f"[bytes @{end:#x}]", size=length, open=lambda: SliceSource(data, end, length))
