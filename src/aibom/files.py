"""Files of a target: their names, formats, roles, digests and places inside them."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Literal

from msgspec import Struct

# Control, format (bidi overrides, zero width), surrogate, private, line and paragraph separators: nothing that may
# repaint a terminal or hide a part of a name is kept as it is.
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_ESCAPE = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u\{([0-9a-f]{1,6})\})")


def escape_name(raw: bytes) -> str:
    r"""Turn a file name into printable text, reversibly.

    A byte that is not UTF-8 becomes `\xNN`, a control or invisible character `\u{N}`, a backslash two.
    """
    if raw.isascii() and b"\\" not in raw and (plain := raw.decode("ascii")).isprintable():
        return plain
    out: list[str] = []
    for char in raw.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if char == "\\":
            out.append("\\\\")
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif unicodedata.category(char) in _ESCAPED_CATEGORIES:
            out.append(f"\\u{{{code:x}}}")
        else:
            out.append(char)
    return "".join(out)


def unescape_name(name: str) -> bytes:
    """Return the bytes that `escape_name` was given."""

    def restore(match: re.Match[str]) -> str:
        if match[1]:
            return chr(0xDC00 + int(match[1], 16))
        return chr(int(match[2], 16)) if match[2] else "\\"

    plain = _ESCAPE.sub(restore, name) if "\\" in name else name
    return plain.encode("utf-8", "surrogateescape")


class Format(StrEnum):
    """What the bytes of a file are. The values are published names (`schemas/properties.md`)."""

    SAFETENSORS = "safetensors"
    SAFETENSORS_INDEX = "safetensors-index"
    PYTORCH_INDEX = "pytorch-index"
    GGUF = "gguf"
    GGML_LEGACY = "ggml-legacy"
    PICKLE = "pickle"
    JOBLIB = "joblib"
    PYTORCH_ZIP = "pytorch-zip"
    PYTORCH_LEGACY = "pytorch-legacy"
    PYTORCH_TAR = "pytorch-tar"
    PT2 = "pytorch-pt2"
    TORCHSCRIPT = "torchscript"
    EXECUTORCH = "executorch"
    NUMPY_NPY = "numpy-npy"
    NUMPY_NPZ = "numpy-npz"
    ONNX = "onnx"
    ONNX_EXTERNAL_DATA = "onnx-external-data"
    KERAS_V3 = "keras-v3"
    HDF5 = "hdf5"
    KERAS_H5 = "keras-h5"
    KERAS_CONFIG = "keras-config"
    TF_KERAS_METADATA = "tf-keras-metadata"
    TF_SAVEDMODEL = "tf-savedmodel"
    TF_CHECKPOINT = "tf-checkpoint"
    TFLITE = "tflite"
    COREML = "coreml"
    COREML_MANIFEST = "coreml-manifest"
    OPENVINO = "openvino"
    NEMO = "nemo-tar"
    SKOPS = "skops"
    MLFLOW = "mlflow-mlmodel"
    TRITON_CONFIG = "triton-config"
    XGBOOST_JSON = "xgboost-json"
    XGBOOST_UBJ = "xgboost-ubj"
    LIGHTGBM_TEXT = "lightgbm-text"
    SPACY = "spacy-pipeline"
    TORCHSERVE_MAR = "torchserve-mar"
    LLAMAFILE = "llamafile"
    FLAX_MSGPACK = "flax-msgpack"
    PADDLE_PARAMS = "paddle-params"
    TENSORRT = "tensorrt-engine"
    RDS = "r-rds"
    PMML = "pmml"
    CATBOOST = "catboost-cbm"
    TF_GRAPHDEF = "tf-graphdef"
    OMS_SIGNATURE = "oms-signature"
    SIGSTORE_BUNDLE = "sigstore-bundle"
    OCI_MANIFEST = "oci-manifest"
    OLLAMA_MANIFEST = "ollama-manifest"
    KITFILE = "kitfile"
    PEFT_CONFIG = "peft-adapter-config"
    MERGEKIT_CONFIG = "mergekit-config"
    TRANSFORMERS_CONFIG = "transformers-config"
    TOKENIZER_CONFIG = "tokenizer-config"
    CHAT_TEMPLATE = "chat-template"
    SHA256SUMS = "sha256sums"
    LFS_POINTER = "lfs-pointer"
    ZIP = "zip"
    TAR = "tar"
    SEVEN_ZIP = "7z"
    RAR = "rar"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    LZMA = "lzma"
    ZLIB = "zlib"
    ZSTD = "zstd"
    LZ4 = "lz4"
    PYTHON = "python"
    PYTHON_BYTECODE = "python-bytecode"
    NOTEBOOK = "notebook"
    SHELL = "shell"
    DOCKERFILE = "dockerfile"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    TOML = "toml"
    XML = "xml"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"
    CSV = "csv"
    SENTENCEPIECE = "sentencepiece"
    PARQUET = "parquet"
    ARROW = "arrow"
    SQLITE = "sqlite"
    PDF = "pdf"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FONT = "font"
    EXECUTABLE = "executable"
    WASM = "wasm"
    EMPTY = "empty"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What a file is for in a model repository."""

    WEIGHTS = "weights"
    CONFIG = "config"
    TOKENIZER = "tokenizer"
    CODE = "code"
    CARD = "card"
    LICENSE = "license"
    SIGNATURE = "signature"
    DATA = "data"
    OTHER = "other"


class Coverage(StrEnum):
    """How much of a file was looked at. What was not looked at is never clean."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    NONE = "none"


class Digest(Struct, frozen=True, kw_only=True):
    """A digest in lower-case hexadecimal, computed from the bytes or declared by somebody."""

    algorithm: str
    value: str
    basis: Literal["computed", "declared"] = "computed"
    source: str | None = None
    """Who declared it: the hub's listing, a cache's blob name, a file in the target."""


class Location(Struct, frozen=True, kw_only=True):
    """A place in the target.

    `path` is an escaped POSIX path from the root, `members` the names inside containers (outermost first), `offset`
    a byte offset into the innermost of them, `line` counts from 1.
    """

    path: str
    members: tuple[str, ...] = ()
    offset: int | None = None
    line: int | None = None

    def __str__(self) -> str:
        """`model.pt › data.pkl @0x1c4` or `README.md:3`."""
        text = " › ".join((self.path, *self.members))
        if self.line is not None:
            text += f":{self.line}"
        if self.offset is not None:
            text += f" @{self.offset:#x}"
        return text


class RepoFile(Struct, frozen=True, kw_only=True):
    """A file of the target, or (with `members`) a member of a container in it. `size` is in bytes."""

    path: str
    size: int
    format: Format
    role: Role
    declared_digests: tuple[Digest, ...] = ()
    members: tuple[str, ...] = ()
    media_type: str | None = None

    @property
    def name(self) -> str:
        """The last part of the innermost name."""
        return (self.members[-1] if self.members else self.path).rsplit("/", 1)[-1]

    def at(self, *, offset: int | None = None, line: int | None = None, members: tuple[str, ...] = ()) -> Location:
        """Return a place in this file; `members` lead further inside."""
        return Location(path=self.path, members=(*self.members, *members), offset=offset, line=line)
