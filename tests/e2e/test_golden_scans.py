"""Whole outputs of scans of real repositories, held line by line; AIBOM_UPDATE_GOLDEN=1 writes them anew.

What names a version of the tool or of its tables is made the same before it is written: an edited table breaks these
files only where it changes what is said about one of the repositories.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from fixtures.demo import COMMAND
from msgspec.structs import replace

from aibom.data import rule_data
from aibom.emitters import EMITTERS, EmitOptions, emit
from aibom.pipeline import scan
from aibom.report import Report, ToolInfo
from aibom.settings import Settings
from aibom.sources.local import open_local

ROOT = Path(__file__).parents[2]
REAL = ROOT / "fixtures" / "real"
FOLDER = ROOT / "tests" / "golden" / "scanned"
# Name in the golden folder, and what is scanned; `malicious` is the repository of `make demo`.
REPOSITORIES: Mapping[str, Path] = {
    "tiny-llama-chat": REAL / "transformers" / "tiny-llama-chat",
    "sentence-transformers": REAL / "sentence_transformers" / "tiny",
    "peft-lora": REAL / "peft" / "tiny-lora",
    "diffusers-ddpm": REAL / "diffusers" / "ddpm",
    "malicious": REAL / "transformers" / "tiny-llama-chat",
}
SUFFIXES = {"table": "txt", "json": "json", "vex": "vex.json", "spdx": "spdx.json", "sarif": "sarif", "html": "html",
            "markdown": "md", "cyclonedx": "cdx.json", "cyclonedx-xml": "cdx.xml"}  # fmt: skip
DAY = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("golden")


@cache
def scanned(name: str, folder: Path) -> Report:
    target = folder / name
    shutil.copytree(REPOSITORIES[name], target)
    if name == "malicious":
        (target / "pytorch_model.bin").write_bytes(COMMAND)
    source = open_local(str(target))
    try:
        report = scan(source, Settings(as_of=DAY.date(), jobs=1), created=DAY)
    finally:
        source.close()
    # The tool's version and the digests of its tables stand in every output, and say nothing about the repository.
    return replace(report, tool=ToolInfo(name="aibom", version="0.0.0"), rule_data=dict.fromkeys(("tables",), "DIGEST"))


def steady(text: str) -> str:
    """Replace what changes without what is said: identifiers made from content, dates of tables, our style, script."""
    text = _UUID.sub("UUID", text)
    text = re.sub(r"\b((?:known )?(?:models|bases)) 20\d\d-\d\d(-\d\d)?\b", r"\1 DATE", text)
    text = re.sub(r"sha256-[A-Za-z0-9+/]{43}=", "sha256-OURS", text)
    return re.sub(r"(<(style|script)>).*?(</\2>)", r"\1\3", text, flags=re.DOTALL)


def test_every_format_is_held() -> None:
    """A new emitter comes with golden files."""
    assert EMITTERS.keys() == SUFFIXES.keys()


@pytest.mark.parametrize("output", EMITTERS)
@pytest.mark.parametrize("name", REPOSITORIES)
def test_what_is_said_of_real_repositories_was_reviewed(name: str, output: str, folder: Path) -> None:
    """A change of what a scan says of a repository is a change of a file that somebody reads."""
    path = FOLDER / f"{name}.{SUFFIXES[output]}"
    text = steady(emit(scanned(name, folder), output, EmitOptions()))
    if os.environ.get("AIBOM_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8").splitlines() == text.splitlines()


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_golden_file_names_no_machine(name: str) -> None:
    """The files that are read in review hold no path of the machine that made them, and no digest of a table."""
    for path in FOLDER.glob(f"{name}.*"):
        text = path.read_text("utf-8")
        assert not re.search(r"/(home|tmp|root|work|Users)/", text), path.name
        assert set() == {digest for digest in rule_data().values() if digest in text}
