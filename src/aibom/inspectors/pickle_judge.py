"""Judge what a pickle does with what it imports, event by event, as the walk tells it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from aibom.components import Import, Use
from aibom.files import RepoFile
from aibom.findings import Finding, Rule, Severity
from aibom.inspectors import pickle_rules as rules
from aibom.inspectors.pickle_faults import WalkFault
from aibom.inspectors.pickle_fold import FOLDABLE, Budget, CannotFoldError, Computed, Reader, fold
from aibom.inspectors.pickle_globals import Effect, GlobalTable, Role, Standing, global_table, modern_name
from aibom.inspectors.pickle_judged import MOST_ARGUMENTS, first_of, judged
from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, How, Node, PersistentId, SetOf, Unknown
from aibom.inspectors.pickle_reach import entry_of, leads_out
from aibom.inspectors.pickle_records import Noted, Record, record_findings
from aibom.inspectors.pickle_words import LONG, call_text, name_text, value_text

# What the unpickler itself looks up on an instance: state that puts something callable there makes it run.
_LOOKED_UP = frozenset({"__setstate__", "append", "extend", "add", "__class__", "__dict__", "__setitem__"})
_PURE_ROOTS = frozenset({"builtins", "_codecs", "codecs", "operator", "_operator", "base64", "binascii", "zlib"})
# They are harmless, but what they give is called.
_MAKE_CALLABLES = frozenset({"attrgetter", "itemgetter", "methodcaller"})
_PYTHON2_PROTOCOLS = 3
_DEPTH = 16
# A file that has more of these is hostile whatever comes; each costs memory that no limit on opcodes accounts for.
_MOST_GLOBALS = 10_000
_MOST_NOTED = 1_000
_HIGHER_ORDER = frozenset({"builtins", "operator", "_operator", "itertools", "functools"})


class Judge(Struct):
    """Hears a walk.

    `nested` examines a pickle that the stream loads from bytes it holds, `model` keeps the Keras model that a function
    is called with at an offset; both give False if they can't.
    """

    read: Reader
    nested: Callable[[Node, Call], bool]
    model: Callable[[Global, Node, int], bool]
    table: GlobalTable = field(default_factory=global_table)
    _records: dict[tuple[str, str], Record] = field(default_factory=dict)
    _globals: dict[tuple[str, str], Global] = field(default_factory=dict)
    _noted: dict[tuple[str, str], Noted] = field(default_factory=dict)
    registered: dict[int, tuple[str, str]] = field(default_factory=dict)
    _checked: dict[int, tuple[Dict, int]] = field(default_factory=dict)
    _folding: Budget = field(default_factory=Budget)

    def imports(self, file: RepoFile) -> tuple[Import, ...]:
        """Return every import with its strongest use, in the order in which they were first seen."""
        return tuple(record.to_import(file) for record in self._records.values())

    def findings(self, file: RepoFile) -> list[Finding]:
        """Return one finding for each cause."""
        noted = [noted.to_finding(file) for noted in self._noted.values()]
        return record_findings(file, self._records.values()) + noted

    def forget(self) -> None:
        """Let go of the graph: what a judge asks holds on to the judge, and the graph would live as long."""
        for known in (self._records, self._globals, self._noted, self._checked):
            known.clear()

    def inert(self, module: str, name: str, protocol: int) -> bool:
        """Say whether a global does no harm in any use, whatever else the stream does."""
        if protocol < _PYTHON2_PROTOCOLS:
            module, name = modern_name(module, name)
        entry = self.table.exact.get((module, name))
        return entry is not None and entry.role is Role.CALL and name not in _MAKE_CALLABLES

    def note(
        self, rule: Rule, message: str, offset: int, *, severity: Severity | None = None, evidence: tuple[str, ...] = ()
    ) -> None:
        """Record a finding; the same one again only counts."""
        if known := self._noted.get((rule.id, message)):
            known.times += 1
        elif len(self._noted) < _MOST_NOTED:
            self._noted[rule.id, message] = Noted(rule, message, offset, severity, evidence)

    # --- events -------------------------------------------------------------------------------------------------------

    def imported(self, node: Global, protocol: int) -> Global:
        """Record an import; Python 2 names are mapped where the unpickler would."""
        if isinstance(node.module, Computed) or isinstance(node.name, Computed):
            self._hidden(node)
        module, name = modern_name(node.module, node.name)
        if (module, name) != (node.module, node.name) and (
            protocol < _PYTHON2_PROTOCOLS or self._dangerous(module, name)
        ):
            node.module, node.name = module, name
        self.record(node)
        # As in the unpickler, a name stands for one object, however often it is looked up.
        return self._globals.setdefault((node.module, node.name), node)

    def computed(self, module: Node, name: Node, offset: int) -> Node:
        """Record an import whose name can't be told."""
        what = f"{value_text(module)}, {value_text(name)}"
        message = "imports something under a name that can't be told from the file"
        self.note(rules.OBFUSCATED, message, offset, evidence=(what,))
        return Unknown("an import by a computed name", offset)

    def called(self, call: Call) -> Node:
        """Judge a call and return its result."""
        for arg in call.args[:MOST_ARGUMENTS] if isinstance(call.args, tuple | list) else ():
            if isinstance(arg, Global) and arg.name.endswith("__dict__") and not self._rebuilds_code(call.callee):
                message = f"hands {name_text(arg.path)} on, through which anything can be reached"
                self.note(rules.DANGEROUS_IMPORT, message, call.offset)
        return self.call(call, call.callee, call.args, _DEPTH)

    def _rebuilds_code(self, callee: Node) -> bool:
        entry = self.record(callee).entry if isinstance(callee, Global) else None
        return entry is not None and entry.effect is Effect.EMBEDDED

    def built(self, target: Node, state: Node, offset: int) -> None:
        """Judge the setting of state."""
        for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
            if isinstance(part, Dict):
                self._check_state(part, offset)
        match target:
            case Global():
                self.record(target).use_as(Use.STATE_SET)
                self.note(rules.STATE_HOOK, f"sets attributes on the imported {name_text(target.path)}", offset)
            case Call() | PersistentId(args=("module", Global(), *_)):
                self._constructed(target)
            case Unknown() | PersistentId():
                self.note(rules.UNKNOWN_CALL, "sets the state of an object that the file does not tell", offset)

    def extended(self, target: Node, method: str, items: list[Node], offset: int) -> None:
        """Judge the call of a method that adds elements."""
        match target:
            case Global():
                path = Global(target.module, f"{target.name}.{method}", offset)
                self.record(target).use_as(Use.CALLED, Call(path, tuple(items), None, How.METHOD, offset))
            case Call():
                self._constructed(target)
            case Unknown() | PersistentId():
                self.note(rules.UNKNOWN_CALL, f"calls {method} of an object that the file does not tell", offset)

    def persistent(self, node: PersistentId) -> None:
        """Judge what the loader is asked for: the loader decides what it is, so nothing follows from the file."""

    def extension(self, code: int, offset: int) -> Node:
        """Resolve an extension code that the stream itself has registered; any other can't be told."""
        self.note(rules.EXTENSION_CODE, f"imports extension code {code}", offset)
        if code in self.registered:
            return self.imported(Global(*self.registered[code], offset), _PYTHON2_PROTOCOLS)
        return Unknown(f"extension code {code}", offset)

    def odd(self, message: str, offset: int) -> None:
        """Record a contradiction in the stream."""
        self.note(rules.MALFORMED, message, offset)

    # --- imports ------------------------------------------------------------------------------------------------------

    def _dangerous(self, module: str, name: str) -> bool:
        entry = entry_of(self.table, module, name)
        return entry is not None and entry.standing is Standing.DANGEROUS

    def _hidden(self, node: Global) -> None:
        entry = entry_of(self.table, *modern_name(node.module, node.name))
        severity = Severity.HIGH if entry and entry.standing is Standing.SAFE else Severity.CRITICAL
        message = f"imports {name_text(node.path)} under a name that it puts together"
        self.note(rules.OBFUSCATED, message, node.offset, severity=severity)

    def record(self, node: Global) -> Record:
        """Return what is noted about a global.

        Raises:
            WalkFault: the file has more of them than any honest one.
        """
        key = (node.module, node.name)
        if key not in self._records:
            if len(self._records) >= _MOST_GLOBALS:
                raise WalkFault(f"more than {_MOST_GLOBALS} different imports", node.offset, limit=True)
            self._records[key] = Record(*key, entry_of(self.table, *key), node.offset)
        return self._records[key]

    # --- calls --------------------------------------------------------------------------------------------------------

    def _constructed(self, made: Node) -> None:
        """An object got state or elements: a method of its class ran."""
        match made:
            case Call(callee=PersistentId(args=("module", Global() as cls, *_))):
                self.record(cls).use_as(Use.STATE_SET)
            case Call(callee=Global(module="copyreg"), args=(Global() as cls, *_)):
                self.record(cls).use_as(Use.STATE_SET)
            case Call(callee=Global() as cls):
                self.record(cls).use_as(Use.STATE_SET)

    def call(self, call: Call, callee: Node, args: Node, depth: int) -> Node:
        """Judge the use of a callable with arguments, at `call`; callables wrapped in `depth` others are followed."""
        if depth == 0:
            self.note(rules.UNKNOWN_CALL, "calls a callable that is wrapped too deep to tell", call.offset)
            return call
        match callee:
            case Global():
                return self._call_global(call, callee, args, depth)
            case Call():
                return self._call_result(call, callee, args, depth)
            case PersistentId(args=("module", Global() as cls, *_)):
                # torch's legacy format wraps classes so, to compare their source with the stored one.
                return self._call_global(call, cls, args, depth)
            case Unknown() | PersistentId():
                shown = (call_text("?", args, longest=LONG),)
                self.note(
                    rules.UNKNOWN_CALL, "calls something that the file does not tell", call.offset, evidence=shown
                )
        # Constants and containers can't be called: the load ends here with a TypeError.
        return call

    def _call_global(self, call: Call, callee: Global, args: Node, depth: int) -> Node:
        record = self.record(callee)
        entry = record.entry
        if entry and entry.role is Role.JUDGED:
            record.use_as(Use.CALLED, call)
            return judged(self, call, callee, args, depth)
        if call.how is How.NEW:
            record.use_as(Use.CONSTRUCTED)
            # NEWOBJ refuses what is no class, but INST and OBJ call it: a known function is called either way.
            if entry and entry.standing is Standing.DANGEROUS:
                record.use_as(Use.CALLED, call)
            return call
        shown = call if callee is call.callee else Call(callee, args, None, How.CALL, call.offset)
        record.use_as(Use.CALLED, shown)
        path = callee.path
        root = callee.module.partition(".")[0]
        if root in _HIGHER_ORDER:
            self._callbacks(args, call)
        elif entry and entry.role is Role.CALL and path not in FOLDABLE:
            callee.settled = True
            return call
        return self._folded(shown, call) if root in _PURE_ROOTS else call

    def _callbacks(self, args: Node, call: Call) -> None:
        """Count functions that are handed to Python's own helpers as called: some of these call what they get."""
        for arg in args[:MOST_ARGUMENTS] if isinstance(args, tuple) else ():
            if isinstance(arg, Global):
                record = self.record(arg)
                if record.entry is None or record.entry.standing is not Standing.SAFE:
                    record.use_as(Use.CALLED, Call(arg, None, None, How.CALL, call.offset))

    def _folded(self, pure: Call, otherwise: Call) -> Node:
        try:
            return fold(pure, self.read, self._folding)
        except CannotFoldError:
            return otherwise

    def _call_result(self, call: Call, callee: Call, args: Node, depth: int) -> Node:
        """Judge the call of what another call gave."""
        few = first_of(args)
        given = few if isinstance(few, tuple) else ()
        bound = first_of(callee.args)
        name = callee.callee.name if isinstance(callee.callee, Global) else ""
        folded = self._folded(Call(callee, args, None, How.CALL, call.offset), call)
        if folded is not call:
            return folded
        match name, bound:
            case ("attrgetter", tuple() as names) if names is callee.args:
                results = [self.attribute(given[0] if given else None, path, call) for path in names]
                return results[0] if len(results) == 1 else tuple(results)
            case ("methodcaller", (method, *rest)):
                fetched = self.attribute(given[0] if given else None, method, call)
                return self.call(call, fetched, tuple(rest), depth - 1)
            case ("itemgetter", tuple()):
                return call
            case ("partial", tuple() as first) if first or callee.state:
                inner, bound_args = _partial_parts(callee)
                return self.call(call, inner, (*bound_args[:MOST_ARGUMENTS], *given), depth - 1)
            case ("getattr", (str() | bytes() | Blob(), str(), *_)):
                message = "calls a method of a text to compute a value"
                self.note(rules.OBFUSCATED, message, call.offset, severity=Severity.HIGH)
                return call
        what = name_text(callee.callee.path) if isinstance(callee.callee, Global) else "another call"
        shown = (call_text("result", args, longest=LONG),)
        self.note(rules.UNKNOWN_CALL, f"calls the result of {what}", call.offset, evidence=shown)
        return call

    def attribute(self, owner: Node, name: Node, call: Call) -> Node:
        """Judge the fetching of an attribute by name; return what is known of it."""
        if not isinstance(name, str):
            message = "fetches an attribute under a name that can't be told from the file"
            self.note(rules.OBFUSCATED, message, call.offset)
            return Unknown("an attribute of unknown name", call.offset)
        if isinstance(owner, Global):
            return self.imported(Global(owner.module, f"{owner.name}.{name}", call.offset), _PYTHON2_PROTOCOLS)
        if leads_out(name):
            message = f"fetches the attribute {value_text(name)}, which leads into the interpreter"
            self.note(rules.DANGEROUS_IMPORT, message, call.offset)
        return call

    def _check_state(self, state: Dict, offset: int) -> None:
        # The same dict may be set again and again: only what came since is looked at.
        _, done = self._checked.get(id(state), (state, 0))
        self._checked[id(state)] = (state, len(state.items))
        for key, value in zip(state.items[done::2], state.items[done + 1 :: 2], strict=False):
            if (
                isinstance(key, str)
                and key in _LOOKED_UP
                and isinstance(value, Global | Call | Unknown | PersistentId | SetOf)
            ):
                message = f"sets {value_text(key)} of an object to {value_text(value)}"
                self.note(rules.STATE_HOOK, message, offset)


def _partial_parts(partial: Call) -> tuple[Node, tuple[Node, ...]]:
    """Return function and bound arguments of a functools.partial; its state overrides what it was made with."""
    if partial.state:
        match first_of(partial.state[-1]):
            case (function, tuple() as args, *_):
                return function, args
    match first_of(partial.args):
        case (function, *rest):
            return function, tuple(rest)
    return Unknown("a partial of nothing", partial.offset), ()
