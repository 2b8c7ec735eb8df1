"""What inspection and resolution yield: tensors, imports, components and how they hang together."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, Literal, TypeVar

from msgspec import Struct, field

from aibom.files import Coverage, Digest, Format, Location, RepoFile
from aibom.findings import Evidence, Finding

T = TypeVar("T")
Scalar = str | int | float | bool


class Basis(StrEnum):
    """How a thing is known."""

    DECLARED = "declared"
    COMPUTED = "computed"
    DETECTED = "detected"
    CONCLUDED = "concluded"


class Fact(Struct, Generic[T], frozen=True, kw_only=True):
    """A value with how it is known and where it stands."""

    value: T
    basis: Basis
    evidence: Evidence


# --- inspection -------------------------------------------------------------------------------------------------------


class Tensor(Struct, frozen=True, kw_only=True):
    """One named tensor. `dtype` in safetensors' spelling (`F32`, `BF16`) or the format's own (`Q4_K`).

    `shape` counts elements. `offset` and `length` are the bytes in the file that hold it in C order, or None where
    they are strided or compressed. `beside` is the path, from the file's own folder, of another file that holds them.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int | None = None
    length: int | None = None
    beside: str | None = None
    digest: str | None = None
    """BLAKE3 over type, shape and bytes (docs/tensor-digests.md), where tensor digests were asked for."""


class TensorSummary(Struct, frozen=True, kw_only=True):
    """The tensors of one file. `stored_elements` counts shared storages once; values are elements by dtype."""

    stored_elements: int
    elements_by_dtype: Mapping[str, int]
    tensors: tuple[Tensor, ...] = ()
    complete: bool = True
    """False where the file holds tensors that could not be counted."""


class Use(StrEnum):
    """What a pickle does with an import, weakest first."""

    REFERENCED = "referenced"
    CONSTRUCTED = "constructed"
    STATE_SET = "state-set"
    CALLED = "called"


class Verdict(StrEnum):
    """What the table of globals says of an import in that use."""

    SAFE = "safe"
    UNKNOWN = "unknown"
    DANGEROUS = "dangerous"


class Import(Struct, frozen=True, kw_only=True):
    """A global that a pickle (or custom code) imports, at its first place, with the strongest use made of it."""

    module: str
    name: str
    use: Use
    verdict: Verdict
    location: Location


class ReferenceKind(StrEnum):
    """Why a file names another one."""

    EXTERNAL_DATA = "external-data"
    SHARD = "shard"
    TEMPLATE = "template"
    CODE = "code"
    CONFIG = "config"


class Reference(Struct, frozen=True, kw_only=True):
    """Another file (or a URL, or a hub id) that this file names. `path` is as written there."""

    path: str
    kind: ReferenceKind
    offset: int | None = None
    length: int | None = None
    location: Location | None = None


class Inspection(Struct, frozen=True, kw_only=True):
    """What one file says. Members of containers have an inspection of their own (`file.members`).

    `consumed` names members that the inspector itself has looked at, so that they are not opened again.
    """

    file: RepoFile
    coverage: Coverage
    tensors: TensorSummary | None = None
    imports: tuple[Import, ...] = ()
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    findings: tuple[Finding, ...] = ()
    consumed: tuple[str, ...] = ()


# --- integrity --------------------------------------------------------------------------------------------------------


class SignatureStatus(StrEnum):
    """Outcome of one piece of evidence about integrity or authenticity."""

    VERIFIED = "verified"
    VERIFIED_PARTIAL = "verified-partial"
    UNPINNED = "unpinned"
    PRESENT_UNVERIFIED = "present-unverified"
    UNSUPPORTED = "unsupported"
    CHECKSUM_OK = "checksum-ok"
    MISMATCH = "mismatch"
    INVALID = "invalid"
    ERROR = "error"


SIGNATURE_KINDS = frozenset(
    {"model-signature", "attestation", "blob-signature", "gpg", "minisign", "c2pa", "other-signature"}
)
"""Kinds of `Verification` that are about a signature, whatever came out; the others compare digests alone."""


class Verification(Struct, frozen=True, kw_only=True):
    """One piece of evidence, compared: what it is, what came out, whom it names, what it covers."""

    kind: str
    status: SignatureStatus
    location: Location | None = None
    signer: str | None = None
    covered: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def is_signature(self) -> bool:
        """Say whether this is about a signature; else it compares digests alone."""
        return self.kind in SIGNATURE_KINDS


class TensorRoot(Struct, frozen=True, kw_only=True):
    """One copy of the weights by content, whatever files it is cut into (docs/tensor-digests.md).

    `named` is the Merkle root over names and digests, `unnamed` the one over digests alone; both are None unless every
    tensor has a digest. `left_out` names tensors without one. `read_again` counts tensors whose bytes stand in no file
    as they are (strided, compressed), so that a second read had to give them.
    """

    paths: tuple[str, ...]
    tensors: int
    named: str | None = None
    unnamed: str | None = None
    left_out: tuple[str, ...] = ()
    read_again: int = 0


# --- resolution -------------------------------------------------------------------------------------------------------


class Scope(StrEnum):
    """What a licence claim speaks of."""

    WEIGHTS = "weights"
    CODE = "code"
    DATA = "data"


class LicenseClaim(Struct, frozen=True, kw_only=True):
    """A licence as somebody stated it or as we found it.

    `expression` is an SPDX expression (SPDX ids, else `LicenseRef-*`), None where what was said names no known
    licence. `key` is the row in our table (`llama3.1`). `raw` is what stands there.
    """

    raw: str
    basis: Literal["declared", "detected", "concluded"]
    expression: str | None = None
    key: str | None = None
    scope: Scope = Scope.WEIGHTS
    evidence: Evidence
    url: str | None = None


class ComponentKind(StrEnum):
    """What a component is, in CycloneDX's words."""

    MODEL = "machine-learning-model"
    APPLICATION = "application"
    DATASET = "data"
    LIBRARY = "library"


class WeightSet(Struct, frozen=True, kw_only=True):
    """Files that together are one copy of the weights.

    `stored_elements` is what the files hold; `parameters` is the number of parameters they stand for, None where
    packed elements can't be told apart; `derivation` says how it was got. Values of `elements_by_dtype` are elements.
    """

    format: Format
    variant: str
    paths: tuple[str, ...]
    stored_elements: int
    elements_by_dtype: Mapping[str, int]
    parameters: int | None
    derivation: str
    complete: bool = True


class ModelFacts(Struct, frozen=True, kw_only=True):
    """What is known of a model from its configuration and weights, each fact with its place."""

    architecture: Fact[str] | None = None
    family: Fact[str] | None = None
    task: Fact[str] | None = None
    library: Fact[str] | None = None
    library_version: Fact[str] | None = None
    parameters: Fact[int] | None = None
    active_parameters: Fact[int] | None = None
    context_length: Fact[int] | None = None
    vocabulary: Fact[int] | None = None
    quantization: Fact[str] | None = None
    labels: tuple[Fact[str], ...] = ()
    inputs: tuple[Fact[str], ...] = ()
    outputs: tuple[Fact[str], ...] = ()
    weight_sets: tuple[WeightSet, ...] = ()
    config: Mapping[str, Scalar] = field(default_factory=dict)
    """Scalar settings of the configuration, nested keys joined with a dot."""


class Section(Struct, frozen=True, kw_only=True):
    """A part of a card under one heading. `line` is the heading's, `text_line` that of the text's first line."""

    title: str
    level: int
    line: int
    text: str
    text_line: int | None = None


class Metric(Struct, frozen=True, kw_only=True):
    """An evaluation result as declared in a card."""

    type: str
    value: str
    dataset: str | None = None
    split: str | None = None
    verified: bool = False
    evidence: Evidence


class ModelCard(Struct, frozen=True, kw_only=True):
    """A model card: its front matter, normalised to lists of text, and its sections."""

    path: str
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    """The line on which each front-matter key stands."""
    sections: tuple[Section, ...] = ()
    metrics: tuple[Metric, ...] = ()
    emissions_grams: float | None = None
    truncated: bool = False


class RelationKind(StrEnum):
    """How one component stands to another."""

    CONTAINS = "contains"
    DERIVED_FROM = "derived-from"
    TRAINED_ON = "trained-on"
    EVALUATED_ON = "evaluated-on"
    DEPENDS_ON = "depends-on"


class Derivation(StrEnum):
    """How a model came from another."""

    FINETUNE = "finetune"
    ADAPTER = "adapter"
    MERGE = "merge"
    QUANTIZED = "quantized"
    DISTILLED = "distilled"
    CONVERTED = "converted"
    UNKNOWN = "unknown"


class Relation(Struct, frozen=True, kw_only=True):
    """An edge between two components, by their refs."""

    source: str
    target: str
    kind: RelationKind
    derivation: Derivation | None = None
    revision: str | None = None
    inferred: bool = False
    """True for a hint (a name, a path) that nobody stated as lineage."""
    evidence: tuple[Evidence, ...] = ()


class Component(Struct, frozen=True, kw_only=True):
    """A model, dataset, library or application. `seen` is False for what is only referred to.

    `ref` is unique in the report and stable across runs; `paths` are the files that belong to it.
    """

    ref: str
    kind: ComponentKind
    name: str
    group: str | None = None
    version: str | None = None
    version_range: str | None = None
    purl: str | None = None
    description: str | None = None
    licenses: tuple[LicenseClaim, ...] = ()
    second_opinions: tuple[LicenseClaim, ...] = ()
    """What another tool, asked as a second reader, calls the license files; nothing is judged by it."""
    digests: tuple[Digest, ...] = ()
    paths: tuple[str, ...] = ()
    seen: bool = True
    card: ModelCard | None = None
    model: ModelFacts | None = None
    urls: Mapping[str, str] = field(default_factory=dict)
    """External references: kind (`website`, `model-card`, `documentation` ...) to URL."""
    supplier: Fact[str] | None = None
    properties: Mapping[str, Scalar] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()


class Resolution(Struct, frozen=True, kw_only=True):
    """The components of a target and how they hang together; `root` is the ref of what the report is about."""

    root: str
    components: tuple[Component, ...]
    relations: tuple[Relation, ...] = ()
    findings: tuple[Finding, ...] = ()

    def component(self, ref: str) -> Component:
        """Return the component with this ref; KeyError if there is none."""
        for component in self.components:
            if component.ref == ref:
                return component
        raise KeyError(ref)
