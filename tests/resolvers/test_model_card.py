"""Model cards are read however they are written, and what is doubtful about them is said."""

from __future__ import annotations

import pytest
from tests.resolvers.targets import repository

from aibom.components import ModelCard
from aibom.files import Format, Role
from aibom.findings import Severity
from aibom.limits import Limits
from aibom.resolvers.front_matter import split_front_matter, split_sections
from aibom.resolvers.model_card import CardReading, read_card

CARD = """---
license: apache-2.0
language:
- en
- no
base_model: [a/b, c/d]
datasets: d/one
tags: [text-generation]
co2_eq_emissions:
  emissions: 12.5
  source: estimate
extra_gated_eu_disallowed: true
flags: [true, no]
model-index:
- name: m
  results:
  - task: {type: text-generation}
    dataset: {type: d/eval, name: Eval, split: test}
    metrics:
    - {type: accuracy, value: 0.25, verifyToken: abc}
    - {name: loss, value: 1.5}
    - {type: empty}
---

# Model

Says something.

## Limits ##

None known.
"""


EVALUATION = "- dataset: {id: d/bench, task_id: t}\n  value: 0.5\n  verifyToken: x\n- dataset: 3\n"


def reading(card: str | bytes, name: str = "README.md", *, limits: Limits | None = None, **files: bytes) -> CardReading:
    return read_card(repository({name: card, **files}, limits=limits))


def card_of(text: str | bytes) -> ModelCard:
    found = reading(text).card
    assert found is not None
    return found


def rules(result: CardReading) -> list[tuple[str, str]]:
    return [(finding.rule.id, finding.severity.value) for finding in result.findings]


def test_front_matter_becomes_lists_of_text() -> None:
    """Every field is a tuple of text, mappings inside joined by a dot."""
    card = card_of(CARD)
    assert ("apache-2.0",) == card.fields["license"]
    assert ("en", "no") == card.fields["language"]
    assert ("a/b", "c/d") == card.fields["base_model"]
    assert ("d/one",) == card.fields["datasets"]
    assert ("estimate",) == card.fields["co2_eq_emissions.source"]
    assert ("true",) == card.fields["extra_gated_eu_disallowed"]
    assert ("true", "no") == card.fields["flags"]
    assert "model-index" not in card.fields


def test_fields_know_their_lines() -> None:
    """Lines count from the start of the file."""
    card = card_of(CARD)
    assert (2, 3, 4, 6) == tuple(card.lines[key] for key in ("license", "language", "language.0", "base_model"))


def test_emissions_are_grams() -> None:
    """A number, or the number in a mapping, is taken; anything else is not."""
    assert card_of(CARD).emissions_grams == 12.5
    assert card_of("---\nco2_eq_emissions: 3\n---\n").emissions_grams == 3.0
    for raw in ("much", "-1", "inf", "[1]", "null"):
        assert card_of(f"---\nco2_eq_emissions: {raw}\n---\n").emissions_grams is None


def test_metrics_come_from_the_model_index() -> None:
    """Results have type, value, dataset, split, verification and line."""
    first, second = card_of(CARD).metrics
    assert ("accuracy", "0.25", "d/eval", "test", True) == (
        first.type, first.value, first.dataset, first.split, first.verified,
    )  # fmt: skip
    assert first.evidence.location is not None
    assert first.evidence.location.line == 20
    assert (second.type, second.verified) == ("loss", False)


def test_metrics_come_from_evaluation_files() -> None:
    """The newer files of results are read beside the card, as one entry or as a list."""
    result = read_card(
        repository({
            "README.md": "# m\n",
            ".eval_results/a.yaml": EVALUATION,
            ".eval_results/b.yml": "dataset: {id: d/other}\nvalue: 7\n",
            ".eval_results/c.txt": "value: 8",
            ".eval_results/d.yaml": "[",
        })
    )  # fmt: skip
    assert result.card is not None
    found = [(metric.type, metric.value, metric.dataset, metric.verified) for metric in result.card.metrics]
    assert [("t", "0.5", "d/bench", True), ("d/other", "7", "d/other", False)] == found


def test_sections_are_cut_at_headings() -> None:
    """Headings in both styles cut the text; a heading in a code fence does not."""
    text = "intro\n# One\n```\n# no\n```\ntext\nTwo\n---\nmore\n- item\n---\n~~~\n## no\n~~~\n### Three ###\n#no\n"
    sections = split_sections(text, 1)
    assert [("", 0, 1), ("One", 1, 2), ("Two", 2, 7), ("Three", 3, 15)] == [
        (section.title, section.level, section.line) for section in sections
    ]
    assert sections[1].text == "```\n# no\n```\ntext"
    assert sections[1].text_line == 3


def test_sections_are_bounded() -> None:
    """A card of headings alone ends at a bound."""
    assert len(split_sections("# a\n" * 5000, 1)) <= 1002


def test_a_card_without_front_matter_has_sections() -> None:
    """A card may be plain Markdown."""
    card = card_of("# Title\n\ntext\n")
    assert ({}, "Title") == (dict(card.fields), card.sections[0].title)


@pytest.mark.parametrize("name", ["readme.md", "model_card.md", "ReadMe.MD", "MODEL_CARD.md"])
def test_names_are_found_in_any_case(name: str) -> None:
    """The card is found by its usual names, however they are capitalised."""
    card = reading("---\nlicense: mit\n---\n", name).card
    assert card is not None
    assert card.path == name


def test_no_card_is_no_reading() -> None:
    """A folder without a card, or with a pointer in its place, has none."""
    assert reading("x", "other.md").card is None
    assert (
        read_card(repository({"README.md": "x"}, formats={"README.md": (Format.LFS_POINTER, Role.CARD)})).card is None
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ufeff---\nlicense: mit\n---\n", ("card-encoding", "low")),
        ("---\nlicense: mit\n---\n".encode("utf-16"), ("card-encoding", "low")),
        (b"---\nlicense: mit\nauthor: Jos\xe9\n---\n", ("card-encoding", "low")),
        ("---\nlicense: mit\nbase_model: a/b\n# Title\n", ("card-malformed", "medium")),
        ("<p>hello</p>\n---\nlicense: mit\n---\n", ("card-malformed", "medium")),
        ("---\nlicense: [mit\n---\n", ("card-malformed", "medium")),
        ("---\nlicense: mit\nlicense: gpl-3.0\n---\n", ("card-malformed", "medium")),
        ("---\nlicense: mit\ntags: a\ntags: b\n---\n", ("card-malformed", "low")),
        ("---\nlicense: mit\nx: !!python/name:os.system\n---\n", ("card-malformed", "medium")),
        ("---\n- a\n- b\n---\n", ("card-malformed", "medium")),
        ("# Title\nlicense: mit\nbase_model: a/b\n", ("card-malformed", "medium")),
    ],
)
def test_faults_are_said(text: str | bytes, expected: tuple[str, str]) -> None:
    """Each way of breaking a card has its finding."""
    assert expected in rules(reading(text))


def test_a_sound_card_has_no_finding() -> None:
    """CRLF, comments and an empty block are no faults."""
    assert rules(reading(CARD.replace("\n", "\r\n"))) == []
    assert rules(reading("---\n# nothing\n---\ntext")) == []
    assert card_of(CARD.replace("\n", "\r\n")).fields["license"] == ("apache-2.0",)


def test_what_is_broken_is_still_read_as_far_as_it_goes() -> None:
    """A block without an end, or after HTML, still gives its fields."""
    assert card_of("---\nlicense: mit\nbase_model: a/b\n\ntext\n").fields["license"] == ("mit",)
    assert card_of("<!-- x -->\n\n---\nlicense: mit\n---\n").fields["license"] == ("mit",)


@pytest.mark.parametrize("text", ["text\n---\na: b\n---\n", "", "---\n", "---\ntext\n", "---\n\n"])
def test_a_rule_across_the_page_is_no_front_matter(text: str) -> None:
    """Three dashes after text, or with nothing like a key behind them, start no block."""
    assert split_front_matter(text) is None


def test_three_dots_end_a_block() -> None:
    """YAML's own end of a document closes the block as well."""
    front = split_front_matter("---\na: b\n...\ntext")
    assert front is not None
    assert (front.text, front.line, front.body_line) == ("a: b", 2, 4)


def test_a_huge_card_is_read_in_part_and_that_is_said() -> None:
    """A card above the limit is cut, flagged and reported."""
    result = reading("---\nlicense: mit\n---\n# T\n" + "x" * 5000, limits=Limits(text_bytes=1000))
    assert result.card is not None
    assert result.card.truncated
    assert ("inspection-incomplete", "low") in rules(result)
    assert result.card.fields["license"] == ("mit",)


def test_long_values_are_cut() -> None:
    """A license text in a field is kept up to the limit of a metadata value."""
    card = reading(f"---\nextra_gated_prompt: {'x' * 2000}\n---\n", limits=Limits(metadata_value_bytes=100)).card
    assert card is not None
    assert len(card.fields["extra_gated_prompt"][0]) == 100


def test_severities_are_those_of_the_rules() -> None:
    """A byte order mark is hygiene."""
    assert reading("\ufeff# T").findings[0].severity is Severity.LOW
