"""Facts that a hub states of a model and of its owner, and what comparing weights with other owners' came to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from urllib.parse import urlsplit

from aibom.assessors.card_text import quote
from aibom.assessors.facts import Fact, Passage
from aibom.assessors.reference_data import KnownModel
from aibom.components import Component
from aibom.files import Location
from aibom.findings import Evidence
from aibom.report import SourceFacts
from aibom.resolvers.signals import SAME_WEIGHTS, WEIGHTS_COMPARED

_SHOWN = 200  # characters of a list of files


def hub_facts(
    component: Component, source: SourceFacts, known: KnownModel | None, day: dt.date
) -> Iterator[tuple[str, Fact]]:
    """Yield access, release and support. `day` is that of the scan, on which the hub was asked."""
    said = (Evidence(statement=f"gated: {source.gated}", source=source.kind),)
    if source.gated is not None:
        gated = {"False": "false", "": "false"}.get(str(source.gated), str(source.gated))
        yield "access.gated", Fact(value=gated, evidence=said, method="hub")
    elif component.card and any(key.startswith("extra_gated") for key in component.card.fields):
        where = Location(path=component.card.path)
        yield (
            "access.gated",
            Fact(value="gated", evidence=(Evidence(statement="extra_gated fields", location=where),), method="card"),
        )
    released, said_by = day_of(source.created), source.kind
    if released is None and known is not None:
        released, said_by = known.released, "known models"
    if released is not None:
        evidence = (Evidence(statement=f"first seen {released}", source=said_by),)
        yield "release.date", Fact(value=released, evidence=evidence, method=said_by, confidence=0.7)
    yield from _support(source, day)


def _support(source: SourceFacts, day: dt.date) -> Iterator[tuple[str, Fact]]:
    host = urlsplit(source.url or "").hostname or source.kind

    def stated(statement: str) -> tuple[Evidence, ...]:
        return (Evidence(statement=f"{statement}; asked {day}", source=host),)

    if (changed := day_of(source.modified)) is not None:
        yield "support.last-change", Fact(value=changed, evidence=stated(f"last changed {changed}"), method="hub")
    match source.claims:
        case {"owner-verified": bool(verified)}:
            word = "verified" if verified else "not verified"
            evidence = stated(f"the owner is an organization, {word} by the hub")
            yield "support.owner-verified", Fact(value=verified, evidence=evidence, method="hub")
        case {"owner-kind": "user"}:
            evidence = stated("the owner is a person; the hub verifies organizations only")
            yield "support.owner-verified", Fact(value=False, evidence=evidence, method="hub")
    match source.claims.get("discussions-open"):
        case bool() | str() | None:
            return
        case count:
            parts = [f"{count} discussions open"]
            if (requests := source.claims.get("pull-requests-open")) is not None:
                parts.append(f"{requests} of them pull requests")
            if (latest := day_of(str(source.claims.get("discussion-latest", "")))) is not None:
                parts.append(f"the latest of {latest}")
            fact = Fact(value=float(count), evidence=stated(", ".join(parts)), method="hub")
            yield "support.discussions-open", fact


def republished_facts(
    component: Component, bases: tuple[Component, ...], identity: str | None, day: dt.date
) -> Iterator[tuple[str, Fact]]:
    """Yield which weights are byte for byte another owner's; nothing where no other owner's could be compared.

    An owner that is not known is another one.
    """
    own = (identity or "").partition("/")[0].lower() if identity and "/" in identity else None

    def foreign(ids: str) -> bool:
        return "/" not in ids or ids.partition("/")[0].lower() != own

    compared = {item for item in _listed(component, WEIGHTS_COMPARED) if foreign(item)}
    same = [item for item in _listed(component, SAME_WEIGHTS) if foreign(item)]
    if not compared and not same:
        return
    passages = tuple(
        Passage(text=text, evidence=Evidence(statement=f"the same bytes as {quote(text)}; asked {day}", source="hub"))
        for text in (item[:_SHOWN] for item in same)
    )
    names = {f"{item.group}/{item.name}" if item.group else item.name for item in bases}
    others = {name.lower() for name in names if foreign(name)}
    looked = Evidence(
        statement=f"compared with {quote(', '.join(sorted(compared))[:_SHOWN])}; asked {day}", source="hub"
    )
    yield (
        "lineage.same-weights",
        Fact(
            value=passages,
            evidence=tuple(item.evidence for item in passages) or (looked,),
            method="digests",
            confidence=1.0,
            complete=others <= {item.lower() for item in compared},
        ),
    )


def _listed(component: Component, key: str) -> list[str]:
    return [item for item in str(component.properties.get(key, "")).split("; ") if item]


def day_of(text: str | None) -> dt.date | None:
    """Return the day that a date or a moment begins with, None where it is none."""
    try:
        return dt.date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
