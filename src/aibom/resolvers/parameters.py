"""Count the parameters that tensors stand for, where quantisation packs several into one stored element."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any

from msgspec import Struct

from aibom.components import Tensor
from aibom.resolvers.documents import mapping

# Elements that describe packed weights and are no weights: scales, zero points, code books. Names as the libraries
# write them: GPTQModel and AutoAWQ (qzeros, scales, g_idx), bitsandbytes (absmax, SCB ...), compressed-tensors and
# fp8 checkpoints (weight_scale ...), MLX (scales, biases).
_BESIDE = re.compile(
    r"(?:\.|_)(?:qzeros|scales|g_idx|absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.[\w-]+|SCB|"
    r"weight_format|weight_scale(?:_inv|_2)?|weight_zero_point|weight_shape|weight_g_idx|input_scale|output_scale|"
    r"input_global_scale|weight_global_scale|k_scale|v_scale|scale_inv)$"
)
_EXPERT = re.compile(r"(?:\.|^)experts\.|_exps\.|\.block_sparse_moe\.experts\.")
_SHARED_EXPERT = re.compile(r"shared_expert")
_BITS = {"U8": 8, "I8": 8, "I16": 16, "I32": 32, "U32": 32, "I64": 64}
_BLOCKS = (("quantization_config", ""), ("compression_config", "compressed-tensors"), ("quantization", "mlx"))
_EXPERT_COUNTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "expert_count")
_EXPERTS_USED = (
    "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "experts_per_token", "expert_used_count",
)  # fmt: skip
_PACKING_METHODS = {
    "gptq", "awq", "bitsandbytes", "compressed-tensors", "mxfp4", "mlx", "modelopt", "fp8", "fbgemm_fp8", "marlin",
    "auto-round", "bitnet", "finegrained_fp8",
}  # fmt: skip


class Packing(Struct, frozen=True, kw_only=True):
    """How a configuration says that weights are packed: the method, and bits and group size where it gives them."""

    method: str
    bits: int | None = None
    group_size: int | None = None


class Count(Struct, frozen=True, kw_only=True):
    """Parameters that tensors stand for (None where that can't be told), those in experts, and how it was counted."""

    parameters: int | None
    experts: int
    derivation: str


def packing_of(config: Mapping[str, Any]) -> Packing | None:
    """Read `quantization_config` (transformers) or `quantization` (MLX)."""
    for key, default in (
        ("quantization_config", ""),
        ("compression_config", "compressed-tensors"),
        ("quantization", "mlx"),
    ):
        block = mapping(config.get(key))
        if not block:
            continue
        method = block.get("quant_method") or block.get("quant_algo") or default or "unknown"
        bits = block.get("bits") or block.get("w_bit") or _group_bits(block)
        if method == "bitsandbytes" and not bits:
            bits = 4 if block.get("load_in_4bit") else 8 if block.get("load_in_8bit") else None
        size = block.get("group_size") or block.get("q_group_size")
        return Packing(
            method=str(method).lower()[:80],
            bits=bits if isinstance(bits, int) and 1 <= bits <= 32 else None,
            group_size=size if isinstance(size, int) and size > 0 else None,
        )
    return None


def describe(packing: Packing) -> str:
    """Name a packing: `gptq 4-bit`."""
    return f"{packing.method} {packing.bits}-bit" if packing.bits else packing.method


def count(tensors: Sequence[Tensor], stored: int, packing: Packing | None) -> Count:
    """Count parameters. `stored` is the number of elements with shared storages counted once."""
    names = {tensor.name: tensor for tensor in tensors}
    total, experts, packed = 0, 0, 0
    unknown = False
    for tensor in tensors:
        elements = prod(tensor.shape)
        factor = _factor(tensor, names, packing)
        if factor is None:
            unknown = True
            continue
        if factor == 0:
            packed += 1
            continue
        if factor != 1:
            packed += 1
        value = int(elements * factor)
        total += value
        if _EXPERT.search(tensor.name) and not _SHARED_EXPERT.search(tensor.name):
            experts += value
    if unknown or (packing is not None and _opaque(tensors, packing, packed)):
        method = describe(packing) if packing else "unknown"
        return Count(parameters=None, experts=0, derivation=f"{stored} stored elements, packed by {method}")
    if not packed:
        return Count(parameters=stored, experts=experts, derivation="elements of one weight set")
    method = describe(packing) if packing else "the layout of the tensors"
    derivation = f"unpacked from {stored} stored elements ({method}), scales left out"
    return Count(parameters=total, experts=experts, derivation=derivation)


def active_parameters(parameters: int, experts: int, config: Mapping[str, Any]) -> tuple[int, str] | None:
    """Derive the parameters used for one token from the number of experts and how many a token goes to.

    None where the configuration names no experts, or the tensors can't be told apart.
    """
    number = _first_int(config, _EXPERT_COUNTS)
    used = _first_int(config, _EXPERTS_USED)
    if number is None or used is None or not experts or not 0 < used <= number or number < 2:
        return None
    active = parameters - experts + experts * used // number
    return active, f"{parameters} - {experts} in {number} experts, of which a token uses {used}"


def _factor(tensor: Tensor, names: Mapping[str, Tensor], packing: Packing | None) -> Fraction | int | None:
    """Parameters for each element: 1, more where packed, 0 where it only describes others, None where unknown."""
    name, shape = tensor.name, tensor.shape
    stem, _, leaf = name.rpartition(".")
    bits = packing.bits if packing else None
    width = _BITS.get(tensor.dtype)
    if leaf == "qweight" and width:
        if (index := names.get(f"{stem}.g_idx")) and len(shape) == 2 and shape[0]:
            return Fraction(prod(index.shape), shape[0])
        return Fraction(width, bits) if bits else None
    if leaf == "weight_packed" and width:
        return Fraction(width, bits) if bits else None
    if name.endswith("_blocks") and tensor.dtype == "U8" and f"{name.removesuffix('blocks')}scales" in names:
        return 2  # MXFP4: two 4-bit values a byte
    if leaf == "weight" and tensor.dtype == "U8":
        if f"{name}.absmax" in names or f"{stem}.weight_scale_2" in names:
            return 2  # bitsandbytes 4-bit, NVFP4
        if packing and packing.method == "bitnet":
            return 4  # ternary values, four a byte
    if leaf == "weight" and tensor.dtype == "U32" and (scales := names.get(f"{stem}.scales")) and shape:
        if packing and packing.group_size:
            return Fraction(prod(scales.shape) * packing.group_size, max(1, prod(shape)))
        return Fraction(32, bits) if bits else None
    if leaf == "biases" and f"{stem}.scales" in names:
        return 0
    if _BESIDE.search(name) and (packing is not None or _described(name, names)):
        return 0
    return 1


def _described(name: str, names: Mapping[str, Tensor]) -> bool:
    """Say whether what `name` would describe is there: `scales` alone may be a weight of its own."""
    stem = _BESIDE.sub("", name)
    return any(f"{stem}{rest}" in names for rest in (".weight", ".qweight", ".weight_packed", "_blocks", ""))


def _opaque(tensors: Sequence[Tensor], packing: Packing, packed: int) -> bool:
    """A method that is not known, with integers that it may have packed."""
    if packed or packing.method in _PACKING_METHODS:
        return False
    return any(tensor.dtype in _BITS and len(tensor.shape) > 1 for tensor in tensors)


def _group_bits(block: Mapping[str, Any]) -> int | None:
    """Bits of compressed-tensors, where all groups agree."""
    groups = mapping(block.get("config_groups")).values()
    bits = [mapping(mapping(group).get("weights")).get("num_bits") for group in groups]
    found = {number for number in bits if isinstance(number, int)}
    return found.pop() if len(found) == 1 else None


def _first_int(config: Mapping[str, Any], keys: Sequence[str]) -> int | None:
    for block in (config, mapping(config.get("text_config")), mapping(config.get("ffn_config"))):
        for key in keys:
            value = block.get(key)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
    return None
