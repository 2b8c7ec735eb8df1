"""Which tensors changed between two reports, by name and by content."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct, field

from aibom.changes import Aspect, Change, Kind
from aibom.components import Tensor
from aibom.integrity.tensors import Copy, copies_of, family_of
from aibom.report import Report

_SHOWN = 5
# What a fine-tune adds beside the weights (peft and diffusers), and what stands at the ends of a model. Names are those
# of transformers, GPT-2, T5, GGUF, sentence-transformers and timm.
_ADAPTER = re.compile(r"(?:^|[._])(?:lora|ia3|adapters?|hada|lokr|oft|vera|boft|prompt_embeddings|dora)(?:[._]|$)")
_EMBEDDING = re.compile(
    r"(?:^|\.|: )(?:embed\w*|\w+_embd|\w+_embed|\w*embeddings?|wte|wpe|shared|lm_head|classifier|score)(?:\.|$)"
    r"|(?:^|: )output\."
)


class _Tally(Struct):
    """How one pair of copies compares."""

    changes: list[Change] = field(default_factory=list)
    same: int = 0
    uncompared: list[str] = field(default_factory=list)


def has_digests(report: Report) -> bool:
    """Say whether any tensor of the report has a digest."""
    return any(tensor.digest for item in report.inspections if item.tensors for tensor in item.tensors.tensors)


def is_telling(name: str) -> bool:
    """Say whether a tensor is worth its name in a summary: part of an adapter, an embedding or a head."""
    return bool(_ADAPTER.search(name) or _EMBEDDING.search(name))


def tensor_changes(old: Report, new: Report) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Return the tensors that were added, removed, renamed or changed, and notes on how far they were compared.

    Names, types and shapes are compared always, content only where both reports have tensor digests.
    """
    pairs = list(_pairs(copies_of(old.inspections), copies_of(new.inspections)))
    changes: list[Change] = []
    notes: list[str] = []
    for label, before, after in pairs:
        tally = _compare(f"{label}: " if len(pairs) > 1 else "", before, after)
        changes += tally.changes
        if has_digests(old) and has_digests(new):
            notes += _notes(label, tally)
    if has_digests(old) != has_digests(new):
        notes.append("the content of tensors was not compared: only one report was made with --tensor-digests")
    return tuple(changes), tuple(notes)


def _notes(label: str, tally: _Tally) -> Iterator[str]:
    if tally.same and not tally.uncompared and all(change.kind is Kind.RENAMED for change in tally.changes):
        names = " under other names" if tally.changes else ""
        yield f"{label}: the same weights{names}, all {tally.same} tensors"
        return
    yield f"{label}: {tally.same} tensors are the same"
    if tally.uncompared:
        names = ", ".join(tally.uncompared[:_SHOWN]) + (" ..." if len(tally.uncompared) > _SHOWN else "")
        yield f"{label}: {len(tally.uncompared)} tensors have no digest on one side and were not compared: {names}"


def _pairs(
    old: dict[tuple[str, str], Copy], new: dict[tuple[str, str], Copy]
) -> Iterator[tuple[str, Copy | None, Copy | None]]:
    """Yield which copy of the weights is compared with which, with a name for the pair; None where there is none."""
    before, after = _families(old), _families(new)
    gone, come = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    for family in sorted(before.keys() & after.keys()):
        both = before[family].keys() & after[family].keys()
        for ending in sorted(both):
            name = family + ending if len(both) > 1 else family
            yield name, before[family][ending], after[family][ending]
        if not both:
            yield family, _best(before[family]), _best(after[family])
    if len(gone) == len(come) == 1:
        # The one copy there was, and the one there is, whatever they are called.
        yield come[0], _best(before[gone[0]]), _best(after[come[0]])
        return
    for family in gone:
        yield family, _best(before[family]), None
    for family in come:
        yield family, None, _best(after[family])


def _families(copies: dict[tuple[str, str], Copy]) -> dict[str, dict[str, Copy]]:
    families: dict[str, dict[str, Copy]] = {}
    for (stem, ending), copy in copies.items():
        families.setdefault(family_of(stem), {})[ending] = copy
    return families


def _best(copies: dict[str, Copy]) -> Copy:
    """Return the copy that says most: the one with most digests, safetensors first among equals."""
    return min(
        copies.items(),
        key=lambda item: (-sum(tensor.digest is not None for tensor in item[1].tensors.values()),
                          item[0] != ".safetensors", item[0]),
    )[1]  # fmt: skip


def _compare(prefix: str, old: Copy | None, new: Copy | None) -> _Tally:
    before, after = old.tensors if old else {}, new.tensors if new else {}
    tally = _Tally()
    moved = _moved(before, after)
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if one is None and other is not None and name not in moved.values():
            change = Change(aspect=Aspect.TENSORS, kind=Kind.ADDED, name=prefix + name, new=_text(other))
        elif other is None and one is not None and name in moved:
            tally.same += 1
            change = Change(aspect=Aspect.TENSORS, kind=Kind.RENAMED, name=prefix + moved[name],
                            old=prefix + name, new=prefix + moved[name])  # fmt: skip
        elif other is None and one is not None:
            change = Change(aspect=Aspect.TENSORS, kind=Kind.REMOVED, name=prefix + name, old=_text(one))
        elif one is None or other is None:
            continue
        elif (one.dtype, one.shape) == (other.dtype, other.shape) and (
            one.digest is None or other.digest is None or one.digest == other.digest
        ):
            if one.digest is None or other.digest is None:
                tally.uncompared.append(name)
            else:
                tally.same += 1
            continue
        else:
            change = Change(aspect=Aspect.TENSORS, kind=Kind.CHANGED, name=prefix + name,
                            old=_text(one), new=_text(other))  # fmt: skip
        tally.changes.append(change)
    return tally


def _moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, str]:
    """Return old name to new name of tensors with the same content; names in order, as a common prefix keeps them."""
    gone: dict[str, list[str]] = {}
    for name in sorted(before.keys() - after.keys(), reverse=True):
        if (digest := before[name].digest) is not None:
            gone.setdefault(digest, []).append(name)
    moved = {}
    for name in sorted(after.keys() - before.keys()):
        if (digest := after[name].digest) is not None and gone.get(digest):
            moved[gone[digest].pop()] = name
    return moved


def _text(tensor: Tensor) -> str:
    shape = ",".join(map(str, tensor.shape))
    return f"{tensor.dtype} [{shape}]" + (f" blake3:{tensor.digest}" if tensor.digest else "")
