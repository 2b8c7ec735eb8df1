"""Datasets are named as the files name them, with what they were used for."""

from __future__ import annotations

from tests.resolvers.targets import repository, weights

from aibom.components import Inspection, Scalar
from aibom.resolvers.datasets import Dataset, resolve_datasets
from aibom.resolvers.layouts import find_models
from aibom.resolvers.model_card import read_card


def datasets(files: dict[str, str], *more: Inspection) -> tuple[Dataset, ...]:
    target = repository({"config.json": '{"model_type": "x"}', **files}, more)
    (layout,) = find_models(target)
    return resolve_datasets(target, layout, read_card(target).card)


def outline(found: tuple[Dataset, ...]) -> list[tuple[str, tuple[str, ...]]]:
    return [(dataset.title, dataset.roles) for dataset in found]


CARD = """---
datasets:
- d/train
- Some Paper Corpus
- d/both
model-index:
- results:
  - dataset: {type: d/both}
    metrics: [{type: acc, value: 1}]
  - dataset: {name: Test Set}
    metrics: [{type: acc, value: 1}, {type: f1, value: 2}]
  - metrics: [{type: acc, value: 1}]
---
"""


def test_cards_name_training_and_evaluation() -> None:
    """Training data from `datasets`, evaluation data from results; one dataset may be both."""
    found = datasets({"README.md": CARD})
    assert [
        ("d/train", ("train",)),
        ("Some Paper Corpus", ("train",)),
        ("d/both", ("train", "eval")),
        ("Test Set", ("eval",)),
    ] == outline(found)
    assert str(found[0].evidence[0].location) == "README.md:3"


def test_no_card_names_nothing() -> None:
    """Without a card and metadata there are no datasets."""
    assert () == datasets({})


def test_gguf_names_datasets() -> None:
    """GGUF keys name data by URL, by owner and name, or by name."""
    metadata: dict[str, Scalar] = {
        "general.architecture": "llama",
        "general.dataset.count": 3,
        "general.dataset.0.repo_url": "https://huggingface.co/datasets/a/b",
        "general.dataset.1.organization": "Acme Lab",
        "general.dataset.1.name": "my data",
        "general.dataset.2.name": "plain",
        "general.dataset.3.version": "1",
    }
    found = datasets({}, weights("m.gguf", {"a": (2,)}, metadata=metadata))
    assert ["a/b", "Acme-Lab/my-data", "plain"] == [dataset.title for dataset in found]
    assert () == datasets({}, weights("m.gguf", {"a": (2,)}, metadata={"general.dataset.0.name": "x"}))


def test_training_records_name_datasets_without_leaking_paths() -> None:
    """Ultralytics, axolotl and AutoTrain leave their data's names; paths lose their directories."""
    found = datasets({
        "args.yaml": "data: /home/alice/coco.yaml\n",
        "axolotl_config.yaml": "datasets:\n- path: a/b\n- path: [1]\n- 3\n",
        "axolotl.yaml": "[",
        "training_params.json": '{"data_path": "c/d"}',
    })  # fmt: skip
    assert ["coco.yaml", "a/b", "c/d"] == [dataset.title for dataset in found]
    assert "alice" not in repr(found)


def test_mentions_are_bounded() -> None:
    """A card that names a hundred thousand datasets gives a bounded number."""
    names = "".join(f"- d/n{number}\n" for number in range(3000))
    assert len(datasets({"README.md": f"---\ndatasets:\n{names}---\n"})) <= 1000
    assert () == datasets({"README.md": f"---\ndatasets: [{'x ' * 300}]\n---\n"})


def test_spacy_names_its_sources() -> None:
    """spaCy's meta.json lists what a pipeline was trained on."""
    meta = '{"spacy_version": ">=3", "sources": [{"name": "UD German", "license": "CC"}, 3, {"name": 5}]}'
    target = repository({"meta.json": meta})
    (layout,) = find_models(target)
    assert ["UD German"] == [dataset.title for dataset in resolve_datasets(target, layout, None)]


def test_the_name_of_a_reader_is_no_dataset() -> None:
    """The Trainer writes `generator` or `json` for data that was read from files: nothing is named by that."""
    readme = "---\ndatasets:\n- generator\n- json\n- imagefolder\n- d/train\n---\n"
    assert [("d/train", ("train",))] == outline(datasets({"README.md": readme}))
