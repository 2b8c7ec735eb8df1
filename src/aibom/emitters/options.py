"""What an emitter is, and what a user may choose about its output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from aibom.report import Report

SpecVersion = Literal["1.6", "1.7"]


class EmitOptions(Struct, frozen=True, kw_only=True):
    """Choices about presentation; none of them changes what is reported.

    `width` is in columns, None where there is no limit. `spec_version` is CycloneDX's. `seconds` is how long the scan
    took, shown to a person and never written to a file format.
    """

    spec_version: SpecVersion = "1.7"
    color: bool = False
    width: int | None = None
    seconds: float | None = None


Emitter = Callable[[Report, EmitOptions], str]
"""Turns a report into text. Raises OutputError where the text would not be valid; never returns such a text."""
