"""Read TensorFlow's element types and shapes, which graphs, checkpoints and TFLite models spell alike."""

from __future__ import annotations

from aibom.inspectors.protobuf import Field, ProtobufReader

# tensorflow/core/framework/types.proto; a reference type is its number plus 100.
DTYPES = {
    1: "F32", 2: "F64", 3: "I32", 4: "U8", 5: "I16", 6: "I8", 7: "STRING", 8: "C64", 9: "I64", 10: "BOOL", 11: "QI8",
    12: "QU8", 13: "QI32", 14: "BF16", 15: "QI16", 16: "QU16", 17: "U16", 18: "C128", 19: "F16", 20: "RESOURCE",
    21: "VARIANT", 22: "U32", 23: "U64", 24: "F8_E5M2", 25: "F8_E4M3", 29: "I4", 30: "U4",
}  # fmt: skip
STRING, RESOURCE, VARIANT = 7, 20, 21
_DIMENSIONS = 254


def dtype_name(number: int) -> str:
    """Return the name of a type number."""
    return DTYPES.get(number % 100, f"DT_{number}")


def read_shape(reader: ProtobufReader, message: Field) -> tuple[int, ...] | None:
    """Read a TensorShapeProto; None where the rank or a dimension is not known."""
    shape: list[int] = []
    known = True
    for item in reader.inside(message):
        if item.number == 2 and len(shape) < _DIMENSIONS:
            size = 0
            for part in reader.inside(item):
                size = part.signed if part.number == 1 else size
            shape.append(size)
            known = known and size >= 0
        elif item.number == 3 and item.value:
            known = False
    return tuple(shape) if known else None
