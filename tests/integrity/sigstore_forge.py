"""A Sigstore of our own: authority, certificate log and transparency log with throw-away keys, and its trusted root.

Formats: RFC 6962 (signed certificate timestamps), https://github.com/sigstore/rekor (entries, signed entry timestamps)
and https://github.com/transparency-dev/formats (checkpoints).
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.integrity.forge import BUNDLE, NOW, Issued, envelope, issue, sign

SIGNED_AT = NOW - dt.timedelta(days=1)
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@dataclass(frozen=True)
class Sigstore:
    """Throw-away keys of all the parties."""

    authority: Issued
    certificate_log: ec.EllipticCurvePrivateKey
    log: ec.EllipticCurvePrivateKey

    @property
    def root(self) -> bytes:
        """Return the trusted root in JSON."""
        start = {"start": "2020-01-01T00:00:00Z"}

        def instance(key: ec.EllipticCurvePrivateKey, url: str) -> dict[str, Any]:
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {"rawBytes": _text(_der(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": start},
                "logId": {"keyId": _text(hashlib.sha256(_der(key)).digest())},
            }

        return json.dumps({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [instance(self.log, "https://rekor.example")],
            "certificateAuthorities": [{
                "subject": {"organization": "example", "commonName": "authority"},
                "uri": "https://fulcio.example",
                "certChain": {"certificates": [self.authority.der]},
                "validFor": start,
            }],
            "ctlogs": [instance(self.certificate_log, "https://ctfe.example")],
            "timestampAuthorities": [],
        }).encode()  # fmt: skip

    def certificate(self, identity: str, issuer: str) -> Issued:
        """Issue a certificate of ten minutes with the log's timestamp inside."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.authority.certificate.subject)
            .public_key(key.public_key())
            .serial_number(4711)
            .not_valid_before(SIGNED_AT)
            .not_valid_after(SIGNED_AT + dt.timedelta(minutes=10))
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.key.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(identity)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER_V1, issuer.encode()), critical=False)
            .add_extension(
                x509.UnrecognizedExtension(_ISSUER, b"\x0c" + bytes([len(issuer)]) + issuer.encode()), critical=False
            )
        )
        before = builder.sign(self.authority.key, hashes.SHA256())
        stamped = builder.add_extension(
            x509.UnrecognizedExtension(_SCT_LIST, self._timestamp_list(before.tbs_certificate_bytes)), critical=False
        )
        return Issued(stamped.sign(self.authority.key, hashes.SHA256()), key)

    def _timestamp_list(self, tbs: bytes) -> bytes:
        moment = int(SIGNED_AT.timestamp() * 1000).to_bytes(8)
        issuer_key = hashlib.sha256(_der(self.authority.key)).digest()
        entry = b"\0\1" + issuer_key + len(tbs).to_bytes(3) + tbs + b"\0\0"
        signature = sign(self.certificate_log, b"\0\0" + moment + entry)
        log_id = hashlib.sha256(_der(self.certificate_log)).digest()
        stamp = b"\0" + log_id + moment + b"\0\0" + b"\4\3" + len(signature).to_bytes(2) + signature
        listed = len(stamp).to_bytes(2) + stamp
        listed = len(listed).to_bytes(2) + listed
        return b"\x04" + (bytes([len(listed)]) if len(listed) < 128 else b"\x81" + bytes([len(listed)])) + listed

    def entry(self, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Log an entry: the only one of its log."""
        body = json.dumps(
            {"apiVersion": "0.0.1", "kind": kind, "spec": spec}, sort_keys=True, separators=(",", ":")
        ).encode()
        log_id = hashlib.sha256(_der(self.log)).digest()
        moment = int(SIGNED_AT.timestamp()) + 60
        promised = {"body": _text(body), "integratedTime": moment, "logID": log_id.hex(), "logIndex": 0}
        promise = sign(self.log, json.dumps(promised, sort_keys=True, separators=(",", ":")).encode())
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"rekor.example - 1\n1\n{_text(root)}\n"
        line = f"— rekor.example {_text(log_id[:4] + sign(self.log, note.encode()))}\n"
        return {
            "logIndex": "0",
            "logId": {"keyId": _text(log_id)},
            "kindVersion": {"kind": kind, "version": "0.0.1"},
            "integratedTime": str(moment),
            "inclusionPromise": {"signedEntryTimestamp": _text(promise)},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _text(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n{line}"},
            },
            "canonicalizedBody": _text(body),
        }

    def bundle(self, payload: bytes, signer: Issued) -> dict[str, Any]:
        """Sign a statement and log it."""
        signed = envelope(payload, signer.key)
        spec = {
            "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(json.dumps(signed).encode()).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": signed["signatures"][0]["sig"], "verifier": _text(signer.pem)}],
        }
        return self._wrapped(signer, self.entry("dsse", spec)) | {"dsseEnvelope": signed}

    def blob_bundle(self, data: bytes, signer: Issued) -> dict[str, Any]:
        """Sign the bytes of a file, as `cosign sign-blob` does, and log it."""
        signature = sign(signer.key, data)
        spec = {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}},
            "signature": {"content": _text(signature), "publicKey": {"content": _text(signer.pem)}},
        }
        message = {
            "messageDigest": {"algorithm": "SHA2_256", "digest": _text(hashlib.sha256(data).digest())},
            "signature": _text(signature),
        }
        return self._wrapped(signer, self.entry("hashedrekord", spec)) | {"messageSignature": message}

    def _wrapped(self, signer: Issued, entry: dict[str, Any]) -> dict[str, Any]:
        return {"mediaType": BUNDLE, "verificationMaterial": {"certificate": signer.der, "tlogEntries": [entry]}}


def new_sigstore() -> Sigstore:
    """Make the keys."""
    ends = NOW + dt.timedelta(days=3000)
    return Sigstore(
        authority=issue("authority", ca=True, begins=NOW - dt.timedelta(days=2000), ends=ends),
        certificate_log=ec.generate_private_key(ec.SECP256R1()),
        log=ec.generate_private_key(ec.SECP256R1()),
    )
