"""Signatures that stand beside a single file: OpenPGP and minisign. What nobody can check is recorded as present."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Inspection, SignatureStatus, Verification
from aibom.digests import FileDigests
from aibom.errors import MalformedFile
from aibom.files import RepoFile, Role
from aibom.findings import Evidence, Finding, Rule
from aibom.integrity.authenticity import Trusted
from aibom.integrity.keys import KeyKind
from aibom.integrity.minisign import MinisignSignature, check_minisign, is_minisign, read_minisign
from aibom.integrity.openpgp import CLEAR_SIGNED, MAX_BYTES, is_openpgp, verify_openpgp
from aibom.integrity.rules import SIGNATURE_INVALID, SIGNATURE_UNCHECKED, SIGNER_UNTRUSTED
from aibom.sources.protocol import Source

GPG, MINISIGN, C2PA, OTHER = "gpg", "minisign", "c2pa", "other-signature"
_ENDINGS = (".minisig", ".sig", ".asc", ".gpg", ".sign", ".p7s", ".c2pa")
# A minisign signature of the old kind needs the whole file in memory.
_WHOLE_FILE_BYTES = 64 * 1024 * 1024
_HEAD_BYTES = 256


class Detached(Struct, frozen=True, kw_only=True):
    """A signature file, what kind it is, and the path of the file that it is named after (None if there is none)."""

    file: RepoFile
    kind: str
    subject: str | None
    raw: bytes = b""
    minisign: MinisignSignature | None = None
    fault: str | None = None


def find_detached(source: Source, files: Mapping[str, RepoFile], taken: frozenset[str]) -> Iterator[Detached]:
    """Yield the signatures beside single files. `taken` are paths that have been recognised as something else."""
    for path, file in files.items():
        if path in taken or not path.lower().endswith(_ENDINGS) or not file.size or file.role is Role.WEIGHTS:
            continue
        try:
            with source.open(path) as data:
                raw = data.read_at(0, min(data.size, MAX_BYTES + 1))
        except OSError:
            continue  # the inventory has reported it
        yield _recognize(file, raw, files)


def _recognize(file: RepoFile, raw: bytes, files: Mapping[str, RepoFile]) -> Detached:
    stem = file.path.rpartition(".")[0]
    found = Detached(file=file, kind=OTHER, subject=stem if stem in files else None, raw=raw)
    if len(raw) > MAX_BYTES:
        return replace(found, fault=f"more than {MAX_BYTES} bytes, which no signature needs")
    if is_minisign(raw[:_HEAD_BYTES]):
        try:
            return replace(found, kind=MINISIGN, minisign=read_minisign(raw))
        except MalformedFile as fault:
            return replace(found, kind=MINISIGN, fault=str(fault))
    if is_openpgp(raw[:_HEAD_BYTES], file.name):
        return replace(found, kind=GPG)
    if file.name.lower().endswith(".c2pa"):
        return replace(found, kind=C2PA)
    if raw.startswith(CLEAR_SIGNED):
        return replace(found, kind=GPG, fault="a clear-signed text; sign the file by itself instead")
    return found


def check_detached(
    item: Detached, source: Source, digested: Mapping[str, FileDigests], trusted: Trusted
) -> tuple[Verification, tuple[Finding, ...]]:
    """Check one signature against the file beside it."""
    if item.fault is not None:
        status = SignatureStatus.INVALID if item.kind == MINISIGN else SignatureStatus.UNSUPPORTED
        rule = SIGNATURE_INVALID if item.kind == MINISIGN else SIGNATURE_UNCHECKED
        return _result(item, status, rule, item.fault)
    if item.kind not in {GPG, MINISIGN}:
        message = "by its name a signature, of a kind that is not checked here"
        return _result(item, SignatureStatus.UNSUPPORTED, SIGNATURE_UNCHECKED, message)
    if item.subject is None:
        message = "there is no file beside it that it is named after"
        return _result(item, SignatureStatus.UNSUPPORTED, SIGNATURE_UNCHECKED, message)
    if item.subject not in digested:
        message = f"signed ({item.kind}), but not checked: {item.subject} was not downloaded"
        return _result(item, SignatureStatus.PRESENT_UNVERIFIED, SIGNATURE_UNCHECKED, message)
    if not any(key.kind is (KeyKind.OPENPGP if item.kind == GPG else KeyKind.MINISIGN) for key in trusted.keys):
        message = f"signed ({item.kind}), but not checked: no key of that kind was given"
        return _result(item, SignatureStatus.PRESENT_UNVERIFIED, SIGNATURE_UNCHECKED, message)
    try:
        return _gpg(item, source, trusted) if item.kind == GPG else _minisign(item, source, digested, trusted)
    except OSError as fault:
        message = f"{item.subject} can't be read: {fault.strerror or fault}"
        return _result(item, SignatureStatus.ERROR, SIGNATURE_INVALID, message)


def _gpg(item: Detached, source: Source, trusted: Trusted) -> tuple[Verification, tuple[Finding, ...]]:
    assert item.subject is not None
    keyrings = [key.raw for key in trusted.keys if key.kind is KeyKind.OPENPGP]
    with source.open(item.subject) as data:
        outcome = verify_openpgp(item.raw, data, keyrings)
    if outcome.signer is not None:
        return _result(item, SignatureStatus.VERIFIED, signer=outcome.signer)
    if outcome.unavailable is not None:
        return _result(item, SignatureStatus.UNSUPPORTED, SIGNATURE_UNCHECKED, outcome.unavailable)
    if outcome.missing_key is not None:
        message = f"signed with the key {outcome.missing_key}, which was not given"
        return _result(item, SignatureStatus.INVALID, SIGNER_UNTRUSTED, message, signer=outcome.missing_key)
    return _result(item, SignatureStatus.INVALID, SIGNATURE_INVALID, outcome.fault or "gpgv says nothing")


def _minisign(
    item: Detached, source: Source, digested: Mapping[str, FileDigests], trusted: Trusted
) -> tuple[Verification, tuple[Finding, ...]]:
    assert item.subject is not None
    assert item.minisign is not None
    signature = item.minisign
    keys = [key for key in trusted.keys if key.kind is KeyKind.MINISIGN and key.raw[2:10] == signature.key_id]
    key_id = signature.key_id[::-1].hex().upper()  # as minisign prints it
    if not keys:
        message = f"signed with the key {key_id}, which was not given"
        return _result(item, SignatureStatus.INVALID, SIGNER_UNTRUSTED, message, signer=key_id)
    if signature.prehashed:
        values = {digest.algorithm: digest.value for digest in digested[item.subject].digests}
        if "blake2b" not in values:
            return _result(item, SignatureStatus.ERROR, SIGNATURE_INVALID, f"{item.subject} was not digested")
        signed = bytes.fromhex(values["blake2b"])
    else:
        with source.open(item.subject) as data:
            if data.size > _WHOLE_FILE_BYTES:
                text = f"made in the old way, over a file of more than {_WHOLE_FILE_BYTES} bytes"
                return _result(item, SignatureStatus.UNSUPPORTED, SIGNATURE_UNCHECKED, text)
            signed = data.read_at(0, data.size)
    for key in keys:
        if check_minisign(signature, key.raw, signed):
            return _result(item, SignatureStatus.VERIFIED, signer=f"{key.name} ({key_id})")
    fault = f"not made over {item.subject} by the key {key_id}"
    return _result(item, SignatureStatus.INVALID, SIGNATURE_INVALID, fault, signer=key_id)


def find_c2pa(inspections: tuple[Inspection, ...]) -> Iterator[Verification]:
    """Record the C2PA manifests that models carry in their metadata; nothing here checks them."""
    for inspection in inspections:
        for key in inspection.metadata:
            if key.rpartition(".")[2].startswith("c2pa:manifest"):
                place = inspection.file.at()
                yield Verification(
                    kind=C2PA,
                    status=SignatureStatus.PRESENT_UNVERIFIED,
                    location=place,
                    evidence=(Evidence(statement=f"the metadata holds {key}", location=place),),
                )
                break


def _result(
    item: Detached, status: SignatureStatus, rule: Rule | None = None, message: str = "", *, signer: str | None = None
) -> tuple[Verification, tuple[Finding, ...]]:
    place = item.file.at()
    verification = Verification(
        kind=item.kind,
        status=status,
        location=place,
        signer=signer,
        covered=(item.subject,) if item.subject and status is SignatureStatus.VERIFIED else (),
        evidence=(Evidence(statement=message or f"made over {item.subject} by {signer}", location=place),),
    )
    return verification, (Finding.of(rule, message, place),) if rule else ()
