"""List what in Python's standard library can act when a pickle calls it: candidates for `pickle_globals.csv`.

Reads the library's own source (nothing of it is imported or run), follows calls by name from every function and class
to what runs code, starts processes, imports, reads, writes or connects, and prints table rows. A person reviews them.

    python tools/pickle_stdlib_candidates.py [LIB_DIRECTORY]
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections import defaultdict
from pathlib import Path

# Trees that are tools or tests: they are dangerous as a whole, so their names need not be listed.
WHOLE_TREES = {
    "test", "idlelib", "lib2to3", "distutils", "ensurepip", "pydoc_data", "turtledemo", "tkinter", "unittest", "venv",
    "__phello__", "site-packages", "lib-dynload", "encodings", "config-3.11-x86_64-linux-gnu", "__pycache__",
}  # fmt: skip
BUILTINS = {"exec": "code", "eval": "code", "compile": "code", "__import__": "import", "open": "write", "input": "read"}
MODULES = {
    "os": {
        "process": "system popen execl execle execlp execlpe execv execve execvp execvpe spawnl spawnle spawnlp "
        "spawnlpe spawnv spawnve spawnvp spawnvpe posix_spawn "
        "posix_spawnp fork forkpty kill killpg startfile abort _exit",
        "write": "open remove unlink rename renames replace mkdir makedirs rmdir removedirs link symlink truncate "
        "chmod chown chdir mkfifo mknod setxattr utime fdopen write ftruncate chroot lchown umask",
        "read": "listdir scandir walk fwalk readlink read",
        "state": "putenv unsetenv setuid setgid",
    },
    "_io": {"write": "open FileIO open_code"},
    "io": {"write": "open FileIO open_code"},
    "_thread": {"process": "start_new_thread"},
    "_posixsubprocess": {"process": "fork_exec"},
    "_winapi": {"process": "CreateProcess"},
    "_imp": {"import": "create_dynamic exec_dynamic exec_builtin init_frozen create_builtin"},
    "marshal": {"load": "load loads"},
    "pickle": {"load": "load loads Unpickler _load _loads _Unpickler"},
    "_pickle": {"load": "load loads Unpickler"},
    "importlib": {"import": "import_module reload __import__"},
    "socket": {"network": "socket create_connection create_server socketpair fromfd"},
    "_socket": {"network": "socket"},
    "ssl": {"network": "SSLSocket wrap_socket get_server_certificate"},
    "ctypes": {"native": "CDLL PyDLL WinDLL OleDLL LibraryLoader"},
    "_ctypes": {"native": "dlopen call_function LoadLibrary"},
    "mmap": {"write": "mmap"},
    "_sqlite3": {"write": "connect"},
    "types": {"code": "CodeType FunctionType"},
    "sys": {"state": "settrace setprofile"},
    "readline": {"write": "write_history_file read_history_file read_init_file"},
    "_dbm": {"write": "open"}, "_gdbm": {"write": "open"}, "nis": {"network": "cat match"},
}  # fmt: skip
SINKS = {
    (module, name): effect
    for module, effects in MODULES.items()
    for effect, names in effects.items()
    for name in names.split()
}
ORDER = ("process", "code", "native", "load", "import", "network", "write", "read", "state", "attribute")
Key = tuple[str, str]


class Module(ast.NodeVisitor):
    """The calls that each function of a module makes, by what the names mean there."""

    def __init__(self, name: str, tree: ast.Module, *, package: bool) -> None:
        self.name = name
        self.package = name if package else name.rpartition(".")[0]
        self.names: dict[str, Key] = {}
        self.calls: dict[Key, set[Key]] = defaultdict(set)
        self.direct: dict[Key, set[str]] = defaultdict(set)
        self.tops: list[str] = []
        self.scope: list[str] = []
        self.classes: dict[str, list[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.names[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0],
                        "",
                    )
            elif isinstance(node, ast.ImportFrom):
                source = self._absolute(node)
                for alias in node.names:
                    self.names[alias.asname or alias.name] = (source, alias.name)
        self.visit(tree)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        base = self.package.split(".")
        base = base[: len(base) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Note a class and its bases, whose __init__ may run when it is called."""
        if not self.scope:
            self.tops.append(node.name)
            self.classes[node.name] = [ast.unparse(base) for base in node.bases]
            for base in node.bases:
                if isinstance(base, ast.Name):
                    self.calls[self.name, node.name].add(self.names.get(base.id, (self.name, base.id)))
                elif isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
                    self.calls[self.name, node.name].add((self.names.get(base.value.id, ("?", ""))[0], base.attr))
        self.scope.append(node.name)
        self.generic_visit(node)
        self.scope.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Go through a function's body in its scope."""
        if not self.scope:
            self.tops.append(node.name)
        self.scope.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self.scope.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 -- the name that NodeVisitor looks up

    def _here(self) -> Key | None:
        if not self.scope:
            return None
        top = self.scope[0]
        if top in self.classes and len(self.scope) > 1:
            method = self.scope[1]
            # Calling the class runs these; the other methods are keyed on their own.
            return (
                self.name,
                top if method in {"__init__", "__new__", "__setstate__", "__post_init__"} else f"{top}.{method}",
            )
        return (self.name, top)

    def visit_Call(self, node: ast.Call) -> None:
        """Note what is called, by the name's meaning in this module."""
        here = self._here()
        self.generic_visit(node)
        if here is None:
            return
        match node.func:
            case ast.Name(id=name):
                if name in self.names:
                    self.calls[here].add(self.names[name])
                elif name in BUILTINS and (self.name, name) not in self.calls:
                    self.direct[here].add(BUILTINS[name])
                    self.calls[here].add((self.name, name))
                else:
                    self.calls[here].add((self.name, name))
                if name in {"getattr", "setattr"} and len(node.args) > 1 and not isinstance(node.args[1], ast.Constant):
                    self.direct[here].add("attribute?")
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr) if self.scope[0] in self.classes:
                self.calls[here].add((self.name, f"{self.scope[0]}.{attr}"))
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in self.names and not self.names[name][1]:
                self.calls[here].add((self.names[name][0], attr))
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in self.names:
                module, what = self.names[name]
                self.calls[here].add((f"{module}.{what}" if module else what, attr))


def read(lib: Path) -> dict[str, Module]:
    """Parse every module of the library."""
    modules = {}
    for path in sorted(lib.rglob("*.py")):
        parts = path.relative_to(lib).with_suffix("").parts
        if set(parts) & WHOLE_TREES:
            continue
        package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if package else parts)
        try:
            modules[name] = Module(name, ast.parse(path.read_bytes()), package=package)
        except SyntaxError as error:
            print(f"# {name}: {error}", file=sys.stderr)
    return modules


def effects(modules: dict[str, Module]) -> dict[Key, set[str]]:
    """Spread the effects of what is called to the callers until nothing changes."""
    reach: dict[Key, set[str]] = defaultdict(set)
    callers: dict[Key, set[Key]] = defaultdict(set)
    for module in modules.values():
        for key, kinds in module.direct.items():
            reach[key] |= kinds
        for key, called in module.calls.items():
            for target in called:
                callers[target].add(key)
                if effect := SINKS.get(target):
                    reach[key].add(effect)
    todo = list(reach)
    while todo:
        key = todo.pop()
        spread = reach[key] - {"attribute?"}
        for caller in callers[key]:
            if not spread <= reach[caller]:
                reach[caller] |= spread
                todo.append(caller)
        # An import of a name from a package may be a re-export.
        module, _, name = key[0], "", key[1]
        for other in modules.values():
            for alias, target in other.names.items():
                if target == (module, name) and not spread <= reach[other.name, alias]:
                    reach[other.name, alias] |= spread
                    todo.append((other.name, alias))
    return reach


def main() -> None:
    """Print table rows."""
    lib = Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("stdlib"))
    modules = read(lib)
    reach = effects(modules)
    for name, module in sorted(modules.items()):
        by_effect: dict[str, list[str]] = defaultdict(list)
        exported = module.tops + [
            alias for alias, target in module.names.items() if target[1] and (name, alias) in reach
        ]
        for top in sorted(set(exported)):
            kinds = reach.get((name, top), set())
            for effect in ORDER:
                if effect in kinds or (effect == "attribute" and "attribute?" in kinds):
                    by_effect[effect].append(top)
                    break
        for effect, names in by_effect.items():
            print(f"{name},{' '.join(names)},dangerous,,{effect},,CPython Lib/{name.replace('.', '/')}.py")


if __name__ == "__main__":
    main()
