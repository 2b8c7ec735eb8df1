"""Whole repositories, as they lie on a disk and as the real libraries wrote them, resolve to what they are."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from aibom.components import Resolution
from aibom.containers import CONTAINERS
from aibom.inspection import Inspectors
from aibom.inspectors import INSPECTORS
from aibom.inventory import take_inventory
from aibom.resolvers.resolving import resolve
from aibom.settings import Settings
from aibom.sources.local import open_local

ROOT = Path(__file__).parents[2] / "fixtures"


def resolved(path: str) -> Resolution:
    """Inspect and resolve a folder below `fixtures`."""
    settings = Settings(as_of=dt.date(2026, 11, 21))
    source = open_local(str(ROOT / path))
    tree = Inspectors(INSPECTORS, CONTAINERS, settings.limits)
    inspections = tuple(
        inspection
        for file in take_inventory(source, settings.limits).files
        for inspection in tree.inspect_file(source, file)
    )
    return resolve(source, inspections, lambda _: None, settings, source.facts())


def grave(result: Resolution) -> set[str]:
    return {finding.rule.id for finding in result.findings if finding.severity.value not in {"low", "info"}}


def test_a_careful_repository_has_no_grave_finding() -> None:
    """A fine-tune with its license, card, base and data in order is only asked to pin its base."""
    result = resolved("repos/demo")
    root = result.component(result.root)
    assert set() == grave(result)
    assert {"Apache-2.0"} == {claim.expression for claim in root.licenses if claim.basis == "concluded"}
    assert root.card is not None
    assert (410.0, ("en", "no")) == (root.card.emissions_grams, root.card.fields["language"])
    assert {"base-unpinned", "dataset-license"} == {finding.rule.id for finding in result.findings}
    assert {
        "dataset:openassistant/oasst1",
        "dataset:databricks/databricks-dolly-15k",
        "dataset:fjord-lab/support-eval",
    } <= {component.ref for component in result.components}


def test_a_laundered_license_is_grave() -> None:
    """A Llama fine-tune under Apache-2.0 is what it is."""
    result = resolved("repos/laundered-finetune")
    assert {"license-laundered"} == grave(result)
    assert "dataset-license" in {finding.rule.id for finding in result.findings}


def test_custom_code_is_for_a_reader() -> None:
    """Custom code without anything acting in it is medium."""
    result = resolved("repos/custom-code")
    found = [finding for finding in result.findings if finding.rule.id == "remote-code"]
    assert [("medium", "runs modeling_tiny.py")] == [(finding.severity.value, finding.message) for finding in found]


@pytest.mark.parametrize(
    ("path", "architecture", "family", "library", "parameters"),
    [
        ("real/transformers/tiny-llama-chat", "LlamaForCausalLM", "llama", "transformers", 6736),
        ("real/sentence_transformers/tiny", "BertModel", "bert", "sentence-transformers", 4096),
        ("real/peft/tiny-lora", "LORA", None, "peft", 224),
        ("real/diffusers/ddpm", "DDPMPipeline", None, "diffusers", 10709),
    ],
)
def test_what_the_real_libraries_write_is_read(
    path: str, architecture: str, family: str | None, library: str, parameters: int
) -> None:
    """Folders written by `save_pretrained` give class, family, library and the number of parameters."""
    result = resolved(path)
    model = result.component(result.root).model
    assert model is not None
    facts = (model.architecture, model.family, model.library, model.parameters)
    assert (architecture, family, library, parameters) == tuple(fact.value if fact else None for fact in facts)


def test_twins_are_alternatives() -> None:
    """Shards and the pickle beside them are two copies of the weights, not one of twice the size."""
    model = resolved("real/transformers/tiny-llama-chat").component("model").model
    assert model is not None
    assert [("safetensors", 3, 6736), ("pytorch-zip", 1, 6736)] == [
        (item.format.value, len(item.paths), item.parameters) for item in model.weight_sets
    ]


def test_nothing_written_by_the_libraries_is_grave_but_missing_terms() -> None:
    """Ordinary folders have no grave finding but that some state no license, and that an adapter's base can move."""
    expected = {
        "real/transformers/tiny-llama-chat": set(),
        "real/sentence_transformers/tiny": {"license-undetermined"},
        "real/peft/tiny-lora": {"license-undetermined", "base-unpinned"},
        "real/diffusers/ddpm": {"license-undetermined"},
    }
    assert expected == {path: grave(resolved(path)) for path in expected}
