"""Estimates of training compute: how each is made, and what several of them say of a threshold.

Every estimate is kept and none is averaged. An estimate whose inputs the developer stated carries the error the
Commission's guidelines allow (30 %, annex A.2); one made outside carries the factor of its source's confidence.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from aibom.assessors.facts import Estimate
from aibom.findings import Evidence

FLOP_PER_PARAMETER_AND_TOKEN = 6
"""Forward and backward pass of a dense transformer: C = 6·N·D (guidelines, annex A.3)."""

_SECONDS_PER_HOUR = 3600


class Policy(Struct, frozen=True, kw_only=True):
    """Error bounds of estimates, from the rulebook.

    `margin` is relative. `utilization` is the range of the peak rate a training run is taken to reach where the card
    does not say, with the value used for the estimate in the middle.
    """

    margin: float
    factors: dict[str, float]
    utilization: tuple[float, float, float]


class Reading(Struct, frozen=True, kw_only=True):
    """What estimates say of a threshold: above (None: not settled), on which, against which, and how near."""

    above: bool | None
    deciding: tuple[Estimate, ...]
    against: tuple[Estimate, ...] = ()


def declared(flop: float, policy: Policy, evidence: tuple[Evidence, ...], *, doubtful: bool = False) -> Estimate:
    """Make an estimate of a figure in FLOP that the developer states."""
    return _disclosed(flop, policy, "declared", "stated FLOP", evidence, doubtful=doubtful)


def from_tokens(
    parameters: float,
    tokens: float,
    policy: Policy,
    evidence: tuple[Evidence, ...],
    *,
    active: bool,
    doubtful: bool = False,
) -> Estimate:
    """Make an estimate 6·N·D; `parameters` are the active ones where experts are mixed."""
    kind = "active parameters" if active else "parameters"
    inputs = f"6 × {parameters:.3g} {kind} × {tokens:.3g} tokens"
    flop = FLOP_PER_PARAMETER_AND_TOKEN * parameters * tokens
    return _disclosed(flop, policy, "6nd", inputs, evidence, doubtful=doubtful)


def from_hardware(
    hours: float,
    peak: float,
    policy: Policy,
    evidence: tuple[Evidence, ...],
    *,
    accelerator: str,
    utilization: float | None = None,
    at_most: bool = False,
    doubtful: bool = False,
) -> Estimate:
    """Make an estimate from accelerator hours and the peak rate in FLOP/s.

    Without a stated utilization the interval spans what training runs reach, and the value does not decide alone.
    Hours that other models share (`at_most`) bound it from above only.
    """
    capacity = hours * _SECONDS_PER_HOUR * peak
    if utilization is not None and not at_most:
        inputs = f"{hours:.3g} hours of {accelerator} at {peak:.3g} FLOP/s, {utilization:.0%} used as stated"
        return _disclosed(capacity * utilization, policy, "hardware", inputs, evidence, doubtful=doubtful)
    low, usual, high = policy.utilization
    inputs = f"{hours:.3g} hours of {accelerator} at {peak:.3g} FLOP/s, {usual:.0%} assumed ({low:.0%} to {high:.0%})"
    inputs += ", hours of several models" if at_most else ""
    return Estimate(flop=capacity * usual, low=0 if at_most else capacity * low, high=capacity * high,
                    method="hardware", inputs=inputs,
                    disclosed=False, doubtful=doubtful, evidence=evidence)  # fmt: skip


def from_trainer_state(flop: float, policy: Policy, evidence: tuple[Evidence, ...]) -> Estimate:
    """Make an estimate of `total_flos` in a trainer's state: what this run used, not what came before it."""
    return _disclosed(flop, policy, "trainer-state", "total_flos of the trainer", evidence)


def from_table(flop: float, confidence: str, policy: Policy, source: str, evidence: tuple[Evidence, ...]) -> Estimate:
    """Make an estimate of a row in the table of known models; `confidence` is the row's word."""
    if confidence == "Disclosed":
        return _disclosed(flop, policy, "reference-table", f"{source}, from what the developer states", evidence)
    factor = policy.factors[confidence]
    inputs = f"{source}, outside estimate ({confidence.lower()}, within a factor of {factor:g})"
    return Estimate(flop=flop, low=flop / factor, high=flop * factor, method="reference-table", inputs=inputs,
                    disclosed=False, evidence=evidence)  # fmt: skip


def summed(parts: Sequence[Estimate], inputs: str) -> Estimate:
    """Make the sum of estimates of different pieces of training: bounds add up, one doubt or guess makes all so."""
    return Estimate(
        flop=sum(part.flop for part in parts),
        low=sum(part.low for part in parts),
        high=sum(part.high for part in parts),
        method="lineage",
        inputs=inputs,
        disclosed=all(part.disclosed for part in parts),
        doubtful=any(part.doubtful for part in parts),
        evidence=tuple(item for part in parts for item in part.evidence),
    )


def _disclosed(
    flop: float, policy: Policy, method: str, inputs: str, evidence: tuple[Evidence, ...], *, doubtful: bool = False
) -> Estimate:
    low, high = flop * (1 - policy.margin), flop * (1 + policy.margin)
    return Estimate(flop=flop, low=low, high=high, method=method, inputs=inputs, disclosed=True, doubtful=doubtful,
                    evidence=evidence)  # fmt: skip


def compare(estimates: Sequence[Estimate], threshold: float) -> Reading:
    """Say on which side of the threshold the compute lies.

    1. Estimates that lie on one side with their whole interval decide; made from disclosed inputs they outrank the
       table of known models, and one above outranks one below.
    2. Else the value of a disclosed one decides, near as it is: guidelines ask for an estimate within 30 %.
    3. Else nothing is settled; nor is it where the inputs may speak of other weights, unless all lie below.
    """
    estimates = tuple(estimates)
    if any(item.doubtful for item in estimates) and {_side(item, threshold) for item in estimates} != {False}:
        return Reading(above=None, deciding=estimates)
    firm = [item for item in estimates if _side(item, threshold) is not None]
    inside = [item for item in firm if item.method != "reference-table" or item.disclosed]
    leaning = [item for item in estimates if item.disclosed]
    for group in (inside, leaning, firm):
        if group:
            above = [item for item in group if item.flop > threshold]
            deciding = tuple(above or group)
            rest = tuple(item for item in estimates if (item.flop > threshold) is not bool(above))
            return Reading(above=bool(above), deciding=deciding, against=rest)
    return Reading(above=None, deciding=estimates)


def near(estimates: Sequence[Estimate], threshold: float) -> bool:
    """Say whether estimates that decide lie within their error of the threshold, or on both sides of it.

    Outside estimates and those without a bound say nothing of nearness: their intervals are wide by nature. Nor does
    an assumed utilization where disclosed inputs decide.
    """
    bounded = [item for item in estimates if item.high != float("inf") and item.low > 0]
    disclosed = [item for item in bounded if item.disclosed]
    own = [item for item in bounded if item.method != "reference-table"]
    sides = {_side(item, threshold) for item in disclosed or own}
    firm = {_side(item, threshold) for item in {*own, *disclosed}} - {None}
    return None in sides or len(firm) > 1


def _side(estimate: Estimate, threshold: float) -> bool | None:
    if estimate.low > threshold:
        return True
    return False if estimate.high <= threshold else None
