"""Material that others made: the sample files in the peers' source distributions, and the names that they deny.

Nothing of it is kept in this repository, imported or loaded: archives are read as archives, source as a syntax tree.
"""

from __future__ import annotations

import ast
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tools.peers.trials import BENIGN, Trial, make

_ASSETS = "/tests/assets/"
# Folders and names under which modelaudit (MIT) keeps what its tests must flag, and what they must not.
_HOSTILE = ("/exploits/", "/pickles/", "/malicious/", "/obfuscated/", "/malicious_", "path_traversal")
_HARMLESS = ("/benign/", "/benign_", "/safe_", "/suspicious_benign", "/huggingface_model_cards/", "/license_scenarios/")
_NOT_SAMPLES = (".py", ".md")


def sample_trials(archive: Path, root: Path) -> list[Trial]:
    """Write the sample files of modelaudit's source distribution below `root`, labeled as its tests label them."""
    shutil.rmtree(root, ignore_errors=True)
    trials: list[Trial] = []
    with tarfile.open(archive) as opened:
        for member in opened:
            _, found, name = member.name.partition(_ASSETS)
            content = opened.extractfile(member) if found and member.isfile() else None
            if content is None or (name.endswith(_NOT_SAMPLES) and "/license_scenarios/" not in member.name):
                continue
            kind = label(member.name)
            if kind is not None:
                file_name = PurePosixPath(name).name
                trials.append(make(root / f"{len(trials):04d}", name, kind=kind, files={file_name: content.read()}))
    return trials


def label(name: str) -> str | None:
    """Return the class of a sample by its path; None where the path does not say what it is."""
    if any(part in name for part in _HARMLESS):
        return BENIGN
    return "samples of modelaudit" if any(part in name for part in _HOSTILE) else None


def denied_trials(site_packages: Mapping[str, Path], root: Path) -> list[Trial]:
    """Write a pickle for each name that a peer denies, which calls it with a text, below `root`."""
    shutil.rmtree(root, ignore_errors=True)
    trials: list[Trial] = []
    for peer, module_path, variable in _TABLES:
        if peer not in site_packages:
            continue
        source = (site_packages[peer] / module_path).read_text()
        for module, name in sorted(set(denied(source, variable))):
            content = f"c{module}\n{name}\n(S'echo aibom'\ntR.".encode()
            trials.append(
                make(
                    root / f"{len(trials):04d}",
                    f"{peer}:{module}.{name}",
                    kind=f"denied by {peer}",
                    files={"model.pkl": content},
                )
            )
    return trials


_TABLES = (
    ("picklescan", "picklescan/scanner.py", "_unsafe_globals"),
    ("modelscan", "modelscan/settings.py", "unsafe_globals"),
    ("fickling", "fickling/fickle.py", "UNSAFE_IMPORTS"),
    ("fickling", "fickling/analysis.py", "UNSAFE_IMPORTS"),
)
LISTS = frozenset(peer for peer, _, _ in _TABLES)
"""The scanners whose tables of denied names are read."""
_SEVERITIES = {"CRITICAL", "HIGH", "MEDIUM", "LOW"}
_ANY = "run"
"""Stands for every name of a module that is denied as a whole."""


def denied(source: str, variable: str) -> Iterator[tuple[str, str]]:
    """Yield modules and names from a table that a variable, or a key of a larger table, holds in Python source."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name == variable:
                yield from _names(value)
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == variable:
                        yield from _names(value)


def _names(table: ast.expr) -> Iterator[tuple[str, str]]:
    match table:
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and key.value in _SEVERITIES:
                    yield from _names(value)
                elif isinstance(key, ast.Constant) and isinstance(value, ast.Dict):  # explanations by name
                    yield from (
                        (str(key.value), str(name.value)) for name in value.keys if isinstance(name, ast.Constant)
                    )
                elif isinstance(key, ast.Constant):
                    yield from ((str(key.value), name) for name in _words(value))
        case ast.Call(args=[inner]):
            yield from _names(inner)
        case ast.Set(elts=items) | ast.List(elts=items) | ast.Tuple(elts=items):
            yield from ((str(item.value), _ANY) for item in items if isinstance(item, ast.Constant))


def _words(value: ast.expr) -> Iterator[str]:
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _ANY if node.value == "*" else node.value
