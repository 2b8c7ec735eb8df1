"""Inspect safetensors headers. The tensor data itself is never read.

Format: huggingface/safetensors, README "Format" and `safetensors/src/tensor.rs` (0.8): eight bytes of header length,
little-endian; a JSON object of tensors; the data. Tensors cover the data without a hole or an overlap.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn

from aibom.components import Inspection, Tensor, TensorSummary
from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.findings import Severity
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE, MALFORMED_FILE, TRUNCATED
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

# Bits of one element (tensor.rs, `Dtype::bitsize`). Types of less than a byte must fill whole bytes.
_BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
_LARGEST = (1 << 64) - 1  # the library counts in 64 bits and refuses what overflows
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SHOWN_NAMES = 5
_OURS = "aibom:"  # the prefix of facts that inspectors add; no key of a file may look like one


class _Faults:
    """Names of what breaks a rule of the format, by rule; each rule becomes one finding."""

    def __init__(self) -> None:
        self.by_kind: dict[str, list[str]] = {}

    def add(self, kind: str, name: str) -> None:
        """Note that `name` breaks the rule `kind`."""
        self.by_kind.setdefault(kind, []).append(name)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Summarize the tensors that the header declares, and judge whether they fit the file.

    Raises:
        MalformedFile: there is no header that could be read as one.
        LimitExceeded: the header is larger, or names more tensors, than the limits allow.
    """
    if data.size < 8:
        raise MalformedFile(f"{data.size} bytes are too few for a header length")
    seen = Observations(file, limits)
    length = int.from_bytes(data.read_at(0, 8), "little")
    if length > data.size - 8:
        message = f"the header is said to have {length} bytes, the file has {data.size - 8} behind its length"
        seen.report(TRUNCATED, message)
        seen.coverage = Coverage.NONE
        return seen.inspection()
    if length > limits.header_bytes:
        raise LimitExceeded(f"the header has {length} bytes, the limit is {limits.header_bytes}")
    header, duplicates = _parse(data.read_at(8, length))
    faults = _Faults()
    for name in duplicates:
        faults.add("the header has two entries of one name, and readers differ in which one counts", name)
    _note_metadata(header.pop("__metadata__", None), faults, seen)
    if len(header) > limits.tensors:
        raise LimitExceeded(f"the header names {len(header)} tensors, the limit is {limits.tensors}")
    tensors, counts = _tensors(header, 8 + length, faults)
    seen.tensors = TensorSummary(
        stored_elements=sum(counts.values()),
        elements_by_dtype=dict(counts),
        tensors=tensors,
        complete=not faults.by_kind.keys() - _HARMLESS,
    )
    _compare_spans(tensors, 8 + length, data.size, faults, seen)
    for kind, names in faults.by_kind.items():
        rule, severity = (INSPECTION_INCOMPLETE, Severity.MEDIUM) if kind == _UNKNOWN_DTYPE else (MALFORMED_FILE, None)
        evidence = tuple(shown(name) for name in names[:_SHOWN_NAMES])
        more = (f"and {len(names) - _SHOWN_NAMES} more",) if len(names) > _SHOWN_NAMES else ()
        seen.report(rule, f"{kind}: {shown(names[0])}", severity=severity, evidence=(*evidence, *more))
        seen.coverage = Coverage.PARTIAL
    return seen.inspection()


def _parse(raw: bytes) -> tuple[dict[str, Any], list[str]]:
    """Return the header's object and the keys that stand twice in any of its objects."""
    duplicates: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counted = Counter(key for key, _ in pairs)
            duplicates.extend(key for key, times in counted.items() if times > 1)
        return found

    try:
        header = json.loads(raw.decode(), object_pairs_hook=unique, parse_constant=_no_constant)
    except UnicodeDecodeError as fault:
        raise MalformedFile(f"the header is not UTF-8: {fault.reason}", offset=8 + fault.start) from fault
    except json.JSONDecodeError as fault:
        raise MalformedFile(f"the header is not JSON: {fault.msg}", offset=8 + fault.pos) from fault
    except (ValueError, RecursionError) as fault:
        raise MalformedFile("the header is not JSON: a number or its nesting is beyond all measure") from fault
    if not isinstance(header, dict):
        raise MalformedFile("the header is not a JSON object")
    if _SURROGATE.search(raw):
        try:
            "".join(header).encode()
        except UnicodeEncodeError as fault:
            raise MalformedFile("a tensor's name is not Unicode text") from fault
    return header, duplicates


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _note_metadata(value: object, faults: _Faults, seen: Observations) -> None:
    """Keep the free-form texts under their own keys (`format`, `modelspec.title`, `ss_base_model_version` ...)."""
    if not isinstance(value, dict):
        if value is not None:
            faults.add(_METADATA_SHAPE, "__metadata__")
        return
    for key, text in value.items():
        if isinstance(text, str) and key.startswith(_OURS):
            continue
        if isinstance(text, str):
            seen.note(_clean(key), _clean(text))
        else:
            faults.add(_METADATA_VALUE, key)


def _clean(text: str) -> str:
    """Replace lone surrogates, which no encoder takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _tensors(header: Mapping[str, Any], base: int, faults: _Faults) -> tuple[tuple[Tensor, ...], Counter[str]]:
    """Return the tensors in the order of their data, and elements by dtype of those that are sound."""
    found: list[Tensor] = []
    counts: Counter[str] = Counter()
    for name, entry in header.items():
        match entry:
            case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(end)]} if _is_shape(
                shape
            ) and _is_span(start, end):
                pass
            case _:
                faults.add("an entry is not a dtype, a shape of whole numbers and two offsets in order", name)
                continue
        elements = _product(shape)
        bits = _BITS.get(dtype)
        if bits is None:
            faults.add(_UNKNOWN_DTYPE, f"{name}: {dtype}")
            bits = 0
        elif elements is None or elements * bits > _LARGEST:
            faults.add("a shape overflows 64 bits", name)
        elif elements * bits % 8:
            faults.add("elements of less than a byte do not fill whole bytes", name)
        elif elements * bits // 8 != end - start:
            faults.add("shape and dtype need another number of bytes than the offsets give", name)
        else:
            counts[dtype] += elements
        found.append(Tensor(name=name, dtype=dtype, shape=tuple(shape), offset=base + start, length=end - start))
    found.sort(key=_place)
    return tuple(found), counts


# A later version of the format may have it: what is not known is not yet a fault.
_UNKNOWN_DTYPE = "a dtype is not known to this version"
_METADATA_SHAPE = "`__metadata__` is not an object of texts"
_METADATA_VALUE = "`__metadata__` holds a value that is not a text"
_HARMLESS = frozenset({_METADATA_SHAPE, _METADATA_VALUE})


def _place(tensor: Tensor) -> tuple[int, int]:
    assert tensor.offset is not None
    assert tensor.length is not None
    return tensor.offset, tensor.length


def _is_shape(shape: list[Any]) -> bool:
    return all(type(size) is int and 0 <= size <= _LARGEST for size in shape)


def _is_span(start: object, end: object) -> bool:
    return type(start) is int and type(end) is int and 0 <= start <= end <= _LARGEST


def _product(shape: list[int]) -> int | None:
    """Multiply as the library does: None as soon as 64 bits overflow, even where a later zero would save it."""
    product = 1
    for size in shape:
        product *= size
        if product > _LARGEST:
            return None
    return product


def _compare_spans(tensors: tuple[Tensor, ...], base: int, size: int, faults: _Faults, seen: Observations) -> None:
    """Compare the tensors' bytes with each other and with the file's end."""
    end = base
    for tensor in tensors:
        start, length = _place(tensor)
        if start < end:
            faults.add("a tensor shares bytes with another: either can be changed through the other", tensor.name)
        elif start > end:
            faults.add("bytes before a tensor belong to none", tensor.name)
        end = max(end, start + length)
    if end > size:
        seen.report(TRUNCATED, f"the tensors end at byte {end}, the file at {size}", offset=size)
        seen.coverage = Coverage.PARTIAL
    elif end < size:
        message = f"{size - end} bytes follow the last tensor; the format has no place for them"
        seen.report(MALFORMED_FILE, message, offset=end)
        seen.coverage = Coverage.PARTIAL
