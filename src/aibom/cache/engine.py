"""Which scanner it was: what is remembered of an inspection counts only for the engine that made it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from aibom._version import __version__
from aibom.data import rule_data

# What reads a part of a file for us: with another version, or without it, the inspection may say something else.
_READERS = ("fickling", "jinja2", "lz4", "msgspec", "py7zr", "pyfive", "PyYAML", "zstandard")


@cache
def engine() -> str:
    """Return a digest over the version of this tool, its code as it stands on the disk, its tables and its readers."""
    parts = [__version__, *_code(), *(f"{name}={_version(name)}" for name in _READERS)]
    parts += [f"{name}={digest}" for name, digest in rule_data().items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _code() -> Iterator[str]:
    # A version alone does not tell a checkout that is being worked on from the release before it.
    root = Path(__file__).parents[1]
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                status = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 -- 300 files before every scan
                yield f"{os.path.relpath(folder, root)}/{name} {status.st_size} {status.st_mtime_ns}"


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 -- 8 ms, for a cache alone

    try:
        return version(name)
    except PackageNotFoundError:
        return "-"
