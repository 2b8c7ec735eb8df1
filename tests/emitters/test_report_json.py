"""The report's own JSON."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.emitters.reports import fine_tune_report, hostile_report, make_report, minimal_report

from aibom.emitters.inert import cell, encodable
from aibom.emitters.options import EmitOptions
from aibom.emitters.report_json import emit, from_json, schema, schema_text, to_json
from aibom.errors import DataError, OutputError
from aibom.report import Report

SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "report.schema.json"

scalars = (
    st.text() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
)


@pytest.mark.parametrize("report", [minimal_report(), fine_tune_report()], ids=["minimal", "fine-tune"])
def test_a_report_loads_back_from_its_own_json(report: Report) -> None:
    """What is written reads back equal."""
    assert report == from_json(to_json(report))


@given(
    st.fixed_dictionaries({"target": st.text(), "root_digest": st.text()}),
    st.dictionaries(st.text(), scalars, max_size=5),
    st.datetimes(timezones=st.just(dt.UTC)),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_and_number_survives_the_round_trip(
    texts: dict[str, str], claims: dict[str, str | int | float | bool], created: dt.datetime
) -> None:
    """Texts and scalars of any content read back equal; only lone surrogates are spelled out."""
    report = minimal_report()
    report = replace(report, **texts, created=created, source=replace(report.source, claims=claims))
    assert report == from_json(to_json(report))


def test_a_report_is_the_same_text_whatever_the_order_of_its_mappings() -> None:
    """Mappings are written sorted."""
    report = minimal_report()
    forward = replace(report, rule_data={"a": "1", "b": "2"})
    backward = replace(report, rule_data={"b": "2", "a": "1"})
    assert to_json(forward) == to_json(backward)


def test_the_text_holds_no_character_that_acts_on_a_terminal() -> None:
    """Hostile strings are escaped, so printing the report is harmless."""
    text = to_json(hostile_report())
    assert [] == [char for char in text if not char.isprintable() and char != "\n"]


def test_control_characters_are_not_lost() -> None:
    """What is escaped for the terminal reads back as it was."""
    report = replace(minimal_report(), target="a\x1b[31m\x9b\u202e\U000e0041b")
    assert report == from_json(to_json(report))


def test_numbers_that_json_does_not_know_become_their_names() -> None:
    """A setting of NaN or of more than 64 bits is kept as text."""
    report = minimal_report()
    claims = {"a": math.nan, "b": -math.inf, "c": 10**30, "d": 1.5}
    read = from_json(to_json(replace(report, source=replace(report.source, claims=claims))))
    assert {"a": "nan", "b": "-inf", "c": hex(10**30), "d": 1.5} == read.source.claims


def test_a_lone_surrogate_is_spelled_out() -> None:
    """Half a character can't be written in UTF-8, so it is written as its number."""
    report = replace(minimal_report(), target="x\ud800", rule_data={"\udfff": "y"})
    read = from_json(to_json(report))
    assert ("x\\u{d800}", {"\\u{dfff}": "y"}) == (read.target, read.rule_data)


def test_a_value_outside_the_schema_is_never_written() -> None:
    """A fault of ours ends in OutputError, not in a file that nobody can read."""
    report = replace(minimal_report(), root_digest=object())
    with pytest.raises(OutputError, match="can't be written"):
        to_json(report)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid"),
        ("{", "not valid"),
        ("[]", "no schema_version"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": true}', "no schema_version|not valid"),
        ('{"bomFormat": "CycloneDX"}', "bill of materials"),
        ('{"@context": "x", "@graph": []}', "bill of materials"),
        ('{"spdxVersion": "SPDX-2.3"}', "bill of materials"),
        (' <bom xmlns="http://cyclonedx.org/schema/bom/1.6"/>', "bill of materials"),
        ('{"schema_version": 1}', "missing required field `target`"),
        ("[" * 100_000, "not valid"),
        (b"\xff\xfe", "not valid"),
    ],
)
def test_what_is_not_a_report_is_refused(text: str | bytes, message: str) -> None:
    """Foreign data ends in DataError with a reason."""
    with pytest.raises(DataError, match=message):
        from_json(text)


def test_the_error_names_the_place() -> None:
    """A wrong value is reported with its path."""
    document = json.loads(to_json(fine_tune_report()))
    document["inspections"][2]["file"]["size"] = "large"
    with pytest.raises(DataError, match=r"\$\.inspections\[2\]\.file\.size|\$\.inspections\[\.\.\.\]\.file\.size"):
        from_json(json.dumps(document))


def test_the_published_schema_is_the_one_of_the_records() -> None:
    """schemas/report.schema.json is generated; AIBOM_UPDATE_GOLDEN=1 writes it."""
    if os.environ.get("AIBOM_UPDATE_GOLDEN"):
        SCHEMA_FILE.write_text(schema_text())
    assert SCHEMA_FILE.read_text() == schema_text()


@pytest.mark.parametrize(
    "report", [minimal_report(), fine_tune_report(), hostile_report()], ids=["min", "full", "hostile"]
)
def test_reports_obey_the_published_schema(report: Report) -> None:
    """An independent validator accepts what is written."""
    jsonschema.Draft202012Validator(schema()).validate(json.loads(emit(report, EmitOptions())))


def test_the_schema_refuses_an_unknown_severity() -> None:
    """The schema is not so loose that it accepts anything."""
    document = json.loads(to_json(fine_tune_report()))
    document["findings"][0]["severity"] = "catastrophic"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate(document)


def test_an_empty_report_is_possible() -> None:
    """A target without files still gives a report that loads back."""
    report = make_report()
    assert report == from_json(to_json(report))


def test_records_that_need_no_change_stay_the_same_objects() -> None:
    """Making a report encodable costs nothing where there is nothing to do."""
    report = fine_tune_report()
    assert report is encodable(report)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("=1+1", "'=1+1"),
        (" +cmd", "' +cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1", "'-1"),
        ("plain", "plain"),
        ("two\nlines\tand", "two\\u{a}lines\\u{9}and"),
        ("\x1b[0m", "\\u{1b}[0m"),
    ],
)
def test_a_cell_is_one_line_and_no_formula(raw: str, expected: str) -> None:
    """What a spreadsheet would calculate gets an apostrophe before it."""
    assert expected == cell(raw)
