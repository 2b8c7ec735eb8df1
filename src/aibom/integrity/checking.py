"""Meet the digests of a target with every kind of evidence about them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from aibom.components import Inspection, SignatureStatus, Verification
from aibom.digests import HASH_MISMATCH, FileDigests
from aibom.files import RepoFile
from aibom.findings import Finding, Severity
from aibom.integrity.checksums import CARD_DIGEST, CHECKSUM_FILE
from aibom.integrity.comparison import Target, compare
from aibom.integrity.declared import compare_declared
from aibom.integrity.detached import check_detached, find_c2pa
from aibom.integrity.gathering import MODEL_SIGNED, Gathered, gather
from aibom.integrity.hub_listing import HUB_LISTING, unfinished_downloads
from aibom.integrity.lfs import find_content
from aibom.integrity.requirement import require_signature, uncovered
from aibom.integrity.rules import SIGNER_UNTRUSTED, UNSIGNED_FILE
from aibom.integrity.shards import check_shards
from aibom.integrity.tensors import compare_copies, tensor_roots, with_digests
from aibom.limits import Limits
from aibom.settings import Settings
from aibom.sources.protocol import Source

__all__ = ["Gathered", "gather", "tensor_roots", "verify", "with_tensor_digests"]

_SOFT = frozenset({CARD_DIGEST, HUB_LISTING})
_GOOD = frozenset({SignatureStatus.VERIFIED, SignatureStatus.VERIFIED_PARTIAL})
_SHOWN = 20


def with_tensor_digests(
    source: Source, inspections: tuple[Inspection, ...], digested: Mapping[str, FileDigests], limits: Limits
) -> tuple[Inspection, ...]:
    """Return the inspections with the digests of tensors: those of the files' own read, then those of a second one."""
    from aibom.integrity.second_read import read_again  # noqa: PLC0415 -- start-up time

    return read_again(source, with_digests(inspections, digested), digested, limits)


def verify(
    source: Source,
    inspections: tuple[Inspection, ...],
    digested: Mapping[str, FileDigests],
    gathered: Gathered,
    settings: Settings,
) -> tuple[tuple[Verification, ...], tuple[Finding, ...]]:
    """Meet the digests with every kind of evidence about them; findings are what does not hold."""
    files = {item.file.path: item.file for item in inspections if not item.file.members}
    digests = {path: found.digests for path, found in digested.items()}
    declared, findings = compare_declared(files.values(), digests)
    signed, signed_findings = _signed(source, gathered, Target(files=files, digested=digested))
    parts, part_findings = check_shards(source, inspections, settings.limits)
    copies, copy_findings = compare_copies(inspections)
    verifications = (*declared, *signed, *parts, *copies, *find_c2pa(inspections), *find_content(inspections, digested))
    found = [*findings, *signed_findings, *part_findings, *copy_findings, *unfinished_downloads(files, digested)]
    if settings.trust.require_signature:
        found += require_signature(files.values(), verifications)
    return verifications, tuple(found)


def _signed(source: Source, gathered: Gathered, target: Target) -> tuple[list[Verification], list[Finding]]:
    """Compare what signatures and checksum files state; a list that is signed speaks with its signer's voice."""
    results = [compare(claim, target) for claim in gathered.claims]
    results += [check_detached(item, source, target.digested, gathered.trusted) for item in gathered.detached]
    by_list = {
        item.location.path: item
        for item, _ in results
        if item.kind == CHECKSUM_FILE and item.status is SignatureStatus.CHECKSUM_OK and item.location is not None
    }
    verifications: list[Verification] = []
    findings: list[Finding] = []
    for item, found in results:
        if item.kind not in {CHECKSUM_FILE, *_SOFT} and item.status is SignatureStatus.VERIFIED:
            listed = {path for name in item.covered if name in by_list for path in by_list[name].covered}
            item = replace(item, covered=tuple(sorted({*item.covered, *listed})))  # noqa: PLW2901 -- the same, widened
        verifications.append(item)
        findings += _softened(found) if item.kind in _SOFT else found
    bare = uncovered(target.files.values(), verifications)
    if not bare:
        # Somebody else's further signature takes nothing away where those that were asked for cover all that acts.
        findings = [
            replace(finding, severity=Severity.LOW) if finding.rule is SIGNER_UNTRUSTED else finding
            for finding in findings
        ]
        return verifications, findings
    return _with_outside(verifications, findings, bare)


def _with_outside(
    verifications: list[Verification], findings: list[Finding], bare: list[RepoFile]
) -> tuple[list[Verification], list[Finding]]:
    """Report files beside the folder that a model signature speaks of: a signed part does not make a signed whole."""
    whole = [item for item in verifications if item.kind == MODEL_SIGNED and item.status in _GOOD]
    told = {finding.location.path for finding in findings if finding.rule is UNSIGNED_FILE and finding.location}
    outside = [file for file in bare if file.path not in told]
    if not whole or not outside:
        return verifications, findings
    paths = {file.path for file in outside}
    widened = [
        replace(item, status=SignatureStatus.VERIFIED_PARTIAL, uncovered=tuple(sorted({*item.uncovered, *paths})))
        if item in whole
        else item
        for item in verifications
    ]
    shown = [Finding.of(UNSIGNED_FILE, "no verified signature covers it", file.at()) for file in outside[:_SHOWN]]
    if len(outside) > _SHOWN:
        shown.append(Finding.of(UNSIGNED_FILE, f"and {len(outside) - _SHOWN} more files", outside[_SHOWN].at()))
    return widened, [*findings, *shown]


def _softened(findings: tuple[Finding, ...]) -> list[Finding]:
    """Lower what may speak of another revision of the file: prose, and a listing that was never updated."""
    return [
        replace(finding, severity=Severity.MEDIUM) if finding.rule is HASH_MISMATCH else finding for finding in findings
    ]
