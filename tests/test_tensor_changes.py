from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.emitters.reports import inspected, make_report

from aibom.changes import Aspect, Change
from aibom.compare import compare_documents
from aibom.components import Tensor, TensorSummary
from aibom.documents import open_document
from aibom.emitters import emit
from aibom.report import Report
from aibom.tensor_changes import is_telling, tensor_changes

Files = dict[str, dict[str, str]]


def report(files: Files, *, digests: bool = True) -> Report:
    """Make a report of files; a tensor's content is spelled as `TYPE shape content`."""

    def tensor(name: str, text: str) -> Tensor:
        dtype, shape, content = text.split()
        sizes = tuple(int(size) for size in shape.split("x"))
        digest = content if digests and content != "-" else None
        return Tensor(name=name, dtype=dtype, shape=sizes, digest=digest)

    return make_report(
        inspections=[
            inspected(
                path,
                tensors=TensorSummary(
                    stored_elements=1,
                    elements_by_dtype={"F32": 1},
                    tensors=tuple(tensor(name, text) for name, text in tensors.items()),
                ),
            )
            for path, tensors in files.items()
        ]
    )


def told(old: Files, new: Files) -> list[tuple[str, str]]:
    changes, _ = tensor_changes(report(old), report(new))
    return [(change.kind.value, change.name) for change in changes]


BASE: Files = {"model.safetensors": {"embed.weight": "F32 4x2 aa", "h.0.w": "F32 2x2 bb", "h.1.w": "F32 2x2 cc"}}


def test_the_same_weights_have_no_difference() -> None:
    """A model against itself: nothing changed, and it is said how many tensors are the same."""
    assert ((), ("model: the same weights, all 3 tensors",)) == tensor_changes(report(BASE), report(BASE))


def test_a_fine_tune_names_what_it_changed() -> None:
    """Content, type and shape changes, additions and removals, each by the tensor's name."""
    new = {"model.safetensors": {"embed.weight": "F32 5x2 ad", "h.0.w": "F32 2x2 ee", "lora_A": "F32 1x2 ff"}}
    assert [("changed", "embed.weight"), ("changed", "h.0.w"), ("removed", "h.1.w"), ("added", "lora_A")] == told(
        BASE, new
    )
    changes, _ = tensor_changes(report(BASE), report(new))
    assert ("F32 [4,2] blake3:aa", "F32 [5,2] blake3:ad") == (changes[0].old, changes[0].new)


def test_other_shards_and_another_format_are_the_same_weights() -> None:
    """What counts is the tensor, not the file that it stands in."""
    shards = {
        "model-00001-of-00002.safetensors": {"embed.weight": "F32 4x2 aa"},
        "model-00002-of-00002.safetensors": {"h.0.w": "F32 2x2 bb", "h.1.w": "F32 2x2 cc"},
    }
    assert [] == told(BASE, shards)
    assert [] == told(BASE, {"pytorch_model.bin": BASE["model.safetensors"]})
    assert [] == told(BASE, {"weights/other.safetensors": BASE["model.safetensors"]})


def test_of_two_forms_each_is_compared_with_its_own() -> None:
    """A change in one of two copies is not hidden by the other."""
    both = {**BASE, "pytorch_model.bin": BASE["model.safetensors"]}
    changed = {**BASE, "pytorch_model.bin": {**BASE["model.safetensors"], "h.0.w": "F32 2x2 ee"}}
    assert [("changed", "model.bin: h.0.w")] == told(both, changed)


def test_a_common_prefix_renames() -> None:
    """Tensors with the same content under another name were renamed, in the order of their names."""
    zeros = {"model.safetensors": {f"h.{n}.bias": "F32 2 00" for n in range(12)}}
    prefixed = {"model.safetensors": {f"model.h.{n}.bias": "F32 2 00" for n in range(12)}}
    changes, notes = tensor_changes(report(zeros), report(prefixed))
    assert {(f"h.{n}.bias", f"model.h.{n}.bias") for n in range(12)} == {(item.old, item.new) for item in changes}
    assert ("model: the same weights under other names, all 12 tensors",) == notes


def test_several_models_are_told_apart() -> None:
    """The parts of a pipeline have tensors of the same name."""
    old = {"unet/model.safetensors": {"w": "F32 2 aa"}, "vae/model.safetensors": {"w": "F32 2 bb"}}
    new = {"unet/model.safetensors": {"w": "F32 2 aa"}, "vae/model.safetensors": {"w": "F32 2 cc"}}
    assert [("changed", "vae/model: w")] == told(old, new)
    more = {**new, "text/model.safetensors": {"w": "F32 2 dd"}, "image/model.safetensors": {"w": "F32 2 ee"}}
    assert [("added", "image/model: w"), ("added", "text/model: w"), ("changed", "vae/model: w")] == sorted(
        told(old, more), key=lambda item: item[1]
    )
    assert {("removed", "image/model: w"), ("removed", "text/model: w")} < set(told(more, old))


def test_what_has_no_digest_is_not_called_the_same() -> None:
    """A tensor that one side could not digest is counted and named."""
    new = {"model.safetensors": {**BASE["model.safetensors"], "h.1.w": "F32 2x2 -"}}
    changes, notes = tensor_changes(report(BASE), report(new))
    assert () == changes
    assert "model: 1 tensors have no digest on one side and were not compared: h.1.w" == notes[1]


@pytest.mark.parametrize("old_asked", [True, False])
def test_content_is_compared_only_where_both_asked_for_it(old_asked: bool) -> None:
    """Without digests names, types and shapes are compared, and the rest is said not to be."""
    other = {"model.safetensors": {"embed.weight": "F32 5x2 aa", "h.0.w": "F32 2x2 00", "h.1.w": "F32 2x2 cc"}}
    changes, notes = tensor_changes(report(BASE, digests=old_asked), report(other, digests=not old_asked))
    assert ["embed.weight"] == [change.name for change in changes]
    assert ("the content of tensors was not compared: only one report was made with --tensor-digests",) == notes
    assert () == tensor_changes(report(BASE, digests=False), report(BASE, digests=False))[1]


def test_a_bom_has_no_tensors_to_compare() -> None:
    """A report with tensor digests against a BOM: tensors are not comparable, rather than removed."""
    full = report(BASE)
    bom, own = open_document(emit(full, "cyclonedx")), open_document(emit(full, "json"))
    assert (Aspect.TENSORS,) == compare_documents(own, bom).not_comparable
    assert (Aspect.TENSORS,) == compare_documents(bom, own).not_comparable
    assert () == compare_documents(bom, bom).not_comparable
    found = compare_documents(own, open_document(emit(replace(report({})), "json")))
    assert [Change, Change, Change] == [type(item) for item in found.changes if item.aspect is Aspect.TENSORS]


@pytest.mark.parametrize(
    ("name", "telling"),
    [
        ("base_model.model.layers.0.self_attn.q_proj.lora_A.weight", True),
        ("transformer.wte.weight", True),
        ("model.embed_tokens.weight", True),
        ("embeddings.word_embeddings.weight", True),
        ("lm_head.weight", True),
        ("output.weight", True),
        ("token_embd.weight", True),
        ("encoder.layer.3.attention.output.dense.weight", False),
        ("model.layers.0.mlp.up_proj.weight", False),
        ("transformer.h.0.ln_1.bias", False),
    ],
)
def test_adapters_and_embeddings_are_told_by_name(name: str, telling: bool) -> None:
    """A summary names what a fine-tune adds and the ends of a model; layers are counted."""
    assert telling is is_telling(name)
