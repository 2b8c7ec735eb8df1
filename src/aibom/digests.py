"""Digests of files, all algorithms in one read of the bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from aibom.files import Digest, RepoFile
from aibom.settings import Settings
from aibom.sources.bytesource import ByteSource
from aibom.sources.protocol import Source

# Measured (docs/performance.md): 256 KiB to 4 MiB make no difference; 1 MiB keeps the call overhead below 1 %.
BUFFER_BYTES = 1024 * 1024
# Threads cost more than they bring on smaller files.
BIG_FILE_BYTES = 8 * 1024 * 1024


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDigests:
    """The digests of one file; `size` is how many bytes were read, `fault` why there are none."""

    path: str
    size: int
    digests: tuple[Digest, ...]
    fault: str | None = None


def plan_digests(files: Iterable[RepoFile], settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """Say which algorithms each file needs: what was asked for, and what somebody declared."""
    asked = ("sha256", *(name for name in settings.digest_algorithms if name != "sha256"))
    plan = {}
    for file in files:
        declared = {digest.algorithm for digest in file.declared_digests if digest.algorithm in ALGORITHMS}
        plan[file.path] = (*asked, *sorted(declared.difference(asked)))
    return plan


def digest(path: str, data: ByteSource, algorithms: tuple[str, ...], on_bytes: Callable[[int], None]) -> FileDigests:
    """Read a file once and return its digests. `on_bytes` is told how many bytes each step read."""
    hashes = {name: ALGORITHMS[name](data.size) for name in algorithms}
    updates = [hash_.update for hash_ in hashes.values()]
    buffer = memoryview(bytearray(min(BUFFER_BYTES, max(data.size, 1))))
    position = 0
    while got := data.read_into(position, buffer):
        part = buffer[:got]
        for update in updates:
            update(part)
        position += got
        on_bytes(got)
    return FileDigests(
        path=path,
        size=position,
        digests=tuple(Digest(algorithm=name, value=hash_.hexdigest()) for name, hash_ in hashes.items()),
    )


def digest_files(
    source: Source, files: Iterable[RepoFile], settings: Settings, on_bytes: Callable[[RepoFile, int], None]
) -> dict[str, FileDigests]:
    """Digest every file: big ones in `settings.jobs` threads, the others in sequence. Keys are paths."""
    files = tuple(files)
    plan = plan_digests(files, settings)

    def one(file: RepoFile) -> FileDigests:
        try:
            with source.open(file.path) as data:
                return digest(file.path, data, plan[file.path], lambda got: on_bytes(file, got))
        except OSError as fault:
            return FileDigests(path=file.path, size=0, digests=(), fault=fault.strerror or str(fault))

    # The biggest first, so that no thread starts on it when the others are done.
    big = sorted((file for file in files if file.size >= BIG_FILE_BYTES), key=lambda file: -file.size)
    results: dict[str, FileDigests] = {}
    with ThreadPoolExecutor(max_workers=max(1, settings.jobs)) as pool:
        running = [pool.submit(one, file) for file in big]
        results.update((file.path, one(file)) for file in files if file.size < BIG_FILE_BYTES)
        results.update((future.result().path, future.result()) for future in running)
    return results


def root_digest(digests: Mapping[str, tuple[Digest, ...]]) -> str:
    """Return the SHA-256 over the sorted lines `sha256  path`: the version of a target that has no commit."""
    lines = []
    for path, values in digests.items():
        sha256 = next((value.value for value in values if value.algorithm == "sha256"), None)
        if sha256 is not None:
            lines.append(f"{sha256}  {path}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
