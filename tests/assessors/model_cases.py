"""Build what resolvers yield for a repository in memory: a card, a configuration, declared shapes, a license, a base."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes import memory_repo

from aibom.assessors import assess
from aibom.components import (
    Basis,
    Component,
    ComponentKind,
    Derivation,
    Fact,
    Inspection,
    LicenseClaim,
    ModelFacts,
    Relation,
    RelationKind,
    Resolution,
    TensorSummary,
    WeightSet,
)
from aibom.data.license_table import license_table
from aibom.files import Coverage, Format, Location, RepoFile, Role
from aibom.findings import Evidence
from aibom.limits import Limits
from aibom.report import Assessment, Determination, SourceFacts
from aibom.resolvers.model_card import read_card
from aibom.resolvers.repository import Repository
from aibom.resolvers.tasks import formats_of, task_of
from aibom.settings import Settings

TODAY = dt.date(2026, 11, 21)


def _fact(value: Any, path: str, statement: str) -> Fact[Any]:
    return Fact(value=value, basis=Basis.DECLARED, evidence=Evidence(statement=statement, location=Location(path=path)))


def model(
    card: str | None,
    *,
    config: Mapping[str, Any] | None = None,
    parameters: float | None = None,
    experts: float = 0,
    name: str = "model",
    identity: str | None = None,
    bases: Sequence[tuple[str, Derivation]] = (),
    license_texts: Sequence[str] = (),
    gated: str | None = None,
    created: str | None = None,
    files: Sequence[str] = (),
    metadata: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Resolution, tuple[Inspection, ...], SourceFacts]:
    """Return resolution, inspections and source facts of one model. `parameters` are those its tensors declare."""
    config = dict(config or {})
    texts = {"README.md": card} if card is not None else {}
    weights = "model.safetensors" if parameters else None
    paths = [*texts, *(["config.json"] if config else []), *([weights] if weights else []), *files]
    inspections = tuple(_inspection(path, parameters, (metadata or {}).get(path, {})) for path in paths)
    reading = read_card(
        Repository(memory_repo(texts), [item for item in inspections if item.file.path in texts], Limits())
    )
    fields = reading.card.fields if reading.card else {}
    group, _, short = (identity or name).rpartition("/")
    component = Component(
        ref="model",
        kind=ComponentKind.MODEL,
        name=short,
        group=group or None,
        purl=f"pkg:huggingface/{identity}" if identity else None,
        licenses=tuple(_claims(fields, license_texts)),
        paths=tuple(paths),
        card=reading.card,
        model=_facts(config, fields, parameters, experts),
    )
    related = [Component(ref=f"base-{i}", kind=ComponentKind.MODEL, name=base.rpartition("/")[2], seen=False,
                         group=base.rpartition("/")[0] or None) for i, (base, _) in enumerate(bases)]  # fmt: skip
    relations = tuple(
        Relation(source="model", target=f"base-{i}", kind=RelationKind.DERIVED_FROM, derivation=derivation,
                 evidence=(Evidence(statement="base_model", location=Location(path="README.md", line=2)),))
        for i, (_, derivation) in enumerate(bases)
    )  # fmt: skip
    resolution = Resolution(root="model", components=(component, *related), relations=relations)
    return resolution, inspections, SourceFacts(identity=identity, gated=gated, created=created)


def judged(
    built: tuple[Resolution, tuple[Inspection, ...], SourceFacts],
    *,
    as_of: dt.date = TODAY,
    operator: Mapping[str, str | int | float | bool] | None = None,
) -> Assessment:
    """Assess what `model` built."""
    resolution, inspections, source = built
    return assess(resolution, inspections, (), Settings(as_of=as_of, operator=operator or {}), source)


def by_key(assessment: Assessment, subject: str = "model", regime: str = "eu-ai-act") -> dict[str, Determination]:
    """Return the determinations of one subject by the key of their rule."""
    return {
        item.rule.key: item
        for item in assessment.determinations
        if item.subject == subject and item.rule.regime == regime
    }


def strengths(assessment: Assessment, subject: str = "model") -> dict[str, str]:
    """Return strengths by key."""
    return {key: item.strength.value for key, item in by_key(assessment, subject).items()}


def _inspection(path: str, parameters: float | None, metadata: Mapping[str, Any]) -> Inspection:
    weights = path.endswith(".safetensors")
    file = RepoFile(
        path=path, size=10, format=Format.SAFETENSORS if weights else Format.TEXT,
        role=Role.WEIGHTS if weights else Role.CARD if path.endswith(".md") else Role.OTHER,
    )  # fmt: skip
    tensors = TensorSummary(stored_elements=int(parameters or 0), elements_by_dtype={"BF16": int(parameters or 0)})
    return Inspection(file=file, coverage=Coverage.COMPLETE, tensors=tensors if weights else None, metadata=metadata)


def _claims(fields: Mapping[str, tuple[str, ...]], texts: Sequence[str]) -> list[LicenseClaim]:
    where = Evidence(statement="license", location=Location(path="README.md", line=2))
    claims = []
    names = [*fields.get("license", ()), *fields.get("license_name", ())]
    for raw in names:
        row = license_table().find(raw)
        claims.append(
            LicenseClaim(
                raw=raw,
                basis="declared",
                key=row.key if row else None,
                expression=row.expression if row else None,
                evidence=where,
            )
        )
    for key in texts:
        detected = Evidence(statement="license text", location=Location(path="LICENSE"))
        claims.append(LicenseClaim(raw=key, basis="detected", key=key, evidence=detected))
    return claims


def _facts(
    config: Mapping[str, Any], fields: Mapping[str, tuple[str, ...]], parameters: float | None, experts: float
) -> ModelFacts:
    architecture = next(iter(config.get("architectures", ())), config.get("_class_name"))
    task = next(iter(fields.get("pipeline_tag", ())), None) or (task_of(architecture) if architecture else None)
    inputs, outputs = formats_of(task) if task else ((), ())
    count = int(parameters) if parameters else None
    return ModelFacts(
        architecture=_fact(architecture, "config.json", f"architectures: {architecture}") if architecture else None,
        task=_fact(task, "README.md", f"pipeline_tag: {task}") if task else None,
        library=None,
        parameters=_fact(count, "model.safetensors", "elements of one weight set") if count else None,
        active_parameters=_fact(int(experts), "model.safetensors", "experts") if experts else None,
        labels=tuple(_fact(label, "config.json", "id2label") for label in config.get("id2label", {}).values()),
        inputs=tuple(_fact(item, "README.md", "task") for item in inputs),
        outputs=tuple(_fact(item, "README.md", "task") for item in outputs),
        weight_sets=(WeightSet(format=Format.SAFETENSORS, variant="", paths=("model.safetensors",), stored_elements=count,
                               elements_by_dtype={"BF16": count}, parameters=count, derivation="elements"),) if count else (),
        config={key: value for key, value in config.items() if isinstance(value, str | int | float | bool)},
    )  # fmt: skip
