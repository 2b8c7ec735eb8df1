"""Files whose members are files, opened in place and never extracted to disk."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aibom.containers.compressed import open_joblib, opener
from aibom.containers.protocol import Opener
from aibom.containers.seven_zip import open_seven_zip
from aibom.containers.tar_archive import open_tar
from aibom.containers.zip_archive import open_zip
from aibom.files import Format

CONTAINERS: Mapping[Format, Opener] = MappingProxyType(
    {
        Format.ZIP: open_zip,
        Format.PYTORCH_ZIP: open_zip,
        Format.TORCHSCRIPT: open_zip,
        Format.PT2: open_zip,
        Format.NUMPY_NPZ: open_zip,
        Format.KERAS_V3: open_zip,
        Format.SKOPS: open_zip,
        Format.TORCHSERVE_MAR: open_zip,
        Format.LLAMAFILE: open_zip,
        Format.TAR: open_tar,
        Format.NEMO: open_tar,
        Format.PYTORCH_TAR: open_tar,
        Format.SEVEN_ZIP: open_seven_zip,
        Format.JOBLIB: open_joblib,
        Format.GZIP: opener("gzip"),
        Format.BZIP2: opener("bzip2"),
        Format.XZ: opener("xz"),
        Format.LZMA: opener("lzma"),
        Format.ZLIB: opener("zlib"),
        Format.ZSTD: opener("zstd"),
        Format.LZ4: opener("lz4"),
    }
)
"""How each kind of container is opened."""
