"""What the evidence says about rules and terms: pure functions of what earlier stages found."""

from __future__ import annotations

from aibom.assessors.engine import Subject, apply
from aibom.assessors.facts import Facts
from aibom.assessors.gather import Gathered, gather, gather_base, models
from aibom.assessors.reference_data import KNOWN_MODELS_DATE
from aibom.assessors.rulebook import Rulebook, load_books
from aibom.components import Component, Inspection, Resolution, Verification
from aibom.report import Assessment, Determination, SourceFacts
from aibom.settings import Settings

_BOOK_OF_FACTS = "eu-ai-act"  # its estimate policy and modality table hold for every regime

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
) -> Assessment:
    """Apply every rulebook to every model of the target, and to its bases what can be said of them."""
    del verifications
    books = load_books()
    main = next(book for book in books if book.regime == _BOOK_OF_FACTS)
    determinations: list[Determination] = []
    for component in models(resolution):
        gathered = gather(component, resolution, inspections, settings, source, main)
        for book in books:
            determinations += _apply(book, component, gathered, main, settings)
    for book in books:
        determinations += apply(book, Subject(ref=resolution.root, kind="report", facts=Facts()), settings.as_of)
    versions = {f"rulebook:{book.regime}": book.version for book in books}
    return Assessment(determinations=tuple(determinations), rule_data={**versions, "known-models": KNOWN_MODELS_DATE})


def _apply(
    book: Rulebook, component: Component, gathered: Gathered, main: Rulebook, settings: Settings
) -> list[Determination]:
    found: list[Determination] = []
    for base, known in gathered.lineage.bases:
        if known is not None:
            facts = gather_base(base, known, main)
            subject = Subject(ref=base.ref, kind="base", facts=facts, prefix="base model, ")
            found += apply(book, subject, settings.as_of)
    derived = gathered.lineage.relation not in {"none", "distilled"}
    prefix = _RELATIVE.get(gathered.lineage.relation, "this model, ") if derived else ""
    found += apply(book, Subject(ref=component.ref, kind="model", facts=gathered.facts, prefix=prefix), settings.as_of)
    return found
