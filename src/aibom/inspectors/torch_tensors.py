"""Read the tensors that a pickled torch object holds off its value graph: dtype, shape, strides, which storage.

torch pickles a tensor as a call of one of the `_rebuild_*` functions of `torch/_utils.py` on a storage, which the
persistent id `("storage", class, key, device, elements)` names (`torch/serialization.py`).
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from aibom.inspectors.pickle_nodes import Call, Dict, Global, Node, PersistentId
from aibom.inspectors.pytorch_dtypes import dtype_of, storage_dtype
from aibom.inspectors.torch_views import Storage, TorchTensor, View

_LARGEST = 1 << 62
_MOST_DIMENSIONS = 64  # torch itself allows 64
_TENSOR_CLASSES = frozenset(
    {"torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"}
)
_DATA_ATTRIBUTES = frozenset({"data", "real", "imag"})
_NESTING = 4
_QUANTIZED, _META = "quantized", "meta"


def is_tensor_call(node: Node) -> bool:
    """Say whether a node is made by one of torch's functions that rebuild tensors, whether or not it can be read."""
    return type(node) is Call and type(node.callee) is Global and _rebuilds(node.callee.module, node.callee.name)


# Few names, tens of thousands of calls.
@lru_cache(maxsize=64)
def _rebuilds(module: str, name: str) -> bool:
    return module.startswith("torch") and name.rpartition(".")[2].startswith("_rebuild")


def read_tensor(node: Node, depth: int = _NESTING) -> TorchTensor | None:
    """Return the tensor that a node stands for, None where anything about it is not exactly known.

    At most `depth` tensors within each other are followed: a parameter holds one, real files no more than two.
    """
    if not isinstance(node, Call) or not isinstance(node.callee, Global) or not isinstance(node.args, tuple):
        return None
    # `Tensor.__setstate__` takes another storage, and methods called on a tensor may write into it.
    if node.state or node.items or node.pairs:
        return None
    return _rebuilt(node.callee, node.args, depth)


def _rebuilt(callee: Global, args: tuple[Node, ...], depth: int) -> TorchTensor | None:
    if depth == 0:
        return None
    match callee.path, args:
        case "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2", (stored, int(at), size, stride, *rest):
            return _dense(view_of(stored, at, size, stride, flags=rest[2] if len(rest) > 2 else None))
        case "torch._utils._rebuild_tensor_v3", (stored, int(at), size, stride, _, _, Global() as kind, *rest):
            return _dense(view_of(stored, at, size, stride, kind=kind, flags=rest[0] if rest else None))
        case "torch._utils._rebuild_parameter", (Call() as inner, *_):
            return read_tensor(inner, depth - 1)
        case "torch._utils._rebuild_parameter_with_state", (Call() as inner, _, _, state) if _keeps_data(state):
            return read_tensor(inner, depth - 1)
        case (
            "torch._tensor._rebuild_from_type_v2"
            | "torch._tensor._rebuild_from_type"
            | "torch.tensor._rebuild_from_type",
            (Global() as maker, Global() as kind, tuple(inner_args), state),
        ) if kind.path in _TENSOR_CLASSES and _keeps_data(state):
            return _rebuilt(maker, inner_args, depth - 1)
        case "torch._utils._rebuild_qtensor", (stored, int(at), size, stride, *_):
            found = view_of(stored, at, size, stride)
            if found is not None:
                return TorchTensor(dtype=found.dtype.name, shape=found.shape, layout=_QUANTIZED, views=(found,))
        case "torch._utils._rebuild_meta_tensor_no_storage", (Global() as kind, size, *_):
            dtype, shape = dtype_of(kind), _sizes(size)
            if dtype is not None and shape is not None:
                return TorchTensor(dtype=dtype.name, shape=shape, layout=_META)
        case "torch._utils._rebuild_sparse_tensor" | "torch._utils._rebuild_sparse_csr_tensor", (layout, tuple(parts)):
            return _sparse(layout, parts)
        case "torch._utils._rebuild_nested_tensor", (Call() as buffer, *_):
            inner_tensor = read_tensor(buffer, 1)
            if inner_tensor is not None and inner_tensor.dense:
                return TorchTensor(
                    dtype=inner_tensor.dtype, shape=inner_tensor.shape, layout="nested", views=inner_tensor.views
                )
    return None


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
    stored: Node, offset: int, size: Node, stride: Node, *, kind: Global | None = None, flags: Node = None
) -> View | None:
    """Return the view that these arguments of a rebuild function describe, None if one of them is not exact."""
    storage = storage_of(stored)
    shape, strides = _sizes(size), _sizes(stride)
    if storage is None or shape is None or strides is None or len(shape) != len(strides) or type(offset) is not int:
        return None
    dtype = storage.dtype if kind is None else dtype_of(kind)
    if dtype is None or not 0 <= offset < _LARGEST:
        return None
    marks = _marks(flags)
    if marks is None:
        return None
    return View(
        storage=storage, dtype=dtype, offset=offset, shape=shape, stride=strides,
        conjugate="conj" in marks, negative="neg" in marks,
    )  # fmt: skip


def _marks(flags: Node) -> frozenset[str] | None:
    """Return which of torch's lazy operations are set on a tensor; None where there are others than it has."""
    # Nearly every tensor has an empty OrderedDict here.
    if type(flags) is Call and type(flags.callee) is Global:
        if flags.callee.module != "collections" or flags.callee.name != "OrderedDict" or flags.state:
            return None
        pairs = list(zip(flags.pairs[::2], flags.pairs[1::2], strict=False)) if flags.pairs else []
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
    if not isinstance(args, tuple) or len(args) < 5 or args[0] != "storage":
        return None
    kind, key, device, count = args[1], args[2], args[3], args[4]
    dtype = storage_dtype(kind)
    if dtype is None or type(key) not in {str, int} or type(count) is not int or not 0 <= count < _LARGEST:
        return None
    whole = dtype.bytes_of(count)
    start, length = 0, whole
    if len(args) > 5 and args[5:] != (None,):
        match args[5:]:
            case ((str(_), int(first), int(size)),) if 0 <= first < _LARGEST and 0 <= size < _LARGEST:
                # Files of torch 0.2 and 0.3 may look into a part of a storage.
                start, length = dtype.bytes_of(first), dtype.bytes_of(size)
            case _:
                return None
    return Storage(
        key=str(key), whole=whole, dtype=dtype, start=start, length=length,
        device=device if isinstance(device, str) else "cpu",
    )  # fmt: skip


def storage_key(node: Node) -> str | None:
    """Return the key of the storage that a persistent id names, whether or not the rest of it can be read."""
    args = node.args if type(node) is PersistentId else None
    return str(args[2]) if isinstance(args, tuple) and len(args) > 2 and args[0] == "storage" else None


def _sizes(node: Node) -> tuple[int, ...] | None:
    """Return a tuple of sizes that are neither negative nor absurd."""
    match node:
        case tuple():
            pass
        case Call(callee=Global(module="torch", name="Size"), args=(inner,)):
            node = inner
        case _:
            pass
    if not isinstance(node, tuple | list) or len(node) > _MOST_DIMENSIONS:
        return None
    sizes = tuple([item for item in node if type(item) is int and 0 <= item < _LARGEST])
    if len(sizes) != len(node) or (prod(sizes) or prod(filter(None, sizes))) >= _LARGEST:
        return None
    return sizes
