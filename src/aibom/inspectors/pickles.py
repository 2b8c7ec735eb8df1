"""Inspect bare pickles: files that are one pickle stream, or several in a row."""

from __future__ import annotations

from aibom.components import Inspection
from aibom.files import RepoFile
from aibom.inspectors.pickle_examine import examine, present
from aibom.inspectors.pickle_rules import RULES
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

__all__ = ["RULES", "inspect"]


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Say what the pickle imports and what it does with it."""
    examined = examine(file, data, limits)
    return Inspection(
        file=file,
        coverage=examined.coverage,
        imports=examined.imports,
        metadata={"pickle:streams": len(examined.ends), "pickle:opcodes": examined.opcodes},
        findings=(present(file), *examined.findings),
    )
