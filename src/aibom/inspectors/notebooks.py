"""Inspect notebooks: the code cells, with their shell lines and magics. Nothing in a notebook runs by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from aibom.components import Inspection
from aibom.errors import MalformedFile
from aibom.files import RepoFile
from aibom.findings import Severity
from aibom.inspectors.foreign_json import parse_json
from aibom.inspectors.observations import Observations
from aibom.inspectors.python_code import judge_tree, parse_source
from aibom.inspectors.scripts import judge_commands
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_CELLS = 10_000
_SHELLS = ("%%bash", "%%sh", "%%script", "%%cmd", "%%!", "%%system")
_COMMAND = re.compile(r"\s*(?:[\w, ]{1,100}=\s*)?[!%]{1,2}\s*(?:sx |system |sc )?(.*)")
_HELP = re.compile(r"\s*(\?{1,2}\s*[\w.*%]+|[\w.*%]+\s*\?{1,2})\s*")


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge the code cells as programs that somebody runs by hand.

    Raises:
        MalformedFile: it is not JSON.
        LimitExceeded: it is larger or deeper than the limits allow.
    """
    seen = Observations(file, limits)
    if data.size > limits.json_bytes:
        seen.unread(f"the notebook has {data.size} bytes, the limit is {limits.json_bytes}", severity=Severity.MEDIUM)
        return seen.inspection()
    document = parse_json(data.read_at(0, data.size).decode("utf-8-sig", "replace"), limits)
    language = _language(document)
    if language not in {"", "python", "ipython", "python3"}:
        seen.unread(f"the cells are in {language[:40]}, which this scanner does not read", severity=Severity.LOW)
        return seen.inspection()
    shift = 0
    for number, source in enumerate(_cells(document), 1):
        _judge_cell(source, number, shift, seen)
        shift += source.count("\n") + 1
    return seen.inspection()


def _language(document: Any) -> str:
    match document:
        case {"metadata": {"kernelspec": {"language": str(language)}}}:
            return language.lower()
        case {"metadata": {"language_info": {"name": str(language)}}}:
            return language.lower()
    return ""


def _cells(document: Any) -> Iterator[str]:
    """Yield the source of code cells; format 3 keeps them in worksheets, and calls the source input."""
    match document:
        case {"cells": [*cells]}:
            pass
        case {"worksheets": [{"cells": [*cells]}, *_]}:
            pass
        case _:
            return
    for cell in cells[:_CELLS]:
        match cell:
            case {"cell_type": "code", "source": source} | {"cell_type": "code", "input": source}:
                if isinstance(source, str):
                    yield source
                elif isinstance(source, list):
                    yield "".join(line for line in source if isinstance(line, str))


def _judge_cell(source: str, number: int, shift: int, seen: Observations) -> None:
    if source.lstrip().startswith(_SHELLS):
        judge_commands(source, seen, line_shift=shift)
        return
    lines = source.split("\n")
    commands = [_COMMAND.fullmatch(line) for line in lines]
    judge_commands("\n".join(match[1] if match else "" for match in commands), seen, line_shift=shift)
    if source.lstrip().startswith("%%") and not source.lstrip().startswith(("%%time", "%%capture", "%%prun")):
        return  # a cell in another language
    plain = "\n".join(
        f"{line[: len(line) - len(line.lstrip())]}pass" if command or _HELP.fullmatch(line) else line
        for line, command in zip(lines, commands, strict=True)
    )
    try:
        tree = parse_source(plain)
    except MalformedFile:
        seen.unread(f"code cell {number} is not Python that could be read", severity=Severity.INFO)
        return
    judge_tree(tree, seen, line_shift=shift, whole_program=True)
