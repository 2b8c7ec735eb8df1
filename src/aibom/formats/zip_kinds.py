"""Tell kinds of zip apart by the names in their directory."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from aibom.files import Format
from aibom.sources.bytesource import ByteSource

_TAIL = 22 + 0xFFFF  # the end record and the longest comment
_DIRECTORY = 4 * 1024 * 1024  # of names are enough to tell what it is
_NAMES = 50_000


def kind_of_zip(name: str, head: bytes, data: ByteSource | None) -> Format:
    """Return the format of what begins with a zip's local header (or has a zip's directory at its end)."""
    names = (
        frozenset(_first_local_names(head))
        if data is None
        else frozenset(member_names(data)) or frozenset(_first_local_names(head))
    )
    return _by_names(names, name.lower())


def _by_names(names: frozenset[str], file_name: str) -> Format:
    leaves = {member.rsplit("/", 1)[-1] for member in names}
    # Which loader opens it goes by the name: a `data.pkl` put into a Keras archive does not make torch read it, and is
    # looked at as a member all the same.
    if "config.json" in names and file_name.endswith(".keras"):
        return Format.KERAS_V3
    if "schema.json" in names and file_name.endswith(".skops"):
        return Format.SKOPS
    if "data.pkl" in leaves or (file_name.endswith((".pt", ".pth", ".ckpt", ".bin")) and "version" in leaves):
        script = "constants.pkl" in leaves or any("/code/" in f"/{member}" for member in names)
        return Format.TORCHSCRIPT if script else Format.PYTORCH_ZIP
    if "archive_format" in leaves or "serialized_exported_program.json" in leaves:
        return Format.PT2
    if "constants.pkl" in leaves:
        return Format.TORCHSCRIPT
    if "MAR-INF/MANIFEST.json" in names:
        return Format.TORCHSERVE_MAR
    if "config.json" in names and leaves & {"metadata.json", "model.weights.h5"}:
        return Format.KERAS_V3
    if "schema.json" in names:
        return Format.SKOPS
    # A folder that was packed may hold an array among other things, and is no archive of arrays for that.
    arrays = [member.endswith((".npy", "/")) for member in names]
    if any(member.endswith(".npy") for member in names) and (all(arrays) or file_name.endswith(".npz")):
        return Format.NUMPY_NPZ
    return Format.ZIP


def has_zip_directory(data: ByteSource) -> bool:
    """Say whether a zip's end record stands at the end of the file and points back into it."""
    return _directory(data) is not None


def member_names(data: ByteSource) -> Iterator[str]:
    """Yield the names of the central directory, as far as it can be read."""
    found = _directory(data)
    if found is None:
        return
    start, size = found
    raw = data.read_at(start, min(size, _DIRECTORY))
    at = 0
    for _ in range(_NAMES):
        if raw[at : at + 4] != b"PK\x01\x02" or at + 46 > len(raw):
            return
        name, extra, comment = struct.unpack_from("<3H", raw, at + 28)
        yield raw[at + 46 : at + 46 + name].decode("utf-8", "replace").replace("\\", "/")
        at += 46 + name + extra + comment


def _directory(data: ByteSource) -> tuple[int, int] | None:
    """Return offset and size of the central directory in bytes (APPNOTE.TXT 4.3.14-16), None where there is none."""
    length = min(data.size, _TAIL)
    tail = data.read_at(data.size - length, length)
    base = data.size - len(tail)
    end = tail.rfind(b"PK\x05\x06")
    while end >= 0:
        if end + 22 <= len(tail):
            size, offset = struct.unpack_from("<2I", tail, end + 12)
            large = _large_directory(data, tail, end) if 0xFFFFFFFF in {size, offset} else None
            if large is not None:
                offset, size = large
            # What a prefix of other bytes has shifted is found by its distance from the end record.
            locator = 76 if tail[max(0, end - 20) : end].startswith(b"PK\x06\x07") else 0
            for start in (offset, base + end - locator - size):
                if 0 <= start < data.size and (not size or data.read_at(start, 4) == b"PK\x01\x02"):
                    return start, size
        end = tail.rfind(b"PK\x05\x06", 0, end)
    return None


def _large_directory(data: ByteSource, tail: bytes, end: int) -> tuple[int, int] | None:
    locator = tail[max(0, end - 20) : end]
    if not locator.startswith(b"PK\x06\x07") or len(locator) < 20:
        return None
    (at,) = struct.unpack_from("<Q", locator, 8)
    record = data.read_at(at, 56) if at < data.size else b""
    if not record.startswith(b"PK\x06\x06") or len(record) < 56:
        return None
    size, offset = struct.unpack_from("<2Q", record, 40)
    return offset, size


def _first_local_names(head: bytes) -> Iterator[str]:
    at = 0
    while head[at : at + 4] == b"PK\x03\x04" and at + 30 <= len(head):
        size, _, name, extra = struct.unpack_from("<2I2H", head, at + 18)
        yield head[at + 30 : at + 30 + name].decode("utf-8", "replace").replace("\\", "/")
        at += 30 + name + extra + size
