"""List the classes of machine-learning libraries whose objects do no harm when made: candidates for the table.

Run where the libraries are installed; it imports them. For each class, the source of what an unpickler runs
(`__new__`, `__setstate__`, `__del__`, `__setattr__`, and for `call` also `__init__`) is searched for what acts; a class
that has any is left out and named on stderr. A person reviews the rows before they go into `pickle_globals.csv`.

    python tools/pickle_library_candidates.py > candidates.csv
"""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import re
import sys
import warnings
from collections import defaultdict

# Package, distribution, subpackages that are left out (tests, command lines, generated kernels, things that load).
PLACES = (
    ("sklearn", "scikit-learn", r"tests|conftest|externals|datasets|experimental|_build_utils|utils\._testing"),
    ("torch.nn", "torch", r"tests"),
    ("torch.optim", "torch", r"tests"),
    ("torch.distributions", "torch", r"tests"),
    ("torch.ao.nn", "torch", r"tests"),
    ("torch.ao.quantization.observer", "torch", r"tests"),
    ("torch.ao.quantization.fake_quantize", "torch", r"tests"),
    ("torch.ao.quantization.qconfig", "torch", r"tests"),
    ("torch.distributed.checkpoint.metadata", "torch", r"tests"),
    ("scipy.sparse", "scipy", r"tests"),
    ("scipy.interpolate", "scipy", r"tests"),
    ("scipy.spatial", "scipy", r"tests"),
    ("scipy.stats._distn_infrastructure", "scipy", r"tests"),
    ("scipy.stats._continuous_distns", "scipy", r"tests"),
    ("scipy.stats._discrete_distns", "scipy", r"tests"),
    ("scipy.optimize._optimize", "scipy", r"tests"),
    ("pandas.core", "pandas", r"tests|computation|api"),
    ("pandas._libs", "pandas", r"tests"),
    ("xgboost.core", "xgboost", r"tests"),
    ("xgboost.sklearn", "xgboost", r"tests"),
    ("xgboost.callback", "xgboost", r"tests"),
    ("lightgbm.basic", "lightgbm", r"tests"),
    ("lightgbm.sklearn", "lightgbm", r"tests"),
    ("lightgbm.callback", "lightgbm", r"tests"),
    ("catboost.core", "catboost", r"tests"),
    ("transformers.training_args", "transformers", r"tests"),
    ("transformers.training_args_seq2seq", "transformers", r"tests"),
    ("transformers.trainer_utils", "transformers", r"tests"),
    ("transformers.trainer_pt_utils", "transformers", r"tests"),
    ("transformers.trainer_callback", "transformers", r"tests"),
    ("transformers.debug_utils", "transformers", r"tests"),
    ("transformers.tokenization_utils_base", "transformers", r"tests"),
    ("transformers.utils.generic", "transformers", r"tests"),
    ("transformers.cache_utils", "transformers", r"tests"),
    ("transformers.utils.quantization_config", "transformers", r"tests"),
    ("transformers.configuration_utils", "transformers", r"tests"),
    ("transformers.generation.configuration_utils", "transformers", r"tests"),
    ("accelerate.state", "accelerate", r"tests"),
    ("accelerate.utils.dataclasses", "accelerate", r"tests"),
    ("omegaconf", "omegaconf", r"tests|grammar"),
    ("peft.utils.peft_types", "peft", r"tests"),
    ("peft.tuners", "peft", r"tests"),
    ("spacy.vocab", "spacy", r"tests"),
    ("spacy.tokens", "spacy", r"tests"),
    ("spacy.strings", "spacy", r"tests"),
    ("spacy.lookups", "spacy", r"tests"),
    ("thinc.model", "thinc", r"tests"),
)
RUNS_ON_LOAD = ("__new__", "__setstate__", "__del__", "__setattr__", "__getattr__")
ACTS = re.compile(
    r"\b(exec|eval|compile|__import__|import_module|open|Popen|system|spawn|socket|urlopen|urlretrieve|CDLL|loads?|"
    r"load_\w+|from_pretrained|download\w*|subprocess|importlib|os\.(?!path\b|environ\b)\w+)\s*\("
)


def classes(place: str, skip: str) -> dict[str, list[type]]:
    """Import a package and return its own classes by the module that a pickle names."""
    found: dict[str, dict[str, type]] = defaultdict(dict)
    names = [place]
    top = importlib.import_module(place)
    if hasattr(top, "__path__"):
        names += [info.name for info in pkgutil.walk_packages(top.__path__, place + ".", onerror=lambda _: None)]
    for name in names:
        if re.search(rf"\.(?:{skip})(?:\.|$)|\._?test", name):
            continue
        try:
            module = importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 -- an optional part that is not installed
            print(f"# {name}: {type(error).__name__}", file=sys.stderr)
            continue
        for thing in vars(module).values():
            # The class's own module and name are what a pickle of its object says.
            if (
                isinstance(thing, type)
                and thing.__module__.startswith(place.partition(".")[0])
                and thing.__module__.startswith(place)
            ):
                found[thing.__module__][thing.__qualname__] = thing
    return {module: list(named.values()) for module, named in found.items()}


def acts(cls: type) -> str:
    """Return what an unpickler would run of this class and that may act; empty if nothing."""
    root = cls.__module__.partition(".")[0]
    for owner in cls.__mro__:
        if owner.__module__.partition(".")[0] != root:
            continue
        for name in RUNS_ON_LOAD:
            method = owner.__dict__.get(name)
            method = getattr(method, "__func__", method)
            if method is None:
                continue
            try:
                source = inspect.getsource(method)
            except (OSError, TypeError):
                continue  # compiled: Cython's own __setstate__ fills fields
            if match := ACTS.search(source):
                return f"{owner.__qualname__}.{name}: {match[0]}"
    return ""


def main() -> None:
    """Print table rows."""
    warnings.simplefilter("ignore")
    for place, distribution, skip in PLACES:
        try:
            by_module = classes(place, skip)
        except ImportError as error:
            print(f"# {place}: {error}", file=sys.stderr)
            continue
        source = f"{distribution} {importlib.import_module(place.partition('.')[0]).__version__}"
        for module, members in sorted(by_module.items()):
            safe: dict[str, list[str]] = {"call": [], "construct": []}
            for cls in sorted(members, key=lambda cls: cls.__qualname__):
                if "<locals>" in cls.__qualname__ or re.search(r"[^\w.]", cls.__qualname__):
                    continue
                if why := acts(cls):
                    print(f"# {module}.{cls.__qualname__} left out: {why}", file=sys.stderr)
                    continue
                # Members of enumerations are pickled as calls of the class with the value.
                safe["call" if issubclass(cls, enum.Enum) else "construct"].append(cls.__qualname__)
            for role, names in safe.items():
                if names:
                    print(f"{module},{' '.join(names)},safe,{role},,,{source}")


if __name__ == "__main__":
    main()
