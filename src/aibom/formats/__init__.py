"""Recognize what a file is: by its bytes first, by its name only where bytes can't tell."""

from __future__ import annotations

import struct

from aibom.files import Format
from aibom.formats.binary_shapes import by_shape
from aibom.formats.magic import by_signature, hdf5_offsets, is_hdf5
from aibom.formats.mismatch import EXTENSION_MISMATCH, mismatch, mismatch_finding
from aibom.formats.mismatch import RULES as MISMATCH_RULES
from aibom.formats.pickle_probe import is_pickle, walk
from aibom.formats.polyglots import RULES as POLYGLOT_RULES
from aibom.formats.polyglots import other_formats, polyglot_finding
from aibom.formats.roles import is_weight_name, role_of
from aibom.formats.tar_kinds import is_tar, kind_of_tar
from aibom.formats.texts import is_text, kind_of_text
from aibom.formats.zip_kinds import has_zip_directory, kind_of_zip, member_names
from aibom.sources.bytesource import ByteSource

__all__ = ["EXTENSION_MISMATCH", "RULES", "is_weight_name", "mismatch", "mismatch_finding", "other_formats",
           "polyglot_finding", "recognize", "role_of"]  # fmt: skip

RULES = (*MISMATCH_RULES, *POLYGLOT_RULES)

_PICKLE_ENDINGS = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".ckpt", ".dill", ".cloudpickle", ".p",
                   ".pdparams", ".pdopt", ".dat", ".data", ".sav", ".model")  # fmt: skip
# The number that torch.save wrote first before it wrote zips (torch/serialization.py, MAGIC_NUMBER).
_TORCH_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa85019")
_TORCH_MAGIC_TEXT = b"L119547037146038801333356L"
_BY_NAME = {
    ".onnx_data": Format.ONNX_EXTERNAL_DATA, ".onnx.data": Format.ONNX_EXTERNAL_DATA,
    ".pdiparams": Format.PADDLE_PARAMS, ".engine": Format.TENSORRT, ".plan": Format.TENSORRT, ".trt": Format.TENSORRT,
    "saved_model.pb": Format.TF_SAVEDMODEL, ".mlmodel": Format.COREML,
    ".msgpack": Format.FLAX_MSGPACK, ".llamafile": Format.LLAMAFILE, ".onnx": Format.ONNX,
}  # fmt: skip
_HDF5_PROBES = 24
_LOCAL_HEADER = 30  # bytes before the first member's name; APPNOTE.TXT 4.3.7


def recognize(name: str, head: bytes, size: int, data: ByteSource | None = None) -> Format:
    """Return what a file is.

    Args:
        name: its name or path; decides only among formats that bytes can't tell apart.
        head: its first bytes, a few KiB of them or all.
        size: of the whole file in bytes.
        data: the whole file. With it, directories at the end of zips are read, long first lines are followed and
            messages are walked; without it, the answer rests on `head` alone.
    """
    if not size:
        return Format.EMPTY
    leaf = name.rsplit("/", 1)[-1].lower()
    text = is_text(head, size)
    # A pickle that acts is one whatever else the same bytes are: `GIF89a...` is also an opcode and its argument.
    named_so = leaf.endswith(_PICKLE_ENDINGS)
    seen = walk(head, data)
    if seen.acts and not _is_whole_zip(head, data):
        return _kind_of_pickle(head)
    found = by_signature(head)
    if found is not None:
        return _kind_of_program(found, data) if found is Format.EXECUTABLE else _kind_of_hdf5(found, head)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04")):
        return kind_of_zip(leaf, head, data)
    if is_tar(head):
        return kind_of_tar(leaf, head, data)
    if is_pickle(seen, head, named_so=named_so, text=text):
        return _kind_of_pickle(head)
    if text:
        return kind_of_text(name, head, size, data)
    found = by_shape(head, size, data)
    # A list of Keras layers and a list of graph nodes look alike for a few bytes; the first has one name only.
    return found if found and leaf != "keras_metadata.pb" else _hidden(leaf, head, data)


def _is_whole_zip(head: bytes, data: ByteSource | None) -> bool:
    """Say whether a zip is no more than that, although its bytes can be walked as opcodes.

    `P` asks the loader for a persistent object and takes the rest of the line for its id. In an ordinary torch file
    that line ends somewhere in the first member's content, which is a stored pickle: what is walked behind it is no
    stream of its own, and no loader knows such an id. A line that ends in the member's name was made to be walked.
    """
    if not head.startswith(b"PK\x03\x04") or len(head) < _LOCAL_HEADER:
        return False
    name, extra = struct.unpack_from("<HH", head, 26)
    made_for_it = 0 <= head.find(b"\n", 4) < _LOCAL_HEADER + name + extra
    return not made_for_it and (data is None or has_zip_directory(data))


def _kind_of_pickle(head: bytes) -> Format:
    if _TORCH_MAGIC in head[:32] or head.startswith(_TORCH_MAGIC_TEXT):
        return Format.PYTORCH_LEGACY
    return Format.JOBLIB if b"joblib.numpy_pickle" in head else Format.PICKLE


def _kind_of_hdf5(found: Format, head: bytes) -> Format:
    if found is Format.HDF5 and (b"model_config" in head or b"keras_version" in head):
        return Format.KERAS_H5
    return found


def _kind_of_program(found: Format, data: ByteSource | None) -> Format:
    """Tell a llamafile (a program with a zip of weights behind it) from other programs."""
    if data is None or not has_zip_directory(data):
        return found
    names = tuple(member_names(data))
    return Format.LLAMAFILE if any(name.endswith((".gguf", ".args")) for name in names) else found


def _hidden(leaf: str, head: bytes, data: ByteSource | None) -> Format:
    """Look for what stands behind other bytes: an HDF5 user block, the directory of a zip with a prefix."""
    if data is not None:
        for offset in hdf5_offsets(data.size)[:_HDF5_PROBES]:
            block = head[offset : offset + 8] if offset + 8 <= len(head) else data.read_at(offset, 8)
            if is_hdf5(block):
                return Format.HDF5
        if has_zip_directory(data):
            return kind_of_zip(leaf, b"", data)
    if leaf == "keras_metadata.pb" and head[:1] == b"\x0a":
        return Format.TF_KERAS_METADATA
    for ending, found in _BY_NAME.items():
        if leaf.endswith(ending):
            return found
    return Format.TF_CHECKPOINT if ".data-" in leaf and "-of-" in leaf else Format.UNKNOWN
