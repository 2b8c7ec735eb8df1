from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from tests.fakes import MemoryRepo, repo_file

from aibom.components import Inspection
from aibom.containers.protocol import Budget, Container, Member, OpenedContainer
from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.inspection import Inspectors
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource, MemorySource

NOTED = Rule(id="noted", subject=Subject.CODE_ON_LOAD, severity=Severity.LOW, summary="s", explanation="e", help="h")
# A container of the tests: the members' contents, joined by a null byte; names are m0, m1 ...
BOX = Format.ZIP
LEAF = Format.NUMPY_NPY
LEAF_BYTES = b"\x93NUMPY\x01\x00" + b"\0" * 60


def leaf(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    return Inspection(file=file, coverage=Coverage.COMPLETE, findings=(Finding.of(NOTED, "seen", file.at()),))


def box(*contents: bytes, fail_after: Exception | None = None, complete: bool = True) -> object:
    def open_box(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
        def members() -> Iterator[Member]:
            for number, content in enumerate(contents):
                yield Member(name=f"m{number}", size=len(content), open=lambda content=content: MemorySource(content))  # type: ignore[misc]
            if fail_after is not None:
                raise fail_after

        return OpenedContainer(members(), findings=[Finding.of(NOTED, "box", file.at())], complete=complete)

    return open_box


def run(inspectors: object, containers: object, limits: Limits = Limits(), kind: Format = LEAF) -> list[Inspection]:  # noqa: B008
    tree = Inspectors(inspectors, containers, limits)  # type: ignore[arg-type]
    file = repo_file("f", b"123", kind=kind, role=Role.WEIGHTS)
    return list(tree.inspect_file(MemoryRepo({"f": b"123"}), file))


def rule_ids(inspection: Inspection) -> list[str]:
    return [finding.rule.id for finding in inspection.findings]


def test_an_inspector_is_chosen_by_format() -> None:
    """What an inspector says is the inspection of the file."""
    (inspection,) = run({LEAF: leaf}, {})
    assert (Coverage.COMPLETE, ["noted"]) == (inspection.coverage, rule_ids(inspection))


def test_a_format_without_inspector_was_not_looked_at() -> None:
    """No inspector means no coverage, except for plain text, in which there is nothing to parse."""
    assert [Coverage.NONE] == [item.coverage for item in run({}, {})]
    assert [Coverage.COMPLETE] == [item.coverage for item in run({}, {}, kind=Format.TEXT)]


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (MalformedFile("broken", offset=7), "malformed-file"),
        (LimitExceeded("too much"), "inspection-incomplete"),
        (OSError(5, "Input/output error"), "malformed-file"),
    ],
)
def test_what_an_inspector_raises_is_a_finding(fault: Exception, rule: str) -> None:
    """A fault of the file is a high finding on a weight file, at its offset, and nothing was covered."""

    def inspector(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
        raise fault

    (inspection,) = run({LEAF: inspector}, {})
    (finding,) = inspection.findings
    assert (rule, Severity.HIGH, Coverage.NONE) == (finding.rule.id, finding.severity, inspection.coverage)
    assert finding.location is not None
    assert getattr(fault, "offset", None) == finding.location.offset


def test_a_bug_of_ours_is_a_finding_and_a_log_entry(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in an inspector can't end the scan and can't read as clean."""

    def inspector(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR, "aibom"):
        (inspection,) = run({LEAF: inspector}, {})
    assert ["inspection-incomplete"] == rule_ids(inspection)
    assert Severity.HIGH is inspection.findings[0].severity
    assert "ZeroDivisionError" in caplog.text


def test_a_file_that_vanished_is_a_finding() -> None:
    """A file that can't be opened any more has an inspection without coverage."""
    tree = Inspectors({LEAF: leaf}, {}, Limits())
    (inspection,) = tree.inspect_file(MemoryRepo({}), repo_file("gone", b"1", kind=LEAF))
    assert (Coverage.NONE, Severity.MEDIUM) == (inspection.coverage, inspection.findings[0].severity)


def test_members_are_recognised_and_inspected() -> None:
    """A member is inspected as what its bytes are; empty ones are passed over."""
    outer, inner, text = run({LEAF: leaf}, {BOX: box(LEAF_BYTES, b"", b"plain words\n")}, kind=BOX)
    assert (Coverage.COMPLETE, ["noted"]) == (outer.coverage, rule_ids(outer))
    assert (("m0",), LEAF, ["noted"]) == (inner.file.members, inner.file.format, rule_ids(inner))
    assert (("m2",), Coverage.COMPLETE) == (text.file.members, text.coverage)


def test_consumed_members_are_not_opened_again() -> None:
    """What the inspector of the container has judged is not inspected twice."""

    def inspector(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
        return Inspection(file=file, coverage=Coverage.COMPLETE, consumed=("m0",))

    assert 1 == len(run({BOX: inspector, LEAF: leaf}, {BOX: box(LEAF_BYTES)}, kind=BOX))


def test_findings_made_before_a_fault_are_kept() -> None:
    """A listing that breaks off keeps the container's findings and the members that came before."""
    outer, inner = run({LEAF: leaf}, {BOX: box(LEAF_BYTES, fail_after=MalformedFile("cut"))}, kind=BOX)
    assert ["noted", "malformed-file"] == rule_ids(outer)
    assert Coverage.PARTIAL is outer.coverage
    assert ["noted"] == rule_ids(inner)


def test_a_listing_that_is_known_to_be_incomplete_is_partial() -> None:
    """A container may say that it did not list everything."""
    (outer,) = run({}, {BOX: box(complete=False)}, kind=BOX)
    assert Coverage.PARTIAL is outer.coverage


def test_an_opener_that_fails_is_a_finding() -> None:
    """A container that can't be opened at all was not looked at."""

    def opener(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
        raise MalformedFile("no directory")

    (outer,) = run({}, {BOX: opener}, kind=BOX)
    assert (["malformed-file"], Coverage.PARTIAL) == (rule_ids(outer), outer.coverage)


def test_a_member_that_can_not_be_opened_is_a_finding() -> None:
    """A broken member has an inspection of its own, and the others are inspected."""

    def opener(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
        def broken() -> ByteSource:
            raise MalformedFile("bad method")

        members = [
            Member(name="bad", size=3, open=broken),
            Member(name="good", size=68, open=lambda: MemorySource(LEAF_BYTES)),
        ]
        return OpenedContainer(iter(members))

    _, bad, good = run({LEAF: leaf}, {BOX: opener}, kind=BOX)
    assert (("bad",), ["malformed-file"]) == (bad.file.members, rule_ids(bad))
    assert ["noted"] == rule_ids(good)


def test_nesting_ends_at_the_limit() -> None:
    """Containers in containers are opened up to the limit, and the last one says that it was not."""
    zip_bytes = b"PK\x05\x06" + b"\0" * 18

    def opener(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
        return OpenedContainer(iter([Member(name="z", size=22, open=lambda: MemorySource(zip_bytes))]))

    limits = replace(Limits(), container_depth=3)
    inspections = run({}, {BOX: opener}, limits, kind=BOX)
    assert [0, 1, 2, 3] == [len(item.file.members) for item in inspections]
    assert ["inspection-incomplete"] == rule_ids(inspections[-1])


def test_a_member_with_a_misleading_name_is_a_finding() -> None:
    """A member whose name claims another format than its bytes has the mismatch among its findings."""

    def opener(file: RepoFile, data: ByteSource, limits: Limits, budget: Budget) -> Container:
        return OpenedContainer(iter([Member(name="model.safetensors", size=68, open=lambda: MemorySource(LEAF_BYTES))]))

    _, inner = run({LEAF: leaf}, {BOX: opener}, kind=BOX)
    assert ["noted", "extension-mismatch"] == rule_ids(inner)
