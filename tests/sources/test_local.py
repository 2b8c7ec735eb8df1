from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from aibom.errors import TargetError, UsageError
from aibom.files import unescape_name
from aibom.report import Skipped
from aibom.sources.local import DirectorySource, SingleFileSource, open_local, open_regular
from aibom.sources.protocol import Entry, Fault
from aibom.sources.targets import open_source


def listing(root: Path) -> dict[str, Entry]:
    return {item.path: item for item in DirectorySource(str(root)).entries() if isinstance(item, Entry)}


def skipped(root: Path) -> dict[str, str]:
    return {item.path: item.reason for item in DirectorySource(str(root)).entries() if isinstance(item, Skipped)}


def test_a_directory_lists_its_files_with_sizes(tmp_path: Path) -> None:
    """Files of all folders are listed with POSIX paths and sizes in bytes."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.bin").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"")
    assert {"a/b.bin": 5, "c": 0} == {path: entry.size for path, entry in listing(tmp_path).items()}


def test_the_target_never_shows_where_it_stands(tmp_path: Path) -> None:
    """The name of a directory target is its last part alone."""
    source = open_local(str(tmp_path))
    assert tmp_path.name == source.target
    assert source.facts().kind == "directory"
    assert source.revision is None
    source.close()


def test_the_current_directory_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The target `.` is named after the directory that it is."""
    monkeypatch.chdir(tmp_path)
    assert tmp_path.name == open_local(".").target


def test_version_control_is_left_out_and_said(tmp_path: Path) -> None:
    """The store of git holds every weight twice, so it is left out with a reason."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x").write_bytes(b"1")
    assert {} == listing(tmp_path)
    assert "LFS" in skipped(tmp_path)[".git"]


@pytest.mark.parametrize(
    "name",
    [b"a\nb", b"\x1b[31mred", b"<script>", b"\xff\xfe", b"back\\slash", "\N{RIGHT-TO-LEFT OVERRIDE}gpj".encode()],
)
def test_hostile_names_are_escaped_and_still_open(tmp_path: Path, name: bytes) -> None:
    """A name that could paint a terminal is printable, reversible, and opens the same file."""
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(b"x")
    (path,) = listing(tmp_path)
    assert path.isprintable()
    assert name == unescape_name(path)
    with DirectorySource(str(tmp_path)).open(path) as data:
        assert b"x" == data.read_at(0, 10)


def test_a_link_inside_the_target_is_followed(tmp_path: Path) -> None:
    """A link to a file of the target is that file."""
    (tmp_path / "real").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("real")
    assert 3 == listing(tmp_path)["link"].size
    with DirectorySource(str(tmp_path)).open("link") as data:
        assert b"abc" == data.read_at(0, 3)


def test_links_that_lead_nowhere_good_are_faults(tmp_path: Path) -> None:
    """Escaping, dangling and looping links are named and not followed."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "escape").symlink_to(outside)
    (root / "escape-folder").symlink_to(tmp_path)
    (root / "dangling").symlink_to("nothing")
    (root / "loop").symlink_to("loop")
    (root / "folder" / "up").symlink_to("..")
    assert {
        "escape": Fault.SYMLINK_ESCAPE,
        "escape-folder": Fault.SYMLINK_ESCAPE,
        "dangling": Fault.DANGLING_SYMLINK,
        "loop": Fault.SYMLINK_LOOP,
        "folder/up": Fault.SYMLINK_LOOP,
    } == {path: entry.fault for path, entry in listing(root).items()}
    with pytest.raises(PermissionError, match="outside"):
        DirectorySource(str(root)).open("escape")


def test_a_path_that_climbs_is_not_opened(tmp_path: Path) -> None:
    """A path with `..` can't leave the target, whoever made it up."""
    (tmp_path / "outside").write_bytes(b"secret")
    (tmp_path / "root").mkdir()
    with pytest.raises(PermissionError, match="outside"):
        DirectorySource(str(tmp_path / "root")).open("../outside")


def test_a_link_to_a_folder_of_the_target_is_not_listed_twice(tmp_path: Path) -> None:
    """A linked folder's files are listed once, at their own place."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1")
    (tmp_path / "b").symlink_to("a")
    assert ["a/x"] == list(listing(tmp_path))
    assert "b" in skipped(tmp_path)


def test_pipes_and_sockets_are_not_opened(tmp_path: Path) -> None:
    """A named pipe that nobody writes to does not stop the scan; it is a special file, also behind a link."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        entries = listing(tmp_path)
    assert {"pipe": "named pipe", "link": "named pipe", "s": "socket"} == {
        path: entry.detail for path, entry in entries.items() if entry.fault is Fault.SPECIAL_FILE
    }
    with pytest.raises(PermissionError, match="named pipe"):
        open_regular(os.fsencode(tmp_path / "pipe"))


def test_too_deep_folders_are_left_out_and_said(tmp_path: Path) -> None:
    """A tree that nests beyond the limit is cut there, and the folder that was not opened is an entry with a fault."""
    (tmp_path / "a/b/c/d").mkdir(parents=True)
    items = list(DirectorySource(str(tmp_path), path_depth=2).entries())
    assert [("a/b/c", Fault.TOO_DEEP)] == [(item.path, item.fault) for item in items if isinstance(item, Entry)]


def test_a_folder_that_vanishes_is_a_fault(tmp_path: Path) -> None:
    """A folder that is removed during the walk is unreadable, not the end of the scan."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "x").write_bytes(b"1")
    walk = DirectorySource(str(tmp_path)).entries()
    first = next(walk)
    (tmp_path / "a").rmdir()
    (tmp_path / "b").rmdir()
    found = [first, *walk]
    assert {"a", "b"} == {item.path for item in found if isinstance(item, Entry) and item.fault is Fault.UNREADABLE}


def test_a_missing_target_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """A path without anything at it is no target."""
    with pytest.raises(TargetError, match="does not exist") as caught:
        open_local(str(tmp_path / "no"))
    assert caught.value.hint


def test_a_target_with_a_null_byte_is_an_error() -> None:
    """What the operating system can't even be asked for is no target."""
    with pytest.raises(TargetError, match="can't be read"):
        open_local("a\0b")


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """A root that can't be listed ends the scan."""
    source = DirectorySource(str(tmp_path / "no"))
    with pytest.raises(TargetError, match="can't be listed"):
        list(source.entries())


def test_a_single_file_is_a_target(tmp_path: Path) -> None:
    """A file's own name is its only path."""
    (tmp_path / "m.bin").write_bytes(b"123")
    source = open_local(str(tmp_path / "m.bin"))
    assert isinstance(source, SingleFileSource)
    (entry,) = source.entries()
    assert isinstance(entry, Entry)
    assert ("m.bin", 3, "file") == (entry.path, entry.size, source.facts().kind)
    with source.open("m.bin") as data:
        assert b"23" == data.read_at(1, 10)
    with pytest.raises(FileNotFoundError):
        source.open("other")
    source.close()


def test_a_single_special_file_is_refused(tmp_path: Path) -> None:
    """A pipe can't be scanned."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TargetError, match="named pipe"):
        list(open_local(str(tmp_path / "pipe")).entries())
    with pytest.raises(TargetError, match="can't be read"):
        list(SingleFileSource(str(tmp_path / "gone")).entries())


def test_an_unknown_scheme_is_wrong_usage() -> None:
    """A target that no source knows is an error with a hint, never a path that does not exist."""
    with pytest.raises(UsageError, match="gopher://"):
        open_source("gopher://x")


def test_a_folder_that_becomes_a_link_leads_nowhere(tmp_path: Path) -> None:
    """A folder that was resolved, and is then replaced by a link out of the target, opens nothing outside."""
    (tmp_path / "repo" / "part").mkdir(parents=True)
    (tmp_path / "repo" / "part" / "file").write_bytes(b"inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"secret")
    source = DirectorySource(str(tmp_path / "repo"))
    with source.open("part/file") as data:
        assert b"inside" == data.read_at(0, 10)
    (tmp_path / "repo" / "part").rename(tmp_path / "repo" / "old")
    (tmp_path / "repo" / "part").symlink_to(tmp_path / "outside")
    with pytest.raises(PermissionError):
        source.open("part/file")


@pytest.mark.parametrize(
    "path", ["..", "../outside", "part/..", "part/../../outside", "", ".", "part/", "/etc/hostname"]
)
def test_paths_that_are_no_files_of_the_target(tmp_path: Path, path: str) -> None:
    """Whatever a file of the target names as another one, only files inside are opened."""
    (tmp_path / "repo" / "part").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(b"secret")
    with pytest.raises(OSError, match=r"outside the target|a directory"):
        DirectorySource(str(tmp_path / "repo")).open(path)
