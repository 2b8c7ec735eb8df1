"""A model in an Ollama store on this machine.

Layout (ollama, types/model and server/manifest): `manifests/<host>/<namespace>/<model>/<tag>` is an image manifest;
its configuration and layers are `blobs/sha256-<hex>`; a layer's media type says what it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aibom.errors import TargetError, UsageError
from aibom.report import Skipped, SourceFacts
from aibom.sources.blobs import Blob, BlobFolder, read_document, read_layers
from aibom.sources.bytesource import ByteSource
from aibom.sources.protocol import Entry

_HOST, _NAMESPACE, _TAG = "registry.ollama.ai", "library", "latest"
_PREFIX = "application/vnd.ollama.image."
_NAMES = {
    "model": "model.gguf",
    "adapter": "adapter.gguf",
    "projector": "projector.gguf",
    "template": "template.txt",
    "system": "system.txt",
    "prompt": "prompt.txt",
    "params": "params.json",
    "messages": "messages.json",
    "license": "LICENSE",
}
_CLAIMS = ("model_family", "model_type", "file_type", "model_format", "base_name", "remote_host", "remote_model")
_SOURCE = "ollama blob name"


def store_folder() -> Path:
    """Return the folder of the store: OLLAMA_MODELS, or the one in the home directory."""
    return Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models")


class OllamaSource:
    """`ollama://[host/][namespace/]model[:tag]`: the layers of one model as its files."""

    remote = False
    revision: str | None = None

    def __init__(self, target: str, folder: Path | None = None) -> None:
        self.target = target
        self._folder = folder or store_folder()
        self._parts = _parse(target)
        self._blobs = BlobFolder(self._folder / "blobs", "sha256-")
        name = "/".join(self._parts)
        path = self._folder.joinpath("manifests", *self._parts)
        if not path.is_file():
            raise TargetError(
                f"{target} is not in the Ollama store", hint="`ollama list` names the models; OLLAMA_MODELS the store"
            )
        self._layers = read_layers(read_document(path, f"the manifest of {name}"), f"the manifest of {name}")

    def facts(self) -> SourceFacts:
        """Return what the configuration blob says, and the registry's name of the model."""
        claims: dict[str, str | int | float | bool] = {"name": "/".join(self._parts[:-1]), "tag": self._parts[-1]}
        try:
            config = read_document(self._blobs.path(self._layers[0].sha256), "the configuration")
        except TargetError:
            config = {}
        for key in (
            "model_family",
            "model_type",
            "file_type",
            "model_format",
            "base_name",
            "remote_host",
            "remote_model",
        ):
            if isinstance(value := config.get(key), str) and value:
                claims[key] = value
        return SourceFacts(kind="ollama", claims=claims)

    def entries(self) -> Iterator[Entry | Skipped]:
        """List the layers under names that say what they are."""
        for number, blob in enumerate(self._layers):
            yield self._blobs.entry(_name(blob, first=number == 0), blob, _SOURCE)

    def open(self, path: str) -> ByteSource:
        """Open a layer."""
        return self._blobs.open(path)

    def close(self) -> None:
        """Release nothing."""


def _name(blob: Blob, *, first: bool) -> str:
    kind = blob.media_type.removeprefix(_PREFIX) if blob.media_type.startswith(_PREFIX) else ""
    if kind in {"tensor", "json"} and (name := blob.annotations.get("name")):
        return name
    if kind in _NAMES:
        return _NAMES[kind]
    return "config.json" if first else f"{kind or 'layer'}-{blob.sha256[:12]}"


def _parse(target: str) -> tuple[str, str, str, str]:
    name, colon, tag = target.removeprefix("ollama://").rpartition(":")
    if not colon or "/" in tag:
        name, tag = target.removeprefix("ollama://"), _TAG
    parts = name.split("/")
    defaults = [_HOST, _NAMESPACE]
    if not 1 <= len(parts) <= 3 or not all(part and part not in {".", ".."} for part in (*parts, tag)):
        raise UsageError(f"{target} does not name a model", hint="ollama://llama3.2, ollama://namespace/model:tag")
    host, namespace, model = (*defaults[: 3 - len(parts)], *parts)
    return host, namespace, model, tag
