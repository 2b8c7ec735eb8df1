"""What a hub says of a model's owner and of the talk about it: whether it verified the owner, what is still open."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from aibom.components import Scalar
from aibom.errors import FileFault
from aibom.limits import MIB
from aibom.sources.network import Network

log = logging.getLogger("aibom.sources.hub_signals")


def owner_and_talk(network: Network, endpoint: str, identity: str, headers: Mapping[str, str]) -> dict[str, Scalar]:
    """Return the hub's claims about the owner and the open discussions of `owner/name`.

    An answer that can't be had is no claim: a signal that is missing says nothing, and no scan fails for it.
    """
    owner, slash, _ = identity.partition("/")
    found: dict[str, Scalar] = {}
    if slash:
        found.update(_owner(network, endpoint, owner, headers))
    page = _ask(network, f"{endpoint}/api/models/{identity}/discussions?p=0&status=open", headers)
    match page:
        case {"count": int(count), "discussions": [*talks]} if count >= 0:
            found["discussions-open"] = count
            # The hub lists the latest first; only this page was asked for.
            requests = sum(isinstance(item, dict) and item.get("isPullRequest") is True for item in talks)
            if count == len(talks):
                found["pull-requests-open"] = requests
            if newest := max(_dates(talks), default=None):
                found["discussion-latest"] = newest
    return found


def _owner(network: Network, endpoint: str, owner: str, headers: Mapping[str, str]) -> Iterator[tuple[str, Scalar]]:
    """Organizations can be verified, people can't: an owner that is no organization is a person or unknown."""
    match _ask(network, f"{endpoint}/api/organizations/{quote(owner)}/overview", headers):
        case {"name": str(), **rest}:
            yield "owner-kind", "organization"
            verified = rest.get("isVerified")
            yield "owner-verified", verified if isinstance(verified, bool) else False
            if isinstance(models := rest.get("numModels"), int) and not isinstance(models, bool):
                yield "owner-models", models
            return
    match _ask(network, f"{endpoint}/api/users/{quote(owner)}/overview", headers):
        case {"user": str(), **rest} | {"name": str(), **rest}:
            yield "owner-kind", "user"
            if isinstance(models := rest.get("numModels"), int) and not isinstance(models, bool):
                yield "owner-models", models


def _dates(talks: list[Any]) -> Iterator[str]:
    for item in talks:
        match item:
            case {"createdAt": str(moment)} if len(moment) <= 40:
                yield moment


def _ask(network: Network, url: str, headers: Mapping[str, str]) -> Any:
    try:
        return network.get_json(url, headers, limit=MIB)[0]
    except (OSError, FileFault) as fault:
        log.info("%s: %s", url, fault)
        return None
