"""Facts that stand in names and files: labels, tags, data sets, weights, architecture, chat template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aibom.assessors.card_text import CardPassage, quote
from aibom.assessors.facts import Fact, Passage
from aibom.components import Component, Inspection, RelationKind, Resolution
from aibom.files import Location, Role
from aibom.findings import Evidence

_CHAT_KEYS = ("tokenizer.chat_template", "chat_template")


def name_facts(component: Component, resolution: Resolution) -> Iterator[tuple[str, Fact]]:
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


def file_facts(
    component: Component, inspections: Sequence[Inspection], passages: Sequence[CardPassage]
) -> Iterator[tuple[str, Fact]]:
    """Yield what files say of weights, architecture and chat template."""
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
