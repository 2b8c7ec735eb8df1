"""`--cache` and `--no-cache`: whether a scan remembers what it read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from aibom.cache.store import Store


def cache_option(command: Any) -> Any:
    """Add the option; it is off unless asked for."""
    return click.option(
        "--cache/--no-cache",
        help="Remember files between scans, and read only what has changed; see `aibom cache`. Off by default.",
    )(command)


@contextmanager
def opened_cache(*, asked: bool) -> Iterator[Store | None]:
    """Yield the user's cache where it was asked for."""
    if not asked:
        yield None
        return
    with Store() as store:
        yield store
