"""A model packed as an OCI artifact, in a layout on this disk: CNCF ModelPack, KitOps, or any layers of files.

Layout: OCI image-layout 1.0 (`oci-layout`, `index.json`, `blobs/sha256/<hex>`). Layers that are tars are opened in
place; their blob is digested when they are listed, since the digest that the manifest declares is that of the blob.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from aibom.digests import HASH_MISMATCH, FilePlan, digest
from aibom.errors import TargetError
from aibom.files import Location
from aibom.findings import Finding
from aibom.limits import Limits
from aibom.report import Skipped, SourceFacts
from aibom.sources.archive import ArchiveSource, open_archive
from aibom.sources.blobs import Blob, BlobFolder, read_document, read_layers
from aibom.sources.bytesource import ByteSource
from aibom.sources.protocol import Entry

_FILE_PATH = ("org.cncf.model.filepath", "org.opencontainers.image.title")
_REF = "org.opencontainers.image.ref.name"
_KITOPS_CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
_SOURCE = "OCI manifest"
_TARGET = re.compile(r"(?:oci-layout:)?(?P<folder>.+?)(?:@(?P<digest>sha256:[0-9a-f]{64})|#(?P<tag>[\w.-]+))?")


def is_layout(folder: Path) -> bool:
    """Say whether a folder is an OCI layout."""
    return (folder / "oci-layout").is_file() and (folder / "index.json").is_file()


class OciSource:
    """One manifest of a layout. Files keep the paths that the manifest or the tar layers give them."""

    remote = False

    def __init__(self, target: str, limits: Limits) -> None:
        match = _TARGET.fullmatch(target)
        assert match is not None  # the first group takes anything
        self._folder = Path(match["folder"])
        self._limits = limits
        if not is_layout(self._folder):
            raise TargetError(f"{self._folder.name} is not an OCI layout", hint="it needs oci-layout and index.json")
        self._blobs = BlobFolder(self._folder / "blobs" / "sha256", "")
        self._archives: dict[str, tuple[ArchiveSource, str]] = {}
        chosen = self._choose(match["digest"], match["tag"])
        self.revision: str | None = f"sha256:{chosen}"
        self.target = f"oci-layout:{self._folder.resolve().name}@sha256:{chosen}"
        self._manifest = read_document(self._path(chosen), "the manifest")
        self._layers = read_layers(self._manifest, "the manifest")

    def _path(self, sha256: str) -> Path:
        return self._folder / "blobs" / "sha256" / sha256

    def _choose(self, digest_: str | None, tag: str | None) -> str:
        index = read_document(self._folder / "index.json", "index.json")
        manifests = [item for item in index.get("manifests", ()) if isinstance(item, dict)]
        found = {}
        for item in manifests:
            notes = item.get("annotations")
            name = notes.get(_REF) if isinstance(notes, dict) else None
            value = str(item.get("digest", "")).removeprefix("sha256:")
            if re.fullmatch(r"[0-9a-f]{64}", value):
                found[value] = str(name or "")
        wanted = [
            value
            for value, name in found.items()
            if (digest_ is None or digest_ == f"sha256:{value}") and (tag is None or tag == name)
        ]
        if len(wanted) == 1:
            return wanted[0]
        names = ", ".join(name or f"sha256:{value}" for value, name in found.items()) or "nothing"
        raise TargetError(
            f"the layout holds {len(wanted)} manifests of that name" if found else "the layout holds no manifest",
            hint=f"oci-layout:DIR#TAG or oci-layout:DIR@sha256:...; it has {names}",
        )

    def facts(self) -> SourceFacts:
        """Return what the manifest and the ModelPack configuration say of the model."""
        claims: dict[str, str | int | float | bool] = {}
        if isinstance(kind := self._manifest.get("artifactType"), str):
            claims["artifact-type"] = kind
        try:
            config = read_document(self._path(self._layers[0].sha256), "the configuration") if self._layers else {}
        except TargetError:
            config = {}
        descriptor: Any = config.get("descriptor")
        if isinstance(descriptor, dict):
            claims |= {f"descriptor.{key}": value for key, value in descriptor.items() if isinstance(value, str)}
            if isinstance(names := descriptor.get("licenses"), list):
                claims["descriptor.licenses"] = ", ".join(str(name) for name in names[:20])
        return SourceFacts(kind="oci-layout", revision=self.revision, claims=claims)

    def entries(self) -> Iterator[Entry | Skipped | Finding]:
        """List the configuration and the files of every layer."""
        for number, blob in enumerate(self._layers):
            name = next((blob.annotations[key] for key in _FILE_PATH if blob.annotations.get(key)), "")
            if "tar" in blob.media_type.rpartition(".")[2]:
                yield from self._tar(blob)
            else:
                yield self._blobs.entry(name or _default_name(blob, first=number == 0), blob, _SOURCE)

    def _tar(self, blob: Blob) -> Iterator[Entry | Skipped | Finding]:
        place = self._blobs.path(blob.sha256)
        try:
            data = self._blobs.open_file(place)
        except OSError as fault:
            yield Skipped(path=f"blobs/sha256/{blob.sha256}", reason=f"a layer that is not there: {fault.strerror}")
            return
        computed = digest(place.name, data, FilePlan(algorithms=("sha256",)), lambda _: None).digests[0].value
        if computed != blob.sha256:
            message = f"{_SOURCE} declares sha256 {blob.sha256}, the layer has {computed}"
            yield Finding.of(HASH_MISMATCH, message, Location(path=f"blobs/sha256/{blob.sha256}"))
        archive = open_archive(place.name, data, self._limits)
        if archive is None:
            data.close()
            yield self._blobs.entry(f"layer-{blob.sha256[:12]}", blob, _SOURCE)
            return
        archive.keep_folder = True
        for item in archive.entries():
            if not isinstance(item, Entry):
                yield item
                continue
            # Tools let a later layer replace a file of an earlier one; both are part of what was published.
            shown = item.path if item.path not in self._archives else f"{item.path} [{blob.sha256[:12]}]"
            self._archives[shown] = (archive, item.path)
            yield replace(item, path=shown)

    def open(self, path: str) -> ByteSource:
        """Open a file of a layer."""
        if path in self._archives:
            archive, inner = self._archives[path]
            return archive.open(inner)
        return self._blobs.open(path)

    def close(self) -> None:
        """Close the tars."""
        for archive, _ in self._archives.values():
            archive.close()


def _default_name(blob: Blob, *, first: bool) -> str:
    if blob.media_type == _KITOPS_CONFIG:
        return "Kitfile.json"
    return "oci-config.json" if first else f"layer-{blob.sha256[:12]}"
