"""Say what the name that a pickle imports leads to, step by step where it is dotted."""

from __future__ import annotations

from aibom.inspectors.pickle_globals import Effect, Entry, GlobalTable, Role, Standing

# Attribute steps that lead out of an object to the interpreter, besides every name that begins with `__`.
STEPS_OUT = frozenset({"mro", "f_globals", "f_locals", "f_builtins", "gi_frame", "tb_frame", "func_globals", "modules"})
# A module of the library under another module's name (`logging.os`, `random._os`) is a way around lists of names.
_ELSEWHERE = frozenset({
    "os", "sys", "subprocess", "builtins", "importlib", "shutil", "ctypes", "posix", "nt", "socket", "pickle",
    "marshal", "runpy", "pty", "eval", "exec", "system", "popen", "import", "imp", "pkgutil", "io", "codeop",
})  # fmt: skip
_MOST_STEPS = 32
_REACHES_OUT = Entry(standing=Standing.DANGEROUS, effect=Effect.ATTRIBUTE, reason="leads into the interpreter")
_PART_OF_KNOWN = Entry(standing=Standing.FAMILY)


def entry_of(table: GlobalTable, module: str, name: str) -> Entry | None:
    """Look a name up; a dotted one is followed step by step."""
    found = table.exact.get((module, name)) or table.method(module, name)
    if found:
        return found
    steps = name.split(".", _MOST_STEPS)
    if len(steps) > _MOST_STEPS:
        return _REACHES_OUT
    entry = table.find(module, steps[0])
    for count, step in enumerate(steps, 1):
        known = table.exact.get((module, ".".join(steps[:count])))
        if known and known.standing is Standing.DANGEROUS:
            return known
        if count == len(steps) > 1 and step == "__new__":
            return _safe_to_make(entry)
        if (count > 1 and (step in STEPS_OUT or step.startswith("__"))) or step in {"__builtins__", "__loader__"}:
            return _REACHES_OUT
        if known is None and step.strip("_") in _ELSEWHERE and entry and entry.standing is not Standing.DANGEROUS:
            return _REACHES_OUT
        # A module's attribute may be another module: `logging` `os.system` is `os.system`.
        through = table.find(".".join(steps[: count - 1]), step) if count > 1 else None
        if through and through.standing is Standing.DANGEROUS:
            return through
    if len(steps) > 1 and entry and entry.standing is Standing.SAFE:
        return _PART_OF_KNOWN
    return entry


def leads_out(path: str) -> bool:
    """Say whether one of these attribute steps leads out of an object to the interpreter."""
    return any(step in STEPS_OUT or step.startswith("__") for step in path.split("."))


def _safe_to_make(entry: Entry | None) -> Entry | None:
    """Return what `class.__new__` is where the class is that: safe to call if the class is safe to construct."""
    if entry and entry.standing is Standing.SAFE and entry.role in {Role.CONSTRUCT, Role.CALL}:
        return Entry(standing=Standing.SAFE, role=Role.CALL)
    return entry
