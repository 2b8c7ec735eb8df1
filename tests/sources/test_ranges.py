from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.errors import LimitExceeded, MalformedFile
from aibom.sources.block_cache import BlockCache
from aibom.sources.ranges import DEPENDENT_REQUESTS, FIRST_WINDOW, RangeSource, ReadBudget

MIB = 1024 * 1024


class FakeRemote:
    """A remote file that remembers what it was asked; `short` makes every answer too short by that many bytes."""

    def __init__(self, data: bytes, *, short: int = 0, ends_at: int | None = None, fails_at: range = range(0)) -> None:
        self.data = data
        self.short = short
        self.ends_at = ends_at
        self.fails_at = fails_at
        self.streamed = 0
        self.asked: list[tuple[int, int]] = []
        self.streams: list[int] = []

    def fetch(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        if offset in self.fails_at:
            raise OSError(5, "broken")
        return self.data[offset : offset + length - self.short]

    def stream(self, offset: int) -> Iterator[bytes]:
        self.streams.append(offset)
        end = len(self.data) if self.ends_at is None else self.ends_at
        for start in range(offset, end, 50_000):
            self.streamed += 50_000
            yield self.data[start : min(start + 50_000, end)]


def source(remote: FakeRemote, *, file: int = 64 * MIB, stream: int = 64 * MIB, scan: int = 256 * MIB) -> RangeSource:
    return RangeSource(remote, len(remote.data), file_budget=file, stream_budget=stream, scan_budget=ReadBudget(scan))


def uneven(end: int) -> Iterator[int]:
    """Yield places whose distances never repeat."""
    place = number = 0
    while place < end:
        yield place
        number += 1
        place += 150_000 + number * number * 7919 % 49_999


def hop(data: RangeSource) -> None:
    for offset in uneven(data.size):
        data.read_at(offset, 16)


def pattern(size: int) -> bytes:
    return bytes(range(251)) * (size // 251 + 1)


def test_the_first_look_costs_one_small_request() -> None:
    """A small read takes 64 KiB at once, and what lies in them is free."""
    remote = FakeRemote(pattern(MIB))
    with source(remote) as data:
        data.preload()
        assert remote.data[8:1000] == data.read_at(8, 992)
    assert [(0, FIRST_WINDOW)] == remote.asked


def test_a_small_file_is_one_request() -> None:
    """Nothing is asked for behind the end."""
    remote = FakeRemote(b"short")
    assert b"short" == source(remote).read_at(0, 100)
    assert [(0, 5)] == remote.asked
    assert b"" == source(remote).read_at(5, 1)


def test_a_sequential_reader_gets_growing_windows() -> None:
    """7 MB in small steps take a handful of requests, and little more than was read is moved."""
    remote = FakeRemote(pattern(64 * MIB))
    data = source(remote)
    for offset in range(0, 7 * MIB, 4096):
        data.read_at(offset, 4096)
    assert len(remote.asked) <= 8
    assert sum(length for _, length in remote.asked) <= 16 * MIB


def test_a_reader_that_jumps_gets_small_windows() -> None:
    """A jump to the directory at the end, and back to one member, moves three windows."""
    remote = FakeRemote(pattern(64 * MIB))
    data = source(remote)
    for offset in (64 * MIB - 22, 64 * MIB - 5000, 30 * MIB):
        data.read_at(offset, 22)
    assert sum(length for _, length in remote.asked) <= 3 * FIRST_WINDOW


def test_a_reader_that_hops_in_small_steps_is_streamed() -> None:
    """A reader that hops along a chain is served from one stream after a few requests, also a little backwards."""
    remote = FakeRemote(pattern(30 * MIB))
    data = source(remote)
    places = list(uneven(20 * MIB))
    for place in places:
        assert remote.data[place : place + 16] == data.read_at(place, 16)
    assert len(remote.asked) <= 18
    assert 1 == len(remote.streams)
    back = places[-1] - 1000
    assert remote.data[back : back + 16] == data.read_at(back, 16)
    assert remote.data[:16] == data.read_at(0, 16), "what was read before the stream is still there"


def test_a_stream_is_left_for_a_long_jump() -> None:
    """Skipping more than a new request costs ends the transfer: what lies between is not moved."""
    remote = FakeRemote(pattern(200 * MIB))
    data = source(remote, stream=400 * MIB)
    for place in uneven(12 * MIB):
        data.read_at(place, 16)
    moved = remote.streamed
    assert 1 == len(remote.streams)
    end = 190 * MIB
    assert remote.data[end : end + 16] == data.read_at(end, 16)
    assert remote.streamed <= moved + 50_000


@pytest.mark.parametrize("cycle", [(4_000_000,), (300_000, 900_000, 90_000), (2_000_000, 2_000_011, 2_000_003)])
def test_distances_that_repeat_are_foreseen(cycle: tuple[int, ...]) -> None:
    """Once a reader's steps repeat, the next places are asked for together, and little more than is read."""
    remote = FakeRemote(pattern(200 * MIB))
    data = source(remote)
    place = number = 0
    while place < data.size - 100_000:
        assert remote.data[place : place + 300] == data.read_at(place, 300)
        place += cycle[number % len(cycle)] + number % 3
        number += 1
    assert [] == remote.streams
    assert number <= len(remote.asked) <= number + 64, "guesses may reach beyond the reader"
    assert sum(length for _, length in remote.asked) < number * 5000 + 20 * FIRST_WINDOW


def test_what_was_foreseen_wrongly_costs_little() -> None:
    """A reader whose steps stop repeating is served all the same; after a few wrong guesses none is made."""
    remote = FakeRemote(pattern(100 * MIB))
    data = source(remote)
    place = 0
    for number in range(80):
        assert remote.data[place : place + 16] == data.read_at(place, 16)
        place += 400_000 if number % 20 < 10 else 500_000 + number * 10_000
    assert sum(length for _, length in remote.asked) < 84 * FIRST_WINDOW, "little more than its own hops cost"


def test_a_guess_that_fails_is_not_the_readers_fault() -> None:
    """A window that nobody asked for may fail; the reader who then asks for it meets the fault or the bytes."""
    remote = FakeRemote(pattern(100 * MIB), fails_at=range(5_100_000, 5_500_000))
    data = source(remote)
    for place in range(0, 5_000_001, 400_000):
        data.read_at(place, 16)
    with pytest.raises(OSError, match="broken"):
        data.read_at(5_200_000, 16)
    assert remote.data[6_000_000 : 6_000_000 + 16] == data.read_at(6_000_000, 16)


def test_a_reader_that_jumps_about_is_streamed_in_the_end() -> None:
    """Whatever the pattern, no more than 64 requests depend on each other."""
    remote = FakeRemote(pattern(30 * MIB))
    data = source(remote)
    for number in range(DEPENDENT_REQUESTS):
        data.read_at((number // 2 if number % 2 else 200 - number // 2) * 140_000, 16)
    assert DEPENDENT_REQUESTS == len(remote.asked)
    data.read_at(70 * 140_000, 16)
    assert 1 == len(remote.streams)


def test_a_stream_that_ends_early_is_refused() -> None:
    """A stream must bring what the listing promised."""
    remote = FakeRemote(pattern(30 * MIB), ends_at=20 * MIB)
    with pytest.raises(MalformedFile, match="ended before"):
        hop(source(remote))


def test_a_file_too_large_to_stream_is_bounded() -> None:
    """Where streaming would move too much, the file's budget ends the reading."""
    remote = FakeRemote(pattern(30 * MIB))
    with pytest.raises(LimitExceeded, match="this file"):
        hop(source(remote, file=3 * MIB, stream=MIB))


def test_the_scan_has_one_budget() -> None:
    """Files share what a scan may move."""
    budget = ReadBudget(100_000)
    remote = FakeRemote(pattern(MIB))
    one, two = (RangeSource(remote, MIB, file_budget=MIB, stream_budget=MIB, scan_budget=budget) for _ in range(2))
    one.read_at(0, 10)
    with pytest.raises(LimitExceeded, match="the scan"):
        two.read_at(0, 10)
    assert (FIRST_WINDOW, 1) == (budget.moved, budget.requests)


def test_an_answer_that_is_too_short_is_refused() -> None:
    """What was promised must come."""
    with pytest.raises(MalformedFile, match="promised"):
        source(FakeRemote(pattern(MIB), short=1)).read_at(0, 10)


def test_a_whole_file_is_one_stream_that_is_not_kept() -> None:
    """Digesting takes one request and is not held to the budget of ranges."""
    remote = FakeRemote(pattern(20 * MIB))
    data = source(remote, file=MIB, stream=MIB, scan=MIB)
    buffer = memoryview(bytearray(MIB))
    whole = bytearray()
    while got := data.read_into(len(whole), buffer):
        whole += buffer[:got]
    assert remote.data == bytes(whole)
    assert ([], [0]) == (remote.asked, remote.streams)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 100_000)), max_size=25))
def test_any_order_of_reads_gives_the_bytes_of_the_file(reads: list[tuple[int, int]]) -> None:
    """Whatever a reader does, it sees the file."""
    remote = FakeRemote(pattern(300_000)[:300_000])
    data = source(remote)
    for offset, length in reads:
        assert remote.data[offset : offset + length] == data.read_at(offset, length)
        buffer = memoryview(bytearray(length))
        got = data.read_into(offset, buffer)
        assert remote.data[offset : offset + length] == bytes(buffer[:got])


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 40)), max_size=12), st.integers(0, 120), st.integers(1, 60)
)
def test_a_cache_returns_only_what_was_put(pieces: list[tuple[int, int]], offset: int, length: int) -> None:
    """A hit is the file's bytes; the first missing byte is the first that no piece holds."""
    data = bytes(range(200))
    cache = BlockCache()
    held: set[int] = set()
    for start, size in pieces:
        cache.put(start, data[start : start + size])
        held |= set(range(start, start + size))
    found = cache.get(offset, length)
    assert found in {None, data[offset : offset + length]}
    expected = next((at for at in range(offset, offset + length) if at not in held), offset + length)
    assert expected == cache.missing(offset, length)
