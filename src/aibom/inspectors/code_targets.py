"""Judge dotted names that a configuration tells its loader to import and call (`_target_`, `loader_module` ...)."""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from aibom.findings import Rule, Severity, Subject

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z")
_BEFORE = frozenset({"imp", "pipes", "distutils", "asyncore", "asynchat", "smtpd", "crypt", "cgi", "telnetlib"})
_STANDARD_LIBRARY = (sys.stdlib_module_names | _BEFORE | {"__builtin__"}) - {"__main__"}
_ALSO_PROJECTS = frozenset({"code", "test", "cmd", "types", "token"})
# Of the standard library, what configurations name to hold plain values.
_PLAIN = frozenset({
    "builtins.dict", "builtins.list", "builtins.tuple", "builtins.set", "builtins.str", "builtins.int",
    "builtins.float", "builtins.bool", "collections.OrderedDict", "collections.defaultdict", "datetime.timedelta",
    "pathlib.Path", "functools.partial",
})  # fmt: skip
# Functions of usual packages that load, run, unpickle or fetch something.
_ACTING = frozenset({
    "torch.load", "torch.jit.load", "torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.ops.load_library",
    "torch.utils.cpp_extension.load", "torch.utils.cpp_extension.load_inline", "torch.classes.load_library",
    "numpy.load", "joblib.load", "pandas.read_pickle", "dill.load", "dill.loads", "cloudpickle.load",
    "cloudpickle.loads", "hydra.utils.instantiate", "hydra.utils.call", "hydra.utils.get_method",
    "hydra.utils.get_object", "hydra.utils.get_class", "omegaconf.OmegaConf.load", "omegaconf.OmegaConf.resolve",
    "pip.main", "pip._internal.main", "setuptools.setup", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
    "huggingface_hub.snapshot_download", "huggingface_hub.hf_hub_download", "urllib.request.urlopen",
    "requests.get", "requests.post", "mlflow.pyfunc.load_model", "numpy.f2py.compile", "pandas.eval",
    "numexpr.evaluate", "sympy.sympify", "jinja2.Template", "IPython.embed", "fsspec.open",
})  # fmt: skip

HYDRA_TARGET = Rule(
    id="hydra-target",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The configuration names code that its loader will import and call",
    explanation=(
        "Loaders in the style of Hydra take a dotted name from the configuration, import it and call it with the "
        "arguments that stand beside it. Whoever writes the configuration decides what runs."
    ),
    help="Read what is named. Classes of the framework itself are usual; functions that run commands never are.",
    references=("https://nvd.nist.gov/vuln/detail/CVE-2025-23304",),
    cwes=(94, 470),
)


def in_standard_library(name: str) -> bool:
    """Say whether a dotted name is one of Python's own."""
    root, _, rest = name.partition(".")
    # Projects call their own packages `code` and `test` too; the modules of that name have no submodules.
    return root in _STANDARD_LIBRARY and not (root in _ALSO_PROJECTS and "." in rest)


class Target(NamedTuple):
    """How bad a named target is, and why."""

    severity: Severity
    why: str


def judge_target(name: str, families: frozenset[str]) -> Target | None:
    """Judge a dotted name; `families` are the packages whose classes the format's own loader builds."""
    name = name.strip()
    root = name.partition(".")[0]
    if name in _PLAIN:
        return None
    if name in _ACTING:
        return Target(Severity.CRITICAL, "loads, fetches or runs something else")
    if in_standard_library(name):
        return Target(Severity.CRITICAL, "is of Python's standard library, where no part of a model lives")
    if any(part in _SHARP_PARTS
           for part in name.split(".")[1:]):  # fmt: skip
        return Target(Severity.CRITICAL, "reaches a module of Python's standard library through another package")
    if root in families:
        return None
    return Target(Severity.MEDIUM, "is code from a package that the file does not hold")


_SHARP_PARTS = frozenset({
    "os", "sys", "subprocess", "shutil", "importlib", "builtins", "socket", "ctypes", "pickle", "marshal", "runpy",
    "pty", "posix", "nt", "code", "codeop", "multiprocessing",
})  # fmt: skip


def is_dotted(text: str) -> bool:
    """Say whether a text could be a dotted name."""
    return len(text) <= 500 and _DOTTED.match(text.strip()) is not None


RULES = (HYDRA_TARGET,)
