"""How the walk of one pickle stream ends early."""

from __future__ import annotations


class WalkFault(Exception):  # noqa: N818 -- it ends one stream; the examination keeps what came before
    """The unpickler would raise at `offset`, or (`limit`) we stop there."""

    def __init__(self, message: str, offset: int, *, limit: bool = False) -> None:
        super().__init__(message)
        self.offset = offset
        self.limit = limit
