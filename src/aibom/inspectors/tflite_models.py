"""Inspect TFLite (LiteRT) models: weights, operators that need code from elsewhere, metadata, appended files.

Field and type numbers are those of tensorflow/lite/schema/schema.fbs (version 3) and of the metadata schema M001.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from aibom.components import Inspection, Tensor, TensorSummary
from aibom.containers.zip_archive import read_directory
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.flatbuffers import FlatBuffer, Table
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.inspectors.tensorflow_ops import judge_operation
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_NAME_BYTES = 4096
_DIMENSIONS = 64
_CUSTOM = 32
_FLEX = "Flex"
_TYPES = {
    0: ("F32", 32), 1: ("F16", 16), 2: ("I32", 32), 3: ("U8", 8), 4: ("I64", 64), 5: ("STRING", 0), 6: ("BOOL", 8),
    7: ("I16", 16), 8: ("C64", 64), 9: ("I8", 8), 10: ("F64", 64), 11: ("C128", 128), 12: ("U64", 64),
    13: ("RESOURCE", 0), 14: ("VARIANT", 0), 15: ("U32", 32), 16: ("U16", 16), 17: ("I4", 4), 18: ("BF16", 16),
    19: ("I2", 2), 20: ("U4", 4),
}  # fmt: skip
# Custom operators that the stock interpreter registers itself (tensorflow/lite/kernels/register.cc).
_SHIPPED = frozenset({"TFLite_Detection_PostProcess", "NumericVerify", "Mfcc", "AudioSpectrogram"})
_ZIP_END = b"PK\x05\x06"
_ZIP_TAIL = 22 + 65535

TFLITE_CUSTOM_OP = Rule(
    id="tflite-custom-op",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="The model needs operators that come from somewhere else",
    explanation=(
        "The model uses custom operators, which are native code that an application registers, or TensorFlow "
        "operators through the Flex delegate, which can do whatever TensorFlow can. That code is not in this file."
    ),
    help="Find out which library registers these operators and review it as you would review any dependency.",
    references=("https://ai.google.dev/edge/litert/models/ops_custom",),
    cwes=(829,),
)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Inspect a TFLite model; raises `MalformedFile` where there is no such FlatBuffer."""
    buffer = FlatBuffer(data, objects=limits.graph_fields)
    if buffer.identifier() != b"TFL3":
        raise MalformedFile("the FlatBuffer is not marked TFL3")
    seen = Observations(file, limits)
    try:
        _model(seen, buffer)
    except FileFault as fault:
        seen.fault(fault)
    _appended(seen, data)
    return seen.inspection()


def _model(seen: Observations, buffer: FlatBuffer) -> None:
    model = buffer.root()
    seen.note("schema_version", model.scalar(0, 4))
    seen.note("description", model.text(3, seen.limits.metadata_value_bytes))
    _operators(seen, model)
    buffers = []
    for entry in model.tables(4):
        start, length = entry.vector(0)
        # Models beyond 2 GiB keep the bytes behind the FlatBuffer.
        if not length and entry.scalar(2, 8):
            start, length = entry.scalar(1, 8), entry.scalar(2, 8)
            if start + length > buffer.size:
                raise MalformedFile("a buffer lies beyond the end of the file", offset=entry.place)
        buffers.append((buffer.place(start), length))
        if len(buffers) > seen.limits.tensors:
            raise LimitExceeded(f"more than {seen.limits.tensors} buffers", offset=entry.place)
    _tensors(seen, model, buffers)
    for entry in model.tables(6):
        if entry.text(0, _NAME_BYTES) == "TFLITE_METADATA":
            index = entry.scalar(1, 4)
            if index < len(buffers) and buffers[index][1]:
                _metadata(seen, buffer.inner(*buffers[index]))


def _operators(seen: Observations, model: Table) -> None:
    for code in model.tables(1):
        if max(code.scalar(0, 1), code.scalar(3, 4)) != _CUSTOM:
            continue
        name = code.text(1, _NAME_BYTES)
        judgement = judge_operation(name.removeprefix(_FLEX)) if name.startswith(_FLEX) else None
        if judgement is not None:
            seen.report(
                TFLITE_CUSTOM_OP, f"operator {shown(name)} {judgement.why}", offset=code.place,
                severity=judgement.severity,
            )  # fmt: skip
        elif name.startswith(_FLEX):
            seen.report(
                TFLITE_CUSTOM_OP, "operators run through the Flex delegate, a TensorFlow runtime", offset=code.place,
                severity=Severity.LOW, evidence=(shown(name),),
            )  # fmt: skip
        elif name not in _SHIPPED:
            seen.report(TFLITE_CUSTOM_OP, f"custom operator {shown(name)}", offset=code.place)


def _tensors(seen: Observations, model: Table, buffers: list[tuple[int, int]]) -> None:
    counted: Counter[str] = Counter()
    tensors: list[Tensor] = []
    shared: set[int] = set()
    complete = True
    for graph in model.tables(2):
        for entry in graph.tables(0):
            index = entry.scalar(2, 4)
            if not 0 < index < len(buffers) or not buffers[index][1]:
                continue
            start, length = buffers[index]
            name = entry.text(3, _NAME_BYTES)
            shape = tuple(entry.numbers(0, 4, most=_DIMENSIONS))
            dtype, bits = _TYPES.get(entry.scalar(1, 1), ("UNKNOWN", 0))
            if not bits:
                continue
            if any(size < 0 for size in shape):
                raise MalformedFile(f"tensor {shown(name)} has a negative dimension", offset=entry.place)
            elements = prod(shape)
            # Sparse tensors (field 6) hold fewer values than their shape.
            if length != -(-elements * bits // 8) and entry.field(6) is None:
                seen.report(
                    MALFORMED_FILE, f"tensor {shown(name)} does not fill its shape: {length} bytes", offset=entry.place
                )
                complete = False
                continue
            if len(tensors) >= seen.limits.tensors:
                raise LimitExceeded(f"more than {seen.limits.tensors} tensors", offset=entry.place)
            tensors.append(Tensor(name=name, dtype=dtype, shape=shape, offset=start, length=length))
            if index not in shared:
                shared.add(index)
                counted[dtype] += elements
    seen.tensors = TensorSummary(
        stored_elements=sum(counted.values()),
        elements_by_dtype=dict(counted),
        tensors=tuple(tensors),
        complete=complete and seen.coverage is Coverage.COMPLETE,
    )


def _metadata(seen: Observations, buffer: FlatBuffer) -> None:
    try:
        model = buffer.root()
        for number, key in ((0, "name"), (1, "model_description"), (2, "version"), (4, "author"), (5, "license")):
            seen.note(key, model.text(number, seen.limits.metadata_value_bytes))
    except FileFault as fault:
        seen.fault(fault, severity=Severity.MEDIUM)


def _appended(seen: Observations, data: ByteSource) -> None:
    """Look for the zip of label files that the metadata tools append."""
    tail = data.read_at(max(0, data.size - _ZIP_TAIL), _ZIP_TAIL)
    if _ZIP_END not in tail:
        return
    try:
        names = [entry.name for entry in read_directory(data, seen.limits).entries]
    except FileFault:
        return
    if names:
        seen.note("associated_files", ", ".join(sorted(names)[:100]))
        seen.unread("files in the archive behind the model were not looked at", severity=Severity.LOW)


RULES = (TFLITE_CUSTOM_OP,)
