"""Inspect skops archives: the types and functions that their schema names, and skops will build on load."""

from __future__ import annotations

from typing import Any

from aibom.components import Inspection
from aibom.errors import MalformedFile
from aibom.files import RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.code_targets import Target, judge_target
from aibom.inspectors.foreign_json import Repeated
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.inspectors.zip_documents import ZipDocuments
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_FAMILIES = frozenset({
    "sklearn", "numpy", "scipy", "skops", "lightgbm", "xgboost", "catboost", "quantile_forest", "imblearn",
})  # fmt: skip
# Plain values of the standard library that fitted estimators hold.
_PLAIN_MODULES = frozenset({
    "datetime", "zoneinfo", "decimal", "fractions", "collections", "uuid", "pathlib", "enum", "numbers", "types",
})  # fmt: skip
_PLAIN_BUILTINS = frozenset({
    "int", "float", "str", "bool", "list", "set", "map", "tuple", "dict", "bytes", "bytearray", "slice", "complex",
    "frozenset", "range", "type", "NoneType", "object", "ellipsis",
})  # fmt: skip
# Functions of the families that read, write or run; their others compute.
_ACTING_NAMES = frozenset({
    "load", "save", "savez", "savetxt", "loadtxt", "fromfile", "tofile", "genfromtxt", "memmap", "DataSource",
    "fromregex", "loads", "dump", "run_module_suite", "exec_mod_from_location", "filepath_from_subprocess_output",
    "exec_command", "compile", "fetch_openml", "loadmat", "savemat", "forward_bytes_to_stdout", "runstring",
})  # fmt: skip
_LOADERS = frozenset({
    "BytearrayNode", "BytesNode", "CachedNode", "ConstructorFromReduceNode", "DTypeNode", "DefaultDictNode", "DictNode",
    "FunctionNode", "JsonNode", "ListNode", "LossNode", "MaskedArrayNode", "MethodNode", "NdArrayNode", "ObjectNode",
    "OperatorFuncNode", "PartialNode", "QuantileForestNode", "RandomGeneratorNode", "RandomStateNode", "SetNode",
    "SliceNode", "SparseMatrixNode", "TreeNode", "TupleNode", "TypeNode", "ReduceNode", "SGDNode", "BunchNode",
})  # fmt: skip

SKOPS_UNTRUSTED_TYPE = Rule(
    id="skops-untrusted-type",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The skops file names types or functions that skops does not trust",
    explanation=(
        "skops imports and builds what the schema of the archive names. It asks before it builds types that it does "
        "not know, but a caller who passes them as trusted, or an unpatched version, runs whatever stands here."
    ),
    help="Do not pass these names in `trusted`. Load with skops 0.13 or newer.",
    references=(
        "https://nvd.nist.gov/vuln/detail/CVE-2024-37065",
        "https://nvd.nist.gov/vuln/detail/CVE-2025-54886",
    ),
    cwes=(502,),
)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge every node of `schema.json`; raises `MalformedFile` where there is none."""
    seen = Observations(file, limits)
    documents = ZipDocuments(data, limits)
    schemas = documents.named(b"schema.json")
    if not schemas:
        raise MalformedFile("the archive has no schema.json")
    for entry in schemas:
        schema = documents.json(seen, entry)
        if isinstance(schema, dict):
            for key in ("_skops_version", "protocol"):
                value = schema.get(key)
                seen.note(key.strip("_"), value if isinstance(value, str | int) else None)
            _walk(seen, schema, entry.name)
            seen.consumed.append(entry.name)
        elif schema is not None:
            seen.fault(MalformedFile("the schema is no object"), members=(entry.name,))
    return seen.inspection()


def _walk(seen: Observations, schema: dict[str, Any], member: str) -> None:
    waiting: list[Any] = [schema]
    types: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        if not isinstance(node, dict):
            continue
        waiting.extend(node.values())
        if isinstance(node, Repeated):
            waiting.extend(node.hidden)
            seen.report(MALFORMED_FILE, "an object of the schema has the same key twice", members=(member,))
        match node:
            case {"__class__": str(name), "__module__": str(module), "__loader__": str(loader)}:
                types.add(f"{module}.{name}")
                _node(seen, node, f"{module}.{name}", loader, member)
    seen.note("types", ", ".join(sorted(types)[:200]))


def _node(seen: Observations, node: dict[str, Any], name: str, loader: str, member: str) -> None:
    judgement = _judge(node, name, loader)
    if judgement is not None:
        seen.report(
            SKOPS_UNTRUSTED_TYPE, f"{loader} names {shown(name)}, which {judgement.why}", members=(member,),
            severity=judgement.severity,
        )  # fmt: skip
    if loader not in _LOADERS:
        seen.report(
            SKOPS_UNTRUSTED_TYPE, f"the loader {shown(loader)} is not one of skops", members=(member,),
            severity=Severity.MEDIUM,
        )  # fmt: skip


def _judge(node: dict[str, Any], name: str, loader: str) -> Target | None:
    module, _, leaf = name.rpartition(".")
    root = module.partition(".")[0]
    if loader == "OperatorFuncNode":
        return None if leaf == "itemgetter" and module == "operator" else Target(
            Severity.HIGH, "fetches attributes or calls methods of whatever it is given"
        )  # fmt: skip
    if loader == "MethodNode":
        return _judge_method(node, name)
    if root == "builtins":
        return None if leaf in _PLAIN_BUILTINS else Target(Severity.CRITICAL, "is a function of Python itself")
    if root in _PLAIN_MODULES or name in {"functools.partial", "operator.itemgetter", "random.Random"}:
        return None
    if root in _FAMILIES and leaf in _ACTING_NAMES:
        return Target(Severity.CRITICAL, "reads, writes or runs something else")
    return judge_target(name, _FAMILIES)


def _judge_method(node: dict[str, Any], name: str) -> Target | None:
    match node.get("content"):
        case {"func": str(function), "obj": {"__class__": str(owner), "__module__": str(module)}}:
            if f"{module}.{owner}" != name:
                return Target(Severity.HIGH, f"is not the type of its object, {module}.{owner}")
            if "." in function or function.startswith("_"):
                return Target(Severity.HIGH, f"gives access to the attribute {shown(function)}")
            return judge_target(name, _FAMILIES)
    return Target(Severity.HIGH, "is a method without an object")


RULES = (SKOPS_UNTRUSTED_TYPE,)
