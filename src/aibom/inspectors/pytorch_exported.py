"""Inspect `.pt2` archives of `torch.export`: the weights that their configuration names, each a raw file.

`torch/export/pt2_archive`: `data/weights/<model>_weights_config.json` maps names to files beside it with type, sizes
and strides; those with `use_pickle` are torch files, and like all other members they are inspected by themselves. So
are the torch files that archives before torch 2.8 hold their weights in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from aibom.components import Inspection
from aibom.containers.protocol import Budget
from aibom.containers.zip_archive import open_entry, read_directory
from aibom.containers.zip_directory import ZipDirectory, ZipEntry
from aibom.errors import FileFault
from aibom.files import Coverage, RepoFile
from aibom.inspectors.foreign_json import read_json
from aibom.inspectors.observations import Observations
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.inspectors.pytorch_dtypes import Dtype, dtype_named
from aibom.inspectors.pytorch_names import Named
from aibom.inspectors.pytorch_summary import STORAGE_MISMATCH, summarize
from aibom.inspectors.torch_views import Storage, TorchTensor, View, extent
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_CONFIGS = ("_weights_config.json", "_constants_config.json")
# `ScalarType` of torch/_export/serde/schema.py.
_TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 29: "float8_e4m3fn",
    30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu", 34: "uint32", 35: "uint64",
}  # fmt: skip
_LARGEST = 1 << 62


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Say which weights the archive holds.

    Faults of the zip itself are reported by whoever opens it as a container.
    """
    seen = Observations(file, limits)
    try:
        directory = read_directory(data, limits)
    except FileFault:
        return Inspection(file=file, coverage=Coverage.NONE)
    named: list[Named[TorchTensor]] = []
    places: dict[str, ZipEntry] = {}
    complete = True
    for entry in directory.entries:
        if not entry.name.endswith(_CONFIGS):
            continue
        try:
            with open_entry(data, entry, limits, Budget.of(limits)) as source:
                config = read_json(source, limits)
        except FileFault as fault:
            seen.fault(fault, members=(entry.name,))
            complete = False
            continue
        for item in _weights(config, entry, directory, places, seen):
            complete = complete and item.tensor is not None
            named.append(item)

    def place(storage: Storage) -> int | None:
        entry = places[storage.key]
        return entry.data_offset if entry.stored and not entry.flagged_encrypted else None

    summary, faults, _ = summarize(named, place, complete=lambda: complete)
    for fault_text in faults:
        seen.report(STORAGE_MISMATCH, fault_text)
    seen.consumed += [entry.name for entry in places.values() if not entry.flagged_encrypted]
    return replace(seen.inspection(), tensors=summary if named else None)


def _weights(
    config: Any, entry: ZipEntry, directory: ZipDirectory, places: dict[str, ZipEntry], seen: Observations
) -> Iterator[Named[TorchTensor]]:
    match config:
        case {"config": dict(items)} if len(items) <= seen.limits.tensors:
            pass
        case _:
            seen.report(MALFORMED_FILE, f"{entry.name} is not what torch writes", members=(entry.name,))
            return
    folder = entry.name.rpartition("/")[0]
    by_name = {item.name: item for item in directory.entries}
    for name, item in items.items():
        match item:
            case {"path_name": str(path), "use_pickle": False, "tensor_meta": dict(meta)}:
                stored = by_name.get(f"{folder}/{path}")
            case {"use_pickle": True}:
                continue
            case _:
                yield Named(name=str(name), tensor=None, node=None)
                continue
        tensor = _tensor(meta, stored) if stored is not None else None
        if tensor is None:
            seen.report(STORAGE_MISMATCH, f"{name} has no readable description or no bytes", members=(entry.name,))
        elif stored is not None:
            places[stored.name] = stored
        yield Named(name=str(name), tensor=tensor, node=None)


def _tensor(meta: dict[str, Any], stored: ZipEntry) -> TorchTensor | None:
    dtype = _dtype(meta.get("dtype"))
    shape, stride = _numbers(meta.get("sizes")), _numbers(meta.get("strides"))
    offset = _numbers([meta.get("storage_offset")])
    if dtype is None or shape is None or stride is None or offset is None or len(shape) != len(stride):
        return None
    storage = Storage(key=stored.name, whole=stored.size, dtype=dtype, start=0, length=stored.size)
    view = View(storage=storage, dtype=dtype, offset=offset[0], extent=extent(shape, stride))
    return TorchTensor(dtype=dtype.name, shape=shape, views=(view,))


def _dtype(value: object) -> Dtype | None:
    return dtype_named(_TYPES.get(value, "")) if type(value) is int else None


def _numbers(values: object) -> tuple[int, ...] | None:
    """Return what `[{"as_int": 6}, ...]` says; symbolic sizes are not numbers."""
    if not isinstance(values, list) or len(values) > 64:
        return None
    found = [value["as_int"] for value in values if isinstance(value, dict) and type(value.get("as_int")) is int]
    if len(found) != len(values) or not all(0 <= number < _LARGEST for number in found):
        return None
    return tuple(found)
