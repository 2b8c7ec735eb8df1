"""Manifests met with the files that are there: what they cover, what they leave out, what does not match."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from aibom.components import SignatureStatus, Verification
from aibom.digests import HASH_MISMATCH, FileDigests, Shards
from aibom.files import Format, Location, RepoFile, Role
from aibom.findings import Evidence, Finding, Rule
from aibom.integrity.claims import Claim, Manifest, Resource
from aibom.integrity.rules import MISSING_FILE, UNSIGNED_FILE
from aibom.integrity.statements import ALWAYS_IGNORED

# A manifest of many wrong lines is one fact, told by its first lines.
_SHOWN = 20
_ACTING = frozenset({Role.WEIGHTS, Role.CODE, Role.CONFIG, Role.TOKENIZER})
_HARMLESS = frozenset({Format.EMPTY, Format.TEXT, Format.MARKDOWN, Format.IMAGE, Format.AUDIO, Format.VIDEO,
                       Format.PDF, Format.FONT, Format.CSV})  # fmt: skip
_SUFFIXES = (".sigstore.json", ".sigstore", ".bundle.json", ".bundle", ".cosign.bundle", ".oms.sig", ".sig", ".json")


def acts(file: RepoFile) -> bool:
    """Say whether a file can change what a model does: weights, code, configuration, or what nobody recognised."""
    return file.role in _ACTING or (file.role is Role.OTHER and file.format not in _HARMLESS)


class Target(Struct, frozen=True, kw_only=True):
    """The files of a target and their digests, both by path."""

    files: Mapping[str, RepoFile]
    digested: Mapping[str, FileDigests]


class _Outcome(Struct):
    covered: list[str] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    broken: bool = False
    partial: bool = False
    elsewhere: bool = False
    undigested: int = 0


def compare(claim: Claim, target: Target) -> tuple[Verification, tuple[Finding, ...]]:
    """Meet what a claim states with the digests of the files."""
    outcome = _Outcome()
    manifest = claim.manifest
    if manifest is not None:
        if manifest.by_digest:
            _by_digest(claim, manifest, target, outcome)
        else:
            _by_name(claim, manifest, target, outcome)
    status = claim.status
    if outcome.broken:
        status = SignatureStatus.MISMATCH
    elif outcome.elsewhere:
        status = SignatureStatus.UNSUPPORTED
    elif outcome.undigested:
        # Nothing was digested where the files were not downloaded; a single file without digest could not be read.
        status = SignatureStatus.ERROR if target.digested else SignatureStatus.PRESENT_UNVERIFIED
    elif outcome.partial and status is SignatureStatus.VERIFIED:
        status = SignatureStatus.VERIFIED_PARTIAL
    place = claim.file.at()
    verification = Verification(
        kind=claim.kind,
        status=status,
        location=place,
        signer=claim.signer,
        covered=tuple(sorted(outcome.covered)),
        uncovered=tuple(sorted(outcome.uncovered)),
        evidence=(*claim.evidence, *(Evidence(statement=text, location=place) for text in outcome.evidence)),
    )
    return verification, (*claim.findings, *outcome.findings)


# --- by name ----------------------------------------------------------------------------------------------------------


def _by_name(claim: Claim, manifest: Manifest, target: Target, outcome: _Outcome) -> None:
    base = base_of(claim.file.path, manifest, target.files)
    parts: dict[str, list[Resource]] = {}
    for item in manifest.resources:
        path = _single_file(claim, item, target) if item.name == "." else base + item.name
        parts.setdefault(path, []).append(item)
    missing, wrong = [], []
    for path, items in parts.items():
        if path not in target.files:
            missing.append(path)
        elif path not in target.digested:
            outcome.undigested += 1
            wrong += [(path, fault) for fault in _differs_from_declared(items, target.files[path])]
        elif (fault := _difference(items, manifest, target.digested[path])) is not None:
            wrong.append((path, fault))
        else:
            outcome.covered.append(path)
    outcome.evidence.append(f"{len(outcome.covered)} of {len(parts)} listed files have the stated digest")
    if outcome.undigested:
        outcome.evidence.append(f"{outcome.undigested} listed files were not digested, so nothing is known about them")
    outcome.broken = bool(wrong or (missing and manifest.exhaustive))
    name = claim.file.path
    outcome.findings += _listed(
        HASH_MISMATCH, claim, [(path, f"{name} states another: {fault}") for path, fault in wrong]
    )
    if manifest.exhaustive:
        outcome.findings += _listed(
            MISSING_FILE, claim, [(path, f"{name} lists it, and it is not there") for path in missing]
        )
        left_out = [
            file
            for path, file in target.files.items()
            # A file without bytes has no shards, so a list of shards can't name it.
            if path.startswith(base) and path not in parts and path != name and (file.size or not manifest.shard_size)
        ]
        _left_out(claim, manifest, base, left_out, outcome)
    elif missing:
        outcome.evidence.append(f"{len(missing)} listed files are not in the target")


def base_of(path: str, manifest: Manifest, files: Mapping[str, RepoFile]) -> str:
    """Return the folder (with a slash at its end) that a manifest speaks of: the one it stands in, or the root."""
    folder = path[: path.rfind("/") + 1]
    if not folder or manifest.rooted:
        return ""
    here = sum(folder + item.name in files for item in manifest.resources)
    root = sum(item.name in files for item in manifest.resources)
    return folder if here >= root else ""


def _single_file(claim: Claim, item: Resource, target: Target) -> str:
    """Return the file that the name `.` stands for: the one that the signature is named after, or has the digest."""
    named = subject_of(claim.file.path)
    if named in target.files:
        return named
    for path, found in target.digested.items():
        if any(digest.algorithm == item.algorithm and digest.value == item.digest for digest in found.digests):
            return path
    return named


def subject_of(path: str) -> str:
    """Return the path that a signature file is named after."""
    for suffix in _SUFFIXES:
        if path.endswith(suffix):
            return path[: -len(suffix)]
    return path


def _differs_from_declared(items: list[Resource], file: RepoFile) -> Iterator[str]:
    """Say how what is stated differs from what the hub declares of a file that was not read."""
    for item in items:
        for digest in file.declared_digests:
            if item.start is None and digest.algorithm == item.algorithm and digest.value != item.digest:
                yield f"{item.algorithm} {item.digest}, {digest.source or 'the source'} declares {digest.value}"


def _difference(items: list[Resource], manifest: Manifest, found: FileDigests) -> str | None:
    """Say how a file differs from what is stated; None where it does not."""
    if found.fault is not None:
        return "the file could not be read"
    if items[0].start is None:
        stated = {item.algorithm: item.digest for item in items}
        computed = _values(found)
        for algorithm, value in stated.items():
            if computed.get(algorithm) != value:
                return f"{algorithm} {value}, the file has {computed.get(algorithm, 'none that was computed')}"
        return None
    assert manifest.shard_size is not None
    items.sort(key=lambda item: item.start or 0)
    if items[-1].end != found.size:
        return f"{items[-1].end} bytes, the file has {found.size}"
    values = found.shards.get(Shards(algorithm=items[0].algorithm, size=manifest.shard_size), ())
    for number, item in enumerate(items):
        value = values[number] if number < len(values) else "none that was computed"
        if item.digest != value:
            return f"{item.algorithm} {item.digest} for bytes {item.start} to {item.end}, the file has {value}"
    return None


def _left_out(claim: Claim, manifest: Manifest, base: str, files: list[RepoFile], outcome: _Outcome) -> None:
    """Judge the files that an exhaustive manifest does not list."""
    outcome.uncovered += [file.path for file in files]
    if claim.status is not SignatureStatus.VERIFIED:
        return
    paths = frozenset((*manifest.ignored, *ALWAYS_IGNORED))
    ignored = [file for file in files if _is_under(file.path[len(base) :], paths) and acts(file)]
    # The specification fails on any file that is not listed. One exception: a further signature, which nothing loads.
    unlisted = [
        file for file in files if file.role is not Role.SIGNATURE and not _is_under(file.path[len(base) :], paths)
    ]
    outcome.partial = bool(unlisted or ignored)
    name = claim.file.path
    faults = [(file.path, f"not among the files that {name} signs") for file in unlisted]
    outcome.findings += _listed(UNSIGNED_FILE, claim, faults)
    faults = [(file.path, f"left out of {name} by its signer") for file in ignored]
    outcome.findings += _listed(UNSIGNED_FILE, claim, faults)


def _is_under(name: str, paths: frozenset[str]) -> bool:
    at = len(name)
    while at > 0:
        if name[:at] in paths:
            return True
        at = name.rfind("/", 0, at)
    return False


# --- by digest --------------------------------------------------------------------------------------------------------


def _by_digest(claim: Claim, manifest: Manifest, target: Target, outcome: _Outcome) -> None:
    """Find what an attestation speaks of: the files that have one of its digests, whatever their names."""
    places: dict[tuple[str, str], list[str]] = {}
    for path, found in target.digested.items():
        for digest in found.digests:
            places.setdefault((digest.algorithm, digest.value), []).append(path)
    folder = claim.file.path[: claim.file.path.rfind("/") + 1]
    wrong = []
    for item in manifest.resources:
        matching = places.get((item.algorithm, item.digest), [])
        outcome.covered += matching
        named = folder + item.name
        computed = _values(target.digested.get(named))
        if not matching and item.algorithm in computed:
            fault = f"{item.algorithm} {item.digest}, the file has {computed[item.algorithm]}"
            wrong.append((named, f"{claim.file.path} states another: {fault}"))
    outcome.covered = sorted(set(outcome.covered))
    outcome.broken = bool(wrong)
    outcome.findings += _listed(HASH_MISMATCH, claim, wrong)
    outcome.elsewhere = not outcome.covered and not wrong
    if outcome.elsewhere:
        outcome.evidence.append("it speaks of nothing that is in the target")
    else:
        outcome.evidence.append(f"{len(outcome.covered)} files have a digest that it states")


def _values(found: FileDigests | None) -> dict[str, str]:
    return {digest.algorithm: digest.value for digest in found.digests} if found else {}


def _listed(rule: Rule, claim: Claim, faults: list[tuple[str, str]]) -> Iterator[Finding]:
    faults.sort()
    for path, message in faults[:_SHOWN]:
        yield Finding.of(rule, message, Location(path=path))
    if len(faults) > _SHOWN:
        yield Finding.of(rule, f"and {len(faults) - _SHOWN} more files", claim.file.at())
