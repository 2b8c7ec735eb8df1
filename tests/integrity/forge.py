"""Throw-away keys, certificates, statements and bundles: good ones, and validly signed bad ones."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.fakes import MemoryRepo

from aibom.components import Inspection, SignatureStatus, Verification
from aibom.digests import digest_files
from aibom.files import Coverage
from aibom.findings import Finding
from aibom.integrity.checking import gather, verify
from aibom.inventory import take_inventory
from aibom.settings import Material, Settings, Trust
from aibom.sources.protocol import Source

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
SETTINGS = Settings(as_of=NOW.date())
IN_TOTO = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def material(content: bytes, name: str = "release.pub") -> Material:
    return Material(name=name, sha256=hashlib.sha256(content).hexdigest(), content=content)


TRUST = Trust(keys=(material(pem(KEY)),))


# --- statements -------------------------------------------------------------------------------------------------------


def resources(files: Mapping[str, bytes]) -> list[dict[str, str]]:
    return [
        {"name": name, "algorithm": "sha256", "digest": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    ]


def root_of(items: list[dict[str, str]]) -> str:
    return hashlib.sha256(b"".join(bytes.fromhex(item["digest"]) for item in items)).hexdigest()


def statement(
    items: list[dict[str, str]], *, root: str | None = None, serialization: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Make a model signature's statement; keywords replace its fields."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": root_of(items) if root is None else root}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
            | dict(serialization or {}),
            "resources": items,
        },
    } | more


def pae(payload: bytes, kind: str = IN_TOTO) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def hint(key: ec.EllipticCurvePrivateKey) -> str:
    return hashlib.sha256(pem(key)).hexdigest()


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    size = key.curve.key_size
    algorithm = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[size]
    return key.sign(message, ec.ECDSA(algorithm))


def envelope(payload: bytes, key: ec.EllipticCurvePrivateKey, kind: str = IN_TOTO) -> dict[str, Any]:
    signature = sign(key, pae(payload, kind))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
    }


def bundle(
    content: dict[str, Any] | bytes,
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    proof: Mapping[str, Any] | None = None,
    kind: str = IN_TOTO,
) -> dict[str, Any]:
    """Make a signed bundle; bytes are signed as they are, so that they may be no JSON."""
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": dict(proof or {"publicKey": {"hint": hint(key)}}) | {"tlogEntries": []},
        "dsseEnvelope": envelope(payload, key, kind),
    }


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def signed_model(files: Mapping[str, bytes], **more: Any) -> dict[str, bytes]:
    """Return the files with a signature over all of them beside them."""
    return {**files, "model.sig": encoded(bundle(statement(resources(files)), **more))}


# --- certificates -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> dict[str, str]:
        return {"rawBytes": base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()}

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    ca: bool = False,
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CODE_SIGNING,),
    digital_signature: bool | None = True,
    begins: dt.datetime = NOW - dt.timedelta(days=30),
    ends: dt.datetime = NOW + dt.timedelta(days=30),
    email: str | None = None,
    path_length: int | None = None,
) -> Issued:
    """Issue a certificate; without an issuer it signs itself. `digital_signature` None leaves the key usage out."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer.key if issuer else key).public_key()),
            critical=False,
        )
    )
    if digital_signature is not None:
        usage = x509.KeyUsage(
            digital_signature=digital_signature and not ca, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(usage, critical=True)
    if usages and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if email:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(email)]), critical=False)
    return Issued(builder.sign((issuer.key if issuer else key), hashes.SHA256()), key)


def chain_proof(*chain: Issued) -> dict[str, Any]:
    return {"x509CertificateChain": {"certificates": [item.der for item in chain]}}


# --- checking ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """What integrity says about a target."""

    verifications: tuple[Verification, ...]
    findings: tuple[Finding, ...]

    def one(self, kind: str) -> Verification:
        (found,) = (item for item in self.verifications if item.kind == kind)
        return found

    @property
    def status(self) -> SignatureStatus:
        """The outcome of the only signature."""
        return self.one("model-signature").status

    @property
    def rules(self) -> set[str]:
        return {finding.rule.id for finding in self.findings}

    @property
    def grave(self) -> set[tuple[str, str]]:
        """Rule and path of what fails a scan by default."""
        return {
            (finding.rule.id, finding.location.path if finding.location else "")
            for finding in self.findings
            if finding.severity.rank <= 1
        }


def check(target: Source | Mapping[str, bytes], settings: Settings = SETTINGS, trust: Trust | None = None) -> Checked:
    """Run inventory, gathering, digests and verification; files are not inspected."""
    from msgspec.structs import replace  # noqa: PLC0415

    source = target if not isinstance(target, Mapping) else MemoryRepo(target)
    if trust is not None:
        settings = replace(settings, trust=trust)
    inventory = take_inventory(source, settings.limits)
    inspections = tuple(Inspection(file=file, coverage=Coverage.NONE) for file in (*inventory.files, *inventory.unread))
    gathered = gather(source, inspections, settings, NOW)
    digested = digest_files(source, inventory.files, gathered.plan, settings, lambda *_: None)
    return Checked(*verify(source, inspections, digested, gathered, settings))
