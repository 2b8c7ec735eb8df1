"""OpenPGP signatures, checked by `gpgv` with the user's keyring alone: nothing is fetched, nobody else is trusted."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from aibom.sources.bytesource import ByteSource

_ARMOR = b"-----BEGIN PGP SIGNATURE-----"
CLEAR_SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"
# RFC 9580, 4.2 and 4.3: a signature is packet 2; 0x88 to 0x8a in the old form, 0xc2 in the new one.
_PACKETS = frozenset({0x88, 0x89, 0x8A, 0xC2})
MAX_BYTES = 1024 * 1024
_BUFFER = 1024 * 1024


class GpgOutcome(Struct, frozen=True, kw_only=True):
    """What gpgv said. `signer` is the fingerprint (and user id) of a good signature.

    `missing_key` says that the keyring lacks the signer's key, `fault` why it does not hold, `unavailable` that gpgv
    could not be run.
    """

    signer: str | None = None
    missing_key: str | None = None
    fault: str | None = None
    unavailable: str | None = None


def is_openpgp(head: bytes, name: str) -> bool:
    """Say whether a file is a detached OpenPGP signature: by its armour, or by its first packet and its name."""
    if head.lstrip().startswith(_ARMOR):
        return True
    return bool(head) and head[0] in _PACKETS and name.lower().endswith((".sig", ".gpg", ".asc"))


def verify_openpgp(signature: bytes, data: ByteSource, keyrings: Iterable[bytes]) -> GpgOutcome:
    """Check a detached signature over `data`, which is read once from its beginning to its end.

    OSError from `data` passes through.
    """
    program = shutil.which("gpgv")
    if program is None:
        return GpgOutcome(unavailable="gpgv is not installed")
    with tempfile.TemporaryDirectory(prefix="aibom-gpgv-") as folder:
        home = Path(folder)
        (home / "signature").write_bytes(signature)
        (home / "keyring").write_bytes(b"".join(keyrings))
        command = [
            program, "--homedir", folder, "--keyring", str(home / "keyring"), "--status-fd", "1",
            str(home / "signature"), "-",
        ]  # fmt: skip
        # Neither the user's locale nor any setting of theirs may change what is printed or accepted.
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "GNUPGHOME": folder, "HOME": folder}
        with subprocess.Popen(  # noqa: S603 -- an absolute path, and no argument from the target
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                _feed(process.stdin.write, data)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it had seen enough; its status says why
            status = process.stdout.read(MAX_BYTES)
        return _outcome(status, process.returncode)


def _feed(write: object, data: ByteSource) -> None:
    assert callable(write)
    buffer = memoryview(bytearray(_BUFFER))
    position = 0
    while got := data.read_into(position, buffer):
        write(buffer[:got])
        position += got


def _outcome(status: bytes, code: int) -> GpgOutcome:
    """Read gpgv's status lines (doc/DETAILS of GnuPG, "Format of the --status-fd output")."""
    lines = [line.removeprefix("[GNUPG:] ").split() for line in status.decode("utf-8", "replace").splitlines()]
    words = {line[0]: line[1:] for line in lines if line}
    # A second signature in the file may be good where the first is bad: all of them have to be.
    bad = [name for name in ("BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG") if name in words]
    valid = words.get("VALIDSIG", [])
    if valid and not bad and code == 0 and "ERRSIG" not in words:
        name = " ".join(words.get("GOODSIG", [""])[1:])
        return GpgOutcome(signer=f"{name} ({valid[0]})" if name else valid[0])
    if bad:
        return GpgOutcome(fault=f"gpgv says {bad[0]} {' '.join(words[bad[0]])[:120]}")
    if "NO_PUBKEY" in words:
        return GpgOutcome(missing_key=" ".join(words["NO_PUBKEY"])[:80])
    return GpgOutcome(fault="gpgv finds no valid signature")
