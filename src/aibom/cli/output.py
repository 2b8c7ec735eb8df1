"""Where results go: stdout, or files that are whole or absent."""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aibom.emitters import EMITTERS
from aibom.errors import OutputError, TargetError, UsageError

_PATHLESS = "-"
_DOCUMENT_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Output:
    """A format and where it goes; `path` None is stdout."""

    format: str
    path: Path | None


def parse_outputs(values: Sequence[str]) -> tuple[Output, ...]:
    """Read `FORMAT` and `FORMAT=PATH`; without any, the table goes to stdout.

    Raises:
        UsageError: a format is not known, two go to stdout, two to the same file, or a file's folder is missing.
    """
    outputs = []
    for value in values or ("table",):
        name, separator, place = value.partition("=")
        if name not in EMITTERS:
            near = difflib.get_close_matches(name, EMITTERS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"formats: {', '.join(EMITTERS)}"
            raise UsageError(f"unknown format {name!r}", hint=hint)
        if separator and not place:
            raise UsageError(f"-o {value}: there is no path after =", hint=f"-o {name}=FILE, or -o {name} for stdout")
        outputs.append(Output(name, Path(place) if separator and place != _PATHLESS else None))
    if sum(output.path is None for output in outputs) > 1:
        raise UsageError("two formats can't both go to stdout", hint="give all but one a path: -o FORMAT=PATH")
    paths = [output.path.absolute() for output in outputs if output.path is not None]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"two formats go to the same file {path.name}", hint="give each a path of its own")
        if not path.parent.is_dir():
            raise UsageError(f"the folder of {path.name} does not exist", hint=f"mkdir -p {path.parent}")
        if path.is_dir():
            raise UsageError(f"{path.name} is a folder", hint="give a path for the file")
    return tuple(outputs)


def read_document(path: Path) -> bytes:
    """Read a report or BOM; `-` is stdin.

    Raises:
        TargetError: it can't be read, or is too large for a document.
    """
    try:
        if str(path) == _PATHLESS:
            data = sys.stdin.buffer.read(_DOCUMENT_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(_DOCUMENT_BYTES + 1)
    except OSError as fault:
        raise TargetError(f"{path} can't be read: {fault.strerror}", hint="give a file, or - for stdin") from fault
    if len(data) > _DOCUMENT_BYTES:
        raise TargetError(f"{path} has more than {_DOCUMENT_BYTES} bytes")
    return data


def write(output: Output, text: str) -> None:
    """Write one result. A file is replaced as a whole, or left as it was.

    Raises:
        OutputError: it can't be written.
    """
    if output.path is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
        return
    write_file(output.path, text.encode() if text.endswith("\n") else text.encode() + b"\n")


def write_file(path: Path, content: bytes) -> None:
    """Write beside the file, flush to the disk, then rename: at no moment is there half a file.

    Raises:
        OutputError: it can't be written.
    """
    if path.exists() and not path.is_file():
        _write_through(path, content)
        return
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException as fault:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(fault, OSError):
            raise OutputError(f"{path} can't be written: {fault.strerror}") from fault
        raise


def _write_through(path: Path, content: bytes) -> None:
    # A device or a pipe (`/dev/stderr`, process substitution) has no other file to be renamed over.
    try:
        path.write_bytes(content)
    except OSError as fault:
        raise OutputError(f"{path} can't be written: {fault.strerror}") from fault


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
