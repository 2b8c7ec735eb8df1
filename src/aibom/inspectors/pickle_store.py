"""Keep what a stream stores: the memo, and the elements of its containers."""

from __future__ import annotations

from typing import Final

from aibom.inspectors.pickle_nodes import Blob, Node, Unknown

# Constants beyond this many elements of one container are counted, not kept: a vocabulary of millions of words tells
# nothing about code or tensors, and keeping it would cost more memory than the file.
KEPT_ELEMENTS: Final = 1 << 16
_PLAIN = frozenset({str, int, float, bool, type(None), Blob})


class Sparse(dict[int, Node]):
    """A memo with gaps. `append` is MEMOIZE: the next key is the number of entries."""

    def append(self, node: Node) -> None:
        """Store under the next key."""
        self[len(self)] = node


def put(memo: list[Node] | Sparse, key: int, node: Node) -> list[Node] | Sparse:
    """Store under any key; a list of entries without gaps becomes a mapping at the first gap."""
    if isinstance(memo, list):
        if key < len(memo):
            memo[key] = node
            return memo
        if key == len(memo):
            memo.append(node)
            return memo
        memo = Sparse(enumerate(memo))
    memo[key] = node
    return memo


def extend(target: list[Node], items: list[Node], offset: int) -> None:
    """Add elements to a list; of a huge one, plain constants are only counted."""
    if len(target) < KEPT_ELEMENTS or not _PLAIN.issuperset(map(type, items)):
        target += items
    elif isinstance(last := target[-1], Unknown):
        last.count += len(items)
    else:
        target.append(Unknown("plain constants", offset, len(items)))


def extend_pairs(target: list[Node], items: list[Node], offset: int) -> None:
    """Add keys and values, alternating; of a huge dict, plain constants are only counted."""
    if len(target) < 2 * KEPT_ELEMENTS or not _PLAIN.issuperset(map(type, items)):
        target += items
    elif isinstance(last := target[-1], Unknown) and isinstance(key := target[-2], Unknown):
        last.count += len(items) // 2
        key.count = last.count
    else:
        target += (
            Unknown("plain constants", offset, len(items) // 2),
            Unknown("plain constants", offset, len(items) // 2),
        )
