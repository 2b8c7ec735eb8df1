"""Read bytes as the pipeline would: recognize, inspect, and turn a fault into the rule it becomes."""

from aibom.components import Inspection
from aibom.errors import FileFault, LimitExceeded
from aibom.files import Coverage, Format, RepoFile
from aibom.findings import Finding
from aibom.formats import mismatch_finding, recognize, role_of
from aibom.inspectors import INSPECTORS, notebooks, scripts
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE, MALFORMED_FILE
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

HEAD = 4096
READERS = {
    Format.NOTEBOOK: notebooks.inspect,
    Format.SHELL: scripts.inspect,
    Format.DOCKERFILE: scripts.inspect,
    **INSPECTORS,
}


def repo_file(name: str, content: bytes) -> RepoFile:
    found = recognize(name, content[:HEAD], len(content), MemorySource(content))
    return RepoFile(path=name, size=len(content), format=found, role=role_of(name, found))


def read(name: str, content: bytes, limits: Limits | None = None, *, as_format: Format | None = None) -> Inspection:
    """Inspect bytes under a name; findings of the name and of a fault are added."""
    file = repo_file(name, content)
    found = as_format or file.format
    doubt = mismatch_finding(file)
    findings = [] if doubt is None else [doubt]
    inspection = Inspection(file=file, coverage=Coverage.NONE)
    try:
        if found in READERS:
            inspection = READERS[found](file, MemorySource(content), limits or Limits())
    except FileFault as fault:
        rule = INSPECTION_INCOMPLETE if isinstance(fault, LimitExceeded) else MALFORMED_FILE
        findings.append(Finding.of(rule, str(fault), file.at(offset=fault.offset)))
    return Inspection(
        file=inspection.file,
        coverage=inspection.coverage,
        tensors=inspection.tensors,
        imports=inspection.imports,
        metadata=inspection.metadata,
        references=inspection.references,
        findings=(*inspection.findings, *findings),
    )


def rule_ids(inspection: Inspection) -> set[str]:
    return {finding.rule.id for finding in inspection.findings}
