"""Inspect the index of a TensorFlow checkpoint: a sorted table of tensors that lie in data files beside it.

The table is LevelDB's (https://github.com/google/leveldb/blob/main/doc/table_format.md), written without compression;
the entries are those of tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod

from aibom.components import Inspection, Reference, ReferenceKind, Tensor, TensorSummary
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.inspectors.observations import Observations
from aibom.inspectors.protobuf import ProtobufReader
from aibom.inspectors.tensorflow_types import RESOURCE, STRING, VARIANT, dtype_name, read_shape
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource, MemorySource

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_BLOCK_BYTES = 64 << 20
_KEY_BYTES = 2048
_TEXT_BYTES = 64 << 20  # of all names: entries share prefixes, so that three bytes may stand for a long name
_SHARDS = 100_000
_NOT_NUMBERS = frozenset({STRING, RESOURCE, VARIANT})


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """List the tensors that the index names; raises `MalformedFile` where there is no table."""
    footer = data.read_at(max(0, data.size - _FOOTER), _FOOTER)
    if not footer.endswith(_MAGIC):
        raise MalformedFile("there is no table footer")
    seen = Observations(file, limits)
    counted: Counter[str] = Counter()
    tensors: list[Tensor] = []
    left, text = limits.graph_fields, _TEXT_BYTES
    try:
        for key, value in _entries(data, footer):
            left -= 1
            text -= len(key)
            if min(left, text) < 0 or len(tensors) >= limits.tensors:
                raise LimitExceeded("the index has more entries than the limit allows")
            if not key:
                _header(seen, value)
                continue
            dtype, shape = _entry(value, limits)
            if dtype in _NOT_NUMBERS or shape is None:
                continue
            tensors.append(Tensor(name=key, dtype=dtype_name(dtype), shape=shape))
            # Momenta and counters are no parameters.
            if ".OPTIMIZER_SLOT" not in key and not key.startswith(("optimizer/", "save_counter/")):
                counted[dtype_name(dtype)] += prod(shape)
    except FileFault as fault:
        seen.fault(fault)
    seen.tensors = TensorSummary(
        stored_elements=sum(counted.values()),
        elements_by_dtype=dict(counted),
        tensors=tuple(tensors),
        complete=seen.coverage is Coverage.COMPLETE,
    )
    return seen.inspection()


def _header(seen: Observations, value: bytes) -> None:
    shards = 1
    for item in ProtobufReader(MemorySource(value), fields=1000).fields():
        if item.number == 1:
            shards = item.value
    if not 1 <= shards <= _SHARDS:
        raise MalformedFile(f"the index declares {shards} data files")
    stem = seen.file.name.removesuffix(".index")
    for number in range(shards):
        seen.refer(Reference(path=f"{stem}.data-{number:05d}-of-{shards:05d}", kind=ReferenceKind.SHARD))


def _entry(value: bytes, limits: Limits) -> tuple[int, tuple[int, ...] | None]:
    reader = ProtobufReader(MemorySource(value), fields=limits.metadata_entries)
    dtype, shape = 0, ()
    found: tuple[int, ...] | None = shape
    for item in reader.fields():
        if item.number == 1:
            dtype = item.value
        elif item.number == 2:
            found = read_shape(reader, item)
    return dtype, found


def _entries(data: ByteSource, footer: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    _, at = _varint(footer, at)
    _, at = _varint(footer, at)
    offset, at = _varint(footer, at)
    length, _ = _varint(footer, at)
    total = 0
    for _, handle in _block(data, offset, length):
        where, after = _varint(handle, 0)
        size, _ = _varint(handle, after)
        total += size
        # Blocks do not overlap, so that together they can't be larger than the file.
        if total > data.size:
            raise MalformedFile("the blocks of the table overlap", offset=where)
        for key, value in _block(data, where, size):
            yield key.decode("utf-8", "backslashreplace"), value


def _block(data: ByteSource, offset: int, length: int) -> Iterator[tuple[bytes, bytes]]:
    if length > _BLOCK_BYTES:
        raise LimitExceeded(f"a table block of {length} bytes, limit {_BLOCK_BYTES}", offset=offset)
    raw = data.read_at(offset, length + 1)
    if len(raw) < length + 1 or length < 4:
        raise MalformedFile("a table block lies beyond the end of the file", offset=offset)
    if raw[length] != 0:
        raise LimitExceeded("a compressed table block cannot be read", offset=offset)
    end = length - 4 - 4 * int.from_bytes(raw[length - 4 : length], "little")
    if end < 0:
        raise MalformedFile("a table block has more restart points than bytes", offset=offset)
    at, key = 0, b""
    while at < end:
        shared, at = _varint(raw, at)
        fresh, at = _varint(raw, at)
        size, at = _varint(raw, at)
        if shared > len(key) or shared + fresh > _KEY_BYTES or at + fresh + size > end:
            raise MalformedFile("a table entry goes beyond its block", offset=offset + at)
        key = key[:shared] + raw[at : at + fresh]
        yield key, raw[at + fresh : at + fresh + size]
        at += fresh + size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(raw[at : at + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise MalformedFile("a number does not end", offset=at)
