"""Find the tensors of a torch checkpoint that can be taken out as they are, and say what can't."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from aibom.containers.rules import ARCHIVE_AMBIGUOUS
from aibom.files import Format, RepoFile
from aibom.findings import Finding
from aibom.inspectors.observations import Observations
from aibom.inspectors.pickle_examine import Examination
from aibom.inspectors.pickle_nodes import Call, Node, RawArray, Unknown
from aibom.inspectors.pytorch import read_archive
from aibom.inspectors.pytorch_legacy import LegacyFile, read_legacy
from aibom.inspectors.pytorch_names import Naming, foreign_class
from aibom.inspectors.torch_elements import Part, archive_parts, legacy_part
from aibom.inspectors.torch_tensors import is_tensor_call
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_MOST_LEFT = 1000
_PLAIN = frozenset({"torch.Size", "torch.device", "builtins.set", "builtins.frozenset", "_codecs.encode"})


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What a checkpoint holds.

    `obstacles` are reasons to take nothing out at all; `left` names what is neither a tensor nor plain data.
    """

    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]
    obstacles: tuple[str, ...]
    left: tuple[str, ...]
    little_endian: bool = True


def read_checkpoint(file: RepoFile, data: ByteSource, limits: Limits) -> Checkpoint:
    """Read a torch zip or legacy file.

    Raises:
        MalformedFile, LimitExceeded: it is neither, or can't be read.
    """
    seen = Observations(file, limits)
    if file.format is Format.PYTORCH_LEGACY:
        legacy = read_legacy(file, data, limits, seen)
        return _of_legacy(data, legacy, (*legacy.examination.findings, *seen.inspection().findings))
    archive = read_archive(file, data, limits, seen)
    obstacles = [note.message for note in archive.directory.notes.kept if note.rule is ARCHIVE_AMBIGUOUS]
    obstacles += [str(fault) for fault in archive.directory.faults]
    if sum(pickle.stem == "data" for pickle in archive.pickles) != 1:
        obstacles.append("the archive does not hold exactly one data.pkl")
    for pickle in archive.pickles:
        obstacles += _obstacles(pickle.examination, complete=pickle.complete)
    return Checkpoint(
        parts=archive_parts(data, archive, limits),
        findings=(
            *(item for pickle in archive.pickles for item in pickle.examination.findings),
            *seen.inspection().findings,
        ),
        obstacles=tuple(obstacles),
        left=tuple(item for pickle in archive.pickles for item in _left_behind(pickle.examination.roots[:1])),
        little_endian=archive.little_endian,
    )


def _of_legacy(data: ByteSource, legacy: LegacyFile, findings: tuple[Finding, ...]) -> Checkpoint:
    return Checkpoint(
        parts=(legacy_part(data, legacy),),
        findings=findings,
        obstacles=tuple(_obstacles(legacy.examination, complete=legacy.complete)),
        left=tuple(_left_behind(legacy.examination.roots[3:4])),
    )


def _obstacles(examination: Examination, *, complete: bool) -> Iterator[str]:
    if examination.fault is not None:
        yield f"the pickle breaks: {examination.fault.message}"
    elif not complete:
        yield "not every tensor could be named and read exactly"


def _left_behind(roots: tuple[Node, ...]) -> Iterator[str]:
    """Name the objects that are neither tensors nor plain data, each with its class."""
    naming = Naming(lambda node: is_tensor_call(node) or _is_foreign(node), _described, _MOST_LEFT)
    for root in roots:
        for item in naming.tensors(root):
            if item.tensor:
                yield f"{item.name} ({item.tensor})"


def _is_foreign(node: Node) -> bool:
    if isinstance(node, Call) and node.calls(*_PLAIN):
        return False
    return isinstance(node, Unknown | RawArray) or bool(foreign_class(node))


def _described(node: Node) -> str:
    """Return what an object is, nothing for a tensor."""
    if is_tensor_call(node):
        return ""
    return "not known" if isinstance(node, Unknown) else foreign_class(node)
