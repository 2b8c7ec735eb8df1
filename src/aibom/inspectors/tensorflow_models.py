"""Inspect TensorFlow SavedModels, frozen graphs and Keras metadata.

Field numbers are those of tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto and of
keras/protobuf/saved_metadata.proto.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from aibom.components import Inspection, Tensor, TensorSummary
from aibom.containers.rules import PATH_TRAVERSAL
from aibom.errors import FileFault, MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.findings import Severity
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.keras_config import judge_text
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protobuf import Field, ProtobufReader
from aibom.inspectors.tensorflow_graphs import GraphWalk
from aibom.inspectors.tensorflow_texts import is_text, read_operations
from aibom.inspectors.tensorflow_types import dtype_name, read_shape
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_NAME_BYTES = 4096
_FLOATS = frozenset({"F32", "F64", "F16", "BF16", "F8_E5M2", "F8_E4M3"})
_Variable = tuple[str, str, tuple[int, ...] | None]


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Inspect a `saved_model.pb`: operations of all graphs and functions, variables, Keras layers, assets.

    Of one in text form (`saved_model.pbtxt`) the operations are read, and the rest is said not to have been.
    """
    seen = Observations(file, limits)
    if is_text(data):
        return _inspect_text(seen, data)
    reader = ProtobufReader(data, fields=limits.graph_fields)
    walk = GraphWalk(seen, reader)
    variables: list[_Variable] = []
    started = False
    try:
        for item in reader.fields():
            started = True
            if item.number == 1:
                seen.note("schema_version", item.signed)
            elif item.number == 2:
                _meta_graph(seen, walk, item, variables)
        if not started:
            raise MalformedFile("the file is empty")
    except FileFault as fault:
        if not started:
            raise
        seen.fault(fault)
    walk.judge()
    _count(seen, variables or walk.variables)
    seen.note("operations", sum(walk.operations.values()))
    return seen.inspection()


def _inspect_text(seen: Observations, data: ByteSource) -> Inspection:
    walk = GraphWalk(seen, ProtobufReader(data, fields=seen.limits.graph_fields))
    read_operations(walk, data, seen.limits)
    walk.judge()
    seen.note("operations", sum(walk.operations.values()))
    seen.unread("of a graph in text form only the operations are read", severity=Severity.LOW)
    return seen.inspection()


def inspect_graph(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Inspect a frozen graph (a bare GraphDef), whose weights are its floating-point constants."""
    seen = Observations(file, limits)
    if is_text(data):
        return _inspect_text(seen, data)
    walk = GraphWalk(seen, ProtobufReader(data, fields=limits.graph_fields))
    try:
        walk.top_level()
    except FileFault as fault:
        if not walk.operations:
            raise
        seen.fault(fault)
    walk.judge()
    counted = {dtype: count for dtype, count in walk.constants.items() if dtype in _FLOATS}
    seen.tensors = TensorSummary(
        stored_elements=sum(counted.values()),
        elements_by_dtype=counted,
        complete=seen.coverage is Coverage.COMPLETE,
    )
    seen.note("operations", sum(walk.operations.values()))
    return seen.inspection()


def inspect_keras_metadata(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Inspect a `keras_metadata.pb`: the configuration of each layer of a SavedModel."""
    seen = Observations(file, limits)
    reader = ProtobufReader(data, fields=limits.graph_fields)
    layers = 0
    try:
        for item in reader.fields():
            if item.number != 1:
                raise MalformedFile(f"Keras metadata has no field {item.number}", offset=item.offset)
            for part in reader.inside(item):
                if part.number == 5:
                    layers += 1
                    judge_text(seen, reader.text(part, limits.json_bytes), safe_mode=False, offset=part.offset)
    except FileFault as fault:
        if not layers:
            raise
        seen.fault(fault)
    seen.note("layers", layers)
    return seen.inspection()


def _meta_graph(seen: Observations, walk: GraphWalk, message: Field, variables: list[_Variable]) -> None:
    reader = walk.reader
    for item in reader.inside(message):
        match item.number:
            case 1:
                for part in reader.inside(item):
                    if part.number == 5:
                        seen.note("tensorflow_version", reader.text(part, _NAME_BYTES))
                    elif part.number == 4:
                        seen.note(f"tag.{reader.text(part, _NAME_BYTES)}", value=True)
            case 2:
                walk.graph(item)
            case 5:
                for part in reader.inside(item):
                    if part.number == 1:
                        seen.note(f"signature.{reader.text(part, _NAME_BYTES)}", value=True)
            case 6:
                _asset(seen, reader, item)
            case 7:
                _objects(seen, reader, item, variables)


def _asset(seen: Observations, reader: ProtobufReader, message: Field) -> None:
    for item in reader.inside(message):
        if item.number == 2:
            name = reader.text(item, _NAME_BYTES)
            if (why := why_outside(name)) is not None:
                seen.report(PATH_TRAVERSAL, f"the asset {shown(name)} {why}", offset=item.offset)


def _objects(seen: Observations, reader: ProtobufReader, message: Field, variables: list[_Variable]) -> None:
    """Read the object graph: variables that are no optimizer slots, and the Keras layers of older SavedModels."""
    slots: set[int] = set()
    found: dict[int, _Variable] = {}
    number = -1
    for item in reader.inside(message):
        if item.number != 1:
            continue
        number += 1
        for part in reader.inside(item):
            match part.number:
                case 3:
                    slots.update(field.value for field in reader.inside(part) if field.number == 3)
                case 4:
                    _user_object(seen, reader, part)
                case 7:
                    found[number] = _variable(reader, part)
    variables.extend(variable for index, variable in found.items() if index not in slots)


def _user_object(seen: Observations, reader: ProtobufReader, message: Field) -> None:
    identifier, metadata = "", None
    for item in reader.inside(message):
        if item.number == 1:
            identifier = reader.text(item, _NAME_BYTES)
        elif item.number == 3:
            metadata = item
    if identifier.startswith("_tf_keras") and metadata is not None and metadata.length:
        text = reader.text(metadata, seen.limits.json_bytes)
        judge_text(seen, text, safe_mode=False, offset=metadata.offset)


def _variable(reader: ProtobufReader, message: Field) -> _Variable:
    name, dtype, shape = "", 0, None
    for item in reader.inside(message):
        match item.number:
            case 1:
                dtype = item.value
            case 2:
                shape = read_shape(reader, item)
            case 6:
                name = reader.text(item, _NAME_BYTES)
    return name, dtype_name(dtype), shape


def _count(seen: Observations, variables: list[_Variable]) -> None:
    counted: Counter[str] = Counter()
    tensors: list[Tensor] = []
    for name, dtype, shape in variables:
        if shape is not None and len(tensors) < seen.limits.tensors:
            counted[dtype] += prod(shape)
            tensors.append(Tensor(name=name, dtype=dtype, shape=shape))
    seen.tensors = TensorSummary(
        stored_elements=sum(counted.values()),
        elements_by_dtype=dict(counted),
        tensors=tuple(tensors),
        complete=len(tensors) == len(variables) and seen.coverage is Coverage.COMPLETE,
    )
