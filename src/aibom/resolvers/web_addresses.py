"""Where on the web a component can be found."""

from __future__ import annotations

import re

from aibom.components import ModelCard
from aibom.report import SourceFacts
from aibom.resolvers.hub_names import ModelName
from aibom.resolvers.subject import Subject


def urls_of(subject: Subject, card: ModelCard | None, facts: SourceFacts | None) -> dict[str, str]:
    """Return where a model is published, its card, and papers that the card names."""
    urls = {}
    if facts and facts.url:
        urls["distribution"] = facts.url
    if subject.group and subject.purl and subject.purl.startswith("pkg:huggingface/"):
        urls.update(hub_urls(ModelName(kind="hub", group=subject.group, name=subject.name), "model"))
        if card:
            urls["model-card"] = (
                f"https://huggingface.co/{subject.group}/{subject.name}/blob/{subject.version or 'main'}/{card.path}"
            )
    for arxiv in (
        tag for tag in (card.fields.get("tags", ()) if card else ()) if re.fullmatch(r"arxiv:\d{4}\.\d{4,5}", tag)
    ):
        urls.setdefault("documentation", f"https://arxiv.org/abs/{arxiv.partition(':')[2]}")
    return urls


def hub_urls(name: ModelName, kind: str) -> dict[str, str]:
    """Return the page of a model or dataset by its name."""
    if name.kind == "url" and name.url:
        return {"website": name.url}
    if name.kind != "hub":
        return {}
    return {"website": f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name.id}"}
