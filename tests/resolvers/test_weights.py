"""Weight files become sets: shards together, variants apart, the loader's choice first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.resolvers.targets import repository, weights

from aibom.components import Inspection
from aibom.files import Format
from aibom.findings import Finding
from aibom.resolvers.layouts import Layout, Marker, find_models
from aibom.resolvers.weight_checks import check_weights
from aibom.resolvers.weights import Counted, weight_files, weight_sets


def sets(*files: Inspection, config: Mapping[str, Any] | None = None) -> tuple[Counted, ...]:
    return weight_sets(weight_files(repository({}, files)), "", config or {})


def outline(found: tuple[Counted, ...]) -> list[tuple[str, str, int, int | None]]:
    return [(item.stem, item.weights.variant, len(item.weights.paths), item.weights.parameters) for item in found]


def test_shards_are_one_set() -> None:
    """All shards together are one copy."""
    found = sets(
        weights("model-00001-of-00002.safetensors", {"a": (2,)}),
        weights("model-00002-of-00002.safetensors", {"b": (3,)}),
    )
    assert [("model", "", 2, 5)] == outline(found)


def test_a_missing_shard_leaves_the_count_open() -> None:
    """A set without one of its shards has no number of parameters, however large the declared number of shards is."""
    (found,) = sets(weights("model-00001-of-999999.safetensors", {"a": (2,)}))
    assert (None, False, "1 of 999999 shards are here") == (
        found.weights.parameters, found.weights.complete, found.weights.derivation,
    )  # fmt: skip


def test_the_loaders_choice_comes_first() -> None:
    """safetensors before pickles, the plain name before variants, the model's folder before folders below."""
    found = sets(
        weights("pytorch_model.bin", {"a": (2,)}),
        weights("model.fp16.safetensors", {"a": (2,)}),
        weights("onnx/model.onnx", {"a": (2,)}),
        weights("model.safetensors", {"a": (2,)}),
        weights("extra.safetensors", {"b": (9,)}),
    )
    assert [
        "model.safetensors",
        "model.fp16.safetensors",
        "pytorch_model.bin",
        "extra.safetensors",
        "onnx/model.onnx",
    ] == [item.weights.paths[0] for item in found]


@pytest.mark.parametrize(
    ("name", "stem", "variant"),
    [
        ("m-Q4_K_M.gguf", "m", "Q4_K_M"),
        ("m.IQ2_XXS.gguf", "m", "IQ2_XXS"),
        ("m-BF16-00001-of-00001.gguf", "m", "BF16"),
        ("m-UD-Q4_K_XL.gguf", "m", "UD-Q4_K_XL"),
        ("m.gguf", "m", ""),
        ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model", "fp16"),
        ("model_quantized.onnx", "model", "quantized"),
        ("sub/model_int8.onnx", "model", "sub/int8"),
    ],
)
def test_variants_are_read_from_names(name: str, stem: str, variant: str) -> None:
    """Quantisation and precision stand in the name."""
    (found,) = sets(weights(name, {"a": (2,)}))
    assert (stem, variant) == (found.stem, found.weights.variant)


def test_uncounted_files_have_no_number() -> None:
    """A file whose tensors are not known, or not all of them, has no number of parameters."""
    (found,) = sets(weights("model.bin"))
    assert (None, False) == (found.weights.parameters, found.weights.complete)
    (found,) = sets(weights("model.bin", {"a": (2,)}, complete=False))
    assert (None, "not every tensor could be counted") == (found.weights.parameters, found.weights.derivation)
    (found,) = sets(weights("model.gguf", {}))
    assert found.weights.parameters is None


def test_external_data_belongs_to_its_model() -> None:
    """The raw file beside an ONNX model is a part of its set."""
    (found,) = sets(weights("model.onnx", {"a": (2,)}), weights("model.onnx_data", kind=Format.ONNX_EXTERNAL_DATA))
    assert (("model.onnx", "model.onnx_data"), 2, True) == (
        found.weights.paths, found.weights.parameters, found.weights.complete,
    )  # fmt: skip


def test_gguf_is_exact_whatever_the_configuration_says() -> None:
    """GGUF tensors have their logical shapes: a packing in a configuration beside them changes nothing."""
    config = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    (found,) = sets(weights("m.gguf", {"blk.0.w": (2, 4)}, dtypes={"blk.0.w": "Q4_K"}), config=config)
    assert found.weights.parameters == 8


CONFIG = {"model_type": "llama", "hidden_size": 4, "vocab_size": 10}
EMBEDDING = {"model.embed_tokens.weight": (10, 4), "l.weight": (1000,)}


def check(*files: Inspection, config: Mapping[str, Any] | None = None) -> list[Finding]:
    marker = Marker(library="transformers", path="config.json", config_path="config.json")
    layout = Layout(folder="", label="", marker=marker, config=CONFIG if config is None else config)
    return list(check_weights(layout, sets(*files, config=layout.config)))


def test_twins_that_agree_are_no_finding() -> None:
    """A tied output embedding, and buffers, may be in one format and not in the other."""
    tied = {**EMBEDDING, "lm_head.weight": (10, 4), "position_ids": (2,)}
    assert [] == check(weights("model.safetensors", EMBEDDING), weights("pytorch_model.bin", tied))


def test_twins_that_differ_are_a_finding() -> None:
    """Two copies under names that loaders look for must hold as many parameters."""
    (found,) = check(
        weights("model.safetensors", EMBEDDING), weights("pytorch_model.bin", {**EMBEDDING, "more": (500,)})
    )
    assert ("parameters-mismatch", "model.safetensors holds 1,040 parameters, pytorch_model.bin 1,540") == (
        found.rule.id, found.message,
    )  # fmt: skip


def test_other_names_are_alternatives() -> None:
    """A file under a name of its own is another thing, not a broken copy."""
    assert [] == check(weights("model.safetensors", EMBEDDING), weights("heads.safetensors", {"x": (5000,)}))


@pytest.mark.parametrize(
    ("config", "shape", "expected"),
    [
        (CONFIG, (10, 4), 0),
        (CONFIG, (12, 4), 0),
        (CONFIG, (10, 8), 1),
        (CONFIG, (6, 4), 1),
        ({**CONFIG, "embedding_size": 8}, (10, 8), 0),
        ({"text_config": {"hidden_size": 8, "vocab_size": 10}}, (10, 8), 0),
        ({"model_type": "x", "layers": [1, 8]}, (10, 7), 0),
        ({**CONFIG, "quantization_config": {"quant_method": "fp8"}}, (10, 8), 0),
    ],
)
def test_embeddings_fit_the_configuration(config: Mapping[str, Any], shape: tuple[int, int], expected: int) -> None:
    """The sizes of the input embedding stand somewhere in the configuration; more rows than words are padding."""
    found = check(weights("model.safetensors", {"model.embed_tokens.weight": shape}), config=config)
    assert expected == len(found)


def test_a_layout_without_embedding_is_no_finding() -> None:
    """Models without a text embedding are not judged by one."""
    assert [] == check(weights("model.safetensors", {"conv.weight": (3, 3)}))
    layout = Layout(folder="", label="", marker=Marker(library="diffusers", path="c", config_path="c"), config=CONFIG)
    found = sets(weights("model.safetensors", {"a.wte.weight": (1, 1)}))
    assert [] == list(check_weights(layout, found))


def test_a_pointer_is_no_weight_file() -> None:
    """What stands for weights without being them holds none."""
    assert () == sets(weights("model.safetensors", kind=Format.LFS_POINTER))
    assert len(find_models(repository({}, (weights("model.safetensors", kind=Format.LFS_POINTER),)))) == 1
