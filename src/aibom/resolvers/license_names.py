"""Turn what people write as a license into a row of the table and an SPDX expression, or into neither."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct

from aibom.components import LicenseClaim
from aibom.data.license_table import FAMILY_IDS, UNSTATED_IDS, License, license_table, slug_of

_MAX_EXPRESSION = 1000
# The hub's ids of the GNU licenses do not say whether later versions are allowed; SPDX has no id that leaves it open.
_OPEN_VERSIONS: Mapping[str, str] = {
    "gpl-2.0": "GPL-2.0-only OR GPL-2.0-or-later",
    "gpl-3.0": "GPL-3.0-only OR GPL-3.0-or-later",
    "agpl-3.0": "AGPL-3.0-only OR AGPL-3.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only OR LGPL-2.1-or-later",
    "lgpl-3.0": "LGPL-3.0-only OR LGPL-3.0-or-later",
}
_GNU = re.compile(r"(?P<key>(?:a|l)?gpl-\d\.\d)(?:-only|-or-later|\+)?$")
# How the usual licenses are written in free text: package metadata, GGUF keys, sentences in cards.
_SPOKEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(the )?apache( software)?( licen[cs]e)?,?( version)? ?v?2(\.0)?( licen[cs]e)?", re.IGNORECASE),
        "apache-2.0",
    ),
    (re.compile(r"(the )?mit( licen[cs]e)?", re.IGNORECASE), "mit"),
    (re.compile(r"(the )?(new |modified )?bsd 3[- ]clause( licen[cs]e)?", re.IGNORECASE), "bsd-3-clause"),
    (re.compile(r"cc[- ]by[- ]nc[- ]4(\.0)?( licen[cs]e)?", re.IGNORECASE), "cc-by-nc-4.0"),
    (re.compile(r"cc[- ]by[- ]4(\.0)?( licen[cs]e)?", re.IGNORECASE), "cc-by-4.0"),
    # As the Stability model specification writes it in the metadata of weights.
    (re.compile(r"(the )?creativeml open ?rail-m( licen[cs]e)?", re.IGNORECASE), "creativeml-openrail-m"),
    (re.compile(r"(the )?gemma (licen[cs]e|terms( of use)?)", re.IGNORECASE), "gemma"),
    (re.compile(r"(the )?falcon-180b tii licen[cs]e( 1\.0)?", re.IGNORECASE), "falcon-180b"),
    *(
        (re.compile(rf"(the )?(meta )?llama[ -]?{version}( community)? licen[cs]e( agreement)?", re.IGNORECASE), key)
        for key, version in {
            "llama2": "2", "llama3": "3", "llama3.1": r"3\.1", "llama3.2": r"3\.2", "llama3.3": r"3\.3", "llama4": "4",
        }.items()
    ),
)  # fmt: skip


class Named(Struct, frozen=True, kw_only=True):
    """What a name stands for. `license` and `expression` are None where it names no one license."""

    raw: str
    license: License | None = None
    expression: str | None = None


def read_name(raw: str) -> Named:
    """Read one license name, id or SPDX expression."""
    text = raw.strip()
    if not text or len(text) > _MAX_EXPRESSION:
        return Named(raw=raw[:_MAX_EXPRESSION])
    table = license_table()
    slug = slug_of(text)
    if slug in FAMILY_IDS | UNSTATED_IDS:
        return Named(raw=raw)
    if slug in _OPEN_VERSIONS:
        return Named(raw=raw, license=table.by_key[slug], expression=_OPEN_VERSIONS[slug])
    if row := table.find(text):
        return Named(raw=raw, license=row, expression=_spelled(text) or row.expression)
    if slug in table.ambiguous:
        return Named(raw=raw)
    if expression := _spdx(text):
        gnu = _GNU.match(expression.lower())
        return Named(
            raw=raw, license=table.by_key.get(gnu["key"]) if gnu else table.find(expression), expression=expression
        )
    if text.count("(") <= 1 and (named := re.fullmatch(r"(.+?)\s*\([^()]*\)", text)) and (row := table.find(named[1])):
        return Named(raw=raw, license=row, expression=row.expression)
    for pattern, key in _SPOKEN:
        if pattern.fullmatch(text):
            return Named(raw=raw, license=table.by_key[key], expression=table.by_key[key].expression)
    return Named(raw=raw)


def candidates(raw: str) -> tuple[License, ...]:
    """Return the licenses that share a name chosen by authors (`modified-mit`); empty where the name is clear."""
    return license_table().ambiguous.get(slug_of(raw), ())


def keys_of(expression: str) -> tuple[str, ...]:
    """Return the license ids in an expression, in order."""
    return tuple(dict.fromkeys(_licensing().license_keys(expression))) if _is_expression(expression) else ()


def rows_of(claim: LicenseClaim) -> tuple[License, ...]:
    """Return the licenses that a claim stands for: all of an `AND`, the first of an `OR`, which is a choice."""
    table = license_table()
    if claim.key:
        return (table.by_key[claim.key],)
    if not claim.expression:
        return ()
    ids = keys_of(claim.expression)
    rows = [row for item in ids if (row := table.by_expression.get(item.lower()))]
    return tuple(rows[:1]) if " OR " in claim.expression else tuple(rows)


def _spelled(text: str) -> str | None:
    """Keep an SPDX id that says more than the row does (`-or-later`)."""
    return _spdx(text) if _GNU.match(text.lower()) and slug_of(text) not in _OPEN_VERSIONS else None


def _spdx(text: str) -> str | None:
    """Return the expression in canonical spelling if every id in it is known."""
    if not _is_expression(text):
        return None
    info = _licensing().validate(text)
    return None if info.errors else str(info.normalized_expression)


def _is_expression(text: str) -> bool:
    """Check the shape of an expression: the parser fails in ways of its own on what is none."""
    if not re.fullmatch(r"[\w.+:() \-]+", text) or text.count("(") > 50:
        return False
    depth, wants_license = 0, True
    for token in re.findall(r"[()]|[^\s()]+", text):
        match token.lower():
            case "(" if wants_license:
                depth += 1
            case ")" if not wants_license and depth:
                depth -= 1
            case "and" | "or" | "with" if not wants_license:
                wants_license = True
            case "(" | ")" | "and" | "or" | "with":
                return False
            case _:
                if not wants_license or not re.search(r"\w", token):
                    return False
                wants_license = False
    return not wants_license and not depth


@cache
def _licensing() -> Any:
    from license_expression import LicenseSymbol, Licensing, get_license_index  # noqa: PLC0415 -- 0.1 s

    known = {}
    for entry in get_license_index():
        key = entry.get("spdx_license_key")
        if key and not entry.get("is_deprecated"):
            exception = bool(entry.get("is_exception"))
            known[key.lower()] = LicenseSymbol(key, is_exception=exception)
    for row in license_table().rows:
        if row.expression and row.expression.lower() not in known and " " not in row.expression:
            known[row.expression.lower()] = LicenseSymbol(row.expression)
    return Licensing(known.values())
