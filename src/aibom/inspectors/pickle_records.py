"""What a walk has noted about each import, and how that becomes imports and findings: one for each cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from aibom.components import Import, Use, Verdict
from aibom.files import RepoFile
from aibom.findings import Finding, Rule, Severity
from aibom.inspectors import pickle_rules as rules
from aibom.inspectors.pickle_globals import Effect, Entry, Role, Standing
from aibom.inspectors.pickle_nodes import Call, Global, How
from aibom.inspectors.pickle_words import CAN, LOADING, LONG, call_text, name_text

RANK: Mapping[Use, int] = {use: rank for rank, use in enumerate(Use)}
_SAFE_UP_TO = {
    Role.REFERENCE: RANK[Use.REFERENCED],
    Role.CONSTRUCT: RANK[Use.STATE_SET],
    Role.CALL: RANK[Use.CALLED],
    Role.JUDGED: RANK[Use.CALLED],
}
_LISTED = 100


class Record(Struct):
    """What one global is used for over the whole file; `times` counts its calls."""

    module: str
    name: str
    entry: Entry | None
    offset: int
    use: Use = Use.REFERENCED
    call: Call | None = None
    times: int = 0

    @property
    def path(self) -> str:
        """Module and name as printable text."""
        return name_text(f"{self.module}.{self.name}")

    @property
    def verdict(self) -> Verdict:
        """What the table says of the strongest use."""
        match self.entry:
            case Entry(role=role) if role and RANK[self.use] <= _SAFE_UP_TO[role]:
                return Verdict.SAFE
            case Entry(standing=Standing.DANGEROUS):
                return Verdict.DANGEROUS
        return Verdict.UNKNOWN

    def use_as(self, use: Use, call: Call | None = None) -> None:
        """Note a use; the strongest one stays, with its first call."""
        if use is Use.CALLED:
            self.times += 1
        if RANK[use] > RANK[self.use]:
            self.use = use
            self.call = call

    def to_import(self, file: RepoFile) -> Import:
        """Return what the inspection lists."""
        return Import(
            module=name_text(self.module),
            name=name_text(self.name),
            use=self.use,
            verdict=self.verdict,
            location=file.at(offset=self.offset),
        )


class Noted(Struct):
    """A finding that may come many times in one file."""

    rule: Rule
    message: str
    offset: int
    severity: Severity | None = None
    evidence: tuple[str, ...] = ()
    times: int = 1

    def to_finding(self, file: RepoFile) -> Finding:
        """Return the finding, with how often it came."""
        message = self.message if self.times == 1 else f"{self.message} ({self.times} times)"
        return Finding.of(
            self.rule, message, file.at(offset=self.offset), severity=self.severity, evidence=self.evidence
        )


def record_findings(file: RepoFile, records: Iterable[Record]) -> list[Finding]:
    """Return a finding for each global that is not safe in its use; harmless-looking unknown ones go together."""
    found = []
    embedded: list[Record] = []
    known: list[Record] = []
    unknown: dict[str, list[Record]] = {}
    for record in records:
        match record.verdict, record.use:
            case Verdict.DANGEROUS, _ if record.entry and record.entry.effect is Effect.EMBEDDED:
                embedded.append(record)
            case Verdict.DANGEROUS, _:
                found.append(_dangerous(file, record))
            case Verdict.UNKNOWN, Use.CALLED:
                found.append(_unknown_call(file, record))
            case Verdict.UNKNOWN, _:
                if record.entry is not None and record.entry.standing is Standing.FAMILY:
                    known.append(record)
                else:
                    unknown.setdefault(record.module.partition(".")[0], []).append(record)
    if embedded:
        found.append(_embedded(file, embedded))
    if known:
        found.append(
            Finding.of(
                rules.UNKNOWN_IMPORT,
                f"uses classes of known libraries that are not listed one by one: {_names(known)}",
                file.at(offset=known[0].offset),
                severity=Severity.INFO,
                evidence=tuple(record.path for record in known[:_LISTED]),
            )
        )
    found += [_unknown_package(file, package, group) for package, group in unknown.items()]
    return found


def _names(group: list[Record]) -> str:
    more = f" and {len(group) - 3} more" if len(group) > 3 else ""
    return ", ".join(record.path for record in group[:3]) + more


def _shown(record: Record) -> tuple[str, Call]:
    """Return what is called, by which name: a method of the global where that is what runs."""
    assert record.call is not None
    call = record.call
    if call.how is How.METHOD and isinstance(call.callee, Global):
        return name_text(call.callee.path), call
    return record.path, call


def _dangerous(file: RepoFile, record: Record) -> Finding:
    assert record.entry is not None
    effect = record.entry.effect or Effect.CODE
    evidence = (record.entry.reason,) if record.entry.reason else ()
    if record.call is None:
        message = f"imports {record.path}, {CAN[effect]}"
        return Finding.of(rules.DANGEROUS_IMPORT, message, file.at(offset=record.offset), evidence=evidence)
    path, call = _shown(record)
    message = f"calls {call_text(path, call.args)}; {LOADING[effect]}{_times(record)}"
    full = call_text(path, call.args, longest=LONG)
    return Finding.of(rules.DANGEROUS_IMPORT, message, file.at(offset=call.offset), evidence=(full, *evidence))


def _embedded(file: RepoFile, group: list[Record]) -> Finding:
    """Report rebuilt functions and classes once, with the names that their code uses."""
    evidence = [record.path for record in group[:_LISTED]]
    for record in group:
        if record.call is not None and isinstance(record.call.args, tuple):
            names = [
                name for arg in record.call.args if isinstance(arg, tuple) for name in arg if isinstance(name, str)
            ]
            if names:
                evidence.append(f"{record.path} uses: {name_text(' '.join(names[:40]))}")
    message = f"rebuilds functions or classes from code that the file carries, by {_names(group)}"
    return Finding.of(rules.EMBEDDED_CODE, message, file.at(offset=group[0].offset), evidence=tuple(evidence))


def _unknown_call(file: RepoFile, record: Record) -> Finding:
    path, call = _shown(record)
    severity = None
    match record.entry:
        case None:
            why = "of a package that is not known"
        case Entry(standing=Standing.STDLIB):
            why = "of Python's standard library, not known to be harmless"
        case Entry(standing=Standing.SAFE):
            why = "harmless only when it is not called"
        case _ if _looks_like_member(record.name, call):
            why = "a class of a known library, with one plain value as enumerations have"
            severity = Severity.MEDIUM
        case _:
            why = "of a known library, not known to be harmless"
    message = f"calls {call_text(path, call.args)}, {why}{_times(record)}"
    full = call_text(path, call.args, longest=LONG)
    return Finding.of(rules.UNKNOWN_CALL, message, file.at(offset=call.offset), severity=severity, evidence=(full,))


def _looks_like_member(name: str, call: Call) -> bool:
    """Say whether the call has the shape in which members of an enumeration are pickled."""
    last = name.rpartition(".")[2]
    match call.args:
        case (str(value),):
            plain = len(value) <= 40 and value.replace("_", "").replace("-", "").isalnum()
        case (int(),):
            plain = True
        case _:
            plain = False
    return plain and last[:1].isupper() and any(char.islower() for char in last)


def _unknown_package(file: RepoFile, package: str, group: list[Record]) -> Finding:
    doing = "makes objects of" if any(record.use is not Use.REFERENCED for record in group) else "refers to"
    match group[0].entry:
        case None:
            whose = "a package that is not known"
        case Entry(standing=Standing.STDLIB):
            whose = "Python's standard library, not known to be harmless"
        case _:
            whose = "a known library, in a use that is not known to be harmless"
    if package == "__main__":
        whose = "the program that wrote it; its code is not in the file"
    return Finding.of(
        rules.UNKNOWN_IMPORT,
        f"{doing} {_names(group)}, of {whose}",
        file.at(offset=group[0].offset),
        evidence=tuple(record.path for record in group[:_LISTED]),
    )


def _times(record: Record) -> str:
    return f" ({record.times} calls)" if record.times > 1 else ""
