"""Walk TensorFlow graphs and their function libraries: operations, constants, and which files they name."""

from __future__ import annotations

from collections import Counter
from math import prod

from msgspec import Struct, field

from aibom.errors import LimitExceeded
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protobuf import Field, ProtobufReader
from aibom.inspectors.tensorflow_ops import CHECKPOINT_OPERATIONS, judge_operation
from aibom.inspectors.tensorflow_types import DTYPES, STRING, dtype_name, read_shape

_NAME_BYTES = 4096
_TEXT_BYTES = 1024
_CONSTANTS = 20_000
_OPERATIONS = 20_000
_EVIDENCE = 8
_ATTRIBUTES = 10_000
_VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})
# Operations that a runtime gets from a library loaded on top of TensorFlow have a namespace in their name.
_NAMESPACE = ">"

SAVEDMODEL_UNSAFE_OP = Rule(
    id="savedmodel-unsafe-op",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The graph acts on the machine that runs it",
    explanation=(
        "A TensorFlow graph is a program. This one holds operations that read or write files, connect to other "
        "machines or call Python functions; they run with the rights of the process that loads or runs the model."
    ),
    help="Do not run it outside a sandbox. Ask the publisher why the model needs these operations.",
    references=("https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md",),
    cwes=(829, 94),
)


class _Scope(Struct):
    """One graph or one function: string constants by node name, and what reads or writes checkpoints."""

    name: str
    constants: dict[str, str] = field(default_factory=dict)
    checkpoints: list[tuple[str, str, int]] = field(default_factory=list)


class GraphWalk(Struct):
    """What the graphs of one file hold. `variables` are (name, dtype, shape); `constants` elements by dtype."""

    seen: Observations
    reader: ProtobufReader
    operations: Counter[str] = field(default_factory=Counter)
    places: dict[str, int] = field(default_factory=dict)
    variables: list[tuple[str, str, tuple[int, ...] | None]] = field(default_factory=list)
    constants: Counter[str] = field(default_factory=Counter)
    paths: list[str] = field(default_factory=list)

    def graph(self, message: Field) -> None:
        """Walk a GraphDef."""
        scope = _Scope("the graph")
        for item in self.reader.inside(message):
            self.graph_field(item, scope)
        self._finish(scope)

    def top_level(self) -> None:
        """Walk a file that is a GraphDef."""
        scope = _Scope("the graph")
        for item in self.reader.fields():
            self.graph_field(item, scope)
        self._finish(scope)

    def graph_field(self, item: Field, scope: _Scope) -> None:
        """Walk one field of a GraphDef."""
        if item.number == 1:
            self._node(item, scope)
        elif item.number == 2:
            for part in self.reader.inside(item):
                if part.number == 1:
                    self._function(part)

    def judge(self) -> None:
        """Report the operations that act, one finding an operation."""
        for name, count in sorted(self.operations.items()):
            judgement = judge_operation(name)
            if judgement is not None:
                self.seen.report(
                    SAVEDMODEL_UNSAFE_OP, f"operation {name} {judgement.why}", offset=self.places[name],
                    severity=judgement.severity, evidence=(f"{count} ×", *self.paths[:_EVIDENCE]),
                )  # fmt: skip
            elif _NAMESPACE in name:
                self.seen.report(
                    SAVEDMODEL_UNSAFE_OP,
                    f"operation {shown(name)} comes from a library that must be loaded into TensorFlow",
                    offset=self.places[name],
                    severity=Severity.LOW,
                )

    def _function(self, message: Field) -> None:
        scope = _Scope("a function")
        for item in self.reader.inside(message):
            if item.number == 3:
                self._node(item, scope)
            elif item.number == 1:
                for part in self.reader.inside(item):
                    if part.number == 1:
                        scope.name = f"function {shown(self.reader.text(part, _NAME_BYTES))}"
        self._finish(scope)

    def _node(self, message: Field, scope: _Scope) -> None:
        name = operation = first_input = ""
        attributes: list[Field] = []
        for item in self.reader.inside(message):
            match item.number:
                case 1:
                    name = self.reader.text(item, _NAME_BYTES)
                case 2:
                    operation = self.reader.text(item, _NAME_BYTES)
                case 3 if not first_input:
                    first_input = self.reader.text(item, _NAME_BYTES)
                case 5:
                    attributes.append(item)
                    if len(attributes) > _ATTRIBUTES:
                        raise LimitExceeded(f"an operation of more than {_ATTRIBUTES} attributes", offset=item.offset)
        self.operations[operation] += 1
        if self.places.setdefault(operation, message.offset) == message.offset and len(self.places) > _OPERATIONS:
            raise LimitExceeded(f"more than {_OPERATIONS} different operations", offset=message.offset)
        if operation == "Const":
            self._constant(name, attributes, scope)
        elif operation in _VARIABLES:
            self._variable(name, attributes)
        elif operation in {"PrintV2", "Print"}:
            self._print(attributes, message.offset)
        elif operation in CHECKPOINT_OPERATIONS and len(scope.checkpoints) < _CONSTANTS:
            scope.checkpoints.append((operation, first_input, message.offset))

    def _finish(self, scope: _Scope) -> None:
        """A checkpoint operation takes the path that the loader feeds it; one with a path of its own acts on that."""
        for operation, source, offset in scope.checkpoints:
            path = scope.constants.get(source.split(":")[0].removeprefix("^"))
            why = why_outside(path) if path else None
            if path and why is not None:
                self.seen.report(
                    SAVEDMODEL_UNSAFE_OP, f"{operation} in {scope.name} uses the path {shown(path)}, which {why}",
                    offset=offset,
                    # Graphs fine-tuned with TensorFlow 1 keep the path of the checkpoint that they began with.
                    severity=Severity.HIGH if operation.startswith(("Save", "Sharded", "Merge")) else Severity.MEDIUM,
                )  # fmt: skip

    # --- attributes --------------------------------------------------------------------------------------------------

    def _attribute(self, message: Field) -> tuple[str, Field | None]:
        key, value = "", None
        for item in self.reader.inside(message):
            if item.number == 1:
                key = self.reader.text(item, _NAME_BYTES)
            elif item.number == 2:
                value = item
        return key, value

    def _constant(self, name: str, attributes: list[Field], scope: _Scope) -> None:
        for attribute in attributes:
            key, value = self._attribute(attribute)
            if key != "value" or value is None:
                continue
            for item in self.reader.inside(value):
                if item.number == 8:
                    self._tensor(name, item, scope)

    def _tensor(self, name: str, message: Field, scope: _Scope) -> None:
        dtype, shape = 0, None
        texts: list[Field] = []
        for item in self.reader.inside(message):
            match item.number:
                case 1:
                    dtype = item.value
                case 2:
                    shape = read_shape(self.reader, item)
                case 8 if len(texts) < _EVIDENCE:
                    texts.append(item)
        if dtype in DTYPES and shape is not None and dtype != STRING:
            self.constants[dtype_name(dtype)] += prod(shape)
        for item in texts:
            if item.length <= _TEXT_BYTES:
                text = self.reader.text(item, _TEXT_BYTES)
                if len(scope.constants) < _CONSTANTS:
                    scope.constants.setdefault(name, text)
                if (
                    ("/" in text or "\\" in text)
                    and len(self.paths) < _CONSTANTS
                    and shown(text) not in self.paths[:_EVIDENCE]
                ):
                    self.paths.append(shown(text))

    def _variable(self, name: str, attributes: list[Field]) -> None:
        dtype, shape = 0, None
        for attribute in attributes:
            key, value = self._attribute(attribute)
            for item in self.reader.inside(value) if value is not None else ():
                if key == "dtype" and item.number == 6:
                    dtype = item.value
                elif key == "shape" and item.number == 7:
                    shape = read_shape(self.reader, item)
        self.variables.append((name, dtype_name(dtype), shape))

    def _print(self, attributes: list[Field], offset: int) -> None:
        for attribute in attributes:
            key, value = self._attribute(attribute)
            for item in self.reader.inside(value) if key == "output_stream" and value is not None else ():
                stream = self.reader.text(item, _NAME_BYTES) if item.number == 2 else ""
                if stream.startswith("file:"):
                    self.seen.report(SAVEDMODEL_UNSAFE_OP, f"PrintV2 writes to {shown(stream)}", offset=offset)


RULES = (SAVEDMODEL_UNSAFE_OP,)
