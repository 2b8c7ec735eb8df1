"""Datasets that lie in the target are components of their own, as their cards describe them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from tests.resolvers.targets import DAY, Formats, inspections, memory, weights

from aibom.components import Component, ComponentKind, Inspection, RelationKind, Resolution, Scope
from aibom.files import Format, Role
from aibom.limits import Limits
from aibom.report import SourceFacts
from aibom.resolvers.local_datasets import find_datasets
from aibom.resolvers.repository import Repository
from aibom.resolvers.resolving import resolve
from aibom.settings import Settings

CARD = """---
license: cc-by-nc-4.0
pretty_name: Support chats
size_categories:
- 10K<n<100K
task_categories:
- text-classification
tags:
- not-for-all-audiences
- chat
extra_gated_prompt: You agree not to
  re-identify people.
dataset_info:
- config_name: a
  features:
  - name: email
    dtype: string
  - name: text
    dtype: string
  splits:
  - name: train
    num_examples: 12000
    num_bytes: 900
- config_name: b
  splits:
  - name: test
    num_examples: 345
    num_bytes: odd
---
# Support chats

Chats of a help desk, from two years.

## Personal and Sensitive Information

The chats hold names of customers.

## Consent

[More Information Needed]
"""
ROWS = '{"text": "a"}\n'
MODEL_CARD = "---\nlicense: apache-2.0\nbase_model: acme/base\n---\n# Model\n"
CONFIG = json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]})


def resolved(files: Mapping[str, str], *more: Inspection, target: str = "acme-chat") -> Resolution:
    formats: Formats = {
        path: (Format.JSONL, Role.DATA) for path in files if path.endswith((".jsonl", ".csv", ".parquet"))
    }
    settings = Settings(as_of=DAY)
    found = (*inspections(files, formats), *more)
    return resolve(memory(files, target=target), found, lambda _: None, settings, SourceFacts())


def data(found: Resolution) -> list[Component]:
    return [item for item in found.components if item.kind is ComponentKind.DATASET]


def test_a_dataset_beside_a_model_is_a_component() -> None:
    """It is seen, owns its files, holds its card's words with places, and the model only contains it."""
    files = {
        "README.md": MODEL_CARD,
        "config.json": CONFIG,
        "corpus/README.md": CARD,
        "corpus/data/train.jsonl": ROWS,
        "corpus/LICENSE": "All rights reserved.",
    }
    found = resolved(files, weights("model.safetensors", {"a": [2]}))
    (dataset,) = data(found)
    assert ("data/corpus", "Support chats", True) == (dataset.ref, dataset.name, dataset.seen)
    assert ("corpus/LICENSE", "corpus/README.md", "corpus/data/train.jsonl") == dataset.paths
    assert not set(dataset.paths) & set(found.component(found.root).paths)
    assert [("CC-BY-NC-4.0", Scope.DATA)] == [(claim.expression, claim.scope) for claim in dataset.licenses]
    assert "Chats of a help desk, from two years." == dataset.description
    assert {
        "aibom:dataset:size-category": "10K<n<100K",
        "aibom:dataset:task": "text-classification",
        "aibom:dataset:examples": 12345,
        "aibom:dataset:bytes": 900,
        "aibom:dataset:files": 1,
        "aibom:dataset:formats": "jsonl",
        "aibom:dataset:gating": "You agree not to re-identify people.",
        "aibom:dataset:sensitive": "tag not-for-all-audiences (corpus/README.md:9); column email; card under "
        "'Personal and Sensitive Information': The chats hold names of customers. (corpus/README.md:34)",
    } == dataset.properties
    edges = [edge.kind for edge in found.relations if edge.target == dataset.ref]
    assert [RelationKind.CONTAINS] == edges
    assert ["Apache-2.0"] == [claim.expression for claim in found.component(found.root).licenses]


def test_a_target_that_is_a_dataset_is_no_model() -> None:
    """Where no model is, the dataset is the subject, and nobody misses the card of a model."""
    found = resolved({"README.md": CARD, "data/train.jsonl": ROWS, "load.sh": "x"}, target="chats")
    root = found.component(found.root)
    assert (ComponentKind.DATASET, "chats") == (root.kind, root.name)
    assert ("README.md", "data/train.jsonl", "load.sh") == root.paths
    assert [] == [item for item in found.components if item.kind is ComponentKind.MODEL]
    assert [] == [finding.rule.id for finding in found.findings]


def test_the_card_of_the_data_is_not_the_models() -> None:
    """A dataset's card at the root says nothing of the model in a folder below."""
    files = {"README.md": CARD, "train.jsonl": ROWS, "model/config.json": CONFIG}
    found = resolved(files, weights("model/model.safetensors", {"a": [2]}))
    (dataset,) = data(found)
    root = found.component(found.root)
    assert ComponentKind.MODEL is root.kind
    assert root.card is None
    assert () == root.licenses
    assert "model/config.json" in root.paths
    assert "train.jsonl" in dataset.paths


def test_data_and_model_in_one_folder_are_told_apart() -> None:
    """In one folder the data and their card are the dataset's, everything else is the model's."""
    files = {"README.md": CARD, "train.jsonl": ROWS, "config.json": CONFIG}
    found = resolved(files, weights("model.safetensors", {"a": [2]}))
    (dataset,) = data(found)
    assert ("README.md", "train.jsonl") == dataset.paths
    assert {"config.json"} <= set(found.component(found.root).paths)


def test_nested_datasets_own_their_files() -> None:
    """Of datasets inside each other, each owns what no inner one does."""
    inner = "---\ntask_ids: [x]\nlicense: mit\n---\n"
    files = {"README.md": CARD, "a.csv": "x", "b/README.md": inner, "b/b.csv": "x", "c/README.md": inner, "c/c.csv": ""}
    found = resolved(files)
    assert {
        "data": ("README.md", "a.csv"),
        "data/b": ("b/README.md", "b/b.csv"),
        "data/c": ("c/README.md", "c/c.csv"),
    } == {item.ref: item.paths for item in data(found)}


def test_a_saved_dataset_needs_no_card() -> None:
    """What `save_to_disk` leaves says columns and license; a license that names none is a finding."""
    info = {"features": {"patient_id": {}, "text": {}}, "license": "ask us", "splits": {"train": {"num_examples": 7}}}
    files = {"d/dataset_info.json": json.dumps(info), "d/data-00000.csv": "x", "config.json": CONFIG}
    found = resolved(files, weights("model.safetensors", {"a": [2]}))
    (dataset,) = data(found)
    assert "d" == dataset.name
    assert ["ask us"] == [claim.raw for claim in dataset.licenses]
    assert (7, "column patient_id") == (
        dataset.properties["aibom:dataset:examples"],
        dataset.properties["aibom:dataset:sensitive"],
    )
    messages = [item.message for item in found.findings if item.rule.id == "license-undetermined"]
    assert "the dataset in d states no license that is known" in messages


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": MODEL_CARD, "train.jsonl": ROWS},
        {"README.md": CARD},
        {"README.md": "# Text\n", "train.jsonl": ROWS},
        {"README.md": "---\n[broken\n---\n", "train.jsonl": ROWS},
        {"README.md": "---\ndataset_info: 3\nbase_model: a/b\n---\n", "train.jsonl": ROWS},
        {"README.md": "---\nconfigs: [3, {a: b}]\n---\n", "train.jsonl": ROWS},
        {"dataset_info.json": "[]", "train.jsonl": ROWS},
        {"dataset_info.json": '{"features": {}}', "train.jsonl": ROWS},
    ],
)
def test_what_no_card_calls_a_dataset_is_none(files: Mapping[str, str]) -> None:
    """A model's card beside data, a card without data, and broken cards make no dataset."""
    assert [] == data(resolved(files))


@pytest.mark.parametrize(
    "front",
    [
        "configs:\n- data_files: a.csv",
        "dataset_info: x",
        "dataset_info: [3, {splits: 4}, {splits: [5]}, {splits: {train: 6}}]",
        "dataset_info: {features: [1, {name: 2}, {name: [3]}], splits: {a: {num_examples: -3}}}",
        "size_categories: 3\ndataset_info:\n  features: {x: 1}",
    ],
)
def test_odd_cards_still_make_a_dataset(front: str) -> None:
    """Values of another shape are passed over."""
    (dataset,) = data(resolved({"README.md": f"---\n{front}\n---\n", "a.csv": "x"}))
    assert "aibom:dataset:examples" not in dataset.properties


def test_many_datasets_are_bounded() -> None:
    """No more than a set number of datasets are told apart."""
    files = {f"d{number}/README.md": "---\ntask_ids: [x]\n---\n" for number in range(210)}
    files |= {f"d{number}/a.csv": "x" for number in range(210)}
    formats: Formats = {path: (Format.CSV, Role.DATA) for path in files if path.endswith(".csv")}
    found = find_datasets(Repository(memory(files), inspections(files, formats), Limits()))
    assert 200 == len(found)


def test_splits_in_json_are_data_too() -> None:
    """A folder of train.json and test.json beside a dataset's card is a dataset."""
    (dataset,) = data(resolved({"README.md": CARD, "train.json": "[]"}))
    assert "aibom:dataset:files" not in dataset.properties
    assert ("README.md", "train.json") == dataset.paths
