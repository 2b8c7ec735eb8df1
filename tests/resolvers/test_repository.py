"""A target's small files are read once, within bounds, and only where they can be text."""

from __future__ import annotations

from tests.fakes import MemoryRepo
from tests.resolvers.targets import inspections, memory, repository, said

from aibom.files import Format, Role
from aibom.limits import Limits
from aibom.resolvers.repository import Repository, join, line_of, name_of


def test_documents_are_read_once() -> None:
    """A file is opened once, however often it is asked for."""
    source = memory({"a.json": "{}"})
    files = Repository(source, inspections({"a.json": "{}"}), Limits())
    assert files.json("a.json") == {}
    assert files.json("a.json") == {}
    assert files.yaml("a.json") is not None
    assert files.yaml("a.json") is not None
    assert source.opened == ["a.json"]


def test_names_are_found_by_case_only_where_they_must_be() -> None:
    """The exact name goes first, then one that differs in case."""
    files = repository({"readme.md": "a", "README.md": "b", "x/License": "c"})
    assert files.find("", "README.md") == "README.md"
    assert files.find("x", "LICENSE") == "x/License"
    assert files.find("", "LICENSE") is None
    assert files.folders() == ("", "x")
    assert "x/License" in files


def test_broken_documents_are_findings() -> None:
    """JSON, YAML and TOML that can't be read are said once, and are then absent."""
    files = repository({"a.json": "{", "b.yaml": "a: [", "c.toml": "=", "d.json": '{"a": 1, "a": 2}'})
    assert (files.json("a.json"), files.yaml("b.yaml"), files.toml("c.toml")) == (None, None, None)
    assert files.json("d.json") == {"a": 2}
    files.json("a.json")
    assert [("document-malformed", "low")] * 4 == said(files.findings)


def test_missing_documents_are_none() -> None:
    """A file that is not there has no value and no finding."""
    files = repository({})
    assert (files.text("a"), files.json("a"), files.yaml("a"), files.toml("a"), files.inspection("a")) == (None,) * 5
    assert files.findings == []


def test_an_unreadable_file_is_none() -> None:
    """What can't be opened is no document; the inventory has said so."""
    files = Repository(MemoryRepo({}), inspections({"a.json": "{}"}), Limits())
    assert files.json("a.json") is None
    assert files.findings == []


def test_pointers_and_pickles_are_no_text() -> None:
    """A name is not enough: what the bytes are decides whether a file is read as text."""
    formats = {"config.json": (Format.PICKLE, Role.CONFIG)}
    files = repository({"config.json": "{}"}, formats=formats)
    assert files.json("config.json") is None


def test_a_document_above_the_limit_is_said() -> None:
    """A document that would have to be cut is not parsed."""
    files = repository({"a.json": '"' + "x" * 50 + '"'}, limits=Limits(text_bytes=20))
    assert files.json("a.json") is None
    assert "larger than the limit of 20 bytes" in files.findings[0].message


def test_all_documents_share_a_budget() -> None:
    """Many documents together cost no more than a set number of bytes."""
    names = {f"{number:03}.json": '"' + "x" * 8 + '"' for number in range(40)}
    files = repository(names, limits=Limits(text_bytes=10))
    read = [path for path in files.paths() if files.text(path)]
    assert len(read) == 32
    assert "larger than the limits allow together" in files.findings[0].message


def test_small_path_functions() -> None:
    """Paths are cut and joined at the slash."""
    assert (join("", "a"), join("b", "a"), name_of("b/c/a"), name_of("a")) == ("a", "b/a", "a", "a")
    text = repository({"a": "x\ny\nz y"}).text("a")
    assert (line_of(text, "y"), line_of(text, "q"), line_of(None, "y")) == (2, None, None)


def test_what_lies_below_a_folder_is_found_without_its_namesakes() -> None:
    """A folder's files are those below it, not those of folders whose names start alike."""
    files = repository({"a/x": "", "a/b/y": "", "a-b/z": "", "a0/z": "", "ab": ""})
    assert ("a/b/y", "a/x") == files.below("a")
    assert 5 == len(files.below(""))
    assert () == files.below("none")


def test_names_in_other_folders_do_not_count() -> None:
    """A file of that name in a folder that differs in case is another folder's."""
    assert repository({"Sub/README.md": ""}).find("sub", "readme.md") is None


def test_what_was_made_once_is_kept() -> None:
    """Work for a folder is done once, however many models lie in it."""
    files = repository({})
    made: list[int] = []
    for _ in range(3):
        files.once("work", "folder", lambda: made.append(1))
    assert [1] == made
