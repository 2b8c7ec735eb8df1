"""Words of SPDX in those of CycloneDX: what both generations of the format have alike."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aibom.documents.shape import Json

UNKNOWN = frozenset({"", "NOASSERTION"})
_TYPES = {
    "model": "machine-learning-model",
    "data": "data",
    "application": "application",
    "framework": "framework",
    "library": "library",
    "container": "container",
    "platform": "platform",
    "operatingsystem": "operating-system",
    "device": "device",
    "devicedriver": "device-driver",
    "firmware": "firmware",
    "file": "file",
}
_TOOL = re.compile(r"(?P<name>.+?)[-_ /@]v?(?P<version>\d[\w.+!-]*)")


def component_type(purpose: str, purl: str = "") -> str:
    """Return the type of a package: by its purpose, else by a purl that only models have, else `library`."""
    if found := _TYPES.get(purpose.lower().replace("-", "").replace("_", "")):
        return found
    return "machine-learning-model" if purl.startswith(("pkg:huggingface/", "pkg:mlflow/")) else "library"


def algorithm(name: str) -> str:
    """Return the name that CycloneDX has for a hash: `sha3_256` and `SHA3-256` alike are `SHA3-256`."""
    plain = name.upper().replace("_", "-")
    if match := re.fullmatch(r"SHA-?(1|224|256|384|512)", plain):
        return f"SHA-{match[1]}"
    if match := re.fullmatch(r"BLAKE2B-?(256|384|512)", plain):
        return f"BLAKE2b-{match[1]}"
    return plain


def tool(text: str) -> Json:
    """Return a tool; its version stands in its name, as SPDX has no field for it."""
    match = _TOOL.fullmatch(text)
    return {"name": match["name"], "version": match["version"]} if match else {"name": text}


def licenses(declared: Iterable[str], concluded: Iterable[str]) -> Json:
    """Return the fields of a component for its licenses: `NOASSERTION` is a declared unknown, `NONE` an answer."""
    named = [("declared", text) for text in declared] + [("concluded", text) for text in concluded]
    known = [{"expression": text, "acknowledgement": basis} for basis, text in named if text not in UNKNOWN]
    if known:
        return {"licenses": known}
    return {"properties": [{"name": "aibom:license:status", "value": "unknown"}]} if named else {}


def reference(kind: str, url: str) -> Json | None:
    """Return an external reference, None where there is no address."""
    return {"type": kind, "url": url} if url.strip() not in {*UNKNOWN, "NONE"} else None


def roles(components: Iterable[Json], weights: set[str]) -> None:
    """Note in file components which are weights, where the document itself tells them from others."""
    for body in components if weights else ():
        if body["type"] == "file":
            role = "weights" if body.get("bom-ref") in weights else "other"
            body.setdefault("properties", []).append({"name": "aibom:file:role", "value": role})


def without_empty(body: Json) -> Json:
    """Leave out what has no value."""
    return {key: value for key, value in body.items() if value not in (None, "", [], {})}
