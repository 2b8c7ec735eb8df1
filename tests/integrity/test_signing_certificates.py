from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.integrity.forge import (
    NOW,
    TRUST,
    Checked,
    Issued,
    chain_proof,
    check,
    issue,
    material,
    signed_model,
)

from aibom.components import SignatureStatus
from aibom.settings import Trust

FILES = {"model.safetensors": b"\x10\0\0\0\0\0\0\0{}              "}
ROOT = issue("root", ca=True)
MIDDLE = issue("intermediate", ROOT, ca=True)
LEAF = issue("signer", MIDDLE, email="release@acme.example")
DAY = dt.timedelta(days=1)


def outcome(*chain: Issued, trusted: Issued = ROOT, **trust: Any) -> Checked:
    files = signed_model(FILES, key=chain[0].key, proof=chain_proof(*chain))
    return check(files, trust=Trust(authorities=(material(trusted.pem, "root.pem"),), **trust))


def test_a_chain_to_the_users_authority_is_verified() -> None:
    """Leaf, intermediate and root hold together, and the signer is the leaf's subject."""
    checked = outcome(LEAF, MIDDLE)
    assert SignatureStatus.VERIFIED is checked.status
    assert "CN=signer (issued by CN=intermediate)" == checked.one("model-signature").signer


@pytest.mark.parametrize("chain", [(LEAF, MIDDLE, ROOT), (LEAF, ROOT, MIDDLE)])
def test_the_bundle_may_repeat_the_root_in_any_order(chain: tuple[Issued, ...]) -> None:
    """Only the user's copy of the root is an anchor; the rest is a heap to build from."""
    assert SignatureStatus.VERIFIED is outcome(*chain).status


def test_an_intermediate_may_be_the_anchor() -> None:
    """A user may trust less than the whole root."""
    assert SignatureStatus.VERIFIED is outcome(LEAF, trusted=MIDDLE).status


def test_a_certificate_may_be_pinned() -> None:
    """The very certificate, given as authority, needs nobody to vouch for it."""
    alone = issue("self")
    assert SignatureStatus.VERIFIED is outcome(alone, trusted=alone).status


def test_identities_narrow_what_an_authority_vouches_for() -> None:
    """With --identity, another leaf of the same authority is somebody else."""
    assert SignatureStatus.VERIFIED is outcome(LEAF, MIDDLE, identities=("release@acme.example",)).status
    assert SignatureStatus.VERIFIED is outcome(LEAF, MIDDLE, identities=("signer",)).status
    other = outcome(LEAF, MIDDLE, identities=("alice@acme.example",))
    assert {("signer-untrusted", "model.sig")} == other.grave


def _weak() -> Issued:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rsa")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(MIDDLE.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .sign(MIDDLE.key, hashes.SHA256())
    )
    return Issued(certificate, MIDDLE.key)


REFUSED: Mapping[str, Callable[[], tuple[Issued, ...]]] = {
    "leaf expired five years ago": lambda: (
        issue("old", MIDDLE, begins=NOW - 1900 * DAY, ends=NOW - 1800 * DAY),
        MIDDLE,
    ),
    "leaf not valid yet": lambda: (issue("new", MIDDLE, begins=NOW + DAY, ends=NOW + 2 * DAY), MIDDLE),
    "leaf for servers": lambda: (issue("web", MIDDLE, usages=(ExtendedKeyUsageOID.SERVER_AUTH,)), MIDDLE),
    "leaf without extended use": lambda: (issue("any", MIDDLE, usages=()), MIDDLE),
    "leaf that may not sign": lambda: (issue("not", MIDDLE, digital_signature=False), MIDDLE),
    "leaf without key usage": lambda: (issue("bare", MIDDLE, digital_signature=None), MIDDLE),
    "leaf with an RSA key": lambda: (_weak(), MIDDLE),
}


@pytest.mark.parametrize("chain", REFUSED.values(), ids=REFUSED.keys())
def test_a_certificate_that_is_not_for_this_is_refused(chain: Callable[[], tuple[Issued, ...]]) -> None:
    """Time, purpose and kind of key are checked although the signature itself is good."""
    checked = outcome(*chain())
    assert SignatureStatus.INVALID is checked.status
    assert {("signature-invalid", "model.sig")} == checked.grave


def _leaf_as_authority() -> tuple[Issued, ...]:
    return issue("below", LEAF), LEAF, MIDDLE


def _too_long() -> tuple[Issued, ...]:
    short = issue("short", ROOT, ca=True, path_length=0)
    below = issue("below", short, ca=True)
    return issue("leaf", below), below, short


def _expired_middle() -> tuple[Issued, ...]:
    middle = issue("old middle", ROOT, ca=True, begins=NOW - 9 * DAY, ends=NOW - DAY)
    return issue("leaf", middle), middle


UNTRUSTED: Mapping[str, Callable[[], tuple[Issued, ...]]] = {
    "another root": lambda: (issue("leaf", issue("other root", ca=True)),),
    "a root of the same name": lambda: (issue("leaf", issue("root", ca=True)),),
    "self-signed": lambda: (issue("signer"),),
    "the intermediate is missing": lambda: (LEAF,),
    "a leaf acts as authority": _leaf_as_authority,
    "more levels than the authority allows": _too_long,
    "an intermediate has expired": _expired_middle,
}


@pytest.mark.parametrize("chain", UNTRUSTED.values(), ids=UNTRUSTED.keys())
def test_a_chain_that_does_not_lead_to_the_authority_is_refused(chain: Callable[[], tuple[Issued, ...]]) -> None:
    """Nobody but the user's own authorities can vouch for a signer, and only in the ways they allow."""
    checked = outcome(*chain())
    assert SignatureStatus.INVALID is checked.status
    assert checked.grave <= {("signer-untrusted", "model.sig"), ("signature-invalid", "model.sig")}
    assert checked.grave


def test_another_key_than_the_certificates_is_refused() -> None:
    """A good chain proves nothing about a signature that its owner did not make."""
    files = signed_model(FILES, key=MIDDLE.key, proof=chain_proof(LEAF, MIDDLE))
    checked = check(files, trust=Trust(authorities=(material(ROOT.pem),)))
    assert {("signature-invalid", "model.sig")} == checked.grave


def test_without_an_authority_nothing_is_consulted() -> None:
    """There is no fall-back to the roots of the system or of the web: the signature stays unchecked."""
    checked = check(signed_model(FILES, key=LEAF.key, proof=chain_proof(LEAF, MIDDLE)))
    assert SignatureStatus.PRESENT_UNVERIFIED is checked.status
    assert "CN=signer (issued by CN=intermediate)" == checked.one("model-signature").signer


def test_methods_can_not_be_confused() -> None:
    """A key given does not accept a certificate, and an authority given does not accept a key."""
    by_certificate = signed_model(FILES, key=LEAF.key, proof=chain_proof(LEAF, MIDDLE))
    assert SignatureStatus.PRESENT_UNVERIFIED is check(by_certificate, trust=TRUST).status
    authority = Trust(authorities=(material(ROOT.pem),))
    assert SignatureStatus.PRESENT_UNVERIFIED is check(signed_model(FILES), trust=authority).status


@pytest.mark.parametrize("raw", [b"", b"garbage", LEAF.certificate.public_bytes(Encoding.DER)[:-9]])
def test_a_certificate_that_can_not_be_read_is_refused(raw: bytes) -> None:
    """Truncated and foreign bytes are an invalid signature, with or without an authority."""
    proof = {"x509CertificateChain": {"certificates": [{"rawBytes": base64.b64encode(raw).decode()}]}}
    files = signed_model(FILES, proof=proof)
    assert SignatureStatus.INVALID is check(files).status
    assert SignatureStatus.INVALID is check(files, trust=Trust(authorities=(material(ROOT.pem),))).status


def test_a_lone_certificate_field_is_read_like_a_chain_of_one() -> None:
    """Bundles of version 0.3 may carry the leaf alone; without a log entry it is an ordinary certificate."""
    leaf = issue("direct", ROOT)
    files = signed_model(FILES, key=leaf.key, proof={"certificate": leaf.der})
    assert SignatureStatus.VERIFIED is check(files, trust=Trust(authorities=(material(ROOT.pem),))).status


def test_a_leaf_on_another_curve_uses_its_own_hash() -> None:
    """P-384 certificates sign with SHA-384."""
    key = ec.generate_private_key(ec.SECP384R1())
    extensions = LEAF.certificate.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    builder = x509.CertificateBuilder(
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "p384")]),
        issuer_name=ROOT.certificate.subject,
        public_key=key.public_key(),
        serial_number=9,
        not_valid_before=NOW - DAY,
        not_valid_after=NOW + DAY,
    )
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    assert SignatureStatus.VERIFIED is outcome(Issued(builder.sign(ROOT.key, hashes.SHA256()), key)).status


def test_certificates_signed_with_sha1_are_refused() -> None:
    """A broken digest anywhere in the chain ends it, before anything else is looked at."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    builder = x509.CertificateBuilder(name, name, LEAF.key.public_key(), 11, NOW - DAY, NOW + DAY)
    raw = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    # sha256WithRSAEncryption ends with 11, sha1WithRSAEncryption with 5.
    oid = bytes.fromhex("2a864886f70d0101")
    proof = {"certificate": {"rawBytes": base64.b64encode(raw.replace(oid + b"\x0b", oid + b"\x05")).decode()}}
    files = signed_model(FILES, key=LEAF.key, proof=proof)
    checked = check(files, trust=Trust(authorities=(material(ROOT.pem),)))
    assert "SHA1" in checked.findings[0].message
