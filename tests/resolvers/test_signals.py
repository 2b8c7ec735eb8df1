"""Signals of care are facts with their source; a name that looks like a known one is a finding."""

from __future__ import annotations

import pytest
from tests.resolvers.targets import repository, resolution

from aibom.report import SourceFacts
from aibom.resolvers.model_card import read_card
from aibom.resolvers.signals import card_signals, near_misses, support_signals

CARD = """---
new_version: acme/chat-2
model-index:
- results:
  - dataset: {type: a/b}
    metrics: [{type: f1, value: 1, verifyToken: x}, {type: acc, value: 2}]
---
# Chat

## Intended use

Talking.

## Bias, risks and limitations

Some.

## Training data

## Results

Good.
"""


def test_cards_are_measured_by_what_they_speak_of() -> None:
    """Headings with text count; a heading without a word below it does not."""
    found = dict(card_signals(read_card(repository({"README.md": CARD})).card))
    assert "intended-use, limitations, evaluation" == found["aibom:card:sections"]
    assert "training-data" in str(found["aibom:card:sections-missing"])
    assert (2, 1, "acme/chat-2") == (
        found["aibom:card:evaluations"], found["aibom:card:evaluations-verified"], found["aibom:card:superseded-by"],
    )  # fmt: skip


def test_no_card_has_no_signals() -> None:
    """Nothing is said of a card that is not there; an empty one covers nothing."""
    assert {} == dict(card_signals(None))
    empty = dict(card_signals(read_card(repository({"README.md": "x"})).card))
    assert "none" == empty["aibom:card:sections"]


def test_the_hub_reports_a_models_life() -> None:
    """Dates, downloads and gating are the hub's claims."""
    facts = SourceFacts(
        kind="hub", identity="a/b", created="2024-01-01", modified="2026-01-01", gated="manual",
        claims={"downloadsAllTime": 5, "likes": 2, "other": 1},
    )  # fmt: skip
    expected = {
        "aibom:support:created": "2024-01-01", "aibom:support:last-change": "2026-01-01",
        "aibom:support:gated": "manual", "aibom:support:downloads-all-time": 5, "aibom:support:likes": 2,
    }  # fmt: skip
    assert expected == dict(support_signals(facts))
    assert "2026-01-01" == resolution({"a": ""}, facts=facts).component("model").properties["aibom:support:last-change"]
    assert {} == dict(support_signals(SourceFacts()))


@pytest.mark.parametrize(
    "identity",
    [
        "meta-1lama/Llama-3.1-8B",
        "meta-llarna/Llama-3.1-8B",
        "metallama/Llama-2-7b",
        "meta-lama/Llama-3.2-1B",
        "mistraalai/Mistral-7B-v0.1",
        "mistralia/Mistral-7B-v0.1",
        "goog1e/gemma-2-2b",
    ],
)
def test_names_that_look_alike_are_found(identity: str) -> None:
    """A character left out, put in, exchanged or swapped, or one that looks the same."""
    (finding,) = near_misses(identity)
    assert ("name-near-miss", "medium") == (finding.rule.id, finding.severity.value)


@pytest.mark.parametrize(
    "identity",
    [
        "meta-llama/Llama-3.1-8B",
        "acme/Llama-3.1-8B",
        "meta-lama/my-own-model",
        "google/anything",
        "qwem/x",
        "metallamas-fan/Llama",
        "gpt2",
        None,
    ],
)
def test_other_names_are_left_alone(identity: str | None) -> None:
    """Known owners, other owners, and other names are no near misses."""
    assert [] == list(near_misses(identity))


def test_a_near_miss_is_reported_of_a_target() -> None:
    """The target's own identity is compared."""
    facts = SourceFacts(kind="hub", identity="meta-1lama/Llama-3.1-8B")
    assert "name-near-miss" in {finding.rule.id for finding in resolution({"a": ""}, facts=facts).findings}


def test_the_hub_reports_owner_and_discussions() -> None:
    """Whether the owner is verified and what is open are the hub's claims of the day."""
    facts = SourceFacts(
        kind="hub", identity="a/b", claims={"owner-verified": True, "owner-kind": "organization", "discussions-open": 3}
    )
    assert {
        "aibom:support:owner-kind": "organization",
        "aibom:support:owner-verified": True,
        "aibom:support:discussions-open": 3,
    } == dict(support_signals(facts))
