"""How a text differs from a known license's text, and whether a difference can't be a term.

A text that adds or drops a condition is another license, whatever else it shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from aibom.data.license_table import license_table
from aibom.resolvers.license_names import read_name
from aibom.resolvers.license_prints import CODE, WINDOW, Print, Words, code_of, windows

MAX_NAME_WORDS = 6  # a run that replaces a name: "the name of the copyright holder"
MAX_TITLE_WORDS = 20  # a title or the project's name before, an address after the terms
_SEAM = 2  # words on either side of words that were taken out
_MAX_DIFFERENT = 0.3  # of a short text: above that even names can't explain the difference
SAME = 0.99  # of the words, for a text that is called by a license's name
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
TURNING = frozenset(_TURNING_WORDS.split())
# What a title may hold of them: it calls the text a license of something.
_NAMING = frozenset({
    "license", "licence", "licensed", "terms", "agreement", "clause", "ai", "model", "models", "source",
})  # fmt: skip
_NAMING_CODES = frozenset(code_of(word) for word in _NAMING | {"the", "version", "v", "public"})
_NEGATIONS = ("not", "no", "non", "only", "except", "unless", "without", "never", "free")
_TURNING_CODES = frozenset(code_of(word) for word in TURNING)
# Where nothing stands in their place, what they speak of is no longer asked for.
_DROPPED_CODES = _TURNING_CODES | frozenset(code_of(word) for word in ("copyright", "notice", "notices"))
_NEGATION_CODES = frozenset(code_of(word) for word in _NEGATIONS)


class Difference(Struct, frozen=True, kw_only=True):
    """How a text differs from a print: runs of words that it adds, and of words that it lacks, outside the other."""

    item: Print
    added: tuple[tuple[int, int], ...]
    lacking: tuple[tuple[int, int], ...]
    total: int

    @property
    def words(self) -> int:
        """How many words differ."""
        return sum(end - start for start, end in (*self.added, *self.lacking))


def difference(item: Print, codes: bytes) -> Difference:
    """Return what the words of a text, as codes, add to a print and lack of it."""
    theirs, mine = windows(item.codes), windows(codes)
    return Difference(
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


def is_harmless(found: Difference, words: Words) -> bool:
    """Say whether what differs can't be a term: titles, names, a word or two in another spelling."""
    total = len(words.words)
    if not found.words and total == found.item.length:
        return False  # the same sentences in another order
    if not _is_tabled(found.item) or _drops_a_term(found, words):
        return False
    tolerated = round((1 - SAME) * total)
    if found.words > min(2 * MAX_TITLE_WORDS + tolerated, _MAX_DIFFERENT * found.item.length) or _retitled(
        found, words
    ):
        return False
    inner = 0
    for start, end in found.added:
        edge = start == 0 or end == total
        run = words.words[start:end]
        turning = TURNING - _NAMING if start == 0 else TURNING
        if end - start > (MAX_TITLE_WORDS if edge else MAX_NAME_WORDS) or turning & set(run):
            return False
        if start and _has_number(run, found.item):
            return False
        inner += 0 if edge else end - start
    codes = found.item.codes
    for start, end in found.lacking:
        edge = start == 0 or end == found.item.length
        gone = {codes[CODE * i : CODE * (i + 1)] for i in range(start, end)}
        # Where a name stood in place of another, only words that turn a sentence count.
        turning_codes = _NEGATION_CODES if end - start <= MAX_NAME_WORDS else _TURNING_CODES
        if end - start > (MAX_TITLE_WORDS if edge else MAX_NAME_WORDS) or (start and turning_codes & gone):
            return False
        inner += 0 if edge else end - start
    return inner <= max(2 * MAX_NAME_WORDS, tolerated)


def _is_tabled(item: Print) -> bool:
    """Say whether our table knows what the license asks for.

    Licenses of the long tail differ from each other in names alone (BSD-3-Clause-HP from BSD-3-Clause, HTMLTIDY from
    libpng-2.0): of them only the exact words tell which one a text is.
    """
    return any(read_name(key).license is not None for key in item.ids)


def _drops_a_term(found: Difference, words: Words) -> bool:
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


def _retitled(found: Difference, words: Words) -> bool:
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
