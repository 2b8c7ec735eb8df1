"""Report native programs, libraries and bytecode. They are named for what they are, not analyzed."""

from __future__ import annotations

from aibom.components import Inspection
from aibom.files import Coverage, Format, RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.observations import Observations
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

EXECUTABLE_CONTENT = Rule(
    id="executable-content",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The repository holds a program",
    explanation=(
        "Weights are data; a native program, a library or bytecode is code that nobody reads before it runs. A loader "
        "with custom operators, an import or a double click is enough. It was not analyzed."
    ),
    help="Remove it, or build it yourself from source that you have read.",
    cwes=(506, 829),
)

_KINDS = (
    (b"\x7fELF", "an ELF program or library"),
    (b"MZqFpD", "a program for several systems at once (APE)"),
    (b"jartsr='", "a program for several systems at once (APE)"),
    (b"APEDBG='", "a program for several systems at once (APE)"),
    (b"MZ", "a Windows program or library"),
    (b"\xca\xfe\xba", "a Java class or a Mach-O program for several processors"),
    (b"!<arch>\n", "a static library"),
    (b"dex\n", "an Android program"),
    (b"BC\xc0\xde", "LLVM bitcode"),
    (b"L\x00\x00\x00", "a Windows shortcut"),
    (b"\x00asm", "a WebAssembly module"),
)
_BYTECODE = "compiled Python, whose source is not beside it or need not be what it was made from"


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Report the program with its kind; WebAssembly and bytecode need a host to run, and count as medium."""
    seen = Observations(file, limits)
    head = data.read_at(0, 16)
    kind = next((text for magic, text in _KINDS if head.startswith(magic)), "a Mach-O program or library")
    severity = None
    match file.format:
        case Format.LLAMAFILE:
            kind = "a llamafile: a program with the weights behind it"
        case Format.PYTHON_BYTECODE:
            kind, severity = _BYTECODE, Severity.MEDIUM
        case Format.WASM:
            severity = Severity.MEDIUM
    seen.report(EXECUTABLE_CONTENT, kind, severity=severity)
    seen.note("kind", kind)
    seen.coverage = Coverage.NONE
    return seen.inspection()


RULES = (EXECUTABLE_CONTENT,)
