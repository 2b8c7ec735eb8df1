"""Inspect TorchServe archives (`.mar`): the handler that serves the model, what is installed for it."""

from __future__ import annotations

from aibom.components import Inspection, Reference, ReferenceKind
from aibom.containers.rules import PATH_TRAVERSAL
from aibom.errors import MalformedFile
from aibom.files import RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.zip_documents import ZipDocuments
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

# https://docs.pytorch.org/serve/default_handlers.html
_BUILT_IN = frozenset({"image_classifier", "image_segmenter", "object_detector", "text_classifier"})

TORCHSERVE_HANDLER = Rule(
    id="torchserve-handler",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="Serving the archive runs Python code that comes with it",
    explanation=(
        "TorchServe imports the handler that the archive's manifest names and calls it for every request; it may also "
        "install the packages that the archive asks for."
    ),
    help="Read the handler and the requirements before you serve the archive.",
    references=("https://docs.pytorch.org/serve/custom_service.html",),
    cwes=(829,),
)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge the manifest; raises `MalformedFile` where the archive has none."""
    seen = Observations(file, limits)
    documents = ZipDocuments(data, limits)
    manifests = documents.named(b"MAR-INF/MANIFEST.json")
    if not manifests:
        raise MalformedFile("the archive has no MAR-INF/MANIFEST.json")
    for entry in manifests:
        match documents.json(seen, entry):
            case {"model": dict(model), **rest}:
                seen.note("runtime", value if isinstance(value := rest.get("runtime"), str) else None)
                for key in ("modelName", "modelVersion", "handler", "serializedFile", "modelFile", "requirementsFile"):
                    if isinstance(value := model.get(key), str):
                        seen.note(key, value)
                        _field(seen, key, value, entry.name)
            case None:
                continue
            case _:
                seen.fault(MalformedFile("the manifest describes no model"), members=(entry.name,))
    return seen.inspection()


def _field(seen: Observations, key: str, value: str, member: str) -> None:
    if key in {"modelName", "modelVersion"}:
        return
    path = value.partition(":")[0] if key == "handler" else value
    if (why := why_outside(path)) is not None:
        seen.report(PATH_TRAVERSAL, f"{key} {shown(value)} {why}", members=(member,))
    if key == "handler" and value not in _BUILT_IN:
        seen.report(TORCHSERVE_HANDLER, f"the handler {shown(value)} is code in the archive", members=(member,))
        seen.refer(Reference(path=path, kind=ReferenceKind.CODE))
    elif key == "requirementsFile":
        seen.report(
            TORCHSERVE_HANDLER, f"packages listed in {shown(value)} are installed for the model", members=(member,),
            severity=Severity.LOW,
        )  # fmt: skip
        seen.refer(Reference(path=path, kind=ReferenceKind.CONFIG))


RULES = (TORCHSERVE_HANDLER,)
