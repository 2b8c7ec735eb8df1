"""Folders that MLflow itself has written (3.17)."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from aibom.files import Coverage
from aibom.findings import Severity
from aibom.pipeline import scan
from aibom.report import Report
from aibom.settings import Settings
from aibom.sources.targets import open_source

FOLDERS = Path(__file__).parent.parent.parent / "fixtures" / "real" / "mlflow"
CREATED = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def report(name: str) -> Report:
    source = open_source(str(FOLDERS / name))
    try:
        return scan(source, Settings(as_of=CREATED.date()), created=CREATED)
    finally:
        source.close()


def grave(found: Report) -> set[tuple[str, Severity]]:
    return {(item.rule.id, item.severity) for item in found.findings if item.severity.at_least(Severity.MEDIUM)}


@pytest.mark.parametrize("name", ["sklearn_skops", "sklearn_cloudpickle"])
def test_an_estimator_is_ordinary(name: str) -> None:
    """Nothing but the license that nobody stated is worth a reader's time; every file is read to its end."""
    found = report(name)
    assert {("license-undetermined", Severity.MEDIUM)} == grave(found)
    assert {Coverage.COMPLETE} == {item.coverage for item in found.inspections}
    facts = next(item.metadata for item in found.inspections if item.file.path == "MLmodel")
    assert "3.17.2" == facts["mlflow_version"]
    assert "mlflow.sklearn" == facts["flavors.python_function.loader_module"]
    libraries = {item.name for item in found.resolution.components}
    assert {"scikit-learn", "numpy"} <= libraries


def test_code_of_a_model_is_what_lies_in_its_folder() -> None:
    """MLflow writes where the code lay on the machine of its author, and loads the file of that name in the folder."""
    found = report("from_code")
    assert {("license-undetermined", Severity.MEDIUM), ("mlflow-code", Severity.MEDIUM)} == grave(found)
    (code,) = [item for item in found.findings if item.rule.id == "mlflow-code"]
    assert "echo_model.py" in code.message
    assert "/" not in code.message


def test_a_class_by_value_is_code() -> None:
    """A class that is pickled with its code is said to be that, and its base class is not called a danger."""
    rules = grave(report("by_value"))
    assert ("pickle-embedded-code", Severity.HIGH) in rules
    assert "pickle-dangerous-import" not in {rule for rule, _ in rules}
