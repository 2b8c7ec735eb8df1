"""Report custom code that a model's configuration asks its loader to run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aibom.files import Location
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.resolvers.documents import mapping
from aibom.resolvers.hub_names import parse_name
from aibom.resolvers.repository import Repository, folder_of, join, line_of, name_of

REMOTE_CODE = Rule(
    id="remote-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="The configuration asks the loader to run code of the repository",
    explanation=(
        "The configuration names Python files that a loader imports and runs when it is told to trust remote code. "
        "Several loaders have run such code without being told to, so that refusing it is no protection by itself."
    ),
    help="Read the files that are named, pin the repository to a commit, or use a version of the model without them.",
    references=(
        "https://huggingface.co/docs/transformers/custom_models",
        "https://nvd.nist.gov/vuln/detail/CVE-2025-66448",
        "https://nvd.nist.gov/vuln/detail/CVE-2026-22807",
        "https://nvd.nist.gov/vuln/detail/CVE-2026-4372",
    ),
    cwes=(94, 829),
)

# Rules that say that code acts: runs processes, opens connections, writes files, hides what it does.
_ACTING = frozenset({"malicious-code"})
_CONFIGS = frozenset({
    "config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json",
    "generation_config.json", "adapter_config.json", "model_index.json", "modules.json",
    "video_preprocessor_config.json",
})  # fmt: skip
_KERNEL_KEYS = ("attn_implementation", "attn_implementation_internal", "experts_implementation")
_KERNEL = re.compile(r"[\w.\-]+/[\w.\-]+")  # `owner/name`, maybe with `@revision` and `:function`
_OWN_PACKAGES = ("sentence_transformers.", "torch.", "transformers.", "diffusers.", "peft.", "pylate.")


def resolve_remote_code(repository: Repository) -> tuple[Finding, ...]:
    """Return a finding for each configuration file that names code, with what is known of that code."""
    acting = {
        item.file.path for item in repository.inspections for finding in item.findings if finding.rule.id in _ACTING
    }
    found = []
    for path in repository.paths():
        if name_of(path) not in _CONFIGS:
            continue
        named = dict.fromkeys(_named(repository, path))
        if named:
            found.append(_finding(repository, path, list(named), acting))
    return tuple(found)


def _finding(repository: Repository, path: str, named: list[tuple[str, str]], acting: set[str]) -> Finding:
    folder = folder_of(path)
    local: list[str] = []
    absent: list[str] = []
    elsewhere: list[str] = []
    dangerous: list[str] = []
    for _, target in named:
        owner, separator, module = target.rpartition("--")
        if separator:
            parsed = parse_name(owner.partition(":")[0].partition("@")[0])
            elsewhere.append(parsed.shown if parsed else owner[:100])
            continue
        file = _module_file(repository, folder, module)
        if file in acting:
            dangerous.append(file)
        (local if file in repository else absent).append(file)
    parts = []
    if local:
        parts.append(f"runs {', '.join(dict.fromkeys(local))}"[:300])
    if absent:
        parts.append(f"names {', '.join(dict.fromkeys(absent))}, which is not here"[:300])
    if elsewhere:
        parts.append(f"runs code from {', '.join(dict.fromkeys(elsewhere))}, which was not looked at"[:300])
    if dangerous:
        parts.append(f"{', '.join(dict.fromkeys(dangerous))} acts when it is loaded"[:300])
    # Code that is fetched from elsewhere when the model is loaded was seen by nobody here.
    severity = Severity.HIGH if dangerous or elsewhere else REMOTE_CODE.severity
    keys = tuple(dict.fromkeys(f"{key}: {target}"[:200] for key, target in named))
    line = line_of(repository.text(path), f'"{named[0][0].partition(".")[0]}"')
    return Finding.of(
        REMOTE_CODE, "; ".join(parts), Location(path=path, line=line), severity=severity, evidence=keys[:20]
    )


def _module_file(repository: Repository, folder: str, module: str) -> str:
    """A module path may lead into folders; its last part is a class."""
    file = join(folder, module.rpartition(".")[0].replace(".", "/") + ".py")
    return file if file in repository else join(folder, module.partition(".")[0] + ".py")


def _named(repository: Repository, path: str) -> Iterator[tuple[str, str]]:
    """Yield where code is named: the key, and `module.Class`, with `owner/name--` before it for another repository."""
    name, value = name_of(path), repository.json(path)
    if name == "modules.json":
        for index, item in enumerate(value if isinstance(value, list) else []):
            kind = mapping(item).get("type")
            if isinstance(kind, str) and kind and not kind.startswith(_OWN_PACKAGES):
                yield f"{index}.type", kind
        return
    config: Mapping[str, Any] = mapping(value)
    for key, kernel in kernel_repositories(config).items():
        # `--` marks code of another repository, here one of compiled kernels.
        yield key, f"{kernel}--kernel"
    for key, target in mapping(config.get("auto_map")).items():
        for item in target if isinstance(target, list) else [target]:
            if isinstance(item, str) and item:
                yield f"auto_map.{key}", item
    mapped = config.get("auto_mapping")
    if name == "adapter_config.json" and isinstance(mapped, dict):
        library, model = mapped.get("parent_library"), mapped.get("base_model_class")
        if isinstance(library, str) and isinstance(model, str) and not library.startswith(_OWN_PACKAGES):
            yield "auto_mapping", f"{library}.{model}"
    for key, block in mapping(config.get("custom_pipelines")).items():
        implementation = mapping(block).get("impl")
        if isinstance(implementation, str):
            yield f"custom_pipelines.{key}", implementation
    if name == "model_index.json":
        yield from _pipeline_parts(repository, folder_of(path), config)


def kernel_repositories(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that name a repository of kernels, which transformers fetches and imports.

    `_attn_implementation_internal` did so without being asked (CVE-2026-4372).
    """
    blocks = [("", config)]
    blocks += [(f"{key}.", block) for key, block in config.items() if isinstance(block, dict)]
    return {
        f"{prefix}{key}": value
        for prefix, block in blocks
        for key, value in block.items()
        if key.endswith(_KERNEL_KEYS) and isinstance(value, str) and _KERNEL.match(value)
    }


def _pipeline_parts(repository: Repository, folder: str, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """In a diffusers index a part is `[library, class]`; a library that is a file of the repository is custom code."""
    own = config.get("_class_name")
    if isinstance(own, list) and len(own) == 2 and all(isinstance(item, str) for item in own):
        yield "_class_name", f"{own[0]}.{own[1]}"
    for key, part in config.items():
        match part:
            case [str(library), str(name)] if join(join(folder, key), f"{library}.py") in repository:
                yield key, f"{key}.{library}.{name}"
            case _:
                pass


RULES = (REMOTE_CODE,)
