"""What ends a scan, and what ends the reading of one file."""

from __future__ import annotations


class AibomError(Exception):
    """Ends the run. The message names the thing and the fault, the hint tells the next step."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(AibomError):
    """Wrong usage or configuration; nothing was scanned."""

    exit_code = 2


class TargetError(AibomError):
    """The target is missing, empty or can't be reached."""


class OutputError(AibomError):
    """A result could not be written, or would not have been valid."""


class DataError(AibomError):
    """Data that ships with the tool, or that the user gave, is not what its loader expects."""


class FileFault(Exception):  # noqa: N818 -- never escapes the pipeline: it becomes a finding
    """What stops the reading of one file; the pipeline turns it into a finding."""

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class MalformedFile(FileFault):
    """The bytes contradict the format."""


class LimitExceeded(FileFault):
    """The file needs more than `Limits` allow."""
