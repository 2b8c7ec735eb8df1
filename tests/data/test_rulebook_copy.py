"""The rulebooks' copy in JSON says what their YAML says, or is not used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aibom.data import rulebooks
from aibom.data.rulebooks import COPY, NAMES, load_raw, make_copy
from aibom.data.strict_yaml import read_yaml
from aibom.errors import DataError

DATA = Path(rulebooks.__file__).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of data of our own, with one small book and its copy."""
    monkeypatch.setattr(rulebooks, "files", lambda _: tmp_path)
    monkeypatch.setattr(rulebooks, "NAMES", ("book.yaml",))
    (tmp_path / "book.yaml").write_text("title: old\nas_of: 2026-11-21\nlimit: 1.0e+25\n")
    (tmp_path / COPY).write_text(make_copy())
    rulebooks._copies.cache_clear()
    yield tmp_path
    rulebooks._copies.cache_clear()


def test_the_copy_that_ships_is_up_to_date() -> None:
    """An edit of a rulebook or checklist is followed by `python tools/compile_rulebooks.py`."""
    assert make_copy() == (DATA / COPY).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_copy_says_what_the_yaml_says(name: str) -> None:
    """What is loaded equals what the YAML says, dates and numbers with their types."""
    expected = read_yaml((DATA / name).read_text(encoding="utf-8"), name)
    assert repr(expected) == repr(load_raw(name))


def test_every_rulebook_is_in_the_copy() -> None:
    """No YAML file of the data is left to the slow way."""
    assert sorted(path.name for path in DATA.glob("*.yaml")) == sorted(NAMES)


def test_the_copy_is_used_while_it_fits(folder: Path) -> None:
    """A copy of exactly this text is taken at its word."""
    copy = json.loads((folder / COPY).read_text())
    copy["book.yaml"]["content"]["title"] = "copied"
    (folder / COPY).write_text(json.dumps(copy))
    assert "copied" == load_raw("book.yaml")["title"]


@pytest.mark.parametrize(
    "copy", [None, "", "{", "[]", '{"book.yaml": 3}', '{"book.yaml": {"sha256": "x", "content": 1}}']
)
def test_a_copy_that_does_not_fit_is_not_used(folder: Path, copy: str | None) -> None:
    """An edit of the YAML counts at once, and a copy that is absent, broken or of another text is passed over."""
    if copy is None:
        (folder / COPY).unlink()
    else:
        (folder / COPY).write_text(copy)
    (folder / "book.yaml").write_text("title: new\n")
    assert {"title": "new"} == load_raw("book.yaml")


def test_an_edit_is_seen_past_the_copy(folder: Path) -> None:
    """The copy of the text before an edit does not stand for the text after it."""
    (folder / "book.yaml").write_text("title: new\n")
    assert {"title": "new"} == load_raw("book.yaml")


def test_an_absent_book_is_named(folder: Path) -> None:
    """A file that is not there is a fault with its name."""
    assert folder.is_dir()
    with pytest.raises(DataError, match=r"nothing\.yaml: can't be read"):
        load_raw("nothing.yaml")


def test_what_json_can_not_say_is_refused(folder: Path) -> None:
    """A value of YAML that the copy could not give back, such as a set, does not pass in silence."""
    (folder / "book.yaml").write_text("a: !!set {b}\n")
    with pytest.raises(TypeError, match="set has no place"):
        make_copy()
