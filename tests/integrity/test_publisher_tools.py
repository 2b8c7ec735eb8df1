"""What publishers use to sign files and list checksums: gpg, minisign and coreutils."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.integrity.forge import check, material

from aibom.components import SignatureStatus
from aibom.settings import Trust


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture
def gpg(tmp_path: Path) -> Iterator[Callable[..., bytes]]:
    """Run gpg with a home of its own that holds one throw-away key."""
    if shutil.which("gpg") is None or shutil.which("gpgv") is None:
        pytest.skip("gpg is not installed")
    # The agent's socket needs a short path.
    with tempfile.TemporaryDirectory(prefix="gpg") as home:

        def run(*arguments: str, feed: bytes = b"") -> bytes:
            command = ["gpg", "--homedir", home, "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback",
                       "--passphrase", "", *arguments]  # fmt: skip
            return subprocess.run(command, input=feed, capture_output=True, check=True).stdout

        run("--quick-generate-key", "Release <release@acme.example>", "ed25519", "sign", "never")
        yield run
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)


def test_openpgp_signatures_are_checked_with_the_users_keyring(gpg: Callable[..., bytes]) -> None:
    """A good signature verifies, a changed file and an unknown signer do not; no other keyring is asked."""
    weights = b"w" * 3_000_000
    armored = gpg("--armor", "--detach-sign", "-o", "-", feed=weights)
    binary = gpg("--detach-sign", "-o", "-", feed=weights)
    public = gpg("--armor", "--export")
    raw_public = gpg("--export")
    files = {"model.bin": weights, "model.bin.asc": armored}
    for keyring in (public, raw_public):
        trust = Trust(keys=(material(keyring, "release.asc"),), require_signature=True)
        found = check(files, trust=trust).one("gpg")
        assert SignatureStatus.VERIFIED is found.status
        assert ("model.bin",) == found.covered
        assert "Release <release@acme.example>" in str(found.signer)
    trust = Trust(keys=(material(public),))
    assert (
        SignatureStatus.VERIFIED
        is check({"model.bin": weights, "model.bin.sig": binary}, trust=trust).one("gpg").status
    )
    changed = check({"model.bin": weights + b"x", "model.bin.asc": armored}, trust=trust)
    assert {("signature-invalid", "model.bin.asc")} == changed.grave
    assert SignatureStatus.PRESENT_UNVERIFIED is check(files).one("gpg").status
    garbage = check({"model.bin": weights, "model.bin.asc": armored[:120] + b"!!!!"}, trust=trust)
    assert SignatureStatus.INVALID is garbage.one("gpg").status


def test_an_openpgp_key_that_was_not_given_is_nobody(gpg: Callable[..., bytes]) -> None:
    """A signature by a stranger's key fails and names the key."""
    public = gpg("--armor", "--export")
    gpg("--quick-generate-key", "Stranger", "ed25519", "sign", "never")
    armored = gpg("--armor", "--local-user", "Stranger", "--detach-sign", "-o", "-", feed=b"w")
    checked = check({"model.bin": b"w", "model.bin.asc": armored}, trust=Trust(keys=(material(public),)))
    assert {("signer-untrusted", "model.bin.asc")} == checked.grave


def test_a_signed_list_of_checksums_covers_what_it_lists(gpg: Callable[..., bytes], tmp_path: Path) -> None:
    """`sha256sum * > SHA256SUMS; gpg -b SHA256SUMS` is how many publish: the list speaks with the signer's voice."""
    (tmp_path / "model.bin").write_bytes(b"weights")
    sums = subprocess.run(["sha256sum", "model.bin"], cwd=tmp_path, capture_output=True, check=True).stdout
    files = {"model.bin": b"weights", "SHA256SUMS": sums, "SHA256SUMS.asc": gpg("--armor", "-b", "-o", "-", feed=sums)}
    trust = Trust(keys=(material(gpg("--export")),), require_signature=True)
    checked = check(files, trust=trust)
    assert ("SHA256SUMS", "model.bin") == checked.one("gpg").covered
    assert set() == checked.grave
    changed = check({**files, "model.bin": b"other"}, trust=trust)
    assert {("hash-mismatch", "model.bin"), ("signature-required", "model.bin")} == changed.grave


@pytest.mark.parametrize("arguments", [(), ("--binary",), ("--tag",)], ids=["text", "binary", "tag"])
@pytest.mark.parametrize("tool", ["sha256sum", "sha512sum", "b2sum"])
def test_lists_of_coreutils_are_read(tmp_path: Path, tool: str, arguments: tuple[str, ...]) -> None:
    """Both styles of sha256sum, sha512sum and b2sum are compared, names with spaces and backslashes included."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    names = ["model.bin", "a b.txt", "sub/c.txt"]
    write(tmp_path, {name: name.encode() for name in names})
    listing = subprocess.run([tool, *arguments, *names], cwd=tmp_path, capture_output=True, check=True).stdout
    name = {"sha256sum": "SHA256SUMS", "sha512sum": "SHA512SUMS", "b2sum": "B2SUMS"}[tool]
    files = {name.encode().decode(): listing, **{item: item.encode() for item in names}}
    found = check(files).one("checksum-file")
    assert SignatureStatus.CHECKSUM_OK is found.status
    assert tuple(sorted(names)) == found.covered
    assert {("hash-mismatch", "model.bin")} == check({**files, "model.bin": b"x"}).grave


# --- minisign ---------------------------------------------------------------------------------------------------------

SECRET = Ed25519PrivateKey.generate()
KEY_ID = b"\1\2\3\4\5\6\7\x08"
PUBLIC = b"untrusted comment: minisign public key\n" + base64.b64encode(
    b"Ed" + KEY_ID + SECRET.public_key().public_bytes_raw()
)
MINISIGN = Trust(keys=(material(PUBLIC, "release.pub"),))
WEIGHTS = b"w" * 100_000


def minisign(data: bytes, *, old: bool = False, key_id: bytes = KEY_ID, trusted: bool = True) -> bytes:
    """Write a signature as the format's description says; `trusted` False is what signify writes."""
    signature = SECRET.sign(data if old else hashlib.blake2b(data).digest())
    blob = base64.b64encode((b"Ed" if old else b"ED") + key_id + signature)
    lines = [b"untrusted comment: signature", blob]
    if trusted:
        lines += [b"trusted comment: file", base64.b64encode(SECRET.sign(signature + b"file"))]
    return b"\n".join(lines) + b"\n"


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("trusted", [False, True])
def test_minisign_signatures_are_checked(old: bool, trusted: bool) -> None:
    """Both kinds of minisign signature verify, and those of signify; a changed file does not."""
    files = {"model.bin": WEIGHTS, "model.bin.minisig": minisign(WEIGHTS, old=old, trusted=trusted)}
    found = check(files, trust=MINISIGN).one("minisign")
    assert SignatureStatus.VERIFIED is found.status
    assert "release.pub (0807060504030201)" == found.signer
    changed = check({**files, "model.bin": WEIGHTS + b"x"}, trust=MINISIGN)
    assert {("signature-invalid", "model.bin.minisig")} == changed.grave


def test_a_changed_trusted_comment_breaks_a_minisign_signature() -> None:
    """The trusted comment is signed together with the signature."""
    altered = minisign(WEIGHTS).replace(b"trusted comment: file", b"trusted comment: fine")
    files = {"model.bin": WEIGHTS, "model.bin.minisig": altered}
    assert {("signature-invalid", "model.bin.minisig")} == check(files, trust=MINISIGN).grave


def test_a_minisign_key_that_was_not_given_is_nobody() -> None:
    """Another key id is another signer; without any key the signature stays unchecked."""
    files = {"model.bin": WEIGHTS, "model.bin.minisig": minisign(WEIGHTS, key_id=b"12345678")}
    assert {("signer-untrusted", "model.bin.minisig")} == check(files, trust=MINISIGN).grave
    assert SignatureStatus.PRESENT_UNVERIFIED is check(files).one("minisign").status


BROKEN = {
    "three lines": b"untrusted comment: a\nQUFB\ntrusted comment: b\n",
    "no base64": b"untrusted comment: a\n!!!!\n",
    "too short": b"untrusted comment: a\nQUFB\n",
    "another comment": b"untrusted comment: a\n" + base64.b64encode(b"Ed" + bytes(72)) + b"\ncomment: b\nQUFB\n",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_minisign_signature_is_invalid(raw: bytes) -> None:
    """What begins like a signature and is none fails, with or without a key."""
    checked = check({"model.bin": WEIGHTS, "model.bin.minisig": raw}, trust=MINISIGN)
    assert {("signature-invalid", "model.bin.minisig")} == checked.grave


def test_a_signature_without_its_file_is_not_checked() -> None:
    """There is nothing that it could be compared with."""
    assert SignatureStatus.UNSUPPORTED is check({"a.minisig": minisign(WEIGHTS)}, trust=MINISIGN).one("minisign").status


def test_signatures_of_other_kinds_are_recorded() -> None:
    """What can't be checked here is said, never silently passed over."""
    files = {"model.bin": WEIGHTS, "model.bin.p7s": b"\x30\x82", "model.bin.c2pa": b"\0\0\0\x10jumb" + bytes(9)}
    checked = check(files)
    assert SignatureStatus.UNSUPPORTED is checked.one("other-signature").status
    assert SignatureStatus.UNSUPPORTED is checked.one("c2pa").status
    clear = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nhi\n"
    assert SignatureStatus.UNSUPPORTED is check({"a.asc": clear, "a": b"hi"}).one("gpg").status
    assert SignatureStatus.UNSUPPORTED is check({"a.sig": b"\1" * 2_000_000}).one("other-signature").status


@pytest.mark.parametrize("arguments", [(), ("-l",), ("-t", "release 1.2, über alles")], ids=["usual", "old", "comment"])
def test_what_minisign_writes_is_verified(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The program's own keys and signatures: of a digest, of the file itself (-l), with a comment of its own."""
    if shutil.which("minisign") is None:
        pytest.skip("minisign is not installed")
    run = partial(subprocess.run, cwd=tmp_path, check=True, capture_output=True, input=b"")
    (tmp_path / "model.bin").write_bytes(WEIGHTS)
    run(["minisign", "-G", "-W", "-p", "release.pub", "-s", "release.key"])
    run(["minisign", "-S", "-s", "release.key", "-m", "model.bin", *arguments])
    files = {"model.bin": WEIGHTS, "model.bin.minisig": (tmp_path / "model.bin.minisig").read_bytes()}
    trust = Trust(keys=(material((tmp_path / "release.pub").read_bytes(), "release.pub"),))
    found = check(files, trust=trust).one("minisign")
    assert SignatureStatus.VERIFIED is found.status
    number = (tmp_path / "release.pub").read_text().splitlines()[0].rpartition(" ")[2]
    # It prints the number without leading zeros.
    assert f"release.pub ({number:0>16})" == found.signer
    assert {("signature-invalid", "model.bin.minisig")} == check({**files, "model.bin": b"x"}, trust=trust).grave


def test_what_signify_writes_is_verified(tmp_path: Path) -> None:
    """OpenBSD's program has no trusted comment and always signs the file itself."""
    program = shutil.which("signify-openbsd") or shutil.which("signify")
    if program is None:
        pytest.skip("signify is not installed")
    run = partial(subprocess.run, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "model.bin").write_bytes(WEIGHTS)
    run([program, "-G", "-n", "-p", "release.pub", "-s", "release.sec"])
    run([program, "-S", "-s", "release.sec", "-m", "model.bin", "-x", "model.bin.sig"])
    files = {"model.bin": WEIGHTS, "model.bin.sig": (tmp_path / "model.bin.sig").read_bytes()}
    trust = Trust(keys=(material((tmp_path / "release.pub").read_bytes()),))
    assert SignatureStatus.VERIFIED is check(files, trust=trust).one("minisign").status
    assert {("signature-invalid", "model.bin.sig")} == check({**files, "model.bin": b"x"}, trust=trust).grave
