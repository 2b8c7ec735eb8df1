"""Check that the weights of a model agree with each other and with its configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from aibom.files import Location
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.resolvers.documents import mapping
from aibom.resolvers.layouts import Layout
from aibom.resolvers.parameters import packing_of
from aibom.resolvers.weights import Counted, comparable

PARAMETERS_MISMATCH = Rule(
    id="parameters-mismatch",
    subject=Subject.DOCUMENTS,
    severity=Severity.MEDIUM,
    summary="Two copies of the weights, or weights and configuration, do not fit",
    explanation=(
        "The repository holds the same weights in two formats, and they differ in the number of parameters; or the "
        "tensors have sizes that the configuration can't give. Which model you get then depends on the loader."
    ),
    help="Compare the files with the publisher's; load only the copy whose digest you can confirm.",
)

# Tensor names of input embeddings, whose sizes every language model's configuration states.
_EMBEDDINGS = (
    "embed_tokens.weight", "word_embeddings.weight", "wte.weight", "tok_embeddings.weight", "embed_in.weight",
    "shared.weight",
)  # fmt: skip
_TOLERANCE = 0.01  # buffers such as position ids are in one format and not in the other
_SIZE_KEYS = frozenset({"hidden_size", "n_embd", "d_model", "dim", "embedding_size", "word_embed_proj_dim"})


def check_weights(layout: Layout, sets: Sequence[Counted]) -> Iterator[Finding]:
    """Yield what does not fit."""
    known = comparable(sets)
    for first, second in pairwise(known):
        one, two = first.count.parameters or 0, second.count.parameters or 0
        if abs(one - two) > _TOLERANCE * max(one, two) + _tied(layout.config):
            names = f"{first.weights.paths[0]} holds {one:,} parameters, {second.weights.paths[0]} {two:,}"
            yield Finding.of(PARAMETERS_MISMATCH, names, Location(path=second.weights.paths[0]))
    if known and layout.marker.config_path and packing_of(layout.config) is None:
        yield from _embedding(layout, known[0])


def _tied(config: Mapping[str, Any]) -> int:
    """Elements of an output embedding that one format stores and the other leaves to the input embedding."""
    vocabulary, size = config.get("vocab_size"), config.get("hidden_size")
    return vocabulary * size if isinstance(vocabulary, int) and isinstance(size, int) else 0


def _embedding(layout: Layout, counted: Counted) -> Iterator[Finding]:
    """Compare the input embedding with the sizes that the configuration states anywhere."""
    if layout.marker.library not in {"transformers", "sentence-transformers", "setfit"}:
        return
    if not _SIZE_KEYS & (set(layout.config) | set(mapping(layout.config.get("text_config")))):
        return
    stated = set(_numbers(layout.config, 0))
    for tensor in counted.tensors:
        if tensor.name.endswith(_EMBEDDINGS) and len(tensor.shape) == 2 and "vision" not in tensor.name:
            rows, size = tensor.shape
            vocabulary = layout.config.get("vocab_size")
            if size not in stated:
                message = f"{tensor.name} has vectors of {size}, a size that {layout.marker.config_path} does not state"
                yield Finding.of(PARAMETERS_MISMATCH, message, Location(path=counted.weights.paths[0]))
            elif isinstance(vocabulary, int) and rows < vocabulary and rows not in stated:
                message = f"{tensor.name} has {rows:,} rows for a vocabulary of {vocabulary:,}"
                yield Finding.of(PARAMETERS_MISMATCH, message, Location(path=counted.weights.paths[0]))
            return


def _numbers(value: Any, depth: int) -> Iterator[int]:
    match value:
        case bool():
            return
        case int():
            yield value
        case dict() if depth < 4:
            for item in value.values():
                yield from _numbers(item, depth + 1)
        case list() if depth < 4:
            for item in value[:1000]:
                yield from _numbers(item, depth + 1)
        case _:
            return


RULES = (PARAMETERS_MISMATCH,)
