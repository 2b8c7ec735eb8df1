"""Find the models in a target: which folder is a model, which a part of one, which weights belong to which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from aibom.files import Format
from aibom.resolvers.documents import mapping
from aibom.resolvers.repository import Repository, folder_of, name_of
from aibom.resolvers.weights import WeightFile, is_checkpoint_folder, weight_files, weight_sets

# The same model in another form, or a step of its training, when its name is a folder below the model's own.
_FORM_FOLDERS = frozenset({
    "onnx", "openvino", "gguf", "coreml", "tflite", "flax", "tf", "tensorflow", "saved_model", "variables", "assets",
    "original", "mlx", "fp16", "fp32", "bf16", "fp8", "int8", "int4", "q4", "q8", "pytorch", "torch", "jax", "rust",
    "safetensors", "consolidated", "ckpt", "checkpoints", "weights", "model", "gptq", "awq", "tensorrt", "trt",
})  # fmt: skip
_PART_NAME = re.compile(
    r"encoder|decoder|vision|text|audio|embed|unet|vae|clip|transformer|tokenizer|vocoder|projector", re.IGNORECASE
)
_PROJECTOR = re.compile(r"(^|[-_.])mmproj", re.IGNORECASE)


class Marker(Struct, frozen=True, kw_only=True):
    """What says that a folder holds a model: the library that reads it, and the file that says so."""

    library: str | None
    path: str | None = None
    config_path: str | None = None


class Layout(Struct, frozen=True, kw_only=True):
    """A model: its folder, what marks it, its weight files, and its parts. `label` tells siblings and parts apart."""

    folder: str
    label: str
    marker: Marker
    files: tuple[WeightFile, ...] = ()
    parts: tuple[Layout, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def find_models(repository: Repository) -> tuple[Layout, ...]:
    """Return the models of a target that are no part of another; several mean that they are unrelated."""
    files = weight_files(repository)
    marks = _marks(repository, files)
    owners: dict[str, list[WeightFile]] = {}
    for file in files:
        owners.setdefault(_owner(folder_of(file.path), marks), []).append(file)
    for folder in owners:
        marks.setdefault(folder, Marker(library=None))
    if not marks:
        return (Layout(folder="", label="", marker=Marker(library=None)),)
    children: dict[str | None, list[str]] = {}
    for folder in sorted(marks):
        children.setdefault(_nearest(folder, marks), []).append(folder)

    def build(folder: str) -> Layout:
        marker = marks[folder]
        layout = Layout(
            folder=folder,
            label=name_of(folder),
            marker=marker,
            files=tuple(owners.get(folder, ())),
            parts=tuple(build(child) for child in children.get(folder, ())),
            config=mapping(repository.json(marker.config_path)) if marker.config_path else {},
        )
        return _with_adapter(repository, layout)

    tops = [layout for folder in children[None] for layout in _unrelated(build(folder))]
    return tuple(tops)


def _marks(repository: Repository, files: Sequence[WeightFile]) -> dict[str, Marker]:
    found = {folder: marker for folder in repository.folders() if (marker := _marker(repository, folder))}
    weighted = {folder_of(file.path) for file in files}
    for folder in sorted(found):
        # A copy of the configuration beside another form of the same weights is no second model.
        if _is_form(folder) and (_nearest(folder, found) is not None or "" in weighted):
            del found[folder]
    return found


def _marker(repository: Repository, folder: str) -> Marker | None:
    config_path = repository.find(folder, "config.json")
    config = mapping(repository.json(config_path)) if config_path else {}
    transformers = isinstance(config.get("model_type"), str) or isinstance(config.get("architectures"), list)
    known = config_path if transformers else None
    if (path := repository.find(folder, "model_index.json")) and "_class_name" in mapping(repository.json(path)):
        return Marker(library="diffusers", path=path, config_path=path)
    if (path := repository.find(folder, "modules.json")) and _is_modules(repository.json(path)):
        setfit = repository.find(folder, "config_setfit.json")
        return Marker(library="setfit" if setfit else "sentence-transformers", path=setfit or path, config_path=known)
    if path := repository.find(folder, "open_clip_config.json"):
        return Marker(library="open_clip", path=path, config_path=path)
    adapter = adapter_config(repository, folder)
    if adapter and not _base_weights(repository, folder):
        return Marker(library="peft", path=adapter, config_path=adapter)
    if config_path:
        if "pretrained_cfg" in config or ("architecture" in config and "num_classes" in config):
            return Marker(library="timm", path=config_path, config_path=config_path)
        if transformers:
            return Marker(library="transformers", path=config_path, config_path=config_path)
        if isinstance(config.get("_class_name"), str):
            return Marker(library="diffusers", path=config_path, config_path=config_path)
        if isinstance(config.get("sklearn"), dict):
            return Marker(library="sklearn", path=config_path, config_path=config_path)
    if (path := repository.find(folder, "meta.json")) and "spacy_version" in mapping(repository.json(path)):
        return Marker(library="spacy", path=path, config_path=path)
    if path := repository.find(folder, "MLmodel"):
        return Marker(library="mlflow", path=path)
    return None


def adapter_config(repository: Repository, folder: str) -> str | None:
    """Return the path of a PEFT adapter's configuration in this folder."""
    path = repository.find(folder, "adapter_config.json")
    config = mapping(repository.json(path)) if path else {}
    return path if "peft_type" in config or "base_model_name_or_path" in config else None


def _base_weights(repository: Repository, folder: str) -> bool:
    return any(
        name_of(path).startswith(("model.safetensors", "model-0", "pytorch_model"))
        for path in repository.files_in(folder)
    )


def _is_modules(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(mapping(item).get("type"), str) for item in value)


def _is_form(folder: str) -> bool:
    name = name_of(folder).lower()
    return name in _FORM_FOLDERS or is_checkpoint_folder(name)


def _ancestors(folder: str) -> Iterable[str]:
    while folder:
        folder = folder_of(folder)
        yield folder


def _nearest(folder: str, marks: Mapping[str, Marker]) -> str | None:
    return next((ancestor for ancestor in _ancestors(folder) if ancestor in marks), None)


def _owner(folder: str, marks: Mapping[str, Marker]) -> str:
    """Return the folder of the model that weights in `folder` belong to."""
    if folder in marks:
        return folder
    if (nearest := _nearest(folder, marks)) is not None:
        return nearest
    while folder and _is_form(folder):
        folder = folder_of(folder)
    return folder


def _with_adapter(repository: Repository, layout: Layout) -> Layout:
    """Make the adapter that lies beside its base a part of it."""
    if layout.marker.library == "peft" or not (path := adapter_config(repository, layout.folder)):
        return layout
    own = tuple(file for file in layout.files if name_of(file.path).startswith("adapter_"))
    adapter = Layout(
        folder=layout.folder,
        label="adapter",
        marker=Marker(library="peft", path=path, config_path=path),
        files=own,
        config=mapping(repository.json(path)),
    )
    rest = tuple(file for file in layout.files if file not in own)
    return replace(layout, files=rest, parts=(adapter, *layout.parts))


def _unrelated(layout: Layout) -> tuple[Layout, ...]:
    """Take files that nothing ties together apart; where in doubt they stay one model with alternatives."""
    if layout.marker.library is not None or layout.parts or len(layout.files) < 2:
        return (layout,)
    sets = weight_sets(layout.files, layout.folder, {})
    by_stem: dict[str, list[WeightFile]] = {}
    names: dict[str, frozenset[str]] = {}
    sizes: dict[str, int | None] = {}
    for item in sets:
        by_stem.setdefault(item.stem, []).extend(item.files)
        names[item.stem] = names.get(item.stem, frozenset()) | {tensor.name for tensor in item.tensors}
        sizes[item.stem] = item.weights.parameters
    formats = {item.weights.format for item in sets}
    if len(by_stem) < 2 or len(formats) > 1:
        return (layout,)
    if formats == {Format.GGUF}:
        return _unrelated_gguf(layout, by_stem, sizes)
    if any(_PART_NAME.search(stem) for stem in by_stem) or not _disjoint(tuple(names.values())):
        return (layout,)
    return tuple(replace(layout, label=stem, files=tuple(found)) for stem, found in sorted(by_stem.items()))


def _unrelated_gguf(
    layout: Layout, by_stem: Mapping[str, Sequence[WeightFile]], sizes: Mapping[str, int | None]
) -> tuple[Layout, ...]:
    projectors = {stem: found for stem, found in by_stem.items() if _PROJECTOR.search(stem)}
    models = {stem: found for stem, found in by_stem.items() if stem not in projectors}
    if not models:
        return (layout,)
    parts = tuple(
        replace(layout, label=stem, files=tuple(found), parts=()) for stem, found in sorted(projectors.items())
    )
    counts = {sizes[stem] for stem in models}
    if len(models) > 1 and len(counts) == len(models) and None not in counts:
        split = [replace(layout, label=stem, files=tuple(found)) for stem, found in sorted(models.items())]
        return (*split, *parts)
    files = tuple(file for found in models.values() for file in found)
    return (replace(layout, files=files, parts=parts),)


def _disjoint(names: Sequence[frozenset[str]]) -> bool:
    return all(names) and sum(len(item) for item in names) == len(frozenset().union(*names))
