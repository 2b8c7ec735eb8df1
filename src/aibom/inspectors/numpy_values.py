"""Read NumPy arrays off the value graph of a pickle: dtype, shape, and where their bytes stand.

NumPy pickles an array as `_reconstruct(ndarray, (0,), b"b")` with the state (version, shape, dtype, fortran, bytes)
(`numpy/_core/src/multiarray/methods.c`, `array_reduce`), a dtype as `dtype(text, align, copy)` with a state that holds
byte order and fields (`descriptor.c`, `arraydescr_reduce`). joblib puts the bytes behind a wrapper object.
"""

from __future__ import annotations

from math import prod

from msgspec import Struct

from aibom.components import Tensor, TensorSummary
from aibom.inspectors.numpy_header import dtype_of_descr
from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, Node, RawArray
from aibom.inspectors.pytorch_names import Naming
from aibom.limits import Limits

_LARGEST = 1 << 62
_NESTING = 20
_HAS_OBJECTS = 0x01  # NPY_ITEM_REFCOUNT
_RECONSTRUCT = ("numpy._core.multiarray._reconstruct", "numpy.core.multiarray._reconstruct")
_FROM_BUFFER = ("numpy._core.numeric._frombuffer", "numpy.core.numeric._frombuffer")
_SCALAR = ("numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar")
_WRAPPERS = ("joblib.numpy_pickle.NumpyArrayWrapper",)
_NO_NUMBERS = frozenset({"OBJECT", "BYTES", "TEXT", "STRUCT", "DATETIME64", "TIMEDELTA64"})


class ItemType(Struct, frozen=True, kw_only=True):
    """The type of an array's items: `name` as safetensors spells it, `size` in bytes, `objects` if they are pickled."""

    name: str
    size: int
    objects: bool = False
    swapped: bool = False


class ArrayValue(Struct, frozen=True, kw_only=True):
    """An array. `offset` and `length` are where its bytes stand in the file in C order, None where they do not."""

    item: ItemType
    shape: tuple[int, ...]
    offset: int | None = None
    length: int | None = None


def item_type(node: Node, depth: int = _NESTING) -> ItemType | None:
    """Return what a pickled `numpy.dtype` is, None where that is not exactly known."""
    match node:
        case Call(callee=Global(module="numpy", name="dtype"), args=(str(text), *_), state=[*_, tuple(state)]):
            pass
        case Call(callee=Global(module="numpy", name="dtype"), args=(str(text), *_)):
            state = ()
        case Global(module="numpy.dtypes"):
            return None
        case _:
            return None
    found = dtype_of_descr(text)
    if found is None or depth == 0:
        return None
    name, size, swapped = found
    swapped = swapped or (size > 1 and len(state) > 1 and state[1] == ">")
    flags = state[7] if len(state) > 7 else None
    objects = name == "OBJECT" or (type(flags) is int and bool(flags & _HAS_OBJECTS))
    if name != "VOID":
        return ItemType(name=name, size=size, objects=objects, swapped=swapped)
    match state:
        case (_, _, (inner, tuple()), *_):
            part = item_type(inner, depth - 1)
            if part is None:
                return None
            return ItemType(name=part.name, size=size, objects=part.objects or objects, swapped=part.swapped)
        case (_, _, _, _, Dict() as fields, *_):
            parts = [item_type(_field_type(value), depth - 1) for _, value in fields.pairs()]
            if any(part is None for part in parts):
                return None
            objects = objects or any(part.objects for part in parts if part is not None)
    return ItemType(name="STRUCT", size=size, objects=objects, swapped=swapped)


def _field_type(node: Node) -> Node:
    return node[0] if isinstance(node, tuple) and node else None


def shape_of(node: Node) -> tuple[int, ...] | None:
    """Return a shape, None where it is not exactly known or absurd."""
    if type(node) is int:
        node = (node,)
    if not isinstance(node, tuple | list) or len(node) > 64:
        return None
    sizes = tuple(item for item in node if type(item) is int and 0 <= item < _LARGEST)
    if len(sizes) != len(node) or prod(size for size in sizes if size) >= _LARGEST:
        return None
    return sizes


def is_array(node: Node) -> bool:
    """Say whether a node is an array, whether or not it can be read."""
    match node:
        case RawArray():
            return True
        case Call() if node.calls(*_RECONSTRUCT, *_FROM_BUFFER, *_WRAPPERS):
            return True
        case _:
            return False


def read_array(node: Node) -> ArrayValue | None:
    """Return the array that a node stands for, None where anything about it is not exactly known."""
    match node:
        case RawArray(wrapper=wrapper):
            return _wrapped(node, wrapper)
        case Call(args=(Blob(offset=at, length=length), kind, shape, order, *_)) if node.calls(*_FROM_BUFFER):
            item, sizes = item_type(kind), shape_of(shape)
            if item is not None and sizes is not None:
                return _placed(item, sizes, at, length, fortran=order == "F")
        case Call(state=[*_, (_, shape, kind, fortran, content)]) if node.calls(*_RECONSTRUCT):
            item, sizes = item_type(kind), shape_of(shape)
            if item is None or sizes is None:
                return None
            if isinstance(content, Blob):
                return _placed(item, sizes, content.offset, content.length, fortran=fortran is not False)
            # Older protocols write bytes as text; objects are a list.
            return ArrayValue(item=item, shape=sizes)
    return None


def _wrapped(node: RawArray, wrapper: Call) -> ArrayValue | None:
    state = wrapper.state[-1] if wrapper.state else None
    if not isinstance(state, Dict):
        return None
    item, sizes = item_type(state.get("dtype")), shape_of(state.get("shape"))
    if item is None or sizes is None:
        return None
    if node.nested:
        return ArrayValue(item=item, shape=sizes)
    return _placed(item, sizes, node.offset, node.length, fortran=state.get("order") != "C")


def _placed(item: ItemType, shape: tuple[int, ...], offset: int, length: int, *, fortran: bool) -> ArrayValue | None:
    if length != prod(shape) * item.size and not item.objects:
        return None
    in_order = not fortran or sum(size != 1 for size in shape) < 2
    if item.objects or item.swapped or not in_order:
        return ArrayValue(item=item, shape=shape)
    return ArrayValue(item=item, shape=shape, offset=offset, length=length)


def summarize_arrays(roots: tuple[Node, ...], limits: Limits) -> TensorSummary | None:
    """Return the arrays of numbers that pickled objects hold, None if there are none. Each is counted once."""
    naming = Naming(is_array, read_array, limits.tensors)
    tensors: list[Tensor] = []
    by_dtype: dict[str, int] = {}
    counted: set[int] = set()
    found = False
    for root in roots:
        for named in naming.tensors(root):
            array = named.tensor
            if array is None or array.item.name in _NO_NUMBERS:
                continue
            found = True
            if id(named.node) not in counted:
                counted.add(id(named.node))
                name = array.item.name
                by_dtype[name] = by_dtype.get(name, 0) + prod(array.shape)
            tensors.append(
                Tensor(
                    name=named.name, dtype=array.item.name, shape=array.shape, offset=array.offset, length=array.length
                )
            )
    if not found and naming.complete:
        return None
    return TensorSummary(
        stored_elements=sum(by_dtype.values()),
        elements_by_dtype=by_dtype,
        tensors=tuple(tensors),
        complete=naming.complete,
    )
