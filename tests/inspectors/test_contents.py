"""Files within files: what is handed on, and what the outer file is without them."""

from __future__ import annotations

from tests.fakes import repo_file

from aibom.components import Inspection
from aibom.files import Coverage, Format
from aibom.inspectors.contents import Blanked, Content, WithContents, apart, with_contents
from aibom.sources.bytesource import MemorySource

PLAIN = Inspection(file=repo_file("f", b"abc"), coverage=Coverage.COMPLETE, metadata={"a": 1}, consumed=("x",))


def content(offset: int | None, size: int) -> Content:
    return Content(name="c", format=Format.ZIP, data=MemorySource(bytes(size)), offset=offset)


def test_an_inspection_and_its_contents_come_apart() -> None:
    """What is kept is the plain record again, unchanged."""
    item = content(1, 1)
    together = with_contents(PLAIN, [item])
    assert isinstance(together, WithContents)
    kept, contents = apart(together)
    assert (PLAIN, Inspection, (item,)) == (kept, type(kept), contents)
    assert (PLAIN, ()) == apart(PLAIN)
    assert with_contents(PLAIN, []) is PLAIN


def test_contents_read_as_zeros() -> None:
    """Whatever part is read, and however."""
    whole = bytes(range(1, 21))
    blanked = Blanked(MemorySource(whole), [content(3, 4), content(None, 9), content(18, 9)])
    expected = whole[:3] + bytes(4) + whole[7:18] + bytes(2)
    for start in range(21):
        for length in range(22):
            assert expected[start : start + length] == blanked.read_at(start, length)
            buffer = memoryview(bytearray(length))
            assert len(expected[start : start + length]) == blanked.read_into(start, buffer)
