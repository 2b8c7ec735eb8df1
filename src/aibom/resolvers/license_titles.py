"""Recognise the agreements of model publishers by their title line, and by their date line where dates matter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from aibom.data.license_table import License, license_table
from aibom.data.tables import load_rows

_TABLE = "license_titles.csv"
_COLUMNS = ("license", "title", "also", "source")
_HEAD_LINES = 6
_HEAD_CHARACTERS = 4000
_MIN_WORDS = 150  # a text of terms, not a line that points to one


def titled(text: str) -> License | None:
    """Return the license whose title is one of the first lines of the text, None where none or several are."""
    head = " ".join(text[:_HEAD_CHARACTERS].split()).lower()
    if len(text[: _MIN_WORDS * 60].split()) < _MIN_WORDS:
        return None
    lines = [line for raw in text[:_HEAD_CHARACTERS].split("\n") if (line := _plain(raw))][:_HEAD_LINES]
    found = {key for line in lines for key, also in _titles().get(line, ()) if also in head}
    return license_table().by_key[found.pop()] if len(found) == 1 else None


def _plain(line: str) -> str:
    """A line in lower case, without the marks of Markdown around it."""
    return " ".join(re.sub(r"[*_#`“”\"]|<[^>]{0,100}>", " ", line).split()).lower().strip(" .:")


@cache
def _titles() -> Mapping[str, tuple[tuple[str, str], ...]]:
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for row in load_rows(_TABLE, _COLUMNS, required=("license", "title", "source")):
        if row["license"] not in license_table().by_key:
            row.fail(f"{row['license']} is no license of the table")
        found[_plain(row["title"])] = (*found.get(_plain(row["title"]), ()), (row["license"], row["also"]))
    return found
