"""Parameters are counted where they are packed, and not invented where that can't be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import pytest

from aibom.components import Tensor
from aibom.resolvers.parameters import Packing, active_parameters, count, describe, packing_of


def tensors(**shapes: tuple[str, Sequence[int]]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(name=name.replace("__", "."), dtype=dtype, shape=tuple(shape)) for name, (dtype, shape) in shapes.items()
    )


def counted(found: Sequence[Tensor], packing: Packing | None = None) -> int | None:
    return count(found, sum(prod(tensor.shape) for tensor in found), packing).parameters


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, None),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}, ("gptq", 4, 128)),
        ({"quantization_config": {"quant_method": "awq", "w_bit": 4, "q_group_size": 64}}, ("awq", 4, 64)),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, ("bitsandbytes", 4, None)),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, ("bitsandbytes", 8, None)),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, ("bitsandbytes", None, None)),
        ({"quantization": {"bits": 4, "group_size": 64}}, ("mlx", 4, 64)),
        ({"quantization_config": {"quant_algo": "NVFP4"}}, ("nvfp4", None, None)),
        ({"quantization_config": {"bits": "x", "group_size": -1}}, ("unknown", None, None)),
        (
            {"compression_config": {"config_groups": {"g": {"weights": {"num_bits": 4}}}}},
            ("compressed-tensors", 4, None),
        ),
        (
            {
                "quantization_config": {
                    "config_groups": {
                        "a": {"weights": {"num_bits": 4}},
                        "b": {"weights": {"num_bits": [8]}},
                        "c": {"weights": {"num_bits": 8}},
                    }
                }
            },
            ("unknown", None, None),
        ),
    ],
)
def test_packing_is_read_from_the_configuration(
    config: Mapping[str, Any], expected: tuple[str, Any, Any] | None
) -> None:
    """Each library's block gives method, bits and group size where it states them."""
    packing = packing_of(config)
    assert expected == ((packing.method, packing.bits, packing.group_size) if packing else None)


def test_a_packing_is_named() -> None:
    """Bits belong to the name where they are known."""
    assert ("gptq 4-bit", "fp8") == (describe(Packing(method="gptq", bits=4)), describe(Packing(method="fp8")))


def test_plain_tensors_are_their_elements() -> None:
    """Without packing the stored elements are the parameters, shared storages counted once."""
    found = tensors(a__weight=("F32", (10, 10)), b__bias=("F32", (10,)))
    assert counted(found) == 110
    assert count(found, 90, None).parameters == 90


GPTQ = tensors(
    l__qweight=("I32", (16, 64)), l__qzeros=("I32", (1, 8)), l__scales=("F16", (1, 64)), l__g_idx=("I32", (128,)),
    n__weight=("F16", (64,)),
)  # fmt: skip


@pytest.mark.parametrize("packing", [Packing(method="gptq", bits=4), Packing(method="gptq")])
def test_gptq_is_unpacked(packing: Packing) -> None:
    """Eight 4-bit values a word, by the bits or by the group index; scales and zero points are no parameters."""
    assert counted(GPTQ, packing) == 128 * 64 + 64


def test_packed_without_bits_is_unknown() -> None:
    """Where neither bits nor a group index is given, nothing is guessed."""
    found = tensors(l__qweight=("I32", (16, 64)), l__scales=("F16", (1, 64)))
    result = count(found, 1088, Packing(method="gptq"))
    assert (result.parameters, result.derivation) == (None, "1088 stored elements, packed by gptq")
    assert counted(tensors(l__weight_packed=("I32", (4, 4))), Packing(method="compressed-tensors")) is None


@pytest.mark.parametrize(
    ("found", "packing", "expected"),
    [
        (tensors(l__weight=("U8", (50, 1)), l__weight__absmax=("F32", (2,)), l__weight__quant_map=("F32", (16,)),
                 l__weight__quant_state__bitsandbytes_nf4=("U8", (90,))), Packing(method="bitsandbytes", bits=4), 100),
        (tensors(l__weight=("I8", (10, 10)), l__SCB=("F32", (10,))), Packing(method="bitsandbytes", bits=8), 100),
        (tensors(l__weight_packed=("I32", (10, 2)), l__weight_scale=("BF16", (10, 1)), l__weight_shape=("I64", (2,))),
         Packing(method="compressed-tensors", bits=4), 160),
        (tensors(l__weight=("F8_E4M3", (10, 10)), l__weight_scale_inv=("F32", (1, 1))), Packing(method="fp8"), 100),
        (tensors(l__gate_blocks=("U8", (2, 4, 16)), l__gate_scales=("U8", (2, 4))), Packing(method="mxfp4"), 256),
        (tensors(l__weight=("U8", (10, 5)), l__weight_scale=("F8_E4M3", (10, 1)), l__weight_scale_2=("F32", ())),
         Packing(method="modelopt"), 100),
        (tensors(l__weight=("U8", (10, 5)), l__weight_scale=("F32", (1,))), Packing(method="bitnet"), 200),
        (tensors(l__weight=("U32", (10, 8)), l__scales=("F16", (10, 1)), l__biases=("F16", (10, 1))),
         Packing(method="mlx", bits=4, group_size=64), 640),
        (tensors(l__weight=("U32", (10, 8)), l__scales=("F16", (10, 1)), l__biases=("F16", (10, 1))),
         Packing(method="mlx", bits=4), 640),
        (tensors(l__weight=("U32", (10, 8)), l__scales=("F16", (10, 1))), None, None),
    ],
)  # fmt: skip
def test_every_known_packing_is_unpacked(
    found: tuple[Tensor, ...], packing: Packing | None, expected: int | None
) -> None:
    """bitsandbytes, compressed-tensors, fp8, MXFP4, NVFP4, BitNet and MLX give the number of weights."""
    assert expected == counted(found, packing)


def test_an_unknown_method_with_integers_is_unknown() -> None:
    """A method that is not known may have packed what is stored as integers."""
    assert counted(tensors(l__codes=("I16", (4, 4))), Packing(method="aqlm")) is None
    assert counted(tensors(l__weight=("BF16", (4, 4))), Packing(method="torchao")) == 16


def test_scales_of_a_plain_model_are_weights() -> None:
    """Without a packing, a tensor called `scales` that describes nothing is a weight like others."""
    assert counted(tensors(layer__scales=("F32", (8,)), norm__k_scale=("F32", (2,)))) == 10


def test_experts_are_counted() -> None:
    """Active parameters leave out the experts that a token does not go to; shared experts stay."""
    found = tensors(
        a__experts__0__w=("F32", (10,)), a__experts__1__w=("F32", (10,)), a__shared_experts__w=("F32", (10,)),
        b__weight=("F32", (5,)),
    )  # fmt: skip
    result = count(found, 35, None)
    assert result.experts == 20
    config = {"text_config": {"num_local_experts": 2}, "num_experts_per_tok": 1}
    assert (25, "35 - 20 in 2 experts, of which a token uses 1") == active_parameters(35, 20, config)


@pytest.mark.parametrize(
    ("experts", "config"),
    [
        (20, {}),
        (0, {"num_experts": 4, "num_experts_per_tok": 1}),
        (20, {"num_experts": 4, "num_experts_per_tok": 9}),
        (20, {"num_experts": 1, "num_experts_per_tok": 1}),
        (20, {"num_experts": "4", "num_experts_per_tok": True}),
    ],
)
def test_active_parameters_are_not_invented(experts: int, config: Mapping[str, Any]) -> None:
    """Without sensible numbers of experts there is no number of active parameters."""
    assert active_parameters(100, experts, config) is None
