"""One scan's use of the cache: what it may take from there, and what it leaves for the next.

- A file's digests are taken where its status (device, inode, size, times) is the one that was digested.
- An inspection is taken by the digest that we computed of the content, never by one that somebody declared.
- A target that carries a signature is read whole: what a signature is checked against comes from the bytes.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from aibom.cache.engine import engine
from aibom.cache.store import Store
from aibom.components import Import, Inspection, Reference
from aibom.containers.protocol import Budget
from aibom.digests import DigestPlan, FileDigests, FilePlan
from aibom.errors import LimitExceeded
from aibom.files import Digest, Location, RepoFile
from aibom.findings import Finding
from aibom.inspection import Inspectors
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE, MALFORMED_FILE
from aibom.integrity.checksums import CARD_DIGEST
from aibom.integrity.gathering import Gathered
from aibom.settings import Settings, Trust
from aibom.sources.bytesource import Stamp
from aibom.sources.protocol import Source

# A file that is written to again within the same tick of the clock keeps its times, so what changed a moment ago is
# not remembered. 2 s is the coarsest clock of a file system in use (FAT).
SETTLED_SECONDS = 2.0
T = TypeVar("T")
# What one file's inspection may take when it is unpacked: a million tensors take a fifth of it.
_BODY_BYTES = 1024 * 1024 * 1024
_ALL = "inspection"
_SPANS = "spans"


class _Kept(Struct, frozen=True, kw_only=True):
    """An inspection of a file and its members, and what they took of the budget of all containers."""

    inspections: tuple[Inspection, ...]
    members: int
    expanded_bytes: int


class Memory:
    """What one scan takes and leaves. `stamps` are the files' status when they were listed, by path."""

    def __init__(self, store: Store, stamps: Mapping[str, Stamp], settings: Settings) -> None:
        self._store = store
        self._stamps = stamps
        self._rest = msgspec.json.encode((engine(), settings.limits))
        self._started = store.now()
        self._known = {path: digests for path, stamp in stamps.items() if (digests := store.digests(stamp))}
        self._taken: set[str] = set()
        self._fresh: dict[str, tuple[RepoFile, _Kept]] = {}

    def inspect_file(self, tree: Inspectors, source: Source, file: RepoFile) -> Iterable[Inspection]:
        """Return the inspections of a file and its members: remembered ones, else new ones."""
        if not tree.reads(file.format):
            return tree.inspect_file(source, file)
        sha256 = self._known.get(file.path, {}).get("sha256")
        kept = None if sha256 is None else self._kept(sha256, file)
        if kept is not None and _spend(tree.budget, kept):
            self._taken.add(file.path)
            return tuple(_moved(item, file) for item in kept.inspections)
        before = replace(tree.budget)
        inspections = tuple(tree.inspect_file(source, file))
        if not any(_is_fault(finding) for item in inspections for finding in item.findings):
            members = before.members - tree.budget.members
            expanded = before.expanded_bytes - tree.budget.expanded_bytes
            self._fresh[file.path] = file, _Kept(inspections=inspections, members=members, expanded_bytes=expanded)
        return inspections

    def digests(self, files: Iterable[RepoFile], gathered: Gathered, trust: Trust) -> dict[str, FileDigests]:
        """Return the planned digests of files whose status has not changed; none at all beside a signature."""
        if trust.require_signature or gathered.detached or any(c.kind != CARD_DIGEST for c in gathered.claims):
            return {}
        usual = FilePlan()
        found = {file.path: self._digests(file, gathered.plan.get(file.path, usual)) for file in files}
        return {path: digests for path, digests in found.items() if digests is not None}

    def contradicts(self, digested: Mapping[str, FileDigests]) -> bool:
        """Say whether a file whose inspection was taken from here has another content than the one remembered.

        That takes a status that somebody has set back; what was remembered of such files is dropped.
        """
        wrong = [
            path
            for path in self._taken
            if path in digested and _sha256(digested[path]) not in {None, self._known[path]["sha256"]}
        ]
        self._store.forget(self._stamps[path] for path in wrong)
        return bool(wrong)

    def keep(self, digested: Mapping[str, FileDigests], plan: DigestPlan) -> None:
        """Remember what this scan read, of files that nobody wrote to meanwhile."""
        settled = (self._started - SETTLED_SECONDS) * 1e9
        files: dict[Stamp, Mapping[str, str]] = {}
        results: dict[bytes, bytes] = {}
        for path, item in digested.items():
            stamp = self._stamps.get(path)
            sha256 = _sha256(item)
            if stamp is None or sha256 is None or item.stamp != stamp or max(stamp.ctime_ns, stamp.mtime_ns) > settled:
                continue
            values = {digest.algorithm: digest.value for digest in item.digests}
            if self._known.get(path) != values:
                files[stamp] = values
            if path in self._fresh and (body := _packed(self._fresh[path][1])) is not None:
                results[self._key(sha256, _ALL, *_facets(self._fresh[path][0]))] = body
            if (asked := plan.get(path)) and asked.spans and path not in self._taken:
                results[self._key(sha256, _SPANS, repr(asked.spans))] = zlib.compress(
                    msgspec.msgpack.encode(item.spans), 1
                )
        self._store.save(files, results)

    def _digests(self, file: RepoFile, plan: FilePlan) -> FileDigests | None:
        known = self._known.get(file.path, {})
        if plan.shards or not all(name in known for name in plan.algorithms):
            return None
        spans: tuple[str | None, ...] = ()
        if plan.spans:
            raw = _unpacked(self._store.result(self._key(known["sha256"], _SPANS, repr(plan.spans))), list[str | None])
            if raw is None or len(raw) != len(plan.spans):
                return None
            spans = tuple(raw)
        return FileDigests(
            path=file.path,
            size=file.size,
            digests=tuple(Digest(algorithm=name, value=known[name]) for name in plan.algorithms),
            spans=spans,
            stamp=self._stamps[file.path],
        )

    def _kept(self, sha256: str, file: RepoFile) -> _Kept | None:
        return _unpacked(self._store.result(self._key(sha256, _ALL, *_facets(file))), _Kept)

    def _key(self, sha256: str, *parts: str) -> bytes:
        return hashlib.sha256(self._rest + "\0".join((sha256, *parts)).encode("utf-8", "surrogatepass")).digest()


def _facets(file: RepoFile) -> tuple[str, ...]:
    # Of a path, inspectors look at the last part only (a shard's number, the name of the raw weights beside an XML).
    return file.name, file.format, file.role


def _is_fault(finding: Finding) -> bool:
    # A limit that all files share, or a disk that failed once, says nothing of the content.
    return finding.rule.id in {MALFORMED_FILE.id, INSPECTION_INCOMPLETE.id}


def _spend(budget: Budget, kept: _Kept) -> bool:
    try:
        budget.take(members=kept.members, expanded=kept.expanded_bytes)
    except LimitExceeded:
        return False
    return True


def _sha256(item: FileDigests) -> str | None:
    return next((digest.value for digest in item.digests if digest.algorithm == "sha256"), None)


def _packed(kept: _Kept) -> bytes | None:
    try:
        return zlib.compress(msgspec.msgpack.encode(kept), 1)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None  # a name that is no text, a number beyond 64 bits: looked at again each time


def _unpacked(body: bytes | None, kind: type[T]) -> T | None:
    if body is None:
        return None
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(body, _BODY_BYTES)
        return None if unpacker.unconsumed_tail else msgspec.msgpack.decode(raw, type=kind)
    except (zlib.error, ValueError, TypeError, RecursionError):
        return None  # damaged: as if it were not there


def _moved(inspection: Inspection, file: RepoFile) -> Inspection:
    """Return the inspection as one of this file: its path stands wherever another one's stood."""
    path = file.path

    def here(location: Location | None) -> Location | None:
        return location and replace(location, path=path)

    def at(item: Import) -> Import:
        return replace(item, location=replace(item.location, path=path))

    def of(item: Reference) -> Reference:
        return replace(item, location=here(item.location))

    def found(item: Finding) -> Finding:
        return replace(item, location=here(item.location))

    return replace(
        inspection,
        file=file if not inspection.file.members else replace(inspection.file, path=path),
        imports=tuple(map(at, inspection.imports)),
        references=tuple(map(of, inspection.references)),
        findings=tuple(map(found, inspection.findings)),
    )
