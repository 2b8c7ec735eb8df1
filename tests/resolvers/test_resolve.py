"""A target becomes components and relations that hang together, named as they may be, whatever its files say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.resolvers.targets import resolution, said, weights

from aibom.components import ComponentKind, RelationKind, Resolution
from aibom.report import SourceFacts
from aibom.resolvers.resolving import RULES
from aibom.resolvers.subject import identify
from aibom.settings import Identity

SHA = "0123456789abcdef0123456789abcdef01234567"
CONFIG = json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]})


PURL = "pkg:huggingface/Acme/Chat"


def hub(revision: str | None) -> SourceFacts:
    return SourceFacts(kind="hub", identity="Acme/Chat", revision=revision)


def consistent(result: Resolution) -> None:
    """Refs are unique, relations lead to components, nothing is its own ancestor."""
    refs = [component.ref for component in result.components]
    assert len(refs) == len(set(refs))
    assert result.root in refs
    for relation in result.relations:
        assert {relation.source, relation.target} <= set(refs)
        assert relation.source != relation.target


def test_one_model_is_the_root() -> None:
    """A single model owns every file of the target."""
    files = {
        "config.json": CONFIG,
        "README.md": "# Acme chat\n\nA model that talks about many things.\n",
        "sub/x.txt": "",
    }
    result = resolution(files, [weights("model.safetensors", {"a": (2,)})])
    root = result.component(result.root)
    assert ("model", "acme-chat", ComponentKind.MODEL) == (root.ref, root.name, root.kind)
    assert ("README.md", "config.json", "model.safetensors", "sub/x.txt") == root.paths
    assert "A model that talks about many things." == root.description
    consistent(result)


def test_several_models_hang_under_an_application() -> None:
    """Unrelated models are siblings; the card at the root speaks of the whole."""
    files = {
        "a/config.json": CONFIG, "b/config.json": CONFIG, "README.md": "---\nlicense: mit\n---\n", "b/README.md": "# b",
    }  # fmt: skip
    more = [weights("a/model.safetensors", {"a": (2,)}), weights("b/model.safetensors", {"b": (2,)})]
    result = resolution(files, more)
    root = result.component(result.root)
    assert (ComponentKind.APPLICATION, ("README.md",), "README.md") == (
        root.kind,
        root.paths,
        root.card and root.card.path,
    )
    assert {"model/a", "model/b"} == {item.target for item in result.relations if item.kind is RelationKind.CONTAINS}
    first, second = result.component("model/a"), result.component("model/b")
    assert (None, "b/README.md", "mit") == (first.card, second.card and second.card.path, first.licenses[0].key)
    consistent(result)


def test_unrelated_files_are_named_by_their_stems() -> None:
    """Weight files of several models in one folder are components of their own."""
    result = resolution({}, [weights("cats.safetensors", {"a": (2,)}), weights("dogs.safetensors", {"b": (2,)})])
    assert ["model/cats", "model/dogs"] == [item.ref for item in result.components if item.kind is ComponentKind.MODEL]


def test_parts_are_nested() -> None:
    """Parts of a pipeline are components inside it, and their files are not counted twice."""
    files = {
        "model_index.json": json.dumps({"_class_name": "FluxPipeline"}),
        "unet/config.json": json.dumps({"_class_name": "U", "_name_or_path": "acme/unet"}),
        "unet/lora/adapter_config.json": json.dumps({"peft_type": "LORA", "base_model_name_or_path": "a/b"}),
    }
    result = resolution(
        files, [weights("unet/m.safetensors", {"a": (2,)}), weights("unet/lora/adapter_model.safetensors", {"b": (1,)})]
    )
    root, unet = result.component("model"), result.component("model/unet")
    assert ("model_index.json",) == root.paths
    assert ("unet/config.json", "unet/m.safetensors") == unet.paths
    assert {"model/unet", "model/unet/lora"} == {
        item.target for item in result.relations if item.kind is RelationKind.CONTAINS
    }
    assert root.model is not None
    assert root.model.parameters is not None
    assert 2 == root.model.parameters.value
    consistent(result)


def test_an_adapter_beside_its_base_is_nested() -> None:
    """The adapter's files belong to the adapter."""
    files = {"config.json": CONFIG, "adapter_config.json": json.dumps({"peft_type": "LORA"}), "model.safetensors": ""}
    more = [weights("model.safetensors", {"a": (2,)}), weights("adapter_model.safetensors", {"b": (2,)})]
    result = resolution(files, more)
    assert ("adapter_config.json", "adapter_model.safetensors") == result.component("model/adapter").paths
    consistent(result)


@pytest.mark.parametrize(
    ("files", "kind", "expected"),
    [
        ({"config.json": CONFIG}, "directory", [("card-missing", "low")]),
        ({}, "file", [("card-missing", "info")]),
        ({"config.json": CONFIG, "README.md": "x"}, "directory", []),
    ],
)
def test_a_missing_card_is_said(files: dict[str, str], kind: str, expected: list[tuple[str, str]]) -> None:
    """A repository without a card is a small finding, a single file a note."""
    result = resolution(files, [weights("m.safetensors", {"a": (1,)})], facts=SourceFacts(kind=kind))
    assert expected == [item for item in said(result.findings) if item[0] == "card-missing"]


def test_libraries_hang_on_the_root() -> None:
    """Dependencies are components with package URLs, ranges and what wrote the files."""
    files = {
        "config.json": json.dumps({"model_type": "x", "transformers_version": "4.5"}),
        "requirements.txt": "torch==2.5\nnumpy>=1\nx @ https://example.org/x.whl\n",
        "Dockerfile": "FROM pytorch/pytorch:2.1\n",
    }
    result = resolution(files)
    torch, numpy = result.component("pypi:torch@2.5"), result.component("pypi:numpy")
    assert ("2.5", "pkg:pypi/torch@2.5", False) == (torch.version, torch.purl, torch.seen)
    assert (">=1", ">=1") == (numpy.version_range, numpy.properties["aibom:dependency:range"])
    assert "4.5" == result.component("pypi:transformers").properties["aibom:dependency:written-with"]
    assert "https://example.org/x.whl" == result.component("pypi:x").urls["distribution"]
    image = result.component("docker:pytorch/pytorch@2.1")
    assert (ComponentKind.APPLICATION, "pytorch", "pytorch") == (image.kind, image.group, image.name)
    consistent(result)


def test_datasets_have_roles_and_relations() -> None:
    """Training and evaluation data are components that were not seen."""
    results = "- results:\n  - dataset: {type: a/b}\n    metrics: [{type: f1, value: 1}]\n"
    card = f"---\ndatasets: [a/b, tatsu-lab/alpaca]\nmodel-index:\n{results}---\n"
    result = resolution({"README.md": card})
    both = result.component("dataset:a/b")
    assert ("train,eval", False, "https://huggingface.co/datasets/a/b") == (
        both.properties["aibom:dataset:role"], both.seen, both.urls["website"],
    )  # fmt: skip
    kinds = {(item.kind, item.target) for item in result.relations}
    assert {(RelationKind.TRAINED_ON, "dataset:a/b"), (RelationKind.EVALUATED_ON, "dataset:a/b")} <= kinds
    consistent(result)


@pytest.mark.parametrize(
    ("target", "facts", "identity", "expected"),
    [
        ("acme-chat", SourceFacts(), Identity(), ("acme-chat", None, None, None)),
        ("./models/acme chat/", SourceFacts(), Identity(), ("acme chat", None, None, None)),
        ("..", SourceFacts(), Identity(), ("model", None, None, None)),
        ("a\x1b[31m", SourceFacts(), Identity(), ("a__31m", None, None, None)),
        ("x", SourceFacts(kind="git", revision=SHA), Identity(), ("x", None, SHA, None)),
        ("x", hub(SHA), Identity(), ("Chat", "Acme", SHA, f"{PURL}@{SHA}")),
        ("x", hub("main"), Identity(), ("Chat", "Acme", None, PURL)),
        ("x", hub(None), Identity(name="mine", version="1"), ("Chat", "Acme", "1", PURL)),
        ("x", SourceFacts(), Identity(name="acme/mine", version="1"), ("mine", "acme", "1", None)),
        ("x", SourceFacts(), Identity(purl=f"{PURL}@{SHA}"), ("Chat", "Acme", SHA, f"{PURL}@{SHA}")),
    ],
)  # fmt: skip
def test_subjects_are_named_by_hub_user_or_directory(
    target: str, facts: SourceFacts, identity: Identity, expected: tuple[object, ...]
) -> None:
    """The hub's identity goes first, then what the user says, then the directory's name."""
    subject = identify(target, facts, identity)
    assert expected == (subject.name, subject.group, subject.version, subject.purl)


def test_a_configuration_never_names_the_target() -> None:
    """`_name_or_path` and the card's model-index are no identity."""
    files = {
        "config.json": json.dumps({"model_type": "llama", "_name_or_path": "meta-llama/Llama-3.2-1B"}),
        "README.md": "---\nmodel-index:\n- name: something-else\n---\n",
    }
    root = resolution(files).component("model")
    assert ("acme-chat", None, None) == (root.name, root.group, root.purl)


def test_the_user_names_the_supplier() -> None:
    """Owner on the hub, else what the user says."""
    hub = resolution({"a": ""}, facts=SourceFacts(kind="hub", identity="Acme/Chat")).component("model")
    assert hub.supplier is not None
    assert "Acme" == hub.supplier.value
    mine = resolution({"a": ""}, identity=Identity(supplier="ACME Inc.")).component("model")
    assert mine.supplier is not None
    assert "ACME Inc." == mine.supplier.value


def test_urls_are_those_of_the_repository() -> None:
    """Where the identity is known, card, site and paper are linked."""
    facts = SourceFacts(kind="hub", identity="a/b", revision=SHA, url="https://huggingface.co/a/b")
    root = resolution({"README.md": "---\ntags: ['arxiv:2401.12345', x]\n---\n"}, facts=facts).component("model")
    assert {
        "distribution": "https://huggingface.co/a/b",
        "website": "https://huggingface.co/a/b",
        "model-card": f"https://huggingface.co/a/b/blob/{SHA}/README.md",
        "documentation": "https://arxiv.org/abs/2401.12345",
    } == root.urls


def test_a_base_at_a_url_keeps_its_url() -> None:
    """A base that is no repository of the hub is linked as it is."""
    result = resolution({"README.md": "---\nbase_model: https://example.org/models/x.bin\n---\n"})
    assert {"website": "https://example.org/models/x.bin"} == result.component("model:x.bin").urls


def test_the_same_target_gives_the_same_result() -> None:
    """Nothing depends on chance."""
    files = {
        "config.json": CONFIG,
        "README.md": "---\nbase_model: [a/b, c/d]\ndatasets: [e/f]\n---\n",
        "requirements.txt": "b\na\n",
    }
    assert resolution(files) == resolution(files)


def test_rules_are_named_once() -> None:
    """Every rule of the resolvers has an id of its own and says what to do."""
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert all(rule.summary and rule.explanation and rule.help for rule in RULES)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["a/b", "../x", "mit", "llama", "LORA"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([
    "model_type", "architectures", "_class_name", "auto_map", "quantization_config", "id2label", "peft_type",
    "revision",
    "base_model_name_or_path", "_name_or_path", "pretrained_cfg", "__version__", "license", "base_model", "datasets",
    "model-index", "tags", "text_config", "vocab_size", "hidden_size", "num_experts", "sklearn", "spacy_version",
    "dependencies", "models", "slices", "default", "co2_eq_emissions", "license_name", "license_link", "task_type",
])  # fmt: skip
PATHS = st.sampled_from([
    "config.json", "adapter_config.json", "model_index.json", "modules.json", "meta.json", "Pipfile.lock", "README.md",
    "mergekit_config.yml", "environment.yml", "MLmodel", "tokenizer_config.json", "sub/config.json", "Kitfile",
    "open_clip_config.json", "training_params.json", "args.yaml", ".eval_results/a.yaml", "bentofile.yaml",
])  # fmt: skip


@given(st.dictionaries(PATHS, st.dictionaries(KEYS, VALUES, max_size=6) | VALUES, max_size=4))
@settings(max_examples=200, deadline=None)
def test_files_of_any_content_are_survived(files: dict[str, object]) -> None:
    """Whatever stands under the keys that are read, the target resolves and hangs together."""
    texts = {
        path: f"---\n{json.dumps(value)}\n---\n" if path == "README.md" else json.dumps(value)
        for path, value in files.items()
    }
    consistent(resolution(texts, [weights("model.safetensors", {"a": (2,)})]))


@pytest.mark.parametrize("kind", ["file", "web"])
def test_one_file_alone_misses_nothing(kind: str) -> None:
    """Beside one file nobody puts a card or a license: that they are not there is only noted."""
    found = resolution({}, [weights("model.onnx", {"a": [2]})], facts=SourceFacts(kind=kind))
    assert [("card-missing", "info"), ("license-undetermined", "info")] == said(found.findings)
    stated = resolution(
        {}, [weights("model.onnx", {"a": [2]}, metadata={"license": "mit"})], facts=SourceFacts(kind=kind)
    )
    assert [("card-missing", "info"), ("license-missing-text", "info")] == said(stated.findings)
    vague = resolution(
        {}, [weights("model.onnx", {"a": [2]}, metadata={"license": "other"})], facts=SourceFacts(kind=kind)
    )
    assert ("license-undetermined", "medium") in said(vague.findings)


def test_bases_of_a_base_that_only_the_files_name() -> None:
    """What a GGUF says of the quantized model's own base stands above that model, where nothing else is known of it."""
    metadata: dict[str, str | int | float | bool] = {
        "general.architecture": "llama",
        "general.name": "Chat 8B",
        "general.base_model.0.repo_url": "https://huggingface.co/acme/base-8b",
        "general.file_type": 15,
    }
    card = "---\nbase_model: acme/chat-8b\nlicense: mit\n---\n"
    result = resolution({"README.md": card}, [weights("m.gguf", {"a": (2,)}, metadata=metadata)])
    derived = [
        (item.source, item.target, item.derivation.value)
        for item in result.relations
        if item.kind is RelationKind.DERIVED_FROM and item.derivation
    ]
    assert [
        ("model:acme/chat-8b", "model:acme/base-8b", "unknown"),
        ("model", "model:acme/chat-8b", "quantized"),
    ] == derived
    consistent(result)
