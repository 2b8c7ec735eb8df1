"""Put what was found together: models, their parts and ancestors, datasets and libraries, and their relations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from aibom.components import (
    Component,
    ComponentKind,
    ModelCard,
    Relation,
    RelationKind,
    Resolution,
)
from aibom.files import Digest
from aibom.findings import Finding
from aibom.report import SourceFacts
from aibom.resolvers.ancestry import Ancestry, resolved, with_owner
from aibom.resolvers.component_records import ancestor, code_edges, data_edges, library, referenced_dataset
from aibom.resolvers.datasets import Dataset, resolve_datasets
from aibom.resolvers.dependencies import Dependency, ref_of
from aibom.resolvers.inner_documents import read_inner_documents, with_inner
from aibom.resolvers.layouts import Layout
from aibom.resolvers.license_claims import collect_terms
from aibom.resolvers.license_flow import Edge, Node
from aibom.resolvers.licenses import Licensed, resolve_licenses
from aibom.resolvers.lineage import Base, resolve_lineage
from aibom.resolvers.model_card import CardReading, description_of
from aibom.resolvers.model_facts import model_facts, sets_of
from aibom.resolvers.repository import Repository, name_of, stated
from aibom.resolvers.republished import same_weights
from aibom.resolvers.second_opinions import SecondOpinions
from aibom.resolvers.signals import card_signals, support_signals, weight_signals
from aibom.resolvers.subject import Subject
from aibom.resolvers.web_addresses import urls_of
from aibom.resolvers.weight_checks import check_weights
from aibom.settings import Profile

ROOT = "model"
LONE_FILES = frozenset({"file", "web"})
"""Kinds of sources that give one file: what usually stands beside it is not missing."""


class Assembly:
    """Collects components, relations and findings. Every ref is given out once."""

    def __init__(
        self,
        repository: Repository,
        ancestry: Ancestry,
        facts: SourceFacts,
        profile: Profile,
        *,
        opinions: SecondOpinions,
        digests: Mapping[str, Sequence[Digest]],
    ) -> None:
        self._repository = repository
        self._ancestry = ancestry
        self._facts = facts
        self._profile = profile
        self._opinions = opinions
        self._digests = digests
        self.components: dict[str, Component] = {}
        self.relations: dict[tuple[str, str, str], Relation] = {}
        self.findings: list[Finding] = []

    def model(
        self, layout: Layout, subject: Subject, ref: str, reading: CardReading, shared: ModelCard | None = None
    ) -> Component:
        """Add a model with its parts. `shared` is the card of the whole, where the model is one of several."""
        card = reading.card
        whole = ref == ROOT
        self.findings.extend(reading.findings)
        sets = sets_of(layout)
        facts = model_facts(self._repository, layout, sets, card)
        self.findings.extend(check_weights(layout, sets))
        source = self._facts if whole else None
        inner = read_inner_documents(self._repository, layout)
        self.findings.extend(inner.findings)
        lineage = resolve_lineage(
            self._repository,
            layout,
            card=card,
            facts=facts,
            identity=subject.id or subject.name,
            source=source,
            inner=inner.claims,
        )
        bases = resolved(lineage.bases)
        for base in bases:
            self._ancestry.learn(base.name, base.above)
        self.findings.extend(lineage.findings)
        republished = same_weights(layout, bases, self._ancestry, self._digests)
        self.findings.extend(republished.findings)
        datasets = resolve_datasets(self._repository, layout, card)
        terms = with_inner(collect_terms(self._repository, layout, card or shared, source), inner)
        parents = (*self._base_edges(bases), *data_edges(datasets), *code_edges(terms.claims))
        licensing = resolve_licenses(
            Licensed(
                name=subject.id or subject.name,
                identity=subject.id,
                terms=terms,
                parents=parents,
                card=card,
                facts=facts,
                lone_file=self._facts.kind in LONE_FILES,
            ),
            self._profile,
        )
        self.findings.extend(licensing.findings)
        self.findings.extend(self._opinions.disagreements(terms))
        component = Component(
            ref=ref,
            kind=ComponentKind.MODEL,
            name=subject.name,
            group=subject.group,
            version=subject.version,
            purl=subject.purl,
            description=description_of(card),
            licenses=licensing.claims,
            second_opinions=self._opinions.of(terms),
            paths=self._paths(layout, whole=whole),
            card=card,
            model=facts,
            urls=urls_of(subject, card, source),
            supplier=subject.supplier,
            properties={
                **licensing.properties,
                **dict(weight_signals(republished)),
                **dict(card_signals(card)),
                **dict(support_signals(self._facts) if whole else ()),
            },
            evidence=(subject.evidence,),
        )
        self.components[ref] = component
        for base in bases:
            self._ancestors(ref, base)
        for dataset in datasets:
            self._dataset(ref, dataset)
        for part in layout.parts:
            self._part(component, part)
        return component

    def _part(self, whole: Component, part: Layout) -> None:
        ref = self._free(f"{whole.ref}/{part.label or 'part'}")
        evidence = stated(part.marker.path or part.folder, "a part of the model")
        sets = sets_of(part)
        facts = model_facts(self._repository, part, sets, None)
        self.findings.extend(check_weights(part, sets))
        lineage = resolve_lineage(self._repository, part, card=None, facts=facts, identity=None)
        component = Component(
            ref=ref,
            kind=ComponentKind.MODEL,
            name=f"{whole.name}/{part.label}" if part.label else whole.name,
            version=whole.version,
            paths=self._paths(part, whole=False),
            model=facts,
            evidence=(evidence,),
        )
        self.components[ref] = component
        self.relate(Relation(source=whole.ref, target=ref, kind=RelationKind.CONTAINS, evidence=(evidence,)))
        for base in resolved(lineage.bases):
            self._ancestors(ref, base)
        for inner in part.parts:
            self._part(component, inner)

    def relate(self, relation: Relation) -> None:
        """Add a relation once."""
        self.relations.setdefault((relation.source, relation.target, relation.kind.value), relation)

    def dependencies(self, root: str, items: Iterable[Dependency]) -> None:
        """Add libraries and images that the target asks for."""
        for item in items:
            ref = ref_of(item)
            self.components[ref] = library(ref, item)
            self.relate(Relation(source=root, target=ref, kind=RelationKind.DEPENDS_ON, evidence=item.evidence[:1]))

    def resolution(self, root: str) -> Resolution:
        """Return everything collected, in an order that does not depend on chance."""
        return Resolution(
            root=root,
            components=tuple(self.components.values()),
            relations=tuple(self.relations.values()),
            findings=(*self.findings, *self._repository.findings),
        )

    def _base_edges(self, bases: Sequence[Base]) -> Iterable[Edge]:
        for base in bases:
            node = self._ancestry.node(base.name)
            if base.name.kind == "local":
                node = Node(name=base.name.shown)
            yield Edge(parent=node, operation=base.derivation, stated=not base.inferred)

    def _ancestors(self, child: str, base: Base, depth: int = 0) -> None:
        """Add a base and what it was made from in turn."""
        ref = f"model:{base.name.key.partition(':')[2]}"
        if ref == child or depth > 12:
            return
        found = self._ancestry.ancestor(base.name)
        if ref not in self.components:
            self.components[ref] = ancestor(ref, found, base)
            for above in found.bases:
                self._ancestors(ref, above, depth + 1)
        self.relate(
            Relation(
                source=child,
                target=ref,
                kind=RelationKind.DERIVED_FROM,
                derivation=base.derivation,
                revision=base.name.revision,
                inferred=base.inferred,
                evidence=base.evidence,
            )
        )

    def _dataset(self, model: str, dataset: Dataset) -> None:
        name = with_owner(dataset.name, "dataset")
        ref = f"dataset:{name.key.partition(':')[2]}"
        if ref not in self.components:
            self.components[ref] = referenced_dataset(ref, name, dataset)
        for role, kind in (("train", RelationKind.TRAINED_ON), ("eval", RelationKind.EVALUATED_ON)):
            if role in dataset.roles:
                self.relate(Relation(source=model, target=ref, kind=kind, evidence=dataset.evidence))

    def _paths(self, layout: Layout, *, whole: bool) -> tuple[str, ...]:
        """The files of a model, without those of its parts."""
        taken = {path for part in layout.parts for path in self._all_paths(part, whole=False)}
        return tuple(sorted(self._all_paths(layout, whole=whole) - taken))

    def _all_paths(self, layout: Layout, *, whole: bool) -> set[str]:
        """The files of a model with those of its parts."""
        own = {file.path for file in layout.files}
        for part in layout.parts:
            own |= self._all_paths(part, whole=False)
        if layout.marker.path:
            own.add(layout.marker.path)
        if whole or (layout.folder and layout.label == name_of(layout.folder)):
            own.update(self._repository.below("" if whole else layout.folder))
        return own

    def _free(self, ref: str) -> str:
        number, free = 2, ref
        while free in self.components:
            free, number = f"{ref}-{number}", number + 1
        return free
