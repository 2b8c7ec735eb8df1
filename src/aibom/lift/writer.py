"""Write a safetensors file as a stream, and give it its name only when it is whole.

Format: the safetensors README; tensors stand by falling alignment of their type, then by name, as its library does.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path

from msgspec import Struct

from aibom.errors import OutputError

# safetensors' own order of types (`Dtype` in its Rust source), largest last.
_ORDER = ("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64", "F64",
          "I64", "U64")  # fmt: skip
_SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4,
          "U32": 4, "F32": 4, "C64": 8, "F64": 8, "I64": 8, "U64": 8}  # fmt: skip
_ALIGNMENT = 8
_SHOWN = 5
_HEADER_BYTES = 100_000_000  # what the safetensors library reads at most


class Outgoing(Struct, frozen=True, kw_only=True):
    """A tensor to be written. `content` yields its bytes in C order, little-endian; `shape` counts elements."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    content: Callable[[], Iterator[bytes]]

    @property
    def length(self) -> int:
        """Its size in bytes."""
        return prod(self.shape) * _SIZES[self.dtype]


def holds(dtype: str) -> bool:
    """Say whether a safetensors file can hold elements of this type."""
    return dtype in _SIZES


class Written(Struct, frozen=True, kw_only=True):
    """What was written: its `size` in bytes, and whether the safetensors library read it back (it needs numpy)."""

    size: int
    read_back: bool


def write(path: Path, tensors: Sequence[Outgoing]) -> Written:
    """Write the tensors to `path`, replacing what is there only at the very end.

    The safetensors library opens the file before it gets its name: what other readers make of it is what was meant.

    Raises:
        OutputError: it can't be written, or the library reads it otherwise; nothing is left behind.
    """
    ordered = sorted(tensors, key=lambda tensor: (-_ORDER.index(tensor.dtype), tensor.name))
    header = _header(ordered)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    except OSError as fault:
        raise OutputError(f"{path} can't be written: {fault.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as out:
            size = _put(out.fileno(), header)
            for tensor in ordered:
                written = sum(_put(out.fileno(), chunk) for chunk in tensor.content())
                if written != tensor.length:
                    raise OutputError(f"{tensor.name} has {written} bytes where {tensor.length} were announced")
                size += written
            os.fchmod(out.fileno(), 0o666 & ~_umask())
            os.fsync(out.fileno())
        read_back = _read_back(name, ordered)
        Path(name).replace(path)
        _sync_folder(path.parent)
    except OSError as fault:
        raise OutputError(f"{path} can't be written: {fault.strerror or fault}") from None
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
    return Written(size=size, read_back=read_back)


def _read_back(name: str, tensors: Sequence[Outgoing]) -> bool:
    """Hold the file against what its own library reads in it. False where that can't run: it opens none without numpy.

    It maps the file and looks at the header; no tensor is fetched.

    Raises:
        OutputError: the library refuses the file, or reads other tensors.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 -- only where a file is written

    try:
        with safe_open(name, "numpy") as opened:
            slices = {key: opened.get_slice(key) for key in opened.keys()}  # noqa: SIM118 -- it is no mapping
            found = {key: (item.get_dtype(), tuple(item.get_shape())) for key, item in slices.items()}
    except ModuleNotFoundError:
        return False
    except SafetensorError as fault:
        raise OutputError(f"what was written can't be read back: {fault}") from None
    meant = {tensor.name: (tensor.dtype, tensor.shape) for tensor in tensors}
    if found != meant:
        differing = sorted(key for key in {*found, *meant} if found.get(key) != meant.get(key))
        raise OutputError(f"what was written is read back otherwise: {', '.join(differing[:_SHOWN])}")
    return True


def _header(tensors: Sequence[Outgoing]) -> bytes:
    at = 0
    # transformers refuses files that do not say for which framework they were written.
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    for tensor in tensors:
        entries[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.length],
        }
        at += tensor.length
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > _HEADER_BYTES:
        raise OutputError(f"the names of the tensors need a header of {len(text)} bytes, more than can be read back")
    return len(text).to_bytes(8, "little") + text


def _put(descriptor: int, chunk: bytes) -> int:
    done = 0
    view = memoryview(chunk)
    while done < len(chunk):
        done += os.write(descriptor, view[done:])
    return done


def _umask() -> int:
    # The only way to learn it is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
