"""The report as SPDX 3.0.1 JSON-LD with the AI and Dataset profiles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from spdx_python_model import v3_0_1 as spdx

from aibom.components import Component, ComponentKind, LicenseClaim, RelationKind
from aibom.emitters.cdx_declarations import sentence
from aibom.emitters.cdx_files import listed
from aibom.emitters.cdx_findings import ADVISORY, Group, group
from aibom.emitters.cdx_layout import Layout, lay_out
from aibom.emitters.cdx_properties import of_component
from aibom.emitters.cdx_text import link, origin, passage
from aibom.emitters.cyclonedx import SERIAL_NAMESPACE
from aibom.emitters.inert import escape_json, one_line, visible_values
from aibom.emitters.options import EmitOptions
from aibom.emitters.spdx_values import comment, download, expression, hash_value, model, moment, references, utc
from aibom.errors import OutputError
from aibom.files import RepoFile, Role
from aibom.findings import Finding
from aibom.report import Report

DOCUMENTS = "https://spdx.org/spdxdocs"
_UNNAMED = UUID("6f1ac6f0-2b0e-5c5e-9d55-000000000000")  # stands for the name until the content is whole
NO_ASSERTION = "https://spdx.org/rdf/3.0.1/terms/ExpandedLicensing/NoAssertionLicense"

_PURPOSES = {
    Role.WEIGHTS: "model",
    Role.CONFIG: "configuration",
    Role.CODE: "source",
    Role.CARD: "documentation",
    Role.LICENSE: "documentation",
    Role.DATA: "data",
}
_RELATIONS = {
    RelationKind.CONTAINS: "contains",
    RelationKind.DERIVED_FROM: "descendantOf",
    RelationKind.TRAINED_ON: "trainedOn",
    RelationKind.EVALUATED_ON: "testedOn",
    RelationKind.DEPENDS_ON: "dependsOn",
}
_FOLLOWED = frozenset({RelationKind.CONTAINS, RelationKind.DEPENDS_ON})


def emit(report: Report, _options: EmitOptions) -> str:
    """Return the report as an SPDX document, the same bytes for the same report."""
    text = json.dumps(visible_values(to_document(report)), ensure_ascii=False, indent=2)
    return escape_json(text) + "\n"


def to_document(report: Report) -> dict[str, Any]:
    """Return the JSON-LD document of a report, elements sorted.

    Raises:
        OutputError: the bindings refuse a value: a fault of ours.
    """
    try:
        return _Writer(report).document()
    except (TypeError, ValueError) as error:
        raise OutputError(f"the SPDX bindings refuse the document: {error}") from error


class _Writer:
    """Builds the elements of one document; each element is made once and found by its id."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._layout: Layout = lay_out(report)
        self._base = f"{DOCUMENTS}/aibom-{_UNNAMED}"
        self._elements: dict[str, Any] = {}
        self._created = spdx.CreationInfo(
            _id="_:creation",
            specVersion="3.0.1",
            created=utc(report.created),
        )

    def document(self) -> dict[str, Any]:
        report, layout = self._report, self._layout
        self._created.createdBy = [self._author()]
        self._created.createdUsing = [self._add(spdx.Tool, "tool", name=f"{report.tool.name}-{report.tool.version}")]
        packages = {c.ref: self._package(c) for c in report.resolution.components}
        files = {
            entry.inspection.file.path: self._file(entry.inspection.file, entry.bom_ref)
            for entries in layout.files.values()
            for entry in entries
        }
        for component in report.resolution.components:
            self._licenses(component, packages[component.ref])
            owned = [files[e.inspection.file.path] for e in layout.files.get(component.ref, ())]
            self._relate("contains", packages[component.ref], owned, f"files:{component.ref}", complete=component.seen)
        self._relations(packages)
        root = packages[layout.root.ref]
        for entry in group(report.findings):
            self._finding(entry, files, packages, root)
        for number, determination in enumerate(report.determinations):
            subject = packages.get(determination.subject, root)
            self._annotate(f"determination:{number}", subject, sentence(determination))
        sbom = spdx.software_Sbom(
            spdxId=self._id("sbom"),
            creationInfo=self._created,
            rootElement=[root],
            element=list(self._elements.values()),
            software_sbomType=[spdx.software_SbomType.analyzed],
            profileConformance=self._profiles(),
        )
        document = spdx.SpdxDocument(
            spdxId=self._id("document"),
            creationInfo=self._created,
            name=one_line(report.target),
            rootElement=[sbom],
            element=[*self._elements.values(), sbom],
            profileConformance=self._profiles(),
        )
        objects = spdx.SHACLObjectSet([*self._elements.values(), sbom, document])
        data: dict[str, Any] = spdx.JSONLDSerializer().serialize_data(objects, force_at_graph=True)
        data["@graph"].sort(key=lambda item: (item["type"], item.get("spdxId", item.get("@id", ""))))
        return _named_by_content(data)

    def _profiles(self) -> list[Any]:
        names = ("core", "software", "ai", "dataset", "simpleLicensing", "security")
        return [getattr(spdx.ProfileIdentifierType, name) for name in names]

    def _id(self, name: str) -> str:
        return f"{self._base}#{quote(name, safe='', errors='replace')}"

    def _add(self, kind: Any, local: str, /, **values: Any) -> Any:
        key = self._id(local)
        if key not in self._elements:
            given = {field: value for field, value in values.items() if value is not None and value not in ("", [])}
            self._elements[key] = kind(spdxId=key, creationInfo=self._created, **given)
        return self._elements[key]

    def _author(self) -> Any:
        identity = self._report.settings.identity
        if identity.author:
            mail = identity.author if "@" in identity.author else None
            known = spdx.ExternalIdentifierType.email
            ids = [spdx.ExternalIdentifier(externalIdentifierType=known, identifier=mail)] if mail else None
            return self._add(spdx.Person, "author", name=one_line(identity.author), externalIdentifier=ids)
        if identity.supplier:
            return self._organization(identity.supplier)
        # Nobody said who made this document; the tool did, and a tool is an agent of its own kind.
        return self._add(spdx.SoftwareAgent, "agent", name=f"{self._report.tool.name} {self._report.tool.version}")

    def _organization(self, name: str) -> Any:
        return self._add(spdx.Organization, f"organization:{name}", name=one_line(name))

    # --- packages and files -------------------------------------------------------------------------------------------

    def _package(self, component: Component) -> Any:
        kinds: dict[ComponentKind, tuple[Any, str]] = {
            ComponentKind.MODEL: (spdx.ai_AIPackage, "model"),
            ComponentKind.DATASET: (spdx.dataset_DatasetPackage, "data"),
            ComponentKind.LIBRARY: (spdx.software_Package, "library"),
            ComponentKind.APPLICATION: (spdx.software_Package, "application"),
        }
        kind, purpose = kinds[component.kind]
        values: dict[str, Any] = {
            "name": one_line(f"{component.group}/{component.name}" if component.group else component.name),
            "description": passage(component.description or ""),
            "software_packageVersion": one_line(component.version or ""),
            "software_packageUrl": component.purl,
            "software_primaryPurpose": getattr(spdx.software_SoftwarePurpose, purpose),
            "software_downloadLocation": download(component),
            "externalRef": list(references(component)),
            "verifiedUsing": [hash_value(digest) for digest in listed(component.digests)],
        }
        if component.supplier:
            supplier = self._organization(component.supplier.value)
            values["suppliedBy"] = supplier
            values["originatedBy"] = [supplier]
        if component is self._layout.root:
            values["releaseTime"] = moment(self._report.source.modified or self._report.source.created)
            values["builtTime"] = moment(self._report.source.modified)
        if component.kind is ComponentKind.MODEL:
            values |= model(component)
        if component.kind is ComponentKind.DATASET:
            values["dataset_datasetType"] = [spdx.dataset_DatasetType.noAssertion]
        values["comment"] = comment(component, values)
        package = self._add(kind, f"component:{component.ref}", **values)
        notes = sorted(set(of_component(component, self._layout, self._report)))
        if notes:
            self._annotate(f"properties:{component.ref}", package, "\n".join(f"{n} = {one_line(v)}" for n, v in notes))
        return package

    def _file(self, file: RepoFile, bom_ref: str) -> Any:
        digests = listed((*self._report.digests.get(file.path, ()), *file.declared_digests))
        declared = [digest.algorithm for digest in digests if digest.basis == "declared"]
        return self._add(
            spdx.software_File,
            bom_ref,
            name=file.path,
            software_primaryPurpose=getattr(spdx.software_SoftwarePurpose, _PURPOSES.get(file.role, "file")),
            software_fileKind=spdx.software_FileKindType.file,
            verifiedUsing=[hash_value(digest) for digest in digests],
            comment=f"Declared, not computed: {', '.join(declared)}." if declared else None,
            summary=f"{file.format.value}, {file.role.value}, {file.size} bytes",
        )

    # --- relations ----------------------------------------------------------------------------------------------------

    def _relate(self, kind: str, source: Any, targets: list[Any], name: str, *, complete: bool = False) -> None:
        if not targets:
            return
        self._add(
            spdx.Relationship,
            f"relation:{kind}:{name}",
            from_=source,
            to=targets,
            relationshipType=getattr(spdx.RelationshipType, kind),
            completeness=spdx.RelationshipCompleteness.complete
            if complete and not self._report.skipped
            else spdx.RelationshipCompleteness.noAssertion,
        )

    def _relations(self, packages: dict[str, Any]) -> None:
        root = self._layout.root.ref
        for ref, edges in self._layout.outgoing.items():
            for kind, name in _RELATIONS.items():
                # A model that is said to derive from itself has that in its properties.
                targets = {edge.target: None for edge in edges if edge.kind is kind and edge.target != ref}
                self._relate(name, packages[ref], [packages[target] for target in targets], ref)
        # Checkers follow containment and dependencies: to them, what only lineage or training leads to is loose.
        direct = {e.target for e in self._layout.outgoing.get(root, ()) if e.kind in _FOLLOWED}
        loose = [ref for ref in packages if ref != root and ref not in direct]
        self._relate("dependsOn", packages[root], [packages[ref] for ref in loose], f"loose:{root}")

    def _licenses(self, component: Component, package: Any) -> None:
        for basis, kind in (("declared", "hasDeclaredLicense"), ("concluded", "hasConcludedLicense")):
            claims = [claim for claim in component.licenses if claim.basis == basis]
            if not claims:
                self._relate(kind, package, [NO_ASSERTION], component.ref)
            for number, claim in enumerate(claims):
                self._relate(kind, package, [self._license(claim)], f"{component.ref}:{number}")
        for number, claim in enumerate(c for c in component.licenses if c.basis == "detected"):
            text = f"Licence detected at {origin(claim.evidence)}: {expression(claim)} ({one_line(claim.raw)})"
            self._annotate(f"detected:{component.ref}:{number}", package, text)

    def _license(self, claim: LicenseClaim) -> Any:
        text = expression(claim)
        customs = []
        for name in sorted(set(re.findall(r"LicenseRef-[A-Za-z0-9.-]+", text))):
            custom = self._add(
                spdx.simplelicensing_SimpleLicensingText,
                f"license:{name}",
                name=name,
                simplelicensing_licenseText=(link(claim.url) if claim.url else None) or one_line(claim.raw) or name,
                comment="The text is not part of this document; this is where it is said to be, or what was declared.",
            )
            customs.append(spdx.DictionaryEntry(key=name, value=custom._id))  # noqa: SLF001 -- the binding's own name
        return self._add(
            spdx.simplelicensing_LicenseExpression,
            f"expression:{text}",
            simplelicensing_licenseExpression=text,
            simplelicensing_customIdToUri=customs,
        )

    # --- findings -----------------------------------------------------------------------------------------------------

    def _finding(self, entry: Group, files: dict[str, Any], packages: dict[str, Any], root: Any) -> None:
        finding = entry.findings[0]
        vulnerability = self._add(
            spdx.security_Vulnerability,
            entry.bom_ref,
            name=one_line(finding.advisory) if finding.advisory else finding.rule.id,
            externalIdentifier=_identifiers(finding),
            summary=f"{finding.severity.value}: {one_line(finding.message)}",
            description="\n".join([passage(finding.rule.summary), *_places(entry), f"Help: {finding.rule.help}"]),
        )
        if finding.component in packages:
            targets = [packages[finding.component]]
        else:
            paths = (f.location.path if f.location else "" for f in entry.findings)
            targets = list({_key(found): found for found in (files.get(path, root) for path in paths)}.values())
        values = {"from_": vulnerability, "to": targets}
        if finding.suppression is None:
            self._add(
                spdx.security_VexUnderInvestigationVulnAssessmentRelationship,
                f"vex:{entry.bom_ref}",
                relationshipType=spdx.RelationshipType.underInvestigationFor,
                **values,
            )
            return
        said = finding.suppression
        self._add(
            spdx.security_VexNotAffectedVulnAssessmentRelationship,
            f"vex:{entry.bom_ref}",
            relationshipType=spdx.RelationshipType.doesNotAffect,
            security_impactStatement=passage(f"Ignored by {said.source}: {said.reason}"),
            **values,
        )

    def _annotate(self, name: str, subject: Any, statement: str) -> None:
        self._add(
            spdx.Annotation,
            f"annotation:{name}",
            annotationType=spdx.AnnotationType.other,
            subject=subject,
            statement=statement,
        )


def _named_by_content(data: dict[str, Any]) -> dict[str, Any]:
    """Return the document under a name made from what it says: the same content has the same name."""
    text = json.dumps(data)
    named: dict[str, Any] = json.loads(text.replace(str(_UNNAMED), str(uuid5(SERIAL_NAMESPACE, text))))
    return named


def _key(element: Any) -> str:
    return str(element._id)  # noqa: SLF001 -- the binding's own name


def _identifiers(finding: Finding) -> list[Any]:
    """Return the published names of the fault, where the finding repeats an advisory."""
    if finding.advisory is None:
        return []
    kinds = spdx.ExternalIdentifierType
    return [
        spdx.ExternalIdentifier(
            externalIdentifierType=kinds.cve if name.startswith("CVE-") else kinds.securityOther,
            identifier=one_line(name),
        )
        for name in dict.fromkeys((finding.advisory, *finding.evidence))
        if ADVISORY.fullmatch(name)
    ]


def _places(entry: Group) -> Iterator[str]:
    places = [one_line(str(finding.location)) for finding in entry.findings if finding.location]
    yield from (f"At {place}" for place in places[:100])
    if len(places) > 100:
        yield f"And at {len(places) - 100} more places"
