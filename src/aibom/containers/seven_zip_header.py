"""Read the header of a 7z archive: which packed streams make which files.

Format: 7zFormat.txt of the LZMA SDK.
"""

from __future__ import annotations

from msgspec import Struct, field

from aibom.errors import LimitExceeded, MalformedFile

_END, _HEADER = 0, 1
_PACK, _UNPACK, _SUBSTREAMS, _SIZE, _CRC, _FOLDER, _SIZES, _COUNTS, _EMPTY_STREAM = range(6, 15)
_NAMES = 0x11
_ATTRIBUTES = 0x15
ENCODED_HEADER = 0x17
_MOST_CODERS = 32
_UNIX_EXTENSION = 0x8000


class Coder(Struct, frozen=True, kw_only=True):
    """One step of unpacking: the method's id and its properties."""

    method: bytes
    properties: bytes
    inputs: int = 1


class Folder(Struct, kw_only=True):
    """Files packed together. `packed` are (offset behind the signature header, length) of its packed streams.

    `coders` stand in the order in which they unpack; `size` is of all files together, in bytes.
    """

    coders: tuple[Coder, ...]
    packed: tuple[tuple[int, int], ...] = ()
    streams: int = 1
    size: int = 0
    sizes: list[int] = field(default_factory=list)
    chained: bool = True
    """Whether each coder has one input and reads what another one writes; only then is the order known."""
    last: int = 0
    """The place in the header of the coder that unpacks last."""
    has_digest: bool = False


class File(Struct, frozen=True, kw_only=True):
    """A name in the archive. `has_data` is False for directories and empty files."""

    raw_name: str
    has_data: bool
    unix_mode: int = 0


class Header(Struct):
    """The folders of an archive, and its files in the order in which their data comes out of the folders."""

    folders: list[Folder] = field(default_factory=list)
    files: list[File] = field(default_factory=list)


class HeaderReader:
    """Reads the parts of a header one after another. At most `most` folders, streams and files are taken."""

    def __init__(self, raw: bytes, most: int) -> None:
        self._raw = raw
        self._at = 0
        self._most = most

    def header(self) -> Header:
        """Read a whole header, or the streams of an encoded one (then there are no files).

        Raises:
            MalformedFile: it contradicts the format.
            LimitExceeded: it has too many parts.
        """
        kind = self._byte()
        result = Header()
        if kind == ENCODED_HEADER:
            result.folders = self._streams()
            return result
        if kind != _HEADER:
            raise MalformedFile("no 7z header")
        while (kind := self._byte()) != _END:
            match kind:
                case 2:
                    while self._byte() != _END:
                        self._take(self._number())
                case 3:
                    self._streams()
                case 4:
                    result.folders = self._streams()
                case 5:
                    result.files = self._files()
                case _:
                    raise MalformedFile(f"a 7z header has a part {kind:#x} that does not exist")
        return result

    # --- numbers ------------------------------------------------------------------------------------------------------

    def _take(self, length: int) -> bytes:
        if not 0 <= length <= len(self._raw) - self._at:
            raise MalformedFile("a 7z header ends too early")
        part = self._raw[self._at : self._at + length]
        self._at += length
        return part

    def _byte(self) -> int:
        return self._take(1)[0]

    def _number(self) -> int:
        """Read a number: the leading ones of the first byte count the bytes that follow."""
        first = self._byte()
        extra = 0
        while extra < 8 and first & 0x80 >> extra:
            extra += 1
        low = int.from_bytes(self._take(extra), "little")
        return low | (first & (0x7F >> extra)) << 8 * extra

    def _count(self) -> int:
        value = self._number()
        if value > self._most:
            raise LimitExceeded(f"a 7z header with {value} parts of a kind")
        return value

    def _bits(self, count: int) -> list[bool]:
        raw = self._take(-(-count // 8))
        return [bool(raw[index // 8] & 0x80 >> index % 8) for index in range(count)]

    def _defined(self, count: int) -> list[bool]:
        return [True] * count if self._byte() else self._bits(count)

    def _digests(self, count: int) -> list[bool]:
        """Step over checksums; say which are there."""
        defined = self._defined(count)
        self._take(4 * sum(defined))
        return defined

    # --- streams ------------------------------------------------------------------------------------------------------

    def _streams(self) -> list[Folder]:
        offset = 0
        packed: list[int] = []
        folders: list[Folder] = []
        while (kind := self._byte()) != _END:
            if kind == _PACK:
                offset, packed = self._pack_info()
            elif kind == _UNPACK:
                folders = self._folders()
            elif kind == _SUBSTREAMS:
                self._substreams(folders)
            else:
                raise MalformedFile(f"a 7z header has streams of a kind {kind:#x} that does not exist")
        lengths = iter(packed)
        for folder in folders:
            places = []
            for _ in range(len(folder.packed) or 1):
                length = next(lengths, None)
                if length is None:
                    raise MalformedFile("a 7z header names fewer packed streams than its folders need")
                places.append((offset, length))
                offset += length
            folder.packed = tuple(places)
            folder.sizes = folder.sizes or ([folder.size] if folder.streams else [])
        return folders

    def _pack_info(self) -> tuple[int, list[int]]:
        offset = self._number()
        count = self._count()
        sizes: list[int] = []
        while (kind := self._byte()) != _END:
            if kind == _SIZE:
                sizes = [self._number() for _ in range(count)]
            elif kind == _CRC:
                self._digests(count)
            else:
                raise MalformedFile("a 7z header describes its packed streams in a way that does not exist")
        return offset, sizes

    def _folders(self) -> list[Folder]:
        if self._byte() != _FOLDER:
            raise MalformedFile("a 7z header lacks its folders")
        count = self._count()
        if self._byte():
            raise LimitExceeded("a 7z header that is kept in another stream")
        folders = [self._folder() for _ in range(count)]
        while (kind := self._byte()) != _END:
            if kind == _SIZES:
                for folder in folders:
                    sizes = [self._number() for _ in folder.coders]
                    folder.size = sizes[folder.last]
            elif kind == _CRC:
                for folder, defined in zip(folders, self._digests(count), strict=True):
                    folder.has_digest = defined
            else:
                raise MalformedFile("a 7z header describes its folders in a way that does not exist")
        return folders

    def _folder(self) -> Folder:
        count = self._number()
        if not 1 <= count <= _MOST_CODERS:
            raise MalformedFile(f"a 7z folder with {count} coders")
        coders: list[Coder] = []
        outputs = 0
        for _ in range(count):
            flags = self._byte()
            method = self._take(flags & 0x0F)
            ins, outs = (self._number(), self._number()) if flags & 0x10 else (1, 1)
            properties = self._take(self._number()) if flags & 0x20 else b""
            if ins > _MOST_CODERS or outs != 1:
                raise LimitExceeded("a 7z coder with several outputs")
            outputs += outs
            coders.append(Coder(method=method, properties=properties, inputs=ins))
        inputs = sum(coder.inputs for coder in coders)
        pairs = [(self._number(), self._number()) for _ in range(outputs - 1)]
        packed = inputs - len(pairs)
        if packed < 1:
            raise MalformedFile("a 7z folder without packed streams")
        if packed > 1:
            for _ in range(packed):
                self._number()
        last = next((index for index in range(outputs) if index not in {out for _, out in pairs}), 0)
        order = _chain(last, dict(pairs)) if packed == 1 and inputs == outputs else []
        return Folder(
            coders=tuple(coders[index] for index in reversed(order)) if len(order) == count else tuple(coders),
            packed=((0, 0),) * packed,
            chained=len(order) == count,
            last=last,
        )

    def _substreams(self, folders: list[Folder]) -> None:
        kind = self._byte()
        if kind == _COUNTS:
            for folder in folders:
                folder.streams = self._count()
            kind = self._byte()
        if sum(folder.streams for folder in folders) > self._most:
            raise LimitExceeded("a 7z header with too many files")
        for folder in folders:
            sizes = [self._number() for _ in range(folder.streams - 1)] if kind == _SIZE else []
            last = folder.size - sum(sizes)
            if last < 0:
                raise MalformedFile("the files of a 7z folder are larger than the folder")
            folder.sizes = [*sizes, last] if folder.streams else []
        if kind == _SIZE:
            kind = self._byte()
        if kind == _CRC:
            # Folders of one file may have had their checksum already.
            self._digests(sum(item.streams for item in folders if not (item.streams == 1 and item.has_digest)))
            kind = self._byte()
        if kind != _END:
            raise MalformedFile("a 7z header describes its files in a way that does not exist")

    # --- files --------------------------------------------------------------------------------------------------------

    def _files(self) -> list[File]:
        count = self._count()
        empty = [False] * count
        names: list[str] = []
        attributes = [0] * count
        while (kind := self._byte()) != _END:
            size = self._number()
            part = HeaderReader(self._take(size), self._most)
            if kind == _EMPTY_STREAM:
                empty = part._bits(count)
            elif kind == _NAMES:
                names = part._name_list(count)
            elif kind == _ATTRIBUTES:
                attributes = part._attribute_list(count)
        if len(names) != count:
            raise MalformedFile("a 7z header does not name all of its files")
        return [
            File(raw_name=name, has_data=not bare, unix_mode=mode >> 16 if mode & _UNIX_EXTENSION else 0)
            for name, bare, mode in zip(names, empty, attributes, strict=True)
        ]

    def _inline(self) -> None:
        if self._byte():
            raise LimitExceeded("a 7z header that is kept in another stream")

    def _name_list(self, count: int) -> list[str]:
        self._inline()
        text = self._take(len(self._raw) - self._at).decode("utf-16-le", "replace")
        return text.split("\0")[:count] if text.count("\0") >= count else []

    def _attribute_list(self, count: int) -> list[int]:
        defined = self._defined(count)
        self._inline()
        return [int.from_bytes(self._take(4), "little") if given else 0 for given in defined]


def _chain(last: int, reads: dict[int, int]) -> list[int]:
    """Return the coders from the last one to unpack to the first: `reads` says whose output a coder reads."""
    order = [last]
    while order[-1] in reads and reads[order[-1]] not in order:
        order.append(reads[order[-1]])
    return order
