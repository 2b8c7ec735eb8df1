"""Minisign and signify signatures: Ed25519 over a file, or over its BLAKE2b digest.

https://jedisct1.github.io/minisign/ (signature format).
"""

from __future__ import annotations

import base64
import binascii

from msgspec import Struct

from aibom.errors import MalformedFile
from aibom.integrity.keys import holds

_COMMENT = b"untrusted comment:"
_TRUSTED = b"trusted comment: "
_MAX_BYTES = 8192


class MinisignSignature(Struct, frozen=True, kw_only=True):
    """A parsed signature. `prehashed` signs the BLAKE2b-512 digest of the file, else the file itself.

    `trusted_comment` is signed together with the signature; signify has none.
    """

    key_id: bytes
    signature: bytes
    prehashed: bool
    trusted_comment: bytes | None = None
    comment_signature: bytes = b""


def is_minisign(head: bytes) -> bool:
    """Say whether a file begins like a signature of minisign or signify."""
    return head.startswith(_COMMENT) and b"\n" in head


def read_minisign(raw: bytes) -> MinisignSignature:
    """Read a signature file.

    Raises:
        MalformedFile: it breaks the format.
    """
    lines = raw.splitlines()
    if len(raw) > _MAX_BYTES or len(lines) not in {2, 4} or not lines[0].startswith(_COMMENT):
        raise MalformedFile("a minisign signature has two or four short lines")
    blob = _base64(lines[1])
    if len(blob) != 74 or blob[:2] not in {b"Ed", b"ED"}:
        raise MalformedFile("its second line is no Ed25519 signature")
    if len(lines) == 2:
        return MinisignSignature(key_id=blob[2:10], signature=blob[10:], prehashed=blob[:2] == b"ED")
    if not lines[2].startswith(_TRUSTED):
        raise MalformedFile("its third line is no trusted comment")
    return MinisignSignature(
        key_id=blob[2:10],
        signature=blob[10:],
        prehashed=blob[:2] == b"ED",
        trusted_comment=lines[2][len(_TRUSTED) :],
        comment_signature=_base64(lines[3]),
    )


def check_minisign(signature: MinisignSignature, key: bytes, message: bytes) -> bool:
    """Say whether the signature and its trusted comment hold.

    Args:
        signature: the parsed file.
        key: the 42 bytes of a public key.
        message: the file, or its BLAKE2b-512 digest (64 bytes) where the signature is prehashed.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 -- start-up time

    public = Ed25519PublicKey.from_public_bytes(key[10:])
    if not holds(public, signature.signature, message):
        return False
    if signature.trusted_comment is None:
        return True
    return holds(public, signature.comment_signature, signature.signature + signature.trusted_comment)


def _base64(line: bytes) -> bytes:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except binascii.Error as fault:
        raise MalformedFile("a line of it is not base64") from fault
