from __future__ import annotations

import os
from pathlib import Path

import pytest

from aibom.sources.bytesource import ByteSource, FileSource, MemorySource, SliceSource

DATA = bytes(range(200))


def file_source(tmp_path: Path) -> FileSource:
    (tmp_path / "f").write_bytes(DATA)
    return FileSource(os.open(tmp_path / "f", os.O_RDONLY), len(DATA))


@pytest.fixture(params=["memory", "file", "slice"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> ByteSource:
    if request.param == "memory":
        return MemorySource(DATA)
    if request.param == "file":
        return file_source(tmp_path)
    return SliceSource(MemorySource(b"before" + DATA + b"after"), 6, len(DATA))


def test_reads_are_short_only_at_the_end(source: ByteSource) -> None:
    """A read inside gives what was asked for, one over the end what is there, one behind it nothing."""
    with source:
        assert len(DATA) == source.size
        assert DATA[10:20] == source.read_at(10, 10)
        assert DATA[190:] == source.read_at(190, 100)
        assert b"" == source.read_at(500, 10)


def test_a_buffer_is_filled(source: ByteSource) -> None:
    """`read_into` fills the buffer from the offset and says how much there was."""
    buffer = memoryview(bytearray(50))
    with source:
        assert 50 == source.read_into(100, buffer)
        assert DATA[100:150] == bytes(buffer)
        assert 20 == source.read_into(180, buffer)
        assert DATA[180:] == bytes(buffer[:20])
        assert 0 == source.read_into(500, buffer)


def test_a_slice_ends_with_its_outer_source() -> None:
    """A window that was declared too long is as long as the bytes that are there."""
    assert 2 == SliceSource(MemorySource(b"12345"), 3, 100).size
    assert 0 == SliceSource(MemorySource(b"12345"), 9, 100).size


def test_reads_that_come_in_parts_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operating system that returns less than asked for does not cut the file short."""
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: real(fd, min(length, 7), offset))
    with file_source(tmp_path) as source:
        assert DATA[:100] == source.read_at(0, 100)


def test_a_file_that_shrank_gives_what_is_there(tmp_path: Path) -> None:
    """A file that was longer when it was opened reads short, without error."""
    source = file_source(tmp_path)
    os.truncate(tmp_path / "f", 50)
    assert DATA[40:50] == source.read_at(40, 100)
    source.close()
    source.close()
