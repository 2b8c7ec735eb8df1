"""Keyless signatures: Sigstore's short-lived certificates and transparency log, checked offline by its own library.

The library is the optional dependency `aibom[sigstore]`. Its shipped trusted root is used, or one that the user gives;
nothing is fetched, and its cache in the user's home is not looked at.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from msgspec import Struct

from aibom.errors import MalformedFile
from aibom.integrity.bundles import BlobSignature
from aibom.integrity.dsse import Envelope

# Fulcio's certificate extensions: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
_ISSUER_V1 = "1.3.6.1.4.1.57264.1.1"
_ISSUER_V2 = "1.3.6.1.4.1.57264.1.8"
_SHIPPED = "_store/https%3A%2F%2Ftuf-repo-cdn.sigstore.dev/trusted_root.json"
_MISSING = "a keyless signature, which needs the optional dependency: pip install 'aibom[sigstore]'"


class KeylessOutcome(Struct, frozen=True, kw_only=True):
    """What the check gave: nothing in `missing` and `fault` means that it holds. `signer` is identity and issuer.

    `other_identity` says that the signature holds, but was made by somebody else than the user asked for.
    """

    signer: str | None = None
    missing: str | None = None
    fault: str | None = None
    other_identity: bool = False


def verify_keyless(
    raw: bytes,
    content: Envelope | BlobSignature,
    *,
    identities: tuple[str, ...],
    issuers: tuple[str, ...],
    root: bytes | None,
) -> KeylessOutcome:
    """Check a keyless bundle. Without identities and issuers anybody's signature holds, and the outcome says whose.

    Raises:
        MalformedFile: the user's trusted root is none.
    """
    from importlib.util import find_spec  # noqa: PLC0415 -- start-up time

    if find_spec("sigstore") is None:
        return KeylessOutcome(missing=_MISSING)
    from sigstore.errors import Error  # noqa: PLC0415 -- optional, and slow to import
    from sigstore.models import Bundle  # noqa: PLC0415
    from sigstore.verify import Verifier  # noqa: PLC0415

    verifier = Verifier(trusted_root=_trusted_root(root))
    try:
        bundle = Bundle.from_json(raw)
        signer = _signer(bundle.signing_certificate)
        _check(verifier, bundle, content, _Anybody())
    # The library narrows a stranger's JSON and ASN.1 with many kinds of errors; each of them means no.
    except (Error, ValueError, TypeError, KeyError, IndexError, AttributeError) as fault:
        return KeylessOutcome(fault=f"the keyless signature does not hold: {str(fault)[:200]}")
    who = f"{', '.join(signer.identities) or 'nobody'} ({signer.issuer or 'no issuer'})"
    if (identities and not set(identities) & set(signer.identities)) or (issuers and signer.issuer not in issuers):
        wanted = ", ".join((*identities, *issuers))
        return KeylessOutcome(signer=who, fault=f"signed by {who}, not by {wanted}", other_identity=True)
    return KeylessOutcome(signer=who)


class _Anybody:
    """The library's policy for who may have signed: whose signature it is, is judged once it is known to hold."""

    def verify(self, _certificate: object) -> None:
        """Accept every certificate that the chain, the log and the time have accepted."""


def _check(verifier: Any, bundle: Any, content: Envelope | BlobSignature, policy: Any) -> None:
    from sigstore.hashes import Hashed  # noqa: PLC0415 -- optional
    from sigstore_models.common.v1 import HashAlgorithm  # noqa: PLC0415

    if isinstance(content, BlobSignature):
        hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=content.sha256)
        verifier.verify_artifact(hashed, bundle, policy)
        return
    kind, payload = verifier.verify_dsse(bundle, policy)
    # The library reads the bundle with a parser of its own; what it checked has to be what we go on with.
    if (kind, payload) != (content.payload_type, content.payload):
        raise ValueError("two readings of the bundle differ")


class _Signer(Struct, frozen=True):
    identities: tuple[str, ...]
    issuer: str | None


def _signer(certificate: Any) -> _Signer:
    from cryptography import x509  # noqa: PLC0415 -- start-up time

    names: list[str] = []
    issuer = None
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            names += value.get_values_for_type(x509.RFC822Name)
            names += value.get_values_for_type(x509.UniformResourceIdentifier)
        elif extension.oid.dotted_string == _ISSUER_V2:
            issuer = _utf8_string(value.value)
        elif extension.oid.dotted_string == _ISSUER_V1 and issuer is None:
            issuer = value.value.decode()
    return _Signer(tuple(names), issuer)


def _utf8_string(der: bytes) -> str:
    """Return the text of a short DER UTF8String (tag 0x0c, one byte of length)."""
    if len(der) < 2 or der[0] != 0x0C or der[1] != len(der) - 2:
        raise ValueError("the issuer in the certificate is no short text")
    return der[2:].decode()


def _trusted_root(root: bytes | None) -> Any:
    import sigstore  # noqa: PLC0415 -- optional
    from sigstore.errors import Error  # noqa: PLC0415
    from sigstore.models import TrustedRoot  # noqa: PLC0415

    try:
        if root is None:
            return TrustedRoot.from_file(str(Path(sigstore.__file__).parent / _SHIPPED))
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            file.write(root)
            file.flush()
            return TrustedRoot.from_file(file.name)
    except (Error, ValueError, TypeError, KeyError, OSError) as fault:
        raise MalformedFile(f"the trusted root can't be read: {str(fault)[:200]}") from fault
