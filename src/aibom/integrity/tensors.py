"""Digests of tensors by content, the same whatever files they stand in; `docs/tensor-digests.md` defines them.

The bytes are digested while the file is: this module says which spans, and makes sense of the results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

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
_SHOWN = 10


def preamble(tensor: Tensor) -> bytes:
    """Return what is digested before a tensor's bytes, so that type and shape are part of the digest."""
    return f"{_PREFIX} {tensor.dtype} [{','.join(map(str, tensor.shape))}]\n".encode()


def plan_spans(inspection: Inspection) -> tuple[Span, ...]:
    """Return the spans of the tensors that stand in one piece in the file, in the order of the summary."""
    return tuple(
        Span(prefix=preamble(tensor), offset=tensor.offset, length=tensor.length)
        for tensor in _whole(inspection)
        if tensor.offset is not None and tensor.length is not None
    )


def with_digests(inspection: Inspection, found: FileDigests) -> Inspection:
    """Return the inspection with what was computed written to its tensors."""
    if inspection.tensors is None or inspection.file.members or not found.spans:
        return inspection
    values = iter(found.spans)
    whole = {id(tensor) for tensor in _whole(inspection)}
    tensors = tuple(
        replace(tensor, digest=next(values)) if id(tensor) in whole else tensor for tensor in inspection.tensors.tensors
    )
    return replace(inspection, tensors=replace(inspection.tensors, tensors=tensors))


def _whole(inspection: Inspection) -> Iterator[Tensor]:
    if inspection.tensors is None or inspection.file.members or _BYTE_ORDER in inspection.metadata:
        return
    for tensor in inspection.tensors.tensors:
        if tensor.offset is not None and tensor.length is not None:
            yield tensor


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


@dataclass(slots=True)
class Copy:
    """One copy of the weights: the files of one name and form, shards taken together."""

    paths: list[str] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    complete: bool = True
    format: Format = Format.UNKNOWN


def tensor_roots(inspections: tuple[Inspection, ...]) -> tuple[TensorRoot, ...]:
    """Return the roots of every copy of the weights, in the order of their paths."""
    return tuple(_root(copy) for _, copy in sorted(copies_of(inspections).items()))


def copies_of(inspections: tuple[Inspection, ...]) -> dict[tuple[str, str], Copy]:
    """Return every copy of the weights by its path without number and ending, and its ending."""
    copies: dict[tuple[str, str], Copy] = {}
    for item in inspections:
        match = _PART.fullmatch(item.file.path)
        if item.tensors is None or item.file.members or not item.tensors.tensors or match is None:
            continue
        copy = copies.setdefault((match["stem"], match["ending"]), Copy(format=item.file.format))
        copy.paths.append(item.file.path)
        copy.complete = copy.complete and item.tensors.complete
        for tensor in item.tensors.tensors:
            # A name that stands twice names nothing.
            known = copy.tensors.setdefault(tensor.name, tensor)
            copy.complete = copy.complete and known.digest == tensor.digest
    return copies


def _root(copy: Copy) -> TensorRoot:
    left_out = tuple(sorted(name for name, tensor in copy.tensors.items() if tensor.digest is None))
    named = unnamed = None
    if copy.complete and not left_out:
        digests = {name: bytes.fromhex(tensor.digest or "") for name, tensor in copy.tensors.items()}
        named = merkle_root([digests[name] + name.encode() for name in sorted(digests, key=str.encode)])
        unnamed = merkle_root(sorted(digests.values()))
    return TensorRoot(
        paths=tuple(sorted(copy.paths)), tensors=len(copy.tensors), named=named, unnamed=unnamed, left_out=left_out
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
