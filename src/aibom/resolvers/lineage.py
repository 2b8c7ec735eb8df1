"""Find out what a model was made from: every claim with its place, merged in the order of trust."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Derivation, ModelCard, ModelFacts
from aibom.data.known_bases import STATE, known
from aibom.files import Location
from aibom.findings import Evidence, Finding, Rule, Severity, Subject
from aibom.report import SourceFacts
from aibom.resolvers.hub_names import ModelName, parse_name
from aibom.resolvers.layouts import Layout
from aibom.resolvers.lineage_claims import collect_claims
from aibom.resolvers.lineage_records import BaseClaim, Trust, is_known_name, same_model
from aibom.resolvers.repository import Repository

LINEAGE_CONTRADICTION = Rule(
    id="lineage-contradiction",
    subject=Subject.TERMS,
    severity=Severity.MEDIUM,
    summary="The files disagree about the base model",
    explanation=(
        "A file written by a tool (an adapter's configuration, a merge recipe, GGUF metadata) names another base than "
        "the card does, or the base that is named can't be the one. License terms and known faults come from the base, "
        "so a wrong base hides them."
    ),
    help="Ask the publisher which base it is; correct `base_model` in the card.",
    references=("https://huggingface.co/docs/hub/model-cards#specifying-a-base-model",),
)
BASE_UNPINNED = Rule(
    id="base-unpinned",
    subject=Subject.TERMS,
    severity=Severity.MEDIUM,
    summary="The base model is not pinned to a commit",
    explanation=(
        "The base is named without a full commit. What an adapter runs on is then whatever the name leads to on the "
        "day it is loaded, and whoever controls that repository controls the model."
    ),
    help="Set `revision` in adapter_config.json to a full commit, and load the base at that commit.",
    cwes=(494, 829),
)
BASE_UNRESOLVED = Rule(
    id="base-unresolved",
    subject=Subject.TERMS,
    severity=Severity.LOW,
    summary="The base model can't be identified",
    explanation=(
        "What the files name as base is a path on the author's machine, or a name without an owner. Nobody can tell "
        "which model it was, so its license and its faults are unknown."
    ),
    help="Ask the publisher for the base's repository and commit.",
)

_QUANTIZED_NAME = re.compile(
    r"[-_.](?:gguf|awq|gptq|exl[23]|bnb|bnb-?4bit|4bit|8bit|int[48]|fp8|mlx|q\d\w*)\b", re.IGNORECASE
)
# What publishers append to a name when they store the same weights in another form.
_FORM_SUFFIX = re.compile(
    r"(?:[-_.](?:bnb|4bit|8bit|gguf|awq|gptq|unsloth|hf|int[48]|fp8|fp16|bf16|exl[23]|mlx))+$", re.IGNORECASE
)
# What LoRA, LoHa, LoKr and DoRA trainers call their matrices.
_ADAPTER_TENSOR = re.compile(
    r"lora[._](?:up|down|[ab]|mid|te|unet|magnitude)|lora\.(?:up|down)|hada_w|lokr_w|dora_scale|\.alpha$", re.IGNORECASE
)
_RELATIONS = {
    "finetune": Derivation.FINETUNE,
    "adapter": Derivation.ADAPTER,
    "merge": Derivation.MERGE,
    "quantized": Derivation.QUANTIZED,
    "distilled": Derivation.DISTILLED,
    "distillation": Derivation.DISTILLED,
    "converted": Derivation.CONVERTED,
}


class Base(Struct, frozen=True, kw_only=True):
    """A model that another was made from. `inferred` marks a hint that nobody stated as lineage."""

    name: ModelName
    derivation: Derivation
    inferred: bool
    evidence: tuple[Evidence, ...]
    above: tuple[Base, ...] = ()
    """What the target's files say that the base in turn was made from."""


class Lineage(Struct, frozen=True, kw_only=True):
    """The bases of one model, and what is doubtful about them."""

    bases: tuple[Base, ...]
    findings: tuple[Finding, ...]


def resolve_lineage(
    repository: Repository,
    layout: Layout,
    *,
    card: ModelCard | None,
    facts: ModelFacts,
    identity: str | None,
    source: SourceFacts | None = None,
    inner: Sequence[BaseClaim] = (),
) -> Lineage:
    """Gather and merge what is said about the base.

    `identity` is the model's own `owner/name` where it is known, `inner` are claims from inside its containers.
    """
    claims = sorted((*collect_claims(repository, layout, card, source), *inner), key=lambda claim: claim.trust)
    findings: list[Finding] = []
    kept: list[BaseClaim] = []
    for claim in claims:
        if identity and claim.name.kind == "hub" and claim.name.id.lower() == identity.lower():
            if claim.trust is not Trust.HINT:
                message = f"names itself ({claim.name.id}) as its base; that was ignored"
                findings.append(_contradiction(message, claim, Severity.INFO))
        else:
            kept.append(claim)
    stated = [claim for claim in kept if claim.trust is not Trust.HINT] or list(_from_table(identity))
    higher = dict(_higher(stated))
    stated = [claim for claim in stated if claim not in higher]
    findings.extend(_contradictions(stated))
    chosen = stated or _likely([claim for claim in kept if is_known_name(claim.name)], facts)
    derivation = _derivation(layout, card, facts, identity, stated)
    bases = tuple(replace(_merge(group, derivation), above=_above(group, higher)) for group in _group(chosen))
    findings.extend(_doubts(bases, layout))
    findings.extend(_relation_doubts(card, layout))
    findings.extend(_misfits(bases, facts))
    return Lineage(bases=bases, findings=tuple(findings))


def _from_table(identity: str | None) -> Iterator[BaseClaim]:
    """What is known of the target itself, where its files name no base: some publishers say it in words alone."""
    entry = known(identity) if identity and "/" in identity else None
    name = parse_name(entry.base) if entry and entry.base else None
    if entry and name and entry.relation:
        evidence = Evidence(statement=f"{entry.name}: {entry.relation} of {entry.base}", source=f"known models {STATE}")
        yield BaseClaim(name=name, trust=Trust.CARD, evidence=evidence, derivation=_RELATIONS[entry.relation])


def _higher(claims: Sequence[BaseClaim]) -> Iterator[tuple[BaseClaim, str]]:
    """Yield the claims of files that speak of a base that the card names, and not of the target, with that base's key.

    A card of quantized files names the model that was quantized; the files carry the bases which that model's own card
    named.
    """
    card = [claim for claim in claims if claim.trust is Trust.CARD and claim.name.kind == "hub"]
    named = {claim.name.key for claim in card}
    for claim in claims:
        if claim.about is None or claim.name.key in named:
            continue
        for base in card:
            entry = known(base.name.id)
            known_base = entry is not None and entry.base is not None and entry.base.lower() == claim.name.id.lower()
            if known_base or same_model(claim.about, base.name.name):
                yield claim, base.name.key
                break


def _likely(hints: Sequence[BaseClaim], facts: ModelFacts) -> list[BaseClaim]:
    """Leave out hints to models of another architecture: the card speaks of them for another reason.

    Where the name of one holds that of the architecture, the others are such hints too.
    """
    family = facts.family.value.lower() if facts.family else ""
    fitting = [claim for claim in hints if _may_be(claim, family)]
    named = [claim for claim in fitting if family and family in claim.name.id.lower()]
    return named or fitting


def _may_be(claim: BaseClaim, family: str) -> bool:
    entry = known(claim.name.id)
    return not family or entry is None or not entry.families or family in entry.families


def _above(group: Sequence[BaseClaim], higher: Mapping[BaseClaim, str]) -> tuple[Base, ...]:
    own = [claim for claim, key in higher.items() if key == group[0].name.key]
    return tuple(_merge(claims, Derivation.UNKNOWN) for claims in _group(own))


def _group(claims: Sequence[BaseClaim]) -> list[list[BaseClaim]]:
    groups: dict[str, list[BaseClaim]] = {}
    for claim in sorted(claims, key=lambda item: item.trust):
        groups.setdefault(claim.name.key, []).append(claim)
    found = list(groups.values())
    # A path on the author's machine says nothing that a stated name does not say better, but of a merge, into which
    # each of them went.
    named = [group for group in found if group[0].name.kind != "local" or group[0].derivation is Derivation.MERGE]
    return named or found


def _merge(group: Sequence[BaseClaim], fallback: Derivation) -> Base:
    best = group[0]
    revision = next((claim.name.revision for claim in group if claim.name.commit), None) or next(
        (claim.name.revision for claim in group if claim.name.revision), None
    )
    return Base(
        name=replace(best.name, revision=revision),
        derivation=next((claim.derivation for claim in group if claim.derivation), fallback),
        inferred=all(claim.trust is Trust.HINT for claim in group),
        evidence=tuple(claim.evidence for claim in group),
    )


def _derivation(
    layout: Layout, card: ModelCard | None, facts: ModelFacts, identity: str | None, stated: Sequence[BaseClaim]
) -> Derivation:
    """Conclude the relation where no claim says it: what the card states, else what the files are."""
    fields = card.fields if card else {}
    if (relation := fields.get("base_model_relation")) and (known := _RELATIONS.get(relation[0].lower())):
        return known
    if layout.marker.library == "peft" or _is_adapter(layout):
        return Derivation.ADAPTER
    bases = {claim.name.key for claim in stated if claim.trust is Trust.CARD}
    tags = {tag.lower() for tag in fields.get("tags", ())}
    if tags & {"merge", "mergekit"} or len(bases) > 1:
        return Derivation.MERGE
    if facts.quantization is not None or (identity and _QUANTIZED_NAME.search(identity)):
        return Derivation.QUANTIZED
    return Derivation.FINETUNE


def _is_adapter(layout: Layout) -> bool:
    """Say whether every tensor belongs to a low-rank adapter: LoRAs of image models have no configuration of PEFT's."""
    names = [tensor.name for file in layout.files if file.summary for tensor in file.summary.tensors]
    return bool(names) and all(_ADAPTER_TENSOR.search(name) for name in names)


def _contradictions(claims: Sequence[BaseClaim]) -> list[Finding]:
    tool = [claim for claim in claims if claim.trust is Trust.TOOL and claim.name.kind == "hub"]
    card = [claim for claim in claims if claim.trust is Trust.CARD and claim.name.kind == "hub"]
    if not tool or not card or {_stem(claim) for claim in tool} & {_stem(claim) for claim in card}:
        return []
    ours, theirs = tool[0], card[0]
    place = ours.evidence.location.path if ours.evidence.location else "a file"
    message = f"the card names {theirs.name.id} as base, {place} names {ours.name.id}"
    return [_contradiction(message, theirs, None, (ours.evidence.statement, theirs.evidence.statement))]


def _stem(claim: BaseClaim) -> str:
    """A name without owner and storage form: a copy by somebody else is another repository of the same model."""
    return _FORM_SUFFIX.sub("", claim.name.name.lower())


def _doubts(bases: Sequence[Base], layout: Layout) -> list[Finding]:
    findings = []
    for base in bases:
        place = next((item.location for item in base.evidence if item.location), None)
        if base.inferred:
            continue
        if base.name.kind == "local" or not (is_known_name(base.name) or base.name.kind == "url"):
            findings.append(Finding.of(BASE_UNRESOLVED, f"the base is {base.name.shown}", place))
        elif base.name.commit is None:
            # An adapter fetches its base by name whenever it is loaded; of other models the base is history.
            severity = Severity.MEDIUM if layout.marker.library == "peft" else Severity.LOW
            said = f" (revision {base.name.revision!r} can move)" if base.name.revision else ""
            findings.append(
                Finding.of(BASE_UNPINNED, f"{base.name.id} without a commit{said}", place, severity=severity)
            )
    return findings


def _relation_doubts(card: ModelCard | None, layout: Layout) -> list[Finding]:
    relation = card.fields.get("base_model_relation", ("",))[0].lower() if card else ""
    if card and relation in {"finetune", "merge", "quantized"} and layout.marker.library == "peft":
        message = f"the card says {relation!r}, the files are an adapter"
        line = card.lines.get("base_model_relation")
        return [Finding.of(LINEAGE_CONTRADICTION, message, Location(path=card.path, line=line), severity=Severity.LOW)]
    return []


def _misfits(bases: Sequence[Base], facts: ModelFacts) -> list[Finding]:
    """A fine-tune has the architecture of its base: a configuration of another family belongs to another base."""
    family = facts.family.value if facts.family else None
    findings = []
    for base in bases:
        entry = known(base.name.id) if base.name.kind == "hub" else None
        keeps = base.derivation in {Derivation.FINETUNE, Derivation.QUANTIZED, Derivation.MERGE}
        if family is None or entry is None or not entry.families or base.inferred or not keeps:
            continue
        if family not in entry.families and facts.family and facts.family.evidence.location:
            message = f"{base.name.id} is a {entry.families[0]} model, the configuration is of {family}"
            findings.append(Finding.of(LINEAGE_CONTRADICTION, message, facts.family.evidence.location))
    return findings


def _contradiction(
    message: str, claim: BaseClaim, severity: Severity | None, evidence: tuple[str, ...] = ()
) -> Finding:
    return Finding.of(LINEAGE_CONTRADICTION, message, claim.evidence.location, severity=severity, evidence=evidence)


RULES = (LINEAGE_CONTRADICTION, BASE_UNPINNED, BASE_UNRESOLVED)
