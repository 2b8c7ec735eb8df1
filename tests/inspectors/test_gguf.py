"""GGUF headers: metadata, templates and tensors, with the official reader as judge."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from fixtures.weights import GGUF_TYPES, GgufWriter, Typed, gguf_bytes, vocabulary, write_gguf
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.components import ReferenceKind, Tensor
from aibom.errors import FileFault, MalformedFile
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.inspectors.gguf import inspect
from aibom.inspectors.gguf_types import TENSOR_TYPES
from aibom.limits import Limits
from aibom.sources.bytesource import FileSource, MemorySource

REAL = Path("fixtures/real/gguf")


def look(content: bytes, name: str = "model.gguf", limits: Limits | None = None) -> Any:
    file = RepoFile(path=name, size=len(content), format=Format.GGUF, role=Role.WEIGHTS)
    return inspect(file, MemorySource(content), limits or Limits())


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("big_endian", [False, True])
def test_all_versions_in_both_byte_orders_say_the_same(version: int, big_endian: bool) -> None:
    """Versions 1 to 3 in both byte orders give the same tensors and metadata."""
    metadata = {"a.u8": Typed("U8", 255), "a.i64": Typed("I64", -5), "a.f64": Typed("F64", 0.5), "a.bool": True,
                "a.text": "naïve", "a.list": [1, 2], "a.names": ["x", "y"], "a.empty": Typed("U32", [])}  # fmt: skip
    tensors = {"a": ("F32", (2, 3)), "b": ("Q4_K", (4, 256))}
    found = look(gguf_bytes(tensors, metadata, version=version, big_endian=big_endian))
    assert found.findings == ()
    assert found.coverage is Coverage.COMPLETE
    assert found.tensors.elements_by_dtype == {"F32": 6, "Q4_K": 1024}
    assert found.metadata["a.u8"] == 255
    assert found.metadata["a.i64"] == -5
    assert found.metadata["a.f64"] == 0.5
    assert found.metadata["a.bool"] is True
    assert found.metadata["a.text"] == "naïve"
    assert found.metadata["a.list"] == "[1, 2]"
    assert found.metadata["a.names"] == '["x", "y"]'
    assert found.metadata["a.empty"] == "[]"
    assert found.metadata["aibom:gguf-version"] == version
    assert (found.metadata.get("aibom:byte-order") == "big") is big_endian


def test_tensors_have_their_place_in_the_file() -> None:
    """Offsets count from the start of the file, shapes are outermost first, lengths are exact."""
    content = gguf_bytes({"a": ("F32", (2, 3)), "b": ("Q8_0", (2, 32))}, alignment=64)
    found = look(content)
    start = len(content) - 64 - 128
    assert found.tensors.tensors == (
        Tensor(name="a", dtype="F32", shape=(2, 3), offset=start, length=24),
        Tensor(name="b", dtype="Q8_0", shape=(2, 32), offset=start + 64, length=68),
    )


def test_a_large_vocabulary_is_walked_and_not_kept() -> None:
    """Arrays beyond a few elements are described by type and number."""
    found = look(gguf_bytes({}, vocabulary(20_000)))
    assert found.findings == ()
    assert found.metadata["tokenizer.ggml.tokens"] == "array of 20000 STRING"
    assert found.metadata["tokenizer.ggml.token_type"] == "array of 20000 INT32"


def test_a_long_string_between_short_ones_is_walked() -> None:
    """Strings longer than the window are stepped over."""
    found = look(gguf_bytes({}, {"a": ["x"] * 60 + ["y" * 300_000] + ["z"] * 60, "b": 7}))
    assert found.findings == ()
    assert found.metadata["a"] == "array of 121 STRING"
    assert found.metadata["b"] == 7


def test_few_long_strings_are_described_only() -> None:
    """A short array of long strings is not kept either."""
    assert look(gguf_bytes({}, {"a": ["y" * 5000]})).metadata["a"] == "array of 1 STRING"


def test_only_the_header_of_a_large_file_is_read(tmp_path: Path) -> None:
    """Four gigabytes with a seven-megabyte header cost a few reads of the header alone."""
    path = write_gguf(tmp_path / "big.gguf", {f"blk.{n}.w": ("Q4_K", (4096, 4096)) for n in range(450)}, vocabulary())
    with path.open("rb") as file:
        data = FileSource(file.fileno(), path.stat().st_size)
        reads: list[int] = []
        read_at = data.read_at

        def counting(offset: int, length: int) -> bytes:
            got = read_at(offset, length)
            reads.append(len(got))
            return got

        data.read_at = counting  # type: ignore[method-assign]
        file_ = RepoFile(path="big.gguf", size=data.size, format=Format.GGUF, role=Role.WEIGHTS)
        found = inspect(file_, data, Limits())
    assert found.findings == ()
    assert found.tensors is not None
    assert found.tensors.stored_elements == 450 * 4096 * 4096
    assert data.size > 4_000_000_000
    assert sum(reads) < 12_000_000
    assert len(reads) < 20


def test_templates_are_found_hashed_and_judged() -> None:
    """Every chat template in the metadata is judged under its key, and its digest is noted."""
    found = look(gguf_bytes({}, {"tokenizer.chat_template": "{{ messages }}",
                                 "tokenizer.chat_template.rag": "{{ ''.__class__ }}"}))  # fmt: skip
    (finding,) = found.findings
    assert finding.rule.id == "template-injection"
    assert "tokenizer.chat_template.rag" in finding.message
    assert len(str(found.metadata["aibom:sha256:tokenizer.chat_template"])) == 64


def test_a_template_beyond_the_limit_is_judged_in_part() -> None:
    """A template longer than the limit is said to be read in part."""
    content = gguf_bytes({}, {"tokenizer.chat_template": "x" * 500})
    found = look(content, limits=Limits(text_bytes=100))
    assert found.coverage is Coverage.PARTIAL
    assert [finding.rule.id for finding in found.findings] == ["inspection-incomplete"]


def test_keys_that_pose_as_ours_are_left_out() -> None:
    """A key of the file can't take the place of a fact that the inspector adds."""
    found = look(gguf_bytes({}, {"aibom:gguf-version": 99, "aibom:sha256:tokenizer.chat_template": "0"}))
    assert found.metadata == {"aibom:gguf-version": 3, "general.architecture": "llama"}


def test_split_models_refer_to_their_other_parts() -> None:
    """Part 2 of 3 names parts 1 and 3."""
    content = gguf_bytes({}, {"split.count": Typed("U16", 3), "split.no": Typed("U16", 1)})
    found = look(content, name="sub/m-00002-of-00003.gguf")
    assert [(r.path, r.kind) for r in found.references] == [
        ("m-00001-of-00003.gguf", ReferenceKind.SHARD),
        ("m-00003-of-00003.gguf", ReferenceKind.SHARD),
    ]
    assert look(content, name="m.gguf").references == ()
    assert look(gguf_bytes({}, {"split.count": "3"}), name="m-00001-of-00003.gguf").references == ()


def test_what_was_read_before_a_fault_is_kept() -> None:
    """Findings and metadata from before the place where the header breaks are kept."""
    content = gguf_bytes({"a": ("F32", (4,))}, {"tokenizer.chat_template": "{{ ''.__class__ }}", "b": "c" * 50})
    found = look(content[: content.index(b"c" * 50) + 10])
    assert {finding.rule.id for finding in found.findings} == {"template-injection", "malformed-file"}
    assert found.coverage is Coverage.PARTIAL
    assert found.metadata["general.architecture"] == "llama"


def test_tensors_before_a_fault_are_counted_and_said_to_be_some() -> None:
    """A header that breaks between two tensors gives the first, and says that it is not all."""
    writer = GgufWriter()
    head = writer.header(2, 0) + writer.tensor("a", [8], 0, 0) + writer.string("b")
    found = look(head + bytes(2))
    assert found.tensors.elements_by_dtype == {"F32": 8}
    assert not found.tensors.complete


@pytest.mark.parametrize("content", [b"", b"GGU", b"GGUF", b"XXXX" + bytes(20)])
def test_no_header_is_malformed(content: bytes) -> None:
    """Bytes without a whole header are malformed."""
    with pytest.raises(MalformedFile):
        look(content)


def test_header_limits_are_kept() -> None:
    """A header beyond the limit ends the reading, also where an array would be stepped over."""
    for value in ("x" * 5000, Typed("U8", [0] * 5000), ["ab"] * 900):
        found = look(gguf_bytes({}, {"a": value}) + bytes(200_000), limits=Limits(header_bytes=1000))
        assert "inspection-incomplete" in {finding.rule.id for finding in found.findings}


def test_block_sizes_are_those_of_the_official_table() -> None:
    """Every tensor type has the block and byte size that gguf-py gives it."""
    constants = pytest.importorskip("gguf.constants")
    official = {
        int(kind): (kind.name, *sizes) for kind, sizes in constants.GGML_QUANT_SIZES.items()
    }  # fmt: skip
    repacked = {31, 32, 33}
    assert official == {number: tuple(kind) for number, kind in TENSOR_TYPES.items() if number not in repacked}


@pytest.mark.parametrize("path", sorted(REAL.glob("*.gguf")), ids=lambda path: path.name)
def test_files_of_the_official_writer_are_read_as_its_reader_reads_them(path: Path) -> None:
    """Names, shapes, sizes and places are those that gguf-py reads."""
    gguf = pytest.importorskip("gguf")
    found = look(path.read_bytes(), name=path.name)
    expected = [
        (
            t.name,
            tuple(reversed([int(size) for size in t.shape])),
            int(t.data_offset),
            int(t.n_bytes),
            int(t.n_elements),
        )
        for t in gguf.GGUFReader(path).tensors
    ]
    assert expected == [
        (t.name, t.shape, t.offset, t.length, _product(t.shape))
        for t in (found.tensors.tensors if found.tensors else ())
    ]
    assert found.findings == ()


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


VALUES = (
    st.builds(Typed, st.sampled_from(["U8", "U16", "U32", "U64"]), st.integers(0, 255))
    | st.builds(Typed, st.sampled_from(["I8", "I16", "I32", "I64"]), st.integers(-128, 127))
    | st.builds(Typed, st.sampled_from(["F32", "F64"]), st.floats(width=32))
    | st.booleans()
    | st.text(max_size=20)
    | st.lists(st.text(max_size=9), max_size=70)
    | st.lists(st.integers(0, 9), max_size=70)
)
METADATA = st.dictionaries(st.text(min_size=1, max_size=12), VALUES, max_size=6)


@given(METADATA, st.sampled_from([1, 2, 3]), st.booleans())
@settings(max_examples=100)
def test_any_metadata_is_read_back(metadata: dict[str, Any], version: int, big_endian: bool) -> None:
    """Whatever a writer puts into the metadata is read, and can be written as JSON."""
    metadata.pop("general.alignment", None)
    found = look(gguf_bytes({"t": ("F32", (4,))}, metadata, version=version, big_endian=big_endian))
    assert {finding.rule.id for finding in found.findings} <= {"template-injection"}
    for key, value in metadata.items():
        if isinstance(value, str | bool) and value != "" and not key.startswith("aibom:"):
            assert found.metadata[key] == value
    json.dumps(dict(found.metadata)).encode()


@given(METADATA, st.data())
@settings(max_examples=200)
def test_damaged_headers_raise_only_our_faults(metadata: dict[str, Any], draw: st.DataObject) -> None:
    """Headers that are cut and altered raise nothing but the two faults, and read no more than there is."""
    content = bytearray(gguf_bytes({"t": ("Q4_K", (2, 256)), "u": ("F32", (1,))}, metadata))
    for _ in range(draw.draw(st.integers(1, 4))):
        content[draw.draw(st.integers(4, len(content) - 1))] = draw.draw(st.integers(0, 255))
    cut = bytes(content[: draw.draw(st.integers(0, len(content)))])
    try:
        look(cut)
    except FileFault:
        return


@given(st.sampled_from([*GGUF_TYPES.values(), 13, 99]), st.integers(0, 2**64 - 1), st.binary(max_size=60))
@settings(max_examples=200)
def test_any_array_header_raises_only_our_faults(kind: int, count: int, rest: bytes) -> None:
    """An array of any type and any declared number raises nothing but the two faults."""
    writer = GgufWriter()
    try:
        look(writer.header(0, 1) + writer.string("a") + struct.pack("<IIQ", 9, kind, count) + rest)
    except FileFault:
        return
