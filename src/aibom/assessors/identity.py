"""Tell which model a piece of text speaks of: the one that is assessed, or another one that it mentions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

_SIZE = re.compile(r"(?<![\w.])(\d{1,4}(?:\.\d{1,3})?)\s?([BbMm])(?![A-Za-z])")
# A name with a size in it ("Llama-3.1-70B", "Qwen3 0.6B", "phi-3-mini-3.8B"), or a size alone ("the 70B model").
_MENTION = re.compile(
    r"(?<![\w.])(?!(?:An?|The|Our|This|These|Those|With|All|Only|For|Both|Each|Its|On|In|Of|Using|From|Over|"
    r"Total|Size|About|"
    r"Around|Has|Have|is|has|was|the|with|of|and|our|its|about|around|over|total|size|on|to|from|for|in)[- ])"
    r"(?:[A-Z][A-Za-z]{1,20}|"
    r"[a-z]{2,20}(?=[-\d]))(?:[- ]?v?\d{1,2}(?:\.\d{1,2})?)?(?:[- ][A-Za-z]{1,12}){0,2}[- ]"
    r"\d{1,4}(?:\.\d{1,3})?[BbMm](?![A-Za-z])"
)
_SELF = re.compile(
    r"\b(?:this (?:model|checkpoint|release|repository|version|variant|adapter)|our (?:model|base model)|"
    r"the (?:present )?model was|we |it was|"
    r"dieses Modell|ce modèle|este modelo|questo modello|本模型|このモデル)",
    re.IGNORECASE,
)
_BELONGS = re.compile(
    r"^\s?(?:were |was |are |is )?(?:used |seen |consumed )?(?:of|for|by|to (?:pre-?)?train)\s(?:the\s)?$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"^[\s,/&()-]{0,4}(?:and|or|und|et|y|e|through|to)?[\s,]{0,3}(?:the\s)?$", re.IGNORECASE)
_UNITS = {"b": 1e9, "m": 1e6}
_TOLERANCE = 1.35  # "7B" is said of 6.7 and of 8.0 billion


class Identity(Struct, frozen=True, kw_only=True):
    """The names and the size by which the assessed model is known; `others` are names of its relatives."""

    names: tuple[str, ...]
    parameters: float | None = None
    others: tuple[str, ...] = ()

    def speaks_of_other(self, text: str, start: int, end: int) -> bool:
        """Say whether the amount at this place of a sentence is another model's.

        The nearest mention before it decides; a mention after it only where the text ties it to the amount ("the 2T
        tokens used for Foo-7B"). Text that names no model speaks of this one.
        """
        before = list(self._mentions(text[:start]))
        mine = [match.end() for match in _SELF.finditer(text[:start])]
        if before:
            if mine and mine[-1] > before[-1][1]:
                return False
            # "the 8B, 70B and 405B models were trained on": the amount is said of every one of a list.
            listed = [before[-1]]
            while len(listed) < len(before):
                mention = before[-len(listed) - 1]
                if not _BETWEEN.match(text[mention[1] : listed[-1][0]]):
                    break
                listed.append(mention)
            return all(other for _, _, other in listed)
        return any(other and _BELONGS.match(text[end:start]) for start, other in self._after(text, end))

    def is_other(self, label: str) -> bool | None:
        """Say whether a heading or a label of a table names another model; None where it names none."""
        found = [other for _, _, other in self._mentions(label)]
        found += [self._is_other(match[0]) for match in _SIZE.finditer(label)]  # in a label, a size alone is a name
        return all(found) if found else None

    def _after(self, text: str, end: int) -> Iterable[tuple[int, bool]]:
        tail = text[end : end + 120]
        for match in (*_MENTION.finditer(tail), *_SIZE.finditer(tail)):
            yield end + match.start(), self._is_other(match[0])
        for name in self.others:
            if (at := tail.lower().find(name.lower())) >= 0:
                yield end + at, True

    def _mentions(self, text: str) -> list[tuple[int, int, bool]]:
        """Return start, end and otherness of every mention, in order of their ends."""
        found = []
        taken: list[tuple[int, int]] = []
        for match in _MENTION.finditer(text):
            found.append((*match.span(), self._is_other(match[0])))
            taken.append(match.span())
        for match in _SIZE.finditer(text):
            # "8B parameters", "15B tokens" say how many; a size names a model where "model" or a list follows.
            named = re.match(
                r"[ -]?(?:model|variant|version|base|instruct|chat|checkpoint|\)|,| and\b|$|:|\||/)",
                text[match.end() :],
            )
            if named and not any(a <= match.start() < b for a, b in taken):
                found.append((*match.span(), self._is_other(match[0])))
                taken.append(match.span())
        for name, other in (*((name, True) for name in self.others), *((name, False) for name in self.names)):
            for match in re.finditer(re.escape(name), text, re.IGNORECASE):
                if not any(a <= match.start() and match.end() <= b and (b - a) > len(name) for a, b in taken):
                    same = any(_plain(own).startswith(_plain(name)) for own in self.names)
                    found.append((*match.span(), other and not same))
        return sorted(found, key=lambda mention: mention[1])

    def _is_other(self, mention: str) -> bool:
        size = _SIZE.search(mention)
        if size is not None:
            said = float(size[1]) * _UNITS[size[2].lower()]
            for own in self.names:
                if own_size := _SIZE.search(own.replace("-", " ").replace("_", " ")):
                    if own_size[1] == size[1] and own_size[2].lower() == size[2].lower():
                        return not _same_family(mention, self.names)
                    return True
            if self.parameters:
                near = said / _TOLERANCE <= self.parameters <= said * _TOLERANCE
                return not near or (not _same_family(mention, self.names) and bool(self.names))
        return not _same_family(mention, self.names)


def _same_family(mention: str, names: Iterable[str]) -> bool:
    """Say whether the words of a mention, its size left out, all stand in one of the names."""
    words = [word for word in re.split(r"[^a-z0-9.]+", _SIZE.sub(" ", mention.lower().replace("-", " "))) if word]
    words = [
        word
        for word in words
        if word not in {"the", "base", "model", "models", "instruct", "chat", "a", "our", "while", "and"}
    ]
    return all(any(_plain(word) in _plain(name) for name in names) for word in words)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
