"""The files that a BOM lists with their digests, ours or a vendor's, in whatever form it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import Role
from aibom.integrity.claims import HEX_LENGTHS, hexadecimal
from aibom.integrity.strict_json import MAX_BOM_VALUES, strict_object
from aibom.limits import Limits

# CycloneDX's names of digests to ours. SHA-1 and MD5 are left out: they can be forged, so they prove nothing.
_ALGORITHMS = {
    "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512", "BLAKE2b-512": "blake2b", "BLAKE3": "blake3",
}  # fmt: skip
_ROOT_DIGEST = "aibom:root-digest"
_LOOSE = frozenset({"machine-learning-model", "data"})


class ListedFile(Struct, frozen=True, kw_only=True):
    """A file as a BOM lists it. `digests` are by algorithm; `names` are paths it may stand at, the best first.

    `declared` says that the BOM itself had the digest from somebody else and never saw the bytes.
    """

    name: str
    names: tuple[str, ...]
    digests: Mapping[str, str]
    weights: bool = False
    declared: bool = False


class BomListing(Struct, frozen=True, kw_only=True):
    """What a BOM says about files. `exhaustive` says that it means to list every file of the target.

    `model_digests` are digests of models and data themselves, and of what they are distributed as, which a vendor may
    give instead of a list of files. `form` says how the BOM is written.
    """

    value: Mapping[str, Any]
    model: str
    files: tuple[ListedFile, ...]
    exhaustive: bool
    form: str = "CycloneDX JSON"
    stated_root: str | None = None
    model_digests: tuple[tuple[str, str], ...] = field(default_factory=tuple)

    @property
    def root_digest(self) -> str | None:
        """SHA-256 over the sorted lines `sha256  path` of all files; None unless every file has a SHA-256."""
        lines = [f"{file.digests['sha256']}  {file.name}\n" for file in self.files if "sha256" in file.digests]
        if not lines:
            return None
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def read_listing(raw: bytes, limits: Limits) -> BomListing:
    """Read a CycloneDX BOM in JSON, to the letter: this is what can be signed.

    Raises:
        MalformedFile: it is no CycloneDX BOM in JSON, or a digest in it is none.
        LimitExceeded: it is longer or deeper than the limits allow.
    """
    value = strict_object(raw, limits, most=MAX_BOM_VALUES)
    if value.get("bomFormat") != "CycloneDX":
        raise MalformedFile("it is no CycloneDX BOM in JSON")
    return _listing(value, f"CycloneDX {value.get('specVersion', '')} JSON")


def open_listing(raw: bytes, limits: Limits) -> BomListing:
    """Read a BOM of any tool in any form: CycloneDX in JSON as `read_listing` does, CycloneDX in XML, SPDX in JSON.

    Raises:
        MalformedFile, LimitExceeded: as `read_listing`.
        DataError: it is of no form that is read.
    """
    if len(raw) > limits.json_bytes:
        raise LimitExceeded(f"a BOM of {len(raw)} bytes, limit {limits.json_bytes}")
    if (
        raw.lstrip()[:1] == b"{"
        and (value := strict_object(raw, limits, most=MAX_BOM_VALUES)).get("bomFormat") == "CycloneDX"
    ):
        return _listing(value, f"CycloneDX {value.get('specVersion', '')} JSON")
    from aibom.documents import open_document  # noqa: PLC0415 -- start-up time

    document = open_document(raw)
    return _listing(document.bom, document.form)


def _listing(value: Mapping[str, Any], form: str) -> BomListing:
    metadata = _mapping(value.get("metadata"))
    subject = _mapping(metadata.get("component"))
    # The root of some tools' documents is the folder that they scanned, as a file without a digest.
    files = tuple(
        _file(component)
        for component in _walk(value)
        if component.get("type") == "file" and (component is not subject or _digests(component))
    )
    loose = [digest for component in _walk(value) if component.get("type") in _LOOSE for digest in _all(component)]
    properties = _properties(subject) | _properties(metadata) | _properties(value)
    return BomListing(
        value=value,
        model=str(subject.get("name") or "model"),
        files=files,
        exhaustive=_ROOT_DIGEST in properties,
        form=form,
        stated_root=properties.get(_ROOT_DIGEST),
        model_digests=tuple(dict.fromkeys(loose)),
    )


def _all(component: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the digests of a component that is no file, and of the places where it is distributed."""
    places = [item for item in _list(component.get("externalReferences")) if isinstance(item, dict)]
    return [digest for item in (component, *places) for digest in sorted(_digests(item).items())]


def _walk(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every component, whatever it is nested in; the order is that of the document."""
    waiting = [*reversed(_list(value.get("components"))), _mapping(value.get("metadata")).get("component")]
    while waiting:
        component = waiting.pop()
        if isinstance(component, dict):
            yield component
            waiting.extend(reversed(_list(component.get("components"))))


def _file(component: Mapping[str, Any]) -> ListedFile:
    name = component.get("name")
    if not isinstance(name, str) or not name:
        raise MalformedFile("a file of it has no name")
    places = [
        item.get("location")
        for item in _list(_mapping(component.get("evidence")).get("occurrences"))
        if isinstance(item, dict)
    ]
    names = [name, *(place for place in places if isinstance(place, str))]
    properties = _properties(component)
    return ListedFile(
        name=name,
        names=tuple(dict.fromkeys(item.removeprefix("./").lstrip("/") for item in names)),
        digests=_digests(component),
        weights=properties.get("aibom:file:role") == Role.WEIGHTS.value,
        declared=properties.get("aibom:file:digest-basis") == "declared",
    )


def _digests(component: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for item in _list(component.get("hashes")):
        match item:
            case {"alg": str(name), "content": value} if name in _ALGORITHMS:
                algorithm = _ALGORITHMS[name]
                assert algorithm in HEX_LENGTHS
                found[algorithm] = hexadecimal(algorithm, value)
            case _:
                continue
    return found


def _properties(component: Mapping[str, Any]) -> dict[str, str]:
    return {
        item["name"]: item["value"]
        for item in _list(component.get("properties"))
        if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("value"), str)
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
