"""Digests met with what was declared and signed."""

from __future__ import annotations

from collections.abc import Mapping

from aibom.components import Inspection, Verification
from aibom.files import Digest
from aibom.findings import Finding
from aibom.integrity.declared import compare_declared
from aibom.settings import Settings
from aibom.sources.protocol import Source


def verify(
    source: Source,
    inspections: tuple[Inspection, ...],
    digests: Mapping[str, tuple[Digest, ...]],
    settings: Settings,
) -> tuple[tuple[Verification, ...], tuple[Finding, ...]]:
    """Meet the digests with every kind of evidence about them; findings are what does not hold."""
    del source, settings  # manifests and signatures of the target come with their own checks
    return compare_declared((item.file for item in inspections if not item.file.members), digests)
