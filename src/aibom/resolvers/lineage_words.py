"""Hints to a base in the words of a card, as trainers and quantizers write them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aibom.components import ModelCard
from aibom.resolvers.lineage_records import BaseClaim, Trust, claim_of

# As the Trainer writes: This model is a fine-tuned version of a link to the base, on the data of this name.
_MADE_FROM = re.compile(
    r"(?:fine-?tuned?\b|distilled|quanti[sz]ed|converted|derived|adapted|based on|original model|base model)"
    r"(?:[^.\n]|\.(?!\s)){0,120}?https?://(?:huggingface\.co|hf\.co)/(?P<id>[\w.-]{1,96}(?:/(?!(?:blob|tree|resolve)/)[\w.-]{1,96})?)",
    re.IGNORECASE,
)
_NO_OWNERS = frozenset({"datasets", "spaces", "docs", "papers", "blog", "collections", "models", "learn", "tasks"})
_MAX_PROSE = 200_000  # characters of a card
_MAX_HINTS = 3


def word_claims(card: ModelCard | None) -> Iterator[BaseClaim]:
    """What a card says in words, as trainers and quantizers write it: a hint, where no field says more."""
    found, left = 0, _MAX_PROSE
    for section in card.sections if card else ():
        text, left = section.text[:left], left - min(left, len(section.text))
        for match in _MADE_FROM.finditer(text):
            if match["id"].partition("/")[0].lower() in _NO_OWNERS or found >= _MAX_HINTS:
                continue
            found += 1
            line = (section.text_line or section.line) + section.text.count("\n", 0, match.start("id"))
            assert card is not None
            yield from claim_of(match["id"].rstrip("."), card.path, "in the text", Trust.HINT, line=line)
