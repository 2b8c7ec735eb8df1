"""What a tensor of torch is: strided looks into storages, which are runs of bytes."""

from __future__ import annotations

from functools import lru_cache
from math import prod

from msgspec import Struct

from aibom.inspectors.pytorch_dtypes import Dtype

DENSE = "strided"
LARGEST = 1 << 62
"""No count, size or offset is as large as that."""
_MOST_DIMENSIONS = 64  # torch itself allows 64


# A checkpoint has tens of thousands of each of these, and a frozen dataclass takes twenty times as long to make.
class Storage(Struct, frozen=True, kw_only=True, gc=False):
    """A run of bytes that tensors look into, `length` of them, from `start`.

    Both are bytes of the storage `key`, which has `whole` bytes: old files may name a part of one.
    """

    key: str
    whole: int
    dtype: Dtype
    start: int
    length: int
    device: str = "cpu"


class Extent(Struct, frozen=True, kw_only=True, gc=False):
    """A shape with its strides, one a dimension, and what they come to.

    `span` is the distance from the first element looked at to past the last. `distinct` is the number of different
    elements looked at: one for a whole dimension of stride zero. `contiguous` says that they stand one after another in
    C order; strides of dimensions of one element don't count.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    elements: int
    span: int
    distinct: int
    contiguous: bool


# A checkpoint has a handful of shapes, in each of its layers.
@lru_cache(maxsize=512)
def extent(shape: tuple[int, ...], stride: tuple[int, ...]) -> Extent:
    """Return what a shape and its strides, one a dimension, come to."""
    elements = prod(shape)
    if not elements:
        return Extent(shape=shape, stride=stride, elements=0, span=0, distinct=0, contiguous=True)
    dimensions = list(zip(shape, stride, strict=True))
    expected, contiguous = 1, True
    for size, step in reversed(dimensions):
        if size != 1:
            contiguous = contiguous and step == expected
            expected *= size
    return Extent(
        shape=shape,
        stride=stride,
        elements=elements,
        span=sum((size - 1) * step for size, step in dimensions) + 1,
        distinct=prod(size if step else 1 for size, step in dimensions),
        contiguous=contiguous,
    )


@lru_cache(maxsize=512)
def sound_extent(shape: tuple[int, ...], stride: tuple[int, ...]) -> Extent | None:
    """Return what they come to, None where a tensor can't have them: negative, absurd, or not of one length."""
    return extent(shape, stride) if len(shape) == len(stride) and sound(shape) and sound(stride) else None


def sound(sizes: tuple[int, ...]) -> bool:
    """Say whether sizes are neither negative nor absurd."""
    if len(sizes) > _MOST_DIMENSIONS or not all(0 <= size < LARGEST for size in sizes):
        return False
    return (prod(sizes) or prod(filter(None, sizes))) < LARGEST


class View(Struct, frozen=True, kw_only=True, gc=False):
    """A strided look into a storage. `offset` and the shape and strides of `extent` count elements of `dtype`."""

    storage: Storage
    dtype: Dtype
    offset: int
    extent: Extent
    conjugate: bool = False
    negative: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """How many elements each dimension has."""
        return self.extent.shape

    @property
    def stride(self) -> tuple[int, ...]:
        """How many elements one step along each dimension is."""
        return self.extent.stride

    @property
    def elements(self) -> int:
        """The number of elements that the tensor has."""
        return self.extent.elements

    @property
    def reach(self) -> tuple[int, int]:
        """First and one past the last element of the storage that is looked at."""
        return self.offset, self.offset + self.extent.span

    @property
    def contiguous(self) -> bool:
        """Whether the elements stand one after another in C order."""
        return self.extent.contiguous

    @property
    def distinct(self) -> int:
        """The number of different elements looked at."""
        return self.extent.distinct

    @property
    def fits(self) -> bool:
        """Whether all elements lie in the storage."""
        storage, dtype = self.storage, self.dtype
        if self.offset < 0 or storage.start + storage.length > storage.whole:
            return False
        return -(-(self.offset + self.extent.span) // dtype.per_byte) * dtype.size <= storage.length


class TorchTensor(Struct, frozen=True, kw_only=True, gc=False):
    """A tensor. Dense ones have one view; `layout` names the others (`sparse_csr`, `quantized`, `meta` ...)."""

    dtype: str
    shape: tuple[int, ...]
    layout: str = DENSE
    views: tuple[View, ...] = ()

    @property
    def dense(self) -> bool:
        """Whether this is one plain strided block."""
        return self.layout == DENSE
