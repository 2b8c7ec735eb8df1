"""Pickles that PyTables keeps in HDF5 are judged."""

from __future__ import annotations

import pytest
from fixtures import graph_bytes as g
from fixtures.tensor_bytes import PAYLOAD
from tests.inspectors.graph_helpers import look, rules

from aibom.components import Inspection
from aibom.files import Coverage
from aibom.inspectors import hdf5_files


def with_attribute(text: str) -> Inspection:
    return look(hdf5_files.inspect, g.hdf5(lambda w: w.group(attributes={"user": text})))


def test_an_attribute_that_acts_is_found() -> None:
    """An attribute that PyTables would unpickle is judged like any pickle, at its place in the file."""
    raw = g.hdf5(lambda w: w.group(attributes={"user": PAYLOAD.decode()}))
    inspection = look(hdf5_files.inspect, raw)
    found = next(finding for finding in inspection.findings if finding.rule.id == "pickle-dangerous-import")
    assert found.message.startswith("attribute 'user': ")
    assert found.location is not None
    assert found.location.offset is not None
    assert raw.index(PAYLOAD) <= found.location.offset < raw.index(PAYLOAD) + len(PAYLOAD)


def test_a_pickle_of_plain_data_is_only_named() -> None:
    """What PyTables writes for a dictionary is a pickle, and nothing worse."""
    assert ["pickle-present"] == rules(with_attribute("(dp0\nVa\np1\nI1\ns."))


@pytest.mark.parametrize("text", ["A model of the sea.", "Nice.", "V1.0.", "No. 5.", "I.", PAYLOAD.decode()[:-1]])
def test_texts_are_texts(text: str) -> None:
    """An attribute that is a sentence, or does not end as PyTables asks, is none."""
    assert [] == rules(with_attribute(text))


def test_arrays_of_objects_are_named() -> None:
    """Pickled objects in a dataset are not looked at, which is said."""

    def build(writer: g.Hdf5Writer) -> int:
        kind = writer._attribute("PSEUDOATOM", "object")
        space = (1, b"\x01\x01\0\0\0\0\0\0" + (4).to_bytes(8, "little"))
        type_ = (3, bytes([0x10, 0, 0, 0]) + (1).to_bytes(4, "little") + b"\0\0\x08\0")
        layout = (8, b"\x03\x01" + writer.append(bytes(8)).to_bytes(8, "little") + (4).to_bytes(8, "little"))
        return writer.group(g.hard_link("objects", writer.header(space, type_, layout, (0x0C, kind))))

    inspection = look(hdf5_files.inspect, g.hdf5(build))
    assert "inspection-incomplete" in rules(inspection)
    assert Coverage.PARTIAL is inspection.coverage
