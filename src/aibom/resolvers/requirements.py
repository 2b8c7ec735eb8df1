"""Read requirement lines as pip does; nothing is resolved, and no file that a line names is followed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from aibom.resolvers.documents import Text
from aibom.resolvers.repository import Repository

_OPTION = re.compile(r"\s--?[A-Za-z][\w-]*(?:[= ]\S+)?")


class Requirement(Struct, frozen=True, kw_only=True):
    """A dependency as declared. `version` is exact and pinned, `range` is the declared bound; neither is invented.

    `ecosystem` is a purl type: pypi, conda, docker. `written_with` is the version that wrote a file, which binds
    nobody.
    """

    ecosystem: str
    name: str
    path: str
    line: int | None = None
    version: str | None = None
    range: str | None = None
    written_with: str | None = None
    url: str | None = None
    statement: str = ""


def read_requirements(repository: Repository, path: str) -> Iterator[Requirement]:
    """Read pip's requirement lines; options, hashes and nested files are left aside, direct references kept."""
    if (text := repository.text(path)) is None:
        return
    for line, logical in logical_lines(text):
        if logical.startswith("-"):
            if match := re.match(r"-(?:e|-editable)[ =]?\s*(\S+)", logical):
                yield from _direct(match[1], path, line)
            continue
        if found := parse_requirement(logical, path, line):
            yield found
        elif "://" in logical:
            yield from _direct(logical, path, line)


def parse_requirement(text: str, path: str, line: int | None = None) -> Requirement | None:
    """Parse one PEP 508 requirement, None where it is none."""
    from packaging.requirements import InvalidRequirement  # noqa: PLC0415 -- start-up time
    from packaging.requirements import Requirement as Pep508  # noqa: PLC0415

    bare = _OPTION.sub("", text.strip()).strip()
    if not bare or len(bare) > 2000:
        return None
    try:
        parsed = Pep508(bare)
    except InvalidRequirement:
        return None
    specifiers = list(parsed.specifier)
    exact = specifiers[0] if len(specifiers) == 1 else None
    pinned = exact and exact.operator in {"==", "==="} and not exact.version.endswith(".*")
    return Requirement(
        ecosystem="pypi",
        name=normalized(parsed.name),
        path=path,
        line=line,
        version=exact.version if exact and pinned else None,
        range=None if pinned else str(parsed.specifier) or None,
        url=public_url(parsed.url) if parsed.url else None,
        statement=public_url(bare)[:300],
    )


def normalized(name: str) -> str:
    """Spell a PyPI project's name as PEP 503 does."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _direct(raw: str, path: str, line: int) -> Iterator[Requirement]:
    """A URL or a version control address, whose name stands in `#egg=` or in the last part."""
    url = raw.split(maxsplit=1)[0]
    egg = re.search(r"[#&]egg=([A-Za-z0-9_.-]+)", url)
    name = egg[1] if egg else re.sub(r"(\.git)?(@[^/]*)?(#.*)?$", "", url.rstrip("/")).rpartition("/")[2]
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name) and "://" in url:
        yield Requirement(
            ecosystem="pypi",
            name=normalized(name),
            path=path,
            line=line,
            url=public_url(url),
            statement=public_url(url)[:300],
        )


def public_url(url: str) -> str:
    """Cut the name and password out of a URL."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", url)


def logical_lines(text: Text) -> Iterator[tuple[int, str]]:
    """Yield lines joined at a trailing backslash, without comments, with the number of the first."""
    pending, start = "", 0
    for number, line in enumerate(text.text.split("\n"), 1):
        if not pending:
            start = number
        bare = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if bare.endswith("\\") and len(pending) < 20_000:
            pending += bare[:-1] + " "
            continue
        if joined := (pending + bare).strip():
            yield start, joined
        pending = ""
    if pending.strip():
        yield start, pending.strip()
