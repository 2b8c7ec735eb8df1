"""Find credentials, internal addresses and home directories in text, and tell them from examples."""

from __future__ import annotations

import codecs
import math
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import pairwise

from msgspec import Struct

from aibom.data.secret_patterns import Leak, Pattern, placeholders, secret_patterns
from aibom.limits import MIB
from aibom.sources.bytesource import ByteSource

_WINDOW = 4 * MIB
# What a match may need of the text before a cut: the header of a key, a name and the value beside it.
_OVERLAP = 4096
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Bits a character: letters and digits at random have more than this from 16 characters on, words and runs less.
_RANDOM_BITS = 3.0
_LOCAL_HOSTS = (
    "localhost",
    "127.0.0.1",
    "0.0.0.0",  # noqa: S104 -- compared with, never bound
    "[::1]",
    "example.com",
    "example.org",
)


class Match(Struct, frozen=True, kw_only=True):
    """Something found on a line (from 1). `masked` may be shown, `value` must not be."""

    what: str
    leak: Leak
    line: int
    masked: str
    value: str
    certain: bool = True
    """False where the value has no shape of its own, only a telling name beside it."""


class Window(Struct, frozen=True, kw_only=True):
    """A part of a text: `before` lines precede it. `raw` is text that stands between other bytes."""

    text: str
    before: int = 0
    raw: bool = False


def windows(data: ByteSource, limit: int, *, raw: bool = False) -> Iterator[Window]:
    """Yield at most the first `limit` bytes as text, in overlapping parts that end with a line where they can.

    `raw` takes every byte for a character: text that stands between other bytes. OSError passes through.
    """
    head = data.read_at(0, 4)
    encoding = "latin-1" if raw else next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    offset, before, rest = 0, 0, ""
    while offset < min(limit, data.size):
        part = data.read_at(offset, min(_WINDOW, limit - offset))
        if not part:
            break
        offset += len(part)
        text = rest + decoder.decode(part)
        yield Window(text=text, before=before, raw=raw)
        cut = max(0, len(text) - _OVERLAP)
        cut = text.find("\n", cut) + 1 or cut
        before += text.count("\n", 0, cut)
        rest = text[cut:]


def find_leaks(window: Window, name: str, leaks: frozenset[Leak]) -> Iterator[Match]:
    """Yield what a part of the file of this (lower-case) name gives away, examples left out."""
    lowered = window.text.lower()
    for pattern in secret_patterns():
        if pattern.leak not in leaks or (pattern.files and not any(fnmatchcase(name, file) for file in pattern.files)):
            continue
        if not any(keyword in lowered for keyword in pattern.keywords):
            continue
        seen: set[str] = set()
        for found in (pattern.in_bytes if window.raw else pattern.expression).finditer(window.text):
            value = found["v"]
            if value in seen:
                continue
            seen.add(value)
            if _is_example(pattern, value, found[0]):
                continue
            yield Match(
                what=pattern.what,
                leak=pattern.leak,
                line=window.before + window.text.count("\n", 0, found.start("v")) + 1,
                masked=mask(pattern, value),
                value=value,
                certain=pattern.leak is not Leak.ASSIGNED or bool(pattern.files),
            )


def mask(pattern: Pattern, value: str) -> str:
    """Return what may be shown of a value: what all of its kind begin or end with, and its length."""
    if pattern.leak is Leak.INTERNAL:
        last = value.rpartition(".")[2]
        return f"{value.partition('.')[0]}.…" if last.isdecimal() else f"….{last}"
    if pattern.leak is Leak.PATH:
        return f"{value[0]}…"
    shown = next((word for word in pattern.keywords if value.lower().startswith(word)), "")
    return f"{value[: len(shown)]}… ({len(value)} characters)"


def is_placeholder(value: str) -> bool:
    """Say whether a value is one that examples show."""
    lowered = value.lower()
    return lowered in placeholders().whole or any(word in lowered for word in placeholders().secrets)


def _is_example(pattern: Pattern, value: str, whole: str) -> bool:
    known = placeholders()
    lowered = value.lower()
    match pattern.leak:
        case Leak.INTERNAL:
            return lowered.rstrip(".") in known.hosts or "example" in lowered
        case Leak.PATH:
            name = lowered.strip()
            return name in known.users or any(word in name for word in ("your", "example", "user"))
        case _:
            if is_placeholder(value):
                return True
    if pattern.id == "url-password":
        return not _mixed(value) or any(f"@{host}" in whole for host in _LOCAL_HOSTS)
    if pattern.id in {"netrc", "private-key"}:
        return False
    if pattern.leak is Leak.TOKEN:
        body = value[max((len(word) for word in pattern.keywords if lowered.startswith(word)), default=0) :]
        return _bits(body) < _RANDOM_BITS or not _mixed(body)
    if value.startswith(("http", "/", "./", "../", "~")) or "::" in value:
        return True  # where the credential is, and not itself
    if pattern.id == "assigned-key":
        return _bits(value) < _RANDOM_BITS or not (_mixed(value) and any(char.isdigit() for char in value))
    return not _mixed(value)


def _mixed(value: str) -> bool:
    """Letters together with digits or signs: what is made up of letters alone may be a word or a name."""
    letters = sum(char.isalpha() for char in value)
    if letters == len(value):
        # A token of letters only (Hugging Face's) changes between capitals and small letters again and again.
        changes = sum(one.isupper() != two.isupper() for one, two in pairwise(value))
        return len(value) >= 20 and changes * 4 >= len(value)
    return letters > 0


def _bits(value: str) -> float:
    """Shannon's entropy in bits a character."""
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
