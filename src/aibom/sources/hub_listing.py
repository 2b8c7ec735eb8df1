"""The models of an owner on a hub, page by page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

from aibom.errors import TargetError
from aibom.sources.answers import NetworkError
from aibom.sources.hub import ANSWER_BYTES, DEFAULT_ENDPOINT, hub_headers, is_hub_name, next_page
from aibom.sources.network import Network

MOST_MODELS = 1_000_000


def models_of(owner: str, network: Network, *, limit: int = MOST_MODELS) -> Iterator[str]:
    """Yield `owner/name` of every model that the hub lists for an owner.

    Raises:
        TargetError: the hub does not answer, or not with a list that ends.
    """
    endpoint = os.environ.get("HF_ENDPOINT", DEFAULT_ENDPOINT).rstrip("/")
    network.trust(endpoint)
    headers = hub_headers()
    url: str | None = f"{endpoint}/api/models?author={quote(owner)}&limit=1000&sort=_id"
    seen: set[str] = set()
    try:
        while url is not None:
            try:
                page, answered = network.get_json(url, headers, limit=ANSWER_BYTES)
            except NetworkError as fault:
                raise TargetError(f"the models of {owner} can't be listed: {fault}", hint="try again later") from fault
            if not isinstance(page, list):
                raise TargetError(f"the models of {owner}: the hub's listing is not a list")
            known = len(seen)
            for item in page:
                match item:
                    case {"id": str(name)} if is_hub_name(name) and name not in seen:
                        if len(seen) >= limit:
                            raise TargetError(f"{owner} has more than {limit} models", hint="give a list of targets")
                        seen.add(name)
                        yield name
            url = next_page(endpoint, url, answered, f"the models of {owner}")
            if url is not None and len(seen) == known:
                raise TargetError(f"the models of {owner}: the hub's listing goes on without a new name")
    finally:
        network.close()
