"""Sharded models: is every part there, and do the index and the parts' own headers tell the same story."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct

from aibom.components import Inspection, SignatureStatus, Verification
from aibom.errors import FileFault
from aibom.files import Format, Location, RepoFile, Role
from aibom.findings import Evidence, Finding, Severity
from aibom.integrity.claims import is_plain, shown
from aibom.integrity.rules import INDEX_MISMATCH, MISSING_FILE
from aibom.limits import Limits
from aibom.resolvers.documents import mapping, parse_json, read_text
from aibom.sources.protocol import Source

SHARDS = "shards"
_INDEXES = frozenset({Format.SAFETENSORS_INDEX, Format.PYTORCH_INDEX})
_PART = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<total>\d{5})(?P<ending>\.[A-Za-z0-9]+)")
_WEIGHT_ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
_NAMED = 5
# Nobody cuts a model into more parts; a name that says so is not worth listing what is missing.
_MAX_PARTS = 10_000


class _Tensors(Struct, frozen=True, kw_only=True):
    """What the headers of one file declare: bytes by tensor, or None where the format keeps them in another form."""

    lengths: Mapping[str, int | None]
    complete: bool


def check_shards(
    source: Source, inspections: tuple[Inspection, ...], limits: Limits
) -> tuple[tuple[Verification, ...], tuple[Finding, ...]]:
    """Check every index against its shards, and every set of numbered parts for gaps."""
    files = {item.file.path: item.file for item in inspections if not item.file.members}
    tensors = _tensors(inspections)
    verifications: list[Verification] = []
    findings: list[Finding] = []
    indexed: set[str] = set()
    for file in files.values():
        if file.format not in _INDEXES:
            continue
        try:
            with source.open(file.path) as data:
                if data.size > limits.json_bytes:
                    continue
                document = parse_json(read_text(file.path, data, limits.json_bytes).text, limits)
        except (FileFault, OSError):
            continue  # inspection has reported that it can't be read
        named, found = _check_index(file, mapping(document.value), document.duplicates, files, tensors)
        indexed |= named
        findings += found
        verifications.append(_verification(file.at(), sorted(named & files.keys()), found, "index"))
    for key, numbers in sorted(_parts(files).items()):
        if not indexed.isdisjoint(numbers.values()):
            continue
        found = [*_gaps(key, numbers), *_splits(numbers, inspections)]
        findings += found
        place = Location(path=min(numbers.values()))
        verifications.append(_verification(place, sorted(numbers.values()), found, "numbered parts"))
    return tuple(verifications), tuple(findings)


def _verification(place: Location, parts: list[str], found: list[Finding], what: str) -> Verification:
    """Say whether the parts agree. None is `covered`: that they fit together proves no digest."""
    wrong = any(finding.severity is not Severity.INFO for finding in found)
    statement = f"{what}: {'does not agree with' if wrong else 'agrees with'} {len(parts)} files"
    return Verification(
        kind=SHARDS,
        status=SignatureStatus.MISMATCH if wrong else SignatureStatus.CHECKSUM_OK,
        location=place,
        evidence=(Evidence(statement=statement, location=place),),
    )


def _tensors(inspections: tuple[Inspection, ...]) -> dict[str, _Tensors]:
    """Gather what the files declare; the tensors of a container stand with its outermost file."""
    found: dict[str, dict[str, int | None]] = {}
    incomplete = set()
    for item in inspections:
        if item.tensors is None:
            continue
        lengths = found.setdefault(item.file.path, {})
        lengths.update((tensor.name, tensor.length) for tensor in item.tensors.tensors)
        if not item.tensors.complete:
            incomplete.add(item.file.path)
    return {path: _Tensors(lengths=lengths, complete=path not in incomplete) for path, lengths in found.items()}


# --- an index and its shards ------------------------------------------------------------------------------------------


def _check_index(
    file: RepoFile,
    value: Mapping[str, object],
    duplicates: tuple[str, ...],
    files: Mapping[str, RepoFile],
    tensors: Mapping[str, _Tensors],
) -> tuple[set[str], list[Finding]]:
    place = file.at()
    folder = file.path[: file.path.rfind("/") + 1]
    findings = []
    if duplicates:
        message = f"{_names(duplicates)} stand twice in it, and readers differ on which one counts"
        findings.append(Finding.of(INDEX_MISMATCH, message, place))
    by_shard: dict[str, set[str]] = {}
    for tensor, name in mapping(value.get("weight_map")).items():
        if isinstance(name, str) and is_plain(name):
            by_shard.setdefault(folder + name, set()).add(tensor)
        else:
            message = f"{shown(tensor)} is placed in {shown(name)}, which is no file of this model"
            if len(findings) < _NAMED:
                findings.append(Finding.of(INDEX_MISMATCH, message, place))
    missing = sorted(by_shard.keys() - files.keys())
    severity = Severity.LOW if missing and _has_other_weights(file, files, by_shard.keys()) else None
    findings += [
        Finding.of(MISSING_FILE, f"{file.path} names it, and it is not there", Location(path=path), severity=severity)
        for path in missing[:_MAX_PARTS]
    ]
    for path in sorted(by_shard.keys() & tensors.keys()):
        findings += _compare_names(file, path, by_shard[path], tensors[path])
    findings += _strangers(file, by_shard.keys(), files)
    if not missing and not findings:
        findings += _check_total(file, value, [tensors.get(path) for path in by_shard])
    return set(by_shard), findings


def _has_other_weights(index: RepoFile, files: Mapping[str, RepoFile], shards: AbstractSet[str]) -> bool:
    """Say whether the folder holds whole weights in another form: then the shards were left out of the download."""
    folder = index.path[: index.path.rfind("/") + 1]
    return any(
        file.role is Role.WEIGHTS
        and path.startswith(folder)
        and "/" not in path[len(folder) :]
        and path.endswith(_WEIGHT_ENDINGS)
        and path not in shards
        for path, file in files.items()
    )


def _compare_names(index: RepoFile, path: str, named: set[str], shard: _Tensors) -> Iterator[Finding]:
    if not shard.complete or not shard.lengths:
        return
    place = Location(path=path)
    if absent := sorted(named - shard.lengths.keys()):
        yield Finding.of(INDEX_MISMATCH, f"{index.path} places {_names(absent)} in it, and they are not there", place)
    if extra := sorted(shard.lengths.keys() - named):
        message = f"it holds {_names(extra)}, which {index.path} does not place in it"
        yield Finding.of(INDEX_MISMATCH, message, place, severity=Severity.MEDIUM)


def _strangers(index: RepoFile, shards: AbstractSet[str], files: Mapping[str, RepoFile]) -> Iterator[Finding]:
    """Find numbered parts of the same model that the index does not know."""
    stems = {(match["stem"], match["ending"]) for path in shards if (match := _PART.fullmatch(path))}
    for path in sorted(files.keys() - shards):
        match = _PART.fullmatch(path)
        if match and (match["stem"], match["ending"]) in stems:
            message = f"a part that {index.path} does not name"
            yield Finding.of(INDEX_MISMATCH, message, Location(path=path), severity=Severity.MEDIUM)


def _check_total(index: RepoFile, value: Mapping[str, object], shards: list[_Tensors | None]) -> Iterator[Finding]:
    stated = mapping(value.get("metadata")).get("total_size")
    lengths = [length for shard in shards for length in (shard.lengths.values() if shard else [None])]
    if isinstance(stated, int | float) and lengths and all(length is not None for length in lengths):
        total = sum(length for length in lengths if length is not None)
        if total != stated:
            # Converters have long written other totals (before tied weights were dropped), and no loader relies on it.
            message = f"states {shown(stated)} bytes of tensors, the shards hold {total}"
            yield Finding.of(INDEX_MISMATCH, message, index.at(), severity=Severity.INFO)


# --- numbered parts without an index ----------------------------------------------------------------------------------


def _parts(files: Mapping[str, RepoFile]) -> dict[tuple[str, str, int], dict[int, str]]:
    """Group files by stem, ending and stated number of parts; values are paths by number."""
    groups: dict[tuple[str, str, int], dict[int, str]] = {}
    for path, file in files.items():
        match = _PART.fullmatch(path)
        if match and match["ending"] in _WEIGHT_ENDINGS and file.role is Role.WEIGHTS:
            key = (match["stem"], match["ending"], int(match["total"]))
            groups.setdefault(key, {})[int(match["number"])] = path
    return groups


def _gaps(key: tuple[str, str, int], numbers: Mapping[int, str]) -> Iterator[Finding]:
    stem, ending, total = key
    first = 0 if 0 in numbers else 1
    wanted = range(first, first + min(total, _MAX_PARTS))
    for number in wanted:
        if number not in numbers:
            path = f"{stem}-{number:05}-of-{total:05}{ending}"
            yield Finding.of(MISSING_FILE, f"a part of the model, beside {min(numbers.values())}", Location(path=path))
    for number in sorted(numbers.keys() - set(wanted)):
        yield Finding.of(INDEX_MISMATCH, f"part {number} of {total}", Location(path=numbers[number]))


def _splits(numbers: Mapping[int, str], inspections: tuple[Inspection, ...]) -> Iterator[Finding]:
    """Hold the parts of a GGUF split to what their metadata says (`split.no` counts from 0, `split.count`)."""
    paths = {path: number for number, path in numbers.items()}
    stated: set[object] = set()
    held = 0
    complete = True
    for item in inspections:
        number = paths.get(item.file.path)
        if number is None or item.file.format is not Format.GGUF or item.file.members:
            continue
        place = item.file.at()
        count, own = item.metadata.get("split.count"), item.metadata.get("split.no")
        if isinstance(own, int) and own != number - 1:
            message = f"its name says part {number}, its metadata says part {own + 1}"
            yield Finding.of(INDEX_MISMATCH, message, place)
        if isinstance(count, int) and count not in {0, len(numbers)} and not _incomplete(numbers):
            message = f"its metadata speaks of {count} parts, {len(numbers)} are there"
            yield Finding.of(INDEX_MISMATCH, message, place)
        stated.add(item.metadata.get("split.tensors.count"))
        complete = complete and item.tensors is not None and item.tensors.complete
        held += len(item.tensors.tensors) if item.tensors else 0
    totals = {value for value in stated if isinstance(value, int) and not isinstance(value, bool)}
    if complete and len(totals) == 1 and held not in totals and not _incomplete(numbers):
        message = f"its metadata speaks of {totals.pop()} tensors in all parts, {held} are there"
        yield Finding.of(INDEX_MISMATCH, message, Location(path=min(numbers.values())))


def _incomplete(numbers: Mapping[int, str]) -> bool:
    match = _PART.fullmatch(next(iter(numbers.values())))
    return match is not None and int(match["total"]) != len(numbers)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(shown(name) for name in names[:_NAMED]) + more
