"""The hub client's cache on disk: which model a snapshot folder is, and what its blob names declare.

Layout (huggingface_hub 2.4): `models--owner--name/snapshots/<commit>/path` is a link to
`../../blobs/<etag>`; the etag is the SHA-256 of an LFS file and the git blob id (SHA-1) of any other. Newer clients
may link a blob once more into a store that all repositories share, `blobs/<2 hex>/<xet hash>` beside them.
"""

from __future__ import annotations

import os
import re

from msgspec import Struct

from aibom.errors import TargetError
from aibom.files import Digest, escape_name

_REPO = re.compile(rb"models--(?:(?P<owner>[^/]+?)--)?(?P<name>[^/]+)")
_COMMIT = re.compile(rb"[0-9a-f]{40}")
_SHA256 = re.compile(rb"[0-9a-f]{64}")


class Snapshot(Struct, frozen=True):
    """One revision of a model in the cache; paths are raw and absolute."""

    root: bytes
    identity: str | None
    commit: str
    blob_folders: tuple[bytes, ...]


def find_snapshot(path: bytes) -> Snapshot | None:
    """Say which snapshot a resolved path is: a snapshot folder itself, or a repository folder with one revision.

    Raises:
        TargetError: a repository folder holds several revisions and `refs/main` names none of them.
    """
    parent, last = os.path.split(path)
    if _COMMIT.fullmatch(last) and os.path.basename(parent) == b"snapshots":
        return _snapshot(os.path.dirname(parent), last)
    snapshots = os.path.join(path, b"snapshots")
    if _REPO.fullmatch(last) and os.path.isdir(snapshots):
        commits = sorted(name for name in os.listdir(snapshots) if _COMMIT.fullmatch(name))
        main = _read_ref(os.path.join(path, b"refs", b"main"))
        if main in commits:
            return _snapshot(path, main)
        if len(commits) == 1:
            return _snapshot(path, commits[0])
        raise TargetError(
            f"{escape_name(last)} holds {len(commits)} revisions and refs/main names none of them",
            hint="give one of the folders under snapshots/",
        )
    return None


def blob_digest(absolute: bytes, snapshot: Snapshot) -> Digest | None:
    """Return the digest that a blob's name declares; None for a file that is not in this repository's blob folder."""
    folder, name = os.path.split(absolute)
    if folder != snapshot.blob_folders[0]:
        return None
    if _SHA256.fullmatch(name):
        return Digest(algorithm="sha256", value=name.decode(), basis="declared", source="hub cache blob name")
    if _COMMIT.fullmatch(name):
        return Digest(algorithm="git-sha1", value=name.decode(), basis="declared", source="hub cache blob name")
    return None


def _snapshot(repository: bytes, commit: bytes) -> Snapshot | None:
    match = _REPO.fullmatch(os.path.basename(repository))
    if match is None:
        return None
    # A repository without owner is an old name whose canonical owner is not written here, so it identifies nothing.
    owner = match["owner"]
    identity = f"{owner.decode('utf-8', 'replace')}/{match['name'].decode('utf-8', 'replace')}" if owner else None
    return Snapshot(
        root=os.path.join(repository, b"snapshots", commit),
        identity=identity,
        commit=commit.decode(),
        blob_folders=(os.path.join(repository, b"blobs"), os.path.join(os.path.dirname(repository), b"blobs")),
    )


def _read_ref(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(64).strip()
    except OSError:
        return b""
