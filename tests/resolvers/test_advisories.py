"""Known faults are reported where a version is pinned to one, or where files reach one of their loader."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from tests.resolvers.targets import repository, weights

from aibom.components import Inspection
from aibom.data.tables import Row
from aibom.errors import DataError
from aibom.files import Format
from aibom.findings import Finding, Severity
from aibom.resolvers import advisories
from aibom.resolvers.advisories import Lookup, loader_faults, resolve_advisories
from aibom.resolvers.dependencies import resolve_dependencies
from aibom.resolvers.osv import Advisory, Snapshot, build_snapshot, is_affected


def osv(id_: str = "GHSA-1", name: str = "Torch_X", **more: Any) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "2.0"}]
    affected = {"package": {"ecosystem": "PyPI", "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return {
        "id": id_,
        "modified": "2026-11-01T00:00:00Z",
        "aliases": ["CVE-2026-1"],
        "summary": "Runs code",
        "affected": [affected],
        **more,
    }


def archive(path: Path, *documents: Any, extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for number, document in enumerate(documents):
            target.writestr(f"{number}.json", json.dumps(document))
        for name, data in (extra or {}).items():
            target.writestr(name, data)
    return path


def snapshot(folder: Path, *documents: Any, extra: dict[str, bytes] | None = None) -> Snapshot:
    build_snapshot(archive(folder / "all.zip", *documents, extra=extra), folder / "osv.sqlite")
    return Snapshot(folder / "osv.sqlite")


def test_a_snapshot_is_built_and_asked(tmp_path: Path) -> None:
    """What OSV says is found by name and version, with severity, aliases and the mended version."""
    document = osv(database_specific={"severity": "CRITICAL"})
    with snapshot(tmp_path, document) as opened:
        assert "2026-11-01" == opened.date
        (found,) = opened.lookup("pypi", "torch-x", "1.9")
        assert (
            Advisory(
                id="GHSA-1", aliases=("CVE-2026-1",), summary="Runs code", severity=Severity.CRITICAL, fixed=("2.0",)
            )
            == found
        )
        assert () == opened.lookup("pypi", "torch-x", "2.0")
        assert () == opened.lookup("pypi", "other", "1.9")
        assert () == opened.lookup("conda", "torch-x", "1.9")


def test_what_does_not_count_is_left_out(tmp_path: Path) -> None:
    """Withdrawn advisories, other ecosystems, broken files and other names are left out."""
    documents = [
        osv("GHSA-2", withdrawn="2026-01-01T00:00:00Z"),
        {
            "id": "GHSA-3",
            "affected": [{"package": {"ecosystem": "npm", "name": "x"}}, 3, {"package": {"ecosystem": "PyPI"}}],
        },
        {"id": "GHSA-4", "affected": "x"},
        [],
        osv(),
    ]
    with snapshot(
        tmp_path,
        *documents,
        extra={"broken.json": b"{", "readme.txt": b"x", "big.json": os.urandom(5 * 1024 * 1024)},
    ) as opened:
        assert ["GHSA-1"] == [item.id for item in opened.lookup("pypi", "torch-x", "1")]


def test_malicious_packages_are_critical(tmp_path: Path) -> None:
    """An entry of a malicious package is critical whatever it says; without a word it is medium."""
    listed = {"package": {"ecosystem": "PyPI", "name": "evil"}, "versions": ["1.0"]}
    with snapshot(tmp_path, {"id": "MAL-1", "affected": [listed]}, osv()) as opened:
        assert [Severity.CRITICAL] == [item.severity for item in opened.lookup("pypi", "evil", "1.0")]
        assert () == opened.lookup("pypi", "evil", "1.1")
        assert [Severity.MEDIUM] == [item.severity for item in opened.lookup("pypi", "torch-x", "1")]


@pytest.mark.parametrize(
    ("version", "events", "expected"),
    [
        ("1.5", [{"introduced": "1.0"}, {"fixed": "2.0"}], True),
        ("2.0", [{"introduced": "1.0"}, {"fixed": "2.0"}], False),
        ("0.9", [{"introduced": "1.0"}, {"fixed": "2.0"}], False),
        ("2.0rc1", [{"introduced": "0"}, {"fixed": "2.0"}], True),
        ("2.0", [{"introduced": "0"}, {"last_affected": "2.0"}], True),
        ("2.1", [{"introduced": "0"}, {"last_affected": "2.0"}], False),
        ("3.5", [{"introduced": "1"}, {"fixed": "2"}, {"introduced": "3"}, {"fixed": "4"}], True),
        ("2.5", [{"fixed": "4"}, {"introduced": "3"}, {"fixed": "2"}, {"introduced": "1"}], False),
        ("odd", [{"introduced": "0"}], False),
        ("1", [{"introduced": "odd"}], False),
        ("1", [], False),
    ],
)
def test_ranges_are_read_as_osv_defines_them(version: str, events: list[dict[str, str]], expected: bool) -> None:
    """The last event at or below a version decides."""
    assert expected is is_affected(version, [events], [])


def test_listed_versions_count() -> None:
    """A version that is listed is affected, however it is spelt."""
    assert is_affected("odd-1", [], ["odd-1"])


def test_an_archive_without_advisories_is_refused(tmp_path: Path) -> None:
    """An empty or broken archive, or one that is absent, makes no snapshot."""
    with pytest.raises(DataError, match="holds no advisory"):
        build_snapshot(archive(tmp_path / "a.zip"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"b\.zip"):
        build_snapshot(tmp_path / "b.zip", tmp_path / "out")
    with pytest.raises(DataError, match=r"c\.zip"):
        build_snapshot(tmp_path / "c.zip", tmp_path / "out")


def zip64(members: int, directory: int) -> bytes:
    """The end of an archive that says it has this many members in a directory of this many bytes."""
    return struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, members & 0xFFFF, members & 0xFFFF, directory, 0, 0)


def test_a_bomb_is_no_archive_of_advisories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What expands a thousandfold, to too much together, or has too many members is refused; the old snapshot stays."""
    target = tmp_path / "osv.sqlite"
    build_snapshot(archive(tmp_path / "all.zip", osv()), target)
    before = target.read_bytes()
    bomb = archive(tmp_path / "bomb.zip", osv(), extra={"z.json": b" " * 1024 * 1024})
    with pytest.raises(DataError, match=r"'z\.json' expands more than 200-fold"):
        build_snapshot(bomb, target)
    many = tmp_path / "many.zip"
    many.write_bytes(bytes(1000) + zip64(9, 0xFFFF_FFF0))
    with many.open("r+b") as file:
        file.truncate(400 * 1024 * 1024)
        file.seek(0, 2)
        file.write(zip64(9, 0xFFFF_FFF0))
    with pytest.raises(DataError, match="more than 2,000,000 members"):
        build_snapshot(many, target)
    with many.open("r+b") as file:
        file.truncate(3 * 1024**3)  # a hole: the disk holds none of it
    with pytest.raises(DataError, match="more than 2,147,483,648"):
        build_snapshot(many, target)
    monkeypatch.setattr("aibom.resolvers.osv._MAX_EXPANDED", 100)
    with pytest.raises(DataError, match="more than any archive of advisories has"):
        build_snapshot(archive(tmp_path / "large.zip", osv()), target)
    assert before == target.read_bytes()
    assert ["all.zip", "bomb.zip", "large.zip", "many.zip", "osv.sqlite"] == sorted(
        item.name for item in tmp_path.iterdir()
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_damaged_archive_is_an_error_or_a_snapshot(
    tmp_path_factory: pytest.TempPathFactory, front: bytes, at: int, damage: bytes
) -> None:
    """Bytes before, after and inside an archive lead to a snapshot or to one error, never to anything else."""
    folder = tmp_path_factory.mktemp("osv")
    whole = bytearray(archive(folder / "all.zip", osv(), osv("GHSA-2")).read_bytes())
    whole[at : at + len(damage)] = damage
    (folder / "all.zip").write_bytes(front + whole)
    try:
        build_snapshot(folder / "all.zip", folder / "out")
    except DataError:
        assert not (folder / "out").exists()


def test_other_files_are_no_snapshots(tmp_path: Path) -> None:
    """A missing file, another file and another format are refused with a hint."""
    (tmp_path / "text").write_text("x" * 2000)
    for name in ("missing", "text"):
        with pytest.raises(DataError, match=name):
            Snapshot(tmp_path / name)
    database = sqlite3.connect(tmp_path / "old")
    database.executescript("create table about (key text, value text); insert into about values ('format', '0');")
    database.commit()
    database.close()
    with pytest.raises(DataError, match="another format"):
        Snapshot(tmp_path / "old")


def findings(files: dict[str, str], *more: Inspection, lookup: Lookup | None = None) -> list[Finding]:
    target = repository(files, more)
    return list(resolve_advisories(target, resolve_dependencies(target).items, lookup))


def said(files: dict[str, str], *more: Inspection, lookup: Lookup | None = None) -> list[tuple[str, str, str]]:
    return [(item.rule.id, item.severity.value, item.evidence[0]) for item in findings(files, *more, lookup=lookup)]


def one(ecosystem: str, name: str, version: str) -> list[Advisory]:
    assert (ecosystem, name, version) == ("pypi", "torch", "2.5.0")
    ids = [("GHSA-53q9", ("CVE-2025-32434",)), ("PYSEC-1", ())]
    return [
        Advisory(id=id_, aliases=aliases, summary="s", severity=Severity.HIGH, fixed=("2.6",)) for id_, aliases in ids
    ]


def test_pinned_versions_are_looked_up() -> None:
    """Only what is pinned has a version to look up."""
    found = findings({"requirements.txt": "torch==2.5.0\nnumpy>=1\n"}, lookup=one)
    assert [
        "CVE-2025-32434: torch 2.5.0: s; mended in 2.6", "PYSEC-1: torch 2.5.0: s; mended in 2.6",
    ] == [item.message for item in found]  # fmt: skip
    assert str(found[0].location) == "requirements.txt:1"


def test_one_fault_in_two_packages_is_said_of_both() -> None:
    """A CVE that a loader's finding has named is still said of another library that has it."""

    def both(_: str, name: str, version: str) -> list[Advisory]:
        return [Advisory(id="GHSA-1", aliases=("CVE-2025-32434",), summary="s", severity=Severity.HIGH, fixed=())]

    files = {"requirements.txt": "torch==2.5.0\nfork==1.0\n"}
    found = findings(files, weights("model.bin", {"a": (1,)}), lookup=both)
    assert [("pypi:fork@1.0", "CVE-2025-32434")] == [
        (item.component, item.advisory) for item in found if item.rule.id == "known-vulnerability"
    ]


def test_a_loader_fault_is_said_once() -> None:
    """What the table of loaders has said, the snapshot does not say again."""
    pickle = weights("model.bin", {"a": (1,)})
    found = said({"requirements.txt": "torch==2.5.0\n"}, pickle, lookup=one)
    assert [
        ("loader-advisory", "critical", "CVE-2025-32434"),
        ("loader-advisory", "high", "CVE-2026-24747"),
        ("known-vulnerability", "high", "PYSEC-1"),
    ] == found


@pytest.mark.parametrize(
    ("requirement", "item", "expected"),
    [
        ("torch==2.5.0", weights("model.safetensors", {"a": (1,)}), []),
        ("torch==2.10.0", weights("model.bin", {"a": (1,)}), []),
        ("torch", weights("model.bin", {"a": (1,)}), []),
        ("keras==3.8", weights("m.keras", kind=Format.KERAS_V3), ["CVE-2025-1550", "CVE-2025-8747", "CVE-2025-9906"]),
        ("keras==3.11.2", weights("m.h5", kind=Format.KERAS_H5), ["CVE-2025-9905"]),
        ("transformers==4.50", weights("rng_state.pth", kind=Format.PYTORCH_ZIP), ["CVE-2026-1839"]),
        ("sglang==0.5", weights("m.gguf", metadata={"tokenizer.chat_template": "x"}), ["CVE-2026-5760"]),
        ("sglang==0.5", weights("m.gguf", metadata={}), []),
        ("torch==odd", weights("model.bin", {"a": (1,)}), []),
    ],
)
def test_feature_and_version_must_both_hold(requirement: str, item: Inspection, expected: list[str]) -> None:
    """A fault of a loader needs the affected version and a file that reaches it."""
    assert expected == [id_ for _, _, id_ in said({"requirements.txt": requirement}, item)]


def test_rare_features_are_said_without_a_version() -> None:
    """Custom code and kernel repositories are rare: every user of an affected loader should know."""
    auto = {"config.json": json.dumps({"auto_map": {"AutoModel": "m.M"}})}
    assert {("loader-advisory", "info")} == {(rule, severity) for rule, severity, _ in said(auto)}
    kernels = {"config.json": json.dumps({"_attn_implementation_internal": "a/b"})}
    assert [("loader-advisory", "info", "CVE-2026-4372")] == said(kernels)
    pinned = {**kernels, "requirements.txt": "transformers==5.2.0\n"}
    assert [("loader-advisory", "critical", "CVE-2026-4372")] == said(pinned)
    assert [] == said({**kernels, "requirements.txt": "transformers==5.3.0\n"})


def test_the_table_is_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row with a broken range, id, feature or severity is refused with its line."""
    good = {
        "id": "CVE-1-1",
        "package": "p",
        "affected": "<1",
        "feature": "pickle",
        "severity": "low",
        "summary": "s",
        "source": "u",
    }
    for wrong in ({"affected": "old"}, {"affected": "<1,"}, {"id": "x"}, {"feature": "y"}, {"severity": "z"}):
        row = Row("advisories.csv", 4, {**good, **wrong})
        monkeypatch.setattr(advisories, "load_rows", lambda *_, row=row, **__: (row,))
        loader_faults.cache_clear()
        with pytest.raises(DataError, match=r"advisories\.csv:4: "):
            loader_faults()
    loader_faults.cache_clear()


def test_a_range_is_one_that_packaging_reads() -> None:
    """Every range of the table means to the library that compares versions what it means to the loader."""
    for fault in loader_faults():
        assert set(fault.affected.split(",")) - {""} == {str(item) for item in SpecifierSet(fault.affected)}


def test_every_fault_has_a_source() -> None:
    """Each row of the table says where it was read."""
    loader_faults.cache_clear()
    assert all(fault.source.startswith("https://") for fault in loader_faults())
