from __future__ import annotations

import builtins
import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable

import pytest
from fixtures.archive_bytes import lz4_frame, zstd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.containers.opening import unpack

from aibom.containers import CONTAINERS
from aibom.containers.compressed import member_name
from aibom.containers.expansion import SpoolSource, expand
from aibom.containers.protocol import Budget
from aibom.containers.streams import CODECS
from aibom.containers.zstd_frames import frame_end
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Format, RepoFile, Role
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

PACKERS: dict[Format, Callable[[bytes], bytes]] = {
    Format.GZIP: lambda raw: gzip.compress(raw, mtime=0),
    Format.BZIP2: bz2.compress,
    Format.XZ: lzma.compress,
    Format.LZMA: lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
    Format.ZLIB: zlib.compress,
    Format.ZSTD: zstd,
    Format.LZ4: lz4_frame,
}
IN_A_ROW = [Format.GZIP, Format.BZIP2, Format.XZ, Format.ZSTD, Format.LZ4]
CONTENT = bytes(range(256)) * 200


@pytest.fixture(autouse=True)
def _optional(request: pytest.FixtureRequest) -> None:
    kind = getattr(request.node, "callspec", None) and request.node.callspec.params.get("kind")
    for needed, package in ((Format.ZSTD, "zstandard"), (Format.LZ4, "lz4")):
        if kind is needed:
            pytest.importorskip(package)


@pytest.mark.parametrize("kind", PACKERS)
def test_streams_come_out_as_they_went_in(kind: Format) -> None:
    """Every method gives one member with the content, without findings."""
    opened = unpack(kind, PACKERS[kind](CONTENT), name="model.bin.gz")
    assert {"model.bin": CONTENT} == opened.members
    assert [] == opened.findings
    assert opened.complete


@pytest.mark.parametrize("kind", IN_A_ROW)
def test_streams_in_a_row_are_one_content(kind: Format) -> None:
    """Readers go on with the next stream, and so do we; what is no stream is a member of its own."""
    pack = PACKERS[kind]
    opened = unpack(kind, pack(b"one") + pack(b"two") + b"trailing")
    assert [b"onetwo", b"trailing"] == list(opened.members.values())
    assert {"archive-hidden-content"} == opened.rules


@pytest.mark.parametrize("kind", PACKERS)
def test_cut_streams_give_what_came_before(kind: Format) -> None:
    """A stream that breaks off is damaged, and what came before the break is looked at."""
    raw = PACKERS[kind](CONTENT + bytes(i * 7 % 251 for i in range(300_000)))
    opened = unpack(kind, raw[: len(raw) - 12])
    assert not opened.complete or opened.fault is not None
    assert opened.fault is not None or {"archive-damaged"} == opened.rules


@pytest.mark.parametrize("kind", PACKERS)
def test_wrong_bytes_are_malformed(kind: Format) -> None:
    """A stream that is none gives nothing."""
    opened = unpack(kind, PACKERS[kind](CONTENT)[:6] + b"\xff" * 50)
    assert {} == opened.members or not opened.complete
    assert opened.fault is not None or opened.rules


def test_zeros_between_gzip_streams_are_stepped_over() -> None:
    """Padding between streams is allowed; padding at the end is no content."""
    one, two = gzip.compress(b"one", mtime=0), gzip.compress(b"two", mtime=0)
    assert [b"onetwo"] == list(unpack(Format.GZIP, one + bytes(100) + two + bytes(50)).members.values())
    opened = unpack(Format.GZIP, one + bytes(100) + b"x")
    assert [b"one", bytes(100) + b"x"] == list(opened.members.values())


def test_skippable_zstd_frames_are_stepped_over() -> None:
    """A skippable frame has no content."""
    pytest.importorskip("zstandard")
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    assert [b"ab"] == list(unpack(Format.ZSTD, zstd(b"a") + skippable + zstd(b"b")).members.values())


def test_zstd_frames_end_where_their_blocks_end() -> None:
    """The end of a frame is found without expanding it."""
    frame = zstd(b"abc")
    assert len(frame) == frame_end(MemorySource(frame + b"rest"), 0)
    assert frame_end(MemorySource(frame[:-1]), 0) > len(frame) - 1
    with pytest.raises(MalformedFile, match="no zstd"):
        frame_end(MemorySource(b"nothing here"), 0)
    with pytest.raises(MalformedFile, match="reserved"):
        frame_end(MemorySource(frame[:6] + b"\x07\0\0"), 0)


@pytest.mark.parametrize(("kind", "module"), [(Format.ZSTD, "zstandard"), (Format.LZ4, "lz4.frame")])
def test_a_missing_package_is_never_clean(kind: Format, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an optional package is missing, its streams are not looked at, and the package is named."""
    real = builtins.__import__

    def absent(name: str, *args: object, **kwargs: object) -> object:
        if name == module:
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.delitem(sys.modules, module, raising=False)
    opened = unpack(kind, PACKERS[kind](b"abc"))
    assert isinstance(opened.fault, LimitExceeded)
    assert module.partition(".")[0] in str(opened.fault)


def test_windows_that_are_too_large_are_refused() -> None:
    """A stream may not make us allocate gigabytes."""
    raw = bytearray(lzma.compress(b"abc", lzma.FORMAT_ALONE))
    raw[1:5] = b"\xff\xff\xff\xff"
    fault = unpack(Format.LZMA, bytes(raw)).fault
    assert isinstance(fault, LimitExceeded)
    assert "window" in str(fault)


def test_large_content_goes_to_a_file_without_a_name() -> None:
    """Beyond eight megabytes, content is not kept in memory."""
    content = bytes(range(256)) * 40_000
    chunks = (content[at : at + 100_000] for at in range(0, len(content), 100_000))
    outcome = expand(chunks, compressed=len(content), limits=Limits(), budget=Budget.of(Limits()))
    assert isinstance(outcome.source, SpoolSource)
    assert content == outcome.source.read_at(0, outcome.source.size)
    outcome.source.close()
    outcome.source.close()


def test_a_spool_is_given_back_when_expansion_fails() -> None:
    """An error of the source closes the file that was begun."""

    def chunks() -> object:
        yield bytes(9 << 20)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        expand(chunks(), compressed=9 << 20, limits=Limits(), budget=Budget.of(Limits()))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Format.GZIP, Format.BZIP2, Format.XZ, Format.ZLIB])
def test_bombs_are_found_while_they_expand(kind: Format) -> None:
    """Expansion ends at floor and ratio, and its beginning is looked at."""
    limits = Limits(expansion_floor_bytes=500_000, expansion_ratio=50)
    opened = unpack(kind, PACKERS[kind](bytes(3_000_000)), limits=limits)
    assert {"archive-bomb"} == opened.rules
    assert isinstance(opened.fault, LimitExceeded)
    assert [b"\0"] == [member[:1] for member in opened.members.values()]  # type: ignore[index]


def test_an_expanded_bomb_without_beginning_is_a_finding() -> None:
    """A bomb whose first step is too much is one all the same."""
    limits = Limits(expansion_floor_bytes=10, expansion_ratio=1)
    opened = unpack(Format.GZIP, gzip.compress(bytes(300_000), mtime=0), limits=limits)
    assert {} == opened.members
    assert {"archive-bomb"} == opened.rules


def test_the_budget_is_shared_and_ends_expansion() -> None:
    """What a first container has used is gone for the next one."""
    budget = Budget(members=10, expanded_bytes=len(CONTENT))
    raw = gzip.compress(CONTENT, mtime=0)
    assert unpack(Format.GZIP, raw, budget=budget).complete
    assert isinstance(unpack(Format.GZIP, raw, budget=budget).fault, LimitExceeded)


def test_members_may_be_opened_twice() -> None:
    """Closing a member leaves it open for a second look."""
    raw = gzip.compress(b"abc", mtime=0)
    file = RepoFile(path="a.gz", size=len(raw), format=Format.GZIP, role=Role.OTHER)
    container = CONTAINERS[Format.GZIP](file, MemorySource(raw), Limits(), Budget.of(Limits()))
    member = next(iter(container.members()))
    for _ in range(2):
        with member.open() as source:
            assert source.read_at(0, 3) == b"abc"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("m.tar.gz", "m.tar"), ("m.TGZ", "m.tar"), ("m.pkl", "m.pkl [expanded]"), (".gz", ".gz [expanded]"),
     ("d/m.zst", "m")],
)  # fmt: skip
def test_members_are_named_as_unpacking_names_them(name: str, expected: str) -> None:
    """The suffix of the compression goes; a name without one is marked."""
    assert expected == member_name(RepoFile(path=name, size=0, format=Format.GZIP, role=Role.OTHER))


def test_joblib_files_without_the_old_header_have_no_members() -> None:
    """Only the form of joblib up to 0.9 is a container."""
    assert {} == unpack(Format.JOBLIB, b"\x80\x04.").members
    raw = b"ZF" + hex(3).encode().ljust(19)
    assert [b"abc"] == list(unpack(Format.JOBLIB, raw + zlib.compress(b"abc")).members.values())
    assert [b"abc"] == list(unpack(Format.JOBLIB, raw + b" " + zlib.compress(b"abc")).members.values())


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from([Format.GZIP, Format.BZIP2, Format.XZ, Format.LZMA, Format.ZLIB]),
    content=st.binary(max_size=300), changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    tail=st.binary(max_size=20),
)  # fmt: skip
def test_any_stream_raises_only_our_errors(
    kind: Format, content: bytes, changes: list[tuple[int, int]], tail: bytes
) -> None:
    """Damaged streams are survived, and expand to no more than the budget."""
    raw = bytearray(PACKERS[kind](content) + tail)
    for place, value in changes:
        raw[place % len(raw)] = value
    opened = unpack(kind, bytes(raw), budget=Budget(members=5, expanded_bytes=10_000))
    assert opened.fault is None or isinstance(opened.fault, FileFault)
    assert sum(len(member) for member in opened.members.values() if isinstance(member, bytes)) <= 10_000 + len(raw)


def test_every_method_has_a_name() -> None:
    """Methods are found by the names that formats have."""
    assert {"deflate", "zlib", "gzip", "bzip2", "xz", "lzma", "zip-lzma", "zstd", "lz4"} == set(CODECS)


def test_damaged_zstd_frames_are_malformed() -> None:
    """A block that is no compressed data, and a window of gigabytes."""
    pytest.importorskip("zstandard")
    broken = b"\x28\xb5\x2f\xfd\x00\x58" + (20 << 3 | 2 << 1 | 1).to_bytes(3, "little") + b"\xff" * 20
    assert isinstance(unpack(Format.ZSTD, broken).fault, MalformedFile)
    wide = b"\x28\xb5\x2f\xfd\x00\xf8" + zstd(b"abc")[6:]
    assert isinstance(unpack(Format.ZSTD, wide).fault, LimitExceeded)


def test_repeated_zstd_blocks_are_followed() -> None:
    """A block of one repeated byte has one byte in the file."""
    pytest.importorskip("zstandard")
    frame = b"\x28\xb5\x2f\xfd\x00\x58" + (50 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"x"
    assert [b"x" * 50] == list(unpack(Format.ZSTD, frame).members.values())


@pytest.mark.parametrize("length", [3, 6])
def test_zip_lzma_properties_have_five_bytes(length: int) -> None:
    """LZMA in zip says how long its properties are; other lengths do not exist."""
    decoder = CODECS["zip-lzma"].decoder
    assert decoder is not None
    reader = decoder()
    assert reader.decompress(b"\x09\x14", 100) == b""
    assert not reader.eof
    assert reader.unused_data == b""
    with pytest.raises(MalformedFile):
        reader.decompress(bytes([length, 0]) + bytes(20), 100)
