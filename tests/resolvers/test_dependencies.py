"""Declared software is named with exact versions where they are pinned; nothing is resolved or guessed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.resolvers.targets import repository, said

from aibom.components import Import, Inspection, Use, Verdict
from aibom.files import Coverage, Format, Location, RepoFile, Role
from aibom.resolvers import dependencies
from aibom.resolvers.dependencies import Dependency, purl_of, resolve_dependencies
from aibom.resolvers.requirements import parse_requirement


def found(files: dict[str, str], *more: Inspection) -> tuple[Dependency, ...]:
    return resolve_dependencies(repository(files, more)).items


def outline(items: tuple[Dependency, ...]) -> list[tuple[str, str | None, str | None]]:
    return [(item.name, item.version, item.range) for item in items]


REQUIREMENTS = """
# comment
torch==2.5.1 --hash=sha256:abc \\
    --hash=sha256:def
Transformers>=4.40,<5  # why
numpy==1.*
scikit_learn
-r other.txt
--index-url https://user:secret@example.org/simple
-e git+https://token@github.com/acme/tool.git@main#egg=acme-tool
https://example.org/pkgs/thing-1.0.tar.gz
pkg @ https://user:pw@example.org/pkg.whl
requests[socks]==2.0 ; python_version < "3.9"
not a requirement!!
"""


def test_requirement_lines_are_read_as_pip_reads_them() -> None:
    """Pins are versions, bounds are ranges, options and hashes are left aside, passwords do not stay."""
    items = found({"requirements.txt": REQUIREMENTS})
    assert [
        ("acme-tool", None, None),
        ("numpy", None, "==1.*"),
        ("pkg", None, None),
        ("requests", "2.0", None),
        ("scikit-learn", None, None),
        ("thing-1-0-tar-gz", None, None),
        ("torch", "2.5.1", None),
        ("transformers", None, "<5,>=4.40"),
    ] == outline(items)
    assert not any(word in repr(items) for word in ("secret", "token@", ":pw@"))
    assert str(items[6].evidence[0].location) == "requirements.txt:3"


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-dev.txt",
        "dev_requirements.txt",
        "requirements/base.txt",
        "sub/requirements.in",
    ],
)
def test_requirement_files_have_many_names(name: str) -> None:
    """Requirement files are known by their usual names."""
    assert [("a", "1", None)] == outline(found({name: "a==1"}))


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "pyproject.toml",
            ('[project]\ndependencies = ["a==1", "b>2"]\noptional-dependencies.x = ["c"]\n[dependency-groups]\n'
            'd = ["e==3", {include-group = "x"}]\n[tool.poetry.dependencies]\npython = "^3.11"\nf = "^1.2"\n'
            'g = {version = "==4"}\nh = "*"\n[tool.poetry.group.dev.dependencies]\ni = "1"\n'),
            [("a", "1", None), ("b", None, ">2"), ("c", None, None), ("e", "3", None), ("f", None, "^1.2"),
             ("g", "4", None), ("h", None, None), ("i", None, "1")],
        ),
        ("pylock.toml", '[[packages]]\nname = "A_b"\nversion = "1"\n', [("a-b", "1", None)]),
        ("pylock.toml", '[[packages]]\nname = "c"\n', [("c", None, None)]),
        ("pylock.dev.toml", '[[packages]]\nname = "a"\nversion = "1"\n', [("a", "1", None)]),
        (
            "uv.lock",
            ('[[package]]\nname = "own"\nversion = "0"\nsource = { editable = "." }\n'
            '[[package]]\nname = "a"\nversion = "1"\n'),
            [("a", "1", None)],
        ),
        ("poetry.lock", '[[package]]\nname = "a"\nversion = "1"\n', [("a", "1", None)]),
        ("Pipfile", '[packages]\na = "*"\nb = "==2"\n', [("a", None, None), ("b", "2", None)]),
        ("Pipfile.lock", '{"default": {"a": {"version": "==1"}}}', [("a", "1", None)]),
        ("Pipfile.lock", '{"develop": {"b": {"git": "x"}}}', [("b", None, None)]),
        ("setup.cfg", "[options]\ninstall_requires =\n  a==1\n  b>=2\n", [("a", "1", None), ("b", None, ">=2")]),
        ("setup.cfg", "no section", []),
        ("python_env.yaml", "python: 3.11\ndependencies:\n- a==1\n- -r requirements.txt\n", [("a", "1", None)]),
        ("bentofile.yaml", "python:\n  packages: [a==1]\n", [("a", "1", None)]),
        ("environment.yml", "dependencies: 3\n", []),
        ("uv.lock", "[", []),
        ("bentofile.yaml", "[", []),
        ("environment.yml", "[", []),
        ("MLmodel", "[", []),
    ],
)  # fmt: skip
def test_manifests_are_read(path: str, text: str, expected: list[tuple[str, str | None, str | None]]) -> None:
    """Each kind of project and lock file gives its names, versions and bounds."""
    assert expected == outline(found({path: text}))


def test_conda_pins_are_told_from_prefixes() -> None:
    """One equals sign pins a prefix in conda, two pin a version; the pip list belongs to PyPI."""
    text = (
        "- python=3.11\n- pytorch::pytorch==2.1\n- numpy=1.2=py311\n- scipy>=1\n- Bad Name\n- pip:\n  - a==1\n  - ./x\n"
    )
    items = found({"conda.yaml": f"dependencies:\n{text}"})
    assert [
        ("conda", "numpy", "1.2", None), ("conda", "python", None, "=3.11"), ("conda", "pytorch", "2.1", None),
        ("conda", "scipy", None, ">=1"), ("pypi", "a", "1", None),
    ] == [(item.ecosystem, item.name, item.version, item.range) for item in items]  # fmt: skip
    assert purl_of(items[0]) == "pkg:conda/numpy@1.2"


def test_dockerfiles_name_images_and_packages() -> None:
    """Base images and `pip install` words are read; stages and build arguments are none."""
    text = (
        "FROM --platform=x pytorch/pytorch:2.1 AS base\nFROM base\nFROM scratch\nFROM ${X}\n"
        "FROM python@sha256:aa\nFROM localhost:5000/img\n"
        "RUN apt-get update && pip install --no-cache-dir 'a==1' b>=2 \\\n  c -r x.txt && echo d\n"
    )
    items = found({"Dockerfile": text})
    assert {
        ("docker", "pytorch/pytorch", "2.1"), ("docker", "python", "sha256:aa"), ("docker", "localhost:5000/img", None),
        ("pypi", "a", "1"), ("pypi", "b", None), ("pypi", "c", None),
    } <= {(item.ecosystem, item.name, item.version) for item in items}  # fmt: skip
    assert not any(item.name in {"base", "d", "scratch"} for item in items)
    assert "pkg:docker/pytorch/pytorch@2.1" in {purl_of(item) for item in items}


def test_mlflow_says_what_wrote_the_model() -> None:
    """Flavor versions of MLmodel are versions of what wrote it, not pins."""
    text = (
        "mlflow_version: 2.9\nflavors:\n  sklearn:\n    sklearn_version: 1.4\n    python_version: 3.11\n    code: x\n"
    )
    items = found({"MLmodel": text})
    assert [("mlflow", None, "2.9"), ("scikit-learn", None, "1.4")] == [
        (item.name, item.version, item.written_with) for item in items
    ]


def test_configurations_say_what_wrote_them() -> None:
    """`transformers_version` and its kin bind nobody: they are no versions and no ranges."""
    items = found({
        "config.json": '{"transformers_version": "4.5"}',
        "config_sentence_transformers.json": '{"__version__": {"pytorch": "2.1", "sentence_transformers": 3}}',
    })  # fmt: skip
    assert [("torch", None, None, "2.1"), ("transformers", None, None, "4.5")] == [
        (item.name, item.version, item.range, item.written_with) for item in items
    ]


def test_a_pin_takes_up_what_is_looser() -> None:
    """One name is one entry: the pinned version, with all places as evidence."""
    items = found(
        {"requirements.txt": "a>=1", "uv.lock": '[[package]]\nname = "a"\nversion = "1.5"\n', "config.json": "{}"}
    )
    assert [("a", "1.5", None)] == outline(items)
    assert 2 == len(items[0].evidence)


def test_two_pins_are_two_entries() -> None:
    """Where files pin different versions, both are named."""
    assert [("a", "1", None), ("a", "2", None)] == outline(
        found({"requirements.txt": "a==1", "requirements-gpu.txt": "a==2"})
    )


def code(path: str, *modules: str) -> Inspection:
    file = RepoFile(path=path, size=1, format=Format.PYTHON, role=Role.CODE)
    imports = tuple(
        Import(
            module=module, name="x", use=Use.REFERENCED, verdict=Verdict.UNKNOWN, location=Location(path=path, line=2)
        )
        for module in modules
    )
    return Inspection(file=file, coverage=Coverage.COMPLETE, imports=imports)


def test_imports_are_named_where_the_project_is_known() -> None:
    """`cv2` is opencv-python; a module of unknown origin, of the standard library or of the target is not guessed."""
    items = found({}, code("modeling.py", "cv2", "torch.nn", "os.path", "nobody_knows", "helper"), code("helper.py"))
    assert [("opencv-python", None, None), ("torch", None, None)] == outline(items)


def test_too_many_dependencies_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out is reported."""
    monkeypatch.setattr(dependencies, "_MAX_DEPENDENCIES", 2)
    result = resolve_dependencies(repository({"requirements.txt": "a\nb\nc\n"}))
    assert (2, [("inspection-incomplete", "low")]) == (len(result.items), said(result.findings))


@given(st.text(st.sampled_from("ab=<>!~;[](),@ #:/-.'1\\"), max_size=40))
@settings(max_examples=200)
def test_any_line_is_a_requirement_or_none(text: str) -> None:
    """Whatever stands in a line, it is a requirement or nothing."""
    parse_requirement(text, "r")
    resolve_dependencies(
        repository(
            {
                "requirements.txt": text,
                "Dockerfile": f"RUN pip install {text}",
                "environment.yml": f"dependencies:\n- {text}",
            }
        )
    )
