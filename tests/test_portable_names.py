from __future__ import annotations

import pytest
from fixtures import benign_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import MemoryRepo

from aibom.files import escape_name
from aibom.findings import Severity
from aibom.inventory import take_inventory
from aibom.limits import Limits
from aibom.portable_names import fault_on_windows, folded


def found(*names: str) -> list[tuple[str, str | None, Severity]]:
    """Rule, path and severity of what is said about files of these names."""
    repo = MemoryRepo({escape_name(name.encode("utf-8", "surrogateescape")): b"some text\n" for name in names})
    findings = take_inventory(repo, Limits()).findings
    return [
        (item.rule.id, item.location.path if item.location else None, item.severity)
        for item in findings
        if item.rule.id.startswith("name-")
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("config.json", "Config.JSON"),
        ("src/a.txt", "SRC/A.txt"),
        ("caf\u00e9.txt", "cafe\u0301.txt"),  # NFC and NFD: macOS
        ("CAF\u00c9.txt", "cafe\u0301.txt"),
        ("stra\u00dfe", "STRASSE"),
        ("\u212aelvin", "kelvin"),  # the Kelvin sign
        ("a.txt", "a.txt."),  # Windows cuts the dot off
        ("a", "a  "),
    ],
)
def test_names_that_meet_elsewhere(one: str, other: str) -> None:
    """Two files that are one on Windows or macOS are told, once."""
    assert folded(one.rsplit("/", 1)[-1]) == folded(other.rsplit("/", 1)[-1])
    (collision,) = [item for item in found(one, other) if item[0] == "name-collision"]
    assert escape_name(min(one, other).encode()) == collision[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [("config.json", "config.yaml"), ("a/x.txt", "b/X.txt"), ("\u0131", "i"), ("a.b", "ab"), ("\u4e00", "\u4e8c")],
)
def test_names_that_stay_apart(one: str, other: str) -> None:
    """Other names, other folders and other letters are no collision; a dotless i is no i, whatever the locale."""
    assert [] == found(one, other)


def test_what_a_loader_reads_weighs_more() -> None:
    """A collision of configurations or code is medium, one of notes is low."""
    assert [("name-collision", "Config.json", Severity.MEDIUM)] == found("Config.json", "config.json")
    assert [("name-collision", "NOTES.md", Severity.LOW)] == found("NOTES.md", "notes.md")


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("nul", "nul is a device there"),
        ("a/CON.json", "con is a device there"),
        ("COM1.tar.gz", "com1 is a device there"),
        ("lpt\u00b9", "lpt\u00b9 is a device there"),
        ("aux .txt", "aux is a device there"),
        ("model.bin:payload", "no name there may hold ':'"),
        ("a\\b", "no name there may hold '\\\\'"),
        ("what?", "no name there may hold '?'"),
        ("folder./x", "dots and spaces at the end of a name are cut off there"),
        ("x ", "dots and spaces at the end of a name are cut off there"),
        ("config.json", None),
        ("console.log", None),
        ("com10", None),
        ("auxiliary/x", None),
        (".gitattributes", None),
        ("a b/c..d", None),
    ],
)
def test_what_windows_can_hold(path: str, fault: str | None) -> None:
    """Devices, forbidden characters and cut-off ends are told; names that look like them are not."""
    assert fault == fault_on_windows(path)
    assert [("name-not-portable", escape_name(path.encode()), Severity.INFO)] * (fault is not None) == found(path)


def test_thousands_of_such_names_are_one_fault() -> None:
    """A report is not flooded: so many of each kind, and no more."""
    names = [f"{number:04}{ending}" for number in range(2000) for ending in ("a", "A")]
    assert 20 == len(found(*names))
    assert 20 == len(found(*(f"{number}?" for number in range(2000))))


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20))
def test_folding_is_stable(name: str) -> None:
    """A folded name folds to itself, and both cases of a name fold alike."""
    assert folded(name) == folded(folded(name))
    assert folded(name) == folded(folded(name).upper()) or folded(name) == folded(name.lower())


@pytest.mark.parametrize("names", benign_texts.NAMES.values(), ids=benign_texts.NAMES)
def test_names_that_every_system_holds_are_no_finding(names: tuple[str, ...]) -> None:
    """Names that only look like devices, or like each other, are fit."""
    assert [] == found(*names)
