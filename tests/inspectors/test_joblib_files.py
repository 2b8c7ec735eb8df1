from __future__ import annotations

import base64
from pathlib import Path

import pytest
from fixtures.tensor_bytes import CALL, PAYLOAD_PROTOCOL_4, joblib_array, joblib_beside, joblib_z_file
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.containers.opening import unpack

from aibom.components import Inspection
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Severity
from aibom.inspectors import joblib_files
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real" / "sklearn"
RAW = bytes(range(16))


def look(raw: bytes) -> Inspection:
    file = RepoFile(path="m.joblib", size=len(raw), format=Format.JOBLIB, role=Role.WEIGHTS)
    return joblib_files.inspect(file, MemorySource(raw), Limits())


def rules(inspection: Inspection) -> set[str]:
    return {finding.rule.id for finding in inspection.findings}


@pytest.mark.parametrize("path", sorted(REAL.glob("*.joblib")), ids=lambda path: path.name)
def test_files_of_joblib_are_walked_to_their_end(path: Path) -> None:
    """Raw arrays in mid-stream break no walk, whatever the estimator, and nothing is accused."""
    raw = path.read_bytes()
    packed = {
        b"\x1f\x8b": Format.GZIP, b"BZ": Format.BZIP2, b"\xfd7": Format.XZ, b"x\x9c": Format.ZLIB,
        b"x\x5e": Format.ZLIB, b"]\0": Format.LZMA, b"\x04\x22": Format.LZ4,
    }  # fmt: skip
    if raw[:2] in packed:
        if raw[:2] == b"\x04\x22":
            pytest.importorskip("lz4")
        (raw,) = (member for member in unpack(packed[raw[:2]], raw).members.values() if isinstance(member, bytes))
    found = look(raw)
    assert found.coverage is Coverage.COMPLETE
    assert [] == [finding for finding in found.findings if finding.severity.at_least(Severity.HIGH)]


def test_arrays_are_named_and_placed() -> None:
    """An estimator's arrays have the names of its attributes, and their bytes are at their place."""
    raw = (REAL / "linear_regression.joblib").read_bytes()
    found = look(raw).tensors
    assert found is not None
    assert ["coef_", "singular_"] == [tensor.name for tensor in found.tensors]
    assert (8, True) == (found.stored_elements, found.complete)
    tensor = found.tensors[0]
    assert tensor.offset is not None
    assert tensor.offset % 16 == 0


def test_every_compressor_gives_the_same_model() -> None:
    """The member of each compressed file is the uncompressed file, arrays and all."""
    plain = look((REAL / "compress_none.joblib").read_bytes()).tensors
    for name, kind in (("gzip", Format.GZIP), ("bz2", Format.BZIP2), ("xz", Format.XZ), ("lzma", Format.LZMA),
                       ("zlib", Format.ZLIB)):  # fmt: skip
        opened = unpack(kind, (REAL / f"compress_{name}.joblib").read_bytes())
        (member,) = opened.members.values()
        assert isinstance(member, bytes)
        found = look(member).tensors
        assert plain is not None
        assert found is not None
        assert plain.elements_by_dtype == found.elements_by_dtype


@pytest.mark.parametrize("align", [True, False])
def test_raw_bytes_are_stepped_over(align: bool) -> None:
    """With and without the padding that joblib 1.2 brought, the bytes of an array are no opcodes."""
    found = look(joblib_array((b"\xff0" + CALL + b".").ljust(64, b"\0"), shape=(8,), align=align))
    assert {"pickle-present"} <= rules(found)
    assert "pickle-dangerous-import" not in rules(found)
    assert found.tensors is not None
    assert 8 == found.tensors.stored_elements


def test_arrays_of_objects_are_pickles() -> None:
    """The pickle in mid-stream is walked like any other."""
    assert "pickle-dangerous-import" in rules(look(joblib_array(PAYLOAD_PROTOCOL_4, kind=b"O8")))


def test_an_array_of_unknown_type_is_not_stepped_over() -> None:
    """Where the length of the raw bytes is not known, the walk goes on and says that it broke."""
    found = look(joblib_array(RAW, kind=b"z9"))
    assert found.coverage is Coverage.PARTIAL
    assert rules(found) & {"pickle-malformed", "inspection-incomplete"}


def test_files_beside_are_references() -> None:
    """Very old files keep arrays beside them: each is a reference, and one that climbs is a finding."""
    near = look(joblib_beside(b"m.joblib_01.npy"))
    assert ["m.joblib_01.npy"] == [reference.path for reference in near.references]
    assert "path-traversal" not in rules(near)
    assert "path-traversal" in rules(look(joblib_beside(b"/etc/x.npy")))


def test_the_old_compressed_form_is_a_container() -> None:
    """A Z file says nothing itself; its member does."""
    raw = joblib_z_file(PAYLOAD_PROTOCOL_4)
    assert () == look(raw).findings
    assert [PAYLOAD_PROTOCOL_4] == list(unpack(Format.JOBLIB, raw).members.values())


@settings(max_examples=150, deadline=None)
@given(
    shape=st.lists(st.integers(-5, 1 << 30), max_size=3), kind=st.sampled_from([b"f8", b"O8", b"V3", b"U9", b"x", b""]),
    align=st.booleans(), changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=5),
)  # fmt: skip
def test_any_joblib_file_raises_nothing(
    shape: list[int], kind: bytes, align: bool, changes: list[tuple[int, int]]
) -> None:
    """Whatever a wrapper says of its array, faults are findings."""
    raw = bytearray(joblib_array(RAW, shape=tuple(shape), kind=kind, align=align))
    for place, value in changes:
        raw[place % len(raw)] = value
    assert look(bytes(raw)).coverage in {Coverage.COMPLETE, Coverage.PARTIAL}


# `joblib.dump({"o": np.array([{1: 2}, None], dtype=object)})` by joblib 1.6.0 and NumPy 2.4.6: the array is a pickle of
# its own, in the middle of the outer one, and its memo begins anew.
ARRAY_OF_OBJECTS = base64.b64decode(
    "gASV1wAAAAAAAAB9lIwBb5SME2pvYmxpYi5udW1weV9waWNrbGWUjBFOdW1weUFycmF5V3JhcHBlcpSTlCmBlH2UKIwIc3ViY2xhc3OUjAVudW1w"
    "eZSMB25kYXJyYXmUk5SMBXNoYXBllEsChZSMBW9yZGVylIwBQ5SMBWR0eXBllGgIjAVkdHlwZZSTlIwCTziUiYiHlFKUKEsDjAF8lE5OTkr/////"
    "Sv////9LP3SUYowKYWxsb3dfbW1hcJSJjBtudW1weV9hcnJheV9hbGlnbm1lbnRfYnl0ZXOUSxB1YoAFlZIAAAAAAAAAjBZudW1weS5fY29yZS5t"
    "dWx0aWFycmF5lIwMX3JlY29uc3RydWN0lJOUjAVudW1weZSMB25kYXJyYXmUk5RLAIWUQwFilIeUUpQoSwFLAoWUaAOMBWR0eXBllJOUjAJPOJSJ"
    "iIeUUpQoSwOMAXyUTk5OSv////9K/////0s/dJRiiV2UKH2USwFLAnNOZXSUYi5zLg=="
)


def test_a_pickle_inside_has_a_memo_of_its_own() -> None:
    """What a plain unpickler would take for names, because it has one memo for both, accuses nobody."""
    inspection = look(ARRAY_OF_OBJECTS)
    assert {"pickle-present"} == rules(inspection)
    assert Coverage.COMPLETE is inspection.coverage


def test_what_only_the_outer_memo_makes_dangerous_is_found() -> None:
    """A plain unpickler that reads the inner pickle takes a name from the outer memo, and it is a command."""
    inner = b"\x80\x04\x8c\x01a\x94\x8c\x01b\x94h\x03\x8c\x06system\x93\x8c\x06echo x\x85R."
    outer, _, _ = ARRAY_OF_OBJECTS.partition(b"\x80\x05\x95\x92")
    # Memo 3 of the outer pickle was the name of the wrapper: now it is that of a module.
    name = b"\x8c\x11NumpyArrayWrapper"
    raw = outer.replace(name + b"\x94\x93\x94", name + b"\x93\x8c\x05posix\x940\x94")
    assert {"pickle-present"} == rules(look(raw + b"\x80\x04\x8c\x01a\x94N." + b"s."))
    assert "pickle-dangerous-import" in rules(look(raw + inner + b"s."))
