"""What is not exactly a tensor as torch writes it is none."""

from __future__ import annotations

import pytest

from aibom.inspectors.pickle_nodes import Call, Dict, Global, How, Node, PersistentId
from aibom.inspectors.torch_tensors import read_tensor, storage_of

FLOATS = Global("torch", "FloatStorage", 0)
STORED = PersistentId(("storage", FLOATS, "0", "cpu", 6), 0)
NAMES = (
    "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
    "_rebuild_parameter_with_state", "_rebuild_qtensor", "_rebuild_meta_tensor_no_storage",
    "_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor", "_rebuild_nested_tensor",
)  # fmt: skip


def call(name: str, *args: Node, module: str = "torch._utils") -> Call:
    return Call(Global(module, name, 0), args, None, How.CALL, 0)


PLAIN = call("_rebuild_tensor_v2", STORED, 0, (2, 3), (3, 1), False, None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("args", [(), (1,), (1, 2, 3, 4, 5, 6, 7, 8), (None, None), (PLAIN, 1, 2, 3)])
def test_other_arguments_are_no_tensor(name: str, args: tuple[Node, ...]) -> None:
    """Arguments of another number or kind give no tensor, but for a parameter of a tensor."""
    found = read_tensor(call(name, *args))
    assert (found is not None) == (name in {"_rebuild_parameter", "_rebuild_nested_tensor"} and args[:1] == (PLAIN,))


@pytest.mark.parametrize("args", [(), (1, 2, 3, 4), (FLOATS, FLOATS, (), None)])
def test_a_subclass_of_what_is_no_tensor_is_none(args: tuple[Node, ...]) -> None:
    """`_rebuild_from_type_v2` is followed only where maker, class, arguments and state are known."""
    assert read_tensor(call("_rebuild_from_type_v2", *args, module="torch._tensor")) is None


@pytest.mark.parametrize(
    ("size", "stride", "at"),
    [((2, 3), (3,), 0), ((True, 3), (3, 1), 0), ((-1,), (1,), 0), ((1 << 62,), (1,), 0), ((2,), (1,), -1),
     ((1 << 40, 1 << 40), (1, 1), 0), ((1,) * 65, (1,) * 65, 0), ((2,), (1,), True), (None, (1,), 0)],
)  # fmt: skip
def test_absurd_sizes_are_no_tensor(size: Node, stride: Node, at: Node) -> None:
    """Sizes are plain numbers that are neither negative nor absurd, one stride a dimension."""
    assert read_tensor(call("_rebuild_tensor_v2", STORED, at, size, stride, False, None)) is None


def test_sizes_of_other_kinds_are_read() -> None:
    """A list and a `torch.Size` are sizes as a tuple is."""
    sizes: tuple[Node, ...] = ([2, 3], Call(Global("torch", "Size", 0), ((2, 3),), None, How.CALL, 0))
    for size in sizes:
        found = read_tensor(call("_rebuild_tensor_v2", STORED, 0, size, (3, 1), False, None))
        assert found is not None
        assert (2, 3) == found.shape


@pytest.mark.parametrize(
    "args",
    [(), ("storage", FLOATS, "0", "cpu"), ("other", FLOATS, "0", "cpu", 6), ("storage", None, "0", "cpu", 6),
     ("storage", FLOATS, 1.5, "cpu", 6), ("storage", FLOATS, "0", "cpu", True), ("storage", FLOATS, "0", "cpu", -1),
     ("storage", FLOATS, "0", "cpu", 6, ("1", -1, 2))],
)  # fmt: skip
def test_other_persistent_ids_are_no_storage(args: tuple[Node, ...]) -> None:
    """A storage is named by exactly what torch writes."""
    assert storage_of(PersistentId(args, 0)) is None


def test_storages_of_old_files() -> None:
    """Keys may be numbers, devices anything, and a part of the storage may be named."""
    found = storage_of(PersistentId(("storage", FLOATS, 7, None, 6, ("1", 2, 3)), 0))
    assert found is not None
    assert ("7", "cpu", 24, 8, 12) == (found.key, found.device, found.whole, found.start, found.length)


def test_state_on_a_tensor_makes_it_unknown() -> None:
    """What is set or added to a tensor afterwards may change it."""
    changed = call("_rebuild_tensor_v2", STORED, 0, (2, 3), (3, 1), False, None)
    changed.state = [Dict([])]
    assert read_tensor(changed) is None
