"""Digest tensors whose bytes have to be put in order first: torch's views into storages, arrays of NumPy.

Work is bounded: strides of zero make a few bytes stand for a tensor of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from math import prod

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Inspection, Tensor
from aibom.digests import FilePlan, digest
from aibom.errors import FileFault
from aibom.files import Format, RepoFile
from aibom.inspectors.numpy_header import ArrayHeader, read_header
from aibom.inspectors.observations import Observations
from aibom.inspectors.pytorch import read_archive
from aibom.inspectors.pytorch_legacy import read_legacy
from aibom.inspectors.strided import Block, Change, byte_swapper, in_c_order
from aibom.inspectors.torch_elements import Part, archive_parts, block_of, elements, legacy_part
from aibom.inspectors.torch_views import TorchTensor, View
from aibom.integrity.tensors import in_one_piece, preamble, span_of
from aibom.limits import KIB, MIB, Limits
from aibom.sources.bytesource import ByteSource, SliceSource

_TORCH = frozenset({Format.PYTORCH_ZIP, Format.TORCHSCRIPT, Format.PYTORCH_LEGACY})
REARRANGED = _TORCH | {Format.NUMPY_NPY}
"""Formats whose tensors are put in order here."""
# What all tensors that are read again may come to, beside the size of their files.
_GROWTH = 8
_GROWTH_FLOOR = 256 * MIB
# Steps that are taken one by one, each about a microsecond: rows of a transposed view, elements that lie far apart.
_MOST_STEPS = 20_000_000
_FAR_APART = 4 * KIB
_ITEMS = frozenset({1, 2, 4, 8, 16})
_COMPLEX = frozenset({"C64", "C128"})


class Purse(Struct):
    """What the tensors of a target may still cost: bytes, and steps that are taken one by one."""

    bytes: int
    steps: int

    @classmethod
    def of(cls, size: int) -> Purse:
        """Start with what files of `size` bytes may cost."""
        return cls(bytes=_GROWTH_FLOOR + _GROWTH * size, steps=_MOST_STEPS)

    def pays(self, size: int, steps: int = 0) -> bool:
        """Spend, where there is enough left."""
        if size > self.bytes or steps > self.steps:
            return False
        self.bytes -= size
        self.steps -= steps
        return True


def digest_rest(item: Inspection, data: ByteSource, purse: Purse, limits: Limits) -> Inspection:
    """Return the inspection with digests of the tensors that the first read left out; OSError passes through."""
    assert item.tensors is not None
    tensors = list(item.tensors.tensors)
    if item.file.members:
        _fill_spans(tensors, data)
    try:
        if item.file.format in _TORCH:
            _fill_views(item.file, tensors, data, purse, limits)
        elif item.file.format is Format.NUMPY_NPY:
            _fill_arrays(tensors, data, purse, limits)
    except FileFault:
        pass  # inspection has said what is wrong with the file
    return replace(item, tensors=replace(item.tensors, tensors=tuple(tensors)))


def _fill_spans(tensors: list[Tensor], data: ByteSource) -> None:
    """Digest what stands in one piece inside a member, whose bytes were not those that the first read saw."""
    places = [number for number, tensor in enumerate(tensors) if in_one_piece(tensor) and tensor.beside is None]
    plan = FilePlan(algorithms=(), spans=tuple(span_of(tensors[number]) for number in places))
    found = digest("", data, plan, lambda _: None).spans
    for number, value in zip(places, found, strict=True):
        tensors[number] = replace(tensors[number], digest=value)


def _whole(tensor: Tensor, chunks: Iterable[bytes], size: int) -> str | None:
    """Return the digest of a tensor given in chunks, None where they are not as many bytes as they should be."""
    from blake3 import blake3  # noqa: PLC0415 -- only where asked for

    hash_ = blake3(preamble(tensor))
    for chunk in chunks:
        hash_.update(chunk)
        size -= len(chunk)
    return hash_.hexdigest() if size == 0 else None


def _steps(block: Block) -> int:
    """Return about how many single steps it takes to bring a block into C order."""
    moving = [(size, step) for size, step in zip(block.shape, block.stride, strict=True) if step and size > 1]
    if not moving:
        return block.elements
    if min(step for _, step in moving) * block.item > _FAR_APART:
        return block.elements
    return block.elements // max(size for size, _ in moving)


# --- torch ------------------------------------------------------------------------------------------------------------


def _fill_views(file: RepoFile, tensors: list[Tensor], data: ByteSource, purse: Purse, limits: Limits) -> None:
    parts, little_endian = _torch_parts(file, data, limits)
    found = [(named.name, named.tensor, part) for part in parts for named in part.named if named.tensor is not None]
    if [(name, tensor.dtype, tensor.shape) for name, tensor, _ in found] != [
        (tensor.name, tensor.dtype, tensor.shape) for tensor in tensors
    ]:
        return  # not what the inspector saw
    by_storage: dict[tuple[int, str], list[tuple[int, View]]] = {}
    opened = {}
    for number, (_, tensor, part) in enumerate(found):
        view = _readable(tensor) if tensors[number].digest is None else None
        if view is not None:
            key = id(part), view.storage.key
            opened[key] = part
            by_storage.setdefault(key, []).append((number, view))
    for key, looks in by_storage.items():
        storage = looks[0][1].storage
        if not purse.pays(storage.whole):
            continue
        try:
            with closing(opened[key].open(storage)) as source:
                _fill_storage(tensors, looks, source, purse, little_endian=little_endian)
        except FileFault:
            continue  # the bytes of this storage are not there; others may be


def _torch_parts(file: RepoFile, data: ByteSource, limits: Limits) -> tuple[tuple[Part, ...], bool]:
    seen = Observations(file, limits)
    if file.format is Format.PYTORCH_LEGACY:
        return (legacy_part(data, read_legacy(file, data, limits, seen)),), True
    archive = read_archive(file, data, limits, seen)
    return archive_parts(data, archive, limits), archive.little_endian


def _readable(tensor: TorchTensor) -> View | None:
    """Return the one view of a tensor whose elements are plain bytes; None for sparse, quantized and packed ones."""
    if not tensor.dense or len(tensor.views) != 1:
        return None
    (view,) = tensor.views
    return view if view.fits and view.dtype.per_byte == 1 and view.dtype.size in _ITEMS else None


def _fill_storage(
    tensors: list[Tensor], looks: list[tuple[int, View]], storage: ByteSource, purse: Purse, *, little_endian: bool
) -> None:
    known: dict[View, str | None] = {}
    for number, view in looks:
        # Tied weights are digested once.
        if view not in known:
            size = view.elements * view.dtype.size
            fits = view.storage.whole == storage.size and purse.pays(size, _steps(block_of(view, storage)))
            chunks = elements(view, storage, little_endian=little_endian)
            known[view] = _whole(tensors[number], chunks, size) if fits else None
        tensors[number] = replace(tensors[number], digest=known[view])


# --- numpy ------------------------------------------------------------------------------------------------------------


def _fill_arrays(tensors: list[Tensor], data: ByteSource, purse: Purse, limits: Limits) -> None:
    at = 0
    for number, tensor in enumerate(tensors):
        header = read_header(data, limits, at)
        if header.objects or header.shape != tensor.shape:
            return  # where the pickle ends that an array of objects is, was the inspector's to say
        at = header.data_offset + header.data_bytes
        if tensor.digest is None and (block := _array_block(header, data)) is not None:
            size = header.data_bytes
            if purse.pays(size, _steps(block)):
                tensors[number] = replace(tensor, digest=_whole(tensor, _array_elements(header, block), size))


def _array_block(header: ArrayHeader, data: ByteSource) -> Block | None:
    item = header.item_bytes
    if not header.plain or header.data_offset + header.data_bytes > data.size:
        return None
    if item not in _ITEMS or (item == 16 and header.dtype not in _COMPLEX):
        return None
    shape, stride = header.shape, _strides(header.shape, fortran=header.fortran)
    if item == 16:
        item, shape, stride = 8, (*shape, 2), (*(2 * step for step in stride), 1)
    source = SliceSource(data, header.data_offset, header.data_bytes)
    return Block(source=source, item=item, offset=0, shape=shape, stride=stride)


def _strides(shape: tuple[int, ...], *, fortran: bool) -> tuple[int, ...]:
    if fortran:
        return tuple(prod(shape[:index]) for index in range(len(shape)))
    return tuple(prod(shape[index + 1 :]) for index in range(len(shape)))


def _array_elements(header: ArrayHeader, block: Block) -> Iterator[bytes]:
    # Complex numbers are two numbers; text is characters of four bytes.
    unit = 4 if header.dtype == "TEXT" else header.item_bytes // (2 if header.dtype in _COMPLEX else 1)
    swap: Change = byte_swapper(unit) if header.swapped else bytes
    yield from map(swap, in_c_order(block))
