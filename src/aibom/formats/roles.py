"""Say what a file is for in a model repository."""

from __future__ import annotations

import re

from aibom.files import Format, Role

_WEIGHTS = frozenset({
    Format.SAFETENSORS, Format.GGUF, Format.GGML_LEGACY, Format.PICKLE, Format.JOBLIB, Format.PYTORCH_ZIP,
    Format.PYTORCH_LEGACY, Format.PYTORCH_TAR, Format.PT2, Format.TORCHSCRIPT, Format.EXECUTORCH, Format.NUMPY_NPY,
    Format.NUMPY_NPZ, Format.ONNX, Format.ONNX_EXTERNAL_DATA, Format.KERAS_V3, Format.HDF5, Format.KERAS_H5,
    Format.TF_SAVEDMODEL, Format.TF_GRAPHDEF, Format.TF_CHECKPOINT, Format.TFLITE, Format.COREML, Format.OPENVINO,
    Format.NEMO, Format.SKOPS, Format.XGBOOST_JSON, Format.XGBOOST_UBJ, Format.LIGHTGBM_TEXT, Format.CATBOOST,
    Format.TORCHSERVE_MAR, Format.LLAMAFILE, Format.FLAX_MSGPACK, Format.PADDLE_PARAMS, Format.TENSORRT, Format.RDS,
    Format.PMML,
})  # fmt: skip
_CODE = frozenset({Format.PYTHON, Format.PYTHON_BYTECODE, Format.NOTEBOOK, Format.SHELL, Format.DOCKERFILE,
                   Format.EXECUTABLE, Format.WASM})  # fmt: skip
_CONFIG = frozenset({
    Format.SAFETENSORS_INDEX, Format.PYTORCH_INDEX, Format.PEFT_CONFIG, Format.MERGEKIT_CONFIG,
    Format.TRANSFORMERS_CONFIG, Format.MLFLOW, Format.KITFILE, Format.OCI_MANIFEST, Format.OLLAMA_MANIFEST,
    Format.KERAS_CONFIG, Format.TF_KERAS_METADATA, Format.COREML_MANIFEST, Format.TRITON_CONFIG, Format.SPACY,
    Format.JSON, Format.YAML, Format.TOML,
})  # fmt: skip
_DATA = frozenset({Format.PARQUET, Format.ARROW, Format.CSV, Format.JSONL, Format.SQLITE})
_SIGNATURES = frozenset({Format.OMS_SIGNATURE, Format.SIGSTORE_BUNDLE, Format.SHA256SUMS})
_TOKENIZER = frozenset({Format.TOKENIZER_CONFIG, Format.CHAT_TEMPLATE, Format.SENTENCEPIECE})

_SIGNATURE_ENDINGS = (".sig", ".asc", ".gpg", ".minisig", ".sigstore", ".sigstore.json", ".p7s", ".pem", ".crt",
                      ".sha256", ".sha512", ".md5", ".sha256sum", ".sha1")  # fmt: skip
_SIGNATURE_NAMES = frozenset({"sha256sums", "sha512sums", "sha1sums", "md5sums", "checksums.txt", "checksum.txt"})
_TOKENIZER_NAME = re.compile(
    r"(tokenizer.*\.(json|model)|vocab(ulary)?\..*|merges\.txt|special_tokens_map\.json|added_tokens\.json"
    r"|.*\.tiktoken|(source|target)\.spm|sentencepiece.*\.model|spiece\.model|chat_template.*)"
)
_LICENSE_NAME = re.compile(
    r"((model[_-]|code[_-])?licen[cs]e([_.-].*)?|copying([_.-].*)?|notice([_.-].*)?|unlicense|.*(use|usage)_policy.*"
    r"|.*[_ -]terms([_. -].*)?|terms([_. -].*)?)"
)
# What training leaves behind is loaded to resume training, never as the model.
_LEFTOVER = re.compile(r"(training_args\.bin|optimizer.*\.(pt|bin|pth)|scheduler.*\.(pt|bin)|rng_state.*\.pth"
                       r"|random_states_\d+\.pkl|scaler\.pt)")  # fmt: skip
_WEIGHT_ENDINGS = (
    ".safetensors", ".gguf", ".ggml", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".onnx", ".h5",
    ".hdf5", ".keras", ".pb", ".tflite", ".npz", ".npy", ".msgpack", ".pdparams", ".pdiparams", ".pdmodel", ".engine",
    ".plan", ".trt", ".mlmodel", ".nemo", ".skops", ".mar", ".pte", ".pt2", ".llamafile", ".distcp", ".dduf", ".ubj",
    ".cbm", ".rds", ".onnx_data", ".onnx.data", ".ot", ".t7", ".params", ".caffemodel", ".mlpackage", ".tensors",
)  # fmt: skip
_SPACY_TABLES = "lookups.bin"  # words as MessagePack; spacy/lookups.py
_COMPRESSED = re.compile(r"\.(gz|bz2|xz|lzma|zst|lz4|z|zip|tar|7z|tgz)$")
_PARTS = re.compile(r"\.data-\d{5}-of-\d{5}|-\d{5}-of-\d{5}\.")
_NAMED = frozenset({Format.TEXT, Format.MARKDOWN, Format.HTML, Format.PDF, Format.UNKNOWN, Format.EMPTY})


def role_of(path: str, found: Format) -> Role:
    """Return what a file is for, from its path and from what its bytes are."""
    leaf = path.rsplit("/", 1)[-1].lower()
    if found in _SIGNATURES or leaf in _SIGNATURE_NAMES or leaf.endswith(_SIGNATURE_ENDINGS):
        return Role.SIGNATURE if found not in _WEIGHTS | _CODE else _by_format(leaf, found)
    if found in _NAMED and _LICENSE_NAME.fullmatch(leaf) and not leaf.endswith(".py"):
        return Role.LICENSE
    if found in {Format.MARKDOWN, Format.TEXT, Format.HTML} and re.fullmatch(r"(readme|model_?card)(\..*)?", leaf):
        return Role.CARD
    if _TOKENIZER_NAME.fullmatch(leaf) and found not in _WEIGHTS | _CODE:
        return Role.TOKENIZER
    return _by_format(leaf, found)


def is_weight_name(path: str) -> bool:
    """Say whether a name is one that weights usually have."""
    leaf = _COMPRESSED.sub("", path.rsplit("/", 1)[-1].lower())
    # `hf download --local-dir` leaves an empty lock and a note of three lines for each file.
    if leaf.endswith((".lock", ".metadata")) or leaf == _SPACY_TABLES:
        return False
    return leaf.endswith(_WEIGHT_ENDINGS) or bool(_PARTS.search(leaf))


def _by_format(leaf: str, found: Format) -> Role:
    if found in _WEIGHTS:
        return Role.OTHER if _LEFTOVER.fullmatch(leaf) else Role.WEIGHTS
    for formats, role in ((_CODE, Role.CODE), (_CONFIG, Role.CONFIG), (_TOKENIZER, Role.TOKENIZER), (_DATA, Role.DATA)):
        if found in formats:
            return role
    if found in _OPAQUE and is_weight_name(leaf):
        return Role.WEIGHTS
    if found is Format.TEXT and re.fullmatch(r"(requirements.*\.txt|.*\.(cfg|ini|pbtxt|conf)|modelfile.*)", leaf):
        return Role.CONFIG
    return Role.OTHER


# Containers, pointers and what could not be recognized: the name says what they stand for.
_OPAQUE = frozenset({
    Format.UNKNOWN, Format.EMPTY, Format.LFS_POINTER, Format.ZIP, Format.TAR, Format.SEVEN_ZIP, Format.RAR,
    Format.GZIP, Format.BZIP2, Format.XZ, Format.LZMA, Format.ZLIB, Format.ZSTD, Format.LZ4, Format.TEXT,
})  # fmt: skip
