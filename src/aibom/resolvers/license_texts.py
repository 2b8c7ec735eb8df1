"""Recognise a license by its text: the same words, a known text with harmless differences, or a title. Else abstain.

A wrong answer costs more than none: a text that adds or drops a condition is reported as not the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from msgspec import Struct

from aibom.data.license_table import license_table
from aibom.resolvers.license_names import keys_of, read_name
from aibom.resolvers.license_prints import CODE, WINDOW, Print, Words, code_of, hashes, load_prints, read_words, windows
from aibom.resolvers.license_titles import titled

_MIN_CONTAINED = 0.5  # of a sketch: below this the texts have little in common
_CANDIDATES = 6
_MAX_NAME_WORDS = 6  # a run that replaces a name: "the name of the copyright holder"
_MAX_TITLE_WORDS = 20  # a title or the project's name before, an address after the terms
_SEAM = 2  # words on either side of words that were taken out
_MIN_PART = 60  # words that may be a license of their own inside a file
_MAX_DIFFERENT = 0.3  # of a short text: above that even names can't explain the difference
_SAME = 0.99  # of the words, for a text that is called by a license's name
# Words that may turn a license into another one, wherever they are added or taken away.
_TURNING_WORDS = """
    not no non nor only never none except unless without exclude excludes excluding excluded prohibit prohibits
    prohibited forbid forbids forbidden restrict restricts restricted restriction restrictions limit limits
    limited limitation commercial commercially noncommercial nonprofit profit research academic educational
    personal evaluation military weapon weapons surveillance revenue users user monthly annual fee royalty
    royalties pay paid payment license licence licensed sublicense additional addition agreement terms condition
    conditions clause must shall may require requires required obtain permission written consent disclose source
    attribution display prominently train training outputs output derivative derivatives modify modified
    distribute distribution territory union european country countries first second third fourth fifth two three
    four five six seven eight nine ten hundred thousand million billion year years month months day days revoke
    revocable terminate termination notify registration register ai model models unmodified unaltered unchanged intact
    verbatim
"""
_TURNING = frozenset(_TURNING_WORDS.split())
# What a title may hold of them: it calls the text a license of something.
_NAMING = frozenset({
    "license", "licence", "licensed", "terms", "agreement", "clause", "ai", "model", "models", "source",
})  # fmt: skip
_NAMING_CODES = frozenset(code_of(word) for word in _NAMING | {"the", "version", "v", "public"})
_NEGATIONS = ("not", "no", "non", "only", "except", "unless", "without", "never", "free")
_TURNING_CODES = frozenset(code_of(word) for word in _TURNING)
# Where nothing stands in their place, what they speak of is no longer asked for.
_DROPPED_CODES = _TURNING_CODES | frozenset(code_of(word) for word in ("copyright", "notice", "notices"))
_NEGATION_CODES = frozenset(code_of(word) for word in _NEGATIONS)


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


class _Difference(Struct, frozen=True, kw_only=True):
    """How a text differs from a print: runs of words that it adds, and of words that it lacks, outside the other."""

    item: Print
    added: tuple[tuple[int, int], ...]
    lacking: tuple[tuple[int, int], ...]
    total: int

    @property
    def words(self) -> int:
        return sum(end - start for start, end in (*self.added, *self.lacking))


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
    if nearest is not None and _harmless(nearest, words):
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


def _resemblance(nearest: _Difference | None, words: Words) -> Detection | None:
    if nearest is None:
        return None
    added = sum(end - start for start, end in nearest.added)
    lacking = sum(end - start for start, end in nearest.lacking)
    has = 1 - lacking / nearest.item.length
    if has < 0.8:
        return None
    runs = [words.words[start:end] for start, end in nearest.added]
    first = max(runs, key=lambda run: (len(_TURNING & set(run)), len(run)), default=())
    quoted = f", among them “{' '.join(first[:20])}”" if first else ""
    statement = f"not the text of {_title(nearest.item)}: {added} words added, {lacking} missing{quoted}"
    turned = lacking <= max(_MAX_NAME_WORDS, round((1 - _SAME) * nearest.item.length)) and any(
        _TURNING & set(words.words[start:end]) for start, end in nearest.added
    )
    return Detection(
        licenses=(), statement=statement, method="resemblance", near=tuple(_written(nearest.item)), turned=turned
    )


def _nearest(words: Words) -> _Difference | None:
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
    differences = [_difference(item, words.codes) for _, _, item in scored[:_CANDIDATES]]
    # A license that holds another one whole explains more words of the text: fewest differences decide.
    return min(differences, key=lambda found: found.words, default=None)


def _difference(item: Print, codes: bytes) -> _Difference:
    theirs, mine = windows(item.codes), windows(codes)
    return _Difference(
        item=item,
        added=tuple(_uncovered(mine, frozenset(theirs))),
        lacking=tuple(_uncovered(theirs, frozenset(mine))),
        total=len(mine) + WINDOW - 1,
    )


def _uncovered(found: Sequence[bytes], known: frozenset[bytes]) -> Iterator[tuple[int, int]]:
    """Yield the runs of words that lie in no known window."""
    end_of_cover = 0
    for start, window in enumerate(found):
        if window in known:
            if start > end_of_cover:
                yield end_of_cover, start
            end_of_cover = start + WINDOW
    if (end := len(found) + WINDOW - 1) > end_of_cover:
        yield end_of_cover, end


def _harmless(found: _Difference, words: Words) -> bool:
    """Say whether what differs can't be a term: titles, names, a word or two in another spelling."""
    total = len(words.words)
    if not found.words and total == found.item.length:
        return False  # the same sentences in another order
    if not _is_tabled(found.item) or _drops_a_term(found, words):
        return False
    tolerated = round((1 - _SAME) * total)
    if found.words > min(2 * _MAX_TITLE_WORDS + tolerated, _MAX_DIFFERENT * found.item.length) or _retitled(
        found, words
    ):
        return False
    inner = 0
    for start, end in found.added:
        edge = start == 0 or end == total
        run = words.words[start:end]
        turning = _TURNING - _NAMING if start == 0 else _TURNING
        if end - start > (_MAX_TITLE_WORDS if edge else _MAX_NAME_WORDS) or turning & set(run):
            return False
        if start and _has_number(run, found.item):
            return False
        inner += 0 if edge else end - start
    codes = found.item.codes
    for start, end in found.lacking:
        edge = start == 0 or end == found.item.length
        gone = {codes[CODE * i : CODE * (i + 1)] for i in range(start, end)}
        # Where a name stood in place of another, only words that turn a sentence count.
        turning_codes = _NEGATION_CODES if end - start <= _MAX_NAME_WORDS else _TURNING_CODES
        if end - start > (_MAX_TITLE_WORDS if edge else _MAX_NAME_WORDS) or (start and turning_codes & gone):
            return False
        inner += 0 if edge else end - start
    return inner <= max(2 * _MAX_NAME_WORDS, tolerated)


def _is_tabled(item: Print) -> bool:
    """Say whether our table knows what the license asks for.

    Licenses of the long tail differ from each other in names alone (BSD-3-Clause-HP from BSD-3-Clause, HTMLTIDY from
    libpng-2.0): of them only the exact words tell which one a text is.
    """
    return any(read_name(key).license is not None for key in item.ids)


def _drops_a_term(found: _Difference, words: Words) -> bool:
    """Say whether a word that matters is gone and nothing stands in its place."""
    codes = found.item.codes
    for start, end in found.lacking:
        gone = {codes[CODE * at : CODE * (at + 1)] for at in range(start, end)}
        if start < _SEAM or end + _SEAM > found.item.length or not gone & _DROPPED_CODES:
            continue
        seam = codes[CODE * (start - _SEAM) : CODE * start] + codes[CODE * end : CODE * (end + _SEAM)]
        at = words.codes.find(seam)
        while at >= 0:
            if at % CODE == 0:
                return True
            at = words.codes.find(seam, at + 1)
    return False


def _retitled(found: _Difference, words: Words) -> bool:
    """Say whether another license stands in the title: its number, or other words where a license is named."""
    added = next((words.words[start:end] for start, end in found.added if start == 0), ())
    gone = next(((start, end) for start, end in found.lacking if start == 0), None)
    if gone is None or not added:
        return False
    codes = found.item.codes
    lost = {codes[CODE * at : CODE * (at + 1)] for at in range(*gone)}
    own = lost - _NAMING_CODES - {code_of(word) for word in added}
    numbered = any(any(char.isdigit() for char in word) and code_of(word) not in lost for word in added)
    return bool(own) and numbered


def _has_number(run: Sequence[str], item: Print) -> bool:
    """A number inside the terms of a model license is a threshold or a version."""
    return any(any(char.isdigit() for char in word) for word in run) and not _is_spdx(item)


def _is_spdx(item: Print) -> bool:
    return not any(key in license_table().by_key and not license_table().by_key[key].in_spdx for key in item.ids)


def _parts(found: _Difference, words: Words, depth: int = 0) -> tuple[Print, ...]:
    """Split a file that holds several known texts whole, with nothing of weight between them."""
    if depth > 6 or sum(end - start for start, end in found.lacking) > _MAX_TITLE_WORDS:
        return ()
    large = [run for run in found.added if run[1] - run[0] >= _MIN_PART]
    small = [run for run in found.added if run[1] - run[0] < _MIN_PART]
    if not large or any(
        end - start > _MAX_TITLE_WORDS or _TURNING & set(words.words[start:end]) for start, end in small
    ):
        return ()
    parts = [found.item]
    for start, end in large:
        piece = Words(words=words.words[start:end], codes=words.codes[CODE * start : CODE * end])
        nearest = _nearest(piece)
        if nearest is None:
            return ()
        if _harmless(nearest, piece):
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
