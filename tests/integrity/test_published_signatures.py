"""Signatures that releases 0.2 to 1.1 of the reference implementation made, as its own tests publish them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.integrity.forge import BUNDLE, OTHER_KEY, Checked, check, encoded, issue, material, pem

from aibom.components import SignatureStatus
from aibom.settings import Trust

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parent / "published_bundles.json").read_text())
KEY = base64.b64decode(PUBLISHED["key"])
AUTHORITY = x509.load_der_x509_certificate(base64.b64decode(PUBLISHED["chain"][1]["rawBytes"])).public_bytes(
    Encoding.PEM
)
NAMES = sorted(PUBLISHED["bundles"])


def bundle(name: str) -> bytes:
    item = PUBLISHED["bundles"][name]
    proof: dict[str, Any] = {"publicKey": {"hint": item["proof"]}}
    if item["proof"] == "chain":
        proof = {"x509CertificateChain": {"certificates": PUBLISHED["chain"]}}
    elif item["proof"] == "rawBytes":
        proof = {"publicKey": {"rawBytes": PUBLISHED["key"], "keyDetails": "PKIX_ECDSA_P384_SHA_384"}}
    if item["tlogEntries"]:
        proof["tlogEntries"] = []
    return encoded({"mediaType": BUNDLE, "verificationMaterial": proof, "dsseEnvelope": item["dsseEnvelope"]})


def model(name: str) -> dict[str, bytes]:
    """Return the files that were signed; some releases signed a copy without the line feed."""
    first = b"signme-1" if "certificate" in name else b"signme-1\n"
    if name in {"v0.3.1-elliptic-key", "v1.0.0-elliptic-key"}:
        return {"signme-1": first, "signme-1.sig": bundle(name)}
    return {"signme-1": first, "signme-2": b"signme-2", "model.sig": bundle(name)}


def checked(name: str, files: dict[str, bytes]) -> Checked:
    trust = Trust(authorities=(material(AUTHORITY),)) if "certificate" in name else Trust(keys=(material(KEY),))
    return check(files, trust=trust)


@pytest.mark.parametrize("name", NAMES)
def test_signatures_of_every_release_are_verified(name: str) -> None:
    """Each form in which bundles were ever written verifies, and covers every file."""
    files = model(name)
    found = checked(name, files).one("model-signature")
    assert SignatureStatus.VERIFIED is found.status
    assert {path for path in files if not path.endswith(".sig")} == set(found.covered)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_signatures_do_not_hold_for_anything_else(name: str) -> None:
    """A changed file, a further file, another key or authority: none of it verifies."""
    files = model(name)
    assert SignatureStatus.MISMATCH is checked(name, {**files, "signme-1": b"signme-2"}).status
    assert SignatureStatus.VERIFIED_PARTIAL is checked(name, {**files, "evil.py": b"x = 1\n"}).status
    strangers = Trust(keys=(material(pem(OTHER_KEY)),), authorities=(material(issue("root", ca=True).pem),))
    assert SignatureStatus.INVALID is check(files, trust=strangers).status
