"""What the hub client leaves in a folder that it downloaded into: a listing of the revision, a note beside each file.

`.cache/huggingface/trees/<commit>.json` (huggingface_hub 2.4, `_tree_cache.py`, format version 1): by path the git blob
id, and the SHA-256 of what LFS holds. Xet hashes are of another kind and are not compared.
`.cache/huggingface/download/<path>.metadata` (since 0.23, `_local_folder.py`): commit, etag and time, a line each; the
etag is the SHA-256 of an LFS file and the git blob id of any other. What is not finished lies beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aibom.components import SignatureStatus
from aibom.digests import FileDigests
from aibom.errors import MalformedFile
from aibom.files import Location, RepoFile
from aibom.findings import Evidence, Finding
from aibom.integrity.claims import Claim, Manifest, Resource, resource
from aibom.integrity.strict_json import read_json
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource
from aibom.sources.hub_downloads import INCOMPLETE_DOWNLOAD
from aibom.sources.protocol import Source

HUB_LISTING = "hub-listing"
_NOTES = ".cache/huggingface/download/"
_NOTE = re.compile(r"(?P<commit>[0-9a-f]{40})\n(?P<etag>[0-9a-f]{40}|[0-9a-f]{64})\n[0-9.]+\n?")
_NOTE_BYTES = 1024
_PARTIAL = re.compile(r".*\.(?P<etag>[0-9a-f]{40}|[0-9a-f]{64})(?:\.[0-9a-f]{8})?\.incomplete", re.DOTALL)
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
        manifest=Manifest(resources=resources, rooted=True),
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


def read_download_notes(source: Source, files: Mapping[str, RepoFile]) -> Claim | None:
    """Return what the notes beside all files state together; None without notes, or where a listing says it all."""
    if any(is_hub_listing(file, files) for file in files.values()):
        return None
    found: list[Resource] = []
    first: RepoFile | None = None
    for path, file in files.items():
        name = path.removeprefix(_NOTES).removesuffix(".metadata")
        if len(name) + len(_NOTES) + len(".metadata") != len(path) or not 0 < file.size <= _NOTE_BYTES:
            continue
        try:
            with source.open(path) as data:
                note = _NOTE.fullmatch(data.read_at(0, _NOTE_BYTES).decode("ascii", "replace"))
        except OSError:
            continue  # the inventory has reported it
        if note is not None and name in files:
            first = first or file
            algorithm = "sha256" if len(note["etag"]) == 64 else "git-sha1"
            found.append(Resource(name=name, algorithm=algorithm, digest=note["etag"]))
    if first is None:
        return None
    said = Evidence(statement=f"the hub client's notes on {len(found)} downloads", location=first.at())
    return Claim(
        kind=HUB_LISTING,
        file=first,
        status=SignatureStatus.CHECKSUM_OK,
        manifest=Manifest(resources=tuple(found), rooted=True),
        evidence=(said,),
    )


def unfinished_downloads(files: Mapping[str, RepoFile], digested: Mapping[str, FileDigests]) -> Iterator[Finding]:
    """Yield a finding for every part of a file that the client left, unless the whole file is there too."""
    parts = {path: match["etag"] for path in files if path.startswith(_NOTES) and (match := _PARTIAL.fullmatch(path))}
    if not parts:
        return
    digests = [digest for path, found in digested.items() if path not in parts for digest in found.digests]
    whole = {digest.value for digest in digests}
    # Git blob ids are computed only where a listing or a note asks for them; else nobody knows what is there.
    known = {64} | {len(digest.value) for digest in digests if digest.algorithm == "git-sha1"}
    for path, etag in sorted(parts.items()):
        if etag not in whole and len(etag) in known:
            message = f"a part of the file whose digest is {etag}"
            yield Finding.of(INCOMPLETE_DOWNLOAD, message, Location(path=path))
