"""Inspect bare pickles: files that are one pickle stream, or several in a row."""

from __future__ import annotations

from aibom.components import Import, Inspection
from aibom.files import Coverage, RepoFile
from aibom.inspectors.contents import with_contents
from aibom.inspectors.joblib_files import array_hook
from aibom.inspectors.numpy_values import summarize_arrays
from aibom.inspectors.pickle_examine import Examination, capped, examine, present, settle
from aibom.inspectors.pickle_models import Models
from aibom.inspectors.pickle_rules import RULES
from aibom.inspectors.pickle_trailing import look_after
from aibom.inspectors.pickle_triage import WORTH
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

__all__ = ["RULES", "inspect"]

_TENSOR_PACKAGES = frozenset({"numpy", "torch", "joblib", "pandas", "sklearn", "scipy"})


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Say what the pickle imports, what it does with that, and which arrays it holds."""
    models = Models(limits.findings_per_file)
    examined = settle(file, data, limits) if data.size >= WORTH else None
    if examined is None or _may_hold_arrays(examined.imports):
        examined = examine(file, data, limits, values=True, raw=array_hook(data), models=models)
    findings = [*examined.findings]
    imports = examined.imports
    coverage = examined.coverage
    if (rest := _unread(examined)) < data.size:
        trailing = look_after(file, data, limits, rest, broken=examined.fault is not None)
        findings += trailing.findings
        imports += trailing.imports
        if not trailing.complete:
            coverage = Coverage.PARTIAL
    inspection = Inspection(
        file=file,
        coverage=coverage,
        tensors=summarize_arrays(examined.roots, limits),
        imports=imports,
        metadata={"pickle:streams": len(examined.ends)},
        findings=(present(file), *capped(file, findings, limits)),
    )
    return with_contents(inspection, models.contents)


def _may_hold_arrays(imports: tuple[Import, ...]) -> bool:
    return any(item.module.partition(".")[0] in _TENSOR_PACKAGES for item in imports)


def _unread(examined: Examination) -> int:
    """Return where reading ended: after the last STOP, or at the fault."""
    if examined.fault is not None:
        return examined.fault.offset
    return examined.ends[-1]
