"""Names that another system reads as other names: what is two files here may be one there, or none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from aibom.files import RepoFile, Role, unescape_name
from aibom.findings import Finding, Rule, Severity, Subject

NAME_COLLISION = Rule(
    id="name-collision",
    subject=Subject.FILES,
    severity=Severity.MEDIUM,
    summary="Two names are one file on other systems",
    explanation=(
        "Windows and macOS take capital and small letters, and letters that are written with and without a separate "
        "accent, for the same name. Whoever fetches the repository there gets one of these files, and which one "
        "depends on the order of writing: what was reviewed here need not be what is loaded there."
    ),
    help="Ask the publisher to rename one of them.",
    references=("CVE-2021-21300",),
    cwes=(178,),
)
NAME_NOT_PORTABLE = Rule(
    id="name-not-portable",
    subject=Subject.FILES,
    severity=Severity.INFO,
    summary="A name that Windows can't hold, or reads as another one",
    explanation=(
        "Windows gives some names to devices (`nul`, `com1`), cuts dots and spaces off the end of a name, and takes "
        "what stands behind a colon for a stream of another file. There such a file is missing, or stands under "
        "another name."
    ),
    help="Rename the file if the model is to be used on Windows.",
    references=("https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file", "CVE-2019-1352"),
    cwes=(67,),
)
RULES = (NAME_COLLISION, NAME_NOT_PORTABLE)

# "Naming Files, Paths, and Namespaces": the superscript digits are devices too.
_DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$"}) | {
    f"{name}{digit}" for name in ("com", "lpt") for digit in "123456789¹²³"
}
_FORBIDDEN = frozenset('<>:"|?*\\') | {chr(code) for code in range(32)}
# Most names hold nothing that could be at fault, which one search finds out.
_DOUBTFUL = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ](?:/|$)|(?:^|/)(?:con|prn|aux|nul|com|lpt)', re.IGNORECASE)
_GRAVE = frozenset({Role.WEIGHTS, Role.CODE, Role.CONFIG, Role.TOKENIZER})
# A folder of thousands of such names is one fault, not thousands.
_MOST = 20


def check_names(files: Iterable[RepoFile]) -> Iterator[Finding]:
    """Yield a finding for each set of files that are one elsewhere, and one for each name that Windows can't hold."""
    same: dict[str, dict[str, RepoFile]] = {}
    unfit: list[tuple[RepoFile, str]] = []
    for file in files:
        text = unescape_name(file.path).decode("utf-8", "surrogateescape")
        # A folder that meets another one harms nobody, as long as no two files in them meet.
        key = text.lower()
        if not text.isascii() or _DOUBTFUL.search(text):
            key = "/".join(map(folded, text.split("/")))
            if (fault := fault_on_windows(text)) is not None:
                unfit.append((file, fault))
        same.setdefault(key, {})[file.path] = file
    for met in [met for met in same.values() if len(met) > 1][:_MOST]:
        first, *others = (met[path] for path in sorted(met))
        names = ", ".join(other.path for other in others[:_MOST])
        grave = any(file.role in _GRAVE for file in met.values())
        severity = NAME_COLLISION.severity if grave else Severity.LOW
        yield Finding.of(NAME_COLLISION, f"the same name as {names} on Windows or macOS", first.at(), severity=severity)
    for file, fault in unfit[:_MOST]:
        yield Finding.of(NAME_NOT_PORTABLE, fault, file.at())


def folded(name: str) -> str:
    r"""Return what Windows and macOS compare of a name: without case, accents joined or apart, no dots at its end.

    >>> folded("Config.JSON") == folded("config.json")
    True
    >>> folded("cafe\u0301") == folded("caf\u00e9")
    True
    """
    # Folding the case may bring an accent apart again (Unicode 3.13, D145): so before and after.
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
    return plain.rstrip(". ") or plain


def fault_on_windows(path: str) -> str | None:
    """Say why Windows can't hold a path (with slashes), or reads it as another one.

    >>> fault_on_windows("model/aux.json")
    'aux is a device there'
    >>> fault_on_windows("model/config.json") is None
    True
    """
    for part in path.split("/"):
        stem = part.partition(".")[0].rstrip(" ").lower()
        if stem in _DEVICES:
            return f"{stem} is a device there"
        if bad := sorted(_FORBIDDEN.intersection(part)):
            return f"no name there may hold {bad[0]!r}"
        if part.rstrip(". ") != part:
            return "dots and spaces at the end of a name are cut off there"
    return None
