"""What one file says about itself, a module a format."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from aibom.components import Inspection
from aibom.files import Format, RepoFile
from aibom.inspectors.protocol import Inspector
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource


def _in(module: str, function: str = "inspect") -> Inspector:
    """Return an inspector whose module is imported for the first file of its kind: all of them cost 0.1 s."""

    def inspect_with(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
        inspector: Inspector = getattr(import_module(f"{__name__}.{module}"), function)
        return inspector(file, data, limits)

    return inspect_with


INSPECTORS: Mapping[Format, Inspector] = {
    Format.CATBOOST: _in("opaque_models"),
    Format.CHAT_TEMPLATE: _in("templates"),
    Format.COREML: _in("coreml_models"),
    Format.COREML_MANIFEST: _in("coreml_models", "inspect_manifest"),
    Format.DOCKERFILE: _in("scripts"),
    Format.EMPTY: _in("lfs", "inspect_empty"),
    Format.EXECUTABLE: _in("executables"),
    Format.EXECUTORCH: _in("executorch_models"),
    Format.FLAX_MSGPACK: _in("msgpack_files"),
    Format.GGUF: _in("gguf"),
    Format.HDF5: _in("hdf5_files"),
    Format.JOBLIB: _in("joblib_files"),
    Format.JSON: _in("text_configs"),
    Format.KERAS_CONFIG: _in("keras_files", "inspect_architecture"),
    Format.KERAS_H5: _in("hdf5_files"),
    Format.KERAS_V3: _in("keras_files"),
    Format.KITFILE: _in("yaml_files"),
    Format.LFS_POINTER: _in("lfs"),
    Format.LIGHTGBM_TEXT: _in("boosted_trees", "inspect_lightgbm"),
    Format.LLAMAFILE: _in("executables"),
    Format.MERGEKIT_CONFIG: _in("yaml_files"),
    Format.MLFLOW: _in("mlflow_models"),
    Format.NOTEBOOK: _in("notebooks"),
    Format.NUMPY_NPY: _in("numpy_arrays"),
    Format.ONNX: _in("onnx_models"),
    Format.OPENVINO: _in("xml_models", "inspect_openvino"),
    Format.PADDLE_PARAMS: _in("paddle_files"),
    Format.PEFT_CONFIG: _in("text_configs"),
    Format.PICKLE: _in("pickles"),
    Format.PMML: _in("xml_models", "inspect_pmml"),
    Format.PT2: _in("pytorch_exported"),
    Format.PYTHON: _in("python_code"),
    Format.PYTHON_BYTECODE: _in("executables"),
    Format.PYTORCH_INDEX: _in("text_configs"),
    Format.PYTORCH_LEGACY: _in("pytorch_legacy"),
    Format.PYTORCH_TAR: _in("pytorch_tar"),
    Format.PYTORCH_ZIP: _in("pytorch"),
    Format.RDS: _in("r_files"),
    Format.SAFETENSORS: _in("safetensors_files"),
    Format.SAFETENSORS_INDEX: _in("text_configs"),
    Format.SHELL: _in("scripts"),
    Format.SKOPS: _in("skops_files"),
    Format.TENSORRT: _in("opaque_models"),
    Format.TFLITE: _in("tflite_models"),
    Format.TF_CHECKPOINT: _in("tensorflow_checkpoints"),
    Format.TF_GRAPHDEF: _in("tensorflow_models", "inspect_graph"),
    Format.TF_KERAS_METADATA: _in("tensorflow_models", "inspect_keras_metadata"),
    Format.TF_SAVEDMODEL: _in("tensorflow_models"),
    Format.TOKENIZER_CONFIG: _in("text_configs"),
    Format.TORCHSCRIPT: _in("pytorch"),
    Format.TORCHSERVE_MAR: _in("torchserve_archives"),
    Format.TRANSFORMERS_CONFIG: _in("text_configs"),
    Format.TRITON_CONFIG: _in("triton_configs"),
    Format.WASM: _in("executables"),
    Format.XGBOOST_JSON: _in("boosted_trees", "inspect_xgboost_json"),
    Format.XGBOOST_UBJ: _in("boosted_trees", "inspect_ubjson"),
    Format.YAML: _in("yaml_files"),
}
"""Format to its inspector, to be read as a table. A format that is not here is recognised and not looked into."""

__all__ = ["INSPECTORS"]
