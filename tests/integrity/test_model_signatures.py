from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace
from tests.integrity.forge import (
    KEY,
    OTHER_KEY,
    SETTINGS,
    TRUST,
    bundle,
    check,
    encoded,
    hint,
    material,
    pae,
    pem,
    resources,
    root_of,
    sign,
    signed_model,
    statement,
)

from aibom.components import SignatureStatus
from aibom.findings import Severity
from aibom.limits import Limits
from aibom.settings import Trust
from aibom.sources.local import DirectorySource

WEIGHTS = b"\x10\0\0\0\0\0\0\0{}              "
FILES = {"model.safetensors": WEIGHTS, "config.json": b"{}", "README.md": b"# hi\n", "sub/b.txt": b"b\n"}


def test_a_model_signed_by_a_trusted_key_is_verified() -> None:
    """All files have the signed digests, and the signer is the key that was given."""
    checked = check(signed_model(FILES), trust=TRUST)
    found = checked.one("model-signature")
    assert SignatureStatus.VERIFIED is found.status
    assert tuple(sorted(FILES)) == found.covered
    assert found.signer is not None
    assert found.signer.startswith("release.pub (sha256:")
    assert () == checked.findings


def test_without_a_key_a_signature_is_present_and_proves_nothing() -> None:
    """Nobody said whom to trust, so the outcome is an information, not a success."""
    checked = check(signed_model(FILES))
    assert SignatureStatus.PRESENT_UNVERIFIED is checked.status
    assert [Severity.INFO] == [finding.severity for finding in checked.findings]


def test_without_a_key_the_list_still_serves_as_checksums() -> None:
    """A file that differs from the unchecked list is reported as any checksum mismatch."""
    checked = check({**signed_model(FILES), "config.json": b"{ }"})
    assert SignatureStatus.MISMATCH is checked.status
    assert {("hash-mismatch", "config.json")} == checked.grave


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_each_curve_goes_with_its_hash(curve: ec.EllipticCurve) -> None:
    """P-256, P-384 and P-521 are verified with SHA-256, SHA-384 and SHA-512."""
    key = ec.generate_private_key(curve)
    trust = Trust(keys=(material(pem(key)),))
    assert SignatureStatus.VERIFIED is check(signed_model(FILES, key=key), trust=trust).status


def test_a_changed_file_breaks_the_signature() -> None:
    """The finding names the file, and the outcome is a mismatch."""
    checked = check({**signed_model(FILES), "model.safetensors": WEIGHTS + b" "}, trust=TRUST)
    assert SignatureStatus.MISMATCH is checked.status
    assert {("hash-mismatch", "model.safetensors")} == checked.grave


def test_a_missing_file_breaks_the_signature() -> None:
    """A signed file that is not there is missing."""
    files = signed_model(FILES)
    del files["model.safetensors"]
    checked = check(files, trust=TRUST)
    assert SignatureStatus.MISMATCH is checked.status
    assert {("missing-file", "model.safetensors")} == checked.grave


@pytest.mark.parametrize("name", ["evil.py", "data.pkl", "extra.txt", "sub/more.json"])
def test_an_added_file_is_never_covered(name: str) -> None:
    """Whatever was added after signing fails, as the specification asks."""
    checked = check({**signed_model(FILES), name: b"x = 1\n"}, trust=TRUST)
    assert SignatureStatus.VERIFIED_PARTIAL is checked.status
    assert (name,) == checked.one("model-signature").uncovered
    assert {("unsigned-file", name)} == checked.grave


def test_git_files_need_no_signature_unless_they_act() -> None:
    """What signers always leave out is listed as uncovered; a pickle hidden there is a finding."""
    quiet = check({**signed_model(FILES), ".gitattributes": b"*.bin lfs\n"}, trust=TRUST)
    assert SignatureStatus.VERIFIED is quiet.status
    assert (".gitattributes",) == quiet.one("model-signature").uncovered
    hidden = check({**signed_model(FILES), ".github/x.pkl": b"\x80\x04N."}, trust=TRUST)
    assert SignatureStatus.VERIFIED_PARTIAL is hidden.status
    assert {("unsigned-file", ".github/x.pkl")} == hidden.grave


@pytest.mark.parametrize("path", ["a.pkl", "./a.pkl", "hooks/"])
def test_a_file_that_its_signer_left_out_is_reported(path: str) -> None:
    """A pickle under a recorded ignore path may change at any time, so the signature is partial."""
    extra = "hooks/a.pkl" if path == "hooks/" else "a.pkl"
    signature = bundle(statement(resources(FILES), serialization={"ignore_paths": ["model.sig", path]}))
    checked = check({**FILES, "model.sig": encoded(signature), extra: b"\x80\x04N."}, trust=TRUST)
    assert SignatureStatus.VERIFIED_PARTIAL is checked.status
    assert {("unsigned-file", extra)} == checked.grave


def test_a_harmless_file_that_its_signer_left_out_is_fine() -> None:
    """A picture under an ignore path changes nothing about the model."""
    signature = bundle(statement(resources(FILES), serialization={"ignore_paths": ["logo.png"]}))
    files = {**FILES, "model.sig": encoded(signature), "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(20)}
    assert SignatureStatus.VERIFIED is check(files, trust=TRUST).status


def test_another_key_is_somebody_else() -> None:
    """A signature by a key that was not given fails, and says that the signer is the question."""
    checked = check(signed_model(FILES, key=OTHER_KEY), trust=TRUST)
    assert SignatureStatus.INVALID is checked.status
    assert {("signer-untrusted", "model.sig")} == checked.grave


def test_a_further_signature_takes_nothing_away() -> None:
    """A second signer whom nobody asked for is mentioned, no more, where the trusted one has signed."""
    files = signed_model(FILES)
    signature = bundle(statement(resources(FILES)), key=OTHER_KEY)
    checked = check({**files, "other.sig": encoded(signature)}, trust=TRUST)
    assert set() == checked.grave
    assert {"signer-untrusted"} == checked.rules


def test_the_hint_names_the_key_that_has_to_fit() -> None:
    """A signature that a trusted key made fails if the bundle names another one: it was put together."""
    checked = check(signed_model(FILES, proof={"publicKey": {"hint": hint(OTHER_KEY)}}), trust=TRUST)
    assert SignatureStatus.INVALID is checked.status


def test_old_bundles_carry_the_key_and_no_hint() -> None:
    """Up to version 1.0 the key itself stands there; it is not believed, only the user's is."""
    proof = {"publicKey": {"rawBytes": base64.b64encode(pem(OTHER_KEY)).decode(), "keyDetails": "X"}}
    assert SignatureStatus.VERIFIED is check(signed_model(FILES, proof=proof), trust=TRUST).status
    own = {"publicKey": {"rawBytes": base64.b64encode(pem(OTHER_KEY)).decode()}}
    assert SignatureStatus.INVALID is check(signed_model(FILES, key=OTHER_KEY, proof=own), trust=TRUST).status


def test_ed25519_keys_sign_too() -> None:
    """Keys of other signers than the reference are accepted where the curve is a known one."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    payload = encoded(statement(resources(FILES)))
    value = bundle(payload)
    value["verificationMaterial"] = {"publicKey": {"hint": hashlib.sha256(public).hexdigest()}}
    value["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(key.sign(pae(payload))).decode()
    trust = Trust(keys=(material(public),))
    assert SignatureStatus.VERIFIED is check({**FILES, "model.sig": encoded(value)}, trust=trust).status


# --- validly signed, and wrong ----------------------------------------------------------------------------------------

GOOD = resources(FILES)


def _twice(items: list[dict[str, str]]) -> bytes:
    """Two readers of a duplicate key see two lists of files."""
    text = json.dumps(statement(items))
    return text.replace('"_type"', '"predicate": {}, "_type"', 1).encode()


MALFORMED: dict[str, Callable[[], dict[str, Any] | bytes]] = {
    "no files at all": lambda: statement([]),
    "no files, all ignored": lambda: statement([], serialization={"ignore_paths": ["."]}),
    "everything ignored": lambda: statement(GOOD, serialization={"ignore_paths": ["."]}),
    "everything ignored, empty text": lambda: statement(GOOD, serialization={"ignore_paths": [""]}),
    "everything ignored, with a slash": lambda: statement(GOOD, serialization={"ignore_paths": ["./"]}),
    "ignore paths of numbers": lambda: statement(GOOD, serialization={"ignore_paths": [1]}),
    "ignore paths as text": lambda: statement(GOOD, serialization={"ignore_paths": "a"}),
    "a file twice": lambda: statement([*GOOD, GOOD[0]]),
    "a file twice with two digests": lambda: statement([*GOOD, {**GOOD[0], "digest": "0" * 64}]),
    "a path that climbs": lambda: statement([*GOOD, {**GOOD[0], "name": "../outside.txt"}]),
    "a path that climbs inside": lambda: statement([*GOOD, {**GOOD[0], "name": "a/../b"}]),
    "an absolute path": lambda: statement([*GOOD, {**GOOD[0], "name": "/etc/passwd"}]),
    "a path with a backslash": lambda: statement([*GOOD, {**GOOD[0], "name": "a\\b"}]),
    "a path with a drive": lambda: statement([*GOOD, {**GOOD[0], "name": "C:/a"}]),
    "a path that is not canonical": lambda: statement([*GOOD, {**GOOD[0], "name": "./a.bin"}]),
    "a path with two slashes": lambda: statement([*GOOD, {**GOOD[0], "name": "a//b"}]),
    "an empty path": lambda: statement([*GOOD, {**GOOD[0], "name": ""}]),
    "a path with a null": lambda: statement([*GOOD, {**GOOD[0], "name": "a\0b"}]),
    "the folder beside files": lambda: statement([*GOOD, {**GOOD[0], "name": "."}]),
    "a label that differs": lambda: statement([{**item, "algorithm": "blake3"} for item in GOOD]),
    "a digest that is too short": lambda: statement([{**GOOD[0], "digest": "ab"}, *GOOD[1:]]),
    "a digest that is no hexadecimal": lambda: statement([{**GOOD[0], "digest": "zz" * 32}], root="0" * 64),
    "another root": lambda: statement(GOOD, root="0" * 64),
    "no root": lambda: statement(GOOD, subject=[]),
    "two subjects": lambda: statement(GOOD, subject=[{"name": "a", "digest": {"sha256": root_of(GOOD)}}] * 2),
    "an unknown hash": lambda: statement(GOOD, serialization={"hash_type": "md5"}),
    "an unknown method": lambda: statement(GOOD, serialization={"method": "tensors"}),
    "shards without a size": lambda: statement(GOOD, serialization={"method": "shards"}),
    "shards of no bytes": lambda: statement(GOOD, serialization={"method": "shards", "shard_size": 0}),
    "shards of half a byte": lambda: statement(GOOD, serialization={"method": "shards", "shard_size": 0.5}),
    "shards that are files": lambda: statement(GOOD, serialization={"method": "shards", "shard_size": 8}),
    "an unknown statement": lambda: statement(GOOD, _type="https://in-toto.io/Statement/v9"),
    "no predicate": lambda: statement(GOOD, predicate=None),
    "resources that are no list": lambda: statement(GOOD, predicate={"resources": {}, "serialization": {}}),
    "a resource that is text": lambda: statement(GOOD, predicate={"resources": ["a"], "serialization":
                                                                  {"method": "files", "hash_type": "sha256"}}),
    "a duplicate key": lambda: _twice(GOOD),
    "no JSON": lambda: b"\xff\xfe https://model_signing/signature/v1.0",
    "a list": lambda: b'["https://model_signing/signature/v1.0"]',
}  # fmt: skip


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_valid_signature_over_a_malformed_statement_is_refused(
    content: Callable[[], dict[str, Any] | bytes],
) -> None:
    """What a trusted key signed is still held to the rules of the format."""
    checked = check({**FILES, "model.sig": encoded(bundle(content()))}, trust=TRUST)
    (found,) = (item for item in checked.verifications if item.location and item.location.path == "model.sig")
    assert SignatureStatus.INVALID is found.status
    assert ("signature-invalid", "model.sig") in checked.grave
    assert () == found.covered


def test_a_foreign_payload_type_is_refused() -> None:
    """A statement under another type could be read by another rule."""
    signature = bundle(statement(GOOD), kind="application/json")
    assert SignatureStatus.INVALID is check({**FILES, "model.sig": encoded(signature)}, trust=TRUST).status


def test_the_order_of_the_files_does_not_matter() -> None:
    """Signers in other languages sort paths in other ways; the root is over the order that was signed."""
    signature = bundle(statement(GOOD[::-1]))
    assert SignatureStatus.VERIFIED is check({**FILES, "model.sig": encoded(signature)}, trust=TRUST).status


# --- bundles altered after signing ------------------------------------------------------------------------------------


def _altered(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = bundle(statement(GOOD))
    change(value)
    return encoded(value)


def _set(*path: str | int) -> Callable[[Any], Callable[[dict[str, Any]], None]]:
    def to(new: Any) -> Callable[[dict[str, Any]], None]:
        def change(value: Any) -> None:
            for part in path[:-1]:
                value = value[part]
            value[path[-1]] = new

        return change

    return to


ENVELOPE = ("dsseEnvelope", "payloadType")
OTHER_PAYLOAD = base64.b64encode(json.dumps(statement(GOOD[:1])).encode()).decode()
ALTERED: dict[str, bytes] = {
    "another media type": _altered(_set("mediaType")("application/vnd.dev.sigstore.bundle.v9+json")),
    "another payload type": _altered(_set(*ENVELOPE)("application/vnd.other")),
    "another payload": _altered(_set("dsseEnvelope", "payload")(OTHER_PAYLOAD)),
    "payload that is no base64": _altered(_set("dsseEnvelope", "payload")("!!!!")),
    "payload that is a number": _altered(_set("dsseEnvelope", "payload")(1)),
    "another signature": _altered(_set("dsseEnvelope", "signatures", 0, "sig")(base64.b64encode(b"x" * 70).decode())),
    "no signature": _altered(_set("dsseEnvelope", "signatures")([])),
    "signature of a number": _altered(_set("dsseEnvelope", "signatures")([{"sig": 1}])),
    "a key id of a number": _altered(_set("dsseEnvelope", "signatures", 0, "keyid")(1)),
    "two signatures": _altered(lambda value: value["dsseEnvelope"]["signatures"].append({"sig": "AAAA"})),
    "no verification material": _altered(_set("verificationMaterial")(None)),
    "two kinds of proof": _altered(_set("verificationMaterial", "x509CertificateChain")({"certificates": []})),
    "a hint of a number": _altered(_set("verificationMaterial", "publicKey")({"hint": 1})),
    "a key of text": _altered(_set("verificationMaterial", "publicKey")("key")),
    "an empty chain": _altered(_set("verificationMaterial")({"x509CertificateChain": {"certificates": []}})),
    "a chain of text": _altered(_set("verificationMaterial")({"x509CertificateChain": {"certificates": ["a"]}})),
    "a long chain": _altered(_set("verificationMaterial")({"x509CertificateChain": {"certificates": [{}] * 99}})),
    "an envelope and a message": _altered(_set("messageSignature")({})),
    "truncated": _altered(lambda _: None)[:-40],
    "a duplicate key": _altered(lambda _: None).replace(b'{"mediaType"', b'{"mediaType": "", "mediaType"', 1),
    "an empty object": b"{}",
    "a list": b"[]",
}


@pytest.mark.parametrize("raw", ALTERED.values(), ids=ALTERED.keys())
def test_a_bundle_altered_after_signing_is_refused(raw: bytes) -> None:
    """Nothing of an altered bundle verifies, and the scan fails."""
    checked = check({**FILES, "model.sig": raw}, trust=TRUST)
    (found,) = (item for item in checked.verifications if item.location and item.location.path == "model.sig")
    assert SignatureStatus.INVALID is found.status
    assert checked.grave


def test_garbage_named_like_a_signature_is_not_a_signature() -> None:
    """It is recorded, and where a signature is required, nothing is covered."""
    checked = check({**FILES, "model.sig": b"garbage\n"}, trust=replace(TRUST, require_signature=True))
    assert SignatureStatus.UNSUPPORTED is checked.one("other-signature").status
    assert {("signature-required", "config.json"), ("signature-required", "model.safetensors")} == checked.grave


def test_a_bundle_beyond_the_limits_is_an_error_and_never_read() -> None:
    """A verifier that can't run says so, and the scan fails."""
    settings = replace(SETTINGS, limits=Limits(json_bytes=1000))
    checked = check(signed_model(FILES), settings, trust=TRUST)
    assert SignatureStatus.ERROR is checked.status
    assert {("inspection-incomplete", "model.sig")} == checked.grave


def test_a_bundle_of_great_depth_is_an_error() -> None:
    """Ten thousand brackets don't reach the recursive parser."""
    raw = encoded(bundle(statement(GOOD)))[:-1] + b', "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    assert SignatureStatus.ERROR is check({**FILES, "model.sig": raw}, trust=TRUST).status


@pytest.mark.parametrize("filler", [b"[],", b'"",', b"0,"], ids=["lists", "texts", "numbers"])
def test_a_bundle_of_very_many_values_is_an_error(filler: bytes) -> None:
    """Thirty megabytes of empty lists would take twenty times as much memory; they are counted, not parsed."""
    raw = encoded(bundle(statement(GOOD)))[:-1] + b', "x": [' + filler * 2_100_000 + b"0]}"
    tracemalloc.start()
    try:
        checked = check({**FILES, "model.sig": raw}, trust=TRUST)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(raw)
    finally:
        tracemalloc.stop()
    assert SignatureStatus.ERROR is checked.status
    assert {("inspection-incomplete", "model.sig")} == checked.grave


def test_a_bundle_of_a_hundred_megabytes_is_not_parsed(tmp_path: Path) -> None:
    """It is refused by its size, digested like any file, and takes no memory."""
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "model.sig").open("wb") as file:
        file.write(encoded(bundle(statement(GOOD)))[:-1] + b', "x": "')
        for _ in range(100):
            file.write(b" " * 1_000_000)
        file.write(b'"}')
    tracemalloc.start()
    try:
        checked = check(DirectorySource(str(tmp_path)), trust=TRUST)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert SignatureStatus.ERROR is checked.status
    assert {("inspection-incomplete", "model.sig")} == checked.grave


# --- other serializations ---------------------------------------------------------------------------------------------


def shard_items(files: dict[str, bytes], size: int, algorithm: str = "sha256") -> list[dict[str, str]]:
    return [
        {
            "name": f"{name}:{start}:{min(start + size, len(data))}",
            "algorithm": algorithm,
            "digest": hashlib.new(algorithm, data[start : start + size]).hexdigest(),
        }
        for name, data in sorted(files.items())
        for start in range(0, len(data), size)
    ]


def sharded(size: float, items: list[dict[str, str]], algorithm: str = "sha256") -> bytes:
    serialization = {"method": "shards", "shard_size": size, "hash_type": algorithm}
    return encoded(bundle(statement(items, serialization=serialization)))


@pytest.mark.parametrize("algorithm", ["sha256", "blake2b"])
def test_shards_are_digested_in_the_same_read(algorithm: str) -> None:
    """Files that are cut into parts are verified, with a size written as a float too."""
    files = {**FILES, "empty.txt": b""}
    signature = sharded(8.0, shard_items(files, 8, algorithm), algorithm)
    checked = check({**files, "model.sig": signature}, trust=TRUST)
    assert SignatureStatus.VERIFIED is checked.status
    changed = check({**files, "model.sig": signature, "config.json": b"[]"}, trust=TRUST)
    assert {("hash-mismatch", "config.json")} == changed.grave
    longer = check({**files, "model.sig": signature, "config.json": b"{} "}, trust=TRUST)
    assert {("hash-mismatch", "config.json")} == longer.grave


def _gap(items: list[dict[str, str]]) -> list[dict[str, str]]:
    return [item for item in items if not item["name"].endswith(":0:8")]


SHARD_FAULTS: dict[str, Callable[[list[dict[str, str]]], list[dict[str, str]]]] = {
    "a gap": _gap,
    "an overlap": lambda items: [*items, {**items[0], "name": "README.md:4:5"}],
    "a shard twice": lambda items: [*items, items[0]],
    "a shard of another size": lambda items: [{**items[0], "name": "a:0:9"}],
    "a shard that ends before it begins": lambda items: [{**items[0], "name": "a:0:0"}],
    "a leading zero": lambda items: [{**items[0], "name": "a:00:8"}],
    "a negative start": lambda items: [{**items[0], "name": "a:-1:8"}],
    "a path that climbs": lambda items: [{**items[0], "name": "../a:0:8"}],
}


@pytest.mark.parametrize("fault", SHARD_FAULTS.values(), ids=SHARD_FAULTS.keys())
def test_shards_off_their_grid_are_refused(fault: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> None:
    """Gaps and overlaps would leave bytes that nobody signed."""
    signature = sharded(8, fault(shard_items(FILES, 8)))
    assert SignatureStatus.INVALID is check({**FILES, "model.sig": signature}, trust=TRUST).status


def test_more_ways_of_cutting_than_anybody_needs_are_not_computed() -> None:
    """Each shard size costs a digest of every byte; what was not computed does not verify."""
    files = {f"{size}.sig": sharded(size, shard_items(FILES, size)) for size in (3, 4, 5, 6)}
    checked = check({**FILES, **files}, trust=TRUST)
    statuses = {item.location.path: item.status for item in checked.verifications if item.location}
    assert {"3.sig": 1, "4.sig": 1, "5.sig": 0, "6.sig": 0} == {
        path: int(status is SignatureStatus.VERIFIED) for path, status in statuses.items()
    }


@pytest.mark.parametrize("algorithm", ["blake2b", "blake3"])
def test_other_digests_are_computed_in_the_same_read(algorithm: str) -> None:
    """A manifest of BLAKE digests verifies without a second read."""
    from blake3 import blake3  # noqa: PLC0415

    def value(data: bytes) -> str:
        return blake3(data).hexdigest() if algorithm == "blake3" else hashlib.blake2b(data).hexdigest()

    items = [{"name": name, "algorithm": algorithm, "digest": value(data)} for name, data in sorted(FILES.items())]
    signature = encoded(bundle(statement(items, serialization={"hash_type": algorithm})))
    assert SignatureStatus.VERIFIED is check({**FILES, "model.sig": signature}, trust=TRUST).status


def test_a_model_of_one_file_may_be_named_by_a_dot() -> None:
    """The first releases wrote `.` for the only file; the signature's name says which one it is."""
    signature = encoded(bundle(statement([{**resources({"x": WEIGHTS})[0], "name": "."}])))
    checked = check({"model.safetensors": WEIGHTS, "model.safetensors.sig": signature}, trust=TRUST)
    assert SignatureStatus.VERIFIED is checked.status
    by_digest = check({"model.safetensors": WEIGHTS, "signature.sig": signature}, trust=TRUST)
    assert ("model.safetensors",) == by_digest.one("model-signature").covered
    wrong = check({"model.safetensors": WEIGHTS + b" ", "model.safetensors.sig": signature}, trust=TRUST)
    assert SignatureStatus.MISMATCH is wrong.status


def test_the_first_release_signed_other_bytes() -> None:
    """Version 0.2 signed the spelling of the payload and listed the files as subjects."""
    subjects = [{"name": item["name"], "digest": {"sha256": item["digest"]}} for item in GOOD]
    value = statement([], subject=subjects, predicateType="https://model_signing/Digests/v0.1", predicate={})
    payload = encoded(value)
    spelled = f"DSSEV1 {len('application/vnd.in-toto+json')} application/vnd.in-toto+json {len(payload)} {payload!r}"
    old = bundle(payload)
    old["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(sign(KEY, spelled.encode())).decode()
    assert SignatureStatus.VERIFIED is check({**FILES, "model.sig": encoded(old)}, trust=TRUST).status
    # The same bytes under a statement of today are no signature.
    payload = encoded(statement(GOOD))
    spelled = f"DSSEV1 {len('application/vnd.in-toto+json')} application/vnd.in-toto+json {len(payload)} {payload!r}"
    new = bundle(payload)
    new["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(sign(KEY, spelled.encode())).decode()
    assert SignatureStatus.INVALID is check({**FILES, "model.sig": encoded(new)}, trust=TRUST).status


def test_a_signature_in_a_folder_speaks_of_that_folder() -> None:
    """Names are relative to where the signature stands, or to the root where that fits better."""
    inner = {f"part/{name}": data for name, data in signed_model(FILES).items()}
    assert SignatureStatus.VERIFIED is check({**inner, "README.md": b"hi\n"}, trust=TRUST).status
    files = signed_model(FILES)
    apart = {**FILES, "signatures/model.sig": files["model.sig"]}
    assert SignatureStatus.VERIFIED is check(apart, trust=TRUST).status


def test_a_signed_part_does_not_make_a_signed_whole() -> None:
    """A signed model moved into a folder vouches for nothing that was put beside that folder."""
    inner = {f"part/{name}": data for name, data in signed_model(FILES).items()}
    checked = check({**inner, "model.pkl": b"\x80\x04N."}, trust=TRUST)
    assert SignatureStatus.VERIFIED_PARTIAL is checked.status
    assert ("model.pkl",) == checked.one("model-signature").uncovered
    assert {("unsigned-file", "model.pkl")} == checked.grave
    many = check({**inner, **{f"{number}.py": b"x = 1\n" for number in range(30)}}, trust=TRUST)
    assert 21 == len(many.findings)


def test_two_signed_parts_make_a_signed_whole() -> None:
    """Each folder's own signature covers it, and nothing is left."""
    files = {f"{part}/{name}": data for part in "ab" for name, data in signed_model(FILES).items()}
    checked = check(files, trust=TRUST)
    assert [SignatureStatus.VERIFIED] * 2 == [item.status for item in checked.verifications]
    assert () == checked.findings


def test_a_strangers_signature_is_no_trifle_beside_a_trusted_trifle() -> None:
    """A trusted signature over a part does not lower what somebody else signed for the rest."""
    part = {f"docs/{name}": data for name, data in signed_model({"README.md": b"# hi\n"}).items()}
    checked = check({**part, **signed_model(FILES, key=OTHER_KEY)}, trust=TRUST)
    assert ("signer-untrusted", "model.sig") in checked.grave


def test_a_required_signature_has_to_cover_what_acts() -> None:
    """Documentation may stay unsigned, weights and configuration may not."""
    trust = replace(TRUST, require_signature=True)
    assert set() == check(signed_model(FILES), trust=trust).grave
    bare = check(FILES, trust=trust)
    assert {("signature-required", "config.json"), ("signature-required", "model.safetensors")} == bare.grave
    untrusted = check(signed_model(FILES), trust=Trust(require_signature=True))
    assert ("signature-required", "model.safetensors") in untrusted.grave
    many = check({f"{number}.py": b"x = 1\n" for number in range(30)}, trust=trust)
    assert 21 == len(many.findings)


def test_a_long_list_of_faults_is_one_fact() -> None:
    """Hundreds of wrong lines are told by the first ones and a count."""
    files = {f"{number:03}.txt": b"a\n" for number in range(100)}
    signature = signed_model(files)["model.sig"]
    checked = check({**dict.fromkeys(files, b"b\n"), "model.sig": signature}, trust=TRUST)
    assert 21 == len(checked.findings)
