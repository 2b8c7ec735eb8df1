"""Inspect the torch format of 2016: a tar of `storages`, `tensors` and `pickle`.

`torch/serialization.py`, `legacy_load` inside `_legacy_load`: `storages` and `tensors` each begin with a pickled count
and mix pickles with raw bytes; the object refers to its tensors by number.
"""

from __future__ import annotations

import struct

from msgspec import Struct, field, structs
from msgspec.structs import replace

from aibom.components import Import, Inspection
from aibom.containers.rules import Notes
from aibom.containers.tar_headers import TarEntry, TarWalk
from aibom.errors import FileFault
from aibom.files import Coverage, Format, RepoFile
from aibom.findings import Finding
from aibom.inspectors.observations import Observations
from aibom.inspectors.pickle_examine import examine, present
from aibom.inspectors.pickle_nodes import Global, Node, PersistentId
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.inspectors.pytorch_dtypes import storage_dtype
from aibom.inspectors.pytorch_names import Named, Naming
from aibom.inspectors.pytorch_summary import STORAGE_MISMATCH, summarize
from aibom.inspectors.torch_views import Storage, TorchTensor, View, extent
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource, SliceSource

_PARTS = ("storages", "tensors", "pickle")
_MOST_DIMENSIONS = 64


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Say what the archive's pickles do and which tensors they describe.

    Faults of the tar itself are reported by whoever opens it as a container.
    """
    reading = _Reading(file=file, data=data, limits=limits, seen=Observations(file, limits))
    parts = _parts(data, limits)
    if len(parts) < len(_PARTS):
        return Inspection(file=file, coverage=Coverage.NONE)
    complete = reading.storages(parts["storages"])
    complete = complete and reading.tensors(parts["tensors"])
    return reading.object(parts["pickle"], complete=complete)


def _parts(data: ByteSource, limits: Limits) -> dict[str, TarEntry]:
    """Return the last entry of each name: Python's tarfile takes that one."""
    walk = TarWalk(data=data, limits=limits, notes=Notes(limit=0))
    parts: dict[str, TarEntry] = {}
    try:
        for entry in walk.entries():
            name = entry.name.removeprefix("./")
            if name in _PARTS:
                parts[name] = entry
    except FileFault:
        return {}
    return parts


class _Reading(Struct, kw_only=True):
    """What was read of one archive."""

    file: RepoFile
    data: ByteSource
    limits: Limits
    seen: Observations
    by_key: dict[str, Storage] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    by_number: dict[str, TorchTensor] = field(default_factory=dict)
    imports: list[Import] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def storages(self, entry: TarEntry) -> bool:
        """Read `storages`: a count, for each one (key, device, class), its number of elements and the elements."""
        with SliceSource(self.data, entry.data_offset, entry.size) as source:
            count, at = self._count(entry, source)
            for _ in range(count):
                root, at = self._pickle(entry, source, at)
                dtype = None
                match root:
                    case (str() | int() as key, _, Global() as kind):
                        dtype = storage_dtype(kind)
                    case _:
                        key = ""
                elements = int.from_bytes(source.read_at(at, 8), "little", signed=True)
                if dtype is None or elements < 0 or at + 8 + dtype.bytes_of(elements) > source.size:
                    return self._broken(entry, at)
                whole = dtype.bytes_of(elements)
                self.by_key[str(key)] = Storage(key=str(key), whole=whole, dtype=dtype, start=0, length=whole)
                self.offsets[str(key)] = entry.data_offset + at + 8
                at += 8 + whole
            return count >= 0 and self._views(entry, source, at)

    def _views(self, entry: TarEntry, source: ByteSource, at: int) -> bool:
        """Read the list of storages that are parts of others: (key, key of the whole, first element, elements)."""
        root, _ = self._pickle(entry, source, at)
        if not isinstance(root, list):
            return self._broken(entry, at)
        for item in root:
            match item:
                case (str() | int() as key, str() | int() as of, int(first), int(count)) if str(of) in self.by_key:
                    outer = self.by_key[str(of)]
                    start, length = outer.dtype.bytes_of(max(0, first)), outer.dtype.bytes_of(max(0, count))
                    self.by_key[str(key)] = structs.replace(outer, start=start, length=length)
                case _:
                    return self._broken(entry, at)
        return True

    def tensors(self, entry: TarEntry) -> bool:
        """Read `tensors`: a count, for each one (number, key of its storage, class), sizes, strides, first element."""
        with SliceSource(self.data, entry.data_offset, entry.size) as source:
            count, at = self._count(entry, source)
            for _ in range(count):
                root, at = self._pickle(entry, source, at)
                dimensions = int.from_bytes(source.read_at(at, 4), "little", signed=True)
                if not 0 <= dimensions <= _MOST_DIMENSIONS:
                    return self._broken(entry, at)
                raw = source.read_at(at + 8, 16 * dimensions + 8)
                match root:
                    case (str() | int() as number, str() | int() as key, *_) if (
                        len(raw) == 16 * dimensions + 8 and str(key) in self.by_key
                    ):
                        numbers = struct.unpack(f"<{2 * dimensions + 1}q", raw)
                    case _:
                        return self._broken(entry, at)
                if any(value < 0 for value in numbers):
                    return self._broken(entry, at)
                storage = self.by_key[str(key)]
                view = View(
                    storage=storage,
                    dtype=storage.dtype,
                    offset=numbers[-1],
                    extent=extent(numbers[:dimensions], numbers[dimensions:-1]),
                )
                self.by_number[str(number)] = TorchTensor(dtype=view.dtype.name, shape=view.shape, views=(view,))
                at += 8 + len(raw)
            return count >= 0

    def object(self, entry: TarEntry, *, complete: bool) -> Inspection:
        """Read the object and say everything that was seen."""
        with SliceSource(self.data, entry.data_offset, entry.size) as source:
            root, _ = self._pickle(entry, source, 0)
        naming = Naming(_is_number, self._of_number, self.limits.tensors)
        named: tuple[Named[TorchTensor], ...] = tuple(naming.tensors(root))
        summary, faults, _ = summarize(
            named, lambda storage: self.offsets.get(storage.key), complete=lambda: complete and naming.complete
        )
        for fault in faults:
            self.seen.report(STORAGE_MISMATCH, fault)
        own = self.seen.inspection()
        return replace(
            own,
            tensors=summary if summary.tensors or not summary.complete else None,
            imports=tuple(self.imports),
            findings=(present(self.file, "holds pickles; a format without code exists"), *self.findings, *own.findings),
            consumed=_PARTS,
        )

    def _of_number(self, node: Node) -> TorchTensor | None:
        match node:
            case PersistentId(args=str() | int() as number):
                return self.by_number.get(str(number))
            case _:
                return None

    def _count(self, entry: TarEntry, source: ByteSource) -> tuple[int, int]:
        root, at = self._pickle(entry, source, 0)
        if type(root) is int and 0 <= root <= self.limits.tensors:
            return root, at
        self._broken(entry, 0)
        return -1, at

    def _pickle(self, entry: TarEntry, source: ByteSource, at: int) -> tuple[Node, int]:
        """Examine the pickle at `at`; return its value and where it ends."""
        member = replace(self.file, members=(*self.file.members, entry.name), size=entry.size, format=Format.PICKLE)
        examination = examine(member, source, self.limits, start=at, values=True, streams=1)
        known = {(item.module, item.name) for item in self.imports}
        self.imports += [item for item in examination.imports if (item.module, item.name) not in known]
        if len(self.findings) < self.limits.findings_per_file:
            said = {(finding.rule.id, finding.message) for finding in self.findings}
            self.findings += [item for item in examination.findings if (item.rule.id, item.message) not in said]
        if examination.coverage is not Coverage.COMPLETE:
            self.seen.coverage = Coverage.PARTIAL
        return (examination.roots[0], examination.ends[0]) if examination.ends else (None, at)

    def _broken(self, entry: TarEntry, at: int) -> bool:
        self.seen.report(MALFORMED_FILE, f"{entry.name} is not what torch writes", offset=at, members=(entry.name,))
        self.seen.coverage = Coverage.PARTIAL
        return False


def _is_number(node: Node) -> bool:
    return isinstance(node, PersistentId) and isinstance(node.args, str | int)
