from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fixtures.archive_bytes import Entry, make_zip
from fixtures.tensor_bytes import CALL, HARMLESS, PAYLOAD, tensor_pickle, tensor_zip, torch_entries, torch_legacy

from aibom.errors import OutputError
from aibom.files import Format, RepoFile, Role
from aibom.lift import LiftRefused, LiftResult, lift, writer
from aibom.lift.writer import Outgoing
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real" / "torch"
EXPECTED = sorted(REAL.rglob("*.expected.json"))
# Layouts that safetensors does not have, and classes that only `tensors_only` goes through.
NOTHING_TO_WRITE = {"nested_tensor", "quantized", "sparse_compressed", "sparse_coo"}
FOREIGN_CLASSES = {"custom_module", "legacy_custom_module", "scripted"}


def take(raw: bytes, out: Path, *, tensors_only: bool = False) -> LiftResult:
    kind = Format.PYTORCH_ZIP if raw[:2] == b"PK" else Format.PYTORCH_LEGACY
    file = RepoFile(path="model.pt", size=len(raw), format=kind, role=Role.WEIGHTS)
    return lift(MemorySource(raw), file, out, Limits(), tensors_only=tensors_only)


def parse(raw: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(raw[:8], "little")
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    return header, raw[8 + length :]


def stem(path: Path) -> str:
    return path.name.removesuffix(".expected.json")


@pytest.mark.parametrize(
    "path", [path for path in EXPECTED if stem(path) not in NOTHING_TO_WRITE | FOREIGN_CLASSES], ids=stem
)
def test_weights_are_those_that_torch_loads(path: Path, tmp_path: Path) -> None:
    """Header and data are bit for bit what torch and its safetensors writer make of the same checkpoint."""
    source = json.loads(path.read_text())["source"]
    result = take((path.parent / source).read_bytes(), tmp_path / "out.safetensors")
    written = (tmp_path / "out.safetensors").read_bytes()
    assert parse(path.with_suffix(".safetensors").read_bytes()) == parse(written)
    assert len(written) == result.size


@pytest.mark.parametrize("name", sorted(FOREIGN_CLASSES))
def test_objects_of_foreign_classes_want_a_decision(name: str, tmp_path: Path) -> None:
    """Tensors inside an object whose class is not torch's are taken only on request, and then bit for bit."""
    raw = (REAL / "sharp" / f"{name}.pt").read_bytes()
    with pytest.raises(LiftRefused, match="inside an object"):
        take(raw, tmp_path / "out.safetensors")
    result = take(raw, tmp_path / "out.safetensors", tensors_only=True)
    expected = (REAL / "sharp" / f"{name}.expected.safetensors").read_bytes()
    assert parse(expected) == parse((tmp_path / "out.safetensors").read_bytes())
    assert result.left


@pytest.mark.parametrize("name", sorted(NOTHING_TO_WRITE))
def test_layouts_that_can_not_be_written_are_refused(name: str, tmp_path: Path) -> None:
    """A checkpoint of nothing but sparse or quantized tensors gives no file."""
    with pytest.raises(LiftRefused, match="no tensors"):
        take((REAL / f"{name}.pt").read_bytes(), tmp_path / "out.safetensors")
    assert [] == list(tmp_path.iterdir())


def test_what_is_left_behind_is_named(tmp_path: Path) -> None:
    """Objects and types without a place in safetensors are listed with why."""
    result = take((REAL / "namespace_args.pt").read_bytes(), tmp_path / "a")
    assert ("args (argparse.Namespace)",) == result.left
    result = take((REAL / "dtypes.pt").read_bytes(), tmp_path / "b")
    assert ("weight.complex128 (elements of type C128)",) == result.left
    result = take((REAL / "meta_tensor.pt").read_bytes(), tmp_path / "c")
    assert ("meta (a tensor of layout meta)",) == result.left


def test_files_open_with_the_safetensors_library(tmp_path: Path) -> None:
    """The library reads what was written, and finds for which framework it is."""
    safetensors = pytest.importorskip("safetensors")
    take((REAL / "state_dict.pt").read_bytes(), tmp_path / "out.safetensors")
    with safetensors.safe_open(str(tmp_path / "out.safetensors"), "np") as opened:
        assert {"format": "pt"} == opened.metadata()
        assert (6, 4) == opened.get_tensor("0.weight").shape


def test_dangerous_checkpoints_are_refused_and_their_weights_can_be_had(tmp_path: Path) -> None:
    """A payload beside tensors refuses; with `tensors_only` the weights come out and nothing runs."""
    raw = tensor_zip(tensor_pickle(payload=CALL), bytes(range(16)))
    with pytest.raises(LiftRefused, match=r"posix\.system") as refused:
        take(raw, tmp_path / "out")
    assert 1 == refused.value.exit_code
    assert refused.value.findings
    assert refused.value.hint is not None
    result = take(raw, tmp_path / "out", tensors_only=True)
    assert ("w",) == result.names
    assert parse((tmp_path / "out").read_bytes())[1] == bytes(range(16))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"nothing", "can't be read|magic|breaks"),
        (make_zip(Entry(name=b"a", data=b"x")), "exactly one data.pkl"),
        (make_zip(*torch_entries(HARMLESS, b"a"), *torch_entries(HARMLESS, b"b")), "exactly one data.pkl"),
        (make_zip(*torch_entries(HARMLESS), *torch_entries(HARMLESS)), "listed more than once"),
        (make_zip(*torch_entries(HARMLESS)), "no tensors"),
        (tensor_zip(tensor_pickle()[:-1]), "not safe|breaks"),
        (tensor_zip(tensor_pickle(shape=(5,))), "beyond its storage"),
        (tensor_zip(tensor_pickle(), None), "not in the archive"),
        (tensor_zip(tensor_pickle(), bytes(15)), "has 15 bytes"),
        (tensor_zip(tensor_pickle(shape=(1 << 30, 4), stride=(0, 1))), "would take"),
        (tensor_zip(tensor_pickle().replace(b"(K\x04t(K\x01t", b"(NtNN(K\x01t")), "named and read|not safe"),
        (torch_legacy(keys=b"\x80\x02]."), "not in the file|named and read"),
        (torch_legacy(elements=5), "has 5 elements"),
        (torch_legacy(obj=PAYLOAD), "not safe"),
        (torch_legacy()[:-1], "ends inside storage"),
    ],
)  # fmt: skip
def test_what_is_not_exactly_known_is_refused(raw: bytes, why: str, tmp_path: Path) -> None:
    """No file is written where anything about a tensor is in doubt."""
    with pytest.raises(LiftRefused, match=why):
        take(raw, tmp_path / "out")
    assert [] == list(tmp_path.iterdir())


def test_two_tensors_of_one_name_are_refused(tmp_path: Path) -> None:
    """A key with a dot and a nested key can give the same name."""
    inner = tensor_pickle()[2:-1]
    raw = b"\x80\x02}(X\x01\x00\x00\x00a" + inner + b"X\x03\x00\x00\x00a.w" + inner[7:-1] + b"u."
    with pytest.raises(LiftRefused, match=r"called a\.w"):
        take(tensor_zip(raw), tmp_path / "out")


def test_an_output_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    """A missing directory is an error of the output."""
    with pytest.raises(OutputError):
        take((REAL / "tied.pt").read_bytes(), tmp_path / "missing" / "out")
    assert [] == list(tmp_path.iterdir())


def test_the_output_is_replaced_at_the_very_end(tmp_path: Path) -> None:
    """A refusal half way leaves the old file as it was, and no other."""
    out = tmp_path / "out"
    out.write_bytes(b"old")
    with pytest.raises(LiftRefused):
        take(tensor_zip(tensor_pickle(), bytes(15)), out)
    assert b"old" == out.read_bytes()
    assert [out] == list(tmp_path.iterdir())
    take((REAL / "tied.pt").read_bytes(), out)
    assert b"old" != out.read_bytes()
    assert [out] == list(tmp_path.iterdir())


def test_compressed_storages_are_expanded(tmp_path: Path) -> None:
    """A storage that is packed in the archive comes out the same."""
    entries = [*torch_entries(tensor_pickle()), Entry(name=b"archive/data/0", data=bytes(range(16)), method=8)]
    take(make_zip(*entries), tmp_path / "out")
    assert bytes(range(16)) == parse((tmp_path / "out").read_bytes())[1]


@pytest.mark.parametrize("raw", [torch_legacy(elements=5), torch_legacy()[:-1]])
def test_a_decision_for_tensors_only_does_not_help_broken_ones(raw: bytes, tmp_path: Path) -> None:
    """What is not exactly known stays refused."""
    with pytest.raises(LiftRefused, match="named and read"):
        take(raw, tmp_path / "out", tensors_only=True)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """The safetensors library opens the file before it gets its name."""
    assert take((REAL / "dtypes.pt").read_bytes(), tmp_path / "out").read_back


def outgoing(*, dtype: str = "F32", shape: tuple[int, ...] = (2,), name: str = "a") -> Outgoing:
    return Outgoing(name=name, dtype=dtype, shape=shape, content=lambda: iter([bytes(8)]))


def broken_header(header: bytes) -> Callable[[Sequence[Outgoing]], bytes]:
    def made(_: Sequence[Outgoing]) -> bytes:
        return len(header).to_bytes(8, "little") + header

    return made


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}', "can't be read back"),
        (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}', "can't be read back"),
        (b'{"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', "read back otherwise: a, b"),
        (b'{"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}}', "read back otherwise: a"),
        (b'{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}', "read back otherwise: a"),
    ],
)
def test_what_its_own_library_reads_otherwise_gets_no_name(
    header: bytes, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the writer is an error and no file; what stood there before stays."""
    out = tmp_path / "out"
    out.write_bytes(b"old")
    monkeypatch.setattr(writer, "_header", broken_header(header))
    with pytest.raises(OutputError, match=fault):
        writer.write(out, [outgoing()])
    assert b"old" == out.read_bytes()
    assert [out] == list(tmp_path.iterdir())


def test_without_numpy_the_file_is_not_said_to_be_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library opens nothing then; the file is written, and nothing is claimed."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    written = writer.write(tmp_path / "out", [outgoing()])
    assert not written.read_back
    assert (tmp_path / "out").stat().st_size == written.size
