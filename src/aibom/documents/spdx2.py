"""SPDX 2.2 and 2.3 as JSON, read into the shape of CycloneDX JSON.

SPDX 2 knows no models: a package counts as one where its purl is of a model hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aibom.documents.shape import Json
from aibom.documents.spdx_words import algorithm, component_type, licenses, reference, roles, tool, without_empty
from aibom.resolvers.documents import mapping, texts

_PARTY = re.compile(r"(?P<kind>Person|Organization|Tool): *(?P<name>[^(]*?) *(?:\((?P<email>[^)]*)\))?")
_REFERENCES = {"vcs": "vcs", "website": "website", "security-contact": "security-contact", "advisory": "advisories"}
_FORWARD = frozenset({"DEPENDS_ON", "CONTAINS", "DYNAMIC_LINK", "STATIC_LINK", "HAS_PREREQUISITE"})
_BACKWARD = frozenset({"DEPENDENCY_OF", "CONTAINED_BY", "RUNTIME_DEPENDENCY_OF", "BUILD_DEPENDENCY_OF"})


def read_spdx2(document: Mapping[str, Any]) -> Json:
    """Return the document in the shape of CycloneDX JSON; what has another type than SPDX gives it is left out."""
    packages = [_package(body) for body in _mappings(document.get("packages"))]
    listed = [*_mappings(document.get("files"))]
    bodies = packages + [_file(body) for body in listed]
    roles(bodies, {_text(body, "SPDXID") for body in listed if _is_weights(body)})
    relations = [*_relations(document)]
    described = [*texts(document.get("documentDescribes"))]
    described += [target for kind, source, target in relations if kind == "DESCRIBES" and source == "SPDXRef-DOCUMENT"]
    by_ref = {body.get("bom-ref", ""): body for body in bodies}
    root = next((by_ref[ref] for ref in described if ref in by_ref), None)
    return without_empty(
        {
            "bomFormat": "SPDX",
            "specVersion": _text(document, "spdxVersion").removeprefix("SPDX-"),
            "serialNumber": _text(document, "documentNamespace"),
            "metadata": _metadata(mapping(document.get("creationInfo")), root),
            "components": [body for body in bodies if body is not root],
            "dependencies": _dependencies(relations),
        }
    )


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


def _text(body: Mapping[str, Any], key: str) -> str:
    return next(iter(texts(body.get(key))), "")


def _metadata(info: Mapping[str, Any], root: Json | None) -> Json:
    parties = [*map(_PARTY.fullmatch, texts(info.get("creators")))]
    people = [match for match in parties if match and match["kind"] != "Tool"]
    tools = [tool(match["name"]) for match in parties if match and match["kind"] == "Tool"]
    return without_empty(
        {
            "timestamp": _text(info, "created"),
            "tools": {"components": [{"type": "application", **each} for each in tools]} if tools else None,
            "authors": [without_empty({"name": match["name"], "email": match["email"]}) for match in people],
            "component": root,
        }
    )


def _entity(text: str) -> Json | None:
    match = _PARTY.fullmatch(text)
    if match is None or not match["name"]:
        return None
    return without_empty({"name": match["name"], "contact": [{"email": match["email"]}] if match["email"] else []})


def _package(body: Mapping[str, Any]) -> Json:
    external = [*_mappings(body.get("externalRefs"))]
    by_type = {_text(item, "referenceType").rpartition("/")[2]: _text(item, "referenceLocator") for item in external}
    purl = by_type.get("purl", "")
    links = [reference("distribution", _text(body, "downloadLocation")), reference("website", _text(body, "homepage"))]
    links += [reference(_REFERENCES.get(kind, "other"), url) for kind, url in by_type.items() if "://" in url]
    released = _text(body, "releaseDate")
    return without_empty(
        {
            **_common(body),
            "type": component_type(_text(body, "primaryPackagePurpose"), purl),
            "name": _text(body, "name"),
            "version": _text(body, "versionInfo"),
            "description": _text(body, "description") or _text(body, "summary"),
            "supplier": _entity(_text(body, "supplier")),
            "manufacturer": _entity(_text(body, "originator")),
            "purl": purl,
            "cpe": by_type.get("cpe23Type") or by_type.get("cpe22Type"),
            "externalReferences": [link for link in links if link],
            "releaseNotes": {"timestamp": released} if released else None,
            **licenses(texts(body.get("licenseDeclared")), texts(body.get("licenseConcluded"))),
        }
    )


def _file(body: Mapping[str, Any]) -> Json:
    name = _text(body, "fileName").removeprefix("./")
    found = licenses((), texts(body.get("licenseConcluded")))
    return without_empty({**_common(body), "type": "file", "name": name, **found})


def _is_weights(body: Mapping[str, Any]) -> bool:
    name = _text(body, "fileName")
    return name.endswith((".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".keras", ".pkl"))


def _common(body: Mapping[str, Any]) -> Json:
    hashes = [
        {"alg": algorithm(_text(item, "algorithm")), "content": _text(item, "checksumValue")}
        for item in _mappings(body.get("checksums"))
    ]
    return {"bom-ref": _text(body, "SPDXID"), "hashes": hashes}


def _relations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for edge in _mappings(document.get("relationships")):
        kind = _text(edge, "relationshipType")
        source, target = _text(edge, "spdxElementId"), _text(edge, "relatedSpdxElement")
        if target not in {"NONE", "NOASSERTION", ""}:
            yield (kind, target, source) if kind in _BACKWARD else (kind, source, target)


def _dependencies(relations: list[tuple[str, str, str]]) -> list[Json]:
    graph: dict[str, list[str]] = {}
    for kind, source, target in relations:
        if kind in _FORWARD | _BACKWARD:
            graph.setdefault(source, []).append(target)
    return [{"ref": ref, "dependsOn": targets} for ref, targets in graph.items()]
