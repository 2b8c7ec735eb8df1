"""Targets in memory for tests of resolvers: files become inspections as the pipeline would hand them on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from tests.fakes import MemoryRepo

from aibom.components import Inspection, Resolution, Scalar, Tensor, TensorSummary
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Finding
from aibom.limits import Limits
from aibom.report import SourceFacts
from aibom.resolvers.repository import Repository
from aibom.resolvers.resolving import resolve
from aibom.settings import Identity, Profile, Settings
from aibom.sources.protocol import Source

Files = Mapping[str, bytes | str]
Formats = Mapping[str, tuple[Format, Role]]
DAY = dt.date(2026, 11, 21)

_ENDINGS = {
    ".safetensors": Format.SAFETENSORS, ".bin": Format.PYTORCH_ZIP, ".pt": Format.PYTORCH_ZIP, ".gguf": Format.GGUF,
    ".onnx": Format.ONNX, ".pkl": Format.PICKLE, ".h5": Format.KERAS_H5, ".joblib": Format.JOBLIB,
    ".msgpack": Format.FLAX_MSGPACK, ".skops": Format.SKOPS,
}  # fmt: skip


def raw(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data


def memory(files: Files, **more: Any) -> MemoryRepo:
    return MemoryRepo({path: raw(data) for path, data in files.items()}, **more)


def weights(
    path: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    *,
    dtypes: Mapping[str, str] | None = None,
    metadata: Mapping[str, Scalar] | None = None,
    kind: Format | None = None,
    complete: bool = True,
    stored: int | None = None,
    members: tuple[str, ...] = (),
) -> Inspection:
    """The inspection of a weight file that holds F32 tensors of these shapes; None for a file without a count."""
    name = (members[-1] if members else path).lower()
    found = kind or next((kind for end, kind in _ENDINGS.items() if name.endswith(end)), Format.UNKNOWN)
    summary = None
    if shapes is not None:
        tensors = tuple(
            Tensor(name=key, dtype=(dtypes or {}).get(key, "F32"), shape=tuple(shape)) for key, shape in shapes.items()
        )
        by_dtype: dict[str, int] = {}
        for tensor in tensors:
            by_dtype[tensor.dtype] = by_dtype.get(tensor.dtype, 0) + prod(tensor.shape)
        summary = TensorSummary(
            stored_elements=sum(by_dtype.values()) if stored is None else stored,
            elements_by_dtype=by_dtype,
            tensors=tensors,
            complete=complete,
        )
    file = RepoFile(path=path, size=100, format=found, role=Role.WEIGHTS, members=members)
    return Inspection(file=file, coverage=Coverage.COMPLETE, tensors=summary, metadata=metadata or {})


def inspections(files: Files, formats: Formats | None = None) -> tuple[Inspection, ...]:
    """Inspections of text files."""
    found = []
    for path, data in files.items():
        kind, role = (formats or {}).get(path, (Format.TEXT, Role.OTHER))
        file = RepoFile(path=path, size=len(raw(data)), format=kind, role=role)
        found.append(Inspection(file=file, coverage=Coverage.COMPLETE))
    return tuple(found)


def repository(
    files: Files,
    more: Sequence[Inspection] = (),
    *,
    limits: Limits | None = None,
    formats: Formats | None = None,
) -> Repository:
    return Repository(memory(files), (*inspections(files, formats), *more), limits or Limits())


def resolution(
    files: Files,
    more: Sequence[Inspection] = (),
    *,
    target: str = "acme-chat",
    facts: SourceFacts | None = None,
    identity: Identity | None = None,
    profile: Profile | None = None,
    open_related: Callable[[str], Source | None] = lambda _: None,
    limits: Limits | None = None,
) -> Resolution:
    """Resolve a target in memory."""
    settings = Settings(
        as_of=DAY, identity=identity or Identity(), profile=profile or Profile(), limits=limits or Limits()
    )
    source = memory(files, target=target)
    return resolve(source, (*inspections(files), *more), open_related, settings, facts or SourceFacts())


def said(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Rule and severity of each finding, sorted."""
    return sorted((finding.rule.id, finding.severity.value) for finding in findings)
