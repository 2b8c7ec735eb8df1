"""Read the tensors that a pickled torch object holds off its value graph: dtype, shape, strides, which storage.

torch pickles a tensor as a call of one of the `_rebuild_*` functions of `torch/_utils.py` on a storage, which the
persistent id `("storage", class, key, device, elements)` names (`torch/serialization.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import cast

from aibom.inspectors.pickle_nodes import Call, Dict, Global, How, Node, PersistentId
from aibom.inspectors.pytorch_dtypes import dtype_of, storage_dtype
from aibom.inspectors.torch_views import LARGEST, Extent, Storage, TorchTensor, View, sound, sound_extent

_TENSOR_CLASSES = frozenset(
    {"torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"}
)
_DATA_ATTRIBUTES = frozenset({"data", "real", "imag"})
_NESTING = 4
_QUANTIZED, _META = "quantized", "meta"
_UNMARKED: frozenset[str] = frozenset()


def is_tensor_call(node: Node) -> bool:
    """Say whether a node is made by one of torch's functions that rebuild tensors, whether or not it can be read."""
    if type(node) is not Call:
        return False
    # What was read with the opcodes is nearly every one.
    if type(node.read) is TorchTensor:
        return True
    return type(node.callee) is Global and _rebuilds(node.callee.module, node.callee.name)


# Few names, tens of thousands of calls.
@lru_cache(maxsize=64)
def _rebuilds(module: str, name: str) -> bool:
    return module.startswith("torch") and name.rpartition(".")[2].startswith("_rebuild")


def read_tensor(node: Node, depth: int = _NESTING) -> TorchTensor | None:
    """Return the tensor that a node stands for, None where anything about it is not exactly known.

    At most `depth` tensors within each other are followed: a parameter holds one, real files no more than two.
    """
    # `Tensor.__setstate__` takes another storage, and methods called on a tensor may write into it.
    if type(node) is not Call or node.state or node.items or node.pairs:
        return None
    if type(node.read) is TorchTensor:
        return node.read
    if type(node.callee) is not Global or type(node.args) is not tuple:
        return None
    callee = node.callee
    reader = _READERS.get((callee.module, callee.name))
    return None if reader is None or depth == 0 else reader(node.args, depth)


def _read_plain(args: tuple[Node, ...], _depth: int) -> TorchTensor | None:
    # Nearly every tensor of nearly every checkpoint comes here, so it is plain tests and no `match`.
    if len(args) < 4:
        return None
    view = view_of(args[0], args[1], args[2], args[3], flags=args[6] if len(args) > 6 else None)
    return None if view is None else TorchTensor(dtype=view.dtype.name, shape=view.extent.shape, views=(view,))


def _read_typed(args: tuple[Node, ...], _depth: int) -> TorchTensor | None:
    match args:
        case (stored, at, size, stride, _, _, Global() as kind, *rest):
            return _dense(view_of(stored, at, size, stride, kind=kind, flags=rest[0] if rest else None))
    return None


def _read_parameter(args: tuple[Node, ...], depth: int) -> TorchTensor | None:
    return read_tensor(args[0], depth - 1) if args else None


def _read_parameter_with_state(args: tuple[Node, ...], depth: int) -> TorchTensor | None:
    match args:
        case (inner, _, _, state) if _keeps_data(state):
            return read_tensor(inner, depth - 1)
    return None


def _read_subclass(args: tuple[Node, ...], depth: int) -> TorchTensor | None:
    match args:
        case (Global() as maker, Global() as kind, tuple(inner), state) if kind.path in _TENSOR_CLASSES and _keeps_data(
            state
        ):
            return read_tensor(Call(maker, inner, None, How.CALL, 0), depth - 1)
    return None


def _read_quantized(args: tuple[Node, ...], _depth: int) -> TorchTensor | None:
    match args:
        case (stored, at, size, stride, *_):
            found = view_of(stored, at, size, stride)
            if found is not None:
                return TorchTensor(dtype=found.dtype.name, shape=found.shape, layout=_QUANTIZED, views=(found,))
    return None


def _read_meta(args: tuple[Node, ...], _depth: int) -> TorchTensor | None:
    match args:
        case (Global() as kind, size, *_):
            dtype, shape = dtype_of(kind), _sizes(size)
            if dtype is not None and shape is not None:
                return TorchTensor(dtype=dtype.name, shape=shape, layout=_META)
    return None


def _read_sparse(args: tuple[Node, ...], _depth: int) -> TorchTensor | None:
    match args:
        case (layout, tuple(parts)):
            return _sparse(layout, parts)
    return None


def _read_nested(args: tuple[Node, ...], _depth: int) -> TorchTensor | None:
    inner = read_tensor(args[0], 1) if args else None
    if inner is None or not inner.dense:
        return None
    return TorchTensor(dtype=inner.dtype, shape=inner.shape, layout="nested", views=inner.views)


_READERS: Mapping[tuple[str, str], Callable[[tuple[Node, ...], int], TorchTensor | None]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _read_plain,
    ("torch._utils", "_rebuild_tensor"): _read_plain,
    ("torch._utils", "_rebuild_tensor_v3"): _read_typed,
    ("torch._utils", "_rebuild_parameter"): _read_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _read_parameter_with_state,
    ("torch._tensor", "_rebuild_from_type_v2"): _read_subclass,
    ("torch._tensor", "_rebuild_from_type"): _read_subclass,
    ("torch.tensor", "_rebuild_from_type"): _read_subclass,
    ("torch._utils", "_rebuild_qtensor"): _read_quantized,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): _read_meta,
    ("torch._utils", "_rebuild_sparse_tensor"): _read_sparse,
    ("torch._utils", "_rebuild_sparse_csr_tensor"): _read_sparse,
    ("torch._utils", "_rebuild_nested_tensor"): _read_nested,
}


def _keeps_data(state: Node) -> bool:
    """Say whether attributes that are set on a tensor leave its elements alone, as torch sets them one by one."""
    match state:
        case None:
            return True
        case Dict() | (Dict(), None) | (None, None):
            parts = state if isinstance(state, tuple) else (state,)
        case _:
            return False
    keys = [key for part in parts if isinstance(part, Dict) for key in part.items[::2]]
    return all(isinstance(key, str) and key not in _DATA_ATTRIBUTES for key in keys)


def _dense(view: View | None) -> TorchTensor | None:
    return None if view is None else TorchTensor(dtype=view.dtype.name, shape=view.shape, views=(view,))


def _sparse(layout: Node, parts: tuple[Node, ...]) -> TorchTensor | None:
    """Read a sparse tensor: one or two index tensors, the values, the logical shape, more in newer versions."""
    match layout:
        case Call(args=(str(name),)) | Global(name=name):
            kind = name.removeprefix("torch.")
        case _:
            return None
    views: list[View] = []
    values = ""
    for part in parts:
        if not isinstance(part, Call) or not is_tensor_call(part):
            break
        tensor = read_tensor(part, 1)
        if tensor is None or not tensor.dense:
            return None
        views += tensor.views
        values = tensor.dtype
    shape = _sizes(parts[len(views)]) if views and len(views) < len(parts) else None
    return None if shape is None else TorchTensor(dtype=values, shape=shape, layout=kind, views=tuple(views))


def view_of(
    stored: Node, offset: Node, size: Node, stride: Node, *, kind: Global | None = None, flags: Node = None
) -> View | None:
    """Return the view that these arguments of a rebuild function describe, None if one of them is not exact."""
    storage = storage_of(stored)
    found = _extent_of(size, stride)
    if storage is None or found is None or type(offset) is not int or not 0 <= offset < LARGEST:
        return None
    dtype = storage.dtype if kind is None else dtype_of(kind)
    marks = _marks(flags)
    if dtype is None or marks is None:
        return None
    if not marks:
        return View(storage=storage, dtype=dtype, offset=offset, extent=found)
    return View(
        storage=storage, dtype=dtype, offset=offset, extent=found, conjugate="conj" in marks, negative="neg" in marks
    )


def _marks(flags: Node) -> frozenset[str] | None:
    """Return which of torch's lazy operations are set on a tensor; None where there are others than it has."""
    # Nearly every tensor has an empty OrderedDict here.
    if type(flags) is Call and type(flags.callee) is Global:
        if flags.callee.module != "collections" or flags.callee.name != "OrderedDict" or flags.state:
            return None
        if not flags.pairs:
            return _UNMARKED
        pairs = list(zip(flags.pairs[::2], flags.pairs[1::2], strict=False))
    elif type(flags) is Dict:
        pairs = flags.pairs()
    else:
        return None if flags is not None else frozenset()
    if not pairs:
        return frozenset()
    if any(key not in {"conj", "neg"} or not isinstance(value, bool) for key, value in pairs if isinstance(key, str)):
        return None
    if any(not isinstance(key, str) for key, _ in pairs):
        return None
    return frozenset(str(key) for key, value in pairs if value is True)


def storage_of(node: Node) -> Storage | None:
    """Return the storage that a persistent id names, None where it is not one or not exact."""
    # Checkpoints have tens of thousands of these, so it is plain tests and no `match`.
    args = node.args if type(node) is PersistentId else None
    if type(args) is not tuple or len(args) < 5 or args[0] != "storage":
        return None
    _, kind, key, device, count, *rest = args
    dtype = storage_dtype(kind)
    if dtype is None or type(count) is not int or not 0 <= count < LARGEST:
        return None
    if type(key) is not str:
        if type(key) is not int:
            return None
        key = str(key)
    if type(device) is not str:
        device = "cpu"
    whole = dtype.bytes_of(count)
    if not rest or rest == [None]:
        return Storage(key=key, whole=whole, dtype=dtype, start=0, length=whole, device=device)
    match rest:
        case [(str(_), int(first), int(size))] if 0 <= first < LARGEST and 0 <= size < LARGEST:
            # Files of torch 0.2 and 0.3 may look into a part of a storage.
            return Storage(
                key=key, whole=whole, dtype=dtype, start=dtype.bytes_of(first), length=dtype.bytes_of(size),
                device=device,
            )  # fmt: skip
    return None


def storage_key(node: Node) -> str | None:
    """Return the key of the storage that a persistent id names, whether or not the rest of it can be read."""
    args = node.args if type(node) is PersistentId else None
    return str(args[2]) if isinstance(args, tuple) and len(args) > 2 and args[0] == "storage" else None


def _extent_of(size: Node, stride: Node) -> Extent | None:
    shape, strides = _numbers(size), _numbers(stride)
    return None if shape is None or strides is None else sound_extent(shape, strides)


def _sizes(node: Node) -> tuple[int, ...] | None:
    """Return a tuple of sizes that are neither negative nor absurd."""
    sizes = _numbers(node)
    return sizes if sizes is not None and sound(sizes) else None


def _numbers(node: Node) -> tuple[int, ...] | None:
    if type(node) is not tuple:
        match node:
            case list():
                node = tuple(node)
            case Call(callee=Global(module="torch", name="Size"), args=(tuple() | list() as inner,)):
                node = tuple(inner)
            case _:
                return None
    for size in node:
        if type(size) is not int:
            return None
    return cast(tuple[int, ...], node)
