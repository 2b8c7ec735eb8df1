"""Where the models of a report come from, as boxes and arrows with coordinates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from aibom.components import Component, ComponentKind, LicenseClaim, Relation, RelationKind
from aibom.emitters.inert import one_line
from aibom.report import Report

Kind = Literal["model", "base", "data", "part"]

MAX_NODES = 40
BOX_WIDTH, BOX_HEIGHT = 236, 60  # SVG user units
GAP_X, GAP_Y, MARGIN = 184, 20, 12
_LINE = 27  # characters that fit into a box

_WORDS = {
    RelationKind.TRAINED_ON: "trained on",
    RelationKind.EVALUATED_ON: "evaluated on",
    RelationKind.CONTAINS: "part",
}


class Node(Struct, frozen=True, kw_only=True):
    """A box: `name` and `note` fit into it, `full` is the whole name. `x` and `y` are its upper left corner."""

    name: str
    note: str
    full: str
    kind: Kind
    x: int
    y: int


class Arrow(Struct, frozen=True, kw_only=True):
    """A curve from where a component comes from to what came of it, with a word on it."""

    path: str
    word: str
    x: int
    y: int
    inferred: bool


class Graph(Struct, frozen=True, kw_only=True):
    """A drawing of `width` by `height` user units; `more` counts what did not fit."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    width: int
    height: int
    more: int
    box_width: int = BOX_WIDTH
    box_height: int = BOX_HEIGHT


def draw(report: Report) -> Graph | None:
    """Lay out the lineage from left (origins) to right (parts); None where there is nothing to connect."""
    by_ref = {component.ref: component for component in report.resolution.components}
    edges = [
        edge
        for edge in report.resolution.relations
        if edge.source in by_ref and edge.target in by_ref and edge.source != edge.target
        and edge.kind is not RelationKind.DEPENDS_ON
    ]  # fmt: skip
    starts = _starts(report, by_ref, edges)
    levels = _levels(starts, edges)
    drawn = [edge for edge in edges if _is_drawn(edge, levels)]
    if not drawn:
        return None
    shown = dict(list(levels.items())[:MAX_NODES])
    columns: dict[int, list[str]] = {}
    for ref, level in shown.items():
        columns.setdefault(level, []).append(ref)
    order = sorted(columns, reverse=True)
    height = max(len(refs) for refs in columns.values()) * (BOX_HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    nodes: dict[str, Node] = {}
    for number, level in enumerate(order):
        refs = columns[level]
        top = (height - len(refs) * (BOX_HEIGHT + GAP_Y) + GAP_Y) // 2
        for row, ref in enumerate(refs):
            x = MARGIN + number * (BOX_WIDTH + GAP_X)
            nodes[ref] = _node(by_ref[ref], _kind(by_ref[ref], level), x, top + row * (BOX_HEIGHT + GAP_Y))
    return Graph(
        nodes=tuple(nodes.values()),
        arrows=tuple(
            _arrow(same, nodes) for same in _by_pair(drawn) if {same[0].source, same[0].target} <= nodes.keys()
        ),
        width=2 * MARGIN + len(order) * (BOX_WIDTH + GAP_X) - GAP_X,
        height=height,
        more=len(levels) - len(shown),
    )


def _starts(report: Report, by_ref: dict[str, Component], edges: Iterable[Relation]) -> list[str]:
    root = by_ref[report.resolution.root]
    if root.kind is not ComponentKind.APPLICATION:
        return [root.ref]
    return [edge.target for edge in edges if edge.kind is RelationKind.CONTAINS and edge.source == root.ref]


def _levels(starts: Iterable[str], edges: Iterable[Relation]) -> dict[str, int]:
    """Return how many steps each component is to the left (positive) or right of the subject, nearest first."""
    outgoing: dict[str, list[Relation]] = {}
    for edge in edges:
        outgoing.setdefault(edge.source, []).append(edge)
    levels = dict.fromkeys(starts, 0)
    queue = list(levels)
    for ref in queue:
        for edge in outgoing.get(ref, ()):
            # Parts are drawn for the subject alone, the data of an ancestor not at all: the picture is its lineage.
            if edge.target in levels or (edge.kind is not RelationKind.DERIVED_FROM and levels[ref] != 0):
                continue
            levels[edge.target] = levels[ref] + (-1 if edge.kind is RelationKind.CONTAINS else 1)
            if edge.kind is RelationKind.DERIVED_FROM:
                queue.append(edge.target)
    return levels


def _is_drawn(edge: Relation, levels: dict[str, int]) -> bool:
    source, target = levels.get(edge.source), levels.get(edge.target)
    if source is None or target is None:
        return False
    return target < source if edge.kind is RelationKind.CONTAINS else target > source


def _kind(component: Component, level: int) -> Kind:
    if component.kind is ComponentKind.DATASET:
        return "data"
    return "model" if level == 0 else "base" if level > 0 else "part"


def _node(component: Component, kind: Kind, x: int, y: int) -> Node:
    full = one_line(f"{component.group}/{component.name}" if component.group else component.name)
    terms = next((_terms(claim) for claim in component.licenses), "licence unknown")
    note = "data set" if kind == "data" and not component.licenses else one_line(terms)
    return Node(name=_fit(full), note=_fit(note), full=full, kind=kind, x=x, y=y)


def _terms(claim: LicenseClaim) -> str:
    """Return the terms by the name that people know: an id of our own making is none."""
    named = claim.expression if claim.expression and "LicenseRef-" not in claim.expression else claim.raw
    return named or claim.key or "licence unknown"


def _fit(text: str) -> str:
    return text if len(text) <= _LINE else text[: _LINE - 1] + "…"


def _by_pair(edges: Iterable[Relation]) -> Iterable[list[Relation]]:
    pairs: dict[tuple[str, str], list[Relation]] = {}
    for edge in edges:
        pairs.setdefault((edge.source, edge.target), []).append(edge)
    return pairs.values()


def _arrow(edges: list[Relation], nodes: dict[str, Node]) -> Arrow:
    edge = edges[0]
    left, right = nodes[edge.target], nodes[edge.source]
    if edge.kind is RelationKind.CONTAINS:
        left, right = right, left
    x1, y1 = left.x + BOX_WIDTH, left.y + BOX_HEIGHT // 2
    x2, y2 = right.x, right.y + BOX_HEIGHT // 2
    middle = (x1 + x2) // 2
    words = dict.fromkeys(e.derivation.value if e.derivation else _WORDS.get(e.kind, "derived from") for e in edges)
    return Arrow(
        path=f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2 - 7} {y2}",
        word=" and ".join(words),
        # Beside the box it comes from: where several arrows meet, their words would lie on each other.
        x=x1 + 8,
        y=y1 + 16 if y2 < y1 else y1 - 7,
        inferred=all(edge.inferred for edge in edges),
    )
