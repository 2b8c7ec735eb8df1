"""Every hostile file of the fixtures, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "fixtures"


def every_hostile_file() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each; the modules are found by their names, so that a new one is not forgotten."""
    for path in sorted(FIXTURES.glob("hostile_*.py")):
        module = import_module(f"fixtures.{path.stem}")
        for case in getattr(module, "CASES", ()):
            built = case.build()
            yield from built.items() if isinstance(built, dict) else [(case.file_name, built)]
