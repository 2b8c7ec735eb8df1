"""Inspect YAML for what makes loaders act: Python tags, Hydra's `_target_` and its kin, NeMo's `target`, templates."""

from __future__ import annotations

from aibom.components import Inspection
from aibom.errors import FileFault
from aibom.files import RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.code_targets import HYDRA_TARGET, is_dotted, judge_target
from aibom.inspectors.foreign_yaml import YamlScalar, read_scalars
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.templates import judge_template
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

# Packages whose loaders instantiate classes named in YAML, and of which those classes are.
_FAMILIES = frozenset({
    "nemo", "nemo_text_processing", "torch", "torchaudio", "torchvision", "torchmetrics", "pytorch_lightning",
    "lightning", "lightning_fabric", "omegaconf", "speechbrain", "transformers", "megatron", "apex", "diffusers",
    "ldm", "sgm", "hyperpyyaml", "numpy", "sentencepiece", "timm", "monai", "mmdet", "mmcv", "mmengine",
})  # fmt: skip
_ALWAYS = frozenset({"_target_", "class_path", "__target__"})
_OFTEN = frozenset({"target", "_class_", "cls", "class_name", "function"})
# Where programs that serve chat models keep a Jinja template in YAML.
_TEMPLATES = frozenset({"chat_template", "chat_template_jinja", "instruction_template"})
_NEMO_NAMES = frozenset({"model_config.yaml", "model_config.yml"})
_PYTHON_TAG = "tag:yaml.org,2002:python/"
# hyperpyyaml: `!new:` and `!apply:` call what they name, `!name:` and `!module:` import it.
_HYPER = ("!new:", "!apply:", "!name:", "!module:")

YAML_OBJECT_TAG = Rule(
    id="yaml-object-tag",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The YAML asks its loader to build Python objects",
    explanation=(
        "A tag in the file names a Python class, function or module. A loader that is not a safe one imports and "
        "calls it while it reads the file."
    ),
    help="Read it with a safe loader only, and ask the publisher for plain YAML.",
    references=("https://nvd.nist.gov/vuln/detail/CVE-2020-14343",),
    cwes=(502,),
)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Look for tags and names that a loader turns into objects; raises `MalformedFile` where it is no YAML."""
    seen = Observations(file, limits)
    count = 0
    nemo = file.name in _NEMO_NAMES
    try:
        for scalar in read_scalars(data, limits):
            count += 1
            if scalar.tag:
                _tag(seen, scalar)
            if scalar.path and scalar.value:
                _value(seen, scalar, nemo=nemo)
    except FileFault as fault:
        if not count:
            raise
        seen.fault(fault, severity=Severity.MEDIUM)
    return seen.inspection()


def _tag(seen: Observations, scalar: YamlScalar) -> None:
    tag = scalar.tag
    prefix = next((prefix for prefix in _HYPER if tag.startswith(prefix)), None)
    if prefix is not None:
        name = tag.removeprefix(prefix)
        target = judge_target(name, _FAMILIES)
        if target is not None:
            # Members of builtins and math are what these files compute with; they name them without their module.
            seen.report(
                HYDRA_TARGET, f"the tag {prefix} names {shown(name)}, which {target.why}", line=scalar.line,
                severity=target.severity,
            )  # fmt: skip
    elif tag.startswith(_PYTHON_TAG):
        kind = tag.removeprefix(_PYTHON_TAG)
        plain = kind in {"tuple", "str", "unicode", "int", "long", "float", "complex", "list", "dict", "bool", "none",
                         "bytes"}  # fmt: skip
        if plain:
            return
        name = kind.partition(":")[2]
        target = judge_target(name, frozenset())
        severity = target.severity if target is not None and target.severity is Severity.CRITICAL else None
        seen.report(
            YAML_OBJECT_TAG, f"the tag !!python/{kind[:120]} builds an object", line=scalar.line, severity=severity
        )


def _value(seen: Observations, scalar: YamlScalar, *, nemo: bool) -> None:
    key, value = scalar.path[-1], scalar.value
    if nemo and len(scalar.path) == 1 and key in {"target", "nemo_version"}:
        seen.note(key, value)
    if key in _TEMPLATES and "{" in value:
        judge_template(value, seen, name=key)
    if key not in _ALWAYS and key not in _OFTEN:
        return
    if not is_dotted(value):
        return
    target = judge_target(value, _FAMILIES)
    if target is None or (
        target.severity is not Severity.CRITICAL and key not in _ALWAYS and not (nemo and key == "target")
    ):
        return
    seen.report(
        HYDRA_TARGET, f"{key} names {shown(value.strip())}, which {target.why}", line=scalar.line,
        severity=target.severity,
    )  # fmt: skip


RULES = (YAML_OBJECT_TAG,)
