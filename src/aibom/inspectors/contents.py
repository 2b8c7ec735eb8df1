"""Hand on whole files that stand inside another one without being members of a container.

An inspector that finds such a file reads nothing of it: it returns a `WithContents`, and whoever called it has each
content inspected as a member. What is kept of an inspection has no contents any more.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, structs

from aibom.components import Inspection
from aibom.files import Format
from aibom.inspectors.protocol import Inspector
from aibom.sources.bytesource import ByteSource, SliceSource


class Content(Struct, frozen=True, kw_only=True):
    """A file within a file: its member name, what its loader takes it for, and its bytes.

    `inspector` stands in for that of the format, where the loader goes by other rules than it does for a file of its
    own. `offset` says where in the outer file the bytes stand as they are, None where they are put together.
    """

    name: str
    format: Format
    data: ByteSource
    inspector: Inspector | None = None
    offset: int | None = None


class WithContents(Inspection, frozen=True, kw_only=True):
    """What one file says, and the files that stand in it."""

    contents: tuple[Content, ...]


def with_contents(inspection: Inspection, contents: Sequence[Content]) -> Inspection:
    """Return the inspection together with what was found inside the file."""
    return WithContents(**structs.asdict(inspection), contents=tuple(contents)) if contents else inspection


def apart(inspection: Inspection) -> tuple[Inspection, tuple[Content, ...]]:
    """Return what is kept of an inspection, and what is still to be inspected."""
    if not isinstance(inspection, WithContents):
        return inspection, ()
    fields = {name: getattr(inspection, name) for name in Inspection.__struct_fields__}
    return Inspection(**fields), inspection.contents


class Blanked(SliceSource):
    """A file with zero bytes where its contents stand: what the outer file is by itself."""

    def __init__(self, data: ByteSource, contents: Sequence[Content]) -> None:
        super().__init__(data, 0, data.size)
        self._ranges = [(item.offset, item.data.size) for item in contents if item.offset is not None]

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        raw = super().read_at(offset, length)
        for start, size in self._ranges:
            first, last = max(start - offset, 0), min(start + size - offset, len(raw))
            if first < last:
                raw = raw[:first] + bytes(last - first) + raw[last:]
        return raw

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`."""
        raw = self.read_at(offset, len(buffer))
        buffer[: len(raw)] = raw
        return len(raw)
