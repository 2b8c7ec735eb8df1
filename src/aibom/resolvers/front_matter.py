"""Cut a model card into its front matter and its sections."""

from __future__ import annotations

import re

from msgspec import Struct

from aibom.components import Section

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)?$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_HTML_LINE = re.compile(r"\s*(<[a-zA-Z!/]|$)")
_MAX_SECTIONS = 1000


class FrontMatter(Struct, frozen=True, kw_only=True):
    """The YAML block of a card: its text, the line (from 1) of its first line, and the line where the body starts.

    `preceded` says that something stands before it, `unclosed` that its closing line is missing: tools then see no
    metadata at all.
    """

    text: str
    line: int
    body_line: int
    preceded: bool = False
    unclosed: bool = False


def split_front_matter(text: str) -> FrontMatter | None:
    """Find the YAML block between two lines `---`, also after blank lines or lines of HTML.

    A line scan: the expression that is often used for this takes quadratic time on a hostile card.
    """
    lines = text.split("\n")
    start = 0
    while start < len(lines) and start < 50 and lines[start].rstrip() != "---":
        if not _HTML_LINE.match(lines[start]):
            return None
        start += 1
    if start >= len(lines) or lines[start].rstrip() != "---":
        return None
    preceded = any(line.strip() for line in lines[:start])
    for end in range(start + 1, len(lines)):
        if lines[end].rstrip() in {"---", "..."}:
            block = "\n".join(lines[start + 1 : end])
            return FrontMatter(text=block, line=start + 2, body_line=end + 2, preceded=preceded)
    return _unclosed(lines, start, preceded=preceded)


def _unclosed(lines: list[str], start: int, *, preceded: bool) -> FrontMatter | None:
    """Take what reads like a block: up to the first heading or blank line. A lone rule across the page is none."""
    end = start + 1
    while end < len(lines) and lines[end].strip() and not lines[end].startswith("#"):
        end += 1
    block = lines[start + 1 : end]
    if not block or not re.match(r"[\w-]+[ \t]*:", block[0]):
        return None
    return FrontMatter(text="\n".join(block), line=start + 2, body_line=end + 1, preceded=preceded, unclosed=True)


def split_sections(text: str, first_line: int) -> tuple[Section, ...]:
    """Cut Markdown at its headings, outside of code fences. `first_line` is where the body starts (from 1).

    What stands before the first heading becomes a section of level 0 without a title.
    """
    lines = text.split("\n")[first_line - 1 :]
    starts: list[tuple[int, int, str, int]] = [(0, 0, "", 0)]  # index of the heading, level, title, index of the text
    fence = ""
    for index, line in enumerate(lines):
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence):
                fence = ""
            continue
        if fence:
            continue
        if heading := _HEADING.match(line):
            title = (heading[2] or "").strip().rstrip("#").strip()
            starts.append((index, len(heading[1]), title, index + 1))
        elif index and _UNDERLINE.match(line) and lines[index - 1].strip() and starts[-1][3] < index:
            level = 1 if "=" in line else 2
            if level == 1 or not lines[index - 1].lstrip().startswith(("-", "|", "*", ">")):
                starts.append((index - 1, level, lines[index - 1].strip(), index + 1))
        if len(starts) > _MAX_SECTIONS:
            break
    sections = []
    for number, (at, level, title, begin) in enumerate(starts):
        end = starts[number + 1][0] if number + 1 < len(starts) else len(lines)
        body = lines[begin:end]
        skip = next((i for i, line in enumerate(body) if line.strip()), 0)
        content = "\n".join(body).strip()
        if level or content:
            sections.append(
                Section(
                    title=title, level=level, line=first_line + at, text=content, text_line=first_line + begin + skip
                )
            )
    return tuple(sections)
