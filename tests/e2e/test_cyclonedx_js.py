"""Our CycloneDX documents before a judge that shares no code with us: the CycloneDX JavaScript library."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.emitters.reports import fine_tune_report, hostile_report, many_files_report, minimal_report

from aibom.emitters.cyclonedx import emit
from aibom.emitters.options import EmitOptions, SpecVersion
from aibom.report import Report

ROOT = Path(__file__).parents[2]
PACKAGES = Path(os.environ.get("AIBOM_JS", ROOT / "build" / "js"))
SCRIPT = Path(__file__).parent / "js" / "validate.mjs"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (PACKAGES / "node_modules" / "@cyclonedx").is_dir(),
        reason="the JavaScript library is not installed: run tests/e2e/js/install.sh",
    ),
]

REPORTS: dict[str, Callable[[], Report]] = {
    "minimal": minimal_report,
    "fine-tune": fine_tune_report,
    "hostile": hostile_report,
    "many-files": lambda: many_files_report(500),
}


def judge(*documents: tuple[SpecVersion, Path]) -> list[dict[str, Any]]:
    """Return the verdict on each document, in order."""
    run = subprocess.run(
        ["node", SCRIPT, *(f"{version}={path}" for version, path in documents)],
        env={**os.environ, "AIBOM_JS": str(PACKAGES)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def written(folder: Path, name: str, report: Report, version: SpecVersion) -> tuple[SpecVersion, Path]:
    path = folder / f"{name}-{version}.cdx.json"
    path.write_text(emit(report, EmitOptions(spec_version=version)))
    return version, path


def test_the_javascript_library_accepts_every_document(tmp_path: Path) -> None:
    """Each report, in both versions, is valid for ajv with the library's own schemas and formats."""
    versions: tuple[SpecVersion, ...] = ("1.6", "1.7")
    documents = [written(tmp_path, name, make(), version) for name, make in REPORTS.items() for version in versions]
    assert [None] * len(documents) == [verdict["errors"] for verdict in judge(*documents)]


def test_the_javascript_library_is_awake(tmp_path: Path) -> None:
    """A document with a wrong severity is refused: the judge looks."""
    version, path = written(tmp_path, "wrong", fine_tune_report(), "1.7")
    document = json.loads(path.read_text())
    document["vulnerabilities"][0]["ratings"][0]["severity"] = "catastrophic"
    path.write_text(json.dumps(document))
    assert judge((version, path))[0]["errors"]
