"""Inspect ONNX models: who made them, their weights, which operators they run, which files they pull in.

The messages are those of onnx.proto (onnx 1.23, IR version 14).
"""

from __future__ import annotations

from collections import Counter

from aibom.components import Inspection, Tensor, TensorSummary
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import RepoFile, escape_name
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.onnx_judgements import Operator, judge_compiled, judge_external, judge_operators, number
from aibom.inspectors.onnx_tensors import OnnxTensor, read_pair, read_tensor
from aibom.inspectors.protobuf import Field, ProtobufReader
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_SUBGRAPHS = 32
_NAME_BYTES = 4096
_OPERATORS = 10_000  # distinct ones; the standard has about 200


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Summarize an ONNX model; raises `MalformedFile` where the first bytes are no message at all."""
    seen = Observations(file, limits)
    walk = _Walk(seen, data)
    try:
        walk.model()
    except FileFault as fault:
        if not walk.started:
            raise
        seen.fault(fault)
    walk.finish()
    return seen.inspection()


class _Walk:
    """The state of one walk over a model."""

    def __init__(self, seen: Observations, data: ByteSource) -> None:
        self.started = False
        self._seen = seen
        self._limits = seen.limits
        self._reader = ProtobufReader(data, fields=seen.limits.graph_fields)
        self._weights: list[OnnxTensor] = []
        self._tensors = 0
        self._constants = 0
        self._nodes = 0
        self._ops: dict[tuple[str, str], Operator] = {}
        self._functions: set[tuple[str, str]] = set()
        self._complete = True

    def model(self) -> None:
        """Read the ModelProto. A message may come in several parts; readers merge them, so each is walked."""
        graphs = 0
        for item in self._reader.fields():
            self.started = True
            match item.number:
                case 1:
                    self._seen.note("ir_version", item.signed)
                case 2:
                    self._seen.note("producer_name", self._text(item))
                case 3:
                    self._seen.note("producer_version", self._text(item))
                case 4:
                    self._seen.note("domain", self._text(item))
                case 5:
                    self._seen.note("model_version", item.signed)
                case 6:
                    self._seen.note("doc_string", self._long_text(item))
                case 7:
                    graphs += 1
                    self._graph(item, 0)
                case 8:
                    self._opset(item)
                case 14:
                    for key, value in read_pair(self._reader, item, self._limits).items():
                        self._seen.note(f"metadata.{key}", value)
                case 20:
                    self._seen.note("training_info", value=True)
                    for part in self._reader.inside(item):
                        if part.number in {1, 2}:
                            self._graph(part, 0)
                case 25:
                    self._function(item)
        if not graphs:
            raise MalformedFile("the model has no graph")

    def finish(self) -> None:
        """Judge what can be judged only at the end, and count the weights."""
        judge_operators(self._seen, self._ops, self._functions)
        counted: Counter[str] = Counter()
        places: set[tuple[str, str]] = set()
        tensors: list[Tensor] = []
        for weight in self._weights:
            assert weight.type is not None
            offset, length, beside = _place(weight)
            tensors.append(
                Tensor(name=weight.name, dtype=weight.type.name, shape=tuple(weight.shape), offset=offset,
                       length=length, beside=beside)
            )  # fmt: skip
            if weight.is_external:
                external = weight.external or {}
                # Tied weights may share one place in the external file.
                place = (external.get("location", ""), external.get("offset", "0"))
                if place in places:
                    continue
                places.add(place)
            counted[weight.type.name] += weight.elements
        self._seen.tensors = TensorSummary(
            stored_elements=sum(counted.values()),
            elements_by_dtype=dict(counted),
            tensors=tuple(tensors),
            complete=self._complete and self._seen.coverage == "complete",
        )
        self._seen.note("nodes", self._nodes)
        if self._constants:
            self._seen.note("constant_elements", self._constants)
        domains = sorted({domain or "ai.onnx" for domain, _ in self._ops})
        self._seen.note("operator_domains", ", ".join(domains))

    # --- messages ----------------------------------------------------------------------------------------------------

    def _graph(self, message: Field, depth: int) -> None:
        if depth > _SUBGRAPHS:
            raise LimitExceeded(f"subgraphs are nested deeper than {_SUBGRAPHS}", offset=message.offset)
        for item in self._reader.inside(message):
            match item.number:
                case 1:
                    self._node(item, depth)
                case 2 if depth == 0:
                    self._seen.note("graph_name", self._text(item))
                case 5:
                    self._tensor(item, weight=True)
                case 15:
                    self._sparse(item, weight=True)

    def _node(self, message: Field, depth: int) -> None:
        op_type = domain = ""
        strings: dict[str, str] = {}
        self._nodes += 1
        for item in self._reader.inside(message):
            match item.number:
                case 4:
                    op_type = self._text(item)
                case 5:
                    self._attribute(item, depth, strings)
                case 7:
                    domain = self._text(item)
        key = (domain, op_type)
        self._ops.setdefault(key, Operator(message.offset)).count += 1
        if len(self._ops) > _OPERATORS:
            raise LimitExceeded(f"more than {_OPERATORS} different operators", offset=message.offset)
        if domain == "com.microsoft" and op_type == "EPContext":
            judge_compiled(self._seen, strings, message.offset)

    def _attribute(self, message: Field, depth: int, strings: dict[str, str]) -> None:
        name, text, number = "", None, None
        for item in self._reader.inside(message):
            match item.number:
                case 1:
                    name = self._text(item)
                case 3:
                    number = str(item.signed)
                case 4 if item.length <= _NAME_BYTES:
                    text = self._text(item)
                case 5 | 10:
                    self._tensor(item, weight=False)
                case 6 | 11:
                    self._graph(item, depth + 1)
                case 22 | 23:
                    self._sparse(item, weight=False)
        if len(strings) < 64 and (value := text or number) is not None:
            strings[name] = value

    def _function(self, message: Field) -> None:
        name = domain = ""
        for item in self._reader.inside(message):
            match item.number:
                case 1:
                    name = self._text(item)
                case 7:
                    self._node(item, 0)
                case 10:
                    domain = self._text(item)
                case 11:
                    self._attribute(item, 0, {})
        self._functions.add((domain, name))

    def _opset(self, message: Field) -> None:
        domain, version = "", 0
        for item in self._reader.inside(message):
            match item.number:
                case 1:
                    domain = self._text(item)
                case 2:
                    version = item.signed
        self._seen.note(f"opset.{domain or 'ai.onnx'}", version)

    def _sparse(self, message: Field, *, weight: bool) -> None:
        for item in self._reader.inside(message):
            match item.number:
                case 1:
                    self._tensor(item, weight=weight)
                case 2:
                    self._tensor(item, weight=False)

    def _tensor(self, message: Field, *, weight: bool) -> None:
        self._tensors += 1
        if self._tensors > self._limits.tensors:
            raise LimitExceeded(f"more than {self._limits.tensors} tensors", offset=message.offset)
        tensor = read_tensor(self._reader, message, self._limits)
        if tensor.external or tensor.is_external:
            judge_external(self._seen, tensor)
        fault = tensor.fault()
        if fault is not None:
            self._seen.report(MALFORMED_FILE, f"tensor {shown(tensor.name)} {fault}", offset=message.offset)
            self._complete = False
        elif weight:
            self._weights.append(tensor)
        else:
            self._constants += tensor.elements

    def _text(self, item: Field) -> str:
        return self._reader.text(item, _NAME_BYTES)

    def _long_text(self, item: Field) -> str:
        return self._reader.text(item, self._limits.text_bytes)


def _place(weight: OnnxTensor) -> tuple[int | None, int | None, str | None]:
    """Return where the bytes of a weight stand as in memory, and the file beside the model that holds them, if one."""
    if not weight.is_external:
        return weight.offset, weight.length, None
    external = weight.external or {}
    path, offset = external.get("location", ""), number(external.get("offset", "0"))
    if not path or why_outside(path) is not None or offset is None or weight.type is None:
        return None, None, None
    return offset, weight.type.bytes_of(weight.elements), escape_name(path.removeprefix("./").encode())
