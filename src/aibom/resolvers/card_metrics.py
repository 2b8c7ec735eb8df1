"""Evaluation results as cards declare them: `model-index` in the front matter and files in `.eval_results`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aibom.components import Metric
from aibom.resolvers.documents import mapping
from aibom.resolvers.repository import Repository, join, stated
from aibom.resolvers.yaml_documents import Yaml

_MAX_METRICS = 2000


def model_index(path: str, value: Mapping[str, Yaml], lines: Mapping[str, int]) -> tuple[Metric, ...]:
    """Return the metrics of `model-index`, each with its line."""
    found: list[Metric] = []
    for i, model in enumerate(_items(value.get("model-index"))):
        for j, result in enumerate(_items(model.get("results"))):
            dataset = mapping(result.get("dataset"))
            for k, metric in enumerate(_items(result.get("metrics"))):
                name, number = _text(metric.get("type")) or _text(metric.get("name")), _text(metric.get("value"))
                if name and number and len(found) < _MAX_METRICS:
                    line = lines.get(f"model-index.{i}.results.{j}.metrics.{k}")
                    found.append(
                        Metric(
                            type=name,
                            value=number,
                            dataset=_dataset_name(dataset),
                            split=_text(dataset.get("split")),
                            verified=bool(metric.get("verifyToken")),
                            evidence=stated(path, f"model-index: {name} = {number}"[:300], line),
                        )
                    )
    return tuple(found)


def evaluation_datasets(value: tuple[Metric, ...]) -> tuple[str, ...]:
    """Return the datasets that metrics name, each once."""
    return tuple(dict.fromkeys(metric.dataset for metric in value if metric.dataset))


def evaluation_files(repository: Repository, folder: str) -> tuple[Metric, ...]:
    """Return the results in `.eval_results/*.yaml` below this folder."""
    found: list[Metric] = []
    for path in repository.files_in(join(folder, ".eval_results")):
        if not path.lower().endswith((".yaml", ".yml")) or (document := repository.yaml(path)) is None:
            continue
        single = isinstance(document.value, dict)
        for index, entry in enumerate(_items([document.value] if single else document.value)):
            dataset = mapping(entry.get("dataset"))
            name = _text(dataset.get("task_id")) or _text(dataset.get("id"))
            number = _text(entry.get("value"))
            if name and number and len(found) < _MAX_METRICS:
                line = document.lines.get("value" if single else str(index))
                found.append(
                    Metric(
                        type=name,
                        value=number,
                        dataset=_text(dataset.get("id")),
                        verified=bool(entry.get("verifyToken")),
                        evidence=stated(path, f"{name} = {number}"[:300], line),
                    )
                )
    return tuple(found)


def _dataset_name(dataset: Mapping[str, Any]) -> str | None:
    """The `type` is the dataset's id on the hub, the `name` what people call it."""
    return _text(dataset.get("type")) or _text(dataset.get("name"))


def _items(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield mapping(item)


def _text(value: object) -> str | None:
    return value.strip()[:300] or None if isinstance(value, str) else None
