"""Who signed a bundle, as far as the user's own keys, authorities and identities can tell.

Nothing that is signed is looked at here: the cryptography comes before the content.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from typing import Any

from msgspec import Struct, field

from aibom.components import SignatureStatus
from aibom.errors import MalformedFile
from aibom.findings import Rule
from aibom.integrity.bundles import BlobSignature, Bundle, Proof
from aibom.integrity.certificates import Untrusted, check_chain, read_authorities, read_signer
from aibom.integrity.dsse import pae, pae_of_v0_2
from aibom.integrity.keyless import verify_keyless
from aibom.integrity.keys import KeyKind, TrustedKey, holds, holds_for_digest, read_key
from aibom.integrity.rules import SIGNATURE_INVALID, SIGNATURE_UNCHECKED, SIGNER_UNTRUSTED
from aibom.settings import Trust


class Trusted(Struct, frozen=True, kw_only=True):
    """The user's trust, parsed once; `now` has a time zone."""

    now: dt.datetime
    keys: tuple[TrustedKey, ...] = ()
    authorities: tuple[Any, ...] = ()
    identities: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    root: bytes | None = None
    root_digest: str | None = None


def read_trust(trust: Trust, now: dt.datetime) -> Trusted:
    """Parse the material that the user gave.

    Raises:
        MalformedFile: a part of it is not what it should be; the command line has checked it before.
    """
    root = trust.trusted_root
    return Trusted(
        now=now,
        keys=tuple(read_key(item) for item in trust.keys),
        authorities=read_authorities(trust.authorities),
        identities=trust.identities,
        issuers=trust.issuers,
        root=root.content if root else None,
        root_digest=root.sha256 if root else None,
    )


class Authentication(Struct, frozen=True, kw_only=True):
    """What the cryptography gave. `legacy` says that only the byte order of the first release (0.2) fits.

    `rule` and `message` are the finding that follows, if any.
    """

    status: SignatureStatus
    signer: str | None = None
    evidence: tuple[str, ...] = field(default_factory=tuple)
    rule: Rule | None = None
    message: str = ""
    legacy: bool = False


def authenticate(bundle: Bundle, trusted: Trusted) -> Authentication:
    """Check a bundle's signature in the way that its verification material asks for."""
    try:
        match bundle.proof:
            case Proof.KEY | Proof.NONE:
                return _by_key(bundle, trusted)
            case Proof.CERTIFICATE:
                return _by_certificate(bundle, trusted)
            case Proof.KEYLESS:
                return _keyless(bundle, trusted)
    except MalformedFile as fault:
        return _invalid(str(fault))


def _by_key(bundle: Bundle, trusted: Trusted) -> Authentication:
    named = f"key {bundle.hint[:64]}" if bundle.hint else None
    keys = [key for key in trusted.keys if key.kind is KeyKind.PEM]
    if not keys:
        return _unchecked(named, "no public key was given")
    for key in keys:
        fits, legacy = _signed(bundle, key.key)
        if not fits:
            continue
        if bundle.hint and _is_hint(bundle.hint) and not _names(bundle.hint, key):
            return _invalid(f"the signature was made by {key.label}, but the bundle names another key")
        return Authentication(
            status=SignatureStatus.VERIFIED,
            signer=key.label,
            evidence=(f"the signature was made by {key.label}",),
            legacy=legacy,
        )
    if any(bundle.hint and _names(bundle.hint, key) for key in keys):
        return _invalid("the signature was not made over this content by the key that the bundle names")
    return Authentication(
        status=SignatureStatus.INVALID,
        signer=named,
        rule=SIGNER_UNTRUSTED,
        message=f"no key that was given made this signature{f' ({named})' if named else ''}",
    )


def _by_certificate(bundle: Bundle, trusted: Trusted) -> Authentication:
    if not trusted.authorities:
        signer = read_signer(bundle.certificates)
        return _unchecked(f"{signer.name} (issued by {signer.issuer})", "no authority was given")
    try:
        signer = check_chain(bundle.certificates, trusted.authorities, trusted.now)
    except Untrusted as fault:
        name = read_signer(bundle.certificates).name
        return Authentication(
            status=SignatureStatus.INVALID,
            signer=name,
            rule=SIGNER_UNTRUSTED,
            message=f"the certificate of {name} was not issued by an authority that was given",
            evidence=(str(fault)[:200],),
        )
    if trusted.identities and signer.identities.isdisjoint(trusted.identities):
        return Authentication(
            status=SignatureStatus.INVALID,
            signer=signer.name,
            rule=SIGNER_UNTRUSTED,
            message=f"signed by {signer.name}, which is none of the identities that were given",
        )
    fits, legacy = _signed(bundle, signer.key)
    if not fits:
        return _invalid(f"the signature was not made over this content by the certificate of {signer.name}")
    return Authentication(
        status=SignatureStatus.VERIFIED,
        signer=f"{signer.name} (issued by {signer.issuer})",
        evidence=(f"the certificate of {signer.name} leads to an authority that was given",),
        legacy=legacy,
    )


def _keyless(bundle: Bundle, trusted: Trusted) -> Authentication:
    outcome = verify_keyless(
        bundle.raw, bundle.content, identities=trusted.identities, issuers=trusted.issuers, root=trusted.root
    )
    if outcome.missing:
        return Authentication(
            status=SignatureStatus.UNSUPPORTED,
            signer=outcome.signer,
            rule=SIGNATURE_UNCHECKED,
            message=outcome.missing,
        )
    if outcome.fault:
        untrusted = outcome.other_identity
        return Authentication(
            status=SignatureStatus.INVALID,
            signer=outcome.signer,
            rule=SIGNER_UNTRUSTED if untrusted else SIGNATURE_INVALID,
            message=outcome.fault,
        )
    root = f"trusted root sha256:{trusted.root_digest}" if trusted.root_digest else "the root that sigstore ships"
    evidence = (f"signed by {outcome.signer}, logged, checked against {root}",)
    if trusted.identities and trusted.issuers:
        return Authentication(status=SignatureStatus.VERIFIED, signer=outcome.signer, evidence=evidence)
    return Authentication(
        status=SignatureStatus.UNPINNED,
        signer=outcome.signer,
        evidence=evidence,
        rule=SIGNATURE_UNCHECKED,
        message=f"signed by {outcome.signer}; nobody said that this is whom to expect (--identity and --issuer)",
    )


def _signed(bundle: Bundle, key: Any) -> tuple[bool, bool]:
    """Say whether the key's owner signed the content, and whether only in the way of the first release."""
    content = bundle.content
    if isinstance(content, BlobSignature):
        return holds_for_digest(key, content.signature, content.sha256), False
    if holds(key, content.signature, pae(content.payload_type, content.payload)):
        return True, False
    # Version 0.2 of model signing always hashed with SHA-256, whatever the curve.
    return holds(key, content.signature, pae_of_v0_2(content.payload), hash_name="SHA256"), True


def _is_hint(hint: str) -> bool:
    return len(hint) == 64 and all(char in "0123456789abcdefABCDEF" for char in hint)


def _names(hint: str, key: TrustedKey) -> bool:
    """Say whether a hint is this key's: SHA-256 of the PEM text or of the DER bytes, in hexadecimal or base64."""
    der = hashlib.sha256(key.der)
    return hint.lower() in {key.hint, der.hexdigest()} or hint == base64.b64encode(der.digest()).decode()


def _unchecked(signer: str | None, why: str) -> Authentication:
    return Authentication(
        status=SignatureStatus.PRESENT_UNVERIFIED,
        signer=signer,
        rule=SIGNATURE_UNCHECKED,
        message=f"signed{f' by {signer}' if signer else ''}, but not checked: {why}",
    )


def _invalid(message: str) -> Authentication:
    return Authentication(status=SignatureStatus.INVALID, rule=SIGNATURE_INVALID, message=message)
