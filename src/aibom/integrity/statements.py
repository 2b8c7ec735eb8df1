"""In-toto statements inside signed envelopes, read strictly: which digests they state for which names.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and https://github.com/ossf/model-signing-spec.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import escape_name
from aibom.integrity.claims import HEX_LENGTHS, Manifest, Resource, hexadecimal, is_plain, resource, shown
from aibom.integrity.dsse import IN_TOTO, Envelope
from aibom.integrity.strict_json import MAX_VALUES, strict_object
from aibom.limits import Limits

MODEL_SIGNATURE = "https://model_signing/signature/v1.0"
MODEL_SIGNATURE_V0_2 = "https://model_signing/Digests/v0.1"
STATEMENT = "https://in-toto.io/Statement/v1"
_STATEMENTS = frozenset({STATEMENT, "https://in-toto.io/Statement/v0.1"})
_ALGORITHMS = frozenset({"sha256", "blake2b", "blake3"})
_SHARD = re.compile(r"(?P<name>.+):(?P<start>0|[1-9][0-9]{0,18}):(?P<end>0|[1-9][0-9]{0,18})", re.DOTALL)
# What is never hashed by signers that follow the specification, at the top level only.
ALWAYS_IGNORED = (".git", ".gitattributes", ".github", ".gitignore")


class Statement(Struct, frozen=True, kw_only=True):
    """A statement: the kind of its predicate, the predicate, and the digests that it states."""

    predicate_type: str
    predicate: Mapping[str, Any]
    manifest: Manifest


def read_statement(envelope: Envelope, limits: Limits, *, most: int = MAX_VALUES) -> Statement:
    """Read the statement in an envelope whose signature has been checked, or that is used as a checksum list only.

    `most` bounds its values.

    Raises:
        MalformedFile: it is no statement, or it breaks a rule of its kind.
        LimitExceeded: it is longer or deeper than the limits allow.
    """
    if envelope.payload_type != IN_TOTO:
        raise MalformedFile(f"its payload is {shown(envelope.payload_type)}, not an in-toto statement")
    value = strict_object(envelope.payload, limits, most=most)
    match value:
        case {"_type": str(kind), "predicateType": str(predicate_type), "subject": [*subjects]}:
            if kind not in _STATEMENTS:
                raise MalformedFile(f"its statement type {shown(kind)} is not known")
        case _:
            raise MalformedFile("its payload lacks _type, predicateType or subject")
    predicate = value.get("predicate")
    if predicate_type == MODEL_SIGNATURE:
        manifest = _model_signature(subjects, predicate)
    elif predicate_type == MODEL_SIGNATURE_V0_2:
        manifest = Manifest(resources=_unique([_subject(item) for item in subjects]), exhaustive=True)
    else:
        manifest = Manifest(resources=_subjects(subjects), by_digest=True)
    if not manifest.resources:
        raise MalformedFile("it lists no files")
    if len(manifest.resources) > limits.files:
        raise LimitExceeded(f"{len(manifest.resources)} signed files, limit {limits.files}")
    return Statement(
        predicate_type=predicate_type, predicate=predicate if isinstance(predicate, dict) else {}, manifest=manifest
    )


# --- model signatures -------------------------------------------------------------------------------------------------


def _model_signature(subjects: list[Any], predicate: object) -> Manifest:
    match subjects:
        case [{"digest": {"sha256": str(root)}}]:
            pass
        case _:
            raise MalformedFile("a model signature has one subject with a SHA-256")
    match predicate:
        case {"resources": [*items], "serialization": dict() as serialization}:
            pass
        case _:
            raise MalformedFile("its predicate lacks resources or serialization")
    algorithm, shard_size = _serialization(serialization)
    resources = tuple(_listed(item, algorithm, shard_size) for item in items)
    _unique(resources)
    if shard_size is not None:
        _check_shards(resources, shard_size)
    # The subject is a digest of the digests, in the order in which they stand.
    computed = hashlib.sha256(b"".join(bytes.fromhex(item.digest) for item in resources)).hexdigest()
    if computed != root.lower():
        raise MalformedFile(f"its subject is {shown(root)}, its resources add up to {computed}")
    return Manifest(
        resources=resources, exhaustive=True, shard_size=shard_size, ignored=_ignored(serialization.get("ignore_paths"))
    )


def _serialization(value: Mapping[str, Any]) -> tuple[str, int | None]:
    """Return the digest algorithm, and the size of shards in bytes where files are cut."""
    algorithm = value.get("hash_type")
    if algorithm == "blake2":
        algorithm = "blake2b"
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise MalformedFile(f"digests of type {shown(algorithm)} are not known")
    match value:
        case {"method": "files"}:
            return algorithm, None
        # Signers that went through protocol buffers wrote every number as a float.
        case {"method": "shards", "shard_size": int() | float() as size} if not isinstance(size, bool):
            if size != size or size in {float("inf"), float("-inf")} or size != int(size) or not 0 < size < 1 << 63:  # noqa: PLR0124 -- NaN
                raise MalformedFile(f"a shard size of {size} bytes makes no sense")
            return algorithm, int(size)
        case _:
            raise MalformedFile(f"the serialization method {shown(value.get('method'))} is not known")


def _listed(item: object, algorithm: str, shard_size: int | None) -> Resource:
    match item:
        case {"name": str(name), "algorithm": str(label), "digest": str(value)}:
            pass
        case _:
            raise MalformedFile("a resource lacks name, algorithm or digest")
    # The reference implementation labels the digests of shards with their size.
    if label not in {algorithm, f"{algorithm}-sharded-{shard_size}"}:
        raise MalformedFile(f"{shown(name)} is digested with {shown(label)}, the signature says {algorithm}")
    if shard_size is None:
        # The first releases named a model of a single file `.`.
        if name == ".":
            return Resource(name=".", algorithm=algorithm, digest=hexadecimal(algorithm, value))
        return resource(name, algorithm, value)
    match = _SHARD.fullmatch(name)
    if match is None or not (match["name"] == "." or is_plain(match["name"])):
        raise MalformedFile(f"{shown(name)} does not name a shard of a plain relative path")
    return Resource(
        name=escape_name(match["name"].encode()),
        algorithm=algorithm,
        digest=hexadecimal(algorithm, value),
        start=int(match["start"]),
        end=int(match["end"]),
    )


def _unique(resources: tuple[Resource, ...] | list[Resource]) -> tuple[Resource, ...]:
    seen = set()
    for item in resources:
        if (item.name, item.start) in seen:
            raise MalformedFile(f"{shown(item.name)} is listed twice")
        seen.add((item.name, item.start))
    if "." in {item.name for item in resources} and len(resources) > 1:
        raise MalformedFile("the name `.` stands beside others")
    return tuple(resources)


def _check_shards(resources: tuple[Resource, ...], size: int) -> None:
    """Hold shards to their grid: they begin at multiples of the size, follow each other, and only the last is short."""
    ends: dict[str, list[tuple[int, int]]] = {}
    for item in resources:
        assert item.start is not None
        assert item.end is not None
        ends.setdefault(item.name, []).append((item.start, item.end))
    for name, parts in ends.items():
        parts.sort()
        whole = all(
            start == number * size and (end - start == size or (number == len(parts) - 1 and 0 < end - start < size))
            for number, (start, end) in enumerate(parts)
        )
        if not whole:
            raise MalformedFile(f"the shards of {shown(name)} overlap, leave a gap or do not fit the shard size")


def _ignored(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MalformedFile("its ignore paths are no list")
    paths = []
    for item in value:
        if not isinstance(item, str):
            raise MalformedFile("its ignore paths are not all text")
        path = item.rstrip("/").removeprefix("./")
        # `.` would leave out everything, and what climbs or is absolute leaves out nothing of this model.
        if path in {"", "."}:
            raise MalformedFile("its ignore paths leave out the whole model")
        if is_plain(path):
            paths.append(escape_name(path.encode()))
    return tuple(paths)


# --- other statements -------------------------------------------------------------------------------------------------


def _subjects(subjects: list[Any]) -> tuple[Resource, ...]:
    """Return the subjects of an attestation; their names are informative, their digests count."""
    found: list[Resource] = []
    for item in subjects:
        match item:
            case {"digest": {**digests}}:
                name = item.get("name")
                found.extend(
                    Resource(
                        name=escape_name(name.encode()) if isinstance(name, str) else "",
                        algorithm=algorithm,
                        digest=hexadecimal(algorithm, value),
                    )
                    for algorithm, value in digests.items()
                    if algorithm in HEX_LENGTHS
                )
            case _:
                raise MalformedFile("a subject has no digest")
    return tuple(found)


def _subject(item: object) -> Resource:
    match item:
        case {"name": str(name), "digest": {"sha256": str(value)}}:
            return resource(name, "sha256", value)
        case _:
            raise MalformedFile("a subject lacks name or SHA-256")
