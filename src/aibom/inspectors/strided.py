"""Yield the elements of a strided view one after another in C order, with little memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Literal

from msgspec import Struct

from aibom.limits import KIB, MIB
from aibom.sources.bytesource import ByteSource

_COPY_BYTES = 4 * MIB
_TILE_BYTES = 8 * MIB
_SPAN_BYTES = 32 * MIB
_RUN_BYTES = 256 * KIB
_FAR_APART = 4 * KIB
"""Elements at this distance in bytes are read one by one: a read costs about as much as copying this much."""
_FORMATS: Mapping[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Block(Struct, frozen=True, kw_only=True):
    """A strided look at `source`, whose elements have `item` bytes (1, 2, 4 or 8). The rest counts elements.

    All of it must lie inside the source.
    """

    source: ByteSource
    item: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def elements(self) -> int:
        """The number of elements that come out."""
        return prod(self.shape)


def in_c_order(block: Block) -> Iterator[bytes]:
    """Yield the block's bytes in C order, at most 8 MiB at a time and in whole elements."""
    if block.elements:
        yield from _tiles(_simplified(block))


def _simplified(block: Block) -> Block:
    """Drop dimensions of one element and join those that are really one."""
    shape: list[int] = []
    stride: list[int] = []
    for size, step in zip(block.shape, block.stride, strict=True):
        if size == 1:
            continue
        if shape and stride[-1] == size * step:
            shape[-1] *= size
            stride[-1] = step
        else:
            shape.append(size)
            stride.append(step)
    return Block(source=block.source, item=block.item, offset=block.offset, shape=tuple(shape), stride=tuple(stride))


def _tiles(block: Block) -> Iterator[bytes]:
    if not block.shape or block.stride == (1,):
        yield from _plain(block)
        return
    row = block.elements // block.shape[0] * block.item
    inner, step = block.shape[1:], block.stride[0]
    # A row that is large, or plain bytes of some length, is better taken by itself.
    if row > _TILE_BYTES or (block.stride[1:] == (1,) and row >= _RUN_BYTES):
        for index in range(block.shape[0]):
            yield from _tiles(_part(block, index * step, inner, block.stride[1:]))
        return
    most = max(1, _TILE_BYTES // row)
    for first in range(0, block.shape[0], most):
        count = min(most, block.shape[0] - first)
        yield _gather(_part(block, first * step, (count, *inner), block.stride))


def _part(block: Block, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> Block:
    return Block(source=block.source, item=block.item, offset=block.offset + offset, shape=shape, stride=stride)


def _plain(block: Block) -> Iterator[bytes]:
    at = block.offset * block.item
    end = at + block.elements * block.item
    while at < end:
        raw = _read(block.source, at, min(_COPY_BYTES, end - at))
        yield raw
        at += len(raw)


def _read(source: ByteSource, at: int, length: int) -> bytes:
    raw = source.read_at(at, length)
    if len(raw) < length:
        raise OSError("the file became shorter while it was read")
    return raw


def _gather(block: Block) -> bytes:
    span = 1 + sum((size - 1) * step for size, step in zip(block.shape, block.stride, strict=True))
    if span * block.item <= _SPAN_BYTES:
        raw = _read(block.source, block.offset * block.item, span * block.item)
        return _rearranged(raw, block.item, block.shape, block.stride)
    return _gather_runs(block)


def _gather_runs(block: Block) -> bytes:
    """Read run by run along the dimension of the smallest step, then put the runs in order."""
    dimension = min((step, index) for index, step in enumerate(block.stride) if step)[1]
    size, step = block.shape[dimension], block.stride[dimension]
    others = [index for index in range(len(block.shape)) if index != dimension]
    runs = bytearray()
    for places in product(*(range(block.shape[index]) for index in others)):
        start = block.offset + sum(place * block.stride[index] for place, index in zip(places, others, strict=True))
        runs += _run(block.source, block.item, start, size, step)
    # What is in memory now is C order over the other dimensions and then this one.
    strides = [0] * len(block.shape)
    strides[dimension] = 1
    weight = size
    for index in reversed(others):
        strides[index] = weight
        weight *= block.shape[index]
    return _rearranged(runs, block.item, block.shape, tuple(strides))


def _run(source: ByteSource, item: int, start: int, size: int, step: int) -> bytes:
    """Return `size` elements that are `step` apart, in reads of at most 4 MiB; single ones where they are far apart."""
    most = max(1, _COPY_BYTES // (step * item)) if step * item <= _FAR_APART else 1
    out = bytearray()
    for first in range(0, size, most):
        count = min(most, size - first)
        raw = _read(source, (start + first * step) * item, ((count - 1) * step + 1) * item)
        out += raw if step == 1 or count == 1 else _rearranged(raw, item, (count,), (step,))
    return bytes(out)


def _rearranged(raw: bytes | bytearray, item: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """Return the elements at these strides in C order. The longest dimension is moved by one slice a time."""
    source = memoryview(raw).cast(_FORMATS[item])
    out = bytearray(prod(shape) * item)
    target = memoryview(out).cast(_FORMATS[item])
    weights = [prod(shape[index + 1 :]) for index in range(len(shape))]
    vector = max((size if step else 0, index) for index, (size, step) in enumerate(zip(shape, stride, strict=True)))[1]
    size, step, weight = shape[vector], stride[vector], weights[vector]
    others = [index for index in range(len(shape)) if index != vector]
    for places in product(*(range(shape[index]) for index in others)):
        start = sum(place * stride[index] for place, index in zip(places, others, strict=True))
        begin = sum(place * weights[index] for place, index in zip(places, others, strict=True))
        if step:
            target[begin : begin + (size - 1) * weight + 1 : weight] = source[
                start : start + (size - 1) * step + 1 : step
            ]
        else:
            value = source[start]
            for index in range(size):
                target[begin + index * weight] = value
    return bytes(out)


Change = Callable[[bytes], bytes]


def byte_swapper(unit: int) -> Change:
    """Return what turns numbers of `unit` bytes (2, 4 or 8) from big-endian to little-endian."""

    def swap(raw: bytes) -> bytes:
        numbers = array(_FORMATS[unit], raw)
        numbers.byteswap()
        return numbers.tobytes()

    return swap


def sign_flipper(mask: bytes) -> Change:
    """Return what inverts the bits of `mask` in every element; it has an element's length."""

    def flip(raw: bytes) -> bytes:
        bits = int.from_bytes(mask * (len(raw) // len(mask)))
        return (int.from_bytes(raw) ^ bits).to_bytes(len(raw))

    return flip
