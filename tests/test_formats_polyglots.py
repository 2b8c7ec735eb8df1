"""A file that is two things at once is read as both, and files that only look so are not accused."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from fixtures import graph_bytes as g
from fixtures import hostile_polyglots as polyglots
from fixtures.archive_bytes import make_tar
from fixtures.tensor_bytes import PAYLOAD, torch_zip
from fixtures.weights import safetensors_bytes

from aibom.containers import CONTAINERS
from aibom.files import Coverage, Format, RepoFile
from aibom.formats import other_formats, recognize, role_of
from aibom.inspection import Inspectors
from aibom.inspectors import INSPECTORS
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

REAL = Path(__file__).parents[1] / "fixtures" / "real"
# Their inspector hands the archive on as a content, and nobody looks for it again.
PICKLED_ARCHIVES = {"keras/sequential.pkl"}
ORDINARY = [
    row["path"]
    for row in json.loads((REAL / "MANIFEST.json").read_text())["files"]
    if row["kind"] == "benign-ordinary" and row["role"] == "fixture"
]
LAMBDA = json.dumps({"class_name": "Sequential", "config": {"layers": []}})


def others(name: str, content: bytes) -> list[Format]:
    kind = recognize(name, content[:4096], len(content), MemorySource(content))
    file = RepoFile(path=name, size=len(content), format=kind, role=role_of(name, kind))
    return [kind, *other_formats(file, MemorySource(content))]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.png", polyglots.user_block(b"\x89PNG\r\n\x1a\n", LAMBDA), [Format.IMAGE, Format.HDF5]),
        ("a.h5", polyglots.user_block(polyglots.ACTS_AND_STOPS, LAMBDA), [Format.PICKLE, Format.HDF5]),
        ("a.pdf", b"%PDF-1.7\n" + torch_zip(PAYLOAD), [Format.PDF, Format.PYTORCH_ZIP]),
        ("a.tar", polyglots.named_tar(PAYLOAD, ("x", b"y")), [Format.PICKLE, Format.TAR]),
        ("a.onnx", polyglots.onnx_behind(polyglots.ACTS_AND_STOPS), [Format.PICKLE, Format.ONNX]),
        ("a.tar", make_tar(("x", b"y", {})), [Format.TAR]),
        ("a.safetensors", safetensors_bytes({"a": ("U8", (4,))}), [Format.SAFETENSORS]),
    ],
)  # fmt: skip
def test_every_format_of_a_file_is_known(name: str, content: bytes, expected: list[Format]) -> None:
    """Formats that begin elsewhere than at the first byte are found behind another one."""
    assert expected == others(name, content)


@pytest.mark.parametrize("path", ORDINARY)
def test_files_of_libraries_are_one_thing(path: str) -> None:
    """No file that a library wrote is of two formats, but for a pickle that ends in the archive it carries."""
    content = (REAL / path).read_bytes()
    expected = [Format.PICKLE, Format.KERAS_V3] if path in PICKLED_ARCHIVES else others(path, content)[:1]
    assert expected == others(path, content)


def test_a_far_superblock_is_searched_for_by_name() -> None:
    """A user block of 2 MiB is looked behind where the name calls for HDF5."""
    content = polyglots.user_block(b"%PDF-1.7\n", LAMBDA, 2 << 20)
    assert [Format.PDF, Format.HDF5] == others("a.h5", content)
    assert [Format.PDF] == others("a.pdf", content)


class Distant(MemorySource):
    """Bytes that each jump asks a server for."""

    distant = True

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.farthest = 0

    def read_at(self, offset: int, length: int) -> bytes:
        if length == 8:
            self.farthest = max(self.farthest, offset)
        return super().read_at(offset, length)


def test_little_is_asked_of_a_server() -> None:
    """Over the network, the search stays within the first block."""
    data = Distant(b"\x89PNG\r\n\x1a\n" + bytes(4 << 20))
    file = RepoFile(path="a.png", size=data.size, format=Format.IMAGE, role=role_of("a.png", Format.IMAGE))
    assert () == other_formats(file, data)
    assert 1 << 15 == data.farthest


def test_what_follows_the_tensors_is_looked_at_on_this_machine_only() -> None:
    """A zip behind tensors is found; over the network no request is spent on it, as their header tells enough."""
    content = safetensors_bytes({"a": ("U8", (4,))}) + torch_zip(PAYLOAD)
    assert [Format.SAFETENSORS, Format.PYTORCH_ZIP] == others("a.safetensors", content)
    file = RepoFile(path="a", size=len(content), format=Format.SAFETENSORS, role=role_of("a", Format.SAFETENSORS))
    assert () == other_formats(file, Distant(content))


def test_what_both_readings_say_is_reported_on_one_file() -> None:
    """The second reading adds its findings, says that there are two, and brings its members."""
    content = polyglots.named_tar(PAYLOAD, ("../../x.py", b"x"))
    file = RepoFile(path="a.tar", size=len(content), format=Format.PICKLE, role=role_of("a.tar", Format.PICKLE))
    first, *members = Inspectors(INSPECTORS, CONTAINERS, Limits()).inspect(file, MemorySource(content))
    rules = {finding.rule.id for finding in first.findings}
    assert {"polyglot", "pickle-dangerous-import", "path-traversal"} <= rules
    assert ["../../x.py"] == [member.file.members[-1] for member in members]


def test_a_second_reading_that_breaks_off_is_partial() -> None:
    """What was complete as a pickle is not, where the other format breaks off."""
    content = (polyglots.ACTS_AND_STOPS.ljust(512, b"\0") + g.hdf5_with_attribute("a", "b"))[:640]
    file = RepoFile(path="a.h5", size=len(content), format=Format.PICKLE, role=role_of("a.h5", Format.PICKLE))
    (first,) = Inspectors(INSPECTORS, CONTAINERS, Limits()).inspect(file, MemorySource(content))
    assert Coverage.PARTIAL is first.coverage


def test_unknown_fields_hide_no_graph() -> None:
    """Readers of protobuf pass over fields that they do not know, so these make it no other message."""
    graph = g.tf_graph(g.tf_node("w", "WriteFile", "p"))
    assert [Format.TF_GRAPHDEF] == others("a.pb", graph + g.message((3, 21), (77, b"x")))
    assert [Format.TF_SAVEDMODEL] == others("saved_model.pb", g.saved_model(graph, (99, b"x")))
    tensor = g.message((1, 2), (2, 1), (9, struct.pack("<2f", 1, 2)))
    assert [Format.UNKNOWN] == others("input_0.pb", tensor)
