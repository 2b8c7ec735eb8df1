"""CycloneDX XML of any tool, read into the shape of CycloneDX JSON by the table that the writer goes by.

A document with a document type is refused: nothing in a bill of materials needs one, and entities are how XML is made
to grow or to fetch files. Elements of other namespaces are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

from aibom.documents.shape import Json
from aibom.emitters.xml_table import (
    BOM,
    DATA,
    DETAILED_EXPRESSION,
    EXPRESSION,
    NAMED_LICENSE,
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
from aibom.errors import DataError

MAX_LEVELS = 200  # of elements in one another; components nested that deep are no inventory
_NAMESPACE = re.compile(r"http://cyclonedx\.org/schema/bom/(1\.\d+)")
_SIGNATURE = "http://www.w3.org/2000/09/xmldsig# Signature"


class _Node:
    """An element. `tag` is its local name, or `namespace name` outside CycloneDX."""

    __slots__ = ("attributes", "children", "tag", "texts")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[_Node] = []
        self.texts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.texts).strip()


def read_xml(raw: bytes) -> Json:
    """Return the document in the shape of CycloneDX JSON.

    Raises:
        DataError: it is not well-formed, has a document type, is nested too deep, or is not CycloneDX.
    """
    root, version = _parse(raw)
    body = _shape(root, BOM)
    if (number := body.get("version")) and number.isdecimal():
        body["version"] = int(number[:9])
    if any(child.tag == _SIGNATURE for child in root.children):
        body["signature"] = {"algorithm": "XML signature"}
    return {"bomFormat": "CycloneDX", "specVersion": version, **body}


def _parse(raw: bytes) -> tuple[_Node, str]:
    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    top = _Node("", {})
    stack = [top]
    version = ""

    def refuse(*_: object) -> None:
        raise DataError("the XML has a document type, which a CycloneDX document never needs")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal version
        if len(stack) > MAX_LEVELS:
            raise DataError(f"the XML is nested deeper than {MAX_LEVELS} levels")
        namespace, _, local = name.rpartition(" ")
        ours = _NAMESPACE.fullmatch(namespace)
        version = version or (ours[1] if ours else "")
        node = _Node(local if ours else name, attributes)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_: str) -> None:
        stack.pop()

    def characters(text: str) -> None:
        stack[-1].texts.append(text)

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse  # type: ignore[assignment]  # it never returns
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    try:
        parser.Parse(raw, True)  # noqa: FBT003 -- that is how expat is told that this is all
    except (ExpatError, ValueError, LookupError) as error:
        raise DataError(f"this is not XML: {error}") from error
    root = top.children[0]
    if root.tag != "bom" or not version:
        raise DataError("this is XML, but not a CycloneDX document")
    return root, version


def _shape(node: _Node, shape: Shape) -> Json:
    body: Json = {key: node.attributes[key] for key in shape.attributes if key in node.attributes}
    if shape.text is not None:
        body[shape.text] = node.text
    by_tag: dict[str, list[_Node]] = {}
    for child in node.children:
        by_tag.setdefault(child.tag, []).append(child)
    for key, part in shape.parts.items():
        renamed = part.element if isinstance(part, Wrapped) else None
        if found := by_tag.get(renamed or key):
            body[key] = _read(part, found)
    return body


def _read(part: Part, nodes: list[_Node]) -> Any:
    match part:
        case Text():
            return nodes[0].text
        case Shape():
            return _shape(nodes[0], part)
        case Repeated():
            return [_item(node, part.of) for node in nodes]
        case Wrapped():
            return [_item(child, part.of) for child in _inner(nodes) if child.tag == part.item]
        case Refs():
            return [child.attributes.get("ref", "") for child in _inner(nodes) if child.tag == part.item]
        case Licenses():
            return [*_licenses(nodes)]
        case Nodes():
            return [_dependency(child) for child in _inner(nodes) if child.tag == "dependency"]
        case DataRefs():
            return [_data(child) for child in _inner(nodes) if child.tag in {"ref", "dataset"}]
        case Tools():
            old = [_shape(child, part.before) for child in _inner(nodes) if child.tag == "tool"]
            return old or _shape(nodes[0], part.now)


def _inner(nodes: list[_Node]) -> Iterator[_Node]:
    for node in nodes:
        yield from node.children


def _item(node: _Node, of: Text | Shape) -> Any:
    return node.text if isinstance(of, Text) else _shape(node, of)


def _licenses(nodes: list[_Node]) -> Iterator[Json]:
    for child in _inner(nodes):
        match child.tag:
            case "license":
                yield {"license": _shape(child, NAMED_LICENSE)}
            case "expression":
                yield _shape(child, EXPRESSION)
            case "expression-detailed":
                yield _shape(child, DETAILED_EXPRESSION)


def _dependency(node: _Node) -> Json:
    targets = [child.attributes.get("ref", "") for child in node.children if child.tag == "dependency"]
    return {"ref": node.attributes.get("ref", ""), "dependsOn": targets}


def _data(node: _Node) -> Json:
    return {"ref": node.text} if node.tag == "ref" else _shape(node, DATA)
