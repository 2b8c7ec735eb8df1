"""The terms of each license as typed values: what is granted, forbidden, asked for, and to what it extends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache

from msgspec import Struct

from aibom.data.license_table import License


class Kind(StrEnum):
    """What a term does."""

    GRANT = "grant"
    FORBID = "forbid"
    DUTY = "duty"
    THRESHOLD = "threshold"


class Reach(StrEnum):
    """What a term extends to beyond the thing itself."""

    DERIVATIVE = "derivative"
    OUTPUT = "output"
    HOSTED_SERVICE = "hosted-service"
    WHOLE_PRODUCT = "whole-product"


class About(StrEnum):
    """What a term is about."""

    USE = "use"
    MODIFY = "modify"
    DISTRIBUTE = "distribute"
    COMMERCIAL = "commercial"
    FIELD = "field-of-use"
    REGION = "region"
    TRAIN_OTHERS = "train-other-models"
    DISTRIBUTE_MODIFIED = "distribute-modified"
    LICENSE_COPY = "license-copy"
    NOTICE_FILE = "notice-file"
    NAME_PREFIX = "name-prefix"
    CREDIT = "credit-in-product"
    ACKNOWLEDGE = "acknowledge"
    STATE_CHANGES = "state-changes"
    PASS_RESTRICTIONS = "pass-on-restrictions"  # noqa: S105 -- to pass on, no password
    SHARE_ALIKE = "share-alike"
    REGISTER = "register"
    USERS = "monthly-active-users"
    REVENUE = "annual-revenue"
    USAGE = "volume-of-use"


class Term(Struct, frozen=True, kw_only=True):
    """One term. `value` is the amount of a threshold (users, US dollars a year); `argument` a name prefix or a region.

    `effect` of a threshold: `ask` a license of its own is needed above it, `no-rights` there are none above it,
    `credit` a credit is due.
    """

    kind: Kind
    about: About
    reach: tuple[Reach, ...]
    text: str
    value: float | None = None
    argument: str = ""
    effect: str = ""

    @property
    def restricts(self) -> bool:
        """Whether it limits what may be done, other than by a notice or a credit."""
        return self.about is About.SHARE_ALIKE or (
            self.kind in {Kind.FORBID, Kind.THRESHOLD} and self.effect != "credit"
        )


_D, _O, _H, _P = Reach.DERIVATIVE, Reach.OUTPUT, Reach.HOSTED_SERVICE, Reach.WHOLE_PRODUCT
_AMOUNT = re.compile(r"(?:USD |RMB )?(\d+(?:\.\d+)?)\s*(bn|M|K)?\b")
_SCALE = {"bn": 1e9, "M": 1e6, "K": 1e3, None: 1.0}
_PREFIXES = (
    re.compile(r'names? starts? with "([^"]+)"'),
    re.compile(r'"([^"]+)" at start of modified model name'),
    re.compile(r'"([^"]+)" name on derived releases'),
)
_NAMED_OUTPUT = re.compile(r'named "([^".]+)')
_CREDIT = re.compile(
    r'"(?:Built|Powered|Licensed|built)[^"]*"|on the UI|display duty|"[^"]+" prominently|mark encouraged'
)
_ACKNOWLEDGED = re.compile(
    r"credit|acknowledge|attribution|notices of origin|name source|state origin|public statements|technology statement"
)
_RESEARCH = re.compile(r"research|non-?production|academic|evaluation", re.IGNORECASE)
_NON_COMMERCIAL = re.compile(r"non-?commercial", re.IGNORECASE)
_POLICY = re.compile(r"policy|AUP|acceptable use|prohibited", re.IGNORECASE)
_LIGHT_FIELDS = frozenset(
    {"none", "none beyond copyleft", "none seen (secondary)", "USAGE_POLICY file: comply with applicable law"}
)
_REGIONS = (
    ("EU", re.compile(r"\bEU\b")),
    ("GB", re.compile(r"\bUK\b")),
    ("KR", re.compile("South Korea")),
    ("US", re.compile(r"\bUSA?\b")),
)


@cache
def terms_of(license_: License) -> tuple[Term, ...]:
    """Return the terms of one row of the license table."""
    if license_.family in {"unknown", "cc"}:
        return ()
    return (
        *_grants(license_),
        *_prohibitions(license_),
        *_sharing(license_),
        *_thresholds(license_),
        *_training(license_),
        *_duties(license_),
        *_regions(license_),
    )


def _is_yes(cell: str) -> bool:
    return cell == "yes" or cell.startswith("yes,")


def _grants(row: License) -> Iterator[Term]:
    if not row.commercial_use.startswith("no"):
        yield Term(kind=Kind.GRANT, about=About.USE, reach=(_D,), text=f"commercial use: {row.commercial_use}")
    else:
        yield Term(kind=Kind.GRANT, about=About.USE, reach=(_D,), text="for other than commercial ends")
    if row.modification == "yes":
        yield Term(kind=Kind.GRANT, about=About.MODIFY, reach=(_D,), text=row.modification)
    if _is_yes(row.redistribution) or row.redistribution.startswith("only inside"):
        yield Term(kind=Kind.GRANT, about=About.DISTRIBUTE, reach=(_D,), text=row.redistribution)


def _prohibitions(row: License) -> Iterator[Term]:
    if row.commercial_use.startswith("no"):
        reach = (
            (_D, _H, _P)
            if "outputs may be used" in row.commercial_use or row.output_restriction == "none"
            else (_D, _O, _H, _P)
        )
        yield Term(
            kind=Kind.FORBID, about=About.COMMERCIAL, reach=reach, text=f"commercial use ({row.use_restrictions})"
        )
    if not _is_yes(row.modification) and not row.modification.startswith("not granted"):
        yield Term(kind=Kind.FORBID, about=About.DISTRIBUTE_MODIFIED, reach=(_D,), text=row.modification)
    elif row.redistribution == "verbatim only":
        yield Term(kind=Kind.FORBID, about=About.DISTRIBUTE_MODIFIED, reach=(_D,), text=row.redistribution)
    if row.redistribution.startswith(("no", "limited", "restricted")):
        yield Term(kind=Kind.FORBID, about=About.DISTRIBUTE, reach=(_D,), text=row.redistribution)
    field = row.use_restrictions
    if field not in _LIGHT_FIELDS and not re.fullmatch(r"non-?commercial(?: only)?", field):
        # Field limits bind whoever uses the model, in whatever product, and where the text says so its outputs.
        reach = (_D, _O, _H, _P) if row.family in {"openrail", "gemma"} else (_D, _H, _P)
        # A ban on commercial use is a term of its own: what a policy adds to it is the policy.
        narrow = _RESEARCH.search(field) or (_NON_COMMERCIAL.search(field) and not _POLICY.search(field))
        argument = "research" if narrow else "policy"
        yield Term(kind=Kind.FORBID, about=About.FIELD, reach=reach, text=field, argument=argument)


def _sharing(row: License) -> Iterator[Term]:
    text = row.copyleft
    if text == "no" or row.family == "copyleft-weak":
        return
    if "passed on" in text:
        # RAIL texts and Gemma's terms count a model trained on outputs, to imitate, among the derivatives.
        reach = (_D, _O) if row.family in {"openrail", "gemma"} else (_D,)
        yield Term(kind=Kind.DUTY, about=About.PASS_RESTRICTIONS, reach=reach, text=text)
        return
    reach = (_D, _H) if "network" in text else (_D,)
    if "trained on outputs" in text:
        reach = (*reach, _O)
    yield Term(kind=Kind.DUTY, about=About.SHARE_ALIKE, reach=reach, text=text)


def _thresholds(row: License) -> Iterator[Term]:
    text = row.threshold
    if text == "none":
        return
    if "registration" in text or "application" in text or "must contact" in text or "notice before" in text:
        yield Term(kind=Kind.DUTY, about=About.REGISTER, reach=(_D, _P), text=text)
    effect = (
        "credit"
        if "display duty only" in text
        else "no-rights"
        if re.search(r"no rights|no commercial use|only$", text)
        else "ask"
    )
    for part in re.split(r" or |;", text):
        if (match := _AMOUNT.search(part)) is None:
            continue
        value = float(match[1]) * _SCALE[match[2]]
        if "revenue" in part or "ARR" in part:
            # Monthly sums are compared over a year; Chinese yuan are taken at seven to a dollar.
            value *= 12 if "month" in part else 1
            value /= 7 if "RMB" in part else 1
            about = About.REVENUE
        elif re.search(r"monthly (active|unique)|MAU|daily active", part):
            about = About.USERS
        else:
            about = About.USAGE
        yield Term(kind=Kind.THRESHOLD, about=about, reach=(_D, _H, _P), text=text, value=value, effect=effect)
    if not _AMOUNT.search(text) and "licence" in text and "application" not in text:
        yield Term(kind=Kind.THRESHOLD, about=About.USAGE, reach=(_D, _H, _P), text=text, effect="ask")


def _training(row: License) -> Iterator[Term]:
    text = row.no_train
    if text.startswith("yes"):
        reach = (_D, _O) if "output" in text else (_D,)
        yield Term(kind=Kind.FORBID, about=About.TRAIN_OTHERS, reach=reach, text=text)
    elif "named" in text or "naming" in text:
        match = _NAMED_OUTPUT.search(text) or next(
            (found for p in _PREFIXES if (found := p.search(row.attribution))), None
        )
        if match:
            yield Term(kind=Kind.DUTY, about=About.NAME_PREFIX, reach=(_O,), text=text, argument=match[1].strip())
    elif text.startswith("no ban;"):
        yield Term(kind=Kind.DUTY, about=About.CREDIT, reach=(_O,), text=text)


def _duties(row: License) -> Iterator[Term]:
    text = row.attribution
    if text == "none":
        return
    lowered = text.lower()
    if re.search(r"licen[cs]e text|copy of|licence link|agreement text", lowered):
        yield Term(kind=Kind.DUTY, about=About.LICENSE_COPY, reach=(_D,), text=text)
    if re.search(r"\bnotice file|\bnotice\b(?!s)|notice statement", lowered):
        yield Term(kind=Kind.DUTY, about=About.NOTICE_FILE, reach=(_D,), text=text)
    if match := next((found for pattern in _PREFIXES if (found := pattern.search(text))), None):
        reach = (_D, _O) if "trained on outputs" in text else (_D,)
        yield Term(kind=Kind.DUTY, about=About.NAME_PREFIX, reach=reach, text=text, argument=match[1])
    if _CREDIT.search(text):
        yield Term(kind=Kind.DUTY, about=About.CREDIT, reach=(_D, _H, _P), text=text)
    if re.search(r"state changes|mark change|indicate changes", lowered):
        yield Term(kind=Kind.DUTY, about=About.STATE_CHANGES, reach=(_D,), text=text)
    if _ACKNOWLEDGED.search(lowered):
        yield Term(kind=Kind.DUTY, about=About.ACKNOWLEDGE, reach=(_D,), text=text)


def _regions(row: License) -> Iterator[Term]:
    text = row.geographic_exclusion
    if text == "none":
        return
    argument = "multimodal" if "multimodal" in text else "all"
    for region, pattern in _REGIONS:
        if pattern.search(text):
            yield Term(kind=Kind.FORBID, about=About.REGION, reach=(_D, _H), text=text, argument=f"{region}:{argument}")
