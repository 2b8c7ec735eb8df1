"""How license terms flow along lineage: nodes, edges, and which terms an operation carries over."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

from aibom.components import Derivation
from aibom.data.license_table import License
from aibom.data.license_terms import Kind, Reach, Term, terms_of


class Verdict(IntEnum):
    """How a license fits what came before it, best first."""

    OK = 0
    DUTY = 1
    REVIEW = 2
    CONFLICT = 3


class Node(Struct, frozen=True, kw_only=True):
    """A model, dataset or piece of code in a chain. `licenses` are those that apply together; empty is unknown."""

    name: str
    licenses: tuple[License, ...] = ()
    parents: tuple[Edge, ...] = ()


class Edge(Struct, frozen=True, kw_only=True):
    """How a node came from a parent: a derivation between models, or `trained-on`, `embeds`, `served-as`.

    `stated` is False where the lineage itself is only a guess.
    """

    parent: Node
    operation: Derivation | str
    stated: bool = True


class Issue(Struct, frozen=True, kw_only=True):
    """One reason why a verdict is not ok: the rule it is reported under, and the path from the origin to the node."""

    rule: str
    verdict: Verdict
    message: str
    path: tuple[str, ...]
    terms: tuple[Term, ...] = ()


class Inherited(Struct, frozen=True, kw_only=True):
    """A term that reaches a node, with the license it stands in and the path it came along."""

    term: Term
    license: License
    path: tuple[str, ...]
    stated: bool = True


class Outcome(Struct, frozen=True, kw_only=True):
    """The verdict over a node, its issues (worst first), and every term that applies to it."""

    verdict: Verdict
    issues: tuple[Issue, ...]
    inherited: tuple[Inherited, ...]
    unknown: tuple[tuple[str, ...], ...] = ()

    @property
    def effective(self) -> tuple[License, ...]:
        """The licenses whose terms reach the node, nearest first, each once."""
        return tuple({item.license.key: item.license for item in self.inherited}.values())


_COPIES = frozenset({Derivation.QUANTIZED, Derivation.CONVERTED})
WHOLE = frozenset({Derivation.FINETUNE, Derivation.ADAPTER, Derivation.MERGE, Derivation.UNKNOWN}) | _COPIES


def flow_to(node: Node) -> tuple[tuple[Inherited, ...], tuple[tuple[str, ...], ...]]:
    """Return every term that reaches a node, and the paths of ancestors whose license is not known."""
    memo: dict[str, tuple[list[Inherited], list[tuple[str, ...]]]] = {}
    found = _collect(node, memo)
    return tuple(found), tuple(memo[node.name][1])


def _collect(node: Node, memo: dict[str, tuple[list[Inherited], list[tuple[str, ...]]]]) -> list[Inherited]:
    """Gather what reaches a node: its own terms, and those of its ancestors that travel.

    A term is kept once for each origin, so that many ways to one ancestor cost no more than one; a cycle ends where it
    closes. `memo` also holds the paths of ancestors without a known license.
    """
    own = [
        Inherited(term=term, license=license_, path=(node.name,))
        for license_ in node.licenses
        for term in terms_of(license_)
        if term.kind is not Kind.GRANT
    ]
    found = {(item.term, item.license.key, item.path[0]): item for item in own}
    unknown: dict[str, tuple[str, ...]] = {}
    memo[node.name] = (own, [])
    for edge in node.parents:
        if edge.parent.name == node.name or edge.operation == "trained-on":
            continue
        if edge.parent.name not in memo:
            _collect(edge.parent, memo)
        below, lost = memo[edge.parent.name]
        if not edge.parent.licenses:
            unknown.setdefault(edge.parent.name, (edge.parent.name, node.name))
        for path in lost:
            unknown.setdefault(path[0], (*path, node.name))
        for item in below:
            if node.name not in item.path and _goes_along(item.term, edge.operation):
                stated = item.stated and edge.stated
                moved = Inherited(term=item.term, license=item.license, path=(*item.path, node.name), stated=stated)
                found.setdefault((item.term, item.license.key, item.path[0]), moved)
    memo[node.name] = (list(found.values()), list(unknown.values()))
    return memo[node.name][0]


def _goes_along(term: Term, operation: Derivation | str) -> bool:
    if operation in WHOLE:
        return Reach.DERIVATIVE in term.reach
    if operation == Derivation.DISTILLED:
        return Reach.OUTPUT in term.reach
    if operation == "served-as":
        return Reach.HOSTED_SERVICE in term.reach
    return operation == "embeds" and bool({Reach.WHOLE_PRODUCT, Reach.HOSTED_SERVICE} & set(term.reach))
