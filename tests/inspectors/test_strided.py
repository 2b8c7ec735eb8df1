from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.inspectors import strided
from aibom.inspectors.strided import Block, byte_swapper, in_c_order, sign_flipper
from aibom.sources.bytesource import MemorySource

BASE = {1: np.arange(3000).astype("u1"), 2: np.arange(3000).astype("<u2"), 4: np.arange(3000).astype("<u4"),
        8: np.arange(3000).astype("<u8")}  # fmt: skip


@pytest.mark.parametrize("sizes", [(16, 8, 64), (200, 64, 16), (1 << 25, 1 << 23, 1 << 22)])
@settings(max_examples=150, deadline=None)
@given(
    item=st.sampled_from([1, 2, 4, 8]), offset=st.integers(0, 40),
    dimensions=st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0, 1, 1, 2, 3, 7, 20, 60, 100])), max_size=5),
)  # fmt: skip
def test_views_come_out_in_c_order(
    sizes: tuple[int, int, int], item: int, offset: int, dimensions: list[tuple[int, int]]
) -> None:
    """Every view gives the bytes that numpy makes of it, however small the pieces."""
    base = BASE[item]
    shape, stride = tuple(size for size, _ in dimensions), tuple(step for _, step in dimensions)
    if offset + sum(max(0, size - 1) * step for size, step in dimensions) >= len(base):
        return
    view = np.lib.stride_tricks.as_strided(base[offset:], shape, tuple(step * item for step in stride))
    with pytest.MonkeyPatch.context() as patch:
        span, tile, copy = sizes
        patch.setattr(strided, "_SPAN_BYTES", span)
        patch.setattr(strided, "_TILE_BYTES", tile)
        patch.setattr(strided, "_COPY_BYTES", copy)
        patch.setattr(strided, "_FAR_APART", copy // 8)
        block = Block(source=MemorySource(base.tobytes()), item=item, offset=offset, shape=shape, stride=stride)
        assert view.tobytes() == b"".join(in_c_order(block))


def test_long_rows_are_taken_one_by_one() -> None:
    """Rows of plain bytes with gaps between them are not gathered."""
    base = np.arange(1_000_000, dtype="<u4")
    view = base.reshape(10, 100_000)[:, :90_000]
    block = Block(source=MemorySource(base.tobytes()), item=4, offset=0, shape=view.shape, stride=(100_000, 1))
    assert view.tobytes() == b"".join(in_c_order(block))


def test_a_source_that_became_shorter_is_an_error() -> None:
    """A file that shrinks while it is read does not give a shorter tensor."""
    block = Block(source=MemorySource(bytes(10)), item=4, offset=0, shape=(4,), stride=(1,))
    with pytest.raises(OSError, match="shorter"):
        list(in_c_order(block))


@pytest.mark.parametrize("unit", [2, 4, 8])
def test_numbers_are_swapped(unit: int) -> None:
    """Big-endian numbers become little-endian ones."""
    values = np.arange(100).astype(f">u{unit}")
    assert values.astype(f"<u{unit}").tobytes() == byte_swapper(unit)(values.tobytes())


def test_signs_are_flipped_in_every_element() -> None:
    """The bits of the mask, and no others, change."""
    values = np.linspace(-1, 1, 9, dtype="<f4")
    assert (-values).tobytes() == sign_flipper(b"\0\0\0\x80")(values.tobytes())
