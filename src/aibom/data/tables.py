"""Load the CSV tables that ship with the tool; a fault names file and line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NoReturn

from msgspec import Struct

from aibom.errors import DataError


class Row(Struct, frozen=True):
    """One line of a table. `row["column"]` is the cell's text, stripped; `line` counts from 1."""

    table: str
    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def words(self, column: str, separator: str = ";") -> tuple[str, ...]:
        """Return the non-empty parts of a cell that holds a list."""
        return tuple(filter(None, map(str.strip, self.cells[column].split(separator))))

    def fail(self, fault: str) -> NoReturn:
        """Refuse the row.

        Raises:
            DataError: always; it names table, line and fault.
        """
        raise DataError(f"{self.table}:{self.line}: {fault}")

    def one_of(self, column: str, allowed: Sequence[str]) -> str:
        """Return a cell that must be one of `allowed`."""
        value = self.cells[column]
        if value not in allowed:
            self.fail(f"{column} is {value!r}, not one of {', '.join(allowed)}")
        return value


def load_rows(name: str, columns: Sequence[str], *, required: Sequence[str] | None = None) -> tuple[Row, ...]:
    """Read a table of `aibom/data`.

    The first line that is no comment must name exactly `columns`. Lines that start with `#` and empty lines are
    skipped. A cell of a `required` column (all of them unless given) must not be empty.

    Raises:
        DataError: the table is absent or breaks one of these rules.
    """
    return parse_rows(files("aibom.data").joinpath(name), name, columns, required=required)


def parse_rows(
    place: Traversable, name: str, columns: Sequence[str], *, required: Sequence[str] | None = None
) -> tuple[Row, ...]:
    """Read a table from anywhere, by the rules of `load_rows`; `name` is what faults call it."""
    try:
        text = place.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{name}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 at byte {error.start}") from error
    needed = columns if required is None else required
    records = _records(text, name)
    line, header = next(records, (1, []))
    if header != list(columns):
        raise DataError(f"{name}:{line}: columns are {header}, expected {list(columns)}")
    rows = []
    for line, record in records:
        if len(record) != len(columns):
            raise DataError(f"{name}:{line}: {len(record)} cells, expected {len(columns)}")
        row = Row(name, line, dict(zip(columns, map(str.strip, record), strict=True)))
        for column in needed:
            if not row.cells[column]:
                row.fail(f"{column} is empty")
        rows.append(row)
    return tuple(rows)


def _records(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells. No cell spans lines, so a stray quote can't swallow the rest of the table."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if '"' not in line:
            # Without quotes there is nothing to read but the commas; most lines are such.
            yield number, line.split(",")
            continue
        try:
            record = next(csv.reader([line], strict=True))
        except csv.Error as error:
            raise DataError(f"{name}:{number}: {error}") from error
        yield number, record
