"""Custom code that a configuration names is reported, with what is known of it."""

from __future__ import annotations

import json

import pytest
from tests.resolvers.targets import repository

from aibom.components import Inspection
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.resolvers.remote_code import resolve_remote_code

MALICIOUS = Rule(
    id="malicious-code", subject=Subject.CODE_ON_LOAD, severity=Severity.HIGH, summary="s", explanation="e", help="h"
)


def code(path: str, *findings: Finding) -> Inspection:
    file = RepoFile(path=path, size=1, format=Format.PYTHON, role=Role.CODE)
    return Inspection(file=file, coverage=Coverage.COMPLETE, findings=findings)


def found(files: dict[str, object], *more: Inspection) -> list[tuple[str, str]]:
    texts = {path: json.dumps(value, indent=1) for path, value in files.items()}
    return [(finding.severity.value, finding.message) for finding in resolve_remote_code(repository(texts, more))]


AUTO = {"auto_map": {"AutoModel": "modeling_x.Model", "AutoConfig": "modeling_x.Config"}}


def test_code_in_the_repository_is_named() -> None:
    """Code in which nothing acting was found is for a reader."""
    assert [("medium", "runs modeling_x.py")] == found({"config.json": AUTO}, code("modeling_x.py"))


def test_code_that_acts_is_grave() -> None:
    """Code that acts when it is loaded makes the reference high."""
    acting = code("modeling_x.py", Finding.of(MALICIOUS, "runs a process"))
    assert [("high", "runs modeling_x.py; modeling_x.py acts when it is loaded")] == found(
        {"config.json": AUTO}, acting
    )


def test_code_of_another_repository_is_grave() -> None:
    """Code that is fetched from elsewhere was seen by nobody here."""
    config = {"auto_map": {"AutoModel": "a/b--modeling.Model"}}
    assert [("high", "runs code from a/b, which was not looked at")] == found({"config.json": config})


@pytest.mark.parametrize(
    "config",
    [
        {"_attn_implementation_internal": "evil/kernels"},
        {"text_config": {"attn_implementation": "kernels-community/flash-attn@v1:flash"}},
    ],
)
def test_a_repository_of_kernels_is_code_from_elsewhere(config: object) -> None:
    """A setting that names a repository of kernels makes transformers fetch and import it."""
    ((severity, message),) = found({"config.json": config})
    assert ("high", True) == (severity, message.startswith("runs code from "))
    assert [] == found({"config.json": {"attn_implementation": "sdpa", "_attn_implementation_autoset": True}})


def test_absent_code_is_said() -> None:
    """A module that is not in the target is named as absent."""
    assert [("medium", "names modeling_x.py, which is not here")] == found({"config.json": AUTO})


def test_code_beside_a_nested_configuration_is_found() -> None:
    """Modules are looked for beside their configuration."""
    config = {"auto_map": {"AutoTokenizer": ["tok.Slow", None]}}
    assert [("medium", "runs sub/tok.py")] == found({"sub/tokenizer_config.json": config}, code("sub/tok.py"))


def test_the_line_is_given() -> None:
    """The finding points to where the code is named."""
    (finding,) = resolve_remote_code(repository({"config.json": json.dumps({"a": 1, **AUTO}, indent=1)}))
    assert str(finding.location) == "config.json:3"


@pytest.mark.parametrize(
    ("path", "config", "files"),
    [
        ("modules.json", [{"type": "custom_st.Transformer"}], ("custom_st.py",)),
        ("modules.json", [{"type": "pkg.inner.Thing"}], ("pkg/inner.py",)),
        ("adapter_config.json", {"auto_mapping": {"parent_library": "mine", "base_model_class": "M"}}, ("mine.py",)),
        ("config.json", {"custom_pipelines": {"task": {"impl": "pipe.Pipeline"}}}, ("pipe.py",)),
        ("model_index.json", {"_class_name": ["pipeline", "My"]}, ("pipeline.py",)),
        ("model_index.json", {"_class_name": "X", "unet": ["my_unet", "U"]}, ("unet/my_unet.py",)),
    ],
)
def test_every_way_to_name_code_is_known(path: str, config: object, files: tuple[str, ...]) -> None:
    """transformers, sentence-transformers, PEFT and diffusers each have ways of their own."""
    assert [("medium", f"runs {files[0]}")] == found({path: config}, *map(code, files))


@pytest.mark.parametrize(
    ("path", "config"),
    [
        ("config.json", {}),
        ("config.json", {"auto_map": [1], "custom_pipelines": {"a": 3}}),
        ("modules.json", [{"type": "sentence_transformers.models.Transformer"}, 3]),
        ("modules.json", {"type": "x.y"}),
        ("adapter_config.json", {"auto_mapping": {"parent_library": "transformers.models", "base_model_class": "M"}}),
        ("adapter_config.json", {"auto_mapping": {"parent_library": 3}}),
        ("model_index.json", {"_class_name": "X", "unet": ["diffusers", "U"], "vae": 3}),
        ("other.json", AUTO),
    ],
)
def test_ordinary_configurations_name_no_code(path: str, config: object) -> None:
    """What the libraries themselves provide is no custom code."""
    assert [] == found({path: config})


def test_a_hostile_owner_is_shown_short() -> None:
    """What stands where an owner belongs is cut."""
    config = {"auto_map": {"AutoModel": "x" * 500 + "--m.M"}}
    ((severity, message),) = found({"config.json": config})
    assert ("high", True) == (severity, len(message) < 400)
