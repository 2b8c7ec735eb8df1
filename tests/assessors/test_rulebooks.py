"""Rulebooks are data that is read strictly, by schema and by loader alike."""

from __future__ import annotations

import copy
import datetime as dt
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from aibom.assessors.book_loader import BOOKS, load_book, load_books, read_book
from aibom.assessors.checklists import load_checklists, read_checklists
from aibom.assessors.engine import Subject, apply
from aibom.assessors.explain import explain, explainable
from aibom.assessors.facts import FACTS, Fact, Facts, Passage
from aibom.assessors.reference_data import accelerator, accelerators, known_models, license_terms
from aibom.assessors.rulebook import Rulebook, outcomes
from aibom.data.license_table import license_table
from aibom.data.strict_yaml import read_yaml
from aibom.errors import DataError, UsageError
from aibom.findings import Evidence
from aibom.report import Strength

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "rulebook.schema.json").read_text(encoding="utf-8"))

SMALL: dict[str, Any] = {
    "regime": "test",
    "title": "Test",
    "version": "1",
    "as_of": dt.date(2026, 1, 1),
    "disclaimer": "A test.",
    "sources": {"S": {"title": "Source", "url": "https://example.org/"}},
    "thresholds": {"t": 10.0},
    "sets": {"words": ["a", "b"]},
    "lexicons": {"lex": ["cat", {"near": [["big"], ["dog"]]}]},
    "rules": [
        {
            "id": "one",
            "key": "one",
            "provision": "1",
            "title": "One",
            "label": "one",
            "authority": "statute",
            "rationale": "r",
            "limits": "l",
            "sources": ["S"],
            "applies_from": dt.date(2026, 1, 1),
            "cases": [{"when": "always", "then": {"finding": "f", "strength": "suggests", "reason": "r"}}],
        }
    ],
}


def book(**changes: Any) -> dict[str, Any]:
    """Return the small book with other fields in its rule."""
    raw = copy.deepcopy(SMALL)
    raw["rules"][0].update(changes)
    return raw


def plain(value: Any) -> Any:
    """Return YAML as JSON has it."""
    match value:
        case dict():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case dt.date():
            return value.isoformat()
        case _:
            return value


def parse(raw: dict[str, Any]) -> Rulebook:
    return read_book(read_yaml(yaml.safe_dump(raw), "book.yaml"), "book.yaml")


def when(condition: Any) -> dict[str, Any]:
    return book(cases=[{"when": condition, "then": {"finding": "f", "strength": "suggests", "reason": "r"}}])


@pytest.mark.parametrize("name", BOOKS)
def test_shipped_book_meets_the_published_schema(name: str) -> None:
    """Every book that ships is valid by schemas/rulebook.schema.json."""
    raw = yaml.safe_load(files("aibom.data").joinpath(name).read_text(encoding="utf-8"))
    jsonschema.validate(plain(raw), SCHEMA)


def test_schema_names_every_fact_and_strength() -> None:
    """The schema is of this version: it knows the facts and the strengths that the code knows."""
    assert sorted(FACTS) == SCHEMA["$defs"]["fact"]["enum"]
    assert [item.value for item in Strength] == SCHEMA["$defs"]["strength"]["enum"]


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({**SMALL, "regime": "Not An Id"}, "is no id"),
    ({**SMALL, "colour": "blue"}, "unknown field 'colour'"),
    ({key: value for key, value in SMALL.items() if key != "version"}, "version is missing"),
    ({**SMALL, "sources": {"S": {"title": "x", "url": "ftp://x"}}}, "no https address"),
    (book(authority="rumour"), "'rumour' is not one of"),
    (book(applies_from="soon"), "expected a date"),
    (book(cases=[]), "has no case"),
    (book(cases={"when": "always"}), "expected a list"),
    (book(headline="yes please"), "expected true or false"),
    (book(title="  "), "expected text"),
    (book(wants=["no.such.fact"]), "there is no fact 'no.such.fact'"),
    (when({"fact": "params.total", "op": "gt"}), "is no condition"),
    (when({"fact": "params.total", "op": "near-ish", "value": 1}), "'near-ish' is not one of"),
    (when({"all": []}), "all is empty"),
    (when({"known": "params"}), "there is no fact 'params'"),
    (when({"mentions": ["x"], "in": ["card.use"], "hits": "two"}), "expected a number"),
    (when({"mentions": [7], "in": ["card.use"]}), "neither a word nor"),
    (when(7), "is no condition"),
    (
        book(cases=[{"when": "always", "then": {"finding": "f", "strength": "certain", "reason": "r"}}]),
        "'certain' is not",
    ),
    (
        book(
            cases=[
                {
                    "when": "always",
                    "then": {"finding": "f", "strength": "suggests", "reason": "r"},
                    "unless": [{"when": "always"}],
                }
            ]
        ),
        "needs one of then and note",
    ),
]
# What only the loader can see: names that lead nowhere, comparisons that do not suit, order.
MISLEADING: list[tuple[dict[str, Any], str]] = [
    (when({"fact": "params.total", "op": "gt", "value": "many"}), "expected a number"),
    (book(sources=["T"]), "source 'T' is not under sources"),
    (when({"fact": "params.total", "op": "contains", "value": "x"}), "can't compare params.total"),
    (when({"fact": "params.total", "op": "gt", "value": "$thresholds.u"}), "no threshold 'u'"),
    (when({"fact": "arch.classes", "op": "contains", "value": "$sets.u"}), "no set 'u'"),
    (when({"mentions": ["$u"], "in": ["card.use"]}), "no lexicon 'u'"),
    (when({"mentions": ["x"], "in": ["params.total"]}), "text is needed here"),
    (when({"near": "params.total", "threshold": 1}), "compute is needed here"),
    (when({"finding": "later"}), "no earlier rule concludes 'later'"),
    (book(foreach="nothing"), "foreach names 'nothing'"),
    (
        book(cases=[{"when": "always", "then": {"finding": "f", "strength": "suggests", "reason": "{secret}"}}]),
        "can't be shown",
    ),
    ({**SMALL, "rules": SMALL["rules"] * 2}, "stands twice"),
    ({**book(foreach="x", id="$item.name"), "items": {"x": [{"code": "a"}]}}, "is no field of the item"),
]


@pytest.mark.parametrize(("raw", "fault"), [*BROKEN, *MISLEADING])
def test_broken_book_is_refused_by_name(raw: dict[str, Any], fault: str) -> None:
    """The loader refuses it and names the file and the fault."""
    with pytest.raises(DataError, match=r"^book\.yaml") as caught:
        parse(raw)
    assert fault in str(caught.value)


@pytest.mark.parametrize(("raw", "fault"), BROKEN)
def test_broken_book_is_refused_by_the_schema_too(raw: dict[str, Any], fault: str) -> None:
    """What is broken in its shape is refused by the published schema as well."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain(raw), SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def test_fault_names_the_rule() -> None:
    """A fault inside a rule names it."""
    with pytest.raises(DataError, match=r"book\.yaml: rule one: authority"):
        parse(book(authority="rumour"))


def test_repeated_key_and_broken_yaml_are_refused() -> None:
    """A key that stands twice would silently lose one of the two."""
    with pytest.raises(DataError, match="the key 'title' stands twice"):
        read_yaml("regime: a\ntitle: b\ntitle: c\n", "book.yaml")
    with pytest.raises(DataError, match=r"^book.yaml: "):
        read_yaml("a: [", "book.yaml")
    with pytest.raises(DataError, match="expected a mapping"):
        read_book(["a"], "book.yaml")


def test_yaml_number_trap_is_named() -> None:
    """YAML reads 1e23 as text; the fault says how to write it."""
    with pytest.raises(DataError, match=r"1\.0e\+23"):
        read_book(read_yaml(yaml.safe_dump(SMALL).replace("t: 10.0", "t: 1e23"), "book.yaml"), "book.yaml")


def test_conditions_do_not_nest_without_end() -> None:
    """A book that nests deeper than anybody can read is refused."""
    condition: Any = "always"
    for _ in range(20):
        condition = {"not": condition}
    with pytest.raises(DataError, match="nest deeper"):
        parse(when(condition))


def test_foreach_makes_a_rule_of_each_item() -> None:
    """A rule over a list becomes one rule an item, with the item's values in place."""
    raw = {
        **book(id="one-$item.code", key="one-$item.code", foreach="x"),
        "items": {"x": [{"code": "a"}, {"code": "b"}]},
    }
    assert ["one-a", "one-b"] == [rule.id for rule in parse(raw).rules]


def test_every_rule_of_the_books_says_why_and_what_it_cannot_know() -> None:
    """Each rule has a source, a rationale, a limit, and only known strengths; system rules never indicate."""
    for loaded in load_books():
        for rule in loaded.rules:
            assert rule.sources, rule.id
            if rule.key.startswith(("art-5-", "annex", "art-50", "art-6", "art-2")):
                assert Strength.INDICATES not in {outcome.strength for outcome in outcomes(rule)}, rule.id


def test_a_new_regime_is_only_a_file() -> None:
    """A book made up here works with the engine as it is."""
    loaded = parse(
        when(
            {
                "all": [
                    {"mentions": ["$lex"], "in": ["card.use"]},
                    {"fact": "params.total", "op": "gt", "value": "$thresholds.t"},
                ]
            }
        )
    )
    passage = Passage(text="A very big old dog.", evidence=Evidence(statement="e"))
    facts = Facts({"card.use": Fact(value=(passage,)), "params.total": Fact(value=11.0)})
    found = apply(loaded, Subject(ref="m", kind="model", facts=facts), dt.date(2026, 1, 1))
    assert ["one: suggests (r)"] == [item.statement for item in found]
    assert [("e",)] == [tuple(item.statement for item in entry.because) for entry in found]


# --- explain ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, _ in explainable()])
def test_every_rule_explains_itself(name: str) -> None:
    """Rule, authority, evidence wanted, what it can't know, sources: within 80 columns but for titles and links."""
    text = explain(name)
    for part in ("What it may say:", "What it can't know:", "Sources:", "https://"):
        assert part in text
    assert all(len(line) <= 80 or line.startswith("  ") for line in text.split("\n"))


def test_explain_by_key_and_by_id() -> None:
    """A rule is found by its id and by the key that stands in a BOM."""
    assert explain("eu-ai-act/53-2") == explain("eu-ai-act/art-53-2-open-source")
    assert "watch list" in explain("eu-ai-act/6-broad")
    assert "1e26 FLOP" in explain("us-ca-sb53/frontier-model")
    assert "2026-12-02" in explain("eu-ai-act/50-2")


def test_explain_names_near_rules() -> None:
    """An unknown rule is a usage error with near names."""
    with pytest.raises(UsageError) as caught:
        explain("eu-ai-act/53")
    assert "eu-ai-act/53-gpai" in str(caught.value.hint)
    with pytest.raises(UsageError) as caught:
        explain("moon-law/1")
    assert "eu-ai-act/53-2" in str(caught.value.hint)


# --- tables -----------------------------------------------------------------------------------------------------------


def test_license_terms_and_license_table_say_the_same() -> None:
    """Flags give the reading that licenses.csv states, for every license, and no license is missing."""
    lists = load_book("eu_ai_act.yaml").lists
    refusing = {*lists["disqualifies"], *lists["disqualifies-by-reading"]}
    contested = {*lists["contested"], "territorial-exclusion-eu-multimodal"}
    terms = license_terms()
    assert {row.key for row in license_table().rows} == set(terms)
    for row in license_table().rows:
        flags = terms[row.key].flags
        reading = (
            "no"
            if flags & refusing
            else "arguable"
            if flags & contested
            else "yes"
            if "grants-all-four" in flags
            else "unknown"
        )
        assert row.aiact_foss == reading, row.key
        assert row.confidence == terms[row.key].confidence, row.key


def test_every_flag_has_a_meaning() -> None:
    """No row of the terms carries a flag that no list explains."""
    lists = load_book("eu_ai_act.yaml").lists
    known = {flag for words in lists.values() for flag in words}
    known |= {"grants-all-four", "attribution", "share-alike", "territorial-exclusion-eu-multimodal"}
    assert set() == {flag for row in license_terms().values() for flag in row.flags} - known


def test_known_models_have_sources_and_sane_compute() -> None:
    """Every row has a source; 6·N·D of a disclosed row with tokens is its compute within the guidelines' 30 %."""
    for row in known_models().values():
        assert row.source, row.id
        assert row.flop is None or 1e18 < row.flop < 1e27, row.id
        assert row.license is None or row.license in {item.key for item in license_table().rows}, row.id
        assert row.active is None or row.active < row.parameters, row.id


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NVIDIA A100-80GB", "A100"),
        ("A10G", "A10G"),
        ("H100 SXM", "H100"),
        ("TPU v4", "TPUV4"),
        ("RTX 4090", "RTX4090"),
        ("abacus", None),
    ],
)
def test_accelerators_are_found_by_their_longest_name(text: str, name: str | None) -> None:
    """`A100` is not `A10`, and what is in no table has no rate."""
    found = accelerator(text)
    assert name == (found.name if found else None)
    assert all(1e13 < item.peak < 1e16 for item in accelerators())


# --- checklists -------------------------------------------------------------------------------------------------------


def test_checklists_have_the_items_of_their_sources() -> None:
    """36 fields of the documentation form and 17 components of the MOF."""
    lists = [item.list for item in load_checklists()]
    assert (36, 17) == (lists.count("model-documentation-form"), lists.count("mof"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("version: 1\nlists: {a: [{id: x, topic: t, question: q, shows: [nothing]}]}", "there is no fact 'nothing'"),
        ("version: 1\nlists: {a: [{id: x, topic: t, question: q, shows: [], yes: always}]}", "unknown field True"),
        ("version: 1\nversion: 2", "stands twice"),
    ],
)
def test_broken_checklist_is_refused(text: str, fault: str) -> None:
    """A fault names the file and what is wrong."""
    with pytest.raises(DataError, match=r"^lists\.yaml") as caught:
        read_checklists(read_yaml(text, "lists.yaml"), "lists.yaml")
    assert fault in str(caught.value)
