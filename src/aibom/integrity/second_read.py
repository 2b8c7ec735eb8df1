"""Digest the tensors whose bytes stand in no file as they are: strided, big-endian, compressed, inside containers.

Each of them costs a second read, which is why they are apart from those that are digested with their file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from aibom.components import Inspection
from aibom.containers import CONTAINERS
from aibom.containers.protocol import Budget
from aibom.digests import FileDigests
from aibom.errors import FileFault
from aibom.files import RepoFile
from aibom.integrity.tensor_elements import REARRANGED, Purse, digest_rest
from aibom.integrity.tensors import in_one_piece, is_big_endian
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource, FileSource
from aibom.sources.protocol import Source


def read_again(
    source: Source, inspections: tuple[Inspection, ...], digested: Mapping[str, FileDigests], limits: Limits
) -> tuple[Inspection, ...]:
    """Return the inspections with the digests of more tensors; those that can't be read exactly still have none."""
    wanted: dict[str, list[int]] = {}
    for number, item in enumerate(inspections):
        found = digested.get(item.file.path)
        if found is not None and found.fault is None and _is_worth_it(item):
            wanted.setdefault(item.file.path, []).append(number)
    files: dict[str, dict[tuple[str, ...], RepoFile]] = {path: {} for path in wanted}
    for item in inspections:
        if item.file.path in files:
            files[item.file.path][item.file.members] = item.file
    done = list(inspections)
    # What one file takes, the others don't get: a thousand small ones may ask for no more than a big one.
    purse, budget = Purse.of(sum(digested[path].size for path in wanted)), Budget.of(limits)
    for path, numbers in wanted.items():
        try:
            with source.open(path) as data:
                again = {
                    number: digest_rest(inspections[number], inner, purse, limits)
                    for number, inner in _opened(data, _by_place(inspections, numbers), files[path], limits, budget)
                }
                if not _is_unchanged(data, digested[path]):
                    continue
        except OSError:
            continue  # what can't be read now could be read before: the files' own comparison says so
        for number, item in again.items():
            done[number] = item
    return tuple(done)


def _is_worth_it(item: Inspection) -> bool:
    """Say whether a second read may give the digest of a tensor that has none."""
    if item.tensors is None or is_big_endian(item):
        return False
    gaps = [tensor for tensor in item.tensors.tensors if tensor.digest is None and tensor.beside is None]
    if item.file.members and any(map(in_one_piece, gaps)):
        return True
    return bool(gaps) and item.file.format in REARRANGED


def _is_unchanged(data: ByteSource, found: FileDigests) -> bool:
    if found.stamp is None or not isinstance(data, FileSource):
        return True
    return data.stamp()._replace(ctime_ns=0) == found.stamp._replace(ctime_ns=0)


# --- members of containers --------------------------------------------------------------------------------------------


def _by_place(inspections: tuple[Inspection, ...], numbers: Iterable[int]) -> dict[tuple[str, ...], int]:
    """Return inspections by the names of the containers' members; a name that stands twice names nothing."""
    places: dict[tuple[str, ...], int] = {}
    twice = set()
    for number in numbers:
        members = inspections[number].file.members
        if members in places:
            twice.add(members)
        places[members] = number
    return {members: number for members, number in places.items() if members not in twice}


def _opened(
    data: ByteSource,
    places: Mapping[tuple[str, ...], int],
    files: Mapping[tuple[str, ...], RepoFile],
    limits: Limits,
    budget: Budget,
) -> Iterator[tuple[int, ByteSource]]:
    """Yield the number and the bytes of every inspection of one file. Of a broken container, what came before."""
    if () in places:
        yield places[()], data
    outer = frozenset(members[:depth] for members in places for depth in range(len(members)))
    waiting: list[tuple[tuple[str, ...], Iterator[tuple[str, ByteSource]]]] = []
    if () in outer and () in files:
        waiting.append(((), _members(files[()], data, limits, budget)))
    while waiting:
        above, listing = waiting[-1]
        name, inner = next(listing, ("", None))
        if inner is None:
            waiting.pop()
            continue
        members = (*above, name)
        if members in places:
            yield places[members], inner
        if members in outer and members in files:
            waiting.append((members, _members(files[members], inner, limits, budget)))


def _members(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Iterator[tuple[str, ByteSource]]:
    opener = CONTAINERS.get(file.format)
    if opener is None:
        return
    try:
        for member in opener(file, data, limits, budget).members():
            if member.size:
                with member.open() as inner:
                    yield member.name, inner
    except FileFault:
        return
