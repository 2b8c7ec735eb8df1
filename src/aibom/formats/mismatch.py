"""Report a name that claims another format than the bytes are."""

from __future__ import annotations

from aibom.files import Format, RepoFile
from aibom.findings import Finding, Rule, Severity, Subject

EXTENSION_MISMATCH = Rule(
    id="extension-mismatch",
    subject=Subject.FILES,
    severity=Severity.MEDIUM,
    summary="The file is not what its name says",
    explanation=(
        "The name claims one format, the bytes are another. Scanners that go by names pass over such a file, and "
        "people trust it for its name; a loader that looks at the bytes treats it as what it is."
    ),
    help="Find out how the file is loaded. Do not load a pickle, an archive or a program that bears another name.",
    cwes=(646,),
)

_PICKLES = frozenset({Format.PICKLE, Format.JOBLIB, Format.PYTORCH_ZIP, Format.PYTORCH_LEGACY, Format.PYTORCH_TAR,
                      Format.TORCHSCRIPT, Format.PT2})  # fmt: skip
_ARCHIVES = frozenset({Format.ZIP, Format.TAR, Format.SEVEN_ZIP, Format.RAR, Format.NUMPY_NPZ, Format.TORCHSERVE_MAR,
                       Format.KERAS_V3, Format.SKOPS, Format.NEMO})  # fmt: skip
_STREAMS = frozenset({Format.GZIP, Format.BZIP2, Format.XZ, Format.LZMA, Format.ZLIB, Format.ZSTD, Format.LZ4})
_PROGRAMS = frozenset({Format.EXECUTABLE, Format.LLAMAFILE, Format.WASM, Format.PYTHON_BYTECODE})
_TORCH = _PICKLES | {Format.ZIP, Format.TAR}
# Nothing to look at: other findings speak of these.
_SILENT = frozenset({Format.EMPTY, Format.LFS_POINTER})
_TEXTS = frozenset({
    Format.TEXT, Format.MARKDOWN, Format.HTML, Format.XML, Format.JSON, Format.JSONL, Format.YAML, Format.TOML,
    Format.CSV, Format.PYTHON, Format.SHELL, Format.DOCKERFILE, Format.NOTEBOOK, Format.CHAT_TEMPLATE,
    Format.SAFETENSORS_INDEX, Format.PYTORCH_INDEX, Format.PEFT_CONFIG, Format.MERGEKIT_CONFIG, Format.SHA256SUMS,
    Format.TRANSFORMERS_CONFIG, Format.TOKENIZER_CONFIG, Format.OMS_SIGNATURE, Format.SIGSTORE_BUNDLE,
    Format.OCI_MANIFEST, Format.OLLAMA_MANIFEST, Format.KITFILE, Format.MLFLOW, Format.XGBOOST_JSON,
    Format.LIGHTGBM_TEXT, Format.PMML, Format.OPENVINO, Format.SPACY, Format.KERAS_CONFIG, Format.COREML_MANIFEST,
    Format.TRITON_CONFIG,
})  # fmt: skip
_HDF5 = frozenset({Format.HDF5, Format.KERAS_H5})

# Endings that name one format, with what usually bears them. What is not here (.bin, .model, .data, .dat, .weights,
# no ending) may be anything.
_EXPECTED: dict[str, frozenset[Format]] = {
    ".safetensors": frozenset({Format.SAFETENSORS}),
    ".gguf": frozenset({Format.GGUF}),
    ".onnx": frozenset({Format.ONNX}),
    ".npy": frozenset({Format.NUMPY_NPY}),
    ".npz": frozenset({Format.NUMPY_NPZ, Format.ZIP}),
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".keras": frozenset({Format.KERAS_V3, *_HDF5}),
    ".tflite": frozenset({Format.TFLITE, Format.ZIP}),
    ".pte": frozenset({Format.EXECUTORCH}),
    ".skops": frozenset({Format.SKOPS, Format.ZIP}),
    ".nemo": frozenset({Format.NEMO, Format.TAR, Format.GZIP}),
    ".mar": frozenset({Format.TORCHSERVE_MAR, Format.ZIP, Format.GZIP, Format.TAR}),
    ".parquet": frozenset({Format.PARQUET}),
    ".pt": _TORCH | {Format.SAFETENSORS},
    ".pth": _TORCH | {Format.SAFETENSORS},
    ".pt2": frozenset({Format.PT2, Format.ZIP, Format.PYTORCH_ZIP, Format.TORCHSCRIPT}),
    ".pkl": _PICKLES | _STREAMS | {Format.NUMPY_NPY, Format.ZIP},
    ".pickle": _PICKLES | _STREAMS,
    ".joblib": _PICKLES | _STREAMS,
    ".json": _TEXTS,
    ".yaml": _TEXTS,
    ".yml": _TEXTS,
    ".md": _TEXTS,
    ".txt": _TEXTS,
    ".py": _TEXTS,
    ".csv": _TEXTS,
    ".toml": _TEXTS,
    ".jinja": _TEXTS,
    ".html": _TEXTS,
    ".jsonl": _TEXTS,
    ".zip": frozenset({Format.ZIP, Format.PYTORCH_ZIP, Format.TORCHSCRIPT, Format.PT2, Format.NUMPY_NPZ,
                       Format.TORCHSERVE_MAR, Format.KERAS_V3, Format.SKOPS}),
    ".tar": frozenset({Format.TAR, Format.NEMO, Format.PYTORCH_TAR}),
    ".gz": frozenset({Format.GZIP, Format.ZLIB, Format.JOBLIB}),  # joblib wrote both under this name
    ".xz": frozenset({Format.XZ}),
    ".bz2": frozenset({Format.BZIP2}),
    ".zst": frozenset({Format.ZSTD}),
    ".7z": frozenset({Format.SEVEN_ZIP}),
    ".pdf": frozenset({Format.PDF}),
    ".png": frozenset({Format.IMAGE}),
    ".jpg": frozenset({Format.IMAGE}),
    ".jpeg": frozenset({Format.IMAGE}),
    ".gif": frozenset({Format.IMAGE}),
    ".webp": frozenset({Format.IMAGE}),
    ".wav": frozenset({Format.AUDIO}),
    ".flac": frozenset({Format.AUDIO}),
    ".mp3": frozenset({Format.AUDIO}),
    ".mp4": frozenset({Format.VIDEO, Format.AUDIO, Format.IMAGE}),
}  # fmt: skip
_ANY = frozenset({".bin", ".model", ".ckpt", ".data", ".dat", ".weights"})
_SAFE_CLAIM = frozenset({".safetensors", ".gguf", ".onnx", ".npy", ".h5", ".hdf5", ".parquet", ".tflite", ".skops"})


def mismatch(name: str, found: Format) -> str | None:
    """Say in one sentence how a name and its bytes disagree, None where they do not."""
    judged = _judge(name, found)
    return judged[0] if judged else None


def mismatch_finding(file: RepoFile) -> Finding | None:
    """Return the finding for a file whose name claims another format than it has."""
    judged = _judge(file.name, file.format)
    if judged is None:
        return None
    return Finding.of(EXTENSION_MISMATCH, judged[0], file.at(), severity=judged[1])


def _judge(name: str, found: Format) -> tuple[str, Severity] | None:
    leaf = name.rsplit("/", 1)[-1].lower()
    ending = leaf[leaf.rfind(".") :] if "." in leaf else ""
    expected = _EXPECTED.get(ending)
    if found in _SILENT or (expected is None and ending not in _ANY) or (expected and found in expected):
        return None
    if expected is None:
        # Anything may be called .bin, but no publisher calls a program so.
        if found in _PROGRAMS and ending != ".data":
            return f"the name ends in {ending}, the bytes are a program ({found})", Severity.HIGH
        return None
    if found is Format.UNKNOWN:
        # Weights of these two formats can be told by their first bytes, so these are weights that nobody can read.
        unreadable = Severity.HIGH if ending in {".safetensors", ".gguf"} else Severity.MEDIUM
        severity = unreadable if ending in _SAFE_CLAIM else Severity.LOW
        return f"the name ends in {ending}, but the bytes are not of that format nor of any known one", severity
    return f"the name ends in {ending}, the bytes are {found}", _severity(ending, expected, found)


def _severity(ending: str, expected: frozenset[Format], found: Format) -> Severity:
    if found in _PROGRAMS:
        return Severity.HIGH
    if found in _PICKLES and not expected & _PICKLES:
        return Severity.HIGH
    if found in _ARCHIVES and not expected & _ARCHIVES:
        return Severity.HIGH if ending in _SAFE_CLAIM else Severity.MEDIUM
    if found in _STREAMS and not expected & _STREAMS:
        return Severity.MEDIUM
    return Severity.LOW


RULES = (EXTENSION_MISMATCH,)
