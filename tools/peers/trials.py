"""Write every hostile and every benign case to a folder of its own, as what all scanners are given."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fixtures.hostile import HOSTILE, benign
from tools.scorecard import write

from aibom.files import Format, RepoFile
from aibom.formats import other_formats, recognize, role_of
from aibom.sources.bytesource import MemorySource

ROOT = Path(__file__).parents[2]
BENIGN = "benign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One case on the disk.

    `folder` holds its files and nothing else. `formats` is what the outermost files are by their bytes, `suffixes` what
    their names say; both decide whether a scanner claims to read them.
    """

    name: str
    kind: str
    technique: str
    folder: Path
    formats: frozenset[Format]
    suffixes: frozenset[str]

    @property
    def hostile(self) -> bool:
        """Say whether this is an attack."""
        return self.kind != BENIGN

    @property
    def path(self) -> Path:
        """Return what a scanner is pointed at: the only file, or the folder."""
        files = [item for item in self.folder.rglob("*") if item.is_symlink() or item.is_file()]
        return files[0] if len(files) == 1 and not files[0].is_symlink() else self.folder


def own_trials(root: Path) -> list[Trial]:
    """Write the project's cases below `root`, which is emptied first."""
    shutil.rmtree(root, ignore_errors=True)
    trials: list[Trial] = []
    for kind, cases in HOSTILE.items():
        for case in cases:
            trials.append(
                make(
                    root / f"{len(trials):04d}",
                    case.name,
                    kind=kind,
                    files=case.files(),
                    technique=case.technique,
                    links=case.links,
                )
            )
    for harmless in benign():
        trials.append(make(root / f"{len(trials):04d}", harmless.name, kind=BENIGN, files=harmless.build()))
    return trials


def make(
    folder: Path,
    name: str,
    *,
    kind: str,
    files: Mapping[str, bytes],
    technique: str = "",
    links: Iterable[tuple[str, str]] = (),
) -> Trial:
    """Write one case."""
    folder.mkdir(parents=True)
    write(folder, files, links)
    return Trial(
        name=name,
        kind=kind,
        technique=technique,
        folder=folder,
        formats=frozenset(format_ for path, content in files.items() for format_ in _formats(path, content)),
        suffixes=frozenset(Path(path).suffix.lower() for path in files),
    )


def _formats(path: str, content: bytes) -> tuple[Format, ...]:
    data = MemorySource(content)
    first = recognize(path, content[:4096], len(content), data)
    file = RepoFile(path=path, size=len(content), format=first, role=role_of(path, first))
    return first, *other_formats(file, data)
