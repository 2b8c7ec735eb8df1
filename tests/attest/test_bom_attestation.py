from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)
from msgspec.structs import replace
from tests.fakes import MemoryRepo
from tests.integrity.forge import (
    KEY,
    NOW,
    OTHER_KEY,
    SETTINGS,
    encoded,
    envelope,
    hint,
    issue,
    material,
    pem,
    private_pem,
)

from aibom.attest import BomVerification, DifferenceKind, sign_bom, verify_bom
from aibom.cli import main
from aibom.components import SignatureStatus
from aibom.errors import DataError, UsageError
from aibom.integrity.authenticity import Trusted, read_trust
from aibom.limits import Limits
from aibom.settings import Trust

FILES = {"model.safetensors": b"\x10\0\0\0\0\0\0\0{}              ", "config.json": b"{}", "sub/b.bin": b"b"}
TRUSTED = read_trust(Trust(keys=(material(pem(KEY)),)), NOW)
NOBODY = Trusted(now=NOW)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def root_digest(files: Mapping[str, bytes]) -> str:
    return sha256("".join(sorted(f"{sha256(data)}  {name}\n" for name, data in files.items())).encode())


def file_component(name: str, data: bytes, *, role: str | None = None, **more: Any) -> dict[str, Any]:
    properties = [{"name": "aibom:file:role", "value": role}] if role else []
    hashes = [{"alg": "SHA-256", "content": sha256(data)}]
    return {"type": "file", "name": name, "hashes": hashes, "properties": properties} | more


def bom(files: Mapping[str, bytes] = FILES, *, ours: bool = True) -> dict[str, Any]:
    """Make a BOM: ours lists every file and says so, a vendor's lists what it likes."""
    weights = (".safetensors", ".bin")
    components = [
        file_component(name, data, role="weights" if name.endswith(weights) else "config")
        for name, data in files.items()
    ]
    properties = [{"name": "aibom:root-digest", "value": root_digest(files)}] if ours else []
    subject = {"type": "machine-learning-model", "name": "chat", "components": components, "properties": properties}
    return {"bomFormat": "CycloneDX", "specVersion": "1.7", "version": 1, "metadata": {"component": subject}}


def verified(
    document: bytes,
    files: Mapping[str, bytes] = FILES,
    attestation: bytes | None = None,
    trusted: Trusted = NOBODY,
) -> BomVerification:
    return verify_bom(document, attestation, MemoryRepo(files), SETTINGS, trusted)


def kinds(outcome: BomVerification) -> list[tuple[str, str | None]]:
    return [(item.kind.value, item.path) for item in outcome.differences]


BOM = encoded(bom())
SIGNED = sign_bom(BOM, private_pem(KEY))


def statement(bundle: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))
    return found


# --- signing ----------------------------------------------------------------------------------------------------------


def test_a_bom_is_attested_for_its_weights_and_the_model() -> None:
    """Subjects are the weight files and the root digest, the predicate is the BOM."""
    found = statement(SIGNED)
    assert "https://in-toto.io/Statement/v1" == found["_type"]
    assert "https://cyclonedx.org/bom" == found["predicateType"]
    assert [
        {"name": "model.safetensors", "digest": {"sha256": sha256(FILES["model.safetensors"])}},
        {"name": "sub/b.bin", "digest": {"sha256": sha256(b"b")}},
        {"name": "chat", "digest": {"sha256": root_digest(FILES)}},
    ] == found["subject"]
    assert bom() == found["predicate"]


def test_an_independent_library_verifies_our_envelope() -> None:
    """securesystemslib reads the envelope, and finds the signature good and the altered one bad."""
    dsse = pytest.importorskip("securesystemslib.dsse", reason="securesystemslib is not installed")
    signer = pytest.importorskip("securesystemslib.signer")
    for private, public in ((private_pem(KEY), pem(KEY)), ED25519):
        value = json.loads(sign_bom(BOM, private))["dsseEnvelope"]
        (signature,) = value["signatures"]
        key = signer.SSlibKey.from_crypto(load_pem_public_key(public), keyid=signature["keyid"])
        assert {signature["keyid"]: key} == dsse.Envelope.from_dict(deepcopy(value)).verify([key], 1)
        value["payload"] = base64.b64encode(b"{}").decode()
        with pytest.raises(Exception, match="signatures"):
            dsse.Envelope.from_dict(value).verify([key], 1)


def _ed25519() -> tuple[bytes, bytes]:
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


ED25519 = _ed25519()


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_every_curve_signs_and_verifies(curve: ec.EllipticCurve) -> None:
    """What we sign we verify, on each curve, and with an encrypted key."""
    key = ec.generate_private_key(curve)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    trusted = read_trust(Trust(keys=(material(pem(key)),)), NOW)
    outcome = verified(BOM, attestation=sign_bom(BOM, private, password=b"secret"), trusted=trusted)
    assert SignatureStatus.VERIFIED is outcome.signature
    assert outcome.holds


def test_a_chain_of_certificates_goes_with_the_signature() -> None:
    """With --cert the signer is the certificate's subject, and the user's authority is the anchor."""
    root = issue("root", ca=True)
    leaf = issue("release", root)
    bundle = sign_bom(BOM, private_pem(leaf.key), chain_pem=leaf.pem + root.pem)
    trusted = read_trust(Trust(authorities=(material(root.pem),)), NOW)
    outcome = verified(BOM, attestation=bundle, trusted=trusted)
    assert ("CN=release (issued by CN=root)", True) == (outcome.signer, outcome.holds)


def _rsa() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


ENCRYPTED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key_pem": b"garbage"}, "can't be read"),
        ({"key_pem": pem(KEY)}, "can't be read"),
        ({"key_pem": _rsa()}, "neither ECDSA"),
        ({"key_pem": ENCRYPTED}, "encrypted"),
        ({"key_pem": ENCRYPTED, "password": b"wrong"}, "can't be read"),
        ({"key_pem": private_pem(KEY), "chain_pem": b"garbage"}, "certificates can't be read"),
        ({"key_pem": private_pem(KEY), "chain_pem": issue("other").pem}, "belongs to another key"),
    ],
)
def test_a_key_that_can_not_sign_is_wrong_usage(arguments: dict[str, Any], message: str) -> None:
    """Each fault of key and certificates has its own words."""
    with pytest.raises(UsageError, match=message):
        sign_bom(BOM, **arguments)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"garbage", "can't be signed"),
        (b"{}", "no CycloneDX BOM"),
        (b'{"bomFormat": "CycloneDX", "bomFormat": "CycloneDX"}', "stands twice"),
        (b'{"bomFormat": "CycloneDX"}', "nothing to attest"),
        (encoded(bom()).replace(b'"version": 1', b'"version": 1e999'), "no form"),
        (encoded({"bomFormat": "CycloneDX", "components": [{"type": "file"}]}), "no name"),
        (
            encoded({"bomFormat": "CycloneDX", "components": [
                {"type": "file", "name": "a", "hashes": [{"alg": "SHA-256", "content": "x"}]}]}),
            "no sha256 digest",
        ),
    ],
)  # fmt: skip
def test_a_bom_that_can_not_be_attested_is_refused(document: bytes, message: str) -> None:
    """A document that is no BOM, or that states no digest, is not signed."""
    with pytest.raises(DataError, match=message):
        sign_bom(document, private_pem(KEY))


def test_digests_that_the_bom_itself_took_on_trust_are_not_attested() -> None:
    """A BOM of a remote scan holds declared digests; a signer vouches only for what was computed."""
    value = bom()
    for component in value["metadata"]["component"]["components"][:1]:
        component["properties"].append({"name": "aibom:file:digest-basis", "value": "declared"})
    assert ["sub/b.bin"] == [item["name"] for item in statement(sign_bom(encoded(value), private_pem(KEY)))["subject"]]


# --- verifying --------------------------------------------------------------------------------------------------------


def test_a_target_that_is_what_the_bom_says_holds() -> None:
    """Signature, statement and every digest agree."""
    outcome = verified(BOM, attestation=SIGNED, trusted=TRUSTED)
    assert SignatureStatus.VERIFIED is outcome.signature
    assert tuple(sorted(FILES)) == outcome.matching
    assert () == outcome.differences


def test_every_difference_of_the_files_is_named() -> None:
    """Changed, missing and extra files are told apart, and a renamed one is found by its content."""
    files = {"model.safetensors": b"other", "config.json": b"{}", "renamed.bin": b"b", "evil.py": b"x"}
    outcome = verified(BOM, files)
    assert [
        ("changed", "model.safetensors"),
        ("missing", "sub/b.bin"),
        ("extra", "evil.py"),
        ("extra", "renamed.bin"),
    ] == kinds(outcome)
    assert "renamed.bin" in outcome.differences[1].message


def test_a_signature_is_asked_for_where_a_key_is_given() -> None:
    """Who gives a key wants a signature; without one, and without a key, digests alone decide."""
    assert [("signature", None)] == kinds(verified(BOM, trusted=TRUSTED))
    assert verified(BOM).holds
    unchecked = verified(BOM, attestation=SIGNED)
    assert (SignatureStatus.PRESENT_UNVERIFIED, True) == (unchecked.signature, unchecked.holds)


def resigned(change: Callable[[dict[str, Any]], object]) -> bytes:
    """Sign an altered statement with the trusted key."""
    value = statement(SIGNED)
    change(value)
    bundle = json.loads(SIGNED)
    bundle["dsseEnvelope"] = envelope(json.dumps(value).encode(), KEY)
    return encoded(bundle)


CHEATS: dict[str, bytes] = {
    "another BOM": resigned(lambda value: value["predicate"].update(version=2)),
    "a number of another kind": resigned(lambda value: value["predicate"].update(version=True)),
    "another predicate": resigned(lambda value: value.update(predicateType="https://slsa.dev/provenance/v1")),
    "another subject": resigned(lambda value: value["subject"].append({"name": "x", "digest": {"sha256": "0" * 64}})),
    "no subject": resigned(lambda value: value.update(subject=[])),
    "another signer": sign_bom(BOM, private_pem(OTHER_KEY)),
    "truncated": SIGNED[:-50],
    "garbage": b"garbage",
    "a blob's signature": encoded({"mediaType": json.loads(SIGNED)["mediaType"], "verificationMaterial":
        {"publicKey": {"hint": hint(KEY)}}, "messageSignature": {"messageDigest":
        {"algorithm": "SHA2_256", "digest": base64.b64encode(bytes(32)).decode()}, "signature": "AAAA"}}),
}  # fmt: skip


@pytest.mark.parametrize("attestation", CHEATS.values(), ids=CHEATS.keys())
def test_an_attestation_of_something_else_does_not_hold(attestation: bytes) -> None:
    """Only this BOM, attested by the trusted key, counts; the digests are compared all the same."""
    outcome = verified(BOM, attestation=attestation, trusted=TRUSTED)
    assert DifferenceKind.SIGNATURE in {item.kind for item in outcome.differences}
    assert tuple(sorted(FILES)) == outcome.matching


def test_a_bom_changed_after_signing_does_not_hold() -> None:
    """The signature is over another BOM than the file."""
    changed = encoded(bom() | {"version": 2})
    assert [("signature", None)] == kinds(verified(changed, attestation=SIGNED, trusted=TRUSTED))


def test_a_bom_that_contradicts_itself_does_not_hold() -> None:
    """The stated root digest is held to the files of the same BOM."""
    value = bom()
    value["metadata"]["component"]["properties"][0]["value"] = "0" * 64
    assert [("changed", None)] == kinds(verified(encoded(value)))


def test_statements_of_the_older_version_are_read() -> None:
    """cosign has long written Statement v0.1."""
    old = resigned(lambda value: value.update(_type="https://in-toto.io/Statement/v0.1"))
    assert verified(BOM, attestation=old, trusted=TRUSTED).holds


# --- a vendor's BOM ---------------------------------------------------------------------------------------------------


def vendor(*components: dict[str, Any]) -> bytes:
    return encoded({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components)})


def test_a_vendors_bom_need_not_list_everything() -> None:
    """What it does not cover is said and does not fail; files are found by path, by leaf name or by content."""
    document = vendor(
        file_component("./model.safetensors", FILES["model.safetensors"]),
        file_component("b.bin", b"b"),
        file_component("elsewhere.json", b"{}", evidence={"occurrences": [{"location": "config.json"}, 1]}),
    )
    outcome = verified(document, {**FILES, "README.md": b"hi"})
    assert outcome.holds
    assert ("README.md",) == outcome.uncovered
    assert tuple(sorted(FILES)) == outcome.matching
    by_content = verified(vendor(file_component("weights", b"b")))
    assert ("sub/b.bin",) == by_content.matching


def test_a_vendors_bom_fails_where_it_is_contradicted() -> None:
    """A listed file that is changed or missing is a difference."""
    document = vendor(file_component("model.safetensors", b"other"), file_component("gone.bin", b"gone"))
    assert [("changed", "model.safetensors"), ("missing", "gone.bin")] == kinds(verified(document))


def test_digests_that_can_be_forged_prove_nothing() -> None:
    """A file listed with MD5 alone is not proven."""
    weak = {"type": "file", "name": "config.json", "hashes": [{"alg": "MD5", "content": "0" * 32}]}
    assert [("unproven", "config.json")] == kinds(verified(vendor(weak)))


def test_other_digests_of_the_standard_are_compared() -> None:
    """SHA-512, BLAKE2b-512 and BLAKE3 are computed where a BOM asks for them."""
    from blake3 import blake3  # noqa: PLC0415

    hashes = [
        {"alg": "SHA-512", "content": hashlib.sha512(b"{}").hexdigest()},
        {"alg": "BLAKE2b-512", "content": hashlib.blake2b(b"{}").hexdigest()},
        {"alg": "BLAKE3", "content": blake3(b"{}").hexdigest()},
    ]
    assert verified(vendor(file_component("config.json", b"", hashes=hashes))).holds
    hashes[2]["content"] = "0" * 64
    assert [("changed", "config.json")] == kinds(verified(vendor(file_component("config.json", b"", hashes=hashes))))


def test_a_digest_of_the_model_itself_is_found_by_content() -> None:
    """A vendor may give one digest for a model of one file."""
    model = {"type": "machine-learning-model", "name": "m", "hashes": [{"alg": "SHA-256", "content": sha256(b"b")}]}
    assert ("sub/b.bin",) == verified(vendor(model)).matching
    model["hashes"] = [{"alg": "SHA-256", "content": "0" * 64}]
    assert [("changed", None)] == kinds(verified(vendor(model)))


def test_a_bom_without_any_digest_proves_nothing() -> None:
    """An empty list can't hold."""
    assert [("unproven", None)] == kinds(verified(vendor({"type": "library", "name": "torch"}, {}, {"hashes": 1})))


def test_a_bom_that_can_not_be_read_is_no_verdict() -> None:
    """It is an error of its own, not a difference of the target."""
    with pytest.raises(DataError, match="limit"):
        verify_bom(BOM, None, MemoryRepo(FILES), replace(SETTINGS, limits=Limits(json_bytes=10)), NOBODY)


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    (tmp_path / "model" / "bom.json").write_bytes(BOM)
    (tmp_path / "key.pem").write_bytes(private_pem(KEY))
    (tmp_path / "key.pub").write_bytes(pem(KEY))
    return tmp_path


def test_sign_and_verify_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attestation lies beside the BOM; both may lie inside the target without being extra files."""
    path = folder / "model" / "bom.json"
    assert 0 == main(["sign", str(path), "--key", str(folder / "key.pem")])
    assert (folder / "model" / "bom.json.sigstore.json").is_file()
    verify = ["verify", str(path), str(folder / "model"), "--key", str(folder / "key.pub")]
    assert 0 == main(verify)
    assert "bom.json holds" in capsys.readouterr().out
    (folder / "model" / "config.json").write_bytes(b"[]")
    for number in range(60):
        (folder / "model" / f"{number}\x1b[31m.txt").write_bytes(b"x")
    assert 1 == main(verify)
    out = capsys.readouterr().out
    assert "changed    config.json: sha256" in out
    assert "bom.json does not hold: 61 differences" in out
    assert "\x1b" not in out


def test_what_a_vendors_bom_leaves_out_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files that a partial BOM says nothing about are listed."""
    (folder / "vendor.json").write_bytes(vendor(file_component("config.json", b"{}")))
    assert 0 == main(["verify", str(folder / "vendor.json"), str(folder / "model")])
    out = capsys.readouterr().out
    assert "signature  none" in out
    assert "uncovered  3 files, weights, code or configuration of which the BOM says nothing: bom.json, " in out
    assert "vendor.json holds for what it covers, which is not all: 3 files unproven\n" in out
    (folder / "model" / "README.md").write_text("hi")
    main(["verify", str(folder / "vendor.json"), str(folder / "model")])
    assert "uncovered  1 file, of which the BOM says nothing: README.md\n" in capsys.readouterr().out


def test_an_unchecked_or_bad_signature_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without trust the signature is unchecked; a signature that does not hold is a difference."""
    path = folder / "model" / "bom.json"
    main(["sign", str(path), "--key", str(folder / "key.pem"), "-o", str(folder / "sig.json")])
    verify = ["verify", str(path), str(folder / "model"), "--signature", str(folder / "sig.json")]
    assert 0 == main(verify)
    assert "present-unverified by key" in capsys.readouterr().out
    (folder / "other.pub").write_bytes(pem(OTHER_KEY))
    assert 1 == main([*verify, "--key", str(folder / "other.pub")])
    assert "signature  invalid" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sign", "gone.json", "--key", "key.pem"], 3, "gone.json can't be read"),
        (["sign", "model/bom.json", "--key", "gone.pem"], 3, "gone.pem can't be read"),
        (["sign", "model/bom.json", "--key", "key.pem", "-o", "no/where.json"], 2, "does not exist"),
        (["verify", "model/bom.json", "model", "--signature", "gone.json"], 3, "gone.json can't be read"),
        (["verify", "model/bom.json", "model", "--key", "gone.pub"], 2, "gone.pub can't be read"),
        (["verify", "model/bom.json", "model", "--key", "key.pem"], 2, "is a private key"),
        (["verify", "model/bom.json", "model", "--ca", "key.pub"], 2, "holds no certificate"),
        (["verify", "model/bom.json", "model", "--trusted-root", "key.pub"], 2, "not JSON"),
        (["verify", "model/bom.json", "model", "--trusted-root", "model/bom.json"], 2, "no Sigstore trusted root"),
        (["verify", "model/config.json", "model"], 3, "neither a report of aibom nor a CycloneDX or SPDX document"),
    ],
)
def test_wrong_files_are_told_apart(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    """A file that was named and is missing or of the wrong kind has its exit code and its words."""
    monkeypatch.chdir(folder)
    assert code == main(arguments)
    assert message in capsys.readouterr().err


def test_an_encrypted_key_takes_its_password_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No password stands on a command line."""
    (folder / "secret.pem").write_bytes(ENCRYPTED)
    arguments = ["sign", str(folder / "model" / "bom.json"), "--key", str(folder / "secret.pem")]
    assert 2 == main(arguments)
    monkeypatch.setenv("AIBOM_KEY_PASSWORD", "secret")
    assert 0 == main(arguments)
