from __future__ import annotations

import io
import struct
import zipfile

import pytest
from fixtures.archive_bytes import Entry, end_record, make_zip
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.containers.opening import unpack

from aibom.containers.protocol import Budget
from aibom.containers.zip_archive import open_entry, read_directory
from aibom.containers.zip_directory import Origin, extra_fields, zip64_values
from aibom.containers.zip_ends import archives_in_a_row
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Format
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource, SliceSource


def written(content: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return out.getvalue()


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.mark.parametrize("method", METHODS)
def test_members_come_out_as_they_went_in(method: int) -> None:
    """Every method that Python writes is read back, without findings."""
    content = {"a/x.bin": bytes(range(256)) * 5000, "a/empty": b"", "b.txt": b"text"}
    opened = unpack(Format.ZIP, written(content, method))
    assert content == opened.members
    assert [] == opened.findings
    assert opened.complete


def test_stored_members_are_read_in_place() -> None:
    """A stored member costs nothing of the budget for expanded bytes."""
    budget = Budget(members=10, expanded_bytes=0)
    opened = unpack(Format.ZIP, written({"big": bytes(100_000)}), budget=budget)
    assert {"big": bytes(100_000)} == opened.members
    data = MemorySource(written({"big": bytes(100_000)}))
    entry = read_directory(data, Limits()).entries[0]
    assert isinstance(open_entry(data, entry, Limits(), budget), SliceSource)


def test_zip64_archives_are_read() -> None:
    """Sizes and offsets in zip64 fields are taken from there."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(b"hello")
    opened = unpack(Format.ZIP, out.getvalue())
    assert {"a": b"hello"} == opened.members
    assert [] == opened.findings


def test_more_entries_than_sixteen_bits_count() -> None:
    """An archive with more than 65,535 entries is read whole."""
    entries = [Entry(name=b"%x" % number) for number in range(65_540)]
    raw = make_zip(*entries[:3])
    at = raw.rfind(b"PK\5\6")
    _, _, _, _, _, size, offset, _ = struct.unpack("<4s4H2LH", raw[at:])
    wrapped = raw[:at] + end_record(3 + 65_536 & 0xFFFF, size, offset)
    assert [] == unpack(Format.ZIP, wrapped).findings


def test_a_budget_for_members_ends_the_listing() -> None:
    """What the budget does not cover is an exceeded limit, after what it does cover."""
    opened = unpack(Format.ZIP, written({"a": b"1", "b": b"2"}), budget=Budget(members=1, expanded_bytes=0))
    assert {"a": b"1"} == opened.members
    assert isinstance(opened.fault, LimitExceeded)


def test_a_directory_of_too_many_entries_is_incomplete() -> None:
    """Entries beyond the limit are not listed, and the archive says so."""
    opened = unpack(Format.ZIP, written({"a": b"1", "b": b"2", "c": b"3"}), limits=Limits(container_members=2))
    assert {"a", "b"} <= set(opened.members)
    assert not opened.complete
    assert isinstance(opened.fault, LimitExceeded)


def test_what_is_no_zip_is_malformed() -> None:
    """Without directory and without local header there is nothing to read."""
    with pytest.raises(MalformedFile, match="no zip"):
        read_directory(MemorySource(b"PK nothing"), Limits())


def test_an_empty_archive_has_no_members() -> None:
    """An end record alone is an archive."""
    opened = unpack(Format.ZIP, end_record(0, 0, 0))
    assert {} == opened.members
    assert opened.fault is None


def test_really_encrypted_members_are_not_read() -> None:
    """A member that can't be expanded and is marked as encrypted exceeds what we can do."""
    raw = make_zip(Entry(name=b"secret", data=b"x" * 20, method=8, flags=1, packed=b"\xff" * 20))
    fault = unpack(Format.ZIP, raw).members["secret"]
    assert isinstance(fault, LimitExceeded)
    assert "encrypted" in str(fault)


def test_unknown_methods_are_not_read() -> None:
    """A method that is not supported is named."""
    fault = unpack(Format.ZIP, make_zip(Entry(name=b"a", data=b"x", method=9))).members["a"]
    assert isinstance(fault, LimitExceeded)
    assert "method 9" in str(fault)


def test_an_entry_without_a_local_header_is_reported_and_malformed() -> None:
    """The directory may name places where nothing is."""
    entry = Entry(name=b"a", data=b"x")
    central = entry.central(7)
    raw = b"\0" * 50 + central + end_record(1, len(central), 50)
    opened = unpack(Format.ZIP, raw)
    assert {"archive-damaged"} == opened.rules
    assert isinstance(opened.members["a"], MalformedFile)


def test_an_entry_longer_than_the_file_is_reported() -> None:
    """A member that the file ends inside of is damaged."""
    raw = make_zip(Entry(name=b"a", data=b"x", packed_size=1000, size=1000))
    assert "archive-damaged" in unpack(Format.ZIP, raw).rules


def test_hidden_entries_are_members_with_names_of_their_own() -> None:
    """An entry of the same name as a listed one can't hide behind it."""
    raw = make_zip(Entry(name=b"a", data=b"listed"), Entry(name=b"a", data=b"hidden", listed=False))
    directory = read_directory(MemorySource(raw), Limits())
    assert [Origin.CENTRAL, Origin.LOCAL] == [entry.origin for entry in directory.entries]
    assert sorted([b"listed", b"hidden"]) == sorted(map(bytes, unpack(Format.ZIP, raw).members.values()))  # type: ignore[arg-type]


def test_zeros_between_entries_are_padding() -> None:
    """Padding is no hidden content; a single other byte is."""
    padding = make_zip(Entry(name=b"a", data=b"x"), before_directory=bytes(100))
    assert set() == unpack(Format.ZIP, padding).rules
    other = make_zip(Entry(name=b"a", data=b"x"), before_directory=bytes(99) + b"\1")
    assert {"archive-hidden-content"} == unpack(Format.ZIP, other).rules


def test_a_program_in_front_of_an_archive_is_expected() -> None:
    """The program of a llamafile is no hidden content of its archive."""
    raw = make_zip(Entry(name=b"a.gguf", data=b"x"), prefix=b"MZqFpD" + b"\x90" * 500)
    assert set() == unpack(Format.LLAMAFILE, raw).rules
    assert {"archive-hidden-content"} == unpack(Format.ZIP, raw).rules


def test_signatures_in_bytes_between_do_not_cost_quadratic_time() -> None:
    """A gap full of header signatures is given up on at the limit, not searched again and again."""
    raw = make_zip(Entry(name=b"a", data=b"x"), before_directory=b"PK\3\4" * 50_000)
    opened = unpack(Format.ZIP, raw, limits=Limits(container_members=1000))
    assert not opened.complete


def test_a_row_of_archives_is_told_from_one_archive() -> None:
    """Complete archives one after another are members; a prefix that is none makes it one archive."""
    one = make_zip(Entry(name=b"a", data=b"x"))
    assert [(0, len(one)), (len(one), 2 * len(one))] == archives_in_a_row(MemorySource(one + one), 10)
    assert [] == archives_in_a_row(MemorySource(one), 10)
    assert [] == archives_in_a_row(MemorySource(b"x" + one), 10)
    assert [] == archives_in_a_row(MemorySource(one * 3), 2)
    assert {"[archive @0x0]", f"[archive @{len(one):#x}]"} == set(unpack(Format.ZIP, one + one).members)


def test_bombs_are_named_by_ratio() -> None:
    """Data that expands beyond floor and ratio is a bomb; what came out before is looked at."""
    raw = written({"zeros": bytes(3_000_000)}, zipfile.ZIP_DEFLATED)
    limits = Limits(expansion_floor_bytes=1_000_000, expansion_ratio=100)
    opened = unpack(Format.ZIP, raw, limits=limits)
    assert {"archive-bomb"} == opened.rules
    lying = make_zip(Entry(name=b"z", data=bytes(3_000_000), method=8, size=10))
    opened = unpack(Format.ZIP, lying, limits=limits)
    assert {"archive-bomb", "archive-ambiguous"} >= opened.rules >= {"archive-bomb"}
    content = opened.members["z"]
    assert isinstance(content, bytes)
    assert 0 < len(content) <= 1_000_000


def test_expansion_ends_with_the_budget() -> None:
    """A member larger than the budget gives its beginning and is reported as incomplete by the budget's fault."""
    raw = written({"a": bytes(range(256)) * 4096}, zipfile.ZIP_DEFLATED)
    opened = unpack(Format.ZIP, raw, budget=Budget(members=5, expanded_bytes=300_000))
    assert isinstance(opened.fault, LimitExceeded)
    assert not opened.complete
    assert len(opened.members["a"]) == 262_144  # type: ignore[arg-type]


def test_extra_fields_that_are_cut_are_ignored() -> None:
    """Only whole extra fields count."""
    assert [(1, b"ab")] == list(extra_fields(b"\1\0\2\0ab\2\0\xff\0x"))
    assert (5, 0xFFFFFFFF) == zip64_values(b"\1\0\x08\0" + struct.pack("<Q", 5), 0xFFFFFFFF, 0xFFFFFFFF)
    assert (1, 2) == zip64_values(b"", 1, 2)


names = st.binary(min_size=0, max_size=12)
entries = st.builds(
    Entry,
    name=names,
    data=st.binary(max_size=40),
    method=st.sampled_from([0, 0, 0, 8, 8, 9, 12, 14, 93, 95]),
    flags=st.sampled_from([0, 0, 1, 8, 0x800]),
    crc=st.none() | st.integers(0, 0xFFFFFFFF),
    size=st.none() | st.integers(0, 0xFFFFFFFF),
    packed=st.none() | st.binary(max_size=40),
    packed_size=st.none() | st.integers(0, 0xFFFFFFFF),
    local_name=st.none() | names,
    local_method=st.none() | st.sampled_from([0, 8]),
    local_size=st.none() | st.integers(0, 0xFFFFFFFF),
    extra=st.binary(max_size=20),
    attributes=st.sampled_from([0, 0xA1FF << 16]),
    listed=st.booleans(),
    follows=st.binary(max_size=30),
)


@settings(max_examples=150, deadline=None)
@given(
    content=st.lists(entries, max_size=4), prefix=st.binary(max_size=30), comment=st.binary(max_size=30),
    shifted=st.booleans(), tail=st.binary(max_size=30),
)  # fmt: skip
def test_any_zip_raises_only_our_errors(
    content: list[Entry], prefix: bytes, comment: bytes, shifted: bool, tail: bytes
) -> None:
    """Whatever the headers say, members are read or refused with our two errors, within the limits."""
    raw = make_zip(*content, prefix=prefix, comment=comment, shifted=shifted) + tail
    limits = Limits(expanded_bytes=10_000, container_members=50)
    opened = unpack(Format.ZIP, raw, limits=limits)
    assert opened.fault is None or isinstance(opened.fault, FileFault)
    assert all(isinstance(member, bytes | FileFault) for member in opened.members.values())


@settings(max_examples=150, deadline=None)
@given(
    raw=st.just(written({"a/data.pkl": b"\x80\x02.", "a/version": b"3"}, zipfile.ZIP_DEFLATED)),
    changes=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=8), cut=st.integers(0, 300),
)  # fmt: skip
def test_a_damaged_zip_raises_only_our_errors(raw: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    """Flipped and missing bytes anywhere are survived."""
    damaged = bytearray(raw)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    opened = unpack(Format.ZIP, bytes(damaged[: len(damaged) - cut % 40]))
    assert opened.fault is None or isinstance(opened.fault, FileFault)


def test_an_entry_for_a_directory_may_have_bytes() -> None:
    """A name that ends with a slash is no reason not to look."""
    assert {"d/": b"x"} == unpack(Format.ZIP, make_zip(Entry(name=b"d/", data=b"x"))).members
    assert {} == unpack(Format.ZIP, make_zip(Entry(name=b"d/"))).members


def test_too_many_end_records_are_not_all_tried() -> None:
    """A comment full of end records does not cost a directory each."""
    one = Entry(name=b"a", data=b"x")
    ends = end_record(1, len(one.central(0)), len(one.local())) * 30
    raw = one.local() + one.central(0) + ends
    opened = unpack(Format.ZIP, raw)
    assert isinstance(opened.fault, LimitExceeded)
    assert not opened.complete


def test_a_cut_directory_is_malformed_after_what_it_lists() -> None:
    """The entries before the cut are opened."""
    first, second = Entry(name=b"a", data=b"1"), Entry(name=b"b" * 40, data=b"2")
    central = first.central(0) + second.central(len(first.local()))[:-10]
    raw = first.local() + second.local() + central
    raw += end_record(2, len(central), len(raw) - len(central))
    opened = unpack(Format.ZIP, raw)
    assert opened.members["a"] == b"1"
    assert isinstance(opened.fault, MalformedFile)


def test_links_that_can_not_be_read_are_passed_over() -> None:
    """A link whose target is too long or packed in a broken way is a member and nothing more."""
    link = 0xA1FF << 16
    long = Entry(name=b"l", data=b"x" * 5000, attributes=link)
    broken = Entry(name=b"m", data=b"x", method=8, packed=b"\xff\xff", attributes=link)
    assert "path-traversal" not in unpack(Format.ZIP, make_zip(long, broken)).rules
