"""What is known of the globals that pickles import: safe in which use, dangerous in which way, or of which family."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache, lru_cache

from msgspec import Struct

from aibom.data.tables import Row, load_rows

_LONGEST_NAME = 500
COLUMNS = ("module", "names", "verdict", "role", "effect", "reason", "source")


class Standing(StrEnum):
    """What the table says of a global."""

    SAFE = "safe"
    DANGEROUS = "dangerous"
    FAMILY = "family"  # of a known machine-learning library, but not looked at one by one
    STDLIB = "stdlib"  # of Python's standard library, but neither safe nor known to be dangerous


class Role(StrEnum):
    """The strongest use in which a global does no harm; a stronger one includes the weaker.

    A dangerous global may have one too: `numpy.memmap` opens a file when it is made, but not when it is referred to.
    """

    REFERENCE = "reference"  # only looked up
    CONSTRUCT = "construct"  # a class whose __new__ and state setting do no harm
    CALL = "call"  # does no harm when called with plain arguments
    JUDGED = "judged"  # depends on the arguments; the judge knows how


class Effect(StrEnum):
    """What a dangerous global can do."""

    CODE = "code"
    PROCESS = "process"
    IMPORT = "import"
    READ = "read"
    WRITE = "write"
    NETWORK = "network"
    ATTRIBUTE = "attribute"
    LOAD = "load"
    NATIVE = "native"
    STATE = "state"
    EMBEDDED = "embedded"


class Entry(Struct, frozen=True, kw_only=True):
    """A row of the table, for one name or (`*`) all names of a module or tree of modules.

    `*.method` stands for that method of any class in the tree.
    """

    standing: Standing
    role: Role | None = None
    effect: Effect | None = None
    reason: str = ""


class GlobalTable(Struct, frozen=True):
    """The rows by exact name, by module, and by tree (`package.*` covers the package and everything below).

    `methods` are by package and name.
    """

    exact: Mapping[tuple[str, str], Entry]
    modules: Mapping[str, Entry]
    trees: Mapping[str, Entry]
    methods: Mapping[tuple[str, str], Entry] = {}

    def method(self, module: str, name: str) -> Entry | None:
        """Return the entry for a method of any class of a package, where `name` is `Class.method`."""
        owner, _, method = name.partition(".")
        return self.methods.get((module.partition(".")[0], method)) if owner.isidentifier() else None

    def find(self, module: str, name: str) -> Entry | None:
        """Return the most specific entry: exact name, then module, then the innermost tree."""
        if entry := self.exact.get((module, name)) or self.modules.get(module):
            return entry
        # No module is nested so deep; following the dots of a hostile name would take its length squared.
        tree = module if len(module) <= _LONGEST_NAME else ""
        while tree:
            if entry := self.trees.get(tree):
                return entry
            tree = tree.rpartition(".")[0]
        return None

    def root(self, module: str) -> bool:
        """Say whether the module's top package is in the table at all."""
        return module.partition(".")[0] in self.trees


_STANDINGS, _ROLES, _EFFECTS = tuple(Standing), tuple(Role), tuple(Effect)


def build_table(rows: tuple[Row, ...]) -> GlobalTable:
    """Check the rows and index them.

    Raises:
        DataError: a row is not what the columns mean, or says again what another says.
    """
    exact: dict[tuple[str, str], Entry] = {}
    modules: dict[str, Entry] = {}
    trees: dict[str, Entry] = {}
    methods: dict[tuple[str, str], Entry] = {}
    for row in rows:
        standing = Standing(row.one_of("verdict", _STANDINGS))
        role = Role(row.one_of("role", _ROLES)) if row["role"] else None
        effect = Effect(row.one_of("effect", _EFFECTS)) if row["effect"] else None
        if (standing is Standing.DANGEROUS) != (effect is not None) or (standing is Standing.SAFE and role is None):
            row.fail("a safe row has a role, a dangerous one an effect")
        if role is not None and standing not in {Standing.SAFE, Standing.DANGEROUS}:
            row.fail("only safe and dangerous rows have a role")
        entry = Entry(standing=standing, role=role, effect=effect, reason=row["reason"])
        module = row["module"]
        for name in row.words("names", " "):
            if name.startswith("*."):
                package, tree = module.removesuffix(".*"), module.endswith(".*")
                if not tree or "." in package or (package, name[2:]) in methods:
                    row.fail(f"{name} stands for a method of any class of a whole package, and once")
                methods[package, name[2:]] = entry
                continue
            if name != "*":
                if (module, name) in exact or module.endswith(".*"):
                    row.fail(f"{module} {name} stands here twice, or a tree has names")
                exact[module, name] = entry
                continue
            index, key = (trees, module.removesuffix(".*")) if module.endswith(".*") else (modules, module)
            if key in index:
                row.fail(f"{module} stands here twice")
            index[key] = entry
    return GlobalTable(exact, modules, trees, methods)


@cache
def global_table() -> GlobalTable:
    """Load the table that ships with the tool."""
    return build_table(load_rows("pickle_globals.csv", COLUMNS, required=("module", "names", "verdict", "source")))


@cache
def _python2_names() -> tuple[Mapping[str, str], Mapping[tuple[str, str], tuple[str, str]]]:
    modules: dict[str, str] = {}
    names: dict[tuple[str, str], tuple[str, str]] = {}
    for row in load_rows(
        "pickle_python2_names.csv", ("module", "name", "new_module", "new_name"), required=("module", "new_module")
    ):
        if row["name"]:
            names[row["module"], row["name"]] = (row["new_module"], row["new_name"])
        else:
            modules[row["module"]] = row["new_module"]
    return modules, names


@lru_cache(maxsize=4096)
def modern_name(module: str, name: str) -> tuple[str, str]:
    """Map a Python 2 name to where Python 3's unpickler looks it up for protocols below 3."""
    modules, names = _python2_names()
    if (module, name) in names:
        return names[module, name]
    return modules.get(module, module), name
