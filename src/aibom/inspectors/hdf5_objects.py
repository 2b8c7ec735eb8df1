"""Read HDF5 object headers: links, attributes, and what a dataset is made of (specification IV.A)."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from msgspec import Struct, field

from aibom.errors import LimitExceeded, MalformedFile
from aibom.inspectors.hdf5_blocks import Cursor, Hdf5File
from aibom.inspectors.hdf5_heaps import FractalHeap
from aibom.inspectors.hdf5_types import STRING, Datatype, read_datatype, read_filters

_MESSAGES = 1_000_000
_CONTINUATIONS = 10_000
_DIMENSIONS = 32  # the library's own bound
_DATASPACE, _LINK_INFO, _DATATYPE, _LINK, _EXTERNAL, _LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
_FILTERS, _ATTRIBUTE, _CONTINUATION, _SYMBOLS, _ATTRIBUTE_INFO = 0x0B, 0x0C, 0x10, 0x11, 0x15


class Link(NamedTuple):
    """A name in a group. Of `address`, `path` (soft), `file` with `path` (external) one is set."""

    name: str
    address: int | None = None
    path: str | None = None
    file: str | None = None
    place: int = 0


class Hdf5Object(Struct):
    """What one object header says. A dataset has a type and a layout; a type alone is one that has a name."""

    place: int
    links: list[Link] = field(default_factory=list)
    attributes: dict[str, tuple[Datatype, Cursor]] = field(default_factory=dict)
    type: Datatype | None = None
    shape: tuple[int, ...] | None = ()
    is_dataset: bool = False
    external: list[str] = field(default_factory=list)
    virtual: bool = False
    virtual_source: str = ""
    offset: int | None = None
    length: int | None = None
    filters: tuple[int, ...] = ()

    @property
    def elements(self) -> int:
        """How many elements the dataset has; a null dataspace has none."""
        return 0 if self.shape is None else prod(self.shape)


class ObjectReader:
    """Reads object headers of one file."""

    def __init__(self, file: Hdf5File) -> None:
        self._file = file
        self._left = _MESSAGES

    def read(self, address: int) -> Hdf5Object:
        """Read the object header at an address."""
        found = Hdf5Object(place=self._file.base + address)
        for kind, flags, body in self._messages(address):
            if kind == _DATATYPE and flags & 2:
                found.type = self._shared_type(body)
            elif flags & 2:
                # Only datatypes are shared by the writers in use; the rest says nothing about links.
                continue
            else:
                self._message(found, kind, body)
        return found

    def text_of(self, kind: Datatype, value: Cursor, *, most: int) -> str | None:
        """Return the text of a string attribute, None if it holds something else."""
        if not kind.is_text:
            return None
        raw: bytes
        if kind.kind == STRING:
            raw = value.block[value.at : value.at + min(kind.size, most + 1)]
        else:
            cursor = Cursor(value.block, value.place, value.at)
            length, address, index = cursor.number(4), self._file.address(cursor), cursor.number(4)
            raw = self._file.global_object(address, index, most=most + 1)[:length] if address else b""
        if len(raw) > most:
            raise LimitExceeded(f"an attribute of more than {most} bytes", offset=value.place)
        return raw.rstrip(b"\0").decode("utf-8", "backslashreplace")

    # --- messages ----------------------------------------------------------------------------------------------------

    def _messages(self, address: int) -> Iterator[tuple[int, int, Cursor]]:
        """Yield (type, flags, body) of every message of a header and its continuations."""
        file = self._file
        head = file.read(address, 16)
        if head.block.startswith(b"OHDR"):
            head.take(5)
            flags = head.number(1)
            skip = 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
            width = 1 << (flags & 3)
            size = file.read(address + skip, width).number(width)
            waiting = [(address + skip + width, size, 0)]
            new, ordered = True, bool(flags & 4)
        else:
            if head.number(1) != 1:
                raise MalformedFile("no object header where one should be", offset=head.place)
            head.take(7)
            waiting = [(address + 16, head.number(4), 0)]
            new, ordered = False, False
        seen: set[int] = set()
        while waiting:
            start, size, trim = waiting.pop(0)
            if start in seen or len(seen) > _CONTINUATIONS:
                raise MalformedFile("an object header continues in itself", offset=file.base + start)
            seen.add(start)
            block = file.read(start, size)
            if trim:
                block.expect(b"OCHK")
            prefix = (6 if ordered else 4) if new else 8
            while block.left >= prefix + trim:
                self._left -= 1
                if self._left < 0:
                    raise LimitExceeded("the file has more header messages than the limit allows", offset=block.place)
                kind, length, flags = block.number(1 if new else 2), block.number(2), block.number(1)
                block.take(prefix - (4 if new else 5))
                place = block.place + block.at
                body = Cursor(block.take(length), place)
                if kind == _CONTINUATION:
                    waiting.append((file.address(body), file.length(body), 4 if new else 0))
                else:
                    yield kind, flags, body

    def _message(self, found: Hdf5Object, kind: int, body: Cursor) -> None:
        file = self._file
        match kind:
            case 0x01:
                found.shape = self._dataspace(body)
            case 0x02:
                flags = body.take(2)[1]
                body.take(8 if flags & 1 else 0)
                found.links.extend(self._link(record) for record in self._dense(body, id_at=4))
            case 0x03:
                found.type = read_datatype(body)
            case 0x06:
                found.links.append(self._link(body))
            case 0x07:
                found.external.extend(self._external_files(body))
            case 0x08:
                found.is_dataset = True
                self._layout(found, body)
            case 0x0B:
                found.filters = read_filters(body)
            case 0x0C:
                self._attribute(found, body)
            case 0x11:
                found.links.extend(self._symbols(file.address(body), file.address(body)))
            case 0x15:
                flags = body.take(2)[1]
                body.take(2 if flags & 1 else 0)
                for record in self._dense(body, id_at=0):
                    self._attribute(found, record)

    def _dense(self, body: Cursor, *, id_at: int) -> Iterator[Cursor]:
        """Yield the messages that a fractal heap holds, in the order of the name index."""
        heap_address, index = self._file.address(body), self._file.address(body)
        if not self._file.defined(heap_address) or not self._file.defined(index):
            return
        heap = FractalHeap(self._file, heap_address)
        for record in self._file.records(index):
            record.take(id_at)
            yield heap.get(record.take(heap.id_length))

    def _symbols(self, tree: int, heap: int) -> Iterator[Link]:
        """Yield the links of an old-style group."""
        file = self._file
        names = file.local_heap(heap)
        for leaf in file.old_leaves(tree):
            head = file.read(leaf, 8)
            head.expect(b"SNOD")
            head.take(2)
            count = head.number(2)
            node = file.read(leaf + 8, count * (2 * file.offsets + 24))
            for _ in range(count):
                place = node.place + node.at
                name = Cursor(names.block, names.place, min(file.address(node), len(names.block))).text()
                address, cache = file.address(node), node.number(4)
                node.take(4)
                scratch = Cursor(node.take(16), place)
                if cache == 2:
                    target = Cursor(names.block, names.place, min(scratch.number(4), len(names.block))).text()
                    yield Link(name, path=target, place=place)
                else:
                    yield Link(name, address=address, place=place)

    def _link(self, body: Cursor) -> Link:
        place = body.place
        body.take(1)
        flags = body.number(1)
        kind = body.number(1) if flags & 8 else 0
        body.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
        name = body.take(body.number(1 << (flags & 3))).decode("utf-8", "backslashreplace")
        if kind == 0:
            return Link(name, address=self._file.address(body), place=place)
        value = Cursor(body.take(body.number(2)), body.place)
        if kind == 1:
            return Link(name, path=value.block.rstrip(b"\0").decode("utf-8", "backslashreplace"), place=place)
        value.take(1 if kind == 64 else 0)
        # Links of user-defined kinds (65 and up) mean what a plug-in makes of them; they are shown as external too.
        return Link(name, file=value.text(), path=value.text(), place=place)

    def _attribute(self, found: Hdf5Object, body: Cursor) -> None:
        version, flags = body.number(1), body.number(1)
        sizes = [body.number(2) for _ in range(3)]
        body.take(1 if version == 3 else 0)
        padded = [size + (-size % 8 if version == 1 else 0) for size in sizes]
        name = Cursor(body.take(padded[0]), body.place).text()
        type_body = Cursor(body.take(padded[1]), body.place)
        shared = bool(version > 1 and flags & 1)
        kind = self._shared_type(type_body) if shared else read_datatype(type_body)
        body.take(padded[2])
        if len(found.attributes) < _MESSAGES:
            found.attributes[name] = (kind, body)

    # --- parts of a dataset ------------------------------------------------------------------------------------------

    def _dataspace(self, body: Cursor) -> tuple[int, ...] | None:
        version, rank = body.number(1), body.number(1)
        body.take(1)
        if version == 2:
            if body.number(1) == 2:
                return None
        else:
            body.take(5)
        if rank > _DIMENSIONS:
            raise MalformedFile(f"a dataset of {rank} dimensions", offset=body.place)
        return tuple(self._file.length(body) for _ in range(rank))

    def _shared_type(self, body: Cursor) -> Datatype:
        """Follow a datatype to the object that holds it."""
        version, where = body.number(1), body.number(1)
        if version == 1:
            body.take(6)
        elif version == 3 and where == 1:
            raise LimitExceeded("a datatype in the shared message table cannot be read", offset=body.place)
        for kind, flags, message in self._messages(self._file.address(body)):
            if kind == _DATATYPE and not flags & 2:
                return read_datatype(message)
        raise MalformedFile("a shared datatype leads to no datatype", offset=body.place)

    def _layout(self, found: Hdf5Object, body: Cursor) -> None:
        version = body.number(1)
        if version in {1, 2}:
            rank, layout = body.number(1), body.number(1)
            body.take(5)
            if layout == 1 and rank:
                found.offset, found.length = self._file.base + self._file.address(body), None
            return
        layout = body.number(1)
        if layout == 0:
            found.length = body.number(2)
            found.offset = body.place + body.at
        elif layout == 1:
            address = self._file.address(body)
            found.length = self._file.length(body)
            found.offset = self._file.base + address if self._file.defined(address) else None
        elif layout == 3:
            found.virtual = True
            address, index = self._file.address(body), body.number(4)
            if self._file.defined(address):
                source = Cursor(self._file.global_object(address, index), body.place)
                source.take(1 + self._file.lengths)
                found.virtual_source = source.text()

    def _external_files(self, body: Cursor) -> Iterator[str]:
        body.take(6)
        used = body.number(2)
        names = self._file.local_heap(self._file.address(body))
        for _ in range(used):
            at = self._file.length(body)
            body.take(2 * self._file.lengths)
            yield Cursor(names.block, names.place, min(at, len(names.block))).text()
