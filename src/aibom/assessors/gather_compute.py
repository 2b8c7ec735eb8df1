"""Facts about size and training compute: of the model itself, of its bases, and of what was done to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from aibom.assessors.card_text import quote
from aibom.assessors.compute import (
    Policy,
    declared,
    from_hardware,
    from_table,
    from_tokens,
    from_trainer_state,
    summed,
)
from aibom.assessors.facts import Estimate, Fact, merge_evidence
from aibom.assessors.reference_data import KNOWN_MODELS_DATE, KnownModel, accelerator
from aibom.assessors.training_figures import Figure, Figures
from aibom.components import Component, Scalar
from aibom.findings import Evidence

_EXPERT_COUNTS = (
    "num_local_experts",
    "num_experts",
    "n_routed_experts",
    "moe_num_experts",
    "num_experts_per_layer",
    "expert_count",
)
_ACTIVE_IN_NAME = re.compile(r"-A(\d{1,3}(?:\.\d)?)B(?![a-z])", re.IGNORECASE)
_MISMATCH = 2.0  # the card may round, count embeddings or not; twice as many is another model
_UNBOUNDED = float("inf")


class Lineage(Struct, frozen=True, kw_only=True):
    """What a model came from: the relation, and each base with its row in the table of known models, if any."""

    relation: str
    bases: tuple[tuple[Component, KnownModel | None], ...] = ()
    evidence: tuple[Evidence, ...] = ()


class Size(Struct, frozen=True, kw_only=True):
    """How many parameters: measured on the weights, stated in the card, active ones, and whether the two fit."""

    measured: float | None
    stated: float | None
    active: float | None
    mixture: bool | None
    mismatch: bool | None
    evidence: tuple[Evidence, ...] = ()

    @property
    def total(self) -> float | None:
        """Return the measured number, else the stated one."""
        return self.measured or self.stated

    @property
    def trained(self) -> tuple[float, ...]:
        """Return the numbers that 6·N·D is made of; for mixtures active ones only, never all."""
        if self.mixture is not False:
            return (self.active,) if self.active else ()
        numbers = (self.measured, self.stated) if self.mismatch else (self.total,)
        return tuple(number for number in numbers if number)


def size_of(component: Component, figures: Figures, *, adapter: bool) -> Size:
    """Work out the size of the model from its weights, configuration and card."""
    facts = component.model
    evidence: list[tuple[Evidence, ...]] = []
    measured = float(facts.parameters.value) if facts and facts.parameters and not adapter else None
    if facts and facts.parameters:
        evidence.append((facts.parameters.evidence,))
    complete = bool(facts and facts.weight_sets and facts.weight_sets[0].complete)
    totals = [figure for figure in figures.parameters if not figure.active]
    actives = [figure for figure in figures.parameters if figure.active]
    # "17B" said of a mixture of 109 billion may be the active ones under another word.
    totals = [item for item in totals if all(abs(item.value / active.value - 1) > 0.35 for active in actives)]
    stated = max((figure.value for figure in totals), default=None)
    # Where weights were counted, the stated number that fits them is the model's; others are parts or relatives.
    if measured and totals:
        stated = min((figure.value for figure in totals), key=lambda value: max(value / measured, measured / value))
    evidence.extend((figure.evidence,) for figure in (*totals[:2], *actives[:1]))
    mixture = _mixture(facts.config if facts else {}, has_config=bool(facts and facts.config))
    if actives or (mixture is None and _ACTIVE_IN_NAME.search(component.name)):
        mixture = True
    elif mixture is None and (measured or stated):
        mixture = False
    active = None
    if mixture:
        active = _active(component, actives, measured or stated)
    mismatch = None
    if measured and stated:
        apart = stated / measured if mixture else max(measured / stated, stated / measured)
        mismatch = complete and apart > _MISMATCH
    return Size(measured=measured, stated=stated, active=active, mixture=mixture, mismatch=mismatch,
                evidence=merge_evidence(evidence))  # fmt: skip


def _mixture(config: Mapping[str, Scalar], *, has_config: bool) -> bool | None:
    for key, value in config.items():
        if key.rpartition(".")[2] in _EXPERT_COUNTS and isinstance(value, int) and not isinstance(value, bool):
            return value > 1
    return False if has_config else None


def _active(component: Component, actives: Sequence[Figure], total: float | None) -> float | None:
    facts = component.model
    if facts and facts.active_parameters:
        return float(facts.active_parameters.value)
    if actives:
        return min(figure.value for figure in actives)
    if named := _ACTIVE_IN_NAME.search(component.name):
        return float(named[1]) * 1e9
    return _active_by_shape(facts.config if facts else {}, total)


def _active_by_shape(config: Mapping[str, Scalar], total: float | None) -> float | None:
    """Derive active parameters: all but the experts a token does not visit, each of three matrices a layer."""

    def integer(*names: str) -> int | None:
        for name in names:
            for prefix in ("", "text_config."):
                value = config.get(f"{prefix}{name}")
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    return value
        return None

    experts, used = integer(*_EXPERT_COUNTS), integer("num_experts_per_tok", "num_experts_per_token", "moe_topk")
    hidden, layers = integer("hidden_size"), integer("num_hidden_layers")
    inner = integer("moe_intermediate_size", "intermediate_size")
    if not (experts and used and hidden and layers and inner and total) or used > experts:
        return None
    sparse = layers - (integer("first_k_dense_replace") or 0)
    idle = (experts - used) * 3 * hidden * inner * sparse
    return total - idle if 0 < idle < total else None


def compute_facts(
    size: Size,
    figures: Figures,
    lineage: Lineage,
    known: KnownModel | None,
    *,
    trainer_flops: Sequence[tuple[float, Evidence]],
    policy: Policy,
) -> Iterator[tuple[str, Fact]]:
    """Yield the compute facts: what made the weights, what they carry of a base, and what was done last."""
    yield from _size_facts(size)
    derived = lineage.relation not in {"none", "distilled"}
    first = list(_estimates(figures, size, policy, _first_stage(figures, derived=derived)))
    own = list(_estimates(figures, size, policy, _own_stage(figures, derived=derived))) if derived else []
    own += [from_trainer_state(flop, policy, (evidence,)) for flop, evidence in trainer_flops]
    if trainer_flops and not derived and not first:
        first = list(own)
    if known is not None and known.flop is not None:
        first.append(table_estimate(known, policy))
    base_estimates = [
        table_estimate(row, policy) for _, row in lineage.bases if row is not None and row.flop is not None
    ]
    inherited = _inherited(lineage, base_estimates, own)
    updates = [*first, *inherited]
    yield from compute_fact("training.compute", updates)
    synthetic = [declared(item.value, policy, (item.evidence,)) for item in figures.flop if item.synthetic]
    cumulative = (
        [summed([item, *synthetic], f"{item.inputs}, with synthetic data") for item in updates]
        if synthetic
        else updates
    )
    yield from compute_fact("training.compute.cumulative", cumulative)
    if len(base_estimates) == len(lineage.bases):
        yield from compute_fact(
            "lineage.base-compute", base_estimates[:1] if len(base_estimates) == 1 else _total(base_estimates)
        )
    yield from compute_fact("lineage.own-compute", own)
    for name, chosen in (("training.tokens", figures.tokens), ("training.gpu-hours", figures.hours)):
        if chosen:
            best = max(chosen, key=lambda figure: figure.value)
            yield name, Fact(value=best.value, evidence=(best.evidence,), method="card text", confidence=0.8)
    if device := next((figure for figure in (*figures.hours, *figures.devices) if figure.device), None):
        yield (
            "training.accelerator",
            Fact(value=str(device.device).upper(), evidence=(device.evidence,), method="card text"),
        )


def _size_facts(size: Size) -> Iterator[tuple[str, Fact]]:
    method, confidence = ("tensor shapes", 0.98) if size.measured else ("card text", 0.7)
    if size.total:
        yield "params.total", Fact(value=size.total, evidence=size.evidence, method=method, confidence=confidence)
    active = size.active if size.mixture else size.total
    if active and size.mixture is not None:
        yield "params.active", Fact(value=active, evidence=size.evidence, method=method, confidence=0.8)
    if size.mixture is not None:
        yield "arch.mixture", Fact(value=size.mixture, evidence=size.evidence, method="configuration")
    if size.mismatch is not None:
        yield "weights.mismatch", Fact(value=size.mismatch, evidence=size.evidence, method="comparison")


def _first_stage(figures: Figures, *, derived: bool) -> list[Figure]:
    """Figures of the training that made the weights.

    A card of a derived model must speak of pretraining to be read so: else its figures are of what was done last.
    """
    chosen = [*figures.tokens, *figures.hours, *figures.flop]
    whole = not derived or any(item.pretraining for item in chosen)
    return [item for item in chosen if whole and not item.stage and not item.synthetic]


def _own_stage(figures: Figures, *, derived: bool) -> list[Figure]:
    first = _first_stage(figures, derived=derived)
    chosen = [*figures.tokens, *figures.hours, *figures.flop]
    return [item for item in chosen if not item.synthetic and item not in first]


def _estimates(figures: Figures, size: Size, policy: Policy, chosen: Sequence[Figure]) -> Iterator[Estimate]:
    doubtful = bool(size.mismatch)
    for figure in figures.flop:
        if figure in chosen:
            yield declared(figure.value, policy, (figure.evidence,), doubtful=doubtful)
    for figure in figures.tokens:
        if figure in chosen:
            for parameters in size.trained:
                evidence = merge_evidence([(figure.evidence,), size.evidence])
                yield from_tokens(
                    parameters, figure.value, policy, evidence, active=bool(size.mixture), doubtful=doubtful
                )
    for figure in figures.hours:
        if figure in chosen and figure.device and (found := accelerator(figure.device)):
            yield from_hardware(figure.value, found.peak, policy, (figure.evidence,), accelerator=found.name,
                                utilization=figure.utilization, at_most=figure.at_most, doubtful=doubtful)  # fmt: skip


def table_estimate(row: KnownModel, policy: Policy) -> Estimate:
    """Make the estimate of a row of the table of known models, which must have compute."""
    assert row.flop is not None
    source = f"known models {KNOWN_MODELS_DATE}"
    statement = f"{row.id}: {row.flop:.3g} FLOP ({row.confidence.lower()}; {row.source})"
    return from_table(row.flop, row.confidence, policy, source, (Evidence(statement=statement, source=source),))


def _inherited(lineage: Lineage, bases: Sequence[Estimate], own: Sequence[Estimate]) -> Iterator[Estimate]:
    """Yield what the weights carry of their bases. A part that is not known leaves the amount without upper bound."""
    if not bases or lineage.relation in {"none", "distilled"}:
        return
    names = ", ".join(quote(component.name) for component, _ in lineage.bases)
    known = len(bases) == len(lineage.bases)
    closed = known and (bool(own) or lineage.relation in {"adapter", "quantized", "converted"})
    mine = [max(own, key=lambda item: item.flop)] if own else []
    total = summed([*bases, *mine], f"compute of the base {names}" + (" and of this modification" if own else ""))
    yield total if closed else Estimate(
        flop=total.flop, low=total.low, high=_UNBOUNDED, method="lineage", inputs=total.inputs + ", more is not stated",
        disclosed=False, evidence=total.evidence,
    )  # fmt: skip


def _total(estimates: Sequence[Estimate]) -> list[Estimate]:
    return [summed(estimates, "sum of the base models")] if estimates else []


def compute_fact(name: str, estimates: Sequence[Estimate]) -> Iterator[tuple[str, Fact]]:
    """Yield the fact that these estimates make, if there are any."""
    if estimates:
        told = tuple(_told(item) for item in estimates)
        evidence = merge_evidence((item.evidence for item in told), limit=20)
        confidence = 0.8 if any(item.disclosed for item in estimates) else 0.5
        yield name, Fact(value=told, evidence=evidence, method=estimates[0].method, confidence=confidence)


def _told(estimate: Estimate) -> Estimate:
    """Return the estimate with its own arithmetic as its first evidence: inputs, value, bounds."""
    high = "no upper bound" if estimate.high == _UNBOUNDED else f"{estimate.high:.2g}"
    statement = f"{estimate.flop:.2g} FLOP ({estimate.low:.2g} to {high}), {estimate.method}: {estimate.inputs}"
    told = Evidence(statement=statement, source="estimate")
    return Estimate(
        flop=estimate.flop, low=estimate.low, high=estimate.high, method=estimate.method, inputs=estimate.inputs,
        disclosed=estimate.disclosed, doubtful=estimate.doubtful, evidence=(told, *estimate.evidence),
    )  # fmt: skip
