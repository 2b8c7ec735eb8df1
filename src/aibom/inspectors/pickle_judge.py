"""Judge what a pickle does with what it imports: the walk's events become imports and findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aibom.components import Import, Use, Verdict
from aibom.files import RepoFile
from aibom.findings import Finding, Rule, Severity
from aibom.inspectors import pickle_rules as rules
from aibom.inspectors.pickle_fold import CannotFoldError, Computed, Reader, fold
from aibom.inspectors.pickle_globals import Effect, Entry, GlobalTable, Role, Standing, global_table, modern_name
from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, How, Node, PersistentId, SetOf, Unknown
from aibom.inspectors.pickle_words import CAN, LOADING, LONG, call_text, name_text, value_text

_USES = tuple(Use)
_RANK = {use: rank for rank, use in enumerate(_USES)}
_ROLE_FOR = {
    Role.REFERENCE: 0,
    Role.CONSTRUCT: _RANK[Use.STATE_SET],
    Role.CALL: _RANK[Use.CALLED],
    Role.JUDGED: _RANK[Use.CALLED],
}
# What the unpickler itself looks up on an instance: state that puts something callable there makes it run.
_LOOKED_UP = frozenset({"__setstate__", "append", "extend", "add", "__class__", "__dict__"})
# Attribute steps that lead out of an object to the interpreter.
_STEPS_OUT = frozenset({
    "__globals__", "__builtins__", "__subclasses__", "__class__", "__bases__", "__base__", "__mro__", "mro", "__dict__",
    "__getattribute__", "__code__", "__import__", "__loader__", "__spec__", "__self__", "__func__", "__closure__",
    "__init_subclass__", "f_globals", "f_locals", "gi_frame", "tb_frame", "_module", "modules", "__reduce__",
    "__reduce_ex__", "__init__", "__call__", "__get__", "__wrapped__", "__defaults__", "__kwdefaults__", "func_globals",
})  # fmt: skip
_DEPTH = 16


@dataclass(slots=True)
class _Record:
    """What one global is used for over the whole file."""

    module: str
    name: str
    entry: Entry | None
    offset: int
    use: Use = Use.REFERENCED
    call: Call | None = None
    count: int = 0
    times: int = 0


@dataclass(slots=True)
class _Noted:
    """A finding that may come many times in one file."""

    rule: Rule
    message: str
    offset: int
    severity: Severity | None = None
    evidence: tuple[str, ...] = ()
    times: int = 1


@dataclass(slots=True)
class Judge:
    """Hears a walk. `nested` examines a pickle that the stream loads from bytes it holds."""

    read: Reader
    nested: Callable[[Node, Call], bool]
    table: GlobalTable = field(default_factory=global_table)
    _records: dict[tuple[str, str], _Record] = field(default_factory=dict)
    _noted: dict[tuple[str, str], _Noted] = field(default_factory=dict)
    _registered: dict[int, Global] = field(default_factory=dict)

    # --- events -------------------------------------------------------------------------------------------------------

    def imported(self, node: Global, protocol: int) -> Global:
        """Record an import; Python 2 names are mapped where the unpickler would."""
        if isinstance(node.module, Computed) or isinstance(node.name, Computed):
            shown = name_text(node.path)
            self.note(
                rules.OBFUSCATED,
                f"imports {shown} under a name that it computes",
                node.offset,
                severity=self._hidden(node),
            )
        module, name = modern_name(node.module, node.name)
        if (module, name) != (node.module, node.name) and (protocol < 3 or self._worse(module, name, node)):
            node.module, node.name = module, name
        return self._record(node)

    def computed(self, module: Node, name: Node, offset: int) -> Node:
        """Record an import whose name can't be told."""
        what = f"{value_text(module)}, {value_text(name)}"
        self.note(
            rules.OBFUSCATED,
            "imports something under a name that can't be told from the file",
            offset,
            evidence=(what,),
        )
        return Unknown("an import by a computed name", offset)

    def called(self, call: Call) -> Node:
        """Judge a call and return its result."""
        return self._call(call, call.callee, call.args, _DEPTH)

    def built(self, target: Node, state: Node, offset: int) -> None:
        """Judge the setting of state."""
        for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
            if isinstance(part, Dict):
                self._check_state(part, offset)
        match target:
            case Global():
                self._use(target, Use.STATE_SET)
                self.note(rules.STATE_HOOK, f"sets attributes on the imported {name_text(target.path)}", offset)
            case Call(callee=Global() as cls):
                self._construct(self._made_class(target) or cls, state_set=True)
            case Unknown() | PersistentId():
                self.note(rules.UNKNOWN_CALL, "sets the state of an object that the file does not tell", offset)

    def extended(self, target: Node, method: str, items: list[Node], offset: int) -> None:
        """Judge the call of a method that adds elements."""
        match target:
            case Global():
                self._called_global(
                    target, f"{target.path}.{method}", Call(target, tuple(items), None, How.METHOD, offset)
                )
            case Unknown() | PersistentId():
                self.note(rules.UNKNOWN_CALL, f"calls {method} of an object that the file does not tell", offset)
            case Call(callee=Global() as cls):
                self._construct(self._made_class(target) or cls, state_set=True)

    def persistent(self, node: PersistentId) -> None:
        """Judge what the loader is asked for."""
        match node.args:
            case ("module", Global(), *_):
                # torch's legacy format: the loader compares the class's source with the stored text, no more.
                return

    def extension(self, code: int, offset: int) -> Node:
        """Resolve an extension code that the stream itself has registered; any other can't be told."""
        if code in self._registered:
            known = self._registered[code]
            return self._record(Global(known.module, known.name, offset))
        self.note(rules.EXTENSION_CODE, f"imports extension code {code}", offset)
        return Unknown(f"extension code {code}", offset)

    def odd(self, message: str, offset: int) -> None:
        """Record a contradiction in the stream."""
        self.note(rules.MALFORMED, message, offset)

    def note(
        self, rule: Rule, message: str, offset: int, *, severity: Severity | None = None, evidence: tuple[str, ...] = ()
    ) -> None:
        """Record a finding; the same one again only counts."""
        if known := self._noted.get((rule.id, message)):
            known.times += 1
        else:
            self._noted[rule.id, message] = _Noted(rule, message, offset, severity, evidence)

    # --- judging ------------------------------------------------------------------------------------------------------

    def _worse(self, module: str, name: str, node: Global) -> bool:
        entry = self.table.find(module, name)
        return (
            entry is not None and entry.standing is Standing.DANGEROUS and not self.table.find(node.module, node.name)
        )

    def _hidden(self, node: Global) -> Severity:
        entry = self._entry(node.module, node.name)
        return Severity.HIGH if entry and entry.standing is Standing.SAFE else Severity.CRITICAL

    def _record(self, node: Global) -> Global:
        key = (node.module, node.name)
        record = self._records.get(key)
        if record is None:
            record = self._records[key] = _Record(*key, self._entry(*key), node.offset)
        record.count += 1
        return node

    def _entry(self, module: str, name: str) -> Entry | None:
        """Look a name up; a dotted one is followed step by step."""
        entry = self.table.find(module, name)
        if "." not in name or (entry and (module, name) in self.table.exact):
            return entry
        steps = name.split(".")
        for count in range(1, len(steps) + 1):
            head, tail = ".".join(steps[:count]), steps[count - 1]
            found = self.table.exact.get((module, head))
            if found and found.standing is Standing.DANGEROUS:
                return found
            if tail in _STEPS_OUT or tail.startswith("__"):
                return Entry(
                    standing=Standing.DANGEROUS, effect=Effect.ATTRIBUTE, reason="reaches into the interpreter"
                )
            # A module's attribute may be another module: `logging` `os.system` is `os.system`.
            for start in range(count):
                path = ".".join(steps[start : count - 1])
                through = self.table.find(path, tail) if path else None
                if through and through.standing is Standing.DANGEROUS:
                    return through
        if (entry and entry.standing is Standing.DANGEROUS) or entry is None:
            return entry
        # A method or nested class of something known: not looked at itself.
        return entry if entry.standing is not Standing.SAFE else Entry(standing=Standing.FAMILY)

    def _use(self, node: Global, use: Use, call: Call | None = None) -> _Record:
        record = self._records[node.module, node.name]
        if use is Use.CALLED:
            record.times += 1
        if _RANK[use] > _RANK[record.use]:
            record.use = use
            record.call = call
        return record

    def _made_class(self, call: Call) -> Global | None:
        """Name the class of the object that a call makes, where the callee is a helper that makes it."""
        match call:
            case Call(
                callee=Global(module="copyreg", name="_reconstructor" | "__newobj__" | "__newobj_ex__"),
                args=(Global() as cls, *_),
            ):
                return cls
        return None

    def _construct(self, cls: Global, *, state_set: bool = False) -> None:
        if (cls.module, cls.name) in self._records:
            self._use(cls, Use.STATE_SET if state_set else Use.CONSTRUCTED)

    def _called_global(self, node: Global, path: str, call: Call) -> None:
        record = self._use(node, Use.CALLED, call)
        if call.how is How.METHOD and record.call is call:
            record.call = Call(
                Global(path.rpartition(".")[0], path.rpartition(".")[2], call.offset),
                call.args,
                None,
                How.METHOD,
                call.offset,
            )

    def _call(self, call: Call, callee: Node, args: Node, depth: int) -> Node:
        if depth == 0:
            self.note(rules.UNKNOWN_CALL, "calls a callable that is wrapped too deep to tell", call.offset)
            return call
        match callee:
            case Global():
                entry = self._records[callee.module, callee.name].entry
                if entry and entry.role is Role.JUDGED:
                    return self._judged(call, callee, args, depth)
                if call.how is How.NEW:
                    self._construct(callee)
                    return call
                self._use(callee, Use.CALLED, call)
                if (entry and entry.standing is Standing.SAFE) or (callee.module.partition(".")[0] in _PURE_ROOTS):
                    return self._folded(call)
            case Call():
                return self._call_result(call, callee, args, depth)
            case Unknown() | PersistentId():
                self.note(
                    rules.UNKNOWN_CALL,
                    "calls something that the file does not tell",
                    call.offset,
                    evidence=(call_text("?", args),),
                )
            case _:
                # Constants and containers can't be called: the load ends here with a TypeError.
                pass
        return call

    def _folded(self, call: Call) -> Node:
        try:
            return fold(call, self.read)
        except CannotFoldError:
            return call

    def _call_result(self, call: Call, callee: Call, args: Node, depth: int) -> Node:
        """Judge the call of what another call gave."""
        given = args if isinstance(args, tuple) else ()
        name = callee.callee.name if isinstance(callee.callee, Global) else ""
        match name, callee.args:
            case ("attrgetter", tuple() as names):
                for path in names:
                    result = self._attribute(given[0] if given else None, path, call)
                return result if len(names) == 1 else call
            case ("methodcaller", (method, *rest)):
                folded = self._folded(call)
                if folded is not call:
                    return folded
                bound = self._attribute(given[0] if given else None, method, call)
                return self._call(call, bound, tuple(rest), depth - 1)
            case ("itemgetter", tuple()):
                return self._folded(call)
            case ("partial", tuple() as first) if first or callee.state:
                inner, bound_args = _partial_parts(callee)
                folded = self._folded(call)
                return folded if folded is not call else self._call(call, inner, (*bound_args, *given), depth - 1)
            case ("getattr", (receiver, str(), *_)) if isinstance(receiver, str | bytes | Blob):
                folded = self._folded(call)
                if folded is call:
                    self.note(
                        rules.OBFUSCATED,
                        "calls a method of a text to compute a value",
                        call.offset,
                        severity=Severity.HIGH,
                    )
                return folded
        what = name_text(callee.callee.path) if isinstance(callee.callee, Global) else "another call"
        self.note(
            rules.UNKNOWN_CALL,
            f"calls the result of {what}",
            call.offset,
            evidence=(call_text("result", args, longest=LONG),),
        )
        return call

    def _attribute(self, owner: Node, name: Node, call: Call) -> Node:
        """Judge the fetching of an attribute by name; returns what is known of it."""
        if not isinstance(name, str):
            self.note(
                rules.OBFUSCATED, "fetches an attribute under a name that can't be told from the file", call.offset
            )
            return Unknown("an attribute of unknown name", call.offset)
        match owner:
            case Global():
                return self.imported(Global(owner.module, f"{owner.name}.{name}", call.offset), 4)
            case str() | bytes() | Blob() | None | int() | float() | list() | tuple() | Dict() | SetOf() if (
                not name.startswith("__")
            ):
                return call
        if any(step in _STEPS_OUT or step.startswith("__") for step in name.split(".")):
            self.note(
                rules.DANGEROUS_IMPORT,
                f"fetches the attribute {value_text(name)}, which leads into the interpreter",
                call.offset,
            )
        return call

    def _judged(self, call: Call, callee: Global, args: Node, depth: int) -> Node:
        """Judge callables that are as harmless as their arguments."""
        given = args if isinstance(args, tuple) else ()
        self._use(callee, Use.CALLED, call)
        match callee.path, given:
            case ("builtins.getattr", (owner, name, *_)):
                return self._attribute(owner, name, call)
            case ("copyreg._reconstructor", (Global() as cls, base, *_)):
                self._construct(cls, state_set=True)
                if isinstance(base, Global):
                    self._construct(base)
            case (("copyreg.__newobj__" | "copyreg.__newobj_ex__"), (Global() as cls, *_)):
                self._construct(cls)
            case (("builtins.map" | "builtins.filter" | "functools.reduce" | "itertools.starmap"), (function, *rest)):
                if isinstance(function, Global | Call):
                    self._call(Call(function, (), None, How.CALL, call.offset), function, tuple(rest), depth - 1)
            case ("copyreg.add_extension", (str(module), str(name), int(code))):
                self._registered[code] = Global(module, name, call.offset)
                self.note(
                    rules.EXTENSION_CODE,
                    f"registers extension code {code} for {name_text(f'{module}.{name}')}",
                    call.offset,
                )
            case (_, (Blob() | bytes() as content, *_)) if callee.path in _NESTED_LOADS:
                if not self.nested(content, call):
                    self.note(
                        rules.DANGEROUS_IMPORT,
                        f"calls {callee.path} on bytes that could not be read as a pickle",
                        call.offset,
                    )
            case _ if callee.path in _NESTED_LOADS:
                self.note(rules.DANGEROUS_IMPORT, f"calls {callee.path} on something that can't be told", call.offset)
        return call

    def _check_state(self, state: Dict, offset: int) -> None:
        for key, value in zip(state.items[::2], state.items[1::2], strict=False):
            if (
                isinstance(key, str)
                and (key in _LOOKED_UP)
                and isinstance(value, Global | Call | Unknown | PersistentId | Dict)
                and not (key == "__dict__" and isinstance(value, Dict))
            ):
                self.note(rules.STATE_HOOK, f"sets {value_text(key)} of an object to {value_text(value)}", offset)

    # --- results ------------------------------------------------------------------------------------------------------

    def imports(self, file: RepoFile) -> tuple[Import, ...]:
        """Return every import with its strongest use, in the order in which they were first seen."""
        return tuple(
            Import(
                module=name_text(record.module),
                name=name_text(record.name),
                use=record.use,
                verdict=self._verdict(record),
                location=file.at(offset=record.offset),
            )
            for record in self._records.values()
        )

    def _verdict(self, record: _Record) -> Verdict:
        match record.entry:
            case Entry(standing=Standing.SAFE, role=role) if role and _RANK[record.use] <= _ROLE_FOR[role]:
                return Verdict.SAFE
            case Entry(standing=Standing.DANGEROUS):
                return Verdict.DANGEROUS
        return Verdict.UNKNOWN

    def findings(self, file: RepoFile) -> list[Finding]:
        """Return one finding for each cause."""
        found = []
        family: list[_Record] = []
        for record in self._records.values():
            match self._verdict(record):
                case Verdict.DANGEROUS:
                    found.append(self._dangerous(file, record))
                case Verdict.UNKNOWN:
                    if record.use is Use.CALLED:
                        found.append(self._unknown_call(file, record))
                    elif record.entry is not None and record.entry.standing is not Standing.STDLIB:
                        family.append(record)
                    else:
                        found.append(self._unknown_import(file, record))
        if family:
            names = [name_text(f"{record.module}.{record.name}") for record in family]
            found.append(
                Finding.of(
                    rules.UNKNOWN_IMPORT,
                    f"uses {len(names)} classes of known libraries that are not listed one by one: {', '.join(names[:3])}"
                    + (" …" if len(names) > 3 else ""),
                    file.at(offset=family[0].offset),
                    severity=Severity.INFO,
                    evidence=tuple(names[:100]),
                )
            )
        for noted in self._noted.values():
            message = noted.message if noted.times == 1 else f"{noted.message} ({noted.times} times)"
            found.append(
                Finding.of(
                    noted.rule, message, file.at(offset=noted.offset), severity=noted.severity, evidence=noted.evidence
                )
            )
        return found

    def _dangerous(self, file: RepoFile, record: _Record) -> Finding:
        path = name_text(f"{record.module}.{record.name}")
        assert record.entry is not None
        effect = record.entry.effect or Effect.CODE
        rule = rules.EMBEDDED_CODE if effect is Effect.EMBEDDED else rules.DANGEROUS_IMPORT
        evidence = (record.entry.reason,) if record.entry.reason else ()
        if record.call is None:
            return Finding.of(rule, f"imports {path}, {CAN[effect]}", file.at(offset=record.offset), evidence=evidence)
        if record.call.how is How.METHOD and isinstance(record.call.callee, Global):
            path = name_text(record.call.callee.path)
        message = f"calls {call_text(path, record.call.args)}; {LOADING[effect]}"
        if record.times > 1:
            message += f" ({record.times} calls)"
        full = call_text(path, record.call.args, longest=LONG)
        return Finding.of(rule, message, file.at(offset=record.call.offset), evidence=(full, *evidence))

    def _unknown_call(self, file: RepoFile, record: _Record) -> Finding:
        path = name_text(f"{record.module}.{record.name}")
        assert record.call is not None
        match record.entry:
            case None:
                why = "a package that is not known"
            case Entry(standing=Standing.STDLIB):
                why = "a part of Python's standard library that is not known to be harmless"
            case Entry(standing=Standing.SAFE):
                why = "something that is harmless only when it is not called"
            case _:
                why = "a function of a known library that is not known to be harmless"
        if record.call.how is How.METHOD and isinstance(record.call.callee, Global):
            path = name_text(record.call.callee.path)
        message = f"calls {call_text(path, record.call.args)}, {why}"
        if record.times > 1:
            message += f" ({record.times} calls)"
        return Finding.of(
            rules.UNKNOWN_CALL, message, file.at(offset=record.call.offset),
            evidence=(call_text(path, record.call.args, longest=LONG),),
        )  # fmt: skip

    def _unknown_import(self, file: RepoFile, record: _Record) -> Finding:
        path = name_text(f"{record.module}.{record.name}")
        doing = {
            Use.REFERENCED: "refers to",
            Use.CONSTRUCTED: "makes an object of",
            Use.STATE_SET: "makes an object of",
        }[record.use]
        whose = (
            "Python's standard library, where it is not known to be harmless"
            if record.entry
            else "a package that is not known"
        )
        return Finding.of(rules.UNKNOWN_IMPORT, f"{doing} {path}, of {whose}", file.at(offset=record.offset))


def _partial_parts(partial: Call) -> tuple[Node, tuple[Node, ...]]:
    """Return function and bound arguments of a functools.partial; its state overrides what it was made with."""
    if partial.state:
        match partial.state[-1]:
            case (function, tuple() as args, *_):
                return function, args
    match partial.args:
        case (function, *rest):
            return function, tuple(rest)
    return Unknown("a partial of nothing", partial.offset), ()


_PURE_ROOTS = frozenset({"builtins", "_codecs", "codecs", "operator", "_operator", "base64", "binascii", "zlib"})
_NESTED_LOADS = frozenset({
    "pickle.loads", "_pickle.loads", "dill.loads", "dill._dill.loads", "cloudpickle.loads",
    "cloudpickle.cloudpickle.loads", "torch.storage._load_from_bytes",
})  # fmt: skip
