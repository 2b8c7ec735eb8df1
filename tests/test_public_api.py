from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

import aibom

CHAT = Path(__file__).parent.parent / "fixtures" / "real" / "transformers" / "tiny-llama-chat"


def test_a_program_can_scan_and_emit() -> None:
    """The example of the package's docstring works, and its report reads back from JSON."""
    source = aibom.open_source(str(CHAT))
    created = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    report = aibom.scan(source, aibom.Settings(as_of=created.date()), created=created)
    assert "CycloneDX" == json.loads(aibom.emit(report, "cyclonedx"))["bomFormat"]
    assert report == aibom.from_json(aibom.emit(report, "json"))


@pytest.mark.parametrize("name", aibom.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """What `__all__` promises can be had."""
    assert getattr(aibom, name)


def test_other_names_are_refused() -> None:
    """A name that is not public is an AttributeError."""
    with pytest.raises(AttributeError, match="nothing"):
        _ = aibom.nothing


def test_importing_the_package_costs_nothing() -> None:
    """`import aibom` loads no module of the scanner."""
    code = "import sys, aibom; print([m for m in sys.modules if m.startswith('aibom.') and m != 'aibom._version'])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == result.stdout
