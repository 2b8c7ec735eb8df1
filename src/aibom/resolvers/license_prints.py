"""Fingerprints of license texts: how a text becomes one, and the prints that ship with the tool.

A print holds two bytes a word (a hash, so no text can be read back) and a sketch: the smallest hashes of its windows
of six words. The sketch finds candidates, the codes tell exactly which words differ.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import struct
import unicodedata
from array import array
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files
from zlib import crc32

from msgspec import Struct

from aibom.errors import DataError

FILE = "license_sketches.bin"
WINDOW = 6
CODE = 2  # bytes a word: with one, an added word now and then looks like the one that follows it
SKETCH = 64
MAX_WORDS = 20_000
_MAGIC = b"aibomls1"
_URL = re.compile(r"(?:https?://|www\.)\S+")
# Who holds the rights, and when, is no part of the terms.
# Only a line that is a statement of rights: "copyright notice and this permission" may start a wrapped line of terms.
_COPYRIGHT_LINE = re.compile(
    r"\W*(?:(?:portions )?copyright\W*(?:\(c\)|©|\d{4}|[<\[{]|year\b|.{0,80}\b(?:19|20)\d\d)|"
    r"\(c\)\W*(?:\d|copyright)|©|all rights reserved\W*$|spdx-license-identifier)"
)
_WORD = re.compile(r"[^\W_]+")


class Words(Struct, frozen=True, kw_only=True):
    """The words of a text in normal form, and their bytes."""

    words: tuple[str, ...]
    codes: bytes


class Print(Struct, frozen=True, kw_only=True):
    """The print of one license text. `ids` are the ids of all licenses that have this very text."""

    ids: tuple[str, ...]
    codes: bytes
    sketch: array[int]

    @property
    def length(self) -> int:
        """Number of words."""
        return len(self.codes) // CODE


class Prints(Struct, frozen=True, kw_only=True):
    """All prints, and the same by the digest of their codes."""

    items: tuple[Print, ...]
    by_codes: dict[bytes, Print]
    version: str


def read_words(text: str) -> Words:
    """Bring a text to normal form: NFKC, lower case, no URLs, no copyright lines, words of letters and digits."""
    folded = unicodedata.normalize("NFKC", text[: MAX_WORDS * 30]).lower()
    lines = [line for line in _URL.sub(" ", folded).split("\n") if not _COPYRIGHT_LINE.match(line)]
    found = tuple(_WORD.findall("\n".join(lines))[:MAX_WORDS])
    return Words(words=found, codes=b"".join(map(code_of, found)))


@lru_cache(maxsize=50_000)
def code_of(word: str) -> bytes:
    """Return the bytes that stand for a word."""
    return hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=CODE).digest()


def windows(codes: bytes) -> list[bytes]:
    """Return all windows in order; the n-th starts at the n-th word."""
    span = WINDOW * CODE
    return [codes[at : at + span] for at in range(0, len(codes) - span + 1, CODE)]


def hashes(codes: bytes) -> set[int]:
    """Return the hashes of all windows, 32 bits each."""
    return set(map(crc32, windows(codes)))


def sketch_of(codes: bytes) -> array[int]:
    """Return the smallest hashes of the windows."""
    return array("I", sorted(hashes(codes))[:SKETCH])


def write_prints(prints: Sequence[tuple[tuple[str, ...], bytes]], version: str) -> bytes:
    """Make the content of the data file; `prints` are ids and codes."""
    sketches = [sketch_of(codes) for _, codes in prints]
    head = "\n".join([version, *("\t".join(ids) for ids, _ in prints)]).encode()
    lengths = array("I", [len(codes) for _, codes in prints])
    counts = array("I", [len(sketch) for sketch in sketches])
    flat = array("I", [value for sketch in sketches for value in sketch])
    body = flat.tobytes()
    # Byte planes: sorted numbers share their high bytes, which then compress.
    planes = b"".join(body[plane::4] for plane in range(4))
    raw = b"".join((
        struct.pack("<III", len(head), len(prints), len(flat)), head, lengths.tobytes(), counts.tobytes(), planes,
        *(codes for _, codes in prints),
    ))  # fmt: skip
    return _MAGIC + lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)


@cache
def load_prints() -> Prints:
    """Load the prints that ship with the tool.

    Raises:
        DataError: the file is absent or not what `write_prints` makes.
    """
    try:
        data = files("aibom.data").joinpath(FILE).read_bytes()
        return parse_prints(data)
    except (OSError, lzma.LZMAError, struct.error, ValueError) as error:
        raise DataError(f"{FILE}: {error}") from error


def parse_prints(data: bytes) -> Prints:
    """Read what `write_prints` made."""
    if not data.startswith(_MAGIC):
        raise ValueError("not a file of license prints")
    raw = lzma.decompress(data[len(_MAGIC) :])
    head_size, count, total = struct.unpack_from("<III", raw)
    at = 12
    version, *lines = raw[at : at + head_size].decode().split("\n")
    at += head_size
    lengths = array("I", raw[at : at + 4 * count])
    at += 4 * count
    counts = array("I", raw[at : at + 4 * count])
    at += 4 * count
    body = bytearray(4 * total)
    for plane in range(4):
        body[plane::4] = raw[at + plane * total : at + (plane + 1) * total]
    at += 4 * total
    flat = array("I", bytes(body))
    items, start = [], 0
    for line, length, size in zip(lines, lengths, counts, strict=True):
        items.append(Print(ids=tuple(line.split("\t")), codes=raw[at : at + length], sketch=flat[start : start + size]))
        at += length
        start += size
    return Prints(items=tuple(items), by_codes={item.codes: item for item in items}, version=version)
