"""Read the dependencies of lock files, project files, environments and images, by the name of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aibom.resolvers.documents import mapping, texts
from aibom.resolvers.repository import Repository, name_of
from aibom.resolvers.requirements import Requirement, logical_lines, normalized, parse_requirement, read_requirements

_PINNED_CONDA = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)\s*(?:={1,2}\s*(?P<version>[^=\s*<>!,|]+)(?:=\S+)?)?$")
_CONDA_RANGE = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)\s*(?P<range>[<>=!~*][^#]*)$")
_PIP_INSTALL = re.compile(r"\bpip[0-9.]*\s+install\s+(?P<rest>[^&|;]*)")
_FROM_IMAGE = re.compile(r"\s*FROM\s+(?:--\S+\s+)*(?P<image>[^\s$]+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE)
_REQUIREMENT_NAME = re.compile(r"(^|[-_.])requirements?([-_.].*)?\.(txt|in|pip)$", re.IGNORECASE)


Reader = Callable[[Repository, str], Iterator[Requirement]]


def reader_for(path: str) -> Reader | None:
    """Return what reads this file's dependencies, by its name."""
    name = name_of(path)
    if _REQUIREMENT_NAME.search(name) or ("requirements/" in path and name.endswith(".txt")):
        return read_requirements
    lowered = name.lower()
    if re.fullmatch(r"(pylock(\.[\w-]+)?\.toml|uv\.lock|poetry\.lock)", lowered):
        return read_locked_packages
    if re.fullmatch(r"(.*[-_.])?(environment|conda)([-_.].*)?\.ya?ml", lowered):
        return read_conda
    if lowered == "dockerfile" or lowered.startswith("dockerfile.") or lowered.endswith(".dockerfile"):
        return read_dockerfile
    return _BY_NAME.get(lowered)


def read_locked_packages(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read pylock.toml (`packages`), uv.lock and poetry.lock (`package`): every entry has an exact version."""
    document = repository.toml(path) or {}
    for item in _list(document.get("packages")) + _list(document.get("package")):
        package = mapping(item)
        name, version = package.get("name"), package.get("version")
        # A project's own entry in uv.lock is no dependency.
        source = mapping(package.get("source"))
        if isinstance(name, str) and name and not {"virtual", "editable"} & set(source):
            exact = version if isinstance(version, str) and version else None
            yield Requirement(
                ecosystem="pypi",
                name=normalized(name),
                path=path,
                version=exact,
                statement=f"{name} {exact or ''}".strip(),
            )


def read_pyproject(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read `[project]` dependencies (PEP 621), `[dependency-groups]` (PEP 735) and Poetry's tables."""
    document = repository.toml(path) or {}
    project = mapping(document.get("project"))
    groups = [project.get("dependencies"), *mapping(project.get("optional-dependencies")).values()]
    groups += mapping(document.get("dependency-groups")).values()
    for group in groups:
        for item in texts(group):
            if found := parse_requirement(item, path):
                yield found
    poetry = mapping(mapping(document.get("tool")).get("poetry"))
    tables = [poetry.get("dependencies"), poetry.get("dev-dependencies")]
    tables += [mapping(group).get("dependencies") for group in mapping(poetry.get("group")).values()]
    for table in tables:
        yield from _named_versions(mapping(table), path)


def read_pipfile(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read Pipfile's `packages` and `dev-packages`."""
    document = repository.toml(path) or {}
    for key in ("packages", "dev-packages"):
        yield from _named_versions(mapping(document.get(key)), path)


def read_pipfile_lock(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read Pipfile.lock's `default` and `develop`: every entry has `version: ==...`."""
    document = mapping(repository.json(path))
    for key in ("default", "develop"):
        yield from _named_versions(mapping(document.get(key)), path)


def read_setup_cfg(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read `install_requires` of setup.cfg."""
    import configparser  # noqa: PLC0415 -- start-up time

    if (text := repository.text(path)) is None:
        return
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text.text)
    except configparser.Error:
        return
    for line in parser.get("options", "install_requires", fallback="").splitlines():
        if found := parse_requirement(line, path):
            yield found


def read_conda(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read a conda environment, with its `pip` list; also MLflow's python_env.yaml."""
    if (document := repository.yaml(path)) is None:
        return
    entries = mapping(document.value).get("dependencies")
    for index, item in enumerate(_list(entries)):
        line = document.lines.get(f"dependencies.{index}")
        if isinstance(item, str) and name_of(path) == "python_env.yaml":
            if found := parse_requirement(item, path, line):
                yield found
        elif isinstance(item, str):
            yield from _conda(item, path, line)
        else:
            for requirement in texts(mapping(item).get("pip")):
                if found := parse_requirement(requirement, path, line):
                    yield found


def read_mlmodel(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read the versions that an MLmodel file says it was written with (`sklearn_version`, `mlflow_version`)."""
    if (document := repository.yaml(path)) is None:
        return
    value = mapping(document.value)
    blocks = [("", value), *((f"flavors.{key}.", mapping(item)) for key, item in mapping(value.get("flavors")).items())]
    for prefix, block in blocks:
        for key, version in block.items():
            name = key.removesuffix("_version")
            if name != key and isinstance(version, str) and name in _VERSIONED:
                yield Requirement(
                    ecosystem="pypi",
                    name=_VERSIONED[name],
                    path=path,
                    line=document.lines.get(f"{prefix}{key}"),
                    written_with=version[:100],
                    statement=f"{prefix}{key}: {version}"[:300],
                )


def read_bentofile(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read `python.packages` of bentofile.yaml."""
    if (document := repository.yaml(path)) is None:
        return
    for item in texts(mapping(mapping(document.value).get("python")).get("packages")):
        if found := parse_requirement(item, path):
            yield found


def read_dockerfile(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read base images, and what `pip install` names."""
    if (text := repository.text(path)) is None:
        return
    stages: set[str] = set()
    for line, logical in logical_lines(text):
        if (match := _FROM_IMAGE.match(logical)) and match["image"].lower() not in stages | {"scratch"}:
            name, _, tag = match["image"].partition("@")[0].rpartition(":")
            digest = match["image"].partition("@")[2] or None
            image, version = (name, tag) if name and "/" not in tag else (match["image"].partition("@")[0], None)
            yield Requirement(
                ecosystem="docker", name=image, path=path, line=line, version=digest or version, statement=logical[:300]
            )
        if match and match["stage"]:
            stages.add(match["stage"].lower())
        for command in _PIP_INSTALL.finditer(logical):
            for word in command["rest"].split():
                if not word.startswith("-") and (found := parse_requirement(word.strip("\"'"), path, line)):
                    yield found


def _named_versions(table: Mapping[str, Any], path: str) -> Iterator[Requirement]:
    """Read a table of names and versions, as Poetry and Pipenv write them."""
    for name, value in table.items():
        raw = value if isinstance(value, str) else mapping(value).get("version")
        if name == "python" or not name:
            continue
        bound = raw.strip() if isinstance(raw, str) else ""
        exact = re.fullmatch(r"={2,3}\s*([^\s*,]+)", bound)
        yield Requirement(
            ecosystem="pypi",
            name=normalized(name),
            path=path,
            version=exact[1] if exact else None,
            range=None if exact or bound in {"", "*"} else bound[:200],
            statement=f"{name} {bound}"[:300].strip(),
        )


def _conda(item: str, path: str, line: int | None) -> Iterator[Requirement]:
    bare = item.rpartition("::")[2].strip()
    if match := _PINNED_CONDA.match(bare):
        # One `=` pins a prefix (`1.2` takes 1.2.9), two pin the version.
        exact = "==" in bare or bare.count("=") == 2
        version = match["version"]
        yield Requirement(
            ecosystem="conda",
            name=match["name"].lower(),
            path=path,
            line=line,
            version=version if exact else None,
            range=f"={version}" if version and not exact else None,
            statement=item[:300],
        )
    elif match := _CONDA_RANGE.match(bare):
        yield Requirement(
            ecosystem="conda",
            name=match["name"].lower(),
            path=path,
            line=line,
            range=match["range"][:200],
            statement=item[:300],
        )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# MLflow's name for a flavor's version, and the project that it is the version of.
_VERSIONED: Mapping[str, str] = {
    "mlflow": "mlflow",
    "sklearn": "scikit-learn",
    "pytorch": "torch",
    "transformers": "transformers",
    "keras": "keras",
    "tf": "tensorflow",
    "xgb": "xgboost",
    "lgb": "lightgbm",
    "onnx": "onnx",
    "spacy": "spacy",
    "catboost": "catboost",
    "sentence_transformers": "sentence-transformers",
    "langchain": "langchain",
    "openai": "openai",
    "statsmodels": "statsmodels",
    "prophet": "prophet",
}
_BY_NAME: Mapping[str, Reader] = {
    "pyproject.toml": read_pyproject,
    "pipfile": read_pipfile,
    "pipfile.lock": read_pipfile_lock,
    "setup.cfg": read_setup_cfg,
    "python_env.yaml": read_conda,
    "mlmodel": read_mlmodel,
    "bentofile.yaml": read_bentofile,
}
