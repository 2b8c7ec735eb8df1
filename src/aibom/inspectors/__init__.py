"""What one file says about itself, a module a format."""

from __future__ import annotations

from collections.abc import Mapping

from aibom.files import Format
from aibom.inspectors import onnx_models, pickles, safetensors_files
from aibom.inspectors.protocol import Inspector

INSPECTORS: Mapping[Format, Inspector] = {
    Format.ONNX: onnx_models.inspect,
    Format.PICKLE: pickles.inspect,
    Format.SAFETENSORS: safetensors_files.inspect,
}
"""Format to its inspector, to be read as a table. A format that is not here is recognised and not looked into."""

__all__ = ["INSPECTORS"]
