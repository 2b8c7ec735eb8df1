"""Say what cannot be looked into: engines compiled for one device, and formats without a published layout."""

from __future__ import annotations

from aibom.components import Inspection
from aibom.files import Coverage, Format, RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.observations import Observations
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

OPAQUE_NATIVE = Rule(
    id="opaque-native-model",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="The model is native code that cannot be inspected",
    explanation=(
        "The file is compiled for one kind of device. Its layout is not published; the runtime deserializes it and "
        "runs kernels from it. NVIDIA advises to load TensorRT engines from trusted sources only."
    ),
    help="Build the engine yourself from a model in an open format (ONNX, safetensors).",
    references=("https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/advanced.html",),
    cwes=(829,),
)

_WHAT = {Format.TENSORRT: "a TensorRT engine"}


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Report that nothing in the file was looked at."""
    del data
    seen = Observations(file, limits)
    seen.report(OPAQUE_NATIVE, f"{_WHAT.get(file.format, 'a compiled model')}: nothing in it was looked at")
    seen.coverage = Coverage.NONE
    return seen.inspection()


RULES = (OPAQUE_NATIVE,)
