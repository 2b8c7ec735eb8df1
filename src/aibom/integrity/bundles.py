"""Sigstore bundles and bare envelopes, read strictly: what is signed, and what kind of proof goes with it.

https://github.com/sigstore/protobuf-specs, `sigstore_bundle.proto`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from aibom.errors import MalformedFile
from aibom.integrity.claims import shown
from aibom.integrity.dsse import Envelope, decode_base64, read_envelope

MEDIA_TYPES = frozenset({
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
})  # fmt: skip
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# A chain of more certificates than this is no chain that anybody issued.
_MAX_CERTIFICATES = 16


class Proof(StrEnum):
    """How a bundle wants to be believed; visible in its verification material, never chosen by what is signed."""

    KEY = "key"
    CERTIFICATE = "certificate"
    KEYLESS = "keyless"
    NONE = "none"


class BlobSignature(Struct, frozen=True, kw_only=True):
    """A signature over the bytes of one file, with the SHA-256 that it states for them."""

    sha256: bytes
    signature: bytes


class Bundle(Struct, frozen=True, kw_only=True):
    """What a bundle holds. `certificates` are in DER, the signer's first; `raw` is the file, for the keyless verifier.

    `hint` names the key (its SHA-256); `logged` says that an entry of a transparency log comes with it.
    """

    content: Envelope | BlobSignature
    proof: Proof
    hint: str | None = None
    certificates: tuple[bytes, ...] = ()
    logged: bool = False
    raw: bytes = b""


def read_bundle(value: Mapping[str, Any], raw: bytes) -> Bundle:
    """Read a bundle, or an envelope that stands alone.

    Raises:
        MalformedFile: a field is missing, of the wrong kind, or there are two proofs of different kinds.
    """
    if "payloadType" in value:
        return Bundle(content=read_envelope(value), proof=Proof.NONE, raw=raw)
    media_type = value.get("mediaType")
    if not isinstance(media_type, str) or media_type not in MEDIA_TYPES:
        raise MalformedFile(f"its media type {shown(media_type)} is no known bundle")
    material = value.get("verificationMaterial")
    if not isinstance(material, dict):
        raise MalformedFile("it has no verification material")
    proof, hint, certificates = _proof(material)
    return Bundle(
        content=_content(value),
        proof=proof,
        hint=hint,
        certificates=certificates,
        logged=bool(material.get("tlogEntries")),
        raw=raw,
    )


def _content(value: Mapping[str, Any]) -> Envelope | BlobSignature:
    match value:
        case {"dsseEnvelope": _, "messageSignature": _}:
            raise MalformedFile("it holds both an envelope and a message signature")
        case {"dsseEnvelope": envelope}:
            return read_envelope(envelope)
        case {"messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": digest}, "signature": text}}:
            sha256 = decode_base64(digest, "message digest")
            if len(sha256) != 32:
                raise MalformedFile(f"its message digest has {len(sha256)} bytes, a SHA-256 has 32")
            return BlobSignature(sha256=sha256, signature=decode_base64(text, "signature"))
        case {"messageSignature": _}:
            raise MalformedFile("its message signature has no SHA-256 digest or no signature")
        case _:
            raise MalformedFile("it holds neither an envelope nor a message signature")


def _proof(material: Mapping[str, Any]) -> tuple[Proof, str | None, tuple[bytes, ...]]:
    kinds = [name for name in ("publicKey", "x509CertificateChain", "certificate") if name in material]
    if len(kinds) != 1:
        raise MalformedFile(f"its verification material has {len(kinds)} kinds of proof, exactly one is read")
    logged = bool(material.get("tlogEntries"))
    match material:
        case {"publicKey": {**key}}:
            hint = key.get("hint")
            if hint is not None and not isinstance(hint, str):
                raise MalformedFile("its key hint is not text")
            return Proof.KEY, hint or None, ()
        case {"x509CertificateChain": {"certificates": [*items]}} if 0 < len(items) <= _MAX_CERTIFICATES:
            # Bundles before version 0.3 carry keyless certificates in a chain too; the log entry tells them apart.
            return Proof.KEYLESS if logged else Proof.CERTIFICATE, None, tuple(map(_der, items))
        case {"certificate": item}:
            return Proof.KEYLESS if logged else Proof.CERTIFICATE, None, (_der(item),)
        case _:
            raise MalformedFile(f"its {kinds[0]} is not of the expected shape")


def _der(item: object) -> bytes:
    match item:
        case {"rawBytes": str(text)}:
            return decode_base64(text, "certificate")
        case _:
            raise MalformedFile("a certificate of its chain has no bytes")
