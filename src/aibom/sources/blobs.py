"""Files of a target that lie in a store under the name of their digest: Ollama models and OCI layouts.

A blob store declares its own integrity: the name of every blob is the SHA-256 of its content.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from aibom.errors import TargetError
from aibom.files import Digest, escape_name
from aibom.sources.bytesource import ByteSource
from aibom.sources.local import open_regular
from aibom.sources.protocol import Entry, Fault

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_DOCUMENT_BYTES = 4 * 1024 * 1024
_MOST_LAYERS = 10_000


class Blob(Struct, frozen=True, kw_only=True):
    """One blob as a manifest names it. `size` is declared there, in bytes; `sha256` is hexadecimal."""

    media_type: str
    sha256: str
    size: int
    annotations: Mapping[str, str]

    def digest(self, source: str) -> Digest:
        """Return the digest that the manifest declares."""
        return Digest(algorithm="sha256", value=self.sha256, basis="declared", source=source)


def read_document(path: Path, what: str) -> dict[str, Any]:
    """Read a small JSON object of a store.

    Raises:
        TargetError: it is missing, too large, or not a JSON object.
    """
    try:
        with open_regular(os.fsencode(path.resolve(strict=True))) as data:
            if data.size > _DOCUMENT_BYTES:
                raise TargetError(f"{what} has {data.size} bytes, more than {_DOCUMENT_BYTES}")
            document = json.loads(data.read_at(0, data.size))
    except OSError as fault:
        raise TargetError(f"{what} can't be read: {fault.strerror}") from fault
    except (ValueError, RecursionError) as fault:
        raise TargetError(f"{what} is not JSON") from fault
    if not isinstance(document, dict):
        raise TargetError(f"{what} is not an object")
    return document


def read_layers(manifest: Mapping[str, Any], what: str) -> tuple[Blob, ...]:
    """Return the configuration and the layers of a manifest, the configuration first.

    Raises:
        TargetError: they are not described as the format asks.
    """
    layers = manifest.get("layers")
    if not isinstance(layers, list) or len(layers) > _MOST_LAYERS:
        raise TargetError(f"{what} lists no layers")
    config = manifest.get("config")
    return tuple(_blob(item, what) for item in ([config] if config is not None else []) + layers)


def _blob(item: object, what: str) -> Blob:
    match item:
        case {"mediaType": str(media_type), "digest": str(digest), "size": int(size), **more} if size >= 0:
            if (match := _DIGEST.fullmatch(digest)) is not None:
                notes = more.get("annotations")
                annotations = {str(k): str(v) for k, v in notes.items()} if isinstance(notes, dict) else {}
                return Blob(media_type=media_type, sha256=match[1], size=size, annotations=annotations)
    raise TargetError(f"{what} describes a layer without type, size and SHA-256 digest")


class BlobFolder:
    """The blobs on this disk, and the paths under which a target shows them."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder = folder
        self._prefix = prefix
        self._shown: dict[str, Path] = {}

    def path(self, sha256: str) -> Path:
        """Return where the blob of this digest is."""
        return self._folder / f"{self._prefix}{sha256}"

    def entry(self, name: str, blob: Blob, source: str) -> Entry:
        """Return the entry that shows a blob under a name; a name that is taken gets the digest's first digits."""
        shown = escape_name(name.encode("utf-8", "surrogatepass"))
        if shown in self._shown:
            stem, dot, ending = shown.rpartition(".")
            shown = f"{stem or ending}-{blob.sha256[:12]}{dot + ending if stem else ''}"
        if name.startswith("/") or ".." in name.split("/"):
            return Entry(path=shown, size=0, fault=Fault.UNSAFE_NAME, detail="it climbs out of the model")
        place = self.path(blob.sha256)
        try:
            size = place.stat().st_size
        except OSError:
            return Entry(path=shown, size=0, fault=Fault.DANGLING_SYMLINK, detail="its blob is not in the store")
        self._shown[shown] = place
        return Entry(path=shown, size=size, declared_digests=(blob.digest(source),), media_type=blob.media_type)

    def open(self, path: str) -> ByteSource:
        """Open what is shown under a path."""
        if path not in self._shown:
            raise FileNotFoundError(2, "no such file in the model", path)
        return self.open_file(self._shown[path])

    def open_file(self, place: Path) -> ByteSource:
        """Open a blob; a link that leads out of the store is refused."""
        resolved = place.resolve(strict=True)
        if not resolved.is_relative_to(self._folder.resolve()):
            raise PermissionError(13, "outside the store", place.name)
        return open_regular(os.fsencode(resolved))

    def names(self) -> Iterator[str]:
        """Yield the paths that are shown."""
        yield from self._shown
