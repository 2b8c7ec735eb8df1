"""Where targets live: each module opens one kind of place."""

from __future__ import annotations

from aibom.errors import UsageError
from aibom.sources.local import open_local
from aibom.sources.protocol import Source


def open_source(target: str, *, offline: bool = False) -> Source:
    """Open a target read-only, whatever kind of place its spelling names.

    Raises:
        UsageError: no kind of place has this spelling.
        TargetError: it is missing or can't be reached.
    """
    del offline  # a place on this machine needs no network
    scheme, separator, _ = target.partition("://")
    if separator and scheme.isalnum():
        raise UsageError(f"{scheme}:// targets are not supported", hint="give a directory or a file")
    return open_local(target)
