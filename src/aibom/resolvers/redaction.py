"""Take credentials out of a report, wherever a name, a line or a call was quoted that holds one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")

# Shorter values are words too: taking those out would take other things away.
_SHORTEST = 8
# Quotations are cut somewhere, so that a value may stand there in part.
_BEGINNING = 12


def redacted(record: T, secrets: frozenset[str]) -> T:
    """Return the record with `[redacted]` for each of the secrets, and for each beginning of 12 characters or more."""
    values = sorted(
        (secret for secret in secrets if len(secret) >= _SHORTEST), key=lambda secret: (-len(secret), secret)
    )
    if not values:
        return record
    expression = re.compile("|".join(_shape(value) for value in values))
    changed: Any = _walk(record, expression)
    return changed  # type: ignore[no-any-return]


def _shape(value: str) -> str:
    if len(value) <= _BEGINNING:
        return re.escape(value)
    return re.escape(value[:_BEGINNING]) + r"[\w.~+/=-]*+"


def _walk(value: Any, expression: re.Pattern[str]) -> Any:
    """Walk a record; what holds no secret is returned as it is. Depth is that of the records, not of the target."""
    if type(value) is str:
        return expression.sub("[redacted]", value)
    if isinstance(value, Mapping):
        pairs = {_walk(key, expression): _walk(item, expression) for key, item in value.items()}
        return value if pairs == value else pairs
    if isinstance(value, tuple):
        items = tuple(_walk(item, expression) for item in value)
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    if is_dataclass(value) and not isinstance(value, type):
        changes = {}
        for field in fields(value):
            old = getattr(value, field.name)
            new = _walk(old, expression)
            if new is not old and new != old:
                changes[field.name] = new
        return replace(value, **changes) if changes else value
    return value
