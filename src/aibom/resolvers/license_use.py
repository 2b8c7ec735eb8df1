"""Answer what the terms mean for the user's own case: commercial use, size, region."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aibom.components import ModelFacts
from aibom.data.license_terms import About, Kind
from aibom.files import Location
from aibom.findings import Evidence, Finding, Severity
from aibom.resolvers.license_flow import Inherited, Outcome
from aibom.resolvers.license_rules import LICENSE_USE_FORBIDDEN, TERRITORY_EXCLUDED, THRESHOLD
from aibom.settings import Profile

_EU = frozenset({
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU", "MT",
    "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "EU",
})  # fmt: skip
_MULTIMODAL = re.compile(r"vision|image|video|audio|vl\b|mllama|llama4|multimodal", re.IGNORECASE)


def judge_use(
    outcome: Outcome,
    facts: ModelFacts,
    profile: Profile,
    place: Location | None,
    *,
    shut: Sequence[Evidence] = (),
) -> Iterator[Finding]:
    """Yield what the profile runs into; without a profile, thresholds and territories as such.

    `shut` are places beside the license that shut out the European Union.
    """
    seen: set[tuple[str, About, str]] = set()
    for item in outcome.inherited:
        term = item.term
        mark = (item.license.key, term.about, term.argument)
        if not item.stated or mark in seen:
            continue
        seen.add(mark)
        if term.kind is Kind.FORBID and term.about is About.COMMERCIAL and profile.commercial:
            yield Finding.of(LICENSE_USE_FORBIDDEN, f"{_name(item)} allows no commercial use: {term.text}", place)
        elif term.kind is Kind.THRESHOLD:
            yield from _threshold(item, profile, place)
        elif term.about is About.TRAIN_OTHERS and profile.trains_others:
            message = f"{_name(item)} limits training other models: {term.text}"
            yield Finding.of(LICENSE_USE_FORBIDDEN, message, place)
    excluded = list(_territories(outcome, facts, profile, place))
    yield from excluded
    mine = _region(profile)
    if not excluded and shut and mine in {"", "EU"}:
        severity = Severity.HIGH if mine else None
        yield Finding.of(TERRITORY_EXCLUDED, shut[0].statement, shut[0].location, severity=severity)


def _region(profile: Profile) -> str:
    region = (profile.region or "").upper()
    return "EU" if region in _EU else region


def _threshold(item: Inherited, profile: Profile, place: Location | None) -> Iterator[Finding]:
    term = item.term
    if profile.hosts is False and "MaaS" in term.text:
        return
    amount = {About.USERS: profile.users, About.REVENUE: profile.revenue}.get(term.about)
    if amount is None or term.value is None:
        if profile.commercial is not False and term.effect != "credit":
            yield Finding.of(THRESHOLD, f"{_name(item)}: {term.text}", place)
    elif amount > term.value:
        severity = Severity.LOW if term.effect == "credit" else Severity.HIGH
        yield Finding.of(
            THRESHOLD, f"{_name(item)}: {term.text}; the profile says {amount:,.0f}", place, severity=severity
        )


def _territories(outcome: Outcome, facts: ModelFacts, profile: Profile, place: Location | None) -> Iterator[Finding]:
    excluded: dict[str, tuple[Inherited, list[str]]] = {}
    for item in outcome.inherited:
        region, _, extent = item.term.argument.partition(":")
        if item.term.about is About.REGION and item.stated and (extent == "all" or _is_multimodal(item, facts)):
            excluded.setdefault(item.license.key, (item, []))[1].append(region)
    mine = _region(profile)
    for item, regions in excluded.values():
        if not mine:
            yield Finding.of(TERRITORY_EXCLUDED, f"{_name(item)}: {item.term.text}", place)
        elif mine in regions:
            message = f"{_name(item)}: {item.term.text}; the profile's region is {profile.region}"
            yield Finding.of(TERRITORY_EXCLUDED, message, place, severity=Severity.HIGH)


def _is_multimodal(item: Inherited, facts: ModelFacts) -> bool:
    """Llama 4 is multimodal throughout; of Llama 3.2 only the vision models are."""
    words = [fact.value for fact in (facts.architecture, facts.family, facts.task) if fact]
    return item.license.key == "llama4" or any(_MULTIMODAL.search(word) for word in (*words, *item.path))


def _name(item: Inherited) -> str:
    return item.license.name if len(item.path) == 1 else f"{item.license.name} of {item.path[0]}"
