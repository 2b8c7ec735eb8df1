from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.weights import safetensors_bytes
from msgspec.structs import replace
from tests.fakes import MemoryRepo

from aibom.files import Format, Role
from aibom.findings import Severity
from aibom.inventory import take_inventory
from aibom.limits import Limits
from aibom.report import Skipped
from aibom.sources.local import DirectorySource
from aibom.sources.protocol import Entry, Fault


class FaultyRepo(MemoryRepo):
    """A repository in which one name can't be read as a file, and one file fails when it is opened."""

    def entries(self) -> Iterator[Entry | Skipped]:
        yield Entry(path="model.safetensors", size=0, fault=Fault.DANGLING_SYMLINK, detail="nowhere")
        yield Entry(path="notes.txt", size=0, fault=Fault.UNREADABLE, detail="Permission denied")
        yield Entry(path="gone.bin", size=3)
        yield Entry(path="pipe", size=0, fault=Fault.SPECIAL_FILE, detail="named pipe")
        yield Skipped(path=".git", reason="twice")


def test_files_are_what_their_bytes_say() -> None:
    """Files come sorted, with format and role; an empty file is empty whatever its name."""
    weights = safetensors_bytes({"a": ("F32", (2,))})
    repo = MemoryRepo({"z.txt": b"words\n", "model.safetensors": weights, "a.bin": b""})
    inventory = take_inventory(repo, Limits())
    assert [
        ("a.bin", Format.EMPTY),
        ("model.safetensors", Format.SAFETENSORS),
        ("z.txt", Format.TEXT),
    ] == [(file.path, file.format) for file in inventory.files]
    assert Role.WEIGHTS is inventory.files[1].role


def test_what_can_not_be_read_is_listed_and_found() -> None:
    """Every name is accounted for; a weight file that can't be read is high, other files are not."""
    inventory = take_inventory(FaultyRepo({}), Limits())
    assert () == inventory.files
    assert ["gone.bin", "model.safetensors", "notes.txt", "pipe"] == [file.path for file in inventory.unread]
    assert {
        "gone.bin": ("unreadable", Severity.HIGH),
        "model.safetensors": ("dangling-symlink", Severity.HIGH),
        "notes.txt": ("unreadable", Severity.MEDIUM),
        "pipe": ("special-file", Severity.MEDIUM),
    } == {item.location.path: (item.rule.id, item.severity) for item in inventory.findings if item.location is not None}
    assert [".git"] == [item.path for item in inventory.skipped]


def test_a_pickle_that_is_called_safetensors_is_found() -> None:
    """A name that promises a safe format over bytes that are a pickle is a high finding."""
    inventory = take_inventory(MemoryRepo({"model.safetensors": b"cposix\nsystem\n(S'x'\ntR."}), Limits())
    (finding,) = inventory.findings
    assert ("extension-mismatch", Severity.HIGH) == (finding.rule.id, finding.severity)
    assert Format.PICKLE is inventory.files[0].format


def test_weights_in_no_known_format_are_found() -> None:
    """Bytes that nobody knows under a weight file's name are not clean."""
    inventory = take_inventory(MemoryRepo({"pytorch_model.bin": b"\x07\x91\xfe\x00" * 64}), Limits())
    assert ["unrecognized-weights"] == [item.rule.id for item in inventory.findings]


def test_more_files_than_the_limit_are_left_out_and_said() -> None:
    """The first files are taken, and the report says that there were more."""
    repo = MemoryRepo({f"f{number}": b"x" for number in range(5)})
    inventory = take_inventory(repo, replace(Limits(), files=3))
    assert 3 == len(inventory.files)
    assert "after the first 3 files" in inventory.skipped[0].reason
    (finding,) = inventory.findings
    assert ("not-listed", Severity.HIGH) == (finding.rule.id, finding.severity)


def test_a_sparse_file_is_recognised_without_reading_it(tmp_path: Path) -> None:
    """A 5 GB file without blocks is looked at by its first bytes."""
    with (tmp_path / "model.bin").open("wb") as file:
        os.truncate(file.fileno(), 5 * 1024**3)
    inventory = take_inventory(DirectorySource(str(tmp_path)), Limits())
    assert 5 * 1024**3 == inventory.files[0].size


@pytest.mark.parametrize("count", [3000])
def test_thousands_of_files_are_listed(tmp_path: Path, count: int) -> None:
    """A repository of many small files is listed whole."""
    for number in range(count):
        (tmp_path / f"{number:05}.txt").write_bytes(b"x")
    assert count == len(take_inventory(DirectorySource(str(tmp_path)), Limits()).files)
