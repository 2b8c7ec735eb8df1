"""Load the shapes of what must not be published by accident, and of what only looks like it."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache

from msgspec import Struct

from aibom.data.tables import Row, load_rows

_COLUMNS = ("id", "what", "kind", "keyword", "pattern", "files", "source")
_START, _END = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9_-])"
# In the table a bound is written {2;5}: the cells of a table are separated by commas.
_BOUND = re.compile(r"\{(\d+);(\d+)\}")


class Leak(StrEnum):
    """What a pattern finds."""

    TOKEN = "token"  # noqa: S105 -- a kind, not a secret
    ASSIGNED = "assigned"
    INTERNAL = "internal"
    PATH = "path"


class Pattern(Struct, frozen=True, kw_only=True):
    """A shape. Every match holds one of `keywords` in lower case; group `v` is the value. `files` empty means all.

    `in_bytes` finds it between other bytes, where the next one may be a letter by chance.
    """

    id: str
    what: str
    leak: Leak
    keywords: tuple[str, ...]
    expression: re.Pattern[str]
    in_bytes: re.Pattern[str]
    files: tuple[str, ...]


class Placeholders(Struct, frozen=True, kw_only=True):
    """What makes a value an example: a word in it (`secrets`), or all of it (`whole`); hosts and users of nobody's.

    All in lower case.
    """

    secrets: tuple[str, ...]
    whole: frozenset[str]
    hosts: frozenset[str]
    users: frozenset[str]


@cache
def secret_patterns() -> tuple[Pattern, ...]:
    """Return the table, in its order.

    Raises:
        DataError: a row is not what the table's comment says.
    """
    return tuple(_pattern(row) for row in load_rows("secret_patterns.csv", _COLUMNS))


@cache
def placeholders() -> Placeholders:
    """Return the words of examples.

    Raises:
        DataError: a row has another kind.
    """
    words: dict[str, list[str]] = {"secret": [], "whole": [], "host": [], "user": []}
    for row in load_rows("placeholders.csv", ("kind", "word", "why")):
        words[row.one_of("kind", tuple(words))].append(row["word"].lower())
    return Placeholders(
        secrets=tuple(words["secret"]),
        whole=frozenset(words["whole"]),
        hosts=frozenset(words["host"]),
        users=frozenset(words["user"]),
    )


def _pattern(row: Row) -> Pattern:
    leak = Leak(row.one_of("kind", tuple(Leak)))
    text = _BOUND.sub(r"{\1,\2}", row["pattern"])
    start, end = (_START, _END) if leak is Leak.TOKEN else ("", "")
    try:
        expression, in_bytes = re.compile(f"{start}(?:{text}){end}"), re.compile(f"{start}(?:{text})")
    except re.error as fault:
        row.fail(f"pattern: {fault}")
    if "v" not in expression.groupindex:
        row.fail("the pattern has no group `v`")
    keywords = row.words("keyword")
    if any(keyword != keyword.lower() for keyword in keywords):
        row.fail("keywords are written in lower case")
    files = () if row["files"] == "*" else row.words("files")
    return Pattern(
        id=row["id"],
        what=row["what"],
        leak=leak,
        keywords=keywords,
        expression=expression,
        in_bytes=in_bytes,
        files=files,
    )
