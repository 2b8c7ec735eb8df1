"""Model cards and data sets in CycloneDX: the part of the standard that the library does not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal

from aibom.components import Component, ComponentKind, Metric, ModelCard, ModelFacts, RelationKind, Section
from aibom.emitters.cdx_layout import Layout
from aibom.emitters.cdx_text import Json, Named, link, passage, properties, property_name, scalar, without_empty

MAX_SECTIONS = 50

# Headings of cards, as the templates of https://huggingface.co/docs/hub/model-cards and their relatives write them.
_USES = re.compile(
    r"\b(intended use|direct use|downstream use|use cases?|intended application|primary use)", re.IGNORECASE
)
_USERS = re.compile(r"\b(intended users?|primary users?|target audience)", re.IGNORECASE)
_LIMITS = re.compile(r"\b(limitations?|out[- ]of[- ]scope|caveats|known issues|misuse)", re.IGNORECASE)
_TRADEOFFS = re.compile(r"\btrade-?offs?\b", re.IGNORECASE)
_ETHICS = re.compile(r"\b(ethic\w*|bias\w*|risks?|fairness|safety|harms?)\b", re.IGNORECASE)

_APPROACHES = ("self-supervised", "semi-supervised", "unsupervised", "supervised", "reinforcement-learning")


def model_card(component: Component, layout: Layout) -> Json | None:
    """Return the `modelCard` of a model, None where nothing is known that belongs there."""
    card = without_empty(
        {
            "modelParameters": _parameters(component, layout),
            "quantitativeAnalysis": _analysis(component.card),
            "considerations": _considerations(component.card),
            "properties": properties(_card_properties(component.card)),
        }
    )
    return card or None


def dataset(component: Component) -> list[Json]:
    """Return the `data` of a data set's component."""
    url = next((url for text in component.urls.values() if (url := link(text))), None)
    full_name = f"{component.group}/{component.name}" if component.group else component.name
    hint = component.properties.get("aibom:dataset:sensitive")
    return [
        without_empty(
            {
                "type": "dataset",
                "name": passage(full_name),
                "description": passage(component.description or ""),
                "contents": {"url": url} if url else None,
                "sensitiveData": [passage(str(hint))] if hint else None,
            }
        )
    ]


def dataset_refs(component: Component, layout: Layout) -> list[str]:
    """Return the bom-refs of the data sets that a model was trained or evaluated on, in the order of the card."""
    kinds = (RelationKind.TRAINED_ON, RelationKind.EVALUATED_ON)
    placed = {c.ref for c in layout.placed if c.kind is ComponentKind.DATASET}
    targets = {
        relation.target: None
        for kind in kinds
        for relation in layout.outgoing.get(component.ref, ())
        if relation.kind is kind and relation.target in placed
    }
    return [layout.refs[target] for target in targets]


def metric_slice(metric: Metric) -> str | None:
    """Return what a metric was measured on."""
    if not metric.dataset:
        return None
    return passage(f"{metric.dataset} ({metric.split})" if metric.split else metric.dataset)


def _parameters(component: Component, layout: Layout) -> Json:
    facts = component.model or ModelFacts()
    return without_empty(
        {
            "approach": _approach(component.card),
            "task": passage(facts.task.value) if facts.task else None,
            "architectureFamily": passage(facts.family.value) if facts.family else None,
            "modelArchitecture": passage(facts.architecture.value) if facts.architecture else None,
            "datasets": [{"ref": ref} for ref in dataset_refs(component, layout)],
            "inputs": [{"format": passage(fact.value)} for fact in facts.inputs],
            "outputs": [{"format": passage(fact.value)} for fact in facts.outputs],
        }
    )


def _approach(card: ModelCard | None) -> Json | None:
    # Only what the card's own tags say in the standard's words: a task does not tell how a model was trained.
    tags = {tag.lower() for tag in card.fields.get("tags", ())} if card else set()
    named = [approach for approach in _APPROACHES if approach in tags]
    return {"type": named[0]} if len(named) == 1 else None


def _analysis(card: ModelCard | None) -> Json | None:
    if card is None or not card.metrics:
        return None
    return {
        "performanceMetrics": [
            without_empty({"type": passage(m.type), "value": passage(m.value), "slice": metric_slice(m)})
            for m in card.metrics
        ]
    }


def card_lines(card: ModelCard) -> dict[str, list[int]]:
    """Return the lines of the headings from which each list of considerations was taken, in the order of the list."""
    return {
        "users": _lines(card, _USERS.search),
        "useCases": _lines(card, _USES.search),
        "technicalLimitations": _lines(card, _LIMITS.search),
        "performanceTradeoffs": _lines(card, _TRADEOFFS.search),
        "ethicalConsiderations": _lines(card, _is_ethics),
    }


def _considerations(card: ModelCard | None) -> Json | None:
    if card is None:
        return None
    return without_empty(
        {
            "users": _texts(card, _USERS.search),
            "useCases": _texts(card, _USES.search),
            "technicalLimitations": _texts(card, _LIMITS.search),
            "performanceTradeoffs": _texts(card, _TRADEOFFS.search),
            "ethicalConsiderations": [
                # `name` is a statement of the risk, and the card states it in its own words.
                {"name": text}
                for text in _texts(card, _is_ethics)
            ],
            "environmentalConsiderations": _environment(card),
        }
    )


def _texts(card: ModelCard, wanted: Callable[[str], object]) -> list[str]:
    return [passage(f"{section.title}: {section.text.strip()}") for section in _sections(card, wanted)]


def _lines(card: ModelCard, wanted: Callable[[str], object]) -> list[int]:
    return [section.line for section in _sections(card, wanted)]


def _sections(card: ModelCard, wanted: Callable[[str], object]) -> list[Section]:
    return [section for section in card.sections if wanted(section.title) and section.text.strip()][:MAX_SECTIONS]


def _is_ethics(title: str) -> bool:
    return bool(_ETHICS.search(title)) and not _LIMITS.search(title)


def _environment(card: ModelCard) -> Json | None:
    # The standard's own record wants kilowatt hours and an energy provider, which a figure of CO2 does not give.
    if card.emissions_grams is None or not Decimal(card.emissions_grams).is_finite():
        return None
    grams = Decimal(str(card.emissions_grams))
    return {
        "properties": properties(
            [
                ("aibom:environment:co2eq-grams", _plain(grams)),
                ("aibom:environment:co2eq-tonnes", _plain(grams / 1_000_000)),
            ]
        )
    }


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _card_properties(card: ModelCard | None) -> Iterable[Named]:
    if card is None:
        return
    yield "aibom:card:path", card.path
    if card.truncated:
        yield "aibom:card:truncated", scalar(value=True)
    for metric in card.metrics:
        if metric.verified:
            where = metric_slice(metric)
            yield "aibom:metric:verified", f"{metric.type} on {where}" if where else metric.type
    for field in ("tags", "library_name", "thumbnail"):
        for value in card.fields.get(field, ()):
            yield property_name("aibom", "card", field.replace("_", "-")), value
