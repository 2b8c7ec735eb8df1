"""A detached, signed attestation about a BOM: DSSE envelope, in-toto Statement v1, Sigstore bundle v0.3.

cosign's `verify-blob-attestation --type cyclonedx` and `gh attestation verify` read the same kind of envelope.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from aibom.attest.listing import BomListing, read_listing
from aibom.errors import DataError, FileFault, UsageError
from aibom.integrity.bundles import BUNDLE_TYPE
from aibom.integrity.dsse import IN_TOTO, pae
from aibom.integrity.keys import CURVES, hint_of
from aibom.integrity.statements import STATEMENT
from aibom.limits import Limits

PREDICATE_TYPE = "https://cyclonedx.org/bom"


def sign_bom(bom: bytes, key_pem: bytes, *, password: bytes | None = None, chain_pem: bytes | None = None) -> bytes:
    """Return the bundle that attests the BOM: subjects are its weight files and the model's root digest.

    Args:
        bom: a CycloneDX BOM in JSON; the predicate is this document.
        key_pem: private key, ECDSA (P-256, P-384, P-521) or Ed25519.
        password: of the key, if it has one.
        chain_pem: certificates, the signer's first; without them the bundle names the key by its digest.

    Raises:
        UsageError: the key or the certificates can't be used.
        DataError: the BOM is none, or lists nothing that could be attested.
    """
    try:
        listing = read_listing(bom, Limits())
    except FileFault as fault:
        raise DataError(f"the BOM can't be signed: {fault}") from fault
    key = _private_key(key_pem, password)
    proof: dict[str, Any] = {"publicKey": {"hint": hint_of(key.public_key())}}
    if chain_pem is not None:
        proof = _chain(chain_pem, key)
    statement = {
        "_type": STATEMENT,
        "subject": _subjects(listing),
        "predicateType": PREDICATE_TYPE,
        "predicate": listing.value,
    }
    try:
        payload = json.dumps(statement, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as fault:
        raise DataError("the BOM can't be signed: it holds a number that JSON has no form for") from fault
    bundle: dict[str, Any] = {
        "mediaType": BUNDLE_TYPE,
        # Readers written from the protocol's schema want the list, although a key has no log entry.
        "verificationMaterial": proof | {"tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": IN_TOTO,
            "signatures": [
                {
                    "sig": base64.b64encode(_sign(key, pae(IN_TOTO, payload))).decode(),
                    "keyid": hint_of(key.public_key()),
                }
            ],
        },
    }
    return json.dumps(bundle, indent=2).encode() + b"\n"


def _subjects(listing: BomListing) -> list[dict[str, Any]]:
    """Return weight files (all files, where the BOM does not say what they are for), then the root digest."""
    seen = [file for file in listing.files if "sha256" in file.digests and not file.declared]
    chosen = [file for file in seen if file.weights] or seen
    subjects = [{"name": file.name, "digest": {"sha256": file.digests["sha256"]}} for file in chosen]
    if listing.root_digest is not None and len(seen) == sum("sha256" in file.digests for file in listing.files):
        subjects.append({"name": listing.model, "digest": {"sha256": listing.root_digest}})
    if not subjects:
        raise DataError(
            "the BOM lists no file whose bytes were digested, so there is nothing to attest",
            hint="scan a local copy, or download the model: aibom scan TARGET -o cyclonedx=BOM",
        )
    return subjects


def _private_key(pem: bytes, password: bytes | None) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- start-up time
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem, password)
    except TypeError as fault:
        raise UsageError("the private key is encrypted", hint="set AIBOM_KEY_PASSWORD") from fault
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise UsageError(f"the private key can't be read: {fault}", hint="give a PEM file and its password") from fault
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    raise UsageError(
        "the private key is neither ECDSA on P-256, P-384 or P-521 nor Ed25519",
        hint="openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
    )


def _sign(key: Any, message: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 -- start-up time
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(getattr(hashes, CURVES[key.curve.name])()))
    signature: bytes = key.sign(message)
    return signature


def _chain(pem: bytes, key: Any) -> dict[str, Any]:
    from cryptography import x509  # noqa: PLC0415 -- start-up time
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as fault:
        raise UsageError("the certificates can't be read", hint="give a PEM file, the signer's first") from fault
    if hint_of(certificates[0].public_key()) != hint_of(key.public_key()):
        raise UsageError(
            "the first certificate belongs to another key", hint="put the signer's own certificate first in the file"
        )
    raw = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode() for certificate in certificates]
    return {"x509CertificateChain": {"certificates": [{"rawBytes": text} for text in raw]}}
