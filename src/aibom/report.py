"""The report: all that emitters see. It loads back from its own JSON, so no later step needs a second scan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from aibom.components import Inspection, Resolution, Scalar, TensorRoot, Verification
from aibom.files import Digest
from aibom.findings import Evidence, Finding
from aibom.settings import Settings

SCHEMA_VERSION = 1


class Strength(StrEnum):
    """How strongly the evidence speaks, weakest first. Never a verdict."""

    INSUFFICIENT_EVIDENCE = "insufficient-evidence"
    NOT_DECIDABLE = "not-decidable"
    DOES_NOT_INDICATE = "does-not-indicate"
    POSSIBLE_RELEVANCE = "possible-relevance"
    SUGGESTS = "suggests"
    INDICATES = "indicates"


class Timing(StrEnum):
    """Whether a provision applies on the day of evaluation."""

    IN_FORCE = "in-force"
    UPCOMING = "upcoming"
    UNDATED = "undated"


class RuleRef(Struct, frozen=True, kw_only=True):
    """A rule of a rulebook: `id` inside its `regime`, the provision it reads, and on whose authority.

    `key` names the provision in properties (`art-53-gpai`); `authority` is statute, guideline, draft-guideline,
    standard or heuristic.
    """

    id: str
    regime: str
    key: str
    provision: str
    title: str
    authority: str
    rulebook: str
    references: tuple[str, ...] = ()


class Determination(Struct, frozen=True, kw_only=True):
    """What the evidence says about one provision for one subject, with what is missing. Never a legal conclusion."""

    rule: RuleRef
    subject: str
    finding: str
    strength: Strength
    statement: str
    applies_from: dt.date | None = None
    timing: Timing = Timing.UNDATED
    because: tuple[Evidence, ...] = ()
    against: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    addressee: str | None = None
    """Whom the provision speaks to (`provider of the model`), which the evidence can't tell who that is."""
    notes: tuple[str, ...] = ()
    """What is always true of this outcome: duties it relieves or leaves, limits of the evidence."""
    confidence: float | None = None
    """How surely the facts behind it were read, from 0 to 1; not how likely the provision applies."""
    headline: bool = False
    """True for the few that a summary shows."""


class Answer(StrEnum):
    """The answer to an item of a checklist. `not-found` is not `no`: nothing about it was found here."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    NOT_FOUND = "not-found"
    NOT_DECIDABLE = "not-decidable"


class ChecklistItem(Struct, frozen=True, kw_only=True):
    """One question of due diligence or of a documentation form, answered from evidence.

    `list` names the checklist, `topic` groups its items; `statement` says what was found or looked for.
    """

    list: str
    topic: str
    id: str
    question: str
    answer: Answer
    statement: str
    subject: str
    because: tuple[Evidence, ...] = ()


class Skipped(Struct, frozen=True, kw_only=True):
    """A part of the target that was left out on purpose, and why."""

    path: str
    reason: str


class SourceFacts(Struct, frozen=True, kw_only=True):
    """What the place the target came from says about it (its claims, not ours).

    `identity` is `owner/name` on a hub; `gated` is the hub's word for the access condition.
    """

    kind: str = "directory"
    identity: str | None = None
    revision: str | None = None
    gated: str | None = None
    created: str | None = None
    modified: str | None = None
    url: str | None = None
    claims: Mapping[str, Scalar] = field(default_factory=dict)


class ToolInfo(Struct, frozen=True, kw_only=True):
    """The tool that made the report."""

    name: str
    version: str


class Assessment(Struct, frozen=True, kw_only=True):
    """What the assessors say: determinations and the findings that follow from them."""

    determinations: tuple[Determination, ...] = ()
    findings: tuple[Finding, ...] = ()
    checklist: tuple[ChecklistItem, ...] = ()
    rule_data: Mapping[str, str] = field(default_factory=dict)
    """Version of every rulebook and table that was used."""


class Report(Struct, frozen=True, kw_only=True):
    """Everything a scan found. `root_digest` is SHA-256 over the sorted lines `sha256  path` of all files."""

    target: str
    created: dt.datetime
    tool: ToolInfo
    settings: Settings
    source: SourceFacts
    root_digest: str
    inspections: tuple[Inspection, ...]
    digests: Mapping[str, tuple[Digest, ...]]
    resolution: Resolution
    skipped: tuple[Skipped, ...] = ()
    verifications: tuple[Verification, ...] = ()
    tensor_roots: tuple[TensorRoot, ...] = ()
    determinations: tuple[Determination, ...] = ()
    checklist: tuple[ChecklistItem, ...] = ()
    findings: tuple[Finding, ...] = ()
    rule_data: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION
