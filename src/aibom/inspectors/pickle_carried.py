"""Find what may be pickles in the bytes and texts that a pickle holds as data, and that nothing in it loads.

Bytes are looked at where they begin with a protocol opcode, texts where they begin as the base64, hexadecimal or
Latin-1 form of one does. Texts are found in the bytes of the stream, wherever they stand in an argument: the loop over
opcodes is not slowed by that.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from aibom.inspectors.pickle_nodes import Blob
from aibom.sources.bytesource import ByteSource, MemorySource, SliceSource

MOST = 10_000
"""How many are looked at in one file: each costs more than its bytes."""
HEAD = 24
"""How many first bytes of an argument are needed to tell."""
# Of a longer text, this much is decoded: what stands behind it is not looked at unless it is loaded.
_TEXT = 1024 * 1024
# PROTO of protocols 2 to 5, then any opcode. In base64 its second byte leaves the low bits of the third letter open.
_BASE64 = re.compile(rb"gA[I-X][A-Za-z0-9+/_-]{17}[A-Za-z0-9+/_\r\n-]*+={0,2}")
_HEX = re.compile(rb"800[2-5][0-9a-fA-F]{16}[0-9a-fA-F]*+")
# Bytes as protocols below 3 write them: Latin-1 text, to be encoded.
_LATIN = re.compile(rb"\xc2\x80[\x02-\x05](?:[\0-\x7f]|[\xc2\xc3][\x80-\xbf]){8,}+")
# The regular expression of one alone is many times quicker than of all.
_FORMS = (_BASE64, _HEX, _LATIN)
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def begins_pickle(raw: bytes) -> bool:
    """Say whether bytes begin with the protocol opcode of a pickle."""
    return len(raw) > 2 and raw[0] == 0x80 and 2 <= raw[1] <= 5


def decoded(raw: bytes) -> bytes | None:
    """Return the pickle that a text is the base64, hexadecimal or Latin-1 form of, None where it is of none."""
    try:
        if _HEX.match(raw):
            content = binascii.unhexlify(raw[: len(raw) & ~1])
        elif found := _LATIN.match(raw):
            content = found[0].decode().encode("latin-1")
        else:
            plain = raw.translate(_URL_SAFE, b"\r\n=")
            # A rest of one letter is no byte; what opcodes behind the text look like letters does no harm.
            plain = plain[: len(plain) - (len(plain) % 4 == 1)]
            content = base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except ValueError:
        return None
    return content if begins_pickle(content) else None


class Carried:
    """The places of what may be pickles in one file."""

    __slots__ = ("_places", "left_out")

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, bool]] = {}
        self.left_out = 0

    def __bool__(self) -> bool:
        return bool(self._places)

    def search(self, buffer: bytes, start: int, end: int, base: int) -> None:
        """Look for texts in a part of a buffer that begins at `base` of the file."""
        for form in _FORMS:
            for found in form.finditer(buffer, start, end):
                self._keep(base + found.start(), found.end() - found.start(), text=True)

    def consider(self, blob: Blob, head: bytes) -> None:
        """Look at the first bytes of an argument that is not read itself."""
        if not blob.text and begins_pickle(head):
            self._keep(blob.offset, blob.length, text=False)
        elif any(form.match(head[:HEAD]) for form in _FORMS):
            self._keep(blob.offset, min(blob.length, _TEXT), text=True)

    def _keep(self, offset: int, length: int, *, text: bool) -> None:
        if offset in self._places or len(self._places) < MOST:
            self._places[offset] = (length, text)
        else:
            self.left_out += 1

    def pickles(self, data: ByteSource) -> Iterator[tuple[int, object, ByteSource]]:
        """Yield offset, identity and bytes of each, in the order of the file."""
        for offset, (length, text) in sorted(self._places.items()):
            if not text:
                yield offset, (offset, length), SliceSource(data, offset, length)
            elif (content := decoded(data.read_at(offset, length))) is not None:
                yield offset, content, MemorySource(content)
