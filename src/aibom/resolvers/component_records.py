"""Make the components that a target names and does not hold, and the edges by which their terms travel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from aibom.components import Component, ComponentKind, LicenseClaim, Scalar, Scope
from aibom.resolvers import hub_names
from aibom.resolvers.ancestry import Ancestor, dataset_claims, with_owner
from aibom.resolvers.datasets import Dataset
from aibom.resolvers.dependencies import Dependency, purl_of
from aibom.resolvers.hub_names import ModelName
from aibom.resolvers.layouts import Layout
from aibom.resolvers.license_flow import Edge, Node
from aibom.resolvers.license_names import rows_of
from aibom.resolvers.lineage import Base
from aibom.resolvers.subject import Subject
from aibom.resolvers.web_addresses import hub_urls


def library(ref: str, item: Dependency) -> Component:
    """Make the component of a library or an image that the target asks for."""
    properties: dict[str, Scalar] = {}
    if item.range:
        properties["aibom:dependency:range"] = item.range
    if item.written_with:
        properties["aibom:dependency:written-with"] = item.written_with
    owner, _, name = item.name.rpartition("/")
    return Component(
        ref=ref,
        kind=ComponentKind.APPLICATION if item.ecosystem == "docker" else ComponentKind.LIBRARY,
        name=name,
        group=owner or None,
        version=item.version,
        version_range=item.range,
        purl=purl_of(item),
        seen=False,
        urls={"distribution": item.url} if item.url else {},
        properties=properties,
        evidence=item.evidence,
    )


def ancestor(ref: str, found: Ancestor, base: Base) -> Component:
    """Make the component of a model that the target was made from, as `base` names it."""
    return Component(
        ref=ref,
        kind=ComponentKind.MODEL,
        name=found.name.name,
        group=found.name.group,
        version=found.name.commit,
        purl=hub_names.purl_of(found.name),
        licenses=found.claims,
        seen=False,
        urls=hub_urls(found.name, "model"),
        evidence=base.evidence,
    )


def referenced_dataset(ref: str, name: ModelName, dataset: Dataset) -> Component:
    """Make the component of a dataset by its full name. What is said of it comes from the table of known licenses."""
    return Component(
        ref=ref,
        kind=ComponentKind.DATASET,
        name=name.name if name.group else dataset.title,
        group=name.group,
        version=name.commit,
        licenses=tuple(replace(claim, scope=Scope.DATA) for claim in dataset_claims(name)),
        seen=False,
        urls=hub_urls(name, "dataset"),
        properties={"aibom:dataset:role": ",".join(dataset.roles)},
        evidence=dataset.evidence,
    )


def application(subject: Subject, layouts: Sequence[Layout]) -> Component:
    """Make the component that holds several unrelated models."""
    return Component(
        ref="application",
        kind=ComponentKind.APPLICATION,
        name=subject.name,
        group=subject.group,
        version=subject.version,
        purl=subject.purl,
        description=f"A collection of {len(layouts)} models",
        supplier=subject.supplier,
        evidence=(subject.evidence,),
    )


def data_edges(datasets: Sequence[Dataset]) -> Iterable[Edge]:
    """Yield the datasets that the model was trained on and whose license is known."""
    for dataset in datasets:
        name = with_owner(dataset.name, "dataset")
        rows = tuple(row for claim in dataset_claims(name) for row in rows_of(claim))
        if "train" in dataset.roles and rows:
            yield Edge(parent=Node(name=name.id, licenses=rows), operation="trained-on")


def code_edges(claims: Sequence[LicenseClaim]) -> Iterable[Edge]:
    """Yield the code with a license of its own that comes with the weights."""
    rows = {row.key: row for claim in claims if claim.scope is Scope.CODE for row in rows_of(claim)}
    if rows:
        yield Edge(parent=Node(name="code of the repository", licenses=tuple(rows.values())), operation="embeds")
