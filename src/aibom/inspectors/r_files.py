"""Walk R's serialization format (`.rds`, `.rda`): promises and native pointers in it, which run code when touched.

The format is that of R Internals, section 1.8, and of R's src/main/serialize.c.
"""

from __future__ import annotations

from collections import Counter

from aibom.components import Inspection
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.observations import Observations
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_WINDOW = 64 * 1024
_STACK = 1_000_000
_NILVALUE, _UNBOUND, _REFERENCE = 254, 252, 255
# Items that are nothing but their flags.
_BARE = frozenset({254, 253, 252, 251, 250, 242, 241})
_LENGTHS = {9: 1, 10: 4, 13: 4, 14: 8, 15: 16, 24: 1}  # CHARSXP, LGLSXP, INTSXP, REALSXP, CPLXSXP, RAWSXP
_DOTTED = frozenset({2, 3, 5, 6, 17})  # LISTSXP, CLOSXP, PROMSXP, LANGSXP, DOTSXP: attributes, tag, CAR, CDR
_NAMES = {1: "symbol", 3: "closure", 4: "environment", 5: "promise", 6: "call", 21: "bytecode", 22: "pointer"}

RDS_PROMISE = Rule(
    id="rds-promise",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="Using the loaded R object runs code from the file",
    explanation=(
        "The file holds a promise that has not been evaluated: R runs its expression as soon as the value is touched. "
        "Promises without an environment are not written by R itself; R before 4.4.0 ran them while it loaded the file."
    ),
    help="Do not read it with R before 4.4.0. Ask the publisher for the data in a format without code.",
    references=("https://nvd.nist.gov/vuln/detail/CVE-2024-27322",),
    cwes=(502,),
)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Walk all items; raises `MalformedFile` where no serialized object begins."""
    seen = Observations(file, limits)
    walk = _Walk(seen, data)
    walk.header()
    try:
        walk.run()
    except FileFault as fault:
        seen.fault(fault)
    for number, name in _NAMES.items():
        if walk.counts[number]:
            seen.note(f"{name}s", walk.counts[number])
    return seen.inspection()


class _Walk:
    """Reads items off the stream. What is still to be read lies on a stack, as lists nest as deep as they are long."""

    def __init__(self, seen: Observations, data: ByteSource) -> None:
        self._seen = seen
        self._data = data
        self._window = b""
        self._start = 0
        self._at = 0
        self._left = seen.limits.graph_fields
        self._previous = 0
        self.counts: Counter[int] = Counter()

    def header(self) -> None:
        """Read the two magic bytes and the versions."""
        magic = self._take(2)
        if magic == b"RD":
            if self._take(3) not in {b"X2\n", b"X3\n"}:
                raise MalformedFile("only the binary form of a saved workspace can be read")
            magic = self._take(2)
        if magic != b"X\n":
            raise LimitExceeded("only the portable binary form of R's serialization can be read")
        version = self._integer()
        if version not in {2, 3}:
            raise MalformedFile(f"serialization version {version} is not known", offset=2)
        writer = self._integer()
        self._integer()
        self._seen.note("r_version", f"{writer >> 16}.{writer >> 8 & 255}.{writer & 255}")
        if version == 3:
            self._skip(self._length())

    def run(self) -> None:
        """Read items until the stack is empty. An entry is "item", or what follows an item of some kind."""
        waiting: list[str | tuple[str, int]] = ["item"]
        while waiting:
            if len(waiting) > _STACK:
                raise LimitExceeded("the objects are nested deeper than the limit allows", offset=self._at)
            self._left -= 1
            if self._left < 0:
                raise LimitExceeded("the file has more items than the limit allows", offset=self._at)
            match waiting.pop():
                case "item":
                    self._item(waiting)
                case "code":
                    self._integer()
                    waiting += ["constants", "item"]
                case "constants":
                    waiting.append(("constant", self._length()))
                case ("constant", int(count)) if count:
                    waiting.append(("constant", count - 1))
                    kind = self._integer()
                    # Code and language have a form of their own inside bytecode; all else is an ordinary item.
                    waiting.append("code-body" if kind == 21 else ("language", kind) if kind in _LANGUAGE else "item")
                case "code-body":
                    waiting += ["constants", "item"]
                case "next-language":
                    waiting.append(("language", self._integer()))
                case ("language", int(kind)):
                    self._language(kind, waiting)
                case ("items", int(count)) if count:
                    waiting += [("items", count - 1), "item"]
                case ("strings", int(count)) if count:
                    waiting += [("strings", count - 1), "item"]
                case ("promise", int(place)):
                    # The value of a promise comes next; unbound means that it waits to be evaluated.
                    waiting += [("promise-value", place), "item"]
                case ("promise-value", int(place)):
                    if self._previous == _UNBOUND:
                        self._promise(place)
                    waiting.append("item")

    def _item(self, waiting: list[str | tuple[str, int]]) -> None:
        place = self._at
        flags = self._integer()
        kind, attributes, tag = flags & 0xFF, bool(flags & 0x200), bool(flags & 0x400)
        self.counts[kind] += 1
        self._previous = kind
        if kind in _BARE:
            return
        if kind in _DOTTED:
            if kind == 5:
                waiting.append(("promise", place if tag else -place - 1))
            else:
                waiting += ["item", "item"]
            waiting += ["item"] * (attributes + tag)
        elif kind in _LENGTHS:
            length = self._length()
            self._skip(length * _LENGTHS[kind])
            waiting += ["item"] * (attributes and kind != 9)
        else:
            self._other(kind, flags, attributes, waiting)

    def _other(self, kind: int, flags: int, attributes: bool, waiting: list[str | tuple[str, int]]) -> None:  # noqa: FBT001
        match kind:
            case 1:  # SYMSXP: its name
                waiting.append("item")
            case 4:  # ENVSXP: locked, enclosure, frame, hash table, attributes
                self._integer()
                waiting += ["item"] * 4
            case 7 | 8:  # SPECIALSXP, BUILTINSXP: a name
                self._skip(self._length())
            case 16 | 19 | 20:  # STRSXP, VECSXP, EXPRSXP
                waiting += ["item"] * attributes
                waiting.append(("items", self._length()))
            case 21:  # BCODESXP
                waiting += ["item"] * attributes
                waiting.append("code")
            case 22 | 23:  # EXTPTRSXP: protected, tag; WEAKREFSXP
                waiting += ["item"] * ((2 if kind == 22 else 0) + attributes)
            case 25:  # S4SXP
                waiting += ["item"] * attributes
            case 238:  # ALTREP: class, state, attributes
                waiting += ["item"] * 3
            case 249 | 248 | 247:  # names of a namespace, a package, a persistent object
                self._integer()
                waiting.append(("strings", self._length()))
            case 255:
                if flags >> 8 == 0:
                    self._integer()
            case _:
                raise MalformedFile(f"an item of the unknown type {kind}", offset=self._at - 4)

    def _language(self, kind: int, waiting: list[str | tuple[str, int]]) -> None:
        """Read a call inside bytecode, where shared parts are numbered (ReadBCLang)."""
        if kind == 243:  # BCREPREF
            self._integer()
            return
        if kind == 244:  # BCREPDEF
            self._integer()
            kind = self._integer()
        if kind not in {2, 6, 239, 240}:
            waiting.append("item")
            return
        waiting += ["next-language", "next-language", "item"]
        if kind in {239, 240}:
            waiting.append("item")

    def _promise(self, place: int) -> None:
        if place < 0:
            self._seen.report(
                RDS_PROMISE, "a promise without an environment waits to run its expression", offset=-place - 1,
                severity=Severity.CRITICAL,
            )  # fmt: skip
        else:
            # R writes these for arguments that nobody has used yet: an ordinary part of captured environments.
            self._seen.report(RDS_PROMISE, "a promise waits to run its expression", offset=place, severity=Severity.LOW)

    # --- bytes -------------------------------------------------------------------------------------------------------

    def _take(self, length: int) -> bytes:
        begin = self._at - self._start
        if begin < 0 or begin + length > len(self._window):
            self._window, self._start, begin = self._data.read_at(self._at, _WINDOW), self._at, 0
        part = self._window[begin : begin + length]
        if len(part) < length:
            raise MalformedFile("the stream ends within an item", offset=self._at)
        self._at += length
        return part

    def _integer(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def _length(self) -> int:
        length = self._integer()
        if length == -1:  # a long vector: upper and lower half follow; for CHARSXP it is NA
            if self._previous == 9:
                return 0
            length = (self._integer() << 32) + (self._integer() & 0xFFFFFFFF)
        if length < 0:
            raise MalformedFile(f"a length of {length}", offset=self._at)
        return length

    def _skip(self, length: int) -> None:
        if self._at + length > self._data.size:
            raise MalformedFile(f"an item declares {length} bytes that are not there", offset=self._at)
        self._at += length


_LANGUAGE = frozenset({2, 6, 239, 240, 243, 244})

RULES = (RDS_PROMISE,)
