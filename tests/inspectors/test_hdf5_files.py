from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures import graph_bytes as g
from tests.inspectors.graph_helpers import look, messages, rules, tensors

from aibom.errors import MalformedFile
from aibom.files import Coverage
from aibom.findings import Severity
from aibom.inspectors import hdf5_files
from aibom.limits import Limits

FIXTURES = Path(__file__).parents[2] / "fixtures"
DENSE = FIXTURES / "graphs" / "dense.h5"


def test_a_keras_model() -> None:
    """A Keras model in HDF5 says its class, versions and weights; the optimizer's state is not among them."""
    inspection = look(hdf5_files.inspect, (FIXTURES / "real" / "keras" / "legacy.h5").read_bytes())
    assert {"class_name": "Sequential", "model_name": "tiny", "backend": "torch"}.items() <= inspection.metadata.items()
    assert (23, {"F32": 23}) == (tensors(inspection).stored_elements, tensors(inspection).elements_by_dtype)
    assert inspection.metadata["optimizer_elements"] == 48


def test_lambda_bytecode_is_critical_in_hdf5() -> None:
    """Keras runs bytecode from HDF5 whatever safe mode says."""
    inspection = look(hdf5_files.inspect, (FIXTURES / "real" / "keras" / "lambda_legacy.h5").read_bytes())
    assert [("keras-lambda", Severity.CRITICAL)] == [(item.rule.id, item.severity) for item in inspection.findings]


def test_datasets_are_located() -> None:
    """Contiguous data is located behind a user block too; chunked data is not."""
    latest = tensors(look(hdf5_files.inspect, (FIXTURES / "real" / "h5py" / "latest.hdf5").read_bytes()))
    assert [("numbers", 2560, 800)] == [(item.name, item.offset, item.length) for item in latest.tensors]
    chunked = tensors(look(hdf5_files.inspect, (FIXTURES / "real" / "h5py" / "chunked.h5").read_bytes()))
    assert [(200, None)] * 4 == [(item.shape[0] * item.shape[1], item.offset) for item in chunked.tensors]


def test_groups_and_attributes_in_heaps_are_read() -> None:
    """Links in a three-level B-tree, dense attributes and a huge one are all found; each object is counted once."""
    inspection = look(hdf5_files.inspect, DENSE.read_bytes())
    expected = {"F32": 6, "F64": 4, "I16": 5, "U8": 3, "BF16": 4, "BOOL": 2, "C64": 2}
    assert (expected, True) == (tensors(inspection).elements_by_dtype, tensors(inspection).complete)
    assert [] == rules(inspection)
    assert "many/last" in {item.name for item in tensors(inspection).tensors}


def test_every_byte_of_dense_structures_may_be_damaged() -> None:
    """Damage to heaps and B-trees is a finding or changes nothing, never a failure."""
    raw = DENSE.read_bytes()
    for at in range(3, len(raw), 499):
        damaged = raw[:at] + b"\xff\xff" + raw[at + 2 :]
        try:
            look(hdf5_files.inspect, damaged)
        except MalformedFile:
            continue


def _links(build: Callable[[g.Hdf5Writer], int]) -> str:
    return messages(look(hdf5_files.inspect, g.hdf5(build)))


def test_external_names_are_shown() -> None:
    """The finding names the object and the file that it leads to."""
    assert "link '/x' leads to '/o.h5:/p', which is absolute" in _links(
        lambda w: w.group(g.external_link("x", "/o.h5", "/p"))
    )
    assert "dataset '/w' keeps its data in '../d'" in _links(
        lambda w: w.group(g.hard_link("w", w.dataset((4,), external="../d")))
    )
    assert "dataset '/w' is mapped from 'o.h5', another file" in _links(
        lambda w: w.group(g.hard_link("w", w.dataset((4,), virtual="o.h5")))
    )


def test_groups_nested_without_end() -> None:
    """Groups deeper than the limit are said not to be looked at."""

    def nest(writer: g.Hdf5Writer) -> int:
        group = writer.group()
        for _ in range(80):
            group = writer.group(g.hard_link("g", group))
        return group

    inspection = look(hdf5_files.inspect, g.hdf5(nest))
    assert (["inspection-incomplete"], Coverage.PARTIAL) == (rules(inspection), inspection.coverage)


def test_the_number_of_objects_is_bounded() -> None:
    """More objects than the limit end the walk."""
    raw = g.hdf5(lambda w: w.group(*(g.hard_link(f"d{index}", w.dataset((1,))) for index in range(5))))
    assert "more objects" in messages(look(hdf5_files.inspect, raw, limits=Limits(tensors=3)))


def test_a_dataset_that_does_not_fill_its_shape() -> None:
    """Stored bytes that contradict the shape are malformed."""
    raw = g.hdf5(lambda w: w.group(g.hard_link("w", w.dataset((4,)))))
    datatype = struct.pack("<HHB3x", 3, 24, 0)
    lying = raw.replace(struct.pack("<Q", 4) + datatype, struct.pack("<Q", 5) + datatype)
    assert "needs 20 bytes for its shape and has 16" in messages(look(hdf5_files.inspect, lying))


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (b"", "no HDF5 superblock"),
        (b"\x89HDF\r\n\x1a\n\x09" + bytes(100), "superblock version 9"),
        (b"\x89HDF\r\n\x1a\n\x02\x03\x08\x00" + bytes(100), "addresses of 3"),
        (b"\x89HDF\r\n\x1a\n\x00", "too early"),
    ],
)
def test_what_is_no_hdf5(raw: bytes, match: str) -> None:
    """A file without a readable superblock is malformed."""
    with pytest.raises(MalformedFile, match=match):
        look(hdf5_files.inspect, raw)


def test_drivers_of_several_files_are_said_not_to_be_read() -> None:
    """A driver block means that the rest of the file is elsewhere."""
    raw = bytearray(g.hdf5(lambda w: w.group()))
    raw[48:56] = struct.pack("<Q", 8)
    inspection = look(hdf5_files.inspect, bytes(raw))
    assert ["inspection-incomplete"] == rules(inspection)


def test_h5py_itself_agrees() -> None:
    """Names, shapes and element counts are those that h5py reads."""
    h5py = pytest.importorskip("h5py")
    expected: dict[str, tuple[int, ...]] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            expected[name] = item.shape

    for path in (*(FIXTURES / "real" / "keras").glob("*5"), DENSE):
        expected.clear()
        with h5py.File(path) as file:
            file.visititems(visit)
        found = {item.name: item.shape for item in tensors(look(hdf5_files.inspect, path.read_bytes())).tensors}
        if path == DENSE:
            # One dataset has 1,201 names there; which of them it goes by is the reader's choice.
            assert sorted(expected.values()) == sorted(found.values())
        else:
            assert expected == found
