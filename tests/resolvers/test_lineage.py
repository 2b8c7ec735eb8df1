"""Bases are found wherever tools and people name them, merged in the order of trust, and doubts are said."""

from __future__ import annotations

import json

import pytest
from tests.resolvers.targets import repository, said, weights

from aibom.components import Derivation, Inspection
from aibom.findings import Severity
from aibom.report import SourceFacts
from aibom.resolvers.layouts import find_models
from aibom.resolvers.lineage import Lineage, resolve_lineage
from aibom.resolvers.model_card import read_card
from aibom.resolvers.model_facts import model_facts, sets_of

SHA = "0123456789abcdef0123456789abcdef01234567"
AB = "https://huggingface.co/a/b"
CD = "https://huggingface.co/c/d"
GGUF = {"general.architecture": "llama"}


def lineage(
    files: dict[str, str], *more: Inspection, identity: str | None = None, source: SourceFacts | None = None
) -> Lineage:
    target = repository(files, more)
    (layout,) = find_models(target)
    card = read_card(target).card
    facts = model_facts(target, layout, sets_of(layout), card)
    return resolve_lineage(target, layout, card=card, facts=facts, identity=identity, source=source)


def bases(found: Lineage) -> list[tuple[str, str, str | None]]:
    return [(base.name.id, base.derivation.value, base.name.revision) for base in found.bases]


def card(**fields: object) -> dict[str, str]:
    return {"README.md": "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items()) + "---\n"}


def config(**fields: object) -> dict[str, str]:
    return {"config.json": json.dumps({"model_type": "llama", **fields})}


def adapter(**fields: object) -> dict[str, str]:
    return {"adapter_config.json": json.dumps({"peft_type": "LORA", **fields}, indent=1)}


def test_nothing_said_is_no_base() -> None:
    """Without a statement there is no base and no doubt."""
    found = lineage(config())
    assert ((), ()) == (found.bases, found.findings)


def test_a_card_names_its_base() -> None:
    """The card's base is a fine-tune unless something else is said, with its line as evidence."""
    found = lineage(card(license="mit", base_model="a/b"))
    assert [("a/b", "finetune", None)] == bases(found)
    (evidence,) = found.bases[0].evidence
    assert str(evidence.location) == "README.md:3"
    assert [("base-unpinned", "low")] == said(found.findings)


@pytest.mark.parametrize(
    ("relation", "derivation"),
    [
        ("finetune", "finetune"),
        ("adapter", "adapter"),
        ("merge", "merge"),
        ("Quantized", "quantized"),
        ("odd", "finetune"),
    ],
)
def test_a_stated_relation_decides(relation: str, derivation: str) -> None:
    """`base_model_relation` says how; an unknown word does not."""
    assert derivation == bases(lineage(card(base_model="a/b", base_model_relation=relation)))[0][1]


def test_relations_are_concluded_from_what_the_files_are() -> None:
    """Several bases or a tag are a merge, a packed configuration or a name is a quantisation."""
    packed = config(quantization_config={"quant_method": "gptq", "bits": 4})
    assert bases(lineage({**card(base_model="a/b"), **packed}))[0][1] == "quantized"
    assert [base[1] for base in bases(lineage(card(base_model=["a/b", "c/d"])))] == ["merge", "merge"]
    assert bases(lineage(card(base_model="a/b", tags=["mergekit"])))[0][1] == "merge"
    assert bases(lineage(card(base_model="a/b"), identity="x/b-GGUF"))[0][1] == "quantized"


def test_an_adapter_names_base_and_revision() -> None:
    """The adapter's configuration names the base it runs on, and the revision."""
    found = lineage(adapter(base_model_name_or_path="a/b", revision=SHA))
    assert [("a/b", "adapter", SHA)] == bases(found)
    assert () == found.findings
    loose = lineage(adapter(base_model_name_or_path="a/b", revision="v1"))
    assert [("base-unpinned", "medium")] == said(loose.findings)
    assert "'v1' can move" in loose.findings[0].message


def test_a_cache_path_names_the_commit() -> None:
    """A path into the hub's cache says which repository and commit it was."""
    path = f"/root/.cache/huggingface/hub/models--a--b/snapshots/{SHA}"
    assert [("a/b", "adapter", SHA)] == bases(lineage(adapter(base_model_name_or_path=path, revision="main")))


def test_tool_and_card_are_merged() -> None:
    """What a tool and the card say of one base becomes one base with both places."""
    found = lineage({**adapter(base_model_name_or_path="A/b", revision=SHA), **card(base_model="a/B")})
    assert 1 == len(found.bases)
    assert 2 == len(found.bases[0].evidence)
    assert [] == said(found.findings)


def test_tool_and_card_that_differ_are_a_contradiction() -> None:
    """Another model in the card than in the adapter's configuration is a finding."""
    found = lineage({**adapter(base_model_name_or_path="a/llama", revision=SHA), **card(base_model="c/qwen")})
    assert ("lineage-contradiction", "medium") in said(found.findings)


@pytest.mark.parametrize("other", ["unsloth/llama-bnb-4bit", "copy/Llama", "x/llama-GGUF"])
def test_a_copy_in_another_form_is_no_contradiction(other: str) -> None:
    """The same model under another owner, or stored in fewer bits, is not another model."""
    found = lineage({**adapter(base_model_name_or_path=other, revision=SHA), **card(base_model=f"a/llama@{SHA}")})
    assert [] == said(found.findings)


def test_an_adapter_that_calls_itself_otherwise_is_doubted() -> None:
    """A card that calls an adapter a fine-tune contradicts its files."""
    found = lineage({**adapter(base_model_name_or_path="a/b", revision=SHA), **card(base_model_relation="finetune")})
    assert [("lineage-contradiction", "low")] == said(found.findings)


def test_a_model_is_not_its_own_base() -> None:
    """A repository that names itself is left out, with a note."""
    found = lineage(card(base_model=["acme/chat", f"a/b@{SHA}"]), identity="Acme/Chat")
    assert [("a/b", "finetune", SHA)] == bases(found)
    assert [("lineage-contradiction", "info")] == said(found.findings)


def test_a_local_path_leaks_nothing_and_is_unresolved() -> None:
    """A base by a path keeps the last part of the path, and is a finding."""
    found = lineage(adapter(base_model_name_or_path="/home/alice/private/llama-ft"))
    assert [("llama-ft", "adapter", None)] == bases(found)
    assert [("base-unresolved", "low")] == said(found.findings)
    assert "alice" not in repr(found)


def test_a_named_base_goes_before_a_path() -> None:
    """Where the card names what the tool only knows by a path, the name counts."""
    found = lineage({**adapter(base_model_name_or_path="./base"), **card(base_model=f"a/b@{SHA}")})
    assert [("a/b", "adapter", SHA)] == bases(found)


MERGE = """
merge_method: slerp
base_model: a/base
models:
  - model: b/one
  - model: {model: {path: c/two, revision: main}}
  - model: {path: d/three}
  - 5
slices:
  - sources:
      - model: e/four+f/lora
modules:
  decoder:
    slices:
      - sources: [{model: g/five}]
"""


def test_a_merge_recipe_names_every_parent() -> None:
    """All models of a mergekit recipe are parents, also those in slices, modules and applied adapters."""
    found = lineage({"mergekit_config.yml": MERGE, **config()})
    expected = ["a/base", "b/one", "c/two@main", "d/three", "e/four", "f/lora", "g/five"]
    assert expected == sorted(name + (f"@{revision}" if revision else "") for name, _, revision in bases(found))
    assert {base.derivation for base in found.bases} == {Derivation.MERGE}


def test_a_mixture_recipe_names_its_experts() -> None:
    """mergekit's mixtures name base and experts."""
    text = "base_model: a/b\nexperts:\n  - source_model: c/d\n"
    assert {"a/b", "c/d"} == {base[0] for base in bases(lineage({"mergekit_moe_config.yml": text, **config()}))}


def test_a_broken_recipe_is_no_recipe() -> None:
    """A recipe that is no YAML names nothing."""
    assert () == lineage({"mergekit_config.yml": "[", **config()}).bases


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"general.base_model.0.repo_url": AB, "general.file_type": 15}, [("a/b", "quantized")]),
        ({"general.base_model.0.repo_url": AB, "general.file_type": 1}, [("a/b", "converted")]),
        ({"general.base_model.0.organization": "Meta Llama", "general.base_model.0.name": "Llama 3.1 8B"},
         [("Meta-Llama/Llama-3.1-8B", "quantized")]),
        ({"general.source.huggingface.repository": "a/ft", "general.base_model.0.repo_url": CD,
          "general.file_type": 2}, [("a/ft", "quantized"), ("c/d", "unknown")]),
        ({"general.base_model.0.repo_url": AB,
          "general.base_model.1.repo_url": CD}, [("a/b", "merge"), ("c/d", "merge")]),
        ({"general.base_model.count": 10**9, "general.base_model.99999.name": "x"}, []),
        ({"general.base_model.x.name": "y"}, []),
        ({"general.base_model.0.name": "gpt2"}, [("gpt2", "quantized")]),
        ({"general.base_model.0.version": "1"}, []),
    ],
)  # fmt: skip
def test_gguf_names_source_and_bases(metadata: dict[str, str | int], expected: list[tuple[str, str]]) -> None:
    """GGUF keys name the source and the bases; a declared count is not believed."""
    found = lineage({}, weights("m.gguf", {"a": (2,)}, metadata={**GGUF, **metadata}))
    assert expected == [(name, how) for name, how, _ in bases(found)]


def test_a_gguf_without_metadata_says_nothing() -> None:
    """Raw tensors in a GGUF file name nothing."""
    assert () == lineage({}, weights("m.gguf", {"a": (2,)}, metadata={"general.base_model.0.name": "a"})).bases


def test_a_modelfile_names_base_and_adapter() -> None:
    """Ollama's FROM and ADAPTER are bases, files beside it are not."""
    text = "# x\nFROM llama3.2:1b\nADAPTER acme/lora\nFROM ./model.gguf\nFROM hf.co/a/b\nPARAMETER x 1\n"
    found = lineage({"Modelfile": text, **config()})
    assert {("llama3.2", "finetune"), ("acme/lora", "adapter"), ("a/b", "finetune")} == {
        (name, how) for name, how, _ in bases(found)
    }


def test_hints_count_only_where_nothing_is_stated() -> None:
    """A name in the configuration, or from a trainer, is a hint, marked so and without doubts of its own."""
    found = lineage(config(_name_or_path="a/b"))
    assert ([("a/b", "finetune", None)], True, ()) == (bases(found), found.bases[0].inferred, found.findings)
    assert [("c/d", "finetune", None)] == bases(lineage({**config(_name_or_path="a/b"), **card(base_model="c/d")}))
    assert () == lineage(config(_name_or_path="/data/models/x")).bases
    assert () == lineage(config(_name_or_path="acme/chat"), identity="acme/chat").bases


def test_trainers_leave_hints_in_weights() -> None:
    """What LoRA trainers write into safetensors metadata is a hint."""
    metadata = {"ss_base_model_version": "sdxl_base_v1-0", "ss_sd_model_name": "a/b"}
    found = lineage({}, weights("lora.safetensors", {"a": (2,)}, metadata=metadata))
    assert {"stabilityai/stable-diffusion-xl-base-1.0", "a/b"} == {base.name.id for base in found.bases}
    assert all(base.inferred for base in found.bases)


def test_derivations_have_severities_by_use() -> None:
    """An adapter's base is fetched at load: unpinned it weighs more than history."""
    found = lineage(adapter(base_model_name_or_path="a/b"))
    assert (Derivation.ADAPTER, Severity.MEDIUM) == (found.bases[0].derivation, found.findings[0].severity)


def test_more_tools_leave_hints() -> None:
    """timm's configuration and the model specification of single files are hints."""
    timm = {
        "config.json": json.dumps({"architecture": "x", "num_classes": 2, "pretrained_cfg": {"hf_hub_id": "timm/x"}})
    }
    assert [("timm/x", "finetune", None)] == bases(lineage(timm))
    metadata = {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}
    found = lineage({}, weights("lora.safetensors", {"a": (2,)}, metadata=metadata))
    assert ["stabilityai/stable-diffusion-xl-base-1.0"] == [base.name.id for base in found.bases]


def test_a_manifest_names_the_source() -> None:
    """A model packed for a registry says which repository it was taken from."""
    facts = SourceFacts(kind="oci-layout", claims={"descriptor.sourceURL": "https://huggingface.co/a/b"})
    assert [("a/b", "converted", None)] == bases(lineage(config(), source=facts))
    other = SourceFacts(kind="oci-layout", claims={"descriptor.sourceURL": "https://example.org/x"})
    assert [] == bases(lineage(config(), source=other))


@pytest.mark.parametrize(
    ("family", "base", "relation", "expected"),
    [
        ("llama", "google/gemma-2-2b", "finetune", [("lineage-contradiction", "medium")]),
        ("gemma2", "google/gemma-2-2b", "finetune", []),
        ("llama", "google/gemma-2-2b", "distilled", []),
        ("llama", "nobody/nothing", "finetune", []),
        ("bert", "bert-base-uncased", "finetune", []),
        ("llama", "stabilityai/stable-diffusion-2", "finetune", []),
    ],
)
def test_a_base_of_another_architecture_is_a_contradiction(
    family: str, base: str, relation: str, expected: list[tuple[str, str]]
) -> None:
    """A fine-tune keeps its base's architecture; a student of distillation need not."""
    files = {"config.json": json.dumps({"model_type": family}), **card(base_model=base, base_model_relation=relation)}
    found = [item for item in said(lineage(files).findings) if item[0] == "lineage-contradiction"]
    assert expected == found


QUANTIZED: dict[str, str | int] = {
    "general.architecture": "qwen2",
    "general.name": "Qwen2.5 7B Instruct",
    "general.file_type": 15,
}
PARENT = {"general.base_model.0.repo_url": "https://huggingface.co/Qwen/Qwen2.5-7B"}


@pytest.mark.parametrize(
    ("base", "metadata"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", {**QUANTIZED, **PARENT}),
        # Known to come from what the file names, whatever the file calls it.
        ("meta-llama/Llama-3.1-8B-Instruct",
         {**GGUF, "general.name": "x", "general.file_type": 15, "general.base_model.0.repo_url": "https://huggingface.co/meta-llama/Llama-3.1-8B"}),
    ],
)  # fmt: skip
def test_a_converter_copies_the_bases_of_what_it_converted(base: str, metadata: dict[str, str | int]) -> None:
    """GGUF `base_model.*` are the parents of the model that was quantized, which the card names: no contradiction."""
    found = lineage(card(base_model=base), weights("m.gguf", {"a": (2,)}, metadata=metadata))
    assert [(base, "quantized", None)] == bases(found)
    (above,) = found.bases[0].above
    assert ("unknown", False) == (above.derivation.value, above.inferred)
    assert "lineage-contradiction" not in dict(said(found.findings))


def test_a_gguf_of_another_model_still_contradicts_the_card() -> None:
    """A file whose own name and base are not those of the card is a contradiction."""
    metadata = {**QUANTIZED, **PARENT}
    found = lineage(card(base_model="acme/other-chat"), weights("m.gguf", {"a": (2,)}, metadata=metadata))
    assert ("lineage-contradiction", "medium") in said(found.findings)


def test_a_gguf_named_otherwise_than_its_base_is_more_than_a_copy() -> None:
    """A file called Instruct that names the pretrained model as base was not only quantized."""
    found = lineage({}, weights("m.gguf", {"a": (2,)}, metadata={**QUANTIZED, **PARENT}))
    assert [("Qwen/Qwen2.5-7B", "unknown", None)] == bases(found)
    same = {**QUANTIZED, **PARENT, "general.name": "Qwen2.5 7B"}
    assert [("Qwen/Qwen2.5-7B", "quantized", None)] == bases(lineage({}, weights("m.gguf", {"a": (2,)}, metadata=same)))


@pytest.mark.parametrize(
    ("names", "relation"),
    [
        (("lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight", "lora_unet_x.alpha"), "adapter"),
        (("transformer.blocks.0.attn.to_k.lora_A.weight", "transformer.blocks.0.attn.to_k.lora_B.weight"), "adapter"),
        (("x.hada_w1_a", "x.hada_w2_b"), "adapter"),
        (("x.lora_A.weight", "model.embed_tokens.weight"), "finetune"),
    ],
)
def test_tensors_of_a_lora_make_it_an_adapter(names: tuple[str, ...], relation: str) -> None:
    """A LoRA of an image model has no configuration: its tensors say what it is."""
    found = lineage(card(base_model="a/b"), weights("x.safetensors", dict.fromkeys(names, (2,))))
    assert [("a/b", relation, None)] == bases(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This model is a fine-tuned version of [a/b](https://huggingface.co/a/b) on the generator dataset.", ["a/b"]),
        ("Original model: https://huggingface.co/a/b", ["a/b"]),
        ("It is derived from Llama3.1-8B and under [this](https://huggingface.co/a/b/blob/main/LICENSE).", ["a/b"]),
        ("Fine-tuned on [c](https://huggingface.co/datasets/c/d).", []),
        ("It was finetuned. See https://huggingface.co/a/b", []),
        ("Quantized from https://huggingface.co/google/gemma-2-2b", []),
        ("See [a/b](https://huggingface.co/a/b).", []),
    ],
)
def test_words_of_a_card_are_hints(text: str, expected: list[str]) -> None:
    """What trainers write into a card's text is a hint with its line, where no field names a base; never more."""
    found = lineage({"README.md": f"# M\n\n{text}\n", **config()})
    assert expected == [base.name.id for base in found.bases]
    assert all(base.inferred for base in found.bases)
    assert all(item.location and item.location.line == 3 for base in found.bases for item in base.evidence)
    stated_too = lineage({"README.md": f"---\nbase_model: e/f\n---\n{text}\n", **config()})
    assert ["e/f"] == [base.name.id for base in stated_too.bases]


def test_a_known_target_has_its_known_base() -> None:
    """Where no file names a base, what is known of the target itself does, with its source."""
    found = lineage(config(), identity="deepseek-ai/DeepSeek-R1-Distill-Llama-8B")
    assert [("meta-llama/Llama-3.1-8B", "finetune", None)] == bases(found)
    (evidence,) = found.bases[0].evidence
    assert "known models 2026-11" == evidence.source


def test_hints_to_other_architectures_are_left_out() -> None:
    """A card that lists the whole series of models names the base of this one among others."""
    text = (
        "- One is derived from [Qwen](https://huggingface.co/Qwen/Qwen2.5-1.5B).\n"
        "- Two is derived from [Llama](https://huggingface.co/meta-llama/Llama-3.1-8B).\n"
    )
    found = lineage({"README.md": text, **config()})
    assert ["meta-llama/Llama-3.1-8B"] == [base.name.id for base in found.bases]
    other = lineage({"README.md": text, "config.json": json.dumps({"model_type": "mistral"})})
    assert ["Qwen/Qwen2.5-1.5B"] == [base.name.id for base in other.bases]


@pytest.mark.parametrize(
    "files",
    [
        config(_name_or_path="bert-base-uncased", model_type="bert"),
        {
            "README.md": "A fine-tuned version of [x](https://huggingface.co/bert-base-uncased) on y.\n",
            **config(model_type="bert"),
        },
        {
            "README.md": "Derived from https://huggingface.co/bert-base-uncased/blob/main/README.md\n",
            **config(model_type="bert"),
        },
    ],
)
def test_an_old_name_that_is_known_is_a_hint(files: dict[str, str]) -> None:
    """Old models have no owner in their name; where it is known whereto they moved, the hint leads there."""
    (base,) = lineage(files).bases
    assert ("bert-base-uncased", True) == (base.name.name, base.inferred)


def test_an_old_name_that_is_known_is_resolved() -> None:
    """`gpt2` names one repository: what is missing is the commit, not the model; other bare names stay unresolved."""
    assert [("base-unpinned", "low")] == said(lineage(card(base_model="gpt2")).findings)
    assert [("base-unresolved", "low")] == said(lineage(card(base_model="my-old-model")).findings)


def test_every_part_of_a_merge_counts() -> None:
    """A model on the author's disk went into the merge as the others did, and nobody knows which it is."""
    recipe = "models:\n- model: a/b\n- model: ./local/wizard\nmerge_method: linear\n"
    found = lineage({"mergekit_config.yml": recipe, **config()})
    assert [("a/b", "merge"), ("wizard", "merge")] == [base[:2] for base in bases(found)]
    assert ("base-unresolved", "low") in said(found.findings)
