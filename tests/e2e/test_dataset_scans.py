"""A target that holds a dataset, from the command line to every output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aibom.cli import main
from aibom.emitters import EMITTERS

CARD = """---
license: cc-by-4.0
dataset_info:
  features:
  - name: email
  splits:
  - name: train
    num_examples: 2
---
# Chats
"""


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset with one file of two rows."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "chats"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "data" / "train.jsonl").write_text('{"email": "a"}\n{"email": "b"}\n')
    return folder


@pytest.mark.parametrize("output", EMITTERS)
def test_every_output_takes_a_dataset(dataset: Path, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents about data are as valid as those about models: each emitter checks its own schema."""
    assert 0 == main(["scan", str(dataset), "-o", output])
    assert capsys.readouterr().out


def test_the_table_speaks_of_data(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The summary names the dataset with its size and license, and no model."""
    main(["scan", str(dataset)])
    out = capsys.readouterr().out
    assert "DATA        chats · 2 examples · CC-BY-4.0 · its card speaks of people or sensitive matters" in out
    assert "MODEL" not in out
    assert "GPAI" not in out


def test_the_bom_is_about_data(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The subject is a `data` component with what is sensitive in it, in JSON and in XML."""
    main(["scan", str(dataset), "-o", "cyclonedx"])
    root = json.loads(capsys.readouterr().out)["metadata"]["component"]
    assert "data" == root["type"]
    assert [{"type": "dataset", "name": "chats", "sensitiveData": ["column email"]}] == root["data"]
    assert ["README.md", "data/train.jsonl"] == [file["name"] for file in root["components"]]
    main(["scan", str(dataset), "-o", "cyclonedx-xml"])
    assert "<sensitiveData>column email</sensitiveData>" in capsys.readouterr().out
