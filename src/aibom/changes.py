"""What may differ between two scans: the records of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Aspect(StrEnum):
    """What a change is about, in the order in which it is told."""

    IDENTITY = "identity"
    WEIGHTS = "weights"
    FILES = "files"
    FINDINGS = "findings"
    LICENSES = "licences"
    LINEAGE = "lineage"
    DATA = "data sets"
    MODEL = "model"
    DEPENDENCIES = "dependencies"
    SIGNATURE = "signature"
    DETERMINATIONS = "determinations"
    TENSORS = "tensors"


class Kind(StrEnum):
    """What happened to it."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `old` and `new` are empty where there is none; of a renamed file they are its names."""

    aspect: Aspect
    kind: Kind
    name: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All differences, and what could not be compared because one side does not carry it.

    `notes` say how far a comparison went: how many tensors are the same, which could not be compared.
    """

    changes: tuple[Change, ...]
    not_comparable: tuple[Aspect, ...] = ()
    notes: tuple[str, ...] = ()
