"""Digests that somebody declared, met with those that were computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aibom.components import SignatureStatus, Verification
from aibom.files import Digest, RepoFile
from aibom.findings import Evidence, Finding, Rule, Severity

HASH_MISMATCH = Rule(
    id="hash-mismatch",
    severity=Severity.CRITICAL,
    summary="The bytes are not the ones that were declared",
    explanation=(
        "A digest of this file was declared where it came from, and the file's own digest is another: it was damaged "
        "on the way, or changed."
    ),
    help="Delete the file and fetch it again; if the digests still differ, ask the publisher.",
    cwes=(354,),
)

RULES = (HASH_MISMATCH,)


def compare_declared(
    files: Iterable[RepoFile], digests: Mapping[str, tuple[Digest, ...]]
) -> tuple[tuple[Verification, ...], tuple[Finding, ...]]:
    """Compare every declared digest with the computed one of the same algorithm, one verification a declarer."""
    matched: dict[str, list[str]] = {}
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
            message = f"{source} declares {declared.algorithm} {declared.value}, the file has {value}"
            findings.append(Finding.of(HASH_MISMATCH, message, file.at()))
    verifications = tuple(
        Verification(
            kind="declared-digest",
            status=SignatureStatus.CHECKSUM_OK,
            covered=tuple(paths),
            evidence=(Evidence(statement=f"{len(paths)} files have the digest declared by {source}", source=source),),
        )
        for source, paths in sorted(matched.items())
    )
    return verifications, tuple(findings)
