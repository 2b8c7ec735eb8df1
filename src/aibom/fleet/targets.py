"""What a run is over: a file of targets, stdin, a directory of repositories, the models of a hub organisation."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from aibom.errors import UsageError

_ORGANISATION = re.compile(r"hf://([\w.-]{1,96})/\*")
# owner/name below the folder, or a category more; deeper than this is a repository's own tree.
_DEPTH = 3
_LINE_CHARS = 4096


class Slice(Struct, frozen=True):
    """Part `index` (from 0) of `count` parts, for jobs that share nothing."""

    index: int
    count: int

    def __contains__(self, target: str) -> bool:
        """Say whether a target belongs to this part: by its name, so that all jobs agree whatever order they see."""
        return int.from_bytes(hashlib.sha256(target.encode("utf-8", "surrogateescape")).digest()[:8]) % self.count == (
            self.index
        )

    @property
    def name(self) -> str:
        """Name of the part, for a folder."""
        return f"slice-{self.index}-of-{self.count}"


def parse_slice(text: str) -> Slice:
    """Read `I/N`, counting from 0.

    Raises:
        UsageError: it is not that.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not 0 <= int(match[1]) < int(match[2]):
        raise UsageError(f"--slice {text} is no part", hint="I/N with I from 0 to N-1: --slice 0/8 is the first of 8")
    return Slice(int(match[1]), int(match[2]))


def read_targets(where: str, *, offline: bool = False) -> list[str]:
    """Return the targets, each once, in their order.

    Raises:
        UsageError: the list is no list, or names nothing.
        TargetError: it can't be had from the hub.
    """
    targets = list(dict.fromkeys(_read(where, offline=offline)))
    if not targets:
        raise UsageError(f"{where} names no target", hint="one target a line, or a folder of repositories")
    return targets


def _read(where: str, *, offline: bool) -> Iterable[str]:
    if match := _ORGANISATION.fullmatch(where):
        from aibom.sources.hub_listing import models_of  # noqa: PLC0415 -- only runs over a hub need its client
        from aibom.sources.network import Network  # noqa: PLC0415

        return [f"hf://{name}" for name in models_of(match[1], Network(offline=offline))]
    if where == "-":
        return _lines(sys.stdin.buffer.read(), "stdin")
    path = Path(where)
    if path.is_dir():
        return repositories(path)
    try:
        return _lines(path.read_bytes(), where)
    except OSError as fault:
        raise UsageError(
            f"{where} can't be read: {fault.strerror}", hint="a file of targets, - for stdin, a folder, or hf://owner/*"
        ) from fault


def _lines(raw: bytes, where: str) -> Iterator[str]:
    if b"\0" in raw[:4096]:
        raise UsageError(f"{where} is no list of targets", hint=f"to scan it: aibom scan {where}")
    for number, line in enumerate(raw.split(b"\n"), 1):
        text = os.fsdecode(line).strip()
        if len(text) > _LINE_CHARS:
            raise UsageError(f"{where}:{number} is too long for a target")
        if text and not text.startswith("#"):
            yield text


def repositories(folder: Path) -> Iterator[str]:
    """Yield the repositories below a folder: the first folders on each way down that hold a file of their own.

    So `mirror/owner/name/...` is found as well as `mirror/name/...`. Links are not followed. In a cache of the hub
    client every snapshot is a repository.
    """
    yield from _below(folder, 1)


def _below(folder: Path, depth: int) -> Iterator[str]:
    try:
        with os.scandir(folder) as listing:
            found = sorted((item for item in listing if item.is_dir(follow_symlinks=False)), key=lambda item: item.name)
    except OSError as fault:
        raise UsageError(f"{folder} can't be listed: {fault.strerror}") from fault
    for item in found:
        path = Path(item.path)
        if item.name.startswith("."):
            continue
        if item.name.startswith("models--") and (path / "snapshots").is_dir():
            yield from sorted(str(snapshot) for snapshot in (path / "snapshots").iterdir() if snapshot.is_dir())
        elif depth >= _DEPTH or _holds_files(path):
            yield str(path)
        else:
            yield from _below(path, depth + 1)


def _holds_files(folder: Path) -> bool:
    try:
        with os.scandir(folder) as listing:
            return any(not item.is_dir(follow_symlinks=False) for item in listing)
    except OSError:
        return True  # its scan will say why it can't be read
