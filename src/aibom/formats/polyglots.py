"""Say what else the same bytes are: formats whose loaders look elsewhere in a file than at its beginning.

An HDF5 file may begin behind a user block, a zip is read from its end, a tar begins with a name, which may be a pickle
of protocol 0. So one file can be an image to one program and a model to another one.
"""

from __future__ import annotations

from aibom.files import Format, RepoFile
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.formats.binary_shapes import by_shape, fields
from aibom.formats.magic import hdf5_offsets, is_hdf5
from aibom.formats.tar_kinds import is_tar, kind_of_tar
from aibom.formats.zip_kinds import has_zip_directory, kind_of_zip
from aibom.sources.bytesource import ByteSource

POLYGLOT = Rule(
    id="polyglot",
    subject=Subject.FILES,
    severity=Severity.MEDIUM,
    summary="The file is two things at once",
    explanation=(
        "The same bytes are a file of two formats: what one program shows or loads, another one passes over. A file "
        "like that gets a payload past whoever looks at one of the two only. Both were looked at here; what was found "
        "in either is reported on its own."
    ),
    help="Find out why the file was made like that. No training library writes one.",
    references=("https://cwe.mitre.org/data/definitions/436.html",),
    cwes=(436,),
)

_HEAD = 4096
# A loader that searches for the superblock asks at every power of two. Without a name that calls for one, the search
# ends here, or where each further place would be a request over the network.
_FAR = 1 << 20
_FAR_DISTANT = 1 << 16
_PICKLES = frozenset({Format.PICKLE, Format.JOBLIB, Format.PYTORCH_LEGACY})
# Formats whose readers look at their beginning, and let anything follow.
_OPEN_ENDED = _PICKLES | {
    Format.IMAGE, Format.AUDIO, Format.VIDEO, Format.FONT, Format.PDF, Format.TEXT, Format.MARKDOWN, Format.HTML,
    Format.XML, Format.JSON, Format.JSONL, Format.YAML, Format.TOML, Format.CSV, Format.PYTHON, Format.SHELL,
    Format.EXECUTABLE, Format.SQLITE, Format.PARQUET, Format.ARROW, Format.SENTENCEPIECE, Format.RAR,
}  # fmt: skip
_HDF5 = frozenset({Format.HDF5, Format.KERAS_H5})
# Formats that say themselves how long they are; whatever follows is looked at on this machine only. Over the network
# that would be one more request for each shard, and their inspectors say anyhow that bytes follow.
_MEASURED = _HDF5 | {Format.SAFETENSORS, Format.GGUF, Format.ONNX}
_ZIPS = frozenset({Format.ZIP, Format.PYTORCH_ZIP, Format.TORCHSCRIPT, Format.PT2, Format.NUMPY_NPZ, Format.KERAS_V3,
                   Format.SKOPS, Format.TORCHSERVE_MAR, Format.LLAMAFILE})  # fmt: skip
_HDF5_NAMES = (".h5", ".hdf5", ".hdf", ".keras")
_ZIP_NAMES = (".zip", ".keras", ".skops", ".pt2", ".mar", ".whl", ".jar", ".dduf")


def other_formats(file: RepoFile, data: ByteSource) -> tuple[Format, ...]:
    """Return what the file is besides `file.format`; reads a few blocks of it."""
    name = file.name.lower()
    found: list[Format] = []
    head = data.read_at(0, _HEAD)
    if file.format in _PICKLES:
        if is_tar(head):
            found.append(kind_of_tar(name, head, data))
        elif (shape := by_shape(head, data.size, data) or _message(name, head, data)) is not None:
            found.append(shape)
    if _asked(file.format, name, _HDF5, _HDF5_NAMES) and _superblock(data, name):
        found.append(Format.HDF5)
    zipped = _asked(file.format, name, _ZIPS, _ZIP_NAMES) or (file.format in _MEASURED and not data.distant)
    if zipped and has_zip_directory(data):
        found.append(kind_of_zip(name, b"", data))
    return tuple(format_ for format_ in found if format_ is not file.format)


def polyglot_finding(file: RepoFile, other: Format) -> Finding:
    """Say that a file is of another format as well."""
    return Finding.of(POLYGLOT, f"is a file of the format {file.format}, and of {other} as well", file.at())


def _asked(is_: Format, name: str, same: frozenset[Format], names: tuple[str, ...]) -> bool:
    return is_ not in same and (is_ in _OPEN_ENDED or name.endswith(names))


def _message(name: str, head: bytes, data: ByteSource) -> Format | None:
    """Return the format that the name tells, if the bytes are a protobuf message, whatever its fields are."""
    for ending, format_ in ((".onnx", Format.ONNX), ("saved_model.pb", Format.TF_SAVEDMODEL)):
        if name.endswith(ending) and all(kind is not None for _, kind, _ in fields(head, data.size, data)):
            return format_
    return None


def _superblock(data: ByteSource, name: str) -> bool:
    """Say whether an HDF5 superblock stands behind a user block."""
    end = data.size if name.endswith(_HDF5_NAMES) else _FAR_DISTANT if data.distant else _FAR
    return any(is_hdf5(data.read_at(at, 8)) for at in hdf5_offsets(min(data.size, end)))


RULES = (POLYGLOT,)
