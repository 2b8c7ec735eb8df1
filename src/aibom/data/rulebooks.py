"""The rulebooks and checklists as plain data: people write YAML, and its copy in JSON loads in a hundredth of the time.

The copy carries the digest of the text that it was made from. Where that is not the text that stands here, the YAML
itself is read, so an edit counts at once and a copy that is out of date costs time, never truth.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from aibom.errors import DataError

NAMES = ("eu_ai_act.yaml", "openness.yaml", "ca_sb53.yaml", "checklists.yaml")
COPY = "rulebooks.json"
_DAY = "$date"


def load_raw(name: str) -> Any:
    """Return what a YAML file of `aibom/data` says, not yet checked.

    Raises:
        DataError: it can't be read or is no YAML.
    """
    text = _text(name)
    match _copies().get(name):
        case {"sha256": digest, "content": content} if digest == _digest(text):
            return content
    from aibom.data.strict_yaml import read_yaml  # noqa: PLC0415 -- start-up time

    return read_yaml(text, name)


def make_copy() -> str:
    """Return the text of the copy for the YAML files as they stand."""
    from aibom.data.strict_yaml import read_yaml  # noqa: PLC0415 -- start-up time

    copies = {
        name: {"sha256": _digest(text), "content": read_yaml(text, name)} for name in NAMES if (text := _text(name))
    }
    return json.dumps(copies, default=_plain, ensure_ascii=False, indent=1) + "\n"


@cache
def _copies() -> Mapping[str, Any]:
    try:
        found = json.loads(_text(COPY), object_hook=_back)
    except (DataError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(name: str) -> str:
    try:
        return files("aibom.data").joinpath(name).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{name}: can't be read: {error.strerror}") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# JSON has no dates, YAML has.
def _plain(value: object) -> dict[str, str]:
    if not isinstance(value, dt.date):
        raise TypeError(f"{type(value).__name__} has no place in a rulebook")
    return {_DAY: value.isoformat()}


def _back(value: dict[str, Any]) -> Any:
    return dt.date.fromisoformat(value[_DAY]) if _DAY in value else value
