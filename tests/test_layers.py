from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "aibom"

# Lowest first. A module imports only from its own layer or a lower one.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("_version", "errors", "limits", "files", "findings", "components", "report", "settings"),
    ("data",),
    ("sources", "formats", "containers", "sequential", "digests", "portable_names", "inventory"),
    ("inspectors",),
    ("integrity", "resolvers"),
    ("assessors", "rules"),
    ("emitters", "documents", "changes", "compare", "tensor_changes", "score", "attest", "lift", "overview"),
    ("inspection", "pipeline", "cache"),
    ("fleet", "history", "config"),
    ("cli", "__init__", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# What runs a target's bytes when it reads them has no place in a scanner.
FORBIDDEN = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "torch", "tensorflow", "keras"}
MODULES = sorted(SRC.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            if node.module == "aibom":
                yield from ((node.lineno, f"aibom.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_data_goes_one_way(path: Path) -> None:
    """A module imports only from its own layer or a lower one, and the layer of every module is known."""
    own = room(path)
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] != "aibom" or len(parts) == 1:
            continue
        # `from aibom import x` of a name that is no module (`__version__`) comes from the package itself.
        other = parts[1] if parts[1] in LEVEL or (SRC / parts[1]).exists() else "__init__"
        assert other in LEVEL, f"{path.name}:{line}: {other} has no layer"
        assert LEVEL[other] <= LEVEL[own], f"{path.name}:{line}: {own} may not import {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_nothing_that_runs_a_target_is_imported(path: Path) -> None:
    """No module of the scanner imports an unpickler or a framework that holds one."""
    used = {name.split(".")[0] for _, name in imports(path)}
    assert used.isdisjoint(FORBIDDEN), used & FORBIDDEN


def test_modules_keep_names_of_their_own() -> None:
    """No module has the name of one in the standard library, which it would hide inside its folder."""
    import sys  # noqa: PLC0415

    names = {path.stem for path in MODULES} - {"__init__", "__main__"}
    assert names.isdisjoint(sys.stdlib_module_names), names & sys.stdlib_module_names


def test_there_are_no_drawers() -> None:
    """What a module is for stands in its name."""
    assert {path.stem for path in MODULES}.isdisjoint({"utils", "helpers", "base", "common", "misc"})
