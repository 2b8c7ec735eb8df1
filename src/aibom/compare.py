"""What changed between two scans, or two CycloneDX documents of any tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from aibom.changes import Aspect, Change, Comparison, Kind
from aibom.documents import MAX_DEPTH, Document, Json, components, files, full_name, subject, values
from aibom.tensor_changes import has_digests, tensor_changes

__all__ = ["Aspect", "Change", "Comparison", "Kind", "compare", "compare_documents"]


def compare_documents(old: Document, new: Document) -> Comparison:
    """Compare two documents, down to their tensors where both are reports of ours."""
    found = compare(old.bom, new.bom)
    if old.report is not None and new.report is not None:
        changes, notes = tensor_changes(old.report, new.report)
        return replace(found, changes=(*found.changes, *changes), notes=notes)
    if any(has_digests(side.report) for side in (old, new) if side.report is not None):
        return replace(found, not_comparable=(*found.not_comparable, Aspect.TENSORS))
    return found


def compare(old: Json, new: Json) -> Comparison:
    """Compare two documents that `documents.load` returned.

    Of documents of two tools, or of two formats, an aspect that only one side speaks of is not comparable and never
    called removed: a document that lists no files does not say that there are none.
    """
    same_tool = _written_by(old) == _written_by(new) != ""
    before, after = _facts(old), _facts(new)
    if not same_tool:
        _to_what_both_say(before, after)
    changes: list[Change] = []
    silent: list[Aspect] = []
    for aspect, one in before.items():
        other = after[aspect]
        if bool(one) != bool(other) and not same_tool and not (aspect is Aspect.FINDINGS and _both_looked(old, new)):
            silent.append(aspect)
            continue
        changes += _renamed_first(aspect, one, other) if aspect in _BY_DIGEST else _differences(aspect, one, other)
    return Comparison(changes=tuple(changes), not_comparable=tuple(silent))


_BY_DIGEST = frozenset({Aspect.WEIGHTS, Aspect.FILES})


def _to_what_both_say(before: dict[Aspect, Mapping[str, str]], after: dict[Aspect, Mapping[str, str]]) -> None:
    """Leave out settings that one side has no place for, and how a base was used where one does not say."""
    common = before[Aspect.MODEL].keys() & after[Aspect.MODEL].keys()
    for side in (before, after):
        if common:
            side[Aspect.MODEL] = {name: value for name, value in side[Aspect.MODEL].items() if name in common}
    lineage = [*before[Aspect.LINEAGE].values(), *after[Aspect.LINEAGE].values()]
    if any(value.startswith("ancestor ") for value in lineage):
        for side in (before, after):
            side[Aspect.LINEAGE] = {n: f"ancestor {v.partition(' ')[2]}" for n, v in side[Aspect.LINEAGE].items()}


def _written_by(document: Json) -> str:
    """Return what wrote a document: of one tool and one format, a fact that is missing is a fact that is gone."""
    tools = document.get("metadata", {}).get("tools", {})
    listed = tools.get("components", []) if isinstance(tools, dict) else tools
    names = sorted(str(tool.get("name", "")) for tool in listed if isinstance(tool, dict))
    return f"{document.get('bomFormat')} by {', '.join(names)}" if any(names) else ""


def _both_looked(old: Json, new: Json) -> bool:
    """An empty list of findings is a statement; a document without the list makes none."""
    return "vulnerabilities" in old and "vulnerabilities" in new


def _facts(document: Json) -> dict[Aspect, Mapping[str, str]]:
    _, root = subject(document)
    weights, others = _files(document)
    return {
        Aspect.IDENTITY: {key: str(root[key]) for key in ("group", "name", "version", "purl") if root.get(key)},
        Aspect.WEIGHTS: weights,
        Aspect.FILES: others,
        Aspect.FINDINGS: dict(_findings(document)),
        Aspect.LICENSES: dict(_licenses(root)),
        Aspect.LINEAGE: dict(_lineage(root)),
        Aspect.DATA: _versions(document, "data"),
        Aspect.MODEL: dict(_model(root)),
        Aspect.DEPENDENCIES: _versions(document, "library") | _versions(document, "framework"),
        Aspect.SIGNATURE: dict(_signature(root)),
        Aspect.DETERMINATIONS: dict(_determinations(root)),
    }


def _files(document: Json) -> tuple[dict[str, str], dict[str, str]]:
    weights: dict[str, str] = {}
    others: dict[str, str] = {}
    for _, body in files(document):
        role = values(body, "aibom:file:role")
        is_weight = role == ["weights"] or (not role and _looks_like_weights(str(body.get("name", ""))))
        (weights if is_weight else others)[str(body.get("name", ""))] = _digest(body)
    if not weights:
        # Tools without file components put the digest on the model itself.
        _, root = subject(document)
        if digest := _digest(root):
            weights[full_name(root)] = digest
    return weights, others


def _looks_like_weights(name: str) -> bool:
    return name.endswith((".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".keras", ".pkl"))


def _digest(body: Json) -> str:
    """Return the strongest digest as `SHA-256:…`; two sides that share no algorithm are not called equal."""
    found = {str(entry.get("alg")): str(entry.get("content")) for entry in body.get("hashes", [])}
    for algorithm in ("SHA-256", "SHA-512", "BLAKE3", "SHA-384", "SHA-1", "MD5"):
        if algorithm in found:
            return f"{algorithm}:{found[algorithm].lower()}"
    return ""


def _findings(document: Json) -> Iterator[tuple[str, str]]:
    names = {body.get("bom-ref"): str(body.get("name")) for _, body in components(document)}
    for entry in document.get("vulnerabilities", []):
        severities = ", ".join(rating.get("severity", "unknown") for rating in entry.get("ratings", []))
        message = (values(entry, "aibom:finding:message") or [entry.get("description", "")])[0]
        ignored = entry.get("analysis", {}).get("state") in ("not_affected", "false_positive", "resolved")
        for target in entry.get("affects", []) or [{}]:
            where = names.get(target.get("ref"), "the model")
            yield f"{entry.get('id')} in {where}: {message}", f"{severities} (ignored)" if ignored else severities


def _licenses(root: Json) -> Iterator[tuple[str, str]]:
    grouped: dict[str, set[str]] = {}
    detected = root.get("evidence", {}).get("licenses", [])
    for basis, entries in (("", root.get("licenses", [])), ("detected", detected)):
        for entry in entries:
            body = entry.get("license", entry)
            name = body.get("id") or body.get("name") or body.get("expression")
            if name:
                grouped.setdefault(basis or str(body.get("acknowledgement", "stated")), set()).add(str(name))
    for basis, names in grouped.items():
        yield basis, ", ".join(sorted(names))


def _lineage(root: Json) -> Iterator[tuple[str, str]]:
    stack = [(entry, 0) for entry in root.get("pedigree", {}).get("ancestors", [])]
    while stack:
        body, depth = stack.pop()
        relation = ", ".join(values(body, "aibom:lineage:relation")) or "ancestor"
        yield full_name(body), f"{relation} {body.get('version', 'without a version')}"
        if depth < MAX_DEPTH:
            stack += [(entry, depth + 1) for entry in body.get("pedigree", {}).get("ancestors", [])]


def _versions(document: Json, kind: str) -> dict[str, str]:
    return {
        full_name(body): str(body.get("version") or ", ".join(values(body, "aibom:dependency:range")) or "any version")
        for _, body in components(document)
        if body.get("type") == kind
    }


def _model(root: Json) -> Iterator[tuple[str, str]]:
    parameters = root.get("modelCard", {}).get("modelParameters", {})
    for key in ("task", "architectureFamily", "modelArchitecture"):
        if parameters.get(key):
            yield key, str(parameters[key])
    for entry in root.get("properties", []):
        name = str(entry.get("name", ""))
        if name.startswith(("aibom:model:", "cdx:ai-ml:model:hyperparameter:")):
            yield name, ", ".join(sorted(values(root, name)))


def _signature(root: Json) -> Iterator[tuple[str, str]]:
    if found := values(root, "aibom:signature"):
        yield "signature", ", ".join(sorted(found))


def _determinations(root: Json) -> Iterator[tuple[str, str]]:
    for entry in root.get("properties", []):
        name = str(entry.get("name", ""))
        if name.startswith(("aibom:eu-ai-act:", "aibom:openness:", "aibom:checklist:", "aibom:ca-")):
            yield name.removeprefix("aibom:"), str(entry.get("value", ""))


def _differences(aspect: Aspect, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Change(aspect=aspect, kind=Kind.REMOVED, name=name, old=old[name])
        elif name not in old:
            yield Change(aspect=aspect, kind=Kind.ADDED, name=name, new=new[name])
        elif old[name] != new[name]:
            yield Change(aspect=aspect, kind=Kind.CHANGED, name=name, old=old[name], new=new[name])


def _renamed_first(aspect: Aspect, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    gone: dict[str, list[str]] = {}
    for name in sorted(old.keys() - new.keys()):
        gone.setdefault(old[name], []).append(name)
    moved: dict[str, str] = {}
    for name in sorted(new.keys() - old.keys()):
        if new[name] and gone.get(new[name]):
            moved[gone[new[name]].pop(0)] = name
    for before, after in sorted(moved.items()):
        yield Change(aspect=aspect, kind=Kind.RENAMED, name=after, old=before, new=after)
    yield from _differences(
        aspect,
        {name: digest for name, digest in old.items() if name not in moved},
        {name: digest for name, digest in new.items() if name not in moved.values()},
    )
