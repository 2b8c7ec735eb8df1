"""What may differ between two scans: the records of a comparison."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


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


class Change(Struct, frozen=True, kw_only=True):
    """One difference. `old` and `new` are empty where there is none; of a renamed file they are its names."""

    aspect: Aspect
    kind: Kind
    name: str
    old: str = ""
    new: str = ""


class Comparison(Struct, frozen=True, kw_only=True):
    """All differences, and what could not be compared because one side does not carry it.

    `notes` say how far a comparison went: how many tensors are the same, which could not be compared.
    """

    changes: tuple[Change, ...]
    not_comparable: tuple[Aspect, ...] = ()
    notes: tuple[str, ...] = ()
