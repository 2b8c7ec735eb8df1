"""The report as a CycloneDX document: inventory by the library, the machine-learning part laid over it by bom-ref."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

import msgspec
from cyclonedx.exception import CycloneDxException
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component as CdxComponent
from cyclonedx.model.component import ComponentType, Pedigree
from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence
from cyclonedx.model.contact import OrganizationalContact, OrganizationalEntity
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6, JsonV1Dot7
from packageurl import PackageURL

from aibom.components import Component, ComponentKind, Derivation, RelationKind
from aibom.emitters import cdx_declarations, cdx_provenance
from aibom.emitters.cdx_files import HASH_NAMES, file_components, listed
from aibom.emitters.cdx_findings import vulnerabilities
from aibom.emitters.cdx_formulation import formulation
from aibom.emitters.cdx_layout import TOOL_REF, Layout, lay_out
from aibom.emitters.cdx_licenses import license_lists
from aibom.emitters.cdx_properties import of_ancestor, of_component
from aibom.emitters.cdx_text import Json, Named, link, passage, properties, property_name, timestamp
from aibom.emitters.cyclonedx_ml import dataset, model_card
from aibom.emitters.gate import check
from aibom.emitters.inert import json_is_inert, one_line, visible_values
from aibom.emitters.options import EmitOptions, SpecVersion
from aibom.errors import OutputError
from aibom.report import Report

SERIAL_NAMESPACE = UUID("6f1ac6f0-2b0e-5c5e-9d55-9f0f5b1f8e3a")  # ours, made once; serial numbers are UUIDv5 in it

TOP_LEVEL = (
    "$schema", "bomFormat", "specVersion", "serialNumber", "version", "metadata", "components", "services",
    "externalReferences", "dependencies", "compositions", "vulnerabilities", "annotations", "formulation",
    "declarations", "definitions", "citations", "properties",
)  # fmt: skip

COMPONENT_KEYS = (
    "type", "mime-type", "bom-ref", "supplier", "manufacturer", "authors", "publisher", "group", "name", "version",
    "description", "hashes", "licenses", "purl", "pedigree", "externalReferences", "modelCard", "data", "properties",
    "components", "evidence",
)  # fmt: skip

# Kinds of URL whose name is also a type of external reference in 1.6 and 1.7.
_REFERENCE_TYPES = frozenset({
    "vcs", "issue-tracker", "website", "advisories", "documentation", "support", "distribution", "license",
    "release-notes", "security-contact", "model-card", "evidence", "attestation", "digital-signature", "rfc-9116",
})  # fmt: skip


def emit(report: Report, options: EmitOptions) -> str:
    """Return the report as CycloneDX JSON of `options.spec_version`."""
    return to_text(to_document(report, options.spec_version))


def to_text(doc: Json) -> str:
    """Return a document as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(doc), indent=2).decode() + "\n"


def to_document(report: Report, version: SpecVersion = "1.7") -> Json:
    """Return the report as a CycloneDX document that has passed the official schema and the semantic gate.

    The same report gives the same document: the serial number is made from the content, the time is the report's.

    Raises:
        OutputError: the document would be wrong, with what is wrong in it.
    """
    layout = lay_out(report)
    doc = _inventory(report, layout, version)
    doc = _overlay(doc, report, layout, version)
    try:
        inert = json_is_inert(msgspec.json.encode(doc).decode())
    except UnicodeEncodeError:
        inert = False
    if not inert:
        doc = visible_values(doc)
    if version == "1.7" and (cited := cdx_provenance.citations(doc, report, layout)):
        doc["citations"] = cited
    doc["serialNumber"] = f"urn:uuid:{uuid5(SERIAL_NAMESPACE, msgspec.json.encode(doc, order='sorted').decode())}"
    doc = {key: doc[key] for key in TOP_LEVEL if key in doc}
    check(doc)
    return doc


# --- inventory --------------------------------------------------------------------------------------------------------


def _inventory(report: Report, layout: Layout, version: SpecVersion) -> Json:
    try:
        bom = _bom(report, layout)
        writer = JsonV1Dot7(bom) if version == "1.7" else JsonV1Dot6(bom)
        # Our own escape replaces what UTF-8 can't hold, so the library's text never meets an encoder.
        doc: Json = json.loads(writer.output_as_string())
    except (CycloneDxException, ValueError) as error:
        raise OutputError(f"the CycloneDX library refuses the inventory: {error}") from error
    _order_places(doc)
    return doc


def _order_places(value: Any) -> None:
    # The library takes two places without a reference of their own for equals, and so writes them in the order of a
    # hash table, which is another one in each process.
    if isinstance(value, dict):
        if occurrences := value.get("occurrences"):
            occurrences.sort(key=lambda place: json.dumps(place, sort_keys=True))
        for child in value.values():
            _order_places(child)
    elif isinstance(value, list):
        for child in value:
            _order_places(child)


def _bom(report: Report, layout: Layout) -> Bom:
    tool = CdxComponent(
        type=ComponentType.APPLICATION,
        name=report.tool.name,
        version=report.tool.version,
        bom_ref=TOOL_REF,
        properties=_properties((property_name("aibom", "data", k), v) for k, v in report.rule_data.items()),
    )
    author, supplier = report.settings.identity.author, report.settings.identity.supplier
    contact = OrganizationalContact(email=author) if author and "@" in author else OrganizationalContact(name=author)
    metadata = BomMetaData(
        timestamp=report.created,
        tools=ToolRepository(components=[tool]),
        authors=[contact] if author else None,
        supplier=OrganizationalEntity(name=supplier) if supplier else None,
        lifecycles=[PredefinedLifecycle(LifecyclePhase.POST_BUILD)],
        component=_component(layout.root, report, layout),
        properties=_properties(
            [("aibom:target", one_line(report.target)), ("aibom:as-of", report.settings.as_of.isoformat())]
        ),
    )
    return Bom(
        serial_number=SERIAL_NAMESPACE,
        version=1,
        metadata=metadata,
        components=[_component(component, report, layout) for component in layout.top],
        dependencies=[
            Dependency(BomRef(ref), dependencies=[Dependency(BomRef(target)) for target in targets])
            for ref, targets in _dependencies(layout).items()
        ],
    )


def _component(component: Component, report: Report, layout: Layout) -> CdxComponent:
    cdx = _identified(component, layout.refs[component.ref], list(of_component(component, layout, report)))
    cdx.pedigree = _pedigree(component, report, layout)
    cdx.evidence = _evidence(component)
    if component.ref == report.resolution.root:
        cdx.external_references.update(_signatures(report))
    cdx.components.update(_component(child, report, layout) for child in layout.nested.get(component.ref, ()))
    return cdx


def _identified(component: Component, bom_ref: str, named: list[Named]) -> CdxComponent:
    references, texts = _external_references(component)
    return CdxComponent(
        type=ComponentType(component.kind.value),
        bom_ref=bom_ref,
        group=one_line(component.group) if component.group else None,
        name=one_line(component.name),
        version=one_line(component.version) if component.version else None,
        purl=PackageURL.from_string(component.purl) if component.purl else None,
        description=passage(component.description) if component.description else None,
        supplier=OrganizationalEntity(name=one_line(component.supplier.value)) if component.supplier else None,
        hashes=[
            HashType(alg=HashAlgorithm(HASH_NAMES[digest.algorithm]), content=digest.value)
            for digest in listed(component.digests)
        ],
        external_references=references,
        properties=_properties([*named, *texts]),
    )


def _pedigree(component: Component, report: Report, layout: Layout) -> Pedigree | None:
    ancestors = []
    for ancestor in layout.ancestors.get(component.ref, ()):
        named = list(of_ancestor(ancestor.relation))
        if ancestor.full:
            named += of_component(ancestor.component, layout, report)
        cdx = _identified(ancestor.component, ancestor.bom_ref, named)
        if ancestor.full:
            cdx.pedigree = _pedigree(ancestor.component, report, layout)
        ancestors.append(cdx)
    return Pedigree(ancestors=ancestors) if ancestors else None


def _evidence(component: Component) -> ComponentEvidence | None:
    places = [
        Occurrence(
            location=item.location.path,
            line=item.location.line,
            offset=item.location.offset,
            additional_context=one_line(item.statement),
        )
        for item in component.evidence
        if item.location
    ]
    return ComponentEvidence(occurrences=places) if places else None


def _external_references(component: Component) -> tuple[list[ExternalReference], list[Named]]:
    """Return the component's links, and as properties the URLs that are none."""
    references: list[ExternalReference] = []
    texts: list[Named] = []
    for kind, text in component.urls.items():
        url = link(text)
        if url is None:
            texts.append((property_name("aibom", "url", kind), text))
            continue
        known = kind in _REFERENCE_TYPES
        references.append(
            ExternalReference(
                type=ExternalReferenceType(kind) if known else ExternalReferenceType.OTHER,
                url=XsUri(url),
                comment=None if known else one_line(kind),
            )
        )
    return references, texts


def _signatures(report: Report) -> Iterator[ExternalReference]:
    """Yield a reference to every signature in the target, by its path from the root."""
    for verification in report.verifications:
        if verification.is_signature and verification.location is not None:
            yield ExternalReference(
                type=ExternalReferenceType.DIGITAL_SIGNATURE,
                url=XsUri(quote(verification.location.path)),
                comment=one_line(f"{verification.kind}: {verification.status.value}"),
            )


def _properties(named: Iterable[Named]) -> list[Property]:
    return [Property(name=entry["name"], value=entry["value"]) for entry in properties(named)]


def _dependencies(layout: Layout) -> dict[str, list[str]]:
    placed = {component.ref for component in layout.placed}
    graph: dict[str, list[str]] = {layout.refs[component.ref]: [] for component in layout.placed}
    for component in layout.placed:
        edges = graph[layout.refs[component.ref]]
        for relation in layout.outgoing.get(component.ref, ()):
            if (
                relation.target in placed
                and relation.target != component.ref
                and relation.kind is not RelationKind.DERIVED_FROM
            ):
                edges.append(layout.refs[relation.target])
        edges += [layout.refs[child.ref] for child in layout.nested.get(component.ref, ())]
    # What the root does not lead to hangs on the root: a graph with loose ends reads as "these are not needed".
    root = layout.refs[layout.root.ref]
    reached: set[str] = set()
    _reach(graph, root, reached)
    for component in layout.top:
        if layout.refs[component.ref] not in reached:
            graph[root].append(layout.refs[component.ref])
            _reach(graph, layout.refs[component.ref], reached)
    return graph


def _reach(graph: dict[str, list[str]], start: str, reached: set[str]) -> None:
    stack = [start]
    while stack:
        ref = stack.pop()
        if ref not in reached:
            reached.add(ref)
            stack += graph[ref]


# --- overlay ----------------------------------------------------------------------------------------------------------


def _overlay(doc: Json, report: Report, layout: Layout, version: SpecVersion) -> Json:
    """Lay over the inventory what the library can't express, and what it would be too slow for."""
    doc["metadata"]["timestamp"] = timestamp(report.created)
    by_ref = _by_ref(report, layout, version)
    bodies = [doc["metadata"]["component"], *doc.get("components", ())]
    for body in bodies:
        extra = by_ref.get(body["bom-ref"], {})
        # Fires on the day on which the library learns one of these: then it is the library's to write.
        if clash := extra.keys() & body.keys() - {"components", "evidence"}:
            raise OutputError(f"the library now writes {sorted(clash)} of a component itself")
        merged = body | extra
        if parts := [*body.get("components", ()), *extra.get("components", ())]:
            merged["components"] = parts
        if evidence := body.get("evidence", {}) | extra.get("evidence", {}):
            merged["evidence"] = evidence
        body.clear()
        order = (*COMPONENT_KEYS, *sorted(merged.keys() - {*COMPONENT_KEYS}))
        body.update((key, merged[key]) for key in order if key in merged)
        bodies += [child for child in body.get("components", ()) if child["type"] != "file"]
        bodies += body.get("pedigree", {}).get("ancestors", ())
    doc["dependencies"] = _with_bases(doc.get("dependencies", []), layout)
    sections = {
        "compositions": cdx_provenance.compositions(report, layout),
        "vulnerabilities": vulnerabilities(report.findings, layout),
        "annotations": cdx_declarations.remarks(report, layout),
        "formulation": formulation(layout),
        "declarations": cdx_declarations.declarations(report, layout),
        "definitions": cdx_declarations.definitions(report),
    }
    # An empty list of findings is an answer: a missing one would say that nobody looked.
    return doc | {key: value for key, value in sections.items() if value or key == "vulnerabilities"}


def _by_ref(report: Report, layout: Layout, version: SpecVersion) -> dict[str, Json]:
    full = {entry.component.ref for entries in layout.ancestors.values() for entry in entries if entry.full}
    found: dict[str, Json] = {}
    for component in report.resolution.components:
        if component.ref not in full and component not in layout.placed:
            continue
        stated, detected = license_lists(component, version)
        extra = {
            "licenses": stated,
            "evidence": {"licenses": detected} if detected else None,
            "components": file_components(layout.files.get(component.ref, ()), report),
            "modelCard": model_card(component, layout) if component.kind is ComponentKind.MODEL else None,
            "data": dataset(component) if component.kind is ComponentKind.DATASET else None,
        }
        found[layout.refs[component.ref]] = {key: value for key, value in extra.items() if value}
    return found


def _with_bases(dependencies: list[Json], layout: Layout) -> list[Json]:
    """Return the graph with an edge from each adapter to its base, without which it can't be loaded."""
    edges = {
        layout.refs[ref]: [a.bom_ref for a in entries if a.relation.derivation is Derivation.ADAPTER]
        for ref, entries in layout.ancestors.items()
    }
    return [
        {"ref": entry["ref"], "dependsOn": sorted({*entry.get("dependsOn", ()), *edges.get(entry["ref"], ())})}
        for entry in dependencies
    ]
