"""Write the JSON copy of the rulebooks and checklists, which loads faster than the YAML that people write."""

from __future__ import annotations

from pathlib import Path

from aibom.data.rulebooks import COPY, make_copy

DATA = Path(__file__).parent.parent / "src" / "aibom" / "data"

if __name__ == "__main__":
    (DATA / COPY).write_text(make_copy(), encoding="utf-8")
