"""Every rule, for `explain`, the docs and what is read back from the cache: importing this imports every reader."""

from __future__ import annotations

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
    second_opinions,
    signals,
    weight_checks,
)
from aibom.sources import hub_downloads

_MODULES = (
    pickle_rules,
    pytorch,
    pytorch_summary,
    numpy_arrays,
    keras_config,
    hdf5_files,
    onnx_judgements,
    tensorflow_graphs,
    tflite_models,
    coreml_models,
    xml_models,
    skops_files,
    r_files,
    opaque_models,
    templates,
    python_code,
    remote_code,
    executables,
    code_targets,
    yaml_files,
    mlflow_models,
    triton_configs,
    torchserve_archives,
    containers,
    inventory,
    listed,
    hub_downloads,
    lfs,
    protocol,
    integrity,
    model_card,
    repository,
    weight_checks,
    signals,
    advisories,
    lineage,
    license_rules,
    second_opinions,
    publish_check,
    policy,
    ignores,
)

RULES: tuple[Rule, ...] = tuple({rule.id: rule for module in _MODULES for rule in module.RULES}.values())
