"""What a source is: a place that holds the files of one target."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from aibom.files import Digest
from aibom.findings import Finding
from aibom.report import Skipped, SourceFacts
from aibom.sources.bytesource import ByteSource, Stamp


class Fault(StrEnum):
    """Why an entry can't be read as a file."""

    SYMLINK_ESCAPE = "symlink-escape"
    SYMLINK_LOOP = "symlink-loop"
    DANGLING_SYMLINK = "dangling-symlink"
    SPECIAL_FILE = "special-file"
    UNREADABLE = "unreadable"
    UNSAFE_NAME = "unsafe-name"
    TOO_DEEP = "too-deep"


class Entry(Struct, frozen=True, kw_only=True):
    """A name in the source: an escaped POSIX `path`, a `size` in bytes, a `fault` where it can't be read as a file."""

    path: str
    size: int
    declared_digests: tuple[Digest, ...] = ()
    media_type: str | None = None
    fault: Fault | None = None
    detail: str = ""
    stamp: Stamp | None = None
    """The file's status when it was listed, where it is a file on this machine."""


class Source(Protocol):
    """A target, opened read-only."""

    target: str
    """As the user named it, without secrets and without the directories of this machine."""
    revision: str | None
    remote: bool
    """True where reading a whole file means moving it over a network: digests are then declared, not computed."""

    def entries(self) -> Iterator[Entry | Skipped | Finding]:
        """Yield every name, in no promised order, what was left out on purpose, and what is wrong with the place."""
        ...

    def open(self, path: str) -> ByteSource:
        """Open the file at this escaped path.

        Raises:
            OSError: it can't be read.
        """
        ...

    def facts(self) -> SourceFacts:
        """Return what the place says about the target."""
        ...

    def close(self) -> None:
        """Release what the source holds."""
        ...
