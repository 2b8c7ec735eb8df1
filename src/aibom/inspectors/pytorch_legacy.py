"""Inspect the torch format before 1.6: five pickles in a row, then the storages.

`torch/serialization.py`, `_legacy_load`: a magic number, a version, facts about the machine, the object, the list of
storage keys; then for each key eight bytes with its number of elements and the elements, little-endian.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Inspection
from aibom.files import Coverage, RepoFile
from aibom.inspectors.growing import uncollected
from aibom.inspectors.numpy_arrays import TRAILING_BYTES
from aibom.inspectors.observations import Observations
from aibom.inspectors.pickle_examine import Examination, examine, present
from aibom.inspectors.pickle_nodes import Node
from aibom.inspectors.pickle_trailing import look_after
from aibom.inspectors.protocol import TRUNCATED
from aibom.inspectors.pytorch_names import Named, Naming
from aibom.inspectors.pytorch_summary import STORAGE_MISMATCH, summarize
from aibom.inspectors.torch_tensors import is_tensor_call, read_tensor, storage_of
from aibom.inspectors.torch_views import Storage, TorchTensor
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

MAGIC = 0x1950A86A20F9469CFC6C
_STREAMS = 5
_OBJECT, _KEYS = 3, 4


class LegacyFile(Struct, frozen=True, kw_only=True):
    """A legacy file: its pickles, its tensors, and where each storage's elements begin in the file.

    `end` is where the last storage ends.
    """

    examination: Examination
    named: tuple[Named[TorchTensor], ...]
    offsets: Mapping[str, int]
    complete: bool
    end: int


def read_legacy(file: RepoFile, data: ByteSource, limits: Limits, seen: Observations) -> LegacyFile:
    """Examine the five pickles and locate the storages."""
    examination = examine(file, data, limits, values=True, streams=_STREAMS)
    end = examination.ends[-1] if examination.ends else 0
    if len(examination.roots) < _STREAMS:
        return LegacyFile(examination=examination, named=(), offsets={}, complete=False, end=end)
    if examination.roots[0] != MAGIC:
        seen.unread("the first pickle is not torch's magic number, so the rest was not taken for tensors")
        return LegacyFile(examination=examination, named=(), offsets={}, complete=False, end=end)
    naming = Naming(is_tensor_call, read_tensor, limits.tensors)
    named = tuple(naming.tensors(examination.roots[_OBJECT]))
    views = [view for item in named if item.tensor is not None for view in item.tensor.views]
    storages = {view.storage.key: view.storage for view in reversed(views)}
    for node in naming.persistent:
        storage = storage_of(node)
        if storage is not None:
            storages.setdefault(storage.key, storage)
    offsets, end, whole = _locate(data, examination.roots[_KEYS], storages, end, seen)
    return LegacyFile(
        examination=examination, named=named, offsets=offsets, complete=naming.complete and whole, end=end
    )


def _locate(
    data: ByteSource, keys: Node, storages: Mapping[str, Storage], at: int, seen: Observations
) -> tuple[dict[str, int], int, bool]:
    """Return where each storage begins, where the last one ends, and whether all were there."""
    offsets: dict[str, int] = {}
    if not isinstance(keys, list):
        seen.report(STORAGE_MISMATCH, "the list of storages is not a list", offset=at)
        return offsets, at, False
    for key in keys:
        storage = storages.get(str(key)) if isinstance(key, str | int) else None
        if storage is None:
            seen.report(STORAGE_MISMATCH, "the list of storages names one that no tensor has", offset=at)
            return offsets, at, False
        head = data.read_at(at, 8)
        stated = int.from_bytes(head, "little", signed=True)
        if len(head) == 8 and storage.dtype.bytes_of(max(0, stated)) != storage.whole:
            seen.report(
                STORAGE_MISMATCH,
                f"storage {storage.key} has {stated} elements here and {storage.whole} bytes in the pickle",
                offset=at,
            )
            return offsets, at, False
        if at + 8 + storage.whole > data.size:
            seen.report(TRUNCATED, f"the file ends inside storage {storage.key}", offset=at)
            return offsets, data.size, False
        offsets[storage.key] = at + 8
        at += 8 + storage.whole
    return offsets, at, True


@uncollected()
def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Say what the pickles do and which tensors they describe."""
    seen = Observations(file, limits)
    legacy = read_legacy(file, data, limits, seen)
    examination = legacy.examination
    summary, faults, storages = summarize(
        legacy.named, lambda storage: legacy.offsets.get(storage.key), complete=lambda: legacy.complete
    )
    for fault in faults:
        seen.report(STORAGE_MISMATCH, fault)
    lost = [key for key in storages if key not in legacy.offsets] if legacy.complete else []
    if lost:
        seen.report(STORAGE_MISMATCH, f"the bytes of storage {lost[0]} are not in the file")
    findings = [present(file, "holds a pickle; a format without code exists"), *examination.findings]
    if legacy.complete and legacy.end < data.size:
        seen.report(TRAILING_BYTES, f"{data.size - legacy.end} bytes follow the last storage", offset=legacy.end)
    imports = examination.imports
    if legacy.end < data.size:
        # A second load from the same open file, or another loader, may find something behind.
        behind = look_after(file, data, limits, legacy.end, broken=True)
        findings += behind.findings
        imports += behind.imports
        if not behind.complete:
            seen.coverage = Coverage.PARTIAL
    own = seen.inspection()
    partial = Coverage.PARTIAL in {examination.coverage, own.coverage}
    incomplete = bool(faults or lost)
    return replace(
        own,
        coverage=Coverage.PARTIAL if partial else Coverage.COMPLETE,
        tensors=replace(summary, complete=summary.complete and not incomplete) if summary.tensors else None,
        imports=imports,
        metadata={"pickle:streams": len(examination.ends)},
        findings=(*findings, *own.findings),
    )
