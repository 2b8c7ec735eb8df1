"""Judge a Keras model configuration: what would run, load or read something when Keras rebuilds the model."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from aibom.errors import FileFault
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.foreign_json import Repeated, parse_json
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.keras_objects import judge_object, judge_symbol
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.inspectors.tensorflow_ops import judge_operation

_CODE_BYTES = 1 << 20
# Strings in marshalled code: a one-byte length (short ASCII) or a four-byte one. The high bit marks a back reference.
_MARSHALLED = re.compile(rb"[zZ\xda\xfa](.)|[aAuts\xe1\xc1\xf5\xf4\xf3](...)\x00", re.DOTALL)
_ACTING_NAMES = frozenset({
    "os", "posix", "nt", "system", "popen", "subprocess", "Popen", "run", "call", "check_output", "exec", "eval",
    "compile", "__import__", "import_module", "importlib", "open", "socket", "connect", "urllib", "urlopen", "requests",
    "urlretrieve", "ctypes", "pickle", "marshal", "loads", "base64", "b64decode", "builtins", "__builtins__", "globals",
    "__globals__", "__subclasses__", "__class__", "shutil", "rmtree", "remove", "unlink", "pty", "spawn", "fork",
    "execv", "execve", "environ", "getenv", "write", "sys", "threading", "Thread", "multiprocessing", "getattr",
})  # fmt: skip
_LOOKUPS = frozenset({"StringLookup", "IntegerLookup", "IndexLookup", "TextVectorization", "CategoryEncoding"})
_SHOWN_NAMES = 12

KERAS_LAMBDA = Rule(
    id="keras-lambda",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The model keeps Python bytecode in its configuration",
    explanation=(
        "A Lambda layer holds a marshalled Python function, which Keras turns back into code when it loads the model "
        "and calls while it rebuilds it. The HDF5 format does so whatever `safe_mode` says (CVE-2025-9905); the "
        "`.keras` format does so where safe mode is off or can be switched off."
    ),
    help="Ask for a model without Lambda layers, or rebuild it from code you have read and load only its weights.",
    references=(
        "https://nvd.nist.gov/vuln/detail/CVE-2024-3660",
        "https://nvd.nist.gov/vuln/detail/CVE-2025-9905",
    ),
    cwes=(94, 502),
)
KERAS_UNSAFE_CONFIG = Rule(
    id="keras-unsafe-config",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The model's configuration makes Keras run, load or read something else",
    explanation=(
        "Keras rebuilds a model by looking up the classes and functions that its configuration names, and calling "
        "them with the arguments that it gives. This one names something that is no plain part of a model."
    ),
    help="Do not load it unless you know why it is there. Updating Keras closes the ways that are known by number.",
    references=(
        "https://nvd.nist.gov/vuln/detail/CVE-2025-1550",
        "https://nvd.nist.gov/vuln/detail/CVE-2025-8747",
        "https://nvd.nist.gov/vuln/detail/CVE-2025-9906",
        "https://nvd.nist.gov/vuln/detail/CVE-2025-12058",
        "https://nvd.nist.gov/vuln/detail/CVE-2025-49655",
        "https://nvd.nist.gov/vuln/detail/CVE-2026-1462",
    ),
    cwes=(502, 915),
)


def judge_text(
    seen: Observations, text: str, *, safe_mode: bool, members: tuple[str, ...] = (), offset: int | None = None
) -> Any:
    """Parse a configuration, judge it, and return it (None where it could not be parsed).

    `safe_mode` says whether the loader of this format honours `safe_mode` and refuses bytecode by default.
    """
    try:
        config = parse_json(text, seen.limits)
        _Judge(seen, safe_mode=safe_mode, members=members, offset=offset).walk(config)
    except FileFault as fault:
        seen.fault(fault, members=members)
        return None
    return config


def judge_document(seen: Observations, document: Any, *, safe_mode: bool) -> None:
    """Judge a parsed document if it describes a Keras object, as a file of any name may."""
    match document:
        case {"class_name": _, "config": _}:
            _Judge(seen, safe_mode=safe_mode, members=(), offset=None).walk(document)


class _Judge:
    """One walk over one configuration."""

    def __init__(self, seen: Observations, *, safe_mode: bool, members: tuple[str, ...], offset: int | None) -> None:
        self._seen = seen
        self._safe_mode = safe_mode
        self._members = members
        self._offset = offset

    def walk(self, config: Any) -> None:
        """Judge every object, however deep; an explicit stack, as depth is the writer's choice."""
        waiting = [config]
        while waiting:
            node = waiting.pop()
            match node:
                case dict():
                    self._object(node)
                    waiting.extend(node.values())
                    if isinstance(node, Repeated):
                        self._report(
                            MALFORMED_FILE, "an object of the configuration has the same key twice", Severity.MEDIUM
                        )
                        waiting.extend(node.hidden)
                case list():
                    waiting.extend(node)

    def _object(self, node: dict[str, Any]) -> None:
        match node:
            case {"class_name": "__lambda__", "config": inner}:
                self._bytecode("a lambda", list(_strings(inner)))
            case {"class_name": "function"} as function:
                name = function.get("config")
                self._name(
                    function, name if isinstance(name, str) else function.get("registered_name"), is_function=True
                )
            case {"class_name": "__typespec__", "spec_name": str(name)}:
                self._name(node, name, is_function=False)
            case {"class_name": str(name)}:
                if not (name.startswith("__") and name.endswith("__")):
                    self._name(node, name, is_function=False)
                config = node.get("config")
                if isinstance(config, dict):
                    self._layer(name.rsplit(">", 1)[-1], config)

    def _name(self, node: dict[str, Any], name: Any, *, is_function: bool) -> None:
        module = node.get("module")
        module = module if isinstance(module, str) else None
        if not isinstance(name, str):
            return
        judgement = judge_object(module, name, is_function=is_function)
        if judgement is not None:
            what = f"{module}.{name}" if module else name
            self._report(
                KERAS_UNSAFE_CONFIG, f"names {shown(what)}, which {judgement.why}", judgement.severity,
                evidence=_arguments(node),
            )  # fmt: skip

    def _layer(self, name: str, config: dict[str, Any]) -> None:
        match name:
            case "Lambda":
                self._lambda(config)
            case "TFOpLambda" | "SlicingOpLambda" | "ClassMethod" | "InstanceMethod" | "InstanceProperty":
                for key in ("function", "cls_ref", "method_name"):
                    symbol = config.get(key)
                    judgement = judge_symbol(symbol) if isinstance(symbol, str) else None
                    if judgement is not None:
                        self._report(
                            KERAS_UNSAFE_CONFIG, f"layer {name} calls {shown(str(symbol))}, which {judgement.why}",
                            judgement.severity,
                        )  # fmt: skip
            case "TensorFlowOpLayer":
                self._operation(config.get("node_def"))
            case _ if name in _LOOKUPS:
                for key in ("vocabulary", "idf_weights"):
                    if isinstance(config.get(key), str):
                        self._vocabulary(name, config[key])

    def _lambda(self, config: dict[str, Any]) -> None:
        """Judge the older form of a Lambda layer, in which code is a list and functions are bare names."""
        for key in ("function", "output_shape", "mask"):
            value = config.get(key)
            if config.get(f"{key}_type") in {"lambda", "raw"} or (isinstance(value, list) and _is_code(value)):
                self._bytecode(f"the {key} of a Lambda layer", list(_strings(value)))
            elif isinstance(value, str) and (key == "function" or config.get(f"{key}_type") == "function"):
                judgement = judge_object(config.get("module") or None, value, is_function=True)
                self._report(
                    KERAS_LAMBDA,
                    f"a Lambda layer calls {shown(value)}, which "
                    + (judgement.why if judgement else "is not in the file"),
                    judgement.severity if judgement else Severity.MEDIUM,
                )

    def _bytecode(self, where: str, texts: list[str]) -> None:
        names = sorted({name for text in texts for name in _names_in(text)})
        acting = [name for name in names if name in _ACTING_NAMES]
        if acting:
            message = f"{where} is Python bytecode that uses {', '.join(map(shown, acting[:_SHOWN_NAMES]))}"
        else:
            message = f"{where} is Python bytecode"
        severity = Severity.HIGH if self._safe_mode and not acting else Severity.CRITICAL
        evidence = (f"strings in the code: {', '.join(map(shown, names[:40]))}",) if names else ()
        self._report(KERAS_LAMBDA, message, severity, evidence=evidence)

    def _vocabulary(self, layer: str, path: str) -> None:
        why = why_outside(path)
        self._report(
            KERAS_UNSAFE_CONFIG,
            f"layer {layer} reads its vocabulary from {shown(path)}"
            + (f", which {why} (CVE-2025-12058)" if why else ", a file beside the program"),
            Severity.HIGH if why else Severity.MEDIUM,
        )

    def _operation(self, node_def: Any) -> None:
        found = re.search(r'"op"\s*:\s*"(\w+)"', node_def[:_CODE_BYTES]) if isinstance(node_def, str) else None
        operation = found[1] if found else node_def.get("op") if isinstance(node_def, dict) else None
        judgement = judge_operation(operation) if isinstance(operation, str) else None
        if judgement is not None:
            self._report(
                KERAS_UNSAFE_CONFIG, f"a TensorFlowOpLayer runs {shown(str(operation))}, which {judgement.why}",
                judgement.severity,
            )  # fmt: skip

    def _report(self, rule: Rule, message: str, severity: Severity, *, evidence: tuple[str, ...] = ()) -> None:
        self._seen.report(
            rule, message, offset=self._offset, members=self._members, severity=severity, evidence=evidence
        )


def _arguments(node: dict[str, Any]) -> tuple[str, ...]:
    """Show what the configuration passes, cut short: the command or the URL is mostly there."""
    config = node.get("config")
    if isinstance(config, dict) and config:
        return (shown(json.dumps(config, ensure_ascii=False)[:400], 400),)
    return ()


def _is_code(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], str) and len(value) <= 3 and len(value[0]) > 16


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            yield from (item for item in value if isinstance(item, str))
        case dict():
            yield from (item for item in value.values() if isinstance(item, str))


def _names_in(code: str) -> Iterator[str]:
    """Yield the strings in marshalled code, which is never unmarshalled: names and constants are plain there."""
    try:
        raw = base64.b64decode(code[: 2 * _CODE_BYTES].encode("ascii", "ignore"), validate=False)
    except (binascii.Error, ValueError):
        raw = code[:_CODE_BYTES].encode("utf-8", "replace")
    for match in _MARSHALLED.finditer(raw):
        length = match[1][0] if match[1] is not None else int.from_bytes(match[2], "little")
        text = raw[match.end() : match.end() + length]
        if 1 < length <= 200 and len(text) == length and text.isascii() and text.decode("ascii").isprintable():
            yield text.decode("ascii")


RULES = (KERAS_LAMBDA, KERAS_UNSAFE_CONFIG)
