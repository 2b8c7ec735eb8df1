"""Name the datasets that a model was trained or evaluated on: what is referred to, never what was not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from aibom.components import ModelCard, Scalar
from aibom.files import Format
from aibom.findings import Evidence
from aibom.resolvers.documents import mapping
from aibom.resolvers.hub_names import ModelName, parse_name
from aibom.resolvers.layouts import Layout
from aibom.resolvers.repository import Repository, stated

_MAX_DATASETS = 1000
# What trainers write for data that was read from files: the name of a reader in the `datasets` library.
_READERS = frozenset({
    "generator", "json", "csv", "parquet", "text", "arrow", "pandas", "sql", "imagefolder", "audiofolder",
    "videofolder", "webdataset", "none", "null", "unknown", "unknown_dataset",
})  # fmt: skip


class Dataset(Struct, frozen=True, kw_only=True):
    """A dataset that a model refers to; `roles` are `train` and `eval`, the order of first mention."""

    name: ModelName
    title: str
    roles: tuple[str, ...]
    evidence: tuple[Evidence, ...]


class _Mention(Struct, frozen=True, kw_only=True):
    raw: str
    role: str
    evidence: Evidence


def resolve_datasets(repository: Repository, layout: Layout, card: ModelCard | None) -> tuple[Dataset, ...]:
    """Return the datasets that card, GGUF metadata and training records name, each once."""
    found: dict[str, Dataset] = {}
    mentions = (*_card(card), *_gguf(layout), *_records(repository, layout))
    for mention in mentions[: _MAX_DATASETS * 4]:
        name = parse_name(mention.raw) or _loose(mention.raw)
        if mention.raw.strip().lower() in _READERS:
            continue
        if name is None or (name.key not in found and len(found) >= _MAX_DATASETS):
            continue
        known = found.get(name.key)
        found[name.key] = Dataset(
            name=known.name if known else name,
            title=known.title if known else (name.id if name.kind != "local" else name.name),
            roles=tuple(dict.fromkeys((*(known.roles if known else ()), mention.role))),
            evidence=(*(known.evidence if known else ()), mention.evidence)[:10],
        )
    return tuple(found.values())


def _loose(raw: str) -> ModelName | None:
    """Old datasets and those of papers have names with spaces and no owner."""
    text = " ".join(raw.split())
    return ModelName(kind="name", name=text) if 0 < len(text) <= 200 else None


def _card(card: ModelCard | None) -> Iterator[_Mention]:
    if card is None:
        return
    for index, raw in enumerate(card.fields.get("datasets", ())[:_MAX_DATASETS]):
        line = card.lines.get(f"datasets.{index}", card.lines.get("datasets"))
        yield _Mention(raw=raw, role="train", evidence=stated(card.path, f"datasets: {raw[:200]}", line))
    for metric in card.metrics:
        if metric.dataset:
            place = metric.evidence.location
            evidence = Evidence(statement=f"evaluated on {metric.dataset[:200]}", location=place)
            yield _Mention(raw=metric.dataset, role="eval", evidence=evidence)


def _gguf(layout: Layout) -> Iterator[_Mention]:
    for file in layout.files:
        metadata = file.inspection.metadata
        if file.format is not Format.GGUF or "general.architecture" not in metadata:
            continue
        prefixes = sorted({".".join(key.split(".")[:3]) for key in metadata if key.startswith("general.dataset.")})
        for prefix in prefixes[:_MAX_DATASETS]:
            if raw := _gguf_dataset(metadata, prefix):
                yield _Mention(raw=raw, role="train", evidence=stated(file.path, f"{prefix}: {raw[:200]}"))
        return


def _gguf_dataset(metadata: Mapping[str, Scalar], prefix: str) -> str | None:
    url = metadata.get(f"{prefix}.repo_url") or metadata.get(f"{prefix}.url")
    if isinstance(url, str):
        return url
    owner, name = metadata.get(f"{prefix}.organization"), metadata.get(f"{prefix}.name")
    if isinstance(owner, str) and isinstance(name, str):
        return f"{owner.replace(' ', '-')}/{name.replace(' ', '-')}"
    return name if isinstance(name, str) else None


def _records(repository: Repository, layout: Layout) -> Iterator[_Mention]:
    """Yield what training tools leave: Ultralytics' args.yaml, axolotl's configuration, AutoTrain's parameters."""
    for file in ("args.yaml", "axolotl_config.yaml", "axolotl.yaml", "axolotl_config.yml"):
        path = repository.find(layout.folder, file)
        if path is None or (document := repository.yaml(path)) is None:
            continue
        value = mapping(document.value)
        for key, raw in (*_paths("datasets", value.get("datasets")), ("data", value.get("data"))):
            if isinstance(raw, str) and raw:
                yield _Mention(
                    raw=raw, role="train", evidence=stated(path, f"{key}: {_public(raw)}", document.lines.get(key))
                )
    if layout.marker.library == "spacy" and layout.marker.path:
        for index, item in enumerate(_list(layout.config.get("sources"))[:_MAX_DATASETS]):
            if isinstance(raw := mapping(item).get("name"), str) and raw:
                yield _Mention(
                    raw=raw, role="train", evidence=stated(layout.marker.path, f"sources.{index}: {raw[:200]}")
                )
    path = repository.find(layout.folder, "training_params.json")
    raw = mapping(repository.json(path)).get("data_path") if path else None
    if path and isinstance(raw, str) and raw:
        yield _Mention(raw=raw, role="train", evidence=stated(path, f"data_path: {_public(raw)}"))


def _paths(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for index, item in enumerate(value[:_MAX_DATASETS]):
            yield f"{key}.{index}", mapping(item).get("path")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _public(raw: str) -> str:
    name = parse_name(raw)
    return name.shown if name else raw[:200]
