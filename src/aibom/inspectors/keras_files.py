"""Inspect `.keras` archives: the configuration and metadata; the weights inside are an HDF5 member of their own."""

from __future__ import annotations

from aibom.components import Inspection
from aibom.containers.protocol import Budget
from aibom.containers.zip_archive import open_entry, read_directory
from aibom.containers.zip_directory import ZipEntry
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import RepoFile
from aibom.inspectors.foreign_json import parse_json
from aibom.inspectors.keras_config import judge_text
from aibom.inspectors.observations import Observations
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge the configuration of a Keras v3 archive; raises `MalformedFile` where it is no archive or has none."""
    seen = Observations(file, limits)
    directory = read_directory(data, limits)
    configurations = [entry for entry in directory.entries if entry.raw_name == b"config.json"]
    if not configurations:
        raise MalformedFile("the archive has no config.json")
    budget = Budget(members=limits.container_members, expanded_bytes=4 * limits.json_bytes)
    for entry in configurations:
        # Where a name stands twice, readers differ on which they take.
        text = _text(seen, data, entry, budget)
        config = judge_text(seen, text, safe_mode=True, members=(entry.name,)) if text is not None else None
        if config is not None:
            seen.consumed.append(entry.name)
        if isinstance(config, dict):
            name = config.get("class_name")
            seen.note("class_name", name if isinstance(name, str) else None)
            inner = config.get("config")
            name = inner.get("name") if isinstance(inner, dict) else None
            seen.note("model_name", name if isinstance(name, str) else None)
    metadata = directory.find("metadata.json")
    if metadata is not None and (text := _text(seen, data, metadata, budget)) is not None:
        _metadata(seen, metadata, text)
    return seen.inspection()


def _metadata(seen: Observations, entry: ZipEntry, text: str) -> None:
    try:
        value = parse_json(text, seen.limits)
    except FileFault as fault:
        seen.fault(fault, members=(entry.name,))
        return
    if isinstance(value, dict):
        for key in ("keras_version", "date_saved"):
            seen.note(key, value[key] if isinstance(value.get(key), str) else None)
    seen.consumed.append(entry.name)


def _text(seen: Observations, data: ByteSource, entry: ZipEntry, budget: Budget) -> str | None:
    try:
        with open_entry(data, entry, seen.limits, budget) as member:
            if member.size > seen.limits.json_bytes:
                raise LimitExceeded(f"{member.size} bytes of JSON, limit {seen.limits.json_bytes}")
            return member.read_at(0, member.size).decode("utf-8", "replace")
    except FileFault as fault:
        seen.fault(fault, members=(entry.name,))
        return None
