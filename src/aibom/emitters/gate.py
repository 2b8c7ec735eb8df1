"""What a CycloneDX document must pass before it is written: the official schema, and what no schema can say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import Any

from aibom.errors import OutputError

Json = dict[str, Any]

MAX_SHOWN = 5  # faults named in the error
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LOCAL = re.compile(r"/|~/|file:/|[A-Za-z]:[\\/]")
_SCHEMAS = "cyclonedx.schema._res"
_PARTS = ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json", "cryptography-defs.SNAPSHOT.schema.json")


def check(doc: Json) -> None:
    """Let a document pass that may be published.

    Raises:
        OutputError: it breaks the official schema of its version or the semantic gate.
    """
    refuse(schema_faults(doc) or semantic_faults(doc))


def refuse(faults: list[str]) -> None:
    """Raise OutputError if there are faults, with the first few of them."""
    if faults:
        more = f" (and {len(faults) - MAX_SHOWN} more)" if len(faults) > MAX_SHOWN else ""
        raise OutputError(
            f"the BOM would not be valid: {'; '.join(faults[:MAX_SHOWN])}{more}",
            hint="Nothing was written. This is a fault of aibom: please report it.",
        )


def schema_faults(doc: Json) -> list[str]:
    """Return where a document breaks the official JSON schema of its `specVersion`, formats included."""
    version = doc.get("specVersion")
    if version not in ("1.6", "1.7"):
        return [f"specVersion {version!r} is not one that is checked here"]
    return [f"{_pointer(error.instance_path)}: {error.message[:200]}" for error in _validator(version).iter_errors(doc)]


def semantic_faults(doc: Json) -> list[str]:
    """Return what is wrong in a document that the schema accepts: references, identities, paths, missing statements."""
    return [fault for rule in _RULES for fault in rule(doc)]


@cache
def _validator(version: str) -> Any:
    import jsonschema_rs  # noqa: PLC0415 -- only a BOM needs it

    folder = resources.files(_SCHEMAS)

    def load(name: str) -> Json:
        loaded: Json = json.loads((folder / name).read_text("utf-8"))
        return loaded

    def refuse(uri: str) -> Json:
        raise ValueError(f"the schema names {uri}, which does not ship with the library")

    # Where the BOM schema's references lead; the files' own $id are spelled otherwise.
    registry = jsonschema_rs.Registry([(f"http://cyclonedx.org/schema/{name}", load(name)) for name in _PARTS])
    return jsonschema_rs.Draft7Validator(
        load(f"bom-{version}.SNAPSHOT.schema.json"), validate_formats=True, registry=registry, retriever=refuse
    )


def _unique_refs(doc: Json) -> Iterator[str]:
    seen: set[str] = set()
    for ref in _bom_refs(doc):
        if ref in seen:
            yield f"bom-ref {ref!r} is given twice"
        seen.add(ref)


def _resolved_refs(doc: Json) -> Iterator[str]:
    known = set(_bom_refs(doc))
    for where, ref in _references(doc):
        if ref not in known and not ref.startswith("urn:cdx:"):
            yield f"{where} names {ref!r}, which is nowhere in the document"


def _purls(doc: Json) -> Iterator[str]:
    from packageurl import PackageURL  # noqa: PLC0415

    for component in _components(doc):
        text = component.get("purl")
        if text is None:
            continue
        try:
            purl = PackageURL.from_string(text)
        except ValueError as error:
            yield f"purl {text!r}: {error}"
            continue
        if purl.to_string() != text:
            yield f"purl {text!r} is not canonical ({purl.to_string()!r} is)"
        if purl.type == "huggingface" and purl.version and not _COMMIT.fullmatch(purl.version):
            yield f"purl {text!r} does not have a full commit"
        if purl.type == "huggingface" and not purl.namespace:
            yield f"purl {text!r} has no owner"


def _lineage(doc: Json) -> Iterator[str]:
    stack = [(component, frozenset[tuple[Any, ...]]()) for component in _standing(doc)]
    while stack:
        component, descendants = stack.pop()
        if _identity(component) in descendants:
            yield f"{component['name']!r} is its own ancestor"
            continue
        line = descendants | {_identity(component)}
        stack += [(ancestor, line) for ancestor in component.get("pedigree", {}).get("ancestors", ())]


_NO_WEIGHTS = {("aibom:model:weights", "not-found"), ("aibom:model:weights", "not-scanned")}


def _models(doc: Json) -> Iterator[str]:
    """A model says which bytes it is and under which terms, or that this is not known."""
    for model in _standing(doc):
        if model["type"] != "machine-learning-model":
            continue
        names = {(entry["name"], entry.get("value")) for entry in model.get("properties", ())}
        files = [child for child in model.get("components", ()) if child["type"] == "file"]
        weights = [file for file in files if ("aibom:file:role", "weights") in _named(file)]
        if not weights and names.isdisjoint(_NO_WEIGHTS):
            yield f"model {model['name']!r} has no weight files and does not say so"
        for file in files:
            if not file.get("hashes") and ("aibom:file:digest-basis", "none") not in _named(file):
                yield f"file {file['name']!r} has no digest and does not say so"
        licenses = model.get("licenses") or model.get("evidence", {}).get("licenses")
        if not licenses and ("aibom:license:status", "unknown") not in names:
            yield f"model {model['name']!r} has no licence and does not say so"


def _local_paths(doc: Json) -> Iterator[str]:
    """No directory of the machine that made the BOM leaks into it."""
    for component in _components(doc):
        if component["type"] == "file" and component["name"].startswith("/"):
            yield f"file {component['name']!r} is an absolute path"
        for occurrence in component.get("evidence", {}).get("occurrences", ()):
            if occurrence["location"].startswith("/"):
                yield f"location {occurrence['location']!r} is an absolute path"
        for reference in component.get("externalReferences", ()):
            if reference["url"].lower().startswith("file:"):
                yield f"reference {reference['url']!r} is a local file"
    for entry in doc["metadata"].get("properties", ()):
        if entry["name"] == "aibom:target" and _LOCAL.match(entry.get("value", "")):
            yield f"target {entry['value']!r} is a local path"


def _citations(doc: Json) -> Iterator[str]:
    for citation in doc.get("citations", ()):
        for pointer in citation.get("pointers", ()):
            if not resolves(doc, pointer):
                yield f"citation {pointer!r} points to nothing"


_RULES: tuple[Callable[[Json], Iterator[str]], ...] = (
    _unique_refs, _resolved_refs, _purls, _lineage, _models, _local_paths, _citations,
)  # fmt: skip


def resolves(doc: Any, pointer: str) -> bool:
    """Say whether an RFC 6901 pointer leads to a value of the document."""
    value = doc
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return False
    return pointer == "" or pointer.startswith("/")


def _bom_refs(doc: Json) -> Iterator[str]:
    stack: list[Any] = [doc]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if isinstance(ref := value.get("bom-ref"), str):
                yield ref
            stack += value.values()
        elif isinstance(value, list):
            stack += value


def _references(doc: Json) -> Iterator[tuple[str, str]]:
    for entry in doc.get("dependencies", ()):
        yield "dependencies", entry["ref"]
        yield from (("dependencies", ref) for ref in entry.get("dependsOn", ()))
    for entry in doc.get("vulnerabilities", ()):
        yield from (("vulnerabilities", affected["ref"]) for affected in entry.get("affects", ()))
    for entry in doc.get("annotations", ()):
        yield from (("annotations", ref) for ref in entry["subjects"])
    for entry in doc.get("compositions", ()):
        for key in ("assemblies", "dependencies", "vulnerabilities"):
            yield from (("compositions", ref) for ref in entry.get(key, ()))
    for entry in doc.get("citations", ()):
        yield from (("citations", entry[key]) for key in ("attributedTo", "process") if key in entry)
    for component in _components(doc):
        for entry in component.get("modelCard", {}).get("modelParameters", {}).get("datasets", ()):
            if "ref" in entry:
                yield "modelCard", entry["ref"]
    for formula in doc.get("formulation", ()):
        for workflow in formula.get("workflows", ()):
            resources = [*workflow.get("resourceReferences", ()), *(o["resource"] for o in workflow.get("outputs", ()))]
            yield from (("formulation", resource["ref"]) for resource in resources)
    declared = doc.get("declarations", {})
    for claim in declared.get("claims", ()):
        for key in ("evidence", "counterEvidence"):
            yield from (("claims", ref) for ref in claim.get(key, ()))
        if "target" in claim:
            yield "claims", claim["target"]
    for attestation in declared.get("attestations", ()):
        if "assessor" in attestation:
            yield "attestations", attestation["assessor"]
        for entry in attestation.get("map", ()):
            yield from (("attestations", ref) for key in ("claims", "counterClaims") for ref in entry.get(key, ()))
            if "requirement" in entry:
                yield "attestations", entry["requirement"]


def _components(doc: Json) -> Iterator[Json]:
    """Yield every component wherever it stands: nested, in a pedigree, among the tools."""
    tools = doc["metadata"].get("tools", {}).get("components", ())
    stack = [*_standing(doc), *tools]
    while stack:
        component = stack.pop()
        yield component
        stack += component.get("components", ()) if component["type"] == "file" else ()
        stack += [child for child in component.get("components", ()) if child["type"] == "file"]
        stack += component.get("pedigree", {}).get("ancestors", ())


def _standing(doc: Json) -> Iterator[Json]:
    """Yield the components that stand for themselves: root, top level, nested; no files, no ancestors."""
    root = doc["metadata"].get("component")
    stack = [*([root] if root else ()), *doc.get("components", ())]
    while stack:
        component = stack.pop()
        yield component
        stack += [child for child in component.get("components", ()) if child["type"] != "file"]


def _identity(component: Json) -> tuple[Any, ...]:
    if "purl" in component:
        return (component["purl"],)
    return tuple(component.get(key) for key in ("type", "group", "name", "version"))


def _named(component: Json) -> set[tuple[str, str | None]]:
    return {(entry["name"], entry.get("value")) for entry in component.get("properties", ())}


def _pointer(path: list[str | int]) -> str:
    return "/" + "/".join(str(key) for key in path)
