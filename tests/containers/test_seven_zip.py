from __future__ import annotations

import io
import lzma
import zlib

import pytest
from fixtures.archive_bytes import seven_zip
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.containers.opening import unpack

from aibom.containers.protocol import Budget
from aibom.containers.seven_zip_header import HeaderReader
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Format
from aibom.limits import Limits

LZMA1 = {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2}
LZMA2 = {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}
CONTENT = (("a/x.bin", bytes(range(256)) * 20), ("é.txt", b"text"))


def packed(*filters: dict[str, int]) -> bytes:
    return lzma.compress(b"".join(data for _, data in CONTENT), lzma.FORMAT_RAW, filters=filters)


@pytest.mark.parametrize(
    ("method", "properties", "body"),
    [
        (b"\0", b"", None),
        (b"\3\1\1", b"\x5d\0\0\1\0", packed(LZMA1)),
        (b"\x21", b"\x08", packed(LZMA2)),
        (b"\4\1\x08", b"", zlib.compress(b"".join(data for _, data in CONTENT))[2:-4]),
    ],
    ids=["copy", "lzma", "lzma2", "deflate"],
)
@pytest.mark.parametrize("encoded", [False, True])
def test_members_come_out_as_they_went_in(method: bytes, properties: bytes, body: bytes | None, encoded: bool) -> None:
    """Folders of several files are cut where the header says, under plain and packed headers."""
    raw = seven_zip(*CONTENT, method=method, properties=properties, packed=body, encoded=encoded)
    opened = unpack(Format.SEVEN_ZIP, raw)
    assert dict(CONTENT) == opened.members
    assert [] == opened.findings
    assert opened.complete


def test_archives_of_the_usual_writer_are_read() -> None:
    """What py7zr writes with its methods comes out again."""
    py7zr = pytest.importorskip("py7zr")
    content = {"a/x.bin": bytes(range(256)) * 500, "empty": b"", "b.txt": b"text"}
    for chain in (
        [{"id": py7zr.FILTER_LZMA2, "preset": 6}],
        [{"id": py7zr.FILTER_LZMA}],
        [{"id": py7zr.FILTER_COPY}],
        [{"id": py7zr.FILTER_BZIP2}],
        [{"id": py7zr.FILTER_DELTA}, {"id": py7zr.FILTER_LZMA2, "preset": 6}],
        [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA}],
    ):
        out = io.BytesIO()
        with py7zr.SevenZipFile(out, "w", filters=chain) as archive:
            for name, data in content.items():
                archive.writestr(data, name)
        assert content == unpack(Format.SEVEN_ZIP, out.getvalue()).members


def test_encrypted_archives_are_not_clean() -> None:
    """An archive under a password is not looked at, and says so."""
    raw = seven_zip(("a", b"x" * 16), method=b"\6\xf1\7\1", properties=b"\0\0")
    opened = unpack(Format.SEVEN_ZIP, raw)
    assert "encrypted" in str(opened.fault)
    assert not opened.complete


@pytest.mark.parametrize("method", [b"\3\4\1", b"\4\xf7\x11\2", b"\x99"])
def test_unknown_methods_are_not_clean(method: bytes) -> None:
    """A method that is not supported is named."""
    opened = unpack(Format.SEVEN_ZIP, seven_zip(("a", b"x"), method=method))
    assert isinstance(opened.fault, LimitExceeded)
    assert method.hex() in str(opened.fault)


def test_windows_that_are_too_large_are_refused() -> None:
    """A few bytes can't make us allocate gigabytes."""
    opened = unpack(Format.SEVEN_ZIP, seven_zip(("a", b"x"), method=b"\x21", properties=b"\x28"))
    assert "window" in str(opened.fault)


def test_names_that_climb_are_reported() -> None:
    """Names and links out of the directory are traversal."""
    assert {"path-traversal"} == unpack(Format.SEVEN_ZIP, seven_zip(("../x", b"1"))).rules
    link = seven_zip(("a/l", b"../../etc"), modes=(0xA1FF,))
    assert {"path-traversal"} == unpack(Format.SEVEN_ZIP, link).rules
    inside = seven_zip(("a/l", b"../b"), modes=(0xA1FF,))
    assert set() == unpack(Format.SEVEN_ZIP, inside).rules


def test_repeated_names_are_reported_and_both_opened() -> None:
    """A second file of a name is a member of its own."""
    opened = unpack(Format.SEVEN_ZIP, seven_zip(("a", b"1"), ("a", b"2")))
    assert [b"1", b"2"] == list(opened.members.values())
    assert {"archive-ambiguous"} == opened.rules


def test_broken_data_gives_what_came_before() -> None:
    """A folder that breaks off is damaged."""
    raw = seven_zip(*CONTENT, method=b"\x21", properties=b"\x08", packed=packed(LZMA2)[:-200])
    opened = unpack(Format.SEVEN_ZIP, raw)
    assert "archive-damaged" in opened.rules


def test_bombs_and_budgets_end_a_folder() -> None:
    """Expansion is bounded by ratio and budget."""
    zeros = lzma.compress(bytes(16_000), lzma.FORMAT_RAW, filters=[LZMA2])
    raw = seven_zip(("a", bytes(16_000)), method=b"\x21", properties=b"\x08", packed=zeros)
    limits = Limits(expansion_floor_bytes=1000, expansion_ratio=10)
    assert {"archive-bomb"} == unpack(Format.SEVEN_ZIP, raw, limits=limits).rules
    opened = unpack(Format.SEVEN_ZIP, raw, budget=Budget(members=5, expanded_bytes=100))
    assert isinstance(opened.fault, LimitExceeded)


def test_headers_beyond_the_file_are_malformed() -> None:
    """A header that is not there, and a signature alone."""
    raw = seven_zip(("a", b"x"))
    assert isinstance(unpack(Format.SEVEN_ZIP, raw[:-3]).fault, MalformedFile)
    assert isinstance(unpack(Format.SEVEN_ZIP, raw[:20]).fault, MalformedFile)
    empty = raw[:12] + bytes(20)
    assert {} == unpack(Format.SEVEN_ZIP, empty).members
    huge = raw[:20] + (1 << 40).to_bytes(8, "little") + raw[28:]
    assert isinstance(unpack(Format.SEVEN_ZIP, huge).fault, LimitExceeded)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"\x02", MalformedFile),
        (b"\x01\x09", MalformedFile),
        (b"\x01\x02\x01\x01x\0\0", None),
        (b"\x01\x04\x09", MalformedFile),
        (b"\x01\x04\x06\0\x01\x0d", MalformedFile),
        (b"\x01\x04\x07\x0c", MalformedFile),
        (b"\x01\x04\x07\x0b\x01\x01", LimitExceeded),
        (b"\x01\x04\x07\x0b\x01\0\0", MalformedFile),
        (b"\x01\x04\x07\x0b\x01\0\x01\x11\0\x01\x02", LimitExceeded),
        (b"\x01\x04\x07\x0b\x01\0\x01\x11\0\0\x01", MalformedFile),
        (b"\x01\x04\x07\x0b\x01\0\x01\x01\0\x0d", MalformedFile),
        (b"\x01\x04\x07\x0b\x01\0\x01\x01\0\x0c\x01\0\0", MalformedFile),
        (b"\x01\x05\x01\x11\x01\x01", LimitExceeded),
        (b"\x01\x05\x01\0", MalformedFile),
        (b"\x01\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff", LimitExceeded),
    ],
)  # fmt: skip
def test_headers_that_do_not_exist(raw: bytes, kind: type[FileFault] | None) -> None:
    """Each part of a header has one form; all others are refused."""
    if kind is None:
        assert [] == HeaderReader(raw, 100).header().folders
    else:
        with pytest.raises(kind):
            HeaderReader(raw, 100).header()


def test_a_header_with_digests_and_attributes_is_read() -> None:
    """Checksums of packed streams, folders and files are stepped over, and empty files have no data."""
    pack = b"\x06\0\x01\x09\x03\x0a\x01" + bytes(4) + b"\0"
    unpacked = b"\x07\x0b\x01\0\x01\x01\0\x0c\x03\x0a\x01" + bytes(4) + b"\0"
    parts = b"\x08\x0a\x01" + b"\0"
    files = b"\x05\x02\x0e\x01\x40\x11\x09\0a\0\0\0b\0\0\0\x19\x01\0\0"
    header = HeaderReader(b"\x01\x04" + pack + unpacked + parts + b"\0" + files + b"\0", 100).header()
    assert [("a", True), ("b", False)] == [(file.raw_name, file.has_data) for file in header.files]
    assert [3] == header.folders[0].sizes


@settings(max_examples=200, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6), encoded=st.booleans(),
    cut=st.integers(0, 20),
)  # fmt: skip
def test_any_archive_raises_only_our_errors(changes: list[tuple[int, int]], encoded: bool, cut: int) -> None:
    """Flipped and missing bytes, in the header above all, are survived."""
    raw = bytearray(seven_zip(("a.bin", b"abc" * 9), ("b", b"x"), modes=(0x81A4, 0xA1FF), encoded=encoded))
    for place, value in changes:
        raw[32 + place % (len(raw) - 32)] = value
    opened = unpack(Format.SEVEN_ZIP, bytes(raw[: len(raw) - cut]), budget=Budget(members=50, expanded_bytes=100_000))
    assert opened.fault is None or isinstance(opened.fault, FileFault)


def test_a_folder_of_several_streams_is_not_supported() -> None:
    """The method that splits programs into four streams is named as what was not looked at."""
    files = b"\x05\x01\x11\x05\0a\0\0\0\0"
    folder = b"\x01" + b"\x14\3\3\1\x1b\x04\x01" + b"\0\1\2\3"
    streams = b"\x06\0\x04\x09\1\1\1\1\0" + b"\x07\x0b\x01\0" + folder + b"\x0c\x04\0\0"
    header = b"\x01\x04" + streams + files + b"\0"
    raw = seven_zip(("a", b"abcd"))[:32] + b"abcd" + header
    raw = raw[:12] + (4).to_bytes(8, "little") + len(header).to_bytes(8, "little") + raw[28:]
    opened = unpack(Format.SEVEN_ZIP, raw)
    assert "several streams" in str(opened.fault)


def test_more_names_than_data_is_damage() -> None:
    """A name without data that does not say that it is empty."""
    header = b"\x01\x05\x01\x11\x05\0a\0\0\0\0\0"
    raw = seven_zip()[:12] + (0).to_bytes(8, "little") + len(header).to_bytes(8, "little") + bytes(4) + header
    assert {"archive-damaged"} == unpack(Format.SEVEN_ZIP, raw).rules
