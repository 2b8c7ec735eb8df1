"""A checklist shows the values of facts: numbers whole, words of the target quoted."""

from __future__ import annotations

import datetime as dt
import math

import pytest

from aibom.assessors.facts import Estimate, Fact, Passage, Value
from aibom.assessors.shown_facts import shown
from aibom.findings import Evidence


def passage(text: str) -> Passage:
    return Passage(text=text, evidence=Evidence(statement=text))


def estimate(flop: float, low: float, high: float, method: str = "6nd") -> Estimate:
    return Estimate(flop=flop, low=low, high=high, method=method, inputs="", disclosed=True)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("params.total", 8.03e9, "number of parameters: 8,030,000,000 (8.03 B)"),
        ("params.total", 96, "number of parameters: 96"),
        ("model.context-length", 0.5, "context length: 0.5"),
        ("card.present", True, "model card: found"),
        ("card.present", False, "model card: none found"),
        ("license.conflict", False, "whether license statements disagree: no"),
        ("license.conflict", True, "whether license statements disagree: yes"),
        ("license.keys", frozenset({"mit", "apache-2.0"}), "license: apache-2.0, mit"),
        ("license.keys", frozenset(), "license: none found"),
        ("arch.classes", frozenset({"A” says: “B"}), "architecture: “A' says: 'B”"),
        ("arch.classes", frozenset("abcdefg"), "architecture: “a”, “b”, “c”, “d”, “e” and 2 more"),
        ("task", "x" * 200, f"task: “{'x' * 119}…”"),
        ("integrity.signature", "verified", "signature: verified"),
        ("release.date", dt.date(2026, 1, 2), "release date: 2026-01-02"),
        ("datasets", (passage("a/b"), passage("a/b"), passage("c d\ne")), "training data sets: “a/b”, “c d e”"),
        ("card.use", (passage("x"), passage("y")), "intended use: 2 passages, as quoted"),
        ("card.use", (), "intended use: none found"),
        ("training.compute", (estimate(1e24, 1e24, 1e24, "declared"),), "training compute: 1e24 FLOP, declared"),
        (
            "training.compute",
            (estimate(1e24, 7e23, 1.3e24), estimate(2e24, 1e24, math.inf, "lineage")),
            "training compute: 1e24 FLOP (7e23 to 1.3e24), from tokens and parameters; 1e24 FLOP or more, lineage",
        ),
    ],
)
def test_values_are_shown(name: str, value: Value, expected: str) -> None:
    """Every type of fact has a form; nothing of the target stands outside quotation marks."""
    assert expected == shown(name, Fact(value=value))
