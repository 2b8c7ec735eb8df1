"""Judge the pickles that PyTables keeps in HDF5: attributes of bytes, and arrays of objects.

PyTables hands every attribute of bytes that ends with a period to `pickle.loads` when it is read, and keeps arrays of
Python objects as pickles under the pseudo atom `object` (`tables/attributeset.py`, `tables/atom.py`); pandas writes
its HDF stores through it.
"""

from __future__ import annotations

from aibom.formats.pickle_probe import is_pickle, walk
from aibom.inspectors.hdf5_blocks import Cursor
from aibom.inspectors.hdf5_types import STRING, Datatype
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.pickle_examine import examine, present
from aibom.sources.bytesource import ByteSource, SliceSource

_PSEUDO_ATOM = "PSEUDOATOM"


def judge_attribute(seen: Observations, data: ByteSource, name: str, kind: Datatype, value: Cursor) -> None:
    """Report what an attribute does when PyTables reads it."""
    if kind.kind != STRING:
        return
    raw = value.block[value.at : value.at + kind.size]
    # An attribute of text, however it ends, is a text: `walk` believes what acts or is built.
    if not raw.endswith(b".") or not is_pickle(walk(raw), raw, named_so=False, text=True):
        return
    start = value.place + value.at
    examined = examine(seen.file, SliceSource(data, 0, start + len(raw)), seen.limits, start=start, streams=1)
    for finding in (present(seen.file), *examined.findings):
        offset = finding.location.offset if finding.location else None
        seen.report(
            finding.rule,
            f"attribute {shown(name)}: {finding.message}",
            offset=start if offset is None else offset,
            severity=finding.severity,
            evidence=finding.evidence,
        )


def judge_dataset(seen: Observations, path: str, attributes: dict[str, tuple[Datatype, Cursor]], place: int) -> None:
    """Say that the objects of an array of pickles were not looked at."""
    if _PSEUDO_ATOM in attributes:
        kind, value = attributes[_PSEUDO_ATOM]
        if kind.kind == STRING and value.block[value.at : value.at + kind.size].rstrip(b"\0") == b"object":
            seen.unread(f"dataset {shown(path)} holds pickled objects, which are not looked at here", offset=place)
