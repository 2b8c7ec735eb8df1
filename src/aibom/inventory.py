"""List a source and say what every file is."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from aibom.containers.rules import PATH_TRAVERSAL
from aibom.files import Format, RepoFile, Role
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.formats import RULES as FORMAT_RULES
from aibom.formats import mismatch_finding, recognize, role_of
from aibom.limits import Limits
from aibom.portable_names import RULES as NAME_RULES
from aibom.portable_names import check_names
from aibom.report import Skipped
from aibom.sources.bytesource import Stamp
from aibom.sources.protocol import Entry, Fault, Source

SYMLINK_ESCAPE = Rule(
    id="symlink-escape",
    subject=Subject.FILES,
    severity=Severity.HIGH,
    summary="A link leads out of the target",
    explanation=(
        "The link points to a place outside the repository. What a loader finds there depends on the machine, and it "
        "may be a file that should not be read. The link was not followed."
    ),
    help="Replace the link with the file itself, or remove it.",
    cwes=(59,),
)
SYMLINK_LOOP = Rule(
    id="symlink-loop",
    subject=Subject.FILES,
    severity=Severity.LOW,
    summary="A link leads back to itself",
    explanation="Following the link never ends at a file. It was not followed.",
    help="Remove the link; no loader can follow it.",
    cwes=(61,),
)
DANGLING_SYMLINK = Rule(
    id="dangling-symlink",
    subject=Subject.FILES,
    severity=Severity.MEDIUM,
    summary="A link leads to nothing",
    explanation=(
        "The file that the link names does not exist: an incomplete download, or a link to another machine's file."
    ),
    help="Complete the download, or remove the link.",
)
SPECIAL_FILE = Rule(
    id="special-file",
    subject=Subject.FILES,
    severity=Severity.MEDIUM,
    summary="Not a regular file",
    explanation="Named pipes, sockets and devices have no place in a model repository; reading one may block or act.",
    help="Remove it from the repository.",
)
UNREADABLE = Rule(
    id="unreadable",
    subject=Subject.FILES,
    severity=Severity.HIGH,
    summary="A file could not be read",
    explanation="The operating system refused to read the file, so nothing is known about it.",
    help="Give the scanner read access, or fetch the file again.",
)
NOT_LISTED = Rule(
    id="not-listed",
    subject=Subject.FILES,
    severity=Severity.HIGH,
    summary="Part of the target was not looked at",
    explanation=(
        "The target has more files or deeper folders than the scan's limits allow. Nothing is known about what lies "
        "beyond; nobody arranges a model so that it needs more."
    ),
    help="Scan the part that was left out by itself, or ask the publisher what it is for.",
    cwes=(400,),
)
UNRECOGNIZED_WEIGHTS = Rule(
    id="unrecognized-weights",
    subject=Subject.FILES,
    severity=Severity.MEDIUM,
    summary="A weight file in no known format",
    explanation=(
        "The name says that the file holds weights; its bytes match no format that this scanner knows. Nothing is "
        "known about what a loader would do with it."
    ),
    help="Ask the publisher what wrote the file, or for the weights as safetensors.",
)

RULES = (
    SYMLINK_ESCAPE,
    SYMLINK_LOOP,
    DANGLING_SYMLINK,
    SPECIAL_FILE,
    UNREADABLE,
    NOT_LISTED,
    UNRECOGNIZED_WEIGHTS,
    *NAME_RULES,
    *FORMAT_RULES,
)

_FAULTS: Mapping[Fault, tuple[Rule, str]] = {
    Fault.SYMLINK_ESCAPE: (SYMLINK_ESCAPE, "a link that was not followed"),
    Fault.SYMLINK_LOOP: (SYMLINK_LOOP, "a link that was not followed"),
    Fault.DANGLING_SYMLINK: (DANGLING_SYMLINK, "a link without a file"),
    Fault.SPECIAL_FILE: (SPECIAL_FILE, "not a regular file"),
    Fault.UNREADABLE: (UNREADABLE, "can't be read"),
    Fault.UNSAFE_NAME: (PATH_TRAVERSAL, "a name that was not followed"),
    Fault.TOO_DEEP: (NOT_LISTED, "a folder that was not opened"),
}


class Inventory(Struct, frozen=True, kw_only=True):
    """What is in a target. `files` can be read, `unread` can't; both are sorted by path."""

    files: tuple[RepoFile, ...]
    unread: tuple[RepoFile, ...]
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    """The status of files on this machine when they were listed, by path."""


def take_inventory(source: Source, limits: Limits) -> Inventory:
    """List the source and recognise every file by its first bytes.

    More names than `limits.files` are left out, and that is said.
    """
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    findings: list[Finding] = []
    for item in source.entries():
        if isinstance(item, Skipped):
            skipped.append(item)
        elif isinstance(item, Finding):
            findings.append(item)
        elif len(entries) < limits.files:
            entries.append(item)
        else:
            skipped.append(Skipped(path="", reason=f"everything after the first {limits.files} files"))
            break
    # What was left out on purpose has a name (`.git`); what has none is the rest of a listing that was cut.
    findings.extend(Finding.of(NOT_LISTED, f"left out: {item.reason}") for item in skipped if not item.path)
    files: list[RepoFile] = []
    unread: list[RepoFile] = []
    for entry in sorted(entries, key=lambda entry: entry.path):
        fault, detail = entry.fault, entry.detail
        if fault is None:
            try:
                file = _recognize(source, entry, limits)
            except OSError as error:
                fault, detail = Fault.UNREADABLE, error.strerror or str(error)
            else:
                files.append(file)
                findings.extend(_doubts(file))
                continue
        file = _repo_file(entry, Format.UNKNOWN)
        unread.append(file)
        findings.append(_fault_finding(file, fault, detail))
    findings.extend(check_names((*files, *unread)))
    return Inventory(
        files=tuple(files),
        unread=tuple(unread),
        findings=tuple(findings),
        skipped=tuple(sorted(skipped, key=lambda item: item.path)),
        stamps={entry.path: entry.stamp for entry in entries if entry.stamp is not None},
    )


def _recognize(source: Source, entry: Entry, limits: Limits) -> RepoFile:
    if entry.size == 0:
        # Opened all the same: an empty file that can't be opened is unreadable, not empty.
        source.open(entry.path).close()
        return _repo_file(entry, Format.EMPTY)
    with source.open(entry.path) as data:
        head = data.read_at(0, limits.sniff_bytes)
        return _repo_file(entry, recognize(entry.path, head, data.size, data))


def _repo_file(entry: Entry, format_: Format) -> RepoFile:
    return RepoFile(
        path=entry.path,
        size=entry.size,
        format=format_,
        role=role_of(entry.path, format_),
        declared_digests=entry.declared_digests,
        media_type=entry.media_type,
    )


def _doubts(file: RepoFile) -> list[Finding]:
    if (doubt := mismatch_finding(file)) is not None:
        return [doubt]
    if file.format is Format.UNKNOWN and file.role is Role.WEIGHTS:
        return [Finding.of(UNRECOGNIZED_WEIGHTS, "its bytes match no known weight format", file.at())]
    return []


def _fault_finding(file: RepoFile, fault: Fault, detail: str) -> Finding:
    rule, message = _FAULTS[fault]
    # A broken link or an unreadable file where weights should be leaves nothing to judge the model by.
    missing = fault in {Fault.UNREADABLE, Fault.DANGLING_SYMLINK}
    severity = rule.severity
    if missing:
        severity = Severity.HIGH if file.role in {Role.WEIGHTS, Role.CODE} else Severity.MEDIUM
    return Finding.of(rule, f"{message}: {detail}" if detail else message, file.at(), severity=severity)
