"""Formats that a fixed signature gives away.

Signatures are those that the formats' own documents state; each stands with its offset in bytes.
"""

from __future__ import annotations

from aibom.files import Format

# Longest and most telling first. What text could begin with by chance is in `_GUARDED`.
_SIGNATURES: tuple[tuple[int, bytes, Format], ...] = (
    (0, b"GGUF", Format.GGUF),
    (0, b"\x93NUMPY", Format.NUMPY_NPY),
    (0, b"\x89HDF\r\n\x1a\n", Format.HDF5),
    (0, b"7z\xbc\xaf\x27\x1c", Format.SEVEN_ZIP),
    (0, b"Rar!\x1a\x07", Format.RAR),
    (0, b"\x1f\x8b\x08", Format.GZIP),
    (0, b"BZh", Format.BZIP2),
    (0, b"\xfd7zXZ\x00", Format.XZ),
    (0, b"\x28\xb5\x2f\xfd", Format.ZSTD),
    (0, b"\x04\x22\x4d\x18", Format.LZ4),
    (0, b"\x7fELF", Format.EXECUTABLE),
    (0, b"\xfe\xed\xfa\xce", Format.EXECUTABLE),  # Mach-O, both widths and byte orders
    (0, b"\xfe\xed\xfa\xcf", Format.EXECUTABLE),
    (0, b"\xce\xfa\xed\xfe", Format.EXECUTABLE),
    (0, b"\xcf\xfa\xed\xfe", Format.EXECUTABLE),
    (0, b"\xca\xfe\xba\xbe", Format.EXECUTABLE),  # a fat Mach-O or a Java class: both are programs
    (0, b"\xca\xfe\xba\xbf", Format.EXECUTABLE),
    (0, b"!<arch>\n", Format.EXECUTABLE),  # a static library
    (0, b"dex\n03", Format.EXECUTABLE),
    (0, b"BC\xc0\xde", Format.EXECUTABLE),  # LLVM bitcode
    (0, b"L\x00\x00\x00\x01\x14\x02\x00", Format.EXECUTABLE),  # a Windows shortcut starts what it names
    # Actually Portable Executables, the shell of a llamafile (cosmopolitan's ape/specification).
    (0, b"MZqFpD", Format.EXECUTABLE),
    (0, b"jartsr='", Format.EXECUTABLE),
    (0, b"APEDBG='", Format.EXECUTABLE),
    (0, b"\x00asm", Format.WASM),
    (4, b"TFL3", Format.TFLITE),
    (4, b"ET12", Format.EXECUTORCH),
    (0, b"CBM1", Format.CATBOOST),
    (0, b"ptrt", Format.TENSORRT),
    (0, b"ftrt", Format.TENSORRT),
    (0, b"lmgg", Format.GGML_LEGACY),
    (0, b"fmgg", Format.GGML_LEGACY),
    (0, b"tjgg", Format.GGML_LEGACY),
    (0, b"algg", Format.GGML_LEGACY),
    (0, b"nsgg", Format.GGML_LEGACY),
    (0, b"RDX2\n", Format.RDS),
    (0, b"RDX3\n", Format.RDS),
    (0, b"RDA2\n", Format.RDS),
    (0, b"RDA3\n", Format.RDS),
    (0, b"X\n\x00\x00\x00", Format.RDS),
    (0, b"A\n2\n", Format.RDS),
    (0, b"A\n3\n", Format.RDS),
    (0, b"ZF0x", Format.JOBLIB),  # joblib up to 0.9 wrote compressed arrays so
    (0, b"PAR1", Format.PARQUET),
    (0, b"ARROW1", Format.ARROW),
    (0, b"FEA1", Format.ARROW),
    (0, b"SQLite format 3\x00", Format.SQLITE),
    (0, b"%PDF-", Format.PDF),
    (0, b"\x89PNG\r\n\x1a\n", Format.IMAGE),
    (0, b"\xff\xd8\xff", Format.IMAGE),
    (0, b"GIF87a", Format.IMAGE),
    (0, b"GIF89a", Format.IMAGE),
    (0, b"II*\x00", Format.IMAGE),
    (0, b"MM\x00*", Format.IMAGE),
    (0, b"8BPS\x00", Format.IMAGE),
    (0, b"\x00\x00\x01\x00", Format.IMAGE),  # Windows icon
    (0, b"\xff\x0a", Format.IMAGE),  # JPEG XL
    (0, b"\x00\x00\x00\x0cJXL ", Format.IMAGE),
    (4, b"ftypavif", Format.IMAGE),
    (4, b"ftypheic", Format.IMAGE),
    (4, b"ftypmif1", Format.IMAGE),
    (4, b"ftypM4A", Format.AUDIO),
    (4, b"ftyp", Format.VIDEO),
    (0, b"\x1a\x45\xdf\xa3", Format.VIDEO),
    (0, b"OggS", Format.AUDIO),
    (0, b"fLaC", Format.AUDIO),
    (0, b"ID3", Format.AUDIO),
    (0, b"\xff\xfb", Format.AUDIO),
    (0, b"\xff\xf3", Format.AUDIO),
    (0, b"wOFF", Format.FONT),
    (0, b"wOF2", Format.FONT),
    (0, b"OTTO", Format.FONT),
    (0, b"ttcf\x00", Format.FONT),
)


def _by_first_byte(offset: int) -> dict[bytes, tuple[tuple[int, int, bytes, Format], ...]]:
    # Every file of a repository is asked for every signature: most have none that begins with their first byte.
    table: dict[bytes, tuple[tuple[int, int, bytes, Format], ...]] = {}
    for rank, (at, signature, found) in enumerate(_SIGNATURES):
        if at == offset:
            table[signature[:1]] = (*table.get(signature[:1], ()), (rank, at, signature, found))
    return table


_AT_START, _AT_FOUR = _by_first_byte(0), _by_first_byte(4)
_RIFF = {b"WAVE": Format.AUDIO, b"AVI ": Format.VIDEO, b"WEBP": Format.IMAGE}
# A text may begin with these letters; they count only where the first bytes are not all text.
_GUARDED = frozenset({b"GGUF", b"BZh", b"CBM1", b"ptrt", b"ftrt", b"lmgg", b"fmgg", b"tjgg", b"algg", b"nsgg",
                      b"PAR1", b"FEA1", b"ARROW1", b"OggS", b"fLaC", b"ID3", b"wOFF", b"wOF2", b"OTTO", b"TFL3",
                      b"ET12", b"ftyp", b"ZF0x", b"A\n2\n", b"A\n3\n"})  # fmt: skip
_TEXT_BYTES = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0C, 0x0D}
_HDF5 = b"\x89HDF\r\n\x1a\n"


def by_signature(head: bytes) -> Format | None:
    """Return the format whose signature stands in `head` (the file's first bytes)."""
    if head[:4] in {b"RIFF", b"RIFX", b"RF64", b"FFIR"}:
        return _RIFF.get(head[8:12])
    printable = None
    candidates = _AT_START.get(head[:1], ()) + _AT_FOUR.get(head[4:5], ())
    for _, offset, signature, found in sorted(candidates):
        if not head.startswith(signature, offset):
            continue
        if signature in _GUARDED:
            printable = _TEXT_BYTES.issuperset(head[:32]) if printable is None else printable
            # ASCII serializations of R and joblib's old header are text all through.
            if printable and len(head) > 8 and found not in {Format.RDS, Format.JOBLIB}:
                continue
        return found
    return _by_shape(head)


def _by_shape(head: bytes) -> Format | None:
    """Signatures with a condition: too short to stand alone."""
    if head[:2] == b"MZ" and _is_dos_program(head):
        return Format.EXECUTABLE
    if head[:2] == b"BM" and len(head) > 18 and head[6:10] == bytes(4) and head[14:18] in _BITMAP_HEADERS:
        return Format.IMAGE
    if head[:4] == b"\x00\x01\x00\x00" and 4 <= int.from_bytes(head[4:6]) <= 64 and head[12:16].strip(b" ").isascii():
        return Format.FONT if head[12:16].rstrip().isalnum() or head[12:16] == b"OS/2" else None
    if head[2:4] == b"\r\n" and any(head[at : at + 1] in {b"\xe3", b"\x63"} for at in (8, 12, 16)):
        # A .pyc: two bytes of version, CR LF, flags and dates, then a marshalled code object.
        return Format.PYTHON_BYTECODE if not _TEXT_BYTES.issuperset(head[:8]) else None
    return None


_BITMAP_HEADERS = frozenset(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))


def _is_dos_program(head: bytes) -> bool:
    """Say whether what begins with MZ is a program and not a text: its header has a PE offset or is not printable."""
    at = int.from_bytes(head[0x3C:0x40], "little")
    return head[at : at + 4] == b"PE\x00\x00" or not _TEXT_BYTES.issuperset(head[:64])


def hdf5_offsets(size: int) -> tuple[int, ...]:
    """Return where an HDF5 superblock may stand behind a user block: 512, 1024, 2048 ... below `size` bytes.

    HDF5 File Format Specification, section II.A.
    """
    return tuple(512 << power for power in range(40) if 512 << power < size)


def is_hdf5(head: bytes) -> bool:
    """Say whether these bytes begin an HDF5 superblock."""
    return head.startswith(_HDF5)
