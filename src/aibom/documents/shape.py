"""The shape of the parts of a CycloneDX document that are looked at, whoever wrote it."""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec

from aibom.errors import DataError

Json = dict[str, Any]

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
    notes: str


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


def checked(document: Json) -> Json:
    """Return the document.

    Raises:
        DataError: a part that is looked at is not what it should be.
    """
    try:
        msgspec.convert(document, type=_Document)
    except (msgspec.ValidationError, RecursionError) as error:
        raise DataError(f"a part of the CycloneDX document is not what it should be: {error}") from error
    return document
