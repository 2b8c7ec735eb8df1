"""Values of SPDX elements: licences, digests, links, the fields of the AI and Dataset profiles."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any

from license_expression import ExpressionError, Licensing
from spdx_python_model import v3_0_1 as spdx

from aibom.components import Component, ComponentKind, LicenseClaim, ModelCard
from aibom.emitters.cdx_files import HASH_NAMES
from aibom.emitters.cdx_text import link, passage, scalar
from aibom.emitters.inert import one_line
from aibom.files import Digest

_HASHES = {name: name.replace("blake2b-", "blake2b").replace("sha3-", "sha3_") for name in HASH_NAMES}
_REQUIRED = (
    ("releaseTime", "release time"),
    ("suppliedBy", "supplier"),
    ("software_downloadLocation", "download location"),
    ("software_packageVersion", "version"),
)
_DATASET_REQUIRED = (*_REQUIRED[:1], ("builtTime", "build time"), ("originatedBy", "originator"), *_REQUIRED[2:3])


def expression(claim: LicenseClaim) -> str:
    """Return the claim as an SPDX expression; what is none becomes a LicenseRef of its own."""
    text = claim.expression or ""
    if text and len(text) <= 2_000 and re.fullmatch(r"[A-Za-z0-9.+:() -]+", text):
        try:
            if not any(" " in key for key in Licensing().license_keys(text)):
                return text
        except (ExpressionError, RecursionError):
            pass
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", claim.key or text or claim.raw).strip("-")[:100]
    return f"LicenseRef-{name or 'unknown'}"


def hash_value(digest: Digest) -> Any:
    """Return a digest as the bindings' `Hash`."""
    return spdx.Hash(algorithm=getattr(spdx.HashAlgorithm, _HASHES[digest.algorithm]), hashValue=digest.value)


def download(component: Component) -> str | None:
    """Return where a component can be had, None where no link of it says so."""
    for kind in ("distribution", "website", "model-card"):
        if kind in component.urls and (url := link(component.urls[kind])):
            return url
    return None


def references(component: Component) -> Iterable[Any]:
    """Yield the links of a component."""
    for kind, text in component.urls.items():
        if url := link(text):
            known = spdx.ExternalRefType.documentation if kind in ("documentation", "model-card") else None
            yield spdx.ExternalRef(
                externalRefType=known or spdx.ExternalRefType.other, locator=[url], comment=one_line(kind)
            )


def model(component: Component) -> dict[str, Any]:
    """Return the fields of the AI profile that the evidence fills; risk and autonomy are for people to state."""
    facts, card = component.model, component.card
    values: dict[str, Any] = {}
    if facts is not None:
        types = [fact.value for fact in (facts.architecture, facts.family) if fact]
        values["ai_typeOfModel"] = [one_line(text) for text in dict.fromkeys(types)]
        values["ai_domain"] = [one_line(facts.task.value)] if facts.task else []
        named = {"parameters": facts.parameters, "context_length": facts.context_length, "vocab_size": facts.vocabulary}
        pairs = {name: scalar(fact.value) for name, fact in named.items() if fact is not None}
        pairs |= {one_line(name): one_line(scalar(value)) for name, value in sorted(facts.config.items())}
        values["ai_hyperparameter"] = _dictionary(pairs.items())
    if card is not None:
        metrics = ((f"{m.type} ({m.dataset})" if m.dataset else m.type, m.value) for m in card.metrics)
        values["ai_metric"] = _dictionary((one_line(name), one_line(value)) for name, value in metrics)
        values["ai_limitation"] = _section(card, r"limitation|out[- ]of[- ]scope")
        values["ai_informationAboutApplication"] = _section(card, r"intended use|direct use|use cases?")
        values["ai_informationAboutTraining"] = _section(card, r"training (procedure|details|data)")
    return values


def _dictionary(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    return [spdx.DictionaryEntry(key=name, value=value) for name, value in pairs]


def _section(card: ModelCard, pattern: str) -> str | None:
    found = [s.text for s in card.sections if re.search(pattern, s.title, re.IGNORECASE) and s.text.strip()]
    return passage("\n\n".join(found)) or None


def comment(component: Component, values: dict[str, Any]) -> str | None:
    """Say which fields that the AI and Dataset profiles require are not known, instead of inventing them."""
    required: tuple[tuple[str, str], ...] = ()
    if component.kind is ComponentKind.MODEL:
        required = _REQUIRED
    elif component.kind is ComponentKind.DATASET:
        required = _DATASET_REQUIRED
    missing = [words for field, words in required if not values.get(field)]
    return f"Not known: {', '.join(missing)}." if missing else None


def moment(text: str | None) -> dt.datetime | None:
    """Return a date that somebody wrote, None where it is none."""
    if not text:
        return None
    try:
        return utc(dt.datetime.fromisoformat(text))
    except ValueError:
        return None


def utc(moment: dt.datetime) -> dt.datetime:
    """Return a time in UTC, to the second, as SPDX demands; one without an offset counts as UTC."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC).replace(microsecond=0)
