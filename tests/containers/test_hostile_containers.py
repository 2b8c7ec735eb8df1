from __future__ import annotations

import pytest
from fixtures.benign_containers import CASES as BENIGN
from fixtures.hostile_case import Case
from fixtures.hostile_containers import CASES

from aibom.components import Inspection
from aibom.containers import CONTAINERS
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Severity
from aibom.formats import recognize, role_of
from aibom.inspection import Inspectors
from aibom.inspectors import INSPECTORS
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource


def look(case: Case) -> list[Inspection]:
    raw = case.build()
    data = MemorySource(raw)
    kind = recognize(case.file_name, raw[:4096], len(raw), data)
    file = RepoFile(path=case.file_name, size=len(raw), format=kind, role=role_of(case.file_name, kind))
    return list(Inspectors(INSPECTORS, CONTAINERS, Limits()).inspect(file, data))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_hostile_container_is_found(case: Case) -> None:
    """Each technique is reported under the rules that are meant for it."""
    rules = {finding.rule.id for inspection in look(case) for finding in inspection.findings}
    assert case.expected_rule_ids <= rules


@pytest.mark.parametrize("case", BENIGN, ids=lambda case: case.name)
def test_no_benign_container_is_accused(case: Case) -> None:
    """What only looks alarming gets nothing worse than low, and is looked at completely."""
    inspections = look(case)
    assert [] == [
        finding
        for inspection in inspections
        for finding in inspection.findings
        if finding.severity.at_least(Severity.MEDIUM)
    ]
    assert {Coverage.COMPLETE} == {inspection.coverage for inspection in inspections}


def test_cases_have_names_of_their_own() -> None:
    """A case can be named without doubt, and there are at least a hundred."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 100


def test_what_an_inspector_has_consumed_is_not_opened_again() -> None:
    """Raw storages of a torch zip are no members of the report."""
    case = next(case for case in BENIGN if case.name == "zip-ordinary")
    assert [(), ("archive/version",)] == [inspection.file.members for inspection in look(case)]
    assert look(case)[0].file.format is Format.PYTORCH_ZIP
    assert Role.WEIGHTS is look(case)[0].file.role
