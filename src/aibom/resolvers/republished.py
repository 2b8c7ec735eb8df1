"""Find weights that are byte for byte those of a base: a copy by another name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from aibom.components import Derivation
from aibom.files import Digest
from aibom.findings import Finding, Severity
from aibom.resolvers.ancestry import Ancestry, sha256_of
from aibom.resolvers.layouts import Layout
from aibom.resolvers.lineage import LINEAGE_CONTRADICTION, Base

# Operations after which the weights are others than before.
_CHANGES = frozenset({Derivation.FINETUNE, Derivation.MERGE, Derivation.QUANTIZED, Derivation.DISTILLED})
_SHOWN = 20


class SameWeights(Struct, frozen=True, kw_only=True):
    """What comparing digests with those of bases came to. `compared` holds the ids of the bases that declare any.

    `same` names a base with the files that are its own; `findings` say where that belies the card.
    """

    compared: tuple[str, ...]
    same: tuple[str, ...]
    findings: tuple[Finding, ...]


def same_weights(
    layout: Layout, bases: Sequence[Base], ancestry: Ancestry, digests: Mapping[str, Sequence[Digest]]
) -> SameWeights:
    """Say, for each base whose repository was asked, which weights are its own.

    `digests` are those of the target's files, by path. A target on a hub, too, has those that its listing declares.
    """
    mine = {
        file.path: {*sha256_of(digests.get(file.path, ())), *sha256_of(file.inspection.file.declared_digests)}
        for file in layout.files
    }
    compared: list[str] = []
    found: list[str] = []
    findings: list[Finding] = []
    for base in bases:
        theirs = ancestry.ancestor(base.name).digests
        if theirs and mine and all(mine.values()):
            compared.append(base.name.id)
        same = sorted(path for path, values in mine.items() if values & theirs)
        if not same:
            continue
        found.append(f"{base.name.id}: {', '.join(same[:_SHOWN])}")
        if len(same) == len(mine) and not base.inferred and base.derivation in _CHANGES:
            message = f"said to be made by {base.derivation.value}, but byte for byte the weights of {base.name.id}"
            place = next((item.location for item in base.evidence if item.location), None)
            findings.append(Finding.of(LINEAGE_CONTRADICTION, message, place, severity=Severity.LOW))
    return SameWeights(compared=tuple(compared), same=tuple(found), findings=tuple(findings))
