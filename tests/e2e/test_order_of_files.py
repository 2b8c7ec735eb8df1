"""The order in which a place lists its files changes no byte of any output, and neither does writing it twice."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.fakes import MemoryRepo

from aibom.emitters import EMITTERS, EmitOptions, emit
from aibom.emitters.options import SpecVersion
from aibom.pipeline import scan
from aibom.report import Report
from aibom.settings import Settings

FIXTURES = Path(__file__).parents[2] / "fixtures"
REPOSITORIES = ("real/transformers", "real/sentence_transformers/tiny", "real/pickles", "real/sklearn",
                "repos/laundered-finetune", "repos/custom-code")  # fmt: skip
DAY = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
VERSIONS: tuple[SpecVersion, ...] = ("1.6", "1.7")


def files_of(name: str) -> dict[str, bytes]:
    folder = FIXTURES / name
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def scanned(files: Mapping[str, bytes]) -> Report:
    return scan(MemoryRepo(files), Settings(as_of=DAY.date(), jobs=2), created=DAY)


def outputs(report: Report) -> dict[tuple[str, str], str]:
    return {(name, version): emit(report, name, EmitOptions(spec_version=version))
            for name in EMITTERS for version in VERSIONS}  # fmt: skip


@pytest.mark.parametrize("name", REPOSITORIES)
def test_the_order_of_files_and_a_second_time_change_no_byte(name: str) -> None:
    """Sorted, backwards and shuffled: one text for each format and version, the same when it is written again."""
    files = files_of(name)
    names = [*files]
    shuffled = random.Random(8).sample(names, len(names))  # noqa: S311 -- any order will do
    expected = outputs(first := scanned(files))
    assert expected == outputs(first)
    for order in (names[::-1], shuffled):
        found = outputs(scanned({path: files[path] for path in order}))
        assert [] == [key for key, text in expected.items() if found[key] != text]
