"""What the hub says of an owner and of open discussions is a claim where it can be had, and nothing where it can't."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from tests.hub_double import HubRepo, running_hub

from aibom.sources.answers import NetworkError
from aibom.sources.hub import HubName, HubSource
from aibom.sources.hub_signals import owner_and_talk
from aibom.sources.network import Network

HUB = "https://hub.example"
ORGANIZATION = {"name": "acme", "isVerified": True, "numModels": 12, "plan": "team"}
TALKS = {
    "count": 2,
    "start": 0,
    "discussions": [
        {"num": 2, "isPullRequest": True, "createdAt": "2026-02-01T00:00:00.000Z", "status": "open"},
        {"num": 1, "isPullRequest": False, "createdAt": "2026-01-01T00:00:00.000Z", "status": "open"},
    ],
}


class FakeNetwork:
    """Answers by the part of the address behind the hub's; everything else is not there."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get_json(self, url: str, headers: Mapping[str, str], *, limit: int) -> tuple[Any, Mapping[str, str]]:
        assert 0 < limit <= 1024 * 1024
        self.asked.append(url.removeprefix(HUB))
        for start, answer in self.answers.items():
            if self.asked[-1].startswith(start):
                return answer, {}
        raise NetworkError("HTTP 404", 404)


def claims(identity: str = "acme/chat", **answers: Any) -> dict[str, Any]:
    places = {
        "organization": "/api/organizations/acme/overview",
        "user": "/api/users/acme/overview",
        "talks": f"/api/models/{identity}/discussions",
    }
    network = FakeNetwork({places[name]: answer for name, answer in answers.items()})
    return owner_and_talk(cast("Network", network), HUB, identity, {})


def test_an_organization_is_verified_or_not() -> None:
    """The hub says whether it verified an organization."""
    expected = {"owner-kind": "organization", "owner-verified": True, "owner-models": 12}
    assert expected == claims(organization=ORGANIZATION)
    assert {"owner-kind": "organization", "owner-verified": False} == claims(organization={"name": "acme"})


def test_a_person_is_never_verified() -> None:
    """Of a person the hub verifies nothing, so nothing is said about that."""
    assert {"owner-kind": "user", "owner-models": 3} == claims(user={"user": "acme", "numModels": 3})


def test_open_discussions_are_counted() -> None:
    """How many are open, how many of them ask for a change, and when the latest began."""
    assert {
        "discussions-open": 2,
        "pull-requests-open": 1,
        "discussion-latest": "2026-02-01T00:00:00.000Z",
    } == claims(talks=TALKS)
    more = claims(talks={**TALKS, "count": 80})
    assert (80, None) == (more["discussions-open"], more.get("pull-requests-open"))
    assert {"discussions-open": 0, "pull-requests-open": 0} == claims(talks={"count": 0, "discussions": []})


@pytest.mark.parametrize(
    "answer", [None, [], "x", {}, {"count": -1, "discussions": []}, {"count": "1", "discussions": []}, {"name": 1}]
)
def test_an_answer_of_another_shape_says_nothing(answer: object) -> None:
    """Foreign JSON of any shape is no claim and no fault."""
    assert {} == claims(organization=answer, user=answer, talks=answer)


def test_odd_entries_are_passed_over() -> None:
    """Entries that are none do not end the reading."""
    found = claims(talks={"count": 2, "discussions": [None, {"createdAt": "x" * 100, "isPullRequest": "yes"}]})
    assert {"discussions-open": 2, "pull-requests-open": 0} == found


def test_a_name_without_an_owner_has_none() -> None:
    """Nobody is asked about the owner of an old name."""
    assert {} == claims("gpt2", organization=ORGANIZATION)


def test_only_the_target_itself_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base model costs no further requests; the target is asked once, and a hub without answers is no fault."""
    with running_hub({"acme/chat": HubRepo({"config.json": b"{}"})}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        for preload, expected in ((False, 0), (True, 3)):
            hub.requests.clear()
            source = HubSource(HubName("acme/chat"), Network(wait=lambda _: None, timeout=5), preload=preload)
            source.facts()
            assert "owner-kind" not in source.facts().claims
            asked = [path for _, path, _ in hub.requests if "overview" in path or "discussions" in path]
            assert expected == len(asked)
            source.close()
