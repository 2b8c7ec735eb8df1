"""Judge what a Keras configuration names: which classes and functions are plain parts of a model, and which act.

Keras (3.15, `keras/src/saving/serialization_lib.py`) finds an object by module and name. Versions before 3.9 imported
any module (CVE-2025-1550), and every version resolves any public name of Keras itself except a short list of its own.
"""

from __future__ import annotations

import builtins
import re
from typing import NamedTuple

from aibom.findings import Severity
from aibom.inspectors.code_targets import in_standard_library


class Judgement(NamedTuple):
    """How bad a name is, and why. None instead of a judgement: a plain part of a model."""

    severity: Severity
    why: str


_FAMILY = frozenset({"keras", "tf_keras", "keras_core", "keras_hub", "keras_nlp", "keras_cv"})
# Parts of Keras that hold nothing but parts of models.
_PARTS = frozenset({
    "activations", "applications", "constraints", "core", "dtype_policies",
     "engine", "initializers", "layers", "losses",
    "metrics", "mixed_precision", "models", "ops", "optimizers", "quantizers", "random", "regularizers", "trainers",
    "backend", "preprocessing", "legacy", "feature_column", "distillation", "tokenizers", "samplers", "bounding_box",
    "modeling", "legacy_tf_layers", "premade_models", "utils", "saving", "wrappers",
})  # fmt: skip
# What acts, wherever Keras keeps it, and however it is re-exported.
_ACTING = {
    "get_file": (Severity.CRITICAL, "downloads a file and can unpack it (CVE-2025-8747)"),
    "enable_unsafe_deserialization": (Severity.CRITICAL, "switches safe mode off (CVE-2025-9906)"),
    "set_global_attribute": (Severity.CRITICAL, "can switch safe mode off (CVE-2025-9906)"),
    "load_model": (Severity.CRITICAL, "loads another model, with safe mode off if asked (CVE-2025-9906)"),
    "model_from_json": (Severity.CRITICAL, "builds another model from text"),
    "model_from_config": (Severity.CRITICAL, "builds another model from a configuration"),
    "model_from_yaml": (Severity.CRITICAL, "builds a model from YAML (CVE-2021-37678)"),
    "deserialize_keras_object": (Severity.CRITICAL, "deserializes another object"),
    "func_load": (Severity.CRITICAL, "turns bytes into a function"),
    "load_weights": (Severity.HIGH, "reads another file"),
    "save_model": (Severity.HIGH, "writes a file"),
    "save_weights": (Severity.HIGH, "writes a file"),
    "save_img": (Severity.HIGH, "writes a file"),
    "load_img": (Severity.HIGH, "reads a file"),
    "load_data": (Severity.HIGH, "downloads a dataset"),
    "plot_model": (Severity.HIGH, "starts a program and writes a file"),
    "model_to_dot": (Severity.HIGH, "starts a program"),
    "extract_archive": (Severity.HIGH, "unpacks an archive"),
    "register_keras_serializable": (Severity.HIGH, "changes how later objects are resolved"),
    "get_custom_objects": (Severity.HIGH, "changes how later objects are resolved"),
    "custom_object_scope": (Severity.HIGH, "changes how later objects are resolved"),
    "CustomObjectScope": (Severity.HIGH, "changes how later objects are resolved"),
    "KerasFileEditor": (Severity.HIGH, "opens another file"),
    "ExportArchive": (Severity.HIGH, "writes files"),
}
_DIRECTORY_READER = re.compile(r"\w+_dataset_from_directory\Z")
# Layers that run what is not in the configuration.
_SHARP_LAYERS = {
    "TFSMLayer": (Severity.HIGH, "loads a TensorFlow SavedModel from a path (CVE-2026-1462)"),
    "TorchModuleWrapper": (Severity.CRITICAL, "unpickles a torch module kept in the configuration (CVE-2025-49655)"),
    "KerasLayer": (Severity.HIGH, "loads a SavedModel from a path or URL"),
}
_CALLBACKS = frozenset({"callbacks", "datasets", "export", "visualization", "config", "distribution", "tree"})
_NAME = 400  # no module path is longer; what stands behind it decides nothing
# Packages whose functions load files, start programs or unpickle; a model part from them is not of Keras.
_POWERFUL = frozenset({
    "torch", "numpy", "scipy", "pandas", "joblib", "dill", "cloudpickle", "jax", "flax", "sklearn", "requests",
    "urllib3", "httpx", "aiohttp", "fsspec", "huggingface_hub", "transformers", "pip", "setuptools", "pkg_resources",
    "paramiko", "fabric", "invoke", "sh", "plumbum", "psutil", "IPython", "h5py", "yaml", "jinja2", "mlflow", "ray",
})  # fmt: skip
# Of these, classes may be layers or models that a custom model is made of.
_WITH_LAYERS = frozenset({"torch", "jax", "flax", "sklearn", "numpy", "scipy", "pandas", "transformers"})
_TENSORFLOW_KERAS = re.compile(
    r"tensorflow(?:\.python|\._api\.v\d(?:\.compat)?|\.compat\.v\d)*\.keras\b|tensorflow_core\.\S*?keras\b"
)
_ACTING_WORDS = frozenset({
    "py_function", "py_func", "numpy_function", "eager_py_func", "PyFunc", "PyFuncStateless", "EagerPyFunc",
    "load_op_library", "load_library", "load_file_system_library", "matching_files", "MatchingFiles", "gfile", "GFile",
    "saved_model", "MergeV2Checkpoints", "sysconfig", "print", "PrintV2", "summary", "profiler", "train",
})  # fmt: skip
_CALLABLE_BUILTINS = frozenset({
    "eval", "exec", "compile", "__import__", "open", "getattr", "setattr", "delattr", "globals", "locals", "vars",
    "input", "breakpoint", "exit", "quit", "help", "memoryview", "type", "map", "filter",
})  # fmt: skip


def judge_object(module: str | None, name: str, *, is_function: bool) -> Judgement | None:
    """Judge what a configuration names; None for a plain part of a model."""
    path = _TENSORFLOW_KERAS.sub("keras", (module or "")[:_NAME], count=1)
    root, _, rest = path.partition(".")
    leaf = name.rsplit(".", 1)[-1].rsplit(">", 1)[-1]
    if root in _FAMILY or not root:
        return _judge_own(rest, leaf, known=bool(root))
    if leaf in _SHARP_LAYERS:
        return Judgement(*_SHARP_LAYERS[leaf])
    if root in {"builtins", "__builtin__"}:
        # With this module Keras looks the name up among its own functions; before 3.9 it took Python's.
        sharp = leaf in _CALLABLE_BUILTINS or (not is_function and hasattr(builtins, leaf))
        return Judgement(Severity.CRITICAL, "is a function of Python itself") if sharp else None
    if in_standard_library(f"{path}.{leaf}"):
        return Judgement(Severity.CRITICAL, "is of Python's standard library, where no part of a model lives")
    if root == "tensorflow":
        return _judge_tensorflow(f"{rest}.{leaf}")
    if root in _POWERFUL and not (root in _WITH_LAYERS and leaf[:1].isupper() and not is_function):
        return Judgement(Severity.HIGH, f"is of {root}, not of Keras")
    return Judgement(Severity.MEDIUM, "is code from a package that is not Keras and not in the file")


def judge_symbol(symbol: str) -> Judgement | None:
    """Judge a TensorFlow function (`math.add`) that a TFOpLambda layer names; Keras calls it while it rebuilds."""
    return _judge_tensorflow(symbol)


def _judge_own(rest: str, leaf: str, *, known: bool) -> Judgement | None:
    sharp = _SHARP_LAYERS.get(leaf)
    if sharp:
        return Judgement(*sharp)
    if not known:
        # A name alone is looked up among the classes that the loading program has registered.
        return None
    acting = _ACTING.get(leaf)
    if acting:
        return Judgement(*acting)
    if _DIRECTORY_READER.match(leaf):
        return Judgement(Severity.HIGH, "reads a directory")
    parts = [part for part in rest.split(".") if part not in {"src", "api", "_v2", "_v1", "keras", "v1", "v2", ""}]
    if parts and parts[0] in _CALLBACKS:
        return Judgement(Severity.HIGH, "is of a part of Keras that acts on files, the network or settings")
    if parts and parts[0] not in _PARTS and not parts[0].startswith("src"):
        return Judgement(Severity.MEDIUM, "is of a part of Keras that holds no parts of models")
    return None


def _judge_tensorflow(path: str) -> Judgement | None:
    words = path.split(".")
    leaf = words[-1]
    if _ACTING_WORDS.intersection(words) or leaf.startswith(("read_", "write_", "Read", "Write", "Restore", "Save")):
        return Judgement(Severity.HIGH, "is a function of TensorFlow that reads, writes, or calls Python")
    return None
