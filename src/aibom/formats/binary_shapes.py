"""Recognize binary formats that have no signature: safetensors, protobuf messages, MessagePack, UBJSON, raw streams."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from aibom.files import Format
from aibom.sources.bytesource import ByteSource

_HEADER = re.compile(rb"\s*\{\s*(\"|\}|$)")
_FIELDS = 4096
_TABLE_END = bytes.fromhex("57fb808b247547db")  # LevelDB's table footer, which TensorFlow's index files share


def by_shape(head: bytes, size: int, data: ByteSource | None) -> Format | None:
    """Return the format that the structure of the first bytes shows."""
    for probe in (_safetensors, _ubjson, _msgpack, _zlib, _lzma, _protobuf, _table):
        found = probe(head, size, data)
        if found is not None:
            return found
    return None


def _safetensors(head: bytes, size: int, _data: ByteSource | None) -> Format | None:
    # Eight bytes of length, then JSON. A length beyond the file is a fault for the inspector, not another format.
    length = int.from_bytes(head[:8], "little")
    sane = len(head) > 8 and 2 <= length < 1 << 48 and size >= 8
    return Format.SAFETENSORS if sane and _HEADER.match(head[8:64]) else None


def _ubjson(head: bytes, _size: int, _data: ByteSource | None) -> Format | None:
    widths = {ord("i"): 1, ord("U"): 1, ord("I"): 2, ord("l"): 4, ord("L"): 8}
    if head[:1] != b"{" or len(head) < 4 or head[1] not in widths:
        return None
    at = 2 + widths[head[1]]
    length = int.from_bytes(head[2:at])
    key = head[at : at + length]
    return Format.XGBOOST_UBJ if key in {b"learner", b"version", b"Config", b"Model"} else None


def _zlib(head: bytes, _size: int, _data: ByteSource | None) -> Format | None:
    if len(head) < 8 or head[0] != 0x78 or (head[0] << 8 | head[1]) % 31 or head[1] & 0x20:
        return None
    try:
        out = zlib.decompressobj().decompress(head, 64)
    except zlib.error:
        return None
    return Format.ZLIB if out else None


def _lzma(head: bytes, _size: int, _data: ByteSource | None) -> Format | None:
    # LZMA_alone: properties 0x5d (lc=3 lp=0 pb=2), a dictionary of 2^n or 2^n + 2^(n-1) bytes, the size or -1.
    if len(head) < 13 or head[0] != 0x5D:
        return None
    dictionary = int.from_bytes(head[1:5], "little")
    usual = dictionary >= 1 << 12 and (dictionary & (dictionary - 1) == 0 or dictionary in _SUMS)
    length = int.from_bytes(head[5:13], "little")
    return Format.LZMA if usual and (length == (1 << 64) - 1 or length < 1 << 44) else None


_SUMS = frozenset((1 << power) + (1 << power - 1) for power in range(12, 32))


def _table(_head: bytes, size: int, data: ByteSource | None) -> Format | None:
    if data is None or size < 48:
        return None
    return Format.TF_CHECKPOINT if data.read_at(size - 8, 8) == _TABLE_END else None


def _msgpack(head: bytes, _size: int, _data: ByteSource | None) -> Format | None:
    """Recognize flax parameters: a map with text keys that leads to arrays (extension type 1) or further maps."""
    at, keys = 0, 0
    while at < len(head) and keys < 32:
        at = _map_header(head, at)
        if not at:
            return None
        key_end = _text_end(head, at)
        if not key_end:
            return None
        keys += 1
        at = key_end
        kind = head[at : at + 1]
        if kind in {b"\xc7", b"\xc8", b"\xc9"}:
            width = {0xC7: 1, 0xC8: 2, 0xC9: 4}[kind[0]]
            return Format.FLAX_MSGPACK if head[at + 1 + width : at + 2 + width] in {b"\x01", b"\x02", b"\x03"} else None
    return None


def _map_header(head: bytes, at: int) -> int:
    """Return where the first key of the map at `at` starts, 0 where there is no map."""
    code = head[at]
    if 0x81 <= code <= 0x8F:
        return at + 1
    return at + (3 if code == 0xDE else 5) if code in {0xDE, 0xDF} else 0


def _text_end(head: bytes, at: int) -> int:
    """Return where the text at `at` ends, 0 where there is none within the bytes at hand."""
    if at >= len(head):
        return 0
    code = head[at]
    if 0xA0 <= code <= 0xBF:
        end = at + 1 + (code & 0x1F)
    elif code == 0xD9 and at + 1 < len(head):
        end = at + 2 + head[at + 1]
    else:
        return 0
    return end if end < len(head) else 0


# --- protobuf ---------------------------------------------------------------------------------------------------------

_ONNX_VARINTS = frozenset({1, 5})
_ONNX_MESSAGES = frozenset({2, 3, 4, 6, 7, 8, 14, 20, 25, 26})
_COREML_LAST = 4000  # Model.proto's kinds of model are fields 200 to 3000


def _protobuf(head: bytes, size: int, data: ByteSource | None) -> Format | None:
    """Recognize messages by which fields they have (onnx.proto, saved_model.proto, Model.proto, sentencepiece)."""
    varints: set[int] = set()
    messages: dict[int, bytes] = {}
    for number, kind, content in fields(head, size, data):
        if kind is None:
            return None
        if kind == 0:
            varints.add(number)
        elif kind == 2:
            messages.setdefault(number, content)
        else:
            return None
        if number > _COREML_LAST:
            return None
    if 7 in messages and varints <= _ONNX_VARINTS and messages.keys() <= _ONNX_MESSAGES:
        return Format.ONNX if varints or 8 in messages else None
    if 25 in messages and 8 in messages and varints <= _ONNX_VARINTS and messages.keys() <= _ONNX_MESSAGES:
        return Format.ONNX
    if 1 in varints and any(number >= 200 for number in messages) and messages.keys() - {2} <= _COREML_KINDS:
        return Format.COREML
    if varints == {1} and messages.keys() == {2} and messages[2][:1] in {b"\x0a", b"\x12"}:
        return Format.TF_SAVEDMODEL
    return _repeated_first(messages) if 1 in messages else None


_COREML_KINDS = frozenset(range(200, _COREML_LAST))


def _repeated_first(messages: dict[int, bytes]) -> Format | None:
    """Tell a SentencePiece model from a TensorFlow graph: both are a long list of small messages."""
    inner = list(fields(messages[1], len(messages[1]), None))
    kinds = {number: kind for number, kind, _ in inner}
    if kinds.get(1) == 2 and kinds.get(2) == 5 and messages.keys() <= {1, 2, 3, 4, 5}:
        return Format.SENTENCEPIECE
    # Readers pass over fields that they do not know, so a further field makes it no other message.
    names = {number: content for number, _, content in inner}
    operation = names.get(2, b"")
    if kinds.get(1) == 2 and operation[:1].isalpha() and operation.isascii():
        return Format.TF_GRAPHDEF
    return None


def fields(head: bytes, size: int, data: ByteSource | None) -> Iterator[tuple[int, int | None, bytes]]:
    """Yield number, wire type and first bytes of each top-level field; a wire type of None is a fault.

    Lengths are skipped, never read. Without `data` it ends with the bytes at hand.
    """
    at = 0
    for count in range(_FIELDS):
        if at >= size or (data is None and at >= len(head)):
            return
        chunk = head[at : at + 512] if at + 32 <= len(head) or data is None else data.read_at(at, 512)
        tag, used = _varint(chunk, 0)
        kind, number = tag & 7, tag >> 3
        if not used or not number:
            yield 0, None, b""
            return
        if kind == 0:
            _, length = _varint(chunk, used)
            content = b""
        elif kind == 2:
            inner, width = _varint(chunk, used)
            content = chunk[used + width : used + width + min(inner, 512)]
            length = width + inner if width else 0
        else:
            length = {1: 8, 5: 4}.get(kind, 0)
            content = b""
        if not length or at + used + length > size:
            truncated = data is None and count > 0
            if not truncated:
                yield number, None, b""
            return
        yield number, kind, content
        at += used + length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a value and its width in bytes; width 0 where it does not end."""
    value = 0
    for index, byte in enumerate(raw[at : at + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, index + 1
    return 0, 0
