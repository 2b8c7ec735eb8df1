"""Is a target still what a BOM says: the BOM's signature, the statement in it, then every file's digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from aibom.attest.listing import BomListing, ListedFile, open_listing
from aibom.attest.signing import PREDICATE_TYPE
from aibom.components import SignatureStatus
from aibom.digests import FileDigests, FilePlan, digest_files
from aibom.errors import DataError, FileFault
from aibom.files import RepoFile
from aibom.integrity.authenticity import Trusted, authenticate
from aibom.integrity.bundles import BlobSignature, read_bundle
from aibom.integrity.comparison import acts
from aibom.integrity.statements import read_statement
from aibom.integrity.strict_json import MAX_BOM_VALUES, strict_object
from aibom.inventory import take_inventory
from aibom.settings import Settings
from aibom.sources.protocol import Source

_HOLDS = frozenset({SignatureStatus.VERIFIED, SignatureStatus.PRESENT_UNVERIFIED, SignatureStatus.UNPINNED})


class DifferenceKind(StrEnum):
    """How a target differs from its BOM."""

    SIGNATURE = "signature"
    CHANGED = "changed"
    MISSING = "missing"
    EXTRA = "extra"
    UNREADABLE = "unreadable"
    UNPROVEN = "unproven"


class Difference(Struct, frozen=True, kw_only=True):
    """One difference; `path` is None where it is about the BOM itself."""

    kind: DifferenceKind
    message: str
    path: str | None = None


class BomVerification(Struct, frozen=True, kw_only=True):
    """The outcome. `signature` is None where there is none; `matching` are paths whose digests are those of the BOM.

    `uncovered` are files that a BOM which does not claim to be a full list says nothing about; `acting` are those among
    them that decide what the model does: weights, code, configuration. `form` says how the BOM is written.
    """

    signature: SignatureStatus | None
    signer: str | None
    matching: tuple[str, ...]
    differences: tuple[Difference, ...]
    uncovered: tuple[str, ...] = ()
    acting: tuple[str, ...] = ()
    form: str = ""

    @property
    def holds(self) -> bool:
        """Whether the target is what the BOM says."""
        return not self.differences


def verify_bom(
    bom: bytes,
    attestation: bytes | None,
    source: Source,
    settings: Settings,
    trusted: Trusted,
    *,
    ignored: frozenset[str] = frozenset(),
    on_bytes: Callable[[RepoFile, int], None] = lambda _file, _count: None,
) -> BomVerification:
    """Hold a target to a BOM.

    Args:
        bom: a CycloneDX BOM in JSON or XML, or an SPDX document in JSON.
        attestation: the bundle that signs it, if there is one.
        source: the target.
        settings: limits and threads.
        trusted: whose signatures count; with any of it, a BOM without a signature is a difference.
        ignored: paths in the target that are the BOM itself and its attestation.
        on_bytes: is told of every read.

    Raises:
        DataError: the BOM can't be read.
    """
    try:
        listing = open_listing(bom, settings.limits)
    except FileFault as fault:
        raise DataError(f"the BOM can't be read: {fault}") from fault
    differences: list[Difference] = []
    status = signer = None
    if attestation is not None:
        status, signer, faults = _signature(listing, attestation, settings, trusted)
        differences += faults
    elif trusted.keys or trusted.authorities or trusted.identities:
        differences.append(Difference(kind=DifferenceKind.SIGNATURE, message="the BOM has no signature"))
    differences += _consistency(listing)
    inventory = take_inventory(source, settings.limits)
    files = {file.path: file for file in inventory.files if file.path not in ignored}
    wanted = frozenset(name for file in listing.files for name in file.digests) | {
        algorithm for algorithm, _ in listing.model_digests
    }
    algorithms = ("sha256", *sorted(wanted - {"sha256"}))
    plan = dict.fromkeys(files, FilePlan(algorithms=algorithms))
    digested = digest_files(source, files.values(), plan, settings, on_bytes)
    matching, found = _compare(listing, digested)
    differences += found
    differences += [
        Difference(kind=DifferenceKind.UNREADABLE, path=file.path, message="it can't be read")
        for file in inventory.unread
        if file.path not in ignored
    ]
    spoken_of = {*matching, *(item.path for item in differences)}
    extra = [path for path in sorted(files) if path not in spoken_of]
    if listing.exhaustive:
        differences += [
            Difference(kind=DifferenceKind.EXTRA, path=path, message="the BOM does not list it") for path in extra
        ]
    return BomVerification(
        signature=status,
        signer=signer,
        matching=tuple(sorted(matching)),
        differences=tuple(differences),
        uncovered=() if listing.exhaustive else tuple(extra),
        acting=() if listing.exhaustive else tuple(path for path in extra if acts(files[path])),
        form=listing.form,
    )


# --- the signature ----------------------------------------------------------------------------------------------------


def _signature(
    listing: BomListing, raw: bytes, settings: Settings, trusted: Trusted
) -> tuple[SignatureStatus, str | None, list[Difference]]:
    def refused(message: str) -> tuple[SignatureStatus, str | None, list[Difference]]:
        return SignatureStatus.INVALID, None, [Difference(kind=DifferenceKind.SIGNATURE, message=message)]

    try:
        bundle = read_bundle(strict_object(raw, settings.limits), raw)
        if isinstance(bundle.content, BlobSignature):
            return refused("it signs a file's bytes; an attestation is expected")
        outcome = authenticate(bundle, trusted)
        if outcome.status not in _HOLDS:
            return (
                outcome.status,
                outcome.signer,
                [Difference(kind=DifferenceKind.SIGNATURE, message=outcome.message or "the signature does not hold")],
            )
        statement = read_statement(bundle.content, settings.limits, most=MAX_BOM_VALUES)
    except FileFault as fault:
        return refused(str(fault))
    differences = []
    asked = trusted.keys or trusted.authorities or (trusted.identities and trusted.issuers)
    if asked and outcome.status is not SignatureStatus.VERIFIED:
        message = outcome.message or f"the signature is {outcome.status.value}"
        differences.append(Difference(kind=DifferenceKind.SIGNATURE, message=message))
    differences += _statement_faults(listing, statement.predicate_type, statement.predicate)
    differences += _subject_faults(listing, {(item.name, item.digest) for item in statement.manifest.resources})
    return outcome.status, outcome.signer, differences


def _statement_faults(listing: BomListing, kind: str, predicate: Mapping[str, Any]) -> Iterator[Difference]:
    if kind.partition("/v1")[0] != PREDICATE_TYPE:
        message = f"it attests {kind[:100]!r}, not a CycloneDX BOM"
        yield Difference(kind=DifferenceKind.SIGNATURE, message=message)
    elif _canonical(predicate) != _canonical(listing.value):
        yield Difference(kind=DifferenceKind.SIGNATURE, message="the BOM that was signed is another one")


def _canonical(value: object) -> str:
    # Equality of Python values would take 1, 1.0 and true for the same.
    return json.dumps(value, sort_keys=True)


def _subject_faults(listing: BomListing, subjects: set[tuple[str, str]]) -> Iterator[Difference]:
    """Hold the subjects to the BOM: another tool that reads only them must not be told something else."""
    known = {value for file in listing.files for value in file.digests.values()}
    known |= {value for _, value in listing.model_digests}
    if listing.root_digest is not None:
        known.add(listing.root_digest)
    strangers = sorted(name for name, value in subjects if value not in known)
    if known and strangers:
        message = f"it speaks of {', '.join(strangers[:5])}, whose digests are not in the BOM"
        yield Difference(kind=DifferenceKind.SIGNATURE, message=message)


def _consistency(listing: BomListing) -> Iterator[Difference]:
    if listing.stated_root is not None and listing.stated_root != listing.root_digest:
        message = f"states the root digest {listing.stated_root[:64]}, its files add up to {listing.root_digest}"
        yield Difference(kind=DifferenceKind.CHANGED, message=f"the BOM contradicts itself: it {message}")
    if not listing.files and not listing.model_digests:
        yield Difference(kind=DifferenceKind.UNPROVEN, message="the BOM lists no file and no digest")


# --- the files --------------------------------------------------------------------------------------------------------


def _compare(listing: BomListing, digested: Mapping[str, FileDigests]) -> tuple[set[str], list[Difference]]:
    by_digest: dict[tuple[str, str], list[str]] = {}
    by_leaf: dict[str, list[str]] = {}
    for path, found in digested.items():
        by_leaf.setdefault(path.rpartition("/")[2], []).append(path)
        for digest in found.digests:
            by_digest.setdefault((digest.algorithm, digest.value), []).append(path)
    matching: set[str] = set()
    differences: list[Difference] = []
    for file in listing.files:
        place = _place(file, digested, by_leaf, exact=listing.exhaustive)
        if place is not None:
            difference = _difference(file, place, digested[place])
            if difference is None:
                matching.add(place)
            else:
                differences.append(difference)
            continue
        moved = [path for item in file.digests.items() for path in by_digest.get(item, ())]
        if moved and not listing.exhaustive:
            matching.update(moved)
            continue
        where = f"; its content stands in {moved[0]}" if moved else ""
        message = f"the BOM lists it, and it is not there{where}"
        differences.append(Difference(kind=DifferenceKind.MISSING, path=file.name, message=message))
    for item in listing.model_digests:
        matching.update(by_digest.get(item, ()))
    if listing.model_digests and not listing.files and not matching:
        differences.append(Difference(kind=DifferenceKind.CHANGED, message="no file has the digest that the BOM gives"))
    return matching, differences


def _place(
    file: ListedFile, digested: Mapping[str, FileDigests], by_leaf: Mapping[str, list[str]], *, exact: bool
) -> str | None:
    for name in file.names:
        if name in digested:
            return name
    # A vendor may list files without their folders.
    same_leaf = by_leaf.get(file.names[0].rpartition("/")[2], []) if not exact else []
    return same_leaf[0] if len(same_leaf) == 1 else None


def _difference(file: ListedFile, path: str, found: FileDigests) -> Difference | None:
    computed = {digest.algorithm: digest.value for digest in found.digests}
    if found.fault is not None:
        return Difference(kind=DifferenceKind.UNREADABLE, path=path, message=found.fault)
    if not file.digests:
        message = "the BOM lists it without a digest that proves anything"
        return Difference(kind=DifferenceKind.UNPROVEN, path=path, message=message)
    for algorithm, value in file.digests.items():
        if computed.get(algorithm) != value:
            message = f"{algorithm} {value} in the BOM, {computed.get(algorithm)} here"
            return Difference(kind=DifferenceKind.CHANGED, path=path, message=message)
    return None
