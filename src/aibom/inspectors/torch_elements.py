"""The bytes of torch's tensors as torch loads them: in C order, little-endian, lazy operations done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from aibom.containers.protocol import Budget
from aibom.containers.zip_archive import open_entry
from aibom.errors import MalformedFile
from aibom.inspectors.pytorch import TorchArchive, TorchPickle
from aibom.inspectors.pytorch_legacy import LegacyFile
from aibom.inspectors.pytorch_names import Named
from aibom.inspectors.strided import Block, Change, byte_swapper, in_c_order, sign_flipper
from aibom.inspectors.torch_views import Storage, TorchTensor, View
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource, SliceSource

OpenStorage = Callable[[Storage], ByteSource]
"""Gives the bytes of a whole storage; raises `MalformedFile` or `LimitExceeded`."""
_COMPLEX = {"C32": 2, "C64": 4, "C128": 8}
"""Complex types are two numbers of so many bytes."""
_WIDEST = 8


class Part(Struct, frozen=True, kw_only=True):
    """The tensors of one pickle, with the storages that they look into."""

    named: tuple[Named[TorchTensor], ...]
    open: OpenStorage


def archive_parts(data: ByteSource, archive: TorchArchive, limits: Limits) -> tuple[Part, ...]:
    """Return the parts of a torch zip, one a pickle."""
    return tuple(Part(named=pickle.named, open=_opener(data, pickle, limits)) for pickle in archive.pickles)


def legacy_part(data: ByteSource, legacy: LegacyFile) -> Part:
    """Return the one part of a legacy file."""

    def open_storage(storage: Storage) -> ByteSource:
        if storage.key not in legacy.offsets:
            raise MalformedFile(f"the bytes of storage {storage.key} are not in the file")
        return SliceSource(data, legacy.offsets[storage.key], storage.whole)

    return Part(named=legacy.named, open=open_storage)


def _opener(data: ByteSource, pickle: TorchPickle, limits: Limits) -> OpenStorage:
    def open_storage(storage: Storage) -> ByteSource:
        entry = pickle.storages.get(storage.key.lower())
        if entry is None:
            raise MalformedFile(f"the bytes of storage {storage.key} are not in the archive")
        source = open_entry(data, entry, limits, Budget.of(limits))
        if source.size != storage.whole:
            raise MalformedFile(f"storage {storage.key} has {source.size} bytes, the pickle says {storage.whole}")
        return source

    return open_storage


def elements(view: View, storage: ByteSource, *, little_endian: bool) -> Iterator[bytes]:
    """Yield the bytes of a view that fits its storage, which is given whole; OSError where it can't be read.

    No two elements may share a byte.
    """
    changes = _changes(view, little_endian=little_endian)
    for chunk in in_c_order(block_of(view, storage)):
        changed = chunk
        for change in changes:
            changed = change(changed)
        yield changed


def block_of(view: View, storage: ByteSource) -> Block:
    """Return a view as a block of its storage's bytes; elements of 16 bytes are taken as two of eight."""
    item = view.dtype.size
    # A part of a storage begins at a whole number of its own elements, which are the view's.
    offset, shape, stride = view.storage.start // item + view.offset, view.shape, view.stride
    if (parts := item // _WIDEST) > 1:
        item, offset = _WIDEST, parts * offset
        shape, stride = (*shape, parts), (*(parts * step for step in stride), 1)
    return Block(source=storage, item=item, offset=offset, shape=shape, stride=stride)


def _changes(view: View, *, little_endian: bool) -> tuple[Change, ...]:
    changes: list[Change] = []
    item = view.dtype.size
    # torch swaps by the storage's type; complex numbers are two numbers. Untyped storages are left as they are.
    unit = _COMPLEX.get(view.storage.dtype.name, view.storage.dtype.size)
    if not little_endian and unit > 1:
        changes.append(byte_swapper(unit))
    if view.conjugate and view.dtype.name in _COMPLEX:
        changes.append(sign_flipper(b"\0" * (item - 1) + b"\x80"))
    if view.negative:
        part = _COMPLEX.get(view.dtype.name, item)
        changes.append(sign_flipper((b"\0" * (part - 1) + b"\x80") * (item // part)))
    return tuple(changes)
