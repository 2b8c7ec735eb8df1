"""Facts about what else is published: code, data, papers, support, and what inspection and signatures came to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from aibom.assessors.card_text import CardPassage, Part
from aibom.assessors.facts import Fact
from aibom.components import Component, Inspection, RelationKind, Resolution, SignatureStatus, Verification
from aibom.files import Coverage, Location, Role
from aibom.findings import Evidence, Severity

# Fact, names of files that show it, words of the card that do.
_SIGNS: tuple[tuple[str, re.Pattern[str] | None, re.Pattern[str] | None], ...] = tuple(
    (name, re.compile(files, re.IGNORECASE) if files else None, re.compile(words, re.IGNORECASE) if words else None)
    for name, files, words in (
        (
            "code.training",
            r"(?:^|/)(?:pre)?(?:train|finetune|fine_tune|run_clm|sft|dpo)[\w-]*\.(?:py|sh|ipynb|ya?ml)$",
            r"(?:training|pre-?training|fine-?tuning) (?:code|script|recipe|framework)s?\b",
        ),
        (
            "code.inference",
            r"(?:^|/)(?:inference|generate|predict|pipeline|modeling_)[\w-]*\.py$|(?:^|/)handler\.py$",
            r"inference (?:code|script)",
        ),
        (
            "code.evaluation",
            r"(?:^|/)(?:eval|evaluate|benchmark)[\w-]*\.(?:py|sh|ipynb)$",
            r"evaluation (?:code|scripts?|harness|framework)|lm-eval|lighteval|olmes",
        ),
        (
            "code.preprocessing",
            r"(?:^|/)(?:preprocess|prepare_data|tokenize_data|dedup|filter)[\w-]*\.py$",
            (
                r"(?:pre-?processing|data (?:processing|preparation|curation|filtering)) (?:code|scripts?|pipeline|"
                r"toolkit)|datatrove|dolma toolkit"
            ),
        ),
        (
            "docs.data-card",
            r"(?:^|/)(?:datasheet|data_card|datacard|data_statement)[\w.-]*$",
            r"\bdata ?card|data ?sheet|data statement",
        ),
        ("docs.technical-report", r"(?:technical[-_]?report|tech[-_]?report)[\w.-]*$", r"technical report|tech report"),
        (
            "docs.paper",
            r"(?:^|/)paper\.pdf$",
            r"arxiv\.org/(?:abs|pdf)/|arxiv:\d{4}|doi\.org/10\.|@(?:article|misc|inproceedings)\{",
        ),
        ("docs.samples", r"(?:^|/)(?:samples?|outputs?|examples?)/", r"(?:sample|example) outputs?"),
        (
            "docs.hardware",
            None,
            r"(?:requires?|needs?|minimum|recommended?|at least)[^.]{0,60}(?:\d+\s?GB|GPUs?|VRAM|H100|A100)",
        ),
        (
            "docs.data-filtering",
            None,
            (
                r"(?:filter|remov|exclud)\w*[^.]{0,80}(?:CSAM|toxic|unsafe|personal|sensitive|harmful|duplicate|"
                r"low[- ]quality)"
            ),
        ),
        (
            "docs.bias",
            None,
            (
                r"\bbias(?:es)?\b[^.]{0,120}(?:evaluat|measur|test|benchmark|BBQ|CrowS|WinoBias|audit)|(?:BBQ|"
                r"CrowS-Pairs|WinoBias)"
            ),
        ),
        (
            "support.contact",
            r"(?:^|/)(?:CONTRIBUTING|SUPPORT)\.md$",
            r"[\w.+-]+@[\w-]+\.[\w.]+|contact us|point of contact|discord|github\.com/[\w-]+/[\w-]+/issues",
        ),
        (
            "support.security",
            r"(?:^|/)SECURITY\.md$",
            r"report(?:ing)? (?:a |any )?(?:security )?vulnerabilit|security@|responsible disclosure",
        ),
        (
            "files.intermediate-checkpoints",
            r"(?:^|/)checkpoint-\d+/|(?:^|/)step_?\d+",
            (
                r"intermediate checkpoints?|checkpoints? (?:are|is) (?:available|released)[^.]{0,40}(?:every|steps|"
                r"training)"
            ),
        ),
        ("files.training-state", r"(?:^|/)(?:optimizer\.(?:pt|bin)|trainer_state\.json|training_args\.bin)$", None),
        (
            "files.dependencies",
            r"(?:^|/)(?:requirements[\w-]*\.txt|environment\.ya?ml|conda\.ya?ml|pyproject\.toml|Pipfile)$",
            None,
        ),
        (
            "training.energy",
            None,
            r"\d[\d.,]*\s?(?:kWh|MWh|GWh)|t ?CO2|CO2 ?eq|carbon (?:emitted|footprint)[^.]{0,60}\d",
        ),
    )
)
_LEAST_DESCRIPTION = 2  # sentences about the data before it counts as described


def document_facts(
    component: Component,
    resolution: Resolution,
    passages: Sequence[CardPassage],
    paths: Sequence[str],
    *,
    identity: str | None,
) -> Iterator[tuple[str, Fact]]:
    """Yield what is published beside the weights: True with its place, or False for "not found here"."""
    read = [item for item in passages if not item.negated]
    for name, files, words in _SIGNS:
        evidence = _by_name(files, paths) or (_by_words(words, read) if words else ())
        if name == "code.inference" and not evidence:
            evidence = _first(item for item in read if item.code)
        if name == "training.energy" and component.card and component.card.emissions_grams is not None:
            evidence = (Evidence(statement="co2_eq_emissions", location=Location(path=component.card.path)),)
        yield name, Fact(value=bool(evidence), evidence=evidence, method="card and file names", confidence=0.6)
    if component.card is not None:
        tagged = [tag for tag in component.card.fields.get("tags", ()) if tag.lower().startswith(("arxiv:", "doi:"))]
        if tagged:
            where = Location(path=component.card.path, line=component.card.lines.get("tags"))
            yield (
                "docs.paper",
                Fact(value=True, evidence=(Evidence(statement=f"tag {tagged[0][:60]}", location=where),)),
            )
    data = [
        item
        for item in read
        if item.part is Part.TRAINING
        and not item.cells
        and re.search(r"data|corpus|corpora", " ".join((*item.headings[-1:], item.text)), re.IGNORECASE)
    ]
    described = len(data) >= _LEAST_DESCRIPTION
    yield (
        "data.description",
        Fact(value=described, evidence=_first(data) if described else (), method="card text", confidence=0.6),
    )
    sets = [
        edge.evidence[:1]
        for edge in resolution.relations
        if edge.source == component.ref and edge.kind is RelationKind.EVALUATED_ON
    ]
    sets += [(metric.evidence,) for metric in (component.card.metrics if component.card else ()) if metric.dataset]
    yield "data.evaluation-sets", Fact(value=bool(sets), evidence=sets[0] if sets else (), method="card")
    if identity:
        yield (
            "model.identity",
            Fact(value=True, evidence=(Evidence(statement=f"known as {identity[:120]}", source="hub"),), method="hub"),
        )
    if component.model and component.model.context_length:
        length = component.model.context_length
        yield (
            "model.context-length",
            Fact(value=float(length.value), evidence=(length.evidence,), method="configuration"),
        )


def security_facts(
    inspections: Sequence[Inspection], verifications: Sequence[Verification]
) -> Iterator[tuple[str, Fact]]:
    """Yield what inspection and signature checks came to, as far as the checklist asks."""
    grave = [finding for item in inspections for finding in item.findings if finding.severity.at_least(Severity.HIGH)]
    evidence = tuple(Evidence(statement=f"finding {item.rule.id}", location=item.location) for item in grave[:3])
    matter = [item for item in inspections if item.file.role in {Role.WEIGHTS, Role.CODE}]
    if matter:
        yield (
            "security.grave-findings",
            Fact(value=bool(grave), evidence=evidence, method="inspection", confidence=0.95),
        )
        partly = [item for item in matter if item.coverage is not Coverage.COMPLETE]
        unread = tuple(
            Evidence(statement=f"coverage {item.coverage.value}", location=item.file.at()) for item in partly[:3]
        )
        yield "security.inspected", Fact(value=not partly, evidence=unread, method="inspection", confidence=1.0)
    signed = [item for item in verifications if item.status is not SignatureStatus.CHECKSUM_OK]
    if signed:
        worst = max(signed, key=lambda item: list(SignatureStatus).index(item.status))
        shown = (Evidence(statement=f"{worst.kind}: {worst.status.value}", location=worst.location),)
        yield "integrity.signature", Fact(value=worst.status.value, evidence=shown, method="signature check")


def _by_name(pattern: re.Pattern[str] | None, paths: Iterable[str]) -> tuple[Evidence, ...]:
    if pattern is None:
        return ()
    found = next((path for path in paths if pattern.search(path)), None)
    return (Evidence(statement="a file of this name", location=Location(path=found)),) if found else ()


def _by_words(pattern: re.Pattern[str], passages: Iterable[CardPassage]) -> tuple[Evidence, ...]:
    return _first(item for item in passages if pattern.search(item.text[:4000]))


def _first(passages: Iterable[CardPassage]) -> tuple[Evidence, ...]:
    return next(((item.evidence,) for item in passages), ())
