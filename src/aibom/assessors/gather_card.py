"""Facts that stand in the card's text: uses and exclusions, limitations, documents it points to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from aibom.assessors.card_text import CardPassage, Part
from aibom.assessors.conditions import Phrase
from aibom.assessors.facts import Fact, Passage, merge_evidence
from aibom.assessors.judgement import mentions
from aibom.components import ModelCard
from aibom.files import Location
from aibom.findings import Evidence

_READ_AS_CLAIMS = frozenset({Part.USE, Part.DESCRIPTION})
_LIMITING = re.compile(
    r"limitation|hallucinat|may (?:produce|generate|contain|exhibit|reflect|be inaccurate|fail|not)|"
    r"can (?:produce|generate|lead to)|"
    r"\bbias(?:es|ed)?\b|inaccura|not (?:reliable|suitable|perform)|knowledge cut-?off|context (?:length|"
    r"window)|maximum (?:input|sequence|length)|"
    r"do not use greedy|repetition|Einschränkung|limitaci|局限|限制",
    re.IGNORECASE,
)
_CAPABLE = re.compile(
    r"assistant|fine-?tuned (?:on|for|to)|\bhelps?\b|\bcan (?:be used|generate|answer|perform|write|create|"
    r"transcribe|classify|detect|follow)|capab|supports?\b|designed (?:to|for)|"
    r"is (?:an?|the) [\w\s,-]{0,60}(?:model|network|classifier|encoder)|trained to|excels?|generat(?:es|ing|"
    r"ion)|languages?\b|能力",
    re.IGNORECASE,
)
_PAID = re.compile(
    r"\bpricing\b|dual[- ]licen[sc]|commercial licen[sc]e (?:is )?(?:available|can be (?:purchased|obtained|bought))|"
    r"(?:purchase|buy|obtain) (?:a|an) (?:commercial|enterprise) licen[sc]e|paid (?:plan|access|licen[sc]e|"
    r"subscription)|"
    r"subscribe to|for commercial (?:use|licensing),? (?:please )?contact",
    re.IGNORECASE,
)
_DOCUMENTS: tuple[tuple[str, tuple[Phrase, ...], re.Pattern[str]], ...] = (
    (
        "docs.copyright-policy",
        (
            Phrase((("copyright policy",),)),
            Phrase(
                (
                    ("text and data mining", "TDM", "opt-out*", "opt out*"),
                    ("copyright*", "rights reserv*", "right holder*", "rightsholder*", "robots.txt"),
                )
            ),
            Phrase((("Article 4(3)", "Art. 4(3)"),)),
            Phrase((("robots.txt",), ("respect*", "honor*", "honour*", "comply", "complied", "follow*"))),
        ),
        re.compile(r"copyright[-_ ]?policy|opt[-_ ]?out", re.IGNORECASE),
    ),
    (
        "docs.training-summary",
        (
            Phrase(
                (
                    (
                        "summary of training content",
                        "summary of public content",
                        "summary of the content used for training",
                        "training content summary",
                        "public training summary",
                    ),
                )
            ),
            Phrase(
                (
                    ("public summary", "training data summary", "training summary"),
                    ("EU", "AI Act", "AI Office", "template", "53(1)(d)", "training"),
                )
            ),
        ),
        re.compile(r"public[-_ ]?summary|training[-_ ]?(?:content|data)[-_ ]?summary|eu[-_ ]summary", re.IGNORECASE),
    ),
    (
        "docs.acceptable-use",
        (Phrase((("acceptable use policy", "use policy", "usage policy", "prohibited use policy", "AUP"),)),),
        re.compile(r"use[-_ ]?policy|usage[-_ ]?policy|(?:^|/)aup\b", re.IGNORECASE),
    ),
    (
        "docs.watermark",
        (Phrase((("watermark*", "SynthID", "C2PA", "content credentials", "invisible-watermark"),)),),
        re.compile(r"watermark|c2pa", re.IGNORECASE),
    ),
    (
        "docs.safety-checker",
        (
            Phrase(
                (
                    (
                        "safety checker*",
                        "safety filter*",
                        "content filter*",
                        "nsfw filter*",
                        "nsfw detector*",
                        "guard model*",
                        "Llama Guard*",
                        "ShieldGemma",
                    ),
                )
            ),
        ),
        re.compile(r"(?:^|/)safety_checker/|guardrail", re.IGNORECASE),
    ),
)


def card_facts(
    card: ModelCard | None, passages: Sequence[CardPassage], paths: Iterable[str]
) -> Iterator[tuple[str, Fact]]:
    """Yield the facts of the card and of the documents beside it. Without a card, its texts stay unknown."""
    paths = list(paths)
    yield from _documents(card, passages, paths)
    yield "card.present", Fact(value=card is not None, method="files", confidence=1.0)
    if card is None:
        return
    complete = not card.truncated
    prose = [item for item in passages if not item.code]
    affirmed = [item for item in prose if not item.negated]

    def text(name: str, chosen: Iterable[CardPassage]) -> tuple[str, Fact]:
        found = tuple(Passage(text=item.text, evidence=item.evidence) for item in chosen)
        evidence = merge_evidence(((item.evidence,) for item in found), limit=5)
        return name, Fact(value=found, evidence=evidence, method="card text", confidence=0.8, complete=complete)

    yield text("card.use", (item for item in affirmed if item.part is Part.USE))
    yield text("card.claims", (item for item in affirmed if item.part in _READ_AS_CLAIMS))
    yield text("card.excluded", (item for item in prose if item.negated))
    limiting = [item for item in prose if item.part in {Part.LIMITATIONS, Part.EXCLUDED} or _LIMITING.search(item.text)]
    yield text("card.limitations", limiting)
    able = [item for item in affirmed if item.part in {Part.DESCRIPTION, Part.USE} and _CAPABLE.search(item.text)]
    yield text("card.capabilities", able or [item for item in prose if item.part is Part.EVALUATION])
    yield "card.integration", _integration(card, passages)
    paid = _first(prose, lambda item: bool(_PAID.search(item.text)))
    yield "access.paid", Fact(value=bool(paid), evidence=paid, method="card text", confidence=0.6)
    evaluated = tuple(metric.evidence for metric in card.metrics) or _first(
        [item for item in prose if item.part is Part.EVALUATION], lambda item: bool(re.search(r"\d", item.text))
    )
    yield "docs.evaluation", Fact(value=bool(evaluated), evidence=evaluated[:3], method="card", confidence=0.8)


def _documents(
    card: ModelCard | None, passages: Sequence[CardPassage], paths: Sequence[str]
) -> Iterator[tuple[str, Fact]]:
    """Yield what the card or a file's name says of documents: True with its place, or False as "not found here"."""
    for name, phrases, pattern in _DOCUMENTS:
        named = next((path for path in paths if pattern.search(path)), None)
        told = (item.evidence for item in passages if not item.negated and any(mentions(item.text, p) for p in phrases))
        evidence = _named(named) if named else tuple(islice(told, 1))
        if evidence or (card is not None and not card.truncated):
            yield name, Fact(value=bool(evidence), evidence=evidence, method="card and file names", confidence=0.7)


def _named(path: str) -> tuple[Evidence, ...]:

    return (Evidence(statement="a file of this name", location=Location(path=path)),)


def _integration(card: ModelCard, passages: Sequence[CardPassage]) -> Fact:
    """Say whether the card tells how to load and run the model: a library, a code sample, a section on use."""
    if library := card.fields.get("library_name"):
        where = Location(path=card.path, line=card.lines.get("library_name"))
        return Fact(value=True, evidence=(Evidence(statement=f"library_name {library[0]!r}", location=where),))
    sample = _first(passages, lambda item: item.code) or _first(passages, lambda item: item.part is Part.USAGE)
    return Fact(value=bool(sample), evidence=sample, method="card text", confidence=0.8)


def _first(passages: Iterable[CardPassage], wanted: Callable[[CardPassage], bool]) -> tuple[Evidence, ...]:
    return next(((item.evidence,) for item in passages if wanted(item)), ())
