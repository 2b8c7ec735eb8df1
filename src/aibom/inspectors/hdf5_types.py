"""Read HDF5 element types and filters (specification IV.A.2.d and IV.A.2.l)."""

from __future__ import annotations

from msgspec import Struct

from aibom.inspectors.hdf5_blocks import Cursor

STRING = 3
_INTEGER, _FLOAT, _BITFIELD, _OPAQUE, _COMPOUND, _ENUM, _VARIABLE = 0, 1, 4, 5, 6, 8, 9
# Exponent bits tell floats of one size apart.
_FLOATS = {(8, 4): "F8_E4M3", (8, 5): "F8_E5M2", (16, 5): "F16", (16, 8): "BF16", (32, 8): "F32", (64, 11): "F64"}


class Datatype(Struct, frozen=True, kw_only=True):
    """An element type. `name` is in safetensors' spelling where there is one, "" for what is no number.

    `in_order` says that its bytes are known to be little-endian.
    """

    kind: int
    size: int
    name: str
    in_order: bool
    is_text: bool = False


def read_datatype(body: Cursor) -> Datatype:
    """Read a datatype message."""
    kind = body.number(1) & 0xF
    bits, size = body.number(3), body.number(4)
    name = ""
    if kind in {_INTEGER, _BITFIELD}:
        name = f"{'I' if bits & 8 else 'U'}{8 * size}"
    elif kind == _FLOAT:
        body.take(5)
        name = _FLOATS.get((8 * size, body.number(1)), f"F{8 * size}")
    elif kind == _ENUM:
        # h5py writes bool as an enumeration of one byte.
        name = "BOOL" if size == 1 else f"I{8 * size}"
    elif kind == _OPAQUE:
        name = f"V{size}"
    elif kind == _COMPOUND and bits & 0xFFFF == 2 and body.block[body.at :].startswith((b"r\0", b"real\0")):
        name = f"C{8 * size}"
    # Bit 0 is the byte order of a number (bit 6 is VAX's); those of an enumeration and a pair have types of their own.
    in_order = size == 1 or kind == _OPAQUE or (kind in {_INTEGER, _BITFIELD, _FLOAT} and not bits & 0x41)
    is_text = kind == STRING or (kind == _VARIABLE and bits & 15 == 1)
    return Datatype(kind=kind, size=size, name=name, in_order=in_order, is_text=is_text)


def read_filters(body: Cursor) -> tuple[int, ...]:
    """Read the numbers of the filters that a chunked dataset passes through."""
    version, count = body.number(1), body.number(1)
    body.take(6 if version == 1 else 0)
    found = []
    for _ in range(count):
        kind = body.number(2)
        named = version == 1 or kind >= 256
        name = body.number(2) if named else 0
        body.take(2)
        values = body.number(2)
        body.take(name + (-name % 8 if version == 1 else 0))
        body.take(4 * values + (4 if version == 1 and values % 2 else 0))
        found.append(kind)
    return tuple(found)
