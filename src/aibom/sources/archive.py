"""An archive as a target: its members are the files. Read in place, never extracted to disk.

A compressed tar is expanded once, into memory or one unlinked, capped spool file, because it can't be read at random.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from msgspec.structs import replace

from aibom.containers import CONTAINERS
from aibom.containers.protocol import Budget, Container, Member
from aibom.errors import FileFault, TargetError
from aibom.files import Format, Location, RepoFile, Role
from aibom.findings import Finding
from aibom.formats import recognize
from aibom.limits import Limits
from aibom.report import Skipped, SourceFacts
from aibom.sources.bytesource import ByteSource, SliceSource
from aibom.sources.protocol import Entry, Fault

_COMPRESSED = frozenset({Format.GZIP, Format.BZIP2, Format.XZ, Format.LZMA, Format.ZLIB, Format.ZSTD, Format.LZ4})
_ARCHIVES = frozenset({Format.ZIP, Format.TAR})
# Members that had to be expanded and are looked at several times (recognised, inspected, digested).
_KEPT_OPEN = 32


def open_archive(name: str, data: ByteSource, limits: Limits) -> ArchiveSource | None:
    """Return the archive that a file is, None for a file that is none (a model file may be a zip and is none).

    Raises:
        TargetError: it is a compressed tar that can't be expanded.
    """
    format_ = recognize(name, data.read_at(0, limits.sniff_bytes), data.size, data)
    if format_ in _COMPRESSED:
        file = RepoFile(path=name, size=data.size, format=format_, role=Role.OTHER)
        inner = _first_member(file, data, limits)
        if inner is None or recognize(name, inner.read_at(0, limits.sniff_bytes), inner.size, inner) is not Format.TAR:
            return None
        return ArchiveSource(replace(file, format=Format.TAR), inner, limits, outer=data)
    if format_ not in _ARCHIVES:
        return None
    return ArchiveSource(RepoFile(path=name, size=data.size, format=format_, role=Role.OTHER), data, limits)


def _first_member(file: RepoFile, data: ByteSource, limits: Limits) -> ByteSource | None:
    container = CONTAINERS[file.format](file, data, limits, Budget.of(limits))
    try:
        return next((member.open() for member in container.members()), None)
    except FileFault as fault:
        raise TargetError(f"{file.path} can't be expanded: {fault}", hint="expand it, and scan the folder") from fault


class ArchiveSource:
    """The members of a zip or tar. A folder at the top that holds everything is not part of the paths."""

    remote = False
    revision: str | None = None

    def __init__(self, file: RepoFile, data: ByteSource, limits: Limits, *, outer: ByteSource | None = None) -> None:
        self.target = file.path
        self._file = file
        self._data = data
        self._outer = outer
        self._limits = limits
        self._budget = Budget.of(limits)
        self._members: dict[str, Member] = {}
        self._open: OrderedDict[str, ByteSource] = OrderedDict()
        self.keep_folder = False

    def facts(self) -> SourceFacts:
        """Return nothing but the kind."""
        return SourceFacts(kind="archive")

    def entries(self) -> Iterator[Entry | Skipped | Finding]:
        """List the members, then what was wrong with the archive itself."""
        container = CONTAINERS[self._file.format](self._file, self._data, self._limits, self._budget)
        fault: FileFault | None = None
        members: list[Member] = []
        try:
            members.extend(container.members())
        except FileFault as caught:
            fault = caught
        if not members and fault is not None:
            raise TargetError(f"{self.target} can't be read: {fault}") from fault
        folder = "" if self.keep_folder else _only_folder(members)
        for member in members:
            name = member.name.removeprefix(folder)
            self._members[name] = member
            if member.name.startswith("/") or ".." in member.name.split("/"):
                yield Entry(path=name, size=0, fault=Fault.UNSAFE_NAME, detail="it climbs out of the archive")
            else:
                yield Entry(path=name, size=member.size)
        yield from self._findings(container, folder)
        if fault is not None or not container.complete:
            yield Skipped(path="", reason=f"what follows in the archive: {fault or 'it can not be listed to its end'}")

    def _findings(self, container: Container, folder: str) -> Iterator[Finding]:
        # The archive is the target itself: what a finding names is the member, or the archive's own name.
        for finding in container.findings:
            place = finding.location or Location(path=self.target)
            if place.members:
                place = replace(place, path=place.members[0].removeprefix(folder), members=place.members[1:])
            yield replace(finding, location=place)

    def open(self, path: str) -> ByteSource:
        """Open a member; one that had to be expanded stays open for the next look."""
        if path not in self._members:
            raise FileNotFoundError(2, "no such member in the archive", path)
        if path not in self._open:
            # The limit on expansion is one for each member here: all of them are files of the target.
            self._budget.expanded_bytes = self._limits.expanded_bytes
            try:
                self._open[path] = self._members[path].open()
            except FileFault as fault:
                raise OSError(5, str(fault), path) from fault
            if len(self._open) > _KEPT_OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        source = self._open[path]
        return SliceSource(source, 0, source.size)

    def close(self) -> None:
        """Close the archive and what was expanded from it."""
        for source in self._open.values():
            source.close()
        self._data.close()
        if self._outer is not None:
            self._outer.close()


def _only_folder(members: list[Member]) -> str:
    tops = {member.name.partition("/")[0] for member in members if "/" in member.name}
    if len(tops) != 1 or any("/" not in member.name for member in members):
        return ""
    (top,) = tops
    return "" if top in {"", ".", ".."} else f"{top}/"
