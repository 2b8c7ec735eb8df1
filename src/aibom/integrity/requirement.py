"""Which files that act are covered by no verified signature, and what follows where signatures are a condition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aibom.components import SignatureStatus, Verification
from aibom.files import RepoFile
from aibom.findings import Finding
from aibom.integrity.comparison import acts
from aibom.integrity.rules import SIGNATURE_REQUIRED

_VERIFIED = frozenset({SignatureStatus.VERIFIED, SignatureStatus.VERIFIED_PARTIAL})
_SHOWN = 20


def uncovered(files: Iterable[RepoFile], verifications: Iterable[Verification]) -> list[RepoFile]:
    """Return the weight, code and configuration files that no verified signature covers."""
    covered = {path for item in verifications if item.status in _VERIFIED for path in item.covered}
    return [file for file in files if acts(file) and file.path not in covered]


def require_signature(files: Iterable[RepoFile], verifications: Iterable[Verification]) -> Iterator[Finding]:
    """Yield a finding for every file that acts and is not covered."""
    bare = uncovered(files, verifications)
    for file in bare[:_SHOWN]:
        yield Finding.of(SIGNATURE_REQUIRED, "no verified signature covers this file", file.at())
    if len(bare) > _SHOWN:
        yield Finding.of(SIGNATURE_REQUIRED, f"and {len(bare) - _SHOWN} more files", bare[_SHOWN].at())
