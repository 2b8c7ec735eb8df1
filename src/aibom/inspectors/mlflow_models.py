"""Inspect MLflow's `MLmodel` files: which code loads the model, which files it names."""

from __future__ import annotations

from aibom.components import Inspection, Reference, ReferenceKind
from aibom.containers.rules import PATH_TRAVERSAL
from aibom.files import RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.code_targets import judge_target
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.foreign_yaml import read_scalars
from aibom.inspectors.observations import Observations, shown
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_FAMILIES = frozenset({"mlflow"})
_PATHS = frozenset(
    {"model_path", "data", "pickled_model", "python_model", "model_data", "artifacts", "saved_model_dir"}
)
_FACTS = frozenset({"mlflow_version", "model_uuid", "run_id", "utc_time_created", "model_id", "model_size_bytes"})

MLFLOW_CODE = Rule(
    id="mlflow-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="Loading the MLflow model runs code that comes with it",
    explanation=(
        "The MLmodel file names a loader module outside MLflow, or a directory of Python code that MLflow puts on the "
        "import path before it loads the model."
    ),
    help="Read the code that is named before you load the model.",
    references=("https://mlflow.org/docs/latest/ml/model/",),
    cwes=(829,),
)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Inspect an MLmodel file; raises `MalformedFile` where it is no YAML."""
    seen = Observations(file, limits)
    for scalar in read_scalars(data, limits):
        if scalar.tag.startswith("tag:yaml.org,2002:python/"):
            seen.report(
                MLFLOW_CODE, f"the tag {shown(scalar.tag)} builds a Python object", line=scalar.line,
                severity=Severity.HIGH,
            )  # fmt: skip
        if not scalar.path or not scalar.value:
            continue
        key = scalar.path[-1]
        if key in _FACTS and len(scalar.path) == 1:
            seen.note(key, scalar.value)
        elif key == "loader_module":
            seen.note(".".join(scalar.path), scalar.value)
            target = judge_target(scalar.value, _FAMILIES)
            if target is not None:
                seen.report(
                    MLFLOW_CODE, f"loader_module is {shown(scalar.value)}, which {target.why}", line=scalar.line,
                    severity=target.severity,
                )  # fmt: skip
        elif (
            key in {"code", "code_paths", "model_code_path"}
            and "flavors" in scalar.path
            and scalar.value not in {"null", "~"}
        ):
            # MLflow writes where the code lay when the model was saved, and takes from that the name alone
            # (mlflow/pyfunc/model.py, _load_context_model_and_signature).
            path = scalar.value.rsplit("/", 1)[-1] if key == "model_code_path" else scalar.value
            seen.report(MLFLOW_CODE, f"Python code in {shown(path)} comes with the model", line=scalar.line)
            _path(seen, path, scalar.line, ReferenceKind.CODE)
        elif key in _PATHS and "flavors" in scalar.path:
            _path(seen, scalar.value, scalar.line, ReferenceKind.EXTERNAL_DATA)
    return seen.inspection()


def _path(seen: Observations, path: str, line: int, kind: ReferenceKind) -> None:
    if (why := why_outside(path)) is not None:
        seen.report(PATH_TRAVERSAL, f"the path {shown(path)} {why}", line=line)
    seen.refer(Reference(path=path, kind=kind, location=seen.file.at(line=line)))


RULES = (MLFLOW_CODE,)
