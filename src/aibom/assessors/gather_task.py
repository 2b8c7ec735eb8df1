"""Facts about what the model does: its task, what goes in, what comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aibom.assessors.card_text import CardPassage, Part
from aibom.assessors.facts import Fact
from aibom.assessors.reference_data import KnownModel
from aibom.components import Component
from aibom.findings import Evidence

_TASK_WORDS = (
    ("text-to-image", re.compile(r"text[- ]to[- ]image|image generation model|latent diffusion", re.IGNORECASE)),
    ("text-to-video", re.compile(r"text[- ]to[- ]video|video generation model", re.IGNORECASE)),
    (
        "text-generation",
        re.compile(
            (
                r"(?:causal|large|autoregressive|generative) language model|\bLLMs?\b|text generation model|"
                r"code generation model"
            ),
            re.IGNORECASE,
        ),
    ),
    (
        "automatic-speech-recognition",
        re.compile(r"automatic speech recognition|speech[- ]to[- ]text model", re.IGNORECASE),
    ),
    ("text-to-speech", re.compile(r"text[- ]to[- ]speech", re.IGNORECASE)),
)
_NARROW_WORDS = re.compile(
    r"(?:image |video )?(?:upscal|super-?resolution)|inpainting|\btranscription\b|speech recognition|"
        r"text[- ]to[- ]speech|"
    r"music generation|sound effects?|weather|chess|\bvideo games?\b",
    re.IGNORECASE,
)  # fmt: skip


def modality_facts(
    component: Component,
    passages: Sequence[CardPassage],
    table: Mapping[str, Mapping[str, Any]],
    known: KnownModel | None,
) -> Iterator[tuple[str, Fact]]:
    """Yield task and modalities: by the declared or concluded task, else by what the card calls the model."""
    facts = component.model
    if facts and facts.task:
        evidence: tuple[Evidence, ...] = (facts.task.evidence,)
        task = facts.task.value
    elif worded := _worded(passages):
        task, evidence = worded[0], (worded[1],)
    elif known is not None and known.task:
        task, evidence = known.task, (Evidence(statement=f"task {known.task}", source="known models"),)
    elif facts and facts.outputs:
        task, evidence = "", ()
    else:
        return
    if task in table:
        yield "task", Fact(value=task, evidence=evidence, method="task")
        mapped = dict(table[task])
        said = [
            item
            for item in passages
            if item.part in {Part.DESCRIPTION, Part.USE} and not item.negated and not item.code
        ]
        if (
            not mapped["narrow"]
            and "image" in mapped["out"]
            and "image" in mapped["in"]
            and any(_NARROW_WORDS.search(item.text) for item in said)
        ):
            mapped["narrow"] = True
        yield from mapped_facts(mapped, evidence)
    elif facts and facts.outputs:
        outputs = frozenset(item.value for item in facts.outputs)
        yield "output.modalities", Fact(value=outputs, evidence=tuple(item.evidence for item in facts.outputs[:3]))
        if facts.inputs:
            inputs = frozenset(item.value for item in facts.inputs)
            yield "input.modalities", Fact(value=inputs, evidence=tuple(item.evidence for item in facts.inputs[:3]))


def _worded(passages: Sequence[CardPassage]) -> tuple[str, Evidence] | None:
    """Return the task that the card's description names, with its place."""
    for item in passages:
        if item.part is Part.DESCRIPTION and not item.negated and not item.code:
            for task, pattern in _TASK_WORDS:
                if pattern.search(item.text):
                    return task, item.evidence
    return None


def mapped_facts(mapped: Mapping[str, Any], evidence: tuple[Evidence, ...]) -> Iterator[tuple[str, Fact]]:
    """Yield what a row of the table of tasks says."""
    yield "output.modalities", Fact(value=mapped["out"], evidence=evidence, method="task")
    if mapped["in"]:
        yield "input.modalities", Fact(value=mapped["in"], evidence=evidence, method="task")
    generative = mapped["generative"]
    if generative is None:
        generative = bool(mapped["out"] & {"text", "code", "speech", "audio", "music", "image", "video", "other"})
    yield "output.generative", Fact(value=generative, evidence=evidence, method="task")
    yield "task.narrow", Fact(value=bool(mapped["narrow"]), evidence=evidence, method="task")
