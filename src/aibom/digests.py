"""Digests of files, of their shards and of the tensors in them, all in one read of the bytes."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import Protocol

from msgspec import Struct, field

from aibom.files import Digest, RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.sequential import parts
from aibom.settings import Settings
from aibom.sources.bytesource import ByteSource, FileSource, Stamp
from aibom.sources.protocol import Source

HASH_MISMATCH = Rule(
    id="hash-mismatch",
    subject=Subject.INTEGRITY,
    severity=Severity.CRITICAL,
    summary="The bytes are not the ones that were declared",
    explanation=(
        "A digest of this file was declared where it came from, in a checksum file or in a signed statement, and the "
        "file's own digest is another: it was damaged on the way, or changed."
    ),
    help="Delete the file and fetch it again; if the digests still differ, ask the publisher.",
    cwes=(354,),
)

# Threads cost more than they bring on smaller files.
BIG_FILE_BYTES = 8 * 1024 * 1024
# Spans may overlap (tied weights), but a header that lays a thousand tensors over the same bytes would have them all
# read a thousand times.
SPAN_FACTOR = 4
MAX_SHARDS = 1_000_000
"""Shards of one file; a plan that cuts it into more is not carried out."""


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> object: ...

    def hexdigest(self) -> str: ...


def _git_blob(size: int) -> _Hash:
    # The id of a git blob is the SHA-1 of a header and the content.
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _blake3(_size: int) -> _Hash:
    from blake3 import blake3  # noqa: PLC0415 -- only where asked for

    return blake3()


ALGORITHMS: Mapping[str, Callable[[int], _Hash]] = {
    "sha256": lambda _: hashlib.sha256(),
    "sha384": lambda _: hashlib.sha384(),
    "sha512": lambda _: hashlib.sha512(),
    "blake2b": lambda _: hashlib.blake2b(),
    "blake3": _blake3,
    "git-sha1": _git_blob,
}
"""Algorithm to a constructor that is given the file's size in bytes."""


class Shards(Struct, frozen=True, kw_only=True):
    """Cut a file into parts of `size` bytes (the last is shorter) and digest each with `algorithm`."""

    algorithm: str
    size: int


class Span(Struct, frozen=True, kw_only=True):
    """A run of bytes that gets a BLAKE3 digest of its own, over `prefix` and then the bytes. Sizes are bytes."""

    prefix: bytes
    offset: int
    length: int


class FilePlan(Struct, frozen=True, kw_only=True):
    """What to compute of one file."""

    algorithms: tuple[str, ...] = ("sha256",)
    shards: tuple[Shards, ...] = ()
    spans: tuple[Span, ...] = ()


DigestPlan = Mapping[str, FilePlan]
"""Path to what is computed of that file; a path that is missing gets the SHA-256 alone."""


class FileDigests(Struct, frozen=True, kw_only=True):
    """The digests of one file; `size` is how many bytes were read, `fault` why there are none.

    `spans` stand in the order of the plan; None where the span reaches beyond the file or was one too many.
    """

    path: str
    size: int
    digests: tuple[Digest, ...]
    fault: str | None = None
    shards: Mapping[Shards, tuple[str, ...]] = field(default_factory=dict)
    spans: tuple[str | None, ...] = ()
    stamp: Stamp | None = None
    """The file's status after its last byte was read, where it is a file on this machine."""


def plan_digests(files: Iterable[RepoFile], settings: Settings) -> dict[str, FilePlan]:
    """Say which algorithms each file needs: what was asked for, and what somebody declared."""
    asked = ("sha256", *(name for name in settings.digest_algorithms if name != "sha256"))
    plan = {}
    for file in files:
        declared = {digest.algorithm for digest in file.declared_digests if digest.algorithm in ALGORITHMS}
        plan[file.path] = FilePlan(algorithms=(*asked, *sorted(declared.difference(asked))))
    return plan


def digest(path: str, data: ByteSource, plan: FilePlan, on_bytes: Callable[[int], None]) -> FileDigests:
    """Read a file once and return its digests. `on_bytes` is told how many bytes each step read."""
    size = data.size
    hashes = {name: ALGORITHMS[name](size) for name in plan.algorithms}
    shards = {kind: _ShardHash(kind) for kind in plan.shards if -(-size // kind.size) <= MAX_SHARDS}
    spans = _SpanHash(plan.spans, size) if plan.spans else None
    updates: list[Callable[[memoryview], object]] = [hash_.update for hash_ in hashes.values()]
    updates += [hash_.update for hash_ in shards.values()]
    if spans:
        updates.append(spans.update)
    position = 0
    with closing(parts(data)) as reading:
        for part in reading:
            for update in updates:
                update(part)
            position += len(part)
            on_bytes(len(part))
    return FileDigests(
        path=path,
        size=position,
        digests=tuple(Digest(algorithm=name, value=hash_.hexdigest()) for name, hash_ in hashes.items()),
        shards={kind: hash_.values() for kind, hash_ in shards.items()},
        spans=spans.values() if spans else (),
        stamp=data.stamp() if isinstance(data, FileSource) else None,
    )


class _ShardHash:
    """A digest of every `size` bytes of what is fed to it."""

    def __init__(self, kind: Shards) -> None:
        self._kind = kind
        self._left = kind.size
        self._current: _Hash | None = None
        self._done: list[str] = []

    def update(self, part: memoryview) -> None:
        at = 0
        while at < len(part):
            if self._current is None:
                self._current = ALGORITHMS[self._kind.algorithm](self._kind.size)
            taken = part[at : at + self._left]
            self._current.update(taken)
            at += len(taken)
            self._left -= len(taken)
            if not self._left:
                self._close()

    def _close(self) -> None:
        if self._current is not None:
            self._done.append(self._current.hexdigest())
        self._current, self._left = None, self._kind.size

    def values(self) -> tuple[str, ...]:
        """Return the digests of the shards in order; there are none of an empty file."""
        self._close()
        return tuple(self._done)


class _SpanHash:
    """A BLAKE3 digest of every span of what is fed to it; spans may overlap."""

    def __init__(self, spans: tuple[Span, ...], size: int) -> None:
        self._spans = spans
        self._values: dict[Span, str] = {}
        self._open: list[tuple[Span, _Hash]] = []
        self._position = 0
        left = SPAN_FACTOR * size
        waiting = []
        for span in sorted(set(spans), key=lambda span: (span.offset, span.length, span.prefix)):
            if span.offset >= 0 and span.length >= 0 and span.offset + span.length <= size and span.length <= left:
                waiting.append(span)
                left -= span.length
        self._waiting = deque(waiting)

    def update(self, part: memoryview) -> None:
        start, end = self._position, self._position + len(part)
        while self._waiting and self._waiting[0].offset < end:
            span = self._waiting.popleft()
            self._open.append((span, self._begin(span)))
        still_open = []
        for span, hash_ in self._open:
            stop = span.offset + span.length
            hash_.update(part[max(0, span.offset - start) : stop - start])
            if stop <= end:
                self._values[span] = hash_.hexdigest()
            else:
                still_open.append((span, hash_))
        self._open = still_open
        self._position = end

    @staticmethod
    def _begin(span: Span) -> _Hash:
        hash_ = _blake3(0)
        hash_.update(memoryview(span.prefix))
        return hash_

    def values(self) -> tuple[str | None, ...]:
        """Return the digests in the order in which the spans were given."""
        # A span without bytes at the very end of the file was never reached.
        for span in self._waiting:
            if not span.length:
                self._values[span] = self._begin(span).hexdigest()
        return tuple(self._values.get(span) for span in self._spans)


def digest_files(
    source: Source,
    files: Iterable[RepoFile],
    plan: DigestPlan,
    settings: Settings,
    on_bytes: Callable[[RepoFile, int], None],
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> dict[str, FileDigests]:
    """Digest every file: big ones in `settings.jobs` threads, the others in sequence. Keys are paths.

    `meanwhile` is called while the big ones are read, where there are any.
    """
    files = tuple(files)
    usual = FilePlan()
    stopped = Event()

    def one(file: RepoFile) -> FileDigests:
        def step(got: int) -> None:
            if stopped.is_set():
                raise CancelledError
            on_bytes(file, got)

        try:
            with source.open(file.path) as data:
                return digest(file.path, data, plan.get(file.path, usual), step)
        except OSError as fault:
            return FileDigests(path=file.path, size=0, digests=(), fault=fault.strerror or str(fault))

    # The biggest first, so that no thread starts on it when the others are done.
    big = sorted((file for file in files if file.size >= BIG_FILE_BYTES), key=lambda file: -file.size)
    results: dict[str, FileDigests] = {}
    with ThreadPoolExecutor(max_workers=max(1, settings.jobs)) as pool:
        running = [pool.submit(one, file) for file in big]
        try:
            if running:
                meanwhile()
            results.update((file.path, one(file)) for file in files if file.size < BIG_FILE_BYTES)
            results.update((future.result().path, future.result()) for future in running)
        except BaseException:
            # Ctrl-C: the threads must not read their files to the end first.
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def root_digest(digests: Mapping[str, tuple[Digest, ...]]) -> str:
    """Return the SHA-256 over the sorted lines `sha256  path`: the version of a target that has no commit."""
    lines = []
    for path, values in digests.items():
        sha256 = next((value.value for value in values if value.algorithm == "sha256"), None)
        if sha256 is not None:
            lines.append(f"{sha256}  {path}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
