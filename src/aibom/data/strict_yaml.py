"""Read YAML that ships with the tool, strictly. PyYAML takes 8 ms to import: import this module where it is needed."""

from __future__ import annotations

from typing import Any

import yaml

from aibom.errors import DataError


class _StrictLoader(yaml.CSafeLoader):
    """A safe loader that refuses a key that stands twice: one of the two would be silently lost."""

    # The signature is PyYAML's.
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Return the mapping at this node."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, name: str) -> Any:
    """Return what the YAML says; `name` is what faults call it.

    Raises:
        DataError: it is no YAML, or a key stands twice.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 -- a safe loader that also refuses repeated keys
    except yaml.YAMLError as error:
        raise DataError(f"{name}: {' '.join(str(error).split())}") from error
