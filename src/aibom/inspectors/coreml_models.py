"""Inspect Core ML models: description, parts that need native code from an app, weight files they name.

Field numbers are those of mlmodel/format/{Model,NeuralNetwork,MIL}.proto of coremltools.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Any

from aibom.components import Inspection, Reference, ReferenceKind, Tensor, TensorSummary
from aibom.containers.rules import PATH_TRAVERSAL
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.foreign_json import read_json
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protobuf import Field, ProtobufReader
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_NAME_BYTES = 4096
_DEPTH = 16
_DIMENSIONS = 64
_KINDS = {
    200: "pipelineClassifier", 201: "pipelineRegressor", 202: "pipeline", 300: "glmRegressor",
    301: "supportVectorRegressor", 302: "treeEnsembleRegressor", 303: "neuralNetworkRegressor",
    400: "glmClassifier", 401: "supportVectorClassifier", 402: "treeEnsembleClassifier",
    403: "neuralNetworkClassifier", 404: "kNearestNeighborsClassifier", 500: "neuralNetwork",
    501: "itemSimilarityRecommender", 502: "mlProgram", 555: "customModel", 556: "linkedModel",
    3000: "serializedModel",
}  # fmt: skip
_NETWORKS = frozenset({303, 403, 500})
_PIPELINES = frozenset({200, 201, 202})
_TYPES = {
    1: "BOOL", 10: "F16", 11: "F32", 12: "F64", 13: "BF16", 21: "I8", 22: "I16", 23: "I32", 24: "I64", 25: "I4",
    31: "U8", 32: "U16", 33: "U32", 34: "U64", 35: "U4",
}  # fmt: skip
_MODEL_PATH = "@model_path/"

COREML_CUSTOM = Rule(
    id="coreml-custom-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="The model needs native code of the app that runs it",
    explanation=(
        "Custom models, layers and operators of Core ML are classes that the app must bring. Core ML looks them up by "
        "name and calls them; what they do is not in this file."
    ),
    help="Ask the publisher for the source of the classes that are named, and review it.",
    references=("https://apple.github.io/coremltools/mlmodel/Format/Model.html",),
    cwes=(829,),
)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Inspect a `.mlmodel`; raises `MalformedFile` where it holds no model."""
    seen = Observations(file, limits)
    walk = _Walk(seen, data)
    try:
        walk.model(walk.reader.fields(), 0)
    except FileFault as fault:
        if not walk.started:
            raise
        seen.fault(fault)
    walk.finish()
    return seen.inspection()


def inspect_manifest(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Inspect the `Manifest.json` of an `.mlpackage`: which files it is made of, and do they stay inside?"""
    value = read_json(data, limits)
    seen = Observations(file, limits)
    match value:
        case {"itemInfoEntries": dict(entries)}:
            for entry in entries.values():
                _item(seen, entry)
        case _:
            raise MalformedFile("the manifest has no itemInfoEntries")
    return seen.inspection()


def _item(seen: Observations, entry: Any) -> None:
    match entry:
        case {"path": str(path)}:
            if (why := why_outside(path)) is not None:
                seen.report(PATH_TRAVERSAL, f"the item {shown(path)} {why}")
            seen.refer(Reference(path=f"Data/{path}", kind=ReferenceKind.EXTERNAL_DATA))
        case _:
            raise MalformedFile("an item of the manifest has no path")


class _Walk:
    """The state of one walk over a model and the models inside it."""

    def __init__(self, seen: Observations, data: ByteSource) -> None:
        self.started = False
        self.reader = ProtobufReader(data, fields=seen.limits.graph_fields)
        self._seen = seen
        self._tensors: list[Tensor] = []
        self._blobs: set[tuple[str, int]] = set()
        self._counted: Counter[str] = Counter()
        self._program = False

    def model(self, fields: Iterator[Field], depth: int) -> None:
        """Walk a Model message."""
        if depth > _DEPTH:
            raise LimitExceeded(f"models are nested deeper than {_DEPTH}")
        known = False
        for item in fields:
            if item.number >= 200:
                known = self.started = True
                if not depth:
                    self._seen.note("kind", _KINDS.get(item.number, f"kind {item.number}"))
                self._kind(item, depth)
            elif item.number == 1 and not depth:
                self._seen.note("specification_version", item.signed)
            elif item.number == 2 and not depth:
                self._description(item)
        if not known:
            raise MalformedFile("the message holds no Core ML model")

    def finish(self) -> None:
        """Only ML programs say what their weights are; older kinds keep them in a hundred places."""
        if self._program:
            self._seen.tensors = TensorSummary(
                stored_elements=sum(self._counted.values()),
                elements_by_dtype=dict(self._counted),
                tensors=tuple(self._tensors),
                complete=self._seen.coverage is Coverage.COMPLETE,
            )

    def _kind(self, item: Field, depth: int) -> None:
        match item.number:
            case 555:
                self._custom("a custom model", item, item.offset)
            case 556:
                self._linked(item)
            case 502:
                self._program = True
                self._mil(item)
            case _ if item.number in _NETWORKS:
                for layer in self.reader.inside(item):
                    if layer.number == 1:
                        for part in self.reader.inside(layer):
                            if part.number == 500:
                                self._custom("a custom layer", part, layer.offset)
            case _ if item.number in _PIPELINES:
                self._pipeline(item, depth, wrapped=item.number != 202)
            case _ if item.number not in _KINDS and not 600 <= item.number < 3000:
                self._seen.unread(f"a model of the unknown kind {item.number} was not looked at", offset=item.offset)

    def _pipeline(self, message: Field, depth: int, *, wrapped: bool) -> None:
        for item in self.reader.inside(message):
            if item.number == 1 and wrapped:
                self._pipeline(item, depth, wrapped=False)
            elif item.number == 1:
                self.model(self.reader.inside(item), depth + 1)

    def _custom(self, what: str, message: Field, offset: int) -> None:
        name = next(
            (self.reader.text(item, _NAME_BYTES) for item in self.reader.inside(message) if item.number == 10), ""
        )
        self._seen.report(COREML_CUSTOM, f"{what} is the class {shown(name)} of the app", offset=offset)

    def _linked(self, message: Field) -> None:
        for linked in self.reader.inside(message):
            for item in self.reader.inside(linked) if linked.number == 1 else ():
                for part in self.reader.inside(item) if item.number in {1, 2} else ():
                    if part.number == 1:
                        path = self.reader.text(part, _NAME_BYTES)
                        if (why := why_outside(path)) is not None:
                            self._seen.report(
                                PATH_TRAVERSAL, f"a linked model at {shown(path)} {why}", offset=part.offset
                            )
                        self._seen.refer(Reference(path=path, kind=ReferenceKind.EXTERNAL_DATA))

    def _description(self, message: Field) -> None:
        names = {1: "description", 2: "version", 3: "author", 4: "license"}
        limit = self._seen.limits.metadata_value_bytes
        for item in self.reader.inside(message):
            for part in self.reader.inside(item) if item.number == 100 else ():
                if part.number in names:
                    self._seen.note(names[part.number], self.reader.text(part, limit))
                elif part.number == 100:
                    pair = {field.number: self.reader.text(field, limit) for field in self.reader.inside(part)}
                    self._seen.note(f"userDefined.{pair.get(1, '')}", pair.get(2, ""))

    # --- ML programs -------------------------------------------------------------------------------------------------

    def _mil(self, message: Field) -> None:
        """Walk functions and their blocks (Program.functions[].block_specializations[])."""
        for function in self._values(message, 2):
            for block in self._values(function, 3):
                self._block(block, 0)

    def _values(self, message: Field, number: int) -> Iterator[Field]:
        """Yield the values of a map field."""
        for entry in self.reader.inside(message):
            if entry.number == number:
                yield from (item for item in self.reader.inside(entry) if item.number == 2)

    def _block(self, message: Field, depth: int) -> None:
        if depth > _DEPTH:
            raise LimitExceeded(f"blocks are nested deeper than {_DEPTH}", offset=message.offset)
        for operation in self.reader.inside(message):
            for item in self.reader.inside(operation) if operation.number == 3 else ():
                match item.number:
                    case 1:
                        name = self.reader.text(item, _NAME_BYTES)
                        if name.startswith("custom"):
                            self._seen.report(COREML_CUSTOM, f"operator {shown(name)} of the app", offset=item.offset)
                    case 4:
                        self._block(item, depth + 1)
                    case 5:
                        for part in self.reader.inside(item):
                            if part.number == 2:
                                self._value(part)

    def _value(self, message: Field) -> None:
        """Look at a Value: one whose data lies in a blob file is a weight."""
        kind: Field | None = None
        for item in self.reader.inside(message):
            if item.number == 2:
                kind = item
            elif item.number == 5:
                path, offset = "", 0
                for part in self.reader.inside(item):
                    if part.number == 1:
                        path = self.reader.text(part, _NAME_BYTES)
                    elif part.number == 2:
                        offset = part.value
                self._blob(path, offset, kind, item.offset)

    def _blob(self, path: str, offset: int, kind: Field | None, place: int) -> None:
        if (path, offset) in self._blobs:
            return
        if len(self._blobs) > self._seen.limits.tensors:
            raise LimitExceeded(f"more than {self._seen.limits.tensors} weights", offset=place)
        self._blobs.add((path, offset))
        inside = path.removeprefix(_MODEL_PATH)
        if (why := why_outside(inside)) is not None:
            self._seen.report(PATH_TRAVERSAL, f"weights at {shown(path)} {why}", offset=place)
        self._seen.refer(Reference(path=inside, kind=ReferenceKind.EXTERNAL_DATA, offset=offset))
        dtype, shape = self._tensor_type(kind) if kind is not None else ("", ())
        if dtype:
            self._counted[dtype] += prod(shape)
            self._tensors.append(Tensor(name=f"{inside}@{offset}", dtype=dtype, shape=shape))

    def _tensor_type(self, message: Field) -> tuple[str, tuple[int, ...]]:
        dtype, shape = "", list[int]()
        for tensor in self.reader.inside(message):
            for item in self.reader.inside(tensor) if tensor.number == 1 else ():
                if item.number == 1:
                    dtype = _TYPES.get(item.value, "")
                elif item.number == 3 and len(shape) < _DIMENSIONS:
                    sizes = [size.value for known in self.reader.inside(item) if known.number == 1
                             for size in self.reader.inside(known) if size.number == 1]  # fmt: skip
                    shape.append(sizes[-1] if sizes else 0)
        return dtype, tuple(shape)


RULES = (COREML_CUSTOM,)
