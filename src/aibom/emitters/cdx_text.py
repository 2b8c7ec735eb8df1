"""URLs, numbers and properties in the spelling that CycloneDX demands."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from aibom.components import Scalar
from aibom.emitters.inert import one_line, visible
from aibom.findings import Evidence

Json = dict[str, Any]
Named = tuple[str, str]
"""A property: name and value."""

MAX_TEXT = 4_000  # characters of one quoted passage; a BOM points at the card, it does not replace it

# Only what a browser opens as a page may become a link: a target's `javascript:` or `file:` URL stays a text.
_URL = re.compile(r"(?P<scheme>https?)://(?:[^/?#@]*@)?(?P<host>[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:\d{1,5})?"
                  r"(?P<rest>(?:[/?#].*)?)", re.IGNORECASE | re.DOTALL)  # fmt: skip
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SEGMENT = re.compile(r"[^A-Za-z0-9_ -]+")


def link(text: str) -> str | None:
    """Return an http(s) URL in a form every validator takes, without user name and password; None for all else."""
    match = _URL.fullmatch(text.strip())
    if match is None:
        return None
    path, hash_sign, fragment = _PERCENT.sub("%25", match["rest"]).partition("#")
    rest = _quoted(path) + hash_sign + _quoted(fragment)
    return f"{match['scheme'].lower()}://{match['host']}{match['port'] or ''}{rest}"


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="/?:@!$&'()*+,;=-._~%")


def scalar(value: Scalar) -> str:
    """Return a setting as text: booleans as JSON spells them, whole numbers without exponent."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def passage(text: str) -> str:
    """Return a quoted passage of at most `MAX_TEXT` characters; a cut is marked with an ellipsis."""
    text = text.strip()
    return visible(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1].rstrip() + "…")


def property_name(*segments: str) -> str:
    """Join the parts of a property name, each reduced to the letters that the taxonomy of CycloneDX allows."""
    return ":".join(_SEGMENT.sub("_", segment) or "_" for segment in segments)


def properties(named: Iterable[Named]) -> list[Json]:
    """Return properties sorted, each once."""
    return [{"name": name, "value": value} for name, value in sorted({(n, visible(v)) for n, v in named})]


def origin(evidence: Evidence) -> str:
    """Return where a statement comes from: a place in the target, or who said it."""
    if evidence.location is not None:
        return one_line(str(evidence.location))
    return one_line(evidence.source or "aibom")


def timestamp(moment: dt.datetime) -> str:
    """Return an RFC 3339 date-time in UTC, to the second."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")


def without_empty(value: Json) -> Json:
    """Return the mapping without None, empty texts, lists and mappings at its top level."""
    return {key: item for key, item in value.items() if item is not None and item not in ("", [], {})}
