"""Look at the bytes after the last STOP of a pickle: another loader, or a second load, may find a pickle there."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Import
from aibom.files import RepoFile
from aibom.findings import Finding, Severity
from aibom.inspectors import pickle_rules as rules
from aibom.inspectors.pickle_examine import examine
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

# What a stream may begin with that does something: a protocol opcode, an import by name, an import from the stack.
_NAME = rb"[A-Za-z_][\w.]{0,127}"
_CANDIDATE = re.compile(
    rb"\x80[\x02-\x05][\x80-\x98(-~]|[ci]%b\n%b\n|\x8c[\x01-\x7f]%b\x94?\x8c[\x01-\x7f]%b\x94?\x93"
    % (_NAME, _NAME, _NAME, _NAME)
)
_PIECE = 4 * 1024 * 1024
_OVERLAP = 1024
# Candidates may overlap, so what they may cost is bounded together.
_CANDIDATES = 4096
_OPCODES = 500_000
_QUIET = frozenset({rules.MALFORMED.id, rules.UNKNOWN_IMPORT.id, rules.EXTENSION_CODE.id, INSPECTION_INCOMPLETE.id})


class Trailing(Struct, frozen=True, kw_only=True):
    """What stands after a pickle. `complete` is False where there was more than the limits allow to look at."""

    findings: tuple[Finding, ...]
    imports: tuple[Import, ...]
    complete: bool


def look_after(file: RepoFile, data: ByteSource, limits: Limits, start: int, *, broken: bool = False) -> Trailing:
    """Search the bytes from `start` to the end for pickles that act.

    `broken` says that the walk ended there with a fault, which has been reported already.
    """
    end = min(data.size, start + limits.pickle_bytes)
    found: dict[tuple[str, str], Finding] = {}
    imports: list[Import] = []
    offset, tried, blank, left = start, 0, True, _OPCODES
    skip_to = start
    while offset < end and tried < _CANDIDATES:
        piece = data.read_at(offset, min(_PIECE, end - offset))
        if not piece:
            break
        blank = blank and not piece.strip(b"\0")
        for match in _CANDIDATE.finditer(piece):
            place = offset + match.start()
            if place < skip_to:
                continue
            tried += 1
            if tried >= _CANDIDATES or left <= 0:
                tried = _CANDIDATES
                break
            examined = examine(file, data, replace(limits, pickle_opcodes=left), start=place, streams=1)
            left -= examined.opcodes
            acting = [finding for finding in examined.findings if finding.rule.id not in _QUIET]
            if acting:
                imports += examined.imports
            for finding in acting:
                found.setdefault((finding.rule.id, finding.message), finding)
            if examined.ends:
                skip_to = examined.ends[0]
        offset += len(piece) - (_OVERLAP if offset + len(piece) < end else 0)
    findings = list(found.values())
    complete = end == data.size and tried < _CANDIDATES
    if not complete:
        message = "the bytes after the pickle were not all searched for further pickles"
        findings.append(Finding.of(INSPECTION_INCOMPLETE, message, file.at(offset=offset)))
    if not broken and start < data.size:
        findings.append(_present(file, data.size - start, start, blank=blank and complete))
    return Trailing(findings=tuple(findings), imports=tuple(imports), complete=complete)


def _present(file: RepoFile, count: int, start: int, *, blank: bool) -> Finding:
    what = "zero bytes" if blank else "bytes"
    severity = Severity.INFO if blank else None
    return Finding.of(
        rules.TRAILING, f"{count} {what} after the end of the pickle", file.at(offset=start), severity=severity
    )
