"""The report as its own JSON, and back: what `convert`, `diff` and the cache of a pipeline read."""

from __future__ import annotations

from typing import Any

import msgspec

from aibom.emitters.inert import encodable, escape_json
from aibom.emitters.options import EmitOptions
from aibom.errors import DataError, OutputError
from aibom.report import SCHEMA_VERSION, Report

SCHEMA_ID = "https://github.com/aibom/aibom/blob/main/schemas/report.schema.json"

_FAULTS = (ValueError, TypeError, OverflowError, RecursionError)  # msgspec's own errors are ValueErrors or TypeErrors


def emit(report: Report, _options: EmitOptions) -> str:
    """Return the report as indented JSON."""
    return to_json(report)


def to_json(report: Report) -> str:
    """Return the report as JSON that `from_json` turns into an equal report: mappings sorted, the same bytes always.

    What JSON can't hold is spelled out first (`inert.encodable`); characters that could act on a terminal are written
    as JSON escapes, so nothing is lost by it.

    Raises:
        OutputError: a value is outside what the report's schema allows: a fault of ours.
    """
    try:
        raw = _encode_readable(report)
    except _FAULTS:
        try:
            raw = _encode_readable(encodable(report))
        except _FAULTS as error:
            raise OutputError(f"the report can't be written as JSON: {error}") from error
    return escape_json(msgspec.json.format(raw, indent=2).decode()) + "\n"


def _encode_readable(report: Report) -> bytes:
    # A number that is not finite is written as null without a word: only reading it back shows the loss.
    raw = msgspec.json.encode(report, order="sorted")
    msgspec.json.decode(raw, type=Report)
    return raw


def from_json(text: str | bytes) -> Report:
    """Read a report that `to_json` wrote.

    Raises:
        DataError: it is not JSON, not a report, or of another schema version; the message names the place.
    """
    if text[:64].lstrip()[:1] in ("<", b"<"):
        raise _not_a_report()
    try:
        match msgspec.json.decode(text):
            case {"schema_version": int(version)} if version == SCHEMA_VERSION:
                pass
            case {"schema_version": int(version)}:
                raise DataError(
                    f"the report has schema version {version}, this tool reads version {SCHEMA_VERSION}",
                    hint="Convert it with the version of aibom that wrote it, or scan the target again.",
                )
            case {"bomFormat": _} | {"@graph": _} | {"spdxVersion": _}:
                raise _not_a_report()
            case _:
                raise DataError(
                    "this is not a report of aibom: it has no schema_version",
                    hint="Write a report with `aibom scan TARGET -o json=report.json`.",
                )
        return msgspec.json.decode(text, type=Report)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DataError(f"the report is not valid: {error}") from error


def _not_a_report() -> DataError:
    return DataError(
        "this is a bill of materials, not a report of aibom, which holds more than any of them",
        hint="`aibom score` and `aibom diff` read it. Write a report with `aibom scan TARGET -o json=report.json`.",
    )


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the report, as published in `schemas/report.schema.json`."""
    body = msgspec.json.schema(Report)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": f"aibom report, schema version {SCHEMA_VERSION}",
        **body,
    }


def schema_text() -> str:
    """Return the schema as the text of its published file."""
    raw = msgspec.json.encode(schema(), order="sorted")
    return msgspec.json.format(raw, indent=2).decode() + "\n"
