"""Open tar files: members in place, links and names judged, nothing unpacked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aibom.containers.names import fault_of, link_fault
from aibom.containers.protocol import Budget, Container, Member, OpenedContainer
from aibom.containers.rules import ARCHIVE_AMBIGUOUS, ARCHIVE_DAMAGED, ARCHIVE_HIDDEN_CONTENT, PATH_TRAVERSAL, Notes
from aibom.containers.tar_headers import Kind, TarEntry, TarWalk
from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import RepoFile, escape_name
from aibom.findings import Severity
from aibom.limits import MIB, Limits
from aibom.sources.bytesource import ByteSource, SliceSource

_WITH_DATA = frozenset({Kind.FILE, Kind.SPARSE, Kind.CONTINUED, Kind.OTHER})
_SEARCHED_BYTES = 16 * MIB


def open_tar(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
    """List the members of a tar, then what follows its end."""
    container = OpenedContainer(iter(()), [])
    container.iterator = _members(file, data, limits, budget, container)
    return container


def _members(
    file: RepoFile, data: ByteSource, limits: Limits, budget: Budget, container: OpenedContainer
) -> Iterator[Member]:
    notes = Notes(limit=limits.findings_per_file)
    walk = TarWalk(data=data, limits=limits, notes=notes)
    names: set[str] = set()
    links: set[bytes] = set()
    try:
        try:
            for entry in walk.entries():
                _note_name(entry, links, notes)
                if entry.kind is Kind.SYMLINK:
                    links.add(_plain(entry.raw_name))
                if entry.size or entry.kind in _WITH_DATA:
                    budget.take(members=1)
                    name = _unique(entry, names, notes)
                    size = min(entry.size, max(0, data.size - entry.data_offset))
                    yield Member(name=name, size=size, open=_slicer(data, entry.data_offset, size))
        except LimitExceeded:
            container.complete = False
            raise
        except MalformedFile as fault:
            container.complete = False
            if not names:
                raise
            notes.add(ARCHIVE_DAMAGED, f"{fault}, after {len(names)} members", offset=fault.offset)
            # Readers that skip broken headers go on behind this one.
            yield from _rest(data, (fault.offset or walk.end) + 512, budget, notes)
            return
        yield from _rest(data, walk.end, budget, notes)
    finally:
        container.findings.extend(notes.findings(file))


def _unique(entry: TarEntry, seen: set[str], notes: Notes) -> str:
    name = entry.name
    if name in seen:
        # Adding a newer copy at the end is how tar updates: the last one wins.
        text = f"{name} is in the archive more than once; readers that stop at the first see another one"
        notes.add(ARCHIVE_AMBIGUOUS, text, offset=entry.header_offset, severity=Severity.LOW)
        name = f"{name} [@{entry.header_offset:#x}]"
    seen.add(name)
    return name


def _note_name(entry: TarEntry, links: set[bytes], notes: Notes) -> None:
    fault = fault_of(entry.raw_name)
    if fault is not None:
        notes.add(PATH_TRAVERSAL, f"the name {entry.name} {fault}", offset=entry.header_offset)
    if entry.kind in {Kind.SYMLINK, Kind.HARD_LINK}:
        fault = link_fault(entry.raw_name, entry.link, from_root=entry.kind is Kind.HARD_LINK)
        if fault is not None:
            text = f"the link {entry.name} to {escape_name(entry.link)} {fault}"
            notes.add(PATH_TRAVERSAL, text, offset=entry.header_offset)
    if links and any(parent in links for parent in _parents(_plain(entry.raw_name))):
        text = f"{entry.name} is written through a link that the archive itself makes"
        notes.add(PATH_TRAVERSAL, text, offset=entry.header_offset)


def _plain(name: bytes) -> bytes:
    return b"/".join(part for part in name.split(b"/") if part not in {b"", b"."})


def _parents(name: bytes) -> Iterator[bytes]:
    """Yield the directories above a name, at most the 64 outermost."""
    at = -1
    for _ in range(64):
        at = name.find(b"/", at + 1)
        if at < 0:
            return
        yield name[:at]


def _rest(data: ByteSource, end: int, budget: Budget, notes: Notes) -> Iterator[Member]:
    """Yield what follows the end mark, from its first byte that is not zero."""
    stop = min(data.size, end + _SEARCHED_BYTES)
    at = end
    while at < stop:
        block = data.read_at(at, min(MIB, stop - at))
        lead = len(block) - len(block.lstrip(b"\0"))
        at += lead
        if lead < len(block) or not block:
            break
    if at >= data.size or (at >= stop and stop < data.size and at == end):
        return
    # Headers start at multiples of 512.
    start = at - (at - end) % 512
    notes.add(
        ARCHIVE_HIDDEN_CONTENT,
        f"{data.size - start} bytes follow the end of the archive",
        offset=start,
        severity=Severity.LOW,
    )
    budget.take(members=1)
    yield Member(name=f"[bytes @{start:#x}]", size=data.size - start, open=_slicer(data, start, data.size - start))


def _slicer(data: ByteSource, start: int, length: int) -> Callable[[], ByteSource]:
    return lambda: SliceSource(data, start, length)
