"""Collect what an inspector sees in one file, so that a fault later in the file takes nothing away."""

from __future__ import annotations

from aibom.components import Inspection, Reference, Scalar, TensorSummary
from aibom.errors import FileFault, LimitExceeded
from aibom.files import Coverage, RepoFile
from aibom.findings import Finding, Rule, Severity
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE, MALFORMED_FILE
from aibom.limits import Limits

_SHOWN = 120


def shown(text: str, length: int = _SHOWN) -> str:
    """Quote foreign text for a message: escaped, and cut at `length` characters."""
    return repr(text if len(text) <= length else text[:length] + "…")


class Observations:
    """What was seen in one file so far. Says each thing once, and never more than the limits allow."""

    def __init__(self, file: RepoFile, limits: Limits) -> None:
        self.file = file
        self.limits = limits
        self.coverage = Coverage.COMPLETE
        self.tensors: TensorSummary | None = None
        self.consumed: list[str] = []
        self._findings: list[Finding] = []
        self._said: set[tuple[str, str]] = set()
        self._metadata: dict[str, Scalar] = {}
        self._references: list[Reference] = []
        self._full = False

    def report(
        self,
        rule: Rule,
        message: str,
        *,
        offset: int | None = None,
        line: int | None = None,
        members: tuple[str, ...] = (),
        severity: Severity | None = None,
        evidence: tuple[str, ...] = (),
    ) -> None:
        """Add a finding at a place in the file; the same message a second time is the same cause."""
        if self._full or (rule.id, message) in self._said:
            return
        if len(self._findings) >= self.limits.findings_per_file:
            self._full = True
            self.coverage = Coverage.PARTIAL
            rule, message, severity = (
                INSPECTION_INCOMPLETE,
                "more findings than the limit allows; the rest is left out",
                None,
            )
        location = self.file.at(offset=offset, line=line, members=members)
        self._said.add((rule.id, message))
        self._findings.append(Finding.of(rule, message, location, severity=severity, evidence=evidence))

    def fault(self, fault: FileFault, *, members: tuple[str, ...] = (), severity: Severity | None = None) -> None:
        """Keep the fault that ended the reading (of a part) of the file as a finding."""
        rule = INSPECTION_INCOMPLETE if isinstance(fault, LimitExceeded) else MALFORMED_FILE
        self.report(rule, str(fault), offset=fault.offset, members=members, severity=severity)
        self.coverage = Coverage.PARTIAL

    def unread(self, what: str, *, offset: int | None = None, severity: Severity | None = None) -> None:
        """Say that a part was not looked at."""
        self.report(INSPECTION_INCOMPLETE, what, offset=offset, severity=severity)
        self.coverage = Coverage.PARTIAL

    def note(self, key: str, value: Scalar | None) -> None:
        """Keep a fact about the file; long text is cut, and no more facts are kept than the limits allow."""
        if value is None or value == "" or len(self._metadata) >= self.limits.metadata_entries:
            return
        if isinstance(value, str):
            value = value[: self.limits.metadata_value_bytes]
        self._metadata[key[:_SHOWN]] = value

    def refer(self, reference: Reference) -> None:
        """Keep a reference to another file."""
        if len(self._references) < self.limits.files:
            self._references.append(reference)

    def inspection(self) -> Inspection:
        """Return everything that was seen."""
        return Inspection(
            file=self.file,
            coverage=self.coverage,
            tensors=self.tensors,
            metadata=self._metadata,
            references=tuple(self._references),
            findings=tuple(self._findings),
            consumed=tuple(self.consumed),
        )
