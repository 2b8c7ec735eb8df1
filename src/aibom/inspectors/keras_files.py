"""Inspect `.keras` archives: the configuration and metadata; the weights inside are an HDF5 member of their own."""

from __future__ import annotations

from aibom.components import Inspection
from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import RepoFile
from aibom.inspectors.foreign_json import decode_json
from aibom.inspectors.keras_config import judge_text
from aibom.inspectors.observations import Observations
from aibom.inspectors.zip_documents import ZipDocuments
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge the configuration of a Keras v3 archive; raises `MalformedFile` where it is no archive or has none."""
    return _inspect(file, data, limits, safe_mode=True)


def inspect_unguarded(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge an archive that Keras loads with safe mode switched off, as it does where it is pickled."""
    return _inspect(file, data, limits, safe_mode=False)


def _inspect(file: RepoFile, data: ByteSource, limits: Limits, *, safe_mode: bool) -> Inspection:
    seen = Observations(file, limits)
    documents = ZipDocuments(data, limits)
    configurations = documents.named(b"config.json")
    if not configurations:
        raise MalformedFile("the archive has no config.json")
    for entry in configurations:
        text = documents.text(seen, entry)
        config = judge_text(seen, text, safe_mode=safe_mode, members=(entry.name,)) if text is not None else None
        if config is not None:
            seen.consumed.append(entry.name)
        match config:
            case {"class_name": str(name), **rest}:
                seen.note("class_name", name)
                match rest.get("config"):
                    case {"name": str(name)}:
                        seen.note("model_name", name)
    for entry in documents.named(b"metadata.json"):
        match documents.json(seen, entry):
            case dict(metadata):
                for key in ("keras_version", "date_saved"):
                    if isinstance(value := metadata.get(key), str):
                        seen.note(key, value)
                seen.consumed.append(entry.name)
    return seen.inspection()


def inspect_architecture(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge a configuration in a file of its own (`to_json`); raises `MalformedFile` where it describes no model."""
    if data.size > limits.json_bytes:
        raise LimitExceeded(f"JSON of {data.size} bytes, limit {limits.json_bytes}")
    seen = Observations(file, limits)
    config = judge_text(seen, decode_json(data.read_at(0, data.size)), safe_mode=True)
    if config is not None and not (isinstance(config, dict) and {"class_name", "config"} <= config.keys()):
        raise MalformedFile("the document describes no Keras model")
    return seen.inspection()
