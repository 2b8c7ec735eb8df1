"""Digests that the place declared from which the files came, met with those that were computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aibom.components import SignatureStatus, Verification
from aibom.digests import HASH_MISMATCH
from aibom.files import Digest, RepoFile
from aibom.findings import Evidence, Finding

DECLARED_DIGEST = "declared-digest"


def compare_declared(
    files: Iterable[RepoFile], digests: Mapping[str, tuple[Digest, ...]]
) -> tuple[tuple[Verification, ...], tuple[Finding, ...]]:
    """Compare every declared digest with the computed one of the same algorithm, one verification a declarer."""
    matched: dict[str, list[str]] = {}
    wrong: dict[str, list[str]] = {}
    findings: list[Finding] = []
    for file in files:
        computed = {digest.algorithm: digest.value for digest in digests.get(file.path, ())}
        for declared in file.declared_digests:
            value = computed.get(declared.algorithm)
            if value is None:
                continue
            source = declared.source or "the source"
            if value == declared.value.lower():
                matched.setdefault(source, []).append(file.path)
                continue
            wrong.setdefault(source, []).append(file.path)
            message = f"{source} declares {declared.algorithm} {declared.value}, the file has {value}"
            findings.append(Finding.of(HASH_MISMATCH, message, file.at()))
    verifications = tuple(
        Verification(
            kind=DECLARED_DIGEST,
            status=SignatureStatus.MISMATCH if source in wrong else SignatureStatus.CHECKSUM_OK,
            covered=tuple(matched.get(source, ())),
            uncovered=tuple(wrong.get(source, ())),
            evidence=(
                Evidence(
                    statement=f"{len(matched.get(source, ()))} files have the digest declared by {source}",
                    source=source,
                ),
            ),
        )
        for source in sorted({*matched, *wrong})
    )
    return verifications, tuple(findings)
