"""How complete a BOM is, and where each of its values comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from aibom.components import Basis, Component, ComponentKind, LicenseClaim, ModelCard, ModelFacts, RelationKind
from aibom.emitters.cdx_layout import TOOL_REF, Layout
from aibom.emitters.cdx_properties import HYPERPARAMETER
from aibom.emitters.cdx_text import Json, origin, scalar, timestamp
from aibom.emitters.coverage import left_out
from aibom.emitters.cyclonedx_ml import card_lines
from aibom.files import Coverage, Location
from aibom.findings import Evidence
from aibom.report import Report


def compositions(report: Report, layout: Layout) -> list[Json]:
    """Return what is known to be complete, incomplete, or not known, by aggregate."""
    partly, unread = [], []
    for entries in layout.files.values():
        partly += [entry.bom_ref for entry in entries if entry.coverage is Coverage.PARTIAL]
        unread += [entry.bom_ref for entry in entries if entry.coverage is Coverage.NONE]
    inside = [layout.refs[component.ref] for component in layout.placed if component.seen]
    outside = [layout.refs[component.ref] for component in layout.placed if not component.seen]
    found: list[Json] = [
        {"aggregate": "incomplete" if left_out(report) else "complete", "assemblies": inside},
        # What a target declares about its dependencies is never known to be all of them.
        {"aggregate": "incomplete", "dependencies": [layout.refs[layout.root.ref]]},
    ]
    if partly:
        found.append({"aggregate": "incomplete", "assemblies": partly})
    if unread:
        found.append({"aggregate": "unknown", "assemblies": unread})
    if outside:
        found.append({"aggregate": "unknown", "assemblies": outside})
    return found


_Path = tuple[str | int, ...]
# Settings that are facts of their own, each with its place.
_FACTS = frozenset(f"{HYPERPARAMETER}{name}" for name in ("context_length", "vocab_size", "quantization"))


class _Source(Struct, frozen=True, kw_only=True):
    """Where a value stands in its component (keys and indexes), and what supports it."""

    path: _Path
    evidence: Evidence
    basis: str


def citations(doc: Json, report: Report, layout: Layout) -> list[Json]:
    """Return who supplied which value of the finished document: a file of the target, or this tool.

    A value that is not in the document is not cited.
    """
    moment = timestamp(report.created)
    grouped: dict[tuple[str, str], list[str]] = {}
    bodies = dict(_bodies(doc))
    for component in layout.placed:
        pointer, body = bodies[layout.refs[component.ref]]
        for source in _sources(component, body, layout):
            place = source.evidence.location
            # A file supplies what it declares; what was counted, matched or concluded, the tool supplies.
            declared = source.basis == Basis.DECLARED and place is not None
            supplier = layout.file_refs.get(place.path, TOOL_REF) if declared and place else TOOL_REF
            note = f"{source.basis}: {origin(source.evidence)}"
            grouped.setdefault((supplier, note), []).append(_pointer(pointer, source.path))
    return [
        {"pointers": sorted(set(pointers)), "timestamp": moment, "attributedTo": supplier, "note": note}
        for (supplier, note), pointers in sorted(grouped.items())
    ]


def _bodies(doc: Json) -> Iterator[tuple[str, tuple[_Path, Json]]]:
    """Yield bom-ref, place and body of every component that is no file."""
    stack: list[tuple[_Path, Json]] = [(("metadata", "component"), doc["metadata"]["component"])]
    stack += [(("components", number), body) for number, body in enumerate(doc.get("components", ()))]
    while stack:
        place, body = stack.pop()
        if body["type"] == "file":
            continue
        yield body["bom-ref"], (place, body)
        stack += [((*place, "components", number), child) for number, child in enumerate(body.get("components", ()))]


def _sources(component: Component, body: Json, layout: Layout) -> Iterator[_Source]:
    yield from _fact_sources(component, body)
    lists: tuple[_Path, ...] = (("licenses",), ("evidence", "licenses"))
    for path in lists:
        for number, entry in enumerate(_get(body, path) or ()):
            for claim in component.licenses:
                if _speaks_of(entry, claim, detected=path[0] == "evidence"):
                    yield _Source(path=(*path, number), evidence=claim.evidence, basis=claim.basis)
    metrics = _get(body, ("modelCard", "quantitativeAnalysis", "performanceMetrics")) or ()
    if component.card:
        for number, (_, metric) in enumerate(zip(metrics, component.card.metrics, strict=True)):
            at: _Path = ("modelCard", "quantitativeAnalysis", "performanceMetrics", number)
            yield _Source(path=at, evidence=metric.evidence, basis=Basis.DECLARED)
        yield from _card_sources(component.card, body)
    yield from _relation_sources(component, body, layout)


def _card_sources(card: ModelCard, body: Json) -> Iterator[_Source]:
    """Yield where the card says what stands in the considerations and, as languages, in the properties."""
    considerations = body.get("modelCard", {}).get("considerations", {})
    for key, lines in card_lines(card).items():
        for number, line in enumerate(lines[: len(considerations.get(key, ()))]):
            at: _Path = ("modelCard", "considerations", key, number)
            yield _Source(path=at, evidence=_in_card(card, line), basis=Basis.DECLARED)
    if "environmentalConsiderations" in considerations:
        path = ("modelCard", "considerations", "environmentalConsiderations")
        yield _Source(path=path, evidence=_in_card(card, card.lines.get("co2_eq_emissions")), basis=Basis.DECLARED)
    for number, entry in enumerate(body.get("properties", ())):
        if entry["name"] == "cdx:ai-ml:model:language":
            evidence = _in_card(card, card.lines.get("language"))
            yield _Source(path=("properties", number), evidence=evidence, basis=Basis.DECLARED)


def _in_card(card: ModelCard, line: int | None) -> Evidence:
    return Evidence(location=Location(path=card.path, line=line), statement="model card")


def _fact_sources(component: Component, body: Json) -> Iterator[_Source]:
    if component.supplier and "supplier" in body:
        yield _Source(path=("supplier",), evidence=component.supplier.evidence, basis=component.supplier.basis)
    facts = component.model
    if component.kind is not ComponentKind.MODEL or facts is None:
        return
    parameters = body.get("modelCard", {}).get("modelParameters", {})
    for key, fact in (("task", facts.task), ("architectureFamily", facts.family),
                      ("modelArchitecture", facts.architecture)):  # fmt: skip
        if fact is not None and key in parameters:
            yield _Source(path=("modelCard", "modelParameters", key), evidence=fact.evidence, basis=fact.basis)
    numbers = {entry["name"]: number for number, entry in enumerate(body.get("properties", ()))}
    yield from _setting_sources(facts, numbers)
    for name, value in (
        ("aibom:model:parameters", facts.parameters),
        ("aibom:model:active-parameters", facts.active_parameters),
        ("aibom:model:library", facts.library),
        ("aibom:model:library-version", facts.library_version),
        ("cdx:ai-ml:model:hyperparameter:context_length", facts.context_length),
        ("cdx:ai-ml:model:hyperparameter:vocab_size", facts.vocabulary),
        ("cdx:ai-ml:model:hyperparameter:quantization", facts.quantization),
    ):
        if value is not None and name in numbers:
            assert body["properties"][numbers[name]]["value"] == scalar(value.value)
            yield _Source(path=("properties", numbers[name]), evidence=value.evidence, basis=value.basis)
    count = numbers.get("cdx:ai-ml:model:parameter:count")
    if facts.parameters is not None and count is not None:
        yield _Source(path=("properties", count), evidence=facts.parameters.evidence, basis=facts.parameters.basis)


def _setting_sources(facts: ModelFacts, numbers: Mapping[str, int]) -> Iterator[_Source]:
    """Yield the file of the configuration for each of its settings that is a property."""
    named = [fact.evidence.location for fact in (facts.architecture, facts.family) if fact is not None]
    path = next((location.path for location in named if location and location.path.endswith(".json")), None)
    if path is None:
        return
    settings = {f"{HYPERPARAMETER}{key}": key for key in facts.config}
    if "peft_type" in facts.config:
        settings["cdx:ai-ml:model:parameter:tune_method"] = "peft_type"
    for name, key in settings.items():
        if name in numbers and name not in _FACTS:
            evidence = Evidence(location=Location(path=path), statement=f"{key}: {scalar(facts.config[key])}")
            yield _Source(path=("properties", numbers[name]), evidence=evidence, basis=Basis.DECLARED)


def _relation_sources(component: Component, body: Json, layout: Layout) -> Iterator[_Source]:
    ancestors = {entry["bom-ref"]: number for number, entry in enumerate(_get(body, ("pedigree", "ancestors")) or ())}
    for ancestor in layout.ancestors.get(component.ref, ()):
        for evidence in ancestor.relation.evidence:
            if ancestor.bom_ref in ancestors:
                basis = Basis.DETECTED if ancestor.relation.inferred else Basis.DECLARED
                path: _Path = ("pedigree", "ancestors", ancestors[ancestor.bom_ref])
                yield _Source(path=path, evidence=evidence, basis=basis)
    listed = _get(body, ("modelCard", "modelParameters", "datasets")) or ()
    numbers = {entry["ref"]: number for number, entry in enumerate(listed)}
    for relation in layout.outgoing.get(component.ref, ()):
        if relation.kind in (RelationKind.TRAINED_ON, RelationKind.EVALUATED_ON):
            number = numbers.get(layout.refs[relation.target])
            for evidence in relation.evidence if number is not None else ():
                path = ("modelCard", "modelParameters", "datasets", number or 0)
                yield _Source(path=path, evidence=evidence, basis=Basis.DECLARED)


def _speaks_of(entry: Json, claim: LicenseClaim, *, detected: bool) -> bool:
    if (claim.basis == "detected") is not detected:
        return False
    shown = entry.get("license", entry)
    names = {claim.expression, claim.key, claim.raw}
    same_basis = detected or shown.get("acknowledgement") == claim.basis
    return same_basis and not names.isdisjoint({shown.get("id"), shown.get("name"), shown.get("expression")} - {None})


def _get(body: Json, path: Iterable[str | int]) -> list[Json] | None:
    value: object = body
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value  # type: ignore[return-value]  # the document is ours: these places hold lists of mappings


def _pointer(*paths: _Path) -> str:
    keys = [str(key).replace("~", "~0").replace("/", "~1") for path in paths for key in path]
    return "/" + "/".join(keys)
