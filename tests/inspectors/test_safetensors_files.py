"""Safetensors headers: exact tensors, and the same files refused that the library refuses."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from fixtures.hostile_headers import entry
from fixtures.weights import SAFETENSORS_BITS, raw_safetensors, safetensors_bytes, write_safetensors
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize

from aibom.components import Tensor
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Severity
from aibom.inspectors.safetensors_files import inspect
from aibom.limits import Limits
from aibom.sources.bytesource import FileSource, MemorySource

FILE = RepoFile(path="model.safetensors", size=0, format=Format.SAFETENSORS, role=Role.WEIGHTS)


def look(content: bytes, limits: Limits | None = None) -> Any:
    return inspect(FILE, MemorySource(content), limits or Limits())


def test_tensors_are_counted_and_placed_exactly() -> None:
    """Every tensor has its dtype, shape and place; elements are counted by dtype."""
    found = look(safetensors_bytes({"b": ("F32", (2, 3)), "a": ("BF16", (4,)), "s": ("F32", ())}, {"format": "pt"}))
    header = 8 + struct.unpack("<Q", safetensors_bytes({"b": ("F32", (2, 3)), "a": ("BF16", (4,)), "s": ("F32", ())},
                                                       {"format": "pt"})[:8])[0]  # fmt: skip
    assert found.findings == ()
    assert found.coverage is Coverage.COMPLETE
    assert found.tensors.stored_elements == 11
    assert found.tensors.elements_by_dtype == {"F32": 7, "BF16": 4}
    assert found.tensors.complete
    assert found.tensors.tensors == (
        Tensor(name="b", dtype="F32", shape=(2, 3), offset=header, length=24),
        Tensor(name="a", dtype="BF16", shape=(4,), offset=header + 24, length=8),
        Tensor(name="s", dtype="F32", shape=(), offset=header + 32, length=4),
    )
    assert found.metadata == {"format": "pt"}


def test_five_gigabytes_are_summarized_without_reading_them(tmp_path: Path) -> None:
    """Only the header is read, however large the data."""
    path = write_safetensors(tmp_path / "big.safetensors", {f"layer.{n}": ("F16", (1024, 1024)) for n in range(2500)})
    with path.open("rb") as file:
        data = FileSource(file.fileno(), path.stat().st_size)
        read = 0
        read_at = data.read_at

        def counting(offset: int, length: int) -> bytes:
            nonlocal read
            got = read_at(offset, length)
            read += len(got)
            return got

        data.read_at = counting  # type: ignore[method-assign]
        found = inspect(FILE, data, Limits())
    assert found.tensors is not None
    assert found.tensors.stored_elements == 2500 * 1024 * 1024
    assert read < 1_000_000


def test_metadata_is_kept_for_those_who_read_it_and_cut_where_long() -> None:
    """Free-form metadata keeps its own keys; one that poses as ours is left out, and long text is cut."""
    content = safetensors_bytes({}, {"modelspec.title": "x", "aibom:sha256:template": "0", "ss_tag": "y" * 100_000})
    found = look(content, Limits(metadata_value_bytes=100))
    assert found.metadata == {"modelspec.title": "x", "ss_tag": "y" * 100}


def test_a_lone_surrogate_in_metadata_becomes_text() -> None:
    """Metadata that is no Unicode text is kept in a form that every encoder takes."""
    found = look(raw_safetensors('{"__metadata__":{"a":"\\ud800x"}}'))
    assert found.metadata == {"a": "?x"}


def test_each_fault_is_one_finding_that_names_the_first_tensors() -> None:
    """A thousand overlapping tensors are one finding, with the first names as evidence."""
    found = look(raw_safetensors({f"t{n}": entry("U8", [4], 0, 4) for n in range(1000)}, bytes(4)))
    (finding,) = found.findings
    assert finding.rule.id == "malformed-file"
    assert finding.evidence[:2] == ("'t1'", "'t2'")
    assert finding.evidence[-1] == "and 994 more"
    assert found.coverage is Coverage.PARTIAL


def test_what_cannot_be_counted_makes_the_summary_incomplete() -> None:
    """Tensors with a fault are not added up; the rest is, and the summary says that it is not whole."""
    found = look(raw_safetensors({"a": entry("U8", [4], 0, 4), "b": entry("F128", [1], 4, 20)}, bytes(20)))
    assert found.tensors.stored_elements == 4
    assert not found.tensors.complete
    assert [Severity.MEDIUM] == [finding.severity for finding in found.findings]


def test_header_limits_are_kept() -> None:
    """A header or a number of tensors beyond the limits is not read."""
    content = safetensors_bytes({f"t{n}": ("U8", (1,)) for n in range(50)})
    with pytest.raises(LimitExceeded, match="header"):
        look(content, Limits(header_bytes=100))
    with pytest.raises(LimitExceeded, match="tensors"):
        look(content, Limits(tensors=10))


@pytest.mark.parametrize("content", [b"", b"1234567", struct.pack("<Q", 0), struct.pack("<Q", 2) + b"[]"])
def test_no_header_is_malformed(content: bytes) -> None:
    """Bytes in which no header can be read are malformed."""
    with pytest.raises(MalformedFile):
        look(content)


def test_a_header_that_promises_more_than_the_file_is_truncated() -> None:
    """A header longer than the file is said to be cut, and nothing was looked at."""
    found = look(struct.pack("<Q", 1000) + b'{"a":')
    assert [finding.rule.id for finding in found.findings] == ["truncated"]
    assert found.coverage is Coverage.NONE


# --- the library as oracle --------------------------------------------------------------------------------------------

# Where this reader differs on purpose. The library takes the last of two entries of one name, a list in place of an
# object, and an object for an enumeration; all three let two readers see two files. It counts `-0` as a fraction.
DELIBERATE = ("twice", "list", "minus-zero")

SIZES = st.integers(-1, 5) | st.sampled_from([True, 1.0, 2**40, 2**63, 2**64])
OFFSETS = st.integers(-1, 40) | st.sampled_from([2**64, 1.0])
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*SAFETENSORS_BITS, "F128", 5]),
        "shape": st.lists(SIZES, max_size=3),
        "data_offsets": st.lists(OFFSETS, min_size=1, max_size=3),
    },
    optional={"extra": st.none()},
)
METADATA = st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.integers(), max_size=2)


def agrees(content: bytes) -> None:
    try:
        deserialize(content)  # type: ignore[no-untyped-call]  # the library has no types
        expected = True
    except SafetensorError:
        expected = False
    try:
        accepted = not look(content).findings
    except FileFault:
        accepted = False
    assert expected == accepted


@given(
    st.dictionaries(st.text(max_size=4).filter(lambda name: name != "__metadata__"), ENTRIES, max_size=3),
    st.binary(max_size=40),
    METADATA,
)
@settings(max_examples=200)
def test_wrong_headers_are_refused_as_the_library_refuses_them(
    tensors: dict[str, Any], data: bytes, metadata: dict[str, Any] | None
) -> None:
    """On generated headers, mostly wrong ones, this reader and the library give the same answer."""
    header = tensors if metadata is None else {"__metadata__": metadata, **tensors}
    agrees(raw_safetensors(header, data))


@given(
    st.dictionaries(
        st.text(max_size=5).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(list(SAFETENSORS_BITS)), st.lists(st.integers(0, 4), max_size=3)),
        max_size=5,
    ),
    st.sampled_from([-1, 0, 0, 0, 1]),
)
@settings(max_examples=200)
def test_sound_headers_are_accepted_as_the_library_accepts_them(
    tensors: dict[str, tuple[str, list[int]]], change: int
) -> None:
    """On generated sound headers, and on files one byte too long or short, the answers are the same."""
    content = safetensors_bytes(tensors)
    agrees(content[:change] if change < 0 else content + bytes(change))


@given(st.binary(max_size=120), st.booleans())
@settings(max_examples=200)
def test_any_header_bytes_raise_only_our_faults(content: bytes, framed: bool) -> None:
    """Any bytes, framed as a header or not, raise nothing but the two faults."""
    try:
        found = look(raw_safetensors(content, bytes(9)) if framed else content)
    except FileFault:
        return
    json.dumps(dict(found.metadata)).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5) | st.just("__metadata__"), JSON, max_size=4), st.binary(max_size=9))
@settings(max_examples=200)
def test_any_json_raises_only_our_faults(header: dict[str, Any], data: bytes) -> None:
    """Any JSON object as a header raises nothing but the two faults."""
    try:
        look(raw_safetensors(header, data))
    except FileFault:
        return
