"""From a target as the user spells it to the source that opens it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from aibom.errors import UsageError
from aibom.limits import Limits
from aibom.sources.archive import open_archive
from aibom.sources.local import SingleFileSource, open_local
from aibom.sources.network import Network
from aibom.sources.protocol import Source


def _hub(target: str, network: Network) -> Source:
    from aibom.sources.hub import HubSource, parse_hub_target  # noqa: PLC0415 -- local scans never need the hub client

    return HubSource(parse_hub_target(target), network)


def _store(target: str, network: Network) -> Source:
    from aibom.sources.object_store import StoreSource  # noqa: PLC0415

    return StoreSource(target, network)


def _web(target: str, network: Network) -> Source:
    from aibom.sources.web import WebSource  # noqa: PLC0415

    return WebSource(target, network)


def _ollama(target: str, network: Network) -> Source:
    del network  # the store is on this machine
    from aibom.sources.ollama import OllamaSource  # noqa: PLC0415

    return OllamaSource(target)


def _oci(target: str, network: Network) -> Source:
    del network  # the layout is on this machine
    from aibom.sources.oci import OciSource  # noqa: PLC0415

    return OciSource(target, Limits())


SOURCES: Mapping[str, Callable[[str, Network], Source]] = {
    "hf://": _hub,
    "pkg:": _hub,
    "https://": _web,
    "http://": _web,
    "ollama://": _ollama,
    "oci-layout:": _oci,
    "s3://": _store,
    "gs://": _store,
    "az://": _store,
    "abfs://": _store,
    "sftp://": _store,
}
"""How a target's spelling begins, to what opens it. Everything else is a path on this machine."""


def open_source(target: str, *, offline: bool = False) -> Source:
    """Open a target read-only, whatever kind of place its spelling names.

    Raises:
        UsageError: no kind of place has this spelling.
        TargetError: it is missing or can't be reached.
    """
    for prefix, opener in SOURCES.items():
        if target.startswith(prefix):
            return opener(target, Network(offline=offline))
    scheme, separator, _ = target.partition("://")
    if separator and scheme.isalnum():
        known = ", ".join(SOURCES)
        raise UsageError(f"{scheme}:// targets are not supported", hint=f"a directory, a file, or {known}...")
    source = open_local(target)
    if isinstance(source, SingleFileSource):
        data = source.open(source.target)
        if (archive := open_archive(source.target, data, Limits())) is not None:
            return archive
        data.close()
    elif (Path(target) / "oci-layout").is_file():
        return _oci(target, Network(offline=offline))
    return source


def open_related(target: str, *, offline: bool = False) -> Source | None:
    """Open another model that a target names, to read its card, licence and configuration; None if it is no hub id.

    Raises:
        TargetError: it is private, missing, or can't be reached.
    """
    if not target.startswith("hf://"):
        return None
    from aibom.sources.hub import HubSource, parse_hub_target  # noqa: PLC0415 -- as above

    return HubSource(parse_hub_target(target), Network(offline=offline), preload=False)
