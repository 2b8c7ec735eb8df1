"""The hub client's own listing of a revision, which it leaves in a folder that it downloaded into.

`.cache/huggingface/trees/<commit>.json` (huggingface_hub, `_tree_cache.py`, format version 1): by path the git blob id,
and the SHA-256 of what LFS holds. Xet hashes are of another kind and are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aibom.components import SignatureStatus
from aibom.errors import MalformedFile
from aibom.files import RepoFile
from aibom.findings import Evidence
from aibom.integrity.claims import Claim, Manifest, Resource, resource
from aibom.integrity.strict_json import read_json
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

HUB_LISTING = "hub-listing"
_PLACE = re.compile(r"\.cache/huggingface/trees/(?P<commit>[0-9a-f]{40})\.json")


def is_hub_listing(file: RepoFile, files: Mapping[str, RepoFile]) -> bool:
    """Say whether this is the one listing of the target; of several, nobody knows which the files belong to."""
    return _PLACE.fullmatch(file.path) is not None and sum(_PLACE.fullmatch(path) is not None for path in files) == 1


def read_hub_listing(file: RepoFile, data: ByteSource, limits: Limits) -> Claim | None:
    """Return what the listing states; None where it is of another version or lists nothing. OSError passes through.

    Raises:
        MalformedFile: it is no such listing.
        LimitExceeded: it is longer or deeper than the limits allow.
    """
    match read_json(data, limits):
        case {"format_version": 1, "files": dict() as entries}:
            resources = tuple(_resources(entries))
        case _:
            return None
    match = _PLACE.fullmatch(file.path)
    if match is None or not resources:
        return None
    said = Evidence(statement=f"the hub client's listing of commit {match['commit']}", location=file.at())
    return Claim(
        kind=HUB_LISTING,
        file=file,
        status=SignatureStatus.CHECKSUM_OK,
        manifest=Manifest(resources=resources),
        evidence=(said,),
    )


def _resources(entries: Mapping[str, Any]) -> Iterator[Resource]:
    for name, entry in entries.items():
        try:
            match entry:
                case {"lfs_sha256": str(value)}:
                    yield resource(name, "sha256", value)
                case {"blob_id": str(value)}:
                    yield resource(name, "git-sha1", value)
        except MalformedFile:
            continue  # a line that names nothing of this target says nothing about it
