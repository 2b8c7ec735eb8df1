"""Judge paths that a file of the target names: does a loader that follows them leave the model's folder?"""

from __future__ import annotations

import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(?://|$)|file:", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def why_outside(path: str) -> str | None:
    """Say why this path leads outside the folder of the file that names it; None if it stays inside."""
    if _CONTROL.search(path):
        return "holds control characters"
    if _SCHEME.match(path):
        return "is a URL"
    if path.startswith(("/", "\\")) or _DRIVE.match(path):
        return "is absolute"
    parts = re.split(r"[/\\]+", path)
    if ".." in parts:
        # `a/../b` counts as well: where `a` is a link, `..` is not where the text says.
        return "climbs with `..`"
    if path.startswith("~"):
        return "starts in a home directory"
    return None
