"""Cards are read by sentence and row, with their lines, and figures by the model they belong to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.assessors.model_cases import by_key, judged, model, strengths
from tests.fakes import memory_repo, repo_file

from aibom.assessors import reference_data
from aibom.assessors.card_text import Part, excludes, part_of, quote, read_passages
from aibom.assessors.identity import Identity
from aibom.assessors.text_numbers import MAX_TEXT, Unit, amounts, number, plain
from aibom.components import SignatureStatus, Verification
from aibom.data.tables import Row, parse_rows
from aibom.errors import DataError
from aibom.limits import Limits
from aibom.resolvers.model_card import read_card
from aibom.resolvers.repository import Repository


def passages(text: str):  # type: ignore[no-untyped-def] # noqa: ANN201 -- a tuple of passages
    from aibom.components import Inspection  # noqa: PLC0415
    from aibom.files import Coverage  # noqa: PLC0415

    inspections = [Inspection(file=repo_file("README.md", text.encode()), coverage=Coverage.COMPLETE)]
    card = read_card(Repository(memory_repo({"README.md": text}), inspections, Limits())).card
    assert card is not None
    return read_passages(card)


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,720,320", 1720320),
        ("1.720.320", 1720320),
        ("1 000", 1000),
        ("1'000'000", 1e6),
        ("1,5", 1.5),
        ("2.46", 2.46),
        ("1.234", 1.234),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("39.3", 39.3),
    ],
)
def test_numbers_with_any_grouping(text: str, expected: float) -> None:
    """Points and commas are told apart by where they stand."""
    assert expected == number(text)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("3.8 × 10^25 FLOPs", Unit.FLOP, 3.8e25),
        ("3.8 x 10²⁵ FLOPs", Unit.FLOP, 3.8e25),
        (r"$3.8 \times 10^{25}$ FLOPs", Unit.FLOP, 3.8e25),
        ("2.1 yottaFLOPs", Unit.FLOP, 2.1e24),
        ("1,000 petaflop/s-days", Unit.FLOP, 8.64e22),
        ("1.3M GPU hours", Unit.HOURS, 1.3e6),
        ("2.788M H800 GPU hours", Unit.HOURS, 2.788e6),
        ("**Hours used:** 150000", Unit.HOURS, 150000),
        ("2.000.000 GPU-Stunden", Unit.HOURS, 2e6),
        ("15.000 Milliarden Token", Unit.TOKENS, 15e12),
        ("thirty-six trillion tokens", Unit.TOKENS, 36e12),
        ("15 trillion (15T) tokens", Unit.TOKENS, 15e12),
        ("8.03 billion parameters", Unit.PARAMETERS, 8.03e9),
        ("512 H100-80G GPUs", Unit.DEVICES, 512),
        ("about two weeks", Unit.DURATION, 336),
    ],
)
def test_amounts_with_their_units(text: str, unit: Unit, value: float) -> None:
    """An amount is read with its unit."""
    assert value in [pytest.approx(item.value) for item in amounts(text) if item.unit is unit]


@pytest.mark.parametrize(
    "text", ["989 TFLOP/s", "680,000 hours of audio", "a rate of 30 tokens", "v1.5 tokens", "x15T tokens"]
)
def test_rates_and_other_hours_are_no_amounts_of_training(text: str) -> None:
    """A peak rate, hours of audio and parts of words are no training figures."""
    assert [] == [item for item in amounts(text) if item.unit in {Unit.FLOP, Unit.HOURS} or item.value > 1e9]


@given(st.text(max_size=3 * MAX_TEXT))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    """Any text yields finite amounts at places inside it."""
    for item in amounts(text):
        assert 0 <= item.start < item.end <= len(plain(text))


# --- whose figure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "parameters", "sentence", "mine"),
    [
        (("Acme-7B",), None, "Unlike Foo-70B, trained on 2T tokens, this model saw 500B tokens.", [False, True]),
        (("Acme-7B",), None, "Acme-7B was trained on 1T tokens and Acme-70B on 15T tokens.", [True, False]),
        (("Acme-7B",), None, "The Acme 7B and 70B models were trained on 15T tokens.", [True]),
        (("Acme-7B",), None, "The 15T tokens used for Acme-70B were not used here.", [False]),
        (("Acme-7B",), None, "Trained on 1T tokens, the same as Llama 2 70B.", [True]),
        (("Llama-3.1-405B",), None, "Llama 3.1 was pretrained on 15T tokens.", [True]),
        ((), 7e9, "Foo-70B saw 2T tokens, Bar-7B saw 1T tokens.", [False, True]),
        (("acme",), 8.03e9, "An 8B parameter model trained on 2T tokens.", [True]),
    ],
)
def test_figures_belong_to_the_model_named_before_them(
    names: tuple[str, ...], parameters: float | None, sentence: str, mine: list[bool]
) -> None:
    """The nearest mention before an amount says whose it is; a list names each of its members."""
    identity, text = Identity(names=names, parameters=parameters), plain(sentence)
    found = sorted((item.start, item) for item in amounts(sentence) if item.unit is Unit.TOKENS)
    assert mine == [not identity.speaks_of_other(text, item.start, item.end) for _, item in found]


@pytest.mark.parametrize(
    ("label", "expected"), [("2B Dense", False), ("8B Dense", True), ("Hidden size", None), ("Acme 2B / 8B", False)]
)
def test_labels_of_tables_name_models_by_size(label: str, expected: bool | None) -> None:
    """In a heading or a label a size alone is a name."""
    assert expected is Identity(names=("acme-2b-base",)).is_other(label)


# --- passages ---------------------------------------------------------------------------------------------------------

CARD = """---
license: mit
---
# Acme

Acme writes text. It can
also translate.

## Uses

- chat

The model must not be used for:

- credit scoring
- hiring

## Training

| Model | Tokens |
|---|---|
| Acme | 2T |

```python
load()
```
"""


def test_passages_know_their_lines_and_parts() -> None:
    """Each sentence, item and row stands at its line, under its heading."""
    found = {item.text: item for item in passages(CARD)}
    places = {text: (item.evidence.location.line, item.part) for text, item in found.items() if item.evidence.location}
    assert (6, Part.DESCRIPTION) == places["Acme writes text."]
    assert (6, Part.DESCRIPTION) == places["It can also translate."]
    assert (11, Part.USE) == places["- chat"]
    assert (22, Part.TRAINING) == places["Acme | 2T"]
    assert found["load()"].code


def test_items_under_a_disclaimer_are_excluded_too() -> None:
    """A list after "must not be used for:" is excluded, one before it is not."""
    excluded = {item.text: item.negated for item in passages(CARD)}
    assert (True, True, False) == (excluded["- credit scoring"], excluded["- hiring"], excluded["- chat"])


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("It must not be used for hiring.", True),
        ("Nicht für die Auswahl von Bewerbern.", True),
        ("Ne doit pas servir au recrutement.", True),
        ("No debe usarse para contratar.", True),
        ("不得用于招聘。", True),
        ("Should not be used without human review for hiring.", False),
        ("Do not use unless reviewed.", False),
        ("It is used for hiring.", False),
    ],
)
def test_exclusions_in_several_languages(clause: str, expected: bool) -> None:
    """A clause excludes a use, or allows it on a condition."""
    assert expected is excludes(clause)


@pytest.mark.parametrize(
    ("title", "part"),
    [
        ("Out-of-Scope Use", Part.EXCLUDED),
        ("Direct Use", Part.USE),
        ("Limitations and bias", Part.LIMITATIONS),
        ("Hardware and Software", Part.TRAINING),
        ("How to use", Part.USAGE),
        ("License", Part.LICENSE),
        ("Citation", Part.OTHER),
        ("Verwendungszweck", Part.USE),
        ("Evaluation", Part.EVALUATION),
        ("Xyzzy", None),
    ],
)
def test_headings_say_what_a_section_is_about(title: str, part: Part | None) -> None:
    """The first part whose words stand in the heading."""
    assert part == part_of(title)


def test_quotations_are_one_short_printable_line() -> None:
    """What is quoted can neither paint a terminal nor go on without end."""
    text = quote("a\x1b[31m\nb\u202e" + "c" * 1000)
    assert text.isprintable()
    assert (True, True, True) == (text.startswith("“a [31m b c"), text.endswith("…”"), len(text) < 260)


# --- tasks and names --------------------------------------------------------------------------------------------------


def front(**fields: str) -> str:
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in fields.items()) + "---\n"


@pytest.mark.parametrize(
    ("card", "arguments", "strength"),
    [
        ("# A\n\nA large language model pretrained on 15T tokens.\n", {}, "indicates"),
        ("# A\n\nA text-to-image model trained with 3e23 FLOPs.\n", {}, "indicates"),
        (
            front(pipeline_tag="image-to-image") + "# A\n\nImage upscaling, trained with 3e23 FLOPs.\n",
            {},
            "possible-relevance",
        ),
        (front(pipeline_tag="image-to-image") + "# A\n\nEdits pictures, trained with 3e23 FLOPs.\n", {}, "indicates"),
        ("# A\n\nSomething trained with 3e23 FLOPs.\n", {}, "insufficient-evidence"),
        ("# A\n\nSomething.\n", {"identity": "meta-llama/Llama-3.1-405B"}, "indicates"),
        (front(pipeline_tag="no-such-task") + "# A\n\nTrained with 3e23 FLOPs.\n", {}, "insufficient-evidence"),
        (front(pipeline_tag="visual-document-retrieval") + "# A\n\nA model.\n", {}, "insufficient-evidence"),
    ],
)
def test_task_comes_from_declaration_then_card_then_table(card: str, arguments: dict[str, str], strength: str) -> None:
    """What a model puts out is taken from its task, else from its description, else from known models."""
    assert strength == strengths(model(card, parameters=7e9, **arguments))["art-53-gpai"]  # type: ignore[arg-type]


def test_chat_template_is_a_sign_of_interaction() -> None:
    """A chat template is enough for possible relevance of Art. 50(1)."""
    card = front(pipeline_tag="text-generation") + "# A\n\nA base model.\n"
    case = model(card, config={"architectures": ["LlamaForCausalLM"]}, files={"chat_template.jinja": "{{ messages }}"})
    assert "possible-relevance" == strengths(case)["art-50-1"]
    assert "art-50-1" not in strengths(model(card, config={"architectures": ["LlamaForCausalLM"]}))


def test_architecture_may_stand_in_the_card() -> None:
    """Where no configuration names a class, the card's section on architecture counts as information."""
    card = front(pipeline_tag="text-generation") + "# A\n\n## Architecture\nA transformer of 24 layers.\n"
    items = {item.id: item.answer.value for item in judged(model(card, parameters=7e9)).checklist if item.list == "mof"}
    assert "yes" == items["model-architecture"]


def test_gated_fields_in_a_card_are_noted() -> None:
    """`extra_gated` fields say that access asks for something, without the hub's word."""
    fields = {"pipeline_tag": "text-generation", "license": "mit", "extra_gated_prompt": "hello", "library_name": "x"}
    body = "# A\n\nIt can write.\n\n## Limitations\nBias.\n"
    case = model(front(**fields) + body, config={"architectures": ["LlamaForCausalLM"]}, parameters=7e9)
    found = by_key(case, judged(case))["art-53-2-publication"]
    assert any("registration" in note for note in found.notes)


def test_signatures_answer_the_form() -> None:
    """A verified signature is authenticity; one that was not pinned is a part of it."""
    from msgspec.structs import replace  # noqa: PLC0415

    for status, expected in ((SignatureStatus.VERIFIED, "yes"), (SignatureStatus.UNPINNED, "partly")):
        case = replace(model("# A\n", parameters=1e6), verifications=(Verification(kind="oms", status=status),))
        items = {item.id: item.answer.value for item in judged(case).checklist}
        assert expected == items["security-signature"]


def test_evidence_of_documents_is_found_by_file_name() -> None:
    """A file's name shows a document as well as the card's words do."""
    files = {"DATASHEET.md": "x", "train.py": "x", "SECURITY.md": "x", "requirements.txt": "torch"}
    items = {item.id: item.answer.value for item in judged(model("# A\n", files=files)).checklist}
    expected = {"data-card": "yes", "training-code": "yes", "support-security": "yes", "supporting-libraries": "yes"}
    assert expected == {key: items[key] for key in expected}


def test_emissions_are_energy_evidence() -> None:
    """`co2_eq_emissions` in the front matter is evidence of energy use, and arXiv tags are papers."""
    card = "---\ntags: ['arxiv:2402.00838']\nco2_eq_emissions: {emissions: 120}\n---\n# A\n"
    items = {item.id: item.answer.value for item in judged(model(card)).checklist}
    assert ("yes", "yes") == (items["energy"], items["research-paper"])


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("a,soon,1e9,,,,,text,t,,s", "not a day"),
        ("a,2025-01-01,many,,,,,text,t,,s", "not a number"),
        ("a,2025-01-01,-1,,,,,text,t,,s", "not a positive number"),
        ("a,2025-01-01,1e9,,,1e23,,text,t,,s", "stand together"),
        ("a,2025-01-01,1e9,,,1e23,Certain,text,t,,s", "not one of"),
    ],
)
def test_broken_row_of_known_models_is_refused(tmp_path: Path, row: str, fault: str) -> None:
    """A row that can't be read names its table, line and fault."""
    columns = [
        "model",
        "released",
        "parameters",
        "active",
        "tokens",
        "flop",
        "confidence",
        "output",
        "task",
        "license",
        "source",
    ]
    place = tmp_path / "known.csv"
    place.write_text(",".join(columns) + "\n" + row + "\n")
    read: Callable[[Row], object] = reference_data._known
    with pytest.raises(DataError, match=r"known\.csv:2") as caught:
        read(parse_rows(place, "known.csv", columns, required=["model"])[0])
    assert fault in str(caught.value)
