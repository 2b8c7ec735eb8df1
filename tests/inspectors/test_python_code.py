"""Python source: what runs at import, what hides, and what ordinary code may do."""

import ast
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inspectors.reading import read

from aibom.components import Inspection, ReferenceKind
from aibom.errors import MalformedFile
from aibom.files import Coverage
from aibom.findings import Severity
from aibom.inspectors.python_code import parse_source
from aibom.inspectors.python_names import Names
from aibom.inspectors.python_scopes import scopes_of
from aibom.limits import Limits


def look(source: str, name: str = "modeling_x.py") -> Inspection:
    return read(name, source.encode())


def found(source: str, name: str = "modeling_x.py") -> list[tuple[str, Severity]]:
    return [(finding.rule.id, finding.severity) for finding in look(source, name).findings]


TEXTS = {
    "'a' + 'b'": "ab",
    "b'a' + b'b'": b"ab",
    "f'a{\"b\"}'": "ab",
    "x": "value",
    "x + '!'": "value!",
    "'abc'[::-1]": "cba",
    "''.join(['a', 'b'])": "ab",
    "'-'.join(('a', x))": "a-value",
    "chr(97)": "a",
    "bytes([97, 98]).decode()": "ab",
    "bytes(b'ab')": b"ab",
    "bytearray((97,))": b"a",
    "'axc'.replace('x', 'b')": "abc",
    "'AB'.lower()": "AB",
    "base64.b64decode('YWI=')": b"ab",
    "base64.b64decode('YWI').decode('utf-8')": "ab",
    "base64.urlsafe_b64decode(b'YWI=')": b"ab",
    "base64.b32decode('MFRA====')": b"ab",
    "base64.b85decode('VPX')": b"ab",
    "base64.a85decode('@:B')": b"ab",
    "bytes.fromhex('61 62')": b"ab",
    "binascii.unhexlify('6162')": b"ab",
    "'no'.decode('rot13')": "ab",
    "base64.b32decode('!')": None,
    "zlib.decompress(b'x')": None,
    "unknown": None,
    "twice": None,
    "grown": None,
    "'a' + unknown": None,
    "'abc'[1:]": None,
    "''.join(unknown)": None,
    "chr(-1)": None,
    "bytes([999])": None,
    "f'{x!r}'": None,
    "print('a')": None,
    "b'a'.decode('utf-7')": None,
}


@pytest.mark.parametrize("expression", TEXTS)
def test_constant_texts_are_folded(expression: str) -> None:
    """A text made of constants alone is known; anything else is not."""
    head = "import base64, binascii, zlib\nx = 'value'\ntwice = 'a'\ntwice = 'b'\ngrown = 'a'\ngrown += 'b'\n"
    tree = ast.parse(head + expression)
    last = tree.body[-1]
    assert isinstance(last, ast.Expr)
    assert TEXTS[expression] == Names(tree).text(last.value)


NAMED = {
    "import os": ("os.system", "os.system"),
    "import os as o": ("o.system", "os.system"),
    "import os.path": ("os.system", "os.system"),
    "import os.path as p": ("p.join", "os.path.join"),
    "from os import system as s": ("s", "os.system"),
    "from os import *": ("system", "os.system"),
    "import os\nf = os.system": ("f", "os.system"),
    "import os\nf = os\ng = f.system": ("g", "os.system"),
    "": ("eval", "builtins.eval"),
    "def eval(x): pass": ("eval", None),
    "eval = len(x)": ("eval", None),
    "import sys": ("sys.modules['os'].system", "os.system"),
    "import os ": ("os.__dict__['system']", "os.system"),
    "import os  ": ("vars(os)['system']", "os.system"),
    "import builtins": ("builtins.__dict__['eval']", "builtins.eval"),
    " ": ("__builtins__.eval", "builtins.eval"),
    "  ": ("__import__('o' + 's').system", "os.system"),
    "import importlib": ("importlib.import_module('os').system", "os.system"),
    "import os   ": ("getattr(os, 'sys' + 'tem')", "os.system"),
    "   ": ("globals()['eval']", "builtins.eval"),
    "    ": ("unknown.system", None),
    "import x": ("getattr(x, unknown)", None),
    "import y": ("__import__(unknown).a", None),
    "import z": ("z[0].a", None),
    "     ": ("(lambda: 1).a", None),
    "      ": ("a" + ".b" * 60, None),
    "import w": ("vars()", None),
}


@pytest.mark.parametrize("head", NAMED)
def test_names_are_resolved_through_their_aliases(head: str) -> None:
    """A name is what it was imported or assigned as, however it is spelled."""
    expression, expected = NAMED[head]
    tree = ast.parse(f"{head.strip()}\n{expression}")
    last = tree.body[-1]
    assert isinstance(last, ast.Expr)
    assert expected == Names(tree).dotted(last.value)


RUNNING = {
    "def f(): pass\nf()": {"f"},
    "def f(): pass": set(),
    "def g(): pass\ndef f(): g()\nf()": {"f", "g"},
    "class A:\n    def __init__(self): self.go()\n    def go(self): pass\n    def stay(self): pass\nA()": {
        "__init__",
        "go",
    },
    "class A:\n    def __init_subclass__(cls): pass\nclass B(A): pass": {"__init_subclass__"},
    "def d(f): return f\n@d\ndef g(): pass": {"d"},
    "import threading\ndef f(): pass\nthreading.Thread(target=f).start()": {"f"},
    "def f(): pass\nrun_later = f": set(),
    "def f(): pass\ncheck(f)": set(),
    "g = lambda: f()\ndef f(): pass": set(),
    "g = lambda: f()\ndef f(): pass\ng()": {"g", "f"},
    "def f(): pass\nif __name__ == '__main__':\n    f()": set(),
    "def f(): pass\nif '__main__' == __name__ and True:\n    f()": set(),
    "def f(): pass\nif __name__ == '__main__':\n    pass\nelse:\n    f()": {"f"},
    "def f(): pass\nif TYPE_CHECKING:\n    f()\nelse:\n    f()": {"f"},
    "def f(): pass\nif typing.TYPE_CHECKING:\n    f()": set(),
    "class A:\n    def m(self): pass\nA().m()": {"m"},
    "async def f(): pass\nasyncio.run(f())": {"f"},
}


@pytest.mark.parametrize("source", RUNNING)
def test_functions_that_run_at_import_are_known(source: str) -> None:
    """What the top level calls, directly or through others, runs at import; the rest waits."""
    scopes = scopes_of(ast.parse(source))
    assert RUNNING[source] == {scope.name for scope in scopes if scope.at_import} - {"<module>"}


JUDGED = {
    "import os\ndef f():\n    os.system('x')": ("acting-code", Severity.MEDIUM),
    "import ctypes\nctypes.CDLL('x.so')": ("acting-code", Severity.MEDIUM),
    "import ctypes\ndef f():\n    ctypes.CDLL('x.so')": ("acting-code", Severity.LOW),
    "def f(x):\n    return eval(x)": ("acting-code", Severity.LOW),
    "exec(open('version.py').read())": ("acting-code", Severity.MEDIUM),
    "import os\nos.system('pip install einops')": ("acting-code", Severity.MEDIUM),
    "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])":
        ("acting-code", Severity.MEDIUM),
    "import subprocess\nsubprocess.check_output(['git', 'rev-parse', 'HEAD'])": ("acting-code", Severity.MEDIUM),
    "import subprocess\nsubprocess.run('git clone https://e.example && sh x', shell=True)":
        ("malicious-code", Severity.HIGH),
    "import pickle\nx = pickle.load(open('x', 'rb'))": ("acting-code", Severity.MEDIUM),
    "import torch\ndef f():\n    torch.hub.load('a', 'b')": ("acting-code", Severity.INFO),
    "from huggingface_hub import snapshot_download\nsnapshot_download('a/b')": ("acting-code", Severity.LOW),
    "import shutil\ndef f():\n    shutil.rmtree('x')": ("acting-code", Severity.INFO),
    "from pathlib import Path\ndef f(p: Path):\n    p.write_text('x')": ("acting-code", Severity.INFO),
    "import os\nos.remove('x')": ("acting-code", Severity.MEDIUM),
    "import httpx\nhttpx.Client()": ("malicious-code", Severity.HIGH),
    "import importlib.util as u\nu.spec_from_file_location('m', path)": ("acting-code", Severity.MEDIUM),
    "__import__(''.join(map(chr, [111, 115])))": ("malicious-code", Severity.HIGH),
    "import pickle\npickle.loads(bytes.fromhex('80034b012e80034b012e80034b012e'))": ("malicious-code", Severity.HIGH),
    "x = open('/root/.aws/credentials').read()": ("malicious-code", Severity.HIGH),
    "import yaml\nyaml.load(x)": ("acting-code", Severity.MEDIUM),
    "m = {}\nm['a'] = eval": ("acting-code", Severity.MEDIUM),
    "import os\nm = {'a': os.system}": ("malicious-code", Severity.HIGH),
    "class A:\n    def __reduce__(self):\n        return (eval, ('1',))": ("malicious-code", Severity.HIGH),
}  # fmt: skip


@pytest.mark.parametrize("source", JUDGED)
def test_how_bad_an_act_is_depends_on_what_and_when(source: str) -> None:
    """Acting at import weighs more than in a function, and hiding weighs most."""
    assert JUDGED[source] in found(source)


SILENT = [
    "import requests\nrequests.exceptions.Timeout", "import re\nx = re.compile('a')", "model.eval()", "eval('1 + 1')",
    "exec('x = 1')", "import yaml\nyaml.load(x, Loader=yaml.SafeLoader)", "x = open('vocab.txt').read()",
    "x = open('a', 'rb')", "import importlib\nimportlib.import_module(name)", "s = '/home/me/.ssh/id_rsa'",
    "import base64\nx = base64.b64decode(data)", "exec()", "print('os.system(1)')",
    "import subprocess\nx: subprocess.Popen",
    "import urllib3\nurllib3.disable_warnings()", "exec('not python (')", "import os\nos.makedirs('x')",
    "class A:\n    def __reduce__(self):\n        return (A, ())", "vars()", "''.join(x)",
]  # fmt: skip


@pytest.mark.parametrize("source", SILENT)
def test_ordinary_code_is_silent(source: str) -> None:
    """Code that only computes, reads its own files or names things is not reported."""
    assert found(source) == []


def test_setup_scripts_and_programs_are_judged_more_mildly() -> None:
    """What a setup script starts is medium; what runs only as a program is for information."""
    assert found("import os\nos.system('make x; y')", "setup.py") == [("malicious-code", Severity.MEDIUM)]
    program = "import os\nif __name__ == '__main__':\n    os.system('x')"
    assert found(program, "modeling_x.py") == [("acting-code", Severity.INFO)]
    assert found("import os\ndef f():\n    os.system('x')", "train.py") == [("acting-code", Severity.INFO)]


def test_a_finding_shows_the_call_and_its_line() -> None:
    """The message names the resolved function and its constant argument, the location the line."""
    (finding,) = look("import subprocess as s\n\ns.run(['echo', 'aibom'])").findings
    assert "subprocess.run('echo aibom')" in finding.message
    assert finding.location is not None
    assert finding.location.line == 3


def test_imports_and_files_beside_it_are_named() -> None:
    """Modules are listed once with their line; relative imports refer to the files beside."""
    seen = look(
        "import torch.nn as nn\nimport torch\nfrom .config_x import C\nfrom . import ops\nfrom a.b import c\n"
        "from ..up import d"
    )
    assert [(i.module, i.location.line) for i in seen.imports] == [("torch.nn", 1), ("torch", 2), ("a.b", 5)]
    assert seen.metadata["imports"] == "a,torch"
    assert [(r.path, r.kind) for r in seen.references] == [
        ("config_x.py", ReferenceKind.CODE), ("ops.py", ReferenceKind.CODE)]  # fmt: skip


def test_acts_are_summed_up_for_those_who_combine_them() -> None:
    """The kinds of acts of a file are in its metadata."""
    seen = look("import os, socket\ndef f():\n    os.system('x')\n    socket.socket()")
    assert seen.metadata["acts"] == "network,process"


@pytest.mark.parametrize("name", ["utf-7", "unicode_escape", "raw_unicode_escape", "rot13"])
def test_encodings_that_hide_text_are_reported(name: str) -> None:
    """A source in an encoding that turns comments into code is a finding, whatever it decodes to."""
    rules = {finding.rule.id for finding in look(f"# -*- coding: {name} -*-\nx = 1\n").findings}
    assert rules & {"malicious-code", "malformed-file"}


def test_usual_encodings_are_not() -> None:
    """Usual encodings are no finding, also on the second line."""
    for name in ("utf-8", "latin-1", "iso-8859-15", "cp1252", "ascii", "euc-jp", "utf_8"):
        assert found(f"#!/usr/bin/python\n# vim: set fileencoding={name} :\nx = 1\n") == []


DEEP = [
    "(" * 10_000, "-" * 100_000 + "1", "x" + ".a" * 100_000, "a+" * 100_000 + "1", "a" + "()" * 50_000,
    "lambda:" * 20_000 + "1", "not " * 50_000 + "1", "9" * 10_000, "\x00", "def", "if 1:0\n" + "elif 1:0\n" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("source", DEEP, ids=lambda source: source[:8])
def test_source_that_exhausts_a_parser_is_malformed(source: str) -> None:
    """Nesting, numbers and bytes that no parser takes are malformed, and nothing else is raised."""
    with pytest.raises(MalformedFile):
        parse_source(source)


def test_source_that_cannot_be_parsed_is_not_clean() -> None:
    """Source of another version is said not to be looked at: high where a loader imports it, medium elsewhere."""
    assert found("print 'x'", "modeling_x.py") == [("inspection-incomplete", Severity.HIGH)]
    assert found("print 'x'", "train.py") == [("inspection-incomplete", Severity.MEDIUM)]
    assert look("print 'x'").coverage is Coverage.NONE


def test_wide_source_is_walked() -> None:
    """Long flat source needs no recursion, and repeated doubling no memory."""
    assert found("x = " + "[" + "'a', " * 50_000 + "]") == []
    doubling = "a0 = 'x'\n" + "".join(f"a{n} = a{n - 1} + a{n - 1}\n" for n in range(1, 80)) + "exec(a79)"
    assert found(doubling) == [] or found(doubling) == [("acting-code", Severity.MEDIUM)]


def test_source_beyond_the_limit_is_said_not_to_be_read() -> None:
    """Source longer than the limit is not looked at, and that is said."""
    inspection = read("modeling_x.py", b"x = 1\n" * 100, Limits(text_bytes=100))
    assert [finding.rule.id for finding in inspection.findings] == ["inspection-incomplete"]


def test_nested_source_is_followed_so_far_and_no_further() -> None:
    """Source in source is looked into a few times; recursion by quoting comes to an end."""
    source = "import os\nos.system('x')"
    for _ in range(2):
        source = f"exec({source!r})"
    assert ("malicious-code", Severity.HIGH) in found(source)
    for _ in range(6):
        source = f"exec({source!r})"
    assert isinstance(found(source), list)


STATEMENTS = st.lists(st.sampled_from([
    "import os", "import os as o", "from subprocess import *", "x = os.system", "x('a')", "def f():", "    f()", "f()",
    "class A:", "    def __init__(self):", "        x('b')", "A()", "    pass", "exec(x)", "exec('y = 1')", "@f",
    "if __name__ == '__main__':", "y = lambda: x('c')", "y()", "import base64", "exec(z)",
    "z = base64.b64decode('aWY=')",
    "globals()['x']('d')", "[x(i) for i in y]", "return (os.system, ('e',))", "from . import q", "async def g():",
    "    await f()", "with open('a', 'w') as h:", "try:", "except:", "match x:", "    case 1:", "x = x + x",
    "vars(os)['system']",
]), max_size=14).map("\n".join)  # fmt: skip


@given(STATEMENTS)
@settings(max_examples=200)
def test_any_statements_are_judged_without_an_error(source: str) -> None:
    """Modules put together from statements are judged or said to be malformed."""
    for finding in look(source).findings:
        assert finding.rule.id in {"malicious-code", "acting-code", "malformed-file", "inspection-incomplete"}


PLACES = [
    "if 1:\n    {}", "try:\n    {}\nfinally:\n    pass", "for i in [1]:\n    {}", "class A:\n    {}", "with x:\n    {}",
    "def f():\n    {}\nf()", "while 1:\n    {}\n    break", "x = [{} for i in y]", "print({})", "x = {} if y else z",
    "assert {}", 'f"""{{{}}}"""', "{{'a': {}}}",
]  # fmt: skip
PAYLOADS = ["__import__('os').system('echo')", "getattr(__import__('os'), 'popen')('echo')"]


@given(st.sampled_from(PLACES), st.sampled_from(PAYLOADS))
@settings(max_examples=60)
def test_a_command_is_found_in_every_place(place: str, payload: str) -> None:
    """Wherever at the top level a command stands, it is found."""
    assert ("malicious-code", Severity.HIGH) in found(place.format(payload))


def test_architectures_of_this_interpreter_s_packages_are_silent() -> None:
    """Pure modules of the standard library that compute have nothing above information."""
    library = Path(ast.__file__).parent
    for name in ("textwrap.py", "statistics.py", "fractions.py", "heapq.py", "colorsys.py", "json/decoder.py"):
        path = library / name
        worst = [severity for _, severity in found(path.read_text(encoding="utf-8"), "modeling_x.py")]
        assert all(severity is Severity.INFO for severity in worst), (name, sys.version)
