"""Take credentials out of a report, wherever a name, a line or a call was quoted that holds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

T = TypeVar("T")

# Shorter values are words too: taking those out would take other things away.
_SHORTEST = 8
# Quotations are cut somewhere, so that a value may stand there in part.
_BEGINNING = 12


def redacted(record: T, secrets: frozenset[str]) -> T:
    """Return the record with `[redacted-N]` for each of the secrets, and for each beginning of 12 characters or more.

    Each secret has a number of its own, so that two names which differ in nothing else stay two names.
    """
    # The longest first: one may be a part of another, as a token is of an address.
    values = sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=lambda value: (-len(value), value))
    if not values:
        return record
    changed: Any = _walk(record, values)
    return changed  # type: ignore[no-any-return]


def _take_out(text: str, values: Sequence[str]) -> str:
    for start in dict.fromkeys(value[:_BEGINNING] for value in values):
        at = 0
        while (at := text.find(start, at)) >= 0:
            # Many tokens of one kind begin alike; it is the one that agrees longest.
            same = [_agreement(value, text, at) if value.startswith(start) else 0 for value in values]
            length = max(same)
            mark = f"[redacted-{same.index(length) + 1}]"
            text = text[:at] + mark + text[at + length :]
            at += len(mark)
    return text


def _agreement(value: str, text: str, at: int) -> int:
    """Return how many characters of `value` stand at this place of the text."""
    return next((index for index, char in enumerate(value) if text[at + index : at + index + 1] != char), len(value))


def _walk(value: Any, values: Sequence[str]) -> Any:
    """Walk a record; what holds no secret is returned as it is. Depth is that of the records, not of the target."""
    if type(value) is str:
        return _take_out(value, values)
    if isinstance(value, Mapping):
        pairs = {_walk(key, values): _walk(item, values) for key, item in value.items()}
        return value if pairs == value else pairs
    if isinstance(value, tuple):
        items = tuple(_walk(item, values) for item in value)
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    if isinstance(value, Struct):
        changes = {}
        for name in value.__struct_fields__:
            old = getattr(value, name)
            new = _walk(old, values)
            if new is not old and new != old:
                changes[name] = new
        return replace(value, **changes) if changes else value
    return value
