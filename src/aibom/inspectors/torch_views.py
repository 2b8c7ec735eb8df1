"""What a tensor of torch is: strided looks into storages, which are runs of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from aibom.inspectors.pytorch_dtypes import Dtype

DENSE = "strided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A run of bytes that tensors look into, `length` of them, from `start`.

    Both are bytes of the storage `key`, which has `whole` bytes: old files may name a part of one.
    """

    key: str
    whole: int
    dtype: Dtype
    start: int
    length: int
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a shape and its strides come to. `span` is the distance from the first element looked at to past the last.

    `distinct` is the number of different elements looked at: one for a whole dimension of stride zero. `contiguous`
    says that they stand one after another in C order; strides of dimensions of one element don't count.
    """

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
        return Extent(elements=0, span=0, distinct=0, contiguous=True)
    dimensions = list(zip(shape, stride, strict=True))
    expected, contiguous = 1, True
    for size, step in reversed(dimensions):
        if size != 1:
            contiguous = contiguous and step == expected
            expected *= size
    return Extent(
        elements=elements,
        span=sum((size - 1) * step for size, step in dimensions) + 1,
        distinct=prod(size if step else 1 for size, step in dimensions),
        contiguous=contiguous,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A strided look into a storage. `offset`, `shape` and `stride` count elements of `dtype`."""

    storage: Storage
    dtype: Dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    conjugate: bool = False
    negative: bool = False

    @property
    def extent(self) -> Extent:
        """What its shape and strides come to."""
        return extent(self.shape, self.stride)

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
        first, end = self.reach
        inside = self.storage.start + self.storage.length <= self.storage.whole
        return inside and first >= 0 and self.dtype.bytes_of(end) <= self.storage.length


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchTensor:
    """A tensor. Dense ones have one view; `layout` names the others (`sparse_csr`, `quantized`, `meta` ...)."""

    dtype: str
    shape: tuple[int, ...]
    layout: str = DENSE
    views: tuple[View, ...] = ()

    @property
    def dense(self) -> bool:
        """Whether this is one plain strided block."""
        return self.layout == DENSE
