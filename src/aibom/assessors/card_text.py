"""Cut a card into passages: sentences, list items, table rows, each with its line and its part of the card."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from enum import StrEnum
from itertools import accumulate, pairwise

from msgspec import Struct

from aibom.components import ModelCard, Section
from aibom.files import Location
from aibom.findings import Evidence

_MAX_PASSAGES = 20_000
_LONGEST = 2000  # characters; a clause that is longer is no sentence, and is cut
_QUOTE = 240  # characters of the target's text that one piece of evidence quotes


class Part(StrEnum):
    """What a section of a card is about, by its heading or the nearest heading above it that tells."""

    USE = "use"
    EXCLUDED = "excluded"
    LIMITATIONS = "limitations"
    TRAINING = "training"
    DESCRIPTION = "description"
    EVALUATION = "evaluation"
    USAGE = "usage"
    LICENSE = "license"
    OTHER = "other"


# First match wins; words of other languages stand beside the English ones.
_HEADINGS: tuple[tuple[Part, re.Pattern[str]], ...] = tuple(
    (part, re.compile(pattern, re.IGNORECASE))
    for part, pattern in (
        (
            Part.EXCLUDED,
            (
                r"out[- ]of[- ]scope|misuse|malicious|prohibited|restricted use|unintended|not intended|"
                r"hors[- ]champ|nicht vorgesehen|usos? (?:no|fuera)"
            ),
        ),
        (
            Part.LIMITATIONS,
            (
                r"limit|bias|risk|caveat|consideration|known issue|safety|ethic|warning|disclaimer|"
                r"best practice|responsib|einschränkung|limitaciones|biais|局限|限制|制限|注意"
            ),
        ),
        (
            Part.TRAINING,
            (
                r"train|pre-?train|hardware|compute|carbon|environmental|infrastructure|data(?:set)?s?\b|"
                r"entraînement|entrenamiento|treinamento|addestramento|trainings|训练|学習|학습"
            ),
        ),
        (Part.EVALUATION, r"evaluat|benchmark|results?|performance|metrics|leaderboard|评测|評価"),
        (Part.LICENSE, r"licen[cs]e|terms"),
        (
            Part.USAGE,
            (
                r"how to|get(?:ting)? started|quick ?start|usage|installation|example|inference|deploy|"
                r"requirements|快速开始|使い方|사용법"
            ),
        ),
        (
            Part.USE,
            (
                r"\buses?\b|use[- ]cases?|intended|applications?|purpose|verwendung|einsatz|utilisation|"
                r"uso\b|usos\b|用途"
            ),
        ),
        (Part.OTHER, r"citation|cite|acknowledg|reference|contact|authors?|changelog|news|related|contribut|引用"),
        (
            Part.DESCRIPTION,
            (
                r"description|overview|summary|details|about|introduction|model|highlights|features|"
                r"beschreibung|descripción|présentation|介绍|概要"
            ),
        ),
    )
)
_NEGATION = re.compile(
    r"\b(?:not (?:be )?(?:intended|suitable|suited|designed|meant|recommended|allowed|permitted|used?|for|"
    r"to be|appropriate"
    r"|applicable|deployed?|employed)|isn['\u2019]t (?:intended|suitable|designed|meant|for)|"
    r"must not|should(?: not|n['\u2019]t)|"
    r"may not be|shall not|do(?: not|n['\u2019]t) (?:use|deploy|rely|apply)|"
    r"can(?:not| not|['\u2019]t) be used|never (?:be )?use|"
    r"out[- ]of[- ]scope|prohibit\w*|forbid\w*|disallow\w*|unsuitable|inappropriate for|exclud\w+|refrain|avoid using|"
    r"no use (?:in|for)|nicht (?:für|zum|zur|geeignet|bestimmt|gedacht|verwend\w*|eingesetzt)|keinesfalls|"
    r"ne (?:doit|doivent|devrait|convient|peut|sert) pas|n['\u2019]est pas (?:destin|conçu|prévu)\w*|"
    r"no (?:debe|está destinad|se recomienda|usar|utilizar)\w*|não (?:deve|é destinad|usar)\w*|non (?:deve|"
    r"è destinat|usare)\w*)"
    r"|不得|禁止|请勿|不适用|使用しないで",
    re.IGNORECASE,
)
_ALLOWED_AGAIN = re.compile(r"\bwithout\b|\bonly with\b|\bunless\b", re.IGNORECASE)
_CLAUSES = re.compile(
    r";|,?\s(?:but|however|whereas|sondern|aber|mais|pero)\s|,\s(?=not\s)|\s(?=and not\s)", re.IGNORECASE
)
_ENDS = re.compile(
    r"(?<=[.!?。\uff01\uff1f])(?:[\"')\]»”]{0,2})\s+(?=[\"'(\[«“]{0,2}[A-ZÀ-ÝÄÖÜ0-9\u3040-\u9fff])|(?<=[。\uff01\uff1f])"
)
_ITEM = re.compile(r"^\s{0,12}(?:[-*+•]|\d{1,2}[.)])\s+")
_FENCE = re.compile(r"^\s{0,3}(```|~~~)")


class CardPassage(Struct, frozen=True, kw_only=True):
    """A sentence, list item or table row of a card. `headings` are the titles above it, nearest last.

    `negated` is True where it excludes a use. `cells` and `header` are filled for rows of tables.
    """

    text: str
    part: Part
    headings: tuple[str, ...]
    evidence: Evidence
    negated: bool = False
    code: bool = False
    cells: tuple[str, ...] = ()
    header: tuple[str, ...] = ()


def quote(text: str) -> str:
    """Return the target's words as a quotation: one line, printable, short, between quotation marks."""
    words = "".join(c if c.isprintable() else " " for c in text[: 4 * _QUOTE])
    words = " ".join(words.split())
    return f"“{words[:_QUOTE].rstrip()}…”" if len(words) > _QUOTE or len(text) > 4 * _QUOTE else f"“{words}”"


def read_passages(card: ModelCard) -> tuple[CardPassage, ...]:
    """Cut a card into passages, in order; at most `_MAX_PASSAGES`, which no real card reaches."""
    passages: list[CardPassage] = []
    trail: list[Section] = []
    for section in card.sections:
        while trail and trail[-1].level >= section.level:
            trail.pop()
        trail.append(section)
        titles = tuple(item.title for item in trail if item.title)
        part = next((found for title in reversed(titles) if (found := part_of(title))), None)
        # The first heading is the model's name, and what stands right below it describes the model.
        if part is None or (len(titles) <= 1 and section.level <= 1):
            part = Part.DESCRIPTION if len(titles) <= 1 else Part.OTHER
        for passage in _section(card.path, section, part, titles):
            passages.append(passage)
            if len(passages) >= _MAX_PASSAGES:
                return tuple(passages)
    return tuple(passages)


def part_of(title: str) -> Part | None:
    """Return what a heading announces, None where it tells nothing."""
    return next((part for part, pattern in _HEADINGS if pattern.search(title[:200])), None)


def _section(path: str, section: Section, part: Part, titles: tuple[str, ...]) -> Iterator[CardPassage]:
    first = section.text_line if section.text_line is not None else section.line + 1
    lead_negated = False
    for block_line, kind, lines in _blocks(section.text.split("\n")):
        line = first + block_line
        if kind == "code":
            yield CardPassage(text="\n".join(lines)[:4000], part=part, headings=titles, code=True,
                              evidence=_evidence(path, line, lines[0] if lines else ""))  # fmt: skip
        elif kind == "table":
            yield from _table(path, line, lines, part, titles)
        else:
            lead = kind == "item" and lead_negated
            text = " ".join(item.strip() for item in lines)
            # Where each line starts in the joined text; looked up, because a block may have as many clauses as lines.
            starts = list(accumulate((len(item.strip()) + 1 for item in lines), initial=0))
            for offset, clause in _clauses(text):
                negated = part is Part.EXCLUDED or lead or excludes(clause)
                at = line + bisect_right(starts, offset) - 1
                yield CardPassage(text=clause, part=part, headings=titles, negated=negated,
                                  evidence=_evidence(path, at, clause))  # fmt: skip
            if kind == "prose":
                lead_negated = text.rstrip("*_ ").endswith((":", "\uff1a")) and excludes(text[-400:])


def excludes(clause: str) -> bool:
    """Say whether a clause excludes a use; "not … without review" allows it on a condition, so it excludes none."""
    found = _NEGATION.search(clause)
    return found is not None and not _ALLOWED_AGAIN.search(clause, found.end())


def _blocks(lines: list[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Yield index, kind (prose, item, table, code) and lines of each paragraph, list item, table or code block."""
    start, kind, held = 0, "", list[str]()
    fence = ""
    for index, line in enumerate([*lines, ""]):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1] == fence:
                yield start, "code", held
                fence, held, kind = "", [], ""
            else:
                held.append(line)
            continue
        now = "code" if mark else "table" if line.lstrip().startswith("|") else "item" if _ITEM.match(line) else "prose"
        if held and (not line.strip() or now in {"code", "item"} or (now == "table") != (kind == "table")):
            yield start, kind, held
            held, kind = [], ""
        if mark:
            fence, start, held = mark[1], index + 1, []
        elif line.strip():
            if not held:
                start, kind = index, now
            held.append(line)
    if fence and held:
        yield start, "code", held


def _clauses(text: str) -> Iterator[tuple[int, str]]:
    """Yield offset and text of each clause: sentences, cut where a "but" turns what they say."""
    cuts = sorted({0, len(text), *(m.end() for m in _ENDS.finditer(text)), *(m.end() for m in _CLAUSES.finditer(text))})
    for start, end in pairwise(sorted({*cuts, *range(0, len(text), _LONGEST)})):
        if clause := text[start:end].strip():
            yield start, clause


def _table(path: str, line: int, lines: list[str], part: Part, titles: tuple[str, ...]) -> Iterator[CardPassage]:
    rows = [tuple(cell.strip() for cell in row.strip().strip("|").split("|")) for row in lines[:2000]]
    ruled = len(rows) > 1 and all(re.fullmatch(r":?-+:?", cell) for cell in rows[1] if cell)
    header = rows[0] if ruled else ()
    for index, cells in enumerate(rows):
        if ruled and index == 1:
            continue
        yield CardPassage(
            text=" | ".join(cells), part=part, headings=titles, cells=cells, header=header,
            evidence=_evidence(path, line + index, " | ".join(cells)),
        )  # fmt: skip


def _evidence(path: str, line: int, text: str) -> Evidence:
    return Evidence(statement=quote(text), location=Location(path=path, line=line))
