"""Directories and single files on this machine, read-only.

Symlinks are followed only inside the target, or into the blob folder of the hub cache that the target stands in.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from msgspec import Struct

from aibom.errors import TargetError
from aibom.files import Digest, escape_name, unescape_name
from aibom.findings import Finding
from aibom.report import Skipped, SourceFacts
from aibom.sources.bytesource import ByteSource, FileSource, Stamp
from aibom.sources.hub_cache import Snapshot, blob_digest, find_snapshot
from aibom.sources.hub_downloads import read_listing, unfinished
from aibom.sources.protocol import Entry, Fault

_LEFT_OUT = {
    b".git": "git's own store: an LFS clone holds every weight twice",
    b".hg": "mercurial's own store",
    b".svn": "subversion's own store",
}
_NOT_NAMES = frozenset({b"", b".", b".."})
# O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever. O_NOFOLLOW: links were resolved before.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class _Folder(Struct, frozen=True):
    """A directory on the way: its absolute path and its path from the root, both raw, the latter without slash."""

    absolute: bytes
    relative: bytes


class DirectorySource:
    """A directory as a target. `target` is the directory's name, never its absolute path."""

    remote = False

    def __init__(self, root: str, *, path_depth: int = 64) -> None:
        self._root = os.path.realpath(os.fsencode(root))
        self._path_depth = path_depth
        self._snapshot: Snapshot | None = find_snapshot(self._root)
        inside: tuple[bytes, ...] = (self._root,)
        self._folders: dict[bytes, bytes] = {}
        self._listing: dict[str, Digest] = {}
        if self._snapshot is not None:
            self._root = self._snapshot.root
            inside = (self._snapshot.root, *self._snapshot.blob_folders)
        self._inside = inside
        self._inside_of = tuple(root.rstrip(b"/") + b"/" for root in inside)
        self.target = escape_name(os.path.basename(os.path.abspath(os.fsencode(root))) or b"/")
        self.revision = self._snapshot.commit if self._snapshot else None

    def facts(self) -> SourceFacts:
        """Return the hub identity where the directory is a snapshot in a hub cache."""
        if self._snapshot is None:
            return SourceFacts(kind="directory")
        return SourceFacts(kind="hub-cache", identity=self._snapshot.identity, revision=self._snapshot.commit)

    def close(self) -> None:
        """Release nothing: every file that was opened is closed by whoever opened it."""

    def entries(self) -> Iterator[Entry | Skipped | Finding]:
        """Walk the tree; names come in the file system's order, and last what is missing of a snapshot in a cache."""
        if self._snapshot is None:
            yield from self._walk()
            return
        self._listing = read_listing(self._snapshot)
        there = set()
        for item in self._walk():
            there.add(item.path)
            yield item
        yield from unfinished(self._snapshot, self._listing, there)

    def _walk(self) -> Iterator[Entry | Skipped]:
        folders = [_Folder(self._root, b"")]
        while folders:
            folder = folders.pop()
            if folder.relative.count(b"/") >= self._path_depth:
                yield self._faulty(folder.relative, Fault.TOO_DEEP, f"nested more than {self._path_depth} folders deep")
                continue
            try:
                with os.scandir(folder.absolute) as listing:
                    found = list(listing)
            except OSError as fault:
                if not folder.relative:
                    raise TargetError(f"{self.target} can't be listed: {fault.strerror}") from fault
                yield self._faulty(folder.relative, Fault.UNREADABLE, fault.strerror or "")
                continue
            for item in found:
                relative = folder.relative + b"/" + item.name if folder.relative else item.name
                if item.name in _LEFT_OUT:
                    yield Skipped(path=escape_name(relative), reason=_LEFT_OUT[item.name])
                elif item.is_symlink():
                    yield self._link(relative, item)
                elif item.is_dir(follow_symlinks=False):
                    folders.append(_Folder(item.path, relative))
                else:
                    yield self._file(relative, item)

    def open(self, path: str) -> ByteSource:
        """Open a regular file; a link is resolved again and must still end inside."""
        folder, slash, name = unescape_name(path).rpartition(b"/")
        if name not in _NOT_NAMES:
            # A folder is resolved once: doing it for each of its files would cost more than reading them.
            if folder not in self._folders:
                self._folders[folder] = os.path.realpath(os.path.join(self._root, folder)) + b"/"
            try:
                return self._open_inside(self._folders[folder] + name, path)
            except OSError as fault:
                if fault.errno != errno.ELOOP:  # ELOOP: the file is a link, and O_NOFOLLOW stopped there
                    raise
        return self._open_inside(os.path.realpath(os.path.join(self._root, folder + slash + name)), path)

    def _open_inside(self, absolute: bytes, path: str) -> FileSource:
        if not self._is_inside(absolute):
            raise PermissionError(errno.EACCES, "outside the target", path)
        data = open_regular(absolute)
        # A folder on the way may have become a link since it was resolved; the kernel knows what was opened.
        if (opened := data.where()) is not None and not self._is_inside(opened):
            data.close()
            raise PermissionError(errno.EACCES, "outside the target", path)
        return data

    def _is_inside(self, absolute: bytes) -> bool:
        return absolute.startswith(self._inside_of) or absolute in self._inside

    def _file(self, relative: bytes, item: os.DirEntry[bytes]) -> Entry:
        try:
            status = item.stat(follow_symlinks=False)
        except OSError as fault:
            return self._faulty(relative, Fault.UNREADABLE, fault.strerror or "")
        if not stat.S_ISREG(status.st_mode):
            return self._faulty(relative, Fault.SPECIAL_FILE, _kind(status.st_mode))
        path = escape_name(relative)
        return Entry(path=path, size=status.st_size, declared_digests=self._declared(path), stamp=Stamp.of(status))

    def _link(self, relative: bytes, item: os.DirEntry[bytes]) -> Entry | Skipped:
        try:
            absolute = os.path.realpath(item.path, strict=True)
            status = os.stat(absolute, follow_symlinks=False)
        except FileNotFoundError:
            return self._faulty(relative, Fault.DANGLING_SYMLINK, "its target does not exist")
        except OSError as fault:
            kind = Fault.SYMLINK_LOOP if fault.errno == errno.ELOOP else Fault.UNREADABLE
            return self._faulty(relative, kind, fault.strerror or "")
        if not self._is_inside(absolute):
            return self._faulty(relative, Fault.SYMLINK_ESCAPE, "it leads out of the target")
        if stat.S_ISDIR(status.st_mode):
            parents = os.path.dirname(os.path.abspath(item.path)) + b"/"
            if parents.startswith(absolute.rstrip(b"/") + b"/"):
                return self._faulty(relative, Fault.SYMLINK_LOOP, "it leads to a folder that it stands in")
            return Skipped(
                path=escape_name(relative), reason="a link to a folder of the target, whose files are listed there"
            )
        if not stat.S_ISREG(status.st_mode):
            return self._faulty(relative, Fault.SPECIAL_FILE, _kind(status.st_mode))
        path = escape_name(relative)
        declared = self._declared(path, blob_digest(absolute, self._snapshot) if self._snapshot else None)
        return Entry(path=path, size=status.st_size, declared_digests=declared, stamp=Stamp.of(status))

    def _declared(self, path: str, by_name: Digest | None = None) -> tuple[Digest, ...]:
        """Return what the cache declares of a file: by its blob's name, and in the listing where that says another."""
        listed = self._listing.get(path)
        if by_name is None or (listed and (listed.algorithm, listed.value) != (by_name.algorithm, by_name.value)):
            return tuple(digest for digest in (by_name, listed) if digest)
        return (by_name,)

    @staticmethod
    def _faulty(relative: bytes, fault: Fault, detail: str) -> Entry:
        return Entry(path=escape_name(relative), size=0, fault=fault, detail=detail)


class SingleFileSource:
    """One file as a target. `target` and the only path are its name."""

    revision: str | None = None
    remote = False

    def __init__(self, path: str) -> None:
        self._absolute = os.path.realpath(os.fsencode(path))
        self.target = escape_name(os.path.basename(os.fsencode(path)))

    def facts(self) -> SourceFacts:
        """Return nothing but the kind."""
        return SourceFacts(kind="file")

    def close(self) -> None:
        """Release nothing."""

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield the one file."""
        try:
            status = os.stat(self._absolute)
        except OSError as fault:
            raise TargetError(f"{self.target} can't be read: {fault.strerror}") from fault
        if not stat.S_ISREG(status.st_mode):
            raise TargetError(
                f"{self.target} is a {_kind(status.st_mode)}, not a file",
                hint="give a regular file or a directory",
            )
        yield Entry(path=self.target, size=status.st_size, stamp=Stamp.of(status))

    def open(self, path: str) -> ByteSource:
        """Open the one file."""
        if path != self.target:
            raise FileNotFoundError(errno.ENOENT, "no such file in the target", path)
        return open_regular(self._absolute)


def open_local(target: str) -> DirectorySource | SingleFileSource:
    """Open a path on this machine.

    Raises:
        TargetError: there is nothing at this path.
    """
    try:
        status = os.stat(target)
    except FileNotFoundError as fault:
        raise TargetError(
            f"{escape_name(os.fsencode(target))} does not exist",
            hint="give a directory or a file; `aibom scan --help` shows every kind of target",
        ) from fault
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise TargetError(f"{escape_name(os.fsencode(target))} can't be read: {reason}") from fault
    return DirectorySource(target) if stat.S_ISDIR(status.st_mode) else SingleFileSource(target)


def open_regular(absolute: bytes) -> FileSource:
    """Open a regular file by its resolved path; anything else is refused, whatever it was when it was listed."""
    descriptor = os.open(absolute, _OPEN_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PermissionError(errno.EACCES, f"a {_kind(status.st_mode)}, not a file")
    except BaseException:
        os.close(descriptor)
        raise
    return FileSource(descriptor, status.st_size)


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISFIFO, "named pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "character device"),
        (stat.S_ISBLK, "block device"),
        (stat.S_ISDIR, "directory"),
    ):
        if test(mode):
            return name
    return "special file"
