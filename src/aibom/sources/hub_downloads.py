"""What the hub client leaves of a download into its cache: the listing of the revision, and unfinished files.

huggingface_hub 2.4: `_tree_cache.py` writes `trees/<commit>.json` beside `snapshots/`; `file_download.py` loads a blob
into `blobs/<etag>.<8 hex>.incomplete` (`<etag>.incomplete` before) and renames it when it is whole. Where links are not
to be had, as on Windows, the files of a snapshot are copies, and the listing alone says what they should be.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping

import msgspec

from aibom.files import Digest, Format, Location, Role, escape_name
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.formats import role_of
from aibom.limits import MIB
from aibom.sources.hub_cache import Snapshot

INCOMPLETE_DOWNLOAD = Rule(
    id="incomplete-download",
    subject=Subject.INTEGRITY,
    severity=Severity.MEDIUM,
    summary="A download was not finished",
    explanation=(
        "The hub client left a part of a file, or lists files of this revision that are not here. A loader stops, "
        "fetches the rest itself, or takes the weights that are there in another form."
    ),
    help="Complete the download with the hub client, then scan again.",
)

RULES = (INCOMPLETE_DOWNLOAD,)

LISTING = "hub cache listing"
# 200,000 files, the most that are listed, with 160 bytes each.
_MOST_BYTES = 32 * MIB
_HEX = {40: "git-sha1", 64: "sha256"}
_PARTIAL = re.compile(rb"(?P<etag>[0-9a-f]{40}|[0-9a-f]{64})(?:\.[0-9a-f]{8})?\.incomplete")
_SHOWN = 5


class _Listed(msgspec.Struct):
    """A file of a listing: `blob_id` is its git blob id, or that of its LFS pointer. Xet hashes are of another kind."""

    blob_id: str
    lfs_sha256: str | None = None


class _Listing(msgspec.Struct):
    format_version: int
    files: dict[str, _Listed]


def read_listing(snapshot: Snapshot) -> dict[str, Digest]:
    """Return the digest that the cached listing of the revision declares for each path; nothing without a listing."""
    folder = os.path.join(os.path.dirname(os.path.dirname(snapshot.root)), b"trees")
    path = os.path.join(folder, snapshot.commit.encode() + b".json")
    try:
        if os.path.realpath(path) != path:
            return {}
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        listing = msgspec.json.decode(raw, type=_Listing)
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}  # not there, or what the client itself would ignore
    if len(raw) > _MOST_BYTES or listing.format_version != 1:
        return {}
    found = ((name, item.lfs_sha256 or item.blob_id) for name, item in listing.files.items())
    return {
        escape_name(name.encode("utf-8", "surrogatepass")): Digest(
            algorithm=_HEX[len(value)], value=value, basis="declared", source=LISTING
        )
        for name, value in found
        if len(value) in _HEX and all(char in "0123456789abcdef" for char in value)
    }


def unfinished(snapshot: Snapshot, listing: Mapping[str, Digest], there: Collection[str]) -> Iterator[Finding]:
    """Yield what is missing of a snapshot whose paths are `there`."""
    missing = {path: digest.value for path, digest in listing.items() if path not in there}
    whole, partial = _blobs(snapshot)
    broken = sorted(path for path, value in missing.items() if value in partial - whole)
    for path in broken:
        severity = Severity.HIGH if role_of(path, Format.UNKNOWN) is Role.WEIGHTS else None
        message = "the hub client began to download it and did not finish"
        yield Finding.of(INCOMPLETE_DOWNLOAD, message, Location(path=path), severity=severity)
    if rest := sorted(missing.keys() - set(broken)):
        names = ", ".join(rest[:_SHOWN]) + (" ..." if len(rest) > _SHOWN else "")
        message = f"{len(rest)} files of this revision were not downloaded: {names}"
        yield Finding.of(INCOMPLETE_DOWNLOAD, message, severity=Severity.INFO)
    if not listing and (unknown := partial - whole):
        message = f"{len(unknown)} downloads into this cache were not finished; of which revision is not known"
        yield Finding.of(INCOMPLETE_DOWNLOAD, message, severity=Severity.LOW)


def _blobs(snapshot: Snapshot) -> tuple[set[str], set[str]]:
    """Return the names of the whole blobs of a repository, and of those that were not finished."""
    try:
        names = os.listdir(snapshot.blob_folders[0])
    except OSError:
        return set(), set()
    partial = {match["etag"].decode() for name in names if (match := _PARTIAL.fullmatch(name))}
    return {name.decode() for name in names if len(name) in _HEX and name.isalnum()}, partial
