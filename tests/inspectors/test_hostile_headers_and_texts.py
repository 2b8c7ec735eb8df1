"""Every hostile header and text is found, and nothing is said of ordinary ones."""

import pytest
from fixtures import benign_texts, hostile_headers, hostile_texts
from fixtures.hostile_case import Case
from tests.inspectors.reading import read, rule_ids

from aibom.findings import Severity

CASES = {case.name: case for case in (*hostile_headers.CASES, *hostile_texts.CASES)}
BENIGN: dict[str, tuple[bytes, str | None]] = {
    **{name: (content, None) for name, content in hostile_headers.benign_files().items()},
    **{f"{name}.jinja": (text.encode(), None) for name, text in benign_texts.TEMPLATES.items()},
    **{name: (text.encode(), worst) for name, (text, worst) in benign_texts.PYTHON.items()},
    **{name: (text.encode(), worst) for name, (text, worst) in benign_texts.OTHERS.items()},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_hostile_files_are_found(case: Case) -> None:
    """A hostile file has the findings that its case expects."""
    assert case.expected_rule_ids <= rule_ids(read(case.file_name, case.build()))


@pytest.mark.parametrize("name", BENIGN)
def test_ordinary_files_are_left_alone(name: str) -> None:
    """An ordinary file has no finding, or none beyond what its case allows."""
    content, worst = BENIGN[name]
    alarms = [
        (finding.rule.id, finding.message)
        for finding in read(name, content).findings
        if worst is None or finding.severity.rank < Severity(worst).rank
    ]
    assert alarms == []


def test_there_are_enough_of_both() -> None:
    """The collections stay large: at least 40 hostile and 40 ordinary files."""
    assert len(CASES) >= 160
    assert len(BENIGN) >= 40
