"""Gather the software that a model's files ask for, or say that they were written with."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from msgspec import Struct

from aibom.data.tables import load_rows
from aibom.files import Location, Role
from aibom.findings import Evidence, Finding, Severity
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE
from aibom.resolvers.documents import mapping
from aibom.resolvers.manifests import reader_for
from aibom.resolvers.repository import Repository, name_of, stated
from aibom.resolvers.requirements import Requirement, normalized

_MAX_DEPENDENCIES = 10_000
# Keys under which libraries note their own version in what they write.
_CONFIG_KEYS: Mapping[str, str] = {
    "transformers_version": "transformers",
    "peft_version": "peft",
    "_diffusers_version": "diffusers",
    "spacy_version": "spacy",
    "keras_version": "keras",
    "mlflow_version": "mlflow",
    "sentence_transformers_version": "sentence-transformers",
    "adapters_version": "adapters",
}
_CONFIG_FILES = frozenset({
    "config.json", "adapter_config.json", "model_index.json", "generation_config.json", "meta.json", "metadata.json",
    "config_sentence_transformers.json", "processor_config.json", "preprocessor_config.json",
})  # fmt: skip
_NESTED_NAMES = {"sentence_transformers": "sentence-transformers", "transformers": "transformers", "pytorch": "torch"}


@cache
def _projects() -> Mapping[str, str]:
    """Modules and the projects they belong to; what is not in the table is not guessed."""
    return {row["module"]: row["project"] for row in load_rows("python_projects.csv", ("module", "project"))}


class Dependency(Struct, frozen=True, kw_only=True):
    """A library or image. `version` only where pinned, `range` where bounded, `written_with` what wrote the files."""

    ecosystem: str
    name: str
    version: str | None
    range: str | None
    written_with: str | None
    url: str | None
    evidence: tuple[Evidence, ...]


class Dependencies(Struct, frozen=True, kw_only=True):
    """What was found, sorted by name, and whether something was left out."""

    items: tuple[Dependency, ...]
    findings: tuple[Finding, ...] = ()


def resolve_dependencies(repository: Repository) -> Dependencies:
    """Return the dependencies of a target, each name and version once."""
    groups: dict[tuple[str, str], list[Requirement]] = {}
    findings: list[Finding] = []
    for count, item in enumerate(_all(repository)):
        if count >= _MAX_DEPENDENCIES:
            message = f"only the first {_MAX_DEPENDENCIES} dependencies were read"
            findings.append(Finding.of(INSPECTION_INCOMPLETE, message, Location(path=item.path), severity=Severity.LOW))
            break
        groups.setdefault((item.ecosystem, item.name), []).append(item)
    merged = [dependency for group in groups.values() for dependency in _merge(group)]
    ordered = sorted(merged, key=lambda item: (item.ecosystem, item.name, item.version or "", item.range or ""))
    return Dependencies(items=tuple(ordered), findings=tuple(findings))


def _all(repository: Repository) -> Iterator[Requirement]:
    for path in repository.paths():
        if (reader := reader_for(path)) is not None:
            yield from reader(repository, path)
        elif name_of(path) in _CONFIG_FILES:
            yield from _config_versions(path, repository.json(path))
    yield from _imports(repository)


def _merge(group: list[Requirement]) -> Iterator[Dependency]:
    """One entry a pinned version; where nothing is pinned, one entry with the bound that is stated."""
    exact = dict.fromkeys(item.version for item in group if item.version)
    loose = [item for item in group if not item.version]
    written = next((item.written_with for item in group if item.written_with), None)
    bound = next((item.range for item in loose if item.range), None)
    url = next((item.url for item in group if item.url), None)
    versions: list[str | None] = [*exact] or [None]
    for version in versions:
        items = [item for item in group if item.version == version] + (loose if exact else [])
        yield Dependency(
            ecosystem=group[0].ecosystem,
            name=group[0].name,
            version=version,
            range=None if version else bound,
            written_with=written,
            url=url,
            evidence=tuple(dict.fromkeys(stated(item.path, item.statement, item.line) for item in items[:20])),
        )


def _config_versions(path: str, value: Any) -> Iterator[Requirement]:
    config = mapping(value)
    nested = mapping(config.get("__version__"))
    found = [(key, name, config.get(key)) for key, name in _CONFIG_KEYS.items()]
    found += [(f"__version__.{key}", name, nested.get(key)) for key, name in _NESTED_NAMES.items()]
    for key, name, version in found:
        if isinstance(version, str) and version:
            yield Requirement(
                ecosystem="pypi",
                name=name,
                path=path,
                written_with=version[:100],
                statement=f"{key}: {version}"[:300],
            )


def _imports(repository: Repository) -> Iterator[Requirement]:
    """Yield what custom code imports: a project without a version, where module and project are known to belong."""
    projects = _projects()
    own = {name_of(path).removesuffix(".py") for path in repository.paths() if path.endswith(".py")}
    for item in repository.inspections:
        if item.file.role is not Role.CODE or item.file.members:
            continue
        for found in item.imports:
            module = found.module.partition(".")[0]
            if module and module not in sys.stdlib_module_names and module not in own and module in projects:
                yield Requirement(
                    ecosystem="pypi",
                    name=normalized(projects[module]),
                    path=item.file.path,
                    line=found.location.line,
                    statement=f"import {module}",
                )


def ref_of(dependency: Dependency) -> str:
    """Return the ref under which the library stands among a target's components."""
    version = f"@{dependency.version}" if dependency.version else ""
    return f"{dependency.ecosystem}:{dependency.name}{version}"


def purl_of(dependency: Dependency) -> str:
    """Return the package URL, with the version where it is pinned."""
    from packageurl import PackageURL  # noqa: PLC0415 -- start-up time

    owner, _, name = dependency.name.rpartition("/")
    return PackageURL(
        type=dependency.ecosystem, namespace=owner or None, name=name, version=dependency.version
    ).to_string()
