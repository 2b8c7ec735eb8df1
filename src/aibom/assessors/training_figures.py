"""Find what a card says of the model's training: tokens, accelerator hours, FLOP, parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from aibom.assessors.card_text import CardPassage, Part
from aibom.assessors.identity import Identity
from aibom.assessors.text_numbers import ACCELERATOR, UTILIZATION, Amount, Unit, amounts, plain
from aibom.findings import Evidence

_LEAST_TOKENS = 1e8  # below it stand context lengths, batches and vocabularies
_LEAST_STAGE_TOKENS = 1e5
_MOST_AMOUNTS = 2000  # no real card states as many; what comes after them is not read
_LEAST_FLOP = 1e17  # below it stands the cost of one forward pass
_LEAST_PARAMETERS = 1e5

_TRAINING = re.compile(
    r"train|fine-?\s?tun|corpus|corpora|\bdata(?:set)?s?\b|\bseen\b|entra[iî]n|entren|trein|addestr|训练|訓練|学習|학습",
    re.IGNORECASE,
)
_STAGE = re.compile(
    r"fine-?\s?tun|\bSFT\b|post-?train|\bDPO\b|\bRLHF\b|anneal|mid-?train|continu(?:ed|al|"
    r"ing) (?:pre-?)?train|cool-?down|"
    r"long[- ]context|context extension|distill|instruction|adapter|LoRA|微调",
    re.IGNORECASE,
)
_PRETRAINING = re.compile(
    r"(?<!continued )(?<!continual )(?<!continuing )pre-?train|vortrainiert|预训练|事前学習", re.IGNORECASE
)
_INFERENCE = re.compile(
    r"per (?:token|image|sample|forward|step|second|query)|inference|forward pass|generat(?:ion|ing) speed",
    re.IGNORECASE,
)
_SYNTHETIC = re.compile(
    r"synthetic|data generation|generat\w+ (?:of )?(?:training|synthetic)|logit generation", re.IGNORECASE
)
_MUST_RUN = re.compile(
    r"requir|minimum|recommend|\bneed|serv(?:e|ing)|deploy|inference|\brun(?:s|ning)? on|fits? (?:on|in)", re.IGNORECASE
)
_READ = frozenset({Part.TRAINING, Part.DESCRIPTION, Part.USE, Part.OTHER, Part.LIMITATIONS})
_COMPUTING = re.compile(r"comput|FLOPs? (?:used|total|budget)", re.IGNORECASE)
_AUXILIARY = re.compile(r"draft|teacher|reward model", re.IGNORECASE)
_SUM = re.compile(r"cumulative|in total|combined|altogether|all (?:models|sizes)", re.IGNORECASE)
_PREFILTER = re.compile(r"\d|illion", re.IGNORECASE)


class Figure(Struct, frozen=True, kw_only=True):
    """An amount the card states, with its place.

    `stage` marks one of a later stage, `pretraining` one of the first, `synthetic` one of data generated for it.
    """

    value: float
    evidence: Evidence
    stage: bool = False
    pretraining: bool = False
    synthetic: bool = False
    active: bool = False
    device: str | None = None
    utilization: float | None = None
    at_most: bool = False
    """True for a sum over several models, of which this one is a part."""


class Figures(Struct, frozen=True, kw_only=True):
    """What the card states; `other` is what it states of other models, which nothing is made of."""

    tokens: tuple[Figure, ...] = ()
    hours: tuple[Figure, ...] = ()
    flop: tuple[Figure, ...] = ()
    parameters: tuple[Figure, ...] = ()
    devices: tuple[Figure, ...] = ()
    other: tuple[Evidence, ...] = ()


class _Statement(Struct, frozen=True):
    """A sentence, or a cell of a table with the words that say what it is."""

    text: str
    passage: CardPassage


def read_figures(passages: Sequence[CardPassage], identity: Identity) -> Figures:
    """Read the figures of the model that `identity` names."""
    found: dict[Unit, list[Figure]] = {unit: [] for unit in Unit}
    other: list[Evidence] = []
    read = 0
    for statement in _statements(passages, identity):
        text, passage = plain(statement.text), statement.passage
        cues = _cues(text, passage)
        foreign = any(identity.is_other(title) for title in passage.headings[-1:])
        for amount in amounts(statement.text):
            if (read := read + 1) > _MOST_AMOUNTS:
                break
            if not _speaks_of_training(amount, cues, passage):
                continue
            if foreign or identity.speaks_of_other(text, amount.start, amount.end):
                other.append(passage.evidence)
                continue
            found[amount.unit].append(_figure(amount, cues, passage))
    found[Unit.HOURS] = list(_own_hours(found[Unit.HOURS], family=_is_family(passages, identity)))
    hours = [*_with_device(found[Unit.HOURS], passages), *_device_hours(found[Unit.DEVICES], found[Unit.DURATION])]
    return Figures(
        tokens=_once(found[Unit.TOKENS]),
        hours=_once(hours),
        flop=_once(found[Unit.FLOP]),
        parameters=_once(found[Unit.PARAMETERS]),
        devices=_once(found[Unit.DEVICES]),
        other=tuple(dict.fromkeys(other)),
    )


def _is_family(passages: Sequence[CardPassage], identity: Identity) -> bool:
    """Say whether the card speaks of several models of which this is one."""
    read = (item for item in passages if item.part in _READ and not item.code)
    return any(
        identity.is_other(label) for item in read for label in (item.cells or (item.text,))[:1] if len(label) < 2000
    )


def _own_hours(figures: Sequence[Figure], *, family: bool) -> Iterator[Figure]:
    """Drop sums over several models where the model's own hours are stated, else keep them as an upper bound."""
    single = [item for item in figures if not item.at_most]
    for item in figures:
        if not item.at_most:
            yield item
        elif not single:
            yield item if family else replace(item, at_most=False)


def _statements(passages: Sequence[CardPassage], identity: Identity) -> Iterator[_Statement]:
    tables: dict[tuple[tuple[str, ...], tuple[str, ...]], list[CardPassage]] = {}
    for passage in passages:
        if passage.code or passage.part not in _READ or not _PREFILTER.search(passage.text):
            continue
        if passage.cells:
            tables.setdefault((passage.headings, passage.header), []).append(passage)
        else:
            yield _Statement(passage.text, passage)
    for (_, header), rows in tables.items():
        yield from _table(header, rows, identity)


def _table(header: tuple[str, ...], rows: list[CardPassage], identity: Identity) -> Iterator[_Statement]:
    """Yield the cells that speak of this model: its column where columns are models, its rows where rows are."""
    columns = [identity.is_other(cell) for cell in header]
    labels = [identity.is_other(row.cells[0]) for row in rows]
    by_column = any(column is not None for column in columns[1:])
    by_row = not by_column and any(label is not None for label in labels)
    for row, label in zip(rows, labels, strict=True):
        if row.cells == header or (by_row and label is not False):
            continue
        for index, cell in enumerate(row.cells[1:], 1):
            if by_column and (index >= len(columns) or columns[index] is not False):
                continue
            name = header[index] if by_row and index < len(header) else row.cells[0]
            yield _Statement(f"{name}: {cell}", row)


class _Cues(Struct, frozen=True, kw_only=True):
    """What the words around the amounts of one statement say they are of."""

    training: bool
    computing: bool
    stage: bool
    pretraining: bool
    synthetic: bool
    inference: bool
    serving: bool
    shared: bool
    auxiliary: bool
    device: str | None
    utilization: float | None


def _cues(text: str, passage: CardPassage) -> _Cues:
    rate, device = UTILIZATION.search(text), ACCELERATOR.search(text)
    pretraining = bool(_PRETRAINING.search(text))
    within = passage.part is Part.TRAINING or any(map(_TRAINING.search, passage.headings))
    return _Cues(
        training=within or bool(_TRAINING.search(text)), computing=bool(_COMPUTING.search(text)),
        stage=bool(_STAGE.search(text)) and not pretraining, pretraining=pretraining,
        synthetic=bool(_SYNTHETIC.search(text)), inference=bool(_INFERENCE.search(text)),
        serving=bool(_MUST_RUN.search(text)), shared=bool(_SUM.search(text)), auxiliary=bool(_AUXILIARY.search(text)),
        device=device[0] if device else None, utilization=float(rate[1]) / 100 if rate else None,
    )  # fmt: skip


def _speaks_of_training(amount: Amount, cues: _Cues, passage: CardPassage) -> bool:
    match amount.unit:
        case Unit.TOKENS:
            enough = amount.value >= _LEAST_TOKENS or (amount.value >= _LEAST_STAGE_TOKENS and cues.stage)
            # A column of tokens in the billions is no context length.
            counted = bool(passage.cells) and amount.value >= _LEAST_TOKENS
            return enough and (cues.training or counted) and not cues.inference
        case Unit.FLOP:
            return amount.value >= _LEAST_FLOP and (cues.training or cues.computing) and not cues.inference
        case Unit.PARAMETERS:
            return amount.value >= _LEAST_PARAMETERS and not cues.auxiliary
        case Unit.DEVICES | Unit.DURATION:
            return cues.training and not cues.serving
        case _:
            return cues.training or amount.device is not None


def _figure(amount: Amount, cues: _Cues, passage: CardPassage) -> Figure:
    return Figure(
        value=amount.value, evidence=passage.evidence, stage=cues.stage, pretraining=cues.pretraining,
        synthetic=cues.synthetic, active=amount.active, at_most=cues.shared, device=amount.device or cues.device,
        utilization=cues.utilization,
    )  # fmt: skip


def _with_device(figures: Iterable[Figure], passages: Sequence[CardPassage]) -> Iterator[Figure]:
    """Fill in the accelerator from the rest of the card, if it names only one where it speaks of training."""
    figures = list(figures)
    if not figures:
        return
    named = {
        match[0].upper()
        for passage in passages
        if passage.part in {Part.TRAINING, Part.DESCRIPTION} and not passage.code and not _MUST_RUN.search(passage.text)
        for match in ACCELERATOR.finditer(passage.text)
    }
    only = next(iter(named)) if len(named) == 1 else None
    for figure in figures:
        yield figure if figure.device else _replace_device(figure, only)


def _replace_device(figure: Figure, device: str | None) -> Figure:
    return replace(figure, device=device)


def _device_hours(devices: list[Figure], durations: list[Figure]) -> Iterator[Figure]:
    """Multiply devices by duration, where the card gives one of each: more could not be matched with certainty."""
    if len({figure.value for figure in devices}) == 1 and len({figure.value for figure in durations}) == 1:
        device, duration = devices[0], durations[0]
        rate = duration.utilization or device.utilization
        yield replace(duration, value=device.value * duration.value, device=device.device, utilization=rate)


def _once(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    """Keep the first of equal figures: a card that repeats a number states it once."""
    kept: dict[tuple[float, bool, bool, bool, str | None], Figure] = {}
    for figure in figures:
        kept.setdefault((figure.value, figure.stage, figure.synthetic, figure.active, figure.device), figure)
    return tuple(kept.values())
