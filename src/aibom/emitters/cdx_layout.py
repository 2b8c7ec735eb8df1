"""Where each component and file of a report stands in a BOM, and under which bom-ref."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from msgspec import Struct

from aibom.components import Component, ComponentKind, Inspection, Relation, RelationKind
from aibom.emitters.coverage import by_path
from aibom.emitters.inert import one_line
from aibom.errors import OutputError
from aibom.files import Coverage
from aibom.report import Determination, Report

T = TypeVar("T")

TOOL_REF = "tool:aibom"
ASSESSOR_REF = "assessor:aibom"

# Prefixes of what is no component; a component's own name never starts with one.
_RESERVED = ("finding:", "claim:", "evidence:", "standard:", "requirement:", "formula:", "workflow:")

# Readers of a BOM recurse, so what a target may nest is bounded; deeper parts stand beside instead of inside.
MAX_NESTING = 8
MAX_GENERATIONS = 24


class Ancestor(Struct, frozen=True, kw_only=True):
    """An entry of a pedigree. Only the first mention of a component is `full`; a later one is a leaf."""

    component: Component
    relation: Relation
    bom_ref: str
    full: bool


class FileEntry(Struct, frozen=True, kw_only=True):
    """A file as the BOM lists it: its own inspection, with the least coverage of it and of all it contains."""

    inspection: Inspection
    coverage: Coverage
    bom_ref: str


class Layout(Struct, frozen=True, kw_only=True):
    """The shape of a BOM. Keys are refs of the report's components, unless said otherwise."""

    root: Component
    refs: Mapping[str, str]
    """The bom-ref of each component."""
    nested: Mapping[str, tuple[Component, ...]]
    """What stands inside a component's own `components`."""
    top: tuple[Component, ...]
    """What stands in the BOM's `components`."""
    ancestors: Mapping[str, tuple[Ancestor, ...]]
    self_references: Mapping[str, tuple[Relation, ...]]
    """Lineage that leads back to the component itself: a fault of the target, not an ancestor."""
    files: Mapping[str, tuple[FileEntry, ...]]
    file_refs: Mapping[str, str]
    """The bom-ref of each path."""
    placed: tuple[Component, ...]
    """Root, nested and top: every component that is not only an ancestor."""
    incoming: Mapping[str, tuple[Relation, ...]]
    outgoing: Mapping[str, tuple[Relation, ...]]
    determinations: Mapping[str, tuple[Determination, ...]]
    """Determinations by their subject; one about an unknown subject stands at the root."""

    def subject(self, ref: str) -> str:
        """Return the bom-ref of a component, the root's where the report knows no such component."""
        return self.refs.get(ref, self.refs[self.root.ref])


class _Names:
    """Hands out bom-refs, each once. A name that is taken gets a number."""

    def __init__(self) -> None:
        self._taken = {TOOL_REF, ASSESSOR_REF}
        self._next: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        wanted = one_line(wanted) or "component"
        if wanted.startswith(_RESERVED):
            wanted = f"component:{wanted}"
        name = wanted
        while name in self._taken:
            number = self._next[wanted] = self._next.get(wanted, 1) + 1
            name = f"{wanted}#{number}"
        self._taken.add(name)
        return name


def lay_out(report: Report) -> Layout:
    """Place every component and every file of the report.

    Raises:
        OutputError: the report's root is none of its components: a fault of ours.
    """
    resolution = report.resolution
    by_ref = {component.ref: component for component in resolution.components}
    if resolution.root not in by_ref:
        raise OutputError(f"the report's root {resolution.root!r} is none of its components")
    root = by_ref[resolution.root]
    relations = [edge for edge in resolution.relations if edge.source in by_ref and edge.target in by_ref]
    nested, contained = _nesting(root, by_ref, relations)
    parents = _parents(relations)
    only_ancestors = _only_ancestors(root.ref, by_ref, relations, contained)
    names = _Names()
    refs = {ref: names.take(ref) for ref in by_ref}
    top = [c for c in resolution.components if c.ref not in contained and c.ref not in only_ancestors and c is not root]
    if root.kind is ComponentKind.APPLICATION:
        # The models of an application are its siblings in the BOM, where tools that look one level deep see them.
        top = [*nested.pop(root.ref, ()), *top]
    placed = tuple(_walk(root, nested)) + tuple(c for start in top for c in _walk(start, nested))
    ancestors, loops = _pedigrees(placed, by_ref, parents, refs, names)
    file_refs = {path: names.take(f"file:{path}") for path in sorted({i.file.path for i in report.inspections})}
    return Layout(
        root=root,
        refs=refs,
        nested={ref: tuple(children) for ref, children in nested.items()},
        top=tuple(top),
        ancestors=ancestors,
        self_references=loops,
        files=_files(report, placed, root, file_refs),
        file_refs=file_refs,
        placed=placed,
        incoming=_grouped(relations, lambda relation: relation.target),
        outgoing=_grouped(relations, lambda relation: relation.source),
        determinations=_grouped(report.determinations, lambda d: d.subject if d.subject in by_ref else root.ref),
    )


def _grouped(items: Iterable[T], key: Callable[[T], str]) -> dict[str, tuple[T, ...]]:
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return {name: tuple(group) for name, group in groups.items()}


def identity(component: Component) -> tuple[str | None, ...]:
    """Return what makes a component the one it is: its purl, or its kind, group, name and version."""
    if component.purl:
        return (component.purl,)
    return (component.kind, component.group, component.name, component.version)


def _nesting(
    root: Component, by_ref: Mapping[str, Component], relations: Iterable[Relation]
) -> tuple[dict[str, list[Component]], set[str]]:
    # Breadth first from the root, so that a component that several contain stands in the one nearest to the root and a
    # loop of containment ends.
    children: dict[str, list[str]] = {}
    for relation in relations:
        if relation.kind is RelationKind.CONTAINS:
            children.setdefault(relation.source, []).append(relation.target)
    nested: dict[str, list[Component]] = {}
    depth = {root.ref: 0}
    queue = [root.ref]
    for parent in queue:
        for child in children.get(parent, ()):
            if child not in depth:
                host = parent if depth[parent] < MAX_NESTING else root.ref
                depth[child] = depth[host] + 1
                queue.append(child)
                nested.setdefault(host, []).append(by_ref[child])
    return nested, set(depth) - {root.ref}


def _parents(relations: Iterable[Relation]) -> dict[str, list[Relation]]:
    parents: dict[str, list[Relation]] = {}
    for relation in relations:
        if relation.kind is RelationKind.DERIVED_FROM:
            parents.setdefault(relation.source, []).append(relation)
    return parents


def _only_ancestors(
    root: str, by_ref: Mapping[str, Component], relations: Iterable[Relation], contained: set[str]
) -> set[str]:
    # What something derives from and nothing else needs stands in a pedigree alone.
    origins = {relation.target for relation in relations if relation.kind is RelationKind.DERIVED_FROM}
    needed = {relation.target for relation in relations if relation.kind is not RelationKind.DERIVED_FROM}
    return {ref for ref in origins - needed - contained - {root} if not by_ref[ref].seen}


def _walk(start: Component, nested: Mapping[str, list[Component]]) -> Iterable[Component]:
    stack = [start]
    while stack:
        component = stack.pop()
        yield component
        stack.extend(reversed(nested.get(component.ref, ())))


def _pedigrees(
    placed: Iterable[Component],
    by_ref: Mapping[str, Component],
    parents: Mapping[str, list[Relation]],
    refs: Mapping[str, str],
    names: _Names,
) -> tuple[dict[str, tuple[Ancestor, ...]], dict[str, tuple[Relation, ...]]]:
    """Return the ancestors of every component, and the relations that lead from a component to itself."""
    entries: dict[str, tuple[Ancestor, ...]] = {}
    loops: dict[str, tuple[Relation, ...]] = {}
    used = {component.ref for component in placed}
    # `line` holds the identities from a component up to where the walk stands.
    work = [(component, frozenset([identity(component)])) for component in placed]
    for component, line in work:
        if component.ref in entries:
            continue
        found: list[Ancestor] = []
        circular: list[Relation] = []
        for relation in parents.get(component.ref, ()):
            parent = by_ref[relation.target]
            if identity(parent) in line:
                circular.append(relation)
                continue
            full = parent.ref not in used and len(line) < MAX_GENERATIONS
            used.add(parent.ref)
            bom_ref = refs[parent.ref] if full else names.take(f"ancestor:{parent.ref}")
            found.append(Ancestor(component=parent, relation=relation, bom_ref=bom_ref, full=full))
            if full:
                work.append((parent, line | {identity(parent)}))
        entries[component.ref] = tuple(found)
        if circular:
            loops[component.ref] = tuple(circular)
    return {ref: found for ref, found in entries.items() if found}, loops


def _files(
    report: Report, placed: Iterable[Component], root: Component, file_refs: Mapping[str, str]
) -> dict[str, tuple[FileEntry, ...]]:
    owner: dict[str, str] = {}
    for component in sorted(placed, key=lambda c: c is root):  # a part of the root owns its files before the root does
        for path in component.paths:
            owner.setdefault(path, component.ref)
    coverage = by_path(report)
    outer = {i.file.path: i for i in report.inspections if not i.file.members}
    files: dict[str, list[FileEntry]] = {}
    for path in sorted(outer):
        entry = FileEntry(inspection=outer[path], coverage=coverage[path], bom_ref=file_refs[path])
        files.setdefault(owner.get(path, root.ref), []).append(entry)
    return {ref: tuple(entries) for ref, entries in files.items()}
