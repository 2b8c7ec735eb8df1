"""Recognize ExecuTorch programs: which operators they call and which backends run parts of them.

Field numbers are those of executorch/schema/program.fbs.
"""

from __future__ import annotations

from aibom.components import Inspection
from aibom.errors import FileFault, MalformedFile
from aibom.files import RepoFile
from aibom.findings import Severity
from aibom.inspectors.flatbuffers import FlatBuffer
from aibom.inspectors.observations import Observations
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_NAME_BYTES = 1024
_NAMES = 500


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """List operators and backends; weights and what a backend compiled are not looked at."""
    buffer = FlatBuffer(data, objects=limits.graph_fields)
    if not buffer.identifier().startswith(b"ET"):
        raise MalformedFile("the FlatBuffer is not an ExecuTorch program")
    seen = Observations(file, limits)
    operators: set[str] = set()
    backends: set[str] = set()
    try:
        program = buffer.root()
        seen.note("program_version", program.scalar(0, 4))
        for plan in program.tables(1):
            for operator in plan.tables(6):
                operators.add(operator.text(0, _NAME_BYTES))
            for delegate in plan.tables(7):
                backends.add(delegate.text(0, _NAME_BYTES))
    except FileFault as fault:
        seen.fault(fault)
    seen.note("operators", ", ".join(sorted(operators)[:_NAMES]))
    seen.note("backends", ", ".join(sorted(backends)[:_NAMES]))
    what = "the weights"
    if backends:
        what += " and the parts compiled for a backend"
    seen.unread(f"{what} of this program were not looked at", severity=Severity.LOW)
    return seen.inspection()
