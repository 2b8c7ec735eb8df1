"""What a file of the target states about other files: the records that signatures and checksum files become."""

from __future__ import annotations

import re

from msgspec import Struct

from aibom.components import SignatureStatus
from aibom.errors import MalformedFile
from aibom.files import RepoFile, escape_name
from aibom.findings import Evidence, Finding

HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 128, "blake3": 64, "git-sha1": 40}
"""Hexadecimal digits by algorithm."""
_HEX = re.compile(r"[0-9a-f]+")
_MAX_NAME = 4096  # Linux's PATH_MAX


class Resource(Struct, frozen=True, kw_only=True):
    """One line of a manifest: the digest of a file, or of its bytes from `start` to `end`.

    `name` is an escaped path relative to the place that the manifest speaks of.
    """

    name: str
    algorithm: str
    digest: str
    start: int | None = None
    end: int | None = None


class Manifest(Struct, frozen=True, kw_only=True):
    """Digests by name.

    `exhaustive` says that it claims to list every file of its folder except `ignored` ones. `by_digest` says that
    names are only informative, so that a file with the digest counts whatever its name is. `rooted` says that names are
    paths from the target's root, wherever the manifest stands. `shard_size` is in bytes.
    """

    resources: tuple[Resource, ...]
    exhaustive: bool = False
    by_digest: bool = False
    rooted: bool = False
    shard_size: int | None = None
    ignored: tuple[str, ...] = ()


class Claim(Struct, frozen=True, kw_only=True):
    """What one file of the target states, and how far the statement itself can be trusted.

    `status` is what checking the statement gave, before any file is compared: `verified`, `unpinned`,
    `present-unverified`, `checksum-ok` (nothing to check), `unsupported`, `invalid` or `error`. `manifest` is None
    where nothing in it may be used.
    """

    kind: str
    file: RepoFile
    status: SignatureStatus
    signer: str | None = None
    manifest: Manifest | None = None
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()


def resource(name: object, algorithm: object, value: object) -> Resource:
    """Make the record of a file's digest.

    Raises:
        MalformedFile: the name is not a plain relative path, the algorithm is not known, or the digest is none of it.
    """
    if not isinstance(name, str) or not is_plain(name):
        raise MalformedFile(f"names {shown(name)}, which is not a plain relative path")
    if not isinstance(algorithm, str) or algorithm not in HEX_LENGTHS:
        raise MalformedFile(f"digest algorithm {shown(algorithm)} is not known")
    return Resource(name=escape_name(name.encode()), algorithm=algorithm, digest=hexadecimal(algorithm, value))


def hexadecimal(algorithm: str, value: object) -> str:
    """Return a digest in lower case.

    Raises:
        MalformedFile: it is not hexadecimal text of the algorithm's length.
    """
    if isinstance(value, str):
        lower = value.lower()
        if len(lower) == HEX_LENGTHS[algorithm] and _HEX.fullmatch(lower):
            return lower
    raise MalformedFile(f"{shown(value)} is no {algorithm} digest")


def is_plain(name: str) -> bool:
    """Say whether a path is relative, canonical and can't climb: what several readers would all read alike."""
    return (
        0 < len(name) <= _MAX_NAME
        and "\\" not in name
        and "\0" not in name
        and all(part not in {"", ".", ".."} for part in name.split("/"))
        and not (len(name) > 1 and name[1] == ":" and name[0].isalpha() and name[0].isascii())
    )


def shown(value: object) -> str:
    """Return a stranger's value for a message: quoted, printable and short."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
