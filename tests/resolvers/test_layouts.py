"""Models are found where they are, parts belong to them, and what nothing ties together is kept apart."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from tests.resolvers.targets import repository, weights

from aibom.components import Inspection
from aibom.files import Format
from aibom.resolvers.layouts import Layout, find_models
from aibom.resolvers.model_facts import sets_of

CONFIG = json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]})
SHAPES = {"w.weight": (4, 4)}


def models(files: Mapping[str, str], *more: Inspection) -> tuple[Layout, ...]:
    return find_models(repository(files, more))


def outline(layout: Layout) -> tuple[str | None, str, list[str], list[object]]:
    return (
        layout.marker.library,
        layout.folder,
        [file.place for file in layout.files],
        [outline(part) for part in layout.parts],
    )


def test_a_transformers_folder_is_one_model() -> None:
    """Configuration and weights in one folder are one model."""
    (model,) = models({"config.json": CONFIG}, weights("model.safetensors", SHAPES))
    assert ("transformers", "", ["model.safetensors"], []) == outline(model)


def test_nothing_is_a_model_without_weights() -> None:
    """A target without any mark is a model that nothing is known of."""
    (model,) = models({"notes.txt": "x"})
    assert (None, "", [], []) == outline(model)


def test_a_pipeline_has_parts() -> None:
    """A diffusers pipeline is one model, its parts are nested; folders without weights are no parts."""
    (model,) = models(
        {
            "model_index.json": json.dumps({"_class_name": "P", "unet": ["diffusers", "U"]}),
            "unet/config.json": json.dumps({"_class_name": "U"}),
            "text_encoder/config.json": CONFIG,
            "scheduler/scheduler_config.json": json.dumps({"_class_name": "S"}),
        },
        weights("unet/diffusion_pytorch_model.safetensors", SHAPES),
        weights("text_encoder/model.safetensors", SHAPES),
    )
    assert (
        "diffusers", "", [], [
            ("transformers", "text_encoder", ["text_encoder/model.safetensors"], []),
            ("diffusers", "unet", ["unet/diffusion_pytorch_model.safetensors"], []),
        ],
    ) == outline(model)  # fmt: skip


def test_an_adapter_alone_is_the_model_and_beside_its_base_a_part() -> None:
    """An adapter's folder is an adapter; beside base weights it is a part of the base."""
    adapter = {"adapter_config.json": json.dumps({"peft_type": "LORA"})}
    (alone,) = models(adapter, weights("adapter_model.safetensors", SHAPES))
    assert ("peft", "", ["adapter_model.safetensors"], []) == outline(alone)
    (both,) = models(
        {**adapter, "config.json": CONFIG, "model.safetensors": ""},
        weights("model.safetensors", SHAPES),
        weights("adapter_model.safetensors", SHAPES),
    )
    assert ("transformers", "", ["model.safetensors"], [("peft", "", ["adapter_model.safetensors"], [])]) == outline(
        both
    )


@pytest.mark.parametrize("folder", ["onnx", "openvino", "original", "checkpoint-500", "gguf", "fp16"])
def test_other_forms_of_a_model_are_no_models(folder: str) -> None:
    """Another format, or a step of training, in a folder of its own belongs to the model above."""
    (model,) = models(
        {"config.json": CONFIG, f"{folder}/config.json": CONFIG},
        weights("model.safetensors", SHAPES),
        weights(f"{folder}/model.onnx", SHAPES),
    )
    assert ("transformers", "", sorted(["model.safetensors", f"{folder}/model.onnx"]), []) == (
        model.marker.library,
        model.folder,
        sorted(file.place for file in model.files),
        list(model.parts),
    )


def test_unrelated_folders_are_siblings() -> None:
    """Several models without a common mark are several models."""
    found = models(
        {"a/config.json": CONFIG, "b/config.json": CONFIG, "README.md": ""},
        weights("a/model.safetensors", SHAPES),
        weights("b/model.safetensors", SHAPES),
    )
    assert ["a", "b"] == [model.folder for model in found]


def test_a_model_in_a_model_is_a_part() -> None:
    """A marked folder below a marked one is a part."""
    (model,) = models(
        {"config.json": CONFIG, "tokenizer_model/config.json": CONFIG},
        weights("model.safetensors", SHAPES),
        weights("tokenizer_model/model.safetensors", SHAPES),
    )
    assert ["tokenizer_model"] == [part.folder for part in model.parts]


def test_one_marked_folder_below_the_root_is_the_model() -> None:
    """A repository that keeps its one model in a folder has one model."""
    (model,) = models({"README.md": "", "model/config.json": CONFIG}, weights("model/model.safetensors", SHAPES))
    assert model.folder == "model"


def test_weights_without_any_mark_belong_to_the_root() -> None:
    """Weights in folders that name a format have the root as their model."""
    (model,) = models({}, weights("pytorch/m.pt", SHAPES), weights("onnx/m.onnx", SHAPES))
    assert model.folder == ""


def test_files_of_unrelated_models_are_taken_apart() -> None:
    """Weight files that share no tensor, and no configuration, are models of their own."""
    found = models({}, weights("cats.safetensors", {"a": (2,)}), weights("dogs.safetensors", {"b": (2,)}))
    assert ["cats", "dogs"] == [model.label for model in found]


@pytest.mark.parametrize(
    "files",
    [
        (weights("v1.safetensors", {"a": (2,)}), weights("v2.safetensors", {"a": (2,)})),
        (weights("x.safetensors", {"a": (2,)}), weights("x.onnx", {"b": (2,)})),
        (weights("text_encoder.onnx", {"a": (2,)}), weights("unet.onnx", {"b": (2,)})),
        (weights("a.pkl"), weights("b.pkl")),
    ],
)
def test_files_in_doubt_stay_one_model(files: tuple[Inspection, ...]) -> None:
    """The same tensors, another format, names of parts, or no count: alternatives of one model."""
    assert len(models({}, *files)) == 1


def gguf(name: str, size: int) -> Inspection:
    return weights(name, {"blk.0.w": (size,)}, metadata={"general.architecture": "llama"})


def test_quantisations_are_one_model_and_sizes_are_several() -> None:
    """GGUF files of one size are variants, of several sizes models; a projector is a part."""
    assert len(models({}, gguf("m-Q4_K_M.gguf", 8), gguf("m-Q8_0.gguf", 8), gguf("m-iq4-xs.gguf", 8))) == 1
    found = models({}, gguf("m-2b-Q4_0.gguf", 8), gguf("m-7b-Q4_0.gguf", 16))
    assert ["m-2b", "m-7b"] == [model.label for model in found]
    (model,) = models({}, gguf("m-Q4_0.gguf", 8), gguf("mmproj-m-f16.gguf", 2))
    assert ["mmproj-m"] == [part.label for part in model.parts]
    assert len(models({}, gguf("mmproj-a-f16.gguf", 2), gguf("mmproj-b-f16.gguf", 3))) == 1


@pytest.mark.parametrize(
    ("files", "library"),
    [
        ({"modules.json": '[{"type": "a.B", "path": ""}]', "config.json": CONFIG}, "sentence-transformers"),
        ({"modules.json": '[{"type": "a.B"}]', "config_setfit.json": "{}"}, "setfit"),
        ({"open_clip_config.json": "{}"}, "open_clip"),
        ({"config.json": '{"architecture": "resnet18", "num_classes": 2}'}, "timm"),
        ({"config.json": '{"pretrained_cfg": {}}'}, "timm"),
        ({"config.json": '{"_class_name": "VAE"}'}, "diffusers"),
        ({"config.json": '{"sklearn": {}}'}, "sklearn"),
        ({"meta.json": '{"spacy_version": ">=3"}'}, "spacy"),
        ({"MLmodel": "flavors: {}"}, "mlflow"),
        ({"config.json": '{"other": 1}', "modules.json": "{}", "meta.json": "[]"}, None),
    ],
)
def test_libraries_are_known_by_their_files(files: dict[str, str], library: str | None) -> None:
    """Each library's own file marks the folder."""
    assert library == models(files)[0].marker.library


def test_members_of_archives_are_files_and_of_formats_are_parts() -> None:
    """An archive holds files; what a format holds inside is one weight file."""
    archive = weights("m.zip", kind=Format.ZIP)
    inner = weights("m.zip", SHAPES, members=("d", "model.safetensors"))
    (model,) = models({}, archive, inner)
    assert ["m.zip/d/model.safetensors"] == [file.place for file in model.files]
    skops = weights("m.skops", kind=Format.SKOPS)
    parts = [weights("m.skops", {str(n): (n,)}, members=(f"{n}.npy",), kind=Format.NUMPY_NPY) for n in (2, 3)]
    (model,) = models({}, skops, *parts)
    assert [("m.skops", Format.SKOPS, 5)] == [
        (file.path, file.format, file.summary and file.summary.stored_elements) for file in model.files
    ]
    packed = weights("m.pkl.gz", kind=Format.GZIP)
    (model,) = models({}, packed, weights("m.pkl.gz", SHAPES, members=("m.pkl",)))
    assert [Format.PICKLE] == [file.format for file in model.files]


def test_training_state_is_no_model() -> None:
    """Optimizer state and its kin are not counted as weights."""
    (model,) = models(
        {"config.json": CONFIG},
        weights("model.safetensors", SHAPES),
        *(weights(name, SHAPES) for name in ("optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state_0.pth")),
    )
    assert ["model.safetensors"] == [file.place for file in model.files]


def test_modules_count_together() -> None:
    """A dense layer in a folder of its own is a part of the same copy of the weights."""
    (model,) = models(
        {
            "modules.json": '[{"type": "a.B", "path": ""}, {"type": "a.Dense", "path": "2_Dense"}]',
            "config.json": CONFIG,
        },
        weights("model.safetensors", {"a": (10,)}),
        weights("2_Dense/model.safetensors", {"b": (5,)}),
        weights("onnx/model.onnx", {"c": (15,)}),
    )
    first, second = sets_of(model)
    assert (15, ("2_Dense/model.safetensors", "model.safetensors")) == (
        first.weights.parameters,
        tuple(sorted(first.weights.paths)),
    )
    assert second.weights.variant == "onnx"
