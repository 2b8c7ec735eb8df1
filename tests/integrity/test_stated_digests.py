from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes import MemoryRepo
from tests.integrity.forge import KEY, NOW, SETTINGS, TRUST, bundle, check, encoded, material, pem, resources, statement

from aibom.components import SIGNATURE_KINDS, Inspection, SignatureStatus
from aibom.digests import FileDigests
from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import Coverage, Digest, Format, RepoFile, Role
from aibom.integrity.certificates import read_authorities
from aibom.integrity.detached import C2PA, GPG, MINISIGN, OTHER, find_c2pa
from aibom.integrity.gathering import ATTESTATION, BLOB_SIGNATURE, MODEL_SIGNED
from aibom.integrity.keys import KeyKind, hint_of, read_key
from aibom.integrity.lfs import find_content
from aibom.integrity.strict_json import strict_object
from aibom.limits import Limits
from aibom.pipeline import scan

WEIGHTS = b"\x10\0\0\0\0\0\0\0{}              "
SHA = hashlib.sha256(WEIGHTS).hexdigest()


def declared(algorithm: str, value: str) -> tuple[Digest, ...]:
    return (Digest(algorithm=algorithm, value=value, basis="declared", source="hub"),)


def test_declared_digests_are_compared_with_computed_ones() -> None:
    """What the hub declares holds, or the file is another: SHA-256 and git blob ids alike."""
    git = hashlib.sha1(b"blob %d\0" % len(WEIGHTS) + WEIGHTS, usedforsecurity=False).hexdigest()
    good = MemoryRepo(
        {"a": WEIGHTS, "b": WEIGHTS}, declared={"a": declared("sha256", SHA.upper()), "b": declared("git-sha1", git)}
    )
    found = check(good).one("declared-digest")
    assert (SignatureStatus.CHECKSUM_OK, ("a", "b")) == (found.status, found.covered)
    bad = MemoryRepo({"a": WEIGHTS, "b": b"x"}, declared=dict.fromkeys("ab", declared("sha256", SHA)))
    checked = check(bad)
    assert {("hash-mismatch", "b")} == checked.grave
    assert (SignatureStatus.MISMATCH, ("b",)) == (
        checked.one("declared-digest").status,
        checked.one("declared-digest").uncovered,
    )
    assert () == check(MemoryRepo({"a": b""}, declared={"a": declared("xet", "1")})).verifications


# --- checksum files ---------------------------------------------------------------------------------------------------

LINES = {
    "gnu": f"{SHA}  model.bin\n",
    "gnu, binary": f"{SHA} *model.bin\n",
    "gnu, upper case": f"{SHA.upper()}  ./model.bin\n",
    "bsd": f"SHA256 (model.bin) = {SHA}\n",
    "with a comment": f"# made yesterday\n\n{SHA}  model.bin\n",
}


@pytest.mark.parametrize("text", LINES.values(), ids=LINES.keys())
def test_lists_of_checksums_are_compared(text: str) -> None:
    """Every usual style is read; a match is a checksum, never a signature."""
    files = {"model.bin": WEIGHTS, "SHA256SUMS": text.encode()}
    found = check(files).one("checksum-file")
    assert (SignatureStatus.CHECKSUM_OK, ("model.bin",)) == (found.status, found.covered)
    assert {("hash-mismatch", "model.bin")} == check({**files, "model.bin": b"x"}).grave


@pytest.mark.parametrize("name", ["model.bin.sha256", "model.bin.sha256sum"])
def test_a_lone_digest_speaks_of_the_file_that_it_is_named_after(name: str) -> None:
    """`model.bin.sha256` may hold nothing but the digest."""
    assert ("model.bin",) == check({"model.bin": WEIGHTS, name: SHA.encode()}).one("checksum-file").covered


@pytest.mark.parametrize(
    "text",
    [
        "nothing here",
        f"{SHA}  ../model.bin\n",
        f"{SHA}  /model.bin\n",
        f"{'0' * 70}  model.bin\n",
        f"SHA512 (model.bin) = {SHA}\n",
        "",
    ],
)
def test_lines_that_say_nothing_about_the_target_are_passed_over(text: str) -> None:
    """Paths that climb, digests of another length and prose are no statements about these files."""
    checked = check({"model.bin": WEIGHTS, "checksums.txt": text.encode()})
    assert () == checked.findings
    assert () == tuple(path for item in checked.verifications for path in item.covered)


def test_files_that_were_not_downloaded_are_no_fault() -> None:
    """A publisher's list often names more than one has fetched."""
    checked = check({"SHA256SUMS": f"{SHA}  other.bin\n".encode()})
    assert () == checked.findings
    assert "not in the target" in checked.one("checksum-file").evidence[-1].statement


def test_a_list_beyond_the_limits_is_an_error() -> None:
    """It is not read, and that is said."""
    short = replace(SETTINGS, limits=Limits(json_bytes=10))
    assert SignatureStatus.ERROR is check({"SHA256SUMS": f"{SHA}  a\n".encode()}, short).one("checksum-file").status


def test_digests_in_a_card_are_compared_with_care() -> None:
    """One name and one digest on a line count; the finding is medium, as prose may speak of another revision."""
    card = f"# Model\n\n| model.bin | `{SHA}` |\n| config.json | {'0' * 64} {'1' * 64} |\n"
    files = {"README.md": card.encode(), "model.bin": WEIGHTS, "config.json": b"{}"}
    found = check(files).one("card-digest")
    assert ("model.bin",) == found.covered
    changed = check({**files, "model.bin": b"x"})
    assert ["medium"] == [finding.severity.value for finding in changed.findings]
    twice = card + f"model.bin was {'0' * 64} before\n"
    assert () == check({**files, "README.md": twice.encode()}).verifications


# --- the hub client's listing -----------------------------------------------------------------------------------------

TREE = f".cache/huggingface/trees/{'a' * 40}.json"


def tree(**files: object) -> bytes:
    return encoded({"format_version": 1, "files": files})


def test_a_listing_of_the_hub_client_is_compared() -> None:
    """What LFS holds is compared by SHA-256, everything else by git blob id; a file that changed is medium."""
    blob = hashlib.sha1(b"blob 2\0{}", usedforsecurity=False).hexdigest()
    listing = tree(
        **{
            "model.bin": {"size": 1, "blob_id": "0" * 40, "lfs_sha256": SHA, "xet_hash": "f" * 64},
            "config.json": {"size": 2, "blob_id": blob},
            "not-downloaded.bin": {"size": 2, "blob_id": blob},
            "../climbs": {"size": 2, "blob_id": blob},
            "odd": 1,
        }
    )
    files = {"model.bin": WEIGHTS, "config.json": b"{}", TREE: listing}
    found = check(files).one("hub-listing")
    assert (SignatureStatus.CHECKSUM_OK, ("config.json", "model.bin")) == (found.status, found.covered)
    changed = check({**files, "model.bin": b"x"})
    assert [("hash-mismatch", "medium")] == [(item.rule.id, item.severity.value) for item in changed.findings]


@pytest.mark.parametrize("raw", [b"garbage", b"[]", b'{"format_version": 2, "files": {}}', tree(), b"{}"])
def test_a_listing_of_another_shape_says_nothing(raw: bytes) -> None:
    """The client itself would ignore it."""
    assert () == check({"model.bin": WEIGHTS, TREE: raw}).verifications


def test_of_two_listings_none_is_believed() -> None:
    """Nobody knows which revision the files belong to."""
    files = {"a": b"", TREE: tree(a={"lfs_sha256": SHA}), TREE.replace("a" * 40, "b" * 40): tree(a={"lfs_sha256": SHA})}
    assert () == check(files).verifications


# --- pointers and claims in metadata ----------------------------------------------------------------------------------


def test_a_pointer_whose_content_stands_elsewhere_is_matched() -> None:
    """The oid and the size both have to fit."""
    file = RepoFile(path="a.bin", size=130, format=Format.LFS_POINTER, role=Role.WEIGHTS)
    pointer = Inspection(file=file, coverage=Coverage.NONE, metadata={"oid": f"sha256:{SHA}", "size": len(WEIGHTS)})
    digested = {"b.bin": FileDigests(path="b.bin", size=len(WEIGHTS), digests=(Digest(algorithm="sha256", value=SHA),))}
    (found,) = find_content((pointer,), digested)
    assert ("b.bin",) == found.covered
    other = replace(pointer, metadata={"oid": f"sha256:{SHA}", "size": 1})
    assert [] == list(find_content((other,), digested))
    assert [] == list(find_content((), digested))


def test_c2pa_manifests_are_recorded_as_present() -> None:
    """A claim in a model's metadata is named and not believed."""
    file = RepoFile(path="m.onnx", size=1, format=Format.ONNX, role=Role.WEIGHTS)
    item = Inspection(file=file, coverage=Coverage.COMPLETE, metadata={"metadata.c2pa:manifest": "AAAA", "x": 1})
    (found,) = find_c2pa((item, replace(item, metadata={})))
    assert SignatureStatus.PRESENT_UNVERIFIED is found.status


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no public key"),
        (b"garbage", "no public key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "private key"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA", "private key"),
        (b"untrusted comment: minisign encrypted secret key\nAAAA", "private key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "--ca"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no readable"),
        (b"untrusted comment: key", "no Ed25519"),
        (b"untrusted comment: key\n!!!!", "not base64"),
        (b"untrusted comment: key\nQUFBQQ==", "no Ed25519"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n-----END", "armour"),
    ],
)
def test_what_is_no_public_key_is_refused(content: bytes, message: str) -> None:
    """Each wrong kind of file has its own words, a private key first of all."""
    with pytest.raises(MalformedFile, match=message):
        read_key(material(content))


def test_keys_of_kinds_that_sign_no_models_are_refused() -> None:
    """RSA keys and other curves are told apart from broken files."""
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    raw = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(MalformedFile, match="neither ECDSA nor Ed25519"):
        read_key(material(raw))
    with pytest.raises(MalformedFile, match="curve"):
        read_key(material(pem(ec.generate_private_key(ec.SECP256K1()))))
    assert KeyKind.PEM is read_key(material(b"\n" + pem(KEY))).kind


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), None])
def test_a_key_in_its_usual_form_is_the_one_that_the_library_reads(curve: ec.EllipticCurve | None) -> None:
    """Name and value do not depend on who read the key: ourselves, or the library with all its forms."""
    key = ec.generate_private_key(curve) if curve else ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    found = read_key(material(raw))
    assert load_pem_public_key(raw) == found.key
    assert hashlib.sha256(raw).hexdigest() == found.hint == hint_of(found.key)
    assert key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == found.der
    assert found.hint == read_key(material(raw.replace(b"\n", b"\r\n"))).hint


def test_a_key_in_another_form_is_the_same_key() -> None:
    """A compressed point, which the library writes out again in full, has the name of the key itself."""
    point = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    text = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der) + b"\n-----END PUBLIC KEY-----\n"
    assert read_key(material(pem(KEY))).hint == read_key(material(text)).hint
    off_curve = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + b"\4" + bytes(63) + b"\1"
    with pytest.raises(MalformedFile, match="no readable"):
        read_key(material(text.replace(base64.b64encode(der), base64.b64encode(off_curve))))


def test_an_authority_file_holds_certificates() -> None:
    """Anything else is refused before a scan begins."""
    with pytest.raises(MalformedFile, match="no certificate"):
        read_authorities((material(b"garbage", "ca.pem"),))


# --- the whole scan ---------------------------------------------------------------------------------------------------


def test_a_report_names_keys_and_does_not_carry_them() -> None:
    """Name and digest of what was trusted are in the settings, the content is not."""
    report = scan(MemoryRepo({"a.txt": b"a"}), replace(SETTINGS, trust=TRUST), created=NOW)
    (key,) = report.settings.trust.keys
    assert (b"", TRUST.keys[0].sha256, "release.pub") == (key.content, key.sha256, key.name)


BASE = bundle(statement(resources({"a.txt": b"a"})))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = st.sampled_from([
    ("mediaType",), ("verificationMaterial",), ("verificationMaterial", "publicKey"),
    ("verificationMaterial", "publicKey", "hint"), ("verificationMaterial", "x509CertificateChain"),
    ("verificationMaterial", "certificate"), ("verificationMaterial", "tlogEntries"), ("dsseEnvelope",),
    ("dsseEnvelope", "payload"), ("dsseEnvelope", "payloadType"), ("dsseEnvelope", "signatures"),
    ("messageSignature",), ("messageSignature", "messageDigest"),
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(path=PATHS, value=JSON)
def test_no_value_anywhere_in_a_bundle_escapes(path: tuple[str, ...], value: object) -> None:
    """Whatever stands in a field, the outcome is a status, never an exception, and never `verified` by accident."""
    altered = json.loads(encoded(BASE))
    place = altered
    for part in path[:-1]:
        place = place.setdefault(part, {})
    place[path[-1]] = value
    checked = check({"a.txt": b"a", "model.sigstore.json": json.dumps(altered).encode()}, trust=TRUST)
    if checked.verifications and checked.verifications[0].status is SignatureStatus.VERIFIED:
        # A log entry, a hint that is no digest, or nothing at all was altered: none of it is signed or believed.
        assert path[0] == "verificationMaterial" or altered == json.loads(encoded(BASE))


@settings(max_examples=150, deadline=None)
@given(
    field=st.sampled_from(["_type", "subject", "predicateType", "predicate", "resources", "serialization"]), value=JSON
)
def test_no_value_anywhere_in_a_signed_statement_escapes(field: str, value: object) -> None:
    """What a trusted key signed may still be anything."""
    content = statement(resources({"a.txt": b"a"}))
    (content if field in content else content["predicate"])[field] = value
    try:
        raw = encoded(bundle(content))
    except ValueError:
        return
    checked = check({"a.txt": b"a", "model.sigstore.json": raw}, trust=TRUST)
    assert checked.verifications


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_in_a_signature_file_escape(raw: bytes) -> None:
    """Any bytes under any name of a signature give a result."""
    for name in ("a.txt.sig", "a.txt.minisig", "SHA256SUMS", "a.txt.sigstore.json", "a.txt.sha256"):
        check({"a.txt": b"a", name: raw}, trust=TRUST)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"a": NaN}', "no JSON number"),
        (b'{"a": 1e5, "b": -Infinity}', "no JSON number"),
        (b'{"a": "\\ud800"}', "half a character"),
        (b'{"a": 1, "a": 1}', "stands twice"),
        (b"\xff", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not JSON"),
    ],
)
def test_signed_json_is_read_to_the_letter(raw: bytes, message: str) -> None:
    """Where two readers could differ, the document is refused, never repaired."""
    with pytest.raises(MalformedFile, match=message):
        strict_object(raw, Limits())


def test_signed_json_is_bounded_before_it_is_parsed() -> None:
    """Length and depth are checked first; brackets inside texts don't count."""
    with pytest.raises(LimitExceeded):
        strict_object(b"{}" + b" " * 100, Limits(json_bytes=10))
    with pytest.raises(LimitExceeded):
        strict_object(b'{"a":' * 101 + b"1" + b"}" * 101, Limits())
    assert {"a": "[" * 500 + '"', "b": "é"} == strict_object(
        b'{"a": "' + b"[" * 500 + b'\\"", "b": "\\u00e9"}', Limits()
    )


def test_every_kind_of_signature_is_known_as_one() -> None:
    """What is reported as a signature has a kind that outputs recognise."""
    kinds = {MODEL_SIGNED, ATTESTATION, BLOB_SIGNATURE, GPG, MINISIGN, C2PA, OTHER}
    assert kinds == SIGNATURE_KINDS
