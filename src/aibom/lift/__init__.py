"""Take the weights out of a torch checkpoint without running it, and write them as safetensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from msgspec import Struct

from aibom.errors import AibomError, FileFault
from aibom.files import RepoFile
from aibom.findings import Finding, Severity
from aibom.inspectors.pytorch_names import Named
from aibom.inspectors.torch_elements import OpenStorage, elements
from aibom.inspectors.torch_views import TorchTensor, View
from aibom.lift.checkpoint import read_checkpoint
from aibom.lift.writer import Outgoing, holds, write
from aibom.limits import MIB, Limits
from aibom.sources.bytesource import ByteSource

__all__ = ["LiftRefused", "LiftResult", "lift"]

_GROWTH = 8
_GROWTH_FLOOR = 256 * MIB
_SHOWN = 5


class LiftRefused(AibomError):  # noqa: N818 -- a decision, not a failure
    """The checkpoint was read, and its weights are not taken out of it; `findings` are what speaks against it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.findings = findings


class LiftResult(Struct, frozen=True, kw_only=True):
    """What was written (names in the order of the checkpoint; `size` in bytes) and what was left behind, with why.

    `read_back` says whether the safetensors library opened the file; `findings` are those of the checkpoint.
    """

    path: Path
    names: tuple[str, ...]
    size: int
    read_back: bool
    left: tuple[str, ...]
    findings: tuple[Finding, ...]


def lift(data: ByteSource, file: RepoFile, out_path: Path, limits: Limits, *, tensors_only: bool) -> LiftResult:
    """Write the tensors of a torch zip or legacy file to `out_path`, which is replaced at the very end.

    Tied weights are written under each of their names. With `tensors_only`, tensors are taken out of a checkpoint
    that does more than hold them; what it does is not run either way.

    Raises:
        LiftRefused: the checkpoint is dangerous, or something about a tensor is not exactly known.
        OutputError: the file can't be written, or is not read back as it was meant.
        OSError: the checkpoint can't be read.
    """
    try:
        checkpoint = read_checkpoint(file, data, limits)
    except FileFault as fault:
        raise LiftRefused(f"{file.path} can't be read: {fault}", hint="is it a checkpoint of torch.save?") from None
    grave = tuple(finding for finding in checkpoint.findings if finding.severity.at_least(Severity.HIGH))
    if grave and not tensors_only:
        raise LiftRefused(
            f"{file.path} is not safe: {grave[0].message}",
            hint="--tensors-only takes the weights and nothing else, still without running anything",
            findings=grave,
        )
    if checkpoint.obstacles:
        raise LiftRefused(f"{file.path}: {checkpoint.obstacles[0]}", findings=grave)
    outgoing: list[Outgoing] = []
    left = list(checkpoint.left)
    for part in checkpoint.parts:
        for item in part.named:
            if item.through and not tensors_only:
                raise LiftRefused(
                    f"{file.path}: {item.name} is inside an object of {item.through}, whose code decides what it is",
                    hint="--tensors-only takes the weights as they are stored",
                )
            ready = _outgoing(file, item, part.open, little_endian=checkpoint.little_endian)
            if isinstance(ready, str):
                left.append(f"{item.name} ({ready})")
            else:
                outgoing.append(ready)
    _refuse_clashes(file, outgoing)
    _refuse_growth(file, data, outgoing)
    try:
        written = write(out_path, outgoing)
    except FileFault as fault:
        raise LiftRefused(f"{file.path}: {fault}") from None
    return LiftResult(
        path=out_path,
        names=tuple(tensor.name for tensor in outgoing),
        size=written.size,
        read_back=written.read_back,
        left=tuple(left),
        findings=checkpoint.findings,
    )


def _outgoing(
    file: RepoFile, item: Named[TorchTensor], open_storage: OpenStorage, *, little_endian: bool
) -> Outgoing | str:
    """Return the tensor ready to be written, or why it is left behind."""
    tensor = item.tensor
    if tensor is None:
        raise LiftRefused(f"{file.path}: {item.name} can't be read exactly")
    if not tensor.dense:
        return f"a tensor of layout {tensor.layout}"
    view = tensor.views[0]
    if not view.fits:
        raise LiftRefused(f"{file.path}: {item.name} reaches beyond its storage")
    if not holds(tensor.dtype):
        return f"elements of type {tensor.dtype}"
    content = partial(_content, view, open_storage, little_endian=little_endian)
    return Outgoing(name=item.name, dtype=tensor.dtype, shape=tensor.shape, content=content)


def _content(view: View, open_storage: OpenStorage, *, little_endian: bool) -> Iterator[bytes]:
    with closing(open_storage(view.storage)) as storage:
        yield from elements(view, storage, little_endian=little_endian)


def _refuse_clashes(file: RepoFile, outgoing: list[Outgoing]) -> None:
    if not outgoing:
        raise LiftRefused(f"{file.path} holds no tensors that safetensors can hold")
    seen: set[str] = set()
    for tensor in outgoing:
        if tensor.name in seen or tensor.name == "__metadata__":
            raise LiftRefused(f"{file.path}: two tensors would be called {tensor.name}")
        seen.add(tensor.name)


def _refuse_growth(file: RepoFile, data: ByteSource, outgoing: list[Outgoing]) -> None:
    """A few bytes may stand for tensors of any size, by strides of zero or by many names."""
    total = sum(tensor.length for tensor in outgoing)
    if total > _GROWTH_FLOOR + _GROWTH * data.size:
        raise LiftRefused(f"{file.path} has {data.size} bytes, its tensors would take {total}")
