"""The CycloneDX document as XML, by a table of what stands where in the official XSD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Nothing is parsed here: only an element tree is built and written.
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from aibom.components import Scalar
from aibom.emitters.cdx_text import Json, scalar
from aibom.emitters.cyclonedx import to_document
from aibom.emitters.options import EmitOptions
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
    _fill(root, body, _BOM)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


# --- the table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    """`<key>text</key>`."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """An element: JSON keys that are attributes, the key whose value is its text, and its parts in XSD order.

    Without the key that it `needs` the element stays out: the XSD demands what the JSON schema leaves open.
    """

    attributes: tuple[str, ...] = ()
    text: str | None = None
    parts: Mapping[str, _Part] = field(default_factory=dict)
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """`<key><item/><item/></key>`; `element` renames the outer one."""

    item: str
    of: _Text | _Shape = _Text()
    element: str | None = None


@dataclass(frozen=True, slots=True)
class _Repeated:
    """`<key/><key/>`."""

    of: _Text | _Shape = _Text()


@dataclass(frozen=True, slots=True)
class _Refs:
    """`<key><item ref="..."/></key>`."""

    item: str


@dataclass(frozen=True, slots=True)
class _Licenses:
    """A list of licences and expressions, which 1.7 spells in three ways."""


@dataclass(frozen=True, slots=True)
class _Nodes:
    """A dependency graph."""


@dataclass(frozen=True, slots=True)
class _DataRefs:
    """`<key><ref>text</ref></key>`."""


_Part = _Text | _Shape | _Wrapped | _Repeated | _Refs | _Licenses | _Nodes | _DataRefs
_TEXT = _Text()
_PROPERTIES = _Wrapped("property", _Shape(("name",), "value"))
_HASHES = _Wrapped("hash", _Shape(("alg",), "content"))
_REFERENCES = _Wrapped("reference", _Shape(("type",), parts={"url": _TEXT, "comment": _TEXT, "hashes": _HASHES}))
_CONTACT = _Shape(parts={"name": _TEXT, "email": _TEXT, "phone": _TEXT})
_ENTITY = _Shape(parts={"name": _TEXT, "url": _Repeated(), "contact": _Repeated(_CONTACT)})
_ATTACHMENT = _Shape(text="content")
_SOURCE = _Shape(parts={"name": _TEXT, "url": _TEXT})
_METHOD = _Shape(parts={"technique": _TEXT, "confidence": _TEXT, "value": _TEXT})
_IDENTITY = _Shape(
    parts={"field": _TEXT, "confidence": _TEXT, "concludedValue": _TEXT, "methods": _Wrapped("method", _METHOD)}
)
_OCCURRENCE = _Shape(
    parts={"location": _TEXT, "line": _TEXT, "offset": _TEXT, "symbol": _TEXT, "additionalContext": _TEXT}
)
_EVIDENCE = _Shape(
    parts={
        "identity": _Repeated(_IDENTITY),
        "occurrences": _Wrapped("occurrence", _OCCURRENCE),
        "licenses": _Licenses(),
    }
)
_FORMAT = _Shape(parts={"format": _TEXT})
_METRIC = _Shape(parts={"type": _TEXT, "value": _TEXT, "slice": _TEXT})
_MODEL_CARD = _Shape(
    parts={
        "modelParameters": _Shape(
            parts={
                "approach": _Shape(parts={"type": _TEXT}),
                "task": _TEXT,
                "architectureFamily": _TEXT,
                "modelArchitecture": _TEXT,
                "datasets": _DataRefs(),
                "inputs": _Wrapped("input", _FORMAT),
                "outputs": _Wrapped("output", _FORMAT),
            }
        ),
        "quantitativeAnalysis": _Shape(parts={"performanceMetrics": _Wrapped("performanceMetric", _METRIC)}),
        "considerations": _Shape(
            parts={
                "users": _Wrapped("user"),
                "useCases": _Wrapped("useCase"),
                "technicalLimitations": _Wrapped("technicalLimitation"),
                "performanceTradeoffs": _Wrapped("performanceTradeoff"),
                "ethicalConsiderations": _Wrapped("ethicalConsideration", _Shape(parts={"name": _TEXT})),
                "environmentalConsiderations": _Shape(parts={"properties": _PROPERTIES}),
            }
        ),
        "properties": _PROPERTIES,
    }
)
_DATA = _Shape(
    parts={
        "type": _TEXT,
        "name": _TEXT,
        "contents": _Shape(parts={"url": _TEXT}),
        "sensitiveData": _Repeated(_TEXT),
        "description": _TEXT,
    }
)
_COMPONENT_PARTS: dict[str, _Part] = {
    "supplier": _ENTITY,
    "manufacturer": _ENTITY,
    "authors": _Wrapped("author", _CONTACT),
    "publisher": _TEXT,
    "group": _TEXT,
    "name": _TEXT,
    "version": _TEXT,
    "description": _TEXT,
    "hashes": _HASHES,
    "licenses": _Licenses(),
    "purl": _TEXT,
}
_COMPONENT = _Shape(("type", "mime-type", "bom-ref"), parts=_COMPONENT_PARTS)
# A component holds components, so these parts can only be named once it exists.
_COMPONENT_PARTS |= {
    "pedigree": _Shape(parts={"ancestors": _Wrapped("component", _COMPONENT)}),
    "externalReferences": _REFERENCES,
    "properties": _PROPERTIES,
    "components": _Wrapped("component", _COMPONENT),
    "evidence": _EVIDENCE,
    "modelCard": _MODEL_CARD,
    "data": _Repeated(_DATA),
}
_COMPONENTS = _Wrapped("component", _COMPONENT)
_METADATA = _Shape(
    parts={
        "timestamp": _TEXT,
        "lifecycles": _Wrapped("lifecycle", _Shape(parts={"phase": _TEXT})),
        "tools": _Shape(parts={"components": _COMPONENTS}),
        "authors": _Wrapped("author", _CONTACT),
        "component": _COMPONENT,
        "manufacturer": _ENTITY,
        "supplier": _ENTITY,
        "properties": _PROPERTIES,
    }
)
_VULNERABILITY = _Shape(
    ("bom-ref",),
    parts={
        "id": _TEXT,
        "source": _SOURCE,
        "references": _Wrapped("reference", _Shape(parts={"id": _TEXT, "source": _SOURCE})),
        "ratings": _Wrapped("rating", _Shape(parts={"source": _SOURCE, "severity": _TEXT, "method": _TEXT})),
        "cwes": _Wrapped("cwe"),
        "description": _TEXT,
        "detail": _TEXT,
        "recommendation": _TEXT,
        "advisories": _Wrapped("advisory", _Shape(parts={"url": _TEXT})),
        "analysis": _Shape(
            parts={
                "state": _TEXT,
                "justification": _TEXT,
                "response": _Wrapped("response", element="responses"),
                "detail": _TEXT,
            }
        ),
        "affects": _Wrapped("target", _Shape(parts={"ref": _TEXT})),
        "properties": _PROPERTIES,
    },
)
_COMPOSITION = _Shape(parts={"aggregate": _TEXT, "assemblies": _Refs("assembly"), "dependencies": _Refs("dependency")})
_ANNOTATION = _Shape(
    parts={
        "subjects": _Refs("subject"),
        "annotator": _Shape(parts={"component": _COMPONENT}),
        "timestamp": _TEXT,
        "text": _TEXT,
    }
)
_MAP = _Shape(
    parts={
        "requirement": _TEXT,
        "claims": _Wrapped("claim"),
        "counterClaims": _Wrapped("counterClaim"),
        # Without a score, the reasoning of the claim says how strong the evidence is and what is missing.
        "confidence": _Shape(parts={"score": _TEXT, "rationale": _TEXT}, needs="score"),
    }
)
_CLAIM = _Shape(
    ("bom-ref",),
    parts={
        "target": _TEXT,
        "predicate": _TEXT,
        "reasoning": _TEXT,
        "evidence": _Repeated(),
        "counterEvidence": _Repeated(),
        "externalReferences": _REFERENCES,
    },
)
_PROOF = _Shape(
    ("bom-ref",),
    parts={
        "propertyName": _TEXT,
        "description": _TEXT,
        "data": _Repeated(_Shape(parts={"name": _TEXT, "contents": _Shape(parts={"attachment": _ATTACHMENT})})),
        "created": _TEXT,
    },
)
_DECLARATIONS = _Shape(
    parts={
        "assessors": _Wrapped("assessor", _Shape(("bom-ref",), parts={"thirdParty": _TEXT, "organization": _ENTITY})),
        "attestations": _Wrapped(
            "attestation", _Shape(parts={"summary": _TEXT, "assessor": _TEXT, "map": _Repeated(_MAP)})
        ),
        "claims": _Wrapped("claim", _CLAIM),
        "evidence": _Wrapped("evidence", _PROOF),
    }
)
_RESOURCE = _Shape(parts={"ref": _TEXT})
_WORKFLOW = _Shape(
    ("bom-ref",),
    parts={
        "uid": _TEXT,
        "name": _TEXT,
        "description": _TEXT,
        "resourceReferences": _Wrapped("resourceReference", _RESOURCE),
        "taskTypes": _Wrapped("taskType"),
        "outputs": _Wrapped("output", _Shape(parts={"resource": _RESOURCE, "type": _TEXT})),
    },
)
_FORMULA = _Shape(("bom-ref",), parts={"workflows": _Wrapped("workflow", _WORKFLOW)})
_REQUIREMENT = _Shape(
    ("bom-ref",),
    parts={"identifier": _TEXT, "title": _TEXT, "properties": _PROPERTIES, "externalReferences": _REFERENCES},
)
_STANDARD = _Shape(
    ("bom-ref",),
    parts={
        "name": _TEXT,
        "version": _TEXT,
        "description": _TEXT,
        "owner": _TEXT,
        "requirements": _Wrapped("requirement", _REQUIREMENT),
    },
)
_BOM = _Shape(
    ("version", "serialNumber"),
    parts={
        "metadata": _METADATA,
        "components": _COMPONENTS,
        "dependencies": _Nodes(),
        "compositions": _Wrapped("composition", _COMPOSITION),
        "vulnerabilities": _Wrapped("vulnerability", _VULNERABILITY),
        "annotations": _Wrapped("annotation", _ANNOTATION),
        "formulation": _Wrapped("formula", _FORMULA),
        "declarations": _DECLARATIONS,
        "definitions": _Shape(parts={"standards": _Wrapped("standard", _STANDARD)}),
    },
)
_NAMED_LICENSE = _Shape(
    ("bom-ref", "acknowledgement"), parts={"id": _TEXT, "name": _TEXT, "url": _TEXT, "properties": _PROPERTIES}
)
_EXPRESSION = _Shape(("bom-ref", "acknowledgement"), "expression")
_DETAILED_EXPRESSION = _Shape(("bom-ref", "acknowledgement", "expression"), parts={"properties": _PROPERTIES})


# --- the writer -------------------------------------------------------------------------------------------------------


def _fill(element: Element, body: Json, shape: _Shape) -> None:
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


def _append(parent: Element, key: str, value: Json | list[Json] | list[str] | Scalar, part: _Part) -> None:
    match part, value:
        case _Text(), str() | int() | float():
            SubElement(parent, key).text = scalar(value)
        case _Shape(needs=needed), dict() if needed is not None and needed not in value:
            return
        case _Shape(), dict():
            _fill(SubElement(parent, key), value, part)
        case _Wrapped(), list():
            outer = SubElement(parent, part.element or key)
            for item in value:
                _append(outer, part.item, item, part.of)
        case _Repeated(), list():
            for item in value:
                _append(parent, key, item, part.of)
        case _Refs(), list():
            outer = SubElement(parent, key)
            for ref in value:
                SubElement(outer, part.item, {"ref": str(ref)})
        case _DataRefs(), list():
            outer = SubElement(parent, key)
            for item in value:
                _append(outer, "ref", item["ref"], _TEXT)  # type: ignore[index]  # a data set stands by reference
        case _Licenses(), list():
            _licenses(SubElement(parent, key), value)  # type: ignore[arg-type]  # licences are mappings
        case _Nodes(), list():
            _dependencies(SubElement(parent, key), value)  # type: ignore[arg-type]  # nodes are mappings
        case _:
            raise OutputError(f"the XML table expects something else than {type(value).__name__} in <{key}>")


def _licenses(parent: Element, entries: Iterable[Json]) -> None:
    for entry in entries:
        if "license" in entry:
            _fill(SubElement(parent, "license"), entry["license"], _NAMED_LICENSE)
        elif "properties" in entry:
            _fill(SubElement(parent, "expression-detailed"), entry, _DETAILED_EXPRESSION)
        else:
            _fill(SubElement(parent, "expression"), entry, _EXPRESSION)


def _dependencies(parent: Element, nodes: Iterable[Json]) -> None:
    for node in nodes:
        outer = SubElement(parent, "dependency", {"ref": node["ref"]})
        for ref in node["dependsOn"]:
            SubElement(outer, "dependency", {"ref": ref})
