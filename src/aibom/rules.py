"""Every rule, by subject, for `explain`, the docs, SARIF and the verdict of a report."""

from __future__ import annotations

from collections.abc import Mapping

from aibom import inventory
from aibom.assessors import ignores, policy
from aibom.containers import rules as containers
from aibom.findings import Rule
from aibom.inspectors import (
    code_targets,
    coreml_models,
    executables,
    hdf5_files,
    keras_config,
    lfs,
    mlflow_models,
    numpy_arrays,
    onnx_judgements,
    opaque_models,
    pickle_rules,
    protocol,
    python_code,
    pytorch,
    pytorch_summary,
    r_files,
    skops_files,
    templates,
    tensorflow_graphs,
    tflite_models,
    torchserve_archives,
    triton_configs,
    xml_models,
    yaml_files,
)
from aibom.integrity import listed
from aibom.integrity import rules as integrity
from aibom.resolvers import (
    advisories,
    license_rules,
    lineage,
    model_card,
    publish_check,
    remote_code,
    repository,
    signals,
    weight_checks,
)

BY_SUBJECT: Mapping[str, tuple[Rule, ...]] = {
    "code on load": (
        *pickle_rules.RULES,
        *pytorch.RULES,
        *pytorch_summary.RULES,
        *numpy_arrays.RULES,
        *keras_config.RULES,
        *hdf5_files.RULES,
        *onnx_judgements.RULES,
        *tensorflow_graphs.RULES,
        *tflite_models.RULES,
        *coreml_models.RULES,
        *xml_models.RULES,
        *skops_files.RULES,
        *r_files.RULES,
        *opaque_models.RULES,
        *templates.RULES,
        *python_code.RULES,
        *remote_code.RULES,
        *executables.RULES,
        *code_targets.RULES,
        *yaml_files.RULES,
        *mlflow_models.RULES,
        *triton_configs.RULES,
        *torchserve_archives.RULES,
    ),
    "containers": containers.RULES,
    "files": (*inventory.RULES, *listed.RULES, *lfs.RULES, *protocol.RULES),
    "integrity": integrity.RULES,
    "documents": (*model_card.RULES, *repository.RULES, *weight_checks.RULES, *signals.RULES),
    "libraries": advisories.RULES,
    "lineage and licences": (*lineage.RULES, *license_rules.RULES),
    "before publishing": publish_check.RULES,
    "decisions of the user": (*policy.RULES, *ignores.RULES),
}

RULES: tuple[Rule, ...] = tuple({rule.id: rule for rules in BY_SUBJECT.values() for rule in rules}.values())

# What the last line of a report rests on, in the order in which it is asked.
CODE_ON_LOAD = frozenset(rule.id for rule in BY_SUBJECT["code on load"])
INTEGRITY = frozenset(rule.id for rule in BY_SUBJECT["integrity"])
UNDECIDED = frozenset(rule.id for subject in ("containers", "files") for rule in BY_SUBJECT[subject])
