"""Look through shell scripts and Dockerfiles for commands that fetch and run, hide, or open a way in.

They are not parsed: what is found is listed, and the file counts as looked at in part.
"""

from __future__ import annotations

import re

from aibom.components import Inspection
from aibom.files import Coverage, Format, RepoFile
from aibom.findings import Rule, Severity
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.python_code import ACTING_CODE, MALICIOUS_CODE
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_LINE = 4096  # characters of a line that are searched: every pattern stays linear
_HIDES = "runs commands that it hides"
_FETCHES = "fetches commands and runs them"
_GRAVE = (MALICIOUS_CODE, Severity.HIGH)
_DOUBTFUL = (ACTING_CODE, Severity.MEDIUM)
_PATTERNS: tuple[tuple[re.Pattern[str], str, tuple[Rule, Severity]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), message, judged)
    for pattern, message, judged in (
        (r"/dev/(tcp|udp)/", "opens a connection from the shell itself", _GRAVE),
        (r"\b(nc|ncat|netcat)\b[^|;&]{0,200}\s-\w{0,4}[ec]\b", "hands a shell to the network", _GRAVE),
        (r"\b(base64\s+(-d|--decode)|xxd\s+-r|openssl\s+enc\s+-d)\b[^|]{0,200}\|\s*(sudo\s+)?(\w{0,3}sh|python3?)\b",
         _HIDES, _GRAVE),
        (r"\beval\b.{0,20}\$\(.{0,200}\bbase64\b", _HIDES, _GRAVE),
        (r"\bpython3?\s+-c\b.{0,200}\b(b64decode|fromhex|decompress|marshal)\b", _HIDES, _GRAVE),
        (r"\b(powershell|pwsh)\b.{0,100}\s-e(nc|ncodedcommand)?\s+[a-z0-9+/=]{20}", _HIDES, _GRAVE),
        (r"\b(iex|invoke-expression)\b.{0,200}\bdownloadstring\b|\bdownloadstring\b.{0,200}\|\s*iex\b",
         _FETCHES, _GRAVE),
        (r"\b(curl|wget)\b[^|;]{0,500}\|\s*(sudo\s+)?(/[\w/]{0,50}/)?(\w{0,3}sh|python3?|perl)\b", _FETCHES, _DOUBTFUL),
        (r"\b\w{0,3}sh\s+(-c\s+)?[\"']?(<\(|\$\()\s*(curl|wget)\b", _FETCHES, _DOUBTFUL),
        (r">>?\s*[\"']?(~|\$HOME|/root|/home/\w+)/\.(bashrc|profile|zshrc|ssh/authorized_keys)|\bcrontab\s+-",
         "arranges to be started again", _DOUBTFUL),
    )
)  # fmt: skip


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Report a script and the telling commands in it."""
    seen = Observations(file, limits)
    what = "a Dockerfile, whose commands run when it is built" if file.format is Format.DOCKERFILE else "a script"
    seen.report(ACTING_CODE, f"{what}; it was searched for known tricks only", severity=Severity.INFO)
    judge_commands(data.read_at(0, limits.text_bytes).decode("utf-8", "replace"), seen)
    if data.size > limits.text_bytes:
        seen.unread(f"the script has {data.size} bytes, the limit is {limits.text_bytes}", severity=Severity.MEDIUM)
    seen.coverage = Coverage.PARTIAL
    return seen.inspection()


def judge_commands(text: str, seen: Observations, *, line_shift: int = 0) -> None:
    """Report the telling commands in a text of shell commands."""
    for number, line in enumerate(text.replace("\\\n", " ").splitlines(), 1):
        command = line[:_LINE].strip()
        if command.startswith(("#", "REM ", "rem ", "::")):
            continue
        for pattern, message, (rule, severity) in _PATTERNS:
            if pattern.search(command):
                seen.report(rule, f"{message}: {shown(command)}", line=number + line_shift, severity=severity)
                break
