"""SPDX 3.0 JSON-LD in the compact form that its JSON schema demands, read into the shape of CycloneDX JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aibom.documents.shape import Json
from aibom.documents.spdx_words import algorithm, component_type, licenses, reference, roles, tool, without_empty
from aibom.errors import DataError
from aibom.resolvers.documents import mapping, texts

Element = Mapping[str, Any]
MAX_ANCESTORS = 16  # generations
_AI_FIELDS = (
    "autonomyType", "informationAboutApplication", "informationAboutTraining", "modelDataPreprocessing",
    "modelExplainability", "safetyRiskAssessment", "standardCompliance", "useSensitivePersonalInformation",
)  # fmt: skip
_PACKAGES = frozenset({"software_Package", "ai_AIPackage", "dataset_DatasetPackage", "software_File"})
_FOLLOWED = frozenset({"contains", "dependsOn", "hasDynamicLink", "hasStaticLink", "hasPrerequisite"})
_PHASES = {
    "design": "design", "source": "pre-build", "build": "build", "analyzed": "post-build", "deployed": "operations",
    "runtime": "operations",
}  # fmt: skip
_STATES = {
    "doesNotAffect": "not_affected", "fixedIn": "resolved", "affects": "exploitable",
    "underInvestigationFor": "in_triage",
}  # fmt: skip
_SEVERITIES = frozenset({"critical", "high", "medium", "low", "info"})
_AGGREGATES = {"complete": "complete", "incomplete": "incomplete", "noAssertion": "unknown"}
_LINKS = {
    "vcs": "vcs", "securityAdvisory": "advisories", "documentation": "documentation", "license": "license",
    "releaseNotes": "release-notes", "certificationReport": "certification-report", "metrics": "quality-metrics",
    "securityPolicy": "rfc-9116", "altWebPage": "website", "binaryArtifact": "distribution", "support": "support",
    "riskAssessment": "risk-assessment", "qualityAssessmentReport": "quality-metrics", "issueTracker": "issue-tracker",
    "vulnerabilityExploitabilityAssessment": "exploitability-statement", "altDownloadLocation": "distribution",
}  # fmt: skip


def read_spdx3(graph: list[Any]) -> Json:
    """Return the document in the shape of CycloneDX JSON; what has another type than SPDX gives it is left out.

    Raises:
        DataError: there is no SPDX 3 document in the graph.
    """
    elements: list[Element] = [item for item in graph if isinstance(item, dict)]
    if not any(_kind(item) == "SpdxDocument" for item in elements):
        raise DataError(
            "there is no SpdxDocument in this graph",
            hint="SPDX 3.0 is read in the compact form of its JSON schema, with `type` and `spdxId`.",
        )
    return _Reader(elements).document()


def _kind(element: Element) -> str:
    return _one(element, "type") or _one(element, "@type")


def _id(element: Element) -> str:
    return _one(element, "spdxId") or _one(element, "@id")


def _one(element: Element, key: str) -> str:
    return next(iter(texts(element.get(key))), "")


def _maps(element: Element, key: str) -> Iterator[Element]:
    value = element.get(key)
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


class _Reader:
    """Looks elements up by id, and relations by kind and source."""

    def __init__(self, elements: list[Element]) -> None:
        self._elements = elements
        self._by_id = {_id(item): item for item in elements}
        self._edges: dict[tuple[str, str], list[str]] = {}
        self._origins: dict[str, list[str]] = {}
        for item in elements:
            kind, source = _one(item, "relationshipType"), _one(item, "from")
            for target in texts(item.get("to")) if kind and source else ():
                if kind == "ancestorOf":
                    self._edges.setdefault(("descendantOf", target), []).append(source)
                else:
                    self._edges.setdefault((kind, source), []).append(target)
        self._trained = {t for (kind, _), targets in self._edges.items() if kind == "trainedOn" for t in targets}
        self._tested = {t for (kind, _), targets in self._edges.items() if kind == "testedOn" for t in targets}

    def document(self) -> Json:
        document = next(item for item in self._elements if _kind(item) == "SpdxDocument")
        sboms = [item for item in self._elements if _kind(item) in {"software_Sbom", "Bom"}]
        info = self._creation(document)
        packages = [item for item in self._elements if _kind(item) in _PACKAGES]
        root = self._root(document, sboms)
        # A base model is an ancestor, and no part of what the document is about.
        bases = {t for (kind, _), targets in self._edges.items() if kind == "descendantOf" for t in targets}
        held = {t for (kind, _), targets in self._edges.items() if kind == "contains" for t in targets}
        standing = [item for item in packages if _id(item) not in bases - held or _id(item) == root]
        bodies = {_id(item): self._component(item) for item in standing}
        weights = {_id(item) for item in packages if _one(item, "software_primaryPurpose") == "model"}
        roles(bodies.values(), weights & {_id(item) for item in packages if _kind(item) == "software_File"})
        metadata = {
            "timestamp": _one(info, "created"),
            "lifecycles": [
                {"phase": _PHASES[word]} for item in sboms for word in texts(item.get("software_sbomType"))
                if word in _PHASES
            ],
            "tools": self._tools(info),
            "authors": [*self._people(texts(info.get("createdBy")))],
            "component": bodies.get(root),
        }  # fmt: skip
        vulnerabilities = [self._vulnerability(e) for e in self._elements if _kind(e) == "security_Vulnerability"]
        return without_empty(
            {
                "bomFormat": "SPDX",
                "specVersion": _one(info, "specVersion"),
                "serialNumber": _id(document),
                "metadata": without_empty(metadata),
                "components": [body for ref, body in bodies.items() if ref != root],
                "dependencies": [*self._dependencies(bodies.keys())],
                "compositions": [*self._compositions()],
                "vulnerabilities": vulnerabilities,
            }
        )

    def _root(self, document: Element, sboms: list[Element]) -> str:
        for holder in (*sboms, document):
            for ref in texts(holder.get("rootElement")):
                if _kind(self._by_id.get(ref, {})) in _PACKAGES:
                    return ref
        return ""

    def _creation(self, document: Element) -> Element:
        info = document.get("creationInfo")
        return info if isinstance(info, dict) else self._by_id.get(_one(document, "creationInfo"), {})

    def _people(self, refs: Iterable[str]) -> Iterator[Json]:
        for ref in refs:
            # A tool that makes a document is no author of it.
            if _kind(agent := self._by_id.get(ref, {})) in {"Person", "Organization", "Agent"}:
                yield without_empty({"name": _one(agent, "name"), "email": _email(agent)})

    def _tools(self, info: Element) -> Json | None:
        names = [_one(self._by_id.get(ref, {}), "name") for ref in texts(info.get("createdUsing"))]
        found = [{"type": "application", **tool(name)} for name in names if name]
        return {"components": found} if found else None

    def _entity(self, refs: Iterable[str]) -> Json | None:
        person = next(self._people(refs), None)
        if person is None:
            return None
        contact = [{"email": person["email"]}] if "email" in person else []
        return without_empty({"name": person.get("name"), "contact": contact})

    # --- packages and files -------------------------------------------------------------------------------------------

    def _component(self, item: Element, depth: int = 0) -> Json:
        ref, kind = _id(item), _kind(item)
        body = without_empty(
            {
                "bom-ref": ref,
                "type": self._type(item),
                "name": _one(item, "name"),
                "version": _one(item, "software_packageVersion"),
                "description": _one(item, "description") or _one(item, "summary"),
                "supplier": self._entity(texts(item.get("suppliedBy"))),
                "manufacturer": self._entity(texts(item.get("originatedBy"))),
                "hashes": [
                    {"alg": algorithm(_one(entry, "algorithm")), "content": _one(entry, "hashValue")}
                    for entry in _maps(item, "verifiedUsing")
                ],
                "purl": _one(item, "software_packageUrl") or _identifier(item, "packageUrl"),
                "cpe": _identifier(item, "cpe23") or _identifier(item, "cpe22"),
                "externalReferences": [*_links(item)],
                "releaseNotes": without_empty({"timestamp": _one(item, "releaseTime")}),
                "modelCard": self._card(item) if kind == "ai_AIPackage" else None,
                "data": [_data(item)] if kind == "dataset_DatasetPackage" else None,
                "pedigree": self._pedigree(item, depth) or _provenance(item),
            }
        )
        body |= licenses(self._expressions("hasDeclaredLicense", ref), self._expressions("hasConcludedLicense", ref))
        if more := [*self._properties(item)]:
            body.setdefault("properties", []).extend(more)
        return body

    def _type(self, item: Element) -> str:
        fixed = {"ai_AIPackage": "machine-learning-model", "dataset_DatasetPackage": "data", "software_File": "file"}
        purpose, purl = _one(item, "software_primaryPurpose"), _one(item, "software_packageUrl")
        return fixed.get(_kind(item)) or component_type(purpose, purl)

    def _properties(self, item: Element) -> Iterator[Json]:
        for entry in _maps(item, "ai_hyperparameter"):
            name = f"cdx:ai-ml:model:hyperparameter:{_one(entry, 'key')}"
            yield {"name": name, "value": _one(entry, "value")}
        for role, refs in (("train", self._trained), ("eval", self._tested)):
            if _id(item) in refs:
                yield {"name": "aibom:dataset:role", "value": role}
        if built := _one(item, "builtTime"):
            yield {"name": "aibom:source:created", "value": built}

    def _expressions(self, kind: str, ref: str) -> Iterator[str]:
        for target in self._edges.get((kind, ref), ()):
            found = self._by_id.get(target, {})
            plain = target.rpartition("/")[2].rpartition("_")[2]
            if plain in {"NoAssertionLicense", "NoneLicense"}:
                yield "NONE" if plain == "NoneLicense" else "NOASSERTION"
            else:
                yield _one(found, "simplelicensing_licenseExpression") or _one(found, "name") or "NOASSERTION"

    def _pedigree(self, item: Element, depth: int) -> Json | None:
        bases = [self._by_id[ref] for ref in self._edges.get(("descendantOf", _id(item)), ()) if ref in self._by_id]
        if depth >= MAX_ANCESTORS or not bases:
            return None
        # Lineage that comes back to itself or branches without end would be unfolded for ever.
        return {"ancestors": [self._component(base, depth + 1 if len(bases) == 1 else MAX_ANCESTORS) for base in bases]}

    def _card(self, item: Element) -> Json:
        types, domains = texts(item.get("ai_typeOfModel")), texts(item.get("ai_domain"))
        used = [*self._edges.get(("trainedOn", _id(item)), ()), *self._edges.get(("testedOn", _id(item)), ())]
        parameters = {
            "task": ", ".join(domains),
            "modelArchitecture": next(iter(types), ""),
            "architectureFamily": ", ".join(types[1:]),
            "datasets": [{"ref": ref} for ref in dict.fromkeys(used)],
        }
        metrics = [{"type": _one(m, "key"), "value": _one(m, "value")} for m in _maps(item, "ai_metric")]
        thresholds = [f"{_one(m, 'key')} {_one(m, 'value')}" for m in _maps(item, "ai_metricDecisionThreshold")]
        named = [(field, ", ".join(texts(item.get(f"ai_{field}")))) for field in _AI_FIELDS]
        named.append(("metricDecisionThreshold", ", ".join(thresholds)))
        energy = mapping(item.get("ai_energyConsumption"))
        environment = {"properties": [{"name": "energyConsumption", "value": "stated"}]} if energy else None
        limits = texts(item.get("ai_limitation"))
        return without_empty(
            {
                "modelParameters": without_empty(parameters),
                "quantitativeAnalysis": {"performanceMetrics": metrics} if metrics else None,
                "considerations": without_empty(
                    {"technicalLimitations": [*limits], "environmentalConsiderations": environment}
                ),
                "properties": [{"name": name, "value": value} for name, value in named if value],
            }
        )

    # --- edges --------------------------------------------------------------------------------------------------------

    def _dependencies(self, refs: Iterable[str]) -> Iterator[Json]:
        for ref in refs:
            targets = [t for kind in sorted(_FOLLOWED) for t in self._edges.get((kind, ref), ())]
            if targets:
                yield {"ref": ref, "dependsOn": [*dict.fromkeys(targets)]}

    def _compositions(self) -> Iterator[Json]:
        stated = {_one(e, "completeness"): None for e in self._elements if _one(e, "relationshipType") in _FOLLOWED}
        for word in sorted(stated):
            if word in _AGGREGATES:
                yield {"aggregate": _AGGREGATES[word]}

    def _vulnerability(self, item: Element) -> Json:
        ref = _id(item)
        states = [kind for kind in _STATES if (kind, ref) in self._edges]
        names = [_one(entry, "identifier") for entry in _maps(item, "externalIdentifier")]
        # SPDX rates by relations of CVSS; without one, ours begin the summary with the severity.
        severity, _, message = _one(item, "summary").partition(": ")
        rated = severity in _SEVERITIES
        return without_empty(
            {
                "id": next((name for name in names if name), "") or _one(item, "name"),
                "ratings": [{"severity": severity}] if rated else [],
                "description": message if rated else _one(item, "summary") or _one(item, "description"),
                "analysis": {"state": _STATES[states[0]]} if states else None,
                "affects": [{"ref": target} for kind in states for target in self._edges[kind, ref]],
            }
        )


def _email(agent: Element) -> str:
    return _identifier(agent, "email") or next(
        (_one(e, "identifier") for e in _maps(agent, "externalIdentifier") if "@" in _one(e, "identifier")), ""
    )


def _identifier(item: Element, kind: str) -> str:
    found = (e for e in _maps(item, "externalIdentifier") if _one(e, "externalIdentifierType") == kind)
    return next((_one(entry, "identifier") for entry in found), "")


def _links(item: Element) -> Iterator[Json]:
    places = [("distribution", _one(item, "software_downloadLocation")), ("website", _one(item, "software_homePage"))]
    for entry in _maps(item, "externalRef"):
        kind = _LINKS.get(_one(entry, "externalRefType"), "other")
        places += [(kind, url) for url in texts(entry.get("locator"))]
    for kind, url in places:
        if link := reference(kind, url):
            yield link


def _provenance(item: Element) -> Json | None:
    told = [*texts(item.get("dataset_dataCollectionProcess")), *texts(item.get("dataset_dataPreprocessing"))]
    return {"notes": " ".join(told)} if told else None


def _data(item: Element) -> Json:
    types = [word for word in texts(item.get("dataset_datasetType")) if word != "noAssertion"]
    size = item.get("dataset_datasetSize")
    contents = [("type", ", ".join(types)), ("size", str(size) if isinstance(size, int) else "")]
    statistics = [*texts(item.get("dataset_datasetNoise")), *texts(item.get("dataset_knownBias"))]
    personal = _one(item, "dataset_hasSensitivePersonalInformation")
    listed = [{"name": name, "value": value} for name, value in contents if value]
    return without_empty(
        {
            "type": "dataset",
            "name": _one(item, "name"),
            "contents": {"properties": listed} if listed else None,
            "description": _one(item, "description"),
            "classification": _one(item, "dataset_confidentialityLevel"),
            "sensitiveData": [f"personal: {personal}"] if personal and personal != "noAssertion" else [],
            "graphics": {"description": " ".join(statistics)} if statistics else None,
        }
    )
