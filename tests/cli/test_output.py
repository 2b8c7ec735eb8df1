from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from aibom.cli.output import Output, parse_outputs, write, write_file
from aibom.errors import OutputError, UsageError


def test_without_output_the_table_goes_to_stdout() -> None:
    """The default is one table on stdout."""
    assert (Output("table", None),) == parse_outputs(())


def test_formats_and_paths_are_read(tmp_path: Path) -> None:
    """`FORMAT=PATH` goes to the file, `FORMAT` and `FORMAT=-` to stdout."""
    assert (Output("json", tmp_path / "r.json"), Output("table", None)) == parse_outputs(
        (f"json={tmp_path}/r.json", "table=-")
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("jsn",), "unknown format 'jsn'"),
        (("json=",), "no path"),
        (("json", "table"), "stdout"),
        (("json={0}/a", "table={0}/a"), "same file"),
        (("json={0}/no/a",), "does not exist"),
        (("json={0}",), "is a folder"),
    ],
)
def test_impossible_outputs_are_wrong_usage(tmp_path: Path, values: tuple[str, ...], message: str) -> None:
    """What can't be written is refused before anything is scanned, with a hint."""
    with pytest.raises(UsageError, match=message) as caught:
        parse_outputs(tuple(value.format(tmp_path) for value in values))
    assert caught.value.hint


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """New content stands where the old did, with its permissions, and no temporary file stays."""
    path = tmp_path / "bom.json"
    path.write_text("old")
    path.chmod(0o640)
    write(Output("json", path), "new")
    assert "new\n" == path.read_text()
    assert 0o640 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(tmp_path.iterdir())


def test_a_new_file_has_ordinary_permissions(tmp_path: Path) -> None:
    """A BOM is as readable as any other file that the user creates."""
    mask = os.umask(0o027)
    try:
        write_file(tmp_path / "bom.json", b"x")
    finally:
        os.umask(mask)
    assert 0o640 == stat.S_IMODE((tmp_path / "bom.json").stat().st_mode)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves what was there, and no half file."""
    path = tmp_path / "bom.json"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_file(path, b"new")
    assert "old" == path.read_text()
    assert [path] == list(tmp_path.iterdir())


def test_an_interrupt_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of writing removes what was written."""

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "bom.json", b"new")
    assert [] == list(tmp_path.iterdir())


def test_a_device_is_written_through(tmp_path: Path) -> None:
    """`/dev/null` and pipes are written to, not replaced; one that refuses is an error."""
    write_file(Path("/dev/null"), b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(OutputError, match="No space left"):
        write_file(Path("/dev/full"), b"x")


def test_stdout_gets_a_last_newline(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed ends with one newline."""
    write(Output("table", None), "a")
    write(Output("table", None), "b\n")
    assert "a\nb\n" == capsys.readouterr().out
