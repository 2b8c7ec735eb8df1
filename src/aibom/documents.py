"""Read what `diff` and `score` look at: a report of ours, or any CycloneDX document, ours or another tool's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec

from aibom.emitters.report_json import from_json
from aibom.errors import DataError
from aibom.report import Report

Json = dict[str, Any]
Placed = tuple[str, Json]
"""A part of a document with its JSON pointer."""

MAX_DEPTH = 64  # levels of nested components that are followed


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A CycloneDX document, and the report that it was made from where we were given that."""

    bom: Json
    report: Report | None = None


def load(text: str | bytes) -> Json:
    """Return a CycloneDX document; a report is turned into the one that `cyclonedx` writes.

    Raises:
        DataError: it is neither.
        OutputError: the report gives no valid document.
    """
    return open_document(text).bom


def open_document(text: str | bytes) -> Document:
    """Read a report, or a CycloneDX document of any tool.

    Raises:
        DataError: it is neither.
        OutputError: the report gives no valid document.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DataError(f"this is not JSON: {error}") from error
    match value:
        case {"bomFormat": "CycloneDX"}:
            return Document(bom=_checked(value))
        case {"schema_version": _}:
            from aibom.emitters.cyclonedx import to_document  # noqa: PLC0415 -- slow to import

            report = from_json(text)
            return Document(bom=to_document(report), report=report)
        case {"@graph": _}:
            raise DataError(
                "SPDX documents are not read",
                hint="Use the report (`-o json`) or the CycloneDX document of the same model.",
            )
    raise DataError(
        "this is neither a report of aibom nor a CycloneDX document",
        hint="Write one with `aibom scan TARGET -o json=report.json`.",
    )


# The parts that are looked at, with their types: other tools' documents need not be valid for the whole schema, but
# what is read of them is what it should be.


class _Named(TypedDict, total=False):
    name: str
    value: str


class _License(TypedDict, total=False):
    id: str
    name: str
    acknowledgement: str


class _LicenseChoice(TypedDict, total=False):
    license: _License
    expression: str
    acknowledgement: str


class _Evidence(TypedDict, total=False):
    licenses: list[_LicenseChoice]


class _Reference(TypedDict, total=False):
    type: str
    url: str
    hashes: list[dict[str, Any]]


class _Card(TypedDict, total=False):
    modelParameters: dict[str, Any]
    quantitativeAnalysis: dict[str, Any]
    considerations: dict[str, Any]
    properties: list[_Named]


class _Pedigree(TypedDict, total=False):
    ancestors: list[_Component]


_Component = TypedDict(
    "_Component",
    {
        "type": str,
        "bom-ref": str,
        "name": str,
        "group": str,
        "version": str,
        "purl": str,
        "hashes": list[dict[str, Any]],
        "licenses": list[_LicenseChoice],
        "properties": list[_Named],
        "externalReferences": list[_Reference],
        "components": "list[_Component]",
        "evidence": _Evidence,
        "pedigree": _Pedigree,
        "modelCard": _Card,
    },
    total=False,
)


class _Metadata(TypedDict, total=False):
    component: _Component
    properties: list[_Named]
    tools: dict[str, list[Any]] | list[Any]


class _Rating(TypedDict, total=False):
    severity: str


class _Analysis(TypedDict, total=False):
    state: str


class _Affected(TypedDict, total=False):
    ref: str


class _Vulnerability(TypedDict, total=False):
    id: str
    description: str
    ratings: list[_Rating]
    analysis: _Analysis
    affects: list[_Affected]
    properties: list[_Named]


class _Document(TypedDict, total=False):
    metadata: _Metadata
    components: list[_Component]
    vulnerabilities: list[_Vulnerability]
    dependencies: list[dict[str, Any]]


def _checked(document: Json) -> Json:
    try:
        msgspec.convert(document, type=_Document)
    except (msgspec.ValidationError, RecursionError) as error:
        raise DataError(f"a part of the CycloneDX document is not what it should be: {error}") from error
    return document


def components(document: Json) -> Iterator[Placed]:
    """Yield every component that stands in the document: the root first, then outside in; no ancestors."""
    top: list[Json] = document.get("components", [])
    stack: list[tuple[str, Json, int]] = [(f"/components/{n}", body, 0) for n, body in reversed(list(enumerate(top)))]
    if root := document.get("metadata", {}).get("component"):
        stack.append(("/metadata/component", root, 0))
    while stack:
        pointer, body, depth = stack.pop()
        yield pointer, body
        if depth < MAX_DEPTH:
            inner = [
                (f"{pointer}/components/{n}", child, depth + 1) for n, child in enumerate(body.get("components", []))
            ]
            stack += reversed(inner)


def subject(document: Json) -> Placed:
    """Return what the document is about: its root, or its first model where it has no root."""
    found = list(components(document))
    if found and found[0][0] == "/metadata/component":
        root = found[0]
        if root[1].get("type") == "machine-learning-model":
            return root
        # Some tools name the scan as the root and the model as its only component.
        models = [placed for placed in found if placed[1].get("type") == "machine-learning-model"]
        return models[0] if len(models) == 1 else root
    models = [placed for placed in found if placed[1].get("type") == "machine-learning-model"]
    return (models or found or [("", {})])[0]


def files(document: Json) -> Iterator[Placed]:
    """Yield the components that are files."""
    return ((pointer, body) for pointer, body in components(document) if body.get("type") == "file")


def values(body: Json, name: str) -> list[str]:
    """Return the values of a component's property."""
    return [str(entry.get("value", "")) for entry in body.get("properties", []) if entry.get("name") == name]


def full_name(body: Json) -> str:
    """Return `group/name`, or the name alone."""
    name, group = str(body.get("name", "")), body.get("group")
    return f"{group}/{name}" if group else name
