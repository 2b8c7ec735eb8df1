"""Find the datasets that lie in the target itself, and what their own cards say of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Component, ComponentKind, LicenseClaim, ModelCard, Scalar, Scope
from aibom.errors import FileFault
from aibom.files import Format, Location, Role
from aibom.findings import Evidence, Finding
from aibom.resolvers.documents import mapping
from aibom.resolvers.front_matter import split_front_matter
from aibom.resolvers.layouts import Layout, Marker
from aibom.resolvers.license_claims import collect_terms
from aibom.resolvers.license_rules import LICENSE_UNDETERMINED
from aibom.resolvers.model_card import card_path, description_of, read_card
from aibom.resolvers.repository import Repository, folder_of, name_of, stated
from aibom.resolvers.subject import Subject
from aibom.resolvers.yaml_documents import parse_yaml

_MAX_DATASETS = 200
_MAX_FEATURES = 2000
_MAX_HINTS = 20
# Keys that the hub defines for cards of datasets, and keys that only cards of models have
# (https://github.com/huggingface/hub-docs/blob/main/datasetcard.md and modelcard.md).
_DATASET_KEYS = frozenset({"dataset_info", "size_categories", "task_categories", "task_ids", "annotations_creators",
                           "source_datasets", "language_creators"})  # fmt: skip
_MODEL_KEYS = frozenset({"base_model", "pipeline_tag", "library_name", "model-index", "model_name"})
_SPLIT = re.compile(r"(train|test|dev|validation|valid|data)\b.*\.(json|txt|tsv|zip|gz|zst|tar)$", re.IGNORECASE)
_COLUMN = re.compile(
    r"e-?_?mail(_?address)?|phone(_?(no|number))?|mobile|ssn|social_security.*|passport.*|iban|credit_card.*"
    r"|(home_|street_|postal_)?address|ip(_?address)?|date_of_birth|dob|birth_?(date|day)|(first|last|full|user)_?name"
    r"|surname|patient(_?id)?|diagnosis|gender|sex|race|ethnicity|religion|sexual_orientation|nationality|latitude"
    r"|longitude|face|fingerprint|iris|voice_?print",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"not-for-all-audiences|nsfw|medical|clinical|biology|health|legal|finance|biometrics?", re.IGNORECASE
)
_SECTION = re.compile(r"personal|sensitive|privacy|anonymi[sz]|consent", re.IGNORECASE)
_UNFILLED = re.compile(r"\W*(more information needed|n/?a|todo|needs? more information)?\W*", re.IGNORECASE)


class LocalDataset(Struct, frozen=True, kw_only=True):
    """A dataset whose files are in the target; everything said of it is its card's word."""

    folder: str
    name: str
    marker: str
    """Path of the file that says that this is a dataset."""
    card: ModelCard | None
    paths: tuple[str, ...]
    licenses: tuple[LicenseClaim, ...]
    properties: Mapping[str, Scalar]
    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...] = ()


def find_datasets(repository: Repository) -> tuple[LocalDataset, ...]:
    """Return the datasets of a target: a card with a dataset's keys, or what `save_to_disk` leaves, beside data."""
    marks: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for folder in sorted(_folders_with_data(repository)):
        found = _card_mark(repository, folder) or _saved_mark(repository, folder)
        if found and len(marks) < _MAX_DATASETS:
            marks[folder] = found
    taken: set[str] = set()
    result = []
    # The innermost first, so that files belong to the nearest dataset.
    for folder in sorted(marks, key=lambda name: (-name.count("/") if name else 1, name)):
        marker, said = marks[folder]
        paths = tuple(path for path in repository.below(folder) if path not in taken)
        taken.update(paths)
        result.append(_read(repository, folder, marker, said, paths))
    return tuple(sorted(result, key=lambda item: item.folder))


def _folders_with_data(repository: Repository) -> set[str]:
    found: set[str] = set()
    for path in repository.paths():
        item = repository.inspection(path)
        assert item is not None
        if item.file.role is not Role.DATA and not _SPLIT.match(name_of(path)):
            continue
        folder = folder_of(path)
        while folder not in found:
            found.add(folder)
            folder = folder_of(folder)
    return found


def _card_mark(repository: Repository, folder: str) -> tuple[str, Mapping[str, Any]] | None:
    path = card_path(repository, folder)
    text = repository.text(path) if path else None
    front = split_front_matter(text.text) if text else None
    if path is None or front is None:
        return None
    try:
        value = mapping(parse_yaml(front.text, repository.limits).value)
    except FileFault:
        return None  # `read_card` says so where it is the card of a model
    if _MODEL_KEYS & set(value) or not (_DATASET_KEYS & set(value) or _has_data_files(value.get("configs"))):
        return None
    return path, value


def _has_data_files(value: Any) -> bool:
    return isinstance(value, list) and any("data_files" in mapping(item) for item in value[:_MAX_FEATURES])


def _saved_mark(repository: Repository, folder: str) -> tuple[str, Mapping[str, Any]] | None:
    """What the `datasets` library writes beside the data: dataset_info.json with the columns."""
    path = repository.find(folder, "dataset_info.json")
    value = mapping(repository.json(path)) if path else {}
    return (path, {"dataset_info": value}) if path and mapping(value.get("features")) else None


def _read(
    repository: Repository, folder: str, marker: str, said: Mapping[str, Any], paths: tuple[str, ...]
) -> LocalDataset:
    reading = read_card(repository, folder)
    card = reading.card if reading.card and reading.card.path == marker else None
    terms = collect_terms(repository, Layout(folder=folder, label="", marker=Marker(library=None)), card, None)
    # A license of the whole that lies above may be the model's alone: only what stands beside the data counts.
    licenses = tuple(replace(claim, scope=Scope.DATA) for claim in terms.claims if _is_below(claim.evidence, folder))
    if not licenses and (raw := mapping(said.get("dataset_info")).get("license")) and isinstance(raw, str):
        evidence = stated(marker, f"license: {raw[:200]}")
        licenses = (LicenseClaim(raw=raw[:500], basis="declared", scope=Scope.DATA, evidence=evidence),)
    findings = [*reading.findings] if card else []
    name = _text(said.get("pretty_name")) or name_of(folder) or "dataset"
    if not any(claim.expression for claim in licenses):
        message = f"the dataset in {folder or 'the root'} states no license that is known"
        findings.append(Finding.of(LICENSE_UNDETERMINED, message, Location(path=marker)))
    return LocalDataset(
        folder=folder,
        name=name[:200],
        marker=marker,
        card=card,
        paths=paths,
        licenses=licenses,
        properties=dict(_properties(repository, card, said, paths)),
        evidence=(stated(marker, "a dataset in the target, as its own card says"),),
        findings=tuple(findings),
    )


def _is_below(evidence: Evidence, folder: str) -> bool:
    return evidence.location is not None and evidence.location.path.startswith(f"{folder}/" if folder else "")


def _properties(
    repository: Repository, card: ModelCard | None, said: Mapping[str, Any], paths: tuple[str, ...]
) -> Iterator[tuple[str, Scalar]]:
    fields = card.fields if card else {}
    for name, key in (("size-category", "size_categories"), ("task", "task_categories"), ("source", "source_datasets")):
        if fields.get(key):
            yield f"aibom:dataset:{name}", ", ".join(fields[key])[:500]
    examples, size = _splits(said.get("dataset_info"))
    if examples:
        yield "aibom:dataset:examples", examples
    if size:
        yield "aibom:dataset:bytes", size
    data = [item for path in paths if (item := repository.inspection(path)) and item.file.role is Role.DATA]
    if data:
        yield "aibom:dataset:files", len(data)
        formats = sorted({item.file.format for item in data} - {Format.UNKNOWN})
        yield "aibom:dataset:formats", ", ".join(formats)
    gates = [key for key in fields if key.startswith("extra_gated")]
    if gates:
        text = next(iter(fields.get("extra_gated_prompt", ())), "")
        yield "aibom:dataset:gating", " ".join(text.split())[:500] or ", ".join(sorted(gates))[:500]
    hints = list(dict.fromkeys(_hints(card, said)))
    if hints:
        yield "aibom:dataset:sensitive", "; ".join(hints[:_MAX_HINTS])


def _splits(info: Any) -> tuple[int, int]:
    """Return the examples and bytes that the card counts, over all configurations."""
    examples = size = 0
    for part in info if isinstance(info, list) else [info]:
        splits = mapping(part).get("splits")
        for split in list(mapping(splits).values()) if isinstance(splits, dict) else splits or ():
            examples += _count(mapping(split).get("num_examples"))
            size += _count(mapping(split).get("num_bytes"))
    return examples, size


def _count(value: Any) -> int:
    """Return a count: a number in JSON, digits in YAML, where every scalar is text."""
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def _hints(card: ModelCard | None, said: Mapping[str, Any]) -> Iterator[str]:
    """Yield what in the card and among the columns speaks of people, with the place."""
    for number, tag in enumerate(card.fields.get("tags", ()) if card else ()):
        if card and _TAG.fullmatch(tag):
            line = card.lines.get(f"tags.{number}", card.lines.get("tags"))
            yield f"tag {tag} ({Location(path=card.path, line=line)})"
    for column in _columns(said.get("dataset_info")):
        if _COLUMN.fullmatch(column):
            yield f"column {column}"
    for section in card.sections if card else ():
        text = " ".join(section.text.split())
        if card and _SECTION.search(section.title) and not _UNFILLED.fullmatch(text[:200]):
            # Quoted and not judged: such a section may as well say that there is nothing of the kind.
            place = Location(path=card.path, line=section.line)
            yield f"card under {section.title[:80]!r}: {text[:200]} ({place})"


def _columns(info: Any) -> Iterator[str]:
    for part in info if isinstance(info, list) else [info]:
        features = mapping(part).get("features")
        if isinstance(features, dict):
            yield from list(features)[:_MAX_FEATURES]
        for feature in features[:_MAX_FEATURES] if isinstance(features, list) else ():
            if name := _text(mapping(feature).get("name")):
                yield name


def _text(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def component_of(dataset: LocalDataset, *, paths: tuple[str, ...], subject: Subject | None = None) -> Component:
    """Return the dataset as a component; `subject` names it where it is what the target is."""
    return Component(
        ref=f"data/{dataset.folder}" if dataset.folder else "data",
        kind=ComponentKind.DATASET,
        name=subject.name if subject else dataset.name,
        group=subject.group if subject else None,
        version=subject.version if subject else None,
        purl=subject.purl if subject else None,
        supplier=subject.supplier if subject else None,
        description=description_of(dataset.card),
        licenses=dataset.licenses,
        paths=paths,
        properties=dataset.properties,
        evidence=(*((subject.evidence,) if subject else ()), *dataset.evidence),
    )
