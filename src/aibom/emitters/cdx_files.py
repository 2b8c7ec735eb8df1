"""File components: plain mappings, because the library needs minutes where a repository has 100,000 files."""

from __future__ import annotations

from collections.abc import Iterable

from aibom.components import SignatureStatus
from aibom.emitters.cdx_layout import FileEntry
from aibom.emitters.cdx_properties import of_file
from aibom.emitters.cdx_text import Json, without_empty
from aibom.files import Digest
from aibom.report import Report

# Digest algorithms as CycloneDX spells them. A git blob id is a SHA-1 over more than the file: it is not one of these.
HASH_NAMES = {
    "md5": "MD5",
    "sha1": "SHA-1",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
    "sha3-256": "SHA3-256",
    "sha3-384": "SHA3-384",
    "sha3-512": "SHA3-512",
    "blake2b-256": "BLAKE2b-256",
    "blake2b-384": "BLAKE2b-384",
    "blake2b-512": "BLAKE2b-512",
    "blake3": "BLAKE3",
}
_LENGTHS = frozenset({32, 40, 64, 96, 128})  # hexadecimal digits that the schema allows
_HEX = frozenset("0123456789abcdef")


def listed(digests: Iterable[Digest]) -> tuple[Digest, ...]:
    """Return one digest an algorithm that CycloneDX knows, a computed one before a declared one."""
    best: dict[str, Digest] = {}
    for digest in digests:
        valid = len(digest.value) in _LENGTHS and _HEX.issuperset(digest.value)
        if digest.algorithm in HASH_NAMES and valid:
            known = best.get(digest.algorithm)
            if known is None or (known.basis, digest.basis) == ("declared", "computed"):
                best[digest.algorithm] = digest
    return tuple(best[name] for name in HASH_NAMES if name in best)


def hashes(digests: Iterable[Digest]) -> list[Json]:
    """Return the `hashes` of a component."""
    return [{"alg": HASH_NAMES[digest.algorithm], "content": digest.value} for digest in digests]


def file_components(entries: Iterable[FileEntry], report: Report) -> list[Json]:
    """Return the file components of one component, sorted by path."""
    checked = _checked_paths(report)
    return [_file_component(entry, report, checked=entry.inspection.file.path in checked) for entry in entries]


def _file_component(entry: FileEntry, report: Report, *, checked: bool) -> Json:
    file = entry.inspection.file
    digests = listed((*report.digests.get(file.path, ()), *file.declared_digests))
    return without_empty(
        {
            "type": "file",
            "bom-ref": entry.bom_ref,
            "name": file.path,
            "mime-type": _mime_type(file.media_type),
            "hashes": hashes(digests),
            "evidence": {"identity": [_HASH_COMPARISON]} if checked and digests else None,
            # Names sort as they are yielded once sorted here: no set, this runs for every file.
            "properties": [{"name": name, "value": value} for name, value in sorted(of_file(entry, digests))],
        }
    )


# A digest that was computed and that equals a declared one leaves no doubt about which bytes these are.
_HASH_COMPARISON = {
    "field": "hash",
    "confidence": 1,
    "methods": [{"technique": "hash-comparison", "confidence": 1, "value": "computed digest equals the declared one"}],
}


def _checked_paths(report: Report) -> frozenset[str]:
    good = {SignatureStatus.CHECKSUM_OK, SignatureStatus.VERIFIED, SignatureStatus.VERIFIED_PARTIAL}
    return frozenset(path for v in report.verifications if v.status in good for path in v.covered)


def _mime_type(media_type: str | None) -> str | None:
    if media_type is None:
        return None
    essence = media_type.split(";", 1)[0].strip().lower()
    main, slash, sub = essence.partition("/")
    allowed = frozenset("-+.abcdefghijklmnopqrstuvwxyz0123456789")
    return essence if slash and main and sub and allowed.issuperset(main) and allowed.issuperset(sub) else None
