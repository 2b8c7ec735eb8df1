"""The CycloneDX document as XML, by the table of what stands where in the official XSD."""

from __future__ import annotations

from collections.abc import Iterable

# Nothing is parsed here: only an element tree is built and written.
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from aibom.components import Scalar
from aibom.emitters.cdx_text import Json, scalar
from aibom.emitters.cyclonedx import to_document
from aibom.emitters.options import EmitOptions
from aibom.emitters.xml_table import (
    BOM,
    DETAILED_EXPRESSION,
    EXPRESSION,
    NAMED_LICENSE,
    TEXT,
    DataRefs,
    Licenses,
    Nodes,
    Part,
    Refs,
    Repeated,
    Shape,
    Text,
    Tools,
    Wrapped,
)  # fmt: skip
from aibom.errors import OutputError
from aibom.report import Report


def emit(report: Report, options: EmitOptions) -> str:
    """Return the report as CycloneDX XML of `options.spec_version`."""
    return to_xml(to_document(report, options.spec_version))


def to_xml(doc: Json) -> str:
    """Return a checked CycloneDX document of ours as XML.

    Citations stay out: they are JSON pointers, which say nothing about places in an XML document.

    Raises:
        OutputError: the document holds a key that the table does not know; dropping it would be silent.
    """
    version = doc["specVersion"]
    body = {key: value for key, value in doc.items() if key not in ("$schema", "bomFormat", "specVersion", "citations")}
    root = Element("bom", {"xmlns": f"http://cyclonedx.org/schema/bom/{version}"})
    _fill(root, body, BOM)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _fill(element: Element, body: Json, shape: Shape) -> None:
    if unknown := body.keys() - {*shape.attributes, *shape.parts, *((shape.text,) if shape.text else ())}:
        raise OutputError(f"the XML table knows no {sorted(unknown)} in <{element.tag}>")
    for key in shape.attributes:
        if key in body:
            element.set(key, scalar(body[key]))
    if shape.text is not None:
        element.text = scalar(body[shape.text])
    for key, part in shape.parts.items():
        if key in body:
            _append(element, key, body[key], part)


def _append(parent: Element, key: str, value: Json | list[Json] | list[str] | Scalar, part: Part) -> None:
    match part, value:
        case Text(), str() | int() | float():
            SubElement(parent, key).text = scalar(value)
        case Shape(needs=needed), dict() if needed is not None and needed not in value:
            return
        case Shape(), dict():
            _fill(SubElement(parent, key), value, part)
        case Tools(), dict():
            _fill(SubElement(parent, key), value, part.now)
        case Wrapped(), list():
            outer = SubElement(parent, part.element or key)
            for item in value:
                _append(outer, part.item, item, part.of)
        case Repeated(), list():
            for item in value:
                _append(parent, key, item, part.of)
        case Refs(), list():
            outer = SubElement(parent, key)
            for ref in value:
                SubElement(outer, part.item, {"ref": str(ref)})
        case DataRefs(), list():
            outer = SubElement(parent, key)
            for item in value:
                _append(outer, "ref", item["ref"], TEXT)  # type: ignore[index]  # a data set stands by reference
        case Licenses(), list():
            _licenses(SubElement(parent, key), value)  # type: ignore[arg-type]  # licences are mappings
        case Nodes(), list():
            _dependencies(SubElement(parent, key), value)  # type: ignore[arg-type]  # nodes are mappings
        case _:
            raise OutputError(f"the XML table expects something else than {type(value).__name__} in <{key}>")


def _licenses(parent: Element, entries: Iterable[Json]) -> None:
    for entry in entries:
        if "license" in entry:
            _fill(SubElement(parent, "license"), entry["license"], NAMED_LICENSE)
        elif "properties" in entry:
            _fill(SubElement(parent, "expression-detailed"), entry, DETAILED_EXPRESSION)
        else:
            _fill(SubElement(parent, "expression"), entry, EXPRESSION)


def _dependencies(parent: Element, nodes: Iterable[Json]) -> None:
    for node in nodes:
        outer = SubElement(parent, "dependency", {"ref": node["ref"]})
        for ref in node["dependsOn"]:
            SubElement(outer, "dependency", {"ref": ref})
