"""Read a model card: front matter normalised to lists of text, sections, evaluation results, emissions."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

from aibom.components import ModelCard
from aibom.errors import FileFault
from aibom.files import Location
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE
from aibom.limits import Limits
from aibom.resolvers.card_metrics import evaluation_files, model_index
from aibom.resolvers.documents import Text, mapping, texts
from aibom.resolvers.front_matter import FrontMatter, split_front_matter, split_sections
from aibom.resolvers.hub_names import without_folders
from aibom.resolvers.repository import Repository
from aibom.resolvers.yaml_documents import Yaml, YamlDocument, parse_yaml

CARD_MISSING = Rule(
    id="card-missing",
    subject=Subject.DOCUMENTS,
    severity=Severity.LOW,
    summary="The model has no card",
    explanation=(
        "There is no README.md that says what the model is for, what it was made from and under which terms. Nobody "
        "downstream can judge whether it fits its use."
    ),
    help="Ask the publisher for a card, or write one: purpose, base model, data, evaluation, limits, license.",
    references=("https://huggingface.co/docs/hub/model-cards",),
)
CARD_MALFORMED = Rule(
    id="card-malformed",
    subject=Subject.DOCUMENTS,
    severity=Severity.LOW,
    summary="The card's metadata can't be relied on",
    explanation=(
        "The YAML block at the top of the card is broken, is not where tools look for it, or says a thing twice. Tools "
        "then see no license and no base model, or each sees another one."
    ),
    help="Put one valid YAML block between two lines `---` at the very start of README.md, each key once.",
    references=("https://huggingface.co/docs/hub/model-cards#model-card-metadata",),
)
CARD_ENCODING = Rule(
    id="card-encoding",
    subject=Subject.DOCUMENTS,
    severity=Severity.LOW,
    summary="The card is not plain UTF-8",
    explanation=(
        "The card holds bytes that are not UTF-8, is written in another encoding, or starts with a byte order mark. "
        "Tools that expect UTF-8 fail on it, or silently see no metadata."
    ),
    help="Save README.md as UTF-8 without a byte order mark.",
)

_NAMES = ("README.md", "model_card.md", "modelcard.md", "MODEL_CARD.md")


class CardReading(Struct, frozen=True, kw_only=True):
    """A card, or none, with what is wrong with it."""

    card: ModelCard | None
    findings: tuple[Finding, ...] = ()


def card_path(repository: Repository, folder: str) -> str | None:
    """Return the path of the card in this folder."""
    return next((path for name in _NAMES if (path := repository.find(folder, name))), None)


def read_card(repository: Repository, folder: str = "") -> CardReading:
    """Read the card in this folder; a missing card is no finding here."""
    path = card_path(repository, folder)
    if path is None or (text := repository.text(path)) is None:
        return CardReading(card=None)
    findings = [*_encoding_findings(text)]
    front = split_front_matter(text.text)
    document = None
    if front is not None:
        document, faults = _parse(path, front, repository.limits)
        findings.extend(faults)
    elif not text.truncated and any(f"\n{key}:" in text.text[:2000] for key in ("license", "base_model")):
        message = "looks like metadata, but stands between no `---` lines: tools see none"
        findings.append(Finding.of(CARD_MALFORMED, message, Location(path=path, line=1), severity=Severity.MEDIUM))
    if text.truncated:
        message = f"only the first {repository.limits.text_bytes} bytes of the card were read"
        findings.append(Finding.of(INSPECTION_INCOMPLETE, message, Location(path=path), severity=Severity.LOW))
    return CardReading(card=_card(repository, folder, text, front, document), findings=tuple(findings))


def description_of(card: ModelCard | None) -> str | None:
    """Return the first prose of a card, without markup that a reader would see as noise."""
    for section in card.sections[:5] if card else ():
        for paragraph in section.text.split("\n\n"):
            text = " ".join(paragraph.split())
            if len(text) > 20 and not text.startswith(("<", "!", "|", "#", "[", "-", "*", "`", ">", "=")):
                return text[:500]
    return None


def _card(
    repository: Repository, folder: str, text: Text, front: FrontMatter | None, document: YamlDocument | None
) -> ModelCard:
    value = mapping(document.value) if document else {}
    shift = front.line - 1 if front else 0
    lines = {key: line + shift for key, line in document.lines.items()} if document else {}
    return ModelCard(
        path=text.path,
        fields=_fields(value, repository.limits.metadata_value_bytes),
        lines={key: line for key, line in lines.items() if key.count(".") <= 1 and not key.startswith("model-index")},
        sections=split_sections(text.text, front.body_line if front else 1),
        metrics=(*model_index(text.path, value, lines), *evaluation_files(repository, folder)),
        emissions_grams=_emissions(value.get("co2_eq_emissions")),
        truncated=text.truncated,
    )


def _encoding_findings(text: Text) -> list[Finding]:
    where = Location(path=text.path, line=1)
    if text.lossy:
        message = f"holds bytes that are not {text.encoding.upper()}; they were replaced"
        return [Finding.of(CARD_ENCODING, message, Location(path=text.path))]
    if text.encoding != "utf-8":
        return [Finding.of(CARD_ENCODING, f"is {text.encoding.upper()}, where tools expect UTF-8", where)]
    if text.bom:
        message = "starts with a byte order mark: tools that look for `---` at the start see no metadata"
        return [Finding.of(CARD_ENCODING, message, where)]
    return []


def _parse(path: str, front: FrontMatter, limits: Limits) -> tuple[YamlDocument | None, list[Finding]]:
    findings: list[Finding] = []

    def fault(message: str, line: int, severity: Severity | None = None) -> None:
        findings.append(Finding.of(CARD_MALFORMED, message, Location(path=path, line=line), severity=severity))

    if front.unclosed:
        fault("the metadata block has no closing line `---`: tools see none", front.line - 1, Severity.MEDIUM)
    if front.preceded:
        fault("something stands before the metadata block: tools see none", front.line - 1, Severity.MEDIUM)
    try:
        document = parse_yaml(front.text, limits)
    except FileFault as error:
        fault(f"the metadata block can't be read: {error}", front.line - 1, Severity.MEDIUM)
        return None, findings
    for key, line in document.duplicates[:20]:
        grave = Severity.MEDIUM if key in {"license", "base_model", "datasets"} else None
        fault(f"the key {key[:80]!r} stands twice; the first was used", line + front.line - 1, grave)
    for tag, line in document.tags[:20]:
        fault(f"the tag {tag[:80]!r} asks a careless reader to build an object", line + front.line - 1, Severity.MEDIUM)
    if document.value is not None and not isinstance(document.value, dict):
        fault("the metadata block is no mapping", front.line, Severity.MEDIUM)
    return document, findings


def _fields(value: Mapping[str, Yaml], limit: int) -> dict[str, tuple[str, ...]]:
    """Every key as a tuple of text; mappings inside are joined by a dot, results of `model-index` are left out."""
    fields: dict[str, tuple[str, ...]] = {}
    for key, item in value.items():
        if key in {"model-index", "widget"}:
            continue
        if isinstance(item, dict):
            for inner, deep in item.items():
                if scalar := _scalars(deep, limit):
                    fields[f"{key}.{inner}"] = scalar
        elif scalar := _scalars(item, limit):
            fields[key] = scalar
    return fields


def _scalars(item: Yaml, limit: int) -> tuple[str, ...]:
    if isinstance(item, bool):
        return ("true" if item else "false",)
    if isinstance(item, list):
        item = [("true" if part else "false") if isinstance(part, bool) else part for part in item]
    return tuple(without_folders(text[:limit]) for text in texts(item))


def _emissions(value: Yaml) -> float | None:
    """Grams of CO2 equivalent: a number, or `emissions` in a mapping."""
    raw = value.get("emissions") if isinstance(value, dict) else value
    if not isinstance(raw, str):
        return None
    try:
        grams = float(raw.replace("_", ""))
    except ValueError:
        return None
    return grams if math.isfinite(grams) and grams >= 0 else None


RULES = (CARD_MISSING, CARD_MALFORMED, CARD_ENCODING)
