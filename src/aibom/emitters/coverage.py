"""How much of a target was looked at."""

from __future__ import annotations

from aibom.components import Inspection, TensorRoot
from aibom.files import Coverage, Role
from aibom.report import Report, Skipped

_VERSION_CONTROL = frozenset({".git", ".hg", ".svn"})
_LOADED = frozenset({Role.WEIGHTS, Role.CODE, Role.CONFIG, Role.TOKENIZER})
_NAMED = 5
_ORDER = (Coverage.NONE, Coverage.PARTIAL, Coverage.COMPLETE)


def by_path(report: Report) -> dict[str, Coverage]:
    """Return for each file the least coverage of it and of all that it contains."""
    coverage: dict[str, Coverage] = {}
    for inspection in report.inspections:
        path, this = inspection.file.path, _seen_from_outside(inspection)
        known = coverage.get(path)
        coverage[path] = this if known is None else min(known, this, key=_ORDER.index)
    return coverage


def left_out(report: Report) -> list[Skipped]:
    """Return what is missing from the list of files; a clone without its version control is all of the model."""
    return [skipped for skipped in report.skipped if skipped.path.rsplit("/", 1)[-1] not in _VERSION_CONTROL]


def is_covered(report: Report) -> bool:
    """Say whether every file that a loader may open was inspected to its end, and nothing was left out."""
    gaps = (i for i in report.inspections if i.coverage is not Coverage.COMPLETE and i.file.role in _LOADED)
    return next(gaps, None) is None and not left_out(report)


def _seen_from_outside(inspection: Inspection) -> Coverage:
    # A member that was not opened leaves a gap in its container.
    if inspection.file.members and inspection.coverage is Coverage.NONE:
        return Coverage.PARTIAL
    return inspection.coverage


def digested_tensors(root: TensorRoot) -> str:
    """Say how many tensors of one copy of the weights have a digest, what that cost, and which have none."""
    text = f"{root.tensors - len(root.left_out)} of {root.tensors} tensors digested"
    if root.read_again:
        text += f", {root.read_again} by a second read"
    if root.left_out:
        more = f" and {len(root.left_out) - _NAMED} more" if len(root.left_out) > _NAMED else ""
        text += f"; left out: {', '.join(root.left_out[:_NAMED])}{more}"
    return text
