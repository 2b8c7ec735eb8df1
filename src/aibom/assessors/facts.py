"""What rules may ask about a model: typed facts, each a value with its evidence, or unknown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

from aibom.findings import Evidence


class FactType(StrEnum):
    """What kind of value a fact holds, and so which comparisons a rule may make with it."""

    NUMBER = "number"
    COMPUTE = "compute"
    BOOL = "bool"
    WORD = "word"
    WORDS = "words"
    TEXT = "text"
    DATE = "date"


class Spec(Struct, frozen=True, kw_only=True):
    """A fact's type, its name for a reader, and where it is looked for."""

    type: FactType
    label: str
    sought: str


class Estimate(Struct, frozen=True, kw_only=True):
    """One estimate of training compute in FLOP; `low` and `high` bound what it may stand for.

    `disclosed` is True where every input was stated by the developer or measured on the files, so that the value
    itself may decide near a threshold. `doubtful` marks one whose inputs may speak of other weights.
    """

    flop: float
    low: float
    high: float
    method: str
    inputs: str
    disclosed: bool
    doubtful: bool = False
    evidence: tuple[Evidence, ...] = ()


class Passage(Struct, frozen=True, kw_only=True):
    """A piece of the target's own text (a sentence, a label, a tag) and where it stands. Never an instruction."""

    text: str
    evidence: Evidence


Value = float | bool | str | frozenset[str] | dt.date | tuple[Estimate, ...] | tuple[Passage, ...]


class Fact(Struct, frozen=True, kw_only=True):
    """A known fact. `confidence` is how surely it was read, from 0 to 1.

    `complete` is False for a set or text that may hold more than was seen: what is not in it is then unknown.
    """

    value: Value
    evidence: tuple[Evidence, ...] = ()
    method: str = "declared"
    confidence: float = 0.9
    complete: bool = True


FACTS: Mapping[str, Spec] = {
    "always": Spec(type=FactType.BOOL, label="nothing", sought="true of every model"),
    "params.total": Spec(type=FactType.NUMBER, label="number of parameters", sought="tensor shapes, else the card"),
    "params.active": Spec(
        type=FactType.NUMBER,
        label="number of active parameters",
        sought="tensor shapes and expert counts in the configuration, else the card",
    ),
    "arch.mixture": Spec(type=FactType.BOOL, label="whether experts are mixed", sought="configuration"),
    "arch.classes": Spec(type=FactType.WORDS, label="architecture", sought="configuration, pipeline index, card"),
    "training.tokens": Spec(type=FactType.NUMBER, label="number of training tokens", sought="card"),
    "training.gpu-hours": Spec(type=FactType.NUMBER, label="accelerator hours of training", sought="card"),
    "training.accelerator": Spec(type=FactType.WORD, label="accelerator used for training", sought="card"),
    "training.compute": Spec(
        type=FactType.COMPUTE,
        label="training compute",
        sought="card (FLOP, tokens, hours), trainer state, lineage, table of known models",
    ),
    "training.compute.cumulative": Spec(
        type=FactType.COMPUTE,
        label="cumulative training compute",
        sought="as training compute, with synthetic data and all weights it was built from",
    ),
    "lineage.relation": Spec(type=FactType.WORD, label="how the model came from its base", sought="card, adapter"),
    "lineage.bases": Spec(type=FactType.WORDS, label="base models", sought="card, adapter and merge configuration"),
    "lineage.base-compute": Spec(
        type=FactType.COMPUTE, label="training compute of the base model", sought="table of known models"
    ),
    "lineage.own-compute": Spec(
        type=FactType.COMPUTE, label="compute of this modification", sought="trainer state, card"
    ),
    "output.modalities": Spec(type=FactType.WORDS, label="what it puts out", sought="task, configuration, card"),
    "input.modalities": Spec(type=FactType.WORDS, label="what it takes in", sought="task, configuration, card"),
    "output.generative": Spec(type=FactType.BOOL, label="whether it generates content", sought="task, configuration"),
    "task.narrow": Spec(type=FactType.BOOL, label="whether it has one narrow task", sought="task"),
    "task": Spec(type=FactType.WORD, label="task", sought="card, hub"),
    "tags": Spec(type=FactType.TEXT, label="tags", sought="card"),
    "access.gated": Spec(type=FactType.WORD, label="whether access is gated", sought="hub"),
    "access.paid": Spec(type=FactType.BOOL, label="whether access or use is paid", sought="card"),
    "card.present": Spec(type=FactType.BOOL, label="model card", sought="README.md"),
    "card.use": Spec(type=FactType.TEXT, label="intended use", sought="card, without what it excludes"),
    "card.claims": Spec(
        type=FactType.TEXT, label="what the card says the model is", sought="description and use in the card"
    ),
    "card.excluded": Spec(type=FactType.TEXT, label="uses the card excludes", sought="card"),
    "card.limitations": Spec(type=FactType.TEXT, label="limitations", sought="card"),
    "card.capabilities": Spec(type=FactType.TEXT, label="capabilities", sought="card"),
    "card.integration": Spec(
        type=FactType.BOOL, label="technical means of integration", sought="library and code samples in the card"
    ),
    "labels": Spec(type=FactType.TEXT, label="labels", sought="configuration"),
    "datasets": Spec(type=FactType.TEXT, label="training data sets", sought="card, training configuration"),
    "bases": Spec(type=FactType.TEXT, label="names of base models", sought="card, adapter configuration"),
    "license.keys": Spec(type=FactType.WORDS, label="license", sought="card, license files, lineage"),
    "license.flags": Spec(type=FactType.WORDS, label="terms of the license", sought="table of license terms"),
    "license.conflict": Spec(
        type=FactType.BOOL, label="whether license statements disagree", sought="license statements and lineage"
    ),
    "release.date": Spec(type=FactType.DATE, label="release date", sought="hub, card"),
    "weights.public": Spec(type=FactType.BOOL, label="weights", sought="files of the target"),
    "weights.mismatch": Spec(
        type=FactType.BOOL, label="whether card and weights agree on the size", sought="tensor shapes, card"
    ),
    "chat.template": Spec(type=FactType.BOOL, label="chat template", sought="tokenizer files, weights' metadata"),
    "docs.copyright-policy": Spec(type=FactType.BOOL, label="copyright policy", sought="card, files"),
    "docs.training-summary": Spec(type=FactType.BOOL, label="public summary of training content", sought="card, files"),
    "docs.acceptable-use": Spec(type=FactType.BOOL, label="acceptable use policy", sought="card, files"),
    "docs.evaluation": Spec(type=FactType.BOOL, label="evaluation results", sought="card, evaluation files"),
    "docs.watermark": Spec(type=FactType.BOOL, label="marking of outputs", sought="configuration, dependencies, card"),
    "docs.safety-checker": Spec(type=FactType.BOOL, label="safety checker", sought="pipeline parts, card"),
    "code.training": Spec(type=FactType.BOOL, label="training code", sought="card, files"),
    "code.inference": Spec(type=FactType.BOOL, label="inference code", sought="card, files"),
    "code.evaluation": Spec(type=FactType.BOOL, label="evaluation code", sought="card, files"),
    "code.preprocessing": Spec(type=FactType.BOOL, label="code that prepared the data", sought="card, files"),
    "docs.data-card": Spec(type=FactType.BOOL, label="data card", sought="card, files"),
    "docs.technical-report": Spec(type=FactType.BOOL, label="technical report", sought="card, files"),
    "docs.paper": Spec(type=FactType.BOOL, label="research paper", sought="card, files"),
    "docs.samples": Spec(type=FactType.BOOL, label="sample outputs", sought="card, files"),
    "docs.hardware": Spec(type=FactType.BOOL, label="required hardware", sought="card, files"),
    "docs.data-filtering": Spec(type=FactType.BOOL, label="filtering of data", sought="card, files"),
    "docs.bias": Spec(type=FactType.BOOL, label="examination for bias", sought="card, files"),
    "support.contact": Spec(type=FactType.BOOL, label="contact", sought="card, files"),
    "support.security": Spec(type=FactType.BOOL, label="way to report a vulnerability", sought="card, files"),
    "files.intermediate-checkpoints": Spec(type=FactType.BOOL, label="intermediate checkpoints", sought="card, files"),
    "files.training-state": Spec(type=FactType.BOOL, label="training state", sought="card, files"),
    "files.dependencies": Spec(type=FactType.BOOL, label="dependencies", sought="card, files"),
    "training.energy": Spec(type=FactType.BOOL, label="energy of training", sought="card, files"),
    "data.description": Spec(type=FactType.BOOL, label="description of the training data", sought="card, files"),
    "data.evaluation-sets": Spec(type=FactType.BOOL, label="evaluation data sets", sought="card, files"),
    "model.identity": Spec(type=FactType.BOOL, label="identity on a hub", sought="card, files"),
    "model.context-length": Spec(type=FactType.NUMBER, label="context length", sought="configuration"),
    "security.grave-findings": Spec(type=FactType.BOOL, label="findings that code runs on load", sought="inspection"),
    "security.inspected": Spec(
        type=FactType.BOOL, label="whether everything was inspected completely", sought="inspection"
    ),
    "integrity.signature": Spec(type=FactType.WORD, label="signature", sought="files of the target"),
    "support.owner-verified": Spec(type=FactType.BOOL, label="whether the hub verified the owner", sought="hub"),
    "support.discussions-open": Spec(type=FactType.NUMBER, label="open discussions", sought="hub"),
    "support.last-change": Spec(type=FactType.DATE, label="last change", sought="hub"),
    "lineage.same-weights": Spec(
        type=FactType.TEXT,
        label="weights that are byte for byte another owner's",
        sought="digests in the listings of base models",
    ),
    "operator.role": Spec(type=FactType.WORD, label="role of the operator", sought="[operator]"),
    "operator.purpose": Spec(type=FactType.TEXT, label="intended purpose", sought="[operator] intended-purpose"),
    "operator.placed-on-union-market": Spec(
        type=FactType.BOOL, label="whether it was placed on the Union market", sought="[operator]"
    ),
    "operator.placement-date": Spec(
        type=FactType.DATE, label="date of placing on the Union market", sought="[operator]"
    ),
    "operator.commercial-activity": Spec(
        type=FactType.BOOL, label="whether this is a commercial activity", sought="[operator]"
    ),
    "operator.deployer-type": Spec(type=FactType.WORD, label="type of deployer", sought="[operator]"),
    "operator.workplace-or-education": Spec(
        type=FactType.BOOL, label="whether it is used at work or in education", sought="[operator]"
    ),
    "operator.monetization": Spec(type=FactType.BOOL, label="monetization", sought="[operator]"),
    "operator.established-in-union": Spec(
        type=FactType.BOOL, label="whether the provider is established in the Union", sought="[operator]"
    ),
}
"""Every fact a rule may name. A rulebook that names another one is refused."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one subject; a name that is not in it is unknown."""

    known: Mapping[str, Fact] = field(default_factory=dict)
    _folded: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __getitem__(self, name: str) -> Fact | None:
        """Return the fact, None where it is unknown."""
        if name not in FACTS:
            raise KeyError(name)
        return self.known.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def number(self, name: str) -> float | None:
        """Return a number, None where it is unknown."""
        fact = self[name]
        return float(fact.value) if fact is not None and isinstance(fact.value, int | float) else None

    def words(self, name: str) -> frozenset[str]:
        """Return a set of words, empty where it is unknown."""
        fact = self[name]
        return fact.value if fact is not None and isinstance(fact.value, frozenset) else frozenset()

    def passages(self, name: str) -> tuple[Passage, ...]:
        """Return the pieces of a text, none where it is unknown."""
        fact = self[name]
        if fact is None or not isinstance(fact.value, tuple):
            return ()
        return tuple(item for item in fact.value if isinstance(item, Passage))

    def folded(self, name: str) -> str:
        """Return all pieces of a text in lower case, one a line: to see quickly what is nowhere in it."""
        if name not in self._folded:
            self._folded[name] = "\n".join(item.text for item in self.passages(name)).lower()
        return self._folded[name]

    def estimates(self, name: str) -> tuple[Estimate, ...]:
        """Return the estimates of a compute fact, none where it is unknown."""
        fact = self[name]
        if fact is None or not isinstance(fact.value, tuple):
            return ()
        return tuple(item for item in fact.value if isinstance(item, Estimate))

    def flag(self, name: str) -> bool | None:
        """Return a yes or no, None where it is unknown."""
        fact = self[name]
        return fact.value if fact is not None and isinstance(fact.value, bool) else None


def merge_evidence(groups: Iterable[tuple[Evidence, ...]], limit: int = 12) -> tuple[Evidence, ...]:
    """Return the evidence of several groups once each, in order, no more than `limit`."""
    seen = dict.fromkeys(item for group in groups for item in group)
    return tuple(seen)[:limit]
