"""State what configuration and weights say of one model, each fact with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aibom.components import Basis, Fact, ModelCard, ModelFacts
from aibom.files import Format
from aibom.findings import Evidence
from aibom.resolvers.documents import mapping
from aibom.resolvers.layouts import Layout
from aibom.resolvers.parameters import active_parameters, describe, packing_of
from aibom.resolvers.repository import Repository, stated
from aibom.resolvers.settings_facts import FILE_TYPES, Gguf, config_scalars, gguf_int, gguf_metadata, gguf_scalars
from aibom.resolvers.tasks import PEFT_TASKS, formats_of, task_of
from aibom.resolvers.weights import Counted, merge_sets, weight_sets

_MAX_TEXT = 500
_MAX_LABELS = 5000
_DEFAULT_LABEL = re.compile(r"LABEL_\d+$")
# What the format alone says about who reads it.
_LIBRARIES: Mapping[Format, str] = {
    Format.GGUF: "gguf",
    Format.ONNX: "onnx",
    Format.KERAS_V3: "keras",
    Format.KERAS_H5: "keras",
    Format.TF_SAVEDMODEL: "tensorflow",
    Format.TF_CHECKPOINT: "tensorflow",
    Format.TFLITE: "tflite",
    Format.COREML: "coreml",
    Format.OPENVINO: "openvino",
    Format.NEMO: "nemo",
    Format.SKOPS: "sklearn",
    Format.XGBOOST_JSON: "xgboost",
    Format.XGBOOST_UBJ: "xgboost",
    Format.LIGHTGBM_TEXT: "lightgbm",
    Format.FLAX_MSGPACK: "flax",
    Format.PADDLE_PARAMS: "paddle",
    Format.PYTORCH_ZIP: "pytorch",
    Format.PYTORCH_LEGACY: "pytorch",
    Format.PYTORCH_TAR: "pytorch",
    Format.PT2: "pytorch",
    Format.TORCHSCRIPT: "pytorch",
    Format.EXECUTORCH: "executorch",
}
_IMPORTED = ("sklearn", "xgboost", "lightgbm", "catboost", "ultralytics", "spacy", "keras", "torch")
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length", "n_ctx")
_VOCABULARY_KEYS = ("vocab_size", "n_vocab", "padded_vocab_size")
_VERSION_KEYS = {
    "transformers": "transformers_version", "peft": "peft_version", "diffusers": "_diffusers_version",
    "spacy": "spacy_version",
}  # fmt: skip


def sets_of(layout: Layout) -> tuple[Counted, ...]:
    """Return the weight sets of a model; modules of a sentence-transformers model count together."""
    sets = weight_sets(layout.files, layout.folder, layout.config)
    if layout.marker.library not in {"sentence-transformers", "setfit"} or len(sets) < 2:
        return sets
    first = sets[0]
    same = [
        item
        for item in sets
        if item.weights.format is first.weights.format
        and (item is first or re.match(r"\d+_\w+", item.weights.variant.rpartition("/")[2]))
    ]
    return (merge_sets(same, layout.config), *(item for item in sets if item not in same)) if len(same) > 1 else sets


def model_facts(repository: Repository, layout: Layout, sets: Sequence[Counted], card: ModelCard | None) -> ModelFacts:
    """Gather the facts. What a card declares stands before what a class name lets us conclude."""
    gguf = gguf_metadata(layout)
    config, path = layout.config, layout.marker.config_path or ""
    text_config = mapping(config.get("text_config"))

    def from_config(*keys: str) -> Fact[int] | None:
        for block, prefix in ((config, ""), (text_config, "text_config.")):
            for key in keys:
                value = block.get(key)
                if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53:
                    return Fact(value=value, basis=Basis.DECLARED, evidence=stated(path, f"{prefix}{key} = {value}"))
        return None

    architecture = _architecture(layout)
    library = _library(layout, card)
    task = _task(layout, card, architecture)
    inputs, outputs = formats_of(task.value) if task else ((), ())
    return ModelFacts(
        architecture=architecture,
        family=_family(layout, gguf),
        task=task,
        library=library,
        library_version=_library_version(repository, layout),
        parameters=_parameters(sets, config) or _sum_of_parts(layout),
        active_parameters=_active(sets, config, gguf),
        context_length=from_config(*_CONTEXT_KEYS) or gguf_int(gguf, ".context_length"),
        vocabulary=from_config(*_VOCABULARY_KEYS) or gguf_int(gguf, ".vocab_size"),
        quantization=_quantization(layout, gguf),
        labels=tuple(_labels(config, path)),
        inputs=tuple(_concluded(item, task) for item in inputs),
        outputs=tuple(_concluded(item, task) for item in outputs),
        weight_sets=tuple(item.weights for item in sets),
        config=dict(config_scalars(config)) or gguf_scalars(gguf),
    )


def _declared(value: str, path: str, statement: str, line: int | None = None) -> Fact[str]:
    return Fact(value=value[:_MAX_TEXT], basis=Basis.DECLARED, evidence=stated(path, statement[:_MAX_TEXT], line))


def _concluded(value: str, because: Fact[str] | None) -> Fact[str]:
    assert because is not None
    evidence = Evidence(statement=f"task {because.value}", location=because.evidence.location)
    return Fact(value=value, basis=Basis.CONCLUDED, evidence=evidence)


def _architecture(layout: Layout) -> Fact[str] | None:
    config, path = layout.config, layout.marker.config_path
    if path is None:
        return None
    match config:
        case {"architectures": [str(name), *_]} if name:
            return _declared(name, path, f"architectures: {name}")
        case {"_class_name": str(name)} if name:
            return _declared(name, path, f"_class_name: {name}")
        case {"architecture": str(name)} if name:
            return _declared(name, path, f"architecture: {name}")
        case {"peft_type": str(name)} if name:
            return _declared(name, path, f"peft_type: {name}")
        case _:
            return None


def _family(layout: Layout, gguf: Gguf | None) -> Fact[str] | None:
    config, path = layout.config, layout.marker.config_path
    if path and isinstance(name := config.get("model_type"), str) and name:
        return _declared(name, path, f"model_type: {name}")
    if gguf and isinstance(name := gguf[1].get("general.architecture"), str) and name:
        return _declared(name, gguf[0].path, f"general.architecture: {name}")
    return None


def _task(layout: Layout, card: ModelCard | None, architecture: Fact[str] | None) -> Fact[str] | None:
    if card and (declared := card.fields.get("pipeline_tag")):
        return _declared(declared[0], card.path, f"pipeline_tag: {declared[0]}", card.lines.get("pipeline_tag"))
    path = layout.marker.config_path or ""
    kind = layout.config.get("task_type")
    if layout.marker.library == "peft" and isinstance(kind, str) and (task := PEFT_TASKS.get(kind)):
        return Fact(value=task, basis=Basis.CONCLUDED, evidence=stated(path, f"task_type: {kind}"))
    if layout.marker.library == "sentence-transformers":
        return Fact(
            value="sentence-similarity",
            basis=Basis.CONCLUDED,
            evidence=stated(layout.marker.path or "", "modules.json"),
        )
    if architecture and (task := task_of(architecture.value)):
        return Fact(value=task, basis=Basis.CONCLUDED, evidence=architecture.evidence)
    return None


def _library(layout: Layout, card: ModelCard | None) -> Fact[str] | None:
    if card and (declared := card.fields.get("library_name")):
        return _declared(declared[0], card.path, f"library_name: {declared[0]}", card.lines.get("library_name"))
    if layout.marker.library and layout.marker.path:
        evidence = stated(layout.marker.path, f"a file as {layout.marker.library} writes it")
        return Fact(value=layout.marker.library, basis=Basis.DETECTED, evidence=evidence)
    for file in layout.files:
        roots = {item.module.partition(".")[0] for item in file.inspection.imports}
        if named := next((name for name in _IMPORTED if name in roots), None):
            return Fact(value=named, basis=Basis.DETECTED, evidence=stated(file.path, f"imports {named}"))
        if by_format := _LIBRARIES.get(file.format):
            return Fact(value=by_format, basis=Basis.DETECTED, evidence=stated(file.path, f"format {file.format}"))
    return None


def _library_version(repository: Repository, layout: Layout) -> Fact[str] | None:
    path = layout.marker.config_path
    if layout.marker.library == "sentence-transformers":
        path = repository.find(layout.folder, "config_sentence_transformers.json")
        block = mapping(mapping(repository.json(path)).get("__version__")) if path else {}
        version, key = block.get("sentence_transformers"), "__version__.sentence_transformers"
    else:
        key = _VERSION_KEYS.get(layout.marker.library or "", "")
        version = layout.config.get(key)
    if path and isinstance(version, str) and version:
        return _declared(version, path, f"{key}: {version}")
    return None


def _parameters(sets: Sequence[Counted], config: Mapping[str, Any]) -> Fact[int] | None:
    for item in sets:
        if item.weights.parameters is not None:
            statement = item.weights.derivation
            if config.get("tie_word_embeddings") is True:
                statement += "; tie_word_embeddings: input and output embedding are one"
            return Fact(
                value=item.weights.parameters, basis=Basis.COMPUTED, evidence=stated(item.weights.paths[0], statement)
            )
    return None


def _sum_of_parts(layout: Layout) -> Fact[int] | None:
    """Add up the parts of a pipeline, each by its first set, where all that hold weights can be counted."""
    counted = [(part.label, sets_of(part)) for part in layout.parts if part.files and part.marker.library != "peft"]
    values = {label: sets[0].weights.parameters if sets else None for label, sets in counted}
    known = {label: value for label, value in values.items() if value is not None}
    if layout.files or not known or len(known) < len(values):
        return None
    statement = "sum of parts: " + ", ".join(f"{label} {value}" for label, value in known.items())
    return Fact(value=sum(known.values()), basis=Basis.COMPUTED, evidence=stated(layout.marker.path or "", statement))


def _active(sets: Sequence[Counted], config: Mapping[str, Any], gguf: Gguf | None) -> Fact[int] | None:
    if gguf:
        config = {**config, **{key.rpartition(".")[2]: value for key, value in gguf[1].items() if "expert" in key}}
    for item in sets:
        if item.weights.parameters is not None:
            found = active_parameters(item.weights.parameters, item.count.experts, config)
            return (
                Fact(value=found[0], basis=Basis.COMPUTED, evidence=stated(item.weights.paths[0], found[1]))
                if found
                else None
            )
    return None


def _quantization(layout: Layout, gguf: Gguf | None) -> Fact[str] | None:
    if (packing := packing_of(layout.config)) and layout.marker.config_path:
        return _declared(describe(packing), layout.marker.config_path, f"quantization: {describe(packing)}")
    if gguf:
        kind = gguf[1].get("general.file_type")
        if isinstance(kind, int) and (name := FILE_TYPES.get(kind)) and name not in {"F32", "F16", "BF16"}:
            return _declared(name, gguf[0].path, f"general.file_type: {kind}")
    return None


def _labels(config: Mapping[str, Any], path: str) -> Iterator[Fact[str]]:
    """Yield labels that somebody chose; `LABEL_0` is what the library writes when nobody did."""
    for key, label in list(mapping(config.get("id2label")).items())[:_MAX_LABELS]:
        if isinstance(label, str) and label.strip() and not _DEFAULT_LABEL.match(label):
            yield _declared(label.strip(), path, f"id2label.{key}"[:100])
