"""Gather the facts of a model from what resolvers and inspectors found. Nothing is read from the target here."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aibom.assessors.card_text import CardPassage, Part, quote, read_passages
from aibom.assessors.facts import FACTS, Fact, Facts, FactType, Passage
from aibom.assessors.gather_card import card_facts
from aibom.assessors.gather_compute import Lineage, compute_fact, compute_facts, size_of, table_estimate
from aibom.assessors.gather_documents import document_facts, security_facts
from aibom.assessors.gather_license import license_facts
from aibom.assessors.identity import Identity
from aibom.assessors.reference_data import KnownModel, known_models
from aibom.assessors.rulebook import Rulebook
from aibom.assessors.training_figures import read_figures
from aibom.components import Component, ComponentKind, Derivation, Inspection, RelationKind, Resolution, Verification
from aibom.files import Location, Role
from aibom.findings import Evidence
from aibom.report import SourceFacts
from aibom.settings import Settings

_CHAT_KEYS = ("tokenizer.chat_template", "chat_template")
_TASK_WORDS = (
    ("text-to-image", re.compile(r"text[- ]to[- ]image|image generation model|latent diffusion", re.IGNORECASE)),
    ("text-to-video", re.compile(r"text[- ]to[- ]video|video generation model", re.IGNORECASE)),
    (
        "text-generation",
        re.compile(
            r"(?:causal|large|autoregressive|generative) language model|\bLLMs?\b|text generation model|code generation model",
            re.IGNORECASE,
        ),
    ),
    (
        "automatic-speech-recognition",
        re.compile(r"automatic speech recognition|speech[- ]to[- ]text model", re.IGNORECASE),
    ),
    ("text-to-speech", re.compile(r"text[- ]to[- ]speech", re.IGNORECASE)),
)
_NARROW_WORDS = re.compile(
    r"(?:image |video )?(?:upscal|super-?resolution)|inpainting|\btranscription\b|speech recognition|text[- ]to[- ]speech|"
    r"music generation|sound effects?|weather|chess|\bvideo games?\b",
    re.IGNORECASE,
)  # fmt: skip
_OPERATOR_BOOLS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The facts of one model, with the passages of its card and its lineage, for what needs more than facts."""

    facts: Facts
    passages: tuple[CardPassage, ...]
    lineage: Lineage


def gather(
    component: Component,
    resolution: Resolution,
    inspections: Sequence[Inspection],
    verifications: Sequence[Verification],
    settings: Settings,
    source: SourceFacts,
    book: Rulebook,
) -> Gathered:
    """Gather the facts of a model of the target."""
    mine = [item for item in inspections if not component.paths or item.file.path in set(component.paths)]
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
    facts.update(_modalities(component, passages, book.modalities, known))
    facts.update(card_facts(component.card, passages, paths))
    trainer = tuple(_trainer_flops(mine))
    facts.update(compute_facts(component, size, figures, lineage, known, trainer, book.policy))
    inputs = facts["input.modalities"].value if "input.modalities" in facts else frozenset()
    multimodal = isinstance(inputs, frozenset) and "image" in inputs
    facts.update(license_facts(component, resolution, passages, multimodal=multimodal))
    facts.update(_lineage_facts(lineage))
    facts.update(_names(component, resolution))
    facts.update(_files(component, mine, passages))
    facts.update(document_facts(component, resolution, passages, paths, identity=hub_id))
    facts.update(security_facts(mine, verifications))
    facts.update(_hub(component, source if is_root else SourceFacts(), known))
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
        facts.update(_mapped(mapped, evidence, known.task))
    return Facts(facts)


def _hub_id(component: Component, source: SourceFacts | None) -> str | None:
    """Return `owner/name` where a hub or a purl says so; a directory's name is no identity."""
    if source is not None and source.identity:
        return source.identity
    if component.purl and component.purl.startswith("pkg:huggingface/"):
        return component.purl.removeprefix("pkg:huggingface/").split("@")[0].split("?")[0]
    if not component.seen and component.group:
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


def _modalities(
    component: Component,
    passages: Sequence[CardPassage],
    table: Mapping[str, Mapping[str, Any]],
    known: KnownModel | None,
) -> Iterator[tuple[str, Fact]]:
    """Yield task and modalities: by the declared or concluded task, else by what the card calls the model."""
    facts = component.model
    if facts and facts.task:
        evidence: tuple[Evidence, ...] = (facts.task.evidence,)
        task = facts.task.value
    elif worded := next(
        ((task, item.evidence) for item in passages if item.part is Part.DESCRIPTION and not item.negated and not item.code
         for task, pattern in _TASK_WORDS if pattern.search(item.text)), None
    ):  # fmt: skip
        task, evidence = worded[0], (worded[1],)
    elif known is not None and known.task:
        task, evidence = known.task, (Evidence(statement=f"task {known.task}", source="known models"),)
    elif facts and facts.outputs:
        task, evidence = "", ()
    else:
        return
    if task in table:
        yield "task", Fact(value=task, evidence=evidence, method="task")
        mapped = dict(table[task])
        said = [
            item
            for item in passages
            if item.part in {Part.DESCRIPTION, Part.USE} and not item.negated and not item.code
        ]
        if (
            not mapped["narrow"]
            and "image" in mapped["out"]
            and "image" in mapped["in"]
            and any(_NARROW_WORDS.search(item.text) for item in said)
        ):
            mapped["narrow"] = True
        yield from _mapped(mapped, evidence, task)
    elif facts and facts.outputs:
        outputs = frozenset(item.value for item in facts.outputs)
        yield "output.modalities", Fact(value=outputs, evidence=tuple(item.evidence for item in facts.outputs[:3]))
        if facts.inputs:
            inputs = frozenset(item.value for item in facts.inputs)
            yield "input.modalities", Fact(value=inputs, evidence=tuple(item.evidence for item in facts.inputs[:3]))


def _mapped(mapped: Mapping[str, Any], evidence: tuple[Evidence, ...], task: str) -> Iterator[tuple[str, Fact]]:
    yield "output.modalities", Fact(value=mapped["out"], evidence=evidence, method="task")
    if mapped["in"]:
        yield "input.modalities", Fact(value=mapped["in"], evidence=evidence, method="task")
    generative = mapped["generative"]
    if generative is None:
        generative = bool(mapped["out"] & {"text", "code", "speech", "audio", "music", "image", "video", "other"})
    yield "output.generative", Fact(value=generative, evidence=evidence, method="task")
    yield "task.narrow", Fact(value=bool(mapped["narrow"]), evidence=evidence, method="task")


def _lineage_facts(lineage: Lineage) -> Iterator[tuple[str, Fact]]:
    yield "lineage.relation", Fact(value=lineage.relation, evidence=lineage.evidence, method="lineage")
    names = frozenset(_hub_id(base, None) or base.name for base, _ in lineage.bases)
    yield "lineage.bases", Fact(value=names, evidence=lineage.evidence, method="lineage")
    passages = tuple(
        Passage(text=base.name, evidence=Evidence(statement=f"base {quote(base.name)}")) for base, _ in lineage.bases
    )
    yield "bases", Fact(value=passages, evidence=lineage.evidence, method="lineage")


def _names(component: Component, resolution: Resolution) -> Iterator[tuple[str, Fact]]:
    """Yield labels, tags and data sets: words that name things, which speak more weakly than sentences."""
    card, facts = component.card, component.model

    def words(name: str, values: Sequence[tuple[str, Evidence]], method: str) -> tuple[str, Fact]:
        passages = tuple(Passage(text=text, evidence=evidence) for text, evidence in values)
        return name, Fact(value=passages, evidence=tuple(item.evidence for item in passages[:5]), method=method)

    labels = [(item.value, Evidence(statement=f"label {quote(item.value)}", location=item.evidence.location))
              for item in (facts.labels if facts else ())]  # fmt: skip
    yield words("labels", labels, "configuration")
    datasets: list[tuple[str, Evidence]] = []
    by_ref = {item.ref: item for item in resolution.components}
    for relation in resolution.relations:
        if relation.source == component.ref and relation.kind is RelationKind.TRAINED_ON and relation.target in by_ref:
            name = by_ref[relation.target].name
            where = relation.evidence[0].location if relation.evidence else None
            datasets.append((name, Evidence(statement=f"data set {quote(name)}", location=where)))
    if card is not None:
        for field, sink in (("datasets", datasets), ("tags", tags := list[tuple[str, Evidence]]())):
            where = Location(path=card.path, line=card.lines.get(field))
            for value in card.fields.get(field, ()):
                if all(value != name for name, _ in sink):
                    sink.append((value, Evidence(statement=f"{field}: {quote(value)}", location=where)))
        yield words("tags", tags, "card")
    yield words("datasets", datasets, "card")


def _files(
    component: Component, inspections: Sequence[Inspection], passages: Sequence[CardPassage]
) -> Iterator[tuple[str, Fact]]:
    facts = component.model
    weights = [item for item in inspections if item.file.role is Role.WEIGHTS]
    seen = tuple(Evidence(statement="weights", location=Location(path=item.file.path)) for item in weights[:3])
    if weights or (facts and facts.weight_sets):
        yield "weights.public", Fact(value=True, evidence=seen, method="files of the target")
    elif inspections:
        yield "weights.public", Fact(value=False, method="files of the target")
    if facts and facts.architecture:
        value = frozenset({facts.architecture.value})
        yield "arch.classes", Fact(value=value, evidence=(facts.architecture.evidence,), method="configuration")
    elif facts and facts.family:
        yield (
            "arch.classes",
            Fact(value=frozenset({facts.family.value}), evidence=(facts.family.evidence,), method="configuration"),
        )
    elif told := next(
        (
            item
            for item in passages
            if "architecture" in " ".join((*item.headings, item.text)).lower() and not item.code
        ),
        None,
    ):
        yield (
            "arch.classes",
            Fact(
                value=frozenset({"described in the card"}),
                evidence=(told.evidence,),
                method="card text",
                confidence=0.6,
            ),
        )
    chat = next(
        (
            item
            for item in inspections
            if any(key in item.metadata for key in _CHAT_KEYS) or "chat_template" in item.file.name
        ),
        None,
    )
    if chat is not None:
        where = Location(path=chat.file.path)
        yield (
            "chat.template",
            Fact(value=True, evidence=(Evidence(statement="chat template", location=where),), method="files"),
        )
    elif inspections:
        yield "chat.template", Fact(value=False, method="files", confidence=0.7, complete=False)


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


def _hub(component: Component, source: SourceFacts, known: KnownModel | None) -> Iterator[tuple[str, Fact]]:
    said = (Evidence(statement=f"gated: {source.gated}", source=source.kind),)
    if source.gated is not None:
        gated = {"False": "false", "": "false"}.get(str(source.gated), str(source.gated))
        yield "access.gated", Fact(value=gated, evidence=said, method="hub")
    elif component.card and any(key.startswith("extra_gated") for key in component.card.fields):
        where = Location(path=component.card.path)
        yield (
            "access.gated",
            Fact(value="gated", evidence=(Evidence(statement="extra_gated fields", location=where),), method="card"),
        )
    released, said_by = _day(source.created), source.kind
    if released is None and known is not None:
        released, said_by = known.released, "known models"
    if released is not None:
        evidence = (Evidence(statement=f"first seen {released}", source=said_by),)
        yield "release.date", Fact(value=released, evidence=evidence, method=said_by, confidence=0.7)


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
                if (day := _day(str(value))) is not None:
                    yield name, Fact(value=day, evidence=evidence, method="operator")
            case FactType.TEXT:
                yield (
                    name,
                    Fact(value=(Passage(text=str(value), evidence=evidence[0]),), evidence=evidence, method="operator"),
                )
            case _:
                yield name, Fact(value=str(value), evidence=evidence, method="operator")


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def models(resolution: Resolution) -> tuple[Component, ...]:
    """Return the models to assess: those of the target that are no part of another model."""
    by_ref = {item.ref: item for item in resolution.components}
    parts = {
        edge.target for edge in resolution.relations
        if edge.kind is RelationKind.CONTAINS and edge.source in by_ref and by_ref[edge.source].kind is ComponentKind.MODEL
    }  # fmt: skip
    return tuple(
        item
        for item in resolution.components
        if item.seen and item.kind is ComponentKind.MODEL and item.ref not in parts
    )
