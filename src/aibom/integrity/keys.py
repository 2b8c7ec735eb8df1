"""Public keys that the user trusts, told apart by what they are, and the signatures that they check."""

from __future__ import annotations

import base64
import binascii
import hashlib
from enum import StrEnum
from typing import Any

from msgspec import Struct

from aibom.errors import MalformedFile
from aibom.settings import Material

_PEM_PUBLIC = b"-----BEGIN PUBLIC KEY-----"
_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PGP_ARMOR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_COMMENT = b"untrusted comment:"
# RFC 9580, 4.2: bit 7 is always set, tag 6 is a public key, in the old form (0x98 to 0x9b) or the new one.
_PGP_PACKETS = frozenset({0x98, 0x99, 0x9A, 0x9B, 0xC6})
# A SubjectPublicKeyInfo up to the key itself (RFC 5480 and 8410): the same for all keys of a curve in their usual form.
_USUAL = {
    bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"): "SECP256R1",
    bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200"): "SECP384R1",
    bytes.fromhex("30819b301006072a8648ce3d020106052b8104002303818600"): "SECP521R1",
    bytes.fromhex("302a300506032b6570032100"): "ED25519",
}
_UNCOMPRESSED = 4

CURVES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
"""Curve to the hash that goes with it (Sigstore's registry of algorithms); others sign no models."""


class KeyKind(StrEnum):
    """What a trusted key can check."""

    PEM = "pem"
    MINISIGN = "minisign"
    OPENPGP = "openpgp"


class TrustedKey(Struct, frozen=True, kw_only=True):
    """A public key of the user's: the parsed key (PEM), the raw key line (minisign), or a binary keyring (OpenPGP).

    `der` and `hint` are of a PEM key: its SubjectPublicKeyInfo, and the SHA-256 of its PEM text, by which bundles name
    the key they were made with.
    """

    kind: KeyKind
    name: str
    raw: bytes
    key: Any = None
    der: bytes = b""
    hint: str | None = None

    @property
    def label(self) -> str:
        """The name with enough of the fingerprint to tell keys apart."""
        fingerprint = self.hint or hashlib.sha256(self.raw).hexdigest()
        return f"{self.name} (sha256:{fingerprint[:16]})"


def read_key(material: Material) -> TrustedKey:
    """Recognise a public key by its content.

    Raises:
        MalformedFile: it is no public key that signatures can be checked with.
    """
    content = material.content.strip()
    first = content[:200].split(b"\n", 1)[0]
    if b"PRIVATE KEY-----" in content or b"PRIVATE KEY BLOCK" in first or b"secret key" in first:
        raise MalformedFile("is a private key; signatures are checked with the public one")
    if content.startswith(_PEM_CERTIFICATE):
        raise MalformedFile("is a certificate; an authority is given with --ca")
    if content.startswith(_COMMENT):
        line = content.splitlines()[1] if b"\n" in content else b""
        return TrustedKey(kind=KeyKind.MINISIGN, name=material.name, raw=minisign_key(line))
    if content.startswith(_PGP_ARMOR):
        return TrustedKey(kind=KeyKind.OPENPGP, name=material.name, raw=_dearmor(content))
    if _PEM_PUBLIC in content[:4096]:
        return _pem(material.name, content)
    if material.content[:1] and material.content[0] in _PGP_PACKETS:
        return TrustedKey(kind=KeyKind.OPENPGP, name=material.name, raw=material.content)
    raise MalformedFile("is no public key in PEM, minisign or OpenPGP form")


def _pem(name: str, content: bytes) -> TrustedKey:
    der = _block(content)
    key = _usual_key(der)
    if key is None:
        key, der = _any_key(content)
    return TrustedKey(kind=KeyKind.PEM, name=name, raw=content, key=key, der=der, hint=_hint(der))


def _block(content: bytes) -> bytes:
    """Return what the first block of a PEM text holds, nothing where that is not plain."""
    body = content.partition(_PEM_PUBLIC)[2].partition(b"-----END PUBLIC KEY-----")[0]
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        return b""


def _usual_key(der: bytes) -> Any:
    """Return a key in its usual form. The library's reader of any form takes longer to import than the check to run."""
    for prefix, name in _USUAL.items():
        if not der.startswith(prefix):
            continue
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415 -- start-up time

        raw = der[len(prefix) :]
        try:
            if name == "ED25519":
                return ed25519.Ed25519PublicKey.from_public_bytes(raw)
            if raw[:1] == bytes([_UNCOMPRESSED]):
                return ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, name)(), raw)
        except ValueError:
            return None
    return None


def _any_key(content: bytes) -> tuple[Any, bytes]:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- start-up time
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )

    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise MalformedFile(f"is no readable public key: {fault}") from fault
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in CURVES:
            raise MalformedFile(f"is on the curve {key.curve.name}; P-256, P-384 and P-521 are known")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise MalformedFile("is neither ECDSA nor Ed25519, the kinds that model signatures use")
    return key, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def minisign_key(line: bytes) -> bytes:
    """Return the 42 bytes of a minisign or signify public key: `Ed`, eight bytes of key id, 32 of key.

    Raises:
        MalformedFile: it is none.
    """
    try:
        raw = base64.b64decode(line.strip(), validate=True)
    except binascii.Error as fault:
        raise MalformedFile("its second line is not base64") from fault
    if len(raw) != 42 or raw[:2] != b"Ed":
        raise MalformedFile("its second line is no Ed25519 public key")
    return raw


def hint_of(key: Any) -> str:
    """Return the SHA-256 of a public key's PEM text, the `hint` of a bundle."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 -- start-up time

    return _hint(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _hint(der: bytes) -> str:
    text = base64.b64encode(der)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return hashlib.sha256(b"-----BEGIN PUBLIC KEY-----\n" + lines + b"\n-----END PUBLIC KEY-----\n").hexdigest()


def holds(key: Any, signature: bytes, message: bytes, *, hash_name: str | None = None) -> bool:
    """Say whether `signature` was made over `message` by the owner of `key`.

    ECDSA uses the hash that belongs to the curve unless `hash_name` says otherwise; any other kind of key never holds.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- start-up time
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415

    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            algorithm = getattr(hashes, hash_name or CURVES[key.curve.name])()
            key.verify(signature, message, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            return False
    except (InvalidSignature, KeyError):
        return False
    return True


def holds_for_digest(key: Any, signature: bytes, sha256: bytes) -> bool:
    """Say whether `signature` was made by ECDSA over a message whose SHA-256 is known, as `cosign sign-blob` does."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- start-up time
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415

    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, sha256, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return False
    return True


def _dearmor(content: bytes) -> bytes:
    """Return the packets inside an ASCII-armoured block (RFC 9580, 6.2)."""
    lines = content.splitlines()
    try:
        start = lines.index(b"") + 1
    except ValueError:
        start = 1
    body = []
    for line in lines[start:]:
        if line.startswith((b"=", b"-----")):
            break
        body.append(line.strip())
    try:
        return base64.b64decode(b"".join(body), validate=True)
    except binascii.Error as fault:
        raise MalformedFile("is an OpenPGP key whose armour is broken") from fault
