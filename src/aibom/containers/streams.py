"""Expand compressed streams in small steps, whatever the method, without trusting any size that they declare."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

from aibom.containers.expansion import CHUNK
from aibom.containers.zstd_frames import ZSTD_MAGICS, zstd_chunks
from aibom.errors import LimitExceeded, MalformedFile
from aibom.limits import KIB, MIB
from aibom.sources.bytesource import ByteSource

DICTIONARY_BYTES = 128 * MIB
"""The largest window that a stream may make us allocate; the usual presets need 64 MiB or less."""
_READ = 64 * KIB
_PADDING_BYTES = MIB
_LZ4_SKIPPABLE = tuple(bytes([0x50 + low, 0x2A, 0x4D, 0x18]) for low in range(16))


class Decoder(Protocol):
    """One stream, with the interface that bz2, lzma and lz4 share.

    After its end `eof` is true and `unused_data` holds what was given beyond it.
    """

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def unused_data(self) -> bytes | None:
        """What was given beyond the end."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing comes out any more without more input."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most `max_length` bytes; what does not fit stays inside until the next call."""
        ...


class Codec(Struct, frozen=True, kw_only=True):
    """A compression method: how one stream is decoded, and how another one right after it begins.

    A stream that does not mark its own end has `marks_end` false.
    """

    decoder: Callable[[], Decoder] | None
    magics: tuple[bytes, ...] = ()
    marks_end: bool = True


class _Zlib:
    """zlib's decoder behind the common interface."""

    def __init__(self, window: int) -> None:
        self._inner = zlib.decompressobj(window)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # All input may be used up while output that did not fit is still inside.
        self._full = len(out) == max_length
        return out


class _ZipLzma:
    """LZMA as in zip (APPNOTE 5.8.8): a version, the length of the properties, the properties, a raw stream."""

    def __init__(self) -> None:
        self._head = b""
        self._inner: lzma.LZMADecompressor | None = None

    @property
    def eof(self) -> bool:
        return self._inner is not None and self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data if self._inner else b""

    @property
    def needs_input(self) -> bool:
        return self._inner is None or self._inner.needs_input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._inner is None:
            self._head += data
            if len(self._head) < 9:
                return b""
            if self._head[2:4] != b"\5\0":
                raise MalformedFile("LZMA properties of a length that does not exist")
            # The same stream under the header that the standard library knows: properties, then "size unknown".
            data, self._head = self._head[4:9] + b"\xff" * 8 + self._head[9:], b""
            self._inner = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=DICTIONARY_BYTES)
        return self._inner.decompress(data, max_length)


def _lz4() -> Decoder:
    try:
        import lz4.frame  # type: ignore[import-untyped] # noqa: PLC0415 -- optional, and needed only where such a stream is met
    except ImportError:
        raise LimitExceeded("lz4 data can't be read without the package lz4") from None
    decoder: Decoder = lz4.frame.LZ4FrameDecompressor()
    return decoder


CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "deflate": Codec(decoder=lambda: _Zlib(-zlib.MAX_WBITS)),
        "zlib": Codec(decoder=lambda: _Zlib(zlib.MAX_WBITS)),
        "gzip": Codec(decoder=lambda: _Zlib(16 + zlib.MAX_WBITS), magics=(b"\x1f\x8b",)),
        "bzip2": Codec(decoder=bz2.BZ2Decompressor, magics=(b"BZh",)),
        "xz": Codec(
            decoder=lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DICTIONARY_BYTES), magics=(b"\xfd7zXZ\0",)
        ),
        "lzma": Codec(decoder=lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=DICTIONARY_BYTES)),
        "zip-lzma": Codec(decoder=_ZipLzma, marks_end=False),
        "zstd": Codec(decoder=None, magics=ZSTD_MAGICS),
        "lz4": Codec(decoder=_lz4, magics=(b"\x04\x22\x4d\x18", *_LZ4_SKIPPABLE)),
    }
)


class Decompression:
    """The streams of one method that stand one after another at the start of `data`.

    `end` is the offset after the last whole one of them; it is complete once `chunks` has been run through.
    """

    def __init__(self, codec: Codec, data: ByteSource) -> None:
        self._codec = codec
        self._data = data
        self.end = 0

    def chunks(self) -> Iterator[bytes]:
        """Yield what they expand to, at most 256 KiB at a time.

        Raises:
            MalformedFile: a stream is broken or ends too early; what came before was yielded.
            LimitExceeded: it needs too large a window, or a package that is not installed.
        """
        while self.end < self._data.size:
            if self._codec.decoder is None:
                for chunk, end in zstd_chunks(self._data, self.end):
                    self.end = end
                    yield chunk
            else:
                yield from self._stream(self._codec.decoder)
            if not self._another_follows():
                return

    def _stream(self, make: Callable[[], Decoder]) -> Iterator[bytes]:
        try:
            decoder = make()
        except (lzma.LZMAError, ValueError, MemoryError, OverflowError) as error:
            raise MalformedFile(f"the compressed data can't be read: {error}", offset=self.end) from None
        at = self.end
        ended = False
        while not ended:
            raw = b""
            if decoder.needs_input:
                raw = self._data.read_at(at, _READ)
                at += len(raw)
                if not raw and self._codec.marks_end:
                    raise MalformedFile("the compressed data ends before its stream does", offset=at)
                if not raw:
                    break
            chunk = _step(decoder, raw, at)
            ended = decoder.eof
            if chunk:
                yield chunk
            elif not (raw or ended or decoder.needs_input):
                raise MalformedFile("the compressed data makes no progress", offset=at)
        self.end = at - len(decoder.unused_data or b"")

    def _another_follows(self) -> bool:
        """Step over zeros, which gzip and xz allow between streams, if another stream follows."""
        lead = self._data.read_at(self.end, 16)
        if not lead or not self._codec.magics:
            return False
        if lead.startswith(self._codec.magics):
            return True
        if lead[0] or self._codec.decoder is None:
            return False
        padding = self._data.read_at(self.end, _PADDING_BYTES)
        skipped = len(padding) - len(padding.lstrip(b"\0"))
        if skipped == len(padding) == self._data.size - self.end:
            self.end = self._data.size
            return False
        if padding[skipped:].startswith(self._codec.magics):
            self.end += skipped
            return True
        return False


def _step(decoder: Decoder, raw: bytes, at: int) -> bytes:
    try:
        return decoder.decompress(raw, CHUNK)
    except lzma.LZMAError as error:
        if "limit" in str(error):
            raise LimitExceeded(f"the compressed data needs a window of more than {DICTIONARY_BYTES} bytes") from None
        raise MalformedFile(f"broken compressed data: {error}", offset=at) from None
    # bz2 says OSError and ValueError, lz4 RuntimeError.
    except (zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise MalformedFile(f"broken compressed data: {error}", offset=at) from None
