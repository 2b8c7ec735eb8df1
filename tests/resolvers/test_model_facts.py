"""Facts of a model come from its files, each with its place, and what is declared goes before what is concluded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace
from tests.resolvers.targets import repository, weights

from aibom.components import Basis, Import, Inspection, ModelFacts, Scalar, Use, Verdict
from aibom.files import Format, Location
from aibom.resolvers.layouts import find_models
from aibom.resolvers.model_card import read_card
from aibom.resolvers.model_facts import model_facts, sets_of
from aibom.resolvers.tasks import formats_of, task_of


def facts(files: Mapping[str, str], *more: Inspection) -> ModelFacts:
    target = repository(files, more)
    layout = find_models(target)[0]
    return model_facts(target, layout, sets_of(layout), read_card(target).card)


def config(**fields: Any) -> dict[str, str]:
    return {"config.json": json.dumps({"model_type": "llama", **fields})}


def test_a_configuration_gives_class_family_and_sizes() -> None:
    """Class, family, context and vocabulary are declared in config.json."""
    found = facts(
        config(
            architectures=["LlamaForCausalLM"], max_position_embeddings=64, vocab_size=32, transformers_version="4.1"
        ),
        weights("model.safetensors", {"a": (2, 3)}),
    )
    assert found.architecture is not None
    assert (found.architecture.value, found.architecture.basis) == ("LlamaForCausalLM", Basis.DECLARED)
    values = [
        found.family,
        found.context_length,
        found.vocabulary,
        found.library,
        found.library_version,
        found.parameters,
    ]
    assert ["llama", 64, 32, "transformers", "4.1", 6] == [fact.value if fact else None for fact in values]
    assert found.parameters is not None
    assert found.parameters.basis is Basis.COMPUTED


def test_tasks_are_declared_or_concluded() -> None:
    """The card's task goes first; else the class name lets it be concluded."""
    found = facts(config(architectures=["LlamaForCausalLM"]))
    assert found.task is not None
    assert (found.task.value, found.task.basis) == ("text-generation", Basis.CONCLUDED)
    assert ("text", "text") == (found.inputs[0].value, found.outputs[0].value)
    card = {"README.md": "---\npipeline_tag: summarization\nlibrary_name: mine\n---\n"}
    declared = facts({**config(architectures=["LlamaForCausalLM"]), **card})
    assert declared.task is not None
    assert declared.library is not None
    assert ("summarization", Basis.DECLARED, "mine") == (
        declared.task.value,
        declared.task.basis,
        declared.library.value,
    )
    assert facts(config(architectures=["OddModel"])).task is None


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("BertForSequenceClassification", "text-classification"),
        ("GPT2LMHeadModel", "text-generation"),
        ("WhisperForConditionalGeneration", "automatic-speech-recognition"),
        ("StableDiffusionXLImg2ImgPipeline", "image-to-image"),
        ("MllamaForConditionalGeneration", "image-text-to-text"),
        ("NewForConditionalGeneration", None),
        ("BertModel", None),
    ],
)
def test_classes_tell_tasks(name: str, task: str | None) -> None:
    """A class that serves several tasks tells none."""
    assert task == task_of(name)


def test_unknown_tasks_have_no_formats() -> None:
    """What goes in and out is only said of known tasks."""
    assert ((), ()) == formats_of("odd")


def test_adapters_and_embedders_have_their_tasks() -> None:
    """PEFT's task type and sentence-transformers' modules tell the task."""
    adapter = facts({"adapter_config.json": json.dumps({"peft_type": "LORA", "task_type": "SEQ_CLS"})})
    assert adapter.task is not None
    assert adapter.architecture is not None
    assert ("text-classification", "LORA") == (adapter.task.value, adapter.architecture.value)
    version = json.dumps({"__version__": {"sentence_transformers": "5"}})
    embedder = facts({"modules.json": '[{"type": "a.B"}]', "config_sentence_transformers.json": version})
    assert embedder.task is not None
    assert embedder.library_version is not None
    assert ("sentence-similarity", "5") == (embedder.task.value, embedder.library_version.value)
    assert facts({"modules.json": '[{"type": "a.B"}]'}).library_version is None


def test_labels_are_those_that_somebody_chose() -> None:
    """Chosen labels are facts; the library's placeholders are not."""
    found = facts(config(id2label={"0": "angry", "1": "LABEL_1", "2": " ", "3": 5}))
    assert ["angry"] == [label.value for label in found.labels]


def test_settings_are_flattened_and_bounded() -> None:
    """Scalars keep their place, long texts, lists and labels are left out, odd numbers become text."""
    text = (
        '{"model_type": "x", "a": {"b": {"c": 1.5}}, "inf": Infinity, "big": %d, "flag": true, "none": null, '
        '"list": [1], "long": "%s"}'
    )
    found = facts({"config.json": text % (10**30, "x" * 600)})
    assert {"model_type": "x", "a.b.c": 1.5, "inf": "inf", "big": str(10**30), "flag": True} == found.config
    many = facts(config(**{f"k{number}": number for number in range(2000)}))
    assert len(many.config) == 500


def test_gguf_metadata_give_the_same_facts() -> None:
    """Family, context, vocabulary and quantisation stand in the header."""
    metadata: dict[str, Scalar] = {
        "general.architecture": "llama", "llama.context_length": 4096, "llama.vocab_size": 100, "general.file_type": 15,
        "llama.expert_count": 4, "llama.expert_used_count": 1, "tokenizer.x": "y",
    }  # fmt: skip
    shapes = {"blk.0.ffn_up_exps.weight": (8,), "blk.0.attn.weight": (2,)}
    found = facts({}, weights("m.gguf", shapes, metadata=metadata))
    values = [found.family, found.context_length, found.vocabulary, found.quantization, found.active_parameters]
    assert ["llama", 4096, 100, "Q4_K_M", 4] == [fact.value if fact else None for fact in values]
    assert "tokenizer.x" not in found.config
    assert found.library is not None
    assert found.library.value == "gguf"
    plain = facts({}, weights("m.gguf", shapes, metadata={"general.architecture": "llama", "general.file_type": 1}))
    assert plain.quantization is None


def test_packed_weights_name_their_packing() -> None:
    """A packing in the configuration is the quantisation; stored elements and parameters differ."""
    found = facts(
        config(quantization_config={"quant_method": "gptq", "bits": 4}, tie_word_embeddings=True),
        weights("model.safetensors", {"l.qweight": (2, 8), "l.scales": (1, 8)}, dtypes={"l.qweight": "I32"}),
    )
    assert found.quantization is not None
    assert found.parameters is not None
    assert ("gptq 4-bit", 128) == (found.quantization.value, found.parameters.value)
    assert "tie_word_embeddings" in found.parameters.evidence.statement


def test_a_pipeline_is_the_sum_of_its_parts() -> None:
    """Where every part with weights is counted, the pipeline is their sum; else it is not known."""
    files = {
        "model_index.json": json.dumps({"_class_name": "FluxPipeline", "_diffusers_version": "0.3"}),
        "unet/config.json": '{"_class_name": "U"}',
        "vae/config.json": '{"_class_name": "V"}',
    }
    unet, vae = weights("unet/m.safetensors", {"a": (2,)}), weights("vae/m.safetensors", {"b": (3,)})
    found = facts(files, unet, vae)
    assert found.parameters is not None
    assert (5, "sum of parts: unet 2, vae 3") == (found.parameters.value, found.parameters.evidence.statement)
    assert facts(files, unet, weights("vae/m.safetensors")).parameters is None


def test_libraries_are_detected_by_what_a_pickle_imports() -> None:
    """Without a mark, imports and format tell the library."""
    location = Location(path="m.pkl")
    item = weights("m.pkl", {"a": (2,)})
    imports = (Import(module="sklearn.svm", name="SVC", use=Use.CONSTRUCTED, verdict=Verdict.SAFE, location=location),)
    found = facts({}, replace(item, imports=imports))
    assert found.library is not None
    assert ("sklearn", Basis.DETECTED) == (found.library.value, found.library.basis)
    assert facts({}, weights("m.pkl", {"a": (2,)})).library is None
    onnx = facts({}, weights("m.onnx", {"a": (2,)}, kind=Format.ONNX)).library
    assert onnx is not None
    assert onnx.value == "onnx"


@pytest.mark.parametrize(
    "value", ["[]", "3", '"x"', "null", '{"model_type": 5, "architectures": [3]}', '{"architectures": []}']
)
def test_configurations_of_any_shape_are_survived(value: str) -> None:
    """A configuration of another shape gives no facts and no fault."""
    found = facts({"config.json": value})
    assert (found.architecture, found.family, found.task) == (None, None, None)
