from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from aibom.errors import TargetError
from aibom.files import Format
from aibom.inventory import Inventory, take_inventory
from aibom.limits import Limits
from aibom.sources.archive import ArchiveSource
from aibom.sources.local import SingleFileSource
from aibom.sources.targets import open_source

FILES = {
    "chat/README.md": b"# card\n" * 100,
    "chat/config.json": b'{"model_type": "llama"}',
    "chat/sub/a.txt": b"words\n",
}


def tar_bytes(files: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def inventory(path: Path, content: bytes) -> tuple[Inventory, ArchiveSource]:
    path.write_bytes(content)
    source = open_source(str(path))
    assert isinstance(source, ArchiveSource)
    return take_inventory(source, Limits()), source


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.zip", zip_bytes(FILES)),
        ("m.tar", tar_bytes(FILES)),
        ("m.tar.gz", tar_bytes(FILES, "w:gz")),
        ("m.tar.bz2", tar_bytes(FILES, "w:bz2")),
        ("m.tar.xz", tar_bytes(FILES, "w:xz")),
        ("m.tar.zst", zstandard.compress(tar_bytes(FILES))),
        ("renamed.dat", tar_bytes(FILES, "w:gz")),
    ],
)
def test_members_are_the_files_of_the_target(tmp_path: Path, name: str, content: bytes) -> None:
    """Every kind of archive lists the same files without the folder around them, and reads them."""
    found, source = inventory(tmp_path / name, content)
    assert ["README.md", "config.json", "sub/a.txt"] == [file.path for file in found.files]
    assert Format.TRANSFORMERS_CONFIG is found.files[1].format
    for path, data in FILES.items():
        with source.open(path.removeprefix("chat/")) as opened:
            assert data == opened.read_at(0, 10_000)
    assert name == source.target
    assert "archive" == source.facts().kind
    with pytest.raises(FileNotFoundError):
        source.open("nothing")
    source.close()


def test_files_at_the_root_keep_their_paths(tmp_path: Path) -> None:
    """A folder is left away only where everything stands in it."""
    found, _ = inventory(tmp_path / "m.tar", tar_bytes({"chat/a.txt": b"1\n", "b.txt": b"2\n"}))
    assert ["b.txt", "chat/a.txt"] == [file.path for file in found.files]


def test_a_model_file_that_is_a_zip_stays_one_file(tmp_path: Path) -> None:
    """A torch checkpoint is a model, not a folder of its members; a compressed single file is no archive either."""
    for name, files in (("m.pt", {"m/data.pkl": b"\x80\x02}q\x00.", "m/version": b"3\n"}),):
        (tmp_path / name).write_bytes(zip_bytes(files))
        assert isinstance(open_source(str(tmp_path / name)), SingleFileSource)
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress(b"only words\n" * 100))
    assert isinstance(open_source(str(tmp_path / "a.txt.zst")), SingleFileSource)


def test_names_that_climb_are_found_and_not_listed(tmp_path: Path) -> None:
    """A zip slip is a finding at the member, and the other members are files."""
    found, _ = inventory(tmp_path / "m.zip", zip_bytes({"../../evil.txt": b"x", "ok.txt": b"y\n"}))
    assert "path-traversal" in {finding.rule.id for finding in found.findings}
    assert ["ok.txt"] == [file.path for file in found.files]


def test_an_archive_that_breaks_off_says_so(tmp_path: Path) -> None:
    """Members before the break are files; that there was more is said."""
    content = tar_bytes({"a.txt": b"1\n", "b.txt": b"2" * 5000})
    found, _ = inventory(tmp_path / "m.tar", content[: 512 * 4])
    assert "a.txt" in [file.path for file in found.files]
    assert found.skipped or found.findings


def test_a_compressed_tar_that_can_not_be_expanded_is_an_error(tmp_path: Path) -> None:
    """A broken stream is no target."""
    (tmp_path / "m.tar.gz").write_bytes(tar_bytes(FILES, "w:gz")[:60])
    source = None
    try:
        source = open_source(str(tmp_path / "m.tar.gz"))
    except TargetError as fault:
        assert "m.tar.gz" in str(fault)  # noqa: PT017
    if source is not None:
        found = take_inventory(source, Limits())
        assert found.findings or found.skipped or isinstance(source, SingleFileSource)


def test_a_member_that_can_not_be_read_is_unreadable(tmp_path: Path) -> None:
    """A damaged member is a finding, and the rest of the archive is listed."""
    content = bytearray(zip_bytes({"a.txt": b"words and more words\n" * 50, "b.txt": b"fine\n"}))
    content[40:60] = b"\xff" * 20
    found, _ = inventory(tmp_path / "m.zip", bytes(content))
    assert "b.txt" in [file.path for file in found.files]
    assert found.findings


def test_many_members_are_read_without_keeping_all_open(tmp_path: Path) -> None:
    """Expanded members are let go of when there are many."""
    files = {f"{number:03}.txt": f"{number}\n".encode() * 50 for number in range(100)}
    found, source = inventory(tmp_path / "m.zip", zip_bytes(files))
    assert 100 == len(found.files)
    assert len(source._open) <= 33


def test_a_packed_folder_with_an_array_is_a_folder(tmp_path: Path) -> None:
    """An array among other files makes no archive of arrays, and a file that packing made longer has its own size."""
    files = {"chat/vectors.npy": b"\x93NUMPY\1\0" + bytes(120), "chat/a.txt": b"q"}
    found, _ = inventory(tmp_path / "chat.zip", zip_bytes(files))
    assert {"vectors.npy": 128, "a.txt": 1} == {file.path: file.size for file in found.files}
    (tmp_path / "only.zip").write_bytes(zip_bytes({"a.npy": files["chat/vectors.npy"]}))
    only = open_source(str(tmp_path / "only.zip"))
    assert isinstance(only, SingleFileSource), "arrays alone are one file of NumPy's, whatever its name"
    assert [Format.NUMPY_NPZ] == [file.format for file in take_inventory(only, Limits()).files]
