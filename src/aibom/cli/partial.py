"""Options of commands that scan without being `scan`: what they do not offer counts as not given."""

from __future__ import annotations

from typing import Any


class PartialOptions(dict[str, Any]):
    """The options that a command has; any other one is not given."""

    def __missing__(self, name: str) -> bool:
        """Return what a flag is that was not given; the reader of settings takes it for no value anywhere."""
        del name
        return False
