"""What an inspector is, and the rules that any of them may report."""

from __future__ import annotations

from collections.abc import Callable

from aibom.components import Inspection
from aibom.files import RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

Inspector = Callable[[RepoFile, ByteSource, Limits], Inspection]
"""Reads one file. Raises only `MalformedFile` and `LimitExceeded`; OSError passes through from the source."""

MALFORMED_FILE = Rule(
    id="malformed-file",
    subject=Subject.FILES,
    severity=Severity.HIGH,
    summary="The file contradicts its own format",
    explanation=(
        "The bytes break a rule of the format that they claim to be. A loader may crash on such a file, read it "
        "differently from this scanner, or be led to read memory that it should not."
    ),
    help="Fetch the file again and compare its digest with the publisher's; do not load it if it stays broken.",
    cwes=(20,),
)
INSPECTION_INCOMPLETE = Rule(
    id="inspection-incomplete",
    subject=Subject.FILES,
    severity=Severity.HIGH,
    summary="A part of the file was not looked at",
    explanation=(
        "The file needs more than the scan's limits allow, or a part of it could not be read. Nothing is known about "
        "that part, so the file is not clean."
    ),
    help="Raise the limit that is named if you trust the source, or look at the file in isolation.",
)
TRUNCATED = Rule(
    id="truncated",
    subject=Subject.FILES,
    severity=Severity.HIGH,
    summary="The file ends before its content does",
    explanation="The header promises more bytes than the file holds: a broken download, or a header that lies.",
    help="Fetch the file again and compare its size and digest with the publisher's.",
    cwes=(130,),
)

RULES = (MALFORMED_FILE, INSPECTION_INCOMPLETE, TRUNCATED)
