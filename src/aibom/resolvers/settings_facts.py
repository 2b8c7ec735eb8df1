"""Read settings: the scalars of a configuration, and the metadata of GGUF files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from aibom.components import Basis, Fact, Scalar
from aibom.files import Format
from aibom.resolvers.hub_names import without_folders
from aibom.resolvers.layouts import Layout
from aibom.resolvers.repository import stated
from aibom.resolvers.weights import WeightFile

Gguf = tuple[WeightFile, Mapping[str, Scalar]]

_MAX_SCALARS = 500
_MAX_TEXT = 500
# llama.cpp's general.file_type, `enum llama_ftype` in include/llama.h.
FILE_TYPES: Mapping[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip


def config_scalars(config: Mapping[str, Any]) -> Iterator[tuple[str, Scalar]]:
    """Yield the scalar settings, nested keys joined by a dot; labels and long texts are left out."""
    stack: list[tuple[str, Any]] = [("", config)]
    left = _MAX_SCALARS
    while stack and left:
        prefix, block = stack.pop()
        for key, value in block.items():
            name = f"{prefix}{key}"
            if key in {"id2label", "label2id"} or len(name) > 200:
                continue
            if isinstance(value, dict):
                stack.append((f"{name}.", value))
            elif (scalar := _scalar(value)) is not None and left:
                left -= 1
                yield name, scalar


def _scalar(value: Any) -> Scalar | None:
    match value:
        case bool():
            return value
        case int():
            return value if abs(value) < 2**63 else str(value)[:_MAX_TEXT]
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return without_folders(value) if len(value) <= _MAX_TEXT else None
        case _:
            return None


def gguf_metadata(layout: Layout) -> Gguf | None:
    """Return the first GGUF file of a model that has metadata of a model, with them."""
    for file in layout.files:
        if file.format is Format.GGUF and "general.architecture" in file.inspection.metadata:
            return file, file.inspection.metadata
    return None


def gguf_int(gguf: Gguf | None, suffix: str) -> Fact[int] | None:
    """Return a positive number whose key starts with the architecture's name (`.context_length`)."""
    if gguf is None:
        return None
    key = f"{gguf[1].get('general.architecture')}{suffix}"
    value = gguf[1].get(key)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53:
        return Fact(value=value, basis=Basis.DECLARED, evidence=stated(gguf[0].path, f"{key} = {value}"))
    return None


def gguf_scalars(gguf: Gguf | None) -> dict[str, Scalar]:
    """Return the metadata without those of the tokenizer."""
    if gguf is None:
        return {}
    scalars = {key: _scalar(value) for key, value in gguf[1].items() if not key.startswith("tokenizer.")}
    return dict([(key, value) for key, value in scalars.items() if value is not None][:_MAX_SCALARS])
