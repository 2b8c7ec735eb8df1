"""Sign a BOM, and hold a target to a BOM: its signature, its statement, the digests that it lists."""

from __future__ import annotations

from aibom.attest.listing import BomListing, ListedFile, read_listing
from aibom.attest.signing import PREDICATE_TYPE, sign_bom
from aibom.attest.verifying import BomVerification, Difference, DifferenceKind, verify_bom

__all__ = [
    "PREDICATE_TYPE",
    "BomListing",
    "BomVerification",
    "Difference",
    "DifferenceKind",
    "ListedFile",
    "read_listing",
    "sign_bom",
    "verify_bom",
]
