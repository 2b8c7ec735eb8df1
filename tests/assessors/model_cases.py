"""Repositories in memory, read by the real inventory, inspectors and resolvers, then assessed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fixtures.weights import safetensors_header
from msgspec import Struct
from msgspec.structs import replace
from tests.fakes import MemoryRepo

from aibom.assessors.assessing import assess
from aibom.components import Inspection, LicenseClaim, Resolution, Verification
from aibom.containers import CONTAINERS
from aibom.files import Location
from aibom.findings import Evidence
from aibom.inspection import Inspectors
from aibom.inspectors import INSPECTORS
from aibom.inventory import take_inventory
from aibom.report import Assessment, Determination, SourceFacts
from aibom.resolvers.resolving import resolve
from aibom.settings import Settings
from aibom.sources.bytesource import ByteSource, MemorySource
from aibom.sources.protocol import Entry

TODAY = dt.date(2026, 11, 21)


class _Hole(MemorySource):
    """A file whose head is real and whose rest reads as zeros: weights of any declared size."""

    def __init__(self, head: bytes, size: int) -> None:
        super().__init__(head)
        self._head = head
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        return self._head[offset : offset + length].ljust(length, b"\0")


class _Repo(MemoryRepo):
    """A repository in memory with weights that are declared, not held."""

    def __init__(self, files: Mapping[str, bytes], holes: Mapping[str, tuple[bytes, int]], **more: Any) -> None:
        super().__init__({**files, **dict.fromkeys(holes, b"")}, **more)
        self._holes = holes

    def entries(self) -> Any:
        for entry in super().entries():
            hole = self._holes.get(entry.path)
            yield replace(entry, size=hole[1]) if hole and isinstance(entry, Entry) else entry

    def open(self, path: str) -> ByteSource:
        return _Hole(*self._holes[path]) if path in self._holes else super().open(path)


class Case(Struct, frozen=True):
    """What the stages before the assessors made of a repository."""

    resolution: Resolution
    inspections: tuple[Inspection, ...]
    facts: SourceFacts
    settings: Settings
    verifications: tuple[Verification, ...] = ()


def model(
    card: str | None,
    *,
    config: Mapping[str, Any] | None = None,
    parameters: float | None = None,
    active: float | None = None,
    name: str = "model",
    identity: str | None = None,
    license_texts: Sequence[str] = (),
    gated: str | None = None,
    created: str | None = None,
    files: Mapping[str, str] | None = None,
    weights: str = "model.safetensors",
) -> Case:
    """Read a repository with this card, configuration and number of declared parameters.

    `active` of a mixture is told by how many elements lie in experts. `license_texts` are keys of licenses whose text
    counts as recognised, for texts that can't stand in a test.
    """
    config = dict(config or {})
    texts = {path: text.encode() for path, text in (files or {}).items()}
    if card is not None:
        texts["README.md"] = card.encode()
    if config:
        index = config.get("_class_name", "").endswith("Pipeline")
        texts["model_index.json" if index else "config.json"] = json.dumps(config).encode()
    holes = {weights: _weights(int(parameters), active, config)} if parameters else {}
    facts = SourceFacts(kind="hub" if identity else "directory", identity=identity, gated=gated, created=created)
    source = _Repo(texts, holes, target=name, facts=facts)
    settings = Settings(as_of=TODAY)
    inventory = take_inventory(source, settings.limits)
    inspectors = Inspectors(INSPECTORS, CONTAINERS, settings.limits)
    inspections = tuple(item for file in inventory.files for item in inspectors.inspect_file(source, file))
    resolution = resolve(source, inspections, lambda _: None, settings, facts)
    return Case(_recognised(resolution, license_texts), inspections, facts, settings)


def judged(
    case: Case, *, as_of: dt.date = TODAY, operator: Mapping[str, str | int | float | bool] | None = None
) -> Assessment:
    """Assess a case on a day, with what an operator declares."""
    settings = replace(case.settings, as_of=as_of, operator=dict(operator or {}))
    return assess(case.resolution, case.inspections, case.verifications, settings, case.facts, day=TODAY)


def by_key(case: Case, assessment: Assessment, regime: str = "eu-ai-act") -> dict[str, Determination]:
    """Return the determinations about the root by the key of their rule."""
    found = [item for item in assessment.determinations if item.subject == case.resolution.root]
    return {item.rule.key: item for item in found if item.rule.regime == regime}


def strengths(case: Case, **more: Any) -> dict[str, str]:
    """Assess a case and return strengths by key."""
    return {key: item.strength.value for key, item in by_key(case, judged(case, **more)).items()}


def _weights(parameters: int, active: float | None, config: Mapping[str, Any]) -> tuple[bytes, int]:
    experts = 0
    if active is not None:
        number, used = config["num_local_experts"], config["num_experts_per_tok"]
        experts = int((parameters - active) / (1 - used / number))
    tensors = {"model.embed_tokens.weight": ("BF16", [parameters - experts])}
    if experts:
        tensors["model.layers.0.mlp.experts.0.up_proj.weight"] = ("BF16", [experts])
    head, size = safetensors_header(tensors)
    return head, len(head) + size


def _recognised(resolution: Resolution, keys: Sequence[str]) -> Resolution:
    evidence = Evidence(statement="license text", location=Location(path="LICENSE"))
    claims = tuple(LicenseClaim(raw=key, basis="detected", key=key, evidence=evidence) for key in keys)
    components = tuple(
        replace(item, licenses=(*item.licenses, *claims)) if item.ref == resolution.root else item
        for item in resolution.components
    )
    return replace(resolution, components=components)
