"""The parts of a CycloneDX document: its components, files and subject, each with its JSON pointer."""

from __future__ import annotations

from collections.abc import Iterator

from aibom.documents.shape import Json

Placed = tuple[str, Json]
"""A part of a document with its JSON pointer."""

MAX_DEPTH = 64  # levels of nested components that are followed


def components(document: Json) -> Iterator[Placed]:
    """Yield every component that stands in the document: the root first, then outside in; no ancestors."""
    top: list[Json] = document.get("components", [])
    stack: list[tuple[str, Json, int]] = [(f"/components/{n}", body, 0) for n, body in reversed(list(enumerate(top)))]
    if root := document.get("metadata", {}).get("component"):
        stack.append(("/metadata/component", root, 0))
    while stack:
        pointer, body, depth = stack.pop()
        yield pointer, body
        if depth < MAX_DEPTH:
            inner = [
                (f"{pointer}/components/{n}", child, depth + 1) for n, child in enumerate(body.get("components", []))
            ]
            stack += reversed(inner)


def subject(document: Json) -> Placed:
    """Return what the document is about: its root, or its first model where it has no root."""
    found = list(components(document))
    if found and found[0][0] == "/metadata/component":
        root = found[0]
        if root[1].get("type") == "machine-learning-model":
            return root
        # Some tools name the scan as the root and the model as its only component.
        models = [placed for placed in found if placed[1].get("type") == "machine-learning-model"]
        return models[0] if len(models) == 1 else root
    models = [placed for placed in found if placed[1].get("type") == "machine-learning-model"]
    return (models or found or [("", {})])[0]


def files(document: Json) -> Iterator[Placed]:
    """Yield the components that are files."""
    return ((pointer, body) for pointer, body in components(document) if body.get("type") == "file")


def values(body: Json, name: str) -> list[str]:
    """Return the values of a component's property."""
    return [str(entry.get("value", "")) for entry in body.get("properties", []) if entry.get("name") == name]


def full_name(body: Json) -> str:
    """Return `group/name`, or the name alone."""
    name, group = str(body.get("name", "")), body.get("group")
    return f"{group}/{name}" if group else name
