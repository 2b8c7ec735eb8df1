"""Scan every hostile and every benign case, and write docs/scorecard.md: found, missed, false alarms by class."""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from fixtures.hostile import HOSTILE, Benign, benign  # noqa: E402
from fixtures.hostile_case import Hostile  # noqa: E402
from tests.fakes import MemoryRepo  # noqa: E402

from aibom.findings import Severity  # noqa: E402 -- the folder above must be importable first
from aibom.pipeline import scan  # noqa: E402
from aibom.report import Report  # noqa: E402
from aibom.settings import Settings  # noqa: E402
from aibom.sources.local import DirectorySource  # noqa: E402

PAGE = ROOT / "docs" / "scorecard.md"
_CREATED = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
_SETTINGS = Settings(as_of=_CREATED.date(), jobs=1)


@dataclass(slots=True)
class Scorecard:
    """What came out: cases by class, names of what was missed (with the absent rules) and of false alarms."""

    cases: Counter[str] = field(default_factory=Counter)
    missed: dict[str, list[str]] = field(default_factory=dict)
    benign: int = 0
    alarms: list[str] = field(default_factory=list)


def _scan(files: Mapping[str, bytes], links: Iterable[tuple[str, str]] = ()) -> Report:
    if not links:
        return scan(MemoryRepo(files, target="case"), _SETTINGS, created=_CREATED)
    folder = tempfile.mkdtemp(dir=_scratch().name)
    write(Path(folder), files, links)
    return scan(DirectorySource(folder), _SETTINGS, created=_CREATED)


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that goes when the process does: removing it earlier would look like what a payload does."""
    return tempfile.TemporaryDirectory()


def write(folder: Path, files: Mapping[str, bytes], links: Iterable[tuple[str, str]] = ()) -> None:
    """Write files and links below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, target in links:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)


def missing_rules(case: Hostile) -> frozenset[str]:
    """Return the rules that must be found in a hostile case and are not."""
    return case.expected_rule_ids - {finding.rule.id for finding in _scan(case.files(), case.links).findings}


def false_alarms(case: Benign) -> list[str]:
    """Return what a benign case raises that is high or critical."""
    report = _scan(case.build())
    return [
        f"{case.name}: {finding.rule.id} {finding.message}"
        for finding in report.findings
        if finding.severity.at_least(Severity.HIGH)
    ]


def measure() -> Scorecard:
    """Scan everything, through the whole pipeline."""
    card = Scorecard()
    for kind, cases in HOSTILE.items():
        for case in cases:
            card.cases[kind] += 1
            if absent := missing_rules(case):
                card.missed.setdefault(kind, []).append(f"{case.name}: {', '.join(sorted(absent))}")
    for harmless in benign():
        card.benign += harmless.count
        card.alarms += false_alarms(harmless)
    return card


def render(card: Scorecard) -> str:
    """Return the page."""
    total, missed, alarms = card.cases.total(), sum(map(len, card.missed.values())), len(card.alarms)
    lines = [
        "# Scorecard",
        "",
        "Every case is scanned through the whole pipeline by the tests; this page is what they found.",
        "A hostile case counts as found only if each rule that it must raise is among the findings.",
        "A benign file is a false alarm if anything about it is high or critical.",
        "Most benign files were written by the real libraries (`fixtures/real`).",
        "",
        f"**{total - missed} of {total} hostile cases found, {alarms} false alarms in {card.benign} benign files.**",
        "",
        "| class | hostile cases | found | missed |",
        "|---|---:|---:|---:|",
    ]
    for kind, count in card.cases.items():
        lost = len(card.missed.get(kind, ()))
        lines.append(f"| {kind} | {count} | {count - lost} | {lost} |")
    lost_names = [name for here in card.missed.values() for name in here]
    for title, listed in (("Missed", lost_names), ("False alarms", card.alarms)):
        if listed:
            lines += ["", f"## {title}", "", *(f"- {name}" for name in listed)]
    lines += ["", "## Techniques", ""]
    for kind, cases in HOSTILE.items():
        lines += [f"### {kind}", "", "| case | technique | reference |", "|---|---|---|"]
        lines += [f"| `{case.name}` | {_cell(case.technique)} | {_cell(case.reference)} |" for case in cases]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(render(measure()))
