"""Read ONNX tensors: type, shape, where the bytes lie. The bytes themselves are skipped.

Field and type numbers are those of onnx.proto (onnx 1.23, IR version 14).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from msgspec import Struct, field

from aibom.errors import MalformedFile
from aibom.inspectors.protobuf import Field, ProtobufReader, Wire
from aibom.limits import Limits

_DIMENSIONS = 64  # numpy's and torch's own bound
_KEYS = 16  # key-value pairs of one external-data entry; the format knows five
_NAME_BYTES = 4096
_CHUNK = 1 << 20
_CONTINUED = bytes(range(0x80, 0x100))


class ElementType(NamedTuple):
    """An element type, in safetensors' spelling, and its size.

    In the typed fields an element takes `numbers` numbers, or `per_number` elements share one.
    """

    name: str
    bits: int
    numbers: int = 1
    per_number: int = 1

    def bytes_of(self, elements: int) -> int:
        """Return the bytes that so many elements take."""
        return -(-elements * self.bits // 8)

    def numbers_of(self, elements: int) -> int:
        """Return how many numbers of a typed field hold so many elements."""
        return -(-elements * self.numbers // self.per_number)


_TYPES = {
    1: ElementType("F32", 32), 2: ElementType("U8", 8), 3: ElementType("I8", 8), 4: ElementType("U16", 16),
    5: ElementType("I16", 16), 6: ElementType("I32", 32), 7: ElementType("I64", 64), 8: ElementType("STRING", 0),
    9: ElementType("BOOL", 8), 10: ElementType("F16", 16), 11: ElementType("F64", 64), 12: ElementType("U32", 32),
    13: ElementType("U64", 64), 14: ElementType("C64", 64, 2), 15: ElementType("C128", 128, 2),
    16: ElementType("BF16", 16), 17: ElementType("F8_E4M3", 8), 18: ElementType("F8_E4M3FNUZ", 8),
    19: ElementType("F8_E5M2", 8), 20: ElementType("F8_E5M2FNUZ", 8), 21: ElementType("U4", 4, 1, 2),
    22: ElementType("I4", 4, 1, 2), 23: ElementType("F4", 4, 1, 2), 24: ElementType("F8_E8M0", 8),
    25: ElementType("U2", 2, 1, 4), 26: ElementType("I2", 2, 1, 4), 27: ElementType("F6_E2M3", 6),
    28: ElementType("F6_E3M2", 6),
}  # fmt: skip
# float_data, int32_data, int64_data, double_data, uint64_data: bytes of an element, 0 for varints.
_TYPED = {4: 4, 5: 0, 7: 0, 10: 8, 11: 0}


class OnnxTensor(Struct):
    """A TensorProto. `offset` and `length` are those of the bytes in the file where they are laid out as in memory."""

    place: int
    name: str = ""
    type: ElementType | None = None
    type_number: int = 0
    shape: list[int] = field(default_factory=list)
    offset: int | None = None
    length: int | None = None
    stored: int = 0
    external: dict[str, str] | None = None
    is_external: bool = False

    @property
    def elements(self) -> int:
        """The product of the shape."""
        return prod(self.shape)

    def fault(self) -> str | None:
        """Say what contradicts the shape, None if nothing does."""
        if self.type is None:
            return f"has the unknown type {self.type_number}"
        if any(size < 0 for size in self.shape):
            return f"has a negative dimension: {self.shape}"
        needed = self.type.bytes_of(self.elements)
        if self.is_external:
            declared = (self.external or {}).get("length", "")[:20]
            if declared.isdecimal() and declared.isascii() and int(declared) != needed and self.type.bits:
                return f"needs {needed} bytes for its shape, its external data has {declared}"
        elif self.length is not None:
            if self.length != needed:
                return f"needs {needed} bytes for its shape and holds {self.length}"
        elif self.stored != self.type.numbers_of(self.elements):
            return f"needs {self.type.numbers_of(self.elements)} values for its shape and holds {self.stored}"
        return None


def read_tensor(reader: ProtobufReader, message: Field, limits: Limits) -> OnnxTensor:
    """Read a TensorProto without its data."""
    tensor = OnnxTensor(place=message.offset)
    typed: list[Field] = []
    pairs: dict[str, str] = {}
    for item in reader.inside(message):
        match item.number:
            case 1:
                tensor.shape.extend(reader.packed(item, _DIMENSIONS))
                if len(tensor.shape) > _DIMENSIONS:
                    raise MalformedFile(f"a tensor of more than {_DIMENSIONS} dimensions", offset=item.offset)
            case 2:
                tensor.type_number = item.value
                tensor.type = _TYPES.get(item.value)
            case 8:
                tensor.name = reader.text(item, _NAME_BYTES)
            case 9 if item.wire is Wire.BYTES:
                tensor.offset, tensor.length = item.offset, item.length
            case 13:
                pairs.update(read_pair(reader, item, limits))
                if len(pairs) > _KEYS:
                    raise MalformedFile(f"more than {_KEYS} external-data keys on one tensor", offset=item.offset)
            case 14:
                tensor.is_external = item.value == 1
            case 4 | 5 | 7 | 10 | 11:
                tensor.stored += _stored(reader, item)
                typed = [*typed[:1], item]
            case 6:
                tensor.stored += 1
    tensor.external = pairs or None
    _place_typed(tensor, typed)
    return tensor


def _place_typed(tensor: OnnxTensor, typed: list[Field]) -> None:
    """One packed run of floats is laid out as in memory, so that its bytes can be digested like raw data."""
    if tensor.length is not None or tensor.type is None or len(typed) != 1 or typed[0].wire is not Wire.BYTES:
        return
    if _TYPED[typed[0].number] * tensor.type.numbers * 8 == tensor.type.bits:
        tensor.offset, tensor.length = typed[0].offset, typed[0].length


def _stored(reader: ProtobufReader, item: Field) -> int:
    """Count the numbers of a typed field."""
    if item.wire is not Wire.BYTES:
        return 1
    width = _TYPED[item.number]
    if width:
        if item.length % width:
            raise MalformedFile(f"{item.length} bytes hold no whole number of {width}-byte values", offset=item.offset)
        return item.length // width
    # A varint ends at the byte without the continuation bit.
    return sum(len(part.translate(None, _CONTINUED)) for part in _chunks(reader, item))


def _chunks(reader: ProtobufReader, item: Field) -> Iterator[bytes]:
    for start in range(item.offset, item.end, _CHUNK):
        length = min(_CHUNK, item.end - start)
        yield reader.raw(Field(item.number, Wire.BYTES, 0, start, length), length)


def read_pair(reader: ProtobufReader, message: Field, limits: Limits) -> dict[str, str]:
    """Read a StringStringEntryProto."""
    key = value = ""
    for item in reader.inside(message):
        match item.number:
            case 1:
                key = reader.text(item, limits.metadata_value_bytes)
            case 2:
                value = reader.text(item, limits.metadata_value_bytes)
    return {key: value}
