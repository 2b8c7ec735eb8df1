from __future__ import annotations

import datetime as dt

import pytest
from tests.fakes import repo_file

from aibom.assessors.ignores import apply_ignores
from aibom.assessors.policy import check_policy
from aibom.components import Component, ComponentKind, Inspection, LicenseClaim, Resolution
from aibom.files import Coverage, Digest, Format, Location
from aibom.findings import Evidence, Finding, Rule, Severity, Subject
from aibom.report import Determination, RuleRef, Strength
from aibom.settings import Ignore, Policy, Settings


def claim(expression: str | None, *, key: str | None = None, raw: str = "raw") -> LicenseClaim:
    place = Evidence(statement="card", location=Location(path="README.md", line=3))
    return LicenseClaim(raw=raw, basis="declared", expression=expression, key=key, evidence=place)


def model(*claims: LicenseClaim) -> Resolution:
    component = Component(ref="model", kind=ComponentKind.MODEL, name="chat", licenses=claims)
    dataset = Component(ref="data", kind=ComponentKind.DATASET, name="set", seen=False)
    return Resolution(root="model", components=(component, dataset))


def messages(policy: Policy, resolution: Resolution) -> list[str]:
    return [finding.message for finding in check_policy(policy, (), resolution, ())]


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND Apache-2.0", True),
        ("LicenseRef-scancode-llama-3.1", False),
    ],
)
def test_a_list_of_accepted_licences_refuses_the_others(expression: str, *, accepted: bool) -> None:
    """Of a choice one licence must be accepted, of licences that all bind every one."""
    policy = Policy(allow_licenses=("MIT", "Apache-2.0"))
    assert accepted is (messages(policy, model(claim(expression))) == [])


def test_a_licence_is_accepted_under_its_table_key_or_its_own_words() -> None:
    """A licence without SPDX id is named by the key of the licence table, or as the card names it."""
    policy = Policy(allow_licenses=("llama3.1", "acme-license"))
    assert [] == messages(policy, model(claim(None, key="llama3.1"), claim(None, raw="Acme-License")))
    assert ["raw (declared)"] == messages(policy, model(claim(None)))


def test_a_refused_licence_is_refused_wherever_it_occurs() -> None:
    """One refused licence in an expression is enough; the same licence claimed twice is one finding."""
    policy = Policy(deny_licenses=("AGPL-3.0-only",))
    assert ["MIT OR AGPL-3.0-only (declared)"] == messages(policy, model(*[claim("MIT OR AGPL-3.0-only")] * 2))
    assert [] == messages(policy, model())


def test_an_unknown_licence_is_not_accepted() -> None:
    """Where the policy lists what is accepted, no licence is not among it."""
    assert 1 == len(messages(Policy(allow_licenses=("MIT",)), model()))


def test_a_refused_format_is_found_at_its_file() -> None:
    """A file of a refused format is a high finding at that file."""
    inspection = Inspection(file=repo_file("a.pkl", kind=Format.PICKLE), coverage=Coverage.COMPLETE)
    (finding,) = check_policy(Policy(deny_formats=("pickle",)), (inspection,), model(), ())
    assert ("policy-format", "a.pkl") == (finding.rule.id, finding.location.path if finding.location else None)


@pytest.mark.parametrize(("strength", "count"), [(Strength.SUGGESTS, 0), (Strength.INDICATES, 1)])
def test_a_determination_is_refused_from_its_strength_on(strength: Strength, count: int) -> None:
    """A gate on a provision counts from the strength that it names."""
    rule = RuleRef(id="r", regime="x", key="art-51", provision="p", title="t", authority="statute", rulebook="b")
    evidence = Evidence(statement="s", location=Location(path="README.md"))
    item = Determination(
        rule=rule, subject="model", finding="f", strength=strength, statement="S.", because=(evidence,)
    )
    assert count == len(check_policy(Policy(deny_determinations={"art-51": "indicates"}), (), model(), (item,)))


RULE = Rule(id="noise", subject=Subject.CODE_ON_LOAD, severity=Severity.HIGH, summary="s", explanation="e", help="h")
SHA = "ab" * 32


def ignored(entry: Ignore) -> list[str]:
    settings = Settings(as_of=dt.date(2026, 11, 21), ignores=(entry,))
    finding = Finding.of(RULE, "m", Location(path="w/a.bin"))
    found = apply_ignores((finding,), {"w/a.bin": (Digest(algorithm="sha256", value=SHA),)}, settings)
    return [item.suppression.reason if item.suppression else item.rule.id for item in found]


@pytest.mark.parametrize(
    "entry",
    [
        Ignore(rule="noise", reason="ok", source="c"),
        Ignore(rule="noise", reason="ok", source="c", path="w/*.bin"),
        Ignore(rule="noise", reason="ok", source="c", sha256=SHA.upper()),
        Ignore(rule="noise", reason="ok", source="c", until=dt.date(2026, 11, 21)),
    ],
)
def test_an_ignore_marks_what_it_matches(entry: Ignore) -> None:
    """The finding stays, with the reason; the last day of an ignore still counts."""
    assert ["ok"] == ignored(entry)


@pytest.mark.parametrize(
    "entry",
    [
        Ignore(rule="other", reason="ok", source="c"),
        Ignore(rule="noise", reason="ok", source="c", path="x"),
        Ignore(rule="noise", reason="ok", source="c", sha256="00" * 32),
        Ignore(rule="noise", reason="ok", source="c", until=dt.date(2026, 11, 20)),
    ],
)
def test_an_ignore_that_matches_nothing_is_reported(entry: Ignore) -> None:
    """An ignore of another rule, path or content, or one that has expired, is an info finding."""
    assert ["noise", "ignore-unused"] == ignored(entry)
