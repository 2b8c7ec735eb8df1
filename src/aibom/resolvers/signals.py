"""Signals of care: what a card covers, whether its results are verified, what the hub reports, near-miss names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aibom.components import ModelCard, Scalar
from aibom.data.known_bases import known_names
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.report import SourceFacts
from aibom.resolvers.republished import SameWeights

NAME_NEAR_MISS = Rule(
    id="name-near-miss",
    subject=Subject.DOCUMENTS,
    severity=Severity.MEDIUM,
    summary="The name resembles that of a well-known publisher",
    explanation=(
        "Owner or name differ from those of a well-known repository in one character, or in characters that look "
        "alike. Copies with changed weights are published under such names."
    ),
    help="Compare the repository with the one that you meant, by its owner and by the digests of its weights.",
    cwes=(1007,),
)

# What a card should speak of (Mitchell et al. 2019, https://arxiv.org/abs/1810.03993, and the hub's template), by the
# words that headings use.
_SUBJECTS: Mapping[str, re.Pattern[str]] = {
    subject: re.compile(words, re.IGNORECASE)
    for subject, words in {
        "intended-use": r"intended|\buses?\b|use cases?|how to use|usage|getting started|direct use|quick ?start",
        "out-of-scope": r"out.of.scope|misuse|not (?:be )?used|prohibited",
        "limitations": r"limitation|bias|risks?\b|caveat|ethical|safety|known issues",
        "training-data": r"training (?:data|corpus|set)|datasets?|\bdata\b|pre.?training",
        "training-procedure": r"training (?:procedure|details|hyper)|\btraining\b|fine.?tun|hyperparameters",
        "evaluation": r"evaluation|results|benchmark|performance|metrics|accuracy",
        "environment": r"environmental|carbon|emissions|compute infrastructure|energy",
        "license": r"licen[cs]e|terms",
        "contact": r"contact|authors?|citation|cite|support|acknowledg|model card author",
    }.items()
}
WEIGHTS_COMPARED = "aibom:lineage:weights-compared"
SAME_WEIGHTS = "aibom:lineage:same-weights"
_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "-": "", "_": "", ".": ""})
_REPORTED = (
    "downloads", "downloadsAllTime", "likes", "disabled", "owner-kind", "owner-verified", "owner-models",
    "discussions-open", "pull-requests-open", "discussion-latest",
)  # fmt: skip
_MIN_OWNER = 5


def card_signals(card: ModelCard | None) -> Iterator[tuple[str, Scalar]]:
    """Yield what the card covers and what it leaves out, and how many of its results are verified."""
    if card is None:
        return
    spoken = " \n ".join(section.title for section in card.sections if section.text)
    present = [subject for subject, words in _SUBJECTS.items() if words.search(spoken)]
    yield "aibom:card:sections", ", ".join(present) or "none"
    missing = [subject for subject in _SUBJECTS if subject not in present]
    if missing:
        yield "aibom:card:sections-missing", ", ".join(missing)
    if card.metrics:
        yield "aibom:card:evaluations", len(card.metrics)
        yield "aibom:card:evaluations-verified", sum(metric.verified for metric in card.metrics)
    if successor := card.fields.get("new_version"):
        yield "aibom:card:superseded-by", successor[0][:200]


def support_signals(facts: SourceFacts) -> Iterator[tuple[str, Scalar]]:
    """Yield what the place says about the model's life; all of it is that place's claim, of the day of the scan."""
    for name, value in (("created", facts.created), ("last-change", facts.modified), ("gated", facts.gated)):
        if value:
            yield f"aibom:support:{name}", value
    for key in _REPORTED:
        if key in facts.claims:
            name = re.sub(r"(?<!^)(?=[A-Z])", "-", key).lower()
            yield f"aibom:support:{name}", facts.claims[key]


def weight_signals(found: SameWeights) -> Iterator[tuple[str, Scalar]]:
    """Yield with which bases the weights were compared by digest, and which files are byte for byte a base's."""
    if found.compared:
        yield WEIGHTS_COMPARED, "; ".join(found.compared)
    if found.same:
        yield SAME_WEIGHTS, "; ".join(found.same)


def near_misses(identity: str | None) -> Iterator[Finding]:
    """Yield a finding where `owner/name` looks like a known one and is not."""
    if identity is None or "/" not in identity:
        return
    owner, _, name = identity.lower().partition("/")
    if owner in {known.lower().partition("/")[0] for known in known_names()}:
        return
    for known in known_names():
        other, _, leaf = known.lower().rstrip("*").partition("/")
        stem = re.split(r"[-_.\d]", leaf)[0]
        if len(other) >= _MIN_OWNER and _alike(owner, other) and stem and name.startswith(stem):
            message = f"{identity} resembles {known.partition('/')[0]}, the owner of {known}"
            yield Finding.of(NAME_NEAR_MISS, message, evidence=(known,))
            return


def _alike(first: str, second: str) -> bool:
    """Say whether two names look the same, or differ by one character left out, put in, exchanged or swapped."""
    shape, other = (name.replace("rn", "m").replace("vv", "w").translate(_ALIKE) for name in (first, second))
    if shape == other:
        return True
    if abs(len(shape) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(shape), len(other)) and shape[start] == other[start]:
        start += 1
    rest, left = shape[start:], other[start:]
    swapped = rest[:2][::-1] == left[:2] and rest[2:] == left[2:]
    return rest[1:] == left[1:] or rest[1:] == left or rest == left[1:] or swapped


RULES = (NAME_NEAR_MISS,)
