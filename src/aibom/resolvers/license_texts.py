"""Recognise a license by its text: the same words, a known text with harmless differences, or a title. Else abstain.

A wrong answer costs more than none: a text that adds or drops a condition is reported as not the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from msgspec import Struct

from aibom.data.license_table import license_table
from aibom.resolvers.license_differences import (
    MAX_NAME_WORDS,
    MAX_TITLE_WORDS,
    SAME,
    TURNING,
    Difference,
    difference,
    is_harmless,
)
from aibom.resolvers.license_names import keys_of, read_name
from aibom.resolvers.license_prints import CODE, Print, Words, hashes, load_prints, read_words
from aibom.resolvers.license_titles import titled

_MIN_CONTAINED = 0.5  # of a sketch: below this the texts have little in common
_CANDIDATES = 6
_MIN_PART = 60  # words that may be a license of their own inside a file


class Recognized(Struct, frozen=True, kw_only=True):
    """A license that a text is: its name, our key where the table has it, its expression where there is one."""

    name: str
    key: str | None
    expression: str | None


class Detection(Struct, frozen=True, kw_only=True):
    """What a text is. Without `licenses` it only resembles what the statement names.

    `near` are then the ids of the text that it resembles, as expressions hold them, and `turned` says that words were
    added that may change the terms while nearly all of that text is there.
    """

    licenses: tuple[Recognized, ...]
    statement: str
    method: str
    near: tuple[str, ...] = ()
    turned: bool = False


def detect(text: str) -> Detection | None:
    """Say which license a text is, or what it resembles; None where it is nothing that we know."""
    words = read_words(text)
    if not words.words:
        return None
    if same := load_prints().by_codes.get(words.codes):
        return Detection(
            licenses=_recognized(same), statement=f"the text of {_title(same)}, word for word", method="digest"
        )
    nearest = _nearest(words)
    if nearest is not None and is_harmless(nearest, words):
        statement = f"the text of {_title(nearest.item)}; {nearest.words} words differ, none of them in the terms"
        return Detection(licenses=_recognized(nearest.item), statement=statement, method="sketch")
    if nearest is not None and (parts := _parts(nearest, words)):
        names = " and ".join(_title(part) for part in parts)
        licenses = tuple(item for part in parts for item in _recognized(part))
        return Detection(licenses=licenses, statement=f"the texts of {names}, one after the other", method="sketch")
    if (row := titled(text)) is not None:
        license_ = Recognized(name=row.name, key=row.key, expression=row.expression)
        return Detection(licenses=(license_,), statement=f"titled as {row.name}", method="title")
    return _resemblance(nearest, words)


def _resemblance(nearest: Difference | None, words: Words) -> Detection | None:
    if nearest is None:
        return None
    added = sum(end - start for start, end in nearest.added)
    lacking = sum(end - start for start, end in nearest.lacking)
    has = 1 - lacking / nearest.item.length
    if has < 0.8:
        return None
    runs = [words.words[start:end] for start, end in nearest.added]
    first = max(runs, key=lambda run: (len(TURNING & set(run)), len(run)), default=())
    quoted = f", among them “{' '.join(first[:20])}”" if first else ""
    statement = f"not the text of {_title(nearest.item)}: {added} words added, {lacking} missing{quoted}"
    turned = lacking <= max(MAX_NAME_WORDS, round((1 - SAME) * nearest.item.length)) and any(
        TURNING & set(words.words[start:end]) for start, end in nearest.added
    )
    return Detection(
        licenses=(), statement=statement, method="resemblance", near=tuple(_written(nearest.item)), turned=turned
    )


def _nearest(words: Words) -> Difference | None:
    """Return the print with the fewest differing words among those whose sketches say that they come near."""
    mine = hashes(words.codes)
    if not mine:
        return None
    scored = []
    for number, item in enumerate(load_prints().items):
        contained = len(mine.intersection(item.sketch)) / len(item.sketch)
        if contained >= _MIN_CONTAINED:
            scored.append((contained, number, item))
    scored.sort(key=lambda entry: (-round(entry[0], 1), abs(entry[2].length - len(words.words)), entry[1]))
    differences = [difference(item, words.codes) for _, _, item in scored[:_CANDIDATES]]
    # A license that holds another one whole explains more words of the text: fewest differences decide.
    return min(differences, key=lambda found: found.words, default=None)


def _parts(found: Difference, words: Words, depth: int = 0) -> tuple[Print, ...]:
    """Split a file that holds several known texts whole, with nothing of weight between them."""
    if depth > 6 or sum(end - start for start, end in found.lacking) > MAX_TITLE_WORDS:
        return ()
    large = [run for run in found.added if run[1] - run[0] >= _MIN_PART]
    small = [run for run in found.added if run[1] - run[0] < _MIN_PART]
    if not large or any(end - start > MAX_TITLE_WORDS or TURNING & set(words.words[start:end]) for start, end in small):
        return ()
    parts = [found.item]
    for start, end in large:
        piece = Words(words=words.words[start:end], codes=words.codes[CODE * start : CODE * end])
        nearest = _nearest(piece)
        if nearest is None:
            return ()
        if is_harmless(nearest, piece):
            parts.append(nearest.item)
        elif inner := _parts(nearest, piece, depth + 1):
            parts.extend(inner)
        else:
            return ()
    return tuple(_distinct(parts))


def _distinct(parts: Sequence[Print]) -> Iterator[Print]:
    """Yield each text once, by its ids: two variants of one license are one."""
    seen: set[tuple[str, ...]] = set()
    for part in parts:
        if part.ids not in seen:
            seen.add(part.ids)
            yield part


def _recognized(item: Print) -> tuple[Recognized, ...]:
    """Turn a print into licenses. Ids that share a text (`-only`, `-or-later`) are an open choice between them."""
    named = [read_name(key) for key in item.ids]
    rows = {entry.license.key: entry.license for entry in named if entry.license}
    row = next(iter(rows.values())) if len(rows) == 1 else None
    expressions = [entry.expression for entry in named if entry.expression]
    if not expressions:
        return (Recognized(name=_title(item), key=row.key if row else None, expression=None),)
    open_choice = dict.fromkeys(part for expression in expressions for part in expression.split(" OR "))
    return (Recognized(name=_title(item), key=row.key if row else None, expression=" OR ".join(open_choice)),)


@cache
def known_texts() -> frozenset[str]:
    """Return the ids, in lower case, of the licenses whose very text is known here: keys of our table, and of SPDX."""
    return frozenset(key.lower() for item in load_prints().items for key in item.ids)


def _written(item: Print) -> Iterator[str]:
    for expression in (read_name(key).expression for key in item.ids):
        yield from keys_of(expression) if expression else ()


def _title(item: Print) -> str:
    row = license_table().by_key.get(item.ids[0])
    return row.name if row else " / ".join(item.ids)
