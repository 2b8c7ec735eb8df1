"""Inspect one file and everything inside it: inspectors by format, containers by recursion, faults as findings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from msgspec.structs import replace

from aibom.components import Inspection
from aibom.containers.protocol import Budget, Member, Opener
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Finding, Severity
from aibom.formats import mismatch_finding, other_formats, polyglot_finding, recognize, role_of
from aibom.inspectors.contents import Blanked, Content, apart
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE, MALFORMED_FILE, Inspector
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource
from aibom.sources.protocol import Source

log = logging.getLogger("aibom.inspection")

# Plain text in these can't run and carries no weights: there is nothing in them that an inspector would parse.
_PLAIN = frozenset({Format.EMPTY, Format.TEXT, Format.MARKDOWN, Format.CSV, Format.JSONL, Format.TOML})


class Inspectors:
    """The tables that one scan uses, with its limits and the budget that all its containers share."""

    def __init__(
        self, inspectors: Mapping[Format, Inspector], containers: Mapping[Format, Opener], limits: Limits
    ) -> None:
        self._inspectors = inspectors
        self._containers = containers
        self._limits = limits
        self.budget = Budget.of(limits)

    def reads(self, format_: Format) -> bool:
        """Say whether anything but the first bytes of a file of this format is looked at."""
        return format_ in self._inspectors or format_ in self._containers

    def inspect_file(self, source: Source, file: RepoFile) -> Iterator[Inspection]:
        """Open a file of the target and yield its inspection and those of its members."""
        faults: list[FileFault] = []
        with _noting(faults, "the source"), source.open(file.path) as data:
            yield from self.inspect(file, data)
        if faults:
            yield self._with_faults(Inspection(file=file, coverage=Coverage.NONE), faults)

    def inspect(self, file: RepoFile, data: ByteSource) -> Iterator[Inspection]:
        """Yield the inspection of a file, then those of its members. A file that is two things at once is read as both.

        Whatever goes wrong in a file, a bug of ours included, becomes a finding on that file.
        """
        return self._inspect(file, data, self._inspectors.get(file.format))

    def _inspect(self, file: RepoFile, data: ByteSource, inspector: Inspector | None) -> Iterator[Inspection]:
        first, *inner = self._inspect_as(file, data, inspector)
        first, contents = apart(first)
        for content in contents:
            inner += self._content(file, content)
        others: tuple[Format, ...] = ()
        # A read that fails here has failed for the inspector too, which has said so.
        with _noting([], "the search for another format"):
            others = other_formats(file, Blanked(data, contents) if contents else data)
        for other in others:
            second, *more = self._inspect_as(replace(file, format=other), data, self._inspectors.get(other))
            first = _joined(first, second, polyglot_finding(file, other))
            inner += more
        yield first
        yield from inner

    def _inspect_as(self, file: RepoFile, data: ByteSource, inspector: Inspector | None) -> Iterator[Inspection]:
        opener = self._containers.get(file.format)
        looked_at = Coverage.COMPLETE if opener or file.format in _PLAIN else Coverage.NONE
        inspection = Inspection(file=file, coverage=looked_at if inspector is None else Coverage.NONE)
        faults: list[FileFault] = []
        if inspector is not None:
            with _noting(faults, f"the inspector of {file.format}"):
                inspection = inspector(file, data, self._limits)
        inner: list[Inspection] = []
        if opener is not None:
            with _noting(faults, f"the reader of {file.format}"):
                inspection = self._open(inspection, data, opener, inner)
        yield self._with_faults(inspection, faults)
        yield from inner

    def _open(self, inspection: Inspection, data: ByteSource, opener: Opener, inner: list[Inspection]) -> Inspection:
        file = inspection.file
        if len(file.members) >= self._limits.container_depth:
            raise LimitExceeded(f"nested more than {self._limits.container_depth} containers deep")
        container = opener(file, data, self._limits, self.budget)
        consumed = frozenset(inspection.consumed)
        faults: list[FileFault] = []
        with _noting(faults, f"the reader of {file.format}"):
            for member in container.members():
                if member.name not in consumed and member.size:
                    inner.extend(self._member(file, member))
        inspection = replace(inspection, findings=(*inspection.findings, *container.findings))
        if not container.complete:
            inspection = replace(inspection, coverage=Coverage.PARTIAL)
        return self._with_faults(inspection, faults)

    def _member(self, outer: RepoFile, member: Member) -> Iterator[Inspection]:
        file = RepoFile(
            path=outer.path,
            members=(*outer.members, member.name),
            size=member.size,
            format=Format.UNKNOWN,
            role=Role.OTHER,
        )
        faults: list[FileFault] = []
        with _noting(faults, "the reader of a member"), member.open() as data:
            head = data.read_at(0, self._limits.sniff_bytes)
            format_ = recognize(member.name, head, data.size, data)
            file = replace(file, size=data.size, format=format_, role=role_of(member.name, format_))
            first, *rest = self.inspect(file, data)
            yield _with_doubt(first)
            yield from rest
        if faults:
            yield self._with_faults(Inspection(file=file, coverage=Coverage.NONE), faults)

    def _content(self, outer: RepoFile, content: Content) -> Iterator[Inspection]:
        """Inspect a file that stands in another one as what its loader takes it for."""
        file = RepoFile(
            path=outer.path,
            members=(*outer.members, content.name),
            size=content.data.size,
            format=content.format,
            role=role_of(content.name, content.format),
        )
        faults: list[FileFault] = []
        with _noting(faults, "the reader of a content"):
            if len(outer.members) >= self._limits.container_depth:
                raise LimitExceeded(f"nested more than {self._limits.container_depth} containers deep")
            self.budget.take(members=1)
            yield from self._inspect(file, content.data, content.inspector or self._inspectors.get(content.format))
        if faults:
            yield self._with_faults(Inspection(file=file, coverage=Coverage.NONE), faults)

    def _with_faults(self, inspection: Inspection, faults: list[FileFault]) -> Inspection:
        if not faults:
            return inspection
        file = inspection.file
        grave = file.role in {Role.WEIGHTS, Role.CODE} or file.format in self._containers
        findings = [*inspection.findings]
        for fault in faults:
            rule = INSPECTION_INCOMPLETE if isinstance(fault, LimitExceeded) else MALFORMED_FILE
            severity = rule.severity if grave else Severity.MEDIUM
            findings.append(Finding.of(rule, str(fault), file.at(offset=fault.offset), severity=severity))
        coverage = Coverage.NONE if inspection.coverage is Coverage.NONE else Coverage.PARTIAL
        return replace(inspection, coverage=coverage, findings=tuple(findings))


@contextmanager
def _noting(faults: list[FileFault], reader: str) -> Iterator[None]:
    """Turn what a reader raises into a fault of the file that it reads."""
    try:
        yield
    except FileFault as fault:
        faults.append(fault)
    except OSError as fault:
        faults.append(MalformedFile(f"can't be read: {fault.strerror or fault}"))
    except Exception:  # the one catch-all: a bug of ours can't end the scan, and can't read as clean
        log.exception("%s failed", reader)
        faults.append(LimitExceeded(f"{reader} failed; please report this"))


def _joined(first: Inspection, second: Inspection, finding: Finding) -> Inspection:
    """Return what was seen of one file in two formats as an inspection in the first."""
    whole = first.coverage is Coverage.COMPLETE and second.coverage is Coverage.COMPLETE
    return replace(
        first,
        coverage=first.coverage if whole else Coverage.PARTIAL,
        imports=(*first.imports, *second.imports),
        references=(*first.references, *second.references),
        findings=(*first.findings, finding, *second.findings),
    )


def _with_doubt(inspection: Inspection) -> Inspection:
    if (doubt := mismatch_finding(inspection.file)) is None:
        return inspection
    return replace(inspection, findings=(*inspection.findings, doubt))
