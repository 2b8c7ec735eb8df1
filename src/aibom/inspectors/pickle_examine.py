"""Examine pickle streams, for every format that holds some: what they import, do with it, and hold."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Import, Use
from aibom.files import Coverage, RepoFile
from aibom.findings import Finding, Severity
from aibom.inspectors import pickle_rules as rules
from aibom.inspectors.pickle_cargo import carried_findings
from aibom.inspectors.pickle_carried import Carried
from aibom.inspectors.pickle_faults import WalkFault
from aibom.inspectors.pickle_judge import Judge
from aibom.inspectors.pickle_models import Models
from aibom.inspectors.pickle_nodes import Blob, Call, Global, Node
from aibom.inspectors.pickle_second_opinion import MOST_BYTES, with_second_opinion
from aibom.inspectors.pickle_sink import Raw, RawHook
from aibom.inspectors.pickle_triage import triage
from aibom.inspectors.pickle_walk import Machine
from aibom.inspectors.pickle_window import Window
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource, MemorySource, SliceSource

__all__ = ["Examination", "Fault", "Raw", "RawHook", "examine", "present", "settle"]


_KNOWN_ACTS = frozenset({rules.DANGEROUS_IMPORT, rules.EMBEDDED_CODE})


class Fault(Struct, frozen=True, kw_only=True):
    """Why the walk ended before a STOP: the unpickler would raise here, after it ran everything before."""

    message: str
    offset: int
    limit: bool = False
    """True where one of our limits ended it, not the bytes."""


class Examination(Struct, frozen=True, kw_only=True):
    """What consecutive pickle streams say.

    `ends` are the offsets after each STOP, so `ends[-1]` is where the bytes after the last complete stream begin.
    `roots` (only with `values`) are the values of the complete streams, one each.
    `findings` hold everything about imports, calls and faults; they do not say that a pickle is present at all.
    `coverage` is PARTIAL if a fault or a limit ended the walk.
    """

    imports: tuple[Import, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage
    ends: tuple[int, ...]
    fault: Fault | None
    roots: tuple[Node, ...]
    opcodes: int


def examine(
    file: RepoFile,
    data: ByteSource,
    limits: Limits,
    *,
    start: int = 0,
    values: bool = False,
    streams: int | None = None,
    raw: RawHook | None = None,
    models: Models | None = None,
) -> Examination:
    """Walk the pickle streams that begin at byte `start`, at most `streams` of them.

    `models` receives the models of other formats that the pickle hands to their loaders; without it, such a call is
    something that was not looked at.
    Without `streams`, goes on until the end of the data or until bytes that begin no pickle. Nothing is imported or
    run. Raises nothing but OSError from `data`: faults and exhausted limits are in the result.
    """
    examined = _examine(file, data, limits, start=start, values=values, streams=streams, raw=raw, models=models)
    if not examined.findings:
        return examined
    end = examined.fault.offset + 1 if examined.fault else examined.ends[-1]
    stream = data.read_at(start, min(end - start, MOST_BYTES + 1))
    findings = with_second_opinion(
        file, stream, examined.findings, examined.imports, opcodes=examined.opcodes, start=start
    )
    return replace(examined, findings=capped(file, findings, limits))


def settle(file: RepoFile, data: ByteSource, limits: Limits) -> Examination | None:
    """Examine at high speed streams that import nothing but inert things; None where `examine` has to decide.

    Uses are not looked at: imports are given as referenced, and opcodes are not counted.
    """
    window = Window(data)
    judge = Judge(lambda _: b"", lambda *_: False, lambda *_: False)
    ends: list[int] = []
    offset = 0
    while not ends or _begins_pickle(window, offset):
        settled = triage(window, offset, judge.inert)
        if settled is None or len(ends) >= limits.pickle_streams:
            return None
        for place, module, name in settled.imports:
            judge.imported(Global(module, name, place), 0)
        offset = settled.end
        ends.append(offset)
    return Examination(
        imports=judge.imports(file),
        findings=(),
        coverage=Coverage.COMPLETE,
        ends=tuple(ends),
        fault=None,
        roots=(),
        opcodes=0,
    )


def _examine(
    file: RepoFile, data: ByteSource, limits: Limits, *, start: int = 0, values: bool = False,
    streams: int | None = None, raw: RawHook | None = None, models: Models | None = None, depth: int = 0,
    place: int = 0, in_place: bool = True, again: bool = False,
) -> Examination:  # fmt: skip
    """Walk streams as `examine` does, `depth` pickles deep; `data` begins at `place` of the file, or was made there.

    `again` says that this is another reading of bytes that have been walked: what they carry is known.
    """
    carried = None if again else Carried()
    window = Window(data, carried)
    inner: dict[object, Examination] = {}

    def nested(content: Node, call: Call) -> bool:
        match content:
            case Blob():
                source: ByteSource = SliceSource(data, content.offset, content.length)
                key: object = (content.offset, content.length)
                shift, whole = content.offset, in_place
            case bytes():
                source, key, shift, whole = MemorySource(content), content, call.offset, False
            case _:
                return False
        if depth >= limits.pickle_nesting or machine.steps_left == 0:
            return False
        # A stream may load the same bytes again and again.
        if key not in inner:
            left = replace(limits, pickle_opcodes=machine.steps_left)
            examined = _examine(
                file, source, left, models=models, depth=depth + 1, place=place + shift, in_place=whole
            )  # fmt: skip
            examined = _moved(file, examined, shift)
            machine.spend(examined.opcodes)
            inner[key] = examined
        return bool(inner[key].ends or inner[key].imports)

    stepped: list[tuple[int, bool]] = []

    def watched(call: Call, at: int) -> Raw | None:
        found = raw(call, at) if raw else None
        if found:
            stepped.append((at, found.nested))
        return found

    def model(callee: Global, argument: Node, at: int) -> bool:
        return models is not None and models.take(callee, argument, at, data, place, in_place=in_place)

    judge = Judge(lambda blob: data.read_at(blob.offset, blob.length), nested, model)
    machine = Machine(window, limits, judge, watched if raw else None)
    ends: list[int] = []
    roots: list[Node] = []
    fault: Fault | None = None
    most = limits.pickle_streams if streams is None else min(streams, limits.pickle_streams)
    offset = start
    while len(ends) < most and (not ends or _begins_pickle(window, offset)):
        try:
            root, offset = machine.stream(offset)
            window.passed(offset)
        except WalkFault as broken:
            window.passed(broken.offset)
            fault = Fault(message=str(broken), offset=broken.offset, limit=broken.limit)
            break
        ends.append(offset)
        if values:
            roots.append(root)
    else:
        if streams is None and len(ends) >= most and _begins_pickle(window, offset):
            fault = Fault(message=f"more than {most} pickles in one file", offset=offset, limit=True)
    machine.forget()
    imports = _merged_imports([judge.imports(file), *(part.imports for part in inner.values())])
    findings = _merged_findings([judge.findings(file), *(part.findings for part in inner.values())])
    judge.forget()
    left_out = 0
    if carried:
        known = frozenset((item.module, item.name) for item in imports)
        cargo: list[Finding] = []
        left_out = carried.left_out
        for at, key, source in carried.pickles(data):
            if key in inner:
                continue
            if machine.steps_left == 0 or depth >= limits.pickle_nesting:
                left_out += 1
                continue
            left = replace(limits, pickle_opcodes=machine.steps_left)
            part = _examine(file, source, left, depth=depth + 1, streams=1)
            machine.spend(part.opcodes)
            left_out += part.fault is not None and part.fault.limit
            cargo += carried_findings(file, part.findings, part.imports, at, known)
        findings = _merged_findings([findings, cargo])
        if left_out:
            message = f"{left_out} pickles that it carries as data were not looked at to their end"
            findings.append(Finding.of(INSPECTION_INCOMPLETE, message, file.at(), severity=Severity.LOW))
    if fault:
        findings.append(_fault_finding(file, fault, imported=bool(imports)))
    if stepped:
        # A plain unpickler reads the raw bytes as opcodes: both readings count.
        plain = _examine(file, data, limits, start=start, streams=streams, models=models, depth=depth, again=True)
        findings += _acting(plain, findings, stepped)
    partial = fault is not None or left_out or any(part.coverage is not Coverage.COMPLETE for part in inner.values())
    return Examination(
        imports=imports,
        findings=tuple(findings),
        coverage=Coverage.PARTIAL if partial else Coverage.COMPLETE,
        ends=tuple(ends),
        fault=fault,
        roots=tuple(roots),
        opcodes=machine.opcodes,
    )


def present(file: RepoFile, message: str = "is a pickle; a format without code exists") -> Finding:
    """Say that the file can hold code, whatever was found in it."""
    return Finding.of(rules.PRESENT, message, file.at())


def _merged_imports(parts: Iterable[Iterable[Import]]) -> tuple[Import, ...]:
    """Join what outer and nested pickles import: each use of a global once, at its first place."""
    first: dict[tuple[str, str, Use], Import] = {}
    for part in parts:
        for item in part:
            first.setdefault((item.module, item.name, item.use), item)
    return tuple(first.values())


def _merged_findings(parts: Iterable[Iterable[Finding]]) -> list[Finding]:
    """Join the findings of outer and nested pickles: the same message once, at its first place."""
    first: dict[tuple[str, str], Finding] = {}
    for part in parts:
        for finding in part:
            first.setdefault((finding.rule.id, finding.message), finding)
    return list(first.values())


def _acting(plain: Examination, known: list[Finding], stepped: list[tuple[int, bool]]) -> list[Finding]:
    """Return what only the plain reading finds, but for its break: raw bytes are not meant to be opcodes.

    `stepped` are the offsets of what was stepped over, in order, and whether it is a pickle of its own. Such a pickle
    has its own memo, which the plain reading confuses with the outer one: it takes other strings for names. So behind
    its start only what it is known to do counts, and not that something is unknown.
    """
    seen = {(finding.rule.id, finding.message) for finding in known}
    starts = [at for at, _ in stepped]

    def confused(finding: Finding) -> bool:
        offset = (finding.location.offset if finding.location else None) or 0
        index = bisect_right(starts, offset) - 1
        return index >= 0 and stepped[index][1]

    return [
        finding
        for finding in plain.findings
        if finding.severity.at_least(Severity.HIGH)
        and finding.rule not in {rules.MALFORMED, INSPECTION_INCOMPLETE}
        and (finding.rule.id, finding.message) not in seen
        and (finding.rule in _KNOWN_ACTS or not confused(finding))
    ]


def _begins_pickle(window: Window, offset: int) -> bool:
    """Say whether the bytes at `offset` may begin another stream: a protocol opcode that is followed by a known one."""
    head = window.peek(offset, 3)
    return len(head) > 1 and ((head[0] == 0x80 and head[1] <= 5) or head[0] in b"(]}ci")


def _fault_finding(file: RepoFile, fault: Fault, *, imported: bool) -> Finding:
    place = file.at(offset=fault.offset)
    if fault.limit:
        return Finding.of(INSPECTION_INCOMPLETE, f"the pickle was not walked to its end: {fault.message}", place)
    after = "breaks after it has imported something" if imported else "breaks"
    return Finding.of(rules.MALFORMED, f"{after}: {fault.message}", place)


def _moved(file: RepoFile, examined: Examination, shift: int) -> Examination:
    """Return what a nested pickle says with offsets of the outer one."""

    def place(offset: int | None) -> int:
        return (offset or 0) + shift

    return replace(
        examined,
        imports=tuple(replace(item, location=file.at(offset=place(item.location.offset))) for item in examined.imports),
        findings=tuple(
            replace(item, location=file.at(offset=place(item.location.offset if item.location else 0)))
            for item in examined.findings
        ),
    )


def capped(file: RepoFile, findings: list[Finding], limits: Limits) -> tuple[Finding, ...]:
    findings.sort(key=lambda finding: finding.sort_key)
    most = limits.findings_per_file
    if len(findings) <= most:
        return tuple(findings)
    left = findings[most - 1 :]
    summary = Finding.of(
        INSPECTION_INCOMPLETE,
        f"{len(left)} more findings of this file are not listed, the worst {left[0].severity}",
        file.at(),
        severity=left[0].severity,
    )
    return (*findings[: most - 1], summary)
