"""Inspect Triton's `config.pbtxt`: which backend runs the model, and is it Python code?"""

from __future__ import annotations

import re

from aibom.components import Inspection, Reference, ReferenceKind
from aibom.containers.rules import PATH_TRAVERSAL
from aibom.errors import LimitExceeded
from aibom.files import RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.observations import Observations, shown
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

# Text protobuf: comments, strings with escapes, names, and everything else one character at a time. A string left open
# ends with its line, so that no start is tried twice and the scan stays linear.
_TOKEN = re.compile(
    r"#[^\n]*+|\"((?:[^\"\\\n]++|\\.)*+)(?:\"|\\?\Z|\\?(?=\n))|'((?:[^'\\\n]++|\\.)*+)(?:'|\\?\Z|\\?(?=\n))|([A-Za-z_][\w./-]*+)|([-+\w.]++)|([{}\[\]<>:;,])"
)
_FACTS = frozenset({"name", "platform", "backend", "default_model_filename", "runtime", "max_batch_size"})
_KNOWN_BACKENDS = frozenset({
    "onnxruntime", "onnxruntime_onnx", "pytorch", "pytorch_libtorch", "tensorflow", "tensorflow_graphdef",
    "tensorflow_savedmodel", "tensorrt", "tensorrt_plan", "tensorrtllm", "openvino", "dali", "fil", "ensemble",
    "vllm", "identity", "square", "repeat",
})  # fmt: skip

TRITON_CODE = Rule(
    id="triton-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="Serving the model runs code that comes with it",
    explanation=(
        "The configuration selects Triton's Python backend, whose `model.py` lies in the model's folder, or a backend "
        "or runtime library that is none of Triton's own."
    ),
    help="Read the code, or find out where the library comes from, before you serve the model.",
    references=("https://github.com/triton-inference-server/python_backend",),
    cwes=(829,),
)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge the settings of a model in a Triton repository."""
    if data.size > limits.text_bytes:
        raise LimitExceeded(f"a configuration of {data.size} bytes, limit {limits.text_bytes}")
    seen = Observations(file, limits)
    text = data.read_at(0, data.size).decode("utf-8", "replace")
    key, depth = "", 0
    parameter = ""
    for token in _TOKEN.finditer(text):
        string = token[1] if token[1] is not None else token[2]
        if (
            string is None
            and token[3] is not None
            and text[token.end() : token.end() + 8].lstrip()[:1] in {":", "{", "[", "<"}
        ):
            key = token[3]
        elif token[5] in {"{", "<"}:
            depth += 1
        elif token[5] in {"}", ">"}:
            depth -= 1
        elif string is not None or token[4] is not None or token[3] is not None:
            value = string if string is not None else token[0]
            line = text.count("\n", 0, token.start()) + 1 if len(value) else 1
            if depth == 0 and key in _FACTS:
                seen.note(key, value)
                _setting(seen, key, value, line)
            elif key == "key":
                parameter = value
            elif key == "string_value" and parameter == "EXECUTION_ENV_PATH":
                _environment(seen, value, line)
    return seen.inspection()


def _setting(seen: Observations, key: str, value: str, line: int) -> None:
    if key == "backend" and value == "python":
        seen.report(TRITON_CODE, "the Python backend runs the model's own model.py", line=line)
        seen.refer(Reference(path="1/model.py", kind=ReferenceKind.CODE))
    elif key in {"backend", "platform"} and value and value not in _KNOWN_BACKENDS:
        seen.report(TRITON_CODE, f"the {key} {shown(value)} is none of Triton's own", line=line)
    elif key == "runtime" and value:
        seen.report(TRITON_CODE, f"the runtime library {shown(value)} comes with the model", line=line)
    elif key == "default_model_filename" and (why := why_outside(value)) is not None:
        seen.report(PATH_TRAVERSAL, f"default_model_filename {shown(value)} {why}", line=line)


def _environment(seen: Observations, value: str, line: int) -> None:
    seen.report(
        TRITON_CODE, f"a Python environment is unpacked from {shown(value)}", line=line, severity=Severity.MEDIUM
    )
    inside = value.removeprefix("$$TRITON_MODEL_DIRECTORY/")
    if (why := why_outside(inside)) is not None:
        seen.report(PATH_TRAVERSAL, f"EXECUTION_ENV_PATH {shown(value)} {why}", line=line)


RULES = (TRITON_CODE,)
