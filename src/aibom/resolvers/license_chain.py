"""Follow license terms from a model's parents to the model: what travels, what was dropped, what can't hold together.

A pure function of what is known about licenses and lineage. An unknown parent stays unknown, never permissive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations

from aibom.components import Derivation
from aibom.data.license_table import License
from aibom.data.license_terms import About, Kind, Term, terms_of
from aibom.resolvers.license_flow import WHOLE, Edge, Inherited, Issue, Node, Outcome, Verdict, flow_to

# Share-alike licenses whose own text lets a derivative go under another one: from, to.
_COMPATIBLE = frozenset({
    ("cc-by-sa-3.0", "cc-by-sa-4.0"), ("cc-by-sa-4.0", "gpl-3.0"), ("gpl-3.0", "agpl-3.0"),
    ("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0"), ("cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    ("cc-by-nc-sa-2.0", "cc-by-nc-sa-4.0"), ("eupl-1.1", "eupl-1.2"), ("eupl-1.1", "gpl-2.0"),
    ("eupl-1.1", "osl-3.0"), ("eupl-1.2", "gpl-2.0"), ("eupl-1.2", "gpl-3.0"), ("eupl-1.2", "agpl-3.0"),
    ("eupl-1.2", "osl-3.0"),
})  # fmt: skip
_ORDER = (
    "license-conflict", "share-alike-clash", "license-laundered", "license-dropped", "dataset-license",
    "license-undetermined", "",
)  # fmt: skip


def judge(node: Node) -> Outcome:
    """Judge a node against everything that it was made from."""
    inherited, unknown = flow_to(node)
    issues = [*_clashes(node, inherited)]
    for edge in node.parents:
        issues.extend(_edge_issues(node, edge, inherited))
    issues.extend(_duties(inherited))
    issues.extend(
        Issue(
            rule="license-undetermined",
            verdict=Verdict.REVIEW,
            message=f"the license of {path[0]} is not known",
            path=path,
        )
        for path in unknown
    )
    if not node.licenses:
        message = f"the license of {node.name} is not known"
        issues.append(Issue(rule="license-undetermined", verdict=Verdict.REVIEW, message=message, path=(node.name,)))
    strongest = _strongest(issues)
    verdict = max((issue.verdict for issue in strongest), default=Verdict.OK)
    return Outcome(verdict=verdict, issues=tuple(strongest), inherited=inherited, unknown=unknown)


def _edge_issues(node: Node, edge: Edge, inherited: Sequence[Inherited]) -> Iterator[Issue]:
    """Compare what came along one edge, from however far, with what the node declares."""
    if edge.operation == "trained-on":
        yield from _data_issues(node, edge)
        return
    if edge.operation in {"embeds", "served-as"}:
        return
    groups: dict[tuple[str, tuple[str, ...]], list[Inherited]] = {}
    for item in inherited:
        if len(item.path) > 1 and item.path[-2] == edge.parent.name:
            groups.setdefault((item.license.key, item.path), []).append(item)
    for (_, path), items in groups.items():
        license_ = items[0].license
        terms = [item.term for item in items]
        if not items[0].stated:
            if any(term.restricts for term in terms):
                message = f"if {path[0]} is where it comes from, {license_.name} applies"
                yield Issue(rule="", verdict=Verdict.REVIEW, message=message, path=path, terms=tuple(terms))
            continue
        yield from _impossible(edge, license_, terms, path)
        if node.licenses:
            yield from _undeclared(node, edge, license_, terms, path)


def _impossible(edge: Edge, license_: License, terms: Sequence[Term], path: tuple[str, ...]) -> Iterator[Issue]:
    for term in terms:
        distributes = term.about is About.DISTRIBUTE_MODIFIED or (
            term.about is About.DISTRIBUTE and term.text.startswith("no")
        )
        if term.kind is Kind.FORBID and distributes and edge.operation != Derivation.ADAPTER:
            message = f"{license_.name} of {path[0]} allows no sharing of what is made from it ({term.text})"
            yield Issue(rule="license-conflict", verdict=Verdict.CONFLICT, message=message, path=path, terms=(term,))
        if term.about is About.TRAIN_OTHERS and edge.operation == Derivation.DISTILLED:
            message = f"{license_.name} of {path[0]} forbids training other models with its outputs"
            yield Issue(rule="license-conflict", verdict=Verdict.CONFLICT, message=message, path=path, terms=(term,))


def _undeclared(
    node: Node, edge: Edge, license_: License, terms: Sequence[Term], path: tuple[str, ...]
) -> Iterator[Issue]:
    """Terms of a parent that the declaration of the node does not hold."""
    if any(own.key == license_.key for own in node.licenses):
        return
    missing = [term for term in terms if term.restricts and not _held(term, license_, node.licenses)]
    if not missing:
        return
    own_terms = [term for own in node.licenses for term in terms_of(own)]
    declared = " and ".join(own.name for own in node.licenses)
    reasons = "; ".join(dict.fromkeys(_short(term) for term in missing))
    issue = partial(Issue, path=path, terms=tuple(missing))
    if edge.operation == Derivation.ADAPTER:
        # An adapter's own file may be nobody's derivative; what it is loaded with binds its user all the same.
        message = f"declares {declared}; loaded with {path[0]}, {license_.name} applies: {reasons}"
        yield issue(rule="license-dropped", verdict=Verdict.REVIEW, message=message)
    elif any(term.about is About.SHARE_ALIKE for term in own_terms):
        message = f"{declared} allows no further limits, {license_.name} of {path[0]} sets some: {reasons}"
        yield issue(rule="license-conflict", verdict=Verdict.CONFLICT, message=message)
    elif not any(term.restricts for term in own_terms) or any(term.about is About.COMMERCIAL for term in missing):
        message = f"declares {declared}, {path[0]} is under {license_.name}: {reasons}"
        yield issue(rule="license-laundered", verdict=Verdict.CONFLICT, message=message)
    else:
        message = f"declares {declared}, which lacks terms of {license_.name} of {path[0]}: {reasons}"
        yield issue(rule="license-dropped", verdict=Verdict.REVIEW, message=message)


def _held(term: Term, origin: License, declared: Sequence[License]) -> bool:
    """Say whether the declared licenses hold this term, or one at least as strict."""
    for own in declared:
        for other in terms_of(own):
            if other.about is not term.about or other.kind is not term.kind:
                continue
            match term.about:
                case About.SHARE_ALIKE:
                    held = (origin.key, own.key) in _COMPATIBLE
                case About.FIELD:
                    # A list of uses stands in one text only; research alone is stricter than any list.
                    held = own.family == origin.family or (other.argument == "research" and term.argument == "research")
                case About.USERS | About.REVENUE | About.USAGE:
                    held = other.value is not None and term.value is not None and other.value <= term.value
                case About.REGION:
                    held = other.argument == term.argument
                case _:
                    held = True
            if held:
                return True
    # Where nothing commercial is allowed, a threshold for commercial use is met already.
    commercial = any(item.about is About.COMMERCIAL for own in declared for item in terms_of(own))
    return commercial and term.kind is Kind.THRESHOLD


def _clashes(node: Node, inherited: Sequence[Inherited]) -> Iterator[Issue]:
    """Terms of several parents that can't hold at once in one set of weights."""
    merged = {edge.parent.name for edge in node.parents if edge.operation in WHOLE}
    above = [item for item in inherited if len(item.path) > 1 and item.stated and item.path[-2] in merged]
    sharing = list({item.license.key: item for item in above if item.term.about is About.SHARE_ALIKE}.values())
    for first, second in combinations(sharing, 2):
        pair = (first.license.key, second.license.key)
        if pair not in _COMPATIBLE and pair[::-1] not in _COMPATIBLE:
            message = f"{_whose(first)} and {_whose(second)} each want the whole under themselves"
            yield _clash(message, first, second)
    limits = [
        item for item in above if item.term.kind is Kind.FORBID and item.term.about in {About.COMMERCIAL, About.FIELD}
    ]
    for share in sharing:
        same = {term.about for term in terms_of(share.license)}
        for limit in {item.license.key: item for item in limits if item.term.about not in same}.values():
            if limit.license.key != share.license.key and limit.path[0] != share.path[0]:
                message = f"{_whose(share)} allows no further limits, {_whose(limit)} sets some"
                yield _clash(message, share, limit)


def _clash(message: str, first: Inherited, second: Inherited) -> Issue:
    terms = (first.term, second.term)
    return Issue(rule="share-alike-clash", verdict=Verdict.CONFLICT, message=message, path=first.path, terms=terms)


def _whose(item: Inherited) -> str:
    return f"{item.license.name} of {item.path[0]}"


def _data_issues(node: Node, edge: Edge) -> Iterator[Issue]:
    """Whether terms of training data reach a model is arguable: named as a risk, never as a conflict."""
    for license_ in edge.parent.licenses:
        if license_.key.startswith("cdla-"):
            continue  # their text frees what is computed from the data
        terms = [term for term in terms_of(license_) if term.restricts and term.about is not About.DISTRIBUTE]
        missing = [term for term in terms if not _held(term, license_, node.licenses)]
        if missing and not any(own.key == license_.key for own in node.licenses):
            reasons = "; ".join(dict.fromkeys(_short(term) for term in missing))
            message = f"trained on {edge.parent.name}, which is under {license_.name}: {reasons}"
            path = (edge.parent.name, node.name)
            yield Issue(
                rule="dataset-license", verdict=Verdict.REVIEW, message=message, path=path, terms=tuple(missing)
            )


def _duties(inherited: Sequence[Inherited]) -> Iterator[Issue]:
    """Duties that come along without standing against anything; named once for each license."""
    seen: set[str] = set()
    for item in inherited:
        if item.term.kind is Kind.DUTY and item.stated and item.license.key not in seen:
            seen.add(item.license.key)
            about = dict.fromkeys(
                other.term.about.value
                for other in inherited
                if other.license.key == item.license.key and other.term.kind is Kind.DUTY
            )
            message = f"{item.license.name} asks for: {', '.join(about)}"
            yield Issue(rule="", verdict=Verdict.DUTY, message=message, path=item.path, terms=(item.term,))


def _strongest(issues: Sequence[Issue]) -> list[Issue]:
    """Keep one issue a cause (a path and its origin), the strongest; duties of a license in trouble go unsaid."""
    ranked = sorted(issues, key=lambda issue: (-issue.verdict, _ORDER.index(issue.rule), issue.path, issue.message))
    kept: list[Issue] = []
    causes: set[tuple[str, ...]] = set()
    for issue in ranked:
        cause = (issue.path[0], issue.path[-1])
        if issue.verdict is not Verdict.DUTY and cause in causes and issue.rule != "share-alike-clash":
            continue
        causes.add(cause)
        kept.append(issue)
    return kept


def _short(term: Term) -> str:
    match term.about:
        case About.COMMERCIAL:
            return "no commercial use"
        case About.FIELD:
            return "use restrictions" if term.argument == "policy" else "research or non-commercial use only"
        case About.REGION:
            return f"not licensed in {term.argument.partition(':')[0]}"
        case About.TRAIN_OTHERS:
            return "no training of other models"
        case About.SHARE_ALIKE:
            return "derivatives under the same license"
        case About.USERS | About.REVENUE | About.USAGE:
            return term.text
        case _:
            return term.about.value
