"""What a statement about a base model is, and how names in such statements are compared."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from msgspec import Struct

from aibom.components import Derivation
from aibom.data.known_bases import canonical
from aibom.findings import Evidence
from aibom.resolvers.hub_names import ModelName, parse_name
from aibom.resolvers.repository import stated

_MIN_NAME = 6  # letters and digits of a name that may be the end of a longer one


class Trust(IntEnum):
    """Who says it, the most trusted first: a tool that used the base, a person in the card, a hint."""

    TOOL = 1
    CARD = 2
    HINT = 3


class BaseClaim(Struct, frozen=True, kw_only=True):
    """A statement that a model comes from another; `derivation` is None where the place does not say how.

    `about` is the name that the place gives to the model that it speaks of, where that may be another than the target:
    llama.cpp copies the bases that the converted model's own card names.
    """

    name: ModelName
    trust: Trust
    evidence: Evidence
    derivation: Derivation | None = None
    about: str | None = None


def claim_of(
    raw: Any, path: str, key: str, trust: Trust, *, derivation: Derivation | None = None, line: int | None = None
) -> Iterator[BaseClaim]:
    """Yield a claim where what stands there names a model."""
    if isinstance(raw, str) and (name := parse_name(raw)):
        evidence = stated(path, f"{key}: {name.shown}", line)
        yield BaseClaim(name=name, trust=trust, evidence=evidence, derivation=derivation)


def is_known_name(name: ModelName) -> bool:
    """Say whether a name leads to one repository: one with its owner, or an old one that is known to have moved."""
    return name.kind == "hub" or (name.kind == "name" and "/" in canonical(name.name))


def same_model(first: str, second: str) -> bool:
    """Compare names by letters and digits: `Meta Llama 3.1 8B` is `Llama-3.1-8B`, with the maker's name before it."""
    one, other = ("".join(char for char in name.lower() if char.isalnum()) for name in (first, second))
    return one == other or (min(len(one), len(other)) >= _MIN_NAME and (one.endswith(other) or other.endswith(one)))
