from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace
from tests.fakes import MemoryRepo
from tests.integrity.forge import (
    BUNDLE,
    KEY,
    NOW,
    OTHER_KEY,
    SETTINGS,
    TRUST,
    bundle,
    check,
    encoded,
    envelope,
    hint,
    signed_model,
)

from aibom.components import Inspection, SignatureStatus
from aibom.files import Coverage, Digest
from aibom.findings import Severity
from aibom.integrity.checking import gather, verify
from aibom.inventory import take_inventory
from aibom.limits import Limits
from aibom.settings import Settings

WEIGHTS = b"\x10\0\0\0\0\0\0\0{}              "
FILES = {"model.safetensors": WEIGHTS, "config.json": b"{}"}


def provenance(*subjects: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": list(subjects),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"runDetails": {"builder": {"id": "https://ci.example/builder"}}},
    } | more


def subject(data: bytes, name: str = "out/model.safetensors", algorithm: str = "sha256") -> dict[str, Any]:
    return {"name": name, "digest": {algorithm: hashlib.new(algorithm, data).hexdigest(), "gitCommit": "a" * 40}}


def test_provenance_covers_the_file_that_has_its_digest() -> None:
    """Names in attestations are informative, digests count; the builder is kept."""
    files = {**FILES, "provenance.sigstore.json": encoded(bundle(provenance(subject(WEIGHTS))))}
    found = check(files, trust=TRUST).one("attestation")
    assert (SignatureStatus.VERIFIED, ("model.safetensors",)) == (found.status, found.covered)
    said = [item.statement for item in found.evidence]
    assert "predicate https://slsa.dev/provenance/v1" in said
    assert "builder https://ci.example/builder" in said


def test_other_digests_are_computed_for_all_files() -> None:
    """A subject that has no SHA-256 makes every file get the digest that it has."""
    files = {**FILES, "p.sigstore": encoded(bundle(provenance(subject(WEIGHTS, algorithm="sha512"))))}
    assert ("model.safetensors",) == check(files, trust=TRUST).one("attestation").covered


def test_a_file_of_the_attested_name_and_another_digest_is_a_mismatch() -> None:
    """The name fits and the content does not."""
    files = {**FILES, "p.sigstore": encoded(bundle(provenance(subject(b"other", "model.safetensors"))))}
    checked = check(files, trust=TRUST)
    assert {("hash-mismatch", "model.safetensors")} == checked.grave
    assert SignatureStatus.MISMATCH is checked.one("attestation").status


def test_an_attestation_of_something_else_covers_nothing() -> None:
    """A good signature over other things says nothing about this target."""
    files = {**FILES, "p.sigstore": encoded(bundle(provenance(subject(b"other"))))}
    found = check(files, trust=TRUST).one("attestation")
    assert (SignatureStatus.UNSUPPORTED, ()) == (found.status, found.covered)


def test_several_attestations_stand_in_lines() -> None:
    """GitHub and SLSA generators write one bundle or bare envelope a line."""
    lines = [
        encoded(bundle(provenance(subject(WEIGHTS)))),
        encoded(envelope(encoded(provenance(subject(b"{}", "config.json"))), KEY)),
        encoded(bundle(provenance(subject(WEIGHTS)), key=OTHER_KEY)),
    ]
    checked = check({**FILES, "multiple.intoto.jsonl": b"\n".join(lines) + b"\n\n"}, trust=TRUST)
    found = [item for item in checked.verifications if item.kind == "attestation"]
    assert [SignatureStatus.VERIFIED, SignatureStatus.VERIFIED, SignatureStatus.INVALID] == [x.status for x in found]
    # The two good ones have been found, so the stranger's is only mentioned.
    assert [Severity.LOW] == [item.severity for item in checked.findings]


def test_lines_without_attestations_are_data() -> None:
    """A data set in lines is none of our business."""
    assert () == check({"data.jsonl": b'{"a": 1}\n{"a": 2}\n'}).verifications


def test_more_lines_or_bytes_than_anybody_needs_are_an_error() -> None:
    """A file of thousands of envelopes is not worked through."""
    line = encoded(envelope(encoded(provenance(subject(WEIGHTS))), OTHER_KEY))
    many = check({"a.intoto.jsonl": b"\n".join([line] * 120)}, trust=TRUST)
    assert 101 == len(many.verifications)
    assert SignatureStatus.ERROR in {item.status for item in many.verifications}
    short = replace(SETTINGS, limits=Limits(json_bytes=100))
    assert SignatureStatus.ERROR is check({"a.intoto.jsonl": line + b"\n" + line}, short).one("attestation").status


def test_an_unsigned_statement_of_an_unknown_shape_is_not_read() -> None:
    """Without a key, what is not understood is said and no finding that fails; with the key it is invalid."""
    odd = bundle({**provenance(subject(WEIGHTS)), "subject": [{"name": "x"}]})
    unchecked = check({**FILES, "p.sigstore": encoded(odd)})
    assert SignatureStatus.UNSUPPORTED is unchecked.one("attestation").status
    assert set() == unchecked.grave
    assert (
        SignatureStatus.INVALID is check({**FILES, "p.sigstore": encoded(odd)}, trust=TRUST).one("attestation").status
    )


# --- signed blobs -----------------------------------------------------------------------------------------------------


def blob(data: bytes, key: ec.EllipticCurvePrivateKey = KEY, **message: Any) -> bytes:
    signature = key.sign(data, ec.ECDSA(hashes.SHA256()))
    digest = {"algorithm": "SHA2_256", "digest": base64.b64encode(hashlib.sha256(data).digest()).decode()}
    return encoded({
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": hint(key)}},
        "messageSignature": {"messageDigest": digest, "signature": base64.b64encode(signature).decode()} | message,
    })  # fmt: skip


def test_a_blob_signature_needs_no_second_read() -> None:
    """The signature is over the digest that the scan computes anyway."""
    files = {**FILES, "model.safetensors.sigstore.json": blob(WEIGHTS)}
    found = check(files, trust=TRUST).one("blob-signature")
    assert (SignatureStatus.VERIFIED, ("model.safetensors",)) == (found.status, found.covered)
    changed = check({**files, "model.safetensors": b"x"}, trust=TRUST)
    assert {("hash-mismatch", "model.safetensors")} == changed.grave


@pytest.mark.parametrize(
    "raw",
    [
        blob(WEIGHTS, signature=base64.b64encode(b"x" * 70).decode()),
        blob(WEIGHTS, signature="AAAA"),
        blob(WEIGHTS, messageDigest={"algorithm": "SHA2_256", "digest": "AAAA"}),
        blob(WEIGHTS, messageDigest={"algorithm": "SHA2_512", "digest": "AAAA"}),
        blob(WEIGHTS, messageDigest={"algorithm": "SHA2_256", "digest": base64.b64encode(bytes(32)).decode()}),
    ],
)
def test_a_blob_signature_that_does_not_hold_is_invalid(raw: bytes) -> None:
    """Another signature, another digest, a digest that is none."""
    checked = check({**FILES, "model.safetensors.sigstore.json": raw}, trust=TRUST)
    assert ("signature-invalid", "model.safetensors.sigstore.json") in checked.grave


def test_hints_of_cosign_name_the_same_key() -> None:
    """cosign writes the base64 of the SHA-256 of the DER form."""
    der = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    value = json.loads(blob(WEIGHTS))
    value["verificationMaterial"]["publicKey"]["hint"] = base64.b64encode(hashlib.sha256(der).digest()).decode()
    files = {**FILES, "model.safetensors.sigstore.json": encoded(value)}
    assert SignatureStatus.VERIFIED is check(files, trust=TRUST).one("blob-signature").status


# --- where files were not downloaded ----------------------------------------------------------------------------------


class Undownloaded(MemoryRepo):
    """A remote target: files are listed with the digests that the hub declares."""

    remote = True


def test_what_was_not_digested_is_not_verified() -> None:
    """Without bytes a good signature proves nothing; what the hub declares can still contradict it."""
    for value, status in (
        (hashlib.sha256(WEIGHTS).hexdigest(), SignatureStatus.PRESENT_UNVERIFIED),
        ("0" * 64, SignatureStatus.MISMATCH),
    ):
        declared = {"model.safetensors": (Digest(algorithm="sha256", value=value, basis="declared", source="hub"),)}
        source = Undownloaded(signed_model(FILES), declared=declared)
        settings = Settings(as_of=SETTINGS.as_of, trust=TRUST)
        inventory = take_inventory(source, settings.limits)
        inspections = tuple(Inspection(file=file, coverage=Coverage.NONE) for file in inventory.files)
        gathered = gather(source, inspections, settings, NOW)
        verifications, _ = verify(source, inspections, {}, gathered, settings)
        assert [status] == [item.status for item in verifications if item.kind == "model-signature"]
