"""Inspect models written as XML: OpenVINO networks with the weights they lead to, and PMML."""

from __future__ import annotations

from collections import Counter
from math import prod

from aibom.components import Inspection, Reference, ReferenceKind, Tensor, TensorSummary
from aibom.errors import FileFault, MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.foreign_xml import Start, parse_xml
from aibom.inspectors.observations import Observations, shown
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_TYPES = {
    "f32": "F32", "f16": "F16", "f64": "F64", "bf16": "BF16", "i8": "I8", "i16": "I16", "i32": "I32", "i64": "I64",
    "u8": "U8", "u16": "U16", "u32": "U32", "u64": "U64", "boolean": "BOOL", "i4": "I4", "u4": "U4", "u1": "U1",
    "nf4": "NF4", "f8e4m3": "F8_E4M3", "f8e5m2": "F8_E5M2", "f8e8m0": "F8_E8M0", "f4e2m1": "F4", "u2": "U2",
    "u3": "U3", "u6": "U6",
}  # fmt: skip
_DIMENSIONS = 64

XML_ENTITY = Rule(
    id="xml-entity",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The XML declares entities",
    explanation=(
        "An entity can stand for the content of a file or a URL, or for gigabytes of text. A reader that expands "
        "entities hands out files of its machine or runs out of memory. No model file needs them."
    ),
    help="Do not load it with a reader that expands entities.",
    references=("https://cwe.mitre.org/data/definitions/611.html",),
    cwes=(611, 776),
)
XML_CUSTOM_CODE = Rule(
    id="xml-custom-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="The model needs code that is not in the file",
    explanation=(
        "The model uses operations of an extension library, or functions that its reader looks up by the name of a "
        "class. That code must be loaded to run the model."
    ),
    help="Find out which library is meant and review it as you would review any dependency.",
    references=("https://docs.openvino.ai/2025/documentation/openvino-extensibility.html",),
    cwes=(829,),
)


def inspect_openvino(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Inspect an OpenVINO `.xml`: operations of extensions, and the weights in the `.bin` beside it."""
    seen = Observations(file, limits)
    weights = file.name.removesuffix(".xml") + ".bin"
    counted: Counter[str] = Counter()
    tensors: list[Tensor] = []
    layers: list[str] = []
    path: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if not path and name != "net":
            raise MalformedFile(f"the root element is {shown(name)}, not net")
        path.append(name)
        match name:
            case "net" if len(path) == 1:
                seen.note("name", attributes.get("name"))
                seen.note("ir_version", attributes.get("version"))
            case "layer":
                layers[:] = [attributes.get("name", "")]
                version = attributes.get("version", "")
                if version and not _standard(version):
                    kind = attributes.get("type", "")
                    seen.report(XML_CUSTOM_CODE, f"operation {shown(kind)} of {shown(version)}")
            case "data" if {"element_type", "offset", "size"} <= attributes.keys():
                constant = _constant(layers[0] if layers else "", attributes)
                if len(tensors) < limits.tensors:
                    tensors.append(constant)
                    counted[constant.dtype] += prod(constant.shape)
                    reference = Reference(
                        path=weights, kind=ReferenceKind.EXTERNAL_DATA,
                        offset=_number(attributes["offset"]), length=_number(attributes["size"]),
                    )  # fmt: skip
                    seen.refer(reference)
            case _ if "rt_info" in path and "value" in attributes:
                seen.note(f"rt_info.{name}", attributes["value"])

    complete = _parse(seen, data, limits, start, path)
    seen.tensors = TensorSummary(
        stored_elements=sum(counted.values()),
        elements_by_dtype=dict(counted),
        tensors=tuple(tensors),
        complete=complete and seen.coverage is Coverage.COMPLETE,
    )
    return seen.inspection()


def inspect_pmml(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Inspect PMML: functions that name a class, scripts in extensions."""
    seen = Observations(file, limits)
    path: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if not path and name != "PMML":
            raise MalformedFile(f"the root element is {shown(name)}, not PMML")
        path.append(name)
        if len(path) == 1:
            seen.note("version", attributes.get("version"))
        elif len(path) == 2 and name.endswith(("Model", "Network", "Scorecard")):
            seen.note("model", name)
            seen.note("function", attributes.get("functionName"))
        match name:
            case "Application":
                seen.note("application", attributes.get("name"))
            case "Apply" if "." in attributes.get("function", ""):
                seen.report(XML_CUSTOM_CODE, f"the function {shown(attributes['function'])} is looked up as a class")
            case "script" | "Script":
                seen.report(XML_CUSTOM_CODE, "an element holds a script")
            case "Extension" if "script" in attributes.get("name", "").lower():
                seen.report(XML_CUSTOM_CODE, f"the extension {shown(attributes['name'])} holds a script")

    _parse(seen, data, limits, start, path)
    return seen.inspection()


def _parse(seen: Observations, data: ByteSource, limits: Limits, start: Start, path: list[str]) -> bool:
    def end(_name: str) -> None:
        path.pop()

    try:
        whole = parse_xml(data, limits, start=start, end=end)
    except FileFault as fault:
        if not path and seen.coverage is Coverage.COMPLETE:
            raise
        seen.fault(fault)
        return False
    if not whole:
        seen.report(XML_ENTITY, "an entity is declared; what follows was not read")
        seen.coverage = Coverage.PARTIAL
    return whole


def _standard(version: str) -> bool:
    return version.startswith("opset") and version[5:].isdecimal()


def _constant(layer: str, attributes: dict[str, str]) -> Tensor:
    sizes = [size for part in attributes.get("shape", "").split(",") if (size := part.strip())]
    if len(sizes) > _DIMENSIONS or not all(_number(size) is not None for size in sizes):
        raise MalformedFile(f"layer {shown(layer)} has no valid shape")
    kind = attributes["element_type"]
    shape = tuple(_number(size) or 0 for size in sizes)
    return Tensor(name=layer, dtype=_TYPES.get(kind, kind[:32]), shape=shape)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


RULES = (XML_ENTITY, XML_CUSTOM_CODE)
