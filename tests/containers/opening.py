"""Open a container in memory and read all of its members."""

from __future__ import annotations

from dataclasses import dataclass

from aibom.containers import CONTAINERS
from aibom.containers.protocol import Budget
from aibom.errors import FileFault
from aibom.files import Format, RepoFile, Role
from aibom.findings import Finding
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What came out: members' bytes (or the fault) by name, findings, the fault that ended the listing."""

    members: dict[str, bytes | FileFault]
    findings: list[Finding]
    complete: bool
    fault: FileFault | None

    @property
    def rules(self) -> set[str]:
        """Ids of the rules that were reported."""
        return {finding.rule.id for finding in self.findings}


def unpack(
    kind: Format, data: bytes, *, limits: Limits | None = None, name: str = "file.bin", budget: Budget | None = None
) -> Opened:
    """Run through a container as the scan does."""
    limits = limits or Limits()
    file = RepoFile(path=name, size=len(data), format=kind, role=Role.OTHER)
    container = CONTAINERS[kind](file, MemorySource(data), limits, budget or Budget.of(limits))
    members: dict[str, bytes | FileFault] = {}
    ended: FileFault | None = None
    try:
        for member in container.members():
            try:
                with member.open() as source:
                    members[member.name] = source.read_at(0, source.size)
            except FileFault as fault:
                members[member.name] = fault
    except FileFault as fault:
        ended = fault
    return Opened(members=members, findings=container.findings, complete=container.complete, fault=ended)
