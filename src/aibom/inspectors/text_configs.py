"""Inspect JSON configuration: do all readers read it alike, what code does it name, which templates does it hold.

Names of code become references of kind CODE, written as they stand there (`modeling_x.XModel`, `repo--file.Class`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aibom.components import Inspection, Reference, ReferenceKind
from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import RepoFile
from aibom.findings import Severity
from aibom.inspectors.foreign_json import Repeated, parse_json
from aibom.inspectors.keras_config import judge_document
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.inspectors.templates import judge_templates_in
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_REFERENCES = 1000
_ENTRIES = 10_000


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Read the document, judge chat templates in it, and name the code that it refers to.

    Documents beyond `limits.text_bytes` (vocabularies) are checked for their syntax, and only what may name code or
    hold a template is taken out of them.

    Raises:
        MalformedFile: it is not JSON.
        LimitExceeded: it is larger or deeper than the limits allow.
    """
    seen = Observations(file, limits)
    if data.size > limits.json_bytes:
        raise LimitExceeded(f"JSON of {data.size} bytes, limit {limits.json_bytes}")
    raw = data.read_at(0, data.size)
    if len(raw) > limits.text_bytes:
        document: Any = _outline(raw, limits)
    else:
        document = parse_json(_decode(raw), limits)
        _report_repeated(document, seen)
    judge_templates_in(document, seen)
    judge_document(seen, document, safe_mode=True)
    match document:
        case {"total_flos": int() | float() as flop}:
            seen.note("total_flos", flop)  # the transformers Trainer's own count, in trainer_state.json
    for path in _code_in(document, file.name):
        seen.refer(Reference(path=path, kind=ReferenceKind.CODE, location=file.at()))
    return seen.inspection()


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError as fault:
        raise MalformedFile(f"not {fault.encoding}: {fault.reason}", offset=fault.start) from None


def _outline(raw: bytes, limits: Limits) -> dict[str, Any]:
    """Check a large document's syntax without building it, and return the few entries of interest."""
    import msgspec  # noqa: PLC0415 -- start-up time

    try:
        parts = msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
    except (msgspec.ValidationError, UnicodeDecodeError):
        # An array, or keys that are no text: well formed or not, there is no entry to look for.
        return {}
    except msgspec.DecodeError as fault:
        raise MalformedFile(f"not JSON: {fault}") from None
    except RecursionError:
        raise LimitExceeded(f"JSON deeper than {limits.json_depth}") from None
    wanted = {key: bytes(parts[key]) for key in _INTERESTING if key in parts}
    return {key: parse_json(value.decode("utf-8", "replace"), limits) for key, value in wanted.items()}


_INTERESTING = ("auto_map", "custom_pipelines", "chat_template", "auto_mapping", "class_name", "config")


def _report_repeated(document: Any, seen: Observations) -> None:
    """Readers differ in which of two entries counts: one that is reviewed, and one that is used."""
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, Repeated):
            count = len(value.hidden)
            message = f"an object has {count} entries that a later one of the same name replaces"
            evidence = tuple(shown(str(hidden)) for hidden in value.hidden[:3])
            seen.report(MALFORMED_FILE, message, severity=Severity.MEDIUM, evidence=evidence)
            pending.extend(value.hidden)
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


# --- code -------------------------------------------------------------------------------------------------------------


def _code_in(document: Any, name: str) -> Iterator[str]:
    """Yield the dotted names of classes that a loader takes from files beside the configuration."""
    found: list[str] = []
    if isinstance(document, dict):
        found += _names(document.get("auto_map"))
        pipelines = document.get("custom_pipelines")
        if isinstance(pipelines, dict):
            for entry in list(pipelines.values())[:_ENTRIES]:
                found += _names(entry.get("impl") if isinstance(entry, dict) else None)
        if name in {"model_index.json", "modular_model_index.json"}:
            found += _parts_of_pipeline(document)
    elif name == "modules.json" and isinstance(document, list):
        # sentence-transformers: a type outside of its package is a file of the repository.
        types = [entry.get("type") for entry in document[:_ENTRIES] if isinstance(entry, dict)]
        found += [kind for kind in types if isinstance(kind, str) and not kind.startswith("sentence_transformers.")]
    yield from list(dict.fromkeys(found))[:_REFERENCES]


def _names(value: Any) -> list[str]:
    """Return the texts in a value of `auto_map`: a name, a pair of names (slow and fast tokenizer), or an object."""
    pending: list[Any] = [value]
    found: list[str] = []
    while pending and len(found) < _REFERENCES:
        match pending.pop():
            case str(text) if text:
                found.append(text)
            case list() as items:
                pending.extend(reversed(items))
            case dict() as entries:
                pending.extend(reversed(list(entries.values())))
    return found


def _parts_of_pipeline(document: dict[str, Any]) -> list[str]:
    """Return classes of a diffusers pipeline that come from its own folder: `["module_beside_it", "Class"]`."""
    found: list[str] = []
    for key, value in list(document.items())[:_ENTRIES]:
        match value:
            case [str(library), str(part)] if key == "_class_name" or library.split(".")[0] not in _LIBRARIES:
                found.append(f"{library}.{part}")
    return found


_LIBRARIES = frozenset({"diffusers", "transformers", "onnxruntime", "optimum", "stable_diffusion", "flax", "torch",
                        "sentence_transformers", "peft", "onnx", "controlnet_aux", "k_diffusion"})  # fmt: skip
