"""Inspect PaddlePaddle's combined parameters (`.pdiparams`): one tensor after the other, without names.

The layout is that of paddle/fluid/framework/{lod_tensor,tensor_util}.cc; framework.proto describes a tensor.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from aibom.components import Inspection, Tensor, TensorSummary
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.inspectors.observations import Observations
from aibom.inspectors.protobuf import ProtobufReader
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource, MemorySource

_DESCRIPTION_BYTES = 64 * 1024
_DIMENSIONS = 64
_LEVELS = 16
_TYPES = {
    0: ("BOOL", 1), 1: ("I16", 2), 2: ("I32", 4), 3: ("I64", 8), 4: ("F16", 2), 5: ("F32", 4), 6: ("F64", 8),
    20: ("U8", 1), 21: ("I8", 1), 22: ("BF16", 2), 23: ("C64", 8), 24: ("C128", 16), 32: ("F8_E4M3", 1),
    33: ("F8_E5M2", 1),
}  # fmt: skip


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Count the tensors; raises `MalformedFile` where the first one can't be read."""
    seen = Observations(file, limits)
    counted: Counter[str] = Counter()
    tensors: list[Tensor] = []
    at = 0
    try:
        while at < data.size:
            if len(tensors) >= limits.tensors:
                raise LimitExceeded(f"more than {limits.tensors} tensors", offset=at)
            dtype, shape, start, length = _tensor(data, at)
            counted[dtype] += prod(shape)
            tensors.append(Tensor(name=str(len(tensors)), dtype=dtype, shape=shape, offset=start, length=length))
            at = start + length
    except FileFault as fault:
        if not tensors:
            raise
        seen.fault(fault)
    seen.tensors = TensorSummary(
        stored_elements=sum(counted.values()),
        elements_by_dtype=dict(counted),
        tensors=tuple(tensors),
        complete=seen.coverage is Coverage.COMPLETE,
    )
    return seen.inspection()


def _tensor(data: ByteSource, at: int) -> tuple[str, tuple[int, ...], int, int]:
    """Return type, shape, start and length of the tensor at an offset."""
    place = at
    if _number(data, at, 4) != 0:
        raise MalformedFile("no tensor of a known version begins here", offset=at)
    levels = _number(data, at + 4, 8)
    at += 12
    if levels > _LEVELS:
        raise MalformedFile(f"a tensor of {levels} levels of detail", offset=place)
    for _ in range(levels):
        size = _number(data, at, 8)
        at += 8 + size
    if _number(data, at, 4) != 0:
        raise MalformedFile("no tensor of a known version begins here", offset=at)
    size = _number(data, at + 4, 4)
    at += 8
    if size > _DESCRIPTION_BYTES or at + size > data.size:
        raise MalformedFile(f"a description of {size} bytes", offset=at)
    reader = ProtobufReader(MemorySource(data.read_at(at, size)), fields=1000)
    kind, shape = -1, list[int]()
    for item in reader.fields():
        if item.number == 1:
            kind = item.value
        elif item.number == 2:
            shape.extend(reader.packed(item, _DIMENSIONS))
    at += size
    if kind not in _TYPES or len(shape) > _DIMENSIONS or min(shape, default=0) < 0:
        raise MalformedFile(f"a tensor of type {kind} and shape {shape[:_DIMENSIONS]}", offset=place)
    name, width = _TYPES[kind]
    length = prod(shape) * width
    if at + length > data.size:
        raise MalformedFile(f"a tensor declares {length} bytes that are not there", offset=place)
    return name, tuple(shape), at, length


def _number(data: ByteSource, at: int, width: int) -> int:
    raw = data.read_at(at, width)
    if len(raw) < width:
        raise MalformedFile("the file ends within a tensor", offset=at)
    return int.from_bytes(raw, "little")
