"""The report as a page, read without a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace
from tests.emitters.reports import (
    determinations,
    fine_tune_report,
    hostile_report,
    inspected,
    make_report,
    malicious_finding,
    many_files_report,
    minimal_report,
)

from aibom.components import (
    Component,
    ComponentKind,
    LicenseClaim,
    ModelFacts,
    Relation,
    RelationKind,
    Resolution,
    SignatureStatus,
    Verification,
)
from aibom.emitters import emit
from aibom.emitters.html_page import _read
from aibom.emitters.lineage_graph import MAX_NODES, draw
from aibom.emitters.page import count, size
from aibom.files import Coverage
from aibom.findings import Evidence, Severity
from aibom.report import Report, SourceFacts

REPORTS: dict[str, Callable[[], Report]] = {
    "empty": make_report,
    "minimal": minimal_report,
    "fine-tune": fine_tune_report,
    "hostile": hostile_report,
}


class Reader(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.shown: list[str] = []
        self._inside = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data
        else:
            self.shown.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split())


@pytest.fixture(scope="module", params=REPORTS)
def reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(emit(REPORTS[request.param](), "html"))


def test_only_our_own_style_and_script_are_allowed(reader: Reader) -> None:
    """The policy names both by their digests and allows nothing else."""
    policy = next(a["content"] or "" for tag, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(reader.raw[tag].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_nothing_on_the_page_is_fetched_or_runs(reader: Reader) -> None:
    """One style, one script, no source, no handler, links only to the web or to the page itself."""
    tags = [tag for tag, _ in reader.elements]
    assert (1, 1) == (tags.count("script"), tags.count("style"))
    assert set() == {"iframe", "img", "object", "embed", "link", "base", "video", "audio"} & set(tags)
    for tag, attributes in reader.elements:
        assert set() == {name for name in attributes if name.startswith("on") or name in ("src", "style", "srcset")}
        href = attributes.get("href")
        assert href is None or href.startswith(("#", "https://", "http://")), (tag, href)


def test_ids_are_unique_and_anchors_lead_somewhere(reader: Reader) -> None:
    """A link on the page has one target."""
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    wanted = {(a.get("href") or "")[1:] for _, a in reader.elements if (a.get("href") or "").startswith("#")}
    wanted |= {a["aria-labelledby"] or "" for _, a in reader.elements if "aria-labelledby" in a}
    assert set() == wanted - set(ids)


def test_elements_are_balanced(reader: Reader) -> None:
    """What is opened is closed, in order."""
    void = {"meta", "input", "br", "path", "rect"}
    stack: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in void:
                stack.append(tag)

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            pass

        def handle_endtag(self, tag: str) -> None:
            assert tag == stack.pop()

    Balance().feed(emit(fine_tune_report(), "html"))
    assert [] == stack


def test_the_page_is_accessible_in_structure(reader: Reader) -> None:
    """Language, one main heading, captions for tables, names for the controls."""
    tags = [tag for tag, _ in reader.elements]
    assert ("html", {"lang": "en"}) == reader.elements[0]
    assert (1, 1) == (tags.count("h1"), tags.count("main"))
    assert tags.count("table") == tags.count("caption")
    assert all("scope" in attributes for tag, attributes in reader.elements if tag == "th")


def test_the_first_screen_answers_the_questions() -> None:
    """Safe, terms, regulation, coverage, identity."""
    page = Reader(emit(fine_tune_report(), "html")).text
    for expected in (
        "Not safe to load because of pickle-dangerous-import",
        "Is it safe to load?",
        "Under what terms? Apache-2.0 (declared)",
        "What does the EU AI Act say? One-third test: insufficient evidence",
        "How much was looked at? 6 inspected · 1 in part · 1 not inspected · 1 left out",
        "pkg:huggingface/acme/acme-chat@0123456789abcdef0123456789abcdef01234567",
    ):
        assert expected in page


def test_everything_is_on_the_page() -> None:
    """Findings with place and help, reasons of ignores, evidence, what is missing, files with digests."""
    report = fine_tune_report()
    page = Reader(emit(report, "html")).text
    for finding in report.findings:
        assert finding.message in page
        assert finding.rule.help in page
    for expected in (
        "twin of the safetensors",
        "own training compute, training tokens",
        "15T tokens README.md:40",
        "against: 700 million LICENSE:30",
        "Is there a security contact?",
        "cache/x",
    ):
        assert expected in page
    for path, digests in report.digests.items():
        assert path in page
        assert digests[0].value in page


def test_legal_words_stand_once() -> None:
    """The page says what it is not, once."""
    assert 1 == len(re.findall("legal", Reader(emit(minimal_report(), "html")).text))


def test_hostile_text_is_shown_and_harmless() -> None:
    """It is on the page as text, without control characters."""
    source = emit(hostile_report(), "html")
    assert "<script>alert(1)</script>" in Reader(source).text
    assert [] == [char for char in source if not char.isprintable() and char not in "\n\t"]


def test_the_same_report_gives_the_same_page() -> None:
    """Nothing on the page depends on when it was made."""
    assert emit(fine_tune_report(), "html") == emit(fine_tune_report(), "html")


def test_thousands_of_equal_findings_are_one_card() -> None:
    """The page stays usable."""
    elements = Reader(emit(many_files_report(3_000), "html")).elements
    assert 1 == sum(tag == "article" for tag, _ in elements)


def test_a_gap_in_the_weights_is_in_the_verdict() -> None:
    """Not looked at is never clean."""
    report = make_report(inspections=[inspected("a.bin", coverage=Coverage.PARTIAL)])
    assert "Nothing found that runs code on load in what was inspected" in Reader(emit(report, "html")).text


def test_what_needs_a_reader_is_not_called_clear() -> None:
    """A doubt about code on load colours the verdict, without calling the model unsafe."""
    finding = replace(malicious_finding("model.safetensors"), severity=Severity.MEDIUM)
    page = Reader(emit(replace(minimal_report(), findings=(finding,)), "html")).text
    assert "Nothing found that runs code on load, but something needs a reader" in page


def test_evidence_of_many_lines_is_folded() -> None:
    """Decompiled source does not push the next finding off the page, and nothing of it is lost."""
    finding = replace(malicious_finding("model.safetensors"), evidence=("one", "decompiled:\nimport posix\n  <b>"))
    source = emit(replace(minimal_report(), findings=(finding,)), "html")
    assert '<summary>decompiled</summary><pre tabindex="0">import posix\n  &lt;b&gt;</pre>' in source
    assert "<li>one</li>" in source


def test_an_ignored_finding_does_not_decide_but_stays() -> None:
    """The decision of the user is shown with its reason."""
    page = Reader(emit(replace(minimal_report(), findings=(malicious_finding(suppressed=True),)), "html")).text
    assert "Nothing found that runs code on load" in page
    assert "Ignored by aibom.toml: ignore 1 until 2027-03-01: reviewed in SEC-142" in page


# --- colours ----------------------------------------------------------------------------------------------------------


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


BLOCKS = re.findall(r":root \{([^}]*)\}", _read("report.css"))
PALETTES = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in BLOCKS]
PAIRS = [
    *((ink, paper) for ink in ("ink", "soft", "link") for paper in ("page", "paper")),
    ("ink", "code"),
    *((tone, f"{tone}-paper") for tone in ("bad", "warn", "good")),
    *(("badge-ink", severity) for severity in ("bad", "warn", "medium", "low", "info")),
]


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark", "print"])
@pytest.mark.parametrize(("ink", "paper"), PAIRS)
def test_contrast_is_aa(theme: int, ink: str, paper: str) -> None:
    """Text has at least 4.5:1 on what it stands on (WCAG 2.2, 1.4.3), in light, dark and print."""
    palette = PALETTES[0] | PALETTES[theme]
    assert 4.5 <= contrast(palette[ink], palette[paper])


# --- lineage ----------------------------------------------------------------------------------------------------------


def models(*names: str) -> list[Component]:
    return [Component(ref=name, kind=ComponentKind.MODEL, name=name, seen=name == "m") for name in names]


def test_origins_stand_to_the_left_and_parts_to_the_right() -> None:
    """One column a generation."""
    relations = [
        Relation(source="m", target="base", kind=RelationKind.DERIVED_FROM),
        Relation(source="base", target="origin", kind=RelationKind.DERIVED_FROM, inferred=True),
        Relation(source="m", target="part", kind=RelationKind.CONTAINS),
    ]
    graph = draw(make_report(components=models("m", "base", "origin", "part"), relations=relations, root="m"))
    assert graph is not None
    assert ["origin", "base", "m", "part"] == [node.name for node in sorted(graph.nodes, key=lambda node: node.x)]
    assert [False, False, True] == sorted(arrow.inferred for arrow in graph.arrows)


def test_boxes_do_not_overlap_and_fit_the_drawing() -> None:
    """Every box has its place."""
    graph = draw(fine_tune_report())
    assert graph is not None
    boxes = [(node.x, node.y) for node in graph.nodes]
    assert len(set(boxes)) == len(boxes)
    assert all(0 <= x <= graph.width - graph.box_width and 0 <= y <= graph.height - graph.box_height for x, y in boxes)
    assert ["trained on and evaluated on"] == [arrow.word for arrow in graph.arrows if " and " in arrow.word]


def test_a_very_large_family_is_cut_and_counted() -> None:
    """A thousand bases are not a picture."""
    names = [f"b{i}" for i in range(1000)]
    relations = [Relation(source="m", target=name, kind=RelationKind.DERIVED_FROM) for name in names]
    graph = draw(make_report(components=models("m", *names), relations=relations, root="m"))
    assert graph is not None
    assert (MAX_NODES, 1001 - MAX_NODES) == (len(graph.nodes), graph.more)


def test_models_of_an_application_are_drawn_without_it() -> None:
    """The application itself comes from nowhere."""
    components = [Component(ref="app", kind=ComponentKind.APPLICATION, name="app"), *models("m", "base")]
    relations = [
        Relation(source="app", target="m", kind=RelationKind.CONTAINS),
        Relation(source="m", target="base", kind=RelationKind.DERIVED_FROM),
        Relation(source="base", target="m", kind=RelationKind.DERIVED_FROM),
    ]
    graph = draw(make_report(components=components, relations=relations, root="app"))
    assert graph is not None
    assert (["base", "m"], 1) == ([node.name for node in graph.nodes], len(graph.arrows))


def test_without_relations_there_is_no_drawing() -> None:
    """A lone box says nothing."""
    assert draw(minimal_report()) is None


def test_a_sparse_report_leaves_no_holes() -> None:
    """Facts that are absent are rows that are absent; more terms than fit are counted."""
    claims = tuple(
        LicenseClaim(raw=f"l{i}", basis="declared", evidence=Evidence(statement="s", source="hub")) for i in range(9)
    )
    model = Component(
        ref="m", kind=ComponentKind.MODEL, name="m", licenses=claims, model=ModelFacts(), supplier=None,
        urls={"website": "https://x.example/"},
    )  # fmt: skip
    report = replace(
        make_report(inspections=[inspected("a.bin", size=5_000_000_000_000)], components=[model], root="m"),
        source=SourceFacts(revision="abc", gated="manual"),
        digests={},
        verifications=(Verification(kind="lfs", status=SignatureStatus.MISMATCH, covered=("a.bin",)),),
        determinations=tuple(replace(d, headline=False) for d in fine_tune_report().determinations),
    )
    page = Reader(emit(report, "html")).text
    for expected in ("5 more", "Revision abc", "gated: manual", "4.5 TiB", "Declared digests different 1 file", "none"):
        assert expected in page
    assert "General-purpose AI model: indicative criterion: indicates" in page


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**30, "5.0 GiB"), (2**60, "1048576.0 TiB")],
)
def test_sizes_are_in_binary_units(number: int, expected: str) -> None:
    """The unit grows with the number, up to the largest."""
    assert expected == size(number)


@pytest.mark.parametrize(
    ("number", "expected"), [(7, "7"), (1_500, "1.5 K"), (8_030_261_248, "8.03 B"), (2 * 10**12, "2 T")]
)
def test_counts_have_three_digits(number: int, expected: str) -> None:
    """As people write them."""
    assert expected == count(number)


def test_names_between_backticks_are_set_as_code() -> None:
    """Texts of ours mark names as Markdown does; what stands in them is escaped all the same."""
    rule = replace(malicious_finding("a").rule, help="Call `x<b>` with `y`, never `z.")
    finding = replace(malicious_finding("a"), rule=rule)
    source = emit(replace(minimal_report(), findings=(finding,)), "html")
    assert "Call <code>x&lt;b&gt;</code> with <code>y</code>, never <code>z.</code>" in source


def test_the_page_names_the_rule_data_without_showing_it_first() -> None:
    """Every table with its version, folded: the findings come first."""
    report = replace(minimal_report(), rule_data={"b.csv": "2", "a.csv": "1"})
    text = Reader(emit(report, "html")).text
    assert "Rule data: 2 tables a.csv 1 b.csv 2" in text


def test_weights_whose_types_are_unknown_have_no_dangling_comma() -> None:
    """A weight set that could not be counted says how many files it has, and no more."""
    report = fine_tune_report()
    root = report.resolution.component(report.resolution.root)
    assert root.model is not None
    sets = tuple(replace(item, elements_by_dtype={}) for item in root.model.weight_sets)
    changed = replace(root, model=replace(root.model, weight_sets=sets))
    others = tuple(changed if item is root else item for item in report.resolution.components)
    text = Reader(emit(replace(report, resolution=replace(report.resolution, components=others)), "html")).text
    assert "safetensors: 2 files sum" in text


def several_models() -> Report:
    """Return a folder of two models of one name, and a third; determinations speak of each."""
    refs = ("model/a/chat", "model/b/chat", "model/other")
    models = [Component(ref=ref, kind=ComponentKind.MODEL, name=ref.rpartition("/")[2], seen=True) for ref in refs]
    folder = Component(ref="application", kind=ComponentKind.APPLICATION, name="zoo", seen=True)
    edges = [Relation(kind=RelationKind.CONTAINS, source="application", target=ref, evidence=()) for ref in refs]
    resolution = Resolution(root="application", components=(folder, *models), relations=tuple(edges))
    found = [replace(item, headline=True) for ref in refs for item in determinations(ref)[:1]]
    return replace(make_report(), resolution=resolution, determinations=tuple(found))


def test_of_several_models_each_sentence_says_of_which_it_speaks() -> None:
    """Two models of one name are told apart by their folders, in every output that people read."""
    report = several_models()
    page, table, markdown = (emit(report, output) for output in ("html", "table", "markdown"))
    for name in ("a/chat", "b/chat", "other"):
        assert f'<span class="about">{name}</span>' in page
        assert f"<code>{name.replace('/', '&#47;')}</code>" in markdown
    # The same sentence about all three is said once.
    assert 1 == table.count("a/chat, b/chat and 1 more: ")
    assert "(3 models)" in page
    assert "Unknown: 3 of 3 models" in page
    assert "about" not in re.findall(r'class="(\w+)"', emit(minimal_report(), "html"))
