"""Facts that CycloneDX has no field for, as properties under the names that `schemas/properties.md` publishes."""

from __future__ import annotations

from collections.abc import Iterable

from aibom.components import Component, ComponentKind, ModelFacts, Relation, RelationKind, SignatureStatus, Verification
from aibom.emitters.cdx_layout import FileEntry, Layout
from aibom.emitters.cdx_text import Named, origin, passage, property_name, scalar
from aibom.emitters.coverage import digested_tensors
from aibom.files import Digest, Format, Role
from aibom.report import Answer, ChecklistItem, Report

# The registered names of https://github.com/CycloneDX/cyclonedx-property-taxonomy, cdx:ai-ml, for settings that keep
# their name in `config.json`.
_HYPERPARAMETERS = (
    "activation_dropout", "d_model", "hidden_act", "hidden_size", "intermediate_size", "max_position_embeddings",
    "num_attention_heads", "num_hidden_layers", "num_key_value_heads", "num_layers",
)  # fmt: skip
HYPERPARAMETER = "cdx:ai-ml:model:hyperparameter:"
# Registered words for how an adapter was tuned, by what PEFT calls it; another adapter is an `adapter`.
_TUNING = {"LORA": "lora", "PROMPT_TUNING": "prompt", "P_TUNING": "prompt", "PREFIX_TUNING": "prompt"}
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
# The Commission's Model Documentation Form: what an integrator wants from a BOM is the content of its fields.
_FORM = "model-documentation-form"
_FILLED = frozenset({Answer.YES, Answer.PARTLY})
_MOST_GROUNDS = 3
_DATASET_ROLES = {RelationKind.TRAINED_ON: "train", RelationKind.EVALUATED_ON: "eval"}
_MODALITIES = frozenset({"text", "code", "image", "video", "audio", "sensor", "biometric", "genomic"})


# Code, and what runs code when the usual loader opens it.
_EXECUTABLE = frozenset({
    Format.PICKLE, Format.JOBLIB, Format.PYTORCH_ZIP, Format.PYTORCH_LEGACY, Format.PYTORCH_TAR, Format.PT2,
    Format.TORCHSCRIPT, Format.EXECUTORCH, Format.NEMO, Format.TORCHSERVE_MAR, Format.LLAMAFILE, Format.TENSORRT,
    Format.TF_SAVEDMODEL, Format.PYTHON, Format.PYTHON_BYTECODE, Format.NOTEBOOK, Format.SHELL, Format.EXECUTABLE,
    Format.WASM,
})  # fmt: skip
_ARCHIVES = frozenset({
    Format.PYTORCH_ZIP, Format.PYTORCH_TAR, Format.PT2, Format.TORCHSCRIPT, Format.NUMPY_NPZ, Format.KERAS_V3,
    Format.NEMO, Format.SKOPS, Format.TORCHSERVE_MAR, Format.ZIP, Format.TAR, Format.SEVEN_ZIP, Format.RAR, Format.GZIP,
    Format.BZIP2, Format.XZ, Format.LZMA, Format.ZLIB, Format.ZSTD, Format.LZ4,
})  # fmt: skip


def of_component(component: Component, layout: Layout, report: Report) -> Iterable[Named]:
    """Yield the properties of a component that stands in the BOM by itself."""
    for key, value in component.properties.items():
        name = property_name(*key.split(":")) if ":" in key else property_name("aibom", key)
        yield name, scalar(value)
    if component.kind is ComponentKind.MODEL:
        yield from _model(component, layout)
    for relation in layout.incoming.get(component.ref, ()):
        if relation.kind in _DATASET_ROLES:
            yield "aibom:dataset:role", _DATASET_ROLES[relation.kind]
    if component.version_range:
        yield "aibom:dependency:range", component.version_range
    if not component.licenses and component.kind is not ComponentKind.LIBRARY:
        yield "aibom:license:status", "unknown"
    for relation in layout.self_references.get(component.ref, ()):
        yield "aibom:lineage:self-reference", _sources(relation)
    for determination in layout.determinations.get(component.ref, ()):
        regime, key = determination.rule.regime, determination.rule.key
        yield property_name("aibom", regime, *key.split(":")), determination.strength.value
    for item in report.checklist:
        if layout.subject(item.subject) == layout.refs[component.ref]:
            yield property_name("aibom", "checklist", item.list, item.id), item.answer.value
            if item.list == _FORM and item.answer in _FILLED:
                yield property_name("aibom", "model-documentation", item.id), _filled(item)
    if component is layout.root:
        yield from _root(report)


def _filled(item: ChecklistItem) -> str:
    """Return what a field of the form is filled with: what was found, and in brackets what it rests on, with places."""
    grounds = "; ".join(f"{origin(found)}: {found.statement}" for found in item.because[:_MOST_GROUNDS])
    return passage(f"{item.statement} [{grounds}]" if grounds else item.statement)


def of_ancestor(relation: Relation) -> Iterable[Named]:
    """Yield what is known of the way from an ancestor to its descendant."""
    yield "aibom:lineage:relation", (relation.derivation.value if relation.derivation else "unknown")
    yield "aibom:lineage:pinned", scalar(_is_commit(relation.revision))
    yield "aibom:lineage:source", _sources(relation)
    if relation.revision:
        yield "aibom:lineage:revision", relation.revision
    if relation.inferred:
        yield "aibom:lineage:inferred", "true"


def of_file(entry: FileEntry, digests: tuple[Digest, ...]) -> Iterable[Named]:
    """Yield the properties of a file; `digests` are those that the BOM lists for it."""
    file = entry.inspection.file
    yield "aibom:file:format", file.format.value
    yield "aibom:file:role", file.role.value
    yield "aibom:file:size", str(file.size)
    yield "aibom:file:coverage", entry.coverage.value
    yield "aibom:file:digest-basis", digest_basis(digests)
    # https://github.com/BSI-Bund/tr-03183-cyclonedx-property-taxonomy, TR-03183-2 section 5.2.2
    executable = file.format in _EXECUTABLE
    archive = file.format in _ARCHIVES
    yield "bsi:component:filename", file.name
    yield "bsi:component:executable", "executable" if executable else "non-executable"
    yield "bsi:component:archive", "archive" if archive else "no archive"
    yield "bsi:component:structured", "structured" if archive else "unstructured"


def digest_basis(digests: tuple[Digest, ...]) -> str:
    """Return `computed`, `declared`, or `none` where a file has no digest that a BOM can carry."""
    bases = {digest.basis for digest in digests}
    return "computed" if "computed" in bases else "declared" if bases else "none"


def _model(component: Component, layout: Layout) -> Iterable[Named]:
    files = layout.files.get(component.ref, ())
    if not any(entry.inspection.file.role is Role.WEIGHTS for entry in files):
        yield "aibom:model:weights", "not-found" if component.seen else "not-scanned"
    if any(entry.inspection.file.format is Format.CHAT_TEMPLATE for entry in files):
        yield "cdx:ai-ml:model:template:chat", "true"
    if component.card:
        for language in component.card.fields.get("language", ()):
            yield "cdx:ai-ml:model:language", language
    if component.model:
        yield from _facts(component.model)


def _facts(facts: ModelFacts) -> Iterable[Named]:
    for name, fact in (
        ("aibom:model:parameters", facts.parameters),
        ("aibom:model:active-parameters", facts.active_parameters),
        ("aibom:model:library", facts.library),
        ("aibom:model:library-version", facts.library_version),
        ("cdx:ai-ml:model:hyperparameter:context_length", facts.context_length),
        ("cdx:ai-ml:model:hyperparameter:vocab_size", facts.vocabulary),
        ("cdx:ai-ml:model:hyperparameter:quantization", facts.quantization),
    ):
        if fact is not None:
            yield name, scalar(fact.value)
    for label in facts.labels:
        yield "aibom:model:label", label.value
    for modality in {fact.value for fact in (*facts.inputs, *facts.outputs)}:
        yield "cdx:ai-ml:model:modality", modality if modality in _MODALITIES else f"_undefined:{modality}"
    if facts.parameters is not None:
        yield "cdx:ai-ml:model:parameter:count", _short(facts.parameters.value)
    if isinstance(kind := facts.config.get("peft_type"), str):
        yield "cdx:ai-ml:model:parameter:tune_method", _TUNING.get(kind, "adapter")
    for setting in _HYPERPARAMETERS:
        if setting in facts.config:
            yield f"{HYPERPARAMETER}{setting}", scalar(facts.config[setting])
    for number, weights in enumerate(facts.weight_sets):
        if number == 0:
            # The set that loaders prefer is the one that is counted; the others are the same weights again.
            if facts.parameters is None or facts.parameters.value != weights.stored_elements:
                yield "aibom:model:stored-elements", str(weights.stored_elements)
            for dtype, elements in weights.elements_by_dtype.items():
                yield property_name("aibom", "model", "dtype", dtype), str(elements)
        words = [weights.format.value, weights.variant, _count(len(weights.paths), "file")]
        words.append(f"{weights.stored_elements} stored elements{'' if weights.complete else ' or more'}")
        yield "aibom:model:weight-set", ", ".join(word for word in words if word)


def _root(report: Report) -> Iterable[Named]:
    yield "aibom:root-digest", report.root_digest
    for skipped in report.skipped:
        yield "aibom:skipped", f"{skipped.path}: {skipped.reason}"
    signatures = [v for v in report.verifications if v.is_signature]
    for verification in signatures:
        # A signature over other bytes than these is not valid for them.
        mismatch = verification.status is SignatureStatus.MISMATCH
        yield "aibom:signature", (SignatureStatus.INVALID if mismatch else verification.status).value
        if verification.signer:
            yield "aibom:signature:signer", verification.signer
        if verification.uncovered:
            yield "aibom:signature:uncovered-files", str(len(verification.uncovered))
    if not signatures:
        yield "aibom:signature", "absent"
    for verification in report.verifications:
        if not verification.is_signature:
            yield property_name("aibom", "integrity", verification.status.value), integrity_value(verification)
    for root in report.tensor_roots:
        if root.named is not None and root.unnamed is not None:
            yield "aibom:tensors:root", f"{root.named} ({', '.join(root.paths)})"
            yield "aibom:tensors:unnamed-root", f"{root.unnamed} ({', '.join(root.paths)})"
        yield "aibom:tensors:digested", f"{digested_tensors(root)} ({', '.join(root.paths)})"
    for name, value in report.settings.operator.items():
        yield property_name("aibom", "operator", name), scalar(value)
    if report.source.gated:
        yield "aibom:source:gated", report.source.gated
    for name, moment in (("created", report.source.created), ("modified", report.source.modified)):
        if moment:
            yield f"aibom:source:{name}", moment


def integrity_value(verification: Verification) -> str:
    """Return what a comparison of digests was about: the file, or how many, and who declared the digests."""
    if len(verification.covered) == 1:
        return f"{verification.covered[0]} ({verification.kind})"
    if verification.covered:
        return f"{len(verification.covered)} files ({verification.kind})"
    return f"{verification.location or verification.kind} ({verification.kind})"


def _short(number: int) -> str:
    """Return a count as the registered property has it: `7B`, `8.03B`, `22.7M`."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _sources(relation: Relation) -> str:
    return "; ".join(origin(evidence) for evidence in relation.evidence) or "unknown"


def _is_commit(revision: str | None) -> bool:
    return revision is not None and len(revision) == 40 and all(c in "0123456789abcdef" for c in revision)
