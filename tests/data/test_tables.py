"""The table loader refuses what is not a table, and says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from aibom.data.tables import Row, load_rows, parse_rows
from aibom.errors import DataError

COLUMNS = ("name", "kind")


def rows(tmp_path: Path, text: str | bytes, **options: tuple[str, ...]) -> tuple[Row, ...]:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return parse_rows(path, "t.csv", COLUMNS, **options)


def test_rows_carry_their_line(tmp_path: Path) -> None:
    """Comments and empty lines are skipped but counted."""
    (row,) = rows(tmp_path, '# about\nname,kind\n\n "a,b" ,x;y\n'.replace(' "a,b" ', '"a,b"'))
    assert (4, "a,b") == (row.line, row["name"])
    assert ("x", "y") == row.words("kind")
    assert "x;y" == row.one_of("kind", ("x;y",))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name\n", "t.csv:1: columns are"),
        ("", "t.csv:1: columns are"),
        ("name,kind\na\n", "t.csv:2: 1 cells"),
        ("name,kind\n\na,\n", "t.csv:3: kind is empty"),
        ('name,kind\n"a,b\n', "t.csv:2: "),
        (b"name,kind\n\xff,b\n", "not UTF-8 at byte 10"),
    ],
)
def test_faults_name_file_and_line(tmp_path: Path, text: str | bytes, fault: str) -> None:
    """Each fault says in which file and line it is."""
    with pytest.raises(DataError, match=fault):
        rows(tmp_path, text)


def test_optional_cells_may_be_empty(tmp_path: Path) -> None:
    """Only required columns need a value."""
    (row,) = rows(tmp_path, "name,kind\na,\n", required=("name",))
    assert "" == row["kind"]


def test_a_value_outside_the_list_is_refused(tmp_path: Path) -> None:
    """A cell with a fixed set of values takes no other."""
    (row,) = rows(tmp_path, "name,kind\na,b\n")
    with pytest.raises(DataError, match=r"t\.csv:2: kind is 'b', not one of c, d"):
        row.one_of("kind", ("c", "d"))


def test_an_absent_table_is_an_error() -> None:
    """A table that is not there is named."""
    with pytest.raises(DataError, match=r"absent\.csv: can't be read"):
        load_rows("absent.csv", COLUMNS)
