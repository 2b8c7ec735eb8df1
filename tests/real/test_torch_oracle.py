"""torch as the oracle: checkpoints of any shape that it writes, read by us without it, give what it loads itself.

Run by `make real`.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import aibom
from aibom.components import TensorSummary
from aibom.files import Format, RepoFile, Role
from aibom.lift import LiftRefused, lift
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

pytestmark = pytest.mark.real
WRITTEN = {
    "float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int8": "I8", "int16": "I16",
    "int32": "I32", "int64": "I64", "uint8": "U8", "bool": "BOOL", "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2", "uint16": "U16", "uint32": "U32", "uint64": "U64", "complex64": "C64",
}  # fmt: skip
# One storage, seen in many ways: whole, cut, turned, stepped through, repeated, empty, and one number.
VIEWS = ("whole", "row", "turned", "stepped", "repeated", "narrow", "empty", "number")


def view(torch: Any, kind: str, storage: Any) -> Any:
    match kind:
        case "row":
            return storage[1]
        case "turned":
            return storage.t()
        case "stepped":
            return storage[::2, 1::2]
        case "repeated":
            return storage[:, :1].expand(4, 3)
        case "narrow":
            return storage.narrow(0, 1, 2)
        case "empty":
            return storage[:0]
        case "number":
            return storage[2, 3]
        case _:
            return storage


def storage(torch: Any, dtype: str, seed: int) -> Any:
    numbers = torch.randint(0, 256, (4 * 6 * 16,), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    if dtype == "bool":
        return numbers[:24].reshape(4, 6) > 127
    kind = getattr(torch, dtype)
    return numbers[: 24 * torch.empty((), dtype=kind).element_size()].view(kind).reshape(4, 6)


tensors = st.tuples(st.sampled_from(sorted(WRITTEN)), st.integers(0, 3), st.sampled_from(VIEWS), st.booleans())
trees = st.recursive(
    tensors,
    lambda inner: st.one_of(st.dictionaries(st.text("abc.0", min_size=1, max_size=3), inner, max_size=4)),
    max_leaves=12,
)
plain = st.one_of(
    st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.none(), st.lists(st.integers(), max_size=3)
)


def built(torch: Any, tree: Any, stores: dict[tuple[str, int], Any]) -> Any:
    if isinstance(tree, dict):
        return {key: built(torch, inner, stores) for key, inner in tree.items()}
    dtype, seed, kind, parameter = tree
    if (dtype, seed) not in stores:
        stores[dtype, seed] = storage(torch, dtype, seed)
    made = view(torch, kind, stores[dtype, seed])
    return torch.nn.Parameter(made, requires_grad=made.is_floating_point()) if parameter else made


def leaves(torch: Any, value: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, dict):
            for path, leaf in leaves(torch, inner, f"{name}.").items():
                if path in found:
                    raise KeyError(path)
                found[path] = leaf
        elif isinstance(inner, torch.Tensor):
            if name in found:
                raise KeyError(name)
            found[name] = inner
    return found


def summary(path: Path) -> TensorSummary:
    source = aibom.open_source(str(path))
    report = aibom.scan(
        source, aibom.Settings(as_of=dt.date(2026, 11, 21)), created=dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    )
    found = [item.tensors for item in report.inspections if item.tensors is not None]
    assert 1 == len(found)
    assert found[0] is not None
    return found[0]


@given(
    st.dictionaries(st.text("abcxyz", min_size=1, max_size=3), trees, min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(["epoch", "note", "seen"]), plain, max_size=2),
    st.booleans(),
    st.sampled_from([2, 3, 4, 5]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_checkpoint_holds_what_torch_loads(tree: Any, extra: dict[str, Any], zipped: bool, protocol: int) -> None:
    """Names, shapes and types are those that torch loads, and what is lifted is bit for bit what it would save."""
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    checkpoint = {**built(torch, tree, {}), **extra}
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "model.pt"), Path(folder, "out.safetensors")
        torch.save(checkpoint, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
        try:
            loaded = torch.load(path, weights_only=zipped and protocol < 4)  # in that way it reads no others
        except AttributeError:
            assert not zipped  # torch itself reads no types newer than the old format from it
            return
        try:
            expected = leaves(torch, loaded)
        except KeyError:
            return  # two tensors of one name, which lifting refuses
        seen = {tensor.name: (tensor.dtype, tensor.shape) for tensor in (summary(path).tensors if expected else ())}
        assert {name: (WRITTEN[str(value.dtype)[6:]], tuple(value.shape)) for name, value in expected.items()} == seen
        raw = path.read_bytes()
        file = RepoFile(path="model.pt", size=len(raw), role=Role.WEIGHTS,
                        format=Format.PYTORCH_ZIP if zipped else Format.PYTORCH_LEGACY)  # fmt: skip
        try:
            lift(MemorySource(raw), file, out, Limits(), tensors_only=False)
        except LiftRefused:
            assert not expected
            return
        lifted = safetensors.load_file(out)
    assert set(expected) == set(lifted)
    for name, value in expected.items():
        assert value.dtype == lifted[name].dtype
        same = value.detach().contiguous().reshape(-1).view(torch.uint8) if value.numel() else value
        ours = lifted[name].reshape(-1).view(torch.uint8) if value.numel() else lifted[name]
        assert value.shape == lifted[name].shape
        assert torch.equal(same, ours)
