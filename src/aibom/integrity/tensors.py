"""Digests of tensors by content, the same whatever files they stand in; `docs/tensor-digests.md` defines them.

The bytes are digested while the file is: this module says which spans, and makes sense of the results.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from aibom.components import Inspection, SignatureStatus, Tensor, TensorRoot, Verification
from aibom.digests import FileDigests, Span
from aibom.files import Format, Location
from aibom.findings import Evidence, Finding
from aibom.integrity.rules import TENSOR_MISMATCH

TENSOR_COPIES = "tensor-copies"
_PREFIX = "aibom-tensor-v1"
# What GGUF files for big-endian machines hold is the same numbers in other bytes.
_BYTE_ORDER = "aibom:byte-order"
_PART = re.compile(r"(?P<stem>.*?)(?:-\d{5}-of-\d{5})?(?P<ending>\.[A-Za-z0-9]+)")
_NAMED_BY_TORCH = frozenset({Format.SAFETENSORS, Format.PYTORCH_ZIP, Format.PYTORCH_LEGACY, Format.PYTORCH_TAR})
_ARRAYS = frozenset({Format.NUMPY_NPZ, Format.SKOPS})
_SHOWN = 10


def preamble(tensor: Tensor) -> bytes:
    """Return what is digested before a tensor's bytes, so that type and shape are part of the digest."""
    return f"{_PREFIX} {tensor.dtype} [{','.join(map(str, tensor.shape))}]\n".encode()


def plan_spans(inspections: Iterable[Inspection]) -> dict[str, tuple[Span, ...]]:
    """Return by path the spans of the tensors that stand in one piece in a file, their own or one beside it."""
    spans: dict[str, list[Span]] = {}
    for inspection in inspections:
        for path, span in placed(inspection):
            spans.setdefault(path, []).append(span)
    return {path: tuple(found) for path, found in spans.items()}


def with_digests(inspections: Iterable[Inspection], digested: Mapping[str, FileDigests]) -> tuple[Inspection, ...]:
    """Return the inspections with what was computed written to their tensors, in the order of the plan."""
    values = {path: iter(found.spans) for path, found in digested.items()}
    done = []
    for inspection in inspections:
        found = [next(values[path], None) if path in values else None for path, _ in placed(inspection)]
        done.append(_written(inspection, found) if any(found) else inspection)
    return tuple(done)


def placed(inspection: Inspection) -> Iterator[tuple[str, Span]]:
    """Yield path and span of every tensor of a file that stands in one piece, in the order of the summary."""
    file = inspection.file
    if file.members:
        return
    for tensor in _in_one_piece(inspection):
        path = file.path if tensor.beside is None else file.path[: file.path.rfind("/") + 1] + tensor.beside
        yield path, span_of(tensor)


def span_of(tensor: Tensor) -> Span:
    """Return the span of a tensor that stands in one piece."""
    assert tensor.offset is not None
    assert tensor.length is not None
    return Span(prefix=preamble(tensor), offset=tensor.offset, length=tensor.length)


def in_one_piece(tensor: Tensor) -> bool:
    """Say whether the bytes of a tensor stand in C order in some file."""
    return tensor.offset is not None and tensor.length is not None


def _in_one_piece(inspection: Inspection) -> Iterator[Tensor]:
    if inspection.tensors is not None and not is_big_endian(inspection):
        yield from filter(in_one_piece, inspection.tensors.tensors)


def is_big_endian(inspection: Inspection) -> bool:
    """Say whether a whole file holds its numbers in the other byte order."""
    return _BYTE_ORDER in inspection.metadata


def _written(inspection: Inspection, found: Iterable[str | None]) -> Inspection:
    assert inspection.tensors is not None
    values = iter(found)
    summary = inspection.tensors
    tensors = (replace(item, digest=next(values)) if in_one_piece(item) else item for item in summary.tensors)
    return replace(inspection, tensors=replace(summary, tensors=tuple(tensors)))


# --- roots ------------------------------------------------------------------------------------------------------------


def merkle_root(leaves: Sequence[bytes]) -> str | None:
    """Return the root of the tree of RFC 9162, 2.1.1 with BLAKE3 as its hash, in hexadecimal; None without leaves."""
    from blake3 import blake3  # noqa: PLC0415 -- only where asked for

    level = [blake3(b"\0" + leaf).digest() for leaf in leaves]
    if not level:
        return None
    # Joining neighbours level by level, an odd last one moving up, gives the RFC's tree without recursion.
    while len(level) > 1:
        joined = [blake3(b"\1" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
        level = joined + level[len(joined) * 2 :]
    return level[0].hex()


class Copy(Struct):
    """One copy of the weights: the files of one name and form, shards taken together.

    `paths` name files, or files inside containers. `read_again` counts tensors that took a second read.
    """

    paths: list[str] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    complete: bool = True
    format: Format = Format.UNKNOWN
    read_again: int = 0


def tensor_roots(inspections: tuple[Inspection, ...]) -> tuple[TensorRoot, ...]:
    """Return the roots of every copy of the weights, in the order of their paths."""
    return tuple(_root(copy) for _, copy in sorted(copies_of(inspections).items()))


def copies_of(inspections: tuple[Inspection, ...]) -> dict[tuple[str, str], Copy]:
    """Return every copy of the weights by its path without number and ending, and its ending."""
    outer = {item.file.path: item.file.format for item in inspections if not item.file.members}
    copies: dict[tuple[str, str], Copy] = {}
    for item in inspections:
        # The arrays in a container of arrays are one copy; in any other container each member is a file.
        of_arrays = len(item.file.members) == 1 and outer.get(item.file.path) in _ARRAYS
        path = item.file.path if of_arrays else " › ".join((item.file.path, *item.file.members))
        match = _PART.fullmatch(path)
        if item.tensors is None or not item.tensors.tensors or match is None:
            continue
        copy = copies.setdefault((match["stem"], match["ending"]), Copy(format=item.file.format))
        if path not in copy.paths:
            copy.paths.append(path)
        copy.complete = copy.complete and item.tensors.complete
        for tensor in item.tensors.tensors:
            # A name that stands twice names nothing.
            known = copy.tensors.setdefault(tensor.name, tensor)
            copy.complete = copy.complete and known.digest == tensor.digest
            copy.read_again += tensor.digest is not None and (bool(item.file.members) or not in_one_piece(tensor))
    return copies


def _root(copy: Copy) -> TensorRoot:
    left_out = tuple(sorted(name for name, tensor in copy.tensors.items() if tensor.digest is None))
    named = unnamed = None
    if copy.complete and not left_out:
        digests = {name: bytes.fromhex(tensor.digest or "") for name, tensor in copy.tensors.items()}
        named = merkle_root([digests[name] + name.encode() for name in sorted(digests, key=str.encode)])
        unnamed = merkle_root(sorted(digests.values()))
    return TensorRoot(
        paths=tuple(sorted(copy.paths)),
        tensors=len(copy.tensors),
        named=named,
        unnamed=unnamed,
        left_out=left_out,
        read_again=copy.read_again,
    )


# --- copies of the same weights ---------------------------------------------------------------------------------------


def family_of(stem: str) -> str:
    """Return what the copies of the same weights in one folder have in common in their names."""
    folder, slash, name = stem.rpartition("/")
    return folder + slash + name.replace("pytorch_model", "model")


def compare_copies(inspections: tuple[Inspection, ...]) -> tuple[tuple[Verification, ...], tuple[Finding, ...]]:
    """Compare what one folder offers twice under the same names: `pytorch_model.bin` and `model.safetensors`."""
    families: dict[str, list[Copy]] = {}
    for (stem, _), copy in sorted(copies_of(inspections).items()):
        if copy.format in _NAMED_BY_TORCH and any(tensor.digest for tensor in copy.tensors.values()):
            families.setdefault(family_of(stem), []).append(copy)
    verifications: list[Verification] = []
    findings: list[Finding] = []
    for first, *others in families.values():
        for other in others:
            verification, found = _compare(first, other)
            verifications.append(verification)
            findings += found
    return tuple(verifications), tuple(findings)


def _compare(one: Copy, other: Copy) -> tuple[Verification, list[Finding]]:
    place, reference = Location(path=min(one.paths)), min(other.paths)
    both = sorted(one.tensors.keys() & other.tensors.keys())
    pairs = [(name, one.tensors[name], other.tensors[name]) for name in both]
    alike = [pair for pair in pairs if pair[1].dtype == pair[2].dtype and pair[1].shape == pair[2].shape]
    compared = [pair for pair in alike if pair[1].digest and pair[2].digest]
    differing = [name for name, left, right in compared if left.digest != right.digest]
    reshaped = [name for name, left, right in pairs if left.shape != right.shape]
    said = [f"{len(compared) - len(differing)} of {len(pairs)} tensors of the same name have the same content"]
    for count, what in (
        (len(pairs) - len(alike) - len(reshaped), "have another type"),
        (len(alike) - len(compared), "could not be digested"),
        (len(one.tensors) + len(other.tensors) - 2 * len(pairs), "stand in one copy only"),
    ):
        if count:
            said.append(f"{count} {what}")
    findings = []
    if wrong := sorted((*differing, *reshaped)):
        names = ", ".join(map(repr, wrong[:_SHOWN]))[:600] + (" ..." if len(wrong) > _SHOWN else "")
        message = f"differs from {reference} in {len(wrong)} tensors: {names}"
        findings.append(Finding.of(TENSOR_MISMATCH, message, place))
    status = SignatureStatus.MISMATCH if wrong else SignatureStatus.CHECKSUM_OK
    if not compared and not wrong:
        status = SignatureStatus.UNSUPPORTED
    verification = Verification(
        kind=TENSOR_COPIES,
        status=status,
        location=place,
        evidence=(Evidence(statement="; ".join(said), location=place),),
    )
    return verification, findings
