from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes import MemoryRepo
from tests.integrity.forge import NOW, SETTINGS

from aibom.components import Inspection, SignatureStatus, Tensor, TensorRoot, TensorSummary, Verification
from aibom.digests import FilePlan, Span, digest
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Finding
from aibom.integrity.tensors import compare_copies, merkle_root, preamble, tensor_roots
from aibom.pipeline import scan
from aibom.report import Report
from aibom.sequential import PART_BYTES
from aibom.sources.bytesource import MemorySource
from aibom.sources.local import DirectorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real"
ASKED = replace(SETTINGS, tensor_digests=True)


def safetensors(tensors: Mapping[str, tuple[str, list[int], bytes]]) -> bytes:
    header, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + body


def scanned(files: Mapping[str, bytes]) -> Report:
    return scan(MemoryRepo(files), ASKED, created=NOW)


def named(report: Report) -> dict[str, str | None]:
    return {root.paths[0]: root.named for root in report.tensor_roots}


# --- the definition ---------------------------------------------------------------------------------------------------


def test_a_tensor_digest_is_blake3_over_type_shape_and_bytes() -> None:
    """The worked example of docs/tensor-digests.md, computed here from its words alone."""
    report = scanned({"model.safetensors": safetensors({"w": ("F32", [2, 3], bytes(24)), "b": ("I8", [], b"\x07")})})
    (inspection,) = report.inspections
    assert inspection.tensors is not None
    digests = {tensor.name: tensor.digest for tensor in inspection.tensors.tensors}
    weight = blake3(b"aibom-tensor-v1 F32 [2,3]\n" + bytes(24)).digest()
    bias = blake3(b"aibom-tensor-v1 I8 []\n\x07").digest()
    assert {"w": weight.hex(), "b": bias.hex()} == digests
    leaves = [blake3(b"\0" + bias + b"b").digest(), blake3(b"\0" + weight + b"w").digest()]
    (root,) = report.tensor_roots
    assert blake3(b"\1" + leaves[0] + leaves[1]).hexdigest() == root.named
    unnamed = [blake3(b"\0" + item).digest() for item in sorted([weight, bias])]
    assert blake3(b"\1" + unnamed[0] + unnamed[1]).hexdigest() == root.unnamed
    text = (Path(__file__).parents[2] / "docs" / "tensor-digests.md").read_text()
    for value in (weight.hex(), bias.hex(), root.named, root.unnamed):
        assert value is not None
        assert value in text


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, as it is written there."""
    if len(leaves) == 1:
        return blake3(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return blake3(b"\1" + recursive_root(leaves[:split]) + recursive_root(leaves[split:])).digest()


@pytest.mark.parametrize("count", [*range(1, 20), 33, 100])
def test_the_root_is_that_of_the_rfc(count: int) -> None:
    """Joining level by level gives the recursive definition's tree for every number of leaves."""
    leaves = [bytes([number]) for number in range(count)]
    assert recursive_root(leaves).hex() == merkle_root(leaves)
    assert merkle_root([]) is None


@settings(max_examples=100, deadline=None)
@given(
    size=st.integers(0, 3 * 1024),
    cuts=st.lists(st.tuples(st.integers(0, 3 * 1024), st.integers(0, 3 * 1024)), max_size=12),
)
def test_spans_are_digested_wherever_they_lie(size: int, cuts: list[tuple[int, int]]) -> None:
    """Overlapping, empty and equal spans have the digest of their bytes; those beyond the file have none."""
    data = random.Random(size).randbytes(size)  # noqa: S311 -- test data
    spans = tuple(Span(prefix=b"p", offset=offset, length=length) for offset, length in cuts)
    found = digest("f", MemorySource(data), FilePlan(spans=spans), lambda _: None).spans
    for span, value in zip(spans, found, strict=True):
        expected = blake3(b"p" + data[span.offset : span.offset + span.length]).hexdigest()
        inside = span.offset + span.length <= size
        # A span may be left out for its cost, never digested wrongly.
        assert value in ({expected, None} if inside else {None})


def test_spans_reach_over_the_buffer() -> None:
    """A tensor of several buffers, one that begins in the middle of one, and one at the very end."""
    data = bytes(range(251)) * (3 * PART_BYTES // 251)
    spans = (
        Span(prefix=b"", offset=0, length=len(data)),
        Span(prefix=b"", offset=PART_BYTES - 1, length=2),
        Span(prefix=b"", offset=len(data), length=0),
        Span(prefix=b"", offset=-1, length=1),
    )
    found = digest("f", MemorySource(data), FilePlan(spans=spans), lambda _: None).spans
    expected = [blake3(data[span.offset : span.offset + span.length]).hexdigest() for span in spans[:3]]
    assert (*expected, None) == found


def test_a_header_that_lays_very_many_tensors_over_the_same_bytes_is_bounded() -> None:
    """Bytes are digested a few times at most, whatever a header says; the rest has no digest."""
    spans = tuple(Span(prefix=b"%d" % number, offset=0, length=1000) for number in range(1000))
    found = digest("f", MemorySource(bytes(1000)), FilePlan(spans=spans), lambda _: None).spans
    assert 4 == sum(value is not None for value in found)


# --- what it is for ---------------------------------------------------------------------------------------------------

WEIGHTS = {"a": ("F32", [2], b"12345678"), "b": ("F16", [2, 2], b"abcdefgh"), "c": ("U8", [0], b"")}


def test_the_root_does_not_depend_on_files() -> None:
    """One file, two shards and another order of tensors are the same model."""
    whole = scanned({"model.safetensors": safetensors(WEIGHTS)})
    parts = scanned({
        "model-00001-of-00002.safetensors": safetensors({"b": WEIGHTS["b"]}),
        "model-00002-of-00002.safetensors": safetensors({"c": WEIGHTS["c"], "a": WEIGHTS["a"]}),
    })  # fmt: skip
    assert {"model.safetensors": named(whole)["model.safetensors"]} == {
        "model.safetensors": named(parts)["model-00001-of-00002.safetensors"]
    }
    renamed = scanned({"x.safetensors": safetensors({f"base.{name}": value for name, value in WEIGHTS.items()})})
    assert whole.tensor_roots[0].named != renamed.tensor_roots[0].named
    assert whole.tensor_roots[0].unnamed == renamed.tensor_roots[0].unnamed


@pytest.mark.parametrize(
    "change",
    [
        {"a": ("F32", [2], b"12345679")},
        {"a": ("I32", [2], b"12345678")},
        {"a": ("F32", [1, 2], b"12345678")},
        {"d": ("U8", [1], b"x")},
    ],
    ids=["a bit", "the type", "the shape", "another tensor"],
)
def test_any_change_changes_the_root(change: dict[str, tuple[str, list[int], bytes]]) -> None:
    """Bytes, type, shape and the set of tensors are all part of it."""
    changed = scanned({"m.safetensors": safetensors({**WEIGHTS, **change})}).tensor_roots[0]
    assert scanned({"m.safetensors": safetensors(WEIGHTS)}).tensor_roots[0].named != changed.named


def test_a_torch_checkpoint_and_its_shards_are_the_same_model() -> None:
    """Written by the real libraries: `pytorch_model.bin` and three safetensors shards have one root."""
    report = scan(DirectorySource(str(REAL / "transformers" / "tiny-llama-chat")), ASKED, created=NOW)
    sharded, single = report.tensor_roots
    assert (21, 21) == (sharded.tensors, single.tensors)
    assert sharded.named == single.named is not None
    (copies,) = (item for item in report.verifications if item.kind == "tensor-copies")
    assert SignatureStatus.CHECKSUM_OK is copies.status
    assert "tensor-mismatch" not in {finding.rule.id for finding in report.findings}


# --- copies -----------------------------------------------------------------------------------------------------------


def weights(path: str, tensors: Mapping[str, tuple[str, tuple[int, ...], str | None]]) -> Inspection:
    format_ = Format.SAFETENSORS if path.endswith(".safetensors") else Format.PYTORCH_ZIP
    summary = TensorSummary(
        stored_elements=0,
        elements_by_dtype={},
        tensors=tuple(
            Tensor(name=name, dtype=dtype, shape=shape, offset=0, length=1, digest=value)
            for name, (dtype, shape, value) in tensors.items()
        ),
    )
    file = RepoFile(path=path, size=1, format=format_, role=Role.WEIGHTS)
    return Inspection(file=file, coverage=Coverage.COMPLETE, tensors=summary)


def copies(
    left: Mapping[str, tuple[str, tuple[int, ...], str | None]],
    right: Mapping[str, tuple[str, tuple[int, ...], str | None]],
) -> tuple[Verification, tuple[Finding, ...]]:
    (found,), findings = compare_copies((weights("pytorch_model.bin", left), weights("model.safetensors", right)))
    return found, findings


A = ("F32", (2,), "aa")


def test_a_tensor_that_differs_between_copies_is_reported() -> None:
    """Same name, type and shape, other bytes: which model runs depends on the loader."""
    found, (finding,) = copies({"w": A}, {"w": ("F32", (2,), "bb")})
    assert SignatureStatus.MISMATCH is found.status
    assert "'w'" in finding.message
    assert "tensor-mismatch" == finding.rule.id
    assert "tensor-mismatch" == copies({"w": A}, {"w": ("F32", (3,), "aa")})[1][0].rule.id


def test_what_is_usual_between_copies_is_no_finding() -> None:
    """Tied weights and buffers stand in one copy only, a copy may have half the precision, a strided one no digest."""
    found, findings = copies({"w": A, "tied": A, "s": ("F32", (2,), None)}, {"w": A, "s": A})
    assert (SignatureStatus.CHECKSUM_OK, ()) == (found.status, findings)
    assert "1 stand in one copy only" in found.evidence[0].statement
    half, findings = copies({"w": A}, {"w": ("F16", (2,), "bb")})
    assert (SignatureStatus.UNSUPPORTED, ()) == (half.status, findings)


def test_files_of_other_names_are_no_copies() -> None:
    """Checkpoints of two epochs differ by design."""
    one, two = weights("epoch1.safetensors", {"w": A}), weights("epoch2.safetensors", {"w": ("F32", (2,), "bb")})
    assert ((), ()) == compare_copies((one, two))


def test_a_tensor_without_digest_leaves_no_root() -> None:
    """A root over a part would be mistaken for one over the whole."""
    expected = TensorRoot(paths=("m.bin",), tensors=2, left_out=("s",))
    assert (expected,) == tensor_roots((weights("m.bin", {"w": ("F32", (2,), "aa"), "s": ("F32", (2,), None)}),))


def test_one_name_for_two_contents_leaves_no_root() -> None:
    """Two shards that disagree on a tensor are no model."""
    parts = (
        weights("m-00001-of-00002.safetensors", {"w": A}),
        weights("m-00002-of-00002.safetensors", {"w": ("F32", (2,), "bb")}),
    )
    assert [None] == [root.named for root in tensor_roots(parts)]


def test_numbers_in_the_other_byte_order_get_no_digest() -> None:
    """A GGUF file for big-endian machines holds the same numbers in other bytes."""
    source = DirectorySource(str(REAL / "gguf"))
    report = scan(source, ASKED, created=NOW)
    digests = {
        item.file.path: [tensor.digest for tensor in item.tensors.tensors]
        for item in report.inspections
        if item.tensors
    }
    assert all(value is None for value in digests["big_endian.gguf"])
    assert all(value is not None for value in digests["tiny.gguf"])


def test_preambles_of_different_tensors_differ() -> None:
    """Type and shape can't be moved into each other or into the data."""
    shapes = [(), (1,), (1, 1), (11,), (0,)]
    found = {preamble(Tensor(name="x", dtype=dtype, shape=shape)) for dtype in ("F32", "F3") for shape in shapes}
    assert 10 == len(found)
