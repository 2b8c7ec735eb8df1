"""Inspect GGUF headers: metadata, chat templates, tensors and whether they fit the file. Tensor data is never read."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from aibom.components import Inspection, Reference, ReferenceKind, Tensor, TensorSummary
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.findings import Severity
from aibom.inspectors.gguf_reader import HeaderReader, TensorInfo, Value, read_metadata
from aibom.inspectors.gguf_types import STRING, TENSOR_TYPES, VALUE_TYPES
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protocol import MALFORMED_FILE, TRUNCATED
from aibom.inspectors.templates import OURS, judge_template
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_VERSIONS = range(1, 4)
_ALIGNMENT = 32
_LARGEST_ALIGNMENT = 1 << 20  # gguf.cpp refuses more
_LONGEST_NAME = 63  # GGML_MAX_NAME less its end
_DIMENSIONS = 4  # GGML_MAX_DIMS
_LARGEST = (1 << 63) - 1
_SHARDS = 10_000
_SHARD_NAME = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")
_TEMPLATE = re.compile(r"tokenizer\.chat_template(\..+)?")
_UINT32 = 4


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Summarize metadata and tensors, and judge the chat templates inside.

    Arrays of metadata are described (`array of 152064 STRING`), small ones kept as JSON text.

    Raises:
        MalformedFile: the first bytes are no GGUF header.
    """
    seen = Observations(file, limits)
    if data.read_at(0, 4) != b"GGUF":
        raise MalformedFile("the file does not begin with GGUF")
    reader = HeaderReader(data, limits)
    if reader.version not in _VERSIONS:
        seen.unread(f"GGUF version {reader.version} is not known to this scanner")
        seen.coverage = Coverage.NONE
        return seen.inspection()
    seen.note(f"{OURS}gguf-version", reader.version)
    if reader.big_endian:
        seen.note(f"{OURS}byte-order", "big")
    metadata: dict[str, Value] = {}
    infos: list[TensorInfo] = []
    whole = False
    try:
        tensor_count, entry_count = reader.counts()
        _read_metadata(reader, entry_count, metadata, seen)
        _check_count("tensors", tensor_count, limits.tensors)
        infos.extend(reader.tensor() for _ in range(tensor_count))
        whole = True
    except FileFault as fault:
        seen.fault(fault)
    if whole or infos:
        alignment = _alignment(metadata, seen)
        start = reader.at + (-reader.at % alignment if infos else 0)
        _summarize(infos, _Layout(start, data.size, alignment), seen, whole=whole)
    _refer_to_shards(metadata, seen)
    return seen.inspection()


def _check_count(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise LimitExceeded(f"the header declares {count} {what}, the limit is {limit}")


def _read_metadata(reader: HeaderReader, count: int, metadata: dict[str, Value], seen: Observations) -> None:
    _check_count("metadata entries", count, seen.limits.metadata_entries)
    for raw, at, value in read_metadata(reader, count):
        key = raw.decode("utf-8", "backslashreplace")
        if key in metadata:
            # ggml refuses the file, other readers take the first or the last: a way to show two faces.
            seen.report(MALFORMED_FILE, f"the metadata key {shown(key)} stands twice", offset=at)
            seen.coverage = Coverage.PARTIAL
        metadata[key] = value
        if not key.startswith(OURS):
            seen.note(key, value.value)
        if _TEMPLATE.fullmatch(key) and value.kind == STRING and isinstance(value.value, str):
            judge_template(value.value, seen, name=key, offset=at)
            if not value.whole:
                seen.unread(f"the template {shown(key)} is longer than {seen.limits.text_bytes} bytes", offset=at)


def _alignment(metadata: dict[str, Value], seen: Observations) -> int:
    """Return the alignment of tensors in bytes; what ggml refuses is a finding, and the usual 32 is taken."""
    entry = metadata.get("general.alignment")
    if entry is None:
        return _ALIGNMENT
    value = entry.value
    sound = entry.kind == _UINT32 and isinstance(value, int) and 0 < value <= _LARGEST_ALIGNMENT
    if sound and isinstance(value, int) and not value & (value - 1):
        return value
    message = f"general.alignment is {shown(str(value))}, not a power of two up to 1 MiB in 32 bits"
    seen.report(MALFORMED_FILE, message)
    seen.coverage = Coverage.PARTIAL
    return _ALIGNMENT


class _Layout(NamedTuple):
    """Where the data starts, where the file ends, and the alignment of tensors, all in bytes."""

    start: int
    size: int
    alignment: int


def _summarize(infos: list[TensorInfo], layout: _Layout, seen: Observations, *, whole: bool) -> None:
    """Count elements, and compare the tensors' bytes with each other and with the file's end."""
    counts: Counter[str] = Counter()
    tensors: list[Tensor] = []
    faults: dict[str, list[str]] = {}
    names: set[bytes] = set()
    for info in infos:
        name = info.name.decode("utf-8", "backslashreplace")
        for fault in _faults_of(info, layout.alignment, names):
            faults.setdefault(fault, []).append(name)
        names.add(info.name)
        known = TENSOR_TYPES.get(info.type_number)
        elements = _elements(info.dims)
        length = None
        if known is None:
            seen.unread(f"the tensor type {info.type_number} is not known to this scanner", severity=Severity.MEDIUM)
            whole = False
        elif elements is None or (info.dims and info.dims[0] % known.block):
            whole = False
        else:
            length = elements // known.block * known.size
            counts[known.name] += elements
        dtype = known.name if known else f"type-{info.type_number}"
        place = layout.start + info.offset if length is not None else None
        tensors.append(Tensor(name=name, dtype=dtype, shape=tuple(reversed(info.dims)), offset=place, length=length))
    seen.tensors = TensorSummary(
        stored_elements=sum(counts.values()), elements_by_dtype=dict(counts), tensors=tuple(tensors), complete=whole
    )
    _compare_spans(tensors, layout, faults, seen)
    for fault, broken in faults.items():
        evidence = tuple(shown(name) for name in broken[:5])
        seen.report(MALFORMED_FILE, f"{fault}: {shown(broken[0])}", evidence=evidence)
        seen.coverage = Coverage.PARTIAL


def _faults_of(info: TensorInfo, alignment: int, names: set[bytes]) -> list[str]:
    """Return which of ggml's rules the description breaks."""
    known = TENSOR_TYPES.get(info.type_number)
    rules = (
        (info.name in names, "two tensors have one name"),
        (len(info.name) > _LONGEST_NAME, f"a tensor's name is longer than {_LONGEST_NAME} bytes"),
        (len(info.dims) > _DIMENSIONS, f"a tensor has more than {_DIMENSIONS} dimensions"),
        (_elements(info.dims) is None, "a tensor's shape overflows 63 bits"),
        (bool(known and info.dims and info.dims[0] % known.block), "a row is not a whole number of blocks"),
        (bool(info.offset % alignment), "a tensor does not start on the alignment"),
    )
    return [message for broken, message in rules if broken]


def _elements(dims: tuple[int, ...]) -> int | None:
    product = 1
    for size in dims:
        product *= size
        if size > _LARGEST or product > _LARGEST:
            return None
    return product


def _compare_spans(tensors: list[Tensor], layout: _Layout, faults: dict[str, list[str]], seen: Observations) -> None:
    end = layout.start
    placed = sorted(
        (tensor.offset, tensor.length, tensor.name)
        for tensor in tensors
        if tensor.offset is not None and tensor.length is not None
    )
    complete = len(placed) == len(tensors)
    for offset, length, name in placed:
        if offset < end and length:
            faults.setdefault("a tensor shares bytes with another", []).append(name)
        elif offset > end and complete:
            faults.setdefault("bytes before a tensor belong to none", []).append(name)
        end = max(end, offset + length + -length % layout.alignment)
    last = max((offset + length for offset, length, _ in placed), default=layout.start)
    if last > layout.size:
        seen.report(TRUNCATED, f"the tensors end at byte {last}, the file at {layout.size}", offset=layout.size)
        seen.coverage = Coverage.PARTIAL
    elif end < layout.size and complete and tensors:
        message = f"{layout.size - end} bytes follow the last tensor; no reader of GGUF looks at them"
        seen.report(MALFORMED_FILE, message, offset=end, severity=Severity.MEDIUM)
        seen.coverage = Coverage.PARTIAL


def _refer_to_shards(metadata: dict[str, Value], seen: Observations) -> None:
    """Name the other parts of a split model, as llama.cpp names them."""
    match = _SHARD_NAME.fullmatch(seen.file.name)
    entry = metadata.get("split.count")
    count = entry.value if entry is not None else 0
    if match is None or entry is None or entry.kind not in VALUE_TYPES or not isinstance(count, int):
        return
    for number in range(1, min(count, _SHARDS) + 1):
        if number != int(match[2]):
            name = f"{match[1]}-{number:05d}-of-{count:05d}.gguf"
            seen.refer(Reference(path=name, kind=ReferenceKind.SHARD, location=seen.file.at()))
