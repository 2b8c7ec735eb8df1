from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.integrity.forge import Checked, check, encoded, material, pem, resources, statement

from aibom.components import SignatureStatus
from aibom.settings import Trust

pytest.importorskip("sigstore", reason="sigstore is not installed")
from tests.integrity.sigstore_forge import new_sigstore

FILES = {"model.safetensors": b"\x10\0\0\0\0\0\0\0{}              ", "config.json": b"{}"}
IDENTITY, ISSUER = "release@acme.example", "https://accounts.example"
SIGSTORE = new_sigstore()
SIGNER = SIGSTORE.certificate(IDENTITY, ISSUER)
BUNDLE = SIGSTORE.bundle(encoded(statement(resources(FILES))), SIGNER)
ROOT = material(SIGSTORE.root, "trusted_root.json")


def outcome(bundle: object = BUNDLE, **trust: Any) -> Checked:
    usual: dict[str, Any] = {"trusted_root": ROOT, "identities": (IDENTITY,), "issuers": (ISSUER,)}
    return check({**FILES, "model.sig": encoded(bundle)}, trust=Trust(**usual | trust))


def test_a_logged_signature_of_the_expected_signer_is_verified() -> None:
    """Identity and issuer are the user's, and everything is checked offline against the given root."""
    checked = outcome()
    assert SignatureStatus.VERIFIED is checked.status
    found = checked.one("model-signature")
    assert f"{IDENTITY} ({ISSUER})" == found.signer
    assert ROOT.sha256 in found.evidence[0].statement
    assert () == checked.findings


def test_the_library_warns_of_nothing_that_is_done_here(caplog: pytest.LogCaptureFixture) -> None:
    """Who signed is judged by ourselves, so that a scan does not tell its user that nothing was verified."""
    assert SignatureStatus.VERIFIED is outcome().status
    assert [] == [record.message for record in caplog.records]


@pytest.mark.parametrize("trust", [{"identities": (), "issuers": ()}, {"issuers": ()}, {"identities": ()}])
def test_without_identity_and_issuer_a_signer_is_named_and_not_trusted(trust: dict[str, Any]) -> None:
    """Anybody can get a certificate; who it was is said, and that nobody asked for them."""
    checked = outcome(**trust)
    assert SignatureStatus.UNPINNED is checked.status
    assert f"{IDENTITY} ({ISSUER})" == checked.one("model-signature").signer
    assert set() == checked.grave


@pytest.mark.parametrize("trust", [{"identities": ("eve@acme.example",)}, {"issuers": ("https://other.example",)}])
def test_another_identity_or_issuer_is_somebody_else(trust: dict[str, Any]) -> None:
    """Both have to be the expected ones."""
    checked = outcome(**trust)
    assert SignatureStatus.INVALID is checked.status
    assert {("signer-untrusted", "model.sig")} == checked.grave


def altered(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(BUNDLE))
    change(value)
    return value


def _entry(value: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = value["verificationMaterial"]["tlogEntries"][0]
    return entry


OTHER = SIGSTORE.bundle(encoded(statement(resources({"config.json": b"[]"}))), SIGNER)
ALTERED: dict[str, dict[str, Any]] = {
    "another statement": altered(lambda value: value.update(dsseEnvelope=OTHER["dsseEnvelope"])),
    "another entry": altered(
        lambda value: value["verificationMaterial"].update(tlogEntries=OTHER["verificationMaterial"]["tlogEntries"])
    ),
    "another time": altered(lambda value: _entry(value).update(integratedTime="1")),
    "another promise": altered(lambda value: _entry(value)["inclusionPromise"].update(signedEntryTimestamp="AAAA")),
    "another body": altered(lambda value: _entry(value).update(canonicalizedBody=base64.b64encode(b"{}").decode())),
    "another certificate": altered(
        lambda value: value["verificationMaterial"].update(
            certificate=SIGSTORE.certificate("eve@x.example", ISSUER).der
        )
    ),
    "an empty entry": altered(lambda value: value["verificationMaterial"].update(tlogEntries=[{}])),
    "an entry of text": altered(lambda value: value["verificationMaterial"].update(tlogEntries=["x"])),
    "a certificate of bytes": altered(
        lambda value: value["verificationMaterial"]["certificate"].update(rawBytes="AA==")
    ),
}


@pytest.mark.parametrize("bundle", ALTERED.values(), ids=ALTERED.keys())
def test_an_altered_keyless_bundle_is_refused(bundle: dict[str, Any]) -> None:
    """Statement, certificate, log entry and time are bound to each other."""
    checked = outcome(bundle)
    assert SignatureStatus.INVALID is checked.status
    assert {("signature-invalid", "model.sig")} == checked.grave


def test_a_root_that_was_not_given_is_not_trusted() -> None:
    """The root that the library ships knows nothing of this authority."""
    shipped = outcome(trusted_root=None)
    assert SignatureStatus.INVALID is shipped.status
    assert "does not hold" in shipped.findings[0].message
    other = material(new_sigstore().root)
    assert SignatureStatus.INVALID is outcome(trusted_root=other).status


def test_a_root_that_can_not_be_read_verifies_nothing() -> None:
    """A broken root is a failed check, not a passed one."""
    checked = outcome(trusted_root=material(b"{}"))
    assert SignatureStatus.INVALID is checked.status
    assert "trusted root" in checked.findings[0].message


def test_a_key_does_not_vouch_for_a_keyless_signature() -> None:
    """The certificate's own key, given as a trusted key, changes nothing about the method."""
    checked = outcome(identities=(), issuers=(), keys=(material(pem(SIGNER.key)),))
    assert SignatureStatus.UNPINNED is checked.status


def test_without_the_optional_dependency_a_signature_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding names the package that checks it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    checked = outcome()
    assert SignatureStatus.UNSUPPORTED is checked.status
    assert "aibom[sigstore]" in checked.findings[0].message


def test_a_signed_blob_is_found_by_its_digest() -> None:
    """What `cosign sign-blob` writes names no file: the digest says which one it is."""
    bundle = SIGSTORE.blob_bundle(FILES["model.safetensors"], SIGNER)
    trust = Trust(trusted_root=ROOT, identities=(IDENTITY,), issuers=(ISSUER,))
    files = {**FILES, "model.safetensors.sigstore.json": encoded(bundle)}
    found = check(files, trust=trust).one("blob-signature")
    assert (SignatureStatus.VERIFIED, ("model.safetensors",)) == (found.status, found.covered)
    changed = check({**files, "model.safetensors": b"other"}, trust=trust)
    assert {("hash-mismatch", "model.safetensors")} == changed.grave
