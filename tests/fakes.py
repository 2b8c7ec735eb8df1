"""Stand-ins that implement the seams in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aibom.files import Digest, Format, RepoFile, Role
from aibom.report import Skipped, SourceFacts
from aibom.sources.bytesource import ByteSource, MemorySource
from aibom.sources.protocol import Entry, Source


class MemoryRepo:
    """A target whose files are in memory. `opened` lists the paths that were opened, in order."""

    remote = False

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        target: str = "memory",
        revision: str | None = None,
        facts: SourceFacts | None = None,
        declared: Mapping[str, tuple[Digest, ...]] | None = None,
    ) -> None:
        self.target = target
        self.revision = revision
        self._files = dict(files)
        self._facts = facts or SourceFacts(kind="directory")
        self._declared = dict(declared or {})
        self.opened: list[str] = []

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield the files in the order in which they were given."""
        for path, data in self._files.items():
            yield Entry(path=path, size=len(data), declared_digests=self._declared.get(path, ()))

    def open(self, path: str) -> ByteSource:
        """Open the file at this path; FileNotFoundError if there is none."""
        self.opened.append(path)
        try:
            return MemorySource(self._files[path])
        except KeyError:
            raise FileNotFoundError(path) from None

    def facts(self) -> SourceFacts:
        """Return what the place says about the target."""
        return self._facts

    def close(self) -> None:
        """Release nothing."""


def memory_repo(files: Mapping[str, bytes | str]) -> MemoryRepo:
    """Make a repository from bytes or text (written as UTF-8)."""
    return MemoryRepo({path: data.encode() if isinstance(data, str) else data for path, data in files.items()})


def repo_file(path: str, data: bytes = b"", *, kind: Format = Format.UNKNOWN, role: Role = Role.OTHER) -> RepoFile:
    """Make the record of a file that holds `data`."""
    return RepoFile(path=path, size=len(data), format=kind, role=role)


_: type[Source] = MemoryRepo  # the type checker holds the fake to the protocol
