"""Dead Simple Signing Envelopes: what is signed, and the bytes that the signature is made over.

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import binascii

from msgspec import Struct

from aibom.errors import MalformedFile

IN_TOTO = "application/vnd.in-toto+json"


class Envelope(Struct, frozen=True, kw_only=True):
    """A payload with its one signature."""

    payload: bytes
    payload_type: str
    signature: bytes
    keyid: str | None = None


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def pae_of_v0_2(payload: bytes) -> bytes:
    """Return what the first release of model signing (0.2) signed: the bytes' Python spelling instead of the bytes."""
    return f"DSSEV1 {len(IN_TOTO)} {IN_TOTO} {len(payload)} {payload!r}".encode()


def read_envelope(value: object) -> Envelope:
    """Read the JSON form of an envelope.

    Raises:
        MalformedFile: it has not exactly one signature, or a field is missing or of the wrong kind.
    """
    match value:
        case {"payload": str(payload), "payloadType": str(kind), "signatures": [{"sig": str(sig), **rest}]}:
            keyid = rest.get("keyid")
            if keyid is not None and not isinstance(keyid, str):
                raise MalformedFile("the envelope's keyid is not text")
            return Envelope(
                payload=decode_base64(payload, "payload"),
                payload_type=kind,
                signature=decode_base64(sig, "signature"),
                keyid=keyid or None,
            )
        case {"signatures": [*many]} if len(many) != 1:
            raise MalformedFile(f"the envelope has {len(many)} signatures, exactly one is read")
        case _:
            raise MalformedFile("the envelope lacks payload, payloadType or signatures")


def decode_base64(text: object, what: str) -> bytes:
    """Decode base64, standard or URL-safe alphabet.

    Raises:
        MalformedFile: it is not base64 text.
    """
    if not isinstance(text, str):
        raise MalformedFile(f"the {what} is not text")
    try:
        return base64.b64decode(text.translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise MalformedFile(f"the {what} is not base64") from fault


_URL_SAFE = str.maketrans("-_", "+/")
