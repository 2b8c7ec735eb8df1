"""Name torch's element types as safetensors does, with their sizes.

From torch's list of storage classes (`torch/storage.py`) and of dtypes (`torch.dtype`), 2.13.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from aibom.inspectors.pickle_nodes import Global, Node


class Dtype(Struct, frozen=True, kw_only=True):
    """An element type: `name` in safetensors' spelling or, where it has none, torch's in capitals; `size` in bytes.

    `per_byte` is 2 or 4 where that many elements share one byte; `size` is 1 then. `portable` says that safetensors
    can hold it.
    """

    name: str
    size: int
    portable: bool = True
    per_byte: int = 1

    def bytes_of(self, elements: int) -> int:
        """Return how many bytes that many elements take."""
        return -(-elements // self.per_byte) * self.size


def _kind(name: str, size: int, **options: bool) -> Dtype:
    return Dtype(name=name, size=size, **options)


UNTYPED = Dtype(name="U8", size=1)
"""What an untyped storage counts in."""
_F32, _F64, _F16, _BF16 = _kind("F32", 4), _kind("F64", 8), _kind("F16", 2), _kind("BF16", 2)
_I64, _I32, _I16, _I8, _U8 = _kind("I64", 8), _kind("I32", 4), _kind("I16", 2), _kind("I8", 1), _kind("U8", 1)
_BOOL, _C64, _C128 = _kind("BOOL", 1), _kind("C64", 8), _kind("C128", 16, portable=False)
_QI8, _QU8, _QI32 = (_kind(name, size, portable=False) for name, size in (("QINT8", 1), ("QUINT8", 1), ("QINT32", 4)))
_QU4 = Dtype(name="QUINT4X2", size=1, portable=False, per_byte=2)
_QU2 = Dtype(name="QUINT2X4", size=1, portable=False, per_byte=4)

_STORAGES: Mapping[str, Dtype] = MappingProxyType(
    {
        "FloatStorage": _F32, "DoubleStorage": _F64, "HalfStorage": _F16, "BFloat16Storage": _BF16,
        "LongStorage": _I64, "IntStorage": _I32, "ShortStorage": _I16, "CharStorage": _I8, "ByteStorage": _U8,
        "BoolStorage": _BOOL, "ComplexFloatStorage": _C64, "ComplexDoubleStorage": _C128,
        "QInt8Storage": _QI8, "QUInt8Storage": _QU8, "QInt32Storage": _QI32,
        "QUInt4x2Storage": _QU4, "QUInt2x4Storage": _QU2,
        "UntypedStorage": UNTYPED,
    }
)  # fmt: skip
_DTYPES: Mapping[str, Dtype] = MappingProxyType(
    {
        "float32": _F32, "float": _F32, "float64": _F64, "double": _F64, "float16": _F16, "half": _F16,
        "bfloat16": _BF16, "int64": _I64, "long": _I64, "int32": _I32, "int": _I32, "int16": _I16, "short": _I16,
        "int8": _I8, "uint8": _U8, "uint16": _kind("U16", 2), "uint32": _kind("U32", 4), "uint64": _kind("U64", 8),
        "bool": _BOOL, "complex64": _C64, "cfloat": _C64, "complex128": _C128, "cdouble": _C128,
        "complex32": _kind("C32", 4, portable=False), "chalf": _kind("C32", 4, portable=False),
        "float8_e4m3fn": _kind("F8_E4M3", 1), "float8_e5m2": _kind("F8_E5M2", 1),
        "float8_e4m3fnuz": _kind("F8_E4M3FNUZ", 1, portable=False),
        "float8_e5m2fnuz": _kind("F8_E5M2FNUZ", 1, portable=False),
        "float8_e8m0fnu": _kind("F8_E8M0", 1, portable=False),
        "float4_e2m1fn_x2": _kind("F4_E2M1FN_X2", 1, portable=False),
        "qint8": _QI8, "quint8": _QU8, "qint32": _QI32, "quint4x2": _QU4, "quint2x4": _QU2,
    }
)  # fmt: skip
_STORAGE_MODULES = frozenset({"torch", "torch.cuda", "torch.storage", "torch.sparse"})


def storage_dtype(node: Node) -> Dtype | None:
    """Return the element type of a storage class, None where it is not known."""
    if type(node) is Global and node.module in _STORAGE_MODULES:
        return _STORAGES.get(node.name)
    return None


def dtype_of(node: Node) -> Dtype | None:
    """Return the element type that `torch.<name>` is, None where it is not known."""
    if isinstance(node, Global) and node.module == "torch":
        return _DTYPES.get(node.name)
    return None


def dtype_named(name: str) -> Dtype | None:
    """Return the element type that torch calls `name`, None where it is not known."""
    return _DTYPES.get(name)
