"""What stands where in a CycloneDX document as XML: the official XSD, as a table from the keys of the JSON form.

The writer and the reader of XML both go by it, so what the one writes the other finds. What only other tools write is
in it too; parts that nothing here looks at are not.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Text(Struct, frozen=True):
    """`<key>text</key>`."""


class Shape(Struct, frozen=True):
    """An element: JSON keys that are attributes, the key whose value is its text, and its parts in XSD order.

    Without the key that it `needs` the element stays out: the XSD demands what the JSON schema leaves open.
    """

    attributes: tuple[str, ...] = ()
    text: str | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    needs: str | None = None


class Wrapped(Struct, frozen=True):
    """`<key><item/><item/></key>`; `element` renames the outer one."""

    item: str
    of: Text | Shape = Text()
    element: str | None = None


class Repeated(Struct, frozen=True):
    """`<key/><key/>`."""

    of: Text | Shape = Text()


class Refs(Struct, frozen=True):
    """`<key><item ref="..."/></key>`."""

    item: str


class Licenses(Struct, frozen=True):
    """A list of licences and expressions, which 1.7 spells in three ways."""


class Nodes(Struct, frozen=True):
    """A dependency graph."""


class DataRefs(Struct, frozen=True):
    """`<key><ref>text</ref></key>`; other tools also write whole data sets there."""


class Tools(Struct, frozen=True):
    """`now` since 1.5; before, and still allowed, a list of `<tool>`."""

    now: Shape
    before: Shape


Part = Text | Shape | Wrapped | Repeated | Refs | Licenses | Nodes | DataRefs | Tools
TEXT = Text()
_PROPERTIES = Wrapped("property", Shape(("name",), "value"))
_HASHES = Wrapped("hash", Shape(("alg",), "content"))
_REFERENCES = Wrapped("reference", Shape(("type",), parts={"url": TEXT, "comment": TEXT, "hashes": _HASHES}))
_CONTACT = Shape(parts={"name": TEXT, "email": TEXT, "phone": TEXT})
_ENTITY = Shape(parts={"name": TEXT, "url": Repeated(), "contact": Repeated(_CONTACT)})
_ATTACHMENT = Shape(text="content")
_SOURCE = Shape(parts={"name": TEXT, "url": TEXT})
_METHOD = Shape(parts={"technique": TEXT, "confidence": TEXT, "value": TEXT})
_IDENTITY = Shape(
    parts={"field": TEXT, "confidence": TEXT, "concludedValue": TEXT, "methods": Wrapped("method", _METHOD)}
)
_OCCURRENCE = Shape(parts={"location": TEXT, "line": TEXT, "offset": TEXT, "symbol": TEXT, "additionalContext": TEXT})
_EVIDENCE = Shape(
    parts={
        "identity": Repeated(_IDENTITY),
        "occurrences": Wrapped("occurrence", _OCCURRENCE),
        "licenses": Licenses(),
    }
)
_INTERVAL = Shape(parts={"lowerBound": TEXT, "upperBound": TEXT})
_GRAPHICS = Shape(parts={"description": TEXT})
_PARTY = Shape(parts={"organization": _ENTITY, "contact": _CONTACT})
_GOVERNANCE = Shape(
    parts={
        "custodians": Wrapped("custodian", _PARTY),
        "stewards": Wrapped("steward", _PARTY),
        "owners": Wrapped("owner", _PARTY),
    }
)
_ENERGY = Shape(
    parts={
        "activity": TEXT,
        "activityEnergyCost": Shape(parts={"value": TEXT, "unit": TEXT}),
        "properties": _PROPERTIES,
    }
)
_FAIRNESS = Shape(parts={"groupAtRisk": TEXT, "benefits": TEXT, "harms": TEXT, "mitigationStrategy": TEXT})
_FORMAT = Shape(parts={"format": TEXT})
_METRIC = Shape(parts={"type": TEXT, "value": TEXT, "slice": TEXT, "confidenceInterval": _INTERVAL})
_MODEL_CARD = Shape(
    parts={
        "modelParameters": Shape(
            parts={
                "approach": Shape(parts={"type": TEXT}),
                "task": TEXT,
                "architectureFamily": TEXT,
                "modelArchitecture": TEXT,
                "datasets": DataRefs(),
                "inputs": Wrapped("input", _FORMAT),
                "outputs": Wrapped("output", _FORMAT),
            }
        ),
        "quantitativeAnalysis": Shape(
            parts={"performanceMetrics": Wrapped("performanceMetric", _METRIC), "graphics": _GRAPHICS}
        ),
        "considerations": Shape(
            parts={
                "users": Wrapped("user"),
                "useCases": Wrapped("useCase"),
                "technicalLimitations": Wrapped("technicalLimitation"),
                "performanceTradeoffs": Wrapped("performanceTradeoff"),
                "ethicalConsiderations": Wrapped(
                    "ethicalConsideration", Shape(parts={"name": TEXT, "mitigationStrategy": TEXT})
                ),
                "environmentalConsiderations": Shape(
                    parts={"energyConsumptions": Wrapped("energyConsumption", _ENERGY), "properties": _PROPERTIES}
                ),
                "fairnessAssessments": Wrapped("fairnessAssessment", _FAIRNESS),
            }
        ),
        "properties": _PROPERTIES,
    }
)
DATA = Shape(
    parts={
        "type": TEXT,
        "name": TEXT,
        "contents": Shape(parts={"url": TEXT, "properties": _PROPERTIES}),
        "classification": TEXT,
        "sensitiveData": Repeated(TEXT),
        "graphics": _GRAPHICS,
        "description": TEXT,
        "governance": _GOVERNANCE,
    }
)
_COMPONENT_PARTS: dict[str, Part] = {
    "supplier": _ENTITY,
    "manufacturer": _ENTITY,
    "authors": Wrapped("author", _CONTACT),
    "author": TEXT,
    "publisher": TEXT,
    "group": TEXT,
    "name": TEXT,
    "version": TEXT,
    "description": TEXT,
    "hashes": _HASHES,
    "licenses": Licenses(),
    "copyright": TEXT,
    "cpe": TEXT,
    "purl": TEXT,
    "omniborId": Repeated(TEXT),
    "swhid": Repeated(TEXT),
    "swid": Shape(("tagId", "name")),
}
_COMPONENT = Shape(("type", "mime-type", "bom-ref"), parts=_COMPONENT_PARTS)
# A component holds components, so these parts can only be named once it exists.
_COMPONENT_PARTS |= {
    "pedigree": Shape(parts={"ancestors": Wrapped("component", _COMPONENT)}),
    "externalReferences": _REFERENCES,
    "properties": _PROPERTIES,
    "components": Wrapped("component", _COMPONENT),
    "evidence": _EVIDENCE,
    "releaseNotes": Shape(parts={"type": TEXT, "title": TEXT, "timestamp": TEXT}),
    "modelCard": _MODEL_CARD,
    "data": Repeated(DATA),
}
_COMPONENTS = Wrapped("component", _COMPONENT)
_SERVICE = Shape(
    ("bom-ref",),
    parts={
        "provider": _ENTITY,
        "group": TEXT,
        "name": TEXT,
        "version": TEXT,
        "description": TEXT,
        "data": Wrapped("dataflow", Shape(("name", "description"), parts={"classification": TEXT})),
        "properties": _PROPERTIES,
    },
)
_SERVICES = Wrapped("service", _SERVICE)
_OLD_TOOL = Shape(parts={"vendor": TEXT, "name": TEXT, "version": TEXT})
_METADATA = Shape(
    parts={
        "timestamp": TEXT,
        "lifecycles": Wrapped("lifecycle", Shape(parts={"phase": TEXT, "name": TEXT})),
        "tools": Tools(Shape(parts={"components": _COMPONENTS, "services": _SERVICES}), _OLD_TOOL),
        "authors": Wrapped("author", _CONTACT),
        "component": _COMPONENT,
        "manufacturer": _ENTITY,
        "supplier": _ENTITY,
        "properties": _PROPERTIES,
    }
)
_VULNERABILITY = Shape(
    ("bom-ref",),
    parts={
        "id": TEXT,
        "source": _SOURCE,
        "references": Wrapped("reference", Shape(parts={"id": TEXT, "source": _SOURCE})),
        "ratings": Wrapped("rating", Shape(parts={"source": _SOURCE, "severity": TEXT, "method": TEXT})),
        "cwes": Wrapped("cwe"),
        "description": TEXT,
        "detail": TEXT,
        "recommendation": TEXT,
        "advisories": Wrapped("advisory", Shape(parts={"url": TEXT})),
        "analysis": Shape(
            parts={
                "state": TEXT,
                "justification": TEXT,
                "response": Wrapped("response", element="responses"),
                "detail": TEXT,
            }
        ),
        "affects": Wrapped("target", Shape(parts={"ref": TEXT})),
        "properties": _PROPERTIES,
    },
)
_COMPOSITION = Shape(parts={"aggregate": TEXT, "assemblies": Refs("assembly"), "dependencies": Refs("dependency")})
_ANNOTATION = Shape(
    parts={
        "subjects": Refs("subject"),
        "annotator": Shape(parts={"component": _COMPONENT}),
        "timestamp": TEXT,
        "text": TEXT,
    }
)
_MAP = Shape(
    parts={
        "requirement": TEXT,
        "claims": Wrapped("claim"),
        "counterClaims": Wrapped("counterClaim"),
        # Without a score, the reasoning of the claim says how strong the evidence is and what is missing.
        "confidence": Shape(parts={"score": TEXT, "rationale": TEXT}, needs="score"),
    }
)
_CLAIM = Shape(
    ("bom-ref",),
    parts={
        "target": TEXT,
        "predicate": TEXT,
        "reasoning": TEXT,
        "evidence": Repeated(),
        "counterEvidence": Repeated(),
        "externalReferences": _REFERENCES,
    },
)
_PROOF = Shape(
    ("bom-ref",),
    parts={
        "propertyName": TEXT,
        "description": TEXT,
        "data": Repeated(Shape(parts={"name": TEXT, "contents": Shape(parts={"attachment": _ATTACHMENT})})),
        "created": TEXT,
    },
)
_DECLARATIONS = Shape(
    parts={
        "assessors": Wrapped("assessor", Shape(("bom-ref",), parts={"thirdParty": TEXT, "organization": _ENTITY})),
        "attestations": Wrapped("attestation", Shape(parts={"summary": TEXT, "assessor": TEXT, "map": Repeated(_MAP)})),
        "claims": Wrapped("claim", _CLAIM),
        "evidence": Wrapped("evidence", _PROOF),
    }
)
_RESOURCE = Shape(parts={"ref": TEXT})
_WORKFLOW = Shape(
    ("bom-ref",),
    parts={
        "uid": TEXT,
        "name": TEXT,
        "description": TEXT,
        "resourceReferences": Wrapped("resourceReference", _RESOURCE),
        "taskTypes": Wrapped("taskType"),
        "outputs": Wrapped("output", Shape(parts={"resource": _RESOURCE, "type": TEXT})),
    },
)
_FORMULA = Shape(("bom-ref",), parts={"workflows": Wrapped("workflow", _WORKFLOW)})
_REQUIREMENT = Shape(
    ("bom-ref",),
    parts={"identifier": TEXT, "title": TEXT, "properties": _PROPERTIES, "externalReferences": _REFERENCES},
)
_STANDARD = Shape(
    ("bom-ref",),
    parts={
        "name": TEXT,
        "version": TEXT,
        "description": TEXT,
        "owner": TEXT,
        "requirements": Wrapped("requirement", _REQUIREMENT),
    },
)
BOM = Shape(
    ("version", "serialNumber"),
    parts={
        "metadata": _METADATA,
        "components": _COMPONENTS,
        "services": _SERVICES,
        "externalReferences": _REFERENCES,
        "dependencies": Nodes(),
        "compositions": Wrapped("composition", _COMPOSITION),
        "properties": _PROPERTIES,
        "vulnerabilities": Wrapped("vulnerability", _VULNERABILITY),
        "annotations": Wrapped("annotation", _ANNOTATION),
        "formulation": Wrapped("formula", _FORMULA),
        "declarations": _DECLARATIONS,
        "definitions": Shape(parts={"standards": Wrapped("standard", _STANDARD)}),
    },
)
NAMED_LICENSE = Shape(
    ("bom-ref", "acknowledgement"), parts={"id": TEXT, "name": TEXT, "url": TEXT, "properties": _PROPERTIES}
)
EXPRESSION = Shape(("bom-ref", "acknowledgement"), "expression")
DETAILED_EXPRESSION = Shape(("bom-ref", "acknowledgement", "expression"), parts={"properties": _PROPERTIES})
