"""Inspect joblib files: pickles with the bytes of arrays in mid-stream, or with nested pickles for arrays of objects.

`joblib/numpy_pickle.py`: where the unpickler has built a `NumpyArrayWrapper`, it reads the array's bytes from the file
at once, after one byte with the length of a padding; opcodes go on behind them. Compressed files are opened as
containers and come here as their member.
"""

from __future__ import annotations

from math import prod

from aibom.components import Inspection, Reference, ReferenceKind
from aibom.containers.names import fault_of
from aibom.containers.rules import PATH_TRAVERSAL
from aibom.files import Coverage, RepoFile
from aibom.findings import Finding
from aibom.inspectors.contents import with_contents
from aibom.inspectors.numpy_values import item_type, shape_of, summarize_arrays
from aibom.inspectors.pickle_examine import Raw, RawHook, examine, present
from aibom.inspectors.pickle_models import Models
from aibom.inspectors.pickle_nodes import Call, Dict, Node
from aibom.inspectors.pickle_trailing import look_after
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_COMPRESSED = b"ZF"
_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_FILE_WRAPPERS = (
    "joblib.numpy_pickle_compat.NDArrayWrapper",
    "joblib.numpy_pickle_compat.ZNDArrayWrapper",
    "joblib.numpy_pickle.NDArrayWrapper",
    "joblib.numpy_pickle.ZNDArrayWrapper",
)


def array_hook(data: ByteSource, files: list[tuple[str, int]] | None = None) -> RawHook:
    """Return the hook that steps over the arrays of a joblib file, for any reader of pickles.

    `files` receives (name, offset) of arrays that very old files keep in files beside them.
    """

    def hook(call: Call, at: int) -> Raw | None:
        if call.calls(_WRAPPER):
            return _raw(data, call.state[-1] if call.state else None, at)
        if files is not None and call.calls(*_FILE_WRAPPERS):
            state = call.state[-1] if call.state else None
            name = state.get("filename") if isinstance(state, Dict) else None
            files.append((name if isinstance(name, str) else "", call.offset))
        return None

    return hook


def _raw(data: ByteSource, state: Node, at: int) -> Raw | None:
    if not isinstance(state, Dict):
        return None
    item, shape = item_type(state.get("dtype")), shape_of(state.get("shape"))
    if item is None or shape is None:
        return None
    if item.objects:
        return Raw(nested=True)
    skip = 0
    # Files of joblib before 1.2 have neither the setting nor the padding.
    if isinstance(state.get("numpy_array_alignment_bytes"), int):
        skip = 1 + (data.read_at(at, 1) or b"\0")[0]
    return Raw(skip=skip, length=prod(shape) * item.size)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Say what the pickle does and which arrays it holds."""
    if data.read_at(0, 2) == _COMPRESSED:
        # The form of joblib up to 0.9, opened as a container.
        return Inspection(file=file, coverage=Coverage.COMPLETE)
    files: list[tuple[str, int]] = []
    models = Models(limits.findings_per_file)
    examination = examine(file, data, limits, values=True, raw=array_hook(data, files), models=models)
    findings: list[Finding] = [present(file), *examination.findings]
    imports = examination.imports
    coverage = examination.coverage
    end = examination.fault.offset if examination.fault else examination.ends[-1]
    if end < data.size:
        rest = look_after(file, data, limits, end, broken=examination.fault is not None)
        findings += rest.findings
        imports += rest.imports
        coverage = coverage if rest.complete else Coverage.PARTIAL
    references: list[Reference] = []
    for name, offset in files[: limits.findings_per_file]:
        references.append(Reference(path=name, kind=ReferenceKind.EXTERNAL_DATA, location=file.at(offset=offset)))
        fault = fault_of(name.encode("utf-8", "surrogateescape"))
        if fault is not None:
            text = f"reads an array from the file {name!r}, whose name {fault}"
            findings.append(Finding.of(PATH_TRAVERSAL, text, file.at(offset=offset)))
    inspection = Inspection(
        file=file,
        coverage=coverage,
        tensors=summarize_arrays(examination.roots, limits),
        imports=imports,
        metadata={"pickle:streams": len(examination.ends), "pickle:opcodes": examination.opcodes},
        references=tuple(references),
        findings=tuple(findings),
    )
    return with_contents(inspection, models.contents)
