from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.archive_bytes import Entry, make_zip
from fixtures.tensor_bytes import (
    HARMLESS,
    MAGIC,
    PAYLOAD,
    tensor_pickle,
    tensor_zip,
    torch_entries,
    torch_legacy,
    torch_tar,
    torch_zip,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.components import Inspection, TensorSummary
from aibom.errors import FileFault
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Severity
from aibom.inspectors import pytorch, pytorch_exported, pytorch_legacy, pytorch_tar
from aibom.inspectors.protocol import Inspector
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real" / "torch"
EXPECTED = sorted(REAL.rglob("*.expected.json"))
SPELLING = {
    "float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64", "bool": "BOOL",
    "complex64": "C64", "complex128": "C128", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "quint8": "QUINT8",
    "qint8": "QINT8",
}  # fmt: skip


def look(raw: bytes, *, name: str = "model.pt", limits: Limits | None = None) -> Inspection:
    legacy = raw[:2] != b"PK"
    kind = Format.PYTORCH_LEGACY if legacy else Format.PYTORCH_ZIP
    file = RepoFile(path=name, size=len(raw), format=kind, role=Role.WEIGHTS)
    inspect = pytorch_legacy.inspect if legacy else pytorch.inspect
    return inspect(file, MemorySource(raw), limits or Limits())


def rules(inspection: Inspection) -> set[str]:
    return {finding.rule.id for finding in inspection.findings}


def summary(inspection: Inspection) -> TensorSummary:
    assert inspection.tensors is not None
    return inspection.tensors


def oracle(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.name)
def test_tensors_are_those_that_torch_loads(path: Path) -> None:
    """Names, types and shapes are torch's own, in the order of the file, and all of them are known."""
    expected = oracle(path)
    inspection = look((path.parent / expected["source"]).read_bytes())
    tensors = summary(inspection).tensors
    # A nested tensor has several shapes; what is counted is its buffer.
    plain = [row for row in expected["tensors"] if row["shape"] is not None]
    assert [(row["name"], SPELLING[row["dtype"]], tuple(row["shape"])) for row in plain] == [
        (tensor.name, tensor.dtype, tensor.shape) for tensor in tensors if len(plain) == len(tensors)
    ]
    assert summary(inspection).complete
    assert inspection.coverage is Coverage.COMPLETE


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.name)
def test_contiguous_tensors_are_found_in_the_file(path: Path) -> None:
    """The bytes at offset and length are exactly the tensor, as the pair written by torch has them."""
    expected = oracle(path)
    raw = (path.parent / expected["source"]).read_bytes()
    pair = path.with_suffix(".safetensors").read_bytes()
    length = int.from_bytes(pair[:8], "little")
    header = json.loads(pair[8 : 8 + length])
    located = 0
    for tensor in summary(look(raw)).tensors:
        if tensor.offset is None or tensor.length is None or tensor.name not in header:
            continue
        begin, end = header[tensor.name]["data_offsets"]
        assert pair[8 + length + begin : 8 + length + end] == raw[tensor.offset : tensor.offset + tensor.length]
        located += 1
    contiguous = [
        row for row in expected["tensors"]
        if row.get("contiguous") and row["in_safetensors"] and path.name not in
        {"big_endian.expected.json", "conjugate_bit.expected.json", "negative_bit.expected.json"}
    ]  # fmt: skip
    assert len(contiguous) <= located


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.name)
def test_files_of_torch_are_not_accused(path: Path) -> None:
    """Ordinary checkpoints get nothing worse than medium, and no storage or archive fault at all."""
    inspection = look((path.parent / oracle(path)["source"]).read_bytes())
    ours = {"tensor-out-of-bounds", "archive-ambiguous", "archive-checksum", "trailing-bytes", "truncated"}
    assert set() == rules(inspection) & ours
    assert [] == [finding for finding in inspection.findings if finding.severity.at_least(Severity.HIGH)]


@pytest.mark.parametrize(
    ("name", "stored"),
    [("tied", 10), ("views_with_offset", 24), ("stride_zero", 6), ("slice_of_large", 3), ("strided", 68),
     ("meta_tensor", 2), ("legacy_views", 24)],
)  # fmt: skip
def test_shared_elements_are_counted_once(name: str, stored: int) -> None:
    """Tied weights, views into one storage and strides of zero do not add elements."""
    found = summary(look((REAL / f"{name}.pt").read_bytes()))
    assert stored == found.stored_elements
    assert stored == sum(found.elements_by_dtype.values())


def test_bare_storages_belong_to_the_checkpoint() -> None:
    """A storage that no tensor looks into is not opened as a member of its own."""
    assert {"untyped_storage/data.pkl", "untyped_storage/data/0"} == set(
        look((REAL / "untyped_storage.pt").read_bytes()).consumed
    )


def test_torchscript_is_said_and_not_accused() -> None:
    """Code in an archive is a low finding; weights in constants are counted."""
    inspection = look((REAL / "sharp" / "scripted_frozen.ptl").read_bytes())
    assert "torchscript-code" in rules(inspection)
    assert all(tensor.name.startswith("constants.") for tensor in summary(inspection).tensors)
    assert 10 == summary(inspection).stored_elements


def test_the_archive_says_how_it_was_written() -> None:
    """Version and byte order are facts."""
    metadata = look((REAL / "big_endian.pt").read_bytes()).metadata
    assert {"pytorch:version": "3", "pytorch:byteorder": "big"} == dict(metadata)


def test_big_endian_tensors_have_no_place() -> None:
    """Bytes that have to be swapped are not the tensor's bytes."""
    assert {None} == {tensor.offset for tensor in summary(look((REAL / "big_endian.pt").read_bytes())).tensors}


def test_findings_name_the_member() -> None:
    """What is wrong in data.pkl is said to be there."""
    inspection = look(torch_zip())
    place = next(item.location for item in inspection.findings if item.rule.id == "pickle-dangerous-import")
    assert place is not None
    assert ("archive/data.pkl",) == place.members


def test_what_is_no_zip_is_left_to_the_container() -> None:
    """One cause is one finding: the zip's faults are reported by whoever opens it."""
    file = RepoFile(path="m.pt", size=4, format=Format.PYTORCH_ZIP, role=Role.WEIGHTS)
    for inspector in (pytorch.inspect, pytorch_exported.inspect):
        inspection = inspector(file, MemorySource(b"nope"), Limits())
        assert () == inspection.findings
        assert inspection.coverage is Coverage.NONE


def test_a_pickle_that_can_not_be_expanded_is_reported() -> None:
    """A data.pkl packed in an unknown way was not looked at."""
    inspection = look(torch_zip(method=9))
    assert {"inspection-incomplete"} == rules(inspection)
    assert inspection.coverage is Coverage.PARTIAL


def test_a_pickle_beyond_the_budget_is_incomplete() -> None:
    """The beginning of an enormous packed pickle is looked at, and the rest said to be missing."""
    raw = torch_zip(PAYLOAD[:-1] + b"0" + bytes(range(65, 91)) * 40_000, method=8)
    inspection = look(raw, limits=Limits(expanded_bytes=300_000))
    assert {"pickle-dangerous-import", "inspection-incomplete"} <= rules(inspection)


def test_a_broken_pickle_makes_the_count_incomplete() -> None:
    """Tensors before a break are not known to be all."""
    raw = make_zip(*torch_entries(tensor_pickle()[:-1]), Entry(name=b"archive/data/0", data=bytes(16)))
    found = look(raw)
    assert not summary(found).complete
    assert found.coverage is Coverage.PARTIAL


def test_more_tensors_than_the_limit_are_not_counted() -> None:
    """Counting ends at the limit and says so."""
    found = look((REAL / "many_tensors.pt").read_bytes(), limits=Limits(tensors=10))
    assert 10 == len(summary(found).tensors)
    assert not summary(found).complete


def test_a_tensor_whose_arguments_are_not_exact_is_not_counted() -> None:
    """A size that is no number makes the count incomplete, not wrong."""
    odd = tensor_pickle().replace(b"(K\x04t(K\x01t", b"(X\x01\x00\x00\x004t(K\x01t")
    found = look(tensor_zip(odd))
    assert not summary(found).complete
    assert 0 == summary(found).stored_elements


def test_storages_of_two_sizes_are_reported() -> None:
    """Two tensors may not say different things of one storage."""
    both = tensor_pickle()[:-1] + b"X\x01\x00\x00\x00v" + tensor_pickle(storage_elements=8)[2 + 1 + 6 : -2] + b"s."
    assert "tensor-out-of-bounds" in rules(look(tensor_zip(both)))


def test_legacy_files_that_only_look_like_it() -> None:
    """Without torch's number in front, the rest is not taken for tensors, and that is said."""
    found = look(torch_legacy(magic=b"\x80\x02K\x05."))
    assert "inspection-incomplete" in rules(found)
    assert found.tensors is None
    assert look(MAGIC).tensors is None


@pytest.mark.parametrize("keys", [b"\x80\x02K\x01.", b"\x80\x02]X\x01\x00\x00\x007a."])
def test_legacy_lists_of_storages_that_do_not_fit(keys: bytes) -> None:
    """The list has to name the storages of the tensors."""
    assert "tensor-out-of-bounds" in rules(look(torch_legacy(keys=keys)))
    empty = torch_legacy(keys=b"\x80\x02].")
    assert "tensor-out-of-bounds" in rules(look(empty))


def tar(raw: bytes) -> Inspection:
    file = RepoFile(path="m.pt", size=len(raw), format=Format.PYTORCH_TAR, role=Role.WEIGHTS)
    return pytorch_tar.inspect(file, MemorySource(raw), Limits())


def test_tar_files_give_their_tensors() -> None:
    """Sizes, storages and names come together from the three parts."""
    raw = torch_tar()
    found = tar(raw)
    tensor = summary(found).tensors[0]
    assert ("w", "F32", (2,)) == (tensor.name, tensor.dtype, tensor.shape)
    assert tensor.offset is not None
    assert b"\0\0\x80\x3f\0\0\0\x40" == raw[tensor.offset : tensor.offset + 8]
    assert {"storages", "tensors", "pickle"} == set(found.consumed)
    assert summary(found).complete


ONE = b"\x80\x02K\x01."
STORAGE = b"\x80\x02(K\x05X\x03\x00\x00\x00cpuctorch\nFloatStorage\nt."


@pytest.mark.parametrize(
    "parts",
    [
        {"storages": b"\x80\x02X\x01\x00\x00\x00x."},
        {"storages": ONE + b"\x80\x02K\x01."},
        {"storages": ONE + STORAGE + (1 << 40).to_bytes(8, "little")},
        {"storages": ONE + STORAGE + (0).to_bytes(8, "little") + ONE},
        {"storages": ONE + STORAGE + (0).to_bytes(8, "little") + b"\x80\x02](K\x01K\x02K\x00K\x00ta."},
        {"tensors": b"\x80\x02J\xff\xff\xff\xff."},
        {"tensors": ONE + b"\x80\x02(K\x07K\x05Nt." + b"\xff" * 8},
        {"tensors": ONE + b"\x80\x02(K\x07K\x09Nt." + bytes(16)},
        {"tensors": ONE + b"\x80\x02(K\x07K\x05Nt." + bytes(8) + b"\xff" * 8},
        {"tensors": ONE + b"\x80\x02(K\x07K\x05Nt." + bytes(8)},
    ],
)
def test_tar_files_that_are_not_what_torch_writes(parts: dict[str, bytes]) -> None:
    """Each fault in the parts is reported, and the count is not said to be whole."""
    found = tar(torch_tar(**parts))
    assert "malformed-file" in rules(found)
    assert found.coverage is Coverage.PARTIAL
    assert found.tensors is None or not found.tensors.complete


def test_tar_files_may_have_storages_that_are_parts_of_others() -> None:
    """A view is a window of another storage; a tensor that leaves it is out of bounds."""
    body = (4).to_bytes(8, "little") + bytes(16)
    views = b"\x80\x02](K\x06K\x05K\x01K\x02ta."
    tensor = b"\x80\x02(K\x07K\x06Nt." + (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
    tensor += (1).to_bytes(8, "little") + (0).to_bytes(8, "little")
    good = tar(torch_tar(storages=ONE + STORAGE + body + views, tensors=ONE + tensor))
    assert summary(good).complete
    assert 2 == summary(good).stored_elements
    beyond = tensor[:-8] + (1).to_bytes(8, "little")
    bad = tar(torch_tar(storages=ONE + STORAGE + body + views, tensors=ONE + beyond))
    assert "tensor-out-of-bounds" in rules(bad)


def test_a_tar_without_the_parts_is_left_to_the_container() -> None:
    """Nothing is said of a tar that is not torch's."""
    assert tar(b"\0" * 1024).coverage is Coverage.NONE
    assert tar(b"\xff" * 1024).coverage is Coverage.NONE


def exported(raw: bytes) -> Inspection:
    file = RepoFile(path="m.pt2", size=len(raw), format=Format.PT2, role=Role.WEIGHTS)
    return pytorch_exported.inspect(file, MemorySource(raw), Limits())


def test_exported_programs_give_their_weights() -> None:
    """The configuration's names, with the files beside it."""
    raw = (REAL / "exported.pt2").read_bytes()
    found = exported(raw)
    assert 69 == summary(found).stored_elements
    assert ("0.weight", "F32", (6, 4)) == (
        summary(found).tensors[0].name, summary(found).tensors[0].dtype, summary(found).tensors[0].shape
    )  # fmt: skip
    assert summary(found).complete
    assert 9 == len(found.consumed)


def config_of(meta: str, path: str = "w") -> str:
    return json.dumps({"config": {"w": {"path_name": path, "use_pickle": False, "tensor_meta": json.loads(meta)}}})


META = '{"dtype": 7, "sizes": [{"as_int": 2}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}}'


@pytest.mark.parametrize(
    ("config", "rule"),
    [
        ("[]", "malformed-file"),
        ("{", "malformed-file"),
        (config_of(META, "gone"), "tensor-out-of-bounds"),
        (config_of("{}"), "tensor-out-of-bounds"),
        (config_of(META.replace("2", "9")), "tensor-out-of-bounds"),
        ('{"config": {"w": 5, "p": {"use_pickle": true}}}', None),
    ],
)  # fmt: skip
def test_exported_programs_that_do_not_fit(config: str, rule: str | None) -> None:
    """A weight without description or bytes is reported, and the count is not said to be whole."""
    raw = make_zip(
        Entry(name=b"x/data/weights/model_weights_config.json", data=config.encode()),
        Entry(name=b"x/data/weights/w", data=bytes(8)),
    )
    found = exported(raw)
    assert rule is None or rule in rules(found)
    assert found.tensors is None or not found.tensors.complete


@settings(max_examples=150, deadline=None)
@given(
    which=st.sampled_from(["zip", "legacy", "tar", "pt2"]),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
    elements=st.integers(-(1 << 70), 1 << 70), offset=st.integers(0, 1 << 70),
    shape=st.lists(st.integers(0, 1 << 66), max_size=3), cut=st.integers(0, 60),
)  # fmt: skip
def test_any_checkpoint_raises_only_our_errors(
    which: str, changes: list[tuple[int, int]], elements: int, offset: int, shape: list[int], cut: int
) -> None:
    """Whatever numbers stand in a checkpoint, and whatever bytes are flipped, it is read or refused."""
    pickled = tensor_pickle(storage_elements=elements, offset=offset, shape=tuple(shape), stride=tuple(shape))
    builders: dict[str, Callable[[], bytes]] = {
        "zip": lambda: tensor_zip(pickled),
        "legacy": lambda: torch_legacy(obj=pickled.replace(b"tQ", b"NtQ")),
        "tar": torch_tar,
        "pt2": lambda: make_zip(
            Entry(name=b"data/weights/m_weights_config.json", data=config_of(META).encode()),
            Entry(name=b"data/weights/w", data=bytes(8)),
        ),
    }
    raw = bytearray(builders[which]())
    for place, value in changes:
        raw[place % len(raw)] = value
    data = MemorySource(bytes(raw[: len(raw) - cut]))
    file = RepoFile(path="m", size=data.size, format=Format.PYTORCH_ZIP, role=Role.WEIGHTS)
    inspectors: dict[str, Inspector] = {
        "zip": pytorch.inspect, "legacy": pytorch_legacy.inspect, "tar": pytorch_tar.inspect,
        "pt2": pytorch_exported.inspect,
    }  # fmt: skip
    try:
        inspection = inspectors[which](file, data, Limits())
    except FileFault:
        return
    assert inspection.tensors is None or inspection.tensors.stored_elements >= 0


def test_harmless_data_is_no_tensor() -> None:
    """A checkpoint of plain data has no tensors, and that is complete."""
    assert look(torch_zip(HARMLESS)).tensors is None
