"""Collect every statement about a base model in the files of a layout, with how far it is to be trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from aibom.components import Derivation, ModelCard
from aibom.files import Format
from aibom.findings import Evidence
from aibom.report import SourceFacts
from aibom.resolvers.documents import mapping, texts
from aibom.resolvers.hub_names import parse_name
from aibom.resolvers.layouts import Layout
from aibom.resolvers.lineage_gguf import gguf_claims
from aibom.resolvers.lineage_records import BaseClaim, Trust, claim_of, is_known_name
from aibom.resolvers.lineage_words import word_claims
from aibom.resolvers.repository import Repository, line_of, name_of, stated

_MERGE_FILES = ("mergekit_config.yml", "mergekit_config.yaml", "mergekit_moe_config.yml", "merge_config.yml")
_MAX_BASES = 100
# kohya's names for the base of a LoRA, and the repository that each stands for.
_SS_BASES = {
    "sd_v1": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "sdxl_base_v1-0": "stabilityai/stable-diffusion-xl-base-1.0",
    "sdxl_base_v0-9": "stabilityai/stable-diffusion-xl-base-0.9",
    "flux1": "black-forest-labs/FLUX.1-dev",
}
# The same in the Stability model specification, https://github.com/Stability-AI/ModelSpec.
_MODELSPEC_BASES = {
    "stable-diffusion-v1": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "stable-diffusion-xl-v1-base": "stabilityai/stable-diffusion-xl-base-1.0",
    "flux-1-dev": "black-forest-labs/FLUX.1-dev",
}


def collect_claims(
    repository: Repository, layout: Layout, card: ModelCard | None, facts: SourceFacts | None = None
) -> tuple[BaseClaim, ...]:
    """Return all claims, in the order of trust; `facts` are those of the target, where the layout is all of it."""
    found = [
        *_adapter(repository, layout),
        *_merge_recipe(repository, layout),
        *gguf_claims(layout),
        *_modelfile(repository, layout),
        *_manifest(facts),
        *_nemo(repository, layout),
        *_mlflow(repository, layout),
        *_trainer_metadata(layout),
        *_card(card),
        *_config_hints(repository, layout),
        *word_claims(card),
    ]
    return tuple(sorted(found[: _MAX_BASES * 4], key=lambda claim: claim.trust))


def _adapter(repository: Repository, layout: Layout) -> Iterator[BaseClaim]:
    if layout.marker.library != "peft" or not (path := layout.marker.path):
        return
    revision = layout.config.get("revision")
    key = "base_model_name_or_path"
    line = line_of(repository.text(path), f'"{key}"')
    for claim in claim_of(layout.config.get(key), path, key, Trust.TOOL, derivation=Derivation.ADAPTER, line=line):
        if isinstance(revision, str) and revision and claim.name.revision is None:
            yield replace(claim, name=replace(claim.name, revision=revision[:100]))
        else:
            yield claim


def _merge_recipe(repository: Repository, layout: Layout) -> Iterator[BaseClaim]:
    for file in _MERGE_FILES:
        path = repository.find(layout.folder, file)
        if path is None or (document := repository.yaml(path)) is None:
            continue
        recipe = mapping(document.value)
        for key, raw in list(_recipe_models(recipe))[:_MAX_BASES]:
            # `base+lora` names a model with an adapter applied to it: both went in.
            for part in raw.split("+"):
                yield from claim_of(
                    part, path, key, Trust.TOOL, derivation=Derivation.MERGE, line=document.lines.get(key)
                )


def _recipe_models(recipe: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _named("base_model", recipe.get("base_model"))
    for index, item in enumerate(_list(recipe.get("models"))):
        yield from _named(f"models.{index}", mapping(item).get("model"))
    for index, item in enumerate(_list(recipe.get("experts"))):
        yield from _named(f"experts.{index}", mapping(item).get("source_model"))
    slices = [("slices", recipe.get("slices"))]
    slices += [
        (f"modules.{name}.slices", mapping(item).get("slices")) for name, item in mapping(recipe.get("modules")).items()
    ]
    for prefix, value in slices:
        for index, item in enumerate(_list(value)):
            for number, source in enumerate(_list(mapping(item).get("sources"))):
                yield from _named(f"{prefix}.{index}.sources.{number}", mapping(source).get("model"))


def _named(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Mergekit writes a model as text, or as a mapping with `path` and `revision`."""
    match value:
        case str():
            yield key, value
        case {"model": {"path": str(path), **rest}} | {"path": str(path), **rest}:
            revision = rest.get("revision")
            yield key, f"{path}@{revision}" if isinstance(revision, str) and "/" in path else path
        case _:
            pass


def _modelfile(repository: Repository, layout: Layout) -> Iterator[BaseClaim]:
    path = repository.find(layout.folder, "Modelfile")
    if path is None or (text := repository.text(path)) is None:
        return
    for number, line in enumerate(text.text.split("\n")[:2000], 1):
        if match := re.match(r"\s*(FROM|ADAPTER)\s+(\S+)", line, re.IGNORECASE):
            adapter = match[1].upper() == "ADAPTER"
            raw = match[2]
            if raw.startswith(("./", "/", "~")) or raw.endswith((".gguf", ".safetensors")):
                continue  # a file beside the Modelfile, which is inspected itself
            name = raw if "/" in raw else raw.partition(":")[0]
            how = Derivation.ADAPTER if adapter else None
            yield from claim_of(name, path, match[1].upper(), Trust.TOOL, derivation=how, line=number)


def _manifest(facts: SourceFacts | None) -> Iterator[BaseClaim]:
    """A model packed for a registry names where it was taken from (`org.cncf.model` descriptor)."""
    raw = facts.claims.get("descriptor.sourceURL") if facts else None
    if isinstance(raw, str) and (name := parse_name(raw)) and name.kind == "hub":
        evidence = Evidence(statement=f"descriptor.sourceURL: {name.shown}", source="manifest")
        yield BaseClaim(name=name, trust=Trust.TOOL, evidence=evidence, derivation=Derivation.CONVERTED)


def _nemo(repository: Repository, layout: Layout) -> Iterator[BaseClaim]:
    """NeMo's configuration names what training started from, and the language model that was built in."""
    path = repository.find(layout.folder, "model_config.yaml")
    if path is None or (document := repository.yaml(path)) is None:
        return
    config = mapping(document.value)
    language = mapping(config.get("language_model")).get("pretrained_model_name")
    for key, raw in (
        *(
            (key, config.get(key))
            for key in ("init_from_pretrained_model", "restore_from_path", "init_from_nemo_model")
        ),
        ("language_model.pretrained_model_name", language),
    ):
        yield from claim_of(raw, path, key, Trust.TOOL, line=document.lines.get(key))


def _mlflow(repository: Repository, layout: Layout) -> Iterator[BaseClaim]:
    """MLflow keeps which model a transformers pipeline was, at which commit, and the data of its card."""
    path = repository.find(layout.folder, "MLmodel")
    if path is not None and (document := repository.yaml(path)) is not None:
        flavor = mapping(mapping(mapping(document.value).get("flavors")).get("transformers"))
        revision, key = flavor.get("source_model_revision"), "flavors.transformers.source_model_name"
        line = line_of(repository.text(path), "source_model_name")
        for claim in claim_of(flavor.get("source_model_name"), path, key, Trust.TOOL, line=line):
            pinned = revision[:100] if isinstance(revision, str) and revision else claim.name.revision
            yield replace(claim, name=replace(claim.name, revision=pinned))
    path = repository.find(layout.folder, "model_card_data.yaml")
    if path is not None and (document := repository.yaml(path)) is not None:
        for raw in texts(mapping(document.value).get("base_model"))[:_MAX_BASES]:
            yield from claim_of(raw, path, "base_model", Trust.CARD, line=document.lines.get("base_model"))


def _trainer_metadata(layout: Layout) -> Iterator[BaseClaim]:
    """LoRA trainers leave what they started from in the safetensors metadata: a hint, for it is free text."""
    for file in layout.files:
        if file.format is not Format.SAFETENSORS:
            continue
        metadata = file.inspection.metadata
        found = {
            "ss_base_model_version": _SS_BASES.get(str(metadata.get("ss_base_model_version"))),
            "modelspec.architecture": _MODELSPEC_BASES.get(
                str(metadata.get("modelspec.architecture")).partition("/")[0]
            ),
            "ss_sd_model_name": metadata.get("ss_sd_model_name"),
        }
        for key, raw in found.items():
            yield from claim_of(raw, file.path, key, Trust.HINT, derivation=Derivation.ADAPTER)


def _card(card: ModelCard | None) -> Iterator[BaseClaim]:
    if card is None:
        return
    for index, raw in enumerate(card.fields.get("base_model", ())[:_MAX_BASES]):
        line = card.lines.get(f"base_model.{index}", card.lines.get("base_model"))
        yield from claim_of(raw, card.path, "base_model", Trust.CARD, line=line)


def _config_hints(repository: Repository, layout: Layout) -> Iterator[BaseClaim]:
    path = layout.marker.config_path
    if path is None or name_of(path) != "config.json":
        return
    pretrained = mapping(layout.config.get("pretrained_cfg"))
    for key, raw in (("_name_or_path", layout.config.get("_name_or_path")), ("hf_hub_id", pretrained.get("hf_hub_id"))):
        for claim in claim_of(raw, path, key, Trust.HINT):
            # A path of the author's machine, or a class name that some versions write, names nothing.
            if is_known_name(claim.name):
                line = line_of(repository.text(path), f'"{key}"')
                yield replace(claim, evidence=stated(path, f"{key}: {claim.name.id}", line))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
