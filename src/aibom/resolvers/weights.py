"""Group weight files into sets: each set is one copy of a model's weights, twins and variants are alternatives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from aibom.components import Inspection, Tensor, TensorSummary, WeightSet
from aibom.files import Format, Role
from aibom.resolvers.parameters import Count, count, packing_of
from aibom.resolvers.repository import Repository, folder_of, name_of

_PICKLED = (Format.PYTORCH_ZIP, Format.PYTORCH_LEGACY, Format.PYTORCH_TAR, Format.PICKLE, Format.TORCHSCRIPT)
# The order in which loaders take what they find, transformers' first.
_PREFERENCE: tuple[Format, ...] = (
    Format.SAFETENSORS, *_PICKLED, Format.PT2, Format.TF_CHECKPOINT, Format.KERAS_V3, Format.KERAS_H5, Format.HDF5,
    Format.TF_SAVEDMODEL, Format.FLAX_MSGPACK, Format.GGUF, Format.GGML_LEGACY, Format.NEMO, Format.ONNX,
    Format.OPENVINO, Format.COREML, Format.TFLITE,
)  # fmt: skip
_RANK = {format_: rank for rank, format_ in enumerate(_PREFERENCE)}

_ARCHIVES = frozenset({Format.ZIP, Format.TAR, Format.SEVEN_ZIP, Format.RAR})
_COMPRESSIONS = frozenset({
    Format.GZIP, Format.BZIP2, Format.XZ, Format.LZMA, Format.ZLIB, Format.ZSTD, Format.LZ4,
})  # fmt: skip
# State of a training run, which no loader takes for the model.
_TRAINING = re.compile(
    r"^(optimizer|scheduler|scaler|training_args|rng_state|random_states|trainer_state|lr_scheduler|.*optim_states|"
    r"events\.out\.)"
)
_SHARD = re.compile(r"^(?P<stem>.*?)[-_.](?P<number>\d{1,6})-of-(?P<total>\d{1,6})(?P<rest>.*)$")
_QUANTIZED_NAME = re.compile(
    r"[-._](?P<variant>(?:UD-)?(?:IQ\d_\w+?|Q\d_K(?:_[A-Z]{1,2})?|Q\d_\d(?:_\d){0,2}|TQ\d_0|MXFP4(?:_MOE)?|BF16|F16|F32|FP16))$",
    re.IGNORECASE,
)
_VARIANT = re.compile(
    r"^(?P<stem>.+?)[._-](?P<variant>fp16|fp32|bf16|fp8|fp8_e4m3fn|int8|uint8|int4|nf4|q4|q8|q4f16|bnb4|quantized|qint8\w*|quint8\w*|"
    r"O[1-4]|non_ema|ema|optimized)$"
)
_CHECKPOINT = re.compile(r"^(?:checkpoint|step|global_step|epoch|iter)[-_]?\d+$")
# Names under which loaders look for the same weights: only between these is a difference in count a fault.
_LOADER_NAMES = frozenset({
    "model", "pytorch_model", "diffusion_pytorch_model", "adapter_model", "open_clip_model", "open_clip_pytorch_model",
})  # fmt: skip
_EXTENSIONS = re.compile(
    r"\.(safetensors|bin|pt|pth|ckpt|gguf|ggml|onnx|onnx_data|onnx\.data|h5|hdf5|keras|msgpack|tflite|npz|npy|pkl|joblib|"
    r"pdparams|nemo|mlmodel|xml|pte|pb|data)$",
    re.IGNORECASE,
)


class WeightFile(Struct, frozen=True, kw_only=True):
    """A file that holds weights. `place` is its path, for a member of a container inside the container's path."""

    path: str
    place: str
    format: Format
    summary: TensorSummary | None
    inspection: Inspection

    @property
    def folder(self) -> str:
        """The folder in which a loader looks for it."""
        return folder_of(self.place)


class Counted(Struct, frozen=True, kw_only=True):
    """A weight set with what was counted in it."""

    weights: WeightSet
    count: Count
    files: tuple[WeightFile, ...]
    stem: str

    @property
    def tensors(self) -> Iterable[Tensor]:
        """Every tensor of the set."""
        for file in self.files:
            if file.summary:
                yield from file.summary.tensors


def weight_files(repository: Repository) -> tuple[WeightFile, ...]:
    """Return every file that holds weights.

    Members of a container are files of their own where it is an archive, and parts of one file where it is a format
    (skops) or a mere compression.
    """
    inner: dict[str, list[Inspection]] = {}
    for item in repository.inspections:
        if item.file.members and item.tensors is not None and item.tensors.stored_elements:
            inner.setdefault(item.file.path, []).append(item)
    # A compressed tar: what compresses it has one member, which is the archive.
    packed = {
        item.file.path
        for item in repository.inspections
        if len(item.file.members) == 1 and item.file.format in _ARCHIVES
    }
    found = []
    for item in repository.inspections:
        file = item.file
        if _TRAINING.match(file.name):
            continue
        outer = repository.inspection(file.path)
        if not file.members:
            if _holds_weights(item) and (file.format not in _ARCHIVES or file.path not in inner):
                found.append(_with_members(item, inner.get(file.path, [])))
            continue
        archived = outer is None or (
            outer.tensors is None
            and (outer.file.format in _ARCHIVES or (outer.file.format in _COMPRESSIONS and file.path in packed))
        )
        if archived and _holds_weights(item) and item.tensors is not None:
            place = "/".join((file.path, *file.members))
            found.append(
                WeightFile(path=file.path, place=place, format=file.format, summary=item.tensors, inspection=item)
            )
    return tuple(sorted(found, key=lambda item: item.place))


def _with_members(item: Inspection, members: Sequence[Inspection]) -> WeightFile:
    """Join what the members of one model file hold; of a compressed file the member tells the format."""
    file, summary, format_ = item.file, item.tensors, item.file.format
    if summary is None and members:
        by_dtype: dict[str, int] = {}
        for member in members:
            assert member.tensors is not None
            for dtype, elements in member.tensors.elements_by_dtype.items():
                by_dtype[dtype] = by_dtype.get(dtype, 0) + elements
        summaries = [member.tensors for member in members if member.tensors]
        summary = TensorSummary(
            stored_elements=sum(part.stored_elements for part in summaries),
            elements_by_dtype=by_dtype,
            tensors=tuple(tensor for part in summaries for tensor in part.tensors),
            complete=all(part.complete for part in summaries),
        )
        if format_ in _COMPRESSIONS:
            format_ = members[0].file.format
    return WeightFile(path=file.path, place=file.path, format=format_, summary=summary, inspection=item)


def weight_sets(files: Sequence[WeightFile], folder: str, config: Mapping[str, Any]) -> tuple[Counted, ...]:
    """Group the files of one model; the set that a loader would take comes first."""
    groups: dict[tuple[str, str, str, str], list[WeightFile]] = {}
    for file in files:
        stem, variant = _stem_and_variant(file, folder)
        family = "pickled" if file.format in _PICKLED else file.format.value
        if file.format is Format.ONNX_EXTERNAL_DATA:
            family, stem = Format.ONNX.value, _EXTENSIONS.sub("", stem)
        groups.setdefault((family, file.folder, stem, variant), []).append(file)
    counted = [_count(group, stem, variant, config) for (_, _, stem, variant), group in groups.items()]
    return tuple(sorted(counted, key=lambda item: _order(item, folder)))


def merge_sets(sets: Sequence[Counted], config: Mapping[str, Any]) -> Counted:
    """Join sets that only together are one copy of the weights: the modules of a sentence-transformers model."""
    files = tuple(file for item in sets for file in item.files)
    return _count(list(files), sets[0].stem, sets[0].weights.variant, config)


def comparable(sets: Sequence[Counted]) -> list[Counted]:
    """Return the sets that must agree in their count: complete, unpacked, under names that loaders look for."""
    return [
        item
        for item in sets
        if item.weights.complete
        and item.count.parameters is not None
        and item.stem in _LOADER_NAMES
        and item.weights.format in (Format.SAFETENSORS, *_PICKLED)
    ]


def is_checkpoint_folder(name: str) -> bool:
    """Say whether a folder is named as a step of a training run."""
    return bool(_CHECKPOINT.match(name))


def _holds_weights(item: Inspection) -> bool:
    file = item.file
    if file.format in {Format.LFS_POINTER, Format.SAFETENSORS_INDEX, Format.PYTORCH_INDEX, Format.EMPTY}:
        return False
    if item.tensors is not None and item.tensors.stored_elements:
        return file.role in {Role.WEIGHTS, Role.OTHER} or file.format in _RANK
    return file.role is Role.WEIGHTS and file.format not in {Format.UNKNOWN, Format.PYTHON, Format.JSON, Format.YAML}


def _stem_and_variant(file: WeightFile, folder: str) -> tuple[str, str]:
    """Cut a name: `model.fp16-00001-of-00002.safetensors` is the stem `model` and the variant `fp16`."""
    stem = _EXTENSIONS.sub("", name_of(file.place))
    parts = []
    if file.folder != folder:
        # A folder below the model's own is a variant: `onnx`, `checkpoint-500`, `Q4_K_M`.
        parts.append(file.folder.removeprefix(folder + "/") if folder else file.folder)
    if shard := _SHARD.match(stem):
        stem = shard["stem"] + shard["rest"]
    if match := _QUANTIZED_NAME.search(stem) if file.format is Format.GGUF else _VARIANT.match(stem):
        parts.append(match["variant"])
        stem = stem[: match.start("variant") - 1]
    return stem, "/".join(parts)


def _count(files: list[WeightFile], stem: str, variant: str, config: Mapping[str, Any]) -> Counted:
    stored, by_dtype, tensors = 0, dict[str, int](), list[Tensor]()
    complete = True
    for file in files:
        if file.summary is None:
            complete = complete and file.format is Format.ONNX_EXTERNAL_DATA
            continue
        stored += file.summary.stored_elements
        complete = complete and file.summary.complete
        tensors.extend(file.summary.tensors)
        for dtype, elements in file.summary.elements_by_dtype.items():
            by_dtype[dtype] = by_dtype.get(dtype, 0) + elements
    missing = _missing_shards(files)
    format_ = min((file.format for file in files), key=lambda item: _RANK.get(item, len(_RANK)))
    packing = None if format_ is Format.GGUF else packing_of(config)
    result = count(tensors, stored, packing)
    if not stored:
        result = Count(parameters=None, experts=0, derivation="no tensors were found")
    if missing:
        result = Count(parameters=None, experts=0, derivation=missing)
    elif not complete:
        result = Count(parameters=None, experts=0, derivation="not every tensor could be counted")
    weights = WeightSet(
        format=format_,
        variant=variant,
        paths=tuple(dict.fromkeys(file.path for file in files)),
        stored_elements=stored,
        elements_by_dtype=dict(sorted(by_dtype.items())),
        parameters=result.parameters,
        derivation=result.derivation,
        complete=complete and not missing,
    )
    return Counted(weights=weights, count=result, files=tuple(files), stem=stem)


def _missing_shards(files: Iterable[WeightFile]) -> str | None:
    """Say how many shards are missing, from the numbers in the names."""
    numbers: set[int] = set()
    total = 0
    for file in files:
        if shard := _SHARD.match(_EXTENSIONS.sub("", name_of(file.place))):
            numbers.add(int(shard["number"]))
            total = max(total, int(shard["total"]))
    if total and len(numbers) < total:
        return f"{len(numbers)} of {total} shards are here"
    return None


def _order(item: Counted, folder: str) -> tuple[object, ...]:
    weights = item.weights
    own = item.files[0].folder == folder
    return (
        not own,
        item.stem not in _LOADER_NAMES,
        not weights.complete,
        _RANK.get(weights.format, len(_RANK)),
        bool(weights.variant),
        -weights.stored_elements,
        item.stem,
        weights.variant,
    )
