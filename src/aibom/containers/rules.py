"""Rules about containers themselves, and the notes from which findings of a container are made."""

from __future__ import annotations

from msgspec import Struct, field

from aibom.errors import LimitExceeded
from aibom.files import RepoFile
from aibom.findings import Finding, Rule, Severity, Subject

ARCHIVE_BOMB = Rule(
    id="archive-bomb",
    subject=Subject.CONTAINERS,
    severity=Severity.HIGH,
    summary="The archive expands to far more than its size",
    explanation=(
        "A few bytes of the archive stand for very many, or several of its entries share the same bytes. Whoever "
        "unpacks it runs out of memory or disk. Ordinary weights hardly compress at all."
    ),
    help="Do not unpack it. Ask the publisher for the files without compression.",
    references=("https://cwe.mitre.org/data/definitions/409.html",),
    cwes=(409,),
)
PATH_TRAVERSAL = Rule(
    id="path-traversal",
    subject=Subject.CONTAINERS,
    severity=Severity.HIGH,
    summary="A name leads outside the model's folder",
    explanation=(
        "The name of an archive's member, the target of a link, or a path in a model file is absolute or climbs out "
        "with `..`. A loader that unpacks such an archive may overwrite any file that its user can write, and one that "
        "follows such a path reads files that are none of the model's."
    ),
    help="Do not unpack or load it. If you must look inside, use a tool that refuses such names.",
    references=(
        "https://cwe.mitre.org/data/definitions/22.html",
        "CVE-2007-4559",
        "CVE-2022-25882",
        "CVE-2024-27318",
    ),
    cwes=(22, 59),
)
ARCHIVE_AMBIGUOUS = Rule(
    id="archive-ambiguous",
    subject=Subject.CONTAINERS,
    severity=Severity.HIGH,
    summary="Two readers of this archive see different content",
    explanation=(
        "An archive says the same thing in more than one place: a name beside the data and in the directory, a size "
        "in two headers, an entry once or twice. Here the places disagree, so what a scanner reads need not be what a "
        "loader loads. Ordinary writers do not do this; it is a known way around scanners."
    ),
    help="Do not load it. Fetch it again from its publisher, or ask for safetensors weights.",
    references=("CVE-2025-1944", "CVE-2025-1945"),
    cwes=(436, 444),
)
ARCHIVE_HIDDEN_CONTENT = Rule(
    id="archive-hidden-content",
    subject=Subject.CONTAINERS,
    severity=Severity.HIGH,
    summary="The archive holds content that its directory does not list",
    explanation=(
        "There are bytes or whole entries before, between or after those that the archive's directory lists. Some "
        "readers find them and others do not. They were looked at like any other member."
    ),
    help="Ask the publisher what the extra content is for.",
    cwes=(436,),
)
ARCHIVE_CHECKSUM = Rule(
    id="archive-checksum",
    subject=Subject.CONTAINERS,
    severity=Severity.MEDIUM,
    summary="A member of the archive is not what its checksum says",
    explanation=(
        "The bytes were changed after they were packed, by accident or on purpose. Strict readers refuse such a "
        "member, and a scanner built on one sees nothing; loaders such as torch do not check and load it."
    ),
    help="Fetch the file again and compare its digest with the publisher's.",
    references=("CVE-2025-10156",),
    cwes=(354,),
)
ARCHIVE_DAMAGED = Rule(
    id="archive-damaged",
    subject=Subject.CONTAINERS,
    severity=Severity.HIGH,
    summary="Compressed or packed data breaks off",
    explanation=(
        "The packed data can't be unpacked to its end. What came before the break was looked at: a loader that reads "
        "as it unpacks has acted on it by then."
    ),
    help="Fetch the file again and compare its digest with the publisher's.",
    cwes=(20,),
)
ARCHIVE_SPECIAL_MEMBER = Rule(
    id="archive-special-member",
    subject=Subject.CONTAINERS,
    severity=Severity.MEDIUM,
    summary="The archive holds something that is not a file",
    explanation=(
        "A device, a pipe, or a file with holes: weights need none of these, and unpacking them acts on the machine "
        "in ways that a reader does not expect."
    ),
    help="Unpack it only with a tool that leaves such members out.",
    cwes=(59,),
)


class Note(Struct, frozen=True, kw_only=True):
    """What is wrong in a container, before the file it belongs to is known. `offset` counts in the container."""

    rule: Rule
    message: str
    offset: int | None = None
    severity: Severity | None = None


class Notes(Struct):
    """Notes in the order in which they were made, at most `limit`: a hostile archive may have a million faults.

    `faults` are limits that ended the expansion of a member whose beginning could still be looked at.
    """

    limit: int
    kept: list[Note] = field(default_factory=list)
    faults: list[LimitExceeded] = field(default_factory=list)
    left_out: int = 0

    def add(self, rule: Rule, message: str, *, offset: int | None = None, severity: Severity | None = None) -> None:
        """Keep a note once, however often the member is opened; count it when there are enough."""
        note = Note(rule=rule, message=message, offset=offset, severity=severity)
        if note in self.kept:
            return
        if len(self.kept) < self.limit:
            self.kept.append(note)
        else:
            self.left_out += 1

    def findings(self, file: RepoFile) -> list[Finding]:
        """Return findings about this file; the last one says how many more there would be."""
        found = [
            Finding.of(note.rule, note.message, file.at(offset=note.offset), severity=note.severity)
            for note in self.kept
        ]
        if self.left_out and found:
            last = self.kept[-1]
            message = f"{last.message}; and {self.left_out} more faults of this archive are not listed"
            found[-1] = Finding.of(last.rule, message, file.at(offset=last.offset), severity=last.severity)
        return found


RULES = (
    ARCHIVE_BOMB,
    PATH_TRAVERSAL,
    ARCHIVE_AMBIGUOUS,
    ARCHIVE_HIDDEN_CONTENT,
    ARCHIVE_CHECKSUM,
    ARCHIVE_DAMAGED,
    ARCHIVE_SPECIAL_MEMBER,
)
