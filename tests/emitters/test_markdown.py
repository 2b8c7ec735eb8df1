"""The report as Markdown."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace
from tests.emitters.reports import HOSTILE_TEXTS, fine_tune_report, hostile_report, malicious_finding, minimal_report

from aibom.emitters import emit
from aibom.emitters.markdown import text
from aibom.report import Report

# What an unsafe reader makes of it: raw HTML passes, links are made of bare addresses.
READER = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table")
OURS = {"h2", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code", "br", "sub"}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.shown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def read(source: str) -> Tags:
    tags = Tags()
    tags.feed(READER.render(source))
    return tags


def shown(report: Report) -> str:
    return " ".join("".join(read(emit(report, "markdown")).shown).split())


def test_the_first_lines_answer_the_questions() -> None:
    """Verdict, terms, regulation, coverage."""
    page = shown(fine_tune_report())
    for expected in (
        "Not safe to load because of pickle-dangerous-import",
        "1 critical, 1 high, 1 info, 1 ignored",
        "Apache-2.0 (declared)",
        "One-third test: insufficient evidence",
        "6 inspected · 1 in part · 1 not inspected",
    ):
        assert expected in page


def test_findings_say_where_and_what_to_do() -> None:
    """Rule, place inside the container, message, help."""
    page = shown(fine_tune_report())
    assert "pytorch_model.bin › archive/data.pkl @0x1c4" in page
    assert 'calls posix.system("curl …"); loading this file runs a command' in page
    assert "Do not load it. Ask the publisher for safetensors weights." in page


def test_many_kinds_of_findings_are_cut_and_counted() -> None:
    """A job summary is bounded; what is missing is said."""
    findings = tuple(replace(malicious_finding("model.safetensors"), message=f"number {i}") for i in range(60))
    assert "And 10 more kinds of findings." in shown(replace(minimal_report(), findings=findings))


def test_a_clean_report_says_so_without_promising() -> None:
    """Nothing found is not "safe"."""
    page = shown(minimal_report())
    assert "Nothing found that runs code on load" in page
    assert "safe to load" not in page.replace("Nothing found that runs code on load", "")


def test_a_hostile_report_makes_no_markup() -> None:
    """Only our own elements come out of a reader that passes raw HTML, and none has an attribute of the target's."""
    tags = read(emit(hostile_report(), "markdown"))
    assert set() == {tag for tag, _ in tags.found} - OURS
    assert [] == [attributes for _, attributes in tags.found if attributes.keys() - {"style"}]


def test_a_hostile_report_prints_inert() -> None:
    """No control or invisible character, and no line that a spreadsheet takes for a formula."""
    source = emit(hostile_report(), "markdown")
    invisible = [char for char in source if not char.isprintable() and char not in "\n\ufe0f"]
    assert [] == invisible
    assert [] == [line for line in source.splitlines() if line.startswith(("=", "+", "@"))]


@pytest.mark.parametrize("raw", HOSTILE_TEXTS[:1] + HOSTILE_TEXTS[2:3] + HOSTILE_TEXTS[4:5])
def test_hostile_text_is_shown_as_it_is(raw: str) -> None:
    """Escaping hides nothing: the reader shows the same characters."""
    assert raw == "".join(read(text(raw)).shown).strip()


@given(st.text(max_size=80) | st.text(alphabet="<>[]()`*_|!&;#\\ abhrefscript\n", max_size=60))
@settings(max_examples=200)
def test_no_text_makes_markup(raw: str) -> None:
    """Any text in a table cell stays text in one cell."""
    tags = read(f"| a |\n| --- |\n| {text(raw)} |\n")
    assert {"table", "thead", "tbody", "tr", "th", "td"} >= {tag for tag, _ in tags.found}
    assert 1 == sum(tag == "td" for tag, _ in tags.found)
