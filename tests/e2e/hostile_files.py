"""Every hostile case of the fixtures, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixtures.hostile import HOSTILE


def every_hostile_file() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file."""
    for case in every_hostile_case():
        yield from case.items()


def every_hostile_case() -> Iterator[Mapping[str, bytes]]:
    """Yield the files of each target, by their names."""
    for cases in HOSTILE.values():
        for case in cases:
            yield case.files()
