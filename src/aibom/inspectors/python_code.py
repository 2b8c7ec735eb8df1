"""Judge Python source by its syntax tree: what it does when it is imported or loaded. Nothing of it ever runs."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from aibom.components import Import, Inspection, Reference, ReferenceKind, Use, Verdict
from aibom.errors import MalformedFile
from aibom.files import Coverage, RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.python_acts import (
    Act,
    act_of,
    arguments_text,
    handed_over,
    names_secrets,
    names_startup,
    only_asks,
)
from aibom.inspectors.python_names import Names, walk
from aibom.inspectors.python_scopes import Scope, scopes_of
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

MALICIOUS_CODE = Rule(
    id="malicious-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="Code in the repository acts when it is loaded, or hides what it does",
    explanation=(
        "Importing this file is enough to start a process, to connect somewhere or to change files outside of the "
        "model; or the file decodes text and runs it, so that its source does not show what it does. Custom "
        "architectures compute; they need neither."
    ),
    help="Do not load the model with trust_remote_code. Read the lines that are named, in an environment without data.",
    cwes=(506, 829),
)
ACTING_CODE = Rule(
    id="acting-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="Code in the repository does more than compute",
    explanation=(
        "Functions in this file start processes, connect to the network, load native libraries or run code that they "
        "make. They do so when they are called, not when the file is imported."
    ),
    help="Read the lines that are named before you call the code or let a loader call it.",
    cwes=(829,),
)

# Files that loaders import by name or by convention.
_LOADED = re.compile(
    r"(modeling|modular|configuration|tokenization|processing|image_processing|video_processing|feature_extraction"
    r"|pipeline|generation|custom)[_.].*|(handler|hubconf|generate|pipeline|model|models|inference|__init__)\.py"
)
_INSTALLER_NAMES = frozenset({"setup.py", "conftest.py", "noxfile.py"})
# Grave when it happens at import, and worth reading when a loader may call it.
_GRAVE = frozenset({Act.PROCESS, Act.NETWORK})
_QUIET = frozenset({Act.DOWNLOAD, Act.FILES, Act.UNPICKLE})
_CODINGS = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_PLAIN_CODINGS = re.compile(
    rb"(utf[-_]?8(-sig)?|(us-)?ascii|latin-?1|iso-?8859-\d+|cp\d+|windows-125\d|gbk|gb2312|gb18030|big5|euc[-_]\w+"
    rb"|shift[-_]jis|koi8-[ru])",
    re.IGNORECASE,
)
_NESTED_SOURCE = 3
_SITES = 50


class Site(NamedTuple):
    """A call that acts: how, on which line, as what, in which scope."""

    act: Act
    line: int
    text: str
    scope: Scope
    asks: bool


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge a source file, and name what it imports.

    What this interpreter can't parse (another version's syntax, or no Python) is said not to have been looked at: of
    high severity where a loader imports the file.
    """
    seen = Observations(file, limits)
    if data.size > limits.text_bytes:
        severity = Severity.HIGH if _LOADED.fullmatch(file.name) else Severity.MEDIUM
        seen.unread(f"the source has {data.size} bytes, the limit is {limits.text_bytes}", severity=severity)
        seen.coverage = Coverage.NONE
        return seen.inspection()
    raw = data.read_at(0, data.size)
    for line in raw.split(b"\n", 2)[:2]:
        coding = _CODINGS.match(line)
        if coding and not _PLAIN_CODINGS.fullmatch(coding[1]):
            message = f"is written in the encoding {shown(coding[1].decode('ascii', 'replace'))}, which hides text"
            seen.report(MALICIOUS_CODE, message, line=1)
    try:
        tree = parse_source(raw)
    except MalformedFile as fault:
        seen.unread(str(fault), severity=Severity.HIGH if _LOADED.fullmatch(file.name) else Severity.MEDIUM)
        seen.coverage = Coverage.NONE
        return seen.inspection()
    judge_tree(tree, seen)
    imports = tuple(_imports(tree, file))
    seen.note("imports", ",".join(sorted({found.module.partition(".")[0] for found in imports})))
    for path in _siblings(tree):
        seen.refer(Reference(path=path, kind=ReferenceKind.CODE, location=file.at()))
    return replace(seen.inspection(), imports=imports)


def parse_source(source: bytes | str) -> ast.Module:
    """Return the syntax tree; raises `MalformedFile` where there is none."""
    try:
        with warnings.catch_warnings():
            # A wrong escape in the source would be printed on our standard error.
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as fault:
        raise MalformedFile(f"not Python that this interpreter reads: {fault.msg} (line {fault.lineno})") from None
    except (ValueError, LookupError) as fault:
        raise MalformedFile(f"not Python: {fault}") from None
    except (RecursionError, MemoryError):
        # CPython's parser gives up in good order when expressions nest too deeply.
        raise MalformedFile("not Python: an expression is nested too deeply") from None


def judge_tree(tree: ast.Module, seen: Observations, *, line_shift: int = 0, whole_program: bool = False) -> None:
    """Report how the code acts.

    Args:
        tree: the parsed source.
        seen: takes the findings.
        line_shift: is added to every line, for source that stands inside another file.
        whole_program: the code runs only where somebody runs it (a notebook's cell), so nothing counts as import.
    """
    sites = list(_sites(tree, 0))[:_SITES]
    reported: set[tuple[Act, int]] = set()
    loaded = bool(_LOADED.fullmatch(seen.file.name)) and not whole_program
    for site in sites:
        if (site.act, site.line) in reported:
            continue
        reported.add((site.act, site.line))
        line = site.line + line_shift
        rule, severity, when = _judgement(site, seen.file.name, loaded=loaded, program=whole_program)
        seen.report(rule, f"{site.act} {when}: {shown(site.text)}", line=line, severity=severity)
    acts = sorted({site.act.name.lower() for site in sites})
    seen.note("acts", ",".join(acts))


def _judgement(site: Site, name: str, *, loaded: bool, program: bool) -> tuple[Rule, Severity, str]:
    """Return rule, severity and moment of a site."""
    at_import = site.scope.at_import and not program
    when = "when it is imported" if at_import else f"in {site.scope.name}" if site.scope.name[:1] != "<" else "when run"
    if site.act in {Act.HIDDEN, Act.SECRETS}:
        return MALICIOUS_CODE, Severity.HIGH, when
    if at_import:
        if site.act is Act.FILES and names_startup(site.text):
            return MALICIOUS_CODE, Severity.HIGH, when
        if site.asks or site.act in {Act.CODE, Act.INSTALL, Act.UNPICKLE, Act.FILES, Act.NATIVE}:
            return ACTING_CODE, Severity.MEDIUM, when
        if site.act in _GRAVE:
            return MALICIOUS_CODE, Severity.MEDIUM if name in _INSTALLER_NAMES else Severity.HIGH, when
        return ACTING_CODE, Severity.LOW, when
    if loaded and site.act not in _QUIET and not site.asks and not site.scope.script:
        # Compiling kernels on the first call is what some architectures do.
        severity = Severity.LOW if site.act in {Act.NATIVE, Act.CODE} else Severity.MEDIUM
        return ACTING_CODE, severity, when
    return ACTING_CODE, Severity.INFO, when


def _sites(tree: ast.Module, depth: int) -> Iterator[Site]:
    """Yield the calls that act; constant source handed to exec is looked into as well."""
    names = Names(tree)
    scopes = scopes_of(tree)
    connects = False
    secrets: list[Site] = []
    for scope in scopes:
        for node in scope.nodes:
            for given, name in handed_over(node, names):
                yield Site(given, getattr(node, "lineno", 1), f"{name} as a value", scope, asks=False)
            match node:
                case ast.Call():
                    act = act_of(node, names)
                    connects |= act is Act.NETWORK
                    if act is not None:
                        yield Site(act, node.lineno, _shown_call(node, names), scope, only_asks(node, names))
                    elif depth < _NESTED_SOURCE:
                        yield from _inner(node, names, scope, depth)
                case ast.Constant(value=str(text)) if len(text) < 1000 and names_secrets(text):
                    secrets.append(Site(Act.SECRETS, node.lineno, text, scope, asks=False))
                case ast.Return(value=ast.Tuple(elts=[first, *_])) if scope.name in {"__reduce__", "__reduce_ex__"}:
                    made = ast.Call(func=first, args=[], keywords=[])
                    act = act_of(made, names)
                    name = names.dotted(first) or ""
                    if act in {Act.PROCESS, Act.NETWORK} or name in {"builtins.exec", "builtins.eval"}:
                        yield Site(Act.HIDDEN, node.lineno, f"__reduce__ returns {name}", scope, asks=False)
    # A path that only its owner should read is no crime; together with a connection, or opened at import, it is.
    yield from (site for site in secrets if connects or (site.scope.at_import and _is_opened(site)))


def _is_opened(site: Site) -> bool:
    """Say whether a secret's path is opened on the line where it stands."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "open"
        and node.lineno == site.line
        for node in site.scope.nodes
    )


def _inner(node: ast.Call, names: Names, scope: Scope, depth: int) -> Iterator[Site]:
    """Look into constant source that is handed to exec, eval or compile."""
    if names.dotted(node.func) not in {"builtins.exec", "builtins.eval", "builtins.compile"} or not node.args:
        return
    text = names.text(node.args[0])
    if text is None:
        return
    try:
        tree = parse_source(text)
    except MalformedFile:
        return
    for site in _sites(tree, depth + 1):
        outer = scope if site.scope.at_import else site.scope
        act = Act.HIDDEN if site.act in _GRAVE | {Act.CODE, Act.HIDDEN} else site.act
        yield Site(act, node.lineno, site.text, outer, site.asks)


def _shown_call(node: ast.Call, names: Names) -> str:
    """Return `os.system('curl …')`: the resolved name and the constant part of the first argument."""
    name = names.dotted(node.func) or (node.func.attr if isinstance(node.func, ast.Attribute) else "call")
    text = arguments_text(node, names)
    place = " (a place from which it starts again)" if names_startup(text) else ""
    return f"{name.removeprefix('builtins.')}({text[:100]!r}){place}" if text else f"{name.removeprefix('builtins.')}()"


def _imports(tree: ast.Module, file: RepoFile) -> Iterator[Import]:
    """Yield every module that is imported, once, at its first place."""
    found: set[str] = set()
    for node in walk(tree):
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module=str(module), level=0):
                modules = [module]
            case _:
                continue
        for module in modules:
            if module not in found:
                found.add(module)
                yield Import(module=module, name="", use=Use.REFERENCED, verdict=Verdict.SAFE,
                             location=file.at(line=node.lineno))  # fmt: skip


def _siblings(tree: ast.Module) -> Iterator[str]:
    """Yield files beside this one that it imports: `from .configuration_x import ...`."""
    found: dict[str, None] = {}
    for node in walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), level=1):
                found[module.replace(".", "/") + ".py"] = None
            case ast.ImportFrom(module=None, names=names, level=1):
                found.update({f"{name.name}.py": None for name in names if name.name != "*"})
    yield from list(found)[:1000]


RULES = (MALICIOUS_CODE, ACTING_CODE)
