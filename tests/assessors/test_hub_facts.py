"""What a hub says of a model answers the due-diligence list, with the hub and the day; what it does not say is open."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.assessors.model_cases import Case, judged, model

from aibom.components import ComponentKind, Derivation, Relation, RelationKind
from aibom.report import Answer, ChecklistItem, SourceFacts

CLAIMS = {
    "owner-kind": "organization",
    "owner-verified": True,
    "discussions-open": 3,
    "pull-requests-open": 1,
    "discussion-latest": "2026-03-04T05:06:07.000Z",
}


def hub(**more: Any) -> Case:
    facts = SourceFacts(
        kind="hub", identity="acme/chat", url="https://hub.example/acme/chat", modified="2026-02-03T04:05:06.000Z"
    )
    return replace(model("# Chat\n", identity="acme/chat"), facts=replace(facts, **{"claims": CLAIMS, **more}))


def republished(case: Case, base: str | None, **properties: str) -> Case:
    """Give the model properties of a comparison, and a base where one is named."""
    resolution = case.resolution
    root = resolution.component(resolution.root)
    keys = {f"aibom:lineage:{key.replace('_', '-')}": value for key, value in properties.items()}
    changed = replace(root, properties={**root.properties, **keys})
    others = tuple(item for item in resolution.components if item.ref != root.ref)
    if base is not None:
        owner, _, name = base.partition("/")
        parent = replace(root, ref="model:base", kind=ComponentKind.MODEL, name=name, group=owner, seen=False)
        edge = Relation(
            source=root.ref, target=parent.ref, kind=RelationKind.DERIVED_FROM, derivation=Derivation.FINETUNE
        )
        others = (*others, parent)
        resolution = replace(resolution, relations=(*resolution.relations, edge))
    return replace(case, resolution=replace(resolution, components=(changed, *others)))


def item(case: Case, name: str) -> ChecklistItem:
    root = case.resolution.root
    (found,) = [
        entry
        for entry in judged(case).checklist
        if (entry.list, entry.id, entry.subject) == ("due-diligence", name, root)
    ]
    return found


@pytest.mark.parametrize(
    ("name", "answer", "statement", "evidence"),
    [
        ("support-last-change", Answer.YES, "last change: 2026-02-03", "last changed 2026-02-03; asked 2026-11-21"),
        (
            "support-owner",
            Answer.YES,
            "whether the hub verified the owner: yes",
            "the owner is an organization, verified by the hub; asked 2026-11-21",
        ),
        (
            "support-discussions",
            Answer.YES,
            "open discussions: 3",
            "3 discussions open, 1 of them pull requests, the latest of 2026-03-04; asked 2026-11-21",
        ),
    ],
)
def test_the_hub_answers_with_its_name_and_the_day(name: str, answer: Answer, statement: str, evidence: str) -> None:
    """Each row has what the hub said, which hub, and when it was asked."""
    found = item(hub(), name)
    assert (answer, statement) == (found.answer, found.statement)
    assert [(evidence, "hub.example")] == [(entry.statement, entry.source) for entry in found.because]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"owner-kind": "organization", "owner-verified": False}, "an organization, not verified by the hub"),
        ({"owner-kind": "user"}, "a person; the hub verifies organizations only"),
    ],
)
def test_an_owner_that_is_not_verified_is_a_no(claims: dict[str, object], said: str) -> None:
    """An unverified organization and a person are both no, with why."""
    found = item(hub(claims=claims), "support-owner")
    assert Answer.NO is found.answer
    assert said in found.because[0].statement


def test_no_open_discussion_is_an_answer() -> None:
    """Zero is known, which is not the same as not asked."""
    found = item(hub(claims={"discussions-open": 0}), "support-discussions")
    assert (Answer.YES, "open discussions: 0") == (found.answer, found.statement)
    assert "0 discussions open; asked 2026-11-21" == found.because[0].statement


@pytest.mark.parametrize(
    "name", ["support-last-change", "support-owner", "support-discussions", "security-own-weights"]
)
@pytest.mark.parametrize("claims", [{}, {"owner-verified": "yes", "discussions-open": True}])
def test_what_no_hub_said_is_open_and_tells_what_to_do(name: str, claims: dict[str, object]) -> None:
    """Absent or misshapen claims are unknown: neither yes nor no."""
    found = item(hub(claims=claims, modified="soon"), name)
    assert Answer.NOT_FOUND is found.answer
    assert "; to do: scan" in found.statement
    assert () == found.because


@pytest.mark.parametrize(
    ("base", "properties", "answer"),
    [
        ("other/base", {"weights_compared": "other/base", "same_weights": "other/base: a.bin"}, Answer.NO),
        ("other/base", {"weights_compared": "other/base"}, Answer.YES),
        ("other/base", {}, Answer.NOT_FOUND),
        ("Acme/base", {"weights_compared": "Acme/base", "same_weights": "Acme/base: a.bin"}, Answer.NOT_FOUND),
        ("other/unasked", {"weights_compared": "other/base"}, Answer.NOT_FOUND),
    ],
)
def test_weights_of_another_owner_are_told(base: str, properties: dict[str, str], answer: Answer) -> None:
    """Weights of one's own base are no copy of another's, and a base that was not asked leaves the question open."""
    found = item(republished(hub(), base, **properties), "security-own-weights")
    assert answer is found.answer
    if answer is Answer.NO:
        assert "“other/base: a.bin”" in found.statement
        assert "asked 2026-11-21" in found.because[0].statement


def test_an_unknown_owner_is_another_one() -> None:
    """A directory has no owner: weights that a hub's model has are that model's."""
    local = model("# Chat\n")
    case = republished(local, "acme/base", weights_compared="acme/base", same_weights="acme/base: a.bin")
    assert Answer.NO is item(case, "security-own-weights").answer
