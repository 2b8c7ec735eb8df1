"""Files as they were listed, met with the bytes that were digested."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from aibom.digests import FileDigests
from aibom.files import RepoFile
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.sources.bytesource import Stamp

FILE_CHANGED = Rule(
    id="file-changed",
    subject=Subject.FILES,
    severity=Severity.HIGH,
    summary="A file changed while it was being read",
    explanation="The digest and the findings may belong to different contents of the file.",
    help="Scan again when nothing writes to the target.",
    cwes=(367,),
)

RULES = (FILE_CHANGED,)


def compare_listed(
    files: Iterable[RepoFile], digested: Mapping[str, FileDigests], stamps: Mapping[str, Stamp]
) -> Iterator[Finding]:
    """Yield a finding for every file that is no longer what it was when it was listed; `stamps` are from then."""
    for file in files:
        item = digested[file.path]
        if item.fault is not None:
            yield Finding.of(FILE_CHANGED, f"no longer readable: {item.fault}", file.at())
        elif item.size != file.size:
            message = f"{file.size} bytes when it was listed, {item.size} when it was digested"
            yield Finding.of(FILE_CHANGED, message, file.at())
        elif item.stamp is not None and _written(stamps.get(file.path), item.stamp):
            message = "written to or replaced, with as many bytes, between being listed and being digested"
            yield Finding.of(FILE_CHANGED, message, file.at())


def _written(before: Stamp | None, after: Stamp) -> bool:
    # The time of the last change of the *status* alone moves when somebody gives the file another name or mode.
    return before is not None and before._replace(ctime_ns=0) != after._replace(ctime_ns=0)
