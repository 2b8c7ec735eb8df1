"""What one file says about itself, a module a format."""

from __future__ import annotations

from collections.abc import Mapping

from aibom.files import Format
from aibom.inspectors import (
    boosted_trees,
    coreml_models,
    executables,
    executorch_models,
    gguf,
    hdf5_files,
    joblib_files,
    keras_files,
    lfs,
    mlflow_models,
    msgpack_files,
    numpy_arrays,
    onnx_models,
    opaque_models,
    paddle_files,
    pickles,
    pytorch,
    pytorch_legacy,
    pytorch_tar,
    r_files,
    safetensors_files,
    skops_files,
    templates,
    tensorflow_checkpoints,
    tensorflow_models,
    tflite_models,
    torchserve_archives,
    xml_models,
    yaml_files,
)
from aibom.inspectors.protocol import Inspector

INSPECTORS: Mapping[Format, Inspector] = {
    Format.CHAT_TEMPLATE: templates.inspect,
    Format.COREML: coreml_models.inspect,
    Format.EMPTY: lfs.inspect_empty,
    Format.EXECUTABLE: executables.inspect,
    Format.EXECUTORCH: executorch_models.inspect,
    Format.FLAX_MSGPACK: msgpack_files.inspect,
    Format.GGUF: gguf.inspect,
    Format.HDF5: hdf5_files.inspect,
    Format.JOBLIB: joblib_files.inspect,
    Format.KERAS_H5: hdf5_files.inspect,
    Format.KERAS_V3: keras_files.inspect,
    Format.LFS_POINTER: lfs.inspect,
    Format.LIGHTGBM_TEXT: boosted_trees.inspect_lightgbm,
    Format.MLFLOW: mlflow_models.inspect,
    Format.NUMPY_NPY: numpy_arrays.inspect,
    Format.ONNX: onnx_models.inspect,
    Format.OPENVINO: xml_models.inspect_openvino,
    Format.PADDLE_PARAMS: paddle_files.inspect,
    Format.PICKLE: pickles.inspect,
    Format.PMML: xml_models.inspect_pmml,
    Format.PT2: pytorch.inspect,
    Format.PYTHON_BYTECODE: executables.inspect,
    Format.PYTORCH_LEGACY: pytorch_legacy.inspect,
    Format.PYTORCH_TAR: pytorch_tar.inspect,
    Format.PYTORCH_ZIP: pytorch.inspect,
    Format.RDS: r_files.inspect,
    Format.SAFETENSORS: safetensors_files.inspect,
    Format.SKOPS: skops_files.inspect,
    Format.TENSORRT: opaque_models.inspect,
    Format.TFLITE: tflite_models.inspect,
    Format.TF_CHECKPOINT: tensorflow_checkpoints.inspect,
    Format.TF_SAVEDMODEL: tensorflow_models.inspect,
    Format.TOKENIZER_CONFIG: templates.inspect,
    Format.TORCHSCRIPT: pytorch.inspect,
    Format.TORCHSERVE_MAR: torchserve_archives.inspect,
    Format.XGBOOST_JSON: boosted_trees.inspect_xgboost_json,
    Format.XGBOOST_UBJ: boosted_trees.inspect_ubjson,
    Format.YAML: yaml_files.inspect,
}
"""Format to its inspector, to be read as a table. A format that is not here is recognised and not looked into."""

__all__ = ["INSPECTORS"]
