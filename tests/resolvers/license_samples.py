"""License texts to test with: those that are installed beside us, and alterations of them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def apache() -> str:
    """The project's own license."""
    return (ROOT / "LICENSE").read_text()


@cache
def mit() -> str:
    """A plain MIT license file of an installed package."""
    return installed("pytest")


@cache
def bsd3() -> str:
    """A plain 3-clause BSD license file of an installed package."""
    return installed("click")


@cache
def installed(name: str) -> str:
    """The license file of an installed package."""
    for distribution in distributions():
        if (distribution.metadata["Name"] or "").lower() == name:
            for file in distribution.files or ():
                if file.name.upper().startswith("LICENSE"):
                    return str(file.read_text())
    raise LookupError(name)


def agreement(title: str, *more: str) -> str:
    """A made-up agreement of two hundred words under this title."""
    return "\n".join([title, *more, *("These are words of no known license, number after number." for _ in range(25))])
