"""Where results go: stdout, or files that are whole or absent."""

from __future__ import annotations

import difflib
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from aibom.emitters import EMITTERS
from aibom.errors import OutputError, TargetError, UsageError

JOINED = frozenset({"table", "markdown"})
"""Formats of which several targets may share a file or stdout: one text follows the other, with a summary."""
_PATHLESS = "-"
_NAME_CHARS = 120
_DOCUMENT_BYTES = 512 * 1024 * 1024


class Output(Struct, frozen=True):
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


def outputs_for(values: Sequence[str], targets: Sequence[str]) -> list[tuple[Output, ...]]:
    """Return the outputs of each target: `{name}` in a path is the target's name, `{number}` its place in the list.

    Raises:
        UsageError: as `parse_outputs`, and where targets would write over each other.
    """
    outputs = [
        parse_outputs([value.replace("{name}", file_name(target)).replace("{number}", str(number)) for value in values])
        for number, target in enumerate(targets, 1)
    ]
    owners: dict[Path | None, tuple[int, str]] = {}
    for number, places in enumerate(outputs):
        for output in places:
            this = (number, output.format)
            other = owners.setdefault(output.path and output.path.absolute(), this)
            if other != this and not (other[1] == output.format and output.format in JOINED):
                _refuse_shared(output, values, (targets[other[0]], targets[number]))
    return outputs


def _refuse_shared(output: Output, values: Sequence[str], targets: tuple[str, str]) -> None:
    from aibom.fleet.driver import ENDINGS  # noqa: PLC0415 -- only for the hint of an error

    example = f"-o '{output.format}={{name}}{ENDINGS.get(output.format, '.txt')}'"
    if output.path is None:
        raise UsageError(
            f"several targets give one {output.format} each, and stdout takes one",
            hint=f"a file each: {example}; table and markdown can hold several",
        )
    both = " and ".join(dict.fromkeys(targets))
    if not any("{name}" in value for value in values if value.startswith(f"{output.format}=")):
        raise UsageError(f"several targets ({both}) would write the same file {output.path}", hint=example)
    raise UsageError(
        f"the name of {both} is there twice: both would write the same file {output.path}",
        hint="put the place in the list into the path too: {number}-{name}",
    )


def file_name(target: str) -> str:
    """Return what a target is called in a file's name: the folder or file, or owner and name of a model on a hub."""
    scheme, separator, rest = target.partition("://")
    if target.startswith("pkg:"):
        rest = target.partition("/")[2]
    elif target.startswith("oci-layout:") or not separator:
        folder, mark, tag = target.removeprefix("oci-layout:").partition("#")
        rest = Path(folder).resolve().name + mark + tag
    elif scheme in {"http", "https"}:
        rest = rest.partition("?")[0].rstrip("/").rpartition("/")[2]
    parts = [re.sub(r"[^\w.@+-]+", "-", part) for part in rest.split("/") if part]
    return "--".join(parts).strip("-.")[:_NAME_CHARS] or "target"


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
