"""Gather the facts of a model from what resolvers and inspectors found. Nothing is read from the target here."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from aibom.assessors.card_text import CardPassage, quote, read_passages
from aibom.assessors.facts import FACTS, Fact, Facts, FactType, Passage
from aibom.assessors.gather_card import card_facts
from aibom.assessors.gather_compute import Lineage, compute_fact, compute_facts, size_of, table_estimate
from aibom.assessors.gather_documents import document_facts, security_facts
from aibom.assessors.gather_hub import day_of, hub_facts, republished_facts
from aibom.assessors.gather_license import license_facts
from aibom.assessors.gather_names import file_facts, name_facts
from aibom.assessors.gather_task import mapped_facts, modality_facts
from aibom.assessors.identity import Identity
from aibom.assessors.reference_data import KnownModel, known_models
from aibom.assessors.rulebook import Rulebook
from aibom.assessors.training_figures import read_figures
from aibom.components import Component, ComponentKind, Derivation, Inspection, RelationKind, Resolution, Verification
from aibom.files import Location
from aibom.findings import Evidence
from aibom.report import SourceFacts
from aibom.settings import Settings

_OPERATOR_BOOLS = {"true": True, "yes": True, "false": False, "no": False}


class Gathered(Struct, frozen=True, kw_only=True):
    """The facts of one model, with the passages of its card and its lineage, for what needs more than facts."""

    facts: Facts
    passages: tuple[CardPassage, ...]
    lineage: Lineage


def gather(
    component: Component,
    resolution: Resolution,
    inspections: Sequence[Inspection],
    verifications: Sequence[Verification],
    *,
    settings: Settings,
    source: SourceFacts,
    book: Rulebook,
    day: dt.date,
) -> Gathered:
    """Gather the facts of a model of the target; `book` brings the policy of estimates and the table of tasks.

    `day` is that of the scan.
    """
    own = frozenset(component.paths)
    mine = [item for item in inspections if not own or item.file.path in own]
    paths = list(dict.fromkeys(item.file.path for item in mine))
    passages = read_passages(component.card) if component.card else ()
    lineage = _lineage(component, resolution)
    is_root = component.ref == resolution.root
    hub_id = _hub_id(component, source if is_root else None)
    known = known_models().get(hub_id.lower()) if hub_id else None
    identity = _identity(component, hub_id, lineage, known)
    figures = read_figures(passages, identity)
    size = size_of(component, figures, adapter=lineage.relation == "adapter")
    assert book.policy is not None
    facts: dict[str, Fact] = {}
    facts.update(modality_facts(component, passages, book.modalities, known))
    facts.update(card_facts(component.card, passages, paths))
    trainer = tuple(_trainer_flops(mine))
    facts.update(compute_facts(size, figures, lineage, known, trainer_flops=trainer, policy=book.policy))
    inputs = facts["input.modalities"].value if "input.modalities" in facts else frozenset()
    multimodal = isinstance(inputs, frozenset) and "image" in inputs
    facts.update(license_facts(component, resolution, passages, lineage, multimodal=multimodal))
    facts.update(_lineage_facts(lineage))
    facts.update(name_facts(component, resolution))
    facts.update(file_facts(component, mine, passages))
    facts.update(document_facts(component, resolution, passages, paths, identity=hub_id))
    facts.update(security_facts(mine, verifications))
    facts.update(hub_facts(component, source if is_root else SourceFacts(), known, day))
    facts.update(republished_facts(component, tuple(base for base, _ in lineage.bases), hub_id, day))
    facts.update(_operator(settings))
    unknown = set(facts) - set(FACTS)
    assert not unknown, unknown
    return Gathered(facts=Facts(facts), passages=passages, lineage=lineage)


def gather_base(known: KnownModel, book: Rulebook) -> Facts:
    """Gather what the table of known models says of a base that was not scanned."""
    assert book.policy is not None
    facts: dict[str, Fact] = {}
    evidence = (Evidence(statement=f"{known.id} in the table of known models", source="known models"),)
    if known.flop is not None:
        estimates = [table_estimate(known, book.policy)]
        facts.update(compute_fact("training.compute", estimates))
        facts.update(compute_fact("training.compute.cumulative", estimates))
    facts["params.total"] = Fact(value=known.parameters, evidence=evidence, method="known models")
    facts["params.active"] = Fact(value=known.active or known.parameters, evidence=evidence, method="known models")
    if mapped := book.modalities.get(known.task):
        facts.update(mapped_facts(mapped, evidence))
    return Facts(facts)


def _hub_id(component: Component, source: SourceFacts | None) -> str | None:
    """Return `owner/name` where a hub or a purl says so; a directory's name is no identity."""
    if source is not None and source.identity:
        return source.identity
    if component.purl and component.purl.startswith("pkg:huggingface/"):
        return component.purl.removeprefix("pkg:huggingface/").split("@")[0].split("?")[0]
    if component.group:  # from a hub or the user, never from the target's own files
        return f"{component.group}/{component.name}"
    return None


def _lineage(component: Component, resolution: Resolution) -> Lineage:
    relations = [
        item for item in resolution.relations
        if item.source == component.ref and item.kind is RelationKind.DERIVED_FROM and not item.inferred
    ]  # fmt: skip
    by_ref = {item.ref: item for item in resolution.components}
    bases = [by_ref[item.target] for item in relations if item.target in by_ref]
    if not bases:
        return Lineage(relation="none")
    kinds = [item.derivation or Derivation.UNKNOWN for item in relations]
    relation = "merge" if len(bases) > 1 and Derivation.DISTILLED not in kinds else kinds[0].value
    evidence = tuple(item for edge in relations for item in edge.evidence)
    table = known_models()
    rows = tuple((base, table.get((_hub_id(base, None) or base.name).lower())) for base in bases)
    return Lineage(relation=relation, bases=rows, evidence=evidence)


def _identity(component: Component, hub_id: str | None, lineage: Lineage, known: KnownModel | None) -> Identity:
    title = (
        next((section.title for section in component.card.sections if section.level == 1), "") if component.card else ""
    )
    names = [component.name, (hub_id or "").rpartition("/")[2]]
    if title and len(title) <= 60 and re.search(r"\d", title):
        names.append(title)
    own = component.model.parameters.value if component.model and component.model.parameters else None
    parameters = float(own) if own and lineage.relation != "adapter" else known.parameters if known else None
    others = tuple(base.name for base, _ in lineage.bases if base.name not in names)
    return Identity(names=tuple(dict.fromkeys(name for name in names if name)), parameters=parameters, others=others)


def _lineage_facts(lineage: Lineage) -> Iterator[tuple[str, Fact]]:
    yield "lineage.relation", Fact(value=lineage.relation, evidence=lineage.evidence, method="lineage")
    names = frozenset(_hub_id(base, None) or base.name for base, _ in lineage.bases)
    yield "lineage.bases", Fact(value=names, evidence=lineage.evidence, method="lineage")
    passages = tuple(
        Passage(text=base.name, evidence=Evidence(statement=f"base {quote(base.name)}")) for base, _ in lineage.bases
    )
    yield "bases", Fact(value=passages, evidence=lineage.evidence, method="lineage")


def _trainer_flops(inspections: Sequence[Inspection]) -> Iterator[tuple[float, Evidence]]:
    for item in inspections:
        value = item.metadata.get("total_flos")
        if (
            item.file.name == "trainer_state.json"
            and isinstance(value, int | float)
            and not isinstance(value, bool)
            and value > 0
        ):
            yield float(value), Evidence(statement=f"total_flos {value:.3g}", location=Location(path=item.file.path))


def _operator(settings: Settings) -> Iterator[tuple[str, Fact]]:
    """Yield what the user declares. It is labelled so, and nothing of it is inferred."""
    for key, value in settings.operator.items():
        name = "operator.purpose" if key == "intended-purpose" else f"operator.{key}"
        if name not in FACTS:
            continue
        evidence = (Evidence(statement=f"{key} = {value}, declared by the operator", source="operator"),)
        match FACTS[name].type:
            case FactType.BOOL:
                flag = value if isinstance(value, bool) else _OPERATOR_BOOLS.get(str(value).lower())
                if flag is not None:
                    yield name, Fact(value=flag, evidence=evidence, method="operator")
            case FactType.DATE:
                if (day := day_of(str(value))) is not None:
                    yield name, Fact(value=day, evidence=evidence, method="operator")
            case FactType.TEXT:
                yield (
                    name,
                    Fact(value=(Passage(text=str(value), evidence=evidence[0]),), evidence=evidence, method="operator"),
                )
            case _:
                yield name, Fact(value=str(value), evidence=evidence, method="operator")


def models(resolution: Resolution) -> tuple[Component, ...]:
    """Return the models to assess: those of the target that are no part of another model."""
    by_ref = {item.ref: item for item in resolution.components}
    parts = {
        edge.target
        for edge in resolution.relations
        if edge.kind is RelationKind.CONTAINS
        and (whole := by_ref.get(edge.source)) is not None
        and whole.kind is ComponentKind.MODEL
    }
    return tuple(
        item
        for item in resolution.components
        if item.seen and item.kind is ComponentKind.MODEL and item.ref not in parts
    )
