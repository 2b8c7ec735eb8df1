"""What the evidence says about rules and terms: pure functions of what earlier stages found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from aibom.assessors.book_loader import load_books
from aibom.assessors.checklists import answer
from aibom.assessors.engine import Subject, apply
from aibom.assessors.explain import explain, explainable
from aibom.assessors.facts import Facts
from aibom.assessors.gather import Gathered, gather, gather_base, models
from aibom.assessors.reference_data import KNOWN_MODELS_DATE
from aibom.assessors.rulebook import Rulebook
from aibom.components import Component, Inspection, Resolution, Verification
from aibom.report import Assessment, ChecklistItem, Determination, SourceFacts
from aibom.settings import Settings

__all__ = ["assess", "explain", "explainable", "rule_data"]

_RELATIVE = {
    "finetune": "this fine-tune, ", "adapter": "this adapter, ", "merge": "this merge, ",
    "quantized": "this quantization, ", "converted": "this conversion, ",
}  # fmt: skip


def assess(
    resolution: Resolution,
    inspections: tuple[Inspection, ...],
    verifications: tuple[Verification, ...],
    settings: Settings,
    source: SourceFacts,
    *,
    day: dt.date,
) -> Assessment:
    """Apply every rulebook to every model of the target, and to its bases what can be said of them.

    `day` is that of the scan, on which the source was asked; `settings.as_of` may be another one.
    """
    books = load_books()
    main = next(book for book in books if book.policy is not None)
    determinations: list[Determination] = []
    checklist: list[ChecklistItem] = []
    for component in models(resolution):
        gathered = gather(
            component, resolution, inspections, verifications, settings=settings, source=source, book=main, day=day
        )
        found = [item for book in books for item in _apply(book, component, gathered, main, settings)]
        determinations += found
        concluded = {item.finding: item.strength for item in found if item.subject == component.ref}
        checklist += answer(component.ref, gathered.facts, concluded)
    for book in books:
        determinations += apply(book, Subject(ref=resolution.root, kind="report", facts=Facts()), settings.as_of)
    return Assessment(determinations=tuple(determinations), checklist=tuple(checklist), rule_data=rule_data())


def rule_data() -> dict[str, str]:
    """Return the version of every rulebook and of the table of known models."""
    return {**{book.regime: book.version for book in load_books()}, "known-models": KNOWN_MODELS_DATE}


def _apply(
    book: Rulebook, component: Component, gathered: Gathered, main: Rulebook, settings: Settings
) -> Iterator[Determination]:
    for base, known in gathered.lineage.bases:
        if known is not None:
            facts = gather_base(known, main)
            yield from apply(
                book, Subject(ref=base.ref, kind="base", facts=facts, prefix="base model, "), settings.as_of
            )
    derived = gathered.lineage.relation not in {"none", "distilled"}
    prefix = _RELATIVE.get(gathered.lineage.relation, "this model, ") if derived else ""
    yield from apply(
        book, Subject(ref=component.ref, kind="model", facts=gathered.facts, prefix=prefix), settings.as_of
    )
