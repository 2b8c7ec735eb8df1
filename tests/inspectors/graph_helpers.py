"""Call an inspector on bytes."""

from __future__ import annotations

from aibom.components import Inspection, TensorSummary
from aibom.files import Format, RepoFile, Role
from aibom.inspectors.protocol import Inspector
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource


def look(inspector: Inspector, raw: bytes, *, name: str = "model", limits: Limits | None = None) -> Inspection:
    file = RepoFile(path=name, size=len(raw), format=Format.UNKNOWN, role=Role.WEIGHTS)
    return inspector(file, MemorySource(raw), limits or Limits())


def rules(inspection: Inspection) -> list[str]:
    return [finding.rule.id for finding in inspection.findings]


def messages(inspection: Inspection) -> str:
    return "\n".join(finding.message for finding in inspection.findings)


def tensors(inspection: Inspection) -> TensorSummary:
    assert inspection.tensors is not None
    return inspection.tensors
