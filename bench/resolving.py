"""How long it takes to load license prints, recognise a text, resolve a repository, look up an advisory."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import zipfile
from importlib.metadata import distributions
from pathlib import Path

from aibom.components import Inspection
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.resolvers.license_names import keys_of, read_name
from aibom.resolvers.license_prints import FILE, load_prints
from aibom.resolvers.license_texts import detect
from aibom.resolvers.osv import Snapshot, build_snapshot
from aibom.resolvers.resolving import resolve
from aibom.settings import Settings
from aibom.sources.local import DirectorySource, open_local
from bench.measure import ROOT, Group, function

FILES = 200
PACKAGES = 20_000


def run() -> list[Group]:
    """Measure."""
    return [_licenses(), _repository(), _advisories()]


def _licenses() -> Group:
    group = Group("licenses")
    size = (ROOT / "src/aibom/data" / FILE).stat().st_size

    def load() -> None:
        load_prints.cache_clear()
        load_prints()

    group.add("load the prints", f"{len(load_prints().items)} texts", function(load), note=f"{size:,} bytes")
    text = (ROOT / "LICENSE").read_text()
    group.add("recognise a text", "Apache-2.0", function(lambda: detect(text)))
    right, wrong, abstained = _installed()
    slowest = max((function(lambda text=text: detect(text), rounds=1) for text in _texts()), default=0.0)
    note = f"{right} right, {wrong} wrong, {abstained} abstained"
    group.add("recognise a text", "slowest of the installed packages", slowest, note=note)
    return group


def _texts() -> list[str]:
    return [text for _, text in _labelled()]


def _labelled() -> list[tuple[str, str]]:
    """License files of installed packages that have one such file and declare one license."""
    found = []
    for distribution in distributions():
        label = distribution.metadata.get("License-Expression") or ""
        files = [file for file in distribution.files or () if file.name.upper().startswith(("LICENSE", "COPYING"))]
        if len(files) == 1 and (expression := read_name(label).expression) and " " not in label:
            found.append((expression, files[0].read_text()))
    return found


def _installed() -> tuple[int, int, int]:
    right = wrong = abstained = 0
    for expression, text in _labelled():
        detection = detect(text)
        if detection is None or not detection.licenses:
            abstained += 1
        elif {key for item in detection.licenses for key in keys_of(item.expression or "")} & set(keys_of(expression)):
            right += 1
        else:
            wrong += 1
    return right, wrong, abstained


def _repository() -> Group:
    group = Group("resolve a repository")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(FILES // 4):
            part = root / f"part-{number}"
            part.mkdir()
            config = {"model_type": "llama", "vocab_size": 32000, "layers": list(range(50))}
            (part / "config.json").write_text(json.dumps(config))
            front = f"---\nlicense: apache-2.0\nbase_model: acme/base-{number}\n---\n"
            (part / "README.md").write_text(front + "Text. " * 500)
            (part / "LICENSE").write_text((ROOT / "LICENSE").read_text())
            (part / "requirements.txt").write_text("torch==2.10\ntransformers>=5\n" * 20)
        source = open_local(folder)
        assert isinstance(source, DirectorySource)
        paths = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        inspections = tuple(
            Inspection(
                file=RepoFile(path=path, size=(root / path).stat().st_size, format=Format.TEXT, role=Role.OTHER),
                coverage=Coverage.COMPLETE,
            )
            for path in paths
        )
        settings = Settings(as_of=dt.date(2026, 11, 21))

        def action() -> None:
            resolve(source, inspections, lambda _: None, settings, source.facts())

        group.add("resolve", f"{len(paths)} text files, {FILES // 4} models", function(action))
    return group


def _advisories() -> Group:
    group = Group("advisories")
    with tempfile.TemporaryDirectory() as folder:
        archive, target = Path(folder) / "all.zip", Path(folder) / "osv.sqlite"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as source:
            for number in range(PACKAGES):
                events = [{"introduced": "0"}, {"fixed": "2.0"}]
                affected = {
                    "package": {"ecosystem": "PyPI", "name": f"package-{number}"},
                    "ranges": [{"type": "ECOSYSTEM", "events": events}],
                }
                document = {"id": f"GHSA-{number}", "modified": "2026-11-01", "affected": [affected]}
                source.writestr(f"{number}.json", json.dumps(document))
        build = function(lambda: build_snapshot(archive, target), rounds=1)
        group.add("build a snapshot", f"{PACKAGES:,} advisories", build, note=f"{target.stat().st_size:,} bytes")
        with Snapshot(target) as snapshot:
            seconds = function(lambda: snapshot.lookup("pypi", "package-77", "1.5"), rounds=50)
            group.add("look up a package", "affected", seconds)
    return group
