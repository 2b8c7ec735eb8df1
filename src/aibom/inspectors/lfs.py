"""Inspect Git LFS pointers: small texts that stand where a large file should be."""

from __future__ import annotations

import re

from aibom.components import Inspection
from aibom.files import Coverage, RepoFile, Role
from aibom.findings import Rule, Severity, Subject
from aibom.formats import is_weight_name
from aibom.inspectors.observations import Observations
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

LFS_POINTER = Rule(
    id="lfs-pointer",
    subject=Subject.FILES,
    severity=Severity.HIGH,
    summary="A pointer stands in place of the file",
    explanation=(
        "The repository was fetched without Git LFS, so this is a text of a few lines that names the file and not the "
        "file itself. Nothing is known about the content; it was not looked at."
    ),
    help="Run `git lfs pull` in the clone, or download the repository with the hub's client, and scan again.",
    references=("https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md",),
)
ZERO_BYTE = Rule(
    id="zero-byte",
    subject=Subject.FILES,
    severity=Severity.HIGH,
    summary="The file is empty",
    explanation="A file that should hold weights has no content: an interrupted download or a failed export.",
    help="Fetch the file again and compare its size and digest with the publisher's.",
)

_LINE = re.compile(r"([a-z0-9.-]+) (.*)")
_OID = re.compile(r"sha256:[0-9a-f]{64}")


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Report the pointer, and note the digest and size (`oid`, `size`) that it declares for the real file."""
    seen = Observations(file, limits)
    text = data.read_at(0, 1024).decode("utf-8", "replace")
    fields = {match[1]: match[2] for line in text.splitlines() if (match := _LINE.fullmatch(line))}
    weights = file.role is Role.WEIGHTS or is_weight_name(file.members[-1] if file.members else file.path)
    severity = Severity.HIGH if weights or file.role is Role.CODE else Severity.MEDIUM
    oid, size = fields.get("oid", ""), fields.get("size", "")
    if _OID.fullmatch(oid):
        seen.note("oid", oid)
    if size.isascii() and size.isdigit() and len(size) < 20:
        seen.note("size", int(size))
    if not (_OID.fullmatch(oid) and "size" in fields):
        seen.report(MALFORMED_FILE, "the pointer has no valid digest and size", severity=severity)
    declared = f" (declared: {int(size)} bytes)" if size.isascii() and size.isdigit() and len(size) < 20 else ""
    seen.report(LFS_POINTER, f"a Git LFS pointer; the file itself is not here{declared}", severity=severity)
    seen.coverage = Coverage.NONE
    return seen.inspection()


def inspect_empty(file: RepoFile, _data: ByteSource, limits: Limits) -> Inspection:
    """Report an empty file where weights should be; an empty `__init__.py` is none of our business."""
    seen = Observations(file, limits)
    if file.role is Role.WEIGHTS:
        seen.report(ZERO_BYTE, "the name says weights, and there is not one byte")
    return seen.inspection()


RULES = (LFS_POINTER, ZERO_BYTE)
