from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.emitters.reports import fine_tune_report, hostile_report, malicious_finding, minimal_report

from aibom.components import RelationKind, Resolution
from aibom.digests import HASH_MISMATCH
from aibom.emitters.options import EmitOptions
from aibom.emitters.terminal import format_bytes, format_count, to_table
from aibom.files import Location
from aibom.findings import Finding, Severity, Suppression
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE
from aibom.report import Report
from aibom.rules import RULES

RULE = {rule.id: rule for rule in RULES}


def table(report: Report, *, color: bool = False, width: int | None = None, seconds: float | None = None) -> str:
    return to_table(report, EmitOptions(color=color, width=width, seconds=seconds))


def with_findings(*findings: Finding) -> Report:
    return replace(minimal_report(), findings=findings)


def finding(severity: Severity, path: str = "f", rule: str = "pickle-unknown-import", message: str = "m") -> Finding:
    return Finding.of(RULE[rule], message, Location(path=path), severity=severity)


def test_the_worst_comes_first_and_the_verdict_last() -> None:
    """A critical finding is the first line, with its place; the last line says not to load."""
    lines = table(with_findings(malicious_finding())).splitlines()
    assert lines[0].startswith("critical  pickle-dangerous-import  pytorch_model.bin")
    assert lines[2].strip().startswith("help: ")
    assert "not safe to load: aibom explain pickle-dangerous-import" == lines[-1]


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ((), "nothing found that runs code on load"),
        (
            (Finding.of(HASH_MISMATCH, "m", Location(path="f")),),
            "not the files that were published: aibom explain hash-mismatch",
        ),
        (
            (Finding.of(INSPECTION_INCOMPLETE, "m", Location(path="f")),),
            "not decided whether it is safe to load: aibom explain inspection-incomplete",
        ),
        (
            (finding(Severity.HIGH, rule="policy-license"),),
            "nothing found that runs code on load, but something else to settle first: aibom explain policy-license",
        ),
        ((malicious_finding(suppressed=True),), "nothing found that runs code on load"),
    ],
)
def test_the_verdict_never_says_safe(findings: tuple[Finding, ...], verdict: str) -> None:
    """The last line says what was found; an ignored finding does not decide it."""
    last = table(with_findings(*findings)).splitlines()[-1]
    assert verdict == last.replace(" in what was inspected", "")
    assert not last.startswith("safe")


def test_counts_name_every_severity_and_the_ignored() -> None:
    """The line before the verdict counts findings by severity, ignored ones apart, and the bytes and seconds."""
    ignored = replace(finding(Severity.HIGH), suppression=Suppression(reason="r", source="s"))
    text = table(with_findings(malicious_finding(), finding(Severity.LOW), ignored), seconds=2.34)
    assert "1 critical, 1 low · 1 ignored · " in text.splitlines()[-2]
    assert text.splitlines()[-2].endswith(" in 2.3 s")


def test_many_findings_of_one_rule_are_counted() -> None:
    """A flood of one rule can't push the others from the screen; low and info findings are one line a rule."""
    flood = [finding(Severity.MEDIUM, f"f{number}") for number in range(50)]
    low = [finding(Severity.INFO, f"p{number}", "pickle-present") for number in range(7)]
    text = table(with_findings(*flood, *low))
    assert "and 30 more of pickle-unknown-import" in text
    assert "info      pickle-present  p0 and 6 more" in text
    assert 20 == sum(line.startswith("medium") for line in text.splitlines())


def test_a_terminal_gets_lines_that_fit() -> None:
    """Long messages are wrapped at the width; a pipe gets them whole."""
    report = with_findings(finding(Severity.HIGH, message="word " * 60))
    assert max(map(len, table(report, width=80).splitlines())) <= 80
    assert max(map(len, table(report).splitlines())) > 250


def test_color_marks_severity_words_only() -> None:
    """Without colour there is no escape sequence; with it the words stay readable."""
    report = with_findings(malicious_finding())
    assert "\x1b" not in table(report)
    assert "\x1b[31m" in table(report, color=True)
    assert "critical" in table(report, color=True)


def test_a_fine_tune_shows_model_base_licence_and_provisions() -> None:
    """The summary names what was scanned, what it came from, under what terms, and what the Act's evidence says."""
    lines = table(fine_tune_report()).splitlines()
    labels = [line.split()[0] for line in lines if line.startswith("  ") and line[2:3].isupper()]
    assert ["MODEL", "BASE", "LICENCE", "EU"] == labels[:4]
    assert {"SIGNATURE", "FILES"} <= set(labels)


def test_an_empty_summary_says_unknown() -> None:
    """Where nothing is known, the line says so."""
    text = table(minimal_report())
    assert "unknown: none declared" in text
    assert "SIGNATURE   none" in text


def test_hostile_names_do_not_paint_the_terminal() -> None:
    """No control character of a target reaches the terminal."""
    text = table(hostile_report())
    assert not [char for char in text if not (char.isprintable() or char == "\n")]


def test_a_base_whose_edge_has_no_evidence_is_still_named() -> None:
    """An edge without place or revision is shown, as unpinned."""
    report = fine_tune_report()
    relations = tuple(
        replace(edge, evidence=(), revision=None, inferred=True) if edge.kind is RelationKind.DERIVED_FROM else edge
        for edge in report.resolution.relations
    )
    resolution = Resolution(root=report.resolution.root, components=report.resolution.components, relations=relations)
    assert "hinted, unpinned)" in table(replace(report, resolution=resolution))


@pytest.mark.parametrize(
    ("number", "text"), [(512, "512"), (22_713_728, "22.7 M"), (8_030_000_000, "8.03 B"), (2_000_000_000_000, "2 T")]
)
def test_counts_have_three_digits(number: int, text: str) -> None:
    """Parameters are shown as people write them."""
    assert text == format_count(number)


@pytest.mark.parametrize(
    ("number", "text"), [(17, "17 B"), (1536, "1.5 KiB"), (4_400_000_000, "4.1 GiB"), (2**42, "4.0 TiB")]
)
def test_sizes_are_binary(number: int, text: str) -> None:
    """Sizes are in binary units."""
    assert text == format_bytes(number)
