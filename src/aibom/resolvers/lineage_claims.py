"""Collect every statement about a base model in the files of a layout, with how far it is to be trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from aibom.components import Derivation, ModelCard, Scalar
from aibom.data.known_bases import canonical
from aibom.files import Format
from aibom.findings import Evidence
from aibom.report import SourceFacts
from aibom.resolvers.documents import mapping, texts
from aibom.resolvers.hub_names import ModelName, parse_name
from aibom.resolvers.layouts import Layout
from aibom.resolvers.repository import Repository, line_of, name_of, stated

_MERGE_FILES = ("mergekit_config.yml", "mergekit_config.yaml", "mergekit_moe_config.yml", "merge_config.yml")
_MAX_BASES = 100
_MIN_NAME = 6  # letters and digits of a name that may be the end of a longer one
_PLAIN_TYPES = frozenset({"F32", "F16", "BF16", "ALL_F32", "MOSTLY_F16", "0", "1", "32"})
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
# As the Trainer writes: This model is a fine-tuned version of a link to the base, on the data of this name.
_MADE_FROM = re.compile(
    r"(?:fine-?tuned?\b|distilled|quanti[sz]ed|converted|derived|adapted|based on|original model|base model)"
    r"(?:[^.\n]|\.(?!\s)){0,120}?https?://(?:huggingface\.co|hf\.co)/(?P<id>[\w.-]{1,96}(?:/(?!(?:blob|tree|resolve)/)[\w.-]{1,96})?)",
    re.IGNORECASE,
)
_NO_OWNERS = frozenset({"datasets", "spaces", "docs", "papers", "blog", "collections", "models", "learn", "tasks"})
_MAX_PROSE = 200_000  # characters of a card
_MAX_HINTS = 3


class Trust(IntEnum):
    """Who says it, the most trusted first: a tool that used the base, a person in the card, a hint."""

    TOOL = 1
    CARD = 2
    HINT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseClaim:
    """A statement that a model comes from another; `derivation` is None where the place does not say how.

    `about` is the name that the place gives to the model that it speaks of, where that may be another than the target:
    llama.cpp copies the bases that the converted model's own card names.
    """

    name: ModelName
    trust: Trust
    evidence: Evidence
    derivation: Derivation | None = None
    about: str | None = None


def collect_claims(
    repository: Repository, layout: Layout, card: ModelCard | None, facts: SourceFacts | None = None
) -> tuple[BaseClaim, ...]:
    """Return all claims, in the order of trust; `facts` are those of the target, where the layout is all of it."""
    found = [
        *_adapter(repository, layout),
        *_merge_recipe(repository, layout),
        *_gguf(layout),
        *_modelfile(repository, layout),
        *_manifest(facts),
        *_nemo(repository, layout),
        *_mlflow(repository, layout),
        *_trainer_metadata(layout),
        *_card(card),
        *_config_hints(repository, layout),
        *_prose(card),
    ]
    return tuple(sorted(found[: _MAX_BASES * 4], key=lambda claim: claim.trust))


def _claim(
    raw: Any, path: str, key: str, trust: Trust, *, derivation: Derivation | None = None, line: int | None = None
) -> Iterator[BaseClaim]:
    if isinstance(raw, str) and (name := parse_name(raw)):
        evidence = stated(path, f"{key}: {name.shown}", line)
        yield BaseClaim(name=name, trust=trust, evidence=evidence, derivation=derivation)


def _adapter(repository: Repository, layout: Layout) -> Iterator[BaseClaim]:
    if layout.marker.library != "peft" or not (path := layout.marker.path):
        return
    revision = layout.config.get("revision")
    key = "base_model_name_or_path"
    line = line_of(repository.text(path), f'"{key}"')
    for claim in _claim(layout.config.get(key), path, key, Trust.TOOL, derivation=Derivation.ADAPTER, line=line):
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
                yield from _claim(
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


def _gguf(layout: Layout) -> Iterator[BaseClaim]:
    for file in layout.files:
        metadata = file.inspection.metadata
        if file.format is not Format.GGUF or "general.architecture" not in metadata:
            continue
        kind = str(metadata.get("general.file_type", ""))
        derivation = Derivation.CONVERTED if kind.upper() in _PLAIN_TYPES else Derivation.QUANTIZED
        for key in ("general.source.huggingface.repository", "general.source.repo_url", "general.source.url"):
            yield from _claim(metadata.get(key), file.path, key, Trust.TOOL, derivation=derivation)
        # Where the source is named, the bases are what that was made from, in a way that the file does not tell.
        source = any(key.startswith("general.source.") for key in metadata)
        indices = list(_indices(metadata, "general.base_model."))
        if source:
            derivation = Derivation.UNKNOWN
        elif len(indices) > 1:
            derivation = Derivation.MERGE
        about = metadata.get("general.name")
        for index in indices:
            prefix = f"general.base_model.{index}"
            for claim in _claim(_gguf_name(metadata, prefix), file.path, prefix, Trust.TOOL, derivation=derivation):
                yield _of_another(claim, about) if isinstance(about, str) and not source else claim
        return  # every quantisation of one repository carries the same keys


def is_known_name(name: ModelName) -> bool:
    """Say whether a name leads to one repository: one with its owner, or an old one that is known to have moved."""
    return name.kind == "hub" or (name.kind == "name" and "/" in canonical(name.name))


def _of_another(claim: BaseClaim, about: str) -> BaseClaim:
    """A parent whose name is not the file's own was not merely stored in another form."""
    same = same_model(about, claim.name.name) or claim.derivation is Derivation.MERGE
    return replace(claim, about=about[:200], derivation=claim.derivation if same else Derivation.UNKNOWN)


def same_model(first: str, second: str) -> bool:
    """Compare names by letters and digits: `Meta Llama 3.1 8B` is `Llama-3.1-8B`, with the maker's name before it."""
    one, other = ("".join(char for char in name.lower() if char.isalnum()) for name in (first, second))
    return one == other or (min(len(one), len(other)) >= _MIN_NAME and (one.endswith(other) or other.endswith(one)))


def _gguf_name(metadata: Mapping[str, Scalar], prefix: str) -> Scalar | None:
    if url := metadata.get(f"{prefix}.repo_url"):
        return url
    owner, name = metadata.get(f"{prefix}.organization"), metadata.get(f"{prefix}.name")
    if isinstance(owner, str) and isinstance(name, str):
        # The converter turns dashes into spaces for the reader of the metadata.
        return f"{owner.replace(' ', '-')}/{name.replace(' ', '-')}"
    return name.lower().replace(" ", "-") if isinstance(name, str) else None


def _indices(metadata: Mapping[str, Scalar], prefix: str) -> Iterable[int]:
    """Return the numbers that keys of the metadata carry; a declared count is not believed."""
    found = {match for key in metadata if key.startswith(prefix) and (match := key[len(prefix) :].partition(".")[0])}
    return sorted(int(item) for item in found if item.isdecimal() and len(item) < 4)


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
            yield from _claim(name, path, match[1].upper(), Trust.TOOL, derivation=how, line=number)


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
        yield from _claim(raw, path, key, Trust.TOOL, line=document.lines.get(key))


def _mlflow(repository: Repository, layout: Layout) -> Iterator[BaseClaim]:
    """MLflow keeps which model a transformers pipeline was, at which commit, and the data of its card."""
    path = repository.find(layout.folder, "MLmodel")
    if path is not None and (document := repository.yaml(path)) is not None:
        flavor = mapping(mapping(mapping(document.value).get("flavors")).get("transformers"))
        revision, key = flavor.get("source_model_revision"), "flavors.transformers.source_model_name"
        line = line_of(repository.text(path), "source_model_name")
        for claim in _claim(flavor.get("source_model_name"), path, key, Trust.TOOL, line=line):
            pinned = revision[:100] if isinstance(revision, str) and revision else claim.name.revision
            yield replace(claim, name=replace(claim.name, revision=pinned))
    path = repository.find(layout.folder, "model_card_data.yaml")
    if path is not None and (document := repository.yaml(path)) is not None:
        for raw in texts(mapping(document.value).get("base_model"))[:_MAX_BASES]:
            yield from _claim(raw, path, "base_model", Trust.CARD, line=document.lines.get("base_model"))


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
            yield from _claim(raw, file.path, key, Trust.HINT, derivation=Derivation.ADAPTER)


def _card(card: ModelCard | None) -> Iterator[BaseClaim]:
    if card is None:
        return
    for index, raw in enumerate(card.fields.get("base_model", ())[:_MAX_BASES]):
        line = card.lines.get(f"base_model.{index}", card.lines.get("base_model"))
        yield from _claim(raw, card.path, "base_model", Trust.CARD, line=line)


def _config_hints(repository: Repository, layout: Layout) -> Iterator[BaseClaim]:
    path = layout.marker.config_path
    if path is None or name_of(path) != "config.json":
        return
    pretrained = mapping(layout.config.get("pretrained_cfg"))
    for key, raw in (("_name_or_path", layout.config.get("_name_or_path")), ("hf_hub_id", pretrained.get("hf_hub_id"))):
        for claim in _claim(raw, path, key, Trust.HINT):
            # A path of the author's machine, or a class name that some versions write, names nothing.
            if is_known_name(claim.name):
                line = line_of(repository.text(path), f'"{key}"')
                yield replace(claim, evidence=stated(path, f"{key}: {claim.name.id}", line))


def _prose(card: ModelCard | None) -> Iterator[BaseClaim]:
    """What a card says in words, as trainers and quantizers write it: a hint, where no field says more."""
    found, left = 0, _MAX_PROSE
    for section in card.sections if card else ():
        text, left = section.text[:left], left - min(left, len(section.text))
        for match in _MADE_FROM.finditer(text):
            if match["id"].partition("/")[0].lower() in _NO_OWNERS or found >= _MAX_HINTS:
                continue
            found += 1
            line = (section.text_line or section.line) + section.text.count("\n", 0, match.start("id"))
            assert card is not None
            yield from _claim(match["id"].rstrip("."), card.path, "in the text", Trust.HINT, line=line)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
