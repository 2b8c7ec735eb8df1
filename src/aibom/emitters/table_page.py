"""A page of plain tables: the summary of a fleet, the inventory. It asks nothing of any server and runs no script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib import resources
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from aibom.emitters.inert import visible


class Link(Struct, frozen=True, kw_only=True):
    """A cell that leads to a file. `path` is relative to the page, with slashes; it can name no other place."""

    text: str
    path: str

    @property
    def address(self) -> str:
        """The path as an address: escaped, and begun so that nothing in it is read as a scheme or a host."""
        return f"./{quote(self.path.encode('utf-8', 'surrogatepass'))}"

    def __str__(self) -> str:
        return self.text


class Table(Struct, frozen=True, kw_only=True):
    """A table with a heading; the first cell of a row names it. A cell is a `Link` or anything that has a text."""

    heading: str
    heads: tuple[str, ...]
    rows: Sequence[Sequence[object]]


def render_tables(*, title: str, lead: str, tables: Sequence[Table], note: str) -> str:
    """Return the tables as one HTML page; every value is escaped, control characters are spelled out."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 -- only where a page is made
    from markupsafe import Markup  # noqa: PLC0415

    def finalize(value: Any) -> Any:
        return value if isinstance(value, Markup) else visible(str(value))

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=finalize
    )
    folder = resources.files("aibom.data") / "report"
    style = (folder / "report.css").read_text("utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return environment.from_string((folder / "tables.html.j2").read_text("utf-8")).render(
        title=title,
        lead=lead,
        tables=tables,
        note=note,
        style=Markup(style),  # noqa: S704 -- ours, and named by its digest in the policy
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )
