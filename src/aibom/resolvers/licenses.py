"""Conclude what is known of a model's license, and report what stands against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import LicenseClaim, ModelCard, ModelFacts, Scalar, Scope
from aibom.data.known_bases import known
from aibom.data.license_table import License
from aibom.data.license_terms import About, Kind
from aibom.files import Location
from aibom.findings import Evidence, Finding, Severity
from aibom.resolvers.license_chain import judge
from aibom.resolvers.license_claims import Terms
from aibom.resolvers.license_flow import Edge, Inherited, Node, Outcome, Verdict
from aibom.resolvers.license_names import candidates, keys_of, rows_of
from aibom.resolvers.license_rules import (
    BY_ID,
    LICENSE_DISAGREEMENT,
    LICENSE_MISSING_TEXT,
    LICENSE_UNDETERMINED,
    NAME_PREFIX_MISSING,
    NOTICE_MISSING,
)
from aibom.resolvers.license_texts import known_texts
from aibom.resolvers.license_use import judge_use
from aibom.settings import Profile

_MIN_WORDS = 60  # of a text that states terms; a shorter one points to them


class Licensed(Struct, frozen=True, kw_only=True):
    """A model as license rules see it. `identity` is its `owner/name` where known."""

    name: str
    identity: str | None
    terms: Terms
    parents: tuple[Edge, ...]
    """Its bases, the data it was trained on, code that comes with it."""
    card: ModelCard | None
    facts: ModelFacts
    lone_file: bool = False
    """True where the target is one file, beside which nobody puts a license."""


class Licensing(Struct, frozen=True, kw_only=True):
    """The claims about a model's license with what follows from them; `properties` are names of the BOM."""

    claims: tuple[LicenseClaim, ...]
    findings: tuple[Finding, ...]
    properties: dict[str, Scalar]


def resolve_licenses(model: Licensed, profile: Profile) -> Licensing:
    """Judge one model against what it was made from, and for the use that the profile states."""
    name, terms = model.name, model.terms
    own = _own(terms.claims)
    outcome = judge(Node(name=name, licenses=own, parents=model.parents))
    place = _place(terms, model.card)
    findings = [
        *_disagreements(terms, place),
        *_undetermined(model, own, place),
        *_chain_findings(outcome, place),
        *_missing_text(model, own, place),
        *_missing_duties(model, outcome, place),
        *judge_use(outcome, model.facts, profile, place, shut=terms.territories),
    ]
    claims = (*terms.claims, *_concluded(terms.claims))
    return Licensing(claims=claims, findings=tuple(findings), properties=dict(_properties(outcome, own)))


def _own(claims: Sequence[LicenseClaim]) -> tuple[License, ...]:
    """The licenses of the weights: as declared, else as detected."""
    for basis in ("declared", "detected"):
        found = [
            row for claim in claims if claim.basis == basis and claim.scope is Scope.WEIGHTS for row in rows_of(claim)
        ]
        if found:
            return tuple({row.key: row for row in found}.values())
    return ()


def _ids(claim: LicenseClaim) -> frozenset[str]:
    return frozenset(keys_of(claim.expression)) if claim.expression else frozenset()


def _concluded(claims: Sequence[LicenseClaim]) -> Iterator[LicenseClaim]:
    """What is declared and what the text says agree: only then is anything concluded."""
    done: set[tuple[Scope, str]] = set()
    for declared in claims:
        for found in claims:
            if declared.basis != "declared" or found.basis != "detected" or declared.scope is not found.scope:
                continue
            same = _ids(declared) & _ids(found)
            # Of an open choice that the text leaves (`-only`, `-or-later`) the declaration decides.
            expression = declared.expression if same else None
            if expression and (declared.scope, expression) not in done:
                done.add((declared.scope, expression))
                statement = f"declared and found in the text: {expression}"
                evidence = Evidence(statement=statement, location=found.evidence.location)
                yield LicenseClaim(
                    raw=expression,
                    basis="concluded",
                    expression=expression,
                    key=declared.key,
                    scope=declared.scope,
                    evidence=evidence,
                )


def _place(terms: Terms, card: ModelCard | None) -> Location | None:
    """Where a reader looks for the license: the card's line, else the license file, else the card."""
    first = next((claim.evidence.location for claim in terms.claims if claim.evidence.location), None)
    return first or (Location(path=card.path) if card else None)


def _disagreements(terms: Terms, place: Location | None) -> Iterator[Finding]:
    for scope in Scope:
        known = [claim for claim in terms.claims if claim.scope is scope and claim.expression]
        for index, first in enumerate(known):
            other = next((claim for claim in known[index + 1 :] if _differ(first, claim)), None)
            if other is not None:
                message = f"{_said(first)}, {_said(other)}"
                yield Finding.of(LICENSE_DISAGREEMENT, message, first.evidence.location or place)
                break
    for file in terms.files:
        found = file.detection
        if found is not None and found.licenses:
            continue
        declared = [claim for claim in terms.claims if claim.basis == "declared" and claim.scope is file.scope]
        ids = {item for claim in declared for item in _ids(claim)}
        if found is not None and found.turned and ids & set(found.near):
            yield Finding.of(LICENSE_DISAGREEMENT, found.statement, file.place)
        elif all(map(_is_text_known, declared)) and ids and len(file.text.text.split()) >= _MIN_WORDS:
            names = (
                " and ".join(dict.fromkeys(row.name for claim in declared for row in rows_of(claim)))
                or "what is declared"
            )
            said = found.statement if found else "it resembles no text that is known"
            message = f"the text is not that of {names}, which is declared: {said}"
            severity = Severity.LOW if found and ids & set(found.near) else None
            yield Finding.of(LICENSE_DISAGREEMENT, message, file.place, severity=severity)


def _is_text_known(claim: LicenseClaim) -> bool:
    ids = {claim.key.lower()} if claim.key else {item.lower() for item in _ids(claim)}
    return bool(ids) and (ids <= known_texts() or {item.lower() for item in _ids(claim)} <= known_texts())


def _differ(first: LicenseClaim, second: LicenseClaim) -> bool:
    """Two claims differ if they have no license in common. Two entries of one list are both meant."""
    one, other = first.evidence.location, second.evidence.location
    same_place = one and other and (one.path, one.members) == (other.path, other.members)
    return not same_place and not _ids(first) & _ids(second)


def _said(claim: LicenseClaim) -> str:
    place = claim.evidence.location
    where = str(place) if place else claim.evidence.source or "the source"
    return f"{where} says {claim.expression}"


def _undetermined(model: Licensed, own: Sequence[License], place: Location | None) -> Iterator[Finding]:
    name, terms = model.name, model.terms
    if own or any(claim.expression for claim in terms.claims if claim.scope is Scope.WEIGHTS):
        return
    stated = next((claim for claim in terms.claims if claim.basis == "declared"), None)
    evidence = tuple(file.detection.statement for file in terms.files if file.detection)
    if stated is None:
        message = f"{name} states no license"
        if terms.files:
            file = replace(terms.files[0].place, line=None)
            message = f"the license of {name} is only in {file}, whose text is none that is known"
        elif terms.unread:
            message = f"the license of {name} is only in {terms.unread[0]}, which is not read"
    else:
        several = candidates(stated.raw)
        message = f"{stated.raw[:80]!r} names no one license"
        if several:
            message += f": it may be {' or '.join(row.name for row in several)}"
    severity = Severity.INFO if stated is None and model.lone_file else None
    yield Finding.of(LICENSE_UNDETERMINED, message, place, severity=severity, evidence=evidence)


def _chain_findings(outcome: Outcome, place: Location | None) -> Iterator[Finding]:
    for issue in outcome.issues:
        rule = BY_ID.get(issue.rule)
        if rule is None or (rule is LICENSE_UNDETERMINED and len(issue.path) == 1):
            continue  # duties are properties; the model's own unknown license has been said
        severity = Severity.LOW if rule is LICENSE_UNDETERMINED else None
        evidence = (" → ".join(issue.path), *dict.fromkeys(term.text for term in issue.terms))
        yield Finding.of(rule, issue.message, place, severity=severity, evidence=evidence[:12])


def _missing_text(model: Licensed, own: Sequence[License], place: Location | None) -> Iterator[Finding]:
    terms = model.terms
    if terms.files or terms.unread or not own:
        return
    asking = [row for row in own if row.attribution != "none"]
    if asking:
        message = f"{' and '.join(row.name for row in asking)} is declared, its text is not in the repository"
        severity = Severity.INFO if model.lone_file else None
        yield Finding.of(LICENSE_MISSING_TEXT, message, place, severity=severity)


def _missing_duties(model: Licensed, outcome: Outcome, place: Location | None) -> Iterator[Finding]:
    said: set[tuple[str, About]] = set()
    for item in outcome.inherited:
        about = item.term.about
        # Apache's NOTICE is due only where the original has one, which can't be seen from here.
        mark = (item.license.key, about)
        if not item.stated or mark in said or item.license.family == "permissive":
            continue
        if about is not About.NAME_PREFIX or len(item.path) > 1:
            said.add(mark)
        if about is About.NOTICE_FILE and not model.terms.notices and not _is_licensor(model, item):
            message = f"{_origin(item)} asks for a notice file: {item.term.text}"
            yield Finding.of(NOTICE_MISSING, message, place)
        if (
            about is About.NAME_PREFIX
            and len(item.path) > 1
            and model.identity
            and not _starts(model.identity, item.term.argument)
        ):
            message = f"{_origin(item)} asks that the name starts with “{item.term.argument}”, it is {model.name}"
            yield Finding.of(NAME_PREFIX_MISSING, message, place)


def _is_licensor(model: Licensed, item: Inherited) -> bool:
    """Say whether the license is the publisher's own: nobody owes a notice to himself."""
    if model.identity is None:
        return False
    owner = model.identity.partition("/")[0].lower()
    entry = known(model.identity)
    own = entry is not None and entry.license is item.license and entry.name.lower().startswith(f"{owner}/")
    return own or (len(item.path) > 1 and item.path[0].lower().startswith(f"{owner}/"))


def _origin(item: Inherited) -> str:
    return item.license.name if len(item.path) == 1 else f"{item.license.name} of {item.path[0]}"


def _starts(identity: str, prefix: str) -> bool:
    """Compare letters and digits: `Llama 3`, `llama-3` and `Llama3` start alike."""
    name = "".join(char for char in identity.rpartition("/")[2].lower() if char.isalnum())
    return name.startswith("".join(char for char in prefix.lower() if char.isalnum()))


def _properties(outcome: Outcome, own: Sequence[License]) -> Iterator[tuple[str, Scalar]]:
    yield "aibom:license:verdict", outcome.verdict.name.lower()
    effective = {row.key: row for row in (*own, *outcome.effective)}
    if effective:
        names = [row.expression or row.name for row in effective.values()]
        unknown = " AND unknown terms of " + ", ".join(path[0] for path in outcome.unknown) if outcome.unknown else ""
        yield "aibom:license:effective", " AND ".join(dict.fromkeys(names)) + unknown
    conflicts = [issue.message for issue in outcome.issues if issue.verdict is Verdict.CONFLICT]
    if conflicts:
        yield "aibom:license:conflict", "; ".join(conflicts)
    duties = dict.fromkeys(
        f"{item.term.about.value}={item.term.argument}" if item.term.argument else item.term.about.value
        for item in outcome.inherited
        if item.term.kind is Kind.DUTY and item.stated
    )
    if duties:
        yield "aibom:license:duties", ", ".join(duties)
