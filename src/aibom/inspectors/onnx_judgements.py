"""Judge what an ONNX model needs from elsewhere: operators, external data, compiled parts."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from msgspec import Struct

from aibom.components import Reference, ReferenceKind
from aibom.containers.rules import PATH_TRAVERSAL
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.onnx_tensors import OnnxTensor
from aibom.inspectors.protocol import MALFORMED_FILE

# Domains whose operators a runtime brings itself: https://onnx.ai/onnx/intro/concepts.html and, for `com.microsoft`,
# https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
_STANDARD = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training"})
_RUNTIME = frozenset({
    "com.microsoft", "com.microsoft.nchwc", "com.microsoft.experimental", "com.microsoft.dml", "com.ms.internal.nhwc",
    "org.pytorch.aten",
})  # fmt: skip
_EXTENSIONS = frozenset({"ai.onnx.contrib", "com.microsoft.extensions"})
# Operators that call a Python function by name.
_PYTHON_OPS = frozenset({
    ("com.microsoft", "PythonOp"), ("com.microsoft", "PythonOpGrad"), ("ai.onnx.contrib", "PyOp"),
    ("ai.onnx.contrib", "PyCustomOp"), ("pyopmulti_1", "PyOp"), ("pyop", "PyOp"),
})  # fmt: skip
# ONNX Runtime's own mark for "the offset is an address in this process".
_MEMORY_MARK = "_MEM_ADDR_"

ONNX_CUSTOM_OP = Rule(
    id="onnx-custom-op",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="The model needs operators that come from somewhere else",
    explanation=(
        "The graph uses operators that neither the ONNX standard nor a known runtime defines, and the file does not "
        "define them as functions. To run it, a native library (or Python code) that registers them must be loaded, "
        "and that code is not in this file."
    ),
    help="Find out which library registers these operators and review it as you would review any dependency.",
    references=("https://onnxruntime.ai/docs/reference/operators/add-custom-op.html",),
    cwes=(829,),
)
ONNX_MEMORY_ADDRESS = Rule(
    id="onnx-memory-address",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="A weight points into the memory of the process that loads it",
    explanation=(
        "A tensor's external data uses the mark by which ONNX Runtime names its own buffers in memory. In a file it "
        "makes an unpatched runtime read from an address that the file chooses."
    ),
    help="Do not load it. No exporter writes this mark; update ONNX Runtime, which refuses it in recent versions.",
    references=(
        "https://github.com/microsoft/onnxruntime/pull/28709",
        "https://github.com/microsoft/onnxruntime/pull/29011",
    ),
    cwes=(822, 125),
)


class Operator(Struct):
    """How often an operator is used, and where first."""

    offset: int
    count: int = 0


def judge_external(seen: Observations, tensor: OnnxTensor) -> None:
    """Judge where a tensor's external data lies, and keep the reference to it."""
    external = tensor.external or {}
    location = external.get("location", "")
    place = seen.file.at(offset=tensor.place)
    if _MEMORY_MARK in location:
        seen.report(
            ONNX_MEMORY_ADDRESS,
            f"tensor {shown(tensor.name)} takes its data from an address in memory",
            offset=tensor.place,
            evidence=(f"location {shown(location)}, offset {shown(external.get('offset', ''))}",),
        )
        return
    if not location:
        seen.report(MALFORMED_FILE, f"tensor {shown(tensor.name)} is external but names no file", offset=tensor.place)
        return
    if (why := why_outside(location)) is not None:
        seen.report(
            PATH_TRAVERSAL, f"external data at {shown(location)} {why}", offset=tensor.place,
            evidence=(f"tensor {shown(tensor.name)}",),
        )  # fmt: skip
    offset, length = number(external.get("offset")), number(external.get("length"))
    if any(key in external and number(external[key]) is None for key in ("offset", "length")):
        seen.report(
            MALFORMED_FILE,
            f"tensor {shown(tensor.name)} has an external offset or length that is no number",
            offset=tensor.place,
        )
    seen.refer(Reference(path=location, kind=ReferenceKind.EXTERNAL_DATA, offset=offset, length=length, location=place))


def judge_compiled(seen: Observations, strings: dict[str, str], offset: int) -> None:
    """Judge a node that holds a graph compiled for one accelerator, inline or in a file beside the model."""
    path = strings.get("ep_cache_context", "")
    seen.report(
        ONNX_CUSTOM_OP,
        "an EPContext node holds a graph compiled for an accelerator, which cannot be inspected",
        offset=offset,
    )
    if strings.get("embed_mode") == "0" and path:
        if (why := why_outside(path)) is not None:
            seen.report(PATH_TRAVERSAL, f"compiled context at {shown(path)} {why}", offset=offset)
        seen.refer(Reference(path=path, kind=ReferenceKind.EXTERNAL_DATA, location=seen.file.at(offset=offset)))


def judge_operators(
    seen: Observations, operators: Mapping[tuple[str, str], Operator], functions: AbstractSet[tuple[str, str]]
) -> None:
    """Judge the operators of all graphs, by (domain, type); `functions` are those that the model defines itself."""
    unknown: dict[str, list[tuple[str, str]]] = {}
    for key in operators:
        domain, op_type = key
        if key in _PYTHON_OPS:
            seen.report(
                ONNX_CUSTOM_OP, f"operator {shown(op_type)} of {shown(domain)} calls a Python function by name",
                offset=operators[key].offset, severity=Severity.HIGH,
            )  # fmt: skip
        elif domain not in _STANDARD and domain not in _RUNTIME and key not in functions:
            unknown.setdefault(domain, []).append(key)
    for domain, keys in unknown.items():
        names = sorted(op_type for _, op_type in keys)
        known = domain in _EXTENSIONS
        seen.report(
            ONNX_CUSTOM_OP,
            f"operators of the domain {shown(domain)} come "
            + ("with the onnxruntime-extensions library" if known else "from a library that is not named"),
            offset=min(operators[key].offset for key in keys),
            severity=Severity.LOW if known else None,
            evidence=tuple(f"{shown(name)} × {operators[domain, name].count}" for name in names[:20]),
        )


def number(text: str | None) -> int | None:
    """Return the number that an entry of external data spells, None where it is none."""
    return int(text) if text is not None and len(text) < 20 and text.isascii() and text.isdecimal() else None


RULES = (ONNX_CUSTOM_OP, ONNX_MEMORY_ADDRESS)
