"""Is this certificate chain one that the user's authorities issued for signing code, and valid at this time?

Web and system roots are never consulted. The chain is built and checked by `cryptography.x509.verification`, with
extension policies of our own: its defaults are for web servers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from aibom.errors import MalformedFile
from aibom.integrity.keys import CURVES
from aibom.settings import Material


class Signer(Struct, frozen=True, kw_only=True):
    """The owner of a certificate: `key` is its parsed public key, `name` the subject, `issuer` who vouches for it.

    `identities` are the names under which a user may ask for this signer: subject, common name, e-mail, URI, DNS name.
    """

    key: Any
    name: str
    issuer: str
    identities: frozenset[str] = frozenset()


class Untrusted(Exception):  # noqa: N818 -- an outcome, not a fault of ours
    """The chain ends at nobody whom the user trusts."""


def read_authorities(materials: Iterable[Material]) -> tuple[Any, ...]:
    """Return the certificates in PEM files.

    Raises:
        MalformedFile: a file holds none.
    """
    materials = tuple(materials)
    if not materials:
        return ()
    from cryptography import x509  # noqa: PLC0415 -- start-up time

    found: list[Any] = []
    for material in materials:
        try:
            found.extend(x509.load_pem_x509_certificates(material.content))
        except ValueError as fault:
            raise MalformedFile(f"{material.name} holds no certificate in PEM form") from fault
    return tuple(found)


def read_signer(certificates: tuple[bytes, ...]) -> Signer:
    """Return the owner of the first certificate, which nobody has vouched for yet.

    Raises:
        MalformedFile: it is no certificate, or its key is of a kind that signs no models.
    """
    leaf = _load(certificates[0])
    return Signer(key=_key(leaf), name=_subject(leaf), issuer=_name(leaf.issuer), identities=_identities(leaf))


def check_chain(certificates: tuple[bytes, ...], authorities: tuple[Any, ...], now: dt.datetime) -> Signer:
    """Return the owner of the first certificate if the chain holds at `now` (with a time zone).

    Raises:
        MalformedFile: a certificate can't be read, is weak, or is not meant for signing code; or the chain has expired.
        Untrusted: no authority of the user's issued it.
    """
    from cryptography.x509 import verification  # noqa: PLC0415 -- start-up time

    leaf, *others = (_load(raw) for raw in certificates)
    key = _key(leaf)
    for certificate in (leaf, *others):
        _refuse_weak(certificate)
    _refuse_other_uses(leaf)
    _refuse_expired(leaf, now)
    signer = Signer(key=key, name=_subject(leaf), issuer=_name(leaf.issuer), identities=_identities(leaf))
    if leaf in authorities:
        # The user gave this very certificate: it needs nobody to vouch for it.
        return signer
    if not authorities:
        raise Untrusted("no authority was given")
    # A bundle may repeat the root; only the user's copy is an anchor.
    builder = (
        verification.PolicyBuilder()
        .store(verification.Store(list(authorities)))
        .time(now)
        .max_chain_depth(len(certificates) + 1)
        .extension_policies(ca_policy=_authority_policy(), ee_policy=verification.ExtensionPolicy.permit_all())
    )
    try:
        builder.build_client_verifier().verify(leaf, others)
    except verification.VerificationError as fault:
        for certificate in others:
            _refuse_expired(certificate, now)
        raise Untrusted(str(fault)) from fault
    return signer


def _load(raw: bytes) -> Any:
    from cryptography import x509  # noqa: PLC0415 -- start-up time

    try:
        return x509.load_der_x509_certificate(raw)
    except ValueError as fault:
        raise MalformedFile("a certificate can't be read") from fault


def _key(certificate: Any) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- start-up time
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise MalformedFile("the certificate's key can't be read") from fault
    known = key.curve.name in CURVES if isinstance(key, ec.EllipticCurvePublicKey) else False
    if not known and not isinstance(key, ed25519.Ed25519PublicKey):
        raise MalformedFile(
            "the certificate's key is neither ECDSA on a NIST curve nor Ed25519, which model signatures use"
        )
    return key


def _authority_policy() -> Any:
    from cryptography import x509  # noqa: PLC0415 -- start-up time
    from cryptography.x509.verification import Criticality, ExtensionPolicy  # noqa: PLC0415

    def is_authority(_policy: object, _certificate: object, constraints: Any) -> None:
        if not constraints.ca:
            raise ValueError("an issuer in the chain is no authority")

    def may_sign(_policy: object, _certificate: object, usage: Any) -> None:
        if usage is not None and not usage.key_cert_sign:
            raise ValueError("an issuer in the chain may not sign certificates")

    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, is_authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, may_sign)
    )


def _refuse_weak(certificate: Any) -> None:
    algorithm = _value(lambda: certificate.signature_hash_algorithm)
    if algorithm is not None and algorithm.name in {"md5", "sha1"}:
        raise MalformedFile(f"a certificate of the chain is signed with {algorithm.name.upper()}, which is broken")


def _refuse_other_uses(leaf: Any) -> None:
    """Hold the signer's certificate to what it was issued for (OMS: digitalSignature; ours: code signing too)."""
    from cryptography import x509  # noqa: PLC0415 -- start-up time
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    try:
        extensions = leaf.extensions
    except (ValueError, x509.DuplicateExtension) as fault:
        raise MalformedFile("the certificate's extensions can't be read") from fault
    try:
        if not extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            raise MalformedFile("the certificate is not meant for signatures (key usage)")
    except x509.ExtensionNotFound:
        raise MalformedFile("the certificate does not say that it is meant for signatures (key usage)") from None
    try:
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise MalformedFile("the certificate is not meant for signing code (no extended key usage)") from None
    if ExtendedKeyUsageOID.CODE_SIGNING not in uses:
        raise MalformedFile("the certificate is not meant for signing code (extended key usage)")


def _refuse_expired(certificate: Any, now: dt.datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        raise MalformedFile(f"the certificate of {_subject(certificate)} expired {ends:%Y-%m-%d}")
    if now < begins:
        raise MalformedFile(f"the certificate of {_subject(certificate)} is not valid before {begins:%Y-%m-%d}")


def _subject(certificate: Any) -> str:
    return _name(certificate.subject) or f"certificate {certificate.serial_number:x}"


def _identities(leaf: Any) -> frozenset[str]:
    from cryptography import x509  # noqa: PLC0415 -- start-up time
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    names = {_name(leaf.subject), *(str(item.value) for item in common)}
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return frozenset(names - {""})
    for kind in (x509.RFC822Name, x509.UniformResourceIdentifier, x509.DNSName):
        names.update(alternatives.get_values_for_type(kind))
    return frozenset(names - {""})


def _name(name: Any) -> str:
    return str(_value(name.rfc4514_string) or "")[:200]


def _value(read: Any) -> Any:
    """Read a field that may be of an unknown kind; None then."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- start-up time

    try:
        return read()
    except (ValueError, UnsupportedAlgorithm):
        return None
