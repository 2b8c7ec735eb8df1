"""Tensors whose bytes stand in no file as they are: strided, big-endian, compressed, in containers, beside the file."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save
from tests.fakes import MemoryRepo
from tests.integrity.forge import NOW, SETTINGS

from aibom.components import Tensor
from aibom.containers.protocol import Budget
from aibom.containers.zip_archive import open_entry
from aibom.containers.zip_directory import ZipEntry
from aibom.inspectors import torch_elements
from aibom.integrity import tensor_elements
from aibom.limits import Limits
from aibom.pipeline import scan
from aibom.report import Report
from aibom.sources.bytesource import ByteSource
from aibom.sources.local import DirectorySource, open_local
from aibom.sources.protocol import Source

REAL = Path(__file__).parents[2] / "fixtures" / "real"
ASKED = replace(SETTINGS, tensor_digests=True)
_NAMES = {"f2": "F16", "f4": "F32", "f8": "F64", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64", "u1": "U8",
          "u2": "U16", "u4": "U32", "u8": "U64", "b1": "BOOL", "c8": "C64", "c16": "C128"}  # fmt: skip


def scanned(files: Mapping[str, bytes] | Source) -> Report:
    return scan(MemoryRepo(files) if isinstance(files, Mapping) else files, ASKED, created=NOW)


def tensors(report: Report) -> dict[str, Tensor]:
    return {tensor.name: tensor for item in report.inspections if item.tensors for tensor in item.tensors.tensors}


def digests(files: Mapping[str, bytes] | Source) -> dict[str, str | None]:
    return {name: tensor.digest for name, tensor in tensors(scanned(files)).items()}


def expected(array: npt.NDArray[np.generic]) -> str:
    """Compute a tensor's digest from the words of docs/tensor-digests.md alone."""
    little = array.astype(array.dtype.newbyteorder("<"))
    shape = ",".join(map(str, array.shape))
    preamble = f"aibom-tensor-v1 {_NAMES[array.dtype.str[1:]]} [{shape}]\n".encode()
    return blake3(preamble + little.tobytes(order="C")).hexdigest()


# --- torch ------------------------------------------------------------------------------------------------------------

LEFT_OUT = {
    "meta_tensor": {"meta"},
    "nested_tensor": {"nested"},
    "quantized": {"per_tensor", "per_channel"},
    "sparse_compressed": {"csr", "csc", "bsr"},
    "sparse_coo": {"coo"},
}


@pytest.mark.parametrize("path", sorted((REAL / "torch").glob("*.expected.safetensors")), ids=lambda path: path.stem)
def test_a_torch_file_and_what_torch_loads_from_it_have_the_same_digests(path: Path) -> None:
    """Transposed, sliced, expanded, tied, conjugated, big-endian: every dense tensor has the digest of its copy."""
    stem = path.name.removesuffix(".expected.safetensors")
    loaded = digests({path.name: path.read_bytes()})
    originals = [item for item in path.parent.glob(f"{stem}.*") if ".expected." not in item.name]
    assert originals
    for original in originals:
        found = digests({original.name: original.read_bytes()})
        assert loaded == {name: value for name, value in found.items() if name in loaded}
        assert LEFT_OUT.get(stem, set()) == {name for name, value in found.items() if value is None}


def rewritten(raw: bytes, method: int) -> bytes:
    """Write a zip's entries again with another compression."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w", method) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return out.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["state_dict.pt", "strided.pt", "tied.pt"])
def test_a_compressed_checkpoint_holds_the_same_weights(name: str, method: int) -> None:
    """Compression changes the file and not the root; what it cost is counted."""
    raw = (REAL / "torch" / name).read_bytes()
    (plain,) = scanned({name: raw}).tensor_roots
    (packed,) = scanned({name: rewritten(raw, method)}).tensor_roots
    assert plain.named is not None
    assert (plain.named, plain.unnamed, ()) == (packed.named, packed.unnamed, packed.left_out)
    assert packed.tensors == packed.read_again >= plain.read_again
    assert {"state_dict.pt": 0, "strided.pt": 4, "tied.pt": 1}[name] == plain.read_again


def test_a_strided_copy_agrees_with_its_safetensors() -> None:
    """`pytorch_model.bin` with transposed views and `model.safetensors` beside it: every tensor is compared."""
    torch_file = (REAL / "torch" / "strided.pt").read_bytes()
    weights = (REAL / "torch" / "strided.expected.safetensors").read_bytes()
    report = scanned({"pytorch_model.bin": torch_file, "model.safetensors": weights})
    single, views = report.tensor_roots
    assert single.named == views.named is not None
    assert (0, 4) == (single.read_again, views.read_again)
    (copies,) = (item for item in report.verifications if item.kind == "tensor-copies")
    assert "checksum-ok" == copies.status
    assert "4 of 4 tensors of the same name have the same content" == copies.evidence[0].statement
    # One bit in the middle of a view, seen through its strides.
    changed = bytearray(weights)
    changed[-3] ^= 1
    report = scanned({"pytorch_model.bin": torch_file, "model.safetensors": bytes(changed)})
    assert "tensor-mismatch" in {finding.rule.id for finding in report.findings}


# --- numpy ------------------------------------------------------------------------------------------------------------


def npy(array: npt.NDArray[np.generic]) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


@settings(max_examples=120, deadline=None)
@given(
    kind=st.sampled_from(sorted(_NAMES)),
    big=st.booleans(),
    fortran=st.booleans(),
    shape=st.lists(st.integers(0, 5), max_size=4),
    seed=st.integers(0, 1 << 32),
)
def test_arrays_in_any_order_have_one_digest(kind: str, big: bool, fortran: bool, shape: list[int], seed: int) -> None:
    """Byte order and order of dimensions are a matter of the file, not of the array."""
    noise = np.random.default_rng(seed).integers(0, 2, size=shape) * 1.0
    array = noise.astype(np.dtype((">" if big else "<") + kind))
    array = np.asfortranarray(array) if fortran else np.ascontiguousarray(array).reshape(shape)
    assert {"a": expected(array)} == digests({"a.npy": npy(array)})


def test_arrays_of_an_npz_are_one_copy_packed_or_not() -> None:
    """`savez` and `savez_compressed` write other files and the same weights; the names are those of the arrays."""
    arrays = {"w": np.arange(12.0).reshape(3, 4).T, "layer.b": np.arange(5, dtype=">i4")}
    roots = []
    for write in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        write(out, **arrays)  # type: ignore[arg-type]
        report = scanned({"weights.npz": out.getvalue()})
        assert {name: expected(array) for name, array in arrays.items()} == {
            name: tensor.digest for name, tensor in tensors(report).items()
        }
        (root,) = report.tensor_roots
        assert (("weights.npz",), 2, 2) == (root.paths, root.tensors, root.read_again)
        roots.append(root.named)
    assert roots[0] == roots[1] is not None


def test_items_of_several_numbers_have_no_digest() -> None:
    """A structured array is no tensor; its padding would be taken for numbers."""
    array = np.zeros(3, dtype=np.dtype({"names": ["a"], "formats": ["<f4"], "offsets": [0], "itemsize": 8}))
    assert {"a": None} == digests({"a.npy": npy(array)})


# --- other containers and formats -------------------------------------------------------------------------------------

ARRAY = np.arange(24, dtype="<f4").reshape(2, 3, 4)
WEIGHTS = save({"w": ARRAY})


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "raw", "path"),
    [
        ("m.safetensors", WEIGHTS, "m.safetensors"),
        ("m.zip", zipped({"m.safetensors": WEIGHTS}), "m.zip › m.safetensors"),
        ("m.zip", zipped({"m.safetensors": WEIGHTS}, zipfile.ZIP_STORED), "m.zip › m.safetensors"),
        ("m.safetensors.gz", gzip.compress(WEIGHTS), "m.safetensors.gz › m.safetensors"),
        ("o.zip", zipped({"i.zip": zipped({"m.safetensors": WEIGHTS})}), "o.zip › i.zip › m.safetensors"),
    ],
    ids=["bare", "deflated", "stored", "gzip", "nested"],
)
def test_weights_inside_a_container_are_the_same_weights(name: str, raw: bytes, path: str) -> None:
    """Whatever they are packed in, the roots are those of the file itself; the path says where they are."""
    (root,) = scanned({name: raw}).tensor_roots
    (bare,) = scanned({"x.safetensors": WEIGHTS}).tensor_roots
    assert bare.named == root.named is not None
    assert (path,) == root.paths


def test_members_of_one_name_are_told_apart() -> None:
    """Which of the two a reader takes depends on the reader, so both are digested, under names of their own."""
    raw = zipped({"m.safetensors": WEIGHTS, "n.safetensors": save({"w": ARRAY + 1})}, zipfile.ZIP_STORED)
    report = scanned({"m.zip": raw.replace(b"n.safetensors", b"m.safetensors")})
    values = [tensor.digest for item in report.inspections if item.tensors for tensor in item.tensors.tensors]
    assert {expected(ARRAY), expected(ARRAY + 1)} == set(values)


def test_a_container_that_breaks_keeps_what_came_before(tmp_path: Path) -> None:
    """Weights behind the break have no digest, and those before it do."""
    raw = gzip.compress(save({"w": np.arange(300_000, dtype="<f4")}))
    assert {None} == set(digests({"m.safetensors.gz": raw[: len(raw) // 2]}).values()) - {"x"}


def test_big_endian_numbers_in_hdf5_have_no_digest(tmp_path: Path) -> None:
    """The bytes are there in one piece, and they are not those of the same numbers elsewhere."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["little"] = ARRAY
        file["big"] = ARRAY.astype(">f4")
        file["bytes"] = np.arange(3, dtype="u1")
        file["pairs"] = np.zeros(3, dtype="<c8")
    assert {"little": expected(ARRAY), "big": None, "bytes": expected(np.arange(3, dtype="u1")), "pairs": None} == (
        digests(open_local(str(tmp_path)))
    )


def external(array: npt.NDArray[np.generic], location: str, offset: int | None = None) -> TensorProto:
    tensor = numpy_helper.from_array(array, "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    if offset is not None:
        tensor.external_data.add(key="offset", value=str(offset))
    return tensor


def model(tensor: TensorProto) -> bytes:
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3, 4])
    ], [tensor])  # fmt: skip
    return bytes(helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("location", ["weights.bin", "./weights.bin"])
@pytest.mark.parametrize("offset", [None, 64])
def test_weights_beside_an_onnx_model_are_digested_with_their_file(location: str, offset: int | None) -> None:
    """External data costs no second read, and is the same tensor as an inline one."""
    inline = model(numpy_helper.from_array(ARRAY, "w"))
    assert {"w": expected(ARRAY)} == digests({"m.onnx": inline})
    repo = MemoryRepo({
        "sub/m.onnx": model(external(ARRAY, location, offset)),
        "sub/weights.bin": bytes(offset or 0) + ARRAY.tobytes(),
    })  # fmt: skip
    report = scanned(repo)
    assert {"w": expected(ARRAY)} == {name: tensor.digest for name, tensor in tensors(report).items()}
    assert [0] == [root.read_again for root in report.tensor_roots]


@pytest.mark.parametrize("location", ["../weights.bin", "/weights.bin", "C:weights.bin", "missing.bin", ""])
def test_weights_that_an_onnx_model_seeks_elsewhere_have_no_digest(location: str) -> None:
    """A path that climbs is not followed, even where it would lead to a file of the target."""
    files = {"sub/m.onnx": model(external(ARRAY, location)), "weights.bin": ARRAY.tobytes()}
    assert {"w": None} == digests(files)


def test_weights_shorter_than_their_shape_have_no_digest() -> None:
    """External data that ends too early is not the tensor."""
    files = {"m.onnx": model(external(ARRAY, "weights.bin")), "weights.bin": ARRAY.tobytes()[:-1]}
    assert {"w": None} == digests(files)
    onnx.checker.check_model(model(numpy_helper.from_array(ARRAY, "w")))


# --- hostile ----------------------------------------------------------------------------------------------------------


View = tuple[int, tuple[int, ...], tuple[int, ...]]
"""Offset, shape and stride, all in elements."""


def checkpoint(views: list[View], *, elements: int, packed: bool) -> bytes:
    """Write a torch zip of float tensors over one storage; views are offset, shape and stride."""
    parts = [b"\x80\x02}("]
    for number, (offset, shape, stride) in enumerate(views):
        name = b"t%d" % number
        parts.append(b"X" + len(name).to_bytes(4, "little") + name)
        parts.append(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000")
        parts.append(b"X\3\0\0\0cpu" + _long(elements) + b"tQ" + _long(offset))
        parts.extend(b"(" + b"".join(map(_long, numbers)) + b"t" for numbers in (shape, stride))
        parts.append(b"\x89}tR")
    parts.append(b"u.")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        archive.writestr("m/data.pkl", b"".join(parts))
        archive.writestr("m/data/0", np.arange(elements, dtype="<f4").tobytes())
        archive.writestr("m/version", "3\n")
    return out.getvalue()


def _long(number: int) -> bytes:
    raw = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


@settings(max_examples=100, deadline=None)
@given(
    views=st.lists(
        st.tuples(
            st.integers(0, 300),
            st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 1, 2, 3, 9, 10, 81, 90])), max_size=4),
        ),
        min_size=1,
        max_size=5,
    ),
    packed=st.booleans(),
)
def test_any_view_has_the_digest_of_its_elements_or_none(
    views: list[tuple[int, list[tuple[int, int]]]], packed: bool
) -> None:
    """What fits its storage is what numpy makes of it; what does not is never guessed and stops nothing."""
    base = np.arange(1000, dtype="<f4")
    looks = [(offset, tuple(size for size, _ in dims), tuple(step for _, step in dims)) for offset, dims in views]
    found = digests({"m.bin": checkpoint(looks, elements=1000, packed=packed)})
    for number, (offset, shape, stride) in enumerate(looks):
        last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) + 1
        if 0 in shape:
            fits = offset <= 1000
            view = np.zeros(shape, dtype="<f4")
        else:
            fits = last <= 1000
            view = (
                np.lib.stride_tricks.as_strided(base[offset:], shape, tuple(4 * step for step in stride))
                if fits
                else base
            )
        assert found[f"t{number}"] in ({expected(view)} if fits and 0 not in shape else {expected(view), None})


@pytest.mark.parametrize(
    "view",
    [
        (0, (1 << 40,), (0,)),
        (0, (1 << 20, 1 << 20), (0, 0)),
        (0, (1 << 12, 1 << 12, 100), (0, 0, 1)),
        (0, (2,) * 40, (0,) * 40),
    ],
    ids=["one element a trillion times", "a square", "rows", "forty dimensions"],
)
def test_a_few_bytes_do_not_stand_for_any_amount_of_work(view: View) -> None:
    """Strides of zero make a tensor of any size; beyond a multiple of the file it has no digest, and others do."""
    found = digests({"m.bin": checkpoint([view, (1, (9, 9), (1, 9))], elements=1000, packed=False)})
    assert found["t0"] is None
    assert found["t1"] is not None


def test_a_packed_storage_is_not_expanded_for_each_of_its_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand looks into one compressed storage open it once."""
    opened: list[str] = []

    def counting(data: ByteSource, entry: ZipEntry, limits: Limits, budget: Budget) -> ByteSource:
        opened.append(entry.name)
        return open_entry(data, entry, limits, budget)

    monkeypatch.setattr(torch_elements, "open_entry", counting)
    views: list[View] = [(number, (3, 3), (1, 3)) for number in range(900)]
    found = digests({"m.bin": checkpoint(views, elements=1000, packed=True)})
    assert 900 == sum(value is not None for value in found.values())
    assert ["m/data/0"] == opened


def test_far_elements_are_not_read_one_by_one_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take more single steps than are allowed has no digest."""
    monkeypatch.setattr(tensor_elements, "_MOST_STEPS", 100)
    views: list[View] = [(0, (10, 10), (1, 10)), (0, (2, 50), (0, 1)), (0, (3,) * 5, (81, 1, 3, 9, 27)),
                         (0, (4,) * 4, (1, 4, 16, 64)), (0, (2, 3), (1, 5000))]  # fmt: skip
    found = digests({"m.bin": checkpoint(views, elements=20_000, packed=True)})
    assert [True, True, True, False, True] == [found[f"t{number}"] is not None for number in range(5)]
    apart: list[View] = [(0, (101,), (2000,)), (0, (99,), (2000,))]
    found = digests({"m.bin": checkpoint(apart, elements=210_000, packed=True)})
    assert [False, True] == [found[f"t{number}"] is not None for number in range(2)]


def test_a_file_that_is_replaced_between_the_reads_has_no_digest(tmp_path: Path) -> None:
    """The two reads have to see one file, or the digest would be of nothing that was scanned."""
    path = tmp_path / "a.npy"
    path.write_bytes(npy(np.asfortranarray(ARRAY)))
    source = DirectorySource(str(tmp_path))
    opened = 0
    real = source.open

    def replacing(name: str) -> ByteSource:
        nonlocal opened
        opened += 1
        if opened == _reads(path):
            path.write_bytes(npy(np.asfortranarray(ARRAY + 1)))
            os.utime(path, ns=(1, 1))
        return real(name)

    source.open = replacing  # type: ignore[method-assign, assignment]
    report = scan(source, ASKED, created=NOW)
    assert {"a": None} == {name: tensor.digest for name, tensor in tensors(report).items()}


def _reads(path: Path) -> int:
    """Return which opening of a file is that of the second read: the last one of an ordinary scan."""
    source = DirectorySource(str(path.parent))
    count = 0
    real = source.open

    def counting(name: str) -> ByteSource:
        nonlocal count
        count += 1
        return real(name)

    source.open = counting  # type: ignore[method-assign, assignment]
    scan(source, ASKED, created=NOW)
    return count


def test_only_files_with_such_tensors_are_read_again() -> None:
    """A repository of safetensors costs one read of each file, with tensor digests as without."""
    files = {"model.safetensors": WEIGHTS, "config.json": json.dumps({}).encode()}
    with_digests, without = MemoryRepo(files), MemoryRepo(files)
    scanned(with_digests)
    scan(without, SETTINGS, created=NOW)
    assert without.opened == with_digests.opened


def test_what_a_limit_stops_has_no_digest() -> None:
    """A container that expands beyond the limits leaves its tensors without digests, and the scan goes on."""
    raw = zipped({"m.safetensors": save({"w": np.zeros(500_000, dtype="<f4")})})
    small = replace(ASKED, limits=Limits(expanded_bytes=1_000_000))
    report = scan(MemoryRepo({"m.zip": raw, "x.safetensors": WEIGHTS}), small, created=NOW)
    found = {item.file.path: item.tensors for item in report.inspections if item.tensors}
    assert found["x.safetensors"].tensors[0].digest is not None
    assert all(tensor.digest is None for path, item in found.items() if path == "m.zip" for tensor in item.tensors)


def test_a_storage_that_can_not_be_expanded_has_no_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken, a missing and an oversized storage leave their tensors without digests."""
    raw = checkpoint([(0, (9, 9), (1, 9))], elements=1000, packed=True)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        at = archive.getinfo("m/data/0").header_offset + 60
    assert {"t0": None} == digests({"m.bin": raw[:at] + b"\xff" * 20 + raw[at + 20 :]})
    assert {"t0": None} == digests({"m.bin": raw.replace(b"m/data/0", b"m/data/1")})
    monkeypatch.setattr(tensor_elements, "_GROWTH", 0)
    monkeypatch.setattr(tensor_elements, "_GROWTH_FLOOR", 3999)
    assert {"t0": None} == digests({"m.bin": raw})


def test_a_file_that_can_not_be_opened_again_has_no_digest() -> None:
    """The scan goes on without them."""
    repo = MemoryRepo({"a.npy": npy(np.asfortranarray(ARRAY))})
    scanned(repo)
    whole = len(repo.opened)

    class Fading(MemoryRepo):
        def open(self, path: str) -> ByteSource:
            if len(self.opened) == whole - 1:
                raise OSError("gone")
            return super().open(path)

    assert {"a": None} == digests(Fading({"a.npy": npy(np.asfortranarray(ARRAY))}))


def test_several_arrays_in_one_file_are_each_digested() -> None:
    """`numpy.save` to an open file writes one after another; behind an array of objects nothing is certain."""
    objects = io.BytesIO()
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    first, second = np.asfortranarray(ARRAY), np.asfortranarray(ARRAY + 1)
    found = digests({"a.npy": npy(first) + npy(second) + objects.getvalue() + npy(first)})
    assert {"a": expected(first), "a.1": expected(second)} == {name: found[name] for name in ("a", "a.1")}


def test_many_files_may_ask_for_no_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a second read may cost is counted for the whole target."""
    monkeypatch.setattr(tensor_elements, "_GROWTH_FLOOR", 0)
    wide: View = (0, (9000,), (0,))
    files = {f"{n}.bin": checkpoint([wide], elements=1000, packed=False) for n in range(5)}
    report = scanned(files)
    found = [tensor.digest for item in report.inspections if item.tensors for tensor in item.tensors.tensors]
    size = sum(map(len, files.values()))
    assert 8 * size // (4 * 9000 + 4 * 1000) == sum(value is not None for value in found) < 5
