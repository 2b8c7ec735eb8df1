"""The license table is complete, typed, and leads every name where it belongs or nowhere."""

from __future__ import annotations

import pytest

from aibom.data import known_bases, license_table
from aibom.data.known_bases import canonical, known
from aibom.data.license_table import FAMILY_IDS, UNSTATED_IDS
from aibom.data.license_table import license_table as load
from aibom.data.license_terms import About, Kind, Reach, terms_of
from aibom.data.tables import Row
from aibom.errors import DataError


def row(**cells: str) -> Row:
    base = dict.fromkeys(license_table._COLUMNS, "none")
    fixed = {
        "id": "x", "hf_id": "", "hf_license_names": "", "spdx_or_ref": "LicenseRef-aibom-x", "in_spdx_3_29": "no",
        "scancode_key": "", "family": "permissive", "kind": "model", "osi_approved": "no",
        "open_source_compatible": "no", "commercial_use": "yes", "modification": "yes", "redistribution": "yes",
        "copyleft_on_weights": "no", "no_train_other_models": "no", "aiact_foss": "no", "evidence": "T",
        "confidence": "high",
    }  # fmt: skip
    return Row("licenses.csv", 7, {**base, **fixed, **cells})


def test_every_row_has_terms() -> None:
    """Every license but families of no version and the unknown grants something."""
    table = load()
    assert len(table.rows) == 177
    without = {item.key for item in table.rows if not terms_of(item)}
    assert without == {"cc", "unknown", "other", "no-license"}


def test_names_lead_to_rows_or_nowhere() -> None:
    """Keys, hub ids, SPDX ids and slugs are found in any case; a name of several licenses is not."""
    table = load()
    expected = {"Apache-2.0": "apache-2.0", "LLAMA3.1": "llama3.1", "Mistral MRL": None, "mrl": "mrl-0.1"}
    for name, key in {**expected, "modified-mit": None, "exaone": None}.items():
        found = table.find(name)
        assert (found.key if found else None) == key
    assert {"modified-mit", "exaone"} <= table.ambiguous.keys()
    assert all(item.expression for item in table.rows if item.key not in FAMILY_IDS | UNSTATED_IDS)


@pytest.mark.parametrize(
    "cells",
    [
        {"in_spdx_3_29": "yes"},
        {"spdx_or_ref": ""},
        {"family": "odd"},
        {"kind": "odd"},
        {"evidence": "Z"},
        {"confidence": "some"},
    ],
)
def test_a_wrong_row_names_its_line(cells: dict[str, str]) -> None:
    """A row that breaks a rule is refused with table and line."""
    with pytest.raises(DataError, match=r"licenses\.csv:7: "):
        license_table._license(row(**cells))


def test_a_key_that_stands_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows of one key are an error of the data."""
    monkeypatch.setattr(license_table, "load_rows", lambda *_, **__: (row(), row()))
    load.cache_clear()
    with pytest.raises(DataError, match="twice"):
        load()
    load.cache_clear()


def about(key: str) -> set[str]:
    return {term.about.value for term in terms_of(load().by_key[key]) if term.kind is not Kind.GRANT}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("mit", {"license-copy"}),
        ("cc0-1.0", set()),
        ("cc-by-nc-4.0", {"commercial", "license-copy", "acknowledge"}),
        ("cc-by-nd-4.0", {"distribute-modified", "license-copy"}),
        ("agpl-3.0", {"share-alike", "license-copy"}),
        ("mpl-2.0", {"license-copy"}),
        ("llama3", {"field-of-use", "monthly-active-users", "train-other-models", "license-copy", "notice-file",
                    "name-prefix", "credit-in-product"}),
        ("gemma", {"field-of-use", "pass-on-restrictions", "license-copy", "notice-file", "state-changes"}),
        ("kimi-k2-modified-mit", {"monthly-active-users", "annual-revenue", "credit-in-product"}),
        ("chatglm", {"field-of-use", "register", "license-copy"}),
        ("msr-la", {"commercial", "distribute", "field-of-use", "license-copy"}),
    ],
)  # fmt: skip
def test_terms_are_those_of_the_row(key: str, expected: set[str]) -> None:
    """Each cell becomes the terms that it states."""
    assert expected == about(key)


@pytest.mark.parametrize(
    ("key", "subject", "value", "effect"),
    [
        ("llama2", About.USERS, 7e8, "ask"),
        ("kimi-k2-modified-mit", About.USERS, 1e8, "credit"),
        ("kimi-k2-modified-mit", About.REVENUE, 2.4e8, "credit"),
        ("mistral-modified-mit", About.REVENUE, 2.4e8, "no-rights"),
        ("glm-5.3", About.REVENUE, 1e10, "ask"),
        ("krea-2", About.REVENUE, 1e6, "no-rights"),
        ("cogvideox", About.USAGE, 1e6, "ask"),
    ],
)
def test_thresholds_have_amounts(key: str, subject: About, value: float, effect: str) -> None:
    """Users are users, revenue is dollars a year, whatever the text counts in."""
    found = [term for term in terms_of(load().by_key[key]) if term.about is subject]
    assert (value, effect) == (found[0].value, found[0].effect)


def test_every_threshold_cell_becomes_a_term() -> None:
    """No threshold is lost: a size, a registration, or a business that needs an agreement."""
    for item in load().rows:
        if item.threshold != "none":
            assert {About.USERS, About.REVENUE, About.USAGE, About.REGISTER} & {term.about for term in terms_of(item)}


def test_regions_are_codes() -> None:
    """Excluded territories are country codes, with what they concern."""
    found = {
        term.argument for term in terms_of(load().by_key["tencent-hunyuan-community"]) if term.about is About.REGION
    }
    assert {"EU:all", "GB:all", "KR:all"} == found
    (llama,) = [term for term in terms_of(load().by_key["llama4"]) if term.about is About.REGION]
    assert llama.argument == "EU:multimodal"


def test_output_terms_reach_outputs() -> None:
    """A ban on training others with outputs, and a naming duty, reach outputs."""
    for key, subject in (
        ("llama3", About.TRAIN_OTHERS),
        ("llama3.1", About.NAME_PREFIX),
        ("gemma", About.PASS_RESTRICTIONS),
    ):
        reach = {item for term in terms_of(load().by_key[key]) if term.about is subject for item in term.reach}
        assert Reach.OUTPUT in reach


@pytest.mark.parametrize(
    ("name", "key", "base"),
    [
        ("meta-llama/Llama-3.1-8B", "llama3.1", None),
        ("META-LLAMA/llama-3.1-8b-INSTRUCT", "llama3.1", "meta-llama/Llama-3.1-8B"),
        ("Qwen/Qwen2.5-3B-Instruct", "qwen-research", None),
        ("Qwen/Qwen2.5-7B", "apache-2.0", None),
        ("gpt2", "mit", None),
        ("unsloth/llama-3-8b-bnb-4bit", "llama3", None),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "mit", "meta-llama/Llama-3.1-8B"),
    ],
)
def test_bases_are_known(name: str, key: str, base: str | None) -> None:
    """Names are found in any case, by the longest start that fits, and by old names and copies."""
    found = known(name)
    assert found is not None
    assert found.license is not None
    assert (key, base) == (found.license.key, found.base)


def test_what_is_not_known_is_none() -> None:
    """Nothing is known of other names, and a dataset is no model."""
    assert known("nobody/nothing") is None
    assert known("tatsu-lab/alpaca") is None
    assert known("tatsu-lab/alpaca", "dataset") is not None


def test_old_names_lead_to_their_owner() -> None:
    """A name without an owner leads to where the repository is now."""
    assert ("google-bert/bert-base-uncased", "distilbert/distilgpt2", "x") == (
        canonical("bert-base-uncased"), canonical("distilgpt2"), canonical("x"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "cells",
    [{"license": "no-such"}, {"name": "no owner"}, {"relation": "cousin"}, {"kind": "thing"}],
)
def test_a_wrong_base_names_its_line(cells: dict[str, str]) -> None:
    """A row of the bases that breaks a rule is refused with table and line."""
    good = {
        "name": "a/b",
        "kind": "model",
        "aliases": "",
        "license": "mit",
        "base": "",
        "relation": "",
        "family": "",
        "evidence": "K",
    }
    with pytest.raises(DataError, match=r"known_bases\.csv:3: "):
        known_bases._entry(Row("known_bases.csv", 3, {**good, **cells}))


def test_a_base_that_stands_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows of one name are an error of the data."""
    cells = {
        "name": "a/b",
        "kind": "model",
        "aliases": "",
        "license": "mit",
        "base": "",
        "relation": "",
        "family": "",
        "evidence": "K",
    }
    monkeypatch.setattr(known_bases, "load_rows", lambda *_, **__: (Row("t", 1, cells), Row("t", 2, cells)))
    known_bases._table.cache_clear()
    with pytest.raises(DataError, match="twice"):
        known("a/b")
    known_bases._table.cache_clear()
