"""Inspect NumPy array files: type, shape and size of the array, and the pickle that arrays of objects are."""

from __future__ import annotations

from contextlib import suppress

from msgspec import Struct, field
from msgspec.structs import replace

from aibom.components import Import, Inspection, Tensor, TensorSummary
from aibom.errors import FileFault
from aibom.files import Coverage, RepoFile
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.inspectors.numpy_header import MAGIC, ArrayHeader, header_span, read_header
from aibom.inspectors.observations import Observations
from aibom.inspectors.pickle_examine import examine, present
from aibom.inspectors.pickle_trailing import look_after
from aibom.inspectors.protocol import TRUNCATED
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

TRAILING_BYTES = Rule(
    id="trailing-bytes",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.LOW,
    summary="Bytes follow what the format describes",
    explanation=(
        "The file goes on after the end of its content. Its own loader does not look at the rest; another program, or "
        "a second read from the same open file, may."
    ),
    help="Ask the publisher what the rest is for, or fetch the file again.",
    cwes=(434,),
)

RULES = (TRAILING_BYTES,)

_NO_NUMBERS = frozenset({"OBJECT", "BYTES", "TEXT", "VOID", "DATETIME64", "TIMEDELTA64"})


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Say what the array is. An array of objects is a pickle behind the header, and examined as one.

    Several arrays may stand in one file, as `numpy.save` writes them to a file that stays open.
    """
    reading = _Reading(file=file, data=data, limits=limits, seen=Observations(file, limits))
    at: int | None = 0
    while at is not None:
        at = reading.array(at)
    return reading.inspection()


class _Reading(Struct, kw_only=True):
    """The arrays of one file, as far as they were read."""

    file: RepoFile
    data: ByteSource
    limits: Limits
    seen: Observations
    tensors: list[Tensor] = field(default_factory=list)
    by_dtype: dict[str, int] = field(default_factory=dict)
    imports: list[Import] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    arrays: int = 0
    complete: bool = True

    def array(self, at: int) -> int | None:
        """Read the array at `at`; return where the next one is."""
        self.arrays += 1
        try:
            header = read_header(self.data, self.limits, at)
        except FileFault as fault:
            self.seen.fault(fault)
            self.complete = False
            # numpy may understand what we do not, and then loads what stands behind it.
            with suppress(FileFault):
                self._look_after(header_span(self.data, self.limits, at)[1])
            return None
        end: int | None
        if header.objects:
            self.complete = False
            end = self._pickle(header.data_offset)
        else:
            end = self._numbers(header)
        if end is None or end >= self.data.size:
            return None
        if self.data.read_at(end, len(MAGIC)) == MAGIC and self.arrays < self.limits.tensors:
            return end
        self.seen.report(TRAILING_BYTES, f"{self.data.size - end} bytes follow the array", offset=end)
        self._look_after(end)
        return None

    def _look_after(self, start: int) -> None:
        """Search the rest of the file for pickles that act."""
        behind = look_after(self.file, self.data, self.limits, start, broken=True)
        self.findings += behind.findings
        self.imports += behind.imports
        if not behind.complete:
            self.seen.coverage = Coverage.PARTIAL

    def _pickle(self, start: int) -> int | None:
        """Examine the pickle of an array of objects; return where it ends."""
        # numpy passes the open file to pickle, which stops at the first STOP.
        examined = examine(self.file, self.data, self.limits, start=start, streams=1)
        if not self.findings:
            self.findings.append(present(self.file, "holds objects, which are a pickle"))
        self.findings += examined.findings
        self.imports += examined.imports
        if examined.coverage is not Coverage.COMPLETE:
            self.seen.coverage = Coverage.PARTIAL
        return examined.ends[-1] if examined.ends else None

    def _numbers(self, header: ArrayHeader) -> int | None:
        self._count(header)
        end = header.data_offset + header.data_bytes
        if end <= self.data.size:
            return end
        there = max(0, self.data.size - header.data_offset)
        self.seen.report(
            TRUNCATED,
            f"the array should have {header.data_bytes} bytes, {there} are there",
            offset=header.data_offset,
        )
        self.seen.coverage = Coverage.PARTIAL
        self.complete = False
        return None

    def _count(self, header: ArrayHeader) -> None:
        for dtype, count in header.fields:
            if dtype not in _NO_NUMBERS:
                self.by_dtype[dtype] = self.by_dtype.get(dtype, 0) + header.items * count
        in_order = not header.fortran or sum(size != 1 for size in header.shape) < 2
        plain = header.plain and not header.swapped and in_order
        self.tensors.append(
            Tensor(
                name=_name(self.file, self.arrays),
                dtype=header.dtype,
                shape=header.shape,
                offset=header.data_offset if plain else None,
                length=header.data_bytes if plain else None,
            )
        )

    def inspection(self) -> Inspection:
        """Return everything that was seen."""
        seen = self.seen.inspection()
        summary = TensorSummary(
            stored_elements=sum(self.by_dtype.values()),
            elements_by_dtype=self.by_dtype,
            tensors=tuple(self.tensors),
            complete=self.complete,
        )
        return replace(
            seen,
            tensors=summary if self.tensors else None,
            imports=tuple(self.imports),
            findings=(*self.findings, *seen.findings),
        )


def _name(file: RepoFile, number: int) -> str:
    """Return the name of an array: in an `.npz`, that of the member without `.npy`."""
    stem = (file.members[-1] if file.members else file.name).removesuffix(".npy")
    return stem if number == 1 else f"{stem}.{number - 1}"
