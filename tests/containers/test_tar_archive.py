from __future__ import annotations

import io
import tarfile

import pytest
from fixtures.archive_bytes import make_tar, padded, tar_header
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.containers.opening import unpack

from aibom.containers.protocol import Budget
from aibom.containers.rules import Notes
from aibom.containers.tar_headers import TarWalk, has_checksum
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Format
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_come_out_of_every_kind_of_tar(form: int) -> None:
    """Names, long ones and non-ASCII ones included, and contents are those that were put in."""
    content = {"./a.bin": b"x" * 700, "dir/" + "n" * 90: b"yy", "é": b"z", "empty": b""}
    if form != tarfile.USTAR_FORMAT:
        content["l" * 300] = b"long"
    raw = make_tar(*((name, data, {}) for name, data in content.items()), form=form)
    opened = unpack(Format.TAR, raw)
    assert content == opened.members
    assert [] == opened.findings
    assert opened.complete


def test_sizes_in_base_256_are_read() -> None:
    """GNU tar writes sizes of eight gigabytes and more as binary numbers."""
    block = bytearray(tar_header(b"a", 0))
    block[124:136] = b"\x80" + (3).to_bytes(11)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert {"a": b"abc"} == unpack(Format.TAR, bytes(block) + padded(b"abc") + bytes(1024)).members


@pytest.mark.parametrize("field", [b"\xff" * 12, b"0000000000x\0", b"0000_000001\0", b"-0000000001\0"])
def test_sizes_that_are_no_numbers_are_malformed(field: bytes) -> None:
    """A header whose size can't be read ends the archive."""
    block = bytearray(tar_header(b"a", 0))
    block[124:136] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert isinstance(unpack(Format.TAR, bytes(block) + bytes(1024)).fault, MalformedFile)


def test_signed_checksums_count() -> None:
    """Old writers summed signed bytes."""
    block = bytearray(tar_header(b"\xe9", 0))
    block[148:156] = b" " * 8
    signed = sum(byte - 256 * (byte > 127) for byte in block)
    block[148:156] = b"%06o\0 " % signed
    assert has_checksum(bytes(block))
    assert not has_checksum(bytes(512))
    assert not has_checksum(b"short")


def test_a_last_member_without_padding_is_whole() -> None:
    """Readers do not miss the padding of the last member."""
    opened = unpack(Format.TAR, tar_header(b"a", 3) + b"abc")
    assert {"a": b"abc"} == opened.members
    assert [] == opened.findings


def test_pax_sizes_replace_sizes_that_do_not_fit() -> None:
    """A size beyond eight gigabytes stands in the pax record only, which is no contradiction."""
    body = b"size=%d\n" % (8**11 + 5)
    record = b"%d %s" % (len(body) + 3, body)
    raw = tar_header(b"p", len(record), b"x") + padded(record) + tar_header(b"big", 0)
    walk = TarWalk(data=MemorySource(raw), limits=Limits(), notes=Notes(limit=5))
    entries = walk.entries()
    assert 8**11 + 5 == next(entries).size
    assert [] == walk.notes.kept
    with pytest.raises(MalformedFile, match="ends inside"):
        next(entries)


def test_global_pax_records_hold_for_all_that_follow() -> None:
    """A record of the whole archive names its members unless they have their own."""
    record = b"12 path=abc\n"
    raw = tar_header(b"g", len(record), b"g") + padded(record) + tar_header(b"x", 1) + padded(b"1") + bytes(1024)
    assert {"abc": b"1"} == unpack(Format.TAR, raw).members


def test_broken_pax_records_are_reported() -> None:
    """A record whose length does not fit is damage."""
    record = b"99 path=abc\n"
    raw = tar_header(b"p", len(record), b"x") + padded(record) + tar_header(b"x", 1) + padded(b"1") + bytes(1024)
    opened = unpack(Format.TAR, raw)
    assert {"x": b"1"} == opened.members
    assert {"archive-damaged"} == opened.rules


def test_long_extensions_are_refused() -> None:
    """A header extension of megabytes is not read."""
    raw = tar_header(b"p", 8**7 + 1, b"x") + bytes(1024)
    assert isinstance(unpack(Format.TAR, raw).fault, LimitExceeded)
    cut = tar_header(b"p", 5000, b"L") + bytes(600)
    assert isinstance(unpack(Format.TAR, cut).fault, MalformedFile)


def test_old_sparse_headers_may_continue() -> None:
    """The blocks in which a sparse file's holes go on are stepped over."""
    block = bytearray(tar_header(b"s", 2, b"S"))
    block[257:265] = b"ustar  \0"
    block[482] = 1
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    more = bytearray(512)
    more[504] = 1
    raw = bytes(block) + bytes(more) + bytes(512) + padded(b"ab") + bytes(1024)
    opened = unpack(Format.TAR, raw)
    assert {"s": b"ab"} == opened.members
    assert {"archive-special-member"} == opened.rules


def test_a_pax_sparse_file_is_reported() -> None:
    """Holes written in pax records are holes."""
    record = b"22 GNU.sparse.major=1\n"
    raw = tar_header(b"p", len(record), b"x") + padded(record) + tar_header(b"x", 1) + padded(b"1") + bytes(1024)
    assert {"archive-special-member"} == unpack(Format.TAR, raw).rules


def test_unknown_types_are_files_that_are_reported() -> None:
    """POSIX has readers take unknown types for files."""
    raw = tar_header(b"a", 1, b"Z") + padded(b"1") + bytes(1024)
    opened = unpack(Format.TAR, raw)
    assert {"a": b"1"} == opened.members
    assert {"archive-special-member"} == opened.rules


def test_directories_and_links_are_no_members() -> None:
    """Only what has bytes of its own is opened."""
    raw = make_tar(
        ("d", b"", {"type": tarfile.DIRTYPE}),
        ("d/a", b"1", {}),
        ("l", b"", {"type": tarfile.SYMTYPE, "linkname": "d/a"}),
        ("h", b"", {"type": tarfile.LNKTYPE, "linkname": "d/a"}),
    )
    assert {"d/a": b"1"} == unpack(Format.TAR, raw).members
    old = tar_header(b"d/", 0, b"\0") + bytes(1024)
    assert {} == unpack(Format.TAR, old).members


def test_a_number_of_headers_is_enough() -> None:
    """Headers beyond the limit are not read."""
    raw = make_tar(*((f"{number}", b"", {}) for number in range(10)))
    opened = unpack(Format.TAR, raw, limits=Limits(container_members=4))
    assert isinstance(opened.fault, LimitExceeded)
    assert len(opened.members) == 4
    assert not opened.complete


def test_the_budget_for_members_counts() -> None:
    """Members cost budget."""
    opened = unpack(Format.TAR, make_tar(("a", b"1", {}), ("b", b"2", {})), budget=Budget(members=1, expanded_bytes=0))
    assert {"a": b"1"} == opened.members
    assert isinstance(opened.fault, LimitExceeded)
    assert not opened.complete


def test_many_names_are_reported_once_and_counted() -> None:
    """An archive of a thousand climbing names does not fill the report."""
    raw = make_tar(*((f"../{number}", b"", {}) for number in range(300)))
    opened = unpack(Format.TAR, raw, limits=Limits(findings_per_file=20))
    assert len(opened.findings) == 20
    assert "280 more" in opened.findings[-1].message


flags = st.sampled_from([b"0", b"0", b"\0", b"1", b"2", b"3", b"5", b"7", b"L", b"K", b"x", b"g", b"S", b"M", b"Z"])
blocks = st.builds(
    lambda name, size, flag, link, body: tar_header(name, size, flag, link) + padded(body),
    st.binary(max_size=60).filter(lambda name: b"\0" not in name),
    st.integers(0, 3000), flags, st.binary(max_size=40), st.binary(max_size=1200),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(content=st.lists(blocks, max_size=5), tail=st.binary(max_size=600))
def test_any_tar_raises_only_our_errors(content: list[bytes], tail: bytes) -> None:
    """Whatever the headers say, members are read or refused with our two errors."""
    opened = unpack(Format.TAR, b"".join(content) + tail, limits=Limits(container_members=50))
    assert opened.fault is None or isinstance(opened.fault, FileFault)
    assert all(isinstance(member, bytes | FileFault) for member in opened.members.values())


@settings(max_examples=60, deadline=None)
@given(content=st.dictionaries(st.text("abc/é.", min_size=1, max_size=120), st.binary(max_size=900), max_size=5))
def test_what_tarfile_writes_is_read_as_tarfile_reads_it(content: dict[str, bytes]) -> None:
    """Our members are those of the standard library, in order."""
    raw = make_tar(*((name, data, {}) for name, data in content.items()), form=tarfile.PAX_FORMAT)
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        expected = [archive.extractfile(info).read() for info in archive if info.isfile()]  # type: ignore[union-attr]
    assert expected == list(unpack(Format.TAR, raw).members.values())


def test_bytes_behind_a_directory_are_a_member() -> None:
    """What some readers step over as a directory's content is looked at."""
    raw = tar_header(b"d", 3, b"5") + padded(b"abc") + bytes(1024)
    assert {"d": b"abc"} == unpack(Format.TAR, raw).members
