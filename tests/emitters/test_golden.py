"""Whole outputs, held byte for byte; AIBOM_UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.emitters.reports import fine_tune_report, hostile_report, minimal_report

from aibom.emitters import EMITTERS, EmitOptions, emit
from aibom.emitters.cyclonedx import to_document
from aibom.emitters.options import SpecVersion

FOLDER = Path(__file__).parents[1] / "golden"
TAXONOMY = Path(__file__).parents[2] / "schemas" / "properties.md"
REPORTS = {"minimal": minimal_report, "fine-tune": fine_tune_report, "hostile": hostile_report}
CASES: list[tuple[str, str, SpecVersion, str]] = [
    ("minimal", "json", "1.7", "json"),
    ("fine-tune", "json", "1.7", "json"),
    ("minimal", "cyclonedx", "1.7", "cdx.json"),
    ("fine-tune", "cyclonedx", "1.7", "cdx.json"),
    ("fine-tune", "cyclonedx", "1.6", "cdx-1.6.json"),
    ("hostile", "cyclonedx", "1.7", "cdx.json"),
    ("fine-tune", "cyclonedx-xml", "1.7", "cdx.xml"),
    ("fine-tune", "vex", "1.7", "vex.json"),
    ("fine-tune", "spdx", "1.7", "spdx.json"),
    ("fine-tune", "sarif", "1.7", "sarif"),
    ("fine-tune", "html", "1.7", "html"),
    ("fine-tune", "markdown", "1.7", "md"),
    ("hostile", "markdown", "1.7", "md"),
    ("fine-tune", "table", "1.7", "txt"),
]


@pytest.mark.parametrize(("name", "output", "version", "suffix"), CASES)
def test_outputs_are_those_that_were_reviewed(name: str, output: str, version: SpecVersion, suffix: str) -> None:
    """A change of an output is a change of a file that somebody reads."""
    path = FOLDER / f"{name}.{suffix}"
    text = emit(REPORTS[name](), output, EmitOptions(spec_version=version))
    if os.environ.get("AIBOM_UPDATE_GOLDEN"):
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def test_every_format_has_a_golden_file() -> None:
    """A new emitter comes with one."""
    assert EMITTERS.keys() == {output for _, output, _, _ in CASES}


@pytest.mark.parametrize("output", EMITTERS)
def test_no_output_of_a_hostile_report_acts(output: str) -> None:
    """No character of any output can paint a terminal, hide text or turn its direction."""
    text = emit(hostile_report(), output, EmitOptions(width=80))
    acting = {char for char in text if not char.isprintable() and char not in "\n\t"} - {"\ufe0f"}
    assert set() == acting


@pytest.mark.parametrize("output", EMITTERS)
def test_outputs_end_with_one_newline(output: str) -> None:
    """A file that a terminal shows ends its last line."""
    text = emit(minimal_report(), output)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_every_property_that_is_written_is_published() -> None:
    """The taxonomy names each property of our namespace, with placeholders for what varies."""
    names = {
        re.sub(r"^\| ", "", part).strip()
        for line in TAXONOMY.read_text("utf-8").splitlines()
        if line.startswith("| `")
        for part in re.findall(r"`((?:aibom|cdx|bsi):[^`]+)`", line.split("|")[1])
    }
    shapes = [re.escape(name).replace("<regime>", "(eu-ai-act|openness)") for name in names]
    patterns = [re.compile(re.sub(r"<[^>]+>", ".+", shape)) for shape in shapes]
    written: set[str] = set()
    stack: list[object] = [to_document(fine_tune_report()), to_document(hostile_report(), "1.6")]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            written |= {entry["name"] for entry in value.get("properties", ())}
            stack += value.values()
        elif isinstance(value, list):
            stack += value
    ours = {name for name in written if name.startswith(("aibom:", "cdx:", "bsi:"))}
    assert set() == {name for name in ours if not any(pattern.fullmatch(name) for pattern in patterns)}
